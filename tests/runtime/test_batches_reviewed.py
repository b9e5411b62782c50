"""Batches in the corners: what other runs of the event did, later attempts that come to nothing, odd answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine import Done, Refused
from engine.runtime.commands import Choice, retry
from engine.sdk.errors import AuthorizationNeeded
from engine.testing import Harness, RunResult
from tests.runtime.core import resumed, shop
from tests.runtime.test_batches import BAD, BUSY, LOST, PEOPLE, Vendor, event, run, steps, told
from tests.runtime.test_current_version import go_on

ONCE = dict.fromkeys(PEOPLE, 1)


def with_a_wrong_one(*people: str) -> dict[str, Any]:
    """The last item has no e-mail address, which the module's schema requires."""
    body = event(people)
    return {"items": [*body["items"], {"name": "ben"}]}


class SecondOf(Vendor):
    """Refuses somebody the second time."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def _one(self, name: str) -> Any:
        if name == self.name and self.taken[name] == 1 and len(self.sent) == 1:
            return Refused(BAD)
        return super()._one(name)


async def tried_again(harness: Harness, run_id: int) -> RunResult:
    await retry(harness.store, run_id, harness.clock.time())
    harness.runner.wake()
    return await harness.result(run_id, advance=2000)


# ---------------------------------------------------------------------- other runs of the event


async def test_a_replay_takes_over_what_any_run_has_done_and_not_only_the_last_one() -> None:
    vendor = Vendor(cleo=[BAD, BAD])
    async with shop(steps("charge_many"), {"shop.charge_many": vendor}) as harness:
        [run_id] = (await harness.send(event())).runs
        await harness.result(run_id, advance=2000)
        assert (await harness.replay(run_id)).state == "failed"
        # the older run does what was left, after the newer one has given up on it
        assert (await tried_again(harness, run_id)).state == "succeeded"
        result = await harness.replay(run_id)
        assert (vendor.taken, result.state) == (ONCE, "succeeded")


async def test_a_replay_that_is_tried_again_sees_what_was_done_after_its_first_try() -> None:
    vendor = Vendor(cleo=[BAD, BAD])
    async with shop(steps("charge_many"), {"shop.charge_many": vendor}) as harness:
        [run_id] = (await harness.send(event())).runs
        await harness.result(run_id, advance=2000)
        first = await harness.replay(run_id)
        assert first.state == "failed"
        assert (await harness.replay(run_id)).state == "succeeded"
        result = await tried_again(harness, first.run.id)
        assert (vendor.taken, result.state) == (ONCE, "succeeded")
        assert told(result.output) == {**dict.fromkeys(PEOPLE, "done"), "done": 4}


async def test_so_does_one_with_a_write_that_is_no_batch() -> None:
    calls = 0

    async def charge(_config: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise BAD
        return {"charged": calls}

    text = "- id: send\n  module: shop.charge\n  with: {}\n- stop: success\n  output: ${{ send }}\n"
    async with shop(text, {"shop.charge": charge}) as harness:
        [run_id] = (await harness.send(event())).runs
        assert (await harness.result(run_id)).state == "failed"
        first = await harness.replay(run_id)
        assert first.state == "failed"
        assert (await harness.replay(run_id)).state == "succeeded"
        result = await tried_again(harness, first.run.id)
        assert (calls, result.output) == (3, {"charged": 3})


async def test_what_is_unknown_of_another_run_stays_so_whatever_attempt_it_was() -> None:
    vendor = Vendor(ben=[BUSY] * 5, cleo=[BUSY, BUSY, LOST])
    text = steps("charge_many", more="  retry: {attempts: 3}")
    async with shop(text, {"shop.charge_many": vendor}) as harness:
        [run_id] = (await harness.send(event())).runs
        assert (await harness.result(run_id, advance=2000)).state == "held"
        replay = asyncio.create_task(harness.replay(run_id))
        for _ in range(50):
            await harness.clock.advance(60)
        result = await replay
        assert [hold["code"] for hold in result.holds] == ["unknown"]
        # the third attempt of the replay is not that of the run before, in which cleo was lost
        assert vendor.sent == [PEOPLE, ["ben", "cleo"], ["ben", "cleo"], ["ben"], ["ben"], ["ben"]]


async def test_a_replay_of_a_run_that_went_on_with_a_wrong_item_goes_on_too() -> None:
    vendor = Vendor()
    async with shop(steps(more=", on_refused: continue"), {"shop.put_many": vendor}) as harness:
        [run_id] = (await harness.send(with_a_wrong_one("ana"))).runs
        assert (await harness.result(run_id)).state == "succeeded"
        result = await harness.replay(run_id)
        assert (vendor.sent, result.state) == ([["ana"]], "succeeded"), result.error


# ---------------------------------------------------------------------- later attempts


async def test_a_try_of_which_nothing_is_left_to_send_leaves_the_output_as_it_was() -> None:
    vendor = Vendor()
    async with shop(steps(more="  on_error: hold"), {"shop.put_many": vendor}) as harness:
        [run_id] = (await harness.send(with_a_wrong_one("ana"))).runs
        await harness.result(run_id, advance=2000)
        await resumed(harness, run_id, Choice.AGAIN, advance=2000)
        await harness.restart()
        result = await resumed(harness, run_id, Choice.SKIP, advance=2000)
        assert (vendor.sent, result.state) == ([["ana"]], "succeeded")
        assert [item["state"] for item in result.output["items"]] == ["done", "refused"]


async def test_what_was_done_is_undone_also_when_the_last_try_sent_nothing() -> None:
    text = """
- id: send
  module: shop.charge_many
  with: {items: "${{ trigger.items }}"}
  on_error: hold
  undo:
    - id: back
      module: shop.put_many
      with: {items: "${{ send.items[?state == 'done'].{email: key} }}"}
- id: late
  module: shop.charge
  on_error: rollback
"""
    vendor, undone = Vendor(), Vendor()

    async def charge(_config: Any) -> Any:
        raise BAD

    doubles = {"shop.charge_many": vendor, "shop.put_many": undone, "shop.charge": charge}
    async with shop(text, doubles) as harness:
        [run_id] = (await harness.send(with_a_wrong_one("ana"))).runs
        await harness.result(run_id, advance=2000)
        await resumed(harness, run_id, Choice.AGAIN, advance=2000)
        await resumed(harness, run_id, Choice.SKIP, advance=2000)
        assert undone.sent == [["ana"]]


async def test_a_call_that_fails_as_a_whole_has_its_own_error_whatever_was_refused_before() -> None:
    vendor = Vendor(ana=[BAD], ben=[BUSY])
    needed = AuthorizationNeeded("points is not authorized", detail={"connection": "points"}, hint="authorize it")
    vendor.calls = [None, needed]
    result = await run(vendor, steps())
    assert [hold["code"] for hold in result.holds] == ["authorization"], result.error
    error = result.holds[0]["error"]
    assert (error["detail"], error["hint"]) == ({"connection": "points"}, "authorize it")
    assert error["message"] == "points is not authorized; 2 of 4 items are done"


@pytest.mark.parametrize(
    ("now", "state", "sent"),
    [
        # two items of one key have changed their places: which of them is done cannot be told by the key
        ("[trigger.items[1], trigger.items[0], trigger.items[2]]", "held", [["ben", "ben", "cleo"]]),
        # those with a key of their own may be corrected
        (
            "[trigger.items[0], trigger.items[1], merge(trigger.items[2], {n: 9})]",
            "succeeded",
            [["ben", "ben", "cleo"], ["ben"]],
        ),
    ],
)
async def test_under_another_version_items_are_known_by_their_keys_or_else_by_what_was_sent(
    now: str, state: str, sent: list[list[str]]
) -> None:
    vendor = SecondOf("ben")
    text = steps("charge_many", more="  on_error: hold")
    async with shop(text, {"shop.charge_many": vendor}) as harness:
        body = {"items": [{"email": f"{name}@example.com", "n": n} for n, name in enumerate(["ben", "ben", "cleo"])]}
        [run_id] = (await harness.send(body)).runs
        assert (await harness.result(run_id, advance=2000)).state == "held"
        result = await go_on(harness, text.replace("trigger.items", now), run_id)
        assert (result.state, vendor.sent) == (state, sent), result.error
        if state == "held":
            assert [hold["code"] for hold in result.holds] == ["diverged"]


# ---------------------------------------------------------------------- odd answers, odd lists


async def test_an_output_that_is_no_json_is_left_out_and_what_was_done_is_done() -> None:
    class Odd(Vendor):
        def _one(self, name: str) -> Any:
            known = super()._one(name)
            return Done(object()) if name == "ben" else known

    result = await run(Odd(), steps("charge_many"), module="charge_many")
    assert result.state == "succeeded", result.holds
    assert told(result.output) == {**dict.fromkeys(PEOPLE, "done"), "done": 4}
    assert [item.get("output") for item in result.output["items"]][:2] == [{"id": "ana"}, None]
    assert any("no JSON" in str(row.notes) for row in result.effects)


async def test_a_list_that_is_too_long_is_told_so_before_each_of_its_items_is_looked_at() -> None:
    vendor = Vendor()
    async with shop(steps(), {"shop.put_many": vendor}) as harness:
        [run_id] = (await harness.send({"items": [{"name": n} for n in range(6)]})).runs
        result = await harness.result(run_id)
        assert result.error["message"] == "'items' has 6 items, and one call takes 5; nothing was sent"
        assert "chunk" in result.error["hint"]
