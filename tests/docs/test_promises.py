"""The pages of the promises name exactly the mutants that there are, each with the check that fails."""

from __future__ import annotations

import importlib
import re
from collections import defaultdict

import pytest

from tests.docs.pages import ROOT

FOLDER = ROOT / "docs" / "explanation" / "promises"
PAGES = {int(path.name.partition("-")[0]): path for path in sorted(FOLDER.glob("[0-9]-*.md"))}
_NAME = re.compile(r"`(\w+)`")


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
    assert named(text, mutants()[number]) == mutants()[number]


def named(text: str, known: set[str]) -> set[str]:
    """All names in those columns of the page's tables that name mutants."""
    found: set[str] = set()
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()]
        for column in zip(*(row for row in rows if len(row) == len(rows[0])), strict=True):
            names = {match.group(1) for cell in column if (match := _NAME.fullmatch(cell.strip(" |")))}
            found |= names if names & known else set()
    return found


def test_the_index_has_a_row_for_every_promise() -> None:
    index = (FOLDER / "README.md").read_text("utf-8")
    assert [number for number in range(1, 8) if not re.search(rf"^\| \[?{number}\. ", index, re.MULTILINE)] == []
    for link in re.findall(r"\((\d-[^)]+\.md)\)", index):
        assert (FOLDER / link).exists(), link
