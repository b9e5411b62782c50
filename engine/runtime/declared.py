"""Calls that a module declares rather than programs: ``engine.Request``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.runtime.urls import fill
from engine.scenario.expressions import OMIT, Expression, ExpressionError, compile_expression
from engine.sdk.errors import DataError, VendorError
from engine.sdk.http import Http, Response
from engine.sdk.modules import Config, Json, Request


class DeclaredRequest:
    """A ``Request``, its expressions compiled.

    :raises ExpressionSyntaxError: one of the expressions cannot be read.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self._query = _compiled(request.query)
        self._body = _compiled(request.body)
        self._output = _compiled(request.output)

    async def call(self, config: Config, http: Http, *, writes: bool, warn: Callable[[str], None]) -> Json:
        """Send it and give the output.

        :param writes: the call changes something. Then an answer that cannot be read is no failure, because the
            vendor said yes: the output is null, and ``warn`` is told.
        :raises DataError: the config gives no path, query or body; nothing was sent.
        """
        request = self.request
        query = _before(self._query, config, "query")
        if query is OMIT:
            query = None
        if query is not None and not isinstance(query, dict):
            raise DataError("the module's query must be an object", refused=True)
        more: dict[str, Any] = {}
        if self._body is not None:
            body = _before(self._body, config, "body")
            more = {} if body is OMIT else {"json": body}
        response = await http.request(
            request.method,
            fill(request.path, config, "config"),
            query=query,
            headers=request.headers,
            errors=request.errors,
            **more,
        )
        try:
            return self._read(response)
        except VendorError as error:
            if not writes:
                raise
            warn(f"the vendor accepted the call, but its answer cannot be used: {error.message}")
            return None

    def _read(self, response: Response) -> Json:
        answer = response.json()
        if self._output is None:
            return answer
        try:
            output = self._output.evaluate(answer)
        except ExpressionError as error:
            raise VendorError(
                f"the answer is not of the expected form: {error.message}",
                status=response.status,
                detail=response.readable,
            ) from None
        return None if output is OMIT else output


def _compiled(text: str | None) -> Expression | None:
    return None if text is None else compile_expression(text)


def _before(expression: Expression | None, config: Config, part: str) -> Json:
    if expression is None:
        return None
    try:
        return expression.evaluate(dict(config))
    except ExpressionError as error:
        raise DataError(f"the {part} cannot be made: {error.message}; nothing was sent", refused=True) from None
