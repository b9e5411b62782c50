"""``respond``: the scenario answers the webhook's sender, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from engine.sdk import jsontext
from engine.store.records import Run
from engine.testing import CrashAt
from tests.server.site import Site, until

NewSite = Callable[..., Site]
ANSWERS = """scenario: first
trigger:
  module: desk.watch
{head}steps:
  - id: note
    module: desk.note
    with: {{event: "${{{{ trigger }}}}"}}
{steps}"""
CREATED = """  - id: answer
    respond:
      status: 201
      headers: {X-Number: "${{ note.number }}"}
      body: {number: "${{ note.number }}", hello: "${{ trigger.name }}"}
  - id: after
    module: desk.note
    with: {after: true}
output: ${{ answer }}
"""


def answering(steps: str = CREATED, head: str = "") -> dict[str, str]:
    return {"first": ANSWERS.format(steps=steps, head=head)}


def output(run: Run) -> Any:
    return jsontext.loads(run.result or b"{}").get("output")


async def test_the_sender_gets_what_the_scenario_answers(new_site: NewSite) -> None:
    async with new_site(scenarios=answering()) as site:
        reply = await site.post({"name": "Ana"})
        assert (reply.status, reply.body) == (201, {"number": 1, "hello": "Ana"})
        assert reply.headers["X-Number"] == "1"
        [run] = await site.rest()
        assert (run.state, output(run)) == ("succeeded", {"status": 201, "sent": True})
        # what it rested on was durable by then
        assert len(site.desk.notes) == 2
        [receipt] = await site.receipts()
        assert receipt.id == run.receipt_id


@pytest.mark.parametrize(
    ("given", "status", "text", "kind"),
    [
        ("{body: done}", 200, "done", "text/plain"),
        ("{status: 204}", 204, "", None),
        ("{body: '<b>hi</b>', headers: {Content-Type: text/html}}", 200, "<b>hi</b>", "text/html"),
        ("{status: '${{ 400 + 4 }}', body: [1, null]}", 404, [1, None], "application/json"),
        ("{body: '${{ trigger.name }}'}", 200, "Ana", "text/plain"),
    ],
)
async def test_what_an_answer_can_be(new_site: NewSite, given: str, status: int, text: Any, kind: str | None) -> None:
    async with new_site(scenarios=answering(f"  - respond: {given}\n")) as site:
        reply = await site.post({"name": "Ana"})
        assert (reply.status, reply.body) == (status, text)
        assert reply.headers.get("Content-Type", "").partition(";")[0] == (kind or "")


async def test_a_scenario_that_takes_too_long_answers_nobody_and_goes_on(new_site: NewSite) -> None:
    steps = "  - sleep: 30s\n" + CREATED
    async with new_site(scenarios=answering(steps, "  respond_within: 4s\n")) as site:
        post = asyncio.ensure_future(site.post({"name": "Ana"}))

        async def waits() -> bool:
            return bool(site.waiting(4))

        await until(waits)
        await site.clock.advance(4)
        reply = await post
        assert reply.status == 202
        assert (await site.receipt(reply)).body == b'{"name":"Ana"}'

        async def ended() -> bool:
            await site.clock.advance(5)
            return all(run.state == "succeeded" for run in await site.runs())

        await until(ended)
        [run] = await site.runs()
        assert output(run) == {"status": 201, "sent": False}


@pytest.mark.parametrize(
    "steps",
    [
        "  - if: ${{ trigger.name == 'Bo' }}\n    steps:\n      - respond: {status: 200}\n",
        "  - {if: '${{ trigger.name != null }}', stop: failure, message: no}\n  - respond: {status: 200}\n",
        "  - {id: bad, respond: {status: '${{ trigger.status }}'}}\n",
        "  - {id: bad, respond: {headers: {X-Name: \"${{ 'a\\r\\nb' }}\"}}}\n",
    ],
)
async def test_a_run_that_ends_without_an_answer_keeps_nobody_waiting(new_site: NewSite, steps: str) -> None:
    async with new_site(scenarios=answering(steps)) as site:
        reply = await site.post({"name": "Ana", "status": "fine"})
        assert reply.status == 202
        assert (await site.receipt(reply)).id


async def test_a_run_that_is_held_before_it_begins_keeps_nobody_waiting(new_site: NewSite) -> None:
    head = "order_by: ${{ 1 / trigger.number }}\n"
    async with new_site(scenarios=answering(head=head)) as site, asyncio.timeout(10):
        assert (await site.post({"name": "Ana", "number": 0})).status == 202
        [run] = await site.runs()
        assert run.state == "held"


async def test_the_first_answer_counts(new_site: NewSite) -> None:
    steps = """  - id: one
    respond: {status: 201}
    finally:
      - {id: two, respond: {status: 202}}
output: ["${{ one }}", "${{ two }}"]
"""
    async with new_site(scenarios=answering(steps, "")) as site:
        reply = await site.post({"name": "Ana"})
        assert reply.status == 201
        [run] = await site.rest()
        assert output(run) == [{"status": 201, "sent": True}, {"status": 202, "sent": False}]


async def test_on_failure_can_answer(new_site: NewSite) -> None:
    steps = "  - {stop: failure, message: no}\non_failure:\n  - respond: {status: 500, body: '${{ error.message }}'}\n"
    async with new_site(scenarios=answering(steps)) as site:
        reply = await site.post({"name": "Ana"})
        assert (reply.status, reply.body) == (500, "no")


async def test_a_duplicate_gets_its_receipt(new_site: NewSite) -> None:
    async with new_site(scenarios=answering()) as site:
        assert (await site.post({"name": "Ana", "event_id": "1"})).status == 201
        assert (await site.post({"name": "Ana", "event_id": "1"})).status == 202


async def test_a_sender_that_goes_away_loses_nothing(new_site: NewSite) -> None:
    async with new_site(scenarios=answering("  - sleep: 3s\n" + CREATED)) as site:
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        body = b'{"name":"Ana"}'
        head = f"POST {site.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n"
        writer.write(head.encode() + body)

        async def begun() -> bool:
            return bool(site.desk.notes)

        await until(begun)
        writer.close()
        await writer.wait_closed()

        async def ended() -> bool:
            await site.clock.advance(1)
            return all(run.state == "succeeded" for run in await site.runs())

        await until(ended)
        assert len(site.desk.notes) == 2


async def test_who_waits_when_the_listener_closes_gets_the_receipt(new_site: NewSite) -> None:
    async with new_site(scenarios=answering("  - sleep: 3s\n" + CREATED)) as site:
        post = asyncio.ensure_future(site.post({"name": "Ana"}))

        async def begun() -> bool:
            return bool(site.host.runner.responses.waiting)

        await until(begun)
        site.host.runner.responses.close()
        assert (await post).status == 202

        async def sleeps() -> bool:
            return bool(site.waiting(3))

        # whoever stops waits for a run that sleeps as shortly as this
        await until(sleeps)
        await site.clock.advance(3)


async def test_an_answer_leaves_when_it_is_durable_and_not_before(new_site: NewSite) -> None:
    """A death between the two: nobody is answered, and the run says that it does not know."""
    site = new_site(scenarios=answering(), faults=CrashAt("response.recorded"))
    async with site:
        post = asyncio.ensure_future(site.post({"name": "Ana"}))
        assert isinstance(site.faults, CrashAt)
        await site.faults.death()
        assert not post.done()
        post.cancel()
    again = new_site(scenarios=answering())
    async with again:
        [run] = await again.rest()
        assert (run.state, output(run)) == ("succeeded", {"status": 201, "sent": None})
