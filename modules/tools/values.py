"""*Switch*: one value for another, by a list of cases."""

from __future__ import annotations

from engine import Config, Json, Schema, Transform
from modules.tools.items import refuse

_CASES: Schema = {
    "type": "array",
    "title": "Cases",
    "description": (
        "Tried in their order: `is` is a value, or a list of values of which one is enough; `starts_with` and "
        "`contains` are texts; `then` is what the switch gives."
    ),
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "is": {"title": "Is", "description": "A value, or a list of values of which one is enough."},
            "starts_with": {"type": "string", "title": "Starts with", "description": "What the text begins with."},
            "contains": {"type": "string", "title": "Contains", "description": "What is in the text."},
            "then": {"title": "Then", "description": "What the switch gives."},
        },
        "required": ["then"],
        "minProperties": 2,
        "maxProperties": 2,
        "additionalProperties": False,
    },
}


def _equal(one: Json, other: Json) -> bool:
    # 1 is 1.0, but true is not 1
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _fits(value: Json, case: Config) -> bool:
    if "is" in case:
        return any(_equal(value, one) for one in (case["is"] if isinstance(case["is"], list) else [case["is"]]))
    if not isinstance(value, str):
        return False
    return value.startswith(case["starts_with"]) if "starts_with" in case else case["contains"] in value


def switch(config: Config) -> Json:
    """What the first case that fits gives."""
    for case in config["cases"]:
        if _fits(config["value"], case):
            return case["then"]
    if "else" not in config:
        raise refuse(f"no case fits {config['value']!r}", "add a case, or say what else: `else`")
    return config["else"]


SWITCH = Transform(
    name="switch",
    title="Switch",
    description=(
        "Gives one value for another: the `then` of the first case that fits. Where none fits and there is no `else`, "
        "the step fails."
    ),
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["value", "cases"],
        "properties": {
            "value": {"title": "Value", "description": "What is looked at."},
            "cases": _CASES,
            "else": {"title": "Else", "description": "What it gives where no case fits."},
        },
    },
    output={},
    example={"value": "GOLD", "cases": [{"is": "GOLD", "then": 3}, {"is": ["SILVER", "BRONZE"], "then": 1}], "else": 0},
    apply=switch,
)
