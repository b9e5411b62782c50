"""Nothing runs for ever, nothing stops silently."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.runtime.alert_settings import AlertChannel
from engine.runtime.channels import Message
from engine.runtime.outcomes import Hold
from engine.runtime.redact import Redactor
from engine.runtime.runner import MAX_RECOVERIES
from engine.runtime.settings import Limits
from engine.sdk import jsontext
from engine.sdk.errors import DataError
from engine.store.alerts_rows import Alert
from engine.store.changes import AddRun
from engine.testing import CrashAt, Harness
from tests.promises.shop_runs import NewHarness, all_runs, settle, until_death
from tests.runtime.told import Told, channel, looked, sent
from tests.store.rows import run as row
from tests.support.shop import scenario

DAY = 86_400.0
#: fails, holds or succeeds as the event says
STEPS = """
- id: got
  module: shop.get
  with: {email: "${{ trigger.email }}"}
"""
EXPECTING = scenario(STEPS).replace("scenario: test", "scenario: test\nexpect: {at_least: 1, within: 24h}")


def get(config: Any) -> Any:
    if config["email"] == "bad":
        raise DataError("no such customer")
    return {}


def watched(new_harness: NewHarness, source: str = scenario(STEPS), **options: Any) -> tuple[Harness, Told]:
    told = Told()
    given = {"doubles": {"shop.get": get}, "channels": [channel()], "sender": told, **options}
    return new_harness(source, **given), told


# ---------------------------------------------------------------- failed and held runs are told


async def failure_told_after_a_crash(new_harness: NewHarness, point: str, nth: int) -> list[Alert]:
    """A run fails, the process dies at a point, and another one takes over: what became of the alert."""
    faults = CrashAt(point, nth)
    harness, told = watched(new_harness, faults=faults)

    async def live() -> None:
        await harness.start()
        await harness.send({"email": "bad"})
        await settle(harness)
        await looked(harness)

    await until_death(live(), faults)
    await harness.restart()
    await settle(harness)
    for _ in range(3):
        await looked(harness, 1000)
    alerts = list(await harness.store.alerts(10))
    failed = [result for result in await all_runs(harness) if result.state == "failed"]
    if failed:
        assert [(alert.kind, alert.times, alert.state) for alert in alerts] == [("failed", 1, "delivered")]
        # at least once, and the same id each time
        assert {message.id for _, message in told.messages} == {message.id for _, message in told.messages[:1]}
        assert 1 <= len(told.messages) <= 2
    await harness.stop()
    return alerts


POINTS = ["store.begin", "store.commit", "store.committed", "run.ending", "alert.raising", "alert.raised"]


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("point", [*POINTS, "alert.tried", "alert.sent"])
async def test_no_crash_loses_the_alert_of_a_failure(new_harness: NewHarness, point: str, nth: int) -> None:
    await failure_told_after_a_crash(new_harness, point, nth)


async def test_a_storm_is_one_alert_and_what_came_meanwhile_is_counted_in_the_next(new_harness: NewHarness) -> None:
    harness, told = watched(new_harness)
    async with harness:
        for _ in range(20):
            await harness.send({"email": "bad"})
        await settle(harness)
        await looked(harness)
        for _ in range(5):
            await harness.send({"email": "bad"})
            await settle(harness)
            await looked(harness, 60)
        assert told.kinds == [("failed", "raised", 20)]
        await looked(harness, 900)
        assert told.kinds == [("failed", "raised", 20), ("failed", "raised", 5)]
        assert "5 runs failed" in told.texts[1]
        assert "got: no such customer" in told.texts[1]


# ---------------------------------------------------------------- silence


async def silence(new_harness: NewHarness) -> Told:
    """Two days without an event, over a restart, and then one."""
    harness, told = watched(new_harness, EXPECTING)
    await harness.start()
    await looked(harness)
    await looked(harness, DAY - 60)
    assert told.kinds == [], "a scenario that was added has its whole window first"
    await looked(harness, 120)
    assert told.kinds == [("silence", "raised", 1)]
    assert told.texts[0] == "test: silence: 0 successful runs in the last 1d, expected 1"
    await harness.restart()
    await looked(harness, 60)
    assert told.kinds == [("silence", "raised", 1)], "a restart repeats no alert"
    await harness.send({"email": "ana"})
    await settle(harness)
    await looked(harness, 10)
    assert told.kinds[1:] == [("silence", "recovered", 1)]
    await harness.stop()
    return told


async def test_silence_is_told_once_and_so_is_its_end(new_harness: NewHarness) -> None:
    await silence(new_harness)


async def test_silence_is_told_again_after_each_further_window(new_harness: NewHarness) -> None:
    harness, told = watched(new_harness, EXPECTING)
    async with harness:
        for _ in range(8):
            await looked(harness, DAY / 2)
        assert told.kinds == [("silence", "raised", 1)] * 3


async def test_runs_that_fail_are_silence_too_unless_runs_are_expected(new_harness: NewHarness) -> None:
    for of, expected in (("successes", 1), ("runs", 0)):
        source = EXPECTING.replace("within: 24h", f"within: 24h, of: {of}")
        harness, told = watched(new_harness, source, channels=[channel("ops", "silence")])
        async with harness:
            await looked(harness)
            await looked(harness, DAY - 60)
            await harness.send({"email": "bad"})
            await settle(harness)
            await looked(harness, 120)
            assert len(told.kinds) == expected


async def test_time_in_which_the_engine_was_down_is_silence_and_the_alert_says_so(new_harness: NewHarness) -> None:
    harness, told = watched(new_harness, EXPECTING)
    await harness.start()
    await looked(harness)
    await harness.stop()
    harness.clock.jump(3 * DAY)
    if hasattr(harness.store, "reborn"):
        harness._open = harness.store.reborn()  # the memory of the process that ended well
    await harness.start()
    await looked(harness)
    assert told.texts == [
        "test: silence: 0 successful runs in the last 1d, expected 1; the engine itself did not run for 1d of that time"
    ]
    await harness.stop()


async def test_a_clock_that_is_set_back_hides_no_silence(new_harness: NewHarness) -> None:
    harness, told = watched(new_harness, EXPECTING)
    async with harness:
        harness.clock.jump(30 * DAY)
        await looked(harness)
        await harness.send({"email": "ana"})
        await settle(harness)
        await looked(harness, 60)
        harness.clock.jump(-30 * DAY)
        await looked(harness)
        await looked(harness, DAY - 60)
        assert told.kinds == [], "it has its whole window anew"
        await looked(harness, 120)
        assert told.kinds == [("silence", "raised", 1)]


async def test_a_scenario_that_expects_nothing_is_not_watched(new_harness: NewHarness) -> None:
    harness, told = watched(new_harness)
    async with harness:
        await looked(harness)
        await looked(harness, 100 * DAY)
        assert told.kinds == []
        assert await harness.store.standings() == []


# ---------------------------------------------------------------- waiting for a turn


async def test_a_run_that_waits_too_long_for_its_turn_is_told_and_so_is_the_end(new_harness: NewHarness) -> None:
    free = asyncio.Event()

    async def slow(_config: Any) -> Any:
        await free.wait()
        return {}

    harness, told = watched(new_harness, doubles={"shop.get": slow}, max_running=1)
    async with harness:
        await harness.send({"email": "a"})
        await harness.send({"email": "b"})
        await looked(harness, 290)
        assert told.kinds == []
        await looked(harness, 20)
        await looked(harness, 20)
        assert told.kinds == [("queue_age", "raised", 1)]
        assert "waits for its turn" in told.texts[0]
        free.set()
        await settle(harness)
        await looked(harness, 10)
        assert told.kinds[1:] == [("queue_age", "recovered", 1)]


# ---------------------------------------------------------------- owners


async def ownerless(new_harness: NewHarness) -> Told:
    """A run that the store has as running and nobody walks."""
    harness, told = watched(new_harness)
    async with harness:
        accepted = await harness.send({"email": "ana"})
        [run_id] = accepted.runs
        await settle(harness)
        done = (await harness.look(run_id)).run
        lost = done._replace(id=harness.store.new_id(), state="running", ended_at=None, epoch=harness.runner.epoch)
        await harness.store.put(AddRun(lost))
        for _ in range(4):
            await looked(harness, 10)
        assert (await harness.result(lost.id)).state == "succeeded"
        assert told.kinds == [("stuck", "raised", 1)]
    return told


async def test_a_run_without_an_owner_is_taken_up_and_told(new_harness: NewHarness) -> None:
    await ownerless(new_harness)


async def test_a_run_that_waits_for_nothing_is_woken_and_told(new_harness: NewHarness) -> None:
    harness, told = watched(new_harness)
    async with harness:
        [run_id] = (await harness.send({"email": "ana"})).runs
        await settle(harness)
        done = (await harness.look(run_id)).run
        lost = done._replace(id=harness.store.new_id(), state="waiting", ended_at=None)
        await harness.store.put(AddRun(lost))
        await looked(harness, 61)
        assert (await harness.result(lost.id)).state == "succeeded"
        assert told.kinds == [("stuck", "raised", 1)]


async def test_a_run_that_has_an_owner_is_left_alone(new_harness: NewHarness) -> None:
    async def slow(_config: Any) -> Any:
        await asyncio.Event().wait()

    harness, told = watched(new_harness, doubles={"shop.get": slow})
    async with harness:
        [run_id] = (await harness.send({"email": "a"})).runs
        for _ in range(10):
            await looked(harness, 10)
        assert (await harness.look(run_id)).run.recoveries == 0
        assert told.kinds == []


async def cut_off(new_harness: NewHarness) -> Told:
    """A call that never ends."""

    async def never(config: Any) -> Any:
        if config["email"] == "hangs":
            await asyncio.Event().wait()
        return {}

    harness, told = watched(new_harness, doubles={"shop.get": never}, limits=Limits(stuck_after=600))
    async with harness:
        [hangs] = (await harness.send({"email": "hangs"})).runs
        await looked(harness, 590)
        assert (await harness.look(hangs)).state == "running"
        await looked(harness, 20)
        result = await harness.result(hangs)
        assert result.state == "held"
        assert [(hold["code"], hold["step"]) for hold in result.holds] == [("stuck", "got")]
        await looked(harness)
        assert told.kinds == [("stuck", "raised", 1)]
        # nothing else was touched
        assert (await harness.run({"email": "ana"})).state == "succeeded"
    return told


async def test_a_call_that_never_ends_is_cut_off_and_the_run_is_held(new_harness: NewHarness) -> None:
    await cut_off(new_harness)


async def test_a_write_that_never_ends_is_unknown_and_held(new_harness: NewHarness) -> None:
    called = asyncio.Event()

    async def never(_config: Any) -> Any:
        called.set()
        await asyncio.Event().wait()

    source = scenario(STEPS.replace("shop.get", "shop.charge"))
    harness, _ = watched(new_harness, source, doubles={"shop.charge": never}, limits=Limits(stuck_after=600))
    async with harness:
        [hangs] = (await harness.send({"email": "a"})).runs
        await called.wait()
        await looked(harness, 610)
        assert (await harness.result(hangs)).holds[0]["code"] == "stuck"
        again = await harness.resume(hangs, "again")
        assert [hold["code"] for hold in again.holds] == ["unknown"], "what may have happened is not sent again"


# ---------------------------------------------------------------- poison


async def poisoned(new_harness: NewHarness) -> Told:
    """A run whose process dies each time it is claimed, with another run beside it."""

    async def get(config: Any) -> Any:
        if config["email"] == "deadly":
            await asyncio.Event().wait()
        return {}

    harness, told = watched(new_harness, doubles={"shop.get": get})
    await harness.start()
    [deadly] = (await harness.send({"email": "deadly"})).runs
    for died in range(1, MAX_RECOVERIES + 3):
        # it is claimed, and its process dies in the middle of its first step
        await harness.written()
        if (await harness.look(deadly)).state == "held":
            break
        await harness.restart()
        stored = (await harness.look(deadly)).run
        assert stored.recoveries == min(died, MAX_RECOVERIES) or stored.state == "held"
    assert [hold["code"] for hold in (await harness.look(deadly)).holds] == ["poison"]
    assert (await harness.run({"email": "ana"})).state == "succeeded"
    await looked(harness)
    assert ("stuck", "raised", 1) in told.kinds
    await harness.stop()
    return told


# ---------------------------------------------------------------- a channel that does not work


async def test_a_channel_that_is_down_gets_it_later_and_holds_up_no_other(new_harness: NewHarness) -> None:
    harness, told = watched(new_harness, channels=[channel("down"), channel("up")])
    told.down.add("down")
    async with harness:
        await harness.run({"email": "bad"})
        await looked(harness)
        assert [name for name, _ in told.messages] == ["up"]
        failed = await harness.store.failed_alert()
        assert failed is not None
        assert (failed.channel, failed.attempts, failed.error) == ("down", 1, "the channel answered 500")
        told.down.clear()
        await harness.clock.advance(11)
        await sent(harness)
        assert [name for name, _ in told.messages] == ["up", "down"]
        assert told.messages[0][1].body["detail"] == told.messages[1][1].body["detail"]


async def test_an_alert_is_given_up_after_a_day(new_harness: NewHarness) -> None:
    harness, told = watched(new_harness)
    told.down.add("ops")
    async with harness:
        await harness.run({"email": "bad"})
        await looked(harness)
        for _ in range(100):
            harness.clock.jump(900)
            await sent(harness)
        [alert] = await harness.store.alerts(10)
        assert (alert.state, told.messages) == ("given-up", [])


async def test_a_hold_that_goes_on_by_itself_is_not_told(new_harness: NewHarness) -> None:
    harness, told = watched(new_harness)
    async with harness:
        hold = jsontext.dumps([Hold("failed", "later", "got").to_json()])
        held = row(harness.store.new_id(), scenario="test", state="held", hold=hold)
        await harness.store.put(AddRun(held._replace(due_at=9e9)))
        await looked(harness)
        assert told.kinds == []
        await harness.store.put(AddRun(held._replace(id=harness.store.new_id())))
        await looked(harness)
        assert told.kinds == [("held", "raised", 1)]


async def test_a_channel_that_hangs_holds_up_no_other_however_much_waits_for_it(
    new_harness: NewHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.runtime.alerts.AT_ONCE", 2)
    harness, told = watched(new_harness, channels=[channel("hangs"), channel("up")])
    send, got = told.send, asyncio.Event()

    async def sending(to: AlertChannel, message: Message) -> None:
        if to.name == "hangs":
            await asyncio.Event().wait()
        await send(to, message)
        got.set()

    monkeypatch.setattr(told, "send", sending)
    async with harness:
        for kind in ("held", "silence", "stuck"):
            [change, _] = harness.alerts.raised(kind, "test", {"count": 0, "within": "1d", "at_least": 1})
            await harness.store.put(change)
        await harness.run({"email": "bad"})
        await harness.watch.look()
        harness.alerts.start()
        await asyncio.wait_for(got.wait(), 10)
        await harness.alerts.stop()
        assert [name for name, _ in told.messages] == ["up"]


async def test_no_part_of_a_secret_is_told(new_harness: NewHarness) -> None:
    secret = "s3cret word\n of two lines " + "x" * 300

    def leak(config: Any) -> Any:
        raise DataError(f"the vendor does not know {secret}")

    harness, told = watched(new_harness, doubles={"shop.get": leak})
    async with harness:

        async def redactor() -> Redactor:
            return Redactor([secret])

        harness.watch._redactor = redactor
        await harness.run({"email": "bad"})
        await looked(harness)
        assert told.texts[0].count("the vendor does not know •••") == 1
        assert "s3cret" not in told.texts[0]
