"""Whether functions do what their examples say."""

from __future__ import annotations

from engine.plugins import Added, LoadError, Registry
from engine.scenario.expressions.compile import compile_expression
from engine.scenario.expressions.errors import ExpressionError, ExpressionSyntaxError
from engine.scenario.expressions.frame import Frame, equal
from engine.scenario.expressions.functions import functions_of


def doubts(registry: Registry) -> list[LoadError]:
    """The examples of plugins' functions that give something else."""
    found = []
    for added in registry.functions.values():
        wrong = _wrong(added, registry)
        if wrong is not None:
            found.append(added.problem(f"an example of '{added.function.name}' is wrong: {wrong}", loaded=True))
    return found


def _wrong(added: Added, registry: Registry) -> str | None:
    name = added.function.name
    for example in added.function.examples:
        try:
            expression = compile_expression(example.expression, functions_of(registry))
            result = expression.evaluate(example.data)
        except (ExpressionSyntaxError, ExpressionError) as error:
            return f"`{example.expression}`: {error.message}"
        if name not in expression.functions:
            return f"`{example.expression}` does not call it"
        if not equal(result, example.result, Frame(example.expression, {}, 0, None)):
            return f"`{example.expression}` gives {result!r}, not {example.result!r}"
    return None
