"""Calls that a module declares rather than programs: ``engine.Request``, ``engine.Probe``, the pages of a search."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from engine.runtime.pages import Pager, pager_of
from engine.runtime.told import found_something
from engine.runtime.urls import fill
from engine.scenario.diagnostics import did_you_mean
from engine.scenario.expressions import OMIT, Expression, ExpressionError, ExpressionSyntaxError, compile_expression
from engine.sdk.connections import ConnectionType
from engine.sdk.errors import DataError, VendorError
from engine.sdk.http import ErrorTable, Response
from engine.sdk.modules import (
    Action,
    Call,
    Config,
    Happened,
    Json,
    Module,
    Page,
    PollingTrigger,
    Probe,
    ProbeResult,
    Request,
    Search,
)
from engine.sdk.paging import Where

#: a key of the config in a declared path
_IN_PATH = re.compile(r"\{\+?(\w+)\}")

ReadPage = Callable[[Call, Json], Awaitable[Page]]
Ask = Callable[[Call, datetime], Awaitable[Happened | ProbeResult]]


class _Scope(dict[str, Json]):
    """The config, and under one name beside it the connection's fields.

    They are no part of it: what takes the whole (`@`) takes the config alone, and sends nothing of the connection.
    """

    __slots__ = ("_connection",)

    def __init__(self, config: Config, connection: Mapping[str, Json]) -> None:
        super().__init__(config)
        self._connection = dict(connection)

    def get(self, name: str, default: Json = None) -> Json:
        return self._connection if name == "connection" else super().get(name, default)


class DeclaredRequest:
    """A ``Request``, its expressions compiled.

    :raises ExpressionSyntaxError: one of the expressions cannot be read.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self._query = _compiled(request.query)
        self._body = _compiled(request.body)
        self._output = _compiled(request.output)
        self._method_holds = "{" in request.method

    async def call(self, call: Call, *, writes: bool) -> Json:
        """Send it and give the output.

        :param writes: the call changes something. Then an answer that cannot be read is no failure, because the
            vendor said yes: the output is null, and a warning is given.
        :raises DataError: the config gives no path, query or body; nothing was sent.
        """
        response = await self.send(call)
        try:
            return self.output(response, response.json())
        except VendorError as error:
            if not writes:
                raise
            call.warn(f"the vendor accepted the call, but its answer cannot be used: {error.message}")
            return None

    async def send(
        self, call: Call, more: Mapping[str, Json] | None = None, where: Where = "query", *, alone: bool = False
    ) -> Response:
        """Send it.

        :param more: parameters that go beside those of the config, or before them where they have the same name.
        :param where: which part ``more`` goes into.
        :param alone: that part holds nothing but ``more``.
        """
        request, connection = self.request, call.connection
        scope = _Scope(call.config, connection)
        query = _part(self._query, scope, "query")
        if query is OMIT:
            query = None
        if query is not None and not isinstance(query, dict):
            raise DataError("the module's query must be an object", refused=True)
        body = OMIT if self._body is None else _part(self._body, scope, "body")
        if more is not None and where == "query":
            query = {**({} if alone or query is None else query), **more}
        elif more is not None:
            if body is not OMIT and not isinstance(body, dict):
                raise DataError("the module's body must be an object, so that a page can be asked for", refused=True)
            body = {**(body if isinstance(body, dict) and not alone else {}), **more}
        headers = request.headers
        if request.key_header is not None:
            headers = {**headers, request.key_header: call.key}
        given: dict[str, Any] = {} if body is OMIT else {"json": body}
        return await call.http.request(
            fill(request.method, call.config, "config", connection) if self._method_holds else request.method,
            fill(request.path, call.config, "config", connection),
            query=query,
            headers=headers,
            errors=request.errors,
            **given,
        )

    def output(self, response: Response, answer: Json) -> Json:
        """What the call gives of an answer. Raises ``VendorError``."""
        if self._output is None:
            return answer
        output = read(self._output, answer, response)
        return None if output is OMIT else output


class DeclaredPages:
    """The pages of a search that is a ``Request``."""

    def __init__(self, module: Search | PollingTrigger) -> None:
        assert module.request is not None
        self._request = DeclaredRequest(module.request)
        self._pager: Pager | None = pager_of(module.paging)

    async def page(self, call: Call, cursor: Json) -> Page:
        """See ``engine.Search.page``."""
        pager = self._pager
        if pager is None:
            response = await self._request.send(call)
            return Page(self._items(response, response.json()))
        more, alone = pager.ask(call.config.get("limit"), cursor)
        response = await self._request.send(call, more, pager.where, alone=alone)
        answer = response.json()
        items = self._items(response, answer)
        return Page(items, pager.next(items, cursor, more, response, answer))

    def _items(self, response: Response, answer: Json) -> list[Json]:
        items = self._request.output(response, answer)
        if not isinstance(items, list):
            raise VendorError(
                "the answer is not of the expected form: it has no list of items",
                status=response.status,
                detail=response.readable,
            )
        return items


class DeclaredProbe:
    """A ``Probe``, its expressions compiled."""

    def __init__(self, probe: Probe) -> None:
        self._request = DeclaredRequest(probe.request)
        self._found = compile_expression(probe.found)
        self._absent = probe.absent

    async def ask(self, call: Call, sent_at: datetime) -> Happened | ProbeResult:
        """Look whether the write happened."""
        try:
            answer = await self._request.call(call, writes=False)
        except self._absent:
            return ProbeResult.ABSENT
        scope = {
            "answer": answer,
            "config": dict(call.config),
            "connection": dict(call.connection),
            "sent_at": sent_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        try:
            found = self._found.evaluate(scope)
        except ExpressionError as error:
            call.warn(f"the probe cannot tell: {error.message}")
            return ProbeResult.UNKNOWN
        return Happened(found) if found_something(found) else ProbeResult.ABSENT


class Declared:
    """What modules declare, compiled once."""

    def __init__(self) -> None:
        self._requests: dict[str, DeclaredRequest] = {}
        self._pages: dict[str, DeclaredPages] = {}
        self._probes: dict[str, DeclaredProbe] = {}

    def request(self, name: str, request: Request) -> DeclaredRequest:
        """The request of a module of this name."""
        made = self._requests.get(name)
        if made is None:
            made = self._requests[name] = DeclaredRequest(request)
        return made

    def reader(self, name: str, module: Search | PollingTrigger) -> ReadPage:
        """What reads the pages of a module of this name."""
        if module.page is not None:
            return module.page
        made = self._pages.get(name)
        if made is None:
            made = self._pages[name] = DeclaredPages(module)
        return made.page

    def probe(self, name: str, probe: Ask | Probe) -> Ask:
        """What asks the vendor of a module of this name."""
        if not isinstance(probe, Probe):
            return probe
        made = self._probes.get(name)
        if made is None:
            made = self._probes[name] = DeclaredProbe(probe)
        return made.ask


def declared_fault(part: Module | ConnectionType) -> str | None:
    """What cannot be read in what a module or a connection type declares; None: nothing."""
    tables = [part.errors] if isinstance(part, ConnectionType) else []
    try:
        if isinstance(part, Action | Search | PollingTrigger) and part.request is not None:
            DeclaredRequest(part.request)
            tables.append(part.request.errors or ErrorTable())
        if isinstance(part, Search | PollingTrigger):
            pager_of(part.paging)
        if isinstance(part, Action) and isinstance(part.probe, Probe):
            DeclaredProbe(part.probe)
            tables.append(part.probe.request.errors or ErrorTable())
        for table in tables:
            _compiled(table.said)
            if table.body is not None:
                _compiled(table.body.found)
                _compiled(table.body.taken)
                for kind in table.body.kinds:
                    re.compile(kind.text)
    except ExpressionSyntaxError as error:
        return f"a declared expression cannot be read: {error.message}: {error.text}"
    except re.error as error:
        return f"a regular expression of its errors cannot be read: {error}: {error.pattern!r}"
    return _unfilled(part) if isinstance(part, Action | Search | PollingTrigger) else None


def _unfilled(part: Action | Search | PollingTrigger) -> str | None:
    """A key of a declared path that no config can have; where ``prepare`` changes the config, nobody can tell."""
    if part.request is None or part.config.get("additionalProperties") is not False or getattr(part, "prepare", None):
        return None
    known = part.config.get("properties", {})
    wrong = next((key for key in _IN_PATH.findall(part.request.path) if key not in known), None)
    if wrong is None:
        return None
    hint = did_you_mean(wrong, known) or f"it has {', '.join(known) or 'none'}"
    return f"the path {part.request.path} inserts {{{wrong}}}, which is no key of its config ({hint})"


def read(expression: Expression, answer: Json, response: Response) -> Json:
    """What an expression finds in an answer. Raises ``VendorError`` for an answer of another form."""
    try:
        return expression.evaluate(answer)
    except ExpressionError as error:
        raise VendorError(
            f"the answer is not of the expected form: {error.message}",
            status=response.status,
            detail=response.readable,
        ) from None


def _compiled(text: str | None) -> Expression | None:
    return None if text is None else compile_expression(text)


def _part(expression: Expression | None, scope: Mapping[str, Json], part: str) -> Json:
    if expression is None:
        return None
    try:
        return expression.evaluate(scope)
    except ExpressionError as error:
        raise DataError(f"the {part} cannot be made: {error.message}; nothing was sent", refused=True) from None
