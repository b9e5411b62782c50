"""Expressions are JMESPath: the published cases pass, but for a listed few."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.scenario.expressions import ExpressionError, ExpressionSyntaxError, compile_expression
from engine.scenario.expressions.frame import Frame, equal
from engine.sdk import jsontext

CASES = Path(sys.prefix) / "share" / "jmespath-compliance"
FEWEST = 850

NULL = "a function gives null for a null argument; the standard wants an error"
NUMBER = "a bare number is an operand; the standard knows numbers only in backticks"

#: what the language does on purpose in another way: (file, expression) and the reason
DIFFERENT = {
    ("functions", "max(abc)"): NULL,
    ("functions", "min(abc)"): NULL,
    ("functions", "sort(abc)"): NULL,
    ("functions", "map(&a, badkey)"): NULL,
    ("syntax", "foo.[abc, 1]"): NUMBER,
    ("syntax", "foo.[0, 1]"): NUMBER,
}


def cases() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    for file in sorted(CASES.glob("*.json")):
        for group in jsontext.loads(file.read_bytes()):
            for case in group["cases"]:
                if "bench" not in case:
                    yield file.stem, group["given"], case


def outcome(expression: str, given: Any) -> tuple[str, Any]:
    try:
        return "result", compile_expression(expression).evaluate(given)
    except (ExpressionError, ExpressionSyntaxError) as error:
        return "error", str(error)


def agrees(given: Any, case: dict[str, Any]) -> bool:
    what, value = outcome(case["expression"], given)
    if "error" in case:
        return what == "error"
    return what == "result" and equal(value, case["result"], Frame("", {}, 0, None))


def test_the_cases_are_here() -> None:
    count = sum(1 for _ in cases())
    assert count >= FEWEST, (
        f"{count} compliance cases are in {CASES}; fetch them: python tests/language/get_compliance.py"
    )


@pytest.mark.parametrize("file", sorted(f.stem for f in CASES.glob("*.json")))
def test_published_cases_pass(file: str) -> None:
    failed = [
        f"{case['expression']}: {case.get('error', case.get('result'))!r} is not {outcome(case['expression'], given)}"
        for name, given, case in cases()
        if name == file and (name, case["expression"]) not in DIFFERENT and not agrees(given, case)
    ]
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize(("file", "expression"), sorted(DIFFERENT))
def test_what_is_listed_as_different_is_different(file: str, expression: str) -> None:
    found = [(given, case) for name, given, case in cases() if (name, case["expression"]) == (file, expression)]
    assert found, "no such case; take it off the list"
    assert not any(agrees(given, case) for given, case in found), "this case passes; take it off the list"
