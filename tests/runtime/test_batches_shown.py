"""What people are shown of a batch: how many items are done, and which are not."""

from __future__ import annotations

import click
import pytest

from engine.cli import history, holds
from engine.runtime.commands import Choice
from engine.runtime.items import in_words, is_outcome
from engine.sdk import jsontext
from engine.store.records import EffectState
from tests.runtime.core import shop
from tests.runtime.test_batches import BAD, LOST, Vendor, event, steps


async def test_a_write_tells_of_its_items_and_a_hold_of_what_can_be_said_of_them() -> None:
    vendor = Vendor(ben=[LOST], cleo=[BAD])
    async with shop(steps("charge_many"), {"shop.charge_many": vendor}) as harness:
        [run_id] = (await harness.send(event())).runs
        result = await harness.result(run_id, advance=2000)
        [effect] = result.effects
        output = jsontext.loads(effect.output or b"")
        assert in_words(output) == "2 done, 1 refused, 1 unknown"
        lines = [click.unstyle(line) for line in history._items(output, 80)]
        assert lines == [
            "      items    2 done, 1 refused, 1 unknown",
            "        unknown  [1] ben@example.com: 500",
            "        refused  [2] cleo@example.com: no such plan",
        ]
        [hold] = result.holds
        assert effect.state is EffectState.UNKNOWN
        assert is_outcome(hold["error"]["detail"])
        assert holds._OF_ITEMS[Choice.SKIP][1] == "leave them as they are, and go on"


@pytest.mark.parametrize("output", [None, [], {"items": []}, {"items": 3, "done": 1, "refused": 0, "unknown": 0}])
def test_what_is_no_batch_is_shown_as_it_is(output: object) -> None:
    assert not is_outcome(output)
