"""*Aggregate Numbers*: count, sum, average, smallest and largest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from engine import Config, Json, Schema, Transform
from modules.tools.items import GROUP_BY, ITEMS, VALUE, aggregated, output, refuse, text_of

_NUMBER: Schema = {"type": ["number", "null"]}


def _number(value: Json, place: int) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            number = float(value) if any(sign in value for sign in ".eE") else int(value)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
    raise refuse(f"value {place} is no number: {text_of(value)[:60]!r}", "name the field that has it: `value`")


def aggregate_numbers(config: Config) -> Json:
    """Reckon over the values; what is null counts for nothing."""

    def reckon(values: Sequence[Json]) -> dict[str, Any]:
        numbers = [_number(value, place) for place, value in enumerate(values) if value is not None]
        # what binary fractions lose is put back as far as it can be: ten times 0.1 is 1
        total = sum(numbers) if all(isinstance(number, int) for number in numbers) else math.fsum(numbers)
        return {
            "count": len(numbers),
            "sum": total,
            "avg": total / len(numbers) if numbers else None,
            "min": min(numbers, default=None),
            "max": max(numbers, default=None),
        }

    return aggregated(config, reckon)


AGGREGATE_NUMBERS = Transform(
    name="aggregate_numbers",
    title="Aggregate Numbers",
    description="Counts numbers, adds them up, gives their average, smallest and largest. Null counts for nothing.",
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["items"],
        "properties": {"items": ITEMS, "value": VALUE, "group_by": GROUP_BY},
    },
    output=output(
        {"count": {"type": "integer"}, "sum": {"type": "number"}, "avg": _NUMBER, "min": _NUMBER, "max": _NUMBER}
    ),
    example={"items": [{"total": 10}, {"total": 32.5}], "value": "total"},
    apply=aggregate_numbers,
)
