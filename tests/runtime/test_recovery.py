"""Taking up what another owner left: journals that no longer fit, versions and events that are gone."""

from __future__ import annotations

from typing import Any

import pytest

from engine.runtime.catalog import Catalog
from engine.runtime.commands import Choice
from engine.sdk import errors
from engine.store.changes import AddRecord
from engine.testing import Harness
from tests.runtime.core import Script, resumed, shop
from tests.support.shop import registry, scenario

STEPS = """
- id: got
  module: shop.get
  with: {n: "${{ trigger.n }}"}
- id: send
  module: shop.charge
  with: {n: "${{ got.n }}"}
"""


def slow() -> Script:
    return Script(errors.RateLimitError("slow down", retry_after=60.0), {})


async def asleep(harness: Harness, **event: Any) -> int:
    result = await harness.run(event)
    assert result.state == "sleeping"
    return result.run.id


async def awake(harness: Harness, run_id: int) -> Any:
    await harness.clock.advance(60)
    return await harness.result(run_id)


async def test_a_sleeping_run_goes_on_under_its_own_version_when_the_file_has_changed() -> None:
    script = slow()
    async with shop(STEPS, {"shop.get": Script({"n": 1}), "shop.charge": script}) as harness:
        run_id = await asleep(harness)
        harness.plans[:] = [harness._load(scenario('- id: send\n  module: shop.put\n  with: {new: "file"}'), 0)]
        await harness.restart()
        result = await awake(harness, run_id)
        assert result.state == "succeeded"
        assert [call.module for call in harness.calls] == ["shop.get", "shop.charge", "shop.charge"]


@pytest.mark.parametrize("what", ["request", "module"])
async def test_a_journal_that_holds_another_call_holds_the_run_as_diverged(what: str) -> None:
    get = Script({"n": 1})
    async with shop(STEPS, {"shop.get": get, "shop.charge": slow()}) as harness:
        run_id = await asleep(harness)
        [record] = (await harness.look(run_id)).records[:1]
        assert record.key == "got#1"
        doctored = (
            record._replace(request_hash="0" * 32) if what == "request" else record._replace(module="shop.another")
        )
        await harness.store.put(AddRecord(doctored))
        result = await awake(harness, run_id)
        assert result.state == "held"
        [hold] = result.holds
        assert (hold["code"], hold["step"], hold["attempt"]) == ("diverged", "got", 1)
        # both are named
        assert doctored.request_hash in hold["message"]
        assert str(record.request_hash) in hold["message"]
        assert "shop.get" in hold["message"]
        assert get.count == 1
        # nothing was sent under the journal that does not fit, and a person can end it
        assert [effect.state for effect in result.effects] == ["refused"]
        assert (await resumed(harness, run_id, Choice.GIVE_UP)).state == "failed"


async def test_a_version_that_no_longer_loads_holds_the_run_until_it_does() -> None:
    async with shop(STEPS, {"shop.get": Script({"n": 1}), "shop.charge": slow()}) as harness:
        run_id = await asleep(harness)
        complete = harness.registry
        lacking = registry()
        del lacking.modules["shop.charge"]
        harness.registry, harness.plans[:] = lacking, []
        await harness.restart()
        result = await awake(harness, run_id)
        assert result.state == "held"
        [hold] = result.holds
        assert hold["code"] == "version-unavailable"
        assert "no longer loads" in hold["message"]
        assert "module 'charge'" in hold["message"]
        assert hold["error"]["hint"]
        harness.registry = complete
        await harness.restart()
        assert (await resumed(harness, run_id, Choice.AGAIN)).state == "succeeded"


async def test_a_version_that_is_not_in_the_store_holds_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shop(STEPS, {"shop.get": Script({"n": 1}), "shop.charge": slow()}) as harness:
        run_id = await asleep(harness)
        harness.plans[:] = []
        await harness.restart()

        async def none(_version: str) -> None:
            return None

        monkeypatch.setattr(harness.store, "version", none)
        result = await awake(harness, run_id)
        assert [hold["code"] for hold in result.holds] == ["version-unavailable"]
        assert "is not in the store" in result.holds[0]["message"]


async def test_an_event_that_is_gone_holds_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shop(STEPS, {"shop.get": Script({"n": 1}), "shop.charge": slow()}) as harness:
        run_id = await asleep(harness)

        async def none(_receipt: int) -> None:
            return None

        monkeypatch.setattr(harness.store, "receipt", none)
        result = await awake(harness, run_id)
        assert [hold["code"] for hold in result.holds] == ["event-gone"]


async def test_one_run_that_cannot_be_read_back_does_not_keep_the_others_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop(STEPS, {"shop.get": Script({"n": 1}), "shop.charge": slow()}) as harness:
        first = await asleep(harness)
        plan = Catalog.plan
        calls: list[str] = []

        async def broken(self: Catalog, name: str, version: str) -> Any:
            calls.append(name)
            if len(calls) == 1:
                raise ValueError("cannot be read")
            return await plan(self, name, version)

        monkeypatch.setattr(Catalog, "plan", broken)
        result = await awake(harness, first)
        assert result.state == "held"
        assert [hold["code"] for hold in result.holds] == ["internal"]
        assert "ValueError: cannot be read at " in result.holds[0]["message"]
        assert "could not be taken up" in caplog.text
        assert (await resumed(harness, first, Choice.AGAIN)).state == "succeeded"


async def test_an_end_that_cannot_be_written_holds_the_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop("- stop: success\n  output: ${{ trigger.n }}", {}) as harness:

        async def fail(*_: object) -> None:
            raise RuntimeError("no luck")

        with monkeypatch.context() as broken:
            broken.setattr(harness.runner, "_end", fail)
            result = await harness.run({"n": 1})
        assert result.state == "held"
        assert [hold["code"] for hold in result.holds] == ["internal"]
        assert "RuntimeError: no luck" in result.holds[0]["message"]
        assert "could not be brought to its end" in caplog.text
        result = await resumed(harness, result.run.id, Choice.AGAIN)
        assert (result.state, result.output) == ("succeeded", 1)


async def test_a_queue_that_cannot_be_looked_through_is_looked_through_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop(STEPS, {"shop.get": Script({"n": 1}), "shop.charge": slow()}) as harness:
        run_id = await asleep(harness)
        due_runs = harness.store.due_runs

        async def fail(*_: object) -> None:
            raise RuntimeError("no luck")

        monkeypatch.setattr(harness.store, "due_runs", fail)
        await harness.clock.advance(60)
        assert "the queue could not be looked through" in caplog.text
        monkeypatch.setattr(harness.store, "due_runs", due_runs)
        await harness.clock.advance(10)
        assert (await harness.result(run_id)).state == "succeeded"
