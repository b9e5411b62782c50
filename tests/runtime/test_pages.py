"""A declared search reads all pages of a vendor, however the vendor numbers them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from engine.runtime.callers import Attempt, ModuleCall, search
from engine.runtime.declared import DeclaredPages
from engine.runtime.http import ConnectionHttp, Pools, Target
from engine.runtime.redact import Redactor
from engine.sdk import errors, jsontext
from engine.sdk.connections import QueryAuth
from engine.sdk.modules import Call, Page, Request, RunInfo, Search
from engine.sdk.paging import CursorPaging, LinkPaging, NumberPaging, OffsetPaging, PageSize, Paging
from tests.runtime.doubles import HandClock
from tests.runtime.wire import Wire, answer, wire

ITEMS = Request("GET", "/items", query="{name: name}", output="items")
POSTED = Request("POST", "/items/search", body="{name: name}", output="items")


@pytest.fixture
async def pools() -> AsyncIterator[Pools]:
    made = Pools()
    yield made
    await made.close()


def module(paging: Paging | None, request: Request = ITEMS) -> Search:
    return Search(name="find", title="Find", description="Finds.", config={}, request=request, paging=paging)


def page(*items: Any, **more: Any) -> bytes:
    return answer(jsontext.dumps({"items": items, **more}))


async def found(pools: Pools, paging: Paging | None, *replies: bytes, **how: Any) -> tuple[list[Any], Wire]:
    """What a search finds at a vendor that answers so."""
    async with wire(*replies) as server:
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        attempt = Attempt("effect", datetime(2024, 3, 5, tzinfo=UTC), RunInfo("r", "s", 1), lambda _message: None)
        call = ModuleCall({"name": "x", **how.get("config", {})}, {}, http, attempt)
        declared = module(paging, how.get("request", ITEMS))
        return await search("find", DeclaredPages(declared).page, call), server


def asked(server: Wire) -> list[dict[str, list[str]]]:
    """The query of each request."""
    return [parse_qs(one.split(b" ")[1].decode().partition("?")[2]) for one in server.requests]


def sent(server: Wire) -> list[Any]:
    """The body of each request."""
    return [jsontext.loads(one.partition(b"\r\n\r\n")[2]) for one in server.requests]


async def test_one_page(pools: Pools) -> None:
    items, server = await found(pools, None, page(1, 2))
    assert (items, asked(server)) == ([1, 2], [{"name": ["x"]}])


@pytest.mark.parametrize("end", [None, "", False])
async def test_a_cursor_in_the_body(pools: Pools, end: Any) -> None:
    paging = CursorPaging("after", "meta.next")
    items, server = await found(
        pools, paging, page(1, meta={"next": "b"}), page(meta={"next": "c"}), page(2, meta={"next": end})
    )
    assert items == [1, 2]
    assert [one.get("after") for one in asked(server)] == [None, ["b"], ["c"]]
    assert all(one["name"] == ["x"] for one in asked(server))


async def test_a_cursor_that_goes_alone(pools: Pools) -> None:
    """Such a vendor refuses filters beside its mark."""
    paging = CursorPaging("page_info", "next", alone=True, size=PageSize("limit", 100))
    _, server = await found(pools, paging, page(1, next="b"), page(2))
    assert asked(server) == [{"name": ["x"], "limit": ["100"]}, {"page_info": ["b"], "limit": ["100"]}]


async def test_a_cursor_in_the_body_of_the_request(pools: Pools) -> None:
    paging = CursorPaging("cursor", "next", where="body", size=PageSize("count", 50))
    items, server = await found(pools, paging, page(1, next="b"), page(2), request=POSTED)
    assert items == [1, 2]
    assert sent(server) == [{"name": "x", "count": 50}, {"name": "x", "count": 50, "cursor": "b"}]


async def test_a_mark_that_leads_nowhere(pools: Pools) -> None:
    with pytest.raises(errors.VendorError, match="same page again"):
        await found(pools, CursorPaging("after", "next"), page(1, next="b"), page(2, next="b"))


@pytest.mark.parametrize(
    ("paging", "replies", "pages"),
    [
        (NumberPaging(), [page(1), page(2), page()], ["1", "2", "3"]),
        (NumberPaging("p", first=0), [page(1), page(2), page()], ["0", "1", "2"]),
        (NumberPaging(pages="links.total"), [page(1, links={"total": 2}), page(2, links={"total": 2})], ["1", "2"]),
        (NumberPaging(size=PageSize("n", 1, short_is_last=True)), [page(1), page(2), page()], ["1", "2", "3"]),
        (NumberPaging(size=PageSize("n", 2, short_is_last=True)), [page(1, 2), page(3)], ["1", "2"]),
    ],
)
async def test_numbers_of_pages(pools: Pools, paging: NumberPaging, replies: list[bytes], pages: list[str]) -> None:
    items, server = await found(pools, paging, *replies)
    assert items == list(range(1, len(items) + 1))
    assert len(items) >= 2
    assert [one[paging.parameter][0] for one in asked(server)] == pages


@pytest.mark.parametrize(
    ("paging", "replies", "offsets"),
    [
        (OffsetPaging(), [page(1, 2), page(3), page()], ["0", "2", "3"]),
        (OffsetPaging("skip", total="total"), [page(1, 2, total=3), page(3, total=3)], ["0", "2"]),
        (OffsetPaging(size=PageSize("limit", 2, short_is_last=True)), [page(1, 2), page(3)], ["0", "2"]),
        # a vendor that says more than it gives does not make the search go round
        (OffsetPaging(total="total"), [page(1, 2, 3, total=9), page(total=9)], ["0", "3"]),
    ],
)
async def test_offsets(pools: Pools, paging: OffsetPaging, replies: list[bytes], offsets: list[str]) -> None:
    items, server = await found(pools, paging, *replies)
    assert items == [1, 2, 3]
    assert [one[paging.parameter][0] for one in asked(server)] == offsets


def linked(body: bytes, link: str) -> bytes:
    return answer(jsontext.dumps({"items": jsontext.loads(body)}), "200 OK", f"Link: {link}")


async def test_the_header_link(pools: Pools) -> None:
    """Host and path of a link are not followed: the credentials stay where they belong."""
    items, server = await found(
        pools,
        LinkPaging(PageSize("per_page", 2)),
        linked(
            b"[1]",
            '<https://evil.example.com/x?a=1>; rel="prev", <https://evil.example.com/y?page=2&f=a%2C>; rel="next"',
        ),
        linked(b"[2]", '</items?page=3&f=a&f=b>;title="a, b";rel=next'),
        linked(b"[3]", '</items?page=1>; rel="first"'),
    )
    assert items == [1, 2, 3]
    assert asked(server) == [
        {"name": ["x"], "per_page": ["2"]},
        {"page": ["2"], "f": ["a,"]},
        {"page": ["3"], "f": ["a", "b"]},
    ]
    assert all(one.startswith(b"GET /items?") for one in server.requests)


async def test_a_secret_that_a_link_repeats_is_not_in_the_cursor_and_goes_with_each_request(pools: Pools) -> None:
    """Cursors are kept in journals; many vendors repeat the whole query in their links."""
    replies = [linked(b"[1]", '</items?api_key=hidden%2Fvalue&page=2>; rel="next"'), page(2)]
    async with wire(*replies) as server:
        target = Target(base_url=server.url, auth=(QueryAuth("api_key", "key"),), fields={"key": "hidden/value"})
        http = ConnectionHttp(target, pools, HandClock(), redactor=Redactor(["hidden/value"]))
        attempt = Attempt("effect", datetime(2024, 3, 5, tzinfo=UTC), RunInfo("r", "s", 1), lambda _message: None)
        reader = DeclaredPages(module(LinkPaging()))
        first = await reader.page(ModuleCall({"name": "x"}, {}, http, attempt), None)
        assert "hidden" not in str(first.cursor)
        second = await reader.page(ModuleCall({"name": "x"}, {}, http, attempt), first.cursor)
        assert (first.items, second.items, second.cursor) == ([1], [2], None)
    assert [one["api_key"] for one in asked(server)] == [["hidden/value"]] * 2


async def test_a_limit_asks_for_no_more_than_is_wanted(pools: Pools) -> None:
    paging = OffsetPaging(size=PageSize("n", 100))
    items, server = await found(pools, paging, page(1, 2), page(3, 4), config={"limit": 3})
    assert items == [1, 2, 3]
    assert [one["n"] for one in asked(server)] == [["3"], ["3"]]


@pytest.mark.parametrize("reply", [b"{}", b'{"items": {}}', b"[]", b""])
async def test_an_answer_without_a_list(pools: Pools, reply: bytes) -> None:
    with pytest.raises(errors.VendorError, match="no list of items"):
        await found(pools, None, answer(reply))


async def test_a_number_that_is_none(pools: Pools) -> None:
    with pytest.raises(errors.VendorError, match="does not tell the number of pages"):
        await found(pools, NumberPaging(pages="total"), page(1, total="many"))


PICKED = replace(ITEMS, gives="answer[?@ == `5` || @ == `1`]")


@pytest.mark.parametrize(
    ("paging", "replies"),
    [
        (NumberPaging(), [page(3, 4), page(5), page()]),
        (NumberPaging(size=PageSize("per_page", 2, short_is_last=True)), [page(1, 4), page(5)]),
        (OffsetPaging(), [page(1, 3, 4), page(5), page()]),
        (OffsetPaging(total="total"), [page(3, 4, total=3), page(5, total=3)]),
    ],
)
async def test_what_is_picked_out_of_a_page_does_not_tell_how_the_list_goes_on(
    pools: Pools, paging: Paging, replies: list[bytes]
) -> None:
    items, server = await found(pools, paging, *replies, request=PICKED)
    assert items[-1] == 5
    assert len(server.requests) == len(replies)
    if isinstance(paging, OffsetPaging):
        assert asked(server)[1]["offset"] == [str(len(jsontext.loads(replies[0].partition(b"\r\n\r\n")[2])["items"]))]


async def _page(call: Call, cursor: Any) -> Page:
    return Page([])


@pytest.mark.parametrize("how", [{}, {"page": _page, "request": ITEMS}, {"page": _page, "paging": NumberPaging()}])
def test_a_search_is_declared_or_programmed(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="find: "):
        Search(name="find", title="Find", description="Finds.", config={}, **how)
