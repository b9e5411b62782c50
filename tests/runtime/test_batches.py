"""Batches: each item has an outcome of its own, and only what is not done is sent again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from engine import DataError, Done, ModuleError, RateLimitError, Refused, Unknown, VendorError
from engine.runtime.commands import Choice, retry
from engine.scenario.config import config_validator
from engine.scenario.plan import ModuleStep
from engine.sdk import jsontext
from engine.store.records import EffectState, RunFilter
from engine.testing import CrashAt, Harness, RunResult
from tests.runtime.core import resumed, shop

PEOPLE = ["ana", "ben", "cleo", "dan"]
BAD = DataError("no such plan", refused=True)
BUSY = RateLimitError("busy")
LOST = VendorError("500", status=500)


def event(people: Sequence[str] = PEOPLE) -> dict[str, Any]:
    return {"items": [{"email": f"{name}@example.com"} for name in people]}


class Vendor:
    """Takes items, and does with each what the test says of it, in turn; then it takes it.

    :ivar taken: how often it has applied each item.
    :ivar sent: who was in each request.
    :ivar calls: what it does with whole requests, in turn.
    """

    def __init__(self, **answers: Sequence[ModuleError]) -> None:
        self.answers = {name: list(errors) for name, errors in answers.items()}
        self.taken: Counter[str] = Counter()
        self.sent: list[list[str]] = []
        self.calls: list[Any] = []

    async def __call__(self, config: Mapping[str, Any]) -> Any:
        names = [item["email"].partition("@")[0] for item in config["items"]]
        self.sent.append(names)
        if self.calls:
            trouble = self.calls.pop(0)
            if trouble == "hang":
                self.taken.update(names)
                await asyncio.Event().wait()
            elif trouble is not None:
                raise trouble
        return [self._one(name) for name in names]

    def _one(self, name: str) -> Done | Refused | Unknown:
        error = self.answers[name].pop(0) if self.answers.get(name) else None
        if error is None:
            self.taken[name] += 1
            return Done({"id": name})
        return Refused(error) if error.refused else Unknown(error)


def steps(module: str = "put_many", more: str = "") -> str:
    return f"""
- id: send
  module: shop.{module}
  with: {{items: "${{{{ trigger.items }}}}"{more if more.startswith(",") else ""}}}
{"" if more.startswith(",") else more}
- stop: success
  output: ${{{{ send }}}}
"""


def told(output: Any) -> dict[str, Any]:
    """State by name, and the counts."""
    return {item["key"].partition("@")[0]: item["state"] for item in output["items"]} | {
        name: output[name] for name in ("done", "refused", "unknown") if output[name]
    }


async def run(vendor: Vendor, text: str, *, advance: float = 2000, module: str = "put_many") -> RunResult:
    async with shop(text, {f"shop.{module}": vendor}) as harness:
        [run_id] = (await harness.send(event())).runs
        return await harness.result(run_id, advance=advance)


async def test_the_output_tells_of_each_item() -> None:
    vendor = Vendor()
    result = await run(vendor, steps())
    assert result.state == "succeeded", result.error
    assert result.output == {
        "items": [
            {"index": n, "key": f"{name}@example.com", "state": "done", "attempt": 1, "output": {"id": name}}
            for n, name in enumerate(PEOPLE)
        ],
        "done": 4,
        "refused": 0,
        "unknown": 0,
    }
    [effect] = result.effects
    assert effect.state is EffectState.DONE


@pytest.mark.parametrize("module", ["put_many", "charge_many"])
async def test_only_what_was_refused_for_a_passing_reason_is_sent_again(module: str) -> None:
    vendor = Vendor(ben=[BUSY, BUSY], cleo=[BAD], dan=[BUSY])
    result = await run(vendor, steps(module), module=module)
    assert vendor.sent == [PEOPLE, ["ben", "dan"], ["ben"]]
    assert vendor.taken == {"ana": 1, "ben": 1, "dan": 1}
    assert result.state == "failed"
    assert result.error["type"] == "DataError"
    assert result.error["code"] == "data-error"
    assert result.error["message"] == "1 of 4 items were refused: items[2] cleo@example.com (no such plan)"
    assert result.error["detail"] == {
        "done": 3,
        "refused": 1,
        "unknown": 0,
        "items": [{"index": 2, "key": "cleo@example.com", "state": "refused", "message": "no such plan"}],
    }
    assert [effect.state for effect in result.effects] == [EffectState.REFUSED] * 3
    # each request is as it was sent, and each row knows of all items
    assert [len(jsontext.loads(effect.request)["items"]) for effect in result.effects] == [4, 2, 1]
    assert told(jsontext.loads(result.effects[-1].output or b"")) == {
        **dict.fromkeys(PEOPLE, "done"),
        "cleo": "refused",
        "done": 3,
        "refused": 1,
    }


async def test_what_is_retried_is_what_the_author_says() -> None:
    vendor = Vendor(ben=[BUSY], cleo=[BAD])
    result = await run(vendor, steps(more="  retry: {attempts: 2, on: [DataError]}"))
    assert vendor.sent == [PEOPLE, ["cleo"]]
    assert result.error["type"] == "RateLimitError"


async def test_an_unknown_item_is_sent_again_only_where_twice_is_once() -> None:
    vendor = Vendor(ben=[LOST])
    result = await run(vendor, steps("put_many"))
    assert (vendor.sent, result.state) == ([PEOPLE, ["ben"]], "succeeded")
    vendor = Vendor(ben=[LOST], dan=[BUSY])
    result = await run(vendor, steps("charge_many"), module="charge_many")
    # what was refused is tried, and then a person is asked of the other
    assert vendor.sent == [PEOPLE, ["dan"]]
    assert (result.state, result.holds[0]["code"]) == ("held", "unknown")
    assert result.holds[0]["message"] == (
        "whether 1 of 4 items were applied is not known: items[1] ben@example.com (500)"
    )
    assert result.effects[-1].state is EffectState.UNKNOWN


async def test_a_call_that_fails_as_a_whole_is_said_of_what_it_sent() -> None:
    vendor = Vendor(ben=[BUSY])
    vendor.calls = [None, DataError("the account is closed", refused=True, status=400)]
    result = await run(vendor, steps(more=", on_refused: continue"))
    assert vendor.sent == [PEOPLE, ["ben"]]
    assert result.state == "failed"
    assert result.error["message"] == "the account is closed; 3 of 4 items are done"
    assert (result.error["type"], result.error["status"]) == ("DataError", 400)


async def test_a_step_may_go_on_with_items_refused() -> None:
    vendor = Vendor(cleo=[BAD], ben=[BUSY])
    result = await run(vendor, steps(more=", on_refused: continue"))
    assert vendor.sent == [PEOPLE, ["ben"]]
    assert result.state == "succeeded"
    assert told(result.output)["cleo"] == "refused"
    [error] = [item["error"] for item in result.output["items"] if "error" in item]
    assert error == {"type": "DataError", "code": "data-error", "message": "no such plan"}


async def test_a_step_does_not_go_on_with_items_unknown() -> None:
    vendor = Vendor(cleo=[BAD], ben=[LOST] * 9)
    result = await run(vendor, steps(more=", on_refused: continue"))
    assert result.state == "failed"
    assert result.error["detail"]["unknown"] == 1


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("on_error: ignore", {"status": "failed", "refused": 1}),
        ('on_error: {resume: "${{ steps.send.output.refused }}"}', {"status": "handled", "refused": 1}),
        ('on_error: [{set: {seen: "${{ steps.send.output.items[2].key }}"}}]', {"status": "handled"}),
    ],
)
async def test_whoever_handles_the_failure_sees_the_items(how: str, expected: dict[str, Any]) -> None:
    text = f"""
- set: {{seen: nobody}}
- id: send
  module: shop.put_many
  with: {{items: "${{{{ trigger.items }}}}"}}
  {how}
- stop: success
  output: {{status: "${{{{ steps.send.status }}}}", send: "${{{{ send }}}}", seen: "${{{{ vars.seen }}}}"}}
"""
    result = await run(Vendor(cleo=[BAD]), text)
    assert result.state == "succeeded", result.error
    assert result.output["status"] == expected["status"]
    if "ignore" in how:
        assert result.output["send"]["refused"] == 1
    elif "resume" in how:
        assert result.output["send"] == 1
    else:
        assert result.output["seen"] == "cleo@example.com"


CHOICES: list[tuple[Choice, list[list[str]], str, dict[str, Any]]] = [
    (Choice.HAPPENED, [PEOPLE], "succeeded", {"ben": "done", "done": 4}),
    (Choice.AGAIN, [PEOPLE, ["ben"]], "succeeded", {"ben": "done", "done": 4}),
    (Choice.SKIP, [PEOPLE], "succeeded", {"ben": "unknown", "done": 3, "unknown": 1}),
]


@pytest.mark.parametrize(("choice", "sent", "state", "seen"), CHOICES)
async def test_a_persons_word_is_about_what_is_not_known(
    choice: Choice, sent: list[list[str]], state: str, seen: dict[str, Any]
) -> None:
    vendor = Vendor(ben=[LOST])
    async with shop(steps("charge_many"), {"shop.charge_many": vendor}) as harness:
        [run_id] = (await harness.send(event())).runs
        assert (await harness.result(run_id, advance=2000)).state == "held"
        output = {"id": "by hand"} if choice is Choice.HAPPENED else None
        result = await resumed(harness, run_id, choice, output=output, advance=2000, by="ana")
        assert (vendor.sent, result.state) == (sent, state)
        assert told(result.output) == dict.fromkeys(PEOPLE, "done") | seen
        if choice is Choice.HAPPENED:
            assert result.output["items"][1]["output"] == {"id": "by hand"}
        unknown = EffectState.UNKNOWN if choice is Choice.SKIP else None
        assert [e.state for e in result.effects if e.state is EffectState.UNKNOWN] == ([unknown] if unknown else [])


async def test_a_word_on_what_is_not_known_does_not_settle_what_was_refused() -> None:
    vendor = Vendor(ben=[LOST], cleo=[BAD])
    async with shop(steps("charge_many"), {"shop.charge_many": vendor}) as harness:
        [run_id] = (await harness.send(event())).runs
        await harness.result(run_id, advance=2000)
        result = await resumed(harness, run_id, Choice.HAPPENED, advance=2000)
        assert result.state == "failed"
        assert result.error["message"] == "1 of 4 items were refused: items[2] cleo@example.com (no such plan)"
        # and when the vendor has mended it, only that one is sent
        await retry(harness.store, run_id, harness.clock.time())
        harness.runner.wake()
        result = await harness.result(run_id, advance=2000)
        assert (vendor.sent, result.state) == ([PEOPLE, ["cleo"]], "succeeded")


@pytest.mark.parametrize(
    ("choice", "sent", "cleo"),
    [
        (Choice.AGAIN, [PEOPLE, ["cleo"]], "done"),
        (Choice.HAPPENED, [PEOPLE], "done"),
        (Choice.SKIP, [PEOPLE], "refused"),
    ],
)
async def test_a_run_that_is_held_with_refused_items_names_them(
    choice: Choice, sent: list[list[str]], cleo: str
) -> None:
    vendor = Vendor(cleo=[BAD])
    async with shop(steps(more="  on_error: hold"), {"shop.put_many": vendor}) as harness:
        [run_id] = (await harness.send(event())).runs
        held = await harness.result(run_id, advance=2000)
        assert "cleo@example.com (no such plan)" in held.holds[0]["message"]
        result = await resumed(harness, run_id, choice, advance=2000)
        assert (vendor.sent, result.state) == (sent, "succeeded")
        assert told(result.output)["cleo"] == cleo


async def test_what_a_shutdown_cut_off_is_sent_again_and_the_rest_is_not() -> None:
    vendor = Vendor(ben=[BUSY])
    vendor.calls = [None, "hang"]
    async with shop(steps(), {"shop.put_many": vendor}) as harness:
        [run_id] = (await harness.send(event())).runs
        await harness.clock.advance(600)
        await harness.restart()
        result = await harness.result(run_id, advance=2000)
        assert vendor.sent == [PEOPLE, ["ben"], ["ben"]]
        assert result.state == "succeeded"


async def test_what_a_shutdown_cut_off_and_may_not_be_repeated_holds_the_run() -> None:
    vendor = Vendor(ben=[BUSY])
    vendor.calls = [None, "hang"]
    async with shop(steps("charge_many"), {"shop.charge_many": vendor}) as harness:
        [run_id] = (await harness.send(event())).runs
        await harness.clock.advance(600)
        await harness.restart()
        result = await harness.result(run_id, advance=2000)
        assert (result.state, result.holds[0]["code"]) == ("held", "unknown")
        assert "1 of 4 items" in result.holds[0]["message"]
        result = await resumed(harness, run_id, Choice.HAPPENED, advance=2000)
        assert (result.state, vendor.taken) == ("succeeded", Counter(PEOPLE))


POINTS = ["effect.intended", "effect.sent", "effect.settled", "store.begin", "store.commit", "store.committed"]


@pytest.mark.parametrize("nth", range(1, 6))
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("module", ["put_many", "charge_many"])
async def test_a_crash_anywhere_loses_no_item_and_repeats_none_blindly(module: str, point: str, nth: int) -> None:
    vendor = Vendor(ben=[BUSY], cleo=[BAD] * 9, dan=[BUSY, BUSY])
    harness = shop(steps(module, ", on_refused: continue"), {f"shop.{module}": vendor})
    result = await _through(harness, CrashAt(point, nth))
    if result is None:
        # the process died before it took the event
        assert vendor.sent == []
        return
    # what is known to be done is never sent again, and what may not be repeated reaches the vendor once
    if module == "charge_many":
        assert max(vendor.taken.values(), default=1) == 1
    else:
        assert vendor.taken["ana"] <= 2
    for effect in result.effects[:-1]:
        done = {i["key"] for i in _items(effect.output) if i["state"] == "done"}
        assert not done & {i["email"] for i in jsontext.loads(result.effects[-1].request)["items"]}
    if result.state == "held":
        assert module == "charge_many"
        unknown = [i["key"] for i in _items(result.effects[-1].output) if i["state"] == "unknown"]
        assert unknown == [i["email"] for i in jsontext.loads(result.effects[-1].request)["items"]]
        return
    assert result.state == "succeeded", result.error
    states = told(result.output)
    assert {name for name in PEOPLE if states[name] == "done"} == set(vendor.taken) == {"ana", "ben", "dan"}


async def _through(harness: Harness, faults: CrashAt) -> RunResult | None:
    """The run of an event that a process died of, at rest again; None: it died before it took the event."""
    harness.faults = faults

    async def live() -> None:
        await harness.start()
        [run_id] = (await harness.send(event())).runs
        await harness.result(run_id, advance=2000)

    life, death = asyncio.ensure_future(live()), asyncio.ensure_future(faults.death())
    await asyncio.wait({life, death}, return_when=asyncio.FIRST_COMPLETED)
    life.cancel()
    death.cancel()
    await asyncio.gather(life, death, return_exceptions=True)
    try:
        await harness.restart()
        runs = await harness.store.runs(RunFilter())
        return await harness.result(runs[0].id, advance=2000) if runs else None
    finally:
        await harness.stop()


def _items(output: bytes | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = jsontext.loads(output or b"")["items"]
    return found


async def test_done_items_are_undone_when_the_run_goes_back() -> None:
    text = """
- id: send
  module: shop.charge_many
  with: {items: "${{ trigger.items }}"}
  on_error: rollback
  undo:
    - id: back
      module: shop.put_many
      with: {items: "${{ send.items[?state == 'done'].{email: key} }}"}
"""
    vendor, undone = Vendor(ben=[BAD]), Vendor()
    async with shop(text, {"shop.charge_many": vendor, "shop.put_many": undone}) as harness:
        [run_id] = (await harness.send(event())).runs
        result = await harness.result(run_id, advance=2000)
        assert result.state == "failed"
        assert undone.sent == [["ana", "cleo", "dan"]]


async def test_nothing_is_undone_of_a_batch_of_which_nothing_is_done() -> None:
    text = """
- id: send
  module: shop.charge_many
  with: {items: "${{ trigger.items }}"}
  on_error: rollback
  undo:
    - id: back
      module: shop.put_many
      with: {items: []}
"""
    vendor, undone = Vendor(**{name: [BAD] for name in PEOPLE}), Vendor()
    async with shop(text, {"shop.charge_many": vendor, "shop.put_many": undone}) as harness:
        [run_id] = (await harness.send(event())).runs
        assert (await harness.result(run_id, advance=2000)).state == "failed"
        assert undone.sent == []


async def test_a_replay_sends_only_what_is_not_done() -> None:
    vendor = Vendor(ben=[BAD], cleo=[BAD])
    async with shop(steps("charge_many"), {"shop.charge_many": vendor}) as harness:
        [run_id] = (await harness.send(event())).runs
        assert (await harness.result(run_id, advance=2000)).state == "failed"
        result = await harness.replay(run_id)
        assert (vendor.sent, result.state) == ([PEOPLE, ["ben", "cleo"]], "succeeded"), result.error
        assert vendor.taken == Counter(PEOPLE)


async def test_a_replay_does_not_repeat_what_is_not_known() -> None:
    vendor = Vendor(ben=[LOST])
    async with shop(steps("charge_many"), {"shop.charge_many": vendor}) as harness:
        [run_id] = (await harness.send(event())).runs
        assert (await harness.result(run_id, advance=2000)).state == "held"
        result = await harness.replay(run_id)
        assert (vendor.sent, result.state) == ([PEOPLE], "held")
        assert "ben@example.com" in result.holds[0]["message"]


@pytest.mark.parametrize(
    ("people", "message"),
    [
        (["x"] * 6, "'items' has 6 items, and one call takes 5; nothing was sent"),
        (["x" * 500], "'items' has 526 bytes, and one call takes 500; nothing was sent"),
    ],
)
async def test_a_list_that_is_too_long_or_too_large_is_refused_before_it_is_sent(
    people: list[str], message: str
) -> None:
    vendor = Vendor()
    async with shop(steps(), {"shop.put_many": vendor}) as harness:
        [run_id] = (await harness.send(event(people))).runs
        result = await harness.result(run_id)
        assert (result.error["message"], result.error["refused"]) == (message, True)
        assert "chunk" in result.error["hint"]
        assert vendor.sent == []


async def test_an_item_that_is_wrong_is_refused_alone_and_not_sent() -> None:
    vendor = Vendor(dan=[BUSY])
    text = steps(more=", on_refused: continue")
    async with shop(text, {"shop.put_many": vendor}) as harness:
        body = event(["ana", "dan"])
        body["items"].insert(1, {"name": "ben"})
        [run_id] = (await harness.send(body)).runs
        result = await harness.result(run_id, advance=2000)
        assert result.state == "succeeded", result.error
        assert vendor.sent == [["ana", "dan"], ["dan"]]
        assert [item["state"] for item in result.output["items"]] == ["done", "refused", "done"]
        wrong = result.output["items"][1]
        assert wrong["key"] is None
        assert wrong["error"]["message"].startswith("items[1]")
        assert "attempt" not in wrong


async def test_an_item_that_is_wrong_is_not_tried_again_and_a_person_is_told_why() -> None:
    vendor = Vendor()
    async with shop(
        steps(more="  retry: {attempts: 3, on: [DataError]}\n  on_error: hold"), {"shop.put_many": vendor}
    ) as harness:
        body = event(["ana"])
        body["items"].append({"name": "ben"})
        [run_id] = (await harness.send(body)).runs
        result = await harness.result(run_id, advance=2000)
        assert (result.state, vendor.sent) == ("held", [["ana"]])
        result = await resumed(harness, run_id, Choice.AGAIN, advance=2000)
        assert (result.state, vendor.sent) == ("held", [["ana"]])
        assert result.holds[0]["message"].startswith("items[1]")


async def test_a_list_of_which_everything_is_wrong_fails_as_any_config_does() -> None:
    vendor = Vendor()
    async with shop(steps(), {"shop.put_many": vendor}) as harness:
        [run_id] = (await harness.send({"items": [{"name": "ben"}]})).runs
        result = await harness.result(run_id, advance=2000)
        assert (result.state, vendor.sent) == ("failed", [])


async def test_who_goes_on_with_one_of_two_items_wrong_goes_on_with_one_of_one() -> None:
    vendor = Vendor()
    async with shop(steps(more=", on_refused: continue"), {"shop.put_many": vendor}) as harness:
        [run_id] = (await harness.send({"items": [{"name": "ben"}, {"name": "cleo"}]})).runs
        result = await harness.result(run_id, advance=2000)
        assert (result.state, vendor.sent) == ("succeeded", [])
        assert [item["error"]["message"][:8] for item in result.output["items"]] == ["items[0]", "items[1]"]
        assert (result.output["refused"], result.output["done"]) == (2, 0)
        # there is nothing that anybody could have taken, and so no row of a write
        assert result.effects == []
        again = await harness.replay(run_id)
        assert (again.state, again.output) == ("succeeded", result.output)


async def test_what_is_wrong_beside_the_items_fails_the_step() -> None:
    vendor = Vendor()
    text = steps(more=", on_refused: continue, note: '${{ trigger.note }}'")
    async with shop(text, {"shop.put_many": vendor}) as harness:
        [run_id] = (await harness.send({"items": [{"email": "ben@example.com"}], "note": 7})).runs
        result = await harness.result(run_id, advance=2000)
        assert (result.state, vendor.sent) == ("failed", [])


async def test_what_is_wrong_beside_the_items_fails_the_step_though_all_of_them_are_wrong_too() -> None:
    vendor = Vendor()
    text = steps(more=", on_refused: continue, note: '${{ trigger.note }}'")
    async with shop(text, {"shop.put_many": vendor}) as harness:
        [run_id] = (await harness.send({"items": [{"name": "ben"}, {"name": "cleo"}], "note": 7})).runs
        result = await harness.result(run_id, advance=2000)
        assert (result.state, vendor.sent) == ("failed", [])


def refuse_all(harness: Harness) -> None:
    """The app is updated: its schema has something against each of the items."""
    step = harness.plans[0].steps[0]
    assert isinstance(step, ModuleStep)
    known = step.module.config["properties"]
    items = {"type": "array", "items": {"type": "object", "required": ["phone"]}}
    module = replace(step.module, config={**step.module.config, "properties": {**known, "items": items}})
    object.__setattr__(step, "module", module)
    object.__setattr__(step, "validate", config_validator(module))


async def test_items_that_were_sent_are_not_called_refused_when_the_schema_has_come_to_refuse_them_all() -> None:
    vendor = Vendor(ben=[BUSY])

    async def updated(config: Mapping[str, Any]) -> Any:
        refuse_all(harness)
        return await vendor(config)

    text = steps(more=", on_refused: continue").replace("  with", "  retry: {attempts: 2}\n  with")
    async with shop(text, {"shop.put_many": updated}) as harness:
        [run_id] = (await harness.send(event(["ana", "ben"]))).runs
        result = await harness.result(run_id, advance=2000)
        assert (result.state, vendor.sent) == ("failed", [["ana", "ben"]])


async def test_a_replay_does_not_call_refused_what_another_run_has_done() -> None:
    vendor = Vendor()
    async with shop(steps("charge_many", ", on_refused: continue"), {"shop.charge_many": vendor}) as harness:
        [run_id] = (await harness.send(event(["ana"]))).runs
        assert (await harness.result(run_id, advance=2000)).state == "succeeded"
        refuse_all(harness)
        result = await harness.replay(run_id)
        assert (result.state, told(result.output)) == ("succeeded", {"ana": "done", "done": 1})
