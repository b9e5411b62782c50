"""What expressions know about JSON values: their kind, their truth, their weight."""

from __future__ import annotations

from typing import Any

_KINDS: dict[type, str] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
    type(None): "null",
}


def kind(value: Any) -> str:
    """The JMESPath name of a value's type; ``unknown`` for what is not JSON."""
    found = _KINDS.get(type(value))
    if found is not None:
        return found
    # a subclass, as YAML readers like to hand out; bool is not subclassable, so its being an int does no harm here
    return next((name for base, name in _KINDS.items() if isinstance(value, base)), "unknown")


def truthy(value: Any) -> bool:
    """False for false, null and everything empty; 0 is true, as the standard says."""
    return bool(value) or (value == 0 and value is not False)


#: how many characters of text count as one step of work
CHARACTERS_PER_STEP = 32


def heavier_than(value: Any, limit: int) -> bool:
    """Whether a value's JSON would have more than about ``limit`` characters. Never looks at more than that.

    A value can be far larger than the memory it takes: an expression may put the same list into a list many times.
    """
    return weigh(value, limit) > limit


def weigh(value: Any, limit: int) -> int:
    """About how many characters a value's JSON has; something above ``limit`` where it has more than that."""
    weight = 0
    pending = [value]
    while pending:
        part = pending.pop()
        weight += 1
        if isinstance(part, str):
            weight += len(part)
        elif isinstance(part, dict):
            # counted before they are queued, so that the queue is bounded too
            weight += len(part)
            if weight <= limit:
                for key, item in part.items():
                    weight += len(key)
                    pending.append(item)
        elif isinstance(part, list):
            weight += len(part)
            if weight <= limit:
                pending.extend(part)
        if weight > limit:
            return weight
    return weight
