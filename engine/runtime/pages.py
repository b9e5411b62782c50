"""How the pages of a declared search go on: what the next request asks for, and when there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import parse_qs, urlsplit

from engine.scenario.expressions import Expression, ExpressionError, compile_expression
from engine.sdk.errors import VendorError
from engine.sdk.http import Response
from engine.sdk.modules import Json
from engine.sdk.paging import CursorPaging, LinkPaging, NumberPaging, OffsetPaging, PageSize, Paging, Where

_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*[\w!#$&+\-.^`|~*]+\s*(?:=\s*(?:"[^"]*"|[^\s;,"]+))?)*)')
_REL = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)


class Pager(Protocol):
    """How pages go on. A cursor is JSON of its own making, and None is the first page's."""

    @property
    def where(self) -> Where:
        """Which part of the request its parameters go into."""
        ...

    def ask(self, limit: int | None, cursor: Json) -> tuple[Mapping[str, Json], bool]:
        """The parameters that ask for a page, and whether they stand alone."""
        ...

    def next(
        self, items: Sequence[Json], cursor: Json, asked: Mapping[str, Json], response: Response, answer: Json
    ) -> Json:
        """The next page's cursor; None: this was the last page."""
        ...


def pager_of(paging: Paging | None) -> Pager | None:
    """What carries a way of paging out."""
    match paging:
        case None:
            return None
        case CursorPaging():
            return _Cursor(paging, paging.where, compile_expression(paging.next))
        case NumberPaging():
            return _Number(paging, paging.where, compile_expression(paging.pages) if paging.pages else None)
        case OffsetPaging():
            return _Offset(paging, paging.where, compile_expression(paging.total) if paging.total else None)
        case LinkPaging():
            return _Link(paging)


class _Cursor(NamedTuple):
    paging: CursorPaging
    where: Where
    following: Expression

    def ask(self, limit: int | None, cursor: Json) -> tuple[Mapping[str, Json], bool]:
        size = _size(self.paging.size, limit)
        if cursor is None:
            return size, False
        return {**size, self.paging.parameter: cursor}, self.paging.alone

    def next(
        self, items: Sequence[Json], cursor: Json, asked: Mapping[str, Json], response: Response, answer: Json
    ) -> Json:
        following = _found(self.following, answer, response)
        if following is None or following is False or following == "":
            return None
        if following == cursor:
            raise VendorError("the vendor's mark leads to the same page again", status=response.status)
        return following


class _Number(NamedTuple):
    paging: NumberPaging
    where: Where
    pages: Expression | None

    def ask(self, limit: int | None, cursor: Json) -> tuple[Mapping[str, Json], bool]:
        number = self.paging.first if cursor is None else cursor
        return {**_size(self.paging.size, limit), self.paging.parameter: number}, False

    def next(
        self, items: Sequence[Json], cursor: Json, asked: Mapping[str, Json], response: Response, answer: Json
    ) -> Json:
        number = self.paging.first if cursor is None else cursor
        if self.pages is not None:
            return number + 1 if number < _count(self.pages, answer, response, "pages") else None
        return None if _ended(items, self.paging.size, asked) else number + 1


class _Offset(NamedTuple):
    paging: OffsetPaging
    where: Where
    total: Expression | None

    def ask(self, limit: int | None, cursor: Json) -> tuple[Mapping[str, Json], bool]:
        return {**_size(self.paging.size, limit), self.paging.parameter: cursor or 0}, False

    def next(
        self, items: Sequence[Json], cursor: Json, asked: Mapping[str, Json], response: Response, answer: Json
    ) -> Json:
        passed = (cursor or 0) + len(items)
        if _ended(items, self.paging.size, asked):
            return None
        if self.total is not None and passed >= _count(self.total, answer, response, "items"):
            return None
        return passed


class _Link(NamedTuple):
    paging: LinkPaging
    where: Where = "query"

    def ask(self, limit: int | None, cursor: Json) -> tuple[Mapping[str, Json], bool]:
        if cursor is None:
            return _size(self.paging.size, limit), False
        # the link says all that the query holds
        return cursor, True

    def next(
        self, items: Sequence[Json], cursor: Json, asked: Mapping[str, Json], response: Response, answer: Json
    ) -> Json:
        for link in _LINK.finditer(response.headers.get("link", "")):
            rel = _REL.search(link[2])
            if rel is not None and "next" in (rel[1] or rel[2] or "").lower().split():
                query = parse_qs(urlsplit(link[1]).query, keep_blank_values=True)
                return {name: values if len(values) > 1 else values[0] for name, values in query.items()}
        return None


def _size(size: PageSize | None, limit: int | None) -> Mapping[str, Json]:
    if size is None:
        return {}
    return {size.parameter: size.most if limit is None else min(size.most, limit)}


def _ended(items: Sequence[Json], size: PageSize | None, asked: Mapping[str, Json]) -> bool:
    return not items or (size is not None and size.short_is_last and len(items) < asked[size.parameter])


def _found(expression: Expression, answer: Json, response: Response) -> Json:
    try:
        return expression.evaluate(answer)
    except ExpressionError as error:
        raise _unexpected(response, error.message) from None


def _count(expression: Expression, answer: Json, response: Response, what: str) -> int:
    found = _found(expression, answer, response)
    if not isinstance(found, int) or isinstance(found, bool):
        raise _unexpected(response, f"it does not tell the number of {what}")
    return found


def _unexpected(response: Response, why: str) -> VendorError:
    return VendorError(
        f"the answer is not of the expected form: {why}", status=response.status, detail=response.readable
    )
