"""Calling functions: types of arguments, what null does, and what the work costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.scenario.diagnostics import did_you_mean
from engine.scenario.expressions.declare import Call, Function, Refused
from engine.scenario.expressions.errors import ExpressionError
from engine.scenario.expressions.frame import LONG, MAX_OUTPUT, Frame
from engine.scenario.expressions.values import CHARACTERS_PER_STEP, kind
from engine.sdk.functions import Parameter

Run = Callable[[Any, Frame], Any]


def call(function: Function, arguments: list[Run], place: Call, each: int = 1) -> Run:
    """The closure of a function call: checks the arguments met, lets null through, calls the implementation.

    :param each: steps that the ``&expression`` among the arguments takes for an item.
    """
    if function.lazy:
        return _lazily(function, arguments, place)
    implementation = function.run
    parameters = function.parameters
    inner = function.inner
    last = len(parameters) - 1
    slots = [_Slot(parameters[min(index, last)], index, each) for index in range(len(arguments))]
    asked = [(argument, slot, slot.kinds) for argument, slot in zip(arguments, slots, strict=True)]
    missing = [parameter.default for parameter in parameters[len(arguments) :] if not parameter.variadic]

    def run(value: Any, frame: Frame) -> Any:
        frame.spend(1)
        given: list[Any] = []
        for argument, slot, kinds in asked:
            met = argument(value, frame)
            if kinds:
                found = kind(met)
                if found not in kinds:
                    if met is not None:
                        raise _wrong_kind(place, slot, met)
                    if slot.optional:
                        given.append(slot.default)
                    elif not function.skips_null:
                        return function.on_null
                    continue
                if found in slot.examined:
                    met = slot.examine(place, found, met, frame)
            given.append(met)
        given += missing
        try:
            result = implementation(place, frame, *given) if inner else implementation(*given)
        except ExpressionError:
            raise
        except (ValueError, OverflowError) as error:
            raise _refusal(place, given, error) from None
        return _paid(result, frame, place)

    return run


class _Slot:
    """An argument of a call: what it may be, and what is looked at before it is handed over."""

    __slots__ = ("choices", "default", "each", "examined", "index", "kinds", "optional", "parameter")

    def __init__(self, parameter: Parameter, index: int, each: int) -> None:
        self.parameter = parameter
        self.index = index
        self.each = each
        self.kinds = _accepted(parameter)
        self.optional = parameter.optional
        self.default = parameter.default
        self.choices = parameter.choices
        whole = "integer" in parameter.kinds and "number" not in parameter.kinds
        self.examined = frozenset(("string", "array", "number") if whole else ("string", "array"))

    def examine(self, place: Call, found: str, met: Any, frame: Frame) -> Any:
        """The argument, after what looking through it costs; one that the function cannot take is an error."""
        if found == "string":
            if len(met) > LONG:
                frame.spend(len(met) // CHARACTERS_PER_STEP)
            if self.choices and met not in self.choices:
                message, hint = wrong_choice(self.parameter, met)
                raise place.spots[self.index].error(f"{place.name}(): {message}", met, hint)
        elif found == "array":
            frame.spend(len(met) * self.each)
            if self.parameter.items:
                _check_items(place, self.parameter, self.index, met, frame)
        else:
            met = _whole(place, self.parameter, self.index, met)
        return met


def _accepted(parameter: Parameter) -> frozenset[str]:
    """The kinds of values that a parameter takes; none: nothing is to be checked."""
    if parameter.expression:
        return frozenset()
    return frozenset("number" if name == "integer" else name for name in parameter.kinds)


def _lazily(function: Function, arguments: list[Run], place: Call) -> Run:
    implementation = function.run

    def run(value: Any, frame: Frame) -> Any:
        frame.spend(1)

        def later(argument: Run) -> Callable[[], Any]:
            return lambda: argument(value, frame)

        return implementation(place, frame, *(later(argument) for argument in arguments))

    return run


def _paid(result: Any, frame: Frame, place: Call) -> Any:
    """The result, after its size is taken from the budget."""
    kind_of = result.__class__
    if kind_of is str:
        if len(result) > LONG:
            if len(result) > MAX_OUTPUT:
                raise place.spot.too_large(result)
            frame.spend(len(result) // CHARACTERS_PER_STEP)
    elif kind_of is list or kind_of is dict:
        frame.spend(len(result))
    return result


def _refusal(place: Call, given: Sequence[Any], error: ValueError | OverflowError) -> ExpressionError:
    if isinstance(error, OverflowError):
        return place.spot.error("the result is too large for a number", given)
    if not isinstance(error, Refused):
        return place.spot.error(f"{place.name}(): {error or type(error).__name__}", given)
    if error.large:
        return place.spot.too_large(given, error.message)
    index = min(error.argument, len(given) - 1)
    spot = place.spots[index] if index < len(place.spots) else place.spot
    return spot.error(f"{place.name}(): {error.message}", given[index] if given else None, error.hint)


def _wrong_kind(place: Call, slot: _Slot, met: Any) -> ExpressionError:
    parameter, index = slot.parameter, slot.index
    spot = place.spots[index]
    numeric = set(parameter.kinds) <= {"number", "integer"}
    hint = f"write to_number({spot.source})" if numeric and isinstance(met, str) else None
    if parameter.kinds == ("string",) and kind(met) in ("number", "boolean"):
        hint = f"write to_string({spot.source})"
    if place.name == "join" and index == 0 and isinstance(met, list):
        hint = f"the glue comes first: join({place.spots[1].source}, {spot.source})"
    return spot.error(
        f"{place.name}() takes {' or '.join(parameter.kinds)} for `{parameter.name}`, not {kind(met)}", met, hint
    )


def _whole(place: Call, parameter: Parameter, index: int, met: float) -> int:
    if met == int(met):
        return int(met)
    spot = place.spots[index]
    message = f"{place.name}() takes a whole number for `{parameter.name}`"
    raise spot.error(message, met, f"write floor({spot.source}), or round({spot.source})")


def wrong_choice(parameter: Parameter, met: str) -> tuple[str, str]:
    """What is wrong with a text that is none of the choices, and what to write."""
    listed = ", ".join(f"'{choice}'" for choice in parameter.choices)
    return f"`{parameter.name}` is one of {listed}", did_you_mean(met, parameter.choices) or "write one of them"


def _check_items(place: Call, parameter: Parameter, index: int, items: list[Any], frame: Frame) -> None:
    kinds = {kind(item) for item in items}
    if len(kinds) <= 1 and kinds <= set(parameter.items):
        if "string" in kinds:
            frame.spend(sum(map(len, items)) // CHARACTERS_PER_STEP)
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
