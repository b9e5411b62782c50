"""The page of common mistakes shows what is said of each, to the letter."""

from __future__ import annotations

import pytest

from engine import plugins
from engine.scenario.diagnostics import render
from engine.scenario.load import load_scenario
from tests.docs.pages import ROOT, Block, blocks

FILE = "scenarios/order.yaml"
BLOCKS = list(blocks(ROOT / "docs" / "how-to" / "ten-common-mistakes.md"))
WRONG = [block for block in BLOCKS if "wrong" in block.marks]
SHOWN = [block for block in BLOCKS if block.language == "text"]
PAIRS = list(zip(WRONG, SHOWN, strict=True))


def test_there_are_ten() -> None:
    assert len(PAIRS) == 10


@pytest.mark.parametrize(("wrong", "shown"), PAIRS, ids=lambda block: block.place)
def test_a_mistake_is_told_as_the_page_shows_it_with_what_to_do(wrong: Block, shown: Block) -> None:
    _, found = load_scenario(wrong.text, FILE, plugins.load())
    assert render(found, {FILE: wrong.text}) + "\n" == shown.text
    assert any(mistake.hint for mistake in found)
