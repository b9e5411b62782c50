"""The pages of the promises name exactly the mutants that there are, each with the check that fails."""

from __future__ import annotations

import importlib
import inspect
import re
from collections import defaultdict
from collections.abc import Mapping

import pytest

from tests.docs.pages import ROOT

FOLDER = ROOT / "docs" / "explanation" / "promises"
PAGES = {int(path.name.partition("-")[0]): path for path in sorted(FOLDER.glob("[0-9]-*.md"))}
#: a table of what is switched off, without its two head lines
_TABLE = re.compile(r"^\|[^\n]*(?:switched off|disabled by)[^\n]*\n\|[-| ]+\|\n((?:\|[^\n]*\n)+)", re.MULTILINE)


def mutants() -> dict[int, set[str]]:
    """By promise, the names of what ``MUTANTS`` in each ``test_mutants*.py`` switches off."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "tests" / "promises").glob("test_mutants*.py")):
        table = importlib.import_module(f"tests.promises.{path.stem}").MUTANTS
        if isinstance(table, Mapping):
            found[int(path.stem[-1])].update(table)
            continue
        for row in table:
            said = [
                re.match(r"\d", part)
                for part in (*row, path.stem.removeprefix("test_mutants").strip("_"))
                if isinstance(part, str)
            ]
            number = next((match for match in said if match), None)
            if number is None:
                # of no promise
                continue
            # what must then fail is told what to work with, what is switched off is not
            found[int(number.group())].update(
                part.__name__ for part in row if callable(part) and not inspect.signature(part).parameters
            )
    return found


@pytest.mark.parametrize("number", sorted(mutants()))
def test_a_page_names_the_mutants_of_its_promise_and_no_others(number: int) -> None:
    text = PAGES[number].read_text("utf-8")
    assert "## What is promised" in text
    assert "## What is not promised" in text
    known = mutants()[number]
    rows = [row for table in _TABLE.findall(text) for row in table.splitlines()]
    named = [{cell.strip() for cell in re.split(r"[|`]", row)} & known for row in rows]
    assert [row for row, names in zip(rows, named, strict=True) if not names] == []
    assert set().union(*named) == known


def test_the_index_has_a_row_for_every_promise() -> None:
    index = (FOLDER / "README.md").read_text("utf-8")
    assert [number for number in range(1, 8) if not re.search(rf"^\| \[?{number}\. ", index, re.MULTILINE)] == []
    for link in re.findall(r"\((\d-[^)]+\.md)\)", index):
        assert (FOLDER / link).exists(), link
