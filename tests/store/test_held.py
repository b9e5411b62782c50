"""What the store does for held runs: in the file, and in memory alike."""

from __future__ import annotations

import pytest

from engine.sdk.errors import LostOwnership
from engine.store.changes import AddRecord, AddRun, MoveRun, OnlyRun, SetVersion, StillHeld
from tests.store.conftest import AnyStore
from tests.store.rows import NOW, record, run


async def test_a_word_on_another_hold_than_the_one_that_was_looked_at_is_refused_whole(store: AnyStore) -> None:
    await store.put(AddRun(run(1, state="held", hold=b"[1]")))
    with pytest.raises(LostOwnership, match="not held as it was"):
        await store.put(StillHeld(1, b"[2]"), AddRecord(record(1, "a#1!")), MoveRun(1, ("held",), "queued", NOW))
    assert (await store.records(1), (await store.run(1) or run(2)).state) == ([], "held")
    await store.put(StillHeld(1, b"[1]"), SetVersion(1, "v2"), MoveRun(1, ("held",), "queued", NOW))
    moved = await store.run(1)
    assert moved is not None
    assert (moved.state, moved.version, moved.hold) == ("queued", "v2", None)
    with pytest.raises(LostOwnership):
        await store.put(StillHeld(2, b"[1]"))


async def test_held_runs_that_are_due_come_in_their_order(store: AnyStore) -> None:
    for number, (state, due, more) in enumerate(
        [
            ("held", 30.0, {}),
            ("held", 10.0, {}),
            ("held", None, {}),
            ("held", 20.0, {"scenario": "full"}),
            ("held", 20.0, {"simulated": True}),
            ("sleeping", 5.0, {}),
            ("held", 99.0, {}),
        ]
    ):
        await store.put(AddRun(run(number, state=state, due_at=due, **more)))
    assert [r.id for r in await store.due_held(False, 50.0, [], 9)] == [1, 3, 0]
    assert [r.id for r in await store.due_held(False, 50.0, ["full"], 9)] == [1, 0]
    assert [r.id for r in await store.due_held(False, 50.0, ["ful"], 2)] == [1, 3]
    assert [r.id for r in await store.due_held(True, 50.0, [], 9)] == [4]
    assert await store.next_due(("held",), False) == 10.0


async def test_the_last_word_on_each_run_that_goes_on(store: AnyStore) -> None:
    await store.put(
        AddRun(run(1, state="queued", started_at=NOW)),
        AddRun(run(2, state="running", started_at=NOW)),
        AddRun(run(3, state="queued")),
        AddRun(run(4, state="held", started_at=NOW)),
        AddRun(run(5, state="queued", started_at=NOW, simulated=True)),
        AddRecord(record(1, "a#1!", 1, kind="settled", output=b"1")),
        AddRecord(record(1, "a#2!", 2, kind="settled", output=b"2")),
        AddRecord(record(1, "b#1", 3)),
    )
    found = sorted(await store.last_words(False))
    assert found == [(1, "welcome", b"2"), (2, "welcome", None)]


async def test_of_the_runs_of_one_event_only_one_does_anything(store: AnyStore) -> None:
    over = ("succeeded", "failed")
    await store.put(AddRun(run(1, state="failed", receipt_id=5, origin="5:0")))
    await store.put(AddRun(run(2, state="held", receipt_id=5, origin="5:0")))
    await store.put(AddRun(run(3, state="queued", receipt_id=5, number=1, origin="5:1")))
    await store.put(AddRun(run(4, state="queued", receipt_id=5, origin="5:0", scenario="other")))
    again = MoveRun(1, ("failed",), "queued", NOW)
    with pytest.raises(LostOwnership, match=r"is not alone: run 0+2 of the same event is held"):
        await store.put(OnlyRun(1, ("failed",), over), again)
    await store.put(MoveRun(2, ("held",), "succeeded", NOW))
    with pytest.raises(LostOwnership, match="is failed, not succeeded"):
        await store.put(OnlyRun(1, ("succeeded",), over), again)
    with pytest.raises(LostOwnership, match="is gone"):
        await store.put(OnlyRun(9, ("succeeded",), over))
    await store.put(OnlyRun(1, ("failed",), over), again)
    moved = await store.run(1)
    assert moved is not None
    assert moved.state == "queued"
