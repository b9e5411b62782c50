"""``${{ … }}``: JMESPath with the extensions of the scenario language."""

from engine.scenario.expressions.compile import Context, Expression, compile_expression
from engine.scenario.expressions.errors import ExpressionError, ExpressionSyntaxError
from engine.scenario.expressions.functions import FUNCTIONS, Function
from engine.scenario.expressions.template import OMIT, Template, compile_template

__all__ = [
    "FUNCTIONS",
    "OMIT",
    "Context",
    "Expression",
    "ExpressionError",
    "ExpressionSyntaxError",
    "Function",
    "Template",
    "compile_expression",
    "compile_template",
]
