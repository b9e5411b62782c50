"""Which run was called by which.

A call is added behind the run that it starts, in the transaction of its caller's journal row. When a called run ends,
whoever ends it, the same transaction answers the wait of its caller: no end can be lost between the two.

The rules are here; the rows are the backend's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from engine.store.ids import show
from engine.store.sql import queries
from engine.store.waits import AnswerWait

if TYPE_CHECKING:
    from engine.store.tables import Tables

#: states in which a run has ended
ENDED = ("succeeded", "failed", "cancelled")
#: what the answer says of a run that was not made, because its scenario's ``mode`` skips it
SKIPPED = "skipped"


class Call(NamedTuple):
    """A run that another one started.

    :param run_id: the called run.
    :param key: of the journal row of its caller.
    :param awaited: whether the caller waits for its end.
    :param depth: how many calls led to it.
    :param root: the run with which that began.
    :param effect_key: of the call: the same in replays of the caller.
    :param request_hash: fingerprint of scenario and inputs.
    """

    run_id: int
    caller_id: int
    key: str
    awaited: bool
    depth: int
    root: int
    effect_key: str = ""
    request_hash: str = ""


class AddCall(NamedTuple):
    """Notes a call, or who waits for it now; stands behind the ``AddRun`` and the ``OpenWait`` that it is about.

    Where the run has ended by then, or was not made, the wait is answered at once; where nobody waits, the journal row
    says that it was not made.
    """

    call: Call
    at: float


class CallRows(Protocol):
    """What the rules need of a backend."""

    def put(self, call: Call) -> None: ...

    def find(self, run_id: int) -> Call | None: ...

    def run(self, run_id: int) -> tuple[str, bytes | None] | None:
        """A run's state and result."""
        ...

    def skipped(self, call: Call, answer: bytes) -> None:
        """Say in the caller's journal that the run was not made."""
        ...


class Calls:
    """Carries the rules out.

    :param answer: answers a wait.
    """

    def __init__(self, rows: CallRows, answer: Callable[[AnswerWait], object]) -> None:
        self._rows = rows
        self._answer = answer
        #: callers that were answered in the transaction that is being applied
        self.answered: list[int] = []

    def add(self, change: AddCall) -> None:
        call, found = change.call, self._rows.run(change.call.run_id)
        if found is not None:
            self._rows.put(call)
        if not call.awaited:
            if found is None:
                self._rows.skipped(call, answer_of(call.run_id, SKIPPED, None))
            return
        if found is None:
            self._say(call, SKIPPED, None, change.at)
        elif found[0] in ENDED:
            self._say(call, *found, change.at)

    def ended(self, run_id: int, state: str, result: bytes | None, at: float) -> None:
        """A run has ended."""
        call = self._rows.find(run_id)
        if call is not None and call.awaited:
            self._say(call, state, result, at)

    def _say(self, call: Call, state: str, result: bytes | None, at: float) -> None:
        self._answer(
            AnswerWait(call.caller_id, call.key, answer_of(call.run_id, state, result), at, f"run:{show(call.run_id)}")
        )
        self.answered.append(call.caller_id)


def answer_of(run_id: int, state: str, result: bytes | None) -> bytes:
    """What the journal of a caller has as the end of a called run."""
    return b'{"run":"%s","state":"%s","result":%s}' % (show(run_id).encode(), state.encode(), result or b"{}")


# ------------------------------------------------------------------ in the file


class SqlCallRows:
    """In the SQLite file, through a connection's cursor."""

    def __init__(self, execute: Callable[..., sqlite3.Cursor]) -> None:
        self._execute = execute
        self._sql = queries()
        #: whether there is any call; None: that is to be looked up
        self.any: bool | None = None

    def put(self, call: Call) -> None:
        self.any = True
        self._execute(self._sql["put_call"], call)

    def find(self, run_id: int) -> Call | None:
        if self.any is None:
            self.any = bool(self._execute(self._sql["any_call"]).fetchone()[0])
        if not self.any:
            return None
        row = self._execute(self._sql["call_of_run"], (run_id,)).fetchone()
        return None if row is None else _call(row)

    def run(self, run_id: int) -> tuple[str, bytes | None] | None:
        row = self._execute(self._sql["result_of_run"], (run_id,)).fetchone()
        if row is None:
            return None
        state, result = row
        if isinstance(result, str):
            (result,) = self._execute(self._sql["large"], (result,)).fetchone()
        return state, result

    def skipped(self, call: Call, answer: bytes) -> None:
        self._execute(self._sql["skip_call"], (answer, call.caller_id, call.key))


def _call(row: Sequence[Any]) -> Call:
    return Call(row[0], row[1], row[2], bool(row[3]), *row[4:])


# ------------------------------------------------------------------ in memory


class MemoryCallRows:
    """In the tables of the double.

    :param put: sets a row so that it can be undone.
    """

    def __init__(self, tables: Tables, put: Callable[[dict[Any, Any], object, object], None]) -> None:
        self._tables = tables
        self._set = put

    def put(self, call: Call) -> None:
        self._set(self._tables.calls, call.run_id, call)

    def find(self, run_id: int) -> Call | None:
        return self._tables.calls.get(run_id)

    def run(self, run_id: int) -> tuple[str, bytes | None] | None:
        run = self._tables.runs.get(run_id)
        return None if run is None else (str(run.state), run.result)

    def skipped(self, call: Call, answer: bytes) -> None:
        key = call.caller_id, call.key
        row = self._tables.journal[key]._replace(kind="answered", output=answer)
        self._set(self._tables.journal, key, row)


# ------------------------------------------------------------------ questions


@dataclass(frozen=True, slots=True)
class CallsOf:
    """The calls by which these runs were started; by the run."""

    run_ids: Sequence[int]

    def of_file(self, db: sqlite3.Connection) -> Mapping[int, Call]:
        rows = (db.execute(queries()["call_of_run"], (run_id,)).fetchone() for run_id in self.run_ids)
        return {row[0]: _call(row) for row in rows if row is not None}

    def of_tables(self, tables: Tables) -> Mapping[int, Call]:
        return {run_id: tables.calls[run_id] for run_id in self.run_ids if run_id in tables.calls}


class Called(NamedTuple):
    """A call, and how far its run is."""

    call: Call
    scenario: str
    state: str


@dataclass(frozen=True, slots=True)
class CallsBy:
    """The calls that a run made and whose runs are still there, in the order in which they were made."""

    run_id: int

    def of_file(self, db: sqlite3.Connection) -> Sequence[Called]:
        rows = db.execute(queries()["calls_by_run"], (self.run_id,)).fetchall()
        return [Called(_call(row[:8]), row[8], row[9]) for row in rows]

    def of_tables(self, tables: Tables) -> Sequence[Called]:
        own = sorted(call for call in tables.calls.values() if call.caller_id == self.run_id)
        runs = ((call, tables.runs.get(call.run_id)) for call in own)
        return [Called(call, run.scenario, str(run.state)) for call, run in runs if run is not None]


@dataclass(frozen=True, slots=True)
class CallUnder:
    """The last call under an effect key; None: there was none, or its run and its caller are gone."""

    effect_key: str

    def of_file(self, db: sqlite3.Connection) -> Call | None:
        row = db.execute(queries()["call_under_key"], (self.effect_key,)).fetchone()
        return None if row is None else _call(row)

    def of_tables(self, tables: Tables) -> Call | None:
        return max((call for call in tables.calls.values() if call.effect_key == self.effect_key), default=None)
