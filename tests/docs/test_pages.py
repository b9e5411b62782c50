"""Links lead somewhere, scenarios in the pages are right, and nothing stands outside the index."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

from engine import plugins
from engine.runtime.project import Project
from engine.scenario.load import load_scenario
from tests.docs.pages import MARKS, PAGES, ROOT, Block, blocks, name
from tests.promises.test_mutants import MUTANTS

#: has examples that are wrong on purpose, and tests of its own
CHECKS = ROOT / "docs" / "reference" / "checks.md"
SCENARIOS = [
    block
    for page in PAGES
    if page != CHECKS
    for block in blocks(page)
    if block.language == "yaml" and re.search(r"^scenario:", block.text, re.MULTILINE)
]
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@pytest.mark.parametrize("block", SCENARIOS, ids=lambda block: block.place)
def test_a_scenario_in_a_page_has_the_mistakes_that_the_page_says_and_no_other(block: Block, tmp_path: Path) -> None:
    for other in blocks(block.page):
        file = other.marks.get("file", "")
        if file.startswith("modules/"):
            (tmp_path / file).parent.mkdir(exist_ok=True)
            (tmp_path / file).write_text(other.text)
    registry = plugins.load(tmp_path / "modules")
    assert registry.problems == []
    _, found = load_scenario(block.text, block.place, registry)
    assert [mistake.code for mistake in found] == block.marks.get("wrong", "").split()


def test_the_pages_show_scenarios() -> None:
    assert {name(block.page) for block in SCENARIOS} >= {"README.md", "docs/reference/language.md"}


@pytest.mark.parametrize("block", [b for p in PAGES for b in blocks(p) if b.marks.get("file") == "engine.yaml"])
def test_settings_in_a_page_can_be_read(block: Block, tmp_path: Path) -> None:
    (tmp_path / "engine.yaml").write_text(block.text)
    assert Project.find(tmp_path).settings


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_pages_and_headings_that_are_there(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for link in _LINK.findall(text):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        if anchor:
            assert anchor in {_anchor(heading) for heading in _HEADING.findall(target.read_text())}, link


def _anchor(heading: str) -> str:
    """The anchor that a heading gets: lower case, no punctuation, dashes for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(index.read_text())}
    assert [name(page) for page in (ROOT / "docs").rglob("*.md") if page != index and page not in listed] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_marks_are_known(page: Path) -> None:
    ours = re.findall(r"^<!-- ([a-z ]+?)(?::.*)? -->$", page.read_text(), re.MULTILINE)
    others = {"functions", "end of functions"}
    assert set(ours) - MARKS - others == set()


def test_the_table_of_promises_names_tests_that_are_there_and_every_mutant() -> None:
    _, _, table = (ROOT / "docs" / "explanation" / "runs.md").read_text().partition("## What proves it")
    for path in re.findall(r"`(tests/[\w/]+(?:\.py)?)`", table):
        assert (ROOT / path).exists(), path
    for row in table.splitlines():
        files = [ROOT / path for path in re.findall(r"`(tests/[\w/]+\.py)`", row)]
        written = "".join(file.read_text() for file in files)
        for test in re.findall(r"`(test_\w+)`", row):
            assert f"def {test}(" in written, test
    assert [mutant.__name__ for _, _, mutant in MUTANTS if f"`{mutant.__name__}`" not in table] == []


def test_the_architecture_shows_every_room_and_none_that_is_not_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [path.name for path in (ROOT / "engine").iterdir() if (path / "__init__.py").exists()]
    assert [room for room in rooms if f"| `engine/{room}/` |" not in page] == []
    inside = "|".join(rooms)
    for file in re.findall(rf"[`\[](?:engine/)?((?:{inside})/[\w/.]+)", page):
        path = ROOT / "engine" / file
        assert path.exists() or path.with_suffix(".py").exists(), file


def test_each_dependency_has_a_reason_and_each_import_is_declared() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[^a-z0-9-]", line, maxsplit=1)[0] for line in declared}
    reasons = re.findall(r"^\| ([a-z][a-z0-9-]*) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    assert sorted(names) == sorted(set(reasons) - {"package"})
    trees = (ast.parse(path.read_text()) for top in ("engine", "modules") for path in (ROOT / top).rglob("*.py"))
    imported: set[str] = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            imported.add(node.module.partition(".")[0])
    of_others = imported - set(sys.stdlib_module_names) - {"engine", "modules"}
    called = {"yaml": "pyyaml", "re2": "google-re2"}
    assert {called.get(each, each.replace("_", "-")) for each in of_others} <= names
