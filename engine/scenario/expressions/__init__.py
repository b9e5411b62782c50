"""``${{ … }}``: JMESPath with the extensions of the scenario language."""

from engine.scenario.expressions.analysis import Reference
from engine.scenario.expressions.compile import Expression, compile_expression, part, quoted_comparisons
from engine.scenario.expressions.declare import OMIT, Function
from engine.scenario.expressions.errors import ExpressionError, ExpressionSyntaxError
from engine.scenario.expressions.frame import Context
from engine.scenario.expressions.functions import FUNCTIONS, GROUPS, functions_of
from engine.scenario.expressions.later import Later, plain, plain_ended, plain_names
from engine.scenario.expressions.template import Hole, Placed, Template, compile_template, split

__all__ = [
    "FUNCTIONS",
    "GROUPS",
    "OMIT",
    "Context",
    "Expression",
    "ExpressionError",
    "ExpressionSyntaxError",
    "Function",
    "Hole",
    "Later",
    "Placed",
    "Reference",
    "Template",
    "compile_expression",
    "compile_template",
    "functions_of",
    "part",
    "plain",
    "plain_ended",
    "plain_names",
    "quoted_comparisons",
    "split",
]
