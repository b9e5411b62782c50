"""Comparison and arithmetic, with errors that say what to write instead."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from engine.scenario.expressions.declare import bounded, divide
from engine.scenario.expressions.errors import ExpressionError
from engine.scenario.expressions.frame import LONG, Frame, Spot, equal
from engine.scenario.expressions.values import CHARACTERS_PER_STEP, kind

Run = Callable[[Any, Frame], Any]

_ORDERINGS: Mapping[str, tuple[str, Callable[[Any, Any], bool]]] = MappingProxyType(
    {"lt": ("<", operator.lt), "lte": ("<=", operator.le), "gt": (">", operator.gt), "gte": (">=", operator.ge)}
)
_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": divide, "%": operator.mod}
)


def equality(left: Run, right: Run, *, negated: bool) -> Run:
    """``==`` and ``!=``."""

    def run(value: Any, frame: Frame) -> bool:
        return equal(left(value, frame), right(value, frame), frame) is not negated

    return run


def equality_with_text(left: Run, text: str, *, negated: bool) -> Run:
    """``==`` and ``!=`` with a literal text, the most frequent comparison."""

    def run(value: Any, frame: Frame) -> bool:
        return (left(value, frame) == text) is not negated

    return run


def equality_with_null(left: Run, *, negated: bool) -> Run:
    """``== null`` and ``!= null``."""

    def run(value: Any, frame: Frame) -> bool:
        return (left(value, frame) is None) is not negated

    return run


def ordering(name: str, left: Run, right: Run, spots: tuple[Spot, Spot]) -> Run:
    """``< <= > >=``: two numbers, or two texts; anything else gives null, a number beside a text is an error."""
    symbol, compare = _ORDERINGS[name]

    def run(value: Any, frame: Frame) -> bool | None:
        a = left(value, frame)
        b = right(value, frame)
        kinds = kind(a), kind(b)
        if kinds in (("number", "number"), ("string", "string")):
            if kinds[0] == "string" and len(a) > LONG:
                frame.spend(len(a) // CHARACTERS_PER_STEP)
            return compare(a, b)
        if kinds in (("number", "string"), ("string", "number")):
            raise _unlike(symbol, a, b, spots)
        return None

    return run


def _unlike(symbol: str, a: Any, b: Any, spots: tuple[Spot, Spot]) -> ExpressionError:
    text = spots[1] if kind(a) == "number" else spots[0]
    return spots[0].error(
        f"`{spots[0].source} {symbol} {spots[1].source}` compares a {kind(a)} with a {kind(b)}",
        [a, b],
        f"make both numbers: to_number({text.source})",
    )


def arithmetic(symbol: str, left: Run, right: Run, spots: tuple[Spot, Spot], whole: Spot) -> Run:
    """``+ - * / %`` of two numbers."""
    compute = _ARITHMETIC[symbol]

    def run(value: Any, frame: Frame) -> int | float:
        a = left(value, frame)
        b = right(value, frame)
        if kind(a) != "number" or kind(b) != "number":
            raise _no_number(symbol, (a, b), spots)
        try:
            return bounded(compute(a, b), whole)
        except ZeroDivisionError:
            raise spots[1].error(f"`{whole.source}` divides by zero", b, "test the divisor first") from None
        except OverflowError:
            raise whole.error("the result is too large for a number", [a, b]) from None

    return run


def negate(operand: Run, spot: Spot) -> Run:
    """``-x``."""

    def run(value: Any, frame: Frame) -> int | float:
        a = operand(value, frame)
        if kind(a) != "number":
            raise _no_number("-", (a,), (spot,))
        result: int | float = -a
        return result

    return run


def _no_number(symbol: str, values: tuple[Any, ...], spots: tuple[Spot, ...]) -> ExpressionError:
    if symbol == "+" and all(kind(v) in ("string", "null") for v in values) and any(isinstance(v, str) for v in values):
        first, second = spots
        return first.error(
            "`+` adds numbers, these are texts",
            list(values),
            f"interpolate: ${{{{ {first.source} }}}}${{{{ {second.source} }}}}, "
            f"or write join('', [{first.source}, {second.source}])",
        )
    value, spot = next((v, s) for v, s in zip(values, spots, strict=True) if kind(v) != "number")
    if value is None:
        return spot.error(f"`{spot.source}` is null, `{symbol}` needs a number", value, f"write ({spot.source} || 0)")
    hint = f"write to_number({spot.source})" if isinstance(value, str) else None
    return spot.error(f"`{spot.source}` is of type {kind(value)}, `{symbol}` needs a number", value, hint)
