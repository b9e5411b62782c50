"""Calling functions: types of arguments, and what null does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.scenario.expressions.errors import ExpressionError
from engine.scenario.expressions.frame import Frame
from engine.scenario.expressions.functions import Call, Function, Parameter
from engine.scenario.expressions.values import kind

Run = Callable[[Any, Frame], Any]


def call(function: Function, arguments: list[Run], place: Call) -> Run:
    """The closure of a function call: checks the arguments met, lets null through, calls the implementation."""
    implementation = function.run
    parameters = function.parameters
    last = len(parameters) - 1
    checks = [parameters[min(index, last)] for index in range(len(arguments))]

    def run(value: Any, frame: Frame) -> Any:
        frame.spend(1)
        given: list[Any] = []
        for index, argument in enumerate(arguments):
            parameter = checks[index]
            met = argument(value, frame)
            if parameter.kinds and not parameter.expression:
                found = kind(met)
                if found not in parameter.kinds:
                    if met is None:
                        if function.skips_null:
                            continue
                        return function.on_null
                    raise _wrong_kind(place, parameter, index, met)
                if found == "array":
                    frame.spend(len(met))
                    if parameter.items:
                        _check_items(place, parameter, index, met)
            given.append(met)
        return implementation(place, frame, *given)

    return run


def _wrong_kind(place: Call, parameter: Parameter, index: int, met: Any) -> ExpressionError:
    spot = place.spots[index]
    hint = f"write to_number({spot.source})" if parameter.kinds == ("number",) and isinstance(met, str) else None
    if parameter.kinds == ("string",) and kind(met) in ("number", "boolean"):
        hint = f"write to_string({spot.source})"
    return spot.error(
        f"{place.name}() takes {' or '.join(parameter.kinds)} for `{parameter.name}`, not {kind(met)}", met, hint
    )


def _check_items(place: Call, parameter: Parameter, index: int, items: list[Any]) -> None:
    kinds = {kind(item) for item in items}
    if len(kinds) <= 1 and kinds <= set(parameter.items):
        return
    wanted = kind(items[0]) if kind(items[0]) in parameter.items else parameter.items[0]
    odd = next(item for item in items if kind(item) != wanted)
    source = place.spots[index].source
    hint = f"leave nulls out: {source}[?@ != null]" if odd is None else None
    if wanted == "string" and odd is not None:
        hint = f"make them texts: map(&to_string(@), {source})"
    raise place.spots[index].error(
        f"{place.name}() takes a list of {' or of '.join(f'{name}s' for name in parameter.items)}", odd, hint
    )
