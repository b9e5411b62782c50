"""The rows of lanes, gatherings and identities in the SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from engine.store.lanes import Standing
from engine.store.records import Identity, Run
from engine.store.sql import queries


class SqlLaneRows:
    """``engine.store.lanes.LaneRows`` through a connection's cursor."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._execute = cursor.execute
        self._sql = queries()

    def gathering(self, key: str) -> tuple[int, float] | None:
        found: tuple[int, float] | None = self._execute(self._sql["gathering"], (key,)).fetchone()
        return found

    def begin_gathering(self, key: str, run_id: int, until: float) -> None:
        self._execute(self._sql["begin_gathering"], (key, run_id, until))

    def end_gathering(self, run_id: int) -> None:
        self._execute(self._sql["end_gathering"], (run_id,))

    def gather(self, run_id: int, newer: Run, due_at: float) -> None:
        row = (newer.receipt_id, newer.number, newer.origin, newer.subject, due_at, run_id)
        self._execute(self._sql["gather_event"], row)

    def lane_of(self, run_id: int) -> Standing | None:
        return _standing(self._execute(self._sql["lane_of_run"], (run_id,)).fetchone())

    def enter(self, row: Standing) -> None:
        self._execute(self._sql["enter_lane"], row)

    def stand(self, run_id: int, standing: str) -> None:
        self._execute(self._sql["stand_in_lane"], (standing, run_id))

    def leave(self, run_id: int) -> None:
        self._execute(self._sql["leave_lane"], (run_id,))

    def taken(self, lane: str, most: int) -> int:
        (count,) = self._execute(self._sql["places_taken"], (lane, most)).fetchone()
        return int(count)

    def first(self, lane: str, standing: str) -> Standing | None:
        return _standing(self._execute(self._sql["first_in_lane"], (lane, standing)).fetchone())

    def replacement(self, lane: str, run_id: int) -> int | None:
        (found,) = self._execute(self._sql["replacement_in_lane"], (lane, run_id)).fetchone()
        return None if found is None else int(found)

    def replaceable(self, lane: str, run_id: int) -> Sequence[tuple[int, str]]:
        return self._execute(self._sql["replaceable_in_lane"], (lane, run_id)).fetchall()

    def release(self, run_id: int) -> str:
        self._execute(self._sql["release_run"], (run_id,))
        (scenario,) = self._execute(self._sql["scenario_of_run"], (run_id,)).fetchone()
        return str(scenario)

    def redirect(self, run: Run, state: str, run_id: int | None, reason: str) -> None:
        row = (state, run_id, reason, run.receipt_id, run.scenario, run.number)
        self._execute(self._sql["redirect_delivery"], row)

    def know(self, scenario: str, receipt_id: int, identity: Identity) -> int | None:
        """Remember an event's identity; or give the receipt by which it came first."""
        row = (scenario, identity.key, receipt_id, identity.at, identity.until)
        if self._execute(self._sql["know_identity"], row).rowcount:
            return None
        (original,) = self._execute(self._sql["original_receipt"], (scenario, identity.key)).fetchone()
        return int(original)


def _standing(row: tuple[int, str, int, int, int, str] | None) -> Standing | None:
    return None if row is None else Standing(row[0], row[1], row[2], bool(row[3]), bool(row[4]), row[5])
