"""What people are told and shown of a scenario: the sentences of ``engine explain``, the pictures of ``engine graph``.

The sentences of all shipped scenarios, and of one with everything that the language has, are kept in ``golden/``; to
write them anew after a change that is meant: ``python -m tests.views.test_views``.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine import plugins
from engine.cli.app import cli
from engine.scenario.expressions import compile_expression
from engine.scenario.inside import every
from engine.scenario.load import load_kept
from engine.scenario.plan import ModuleStep, Scenario, Step
from engine.views.chart import chart_of
from engine.views.explain import Line, explain, text_of
from engine.views.mermaid import mermaid
from engine.views.svg import svg
from engine.views.words import condition

HERE = Path(__file__).parent
SHIPPED = HERE.parents[1] / "scenarios"
FILES = {
    "everything": HERE / "everything.yaml",
    **{path.parent.name: path for path in sorted(SHIPPED.glob("*/scenario.yaml"))},
}
REGISTRY = plugins.load()
SVG = "{http://www.w3.org/2000/svg}"


def plan_of(name: str) -> Scenario:
    plan, found = load_kept(FILES[name].read_text(), name, REGISTRY)
    assert plan is not None, [str(diagnostic) for diagnostic in found]
    return plan


def golden(name: str) -> Path:
    return HERE / "golden" / f"{name}.txt"


@pytest.mark.parametrize("name", FILES)
def test_the_sentences_are_those_that_were_read(name: str) -> None:
    assert text_of(explain(plan_of(name))) == golden(name).read_text()


def test_a_write_is_one_whatever_its_data_rest_on() -> None:
    plan, found = load_kept(
        """
scenario: refund
trigger: {module: http.watch_webhook}
steps:
  - id: mail
    module: http.make_request
    with:
      url: https://mail.example.com
      method: POST
      body: {link: "${{ approval_link('ok') }}", cents: "${{ trigger.total * 100 }}"}
  - id: ok
    wait_for: {approval: "Refund?"}
  - id: total
    module: data_store.increment
    with: {store: totals, key: refunds}
  - set: {note: "refused by ${{ ok.by || 'somebody' }}"}
""",
        "refund",
        REGISTRY,
    )
    assert plan is not None, found
    said = text_of(explain(plan))
    assert "Make a Request (`http.make_request`; it writes), with body.link" in said
    assert "Increment a Number (`data_store.increment`; it writes)" in said
    assert "Set `note` to `refused by { ok.by || 'somebody' }`." in said
    assert "It changes records of its own in `total`" in said
    assert "It changes something outside in `mail`." in said


def test_everything_has_every_kind_of_step() -> None:
    plan = plan_of("everything")
    kinds = {type(step).__name__ for step in every(plan.steps, plan.on_failure)}
    assert kinds == {kind.__name__ for kind in Step.__subclasses__()}


def test_each_step_has_a_sentence() -> None:
    plan = plan_of("everything")
    told: set[str] = set()

    def walk(lines: list[Line]) -> None:
        for line in lines:
            told.add(line.step or "")
            walk([*line.inside])

    walk(explain(plan))
    assert {step.id or step.path for step in every(plan.steps, plan.on_failure)} <= told


def boxes(element: ET.Element, x: float = 0.0, y: float = 0.0) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of all boxes of a picture."""
    if found := re.match(r"translate\(([-\d.]+) ([-\d.]+)\)", element.get("transform", "")):
        x, y = x + float(found[1]), y + float(found[2])
    own = []
    if "box" in element.get("class", "").split():
        if element.tag == f"{SVG}rect":
            own = [(x, y, x + float(element.get("width", 0)), y + float(element.get("height", 0)))]
        else:
            points = [tuple(map(float, pair.split(","))) for pair in element.get("points", "").split()]
            across, down = [p[0] for p in points], [p[1] for p in points]
            own = [(x + min(across), y + min(down), x + max(across), y + max(down))]
    return own + [box for child in element for box in boxes(child, x, y)]


@pytest.mark.parametrize("name", FILES)
def test_no_box_of_the_picture_lies_over_another_or_outside(name: str) -> None:
    picture = ET.fromstring(svg(chart_of(plan_of(name))))
    width, height = float(picture.get("width", 0)), float(picture.get("height", 0))
    found = boxes(picture)
    assert len(found) >= len(plan_of(name).steps)
    for left, top, right, bottom in found:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
    for one, other in combinations(found, 2):
        beside = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert beside, (one, other)


@pytest.mark.parametrize("name", FILES)
def test_the_picture_and_the_text_name_each_call(name: str) -> None:
    plan = plan_of(name)
    written = mermaid(chart_of(plan))
    # lines are broken where they are long
    drawn = "".join(text.text or "" for text in ET.fromstring(svg(chart_of(plan))).iter(f"{SVG}text"))
    for step in every(plan.steps, plan.on_failure):
        if isinstance(step, ModuleStep):
            assert step.module_name in written
            assert step.module_name in drawn


@pytest.mark.parametrize("name", FILES)
def test_each_arrow_of_the_mermaid_text_joins_what_there_is(name: str) -> None:
    text = mermaid(chart_of(plan_of(name)))
    known = set(re.findall(r"^\s*(?:subgraph )?(n\d+)[\[({]", text, re.MULTILINE))
    arrows = re.findall(r'^\s*(n\d+) (?:-->|-\.->)(?:\|"[^"]*"\|)? (n\d+)$', text, re.MULTILINE)
    assert arrows
    assert {end for arrow in arrows for end in arrow} <= known
    assert len(re.findall(r"^\s*subgraph ", text, re.MULTILINE)) == len(re.findall(r"^\s*end$", text, re.MULTILINE))


def test_what_an_author_writes_is_no_markup() -> None:
    source = """
scenario: odd
steps:
  - set: {a: 1}
    name: '<script>"&#"</script> `x`'
"""
    plan, _ = load_kept(source, "odd.yaml", REGISTRY)
    assert plan is not None
    assert [e.text for e in ET.fromstring(svg(chart_of(plan))).iter(f"{SVG}text")][2] == """<script>"&#"</script> `x`"""
    assert "<script>" not in mermaid(chart_of(plan))


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("a.b == 'GOLD' && points > 500", '`a.b` is "GOLD" and `points` is more than 500'),
        ("!(a == `1` || b != null)", "`a` is not 1 and `b` is missing"),
        # not `at most`: of a number that is missing neither is true
        ("!(points > 500)", "`points` is not more than 500"),
        ("contains(email, '@') and not starts_with(email, 'x')", None),
        ("ready", "`ready` is true"),
        ("orders[?total > `5`] | length(@) > `0`", None),
    ],
)
def test_a_condition_is_put_in_words_where_that_says_the_same(expression: str, said: str | None) -> None:
    found = condition(compile_expression(expression))
    if said is not None:
        assert found == said
    elif "contains" in expression:
        assert found == '`email` contains "@" and `email` does not begin with "x"'
    else:
        # what cannot be put in words stands as it is
        assert "orders[?total > `5`]" in found


def test_the_commands_say_and_write_it(tmp_path: Path) -> None:
    file, out = str(FILES["tier-to-sms"]), tmp_path / "picture.svg"
    told = CliRunner().invoke(cli, ["explain", file])
    assert told.stdout == golden("tier-to-sms").read_text()
    drawn = CliRunner().invoke(cli, ["graph", file, "--out", str(out)])
    assert (drawn.exit_code, ET.parse(out).getroot().tag) == (0, f"{SVG}svg")
    assert CliRunner().invoke(cli, ["graph", file]).stdout.startswith("flowchart TD\n")
    refused = CliRunner().invoke(cli, ["graph", file, "--out", str(tmp_path / "none" / "picture.svg")])
    assert refused.exit_code == 1


if __name__ == "__main__":
    for each in FILES:
        golden(each).write_text(text_of(explain(plan_of(each))))
