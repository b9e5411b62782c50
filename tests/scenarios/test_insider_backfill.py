"""All customers are told to Insider in batches, and no batch overwrites what an event has told meanwhile."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from aiohttp import web

from engine.testing import CrashAt, RunResult, SimulatedHarness
from modules.simulation import Handler, SimulatedVendor
from modules.yotpo_developer.simulator import customer as reviews
from modules.yotpo_loyalty import samples
from tests.scenarios.conftest import EVENTS, SCENARIOS
from tests.scenarios.deaths import die_everywhere

BACKFILL = "insider-backfill"
LIVE = "loyalty-to-insider"
FILE = SCENARIOS / BACKFILL / "scenario.yaml"
TEXTS = {name: (SCENARIOS / name / "scenario.yaml").read_text() for name in (LIVE, BACKFILL)}
ANA = "ana@example.com"
UPSERT = "/api/user/v1/upsert"


def attributes(harness: SimulatedHarness, email: str = ANA) -> Any:
    person = harness.simulator("insider").people.find({"identifiers": {"email": email}})
    return None if person is None else person.attributes


def people(harness: SimulatedHarness, number: int) -> list[str]:
    """Give the program so many customers; their e-mails."""
    state, developer = harness.simulator("yotpo_loyalty").state, harness.simulator("yotpo_developer")
    state.customers.clear()
    developer.customers.clear()
    emails = [f"c{one:03}@example.com" for one in range(number)]
    for one, email in enumerate(emails):
        state.customers[email] = samples.customer(email, f"Name{one}", "Example", 100 + one)
        developer.customers[email] = reviews(point_balance=one, vip_tier_name="SILVER", total_reviews=one)
    return emails


async def begin(harness: SimulatedHarness, advance: float = 3600, **inputs: Any) -> RunResult:
    accepted, _ = await harness.starts.start(BACKFILL, inputs, None)
    return await harness.result(accepted.runs[0], advance=advance)


# ---------------------------------------------------------------------- batches


async def test_all_customers_are_told_in_batches_over_pages() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        emails = people(harness, 120)
        result = await begin(harness)
        assert (result.state, result.output) == ("succeeded", {"sent": 120, "refused": 0, "left": 0})
        insider = harness.simulator("insider")
        assert [len(batch) for batch in insider.batches[UPSERT]] == [50, 50, 20]
        assert sorted(itertools.chain(*insider.batches[UPSERT])) == emails
        told = attributes(harness, "c007@example.com")
        assert (told["c_yotpo_point_balance"], told["c_yotpo_total_reviews"]) == (7, 7)
        # the rows that the document sends with events alone are left to events
        assert "c_yotpo_total_spend_cents" not in told
        # what was so for a long time starts no journey
        assert insider.people.hooks == []


async def test_it_asks_no_faster_than_the_vendors_allow() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        people(harness, 60)
        before = harness.clock.time()
        result = await begin(harness)
        assert result.output["sent"] == 60
        # five look-ups a second, the first five at once
        assert harness.clock.time() - before >= 60 / 5 - 1
        assert harness.simulator("yotpo_developer").calls["GET /v2/simulated-account/customers"] == 60


async def test_a_customer_without_reviews_is_told_what_the_program_knows() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        [email] = people(harness, 1)
        harness.simulator("yotpo_developer").customers.clear()
        assert (await begin(harness)).output == {"sent": 1, "refused": 0, "left": 0}
        assert attributes(harness, email)["c_yotpo_point_balance"] == 640


async def test_only_who_was_seen_since_where_that_is_asked_for() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        people(harness, 3)
        assert (await begin(harness, seen_since="2025-01-01")).output == {"sent": 0, "refused": 0, "left": 0}
        assert (await begin(harness, seen_since="2024-01-01")).output["sent"] == 3


async def test_one_whom_insider_refuses_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with SimulatedHarness.of(FILE) as harness:
        people(harness, 3)
        harness.simulator("insider").fail_user("c001@example.com", "attributes.*.type", "must be text")
        result = await begin(harness)
        assert (result.state, result.output) == ("succeeded", {"sent": 2, "refused": 1, "left": 0})
        assert attributes(harness, "c001@example.com") is None
    assert "Insider refused some customers" in caplog.text


async def test_a_vendor_that_is_down_holds_the_batch_and_it_goes_on_from_there() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        people(harness, 5)
        harness.simulator("insider").fail_next(401, body={"success": False})
        held = await begin(harness)
        assert (held.state, held.holds[0]["step"]) == ("held", "batches[0]/sent")
        await harness.resume(held.run.id, "again")
        after = await harness.result(held.run.id, advance=3600)
        assert (after.state, after.output["sent"]) == ("succeeded", 5)
        assert [len(batch) for batch in harness.simulator("insider").batches[UPSERT]] == [5]


async def test_a_second_start_while_one_is_under_way_makes_no_run() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        people(harness, 60)
        first, _ = await harness.starts.start(BACKFILL, {}, None)
        second, _ = await harness.starts.start(BACKFILL, {}, None)
        assert (len(first.runs), len(second.runs)) == (1, 0)
        assert (await harness.result(first.runs[0], advance=3600)).state == "succeeded"


@pytest.mark.parametrize("nth", [1, 30, 60])
async def test_a_kill_in_the_middle_goes_on_where_it_stood(nth: int) -> None:
    harness = SimulatedHarness.of(FILE)
    faults = CrashAt("call.after", nth)
    await harness.start()
    try:
        people(harness, 60)
        await harness.restart(faults)
        run = (await harness.starts.start(BACKFILL, {}, None))[0].runs[0]
        life, death = asyncio.ensure_future(harness.result(run, advance=600)), asyncio.ensure_future(faults.death())
        await asyncio.wait({life, death}, return_when=asyncio.FIRST_COMPLETED)
        life.cancel()
        await asyncio.gather(life, death, return_exceptions=True)
        assert faults.crashed
        await harness.restart()
        result = await harness.result(run, advance=600)
        assert (result.state, result.output["sent"]) == ("succeeded", 60)
        # what was told before the kill is not told again
        told = list(itertools.chain(*harness.simulator("insider").batches[UPSERT]))
        assert len(told) == len(set(told)) == 60
    finally:
        await harness.stop()


async def test_a_crash_at_any_boundary_of_a_step_leaves_books_that_add_up(tmp_path: Path) -> None:
    await die_everywhere("insider-backfill", tmp_path)


# ---------------------------------------------------------------------- together with events

Who = Literal["backfill", "event"]


@dataclass
class Meeting:
    """When one of the two runs meets the other.

    :param first: whose requests are looked at; the other begins in the middle of one of them.
    :param request: in which request of the first one, from 0.
    :param applied: whether the vendor has carried the request out when the other begins.
    :param pause: seconds for which the request then takes longer.
    """

    first: Who
    request: int
    applied: bool
    pause: float


#: what the vendors are asked by a run with one customer
REQUESTS: dict[Who, int] = {"backfill": 3, "event": 3}
MEETINGS = [
    Meeting(who, request, applied, pause)
    for who in REQUESTS
    for request in range(REQUESTS[who])
    for applied in (False, True)
    for pause in (0.0, 20.0)
]


def gate(simulator: SimulatedVendor, begin: Callable[[bool], Awaitable[None]]) -> None:
    """Tell of each request before and behind what the vendor does."""
    answer = simulator._answer

    async def gated(request: web.Request, handler: Handler) -> web.StreamResponse:
        await begin(False)
        answered = await answer(request, handler)
        await begin(True)
        return answered

    simulator._answer = gated  # type: ignore[method-assign] # the middle of a request is nowhere else


async def met(meeting: Meeting, texts: dict[str, str]) -> dict[str, Any]:
    """Let the two runs meet, each customer's record changing in between; what Insider and Yotpo say at the end."""
    async with SimulatedHarness(list(texts.values())) as harness:
        people(harness, 0)
        state, developer = harness.simulator("yotpo_loyalty").state, harness.simulator("yotpo_developer")
        state.customers[ANA] = samples.customers()[ANA]
        developer.customers[ANA] = reviews(point_balance=1, total_reviews=1)
        event = copy.deepcopy(json.loads((EVENTS / "points_changed.json").read_text()))
        runs: list[int] = []
        at = {False: 0, True: 0}

        async def start(who: Who) -> None:
            if who == "event":
                runs.extend((await harness.send(event, to=LIVE)).runs)
            else:
                runs.extend((await harness.starts.start(BACKFILL, {}, None))[0].runs)

        async def begin(applied: bool) -> None:
            number = at[applied]
            at[applied] += 1
            if (number, applied) != (meeting.request, meeting.applied) or len(runs) != 1:
                return
            # a purchase, and a review that no event tells of
            developer.customers[ANA] |= {"point_balance": 2, "total_reviews": 2}
            await start("event" if meeting.first == "backfill" else "backfill")
            if meeting.pause:
                await harness.simulator("insider").clock.sleep(meeting.pause)

        for app in ("yotpo_loyalty", "yotpo_developer", "insider"):
            gate(harness.simulator(app), begin)
        await start(meeting.first)
        results = [await harness.result(runs[0], advance=600)]
        assert len(runs) == 2, "they have not met"
        results = [*results, await harness.result(runs[1], advance=600)]
        assert [result.state for result in results] == ["succeeded"] * 2
        told = attributes(harness)
        return {name: told[f"c_yotpo_{name}"] for name in ("point_balance", "total_reviews")}


@pytest.mark.parametrize("meeting", MEETINGS, ids=str)
async def test_what_insider_has_at_the_end_is_what_yotpo_said_last(meeting: Meeting) -> None:
    assert await met(meeting, TEXTS) == {"point_balance": 2, "total_reviews": 2}


#: each takes away one half of what keeps the two apart
MUTANTS = {
    "an event does not wait for a batch": (
        LIVE,
        'in_a_batch: "${{ turn.record.batch != null }}"',
        "in_a_batch: false",
    ),
    "a batch takes a customer of whom an event is under way": (
        BACKFILL,
        "if: ${{ seen.record.event == null }}",
        "if: ${{ seen.version >= 0 }}",
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_without_either_half_something_older_is_what_stays(mutant: str) -> None:
    name, right, wrong = MUTANTS[mutant]
    assert TEXTS[name].count(right) == 1
    texts = {**TEXTS, name: TEXTS[name].replace(right, wrong)}
    ends = [await met(meeting, texts) for meeting in MEETINGS if meeting.pause]
    assert [end for end in ends if end != {"point_balance": 2, "total_reviews": 2}]
