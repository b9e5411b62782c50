"""Where triggers of scenarios stand that are gone: kept for 30 days from the first start without them."""

from __future__ import annotations

from engine.runtime.gone import KEEP, forget_gone
from engine.store.changes import PutPoll, PutPollItems
from engine.store.memory import MemoryStore
from engine.store.records import Poll, PollItem
from engine.store.schedules import PutSchedule, Schedule
from engine.testing import VirtualClock


async def test_what_is_gone_is_kept_for_thirty_days_and_then_forgotten() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock=clock)
    await store.open()
    for name in ("a", "b"):
        await store.put(
            PutPoll(Poll(name, False, "t", clock.time())),
            PutPollItems(name, False, (PollItem("1", "c"),)),
            PutSchedule(Schedule(name, True, "every 1h", clock.time())),
        )
    await forget_gone(store, ["a", "b"], clock)
    assert await store.gone_triggers() == {}
    clock.jump(10 * KEEP)  # served all the while: nothing was gone
    since = clock.time()
    await forget_gone(store, ["a"], clock)
    assert await store.gone_triggers() == {"b": since}
    clock.jump(KEEP)
    await forget_gone(store, ["a"], clock)
    assert [row.scenario for row in await store.polls()] == ["a", "b"]
    clock.jump(1)
    await forget_gone(store, ["a"], clock)
    assert [row.scenario for row in await store.polls()] == ["a"]
    assert [row.scenario for row in await store.schedules()] == ["a"]
    assert await store.poll_items("b", False) == []
    assert await store.gone_triggers() == {}


async def test_a_start_with_the_scenario_ends_the_count() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock=clock)
    await store.open()
    await store.put(PutPoll(Poll("a", False, "t", clock.time())))
    for _ in range(5):
        await forget_gone(store, [], clock)
        clock.jump(KEEP - 1)
        await forget_gone(store, ["a"], clock)
    assert len(await store.polls()) == 1
