"""The library's parser with arithmetic, words for operators, the root and ``let``; every node knows its place.

Nodes are the library's: ``type``, ``children``, ``value``. Added are ``start`` and ``end`` (characters of the text) and

===================  ===========================================  =================================
type                 children                                     value
===================  ===========================================  =================================
``arithmetic``       left, right                                  ``+ - * / %``
``negate``           operand
``root``
``let``              ``binding`` nodes, then the body
``binding``          expression                                   name
``variable``                                                      name
===================  ===========================================  =================================

A ``field`` that was written in double quotes has ``quoted: True``.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from jmespath import ast
from jmespath.exceptions import (
    EmptyExpressionError,
    IncompleteExpressionError,
    JMESPathError,
    LexerError,
    ParseError,
)
from jmespath.parser import Parser as StandardParser

from engine.scenario.diagnostics import did_you_mean
from engine.scenario.expressions.errors import ExpressionSyntaxError
from engine.scenario.expressions.lexer import Lexer, Token

Node = dict[str, Any]

#: characters of an expression
MAX_LENGTH = 8 * 1024
#: parentheses, brackets, braces and prefixes inside each other
MAX_NESTING = 64
#: operators in a row count too: the tree leans to the left
MAX_DEPTH = 200

_OPERATORS = {"plus": "+", "minus": "-", "multiply": "*", "divide": "/", "modulo": "%"}
_NEGATION = 8
_NOT_WORD = 4


class Parser(StandardParser):  # type: ignore[misc]  # the library ships no types
    """Reads one expression."""

    #: arithmetic binds tighter than comparisons and stops projections, as these do (everything below 10)
    BINDING_POWER: ClassVar[dict[str, int]] = {
        **StandardParser.BINDING_POWER,
        "assign": 0,
        "in": 0,
        "let": 0,
        "not_word": 0,
        "root": 0,
        "variable": 0,
        "plus": 6,
        "minus": 6,
        "multiply": 7,
        "divide": 7,
        "modulo": 7,
    }

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text
        self._nesting = 0

    def read(self) -> Node:
        """The tree of the text. Raises the library's errors and ``ExpressionSyntaxError``."""
        self._tokens = list(Lexer().tokenize(self._text))
        tree: Node = self._expression()
        if self._current_token() != "eof":
            self._refuse_token(self._lookahead_token(0))
        _complete(tree, self._text)
        return tree

    def _refuse(self, message: str, token: Token, hint: str | None = None) -> NoReturn:
        raise ExpressionSyntaxError(message, self._text, token["start"], hint=hint)

    def _refuse_token(self, token: Token) -> NoReturn:
        if token["type"] == "eof":
            raise IncompleteExpressionError(token["start"], token["value"], token["type"])
        raise ParseError(token["start"], token["value"], token["type"])

    def _expression(self, binding_power: int = 0) -> Node:
        self._nesting += 1
        token = self._lookahead_token(0)
        if self._nesting > MAX_NESTING:
            self._refuse(f"more than {MAX_NESTING} levels inside each other", token, "do it in several steps")
        self._advance()
        prefix = getattr(self, f"_token_nud_{token['type']}", self._refuse_token)
        left = self._place(prefix(token), token["start"])
        while binding_power < self.BINDING_POWER[self._current_token()]:
            token = self._lookahead_token(0)
            infix = getattr(self, f"_token_led_{token['type']}", None)
            if infix is None:
                self._refuse_token(token)
            start = left["start"]
            self._advance()
            left = self._place(infix(left), start)
        self._nesting -= 1
        return left

    def _place(self, node: Node, start: int) -> Node:
        node["start"] = start
        node["end"] = self._lookahead_token(-1)["end"]
        return node

    # operands

    def _token_nud_number(self, token: Token) -> Node:
        return dict(ast.literal(token["value"]))

    def _token_nud_root(self, _token: Token) -> Node:
        return {"type": "root", "children": []}

    def _token_nud_variable(self, token: Token) -> Node:
        return {"type": "variable", "children": [], "value": token["value"]}

    def _token_nud_quoted_identifier(self, token: Token) -> Node:
        if self._current_token() == "lparen":
            self._refuse("the name of a function has no quotes", token, f"write {token['value']}(…)")
        return {**ast.field(token["value"]), "quoted": True}

    def _token_nud_let(self, _token: Token) -> Node:
        children: list[Node] = []
        while True:
            name = self._lookahead_token(0)
            self._match("variable")
            self._match("assign")
            binding = {"type": "binding", "value": name["value"], "children": [self._expression()]}
            children.append(self._place(binding, name["start"]))
            if self._current_token() != "comma":
                break
            self._advance()
        if self._current_token() != "in":
            self._refuse("a let needs `in`", self._lookahead_token(0), "write let $x = … in …")
        self._advance()
        children.append(self._expression())
        return {"type": "let", "children": children}

    # prefixes

    def _token_nud_minus(self, _token: Token) -> Node:
        operand = self._expression(_NEGATION)
        if operand["type"] == "literal" and type(operand["value"]) in (int, float):
            return {**operand, "value": -operand["value"]}
        return {"type": "negate", "children": [operand]}

    def _token_nud_not(self, _token: Token) -> Node:
        # the library's power is above the dot's, so that it reads `!a.b` as `(!a).b`, which is never of use
        return dict(ast.not_expression(self._expression(_NEGATION)))

    def _token_nud_not_word(self, _token: Token) -> Node:
        return dict(ast.not_expression(self._expression(_NOT_WORD)))

    # operators

    def _arithmetic(self, left: Node, name: str) -> Node:
        right = self._expression(self.BINDING_POWER[name])
        return {"type": "arithmetic", "children": [left, right], "value": _OPERATORS[name]}

    def _token_led_plus(self, left: Node) -> Node:
        return self._arithmetic(left, "plus")

    def _token_led_minus(self, left: Node) -> Node:
        return self._arithmetic(left, "minus")

    def _token_led_multiply(self, left: Node) -> Node:
        return self._arithmetic(left, "multiply")

    def _token_led_divide(self, left: Node) -> Node:
        return self._arithmetic(left, "divide")

    def _token_led_modulo(self, left: Node) -> Node:
        return self._arithmetic(left, "modulo")

    # brackets: bare numbers make `[1, 2]` a list, where the library knows only `[1]`, the index

    def _at_index(self) -> bool:
        token = self._lookahead_token(0)
        if token["type"] == "colon":
            return True
        return token["type"] == "number" and type(token["value"]) is int and self._lookahead(1) in ("rbracket", "colon")

    def _token_nud_lbracket(self, token: Token) -> Node:
        if self._current_token() == "number" and not self._at_index():
            return dict(self._parse_multi_select_list())
        return dict(super()._token_nud_lbracket(token))

    def _token_led_lbracket(self, left: Node) -> Node:
        token = self._lookahead_token(0)
        if token["type"] not in ("star", "eof") and not self._at_index():
            hint = None
            if token["type"] in ("literal", "unquoted_identifier", "quoted_identifier"):
                hint = f'a field is reached by a dot: .{token["value"]}, or ."{token["value"]}" for an unusual name'
            self._refuse("only a whole number, a slice, * or a filter goes into these brackets", token, hint)
        return dict(super()._token_led_lbracket(left))

    def _parse_slice_expression(self) -> Node:
        first = self._lookahead_token(0)
        node: Node = super()._parse_slice_expression()
        if node["children"][2] == 0:
            self._refuse("the step of a slice cannot be 0", first)
        return node

    def _parse_dot_rhs(self, binding_power: int) -> Node:
        bracket = self._lookahead_token(0)
        if bracket["type"] == "lbracket":
            self._advance()
            if self._at_index():
                self._refuse("an index has no dot before it", bracket, "write list[0]")
            return self._place(self._parse_multi_select_list(), bracket["start"])
        if bracket["type"] == "lbrace":
            self._advance()
            return self._place(self._parse_multi_select_hash(), bracket["start"])
        return dict(super()._parse_dot_rhs(binding_power))

    # lists of things: the library lets commas be left out

    def _token_led_lparen(self, left: Node) -> Node:
        name = self._lookahead_token(-2)
        if left["type"] != "field" or name["type"] != "unquoted_identifier":
            self._refuse(f"`{self._text[left['start'] : left['end']]}` is not the name of a function", name)
        arguments: list[Node] = []
        while self._current_token() != "rparen":
            arguments.append(self._expression())
            if self._current_token() != "rparen":
                self._match("comma")
                if self._current_token() == "rparen":
                    self._refuse("an argument is missing after the comma", self._lookahead_token(0))
        self._advance()
        return dict(ast.function_expression(left["value"], arguments))

    def _parse_multi_select_hash(self) -> Node:
        pairs: list[Node] = []
        while True:
            key = self._lookahead_token(0)
            self._match_multiple_tokens(["quoted_identifier", "unquoted_identifier"])
            self._match("colon")
            pairs.append(self._place(ast.key_val_pair(key["value"], self._expression()), key["start"]))
            if self._current_token() == "rbrace":
                self._advance()
                return dict(ast.multi_select_dict(pairs))
            self._match("comma")


def parse(text: str) -> Node:
    """The tree of an expression. Raises ``ExpressionSyntaxError``."""
    if len(text) > MAX_LENGTH:
        raise ExpressionSyntaxError(
            f"an expression has at most {MAX_LENGTH:,} characters, this one {len(text):,}",
            text,
            MAX_LENGTH,
            hint="do it in several steps",
        )
    try:
        return Parser(text).read()
    except EmptyExpressionError:
        raise ExpressionSyntaxError("the expression is empty", text, 0) from None
    except IncompleteExpressionError:
        message = "the expression ends too early" if text.strip() else "the expression is empty"
        raise ExpressionSyntaxError(message, text, len(text)) from None
    except LexerError as error:
        raise _lexer_error(error, text) from None
    except ParseError as error:
        raise _token_error(error, text) from None
    except JMESPathError as error:
        raise ExpressionSyntaxError(str(error), text, 0) from None


def _lexer_error(error: LexerError, text: str) -> ExpressionSyntaxError:
    position = error.lexer_position
    character = text[position : position + 1]
    if error.message.startswith("Unclosed "):
        return ExpressionSyntaxError(f"the quote {character} is not closed", text, position)
    if error.message.startswith("Unknown token "):
        hint = "a name with such letters goes into double quotes" if character.isalpha() else None
        if character == ";":
            hint = "arguments stand between commas"
        return ExpressionSyntaxError(f"`{character}` means nothing here", text, position, hint=hint)
    if character == '"':
        return ExpressionSyntaxError(f"this quoted name cannot be read: {error.message}", text, position)
    return ExpressionSyntaxError(error.message, text, position)


_TOKEN_HINTS = {
    "assign": "to compare, write ==",
    "expref": "write && or `and`; a single & goes before an argument of map, sort_by, min_by and max_by",
    "comma": None,
    "literal": "is an operator missing before it?",
    "number": "is an operator missing before it?",
    "quoted_identifier": "is an operator missing before it?",
}


def _token_error(error: ParseError, text: str) -> ExpressionSyntaxError:
    position = error.lex_position
    kind = error.token_type.lower()
    value = error.token_value
    hint = _TOKEN_HINTS.get(kind)
    if kind == "unquoted_identifier":
        hint = did_you_mean(str(value).lower(), ("and", "or", "in")) or "is an operator missing before it?"
    shown = text[position : position + len(value)] if isinstance(value, str) and kind != "literal" else value
    return ExpressionSyntaxError(f"`{shown}` cannot stand here", text, position, hint=hint)


def _complete(tree: Node, text: str) -> None:
    """Give a place to the nodes that the library makes on its own, and keep the tree shallow enough to walk."""
    level = [tree]
    depth = 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ExpressionSyntaxError(
                f"more than {MAX_DEPTH} operators in a row",
                text,
                level[0]["start"],
                hint="to compare with many values, write contains(['a', 'b'], x)",
            )
        below = []
        for node in level:
            if node["type"] == "slice":
                continue
            for child in node["children"]:
                child.setdefault("start", node["start"])
                child.setdefault("end", node["end"])
                below.append(child)
        level = below
