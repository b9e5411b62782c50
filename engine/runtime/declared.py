"""Calls that a module declares rather than programs: ``engine.Request``, ``engine.Probe``, the pages of a search."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from engine.runtime.outcomes import PluginFault
from engine.runtime.pages import Pager, pager_of
from engine.runtime.told import found_something
from engine.runtime.urls import fill, look_up
from engine.scenario.expressions import OMIT, Expression, ExpressionError, ExpressionSyntaxError, compile_expression
from engine.sdk.errors import DataError, NotFound, VendorError
from engine.sdk.http import Response
from engine.sdk.modules import (
    Call,
    Config,
    Happened,
    Json,
    Page,
    PollingTrigger,
    Probe,
    ProbeResult,
    Request,
    Search,
)
from engine.sdk.paging import Where

#: a wrapper that the connection names
WRAPPER = re.compile(r"\{connection\.([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\}", re.ASCII)
#: pages in which a probe looks
PROBED_PAGES = 100

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
        self._query = compiled(request.query)
        self._body = compiled(request.body)
        self._output = compiled(request.output)
        self._expects = compiled(request.expects)
        self._gives = compiled(request.gives)
        self._absent = compiled(request.absent)
        self._warns = compiled(request.warns)
        self._method_holds = "{" in request.method
        named = WRAPPER.fullmatch(request.wrapper or "")
        self._wrapper_field = named[1] if named else None
        # what is made of other things alone leaves the vendor free to answer what it likes
        self._reads = bool(request.output or request.expects or self._gives is None or "answer" in self._gives.names)

    async def call(self, call: Call, *, writes: bool) -> Json:
        """Send it and give the output.

        :param writes: the call changes something. Then an answer that cannot be read is no failure, because the
            vendor said yes: the output is null, and a warning is given.
        :raises DataError: the config gives no path, query or body; nothing was sent.
        """
        try:
            response = await self.send(call)
        except NotFound as error:
            output = self.absent(call, error)
            if output is OMIT:
                raise
            return output
        try:
            return self.output(response, call)
        except VendorError as error:
            if not writes:
                raise
            hint = f" ({error.hint})" if error.hint else ""
            call.warn(f"the vendor accepted the call, but its answer cannot be used: {error.message}{hint}")
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
        # looked up before anything is sent: the answer is read by it too
        wrapper = self._wrapper(connection)
        scope = _Scope(call.config, connection)
        query = _part(self._query, scope, "query")
        if query is OMIT:
            query = None
        if query is not None and not isinstance(query, dict):
            raise DataError("the module's query must be an object", refused=True)
        body = OMIT if self._body is None else _part(self._body, scope, "body")
        if body is not OMIT and wrapper:
            body = {wrapper: body}
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
            fill(request.path, call.config, "config", connection, request.holes),
            query=query,
            headers=headers,
            errors=request.errors,
            **given,
        )

    def output(self, response: Response, call: Call) -> Json:
        """What the call gives of an answer. Raises ``VendorError``."""
        if self._warns is not None:
            self._warn(self._warns, response, call)
        return self._made(self._answer(response, call, "nothing") if self._reads else None, response, call)

    def _made(self, answer: Json, response: Response, call: Call) -> Json:
        """The output, of what an answer holds."""
        if self._gives is None:
            return answer
        scope = {**_beside(call), "status": response.status, "answer": answer, "body": _body(response)}
        return _none(read(self._gives, scope, response))

    def _answer(self, response: Response, call: Call, wanted: str) -> Json:
        """What an answer holds, out of its wrapper. Raises ``VendorError`` for one of another form.

        :param wanted: what one without its wrapper is said to have.
        """
        answer = response.json()
        if self.request.wrapper is not None and (name := self._wrapper(call.connection)):
            if isinstance(answer, dict) and name in answer:
                answer = answer[name]
            elif self._expects is None:
                raise self._missing(wanted, response, call)
        if self._expects is not None and not found_something(read(self._expects, answer, response)):
            raise self._missing(f"no {self.request.expects}", response, call)
        return answer if self._output is None else _none(read(self._output, answer, response))

    def items(self, response: Response, call: Call) -> tuple[list[Json], list[Json]]:
        """The items of a page, and those that the vendor gave, by which it is told how the list goes on."""
        if self._warns is not None:
            self._warn(self._warns, response, call)
        answer = self._answer(response, call, "no list") if self._reads else None
        items = self._made(answer, response, call)
        if isinstance(items, list):
            return items, answer if isinstance(answer, list) else items
        if self.request.wrapper is not None:
            raise self._missing("no list", response, call)
        raise VendorError(
            f"the answer is not of the expected form: it has no list of items: {self._instead(items)}",
            status=response.status,
            detail=response.readable,
        )

    def _instead(self, items: Json) -> str:
        is_ = {dict: "an object", str: "a text", type(None): "nothing"}.get(type(items), "no list")
        looked = self.request.gives or self.request.output
        return f"`{looked}` gives {is_}" if looked else f"it is {is_}, and no `output` says where the list is"

    def absent(self, call: Call, error: NotFound) -> Json:
        """What the call gives where the vendor knows nothing of it; ``OMIT``: that is an error."""
        if self._absent is None:
            return OMIT
        try:
            return self._absent.evaluate(_beside(call))
        except ExpressionError:
            raise error from None

    def _wrapper(self, connection: Mapping[str, Json]) -> str:
        if self._wrapper_field is None:
            return self.request.wrapper or ""
        name = look_up(connection, self._wrapper_field)
        if not isinstance(name, str):
            raise DataError(f"'{self._wrapper_field}' of the connection names a key and is no text", refused=True)
        return name

    def _missing(self, what: str, response: Response, call: Call) -> VendorError:
        name, field = self._wrapper(call.connection), self._wrapper_field
        hint = None
        if name and field is not None:
            place, _, key = field.rpartition(".")
            hint = f"if it has another name there, set {key}{f' in {place}' if place else ''} of the connection"
        return VendorError(
            f"the answer has {what} under '{name}'" if name else f"the answer has {what}",
            status=response.status,
            detail=response.readable,
            hint=hint,
        )

    def _warn(self, warns: Expression, response: Response, call: Call) -> None:
        try:
            found = warns.evaluate(response.json())
        except (ExpressionError, VendorError):
            # an answer of another form, which holds no word
            return
        if found_something(found):
            call.warn(f"the vendor accepted the call, but its answer has {warns.text}: {found!r}"[:500])


class DeclaredPages:
    """The pages of a request.

    :param module: what they are of, whose ``paging`` says how they go on.
    """

    def __init__(self, module: Search | PollingTrigger | Probe) -> None:
        assert module.request is not None
        self._request = DeclaredRequest(module.request)
        self._pager: Pager | None = pager_of(module.paging)
        # a write may call something else so
        self._limited = not isinstance(module, Probe)

    async def page(self, call: Call, cursor: Json) -> Page:
        """See ``engine.Search.page``."""
        pager = self._pager
        limit = call.config.get("limit") if self._limited else None
        more, alone = (None, False) if pager is None else pager.ask(limit, cursor)
        try:
            response = await self._request.send(call, more, "query" if pager is None else pager.where, alone=alone)
        except NotFound as error:
            output = self._request.absent(call, error)
            if not isinstance(output, list):
                raise
            return Page(output)
        items, given = self._request.items(response, call)
        if pager is None or more is None:
            return Page(items)
        return Page(items, pager.next(given, cursor, more, response, response.json()))


class DeclaredProbe:
    """A ``Probe``, its expressions compiled."""

    def __init__(self, probe: Probe) -> None:
        self._request = DeclaredRequest(probe.request)
        self._found = compile_expression(probe.found)
        self._absent = probe.absent
        self._pages = None if probe.paging is None else DeclaredPages(probe)

    async def ask(self, call: Call, sent_at: datetime) -> Happened | ProbeResult:
        """Look whether the write happened."""
        try:
            if self._pages is None:
                return self._look(await self._request.call(call, writes=False), call, sent_at)
            cursor: Json = None
            for _ in range(PROBED_PAGES):
                page = await self._pages.page(call, cursor)
                told = self._look(page.items, call, sent_at)
                if page.cursor is None or told is not ProbeResult.ABSENT:
                    return told
                cursor = page.cursor
        except self._absent:
            return ProbeResult.ABSENT
        call.warn(f"the probe cannot tell: the list has more than {PROBED_PAGES} pages, or leads in a circle")
        return ProbeResult.UNKNOWN

    def _look(self, answer: Json, call: Call, sent_at: datetime) -> Happened | ProbeResult:
        try:
            found = self._found.evaluate({**_beside(call), "answer": answer, "sent_at": _iso(sent_at)})
        except ExpressionError as error:
            call.warn(f"the probe cannot tell: {error.message}")
            return ProbeResult.UNKNOWN
        return Happened(found) if found_something(found) else ProbeResult.ABSENT


class Declared:
    """What modules declare, compiled once.

    A declaration that cannot be read fails the steps that use it, as any mistake of a plugin does, and sends nothing.
    """

    def __init__(self) -> None:
        self._requests: dict[str, DeclaredRequest] = {}
        self._pages: dict[str, DeclaredPages] = {}
        self._probes: dict[str, DeclaredProbe] = {}

    def request(self, name: str, request: Request) -> DeclaredRequest:
        """The request of a module of this name. Raises ``PluginFault``."""
        made = self._requests.get(name)
        if made is None:
            with _readable(name):
                made = self._requests[name] = DeclaredRequest(request)
        return made

    def reader(self, name: str, module: Search | PollingTrigger) -> ReadPage:
        """What reads the pages of a module of this name. Raises ``PluginFault``."""
        if module.page is not None:
            return module.page
        made = self._pages.get(name)
        if made is None:
            with _readable(name):
                made = self._pages[name] = DeclaredPages(module)
        return made.page

    def probe(self, name: str, probe: Ask | Probe) -> Ask:
        """What asks the vendor of a module of this name. Raises ``PluginFault``."""
        if not isinstance(probe, Probe):
            return probe
        made = self._probes.get(name)
        if made is None:
            with _readable(name):
                made = self._probes[name] = DeclaredProbe(probe)
        return made.ask


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except ExpressionSyntaxError as error:
        raise PluginFault(
            f"what {name} declares cannot be read: {error.message}: {error.text}; nothing was sent",
            refused=True,
            hint="this is a mistake in the plugin: `engine check` says where",
        ) from None


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


def compiled(text: str | None) -> Expression | None:
    """An expression that may be left out."""
    return None if text is None else compile_expression(text)


def _beside(call: Call) -> dict[str, Json]:
    """What is known beside the answer."""
    return {"config": dict(call.config), "connection": dict(call.connection), "sent_at": _iso(call.now)}


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _body(response: Response) -> Json:
    try:
        return response.json()
    except VendorError:
        return response.text


def _none(value: Json) -> Json:
    return None if value is OMIT else value


def _part(expression: Expression | None, scope: Mapping[str, Json], part: str) -> Json:
    if expression is None:
        return None
    try:
        return expression.evaluate(scope)
    except ExpressionError as error:
        raise DataError(f"the {part} cannot be made: {error.message}; nothing was sent", refused=True) from None
