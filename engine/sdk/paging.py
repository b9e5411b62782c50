"""How a vendor's list goes on: what a declared search says of its pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: which part of a request a parameter stands in; of a body, at its top
Where = Literal["query", "body"]


@dataclass(frozen=True, slots=True)
class PageSize:
    """How many items a page is asked to have: ``most``, or the config's ``limit`` where that is less.

    :param parameter: the vendor's name of it.
    :param most: the most that the vendor gives.
    :param short_is_last: a page of fewer items is the last. Say so only of a vendor that fills its pages.
    """

    parameter: str
    most: int
    short_is_last: bool = False


@dataclass(frozen=True, slots=True)
class CursorPaging:
    """The answer holds a mark of the next page.

    :param parameter: where the mark goes in the next request.
    :param next: JMESPath over the answer that gives the mark; nothing (null, an empty text, false): the last page.
    :param alone: a request with a mark carries nothing else but the page's size.
    """

    parameter: str
    next: str
    where: Where = "query"
    alone: bool = False
    size: PageSize | None = None


@dataclass(frozen=True, slots=True)
class NumberPaging:
    """Pages have numbers. The last one is told by ``pages``, by ``PageSize.short_is_last``, or by being empty.

    :param first: the number of the first page.
    :param pages: JMESPath over the answer that gives the number of the last page.
    """

    parameter: str = "page"
    first: int = 1
    pages: str | None = None
    where: Where = "query"
    size: PageSize | None = None


@dataclass(frozen=True, slots=True)
class OffsetPaging:
    """A request says how many items to pass over. The last page is empty, or told by ``total`` or ``short_is_last``.

    :param total: JMESPath over the answer that gives the number of all items.
    """

    parameter: str = "offset"
    total: str | None = None
    where: Where = "query"
    size: PageSize | None = None


@dataclass(frozen=True, slots=True)
class LinkPaging:
    """The answer has a header ``Link`` (RFC 8288) with ``rel="next"``.

    Host and path stay those of the request, and only the query is taken from the link: no answer can lead the
    connection's credentials elsewhere.
    """

    size: PageSize | None = None


Paging = CursorPaging | NumberPaging | OffsetPaging | LinkPaging
