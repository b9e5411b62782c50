"""The double in memory and the store in SQLite agree, whatever is written in whatever order and groups."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.store.changes import (
    AddDelivery,
    AddEffect,
    AddReceipt,
    AddRecord,
    AddRun,
    AddVersion,
    AddWebhook,
    Change,
    CountRefusals,
    DropPollItems,
    Fate,
    MoveRun,
    Owner,
    Prune,
    PutPoll,
    PutPollItems,
    PutSecret,
    RetireWebhook,
    SetDelivery,
    SettleEffect,
    TellWebhook,
)
from engine.store.history import (
    EndedCount,
    EndedRuns,
    EndedScenarios,
    KeptKeys,
    OldDeliveries,
    Place,
    Versions,
    VersionsOfRuns,
)
from engine.store.memory import MemoryStore
from engine.store.records import (
    DeliveryState,
    EffectFilter,
    EffectState,
    Gather,
    Identity,
    Lane,
    Page,
    Poll,
    PollItem,
    ReceiptFilter,
    Refusal,
    RunFilter,
    Webhook,
)
from engine.store.sqlite import SqliteStore
from tests.store.rows import NOW, StillClock, delivery, effect, receipt, record, run

# few of everything, so that the changes meet
RECEIPTS = st.integers(1, 3)
RUNS = st.integers(1001, 1003)
KEYS = st.sampled_from(["a", "b"])
STATES = st.sampled_from(["queued", "running", "sleeping", "held", "done", "failed", "gathering", "blocked"])
SCENARIOS = st.sampled_from(["welcome", "other"])
SUBJECTS = st.sampled_from([None, "ana", "bo"])
EPOCHS = st.integers(0, 2)
TIMES = st.integers(0, 5).map(lambda n: NOW + n)
MAYBE = st.sampled_from([None, b"1", b"2"])

RUN = st.builds(
    run,
    RUNS,
    receipt_id=RECEIPTS,
    number=st.integers(0, 1),
    scenario=SCENARIOS,
    state=STATES,
    epoch=EPOCHS,
    simulated=st.booleans(),
    subject=SUBJECTS,
    due_at=st.none() | TIMES,
    recoveries=st.integers(0, 2),
)
DELIVERY = st.builds(
    delivery,
    RECEIPTS,
    number=st.integers(0, 1),
    scenario=SCENARIOS,
    state=st.sampled_from(DeliveryState),
    event_id=st.sampled_from([None, "", "e1", "e2"]),
)
IDENTITY = st.none() | st.builds(Identity, KEYS, TIMES, TIMES)
LANE = st.builds(Lane, KEYS, st.integers(1, 2), st.booleans(), st.sampled_from(["queue", "skip", "replace"]))
CHANGE: st.SearchStrategy[Change] = st.one_of(
    st.builds(AddReceipt, st.builds(lambda n, s: receipt(n, subject=s), RECEIPTS, SUBJECTS)),
    st.builds(AddDelivery, DELIVERY, IDENTITY),
    st.builds(SetDelivery, DELIVERY, IDENTITY),
    st.builds(AddRun, RUN, st.none() | LANE, st.none() | st.builds(Gather, KEYS, TIMES)),
    st.builds(
        MoveRun,
        run_id=RUNS,
        sources=st.lists(STATES, min_size=1, max_size=3).map(tuple),
        state=STATES,
        at=TIMES,
        epoch=st.none() | EPOCHS,
        due_at=st.none() | TIMES,
        hold=MAYBE,
        result=MAYBE,
        notes=MAYBE,
        recovered=st.booleans(),
        ended=st.booleans(),
    ),
    st.builds(AddRecord, st.builds(record, RUNS, KEYS, st.integers(0, 2), output=MAYBE)),
    st.builds(
        AddEffect,
        st.builds(
            effect,
            RUNS,
            KEYS,
            position=st.integers(0, 2),
            scenario=SCENARIOS,
            subject=SUBJECTS,
            state=st.sampled_from(EffectState),
            effect_key=st.sampled_from(["k1", "k2"]),
            notes=MAYBE,
        ),
    ),
    st.builds(SettleEffect, RUNS, KEYS, st.sampled_from(EffectState), TIMES, st.just("vendor"), MAYBE, MAYBE),
    st.builds(AddVersion, st.sampled_from(["v1", "v2"]), SCENARIOS, st.sampled_from([b"1", b"2"]), TIMES),
    st.builds(AddWebhook, st.builds(Webhook, st.sampled_from(["t1", "t2"]), SCENARIOS, TIMES, st.none() | TIMES)),
    st.builds(RetireWebhook, SCENARIOS, TIMES),
    st.builds(TellWebhook, st.sampled_from(["t1", "t2"]), SCENARIOS, SCENARIOS),
    st.builds(PutSecret, KEYS, MAYBE, TIMES),
    st.builds(
        CountRefusals,
        st.lists(st.tuples(KEYS, st.sampled_from([401, 404]), st.integers(1, 3)), max_size=2).map(tuple),
        st.lists(st.builds(Refusal, st.just(NOW), KEYS, st.just(401), KEYS), max_size=2).map(tuple),
    ),
    st.builds(PutPoll, st.builds(Poll, SCENARIOS, st.booleans(), KEYS, TIMES, MAYBE, MAYBE)),
    st.builds(
        PutPollItems,
        SCENARIOS,
        st.booleans(),
        st.lists(st.builds(PollItem, KEYS, KEYS, MAYBE, st.none() | TIMES), max_size=3).map(tuple),
    ),
    st.builds(
        Prune,
        final=st.just(("done", "held")),
        ended_before=TIMES,
        runs=st.lists(RUNS, max_size=2).map(tuple),
        deliveries=st.lists(
            st.tuples(
                st.sampled_from([s for s in DeliveryState if s is not DeliveryState.RUN]),
                st.tuples(RECEIPTS, SCENARIOS, st.integers(0, 1)),
            ),
            max_size=2,
        ).map(tuple),
        keys=st.lists(st.sampled_from([("effects", NOW, 1001), ("effects", NOW, 1002)]), max_size=2).map(tuple),
        versions=st.lists(st.sampled_from(["v1", "v2"]), max_size=1).map(tuple),
        effects_before=TIMES,
        identities=st.integers(0, 2),
        identities_until=TIMES,
    ),
    st.builds(DropPollItems, SCENARIOS, st.booleans(), st.none() | st.lists(KEYS, max_size=2).map(tuple)),
)
TRANSACTION = st.tuples(
    st.lists(CHANGE, min_size=1, max_size=4), st.none() | st.none() | st.builds(Owner, RUNS, EPOCHS), st.booleans()
)
#: transactions that are written together
BATCHES = st.lists(st.lists(TRANSACTION, min_size=1, max_size=6), min_size=1, max_size=6)


async def write(store: SqliteStore | MemoryStore, batches: list[Any]) -> list[str]:
    """What became of each ``put``."""
    results: list[str] = []
    for batch in batches:
        futures = []
        for changes, owner, rides in batch:
            if rides:
                store.ride(*changes, owner=owner)
            else:
                futures.append(store.put(*changes, owner=owner))
        ended = await asyncio.gather(*futures, return_exceptions=True)
        results.extend(str(r) if isinstance(r, Fate) else type(r).__name__ for r in ended)
        # a batch of rides alone is committed too before the next
        await store.put()
    return results


async def everything(store: SqliteStore | MemoryStore) -> dict[str, Any]:
    """The answers to every question."""
    first = Page(limit=2)
    run_filters = [
        RunFilter(),
        RunFilter(page=first),
        RunFilter(states=("queued", "sleeping"), page=first),
        RunFilter(states=("done", "running", "held"), scenario="welcome"),
        RunFilter(subject="ana", states=("queued", "done")),
        RunFilter(receipt_id=2, page=Page(before=1003)),
    ]
    effect_filters = [
        EffectFilter(),
        EffectFilter(page=Page(limit=1, before=1003)),
        EffectFilter(states=(EffectState.INTENDED, EffectState.UNKNOWN), page=Page(limit=1)),
        EffectFilter(states=(EffectState.DONE,), scenario="other"),
        EffectFilter(subject="ana"),
        EffectFilter(run_id=1002),
    ]
    receipt_filters = [
        ReceiptFilter(),
        ReceiptFilter(subject="ana", page=first),
        *(ReceiptFilter(state=state, page=first) for state in DeliveryState),
    ]
    answers: dict[str, Any] = {
        "runs": [list(await store.runs(f)) for f in run_filters],
        "run": [await store.run(n) for n in (1001, 1002)],
        "counts": [await store.run_counts(), await store.effect_counts(), await store.delivery_counts()],
        "records": [list(await store.records(n)) for n in (1001, 1002, 1003)],
        "effects": [list(await store.effects(f)) for f in effect_filters],
        "by key": list(await store.effects_by_key("k1")),
        "receipts": [list(await store.receipts(f)) for f in receipt_filters],
        "receipt": await store.receipt(1),
        "lanes": [await store.lane(n) for n in (1001, 1002, 1003)],
        "holders": [await store.lane_holder(key) for key in ("a", "b")],
        "begun": await store.started_since("welcome", NOW + 1),
        "deliveries": list(await store.deliveries([2, 1, 3, 3])),
        "versions": [await store.version(v) for v in ("v1", "v2")],
        "webhooks": list(await store.webhooks()),
        "secrets": dict(await store.secrets()),
        "refusals": await store.refusals(),
        "polls": list(await store.polls()),
        "ended": [
            list(await store.ask(EndedScenarios())),
            *[list(await store.ask(EndedRuns(s, "done", NOW + 3, 2))) for s in ("welcome", "other")],
            list(await store.ask(EndedRuns("welcome", "done", NOW + 9, 9, Place(NOW + 1, 1002)))),
            await store.ask(EndedCount("welcome", ("done", "held"))),
        ],
        "idle": [list(await store.ask(OldDeliveries(s, 3, 2, (1, "other", 0)))) for s in DeliveryState if s != "run"],
        "kept": [list(await store.ask(KeptKeys(kind, NOW + 9, 5))) for kind in ("effects", "events", "journal")],
        "versions used": [list(await store.ask(Versions())), await store.ask(VersionsOfRuns(1001, 2))],
    }
    for simulated in (False, True):
        states = ("gathering", "sleeping")
        answers[f"next {simulated}"] = [
            list(await store.due_runs(states, simulated, NOW + 2, 2)),
            list(await store.queued_scenarios(simulated)),
            list(await store.queued_runs(simulated, {"welcome": 1, "other": 2})),
            await store.next_due(states, simulated),
            list(await store.orphans(2, simulated)),
        ]
        answers[f"poll items {simulated}"] = [list(await store.poll_items(s, simulated)) for s in ("welcome", "other")]
    return answers


@settings(max_examples=40, deadline=None)
@given(BATCHES)
def test_both_stores_agree(batches: list[Any]) -> None:
    async def compare(folder: Path) -> None:
        file, memory = SqliteStore(folder / "s.db", clock=StillClock()), MemoryStore(clock=StillClock())
        await file.open()
        await memory.open()
        try:
            assert await write(file, batches) == await write(memory, batches)
            seen = await everything(memory)
            assert await everything(file) == seen
            # and so it stays over a restart
            await file.close()
            file = SqliteStore(folder / "s.db", clock=StillClock())
            memory = memory.reborn()
            await file.open()
            await memory.open()
            assert await everything(file) == seen
            assert await everything(memory) == seen
        finally:
            await file.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(Path(folder)))
