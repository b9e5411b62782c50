"""The reference page of expressions says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from engine.scenario.expressions import compile_expression
from engine.scenario.expressions.frame import MAX_OUTPUT, MAX_STEPS
from engine.scenario.expressions.parser import MAX_DEPTH, MAX_LENGTH, MAX_NESTING

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "expressions.md"


def test_the_bounds_are_those_of_the_code() -> None:
    page = PAGE.read_text()
    for bound in (MAX_LENGTH, MAX_NESTING, MAX_DEPTH, MAX_STEPS):
        assert f"| {bound:,} |" in page
    assert f"| {MAX_OUTPUT // 1024 // 1024} Mi |" in page


def test_the_expressions_in_the_yaml_can_be_read() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found = re.findall(r"\$\{\{ (.*?) \}\}", block)
    assert len(found) == 3
    for text in found:
        compile_expression(text)
