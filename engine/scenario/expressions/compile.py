"""Expressions: compiled once, evaluated often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from engine.scenario.expressions.analysis import (
    Reference,
    called,
    constructs,
    meets_outputs,
    needs_plain_scope,
    nodes,
    references,
)
from engine.scenario.expressions.compiler import Compiler, Run
from engine.scenario.expressions.declare import OMIT, Function
from engine.scenario.expressions.errors import ExpressionError, ExpressionSyntaxError
from engine.scenario.expressions.frame import Context, Frame, Spot
from engine.scenario.expressions.functions import FUNCTIONS
from engine.scenario.expressions.later import plain_names
from engine.scenario.expressions.parser import parse
from engine.scenario.expressions.values import kind

#: an empty frame: what such nodes alone are made of neither fails nor spends
_FRAMELESS = frozenset(("field", "subexpression"))


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """An expression, ready to be evaluated again and again.

    :param text: as it was written.
    :param ast: the library's tree: nodes with ``type``, ``children``, ``value``, and the characters from ``start`` to
        ``end`` that they were read from. See ``parser`` for the node types that the library does not know.
    :param names: what is looked up in the root scope.
    :param functions: what is called.
    :param references: where the root scope is looked into, and how deep.
    """

    text: str
    ast: Mapping[str, Any]
    names: frozenset[str]
    functions: frozenset[str]
    references: tuple[Reference, ...]
    _known: Mapping[str, Function] = field(repr=False)
    _run: Run = field(repr=False)
    _slots: int = field(repr=False)
    _frameless: bool = field(repr=False)
    _constructs: bool = field(repr=False)
    _plain_scope: bool = field(repr=False)
    _all_outputs: bool = field(repr=False)

    def evaluate(self, scope: Mapping[str, Any], context: Context | None = None) -> Any:
        """The value of the expression, or ``OMIT``.

        :param scope: the names at the root; its values are JSON, and are neither copied nor changed.
        :param context: what ``now()`` and ``uuid()`` ask.
        :raises ExpressionError: a value is not of the kind that the expression needs, or a bound is met.
        """
        if self._frameless:
            return self._run(scope, None)  # type: ignore[arg-type]  # such nodes pass the frame on, and never look at it
        if self._plain_scope and not isinstance(scope, dict) and isinstance(scope, Mapping):
            scope = dict(scope)
        if self._all_outputs and isinstance(scope, dict):
            scope = plain_names(scope)
        frame = Frame(self.text, scope, self._slots, context)
        try:
            result = self._run(scope, frame)
        except RecursionError:
            raise ExpressionError("a value is nested too deeply", self.text, 0, None) from None
        if self._constructs and isinstance(result, (list, dict)):
            Spot(self.text, 0, len(self.text)).check_size(result)
        return result

    def test(self, scope: Mapping[str, Any], context: Context | None = None) -> bool:
        """The value as a condition: a boolean, or null, which counts as false.

        :raises ExpressionError: as for ``evaluate``, and where the value is of another type.
        """
        value = self.evaluate(scope, context)
        if value is True:
            return True
        if value is False or value is None:
            return False
        raise ExpressionError(
            f"a condition must be true or false, this is of type {'omit' if value is OMIT else kind(value)}",
            self.text,
            0,
            None if value is OMIT else value,
            hint=_condition_hint(self, value),
        )


def _condition_hint(expression: Expression, value: Any) -> str:
    text = expression.text.strip()
    if expression.ast["type"] not in ("field", "subexpression", "function_expression", "index_expression"):
        text = f"({text})"
    match kind(value):
        case "string" if len(value) <= 40 and "'" not in value:
            return f"write {text} == '{value}', or {text} != null"
        case "number":
            return f"write {text} > 0, or {text} != null"
        case "array":
            return f"write length({text}) > 0"
        case _:
            return f"write {text} != null"


def compile_expression(text: str, known: Mapping[str, Function] = FUNCTIONS) -> Expression:
    """Read an expression, without the ``${{ }}`` around it.

    :param known: what can be called: ``functions_of`` a project's plugins.
    :raises ExpressionSyntaxError: it cannot be read, calls an unknown function, or calls one with too few or too many
        arguments.
    """
    if known is FUNCTIONS:
        return _compiled(text)
    try:
        # most expressions call nothing of a plugin, and are compiled once for all projects
        return _compiled(text)
    except ExpressionSyntaxError:
        return _compile(text, known)


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Expression:
    return _compile(text, FUNCTIONS)


def _compile(text: str, known: Mapping[str, Function]) -> Expression:
    tree = parse(text)
    found = references(tree)
    wide = meets_outputs(tree, found)
    compiler = Compiler(text, known, found)
    run = compiler.compile(tree, result=True)
    return Expression(
        text=text,
        ast=tree,
        names=frozenset(reference.path[0] for reference in found),
        functions=called(tree),
        references=found,
        _known=known,
        _run=run,
        _slots=compiler.slots,
        _frameless=tree["type"] in _FRAMELESS
        and all(child["type"] == "field" for child in tree["children"])
        and not wide,
        _constructs=constructs(tree, known),
        _plain_scope=needs_plain_scope(tree),
        _all_outputs=wide,
    )


def part(expression: Expression, node: dict[str, Any]) -> Expression:
    """A part of an expression by itself; its text, and places in messages, are those of the whole."""
    known = expression._known  # noqa: SLF001 - of the same kind, and in the same file
    found = references(node)
    compiler = Compiler(expression.text, known, found)
    run = compiler.compile(node, result=True)
    return Expression(
        text=expression.text,
        ast=node,
        names=frozenset(reference.path[0] for reference in found),
        functions=called(node),
        references=found,
        _known=known,
        _run=run,
        _slots=compiler.slots,
        _frameless=False,
        _constructs=constructs(node, known),
        _plain_scope=needs_plain_scope(node),
        _all_outputs=meets_outputs(node, found),
    )


def quoted_comparisons(expression: Expression) -> list[tuple[int, str]]:
    """Comparisons with a bare double-quoted name, which is a field and hardly ever meant: ``tier == "GOLD"``.

    :returns: the position and the name of each.
    """
    return [
        (child["start"], child["value"])
        for node in nodes(expression.ast)
        if node["type"] == "comparator"
        for child in node["children"]
        if child["type"] == "field" and child.get("quoted")
    ]
