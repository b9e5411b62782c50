"""A declared request is sent as declared, and an answer that cannot be used does not undo a write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine.runtime.declared import DeclaredRequest
from engine.runtime.http import ConnectionHttp, Pools, Target
from engine.scenario.expressions import ExpressionSyntaxError
from engine.sdk import errors
from engine.sdk.http import ErrorTable
from engine.sdk.modules import Request
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
        output = await DeclaredRequest(request).call(config, http, writes=writes, warn=warnings.append)
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


async def test_a_table_of_the_request(pools: Pools) -> None:
    request = Request("POST", "/x", errors=ErrorTable(types={404: errors.Conflict}, refused={404}))
    with pytest.raises(errors.Conflict) as caught:
        await call(pools, request, {}, status="404 Not Found")
    assert caught.value.refused


def test_an_expression_that_cannot_be_read_is_said_at_once() -> None:
    with pytest.raises(ExpressionSyntaxError):
        DeclaredRequest(Request("GET", "/x", output="a["))
