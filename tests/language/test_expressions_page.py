"""The reference page of expressions says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from engine.scenario.expressions import FUNCTIONS, OMIT, compile_expression
from engine.scenario.expressions.frame import MAX_OUTPUT, MAX_STEPS
from engine.scenario.expressions.parser import MAX_DEPTH, MAX_LENGTH, MAX_NESTING
from engine.sdk import jsontext

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "expressions.md"
BEGIN = "<!-- functions: generated from engine.scenario.expressions.FUNCTIONS -->\n"
END = "<!-- end of functions -->\n"


def table() -> str:
    lines = ["| function | what it gives | example |", "| --- | --- | --- |"]
    for function in FUNCTIONS.values():
        result = "" if function.example.result is OMIT else jsontext.dumps(function.example.result).decode()
        signature, example = (text.replace("|", "\\|") for text in (function.signature, function.example.expression))
        lines.append(f"| `{signature}` | {function.doc} | `{example}`{f' → `{result}`' if result else ''} |")
    return "\n".join(lines) + "\n"


def test_the_functions_are_those_of_the_code() -> None:
    page = PAGE.read_text()
    found = page[page.index(BEGIN) + len(BEGIN) : page.index(END)]
    assert found == table(), f"put this between the two comments of {PAGE.name}:\n{table()}"


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
