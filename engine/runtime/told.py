"""What a vendor says of an error in its answer, and errors that stand in answers whose status says that all is well."""

from __future__ import annotations

from engine.scenario.expressions import OMIT, ExpressionError, compile_expression
from engine.sdk import jsontext
from engine.sdk.http import ErrorTable, Response
from engine.sdk.modules import Json

#: characters of a vendor's words that a message shows; all of them are in the error's detail
MOST = 300
#: said of an answer that is neither the vendor's success nor its error
NO_SUCCESS = "the body does not say that it was taken"


def said_in(table: ErrorTable, response: Response) -> str | None:
    """The vendor's word on an answer of status 300 or above, where its table knows where to look."""
    rule = table.said or (table.body.found if table.body is not None else None)
    return _text(_found(rule, response)) if rule is not None else None


def error_in(table: ErrorTable, response: Response) -> str | None:
    """The vendor's word on an answer below 300 whose body is an error; None: it is none."""
    if table.body is None:
        return None
    found = _found(table.body.found, response)
    if found_something(found):
        return _text(found) or "an error"
    if table.body.taken is not None and not found_something(_found(table.body.taken, response)):
        return NO_SUCCESS
    return None


def found_something(value: Json) -> bool:
    """Whether an expression found something, as JMESPath has it: 0 is something, and what is empty is not."""
    return value is not OMIT and (bool(value) or (isinstance(value, int | float) and value is not False))


def _found(rule: str, response: Response) -> Json:
    try:
        body = jsontext.loads(response.body)
    except ValueError:
        return None
    try:
        return compile_expression(rule).evaluate(body)
    except ExpressionError:
        # an answer of another form, such as a list, which holds no word
        return None


def _text(value: Json) -> str | None:
    if not found_something(value) or value is True:
        return None
    parts = value if isinstance(value, list) else [value]
    text = "; ".join(part if isinstance(part, str) else jsontext.dumps(part).decode() for part in parts)
    return text if len(text) <= MOST else f"{text[:MOST]}…"
