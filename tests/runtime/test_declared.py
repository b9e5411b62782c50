"""A declared request is sent as declared, and an answer that cannot be used does not undo a write."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from engine import plugins
from engine.runtime.callers import KEY_SPACE, Attempt, ModuleCall
from engine.runtime.declarations import declared_fault
from engine.runtime.declared import DeclaredProbe, DeclaredRequest
from engine.runtime.http import ConnectionHttp, Pools, Target
from engine.scenario.expressions import ExpressionSyntaxError
from engine.sdk import errors
from engine.sdk.apps import App
from engine.sdk.connections import ConnectionType
from engine.sdk.http import BodyErrors, ErrorKind, ErrorTable
from engine.sdk.modules import Action, Effect, Happened, Probe, ProbeResult, Request, RunInfo, Search
from engine.sdk.paging import CursorPaging, NumberPaging, OffsetPaging
from tests.runtime.doubles import HandClock
from tests.runtime.wire import Wire, answer, wire


@pytest.fixture
async def pools() -> AsyncIterator[Pools]:
    made = Pools()
    yield made
    await made.close()


async def call(
    pools: Pools, request: Request, config: dict[str, Any], reply: bytes = b"{}", status: str = "200 OK", **how: Any
) -> tuple[Any, Wire, list[str]]:
    warnings: list[str] = []
    async with wire(answer(reply, status)) as server:
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        writes = how.get("writes", request.method != "GET")
        attempt = Attempt("effect", datetime(2024, 3, 5, tzinfo=UTC), RunInfo("r", "s", 1), warnings.append)
        made = ModuleCall(config, how.get("connection", {}), http, attempt)
        output = await DeclaredRequest(request).call(made, writes=writes)
        return output, server, warnings


async def test_path_query_body_and_output(pools: Pools) -> None:
    request = Request(
        "PUT",
        "/people/{email}",
        query="{site: site, none: missing}",
        body="{data: {name: name, tags: tags}}",
        headers={"X-Kind": "person"},
        output="person.id",
    )
    config = {"email": "ana+x/?#%@example.com", "site": "a b", "name": None, "tags": ["x"]}
    output, server, warnings = await call(pools, request, config, b'{"person": {"id": 7}}')
    assert output == 7
    assert not warnings
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /people/ana%2Bx%2F%3F%23%25@example.com?site=a+b HTTP/1.1")
    assert b"\r\nx-kind: person" in head.lower()
    assert body == b'{"data":{"name":null,"tags":["x"]}}'


async def test_a_read_has_no_body_and_gives_the_whole_answer(pools: Pools) -> None:
    output, server, _ = await call(pools, Request("GET", "/people"), {}, b'[{"a": 1}]')
    assert output == [{"a": 1}]
    assert server.requests[0].endswith(b"\r\n\r\n")
    assert (await call(pools, Request("GET", "/people", output="[0].a"), {}, b'[{"a": 1}]'))[0] == 1
    assert (await call(pools, Request("DELETE", "/people"), {}, b""))[0] is None


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("@", b'{"email":"ana@example.com","points":3}'),
        ("omit_keys(@, 'email')", b'{"points":3}'),
        (
            "{site: connection.site, data: omit_keys(@, 'points')}",
            b'{"site":"shop","data":{"email":"ana@example.com"}}',
        ),
        ("merge(@, {site: connection.site})", b'{"email":"ana@example.com","points":3,"site":"shop"}'),
        ("{keys: keys(@), here: $.connection.site}", b'{"keys":["email","points"],"here":"shop"}'),
    ],
)
async def test_the_whole_config_has_nothing_of_the_connection(pools: Pools, body: str, sent: bytes) -> None:
    config = {"email": "ana@example.com", "points": 3}
    connection = {"site": "shop", "base_url": "http://127.0.0.1:1"}
    _, server, _ = await call(pools, Request("POST", "/x", body=body), config, connection=connection)
    assert server.requests[0].partition(b"\r\n\r\n")[2] == sent


@pytest.mark.parametrize("config", [{}, {"id": None}, {"id": ""}, {"id": []}, {"id": ".."}])
async def test_a_path_that_cannot_be_made(pools: Pools, config: dict[str, Any]) -> None:
    with pytest.raises(errors.DataError) as caught:
        await call(pools, Request("GET", "/people/{id}"), config)
    assert caught.value.refused


@pytest.mark.parametrize("part", ["query", "body"])
async def test_an_expression_that_fails_before_sending(pools: Pools, part: str) -> None:
    with pytest.raises(errors.DataError, match=f"the {part} cannot be made") as caught:
        await call(pools, Request("POST", "/x", **{part: "{n: abs(name)}"}), {"name": "x"})  # type: ignore[arg-type]
    assert caught.value.refused
    if part == "query":
        with pytest.raises(errors.DataError, match="must be an object"):
            await call(pools, Request("POST", "/x", query="name"), {"name": "x"})


@pytest.mark.parametrize(("reply", "output"), [(b"<html>", None), (b'{"id": "x"}', "abs(id)")])
async def test_an_unexpected_answer_fails_a_read_and_not_a_write(
    pools: Pools, reply: bytes, output: str | None
) -> None:
    with pytest.raises(errors.VendorError):
        await call(pools, Request("GET", "/x", output=output), {}, reply)
    with pytest.raises(errors.VendorError):
        await call(pools, Request("POST", "/search", output=output), {}, reply, writes=False)
    given, _, warnings = await call(pools, Request("POST", "/x", output=output), {}, reply)
    assert given is None
    assert len(warnings) == 1
    assert "accepted" in warnings[0]


async def test_a_request_names_fields_of_the_connection(pools: Pools) -> None:
    """What belongs to the account is said once, in the connection, and stands where the vendor wants it."""
    request = Request(
        "{connection.verb}",
        "{+connection.events_path}/{kind}/{connection.site_slug}",
        query="{site: connection.site_slug}",
        body="{site_slug: connection.site_slug, data: omit_keys(@, 'kind', 'connection')}",
    )
    connection = {"site_slug": "my/store", "events_path": "/v1/events", "verb": "PUT"}
    _, server, _ = await call(pools, request, {"kind": "a", "email": "ana@example.com"}, connection=connection)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /v1/events/a/my%2Fstore?site=my/store HTTP/1.1")
    assert body == b'{"site_slug":"my/store","data":{"email":"ana@example.com"}}'


@pytest.mark.parametrize("path", ["/x/{connection.gone}", "{+connection.gone}", "{+connection.up}"])
async def test_a_field_that_is_not_there_or_leads_elsewhere(pools: Pools, path: str) -> None:
    with pytest.raises(errors.DataError) as caught:
        await call(pools, Request("GET", path), {}, connection={"up": "/../admin"})
    assert caught.value.refused


async def test_values_hold_no_holes(pools: Pools) -> None:
    """What a value says is never read as a part of the path."""
    _, server, _ = await call(pools, Request("GET", "/x/{a}"), {"a": "{connection.b}"}, connection={"b": "secret"})
    assert server.requests[0].startswith(b"GET /x/%7Bconnection.b%7D HTTP/1.1")


async def test_the_key_of_the_effect_in_a_header(pools: Pools) -> None:
    _, server, _ = await call(pools, Request("POST", "/x", key_header="Idempotency-Key"), {})
    key = str(uuid.uuid5(KEY_SPACE, "effect")).encode()
    assert b"\r\nidempotency-key: " + key in server.requests[0]


def test_the_name_connection_is_taken() -> None:
    config = {"type": "object", "properties": {"connection": {"type": "string"}}}
    with pytest.raises(ValueError, match="cannot have a key `connection`"):
        Action(name="a", title="A", description="A.", config=config, effect=Effect.READ, request=Request("GET", "/x"))


PROBE = Probe(
    Request("GET", "/cards/{customer}", output="stamps"),
    found="answer[?for == $.config.for && at >= $.sent_at] | [0]",
)


@pytest.mark.parametrize(
    ("reply", "status", "told"),
    [
        (b'{"stamps": [{"for": "x", "at": "2024"}, {"for": "x", "at": "2025"}]}', "200 OK", {"for": "x", "at": "2025"}),
        (b'{"stamps": [{"for": "x", "at": "2024"}]}', "200 OK", ProbeResult.ABSENT),
        (b'{"stamps": [{"for": "y", "at": "2025"}]}', "200 OK", ProbeResult.ABSENT),
        (b"{}", "404 Not Found", ProbeResult.ABSENT),
        (b'{"stamps": [{"for": "x", "at": 7}]}', "200 OK", ProbeResult.UNKNOWN),
    ],
)
async def test_a_declared_probe(pools: Pools, reply: bytes, status: str, told: Any) -> None:
    warnings: list[str] = []
    async with wire(answer(reply, status)) as server:
        http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
        attempt = Attempt("effect", datetime(2024, 3, 5, tzinfo=UTC), RunInfo("r", "s", 1), warnings.append)
        asked = ModuleCall({"customer": "ana", "for": "x"}, {}, http, attempt)
        found = await DeclaredProbe(PROBE).ask(asked, attempt.now)
    assert found == (Happened(told) if isinstance(told, dict) else told)
    assert bool(warnings) is (told is ProbeResult.UNKNOWN)


async def test_a_table_of_the_request(pools: Pools) -> None:
    request = Request("POST", "/x", errors=ErrorTable(types={404: errors.Conflict}, refused={404}))
    with pytest.raises(errors.Conflict) as caught:
        await call(pools, request, {}, status="404 Not Found")
    assert caught.value.refused


def test_an_expression_that_cannot_be_read_is_said_at_once() -> None:
    with pytest.raises(ExpressionSyntaxError):
        DeclaredRequest(Request("GET", "/x", output="a["))


def test_what_cannot_be_read_is_said_before_anybody_calls_it() -> None:
    """`engine check` and `engine modules` tell it, beside examples that do not fit."""

    def action(**how: Any) -> Action:
        parts = {"request": Request("GET", "/x"), "config": {}, "effect": Effect.READ, **how}
        return Action(name="a", title="A", description="A.", **parts)

    def search(paging: Any) -> Search:
        return Search(name="a", title="A", description="A.", config={}, request=Request("GET", "/x"), paging=paging)

    def table(**how: Any) -> ConnectionType:
        return ConnectionType("a", "A", {}, errors=ErrorTable(**how))

    wrong = [
        action(request=Request("GET", "/x", output="a[")),
        action(request=Request("GET", "/x", query="nonsense(@)")),
        action(probe=Probe(Request("GET", "/x"), "a[")),
        action(request=Request("GET", "/x", errors=ErrorTable(said="a["))),
        search(CursorPaging("after", "a[")),
        search(NumberPaging(pages="a[")),
        search(OffsetPaging(total="a[")),
        table(said="a["),
        table(body=BodyErrors("a[")),
        table(body=BodyErrors("a", kinds=(ErrorKind("(", errors.DataError),))),
    ]
    said = [declared_fault(part) for part in wrong]
    assert all(text and "cannot be read" in text for text in said), said
    assert [declared_fault(part) for part in (action(), search(None), table())] == [None, None, None]


def test_a_path_that_inserts_what_no_config_has_is_told() -> None:
    def reading(path: str) -> Action:
        config = {"type": "object", "additionalProperties": False, "properties": {"email": {"type": "string"}}}
        return Action(
            name="a", title="A", description="A.", config=config, effect=Effect.READ, request=Request("GET", path)
        )

    assert declared_fault(reading("/members/{mail}")) == (
        "the path /members/{mail} inserts {mail}, which is no key of its config (did you mean 'email'?)"
    )
    assert declared_fault(reading("/shops/{connection.shop}/members/{email}")) is None


def test_of_the_built_in_apps_all_can_be_read() -> None:
    registry = plugins.load()
    assert registry.doubts(lambda part: declared_fault(part, registry.connection_types)) == []
    mistaken = Action(
        name="a", title="A", description="A.", config={}, effect=Effect.READ, request=Request("GET", "/x", output="a[")
    )
    registry.add(App(name="mistaken", title="Mistaken", modules=(mistaken,)), "tests")
    [doubt] = registry.doubts(declared_fault)
    assert doubt.loaded
    assert "module 'mistaken.a': its output cannot be read: the expression ends too early: a[" in str(doubt)
