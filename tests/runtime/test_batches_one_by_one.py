"""A person's word on single items of a batch, and on a batch under another version of its scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from engine import Done, Refused
from engine.runtime import batches, bulk
from engine.runtime.bulk import Wanted
from engine.runtime.commands import Choice, CommandRefused, Word, held_run, resume
from engine.runtime.current import DoesNotFit, current_version
from engine.runtime.items import counted
from engine.runtime.settings import Limits
from engine.sdk import jsontext
from engine.store.records import EffectRecord, EffectState
from engine.testing import Harness, RunResult
from tests.runtime.core import resumed, shop
from tests.runtime.test_batches import BAD, BUSY, LOST, PEOPLE, Vendor, event, steps, told
from tests.runtime.test_current_version import corrected, go_on


async def held(harness: Harness) -> int:
    """A run that is held."""
    [run_id] = (await harness.send(event())).runs
    result = await harness.result(run_id, advance=2000)
    assert result.state == "held", result.error
    return run_id


async def word(harness: Harness, run_id: int, choice: Choice, *names: str, output: Any = None) -> RunResult:
    return await resumed(harness, run_id, choice, items=names, output=output, advance=2000, by="ana")


async def test_items_are_settled_one_by_one_and_the_run_waits_for_the_rest() -> None:
    vendor = Vendor(ben=[LOST], cleo=[LOST], dan=[LOST])
    async with shop(steps("charge_many"), {"shop.charge_many": vendor}) as harness:
        run_id = await held(harness)
        result = await word(harness, run_id, Choice.HAPPENED, "ben@example.com", output={"id": "by hand"})
        assert result.state == "held"
        assert result.holds[0]["message"] == (
            "whether 2 of 4 items were applied is not known: items[2] cleo@example.com (500), "
            "items[3] dan@example.com (500)"
        )
        assert result.effects[-1].state is EffectState.UNKNOWN
        # by its number; only that one is sent
        result = await word(harness, run_id, Choice.AGAIN, "3")
        assert (result.state, vendor.sent) == ("held", [PEOPLE, ["dan"]])
        result = await word(harness, run_id, Choice.HAPPENED)
        assert (result.state, vendor.sent) == ("succeeded", [PEOPLE, ["dan"]])
        assert told(result.output) == {**dict.fromkeys(PEOPLE, "done"), "done": 4}
        assert result.output["items"][1]["output"] == {"id": "by hand"}


@pytest.mark.parametrize(
    ("choice", "name", "said"),
    [
        (Choice.HAPPENED, "zoe@example.com", "'zoe@example.com' is none of the items whose outcome is not known"),
        (Choice.AGAIN, "ana@example.com", "those are: ben@example.com"),
        (Choice.AGAIN, "0", "those are: ben@example.com"),
        (Choice.SKIP, "ben@example.com", "that they happened, or that they be sent again"),
    ],
)
async def test_a_word_on_an_item_that_is_settled_is_refused(choice: Choice, name: str, said: str) -> None:
    vendor = Vendor(ben=[LOST])
    async with shop(steps("charge_many"), {"shop.charge_many": vendor}) as harness:
        run_id = await held(harness)
        with pytest.raises(CommandRefused, match=said):
            await resume(harness.store, run_id, choice, harness.clock.time(), items=[name])
        assert vendor.sent == [PEOPLE]


async def test_a_run_that_is_held_for_refused_items_takes_no_word_on_one() -> None:
    vendor = Vendor(ben=[BAD])
    async with shop(steps(more="  on_error: hold"), {"shop.put_many": vendor}) as harness:
        run_id = await held(harness)
        with pytest.raises(CommandRefused, match="held for no item whose outcome is not known"):
            await resume(harness.store, run_id, Choice.HAPPENED, harness.clock.time(), items=["ben@example.com"])


def test_what_an_earlier_attempt_left_unknown_stays_so_when_the_next_one_is_not_sent() -> None:
    items = [
        {"index": 0, "key": "ana", "state": "done", "attempt": 1},
        # the process died before an answer came, and nobody has said anything of it
        {"index": 1, "key": "ben", "state": "unknown", "attempt": 1},
        {"index": 2, "key": "cleo", "state": "unknown", "attempt": 2},
    ]
    opened = jsontext.dumps(counted(items))
    intent = EffectRecord(
        1, "send#2", 3, "key", "test", "shop.charge_many", "write", b"{}", "", EffectState.INTENDED, 0.0, output=opened
    )
    left = jsontext.loads(batches.unsent(intent))["items"]
    assert [item["state"] for item in left] == ["done", "unknown", "refused"]


async def test_what_a_vendor_says_too_much_of_is_left_out_and_told() -> None:
    async def wordy(config: Mapping[str, Any]) -> list[Done | Refused]:
        said = {"text": "x" * 40_000}
        return [Refused(BAD) if item["email"].startswith("cleo") else Done(said) for item in config["items"]]

    limits = Limits(output=100_000)
    async with shop(steps("charge_many", ", on_refused: continue"), {"shop.charge_many": wordy}, limits=limits) as made:
        [run_id] = (await made.send(event())).runs
        result = await made.result(run_id, advance=2000)
    assert result.state == "succeeded", result.error
    assert told(result.output) == {**dict.fromkeys(PEOPLE, "done"), "cleo": "refused", "done": 3, "refused": 1}
    assert not any("output" in item for item in result.output["items"])
    assert result.output["items"][2]["error"]["message"] == "no such plan"
    notes = b"".join(effect.notes or b"" for effect in result.effects).decode()
    assert "what the vendor said of the items is larger than 100,000 bytes, and is left out" in notes


# ---------------------------------------------------------------------- under another version

OLD = steps("charge_many", "  on_error: hold")
#: the same items, each with a plan
NEW = OLD.replace('"${{ trigger.items }}"', "\"${{ trigger.items[*].{email: email, plan: 'gold'} }}\"")
#: those whose address was wrong have another one
MENDED = OLD.replace(
    '"${{ trigger.items }}"', "\"${{ trigger.items[*].{email: replace(email, 'cleo@', 'cleopatra@')} }}\""
)


class Asked(Vendor):
    """Keeps what it was asked."""

    def __init__(self, **answers: Sequence[Any]) -> None:
        super().__init__(**answers)
        self.configs: list[list[Any]] = []

    async def __call__(self, config: Mapping[str, Any]) -> Any:
        self.configs.append(list(config["items"]))
        return await super().__call__(config)


async def test_refused_items_go_on_under_a_file_that_was_mended() -> None:
    vendor = Asked(cleo=[BAD])
    async with shop(OLD, {"shop.charge_many": vendor}) as harness:
        run_id = await held(harness)
        result = await go_on(harness, NEW, run_id)
        assert result.state == "succeeded", result.holds
        assert vendor.configs[1:] == [[{"email": "cleo@example.com", "plan": "gold"}]]


async def test_a_refused_item_may_be_known_by_another_key_then() -> None:
    vendor = Asked(cleo=[BAD])
    async with shop(OLD, {"shop.charge_many": vendor}) as harness:
        run_id = await held(harness)
        result = await go_on(harness, MENDED, run_id)
        assert result.state == "succeeded", result.holds
        assert vendor.configs[1:] == [[{"email": "cleopatra@example.com"}]]
        assert result.output["items"][2]["key"] == "cleopatra@example.com"


async def test_what_may_have_been_applied_is_sent_as_it_was_sent_then() -> None:
    vendor = Asked(ben=[*[LOST] * 3, BUSY], dan=[LOST] * 3)
    old, new = (text.replace("charge_many", "put_many") for text in (OLD, NEW))
    async with shop(old, {"shop.put_many": vendor}) as harness:
        run_id = await held(harness)
        catalog = await corrected(harness, new)
        run = await held_run(harness.store, run_id)
        version = await current_version(harness.store, catalog, harness.clock, run, Choice.AGAIN)
        # a person says of ben alone that it did not happen, so that he is asked for otherwise
        result = await resumed(harness, run_id, Choice.AGAIN, advance=2000, items=["1"], version=version)
        assert result.state == "held"
        await bulk.say(harness.store, "resume", Wanted(states=("held",)), Word(Choice.AGAIN), harness.clock.time())
        harness.runner.wake()
        result = await harness.result(run_id, advance=2000)
        ben, dan = {"email": "ben@example.com", "plan": "gold"}, {"email": "dan@example.com"}
        assert vendor.configs[-2:] == [[ben], [ben, dan]]
        assert result.state == "succeeded", result.holds


async def test_a_file_with_other_items_does_not_fit() -> None:
    vendor = Asked(ben=[LOST], cleo=[BAD])
    async with shop(OLD, {"shop.charge_many": vendor}) as harness:
        run_id = await held(harness)
        for text in (MENDED.replace("cleo", "ben"), OLD.replace("trigger.items }", "trigger.items[:3] }")):
            with pytest.raises(DoesNotFit, match="'items' has other items now"):
                await go_on(harness, text, run_id)
        assert len(vendor.configs) == 1
