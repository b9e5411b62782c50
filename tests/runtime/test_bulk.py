"""One word on many runs: which are meant, which are left out, and what a start that is cut off leaves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.runtime import bulk
from engine.runtime.bulk import Wanted, say
from engine.runtime.commands import Choice, CommandRefused, Word, resume
from engine.sdk import errors, jsontext
from engine.sdk.faults import NO_FAULTS, Faults
from engine.testing import CrashAt, Harness
from tests.runtime.core import Script, shop

UNSURE = errors.TimeoutError("no answer")
REFUSED = errors.DataError("not like this", refused=True)

STEPS = """
- id: put
  module: shop.call
  with: {n: "${{ trigger.n }}", method: "${{ trigger.method || 'POST' }}"}
  on_error: hold
- id: after
  module: shop.get
  with: {}
"""
HELD = Wanted(states=("held",))
AGAIN = Word(Choice.AGAIN, reason="the API is back", by="ana")


class Vendor:
    """Refuses, or gives no answer, until it is told to be well."""

    def __init__(self) -> None:
        self.well = False
        self.sent: list[Any] = []

    def __call__(self, config: Any) -> Any:
        self.sent.append(config["n"])
        if self.well:
            return {"n": config["n"]}
        raise UNSURE if config["n"] % 3 == 0 else REFUSED


async def several(harness: Harness, number: int = 7) -> list[int]:
    """Held runs; every third one's write has no known outcome."""
    ids = []
    for n in range(number):
        result = await harness.run({"n": n, "email": f"{n % 2}@example.com"})
        assert [hold["code"] for hold in result.holds] == ["failed" if n % 3 else "unknown"]
        ids.append(result.run.id)
    return ids


def shopping(vendor: Vendor, **options: Any) -> Harness:
    return shop(STEPS, {"shop.call": vendor, "shop.get": Script({})}, **options)


async def states(harness: Harness, ids: list[int]) -> list[str]:
    harness.runner.wake()
    return [(await harness.result(run_id)).state for run_id in ids]


async def test_no_word_on_many_repeats_what_may_have_happened() -> None:
    vendor = Vendor()
    async with shopping(vendor) as harness:
        ids = await several(harness)
        vendor.well, vendor.sent = True, []
        part = await say(harness.store, "resume", HELD, AGAIN, harness.clock.time())
        assert set(part.done) == {run_id for n, run_id in enumerate(ids) if n % 3}
        assert {(run_id, error.code) for run_id, error in part.refused} == {
            (run_id, "not-together") for n, run_id in enumerate(ids) if n % 3 == 0
        }
        assert await states(harness, ids) == ["succeeded" if n % 3 else "held" for n in range(7)]
        assert sorted(vendor.sent) == [1, 2, 4, 5]
        for n, run_id in enumerate(ids):
            # the ledger says what is known, and nobody has looked
            assert [e.state for e in (await harness.look(run_id)).effects] == (
                ["refused", "done"] if n % 3 else ["unknown"]
            )


async def test_a_second_word_finds_nothing_that_is_left() -> None:
    vendor = Vendor()
    async with shopping(vendor) as harness:
        ids = await several(harness)
        vendor.well = True
        await say(harness.store, "resume", HELD, AGAIN, harness.clock.time())
        await states(harness, ids)
        again = await say(harness.store, "resume", HELD, AGAIN, harness.clock.time())
        assert (again.done, len(again.refused)) == ((), 3)


@pytest.mark.parametrize("choice", [Choice.SKIP, Choice.GIVE_UP])
async def test_what_repeats_nothing_is_said_of_all(choice: Choice) -> None:
    vendor = Vendor()
    async with shopping(vendor) as harness:
        ids = await several(harness)
        word = Word(choice, reason="too late", by="ana")
        part = await say(harness.store, "resume", HELD, word, harness.clock.time())
        assert (set(part.done), part.refused) == (set(ids), ())
        assert set(await states(harness, ids)) == {"succeeded" if choice is Choice.SKIP else "failed"}
        # what nobody knows stays unknown
        assert {(await harness.look(ids[0])).effects[0].state} == {"unknown"}


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({"code": "failed"}, {1, 2, 4, 5}),
        ({"code": "unknown"}, {0, 3, 6}),
        ({"step": "put"}, {0, 1, 2, 3, 4, 5, 6}),
        ({"step": "after"}, set()),
        ({"subject": "1@example.com"}, {1, 3, 5}),
        ({"scenario": "test", "code": "failed", "subject": "0@example.com"}, {2, 4}),
        ({"scenario": "another"}, set()),
        ({"simulated": True}, set()),
        ({"made_before": 1_709_629_200.0 + 30}, {0, 1, 2}),
        ({"made_after": 1_709_629_200.0 + 30}, {3, 4, 5, 6}),
    ],
)
async def test_which_runs_are_meant(wanted: dict[str, Any], numbers: set[int]) -> None:
    vendor = Vendor()
    async with shopping(vendor) as harness:
        ids = []
        for n in range(7):
            ids += (await harness.send({"n": n, "email": f"{n % 2}@example.com"})).runs
            await harness.clock.advance(10)
        await harness.rest()
        meant = Wanted(states=("held",), **wanted)
        word = Word(Choice.SKIP)
        part = await say(harness.store, "resume", meant, word, harness.clock.time(), rehearse=True)
        assert set(part.done) == {ids[n] for n in numbers}
        assert await states(harness, ids) == ["held"] * 7


async def test_it_goes_part_by_part_and_meets_each_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PART", 3)
    vendor = Vendor()
    async with shopping(vendor) as harness:
        ids = await several(harness)
        vendor.sent = []
        before: int | None = None
        seen: list[int] = []
        while True:
            part = await say(harness.store, "resume", HELD, AGAIN, harness.clock.time(), before=before)
            seen += [*part.done, *(run_id for run_id, _ in part.refused)]
            # they fail again at once, and are held again; this start does not meet them twice
            await states(harness, ids)
            if (before := part.following) is None:
                break
        assert sorted(seen) == ids
        assert sorted(vendor.sent) == [1, 2, 4, 5]


async def test_a_limit_counts_those_that_were_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PART", 3)
    vendor = Vendor()
    async with shopping(vendor) as harness:
        ids = await several(harness)
        now = harness.clock.time()
        meant = Wanted(states=("held",), code="failed")
        first = await say(harness.store, "resume", meant, AGAIN, now, most=3, rehearse=True)
        assert (set(first.done), first.following) == ({ids[5], ids[4]}, ids[4])
        second = await say(harness.store, "resume", meant, AGAIN, now, before=ids[4], most=1, rehearse=True)
        assert (set(second.done), second.following) == ({ids[2]}, None)


async def test_of_a_run_with_several_holds_only_those_that_are_meant_get_the_word() -> None:
    steps = """
- id: both
  foreach: ${{ trigger.items }}
  concurrency: 2
  steps:
    - id: send
      module: shop.charge
      with: {n: "${{ item }}"}
      on_error: hold
"""
    answers = {1: [UNSURE], 2: [REFUSED, {}]}

    def charge(config: Any) -> Any:
        answer = answers[config["n"]].pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with shop(steps, {"shop.charge": charge}) as harness:
        run_id = (await harness.run({"items": [1, 2]})).run.id
        now = harness.clock.time()
        part = await say(harness.store, "resume", HELD, AGAIN, now)
        assert [error.code for _, error in part.refused] == ["not-together"]
        part = await say(harness.store, "resume", Wanted(states=("held",), code="failed"), AGAIN, now)
        assert part.done == (run_id,)
        harness.runner.wake()
        result = await harness.result(run_id)
        assert [(hold["code"], hold["step"]) for hold in result.holds] == [("unknown", "both[0]/send")]
        assert answers[1] == []
        # when the other is settled too, what was said of this one counts
        await resume(harness.store, run_id, Choice.SKIP, now)
        harness.runner.wake()
        assert (await harness.result(run_id)).state == "succeeded"
        assert answers == {1: [], 2: []}


async def test_many_failed_runs_are_tried_again_and_many_waiting_ones_cancelled() -> None:
    vendor = Vendor()
    steps = STEPS.replace("  on_error: hold\n", "")
    async with shop(steps, {"shop.call": vendor, "shop.get": Script({})}) as harness:
        ids = [(await harness.run({"n": n})).run.id for n in range(6)]
        vendor.well = True
        now = harness.clock.time()
        failed = Wanted(states=("failed",), code="data-error")
        part = await say(harness.store, "retry", failed, AGAIN, now)
        assert len(part.done) == 4
        assert await states(harness, ids) == ["succeeded" if n % 3 else "held" for n in range(6)]
        part = await say(harness.store, "cancel", HELD, Word(Choice.GIVE_UP, reason="mistake", by="ana"), now)
        assert set(part.done) == {ids[0], ids[3]}
        result = await harness.look(ids[0])
        assert (result.state, result.error["message"], result.effects[0].state) == ("cancelled", "mistake", "unknown")


async def test_a_person_s_word_on_one_run_is_not_overwritten_by_a_word_on_many() -> None:
    """Between looking and saying somebody else was quicker, and the run is held at another step by now."""
    steps = STEPS.replace("- id: after\n  module: shop.get\n", "- id: after\n  module: shop.charge\n  on_error: hold\n")
    vendor = Vendor()
    async with shop(steps, {"shop.call": vendor, "shop.charge": Script(REFUSED)}) as harness:
        run = (await harness.run({"n": 1})).run
        now = harness.clock.time()
        await resume(harness.store, run.id, Choice.SKIP, now, by="kim")
        harness.runner.wake()
        assert [hold["step"] for hold in (await harness.result(run.id)).holds] == ["after"]
        with pytest.raises(CommandRefused, match="cannot be done"):
            await bulk.settle(harness.store, run, jsontext.loads(run.hold or b""), AGAIN._replace(apart=False), now)
        words = [jsontext.loads(r.output or b"") for r in (await harness.look(run.id)).records if r.kind == "settled"]
        assert [(word["choice"], word["by"]) for word in words] == [("skip", "kim")]


async def say_all(harness: Harness, faults: Faults) -> None:
    before: int | None = None
    while True:
        part = await say(harness.store, "resume", HELD, AGAIN, harness.clock.time(), before=before, faults=faults)
        if (before := part.following) is None:
            return


@pytest.mark.parametrize("point", ["bulk.part", "store.begin", "store.commit", "store.committed"])
@pytest.mark.parametrize("nth", [1, 2])
async def test_a_start_that_dies_is_begun_again(monkeypatch: pytest.MonkeyPatch, point: str, nth: int) -> None:
    monkeypatch.setattr(bulk, "PART", 2)
    vendor = Vendor()
    async with shopping(vendor) as harness:
        ids = await several(harness)
        vendor.well, vendor.sent = True, []
        faults = CrashAt()
        await harness.restart(faults)
        faults.point, faults.nth, faults.hits = point, nth, {}
        life, death = asyncio.ensure_future(say_all(harness, faults)), asyncio.ensure_future(faults.death())
        await asyncio.wait({life, death}, return_when=asyncio.FIRST_COMPLETED)
        life.cancel()
        death.cancel()
        await asyncio.gather(life, death, return_exceptions=True)
        assert faults.crashed
        await harness.restart()
        await say_all(harness, NO_FAULTS)
        assert await states(harness, ids) == ["succeeded" if n % 3 else "held" for n in range(7)]
        # each was sent once more, whichever start let it go on; what may have happened was not
        assert sorted(vendor.sent) == [1, 2, 4, 5]
