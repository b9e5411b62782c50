"""Choosing between values, and looking into them."""

from __future__ import annotations

import re
from typing import Any

from engine.scenario.expressions.declare import (
    OMIT,
    Call,
    Function,
    Later,
    Refused,
    anything,
    define,
    record,
    text,
)
from engine.scenario.expressions.frame import Frame, equal
from engine.scenario.expressions.values import kind, truthy
from engine.sdk.functions import Parameter

_STEP = re.compile(r"([^.\[\]]+)|\[(-?[0-9]{1,9})\]")


def is_empty(value: Any) -> bool:
    """Null, or a text, list or object without anything in it."""
    return value is None or (isinstance(value, (str, list, dict)) and not value)


def _is_blank(value: Any) -> bool:
    return is_empty(value) or (isinstance(value, str) and not value.strip())


def _if(_call: Call, _frame: Frame, condition: Later, then: Later, otherwise: Later | None = None) -> Any:
    if truthy(condition()):
        return then()
    return None if otherwise is None else otherwise()


def _switch(_call: Call, frame: Frame, value: Later, *rest: Later) -> Any:
    met = value()
    for index in range(0, len(rest) - 1, 2):
        if equal(met, rest[index](), frame):
            return rest[index + 1]()
    return rest[-1]() if len(rest) % 2 else None


def _if_empty(_call: Call, _frame: Frame, *values: Later) -> Any:
    met = None
    for value in values:
        met = value()
        if not is_empty(met):
            return met
    return met


def _coalesce(_call: Call, _frame: Frame, *values: Later) -> Any:
    return next((met for value in values if (met := value()) is not None), None)


def _path(path: str) -> list[str | int]:
    """The steps of a path: ``lines[0].name``."""
    steps: list[str | int] = []
    position = 0
    while position < len(path):
        if path[position] == "." and steps:
            position += 1
        found = _STEP.match(path, position)
        if found is None:
            raise Refused(f"the path cannot be read at character {position + 1}", 1, "write it like 'lines[0].name'")
        steps.append(found[1] if found[1] is not None else int(found[2]))
        position = found.end()
    return steps


def _get(value: Any, path: str, default: Any) -> Any:
    for step in _path(path):
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and (isinstance(step, int) or step.isdigit()):
            index = int(step)
            value = value[index] if -len(value) <= index < len(value) else None
        else:
            value = None
        if value is None:
            return default
    return value


def _approval_link(call: Call, frame: Frame, step: str) -> str:
    if frame.context is None:
        raise call.spot.error("approval_link() has no meaning here", None, "use it in a step")
    link = frame.context.approval_link(step)
    if link is None:
        raise call.spot.error("this step asks for no approval", step, "name a `wait_for` with `approval`")
    return link


def context_of(call: Call, frame: Frame) -> Any:
    """What the run answers impure functions with. Raises ``ExpressionError`` where there is no run."""
    if frame.context is None:
        raise call.spot.error(f"{call.name}() has no meaning here", None, "use it in a step")
    return frame.context


FUNCTIONS: tuple[Function, ...] = (
    define(
        "if",
        (anything("condition"), anything("then"), anything("else", default=None)),
        "any",
        "One value or the other; only the one that is chosen is computed.",
        _if,
        ("if(points > 500, 'gold', 'silver')", {"points": 501}, "gold"),
        ("if(n != 0, 10 / n, 0)", {"n": 0}, 0),
        inner=True,
        lazy=True,
    ),
    define(
        "switch",
        (anything("value"), anything("case"), anything("result"), Parameter("more", variadic=True, default=None)),
        "any",
        "The result beside the first case that equals the value; a last argument that stands alone is for all others.",
        _switch,
        ("switch(tier, 'GOLD', 2, 'SILVER', 1, 0)", {"tier": "SILVER"}, 1),
        ("switch(tier, 'GOLD', 2, 0)", {"tier": "x"}, 0),
        inner=True,
        lazy=True,
    ),
    define(
        "if_empty",
        (anything("value"), Parameter("fallback", variadic=True)),
        "any",
        "The first value that is not empty, or else the last. Empty are null and texts, lists and objects without "
        "content; 0 and false are not.",
        _if_empty,
        ("if_empty(nickname, name)", {"nickname": "", "name": "Ada"}, "Ada"),
        ("if_empty(points, 10)", {"points": 0}, 0),
        inner=True,
        lazy=True,
    ),
    define(
        "coalesce",
        (Parameter("value", variadic=True),),
        "any",
        "The first value that is not null; those after it are not computed.",
        _coalesce,
        ("coalesce(mobile, phone, 'none')", {"phone": "+15550100"}, "+15550100"),
        inner=True,
        lazy=True,
    ),
    define(
        "not_null",
        (Parameter("value", variadic=True),),
        "any",
        "The first value that is not null.",
        lambda *values: next((v for v in values if v is not None), None),
        ("not_null(mobile, phone)", {"phone": "+15550100"}, "+15550100"),
    ),
    define(
        "is_empty",
        (anything(),),
        "boolean",
        "Whether it is null, or a text, list or object without content.",
        is_empty,
        ("is_empty(tags)", {"tags": []}, True),
        ("is_empty(points)", {"points": 0}, False),
    ),
    define(
        "is_blank",
        (anything(),),
        "boolean",
        "Whether it is empty, or a text of nothing but spaces.",
        _is_blank,
        ("is_blank(name)", {"name": "  "}, True),
        ("is_blank(n)", {"n": 0}, False),
    ),
    define(
        "get",
        (anything(), text("path", check=_path), anything("default", default=None)),
        "any",
        "What stands at a path that is made at run time; the default where there is nothing, or null.",
        _get,
        ("get(order, 'lines[0].sku')", {"order": {"lines": [{"sku": "A1"}]}}, "A1"),
        ("get(fields, name, 'none')", {"fields": {"a": 1}, "name": "b"}, "none"),
    ),
    define(
        "type",
        (anything(),),
        "string",
        "The name of the type: number, string, boolean, array, object or null.",
        kind,
        ("type(points)", {"points": 500}, "number"),
    ),
    define(
        "omit",
        (),
        "omit",
        "Leaves the key, or the item, out of the object or list that the expression stands in.",
        lambda: OMIT,
        ("phone || omit()", {}, OMIT),
        ("if(vip, points, omit())", {"vip": False}, OMIT),
    ),
)

RUN: tuple[Function, ...] = (
    define(
        "now",
        (),
        "string",
        "The time as ISO 8601 in UTC, to the millisecond; the same again when the run goes on from its journal.",
        lambda call, frame: context_of(call, frame).now(),
        ("now()", {}, "2026-01-02T03:04:05.678Z"),
        inner=True,
        pure=False,
    ),
    define(
        "uuid",
        (),
        "string",
        "A UUID; the same again when the run goes on from its journal.",
        lambda call, frame: context_of(call, frame).uuid(),
        ("uuid()", {}, "9f0c6f3e-7d55-4c55-9d6e-0f6a1c6f4a11"),
        inner=True,
        pure=False,
    ),
    define(
        "approval_link",
        (text("step"),),
        "string",
        "The link under which a person answers what the `wait_for: {approval: …}` of that id asks. Works before, too.",
        _approval_link,
        ("approval_link('ok')", {}, "https://hooks.example.com/approve/3vZ0…"),
        inner=True,
        pure=False,
    ),
)

OBJECTS: tuple[Function, ...] = (
    define(
        "pick_keys",
        (record(), Parameter("key", ("string",), variadic=True)),
        "object",
        "An object with these keys alone, in this order; keys that are not there are left out.",
        lambda value, *keys: {key: value[key] for key in keys if key in value},
        ("pick_keys(person, 'name', 'email')", {"person": {"name": "Ada", "age": 36}}, {"name": "Ada"}),
    ),
    define(
        "omit_keys",
        (record(), Parameter("key", ("string",), variadic=True)),
        "object",
        "The object without these keys.",
        lambda value, *keys: {key: item for key, item in value.items() if key not in keys},
        ("omit_keys(person, 'age')", {"person": {"name": "Ada", "age": 36}}, {"name": "Ada"}),
    ),
)
