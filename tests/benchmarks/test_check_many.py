"""What the benchmark of the checker checks is what it says: copies that differ, and mean the same."""

from __future__ import annotations

from benchmarks.check_many import CORPUS, codes, sources, varied
from engine import plugins


def test_a_copy_has_names_of_its_own_and_gives_what_its_original_gives() -> None:
    registry = plugins.load()
    for path in sorted(CORPUS.glob("*/*.yaml")):
        source = path.read_text()
        copy = varied(source, 7)
        assert copy != source
        assert codes(copy, registry) == codes(source, registry), path.stem


def test_expressions_go_with_the_ids_that_they_name() -> None:
    source = """\
scenario: one
steps:
  - id: customer
    set: {email: a}
  - set: {x: "${{ customer.email }} ${{ trigger.customer.email }} ${{ steps.customer.status }}", customer: 1}
"""
    assert (
        varied(source, 3)
        == """\
scenario: one-3
steps:
  - id: customer_3
    set: {email: a}
  - set: {x: "${{ customer_3.email }} ${{ trigger.customer.email }} ${{ steps.customer_3.status }}", customer: 1}
"""
    )


def test_as_many_as_are_asked_for() -> None:
    made = sources(400)
    assert len({text for _, text in made}) == 400
