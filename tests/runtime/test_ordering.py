"""Concurrency, modes, debouncing, rates, duplicates by a key, and the room between scenarios."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from engine.runtime.lines import Lines
from engine.store.ids import show
from engine.store.records import DeliveryState, RunFilter
from engine.testing import Harness
from tests.promises.shop_runs import NewHarness
from tests.store.rows import run as make_run
from tests.support.shop import registry, scenario

WAITING = """
- id: begin
  module: shop.put
  with: {n: "${{ trigger.n }}"}
- sleep: 1m
- id: end
  module: shop.get
  with: {n: "${{ trigger.n }}"}
"""


class Gate:
    """A vendor that answers when it is told to, and counts who waits."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.inside = 0
        self.most = 0
        self.order: list[Any] = []

    async def put(self, config: Mapping[str, Any]) -> Any:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.order.append(config["n"])
        await self.open.wait()
        self.inside -= 1
        return {}

    def get(self, config: Mapping[str, Any]) -> Any:
        return {}


def gated(new_harness: NewHarness, gate: Gate, steps: str, head: str, **options: Any) -> Harness:
    return new_harness(scenario(steps, head=head), doubles={"shop.put": gate.put, "shop.get": gate.get}, **options)


PUT = '- id: put\n  module: shop.put\n  with: {n: "${{ trigger.n }}"}'


async def send(harness: Harness, *numbers: int, **more: Any) -> list[int]:
    runs = []
    for n in numbers:
        runs += (await harness.send({"n": n, **more})).runs
    return runs


async def states(harness: Harness, runs: list[int]) -> list[str]:
    return [(await harness.look(run)).state for run in runs]


async def still(harness: Harness) -> None:
    """Let everything go on that can without time; a store in a file takes several turns."""
    for _ in range(12):
        await harness.clock.settle()
        await harness.store.put()
        await harness.store.run_counts()


# ------------------------------------------------------------------ concurrency


async def test_a_number_limits_the_runs_in_memory_across_restarts(new_harness: NewHarness) -> None:
    gate = Gate()
    async with gated(new_harness, gate, PUT, "concurrency: 2\n") as harness:
        runs = await send(harness, *range(6))
        await still(harness)
        assert (gate.most, await states(harness, runs)) == (2, ["running"] * 2 + ["queued"] * 4)
        gate.inside = 0
        await harness.restart()
        await still(harness)
        assert gate.most == 2
        gate.open.set()
        assert [(await harness.result(run)).state for run in runs] == ["succeeded"] * 6
        assert gate.most == 2
        assert list(dict.fromkeys(gate.order)) == list(range(6))


async def test_deliveries_at_the_same_time_do_not_pass_the_limit_together() -> None:
    gate = Gate()
    async with Harness(
        [scenario(PUT, head="concurrency: 1\n")], doubles={"shop.put": gate.put}, registry=registry()
    ) as harness:
        accepted = await asyncio.gather(*(harness.send({"n": n}) for n in range(5)))
        await still(harness)
        assert gate.most == 1
        gate.open.set()
        assert [(await harness.result(one.runs[0])).state for one in accepted] == ["succeeded"] * 5
        assert gate.most == 1


async def test_a_run_that_sleeps_does_not_count(new_harness: NewHarness) -> None:
    gate = Gate()
    gate.open.set()
    async with gated(new_harness, gate, WAITING, "concurrency: 1\n") as harness:
        runs = await send(harness, 0, 1, 2)
        await harness.rest()
        assert await states(harness, runs) == ["sleeping"] * 3


async def test_a_run_whose_moment_has_come_begins_as_soon_as_a_place_is_free(new_harness: NewHarness) -> None:
    gate = Gate()
    gate.open.set()
    async with gated(new_harness, gate, WAITING, "", max_running=1) as harness:
        [first] = await send(harness, 0)
        await harness.rest()
        gate.open.clear()
        [second] = await send(harness, 1)
        await harness.clock.advance(61)
        await still(harness)
        assert await states(harness, [first, second]) == ["sleeping", "running"]
        gate.open.set()
        await still(harness)
        assert await states(harness, [first, second]) == ["succeeded", "sleeping"]


async def test_a_limit_for_each_key(new_harness: NewHarness) -> None:
    gate = Gate()
    head = 'concurrency: {limit: 2, key: "${{ trigger.shop }}"}\n'
    async with gated(new_harness, gate, PUT, head) as harness:
        mine = await send(harness, 0, 1, 2, shop="a")
        other = await send(harness, 3, shop="b")
        await still(harness)
        assert await states(harness, mine + other) == ["running", "running", "blocked", "running"]
        gate.open.set()
        assert [(await harness.result(run)).state for run in mine + other] == ["succeeded"] * 4


async def test_a_run_that_comes_back_to_its_key_waits_for_a_place(new_harness: NewHarness) -> None:
    gate = Gate()
    gate.open.set()
    head = 'concurrency: {limit: 1, key: "${{ trigger.shop }}"}\n'
    async with gated(new_harness, gate, WAITING, head) as harness:
        [first] = await send(harness, 0, shop="a")
        await harness.rest()
        assert await states(harness, [first]) == ["sleeping"]
        gate.open.clear()
        [second] = await send(harness, 1, shop="a")
        await still(harness)
        await harness.clock.advance(61)
        await still(harness)
        assert await states(harness, [first, second]) == ["blocked", "running"]
        gate.open.set()
        assert (await harness.result(first, advance=120)).state == "succeeded"
        assert (await harness.result(second, advance=120)).state == "succeeded"


# ------------------------------------------------------------------ modes


async def test_skip_makes_no_run_and_says_for_whom(new_harness: NewHarness) -> None:
    gate = Gate()
    async with gated(new_harness, gate, PUT, "concurrency: 1\nmode: skip\n") as harness:
        [first] = await send(harness, 0)
        skipped = await harness.send({"n": 1})
        assert skipped.runs == ()
        [fate] = skipped.deliveries
        assert fate.state is DeliveryState.FILTERED
        assert fate.reason == f"run {show(first)} has the place, and `mode` is skip"
        gate.open.set()
        await harness.result(first)
        [third] = await send(harness, 2)
        await harness.result(third)
        assert gate.order == [0, 2]


async def test_replace_cancels_what_waits_and_what_sleeps_but_cuts_nothing_off(
    new_harness: NewHarness,
) -> None:
    gate = Gate()
    async with gated(new_harness, gate, WAITING, "concurrency: 1\nmode: replace\n") as harness:
        runs = await send(harness, 0, 1, 2)
        await still(harness)
        assert await states(harness, runs) == ["running", "cancelled", "blocked"]
        gate.open.set()
        await still(harness)
        await harness.rest()
        # the first was in the middle of a call; it ends where it would have slept
        assert await states(harness, runs) == ["cancelled", "cancelled", "sleeping"]
        [last] = await send(harness, 3)
        await harness.rest()
        assert await states(harness, [*runs[2:], last]) == ["cancelled", "sleeping"]
        assert (await harness.look(runs[2])).error["code"] == "replaced"
        assert (await harness.result(last, advance=120)).state == "succeeded"
        assert gate.order == [0, 2, 3]


# ------------------------------------------------------------------ events that belong together


async def test_debounce_makes_one_run_of_the_newest_event(new_harness: NewHarness) -> None:
    gate = Gate()
    gate.open.set()
    head = 'debounce: {key: "${{ trigger.email }}", for: 30s, max: 1m}\n'
    async with gated(new_harness, gate, PUT, head) as harness:
        first = await harness.send({"n": 0, "email": "a"})
        other = await harness.send({"n": 9, "email": "b"})
        await harness.clock.advance(20)
        second = await harness.send({"n": 1, "email": "a"})
        assert second.runs == first.runs
        assert [fate.state for fate in second.deliveries] == [DeliveryState.RUN]
        await harness.restart()
        await harness.clock.advance(25)
        await still(harness)
        assert gate.order == [9], "thirty seconds after the last event, not after the first"
        await harness.send({"n": 2, "email": "a"})
        await harness.clock.advance(14)
        await still(harness)
        assert gate.order == [9]
        await harness.clock.advance(2)
        assert (await harness.result(first.runs[0])).state == "succeeded"
        assert gate.order == [9, 2], "a minute after the first event, whatever comes"
        assert (await harness.result(other.runs[0])).state == "succeeded"
        later = await harness.send({"n": 3, "email": "a"})
        assert later.runs != first.runs
        assert (await harness.result(later.runs[0], advance=60)).state == "succeeded"
        assert gate.order == [9, 2, 3]
        assert await harness.store.run_counts() == {"succeeded": 3}


async def test_dedupe_names_the_original_until_its_time_is_over(new_harness: NewHarness) -> None:
    gate = Gate()
    gate.open.set()
    head = 'dedupe: {key: "${{ trigger.email }}", within: 1h}\n'
    async with gated(new_harness, gate, PUT, head) as harness:
        first = await harness.send({"n": 0, "email": "a"})
        await harness.clock.advance(3599)
        await harness.restart()
        again = await harness.send({"n": 1, "email": "a"})
        [fate] = again.deliveries
        assert (fate.state, fate.reason) == (DeliveryState.DUPLICATE, show(first.receipt_id))
        assert [d.state for d in (await harness.send({"n": 2, "email": None})).deliveries] == [DeliveryState.RUN]
        await harness.clock.advance(1)
        later = await harness.send({"n": 3, "email": "a"})
        assert [d.state for d in later.deliveries] == [DeliveryState.RUN]


async def test_the_senders_identity_has_a_time_of_its_own_too(new_harness: NewHarness) -> None:
    gate = Gate()
    gate.open.set()
    async with gated(new_harness, gate, PUT, "dedupe: {within: 1h}\n") as harness:
        for advance, state in ((0, "run"), (3599, "duplicate"), (1, "run")):
            await harness.clock.advance(advance)
            [fate] = (await harness.send({"n": 0, "event_id": "e1"})).deliveries
            assert fate.state == state


# ------------------------------------------------------------------ rate and room


async def test_a_rate_delays_runs_and_loses_none(new_harness: NewHarness) -> None:
    gate = Gate()
    gate.open.set()
    async with gated(new_harness, gate, PUT, "rate: 2/10s\n") as harness:
        runs = await send(harness, *range(5))
        await still(harness)
        assert gate.order == [0, 1]
        await harness.restart()
        await still(harness)
        assert gate.order == [0, 1], "what began before the restart counts"
        await harness.clock.advance(10.5)
        await still(harness)
        assert gate.order == [0, 1, 2, 3]
        await harness.clock.advance(10.5)
        assert [(await harness.result(run)).state for run in runs] == ["succeeded"] * 5


async def test_a_flooded_scenario_does_not_starve_another(new_harness: NewHarness) -> None:
    order: list[str] = []

    async def put(config: Mapping[str, Any]) -> Any:
        order.append(str(config["n"]))
        return {}

    one = scenario(PUT)
    two = one.replace("scenario: test", "scenario: other")
    async with new_harness(one, two, doubles={"shop.put": put}, max_running=1) as harness:
        await send_to(harness, "test", *(f"t{n}" for n in range(40)))
        await send_to(harness, "other", *(f"o{n}" for n in range(3)))
        async with asyncio.timeout(30):
            while len(order) < 43:
                await harness.rest()
    late = [order.index(f"o{n}") for n in range(3)]
    assert [name for name in order if name[0] == "t"] == [f"t{n}" for n in range(40)]
    assert late[2] - late[0] <= 6, f"the flood went before: {order}"


async def send_to(harness: Harness, name: str, *numbers: str) -> None:
    for n in numbers:
        await harness.send({"n": n}, to=name)


def test_room_is_shared_by_priority() -> None:
    lines = Lines(1)
    for name, priority in (("high", "high"), ("normal", "normal"), ("low", "low")):
        plan = Harness([f"scenario: {name}\npriority: {priority}\nsteps: []\n"], registry=registry()).plans[0]
        lines.open(name, plan, 0, 0.0)
    lines.wake(("low", "normal", "high"))
    served = Counter[str]()
    for _ in range(1300):
        served.update(lines.shares(0.0))
    assert [served[name] for name in ("high", "normal", "low")] == pytest.approx([800, 400, 100], abs=2)


def test_who_was_away_is_owed_nothing() -> None:
    lines = Lines(1)
    lines.wake(("a",))
    for _ in range(100):
        lines.shares(0.0)
    lines.wake(("b",))
    served = Counter[str]()
    for _ in range(20):
        served.update(lines.shares(0.0))
    assert served["a"] in range(9, 12)


async def test_all_runs_are_done_in_the_end_whatever_their_keys(new_harness: NewHarness) -> None:
    gate = Gate()
    gate.open.set()
    head = "concurrency: 3\norder_by: ${{ trigger.email }}\nrate: 50/s\npriority: low\n"
    async with gated(new_harness, gate, PUT, head, max_running=4) as harness:
        for n in range(60):
            await harness.send({"n": n, "email": f"{n % 7}"})
            if n == 30:
                await harness.restart()
        async with asyncio.timeout(30):
            while (counts := await harness.store.run_counts()) != {"succeeded": 60}:
                await still(harness)
                await harness.clock.advance(1)
        assert counts == {"succeeded": 60}
        for key in range(7):
            own = [n for n in dict.fromkeys(gate.order) if n % 7 == key]
            assert own == sorted(own)
        assert len(await harness.store.runs(RunFilter(states=("blocked", "queued")))) == 0


def line_of(head: str) -> tuple[Lines, str]:
    plan = Harness([f"scenario: test\n{head}\nsteps: []\n"], registry=registry()).plans[0]
    lines = Lines(100)
    lines.open(plan.name, plan, 0, 1000.0)
    return lines, plan.name


def test_a_clock_that_is_set_back_makes_no_rate_wait_for_what_it_showed_before() -> None:
    lines, name = line_of("rate: 2/10s")
    assert [lines.admits(name, 90_000.0, new=True) for _ in range(3)] == [True, True, False]
    assert not lines.admits(name, 1000.0, new=True)
    assert lines.admits(name, 1010.0, new=True)


def test_a_rates_next_moment_is_one_at_which_somebody_may_enter() -> None:
    lines, name = line_of("rate: 1/100ms")
    now = 1_700_000_000.3
    for _ in range(90):
        assert lines.admits(name, now, new=True)
        lines.wake((name,))
        now = lines.opens(now) or 0.0
        assert lines.shares(now) == {name: 1}
        lines.read({name: 1}, [])


def test_a_run_that_did_not_begin_is_no_part_of_the_rate() -> None:
    lines, name = line_of("rate: 1/10s")
    assert lines.admits(name, 1000.0, new=True)
    lines.came(name, begun=False)
    assert lines.admits(name, 1000.0, new=True)
    lines.came(name, begun=True)
    assert not lines.admits(name, 1000.0, new=True)


def test_what_was_offered_and_not_taken_makes_nobody_wait() -> None:
    lines = Lines(200)
    for _ in range(3):
        lines.wake(("low",))
        shares = lines.shares(0.0)
        # one run comes, and while it is looked for another is put into the queue
        lines.wake(("low",))
        lines.read(shares, [make_run(1, scenario="low")])
    lines.wake(("low", "other"))
    assert lines.shares(0.0)["other"] in range(95, 105)


async def test_a_rate_does_not_delay_what_has_begun(new_harness: NewHarness) -> None:
    gate = Gate()
    gate.open.set()
    async with gated(new_harness, gate, WAITING, "rate: 1/1h\n") as harness:
        first, second = await send(harness, 0, 1)
        await still(harness)
        assert await states(harness, [first, second]) == ["sleeping", "queued"]
        await harness.clock.advance(61)
        await still(harness)
        assert await states(harness, [first, second]) == ["succeeded", "queued"]


async def test_runs_that_wait_for_their_key_are_counted_when_they_begin(new_harness: NewHarness) -> None:
    gate = Gate()
    head = "order_by: ${{ trigger.email }}\nrate: 2/1h\n"
    async with gated(new_harness, gate, PUT, head) as harness:
        runs = await send(harness, 0, 1, email="a")
        await still(harness)
        assert await states(harness, runs) == ["running", "blocked"]
        gate.open.set()
        await still(harness)
        assert await states(harness, runs) == ["succeeded", "succeeded"]


async def test_a_delivery_that_cannot_be_sorted_keeps_no_room(
    new_harness: NewHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    gate.open.set()
    async with gated(new_harness, gate, PUT, "", max_running=1) as harness:

        def mistake(*_args: Any, **_more: Any) -> Any:
            raise RuntimeError("a mistake")

        with monkeypatch.context() as patch:
            patch.setattr("engine.runtime.intake.names", mistake)
            with pytest.raises(RuntimeError):
                await harness.send({"n": 0})
        [run] = await send(harness, 1)
        assert (await harness.result(run)).state == "succeeded"
