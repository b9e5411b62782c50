"""What operators are told of, in every store."""

from __future__ import annotations

from typing import Any

import pytest

from engine.runtime.health import health, late
from engine.runtime.settings import Limits
from engine.store.alerts_rows import (
    Alert,
    DropHeard,
    DropStanding,
    DropTroubles,
    Heard,
    PruneAlerts,
    PutStanding,
    RaiseAlert,
    SettleAlert,
    Standing,
    Trouble,
    TryAlert,
    Waiting,
)
from engine.store.changes import AddDelivery, AddReceipt, AddRun, MoveRun
from engine.store.records import Identity
from tests.store.conftest import AnyStore, Backend
from tests.store.rows import NOW, delivery, receipt, run

EVERY = 900.0


def alert(alert_id: int, at: float = NOW, **fields: Any) -> Alert:
    given = {"channel": "ops", "kind": "failed", "event": "raised", "scenario": "welcome", "simulated": False}
    return Alert(alert_id, **{**given, "times": 1, "first_at": at, "last_at": at, "detail": b"{}", **fields})


def told(alert: Alert) -> tuple[int, int, float, str, int]:
    return alert.id, alert.times, alert.due_at, alert.state, alert.attempts


@pytest.mark.parametrize(
    ("state", "due_at", "sources", "noted", "hold"),
    [
        ("failed", None, ("running",), True, None),
        ("held", None, ("running",), True, b"[{}]"),
        ("held", NOW + 60, ("running",), False, b'[{"due_at": 7}]'),  # it goes on by itself
        ("held", NOW + 60, ("running",), True, b'[{"due_at": 7}, {}]'),  # one of its branches does not
        ("failed", None, ("held",), False, None),  # a person gave it up
        ("succeeded", None, ("running",), False, None),
    ],
)
async def test_the_move_that_ends_badly_is_noted_with_it(
    store: AnyStore, state: str, due_at: float | None, sources: tuple[str, ...], noted: bool, hold: bytes | None
) -> None:
    await store.put(AddRun(run(1001, state=sources[0])))
    await store.put(MoveRun(1001, sources, state, NOW + 5, due_at=due_at, hold=hold))
    expected = [Trouble(0, 1001, "welcome", state, NOW + 5)] if noted else []
    assert [t._replace(number=0) for t in await store.troubles(False, 10) if t.at == NOW + 5] == expected


async def test_a_run_that_is_held_from_the_start_is_noted_unless_it_is_a_duplicate(store: AnyStore) -> None:
    for number in (1, 2):
        given = delivery(number, event_id="e1", run_id=number + 1000)
        await store.put(
            AddReceipt(receipt(number)),
            AddDelivery(given, Identity("e1", NOW, NOW + 9)),
            AddRun(run(number + 1000, state="held")),
        )
    assert [(t.run_id, t.state) for t in await store.troubles(False, 10)] == [(1001, "held")]


async def test_troubles_are_read_in_order_by_kind_and_dropped_up_to_a_number(store: AnyStore) -> None:
    for number in range(4):
        await store.put(AddRun(run(1001 + number, state="held", simulated=number == 1)))
    found = await store.troubles(False, 2)
    assert [t.run_id for t in found] == [1001, 1003]
    await store.put(DropTroubles(found[-1].number, False))
    assert [t.run_id for t in await store.troubles(False, 10)] == [1004]
    assert [t.run_id for t in await store.troubles(True, 10)] == [1002]


async def test_what_comes_before_a_message_is_tried_is_counted_in_it(store: AnyStore) -> None:
    await store.put(RaiseAlert(alert(1), EVERY))
    await store.put(RaiseAlert(alert(2, NOW + 5, times=3, detail=b'{"run":"x"}'), EVERY))
    assert await store.alerts(10) == [alert(1, last_at=NOW + 5, times=4, detail=b'{"run":"x"}', due_at=NOW)]
    await store.put(TryAlert(1, NOW + 10))
    await store.put(RaiseAlert(alert(3, NOW + 11), EVERY), RaiseAlert(alert(4, NOW + 12), EVERY))
    assert [told(a) for a in await store.alerts(10)] == [
        (3, 2, NOW + 10 + EVERY, "waiting", 0),
        (1, 4, NOW, "waiting", 1),
    ]


async def test_a_message_waits_for_the_older_one_of_the_same_thing(store: AnyStore) -> None:
    await store.put(RaiseAlert(alert(1, kind="silence"), EVERY))
    await store.put(TryAlert(1, NOW), SettleAlert(1, "waiting", NOW, NOW + 30, "down"))
    # all day long, and then it is well again
    for number in range(2, 90):
        await store.put(RaiseAlert(alert(number, NOW + number * EVERY, kind="silence"), EVERY))
    await store.put(RaiseAlert(alert(90, NOW + 90 * EVERY, kind="silence", event="recovered"), EVERY))
    await store.put(RaiseAlert(alert(91, NOW + 90 * EVERY, scenario="other"), EVERY))
    assert [a.id for a in await store.due_alerts(NOW + 91 * EVERY, 10)] == [1, 91]
    assert await store.next_alert() == NOW + 30
    await store.put(SettleAlert(1, "delivered", NOW + 91 * EVERY))
    assert [(a.id, a.times) for a in await store.due_alerts(NOW + 91 * EVERY, 10)] == [(2, 88), (91, 1)]
    await store.put(SettleAlert(2, "delivered", NOW + 91 * EVERY))
    assert [a.id for a in await store.due_alerts(NOW + 91 * EVERY, 10)] == [90, 91]


async def test_busy_channels_are_left_out(store: AnyStore) -> None:
    await store.put(RaiseAlert(alert(1), EVERY), RaiseAlert(alert(2, channel="a,b"), EVERY))
    assert [a.id for a in await store.due_alerts(NOW, 1, ["ops"])] == [2]
    assert [a.id for a in await store.due_alerts(NOW, 1, ["a,b", "b"])] == [1]


async def test_a_clock_that_is_set_back_delays_no_message(store: AnyStore) -> None:
    day = 86_400.0
    await store.put(RaiseAlert(alert(1, NOW + day), EVERY))
    await store.put(TryAlert(1, NOW + day), SettleAlert(1, "waiting", NOW + day, NOW + day + 30, "down"))
    assert [a.id for a in await store.due_alerts(NOW, 10, (), NOW + EVERY)] == [1]
    await store.put(SettleAlert(1, "delivered", NOW))
    await store.put(RaiseAlert(alert(2, NOW), EVERY))
    assert [told(a) for a in await store.due_alerts(NOW, 10)] == [(2, 1, NOW, "waiting", 0)]
    # and it does not let a storm through
    await store.put(TryAlert(2, NOW), SettleAlert(2, "delivered", NOW))
    await store.put(RaiseAlert(alert(3, NOW + 10), EVERY))
    assert await store.due_alerts(NOW + 10, 10) == []


async def test_messages_of_other_groups_are_counted_apart(store: AnyStore) -> None:
    others = [{"channel": "b"}, {"kind": "held"}, {"event": "recovered"}, {"scenario": "b"}, {"simulated": True}]
    for number, other in enumerate([{}, *others]):
        await store.put(RaiseAlert(alert(number + 1, **other), EVERY))
    assert [a.times for a in await store.alerts(10)] == [1] * 6


async def test_a_message_is_tried_until_it_gets_through_or_is_given_up(store: AnyStore) -> None:
    await store.put(RaiseAlert(alert(1), EVERY), RaiseAlert(alert(2, scenario="b"), EVERY))
    assert [a.id for a in await store.due_alerts(NOW, 10)] == [1, 2]
    assert await store.next_alert() == NOW
    await store.put(TryAlert(1, NOW + 1))
    await store.put(SettleAlert(1, "waiting", NOW + 2, NOW + 30, "no route"))
    await store.put(TryAlert(2, NOW + 1), SettleAlert(2, "delivered", NOW + 2))
    assert await store.due_alerts(NOW + 29, 10) == []
    assert await store.next_alert() == NOW + 30
    failed = await store.failed_alert()
    assert failed is not None
    assert (failed.id, failed.error, failed.tried_at, failed.ended_at) == (1, "no route", NOW + 1, None)
    await store.put(TryAlert(1, NOW + 30), SettleAlert(1, "given-up", NOW + 31, error="no route"))
    await store.put(SettleAlert(1, "delivered", NOW + 40))  # what has ended stays
    first = await store.alert(1)
    assert first is not None
    assert (first.state, first.attempts, first.tried_at, first.ended_at) == ("given-up", 2, NOW + 1, NOW + 31)
    assert await store.next_alert() is None


async def test_what_nobody_is_told_of_is_gathered_for_a_while(store: AnyStore) -> None:
    for number, after in enumerate((0, 10, EVERY + 1)):
        await store.put(RaiseAlert(alert(number + 1, NOW + after, channel="", state="kept"), EVERY))
    assert [(a.id, a.times) for a in await store.alerts(10)] == [(3, 1), (1, 2)]


async def test_old_messages_are_forgotten_and_those_that_wait_are_not(store: AnyStore) -> None:
    await store.put(RaiseAlert(alert(1), EVERY), RaiseAlert(alert(2, scenario="b"), EVERY))
    await store.put(TryAlert(1, NOW), SettleAlert(1, "delivered", NOW))
    await store.put(PruneAlerts(NOW + 1))
    assert [a.id for a in await store.alerts(10)] == [2]


async def test_a_message_that_was_sent_before_it_was_stored_is_stored_once(store: AnyStore) -> None:
    # who does not know whether it was kept, because the sync failed, stores it again
    sent = alert(7, kind="store", scenario="", state="delivered", attempts=1, ended_at=NOW)
    await store.put(RaiseAlert(sent, 0.0))
    await store.put(RaiseAlert(sent, 0.0))
    assert [(one.id, one.times) for one in await store.alerts(10)] == [(7, 1)]


async def test_ids_go_on_behind_those_of_messages(backend: Backend) -> None:
    store = await backend.open()
    last = store.new_id() + 10**12
    await store.put(RaiseAlert(alert(last), EVERY))
    await store.close()
    assert (await backend.open()).new_id() > last


async def test_standings_come_back_as_they_were_put_last(store: AnyStore) -> None:
    quiet = Standing("silence", "welcome", False, NOW)
    await store.put(PutStanding(quiet), PutStanding(quiet._replace(scenario="a")))
    await store.put(PutStanding(quiet._replace(raised_at=NOW + 9, times=1)), DropStanding("silence", "a", False))
    assert await store.standings() == [quiet._replace(raised_at=NOW + 9, times=1)]


async def test_runs_are_counted_in_a_window(store: AnyStore) -> None:
    for at in (NOW, NOW, NOW + 60, NOW + 120):
        await store.put(Heard("welcome", False, at))
    await store.put(Heard("welcome", True, NOW), Heard("b", False, NOW))
    assert await store.heard("welcome", False, NOW - 1) == 4
    assert await store.heard("welcome", False, NOW) == 2
    await store.put(DropHeard("welcome", False, NOW + 60))
    assert await store.heard("welcome", False, 0) == 2
    assert await store.heard("welcome", True, 0) == 1


async def test_a_duplicate_is_not_heard(store: AnyStore) -> None:
    for number in (1, 2):
        given = delivery(number, event_id="e1", run_id=number + 1000)
        heard = Heard("welcome", False, NOW, (number, "welcome", 0))
        await store.put(
            AddReceipt(receipt(number)),
            AddDelivery(given, Identity("e1", NOW, NOW + 9)),
            AddRun(run(number + 1000)),
            heard,
        )
    assert await store.heard("welcome", False, 0) == 1


async def test_who_waits_longest(store: AnyStore) -> None:
    assert await store.oldest_queued(False) is None
    await store.put(
        AddRun(run(1001, started_at=NOW)),
        AddRun(run(1002, due_at=NOW + 5)),
        AddRun(run(1003, simulated=True)),
        AddRun(run(1005, created_at=NOW + 2)),
        AddRun(run(1004, created_at=NOW + 1)),
        AddRun(run(1006, state="sleeping", due_at=NOW + 7)),
        AddRun(run(1007, state="running", epoch=3)),
    )
    assert await store.oldest_queued(False) == Waiting(1004, "welcome", NOW + 1)
    assert await store.oldest_in("queued", False) == Waiting(1001, "welcome", NOW)
    assert await store.oldest_in("running", False) == Waiting(1007, "welcome", 0.0)
    assert await store.overdue("sleeping", False, NOW + 7) == Waiting(1006, "welcome", NOW + 7)
    assert await store.overdue("sleeping", False, NOW + 6) is None
    assert await store.running(False) == {1007: 3}
    assert await store.open_counts(False) == {"queued": 4, "sleeping": 1, "running": 1}


@pytest.mark.parametrize("state", ["queued", "sleeping", "waiting", "gathering"])
async def test_a_run_whose_moment_has_passed_waits_for_its_turn(store: AnyStore, state: str) -> None:
    await store.put(AddRun(run(1001, state=state, due_at=NOW)))
    assert await late(store, False, NOW + 400) == [Waiting(1001, "welcome", NOW)]
    assert (await health(store, Limits(), NOW + 400))["queue_age"] == 400
