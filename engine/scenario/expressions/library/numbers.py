"""Numbers."""

from __future__ import annotations

import hashlib
import math
import re
import statistics
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from typing import Any

from engine.scenario.expressions.declare import (
    MAX_BITS,
    Call,
    Function,
    Refused,
    anything,
    array,
    define,
    divide,
    fits,
    integer,
    number,
    text,
)
from engine.scenario.expressions.frame import Frame
from engine.scenario.expressions.library.general import context_of
from engine.scenario.expressions.values import kind
from engine.sdk import jsontext

_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
#: digits after the point, at most
_MAX_DIGITS = 100
_SORTABLE = ("number", "string")
#: enough for the longest number with all its digits
_WIDE = Context(prec=1000, Emax=10_000, Emin=-10_000)


def to_number(value: Any) -> Any:
    """A number as it is, a text that is a JSON number as that; None for anything else."""
    if kind(value) == "number":
        return value
    if not isinstance(value, str) or len(value) > MAX_BITS or not _JSON_NUMBER.fullmatch(value):
        return None
    try:
        found = jsontext.loads(value)
    except ValueError:
        return None
    return found if isinstance(found, float) or found.bit_length() <= MAX_BITS else None


def _sound(value: float) -> int | float:
    if not fits(value):
        raise OverflowError
    return value


def _whole(value: float) -> int | float:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _digits(digits: int, argument: int = 1) -> int:
    if not -_MAX_DIGITS <= digits <= _MAX_DIGITS:
        raise Refused(f"digits go from -{_MAX_DIGITS} to {_MAX_DIGITS}", argument)
    return digits


def _quantized(value: float, digits: int, rounding: str) -> Decimal:
    # by the digits that people see: 1.005 is 1.01 to two digits, though its binary form is a little less
    return Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), rounding, _WIDE)


def _rounded(value: float, digits: int, rounding: str) -> int | float:
    found = _quantized(value, _digits(digits), rounding)
    return int(found) if digits <= 0 else _whole(float(found))


def _format(value: float, decimals: int, point: str, thousands: str) -> str:
    if decimals < 0:
        raise Refused("decimals cannot be less than 0", 1)
    found = _quantized(value, _digits(decimals), ROUND_HALF_UP)
    whole, _, fraction = f"{abs(found):f}".partition(".")
    first = len(whole) % 3 or 3
    grouped = thousands.join([whole[:first], *(whole[at : at + 3] for at in range(first, len(whole), 3))])
    sign = "-" if found < 0 else ""
    return f"{sign}{grouped}{point if fraction else ''}{fraction}"


def _parse(written: str, point: str) -> Any:
    if len(point) != 1 or point.isdigit():
        raise Refused("the decimal sign is one character, such as '.' or ','", 1)
    others = {",", ".", " ", "'", "\u00a0", "\u202f", "_"} - {point}
    plain = "".join(c for c in written.strip() if c not in others).replace(point, ".").removeprefix("+")
    return to_number(re.sub(r"^(-?)0+(?=[0-9])", r"\1", plain))


def _total(numbers: list[Any]) -> int | float:
    return _sound(sum(numbers))


def _product(numbers: list[Any]) -> int | float:
    found: int | float = 1
    for one in numbers:
        found = _sound(found * one)
    return found


def _power(base: float, exponent: float) -> int | float:
    if isinstance(base, int) and isinstance(exponent, int) and exponent >= 0:
        if base.bit_length() > 1 and base.bit_length() * exponent > 2 * MAX_BITS:
            raise OverflowError
        return _sound(int(base**exponent))
    try:
        found = base**exponent
    except ZeroDivisionError:
        raise Refused("0 has no negative power", 1) from None
    if isinstance(found, complex):
        raise Refused("a negative number has whole powers only", 1)
    return _sound(found)


def _sqrt(value: float) -> int | float:
    if value < 0:
        raise Refused("a negative number has no square root")
    if isinstance(value, int) and math.isqrt(value) ** 2 == value:
        return math.isqrt(value)
    return _whole(math.sqrt(value))


def _log(value: float, base: float) -> float:
    if value <= 0:
        raise Refused("only numbers above 0 have a logarithm")
    if base <= 0 or base == 1:
        raise Refused("the base is a number above 0, and not 1", 1)
    return math.log10(value) if base == 10 else math.log(value, base)


def _ln(value: float) -> float:
    if value <= 0:
        raise Refused("only numbers above 0 have a logarithm")
    return math.log(value)


def _deviation(numbers: list[Any], *, sample: bool) -> float | None:
    if len(numbers) < 1 + sample:
        return None
    return float(statistics.stdev(numbers) if sample else statistics.pstdev(numbers))


def random_fraction(call: Call, frame: Frame) -> float:
    """From 0 up to 1, the same again when the run is replayed."""
    told = hashlib.sha256(str(context_of(call, frame).uuid()).encode()).digest()
    return int.from_bytes(told[:7], "big") / (1 << 56)


def _random_integer(call: Call, frame: Frame, low: int, high: int) -> int:
    if high < low:
        raise Refused("the upper bound is below the lower one", 1)
    told = hashlib.sha256(str(context_of(call, frame).uuid()).encode()).digest()
    return low + int.from_bytes(told, "big") % (high - low + 1)


FUNCTIONS: tuple[Function, ...] = (
    define("abs", (number("n"),), "number", "The number without its sign.", abs, ("abs(n)", {"n": -3}, 3)),
    define(
        "avg",
        (array("list", "number"),),
        "number|null",
        "The mean of the numbers; null for an empty list.",
        lambda numbers: divide(_total(numbers), len(numbers)) if numbers else None,
        ("avg(points)", {"points": [1, 2, 6]}, 3),
    ),
    define(
        "ceil",
        (number("n"),),
        "integer",
        "The next whole number that is not smaller.",
        math.ceil,
        ("ceil(n)", {"n": 1.2}, 2),
    ),
    define(
        "floor",
        (number("n"),),
        "integer",
        "The next whole number that is not larger.",
        math.floor,
        ("floor(n)", {"n": 1.8}, 1),
    ),
    define(
        "round",
        (number("n"), integer("digits", 0)),
        "number",
        "The number rounded to so many digits after the point; halves go away from 0.",
        lambda n, digits: _rounded(n, digits, ROUND_HALF_UP),
        ("round(price, 2)", {"price": 1.005}, 1.01),
        ("round(n)", {"n": -2.5}, -3),
        ("round(n, -2)", {"n": 1250}, 1300),
    ),
    define(
        "trunc",
        (number("n"), integer("digits", 0)),
        "number",
        "The number cut off after so many digits behind the point.",
        lambda n, digits: _rounded(n, digits, ROUND_DOWN),
        ("trunc(n, 1)", {"n": -1.29}, -1.2),
    ),
    define(
        "max",
        (array("list", *_SORTABLE),),
        "any",
        "The largest item; null for an empty list.",
        lambda items: max(items, default=None),
        ("max(points)", {"points": [3, 9, 4]}, 9),
    ),
    define(
        "min",
        (array("list", *_SORTABLE),),
        "any",
        "The smallest item; null for an empty list.",
        lambda items: min(items, default=None),
        ("min(points)", {"points": [3, 9, 4]}, 3),
    ),
    define(
        "sum",
        (array("list", "number"),),
        "number",
        "The numbers added up; 0 for an empty list.",
        _total,
        ("sum(lines[*].price)", {"lines": [{"price": 5}, {"price": 7}]}, 12),
    ),
    define(
        "product",
        (array("list", "number"),),
        "number",
        "The numbers multiplied; 1 for an empty list.",
        _product,
        ("product([2, 3, 4])", {}, 24),
    ),
    define(
        "median",
        (array("list", "number"),),
        "number|null",
        "The number in the middle, or the mean of the two there; null for an empty list.",
        lambda numbers: _whole(statistics.median(numbers)) if numbers else None,
        ("median(points)", {"points": [9, 1, 4]}, 4),
    ),
    define(
        "stdev_population",
        (array("list", "number"),),
        "number|null",
        "The standard deviation, the numbers being all there are; null for an empty list.",
        lambda numbers: _deviation(numbers, sample=False),
        ("stdev_population([2, 4, 4, 4, 5, 5, 7, 9])", {}, 2.0),
    ),
    define(
        "stdev_sample",
        (array("list", "number"),),
        "number|null",
        "The standard deviation, the numbers being a sample; null for less than two.",
        lambda numbers: _deviation(numbers, sample=True),
        ("round(stdev_sample([2, 4, 4, 4, 5, 5, 7, 9]), 3)", {}, 2.138),
    ),
    define(
        "power",
        (number("base"), number("exponent")),
        "number",
        "The base to the power of the exponent.",
        _power,
        ("power(2, 10)", {}, 1024),
    ),
    define("sqrt", (number("n"),), "number", "The square root.", _sqrt, ("sqrt(16)", {}, 4)),
    define("ln", (number("n"),), "number", "The natural logarithm.", _ln, ("ln(1)", {}, 0.0)),
    define(
        "log",
        (number("n"), number("base", 10)),
        "number",
        "The logarithm, to the base 10 unless told.",
        _log,
        ("log(1000)", {}, 3.0),
        ("log(8, 2)", {}, 3.0),
    ),
    define("pi", (), "number", "The number π.", lambda: math.pi, ("round(pi(), 4)", {}, 3.1416)),
    define(
        "format_number",
        (number("n"), integer("decimals", 0), text("point", "."), text("thousands", "")),
        "string",
        "The number as people write it: decimals, the decimal sign, the sign between thousands.",
        _format,
        ("format_number(total, 2, ',', '.')", {"total": 1234567.891}, "1.234.567,89"),
        ("format_number(n, 2)", {"n": -0.5}, "-0.50"),
    ),
    define(
        "parse_number",
        (text(), text("point", ".")),
        "number|null",
        "The number in a text that people wrote, `point` being its decimal sign; signs between thousands do not "
        "count. Null where it is none.",
        _parse,
        ("parse_number('1.234.567,89', ',')", {}, 1234567.89),
        ("parse_number('1,234.50')", {}, 1234.5),
        ("parse_number('n/a')", {}, None),
    ),
    define(
        "to_number",
        (anything(),),
        "number|null",
        "A number as it is, a text that is written like a JSON number as that number; null for anything else.",
        to_number,
        ("to_number(points)", {"points": "500"}, 500),
    ),
)

RUN: tuple[Function, ...] = (
    define(
        "random",
        (),
        "number",
        "A number from 0 up to 1; the same again when the run goes on from its journal.",
        random_fraction,
        ("random()", {}, 0.558416432404296),
        inner=True,
        pure=False,
    ),
    define(
        "random_integer",
        (integer("low"), integer("high")),
        "integer",
        "A whole number from `low` to `high`, both included; the same again when the run goes on from its journal.",
        _random_integer,
        ("random_integer(1, 6)", {}, 2),
        inner=True,
        pure=False,
    ),
)
