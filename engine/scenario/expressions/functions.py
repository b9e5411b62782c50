"""The functions of the language: the standard's, and ``omit``, ``now``, ``uuid``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from engine.scenario.expressions.frame import MAX_OUTPUT, Frame, Spot, equal
from engine.scenario.expressions.values import heavier_than, kind
from engine.sdk import jsontext

Key = Callable[[Any, Frame], Any]

_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
#: bits of an integer; about the range of a float, so that no chain of products fills the memory
_MAX_BITS = 1024


class Omit:
    """The type of ``OMIT``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "OMIT"


#: what ``omit()`` returns: leave this key, or this item, out
OMIT = Omit()


@dataclass(frozen=True, slots=True)
class Call:
    """One place where a function is called, as its implementation sees it."""

    name: str
    spots: tuple[Spot, ...]
    spot: Spot


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a function takes.

    :param kinds: names of types that are accepted; empty: any. ``expression``: it is written as ``&expression``.
    :param items: where a list is accepted, the types that all its items share; empty: any.
    :param variadic: the last parameter may be given again and again.
    """

    name: str
    kinds: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    variadic: bool = False

    def __str__(self) -> str:
        kinds = "|".join(
            f"array of {' or '.join(self.items)}s" if k == "array" and self.items else k for k in self.kinds
        )
        return f"{self.name}{'…' if self.variadic else ''}: {kinds or 'any'}"

    @property
    def expression(self) -> bool:
        return self.kinds == ("expression",)


@dataclass(frozen=True, slots=True)
class Example:
    """An expression, the data it is evaluated on, and what comes out."""

    expression: str
    data: Any
    result: Any


@dataclass(frozen=True, slots=True)
class Function:
    """One function.

    :param returns: the type of the result, for the checker and the reference.
    :param doc: one sentence.
    :param run: called with the call, the frame and the arguments, their types checked.
    :param on_null: the result where an argument is null and its parameter does not accept null; ``null`` unless told.
    :param skips_null: null arguments are left out instead.
    :param pure: the same arguments always give the same result.
    """

    name: str
    parameters: tuple[Parameter, ...]
    returns: str
    doc: str
    example: Example
    run: Callable[..., Any]
    on_null: Any = None
    skips_null: bool = False
    pure: bool = True

    @property
    def signature(self) -> str:
        return f"{self.name}({', '.join(map(str, self.parameters))}) → {self.returns}"

    @property
    def variadic(self) -> bool:
        return bool(self.parameters) and self.parameters[-1].variadic


def bounded(value: float, spot: Spot) -> int | float:
    """A number that JSON can hold and memory can bear. Raises ``ExpressionError``."""
    fits = value.bit_length() <= _MAX_BITS if isinstance(value, int) else math.isfinite(value)
    if not fits:
        raise spot.error("the result is too large for a number", None)
    return value


def divide(first: float, second: float) -> int | float:
    """A quotient: an integer where it comes out even. Raises ``ZeroDivisionError``, ``OverflowError``."""
    if isinstance(first, int) and isinstance(second, int) and first % second == 0:
        return first // second
    return first / second


def to_text(value: Any, spot: Spot) -> str:
    """A value as text: strings as they are, everything else as JSON. Raises ``ExpressionError``."""
    if isinstance(value, str):
        return value
    spot.check_size(value)
    try:
        return jsontext.dumps(value).decode()
    except (TypeError, RecursionError):
        raise spot.error("this cannot be written as JSON", value) from None


def _total(call: Call, numbers: list[Any]) -> int | float:
    try:
        return bounded(sum(numbers), call.spot)
    except OverflowError:
        raise call.spot.error("the result is too large for a number", None) from None


def _avg(call: Call, _frame: Frame, numbers: list[Any]) -> int | float | None:
    if not numbers:
        return None
    try:
        return divide(_total(call, numbers), len(numbers))
    except OverflowError:
        raise call.spot.error("the result is too large for a number", None) from None


def _contains(_call: Call, frame: Frame, subject: Any, search: Any) -> bool:
    if isinstance(subject, str):
        return isinstance(search, str) and search in subject
    return any(equal(item, search, frame) for item in subject)


def _join(call: Call, _frame: Frame, glue: str, texts: list[str]) -> str:
    if heavier_than(texts, MAX_OUTPUT) or len(glue) * len(texts) > MAX_OUTPUT:
        raise call.spot.error(f"the text would have more than {MAX_OUTPUT:,} characters", texts)
    return glue.join(texts)


def _keys_of(call: Call, frame: Frame, items: list[Any], key: Key) -> list[Any]:
    """The sort key of each item: all numbers or all strings."""
    keys = [key(item, frame) for item in items]
    kinds = {kind(k) for k in keys}
    if keys and kinds != {"number"} and kinds != {"string"}:
        odd = next((k for k in keys if kind(k) not in ("number", "string")), None)
        if odd is None and "null" not in kinds:
            odd = next(k for k in keys if kind(k) != kind(keys[0]))
        hint = "leave such items out first: list[?key != null]" if odd is None else None
        raise call.spots[1].error(f"{call.name}() needs a number for every item, or a string for every item", odd, hint)
    return keys


def _sort_by(call: Call, frame: Frame, items: list[Any], key: Key) -> list[Any]:
    keys = _keys_of(call, frame, items, key)
    return [items[i] for i in sorted(range(len(items)), key=keys.__getitem__)]


def _extreme_by(choose: Callable[..., int]) -> Callable[..., Any]:
    def run(call: Call, frame: Frame, items: list[Any], key: Key) -> Any:
        keys = _keys_of(call, frame, items, key)
        return items[choose(range(len(items)), key=keys.__getitem__)] if items else None

    return run


def _merge(_call: Call, frame: Frame, *objects: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in objects:
        frame.spend(len(part))
        merged.update(part)
    return merged


def _to_number(_call: Call, _frame: Frame, value: Any) -> Any:
    if kind(value) == "number":
        return value
    if not isinstance(value, str) or len(value) > _MAX_BITS or not _JSON_NUMBER.fullmatch(value):
        return None
    try:
        number = jsontext.loads(value)
    except ValueError:
        return None
    return number if isinstance(number, float) or number.bit_length() <= _MAX_BITS else None


def _now(call: Call, frame: Frame) -> str:
    if frame.context is None:
        raise call.spot.error("now() has no meaning here", None, "use it in a step")
    return frame.context.now()


def _uuid(call: Call, frame: Frame) -> str:
    if frame.context is None:
        raise call.spot.error("uuid() has no meaning here", None, "use it in a step")
    return frame.context.uuid()


def _approval_link(call: Call, frame: Frame, step: str) -> str:
    if frame.context is None:
        raise call.spot.error("approval_link() has no meaning here", None, "use it in a step")
    link = frame.context.approval_link(step)
    if link is None:
        raise call.spot.error("this step asks for no approval", step, "name a `wait_for` with `approval`")
    return link


_NUMBER = ("number",)
_STRING = ("string",)
_SORTABLE = ("number", "string")


def _list(name: str = "list", *items: str) -> Parameter:
    return Parameter(name, ("array",), items)


_KEY = Parameter("key", ("expression",))


def _table(*functions: Function) -> Mapping[str, Function]:
    return MappingProxyType({function.name: function for function in functions})


FUNCTIONS: Mapping[str, Function] = _table(
    Function(
        "abs",
        (Parameter("n", _NUMBER),),
        "number",
        "The number without its sign.",
        Example("abs(n)", {"n": -3}, 3),
        lambda _c, _f, n: abs(n),
    ),
    Function(
        "approval_link",
        (Parameter("step", _STRING),),
        "string",
        "The link under which a person answers what the `wait_for: {approval: …}` of that id asks. Works before, too.",
        Example("approval_link('ok')", {}, "https://hooks.example.com/approve/3vZ0…"),
        _approval_link,
        pure=False,
    ),
    Function(
        "avg",
        (_list("list", "number"),),
        "number",
        "The mean of the numbers; null for an empty list.",
        Example("avg(points)", {"points": [1, 2, 6]}, 3),
        _avg,
    ),
    Function(
        "ceil",
        (Parameter("n", _NUMBER),),
        "number",
        "The next whole number that is not smaller.",
        Example("ceil(n)", {"n": 1.2}, 2),
        lambda _c, _f, n: math.ceil(n),
    ),
    Function(
        "contains",
        (Parameter("subject", ("array", "string")), Parameter("search")),
        "boolean",
        "Whether a list has an item, or a text has another text in it.",
        Example("contains(tags, 'vip')", {"tags": ["new", "vip"]}, True),
        _contains,
    ),
    Function(
        "ends_with",
        (Parameter("text", _STRING), Parameter("suffix", _STRING)),
        "boolean",
        "Whether the text ends so.",
        Example("ends_with(email, '@example.com')", {"email": "ada@example.com"}, True),
        lambda _c, _f, text, suffix: text.endswith(suffix),
    ),
    Function(
        "floor",
        (Parameter("n", _NUMBER),),
        "number",
        "The next whole number that is not larger.",
        Example("floor(n)", {"n": 1.8}, 1),
        lambda _c, _f, n: math.floor(n),
    ),
    Function(
        "join",
        (Parameter("glue", _STRING), _list("list", "string")),
        "string",
        "The texts of a list in one, with the glue between them.",
        Example("join(', ', names)", {"names": ["Ada", "Bob"]}, "Ada, Bob"),
        _join,
    ),
    Function(
        "keys",
        (Parameter("object", ("object",)),),
        "array",
        "The keys of an object, in their order.",
        Example("keys(o)", {"o": {"a": 1, "b": 2}}, ["a", "b"]),
        lambda _c, _f, value: list(value),
    ),
    Function(
        "length",
        (Parameter("subject", ("string", "array", "object")),),
        "number",
        "The number of characters, items or keys; 0 for null.",
        Example("length(orders)", {"orders": [{}, {}]}, 2),
        lambda _c, _f, value: len(value),
        on_null=0,
    ),
    Function(
        "map",
        (_KEY, _list()),
        "array",
        "What the expression gives for each item, nulls included.",
        Example("map(&price, lines)", {"lines": [{"price": 5}, {}]}, [5, None]),
        lambda _c, frame, key, items: [key(item, frame) for item in items],
    ),
    Function(
        "max",
        (_list("list", *_SORTABLE),),
        "any",
        "The largest item; null for an empty list.",
        Example("max(points)", {"points": [3, 9, 4]}, 9),
        lambda _c, _f, items: max(items, default=None),
    ),
    Function(
        "max_by",
        (_list(), _KEY),
        "any",
        "The item with the largest key; null for an empty list.",
        Example("max_by(o, &total).id", {"o": [{"id": 1, "total": 5}, {"id": 2, "total": 7}]}, 2),
        _extreme_by(max),
    ),
    Function(
        "merge",
        (Parameter("object", ("object",), variadic=True),),
        "object",
        "One object with the keys of all; later ones win, nulls are skipped.",
        Example("merge(a, b)", {"a": {"x": 1, "y": 1}, "b": {"y": 2}}, {"x": 1, "y": 2}),
        _merge,
        skips_null=True,
    ),
    Function(
        "min",
        (_list("list", *_SORTABLE),),
        "any",
        "The smallest item; null for an empty list.",
        Example("min(points)", {"points": [3, 9, 4]}, 3),
        lambda _c, _f, items: min(items, default=None),
    ),
    Function(
        "min_by",
        (_list(), _KEY),
        "any",
        "The item with the smallest key; null for an empty list.",
        Example("min_by(o, &total).id", {"o": [{"id": 1, "total": 5}, {"id": 2, "total": 7}]}, 1),
        _extreme_by(min),
    ),
    Function(
        "not_null",
        (Parameter("value", variadic=True),),
        "any",
        "The first value that is not null.",
        Example("not_null(mobile, phone)", {"phone": "+15550100"}, "+15550100"),
        lambda _c, _f, *values: next((v for v in values if v is not None), None),
    ),
    Function(
        "now",
        (),
        "string",
        "The time as ISO 8601 in UTC, to the millisecond; the same again when the run goes on from its journal.",
        Example("now()", {}, "2026-01-02T03:04:05.678Z"),
        _now,
        pure=False,
    ),
    Function(
        "omit",
        (),
        "omit",
        "Leaves the key, or the item, out of the object or list that the expression stands in.",
        Example("phone || omit()", {}, OMIT),
        lambda _c, _f: OMIT,
    ),
    Function(
        "reverse",
        (Parameter("subject", ("array", "string")),),
        "any",
        "The list or the text from its end to its beginning.",
        Example("reverse(list)", {"list": [1, 2, 3]}, [3, 2, 1]),
        lambda _c, _f, value: value[::-1],
    ),
    Function(
        "sort",
        (_list("list", *_SORTABLE),),
        "array",
        "The items in ascending order.",
        Example("sort(names)", {"names": ["Bob", "Ada"]}, ["Ada", "Bob"]),
        lambda _c, _f, items: sorted(items),
    ),
    Function(
        "sort_by",
        (_list(), _KEY),
        "array",
        "The items in ascending order of their keys; items with the same key stay in their order.",
        Example("sort_by(o, &total)[*].id", {"o": [{"id": 1, "total": 7}, {"id": 2, "total": 5}]}, [2, 1]),
        _sort_by,
    ),
    Function(
        "starts_with",
        (Parameter("text", _STRING), Parameter("prefix", _STRING)),
        "boolean",
        "Whether the text begins so.",
        Example("starts_with(phone, '+1')", {"phone": "+15550100"}, True),
        lambda _c, _f, text, prefix: text.startswith(prefix),
    ),
    Function(
        "sum",
        (_list("list", "number"),),
        "number",
        "The numbers added up; 0 for an empty list.",
        Example("sum(lines[*].price)", {"lines": [{"price": 5}, {"price": 7}]}, 12),
        lambda call, _f, numbers: _total(call, numbers),
    ),
    Function(
        "to_array",
        (Parameter("value"),),
        "array",
        "A list as it is; anything else as the only item of a list.",
        Example("to_array(x)", {"x": "a"}, ["a"]),
        lambda _c, _f, value: value if isinstance(value, list) else [value],
    ),
    Function(
        "to_number",
        (Parameter("value"),),
        "number",
        "A number as it is, a text that is written like a JSON number as that number; null for anything else.",
        Example("to_number(points)", {"points": "500"}, 500),
        _to_number,
    ),
    Function(
        "to_string",
        (Parameter("value"),),
        "string",
        "A text as it is; anything else as JSON.",
        Example("to_string(points)", {"points": 500}, "500"),
        lambda call, _f, value: to_text(value, call.spot),
    ),
    Function(
        "type",
        (Parameter("value"),),
        "string",
        "The name of the type: number, string, boolean, array, object or null.",
        Example("type(points)", {"points": 500}, "number"),
        lambda _c, _f, value: kind(value),
    ),
    Function(
        "uuid",
        (),
        "string",
        "A UUID; the same again when the run goes on from its journal.",
        Example("uuid()", {}, "9f0c6f3e-7d55-4c55-9d6e-0f6a1c6f4a11"),
        _uuid,
        pure=False,
    ),
    Function(
        "values",
        (Parameter("object", ("object",)),),
        "array",
        "The values of an object, in the order of its keys.",
        Example("values(o)", {"o": {"a": 1, "b": 2}}, [1, 2]),
        lambda _c, _f, value: list(value.values()),
    ),
)
