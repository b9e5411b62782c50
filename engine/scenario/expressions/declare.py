"""How the functions of the language are declared, and what their implementations may use."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.scenario.expressions.frame import MAX_OUTPUT, Frame, Spot
from engine.scenario.expressions.values import CHARACTERS_PER_STEP, weigh
from engine.sdk import functions as sdk
from engine.sdk import jsontext
from engine.sdk.functions import REQUIRED, Example, Parameter

#: an argument that is evaluated when, and if, it is needed
Later = Callable[[], Any]
#: an ``&expression``: called with an item
Key = Callable[[Any, Frame], Any]

#: bits of an integer; about the range of a float, so that no chain of products fills the memory
MAX_BITS = 1024


class Omit:
    """The type of ``OMIT``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "OMIT"


#: what ``omit()`` returns: leave this key, or this item, out
OMIT = Omit()


class Refused(ValueError):
    """A function cannot work with an argument.

    :param argument: which one, from 0.
    :param large: what would come out is too large.
    """

    def __init__(self, message: str, argument: int = 0, hint: str | None = None, *, large: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.argument = argument
        self.hint = hint
        self.large = large


@dataclass(frozen=True, slots=True)
class Call:
    """One place where a function is called, as its implementation sees it."""

    name: str
    spots: tuple[Spot, ...]
    spot: Spot


@dataclass(frozen=True, slots=True)
class Function(sdk.Function):
    """One function of the language.

    :param group: the chapter of the reference in which it stands.
    :param skips_null: null arguments are left out.
    :param pure: the same arguments always give the same result.
    :param inner: ``run`` is given the call and the frame before the arguments.
    :param lazy: arguments are given as ``Later``; nothing is checked before.
    """

    group: str = ""
    skips_null: bool = False
    pure: bool = True
    inner: bool = False
    lazy: bool = False

    @property
    def variadic(self) -> bool:
        return self.most is None

    @property
    def example(self) -> Example:
        """The first example."""
        return self.examples[0]


def define(
    name: str,
    parameters: tuple[Parameter, ...],
    returns: str,
    doc: str,
    run: Callable[..., Any],
    *examples: tuple[str, Any, Any],
    **more: Any,
) -> Function:
    """A function; examples are expression, data, result."""
    return Function(name, parameters, returns, doc, tuple(Example(*one) for one in examples), run, **more)


def adopt(function: sdk.Function, group: str) -> Function:
    """A plugin's function as one of the language."""
    return Function(
        function.name,
        function.parameters,
        function.returns,
        function.doc,
        function.examples,
        _guarded(function.run),
        function.on_null,
        group,
    )


def _guarded(run: Callable[..., Any]) -> Callable[..., Any]:
    """What a plugin raises, or gives, fails the expression and nothing else."""

    def guarded(*arguments: Any) -> Any:
        try:
            result = run(*arguments)
        except ValueError:
            raise
        except Exception as error:  # plugin code; whatever it raises is told with the expression
            raise ValueError(f"{type(error).__name__}: {error}") from error
        try:
            jsontext.dumps(result)
        except TypeError as error:
            raise ValueError(f"it gave what is no JSON: {error}") from None
        return result

    return guarded


def text(name: str = "text", default: Any = REQUIRED, **more: Any) -> Parameter:
    return Parameter(name, ("string",), default=default, **more)


def number(name: str = "number", default: Any = REQUIRED) -> Parameter:
    return Parameter(name, ("number",), default=default)


def integer(name: str, default: Any = REQUIRED) -> Parameter:
    return Parameter(name, ("integer",), default=default)


def boolean(name: str, default: Any = REQUIRED) -> Parameter:
    return Parameter(name, ("boolean",), default=default)


def array(name: str = "list", *items: str, **more: Any) -> Parameter:
    return Parameter(name, ("array",), items, **more)


def record(name: str = "object", **more: Any) -> Parameter:
    return Parameter(name, ("object",), **more)


def anything(name: str = "value", **more: Any) -> Parameter:
    return Parameter(name, **more)


KEY = Parameter("key", ("expression",))
#: ascending or descending; ``ci``: capital and small letters count the same
ORDER = Parameter("order", ("string",), default="asc", choices=("asc", "desc", "asc ci", "desc ci"))


def bounded(value: float, spot: Spot) -> int | float:
    """A number that JSON can hold and memory can bear. Raises ``ExpressionError``."""
    if not fits(value):
        raise spot.error("the result is too large for a number", None)
    return value


def fits(value: float) -> bool:
    """Whether a number is finite, and an integer not too long."""
    return value.bit_length() <= MAX_BITS if isinstance(value, int) else math.isfinite(value)


def divide(first: float, second: float) -> int | float:
    """A quotient: an integer where it comes out even. Raises ``ZeroDivisionError``, ``OverflowError``."""
    if isinstance(first, int) and isinstance(second, int) and first % second == 0:
        return first // second
    return first / second


def to_text(value: Any, spot: Spot, frame: Frame | None = None) -> str:
    """A value as text: strings as they are, everything else as JSON. Raises ``ExpressionError``."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, dict)):
        weight = weigh(value, MAX_OUTPUT)
        if weight > MAX_OUTPUT:
            raise spot.too_large(value)
        if frame is not None:
            frame.spend(weight // CHARACTERS_PER_STEP)
    try:
        return jsontext.dumps(value).decode()
    except (TypeError, RecursionError):
        raise spot.error("this cannot be written as JSON", value) from None


def room(characters: int) -> None:
    """Raises ``Refused`` where a text would have more characters than a result may."""
    if characters > MAX_OUTPUT:
        raise Refused(f"the text would have more than {MAX_OUTPUT:,} characters", large=True)
