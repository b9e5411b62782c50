"""Promise 5: same key, in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pytest

from engine import ConnectionError as VendorGone
from engine.runtime.commands import Choice, cancel
from engine.store.records import RunFilter
from engine.testing import CrashAt, Harness
from tests.promises.shop_runs import NewHarness
from tests.runtime.core import resumed
from tests.support.shop import scenario

BY_EMAIL = "order_by: ${{ trigger.email }}\n"
#: two writes with a wait between them: if two runs of a key overlapped, their writes would mix
PAIR = """
- id: begin
  module: shop.put
  with: {email: "${{ trigger.email }}", n: "${{ trigger.n }}", part: begin}
- sleep: 30s
- id: end
  module: shop.put
  with: {email: "${{ trigger.email }}", n: "${{ trigger.n }}", part: end}
"""


class Book:
    """What reached the vendor, by e-mail, in order; what is repeated within a run is written once."""

    def __init__(self) -> None:
        self.lines: dict[str, list[tuple[int, str]]] = defaultdict(list)

    def put(self, config: Mapping[str, Any]) -> Any:
        line = (int(config["n"]), config["part"])
        own = self.lines[config["email"]]
        if line not in own:
            own.append(line)
        return {}


def assert_in_order(book: Book, events: int) -> None:
    for email, lines in book.lines.items():
        expected = [(n, part) for n in range(events) for part in ("begin", "end")]
        assert lines == expected, f"{email}: {lines}"


async def settle(harness: Harness) -> None:
    """Let time pass until no run goes on by itself; runs that are blocked by nobody never come to an end."""
    for _ in range(PATIENCE):
        await harness.rest()
        # a store in a file takes its time, and no run must lose virtual time to that
        await harness.written()
        states = {run.state for run in await harness.store.runs(RunFilter(page=_ALL))}
        if states <= {"succeeded", "failed", "cancelled"} or states <= {"succeeded", "held", "blocked"}:
            return
        await harness.clock.advance(10)
    raise AssertionError(f"runs do not come to an end: {states}")


#: looks at the runs, ten virtual seconds apart, before a test gives up
PATIENCE = 1_000
_ALL = RunFilter().page.__class__(limit=10_000)


async def pairs(new_harness: NewHarness, *, head: str = BY_EMAIL, events: int = 4, **options: Any) -> Book:
    book = Book()
    async with new_harness(scenario(PAIR, head=head), doubles={"shop.put": book.put}, **options) as harness:
        for n in range(events):
            for email in ("a@example.com", "b@example.com"):
                await harness.send({"email": email, "n": n})
        await settle(harness)
    return book


async def test_equal_keys_run_one_after_another_in_the_order_of_their_events(new_harness: NewHarness) -> None:
    assert_in_order(await pairs(new_harness), 4)


async def test_without_a_key_runs_mix(new_harness: NewHarness) -> None:
    book = await pairs(new_harness, head="")
    with pytest.raises(AssertionError):
        assert_in_order(book, 4)


async def crashing(new_harness: NewHarness, point: str, nth: int) -> Book:
    """The same through a crash, with what was not acknowledged sent again."""
    book = Book()
    harness = new_harness(scenario(PAIR, head=BY_EMAIL), doubles={"shop.put": book.put})
    events = [{"email": email, "n": n} for n in range(3) for email in ("a@example.com", "b@example.com")]
    await harness.crash(CrashAt(point, nth), *events)
    try:
        runs = await harness.store.runs(RunFilter(page=_ALL))
        # the sender repeats what it has no answer for, in its order
        for event in events[len(runs) :]:
            await harness.send(event)
        await settle(harness)
    finally:
        await harness.stop()
    return book


@pytest.mark.parametrize("nth", [1, 3, 6])
@pytest.mark.parametrize(
    "point", ["store.commit", "store.committed", "receipt.accepted", "run.claimed", "effect.sent", "run.ending"]
)
async def test_order_survives_a_crash(new_harness: NewHarness, point: str, nth: int) -> None:
    assert_in_order(await crashing(new_harness, point, nth), 3)


async def test_order_survives_restarts_while_runs_sleep(new_harness: NewHarness) -> None:
    book = Book()
    async with new_harness(scenario(PAIR, head=BY_EMAIL), doubles={"shop.put": book.put}) as harness:
        for n in range(3):
            await harness.send({"email": "a@example.com", "n": n})
        for _ in range(6):
            await harness.rest()
            await harness.restart()
            await harness.clock.advance(20)
        await settle(harness)
    assert_in_order(book, 3)


async def test_a_retry_keeps_the_key(new_harness: NewHarness) -> None:
    seen: list[int] = []

    def get(config: Mapping[str, Any]) -> Any:
        seen.append(config["n"])
        if seen.count(config["n"]) < 3 and config["n"] == 0:
            raise VendorGone("nobody there", refused=True)
        return {}

    steps = '- id: get\n  module: shop.get\n  with: {n: "${{ trigger.n }}"}\n  retry: {from: 1m, to: 1m}'
    async with new_harness(scenario(steps, head=BY_EMAIL), doubles={"shop.get": get}) as harness:
        for n in range(3):
            await harness.send({"email": "a@example.com", "n": n})
        await settle(harness)
    assert seen == [0, 0, 0, 1, 2]


async def hold_first(new_harness: NewHarness, head: str) -> tuple[Harness, list[int], list[int]]:
    """Three runs of a key, the first of which is held."""
    seen: list[int] = []

    def charge(config: Mapping[str, Any]) -> Any:
        seen.append(config["n"])
        if seen == [0]:
            raise VendorGone("cut off")
        return {}

    steps = '- id: charge\n  module: shop.charge\n  with: {n: "${{ trigger.n }}"}'
    harness = new_harness(scenario(steps, head=head), doubles={"shop.charge": charge})
    await harness.start()
    runs = [(await harness.send({"email": "a@example.com", "n": n})).runs[0] for n in range(3)]
    await harness.rest()
    return harness, runs, seen


async def test_a_held_run_holds_its_key_until_a_person_has_said_how_it_goes_on(new_harness: NewHarness) -> None:
    harness, runs, seen = await hold_first(new_harness, BY_EMAIL)
    states = [(await harness.look(run)).state for run in runs]
    assert (states, seen) == (["held", "blocked", "blocked"], [0])
    await harness.restart()
    await harness.rest()
    assert seen == [0], "a restart lets nobody pass"
    await resumed(harness, runs[0], Choice.AGAIN)
    await settle(harness)
    assert seen == [0, 0, 1, 2]
    await harness.stop()


async def test_a_held_run_lets_others_pass_where_the_author_says_so(new_harness: NewHarness) -> None:
    head = 'order_by: {key: "${{ trigger.email }}", waiting: release}\n'
    harness, runs, seen = await hold_first(new_harness, head)
    await settle(harness)
    assert seen == [0, 1, 2]
    result = await resumed(harness, runs[0], Choice.SKIP)
    assert result.state == "succeeded"
    await harness.stop()


async def test_a_cancelled_run_gives_its_place_to_the_next(new_harness: NewHarness) -> None:

    harness, runs, seen = await hold_first(new_harness, BY_EMAIL)
    await cancel(harness.store, runs[1], harness.clock.time(), by="test")
    await cancel(harness.store, runs[0], harness.clock.time(), by="test")
    harness.runner.wake()
    await settle(harness)
    assert seen == [0, 2]
    await harness.stop()


async def test_scenarios_of_a_group_wait_for_one_another(new_harness: NewHarness) -> None:
    book = Book()
    head = 'order_by: {key: "${{ trigger.email }}", group: people}\n'
    one = scenario(PAIR, head=head)
    two = one.replace("scenario: test", "scenario: other")
    async with new_harness(one, two, doubles={"shop.put": book.put}) as harness:
        for n in range(4):
            await harness.send({"email": "a@example.com", "n": n}, to=("test", "other")[n % 2])
        await settle(harness)
    assert_in_order(book, 4)


async def test_a_null_key_waits_for_nobody(new_harness: NewHarness) -> None:
    book = Book()
    async with new_harness(scenario(PAIR, head=BY_EMAIL), doubles={"shop.put": book.put}) as harness:
        runs = [(await harness.send({"email": None, "n": n})).runs[0] for n in range(2)]
        await harness.rest()
        assert [(await harness.look(run)).state for run in runs] == ["sleeping", "sleeping"]


async def test_a_key_that_fails_holds_the_run_and_loses_no_event(new_harness: NewHarness) -> None:
    book = Book()
    head = "order_by: ${{ length(trigger.n) }}\n"
    async with new_harness(scenario(PAIR, head=head), doubles={"shop.put": book.put}) as harness:
        result = await harness.run({"email": "a@example.com", "n": 5})
        assert (result.state, [hold["code"] for hold in result.holds]) == ("held", ["trigger"])
        result = await resumed(harness, result.run.id, Choice.AGAIN, advance=60)
        assert result.state == "succeeded"


async def test_what_is_simulated_waits_for_nothing_real(new_harness: NewHarness) -> None:
    harness, _, seen = await hold_first(new_harness, BY_EMAIL)
    harness.runner.simulated = True
    accepted = await harness.send({"email": "a@example.com", "n": 7})
    assert (await harness.result(accepted.runs[0])).state == "succeeded"
    harness.runner.simulated = False
    assert seen == [0, 7]
    await harness.stop()
