"""Who owns a run is kept in memory by the file's writer; it never says anything else than the file does."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.store.apply import Applier
from engine.store.changes import AddReceipt, AddRecord, AddRun, MoveRun, Owner, SettleEffect
from engine.store.memory import MemoryStore
from engine.store.records import EffectState, RunFilter
from engine.store.sqlite import SqliteStore
from tests.store.rows import NOW, FailAt, StillClock, receipt, record, run

RUNS = st.integers(1001, 1002)
EPOCHS = st.integers(1, 2)
STATES = ["running", "sleeping", "held"]


def moves(states: list[str]) -> st.SearchStrategy[MoveRun]:
    return st.builds(
        MoveRun,
        run_id=RUNS,
        sources=st.just(("running", "sleeping", "held")),
        state=st.sampled_from(states),
        at=st.just(NOW),
        epoch=st.none() | EPOCHS,
        hold=st.none() | st.just(b"[]"),
        result=st.none() | st.just(b"{}"),
        recovered=st.booleans(),
    )


#: a receipt that is there already is a mistake in the values: its transaction goes alone, the others stay
MISTAKE = st.builds(AddReceipt, st.builds(receipt, st.integers(1, 3)))
OWN = st.one_of(
    st.builds(
        AddRun,
        st.builds(run, RUNS, state=st.sampled_from(STATES), epoch=EPOCHS, recoveries=st.integers(0, 1)),
        lane=st.none(),
        gather=st.none(),
    ),
    moves(STATES),
    st.builds(AddRecord, st.builds(record, RUNS, st.just("a"), st.just(0))),
    st.builds(SettleEffect, RUNS, st.just("a"), st.just(EffectState.DONE), st.just(NOW), st.just("vendor")),
    MISTAKE,
)
#: another process claims nothing; it holds, cancels or resumes
FOREIGN = moves(["sleeping", "held"]) | MISTAKE
OWNERS = st.none() | st.builds(Owner, RUNS, EPOCHS)
#: who writes a batch, and its transactions
BATCH = st.one_of(
    st.tuples(
        st.sampled_from(["engine", "engine", "broken", "jobs"]),
        st.lists(st.tuples(st.lists(OWN, max_size=3), OWNERS), min_size=1, max_size=5),
    ),
    st.tuples(
        st.just("command"), st.lists(st.tuples(st.lists(FOREIGN, max_size=2), st.none()), min_size=1, max_size=3)
    ),
)


async def write(
    stores: dict[str, SqliteStore] | dict[str, MemoryStore], faults: FailAt, batches: list[Any]
) -> list[str]:
    """What became of each transaction, and where all runs stand after each batch."""
    results: list[str] = []
    engine = stores["engine"]
    for who, transactions in batches:
        store = stores["command"] if who == "command" else engine
        faults.error = OSError(28, "No space left on device") if who == "broken" else None
        if who == "jobs":
            await engine.begin_epoch()
        futures = [store.put(*changes, owner=owner) for changes, owner in transactions]
        ended = await asyncio.gather(*futures, return_exceptions=True)
        results.extend(type(result).__name__ for result in ended)
        faults.error = None
        if engine.broken:
            await engine.reopen()
        results.append(str([(r.id, r.state, r.epoch, r.recoveries) for r in await engine.runs(RunFilter())]))
    return results


async def compare(batches: list[Any]) -> None:
    """The double asks its tables each time; two processes of the file must answer as it does."""
    clock = StillClock()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.db"
        faults, same = FailAt("store.commit"), FailAt("store.commit")
        files = {
            "engine": SqliteStore(path, clock=clock, faults=faults),
            "command": SqliteStore(path, clock=clock),
        }
        memory = MemoryStore(clock=clock, faults=same)
        for store in (*files.values(), memory):
            await store.open()
        try:
            found = await write(files, faults, batches)
            assert found == await write({"engine": memory, "command": memory}, same, batches)
        finally:
            for file in files.values():
                await file.close()


@settings(max_examples=40, deadline=None)
@given(st.lists(BATCH, min_size=1, max_size=10))
def test_what_is_remembered_of_owners_is_what_the_file_says(batches: list[Any]) -> None:
    asyncio.run(compare(batches))


RUNNING = AddRun(run(1001, state="running", epoch=1))
OWNER = Owner(1001, 1)
RECORD = AddRecord(record(1001, "a", 0))
HELD = MoveRun(1001, ("running",), "held", NOW)
RECOVERED = MoveRun(1001, ("running",), "running", NOW, recovered=True)


CASES: dict[str, list[Any]] = {
    "another process takes the run away": [
        ("engine", [([RUNNING], None), ([RECORD], OWNER)]),
        ("command", [([HELD], None)]),
        ("engine", [([RECORD], OWNER)]),
    ],
    "a mistake takes the run back": [
        ("engine", [([AddReceipt(receipt(1))], None)]),
        ("engine", [([RUNNING, AddReceipt(receipt(1))], None), ([RECORD], OWNER)]),
    ],
    "a mistake gives the run back": [
        ("engine", [([RUNNING, AddReceipt(receipt(1))], None)]),
        ("engine", [([HELD, AddReceipt(receipt(1))], None), ([RECORD], OWNER)]),
    ],
    "a full disk takes the run back": [
        ("broken", [([RUNNING], None), ([RECORD], OWNER)]),
        ("engine", [([RECORD], OWNER)]),
    ],
    "a full disk gives the run back": [
        ("engine", [([RUNNING], None)]),
        ("broken", [([HELD], None)]),
        ("engine", [([RECORD], OWNER)]),
    ],
    "progress after a recovery": [
        ("engine", [([RUNNING], None), ([RECORD], OWNER)]),
        ("engine", [([RECOVERED], None)]),
        ("engine", [([RECORD], OWNER)]),
    ],
    "a recovery by another process": [
        ("engine", [([RUNNING], None), ([RECORD], OWNER)]),
        ("command", [([RECOVERED], None)]),
        ("engine", [([RECORD], OWNER)]),
    ],
}


@pytest.mark.parametrize("case", CASES)
async def test_owners_in_the_cases_that_matter(case: str) -> None:
    await compare(CASES[case])


@pytest.mark.parametrize(
    ("forgotten", "case"),
    [("begin", "another process takes the run away"), ("forget", "a mistake takes the run back")],
)
async def test_a_writer_that_does_not_forget_is_found_out(
    monkeypatch: pytest.MonkeyPatch, forgotten: str, case: str
) -> None:
    """The mutants: other processes are not noticed, or what was rolled back is still believed."""
    monkeypatch.setattr(Applier, forgotten, lambda _self: None)
    with pytest.raises(AssertionError):
        await compare(CASES[case])
