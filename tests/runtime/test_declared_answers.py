"""What a declared call makes of an answer: names that a connection sets, what is not there, what else is known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from engine import (
    Action,
    ConnectionType,
    CursorPaging,
    Effect,
    Happened,
    NotFound,
    Probe,
    ProbeResult,
    RateLimit,
    Request,
    Search,
    VendorError,
    field,
    options,
)
from engine.runtime.callers import Attempt, ModuleCall
from engine.runtime.declarations import declared_fault
from engine.runtime.declared import PROBED_PAGES, DeclaredPages, DeclaredProbe, DeclaredRequest
from engine.runtime.http import ConnectionHttp, Pools, Target
from engine.sdk import errors
from engine.sdk.modules import RunInfo
from tests.runtime.doubles import HandClock
from tests.runtime.test_declared import call, pools
from tests.runtime.wire import answer, wire

__all__ = ["pools"]

KEYS = {"keys": {"target": "webhook_target", "lists": "lists", "none": ""}}
MAKE = Request("POST", "/targets", body="{url: url}", wrapper="{connection.keys.target}")


async def test_a_name_that_the_connection_sets_wraps_the_body_and_unwraps_the_answer(pools: Pools) -> None:
    output, server, warnings = await call(pools, MAKE, {"url": "u"}, b'{"webhook_target": {"id": 7}}', connection=KEYS)
    assert (output, warnings) == ({"id": 7}, [])
    assert server.requests[0].partition(b"\r\n\r\n")[2] == b'{"webhook_target":{"url":"u"}}'


async def test_a_call_without_a_body_is_not_sent_either_where_a_name_is_not_there(pools: Pools) -> None:
    delete = Request("DELETE", "/targets/1", wrapper="{connection.keys.target}")
    async with wire(answer(b"{}")) as server:
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        attempt = Attempt("effect", datetime(2024, 3, 5, tzinfo=UTC), RunInfo("r", "s", 1), lambda _message: None)
        with pytest.raises(errors.DataError, match="names a key and is no text") as caught:
            await DeclaredRequest(delete).call(ModuleCall({}, {}, http, attempt), writes=True)
    assert (caught.value.refused, server.requests) == (True, [])


async def test_an_empty_name_is_no_wrapper_and_a_constant_is_one(pools: Pools) -> None:
    bare = Request("POST", "/targets", body="{url: url}", wrapper="{connection.keys.none}")
    output, server, _ = await call(pools, bare, {"url": "u"}, b'{"id": 7}', connection=KEYS)
    assert (output, server.requests[0].partition(b"\r\n\r\n")[2]) == ({"id": 7}, b'{"url":"u"}')
    constant = Request("POST", "/targets", body="{url: url}", wrapper="target", output="id")
    output, server, _ = await call(pools, constant, {"url": "u"}, b'{"target": {"id": 7}}')
    assert (output, server.requests[0].partition(b"\r\n\r\n")[2]) == (7, b'{"target":{"url":"u"}}')


async def test_an_answer_without_its_wrapper_says_which_field_to_set(pools: Pools) -> None:
    read = Request("GET", "/targets/1", wrapper="{connection.keys.target}")
    for reply in (b'{"data": {"id": 7}}', b"[]", b"null", b""):
        with pytest.raises(VendorError, match="the answer has nothing under 'webhook_target'") as caught:
            await call(pools, read, {}, reply, connection=KEYS)
        assert caught.value.hint == "if it has another name there, set target in keys of the connection"
    output, _, [warning] = await call(pools, MAKE, {"url": "u"}, b'{"data": 1}', connection=KEYS)
    assert output is None, "the write is done"
    assert "set target in keys" in warning


@pytest.mark.parametrize("keys", [{}, {"keys": {}}, {"keys": {"target": 7}}, {"keys": "x"}])
async def test_a_name_that_is_not_there_sends_nothing(pools: Pools, keys: Any) -> None:
    with pytest.raises(errors.DataError, match=r"'keys.target' of the connection names a key") as caught:
        await call(pools, MAKE, {"url": "u"}, connection=keys)
    assert caught.value.refused


@pytest.mark.parametrize(
    ("reply", "output"),
    [
        (b'{"webhook_target": {"id": 7}}', {"id": 7}),
        (b'{"id": "t-1"}', {"id": "t-1"}),
        (b'{"webhook_target": {"url": "u"}}', None),
        (b'{"webhook_target": 1}', None),
        (b"{}", None),
        (b"[]", None),
    ],
)
async def test_what_is_expected_tells_an_answer_from_others(pools: Pools, reply: bytes, output: Any) -> None:
    """One that has it is taken without the wrapper too."""
    read = Request("GET", "/targets/1", wrapper="{connection.keys.target}", expects="id")
    if output is not None:
        assert (await call(pools, read, {}, reply, connection=KEYS))[0] == output
        return
    with pytest.raises(VendorError, match="the answer has no id under 'webhook_target'"):
        await call(pools, read, {}, reply, connection=KEYS)


async def test_what_is_not_there_can_be_an_answer(pools: Pools) -> None:
    delete = Request("DELETE", "/targets/{id}", gives="{deleted: true}", absent="{deleted: false}")
    assert (await call(pools, delete, {"id": 1}, b""))[0] == {"deleted": True}
    assert (await call(pools, delete, {"id": 1}, b"{}", "404 Not Found"))[0] == {"deleted": False}
    with pytest.raises(errors.AuthError):
        await call(pools, delete, {"id": 1}, b"{}", "401 Unauthorized")


async def test_whether_it_is_one_can_be_up_to_the_config(pools: Pools) -> None:
    read = Request("GET", "/people/{id}", absent="if(config.if_unknown == 'null', null, omit())")
    assert (await call(pools, read, {"id": 1, "if_unknown": "null"}, b"{}", "404 Not Found"))[0] is None
    for asked in ("fail", None):
        with pytest.raises(NotFound):
            await call(pools, read, {"id": 1, "if_unknown": asked}, b"{}", "404 Not Found")
    broken = Request("GET", "/people/{id}", absent="abs(config.if_unknown)")
    with pytest.raises(NotFound):
        await call(pools, broken, {"id": 1, "if_unknown": "x"}, b"{}", "404 Not Found")


async def test_an_output_of_config_and_moment_leaves_the_vendor_free_to_answer_what_it_likes(pools: Pools) -> None:
    update = Request("PUT", "/targets/{id}", gives="{id: config.id, in: connection.shop, at: add_seconds(sent_at, 60)}")
    for reply in (b"<html>", b"", b'{"x": 1}'):
        output, _, warnings = await call(pools, update, {"id": 1}, reply, connection={"shop": "a"})
        assert (output, warnings) == ({"id": 1, "in": "a", "at": "2024-03-05T00:01:00.000Z"}, [])


async def test_an_output_of_answer_and_config(pools: Pools) -> None:
    made = Request("POST", "/x", output="thing", gives="{id: answer.id, for: config.who, by: status}")
    assert (await call(pools, made, {"who": "ana"}, b'{"thing": {"id": 3}}'))[0] == {"id": 3, "for": "ana", "by": 200}
    output, _, [warning] = await call(pools, made, {"who": "ana"}, b"<html>")
    assert output is None
    assert "cannot be used" in warning
    plain = Request("POST", "/x", gives="{status: status, body: body}")
    assert (await call(pools, plain, {}, b"done"))[0] == {"status": 200, "body": "done"}
    assert (await call(pools, plain, {}, b'{"a": 1}'))[0] == {"status": 200, "body": {"a": 1}}
    assert (await call(pools, plain, {}, b""))[0] == {"status": 200, "body": None}


async def test_what_stands_in_an_accepted_answer_is_said(pools: Pools) -> None:
    told = Request("POST", "/x", gives="{body: body}", warns="errors")
    for reply in (b"done", b"", b'{"errors": []}', b"[1]"):
        assert (await call(pools, told, {}, reply))[2] == []
    output, _, warnings = await call(pools, told, {}, b'{"errors": ["busy"]}')
    assert output == {"body": {"errors": ["busy"]}}
    assert warnings == ["the vendor accepted the call, but its answer has errors: ['busy']"]


# ------------------------------------------------------------------ paths and defaults of nested fields

PATHS = ConnectionType(
    "shop",
    "Shop",
    options(
        "site",
        site=field("Site", "Its name.", type="string"),
        key=field("Key", "Secret.", type="string", writeOnly=True, default="x"),
        paths=options(target={"type": "string", "default": "/hooks/{id}"}, all={"type": "string", "default": "/hooks"}),
        keys=options(target={"type": "string", "default": "target"}),
        tags=options(),
    ),
    base_url="https://shop.example.com",
    rate=RateLimit(5),
)


def test_an_object_that_is_given_has_defaults_of_its_fields_alone() -> None:
    """A default of the whole goes by the whole; what cannot be without something that is not given is not there."""
    text = {"type": "string"}
    headers = {"type": "object", "additionalProperties": text, "default": {"x-a": "1"}}
    keys = {**options(a={**text, "default": "a"}, b={**text, "default": "b"}), "default": {"a": "whole"}}
    proxy = options("host", host=text, port={"type": "integer", "default": 8080})
    kind = ConnectionType("shop", "Shop", options(headers=headers, keys=keys, proxy=proxy))
    assert kind.with_defaults({}) == {"headers": {"x-a": "1"}, "keys": {"a": "whole"}}
    given = {"headers": {"x-b": "2"}, "keys": {"b": "2"}, "proxy": {"host": "h"}}
    assert kind.with_defaults(given) == {
        "headers": {"x-b": "2"},
        "keys": {"a": "a", "b": "2"},
        "proxy": {"host": "h", "port": 8080},
    }
    assert kind.with_defaults({"headers": {}, "keys": {}}) == {"headers": {}, "keys": {"a": "a", "b": "b"}}


def test_defaults_of_nested_fields_hold_beside_those_that_are_given() -> None:
    assert PATHS.defaults == {"paths": {"target": "/hooks/{id}", "all": "/hooks"}, "keys": {"target": "target"}}
    given = {"site": "a", "paths": {"target": "/x/{id}"}, "keys": None}
    assert PATHS.with_defaults(given) == {
        "site": "a",
        "paths": {"target": "/x/{id}", "all": "/hooks"},
        "keys": None,
    }
    assert given["paths"] == {"target": "/x/{id}"}, "what was given stays as it is"


async def test_a_path_of_the_connection_has_holes_of_its_own(pools: Pools) -> None:
    connection = PATHS.with_defaults({"site": "my/shop"})
    path = "/stores/{connection.site}{+connection.paths.target}"
    named = Request("GET", path, holes={"id": "target_id"})
    _, server, _ = await call(pools, named, {"target_id": "a/b"}, connection=connection)
    assert server.requests[0].startswith(b"GET /stores/my%2Fshop/hooks/a%2Fb HTTP/1.1")
    same = Request("GET", path)
    assert (
        (await call(pools, same, {"id": 7}, connection=connection))[1]
        .requests[0]
        .startswith(b"GET /stores/my%2Fshop/hooks/7 HTTP/1.1")
    )
    for request, config in ((named, {}), (named, {"target_id": ""}), (same, {"target_id": 1})):
        with pytest.raises(errors.DataError) as caught:
            await call(pools, request, config, connection=connection)
        assert caught.value.refused


# ------------------------------------------------------------------ lists

PAGING = CursorPaging("page_info", "pagination.next", alone=True)
LISTS = Request("GET", "/lists", query="{status: status}", wrapper="{connection.keys.lists}")
BY_NAME = "answer[?!$.config.name || name == $.config.name]"


def search(request: Request, **more: Any) -> Search:
    parts = {"config": {}, "paging": PAGING, **more}
    return Search(name="find", title="F", description="F.", request=request, **parts)


async def pages(pools: Pools, found: Search | Probe, replies: list[bytes], config: dict[str, Any]) -> tuple[Any, Any]:
    """What each reply is read as, and what was asked for."""
    made: list[Any] = []
    warnings: list[str] = []
    async with wire(*(answer(reply) for reply in replies)) as server:
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        attempt = Attempt("effect", datetime(2024, 3, 5, tzinfo=UTC), RunInfo("r", "s", 1), warnings.append)
        asked = ModuleCall(config, KEYS, http, attempt)
        if isinstance(found, Probe):
            made.append(await DeclaredProbe(found).ask(asked, attempt.now))
        else:
            cursor: Any = None
            for _ in replies:
                page = await DeclaredPages(found).page(asked, cursor)
                made += page.items
                cursor = page.cursor
    return made, [request.split(b" ")[1].decode() for request in server.requests]


async def test_a_list_under_a_name_and_the_mark_of_its_next_page(pools: Pools) -> None:
    replies = [b'{"lists": [{"name": "a"}], "pagination": {"next": "m"}}', b'{"lists": [{"name": "b"}]}']
    items, asked = await pages(pools, search(LISTS), replies, {"status": "published"})
    assert (items, asked) == ([{"name": "a"}, {"name": "b"}], ["/lists?status=published", "/lists?page_info=m"])
    picked = Request("GET", "/lists", wrapper="{connection.keys.lists}", gives=BY_NAME)
    assert (await pages(pools, search(picked), replies, {"name": "b"}))[0] == [{"name": "b"}]
    assert len((await pages(pools, search(picked), replies, {}))[0]) == 2


@pytest.mark.parametrize("reply", [b'{"data": []}', b"[]", b'{"lists": {}}', b'{"lists": null}', b"1"])
async def test_an_answer_without_the_list_says_where_to_set_its_name(pools: Pools, reply: bytes) -> None:
    with pytest.raises(VendorError, match="the answer has no list under 'lists'") as caught:
        await pages(pools, search(LISTS), [reply], {"status": "published"})
    assert caught.value.hint == "if it has another name there, set lists in keys of the connection"


async def test_a_mark_that_comes_twice_is_an_error(pools: Pools) -> None:
    replies = [b'{"lists": [], "pagination": {"next": "m"}}'] * 2
    with pytest.raises(VendorError, match="same page again"):
        await pages(pools, search(LISTS), replies, {})


async def test_a_list_that_is_not_there_can_be_empty(pools: Pools) -> None:
    request = Request("GET", "/lists/{id}/contacts", absent="`[]`")
    async with wire(answer(b"{}", "404 Not Found")) as server:
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        attempt = Attempt("effect", datetime(2024, 3, 5, tzinfo=UTC), RunInfo("r", "s", 1), lambda _: None)
        page = await DeclaredPages(search(request, paging=None)).page(ModuleCall({"id": 1}, {}, http, attempt), None)
    assert (page.items, page.cursor) == ([], None)


LOOK = Probe(LISTS, found="answer[?name == $.config.name] | [0]", paging=PAGING)


async def test_a_probe_looks_page_by_page_until_it_finds(pools: Pools) -> None:
    first = b'{"lists": [{"name": "a"}], "pagination": {"next": "m"}}'
    last = b'{"lists": [{"name": "b"}]}'
    assert await pages(pools, LOOK, [first], {"name": "a"}) == ([Happened({"name": "a"})], ["/lists"])
    found, asked = await pages(pools, LOOK, [first, last], {"name": "b", "limit": 1})
    assert (found, asked) == ([Happened({"name": "b"})], ["/lists", "/lists?page_info=m"])
    assert (await pages(pools, LOOK, [first, last], {"name": "c"}))[0] == [ProbeResult.ABSENT]


async def test_pages_in_a_circle_tell_nothing(pools: Pools) -> None:
    circle = [b'{"lists": [], "pagination": {"next": %d}}' % (number % 2 + 1) for number in range(PROBED_PAGES)]
    found, asked = await pages(pools, LOOK, circle, {"name": "c"})
    assert (found, len(asked)) == ([ProbeResult.UNKNOWN], PROBED_PAGES)


# ------------------------------------------------------------------ what is told before anybody calls it


def action(request: Request, probe: Probe | None = None, **more: Any) -> Action:
    config = options(target_id={"type": "integer"}, url={"type": "string"})
    return Action(
        name="a",
        title="A",
        description="A.",
        connection="shop",
        config=config,
        effect=Effect.WRITE,
        request=request,
        probe=probe,
        **more,
    )


FAULTS = [
    (Request("GET", "/x", wrapper="{connection.keys"), "its wrapper {connection.keys is neither a name nor a field"),
    (Request("GET", "/x", wrapper="{url}"), "its wrapper {url} is neither a name nor a field"),
    (Request("GET", "/x", wrapper="{connection.keys.targets}"), "has no field 'targets' (did you mean 'target'?)"),
    (Request("GET", "{+connection.pats.target}"), "has no field 'pats' (did you mean 'paths'?)"),
    (Request("GET", "{+connection.paths.gone}"), "has no field 'gone' (there are target, all)"),
    (Request("{connection.verb}", "/x"), "has no field 'verb'"),
    (Request("GET", "/x/{connection.key}"), "is a secret"),
    (Request("GET", "/x", query="{key: connection.key}"), "is a secret"),
    (Request("POST", "/x", body="{site: connection.sit}"), "has no field 'sit' (did you mean 'site'?)"),
    (Request("POST", "/x", body="{url: ulr}"), "its body looks at 'ulr', which is not there (did you mean 'url'?)"),
    (Request("GET", "/x", query="{url: config.url}"), "its query looks at 'config', which is not there"),
    (
        Request("GET", "/x", holes={"id": "target"}),
        "'target', which is no key of its config (did you mean",
    ),
    (Request("GET", "/x", gives="{id: target_id}"), "its gives looks at 'target_id', which is not there"),
    (Request("GET", "/x", gives="{id: connection.paths.gone}"), "has no field 'gone'"),
    (Request("GET", "/x", absent="answer"), "its absent looks at 'answer', which is not there"),
    *((Request("GET", "/x", **{name: "a["}), "cannot be read") for name in ("expects", "gives", "absent", "warns")),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("request_", "told"), FAULTS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_can_never_work_is_told(request_: Request, told: str) -> None:
    """The same of a request, of a probe's, and, where it looks at no config, of a connection test's."""
    types = {"shop": PATHS}
    fine = Request("POST", "/x")
    for part in (action(request_), action(fine, Probe(request_, "answer"))):
        assert told in str(declared_fault(part, types))
    assert declared_fault(action(fine, Probe(fine, "answer && config.url && connection.paths.target")), types) is None
    if "config" not in told and "did you mean 'url'" not in told:
        tested = ConnectionType("shop", "Shop", PATHS.fields, test=request_)
        assert told in str(declared_fault(tested, types))


def test_a_probe_that_looks_at_what_is_not_there_is_told() -> None:
    probe = Probe(Request("GET", "/x"), "answers[0]")
    assert "its found looks at 'answers'" in str(declared_fault(action(Request("POST", "/x"), probe)))


def test_a_secret_in_another_field_is_told_because_nothing_would_hide_it() -> None:
    token = field("Token", "Of the account.", type="string", writeOnly=True)
    kind = ConnectionType("shop", "Shop", options(token=token, sign_in=options(token=token)))
    assert "its field sign_in.token is writeOnly inside another one" in str(declared_fault(kind))
    assert declared_fault(ConnectionType("shop", "Shop", options(token=token, sign_in=options()))) is None


def test_nobody_can_tell_what_prepare_makes() -> None:
    made = action(Request("POST", "/x/{made}", body="{made: made}"), prepare=lambda made: made.config)
    assert declared_fault(made, {"shop": PATHS}) is None


def test_a_field_in_one_line() -> None:
    email = {"type": "string", "pattern": "@", "minLength": 1}
    assert field("Email", "Of the customer.", email, minLength=3, examples=["ana@example.com"]) == {
        "type": "string",
        "pattern": "@",
        "minLength": 3,
        "title": "Email",
        "description": "Of the customer.",
        "examples": ["ana@example.com"],
    }
    assert field("Points", "How many.", type="integer") == {
        "type": "integer",
        "title": "Points",
        "description": "How many.",
    }
