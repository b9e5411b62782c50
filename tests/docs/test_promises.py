"""The pages of the promises name exactly the mutants that there are, each with the check that fails."""

from __future__ import annotations

import importlib
import re
from collections import defaultdict

import pytest

from tests.docs.pages import ROOT

FOLDER = ROOT / "docs" / "explanation" / "promises"
PAGES = {int(path.name.partition("-")[0]): path for path in sorted(FOLDER.glob("[0-9]-*.md"))}
_ROW = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)


def mutants() -> dict[int, set[str]]:
    """By promise, what is switched off: the last callable of each row of ``MUTANTS`` in each ``test_mutants*.py``."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "tests" / "promises").glob("test_mutants*.py")):
        module = importlib.import_module(f"tests.promises.{path.stem}")
        for row in module.MUTANTS:
            said = [re.match(r"\d", part) for part in (*row, path.stem[-1:]) if isinstance(part, str)]
            number = next(match for match in said if match)
            found[int(number.group())].add([part for part in row if callable(part)][-1].__name__)
    return found


@pytest.mark.parametrize("number", sorted(mutants()))
def test_a_page_names_the_mutants_of_its_promise_and_no_others(number: int) -> None:
    text = PAGES[number].read_text("utf-8")
    assert "## What is promised" in text
    assert "## What is not promised" in text
    assert set(_ROW.findall(text.partition("## Mutants")[2])) == mutants()[number]


def test_the_index_names_every_page() -> None:
    index = (FOLDER / "README.md").read_text("utf-8")
    assert [path.name for path in PAGES.values() if f"({path.name})" not in index] == []
