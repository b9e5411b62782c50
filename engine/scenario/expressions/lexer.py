"""The library's lexer, and a second pass that settles what a token is from its neighbours.

The extensions reserve no words: two operands never stand side by side in JMESPath, so a word or a star right after an
operand is an operator, and everywhere else it is what it always was. Only ``true``, ``false`` and ``null``, which the
standard takes for fields, are constants where an operand is expected.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, ClassVar

from jmespath.exceptions import LexerError
from jmespath.lexer import Lexer as StandardLexer

from engine.sdk import jsontext

Token = dict[str, Any]

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
#: more digits than any number needs, fewer than Python refuses to read
_MAX_DIGITS = 300

_NAMES_AND_VALUES = frozenset(
    ("unquoted_identifier", "quoted_identifier", "literal", "number", "current", "root", "variable")
)
#: after these, an operand is complete
_ENDS_OPERAND = _NAMES_AND_VALUES | {"rbracket", "rparen", "rbrace", "flatten", "star"}
#: after the word ``not``, these begin its operand; a bracket or a dot would go on with a field of that name instead
_BEGINS_OPERAND = _NAMES_AND_VALUES | {"lparen", "lbrace", "not"}
_CONSTANTS = {"true": True, "false": False, "null": None}
_INFIX_WORDS = {"and": "and", "or": "or", "in": "in"}


class Lexer(StandardLexer):  # type: ignore[misc]  # the library ships no types
    """Tokens of an expression, each with ``type``, ``value``, ``start`` and ``end``."""

    SIMPLE_TOKENS: ClassVar[dict[str, str]] = {
        **StandardLexer.SIMPLE_TOKENS,
        "+": "plus",
        "-": "minus",
        "/": "divide",
        "%": "modulo",
        "$": "root",
        "=": "assign",
    }

    def tokenize(self, expression: str) -> Iterator[Token]:
        """Raises the library's ``LexerError``."""
        return iter(_settle(self._merge(expression)))

    def _raw(self, expression: str) -> Iterator[Token]:
        for token in super().tokenize(expression):
            # the library's own ``end`` is not always one; a simple token is handed out before the lexer moves past it
            if token["type"] not in self.SIMPLE_TOKENS.values():
                token["end"] = self._length if self._current is None else self._position
            yield token

    def _merge(self, expression: str) -> list[Token]:
        """Put together what the library reads as several tokens: ``==``, ``$name``, ``1.5``."""
        merged: list[Token] = []
        covered = 0
        for token in self._raw(expression):
            start = token["start"]
            if start < covered:
                continue
            last = merged[-1] if merged else None
            touches = last is not None and last["end"] == start
            if last is not None and touches and token["type"] == last["type"] == "assign":
                last.update(type="eq", value="==", end=token["end"])
            elif last is not None and touches and last["type"] == "root" and token["type"] == "unquoted_identifier":
                last.update(type="variable", value=token["value"], end=token["end"])
            elif token["type"] == "number":
                number = self._number(expression, token)
                covered = number["end"]
                merged.append(number)
            else:
                merged.append(token)
        return merged

    def _number(self, expression: str, token: Token) -> Token:
        start = token["start"]
        found = _NUMBER.match(expression, start)
        assert found is not None, "the library saw a digit here"
        written = found.group()
        if len(written) > 1 and written[0] == "0" and written[1].isdigit():
            raise LexerError(start, written, f"a number does not begin with 0; write '{written}' if it is text")
        after = expression[found.end() : found.end() + 1]
        if after.isalnum() or after == "_":
            raise LexerError(start, written, f"`{written}{after}` is neither a number nor a name")
        value = float(written) if found.group(1) or found.group(2) else int(written)
        if isinstance(value, float) and math.isinf(value):
            raise LexerError(start, written, f"the number {written} is too large")
        return {"type": "number", "value": value, "start": start, "end": found.end()}

    def _consume_number(self) -> str:
        start = self._position
        digits: str = super()._consume_number()
        if len(digits) > _MAX_DIGITS:
            raise LexerError(start, digits, f"a number has at most {_MAX_DIGITS} digits")
        return digits

    def _consume_literal(self) -> Token:
        start = self._position
        written = self._consume_until("`").replace("\\`", "`")
        try:
            value = jsontext.loads(written)
        except ValueError:
            raise LexerError(
                start, written, f"`{written}` is not JSON; text goes into single quotes: '{written.strip()}'"
            ) from None
        return {"type": "literal", "value": value, "start": start, "end": 0}


def _settle(tokens: list[Token]) -> list[Token]:
    settled: list[Token] = []
    for index, token in enumerate(tokens):
        before = settled[-1] if settled else None
        after = tokens[index + 1]["type"] if index + 1 < len(tokens) else "eof"
        after_operand = before is not None and before["type"] in _ENDS_OPERAND
        if token["type"] == "star" and after_operand:
            settled.append({**token, "type": "multiply"})
        elif token["type"] == "unquoted_identifier":
            settled.append(_word(token, before, after, after_operand=after_operand))
        elif token["type"] == "number" and _is_bracket_minus(settled, after):
            minus = settled.pop()
            settled.append({**token, "value": -token["value"], "start": minus["start"]})
        else:
            settled.append(token)
    return settled


def _word(token: Token, before: Token | None, after: str, *, after_operand: bool) -> Token:
    word = token["value"]
    if after_operand:
        return {**token, "type": _INFIX_WORDS[word]} if word in _INFIX_WORDS else token
    is_field = before is not None and before["type"] == "dot"
    is_key = before is not None and before["type"] in ("lbrace", "comma") and after == "colon"
    if is_field or is_key:
        return token
    if word == "not" and after in _BEGINS_OPERAND:
        return {**token, "type": "not_word"}
    if word == "let" and after == "variable":
        return {**token, "type": "let"}
    if word in _CONSTANTS and after != "lparen":
        return {**token, "type": "literal", "value": _CONSTANTS[word]}
    return token


def _is_bracket_minus(settled: list[Token], after: str) -> bool:
    """Whether a number ends an index or a part of a slice that is counted from the end: ``[-1]``, ``[1:-1]``."""
    return (
        len(settled) > 1
        and settled[-1]["type"] == "minus"
        and settled[-2]["type"] in ("lbracket", "colon")
        and after in ("rbracket", "colon")
    )
