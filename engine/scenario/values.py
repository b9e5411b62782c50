"""The values of a scenario: templates, conditions and other expressions, compiled and checked where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as MappingType

from engine.scenario import types
from engine.scenario.braces import check_braces, check_names, meant
from engine.scenario.diagnostics import Place
from engine.scenario.expressions import (
    FUNCTIONS,
    Expression,
    ExpressionSyntaxError,
    Function,
    Hole,
    Template,
    compile_expression,
    split,
)
from engine.scenario.expressions.analysis import needs_plain_scope
from engine.scenario.inference import OMITTED, infer, kinds
from engine.scenario.nodes import Mapping, Node, Scalar, place_in
from engine.scenario.references import Names
from engine.scenario.report import Report
from engine.scenario.types import UNKNOWN
from engine.sdk.modules import Schema

OPEN = "${{"


def expressions_in(node: Node) -> Iterator[Scalar]:
    """The texts of a value in which expressions stand."""
    if isinstance(node, Scalar):
        if isinstance(node.value, str) and OPEN in node.value:
            yield node
        return
    for value in [value for _, value in node.entries] if isinstance(node, Mapping) else node.items:
        yield from expressions_in(value)


def has_expression(node: Node) -> bool:
    """Whether an expression stands anywhere in the value."""
    return next(expressions_in(node), None) is not None


class Values:
    """Compiles values and notes what is wrong in them.

    :param known: what expressions can call.
    :param given: by the identity of a text's node, its expressions and what is known of their values, and of its own.
    :param used: what the expressions read so far look up: a name at the root and the field that follows it, if any.
    """

    def __init__(self, report: Report, known: MappingType[str, Function] = FUNCTIONS) -> None:
        self._report = report
        self._functions = known
        self.given: dict[int, tuple[tuple[tuple[Expression, Schema], ...], Schema]] = {}
        self.used: set[tuple[str, str | None]] = set()

    def template(self, node: Node, names: Names) -> tuple[Template, Schema]:
        """A value in which expressions may stand, and what is known of its result."""
        if isinstance(node, Mapping):
            return self._mapping(node, names)
        if not isinstance(node, Scalar):
            parts = [self.template(item, names) for item in node.items]
            items = types.union([schema for _, schema in parts]) if parts else UNKNOWN
            return Template.sequence([template for template, _ in parts]), types.array_of(items)
        if not has_expression(node):
            if isinstance(node.value, str):
                check_braces(node, (), self._report)
                check_names(node, names, self._report)
            return Template.constant(node.value), types.schema_of(node.value)
        return self._text(node, names)

    def _text(self, node: Scalar, names: Names) -> tuple[Template, Schema]:
        unreadable = Template.constant(None), UNKNOWN
        pieces = self._split(node)
        if pieces is None:
            return unreadable
        holes = [piece for piece in pieces if isinstance(piece, Hole)]
        check_braces(node, holes, self._report)
        whole = len(pieces) == 1
        schemas = [self._hole(node, hole, names, in_text=not whole) for hole in holes]
        known = [schema for schema in schemas if schema is not None]
        if len(known) < len(schemas):
            return unreadable
        try:
            template = Template.text(node.text, self._functions)
        except ExpressionSyntaxError as error:
            # only what a text around an expression forbids is left to go wrong here
            hole = next(hole for hole in holes if hole.text == error.text)
            place = place_in(node, hole.start + error.position)
            self._report.add("expression-syntax", error.message, place, error.hint)
            return unreadable
        result = types.STRING if not whole else UNKNOWN if known[0] is OMITTED else known[0]
        placed = (found.expression for found in template.expressions)
        self.given[id(node)] = tuple(zip(placed, known, strict=True)), result
        return template, result

    def _mapping(self, node: Mapping, names: Names) -> tuple[Template, Schema]:
        templates: dict[str, Template] = {}
        schemas: dict[str, Schema] = {}
        for key, value in node.entries:
            if OPEN in key.text:
                self._report.add("expression-key", "a key cannot be an expression", key.place, "write the key out")
            templates[key.text], schemas[key.text] = self.template(value, names)
        return Template.mapping(templates), types.closed(schemas)

    def condition(self, node: Node, names: Names) -> Expression | None:
        """An ``if``: one expression, or true or false."""
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            word = "always" if node.value else "never"
            message = f"this is switched {'on' if node.value else 'off'}: it {word} runs"
            self._report.add("fixed-condition", message, node.place, "write a condition, or leave it out")
            return compile_expression("`true`" if node.value else "`false`")
        found = self.expression(node, names, "a condition")
        if found is None:
            return None
        expression, schema = found
        can_be = types.types_of(schema)
        if can_be and not can_be & {"boolean", "null"}:
            what = types.words(sorted(can_be))
            hint = "compare it: `x == 'yes'`, `x > 0`, `length(x) > 0`, `x != null`"
            self._report.add("condition-type", f"a condition must be true or false, this is {what}", node.place, hint)
        elif can_be and can_be <= {"null"}:
            self._constant(node, truth=False)
        elif can_be and can_be <= {"boolean"} and (values := types.values_of(schema)) and len(values) == 1:
            self._constant(node, truth=values[0] is True)
        return expression

    def _constant(self, node: Node, *, truth: bool) -> None:
        word, then = ("true", "always runs") if truth else ("false", "never runs")
        message = f"the condition is always {word}: what it is for {then}"
        self._report.add("constant-condition", message, node.place, "leave out what is not needed")

    def expression(self, node: Node, names: Names, what: str) -> tuple[Expression, Schema] | None:
        """A value that must be one expression as a whole.

        :param what: what is wanted, for the message.
        """
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or OPEN not in node.value:
            written = (meant(node.text) or node.text) if isinstance(node, Scalar) else "…"
            hint = f"write it as {OPEN} {written} }}}}"
            self._report.add("expression-wanted", f"{what} must be an expression", node.place, hint)
            return None
        parts = self._split(node)
        if parts is None:
            return None
        holes = [part for part in parts if isinstance(part, Hole)]
        if any(isinstance(part, str) and part.strip() for part in parts) or len(holes) != 1:
            hint = "put all of it between one pair of braces"
            self._report.add("expression-wanted", f"{what} must be one expression", node.place, hint)
            return None
        schema = self._hole(node, holes[0], names, in_text=False)
        return None if schema is None else (compile_expression(holes[0].text, self._functions), schema)

    def _split(self, node: Scalar) -> list[str | Hole] | None:
        try:
            # a block scalar ends with a line end, which is not meant as text
            return split(node.text.rstrip("\n"))
        except ExpressionSyntaxError as error:
            place = place_in(node, error.position, len(OPEN))
            self._report.add(_code(error), error.message, place, error.hint)
            return None

    def _hole(self, node: Scalar, hole: Hole, names: Names, *, in_text: bool) -> Schema | None:
        """What is known of an expression's value; None when it cannot be read."""

        def place(start: int, length: int) -> Place:
            return place_in(node, hole.start + start, length)

        try:
            expression = compile_expression(hole.text, self._functions)
        except ExpressionSyntaxError as error:
            self._report.add(_code(error), error.message, place(error.position, 1), error.hint)
            return None

        def tell(code: str, message: str, start: int, length: int, hint: str | None) -> None:
            self._report.add(code, message, place(start, length), hint)

        schema = infer(expression.ast, names, tell, self._functions)
        self._note(expression)
        if not in_text:
            return schema
        found = kinds(schema)
        if found and found <= {"object", "array"}:
            message = f"`{hole.text}` is {types.words(sorted(found))}, which becomes JSON inside a text"
            hint = "name the field that is meant; if JSON is, write to_string(…)"
            self._report.add("object-in-text", message, place(0, len(hole.text)), hint)
        elif types.nullable(schema) and not any(hole.text in guard for guard in names.guards):
            why = f" ({reason})" if (reason := types.why_null(schema)) else ""
            message = f"`{hole.text}` can be null{why}, which becomes an empty text"
            hint = f"say what then: {OPEN} {hole.text} || 'none' }}}}"
            self._report.add("null-in-text", message, place(0, len(hole.text)), hint)
        return schema

    def _note(self, expression: Expression) -> None:
        for reference in expression.references:
            name, *rest = reference.path
            self.used.add((name, rest[0] if rest else None))
        if needs_plain_scope(expression.ast):
            self.used.add(("$", None))


def _code(error: ExpressionSyntaxError) -> str:
    return "unknown-function" if error.message.startswith("there is no function") else "expression-syntax"
