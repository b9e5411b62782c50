"""Another program starts scenarios over the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.server.site import Reply, Site
from tests.server.test_admin import Api

WELCOME = """
scenario: welcome
inputs:
  email: {type: string, required: true}
  points: {type: integer, default: 10}
steps:
  - stop: success
    output: ${{ inputs }}
"""
PLAIN = "scenario: plain\ntrigger: {schedule: {every: 1h}}\nsteps: []\n"
PATH = "/api/scenarios/welcome/runs"
ANA = {"email": "ana@example.com"}


@pytest.fixture
async def api(new_site: Callable[..., Any]) -> AsyncIterator[Api]:
    async with new_site(scenarios={"welcome": WELCOME, "plain": PLAIN}) as site:
        yield Api(site)


async def waited(site: Site, asking: asyncio.Task[Reply]) -> Reply:
    async with asyncio.timeout(20):
        while not asking.done():
            await site.clock.advance(0.05)
            await asyncio.sleep(0)
    return asking.result()


async def test_a_start_is_answered_when_it_is_durable(api: Api) -> None:
    reply = await api.ask(PATH, {"inputs": ANA})
    assert (reply.status, reply.body["started_before"]) == (202, False)
    [run] = await api.site.rest()
    assert [found["scenario"] for found in reply.body["runs"]] == ["welcome"]
    [receipt] = await api.site.receipts()
    assert (receipt.source, receipt.method, run.state) == ("start", "START", "succeeded")


async def test_whoever_waits_is_told_how_it_ended(api: Api) -> None:
    reply = await waited(api.site, asyncio.create_task(api.ask(f"{PATH}?wait=30s", {"inputs": ANA})))
    assert reply.status == 200
    [run] = reply.body["runs"]
    assert (run["state"], run["output"], run["error"]) == ("succeeded", {**ANA, "points": 10}, None)


@pytest.mark.parametrize("in_header", [False, True])
async def test_a_key_starts_once(api: Api, in_header: bool) -> None:
    body: dict[str, Any] = {"inputs": ANA}
    headers = {"Authorization": f"Bearer {api.token}"}
    if in_header:
        headers["Idempotency-Key"] = "7"
    else:
        body["key"] = "7"
    first = await api.ask(PATH, body, headers=headers)
    again = await api.ask(PATH, body, headers=headers)
    assert [run["id"] for run in again.body["runs"]] == [run["id"] for run in first.body["runs"]]
    assert again.body["started_before"]
    other = await api.ask(PATH, {**body, "inputs": {"email": "bo@example.com"}}, headers=headers)
    assert (other.status, other.body["error"]["code"]) == (409, "key-reused")
    assert len(await api.site.rest()) == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/api/scenarios/nobody/runs", {}, 404, "unknown-scenario"),
        ("/api/scenarios/plain/runs", {}, 409, "not-startable"),
        (PATH, {"inputs": {}}, 400, "bad-inputs"),
        (PATH, {"inputs": []}, 400, "bad-start"),
        (PATH, {"inputs": ANA, "kay": "7"}, 400, "bad-start"),
        (PATH, {"inputs": ANA, "key": 7}, 400, "bad-start"),
        (PATH, {"inputs": ANA, "key": ""}, 400, "bad-key"),
        (f"{PATH}?wait=soon", {"inputs": ANA}, 400, "bad-start"),
        (f"{PATH}?wait=1h", {"inputs": ANA}, 400, "bad-start"),
        (PATH, b"{", 400, "bad-request"),
    ],
)
async def test_what_is_refused_has_a_code_and_starts_nothing(
    api: Api, path: str, body: Any, status: int, code: str
) -> None:
    reply = await api.ask(path, body)
    assert (reply.status, reply.body["error"]["code"]) == (status, code)
    assert await api.site.receipts() == []


async def test_wrong_inputs_are_told_by_their_paths(api: Api) -> None:
    reply = await api.ask(PATH, {"inputs": {"points": "x"}})
    assert [wrong["path"] for wrong in reply.body["error"]["inputs"]] == ["inputs.email", "inputs.points"]


async def test_a_start_needs_the_token(api: Api) -> None:
    assert (await api.ask(PATH, {"inputs": ANA}, headers={})).status == 401
