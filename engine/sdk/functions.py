"""A function of the expression language, as a plugin declares it. Those of the language itself are declared alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final


class _Required:
    """The type of ``REQUIRED``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "REQUIRED"


#: the default of a parameter that has none
REQUIRED: Final = _Required()


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a function takes.

    :param kinds: names of types that are accepted: ``string``, ``number``, ``integer``, ``boolean``, ``array``,
        ``object``, ``null``; empty: any. ``expression``: it is written as ``&expression``.
    :param items: where a list is accepted, the types that all its items share; empty: any.
    :param variadic: the last parameter may be given again and again.
    :param default: what a parameter that is left out, or null, stands for; such parameters come last.
    :param choices: the only texts that are accepted.
    :param check: called with a value that is written out in an expression, so that a mistake is found before anything
        runs. Raises ``ValueError`` with the reason.
    """

    name: str
    kinds: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    variadic: bool = False
    default: Any = REQUIRED
    choices: tuple[str, ...] = ()
    check: Callable[[Any], object] | None = None

    def __str__(self) -> str:
        kinds = "|".join(
            f"array of {' or '.join(self.items)}s" if k == "array" and self.items else k for k in self.kinds
        )
        return f"{self.name}{'…' if self.variadic else ''}{'?' if self.optional else ''}: {kinds or 'any'}"

    @property
    def expression(self) -> bool:
        """Whether it is written as ``&expression``."""
        return self.kinds == ("expression",)

    @property
    def optional(self) -> bool:
        """Whether it can be left out."""
        return self.default is not REQUIRED


@dataclass(frozen=True, slots=True)
class Example:
    """An expression, the data it is evaluated on, and what comes out."""

    expression: str
    data: Any
    result: Any


@dataclass(frozen=True, slots=True)
class Function:
    """A function for expressions: ``${{ acme_tier(points) }}``.

    It is pure: the same arguments give the same result, on every machine and on every day, because runs that go on
    after a crash evaluate their expressions again. It changes no argument, and is quick: nothing else runs meanwhile.

    :param name: ``[a-z][a-z0-9_]*``; begins with the plugin's own name and ``_``.
    :param returns: the type of the result: ``string``, ``number``, ``boolean``, ``array``, ``array of strings``,
        ``object``, ``any``; several are joined with ``|``, such as ``string|null``.
    :param doc: one sentence.
    :param examples: at least one; they are shown, and tests run them.
    :param run: called with the arguments, their types checked. Raises ``ValueError`` with the reason when it cannot
        work with them.
    :param on_null: the result where a required argument is null and its parameter does not accept null.
    """

    name: str
    parameters: tuple[Parameter, ...]
    returns: str
    doc: str
    examples: tuple[Example, ...]
    run: Callable[..., Any]
    on_null: Any = None

    @property
    def signature(self) -> str:
        """How it is called: ``left(text: string, n: integer) → string``."""
        return f"{self.name}({', '.join(map(str, self.parameters))}) → {self.returns}"

    @property
    def least(self) -> int:
        """How many arguments it needs."""
        return sum(not parameter.optional for parameter in self.parameters)

    @property
    def most(self) -> int | None:
        """How many arguments it takes; None: any number."""
        return None if self.parameters and self.parameters[-1].variadic else len(self.parameters)
