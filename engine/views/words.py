"""Parts of a plan in words: expressions, values, times, what a call does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Any

from engine.scenario.durations import show_duration
from engine.scenario.expressions import Expression, ExpressionError, Template
from engine.scenario.expressions.declare import OMIT
from engine.scenario.expressions.template import CLOSE, OPEN
from engine.scenario.plan import ModuleStep
from engine.sdk.data import DataWrite
from engine.sdk.modules import Action, Effect, Transform

#: characters of a text up to which it is shown whole
SHORT = 60

_COMPARED = {
    "eq": "is",
    "ne": "is not",
    "gt": "is more than",
    "gte": "is at least",
    "lt": "is less than",
    "lte": "is at most",
}
#: the same of nothing: there is something, or there is not
_NOTHING = {"eq": "is missing", "ne": "is there"}
_OPPOSITE = {"eq": "ne", "ne": "eq"}


class Does(StrEnum):
    """What a step that calls a module does outside."""

    NOTHING = "nothing"
    READ = "read"
    WRITE = "write"
    #: only the data can tell
    EITHER = "read or write"


def condition(expression: Expression) -> str:
    """A condition as a clause: ```customer.points` is more than 500``. What cannot be put in words stands as it is."""
    return _clause(expression.text, expression.ast, top=True)


def _clause(text: str, node: Mapping[str, Any], *, top: bool = False, negated: bool = False) -> str:
    kind, children = node["type"], node.get("children", [])
    match kind:
        case "and_expression" | "or_expression":
            # of both the opposite is said by the other word
            word = "and" if (kind == "and_expression") != negated else "or"
            said = f" {word} ".join(_clause(text, child, negated=negated) for child in children)
            return said if top else f"({said})"
        case "not_expression":
            return _clause(text, children[0], top=top, negated=not negated)
        case "comparator":
            how = _OPPOSITE.get(node["value"], node["value"]) if negated else node["value"]
            left, right = children
            if right["type"] == "literal" and right["value"] is None and how in _NOTHING:
                return f"{_operand(text, left)} {_NOTHING[how]}"
            said = _COMPARED[how]
            if negated and how not in _OPPOSITE:
                # not the opposite word: of what is missing neither is true
                said = said.replace("is ", "is not ")
            return f"{_operand(text, left)} {said} {_operand(text, right)}"
        case "function_expression" if node["value"] in ("contains", "starts_with", "ends_with") and len(children) == 2:
            verb = {"contains": "contain", "starts_with": "begin with", "ends_with": "end with"}[node["value"]]
            verb = f"does not {verb}" if negated else _third(verb)
            return f"{_operand(text, children[0])} {verb} {_operand(text, children[1])}"
        case _:
            return f"{_operand(text, node)} is {'not ' if negated else ''}true"


def _third(verb: str) -> str:
    first, _, rest = verb.partition(" ")
    return f"{first}s {rest}".strip()


def _operand(text: str, node: Mapping[str, Any]) -> str:
    if node["type"] == "literal":
        return json.dumps(node["value"], ensure_ascii=False) if node["value"] is not None else "nothing"
    return code(text[node["start"] : node["end"]])


def code(text: str) -> str:
    """A piece of the language."""
    text = " ".join(text.split())
    return f"``{text}``" if "`" in text else f"`{text}`"


def expression(found: Expression) -> str:
    """An expression as it is written."""
    return code(found.text)


def value(template: Template) -> str:
    """A value: as it stands, or where it comes from."""
    if template.literal:
        return code(shortened(_plain(template.evaluate({}))))
    if template.source is not None:
        return code(shortened(template.source.replace(OPEN, "{").replace(CLOSE, "}")))
    if [placed.path for placed in template.expressions] == [()]:
        return expression(template.expressions[0].expression)
    parts = []
    for placed in template.expressions:
        name = ".".join(str(part) for part in placed.path)
        shown = expression(placed.expression)
        parts.append(f"{name} from {shown}" if name else shown)
    return listed(list(dict.fromkeys(parts)))


def _plain(found: Any) -> str:
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def shortened(text: str) -> str:
    """A text in one line, and not too long."""
    text = " ".join(text.split())
    return text if len(text) <= SHORT else text[: SHORT - 1].rstrip() + "…"


def listed(parts: list[str], word: str = "and") -> str:
    """``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}" if parts else ""


def counted(number: int, one: str, many: str | None = None) -> str:
    """``1 run``, ``3 runs``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def seconds(time: float) -> str:
    """A time as it is written in a file."""
    return show_duration(time)


def does(step: ModuleStep) -> Does:
    """What a call does, as far as the file says it."""
    module = step.module
    if isinstance(module, Transform):
        return Does.NOTHING
    if isinstance(module, DataWrite):
        return Does.WRITE
    if not isinstance(module, Action):
        return Does.READ
    if not callable(module.effect):
        return _DOES.get(module.effect, Does.WRITE)
    try:
        # a method, or an effect, is nearly always written out
        effect: Effect = module.effect_of(_without_data(step.config))
    except (ExpressionError, LookupError, TypeError, ValueError, AttributeError):
        return Does.EITHER
    return _DOES.get(effect, Does.WRITE)


def _without_data(config: Template) -> dict[str, Any]:
    """A config in which what comes from expressions is null, also what nothing but a run can tell."""
    found: dict[str, Any] = {}
    for key, template in (config.items or {}).items():
        known = None
        with suppress(ExpressionError, LookupError, TypeError, ValueError, AttributeError):
            known = template.evaluate({})
        if known is not OMIT:
            found[key] = known
    return found


_DOES = {Effect.NONE: Does.NOTHING, Effect.READ: Does.READ}
