"""Where schedules stand, and what is forgotten of scenarios that are gone, in every store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.sdk.errors import StoreError
from engine.store.changes import AddReceipt, AddRun, PutPoll, PutPollItems
from engine.store.records import Poll, PollItem
from engine.store.schedules import DropSchedule, ForgetTrigger, MarkGone, PutSchedule, Schedule
from tests.store.conftest import AnyStore
from tests.store.rows import NOW, receipt, run

DAILY = Schedule("daily", False, "0 6 * * * UTC", NOW, NOW - 60)


async def test_a_schedule_comes_back_as_it_was_put_last(store: AnyStore) -> None:
    await store.put(PutSchedule(DAILY), PutSchedule(replace(DAILY, simulated=True, tick=None)))
    later = replace(DAILY, timetable="every 1h", at=NOW + 1, tick=NOW + 1)
    await store.put(PutSchedule(later))
    assert await store.schedules() == [later, replace(DAILY, simulated=True, tick=None)]
    await store.put(DropSchedule("daily", True), DropSchedule("nobody", False))
    assert await store.schedules() == [later]


async def test_a_refused_transaction_moves_no_schedule(store: AnyStore) -> None:
    await store.put(PutSchedule(DAILY), MarkGone("old", NOW), AddRun(run(1001)))
    with pytest.raises(StoreError):
        await store.put(
            AddReceipt(receipt(1)),
            PutSchedule(replace(DAILY, at=NOW + 1)),
            MarkGone("old", None),
            ForgetTrigger("daily"),
            AddRun(run(1001)),
        )
    assert await store.schedules() == [DAILY]
    assert await store.gone_triggers() == {"old": NOW}


async def test_what_is_forgotten_of_a_scenario_is_its_triggers_standing_and_no_others(store: AnyStore) -> None:
    poll, item = Poll("daily", True, "t", NOW), PollItem("ana", "c1")
    other = replace(poll, scenario="other")
    await store.put(
        *(PutSchedule(replace(DAILY, scenario=name)) for name in ("daily", "other")),
        *(PutPoll(each) for each in (poll, other)),
        *(PutPollItems(each.scenario, True, (item,)) for each in (poll, other)),
        MarkGone("daily", NOW),
        MarkGone("other", NOW - 1),
    )
    await store.put(MarkGone("daily", NOW + 5))
    assert await store.gone_triggers() == {"daily": NOW + 5, "other": NOW - 1}
    await store.put(ForgetTrigger("daily"))
    assert await store.schedules() == [replace(DAILY, scenario="other")]
    assert await store.polls() == [other]
    assert await store.poll_items("daily", True) == []
    assert await store.poll_items("other", True) == [item]
    assert await store.gone_triggers() == {"other": NOW - 1}
    await store.put(MarkGone("other", None))
    assert await store.gone_triggers() == {}
