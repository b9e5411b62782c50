"""The project's data stores: records by key, changed in the transaction of the row that says so.

What a change comes to is computed where it is applied, so that two that come at once are one after another; the rules
are here, the rows are the backend's. What is simulated has records of its own.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from engine.sdk import jsontext
from engine.sdk.data import LARGEST_RECORD, LONGEST_KEY, DataChange, DataRecord, How
from engine.sdk.errors import Conflict, DataError, ModuleError, NotFound
from engine.store.records import EffectRecord, EffectState
from engine.store.sql import queries

if TYPE_CHECKING:
    from engine.store.tables import Tables

#: records of a store, where the project does not say
MOST_RECORDS = 100_000


class DataRow(NamedTuple):
    """A record as it is kept.

    :param record: JSON.
    """

    store: str
    simulated: bool
    key: str
    version: int
    record: bytes
    updated_at: float

    @property
    def shown(self) -> DataRecord:
        return DataRecord(self.key, jsontext.loads(self.record), self.version, self.updated_at)


class Standing(NamedTuple):
    """A store as a whole.

    :param changes: how many there were; the version of the last one.
    """

    records: int = 0
    changes: int = 0


@dataclass(frozen=True, slots=True)
class DataRules:
    """What a store takes.

    :param wrong: the first mistake of a record as a sentence, or None.
    """

    most: int = MOST_RECORDS
    wrong: Callable[[Any], str | None] | None = None


@dataclass(slots=True)
class DataReport:
    """What a change came to; filled in when it is applied, which may be twice."""

    output: Any = None
    error: ModuleError | None = None
    effect: EffectRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeData:
    """Changes a record of a store, and notes what came of it.

    :param effect: the row of the ledger; it is ``done`` or ``refused`` then. None: no run does it.
    """

    change: DataChange
    simulated: bool
    at: float
    rules: DataRules = field(default_factory=DataRules)
    effect: EffectRecord | None = None
    report: DataReport = field(default_factory=DataReport)


@dataclass(frozen=True, slots=True)
class DropData:
    """Forgets all records of this key, in whatever store: a subject is erased."""

    key: str


class DataRows(Protocol):
    """What the rules need of a backend."""

    def get(self, store: str, simulated: bool, key: str) -> DataRow | None: ...

    def put(self, row: DataRow) -> None: ...

    def drop(self, row: DataRow) -> None: ...

    def standing(self, store: str, simulated: bool) -> Standing: ...

    def stand(self, store: str, simulated: bool, standing: Standing) -> None: ...


class DataStores:
    """Carries changes out.

    :param keep: adds a row to the ledger.
    :param error_text: an error as a row holds it.
    """

    def __init__(self, rows: DataRows, keep: Callable[[EffectRecord], None]) -> None:
        self._rows = rows
        self._keep = keep

    def apply(self, step: ChangeData) -> None:
        report = step.report
        report.output, report.error, report.effect = None, None, None
        try:
            report.output = self._change(step)
        except ModuleError as error:
            error.refused = True
            report.error = error
        if step.effect is not None:
            state = EffectState.REFUSED if report.error is not None else EffectState.DONE
            text = None if report.error is not None else jsontext.dumps(report.output)
            told = None if report.error is None else jsontext.dumps(report.error.to_json())
            report.effect = step.effect._replace(
                state=state, settled_at=step.at, settled_by="store", output=text, error=told
            )
            self._keep(report.effect)

    def _change(self, step: ChangeData) -> dict[str, Any]:
        change, rows = step.change, self._rows
        if not 0 < len(change.key) <= LONGEST_KEY or "\0" in change.key:
            raise DataError(f"a key of a data store has 1 to {LONGEST_KEY} characters")
        before = rows.get(change.store, step.simulated, change.key)
        if change.version is not None and change.version != (before.version if before else 0):
            now = f"has version {before.version}" if before else "is not there"
            raise Conflict(
                f"'{change.key}' in '{change.store}' {now}, not version {change.version}",
                detail={"version": before.version if before else 0},
                hint="somebody else was there first: read it again, and decide anew",
            )
        standing = rows.standing(change.store, step.simulated)
        version = standing.changes + 1
        if change.how is How.DELETE:
            if before is None and not change.create:
                raise _missing(change)
            if before is not None:
                rows.drop(before)
                rows.stand(change.store, step.simulated, Standing(standing.records - 1, version))
            old = None if before is None else jsontext.loads(before.record)
            return {"key": change.key, "record": old, "version": version, "deleted": before is not None}
        if before is None and not change.create:
            raise _missing(change)
        if before is None and standing.records >= step.rules.most:
            raise DataError(
                f"the data store '{change.store}' is full: it has {standing.records:,} records",
                hint="remove some, or raise its `records` in engine.yaml",
            )
        record = _new(change, None if before is None else jsontext.loads(before.record), before is None)
        text = jsontext.dumps(record)
        if len(text) > LARGEST_RECORD:
            raise DataError(f"the record would be {len(text):,} bytes as JSON, more than {LARGEST_RECORD:,}")
        if step.rules.wrong is not None and (wrong := step.rules.wrong(record)):
            raise DataError(f"the data store '{change.store}' takes no such record: {wrong}")
        rows.put(DataRow(change.store, step.simulated, change.key, version, text, step.at))
        rows.stand(change.store, step.simulated, Standing(standing.records + (before is None), version))
        return {"key": change.key, "record": jsontext.loads(text), "version": version, "created": before is None}


def _missing(change: DataChange) -> NotFound:
    return NotFound(f"there is no '{change.key}' in the data store '{change.store}'")


def _new(change: DataChange, before: Any, fresh: bool) -> Any:
    """The record as it is after a change."""
    if change.how is How.PUT:
        return change.value
    if change.how is How.MERGE:
        if not isinstance(change.value, dict) or not (fresh or isinstance(before, dict)):
            raise DataError(f"'{change.key}' in '{change.store}' is no object, so that nothing can be merged into it")
        return {**(before or {}), **change.value}
    if change.field is None:
        return _sum(change, 0 if fresh else before)
    if not (fresh or isinstance(before, dict)):
        raise DataError(f"'{change.key}' in '{change.store}' is no object, it has no field '{change.field}'")
    fields = before or {}
    return {**fields, change.field: _sum(change, fields.get(change.field, 0))}


def _sum(change: DataChange, before: Any) -> int | float:
    if before is None:
        before = 0
    for number in (before, change.value):
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise DataError(f"'{change.key}' in '{change.store}': {jsontext.dumps(number).decode()[:40]} is no number")
    try:
        found: int | float = before + change.value
        beyond = isinstance(found, float) and not math.isfinite(found)
    except OverflowError:
        beyond = True
    if beyond:
        raise DataError(f"'{change.key}' in '{change.store}': the sum is larger than a number with decimals can be")
    return found


# ------------------------------------------------------------------ in the file


def _row(row: Sequence[Any]) -> DataRow:
    return DataRow(row[0], bool(row[1]), *row[2:])


class SqlDataRows:
    """In the SQLite file, through a connection's cursor."""

    def __init__(self, execute: Callable[..., sqlite3.Cursor]) -> None:
        self._execute = execute
        self._sql = queries()

    def get(self, store: str, simulated: bool, key: str) -> DataRow | None:
        row = self._execute(self._sql["data_record"], (store, simulated, key)).fetchone()
        return None if row is None else _row(row)

    def put(self, row: DataRow) -> None:
        self._execute(self._sql["put_data"], row)

    def drop(self, row: DataRow) -> None:
        self._execute(self._sql["drop_data"], row[:3])

    def standing(self, store: str, simulated: bool) -> Standing:
        row = self._execute(self._sql["data_standing"], (store, simulated)).fetchone()
        return Standing() if row is None else Standing(*row)

    def stand(self, store: str, simulated: bool, standing: Standing) -> None:
        self._execute(self._sql["stand_data"], (store, simulated, *standing))

    def forget(self, change: DropData) -> None:
        for row in self._execute(self._sql["data_of_key"], (change.key,)).fetchall():
            found = _row(row)
            standing = self.standing(found.store, found.simulated)
            self.drop(found)
            self.stand(found.store, found.simulated, standing._replace(records=standing.records - 1))


# ------------------------------------------------------------------ in memory


class MemoryDataRows:
    """In the tables of the double.

    :param put: sets a row so that it can be undone; ``remove`` removes one so.
    """

    def __init__(
        self,
        tables: Tables,
        put: Callable[[dict[Any, Any], object, object], None],
        remove: Callable[[dict[Any, Any], object], None],
    ) -> None:
        self._tables = tables
        self._set = put
        self._remove = remove

    def get(self, store: str, simulated: bool, key: str) -> DataRow | None:
        return self._tables.data.get((store, simulated, key))

    def put(self, row: DataRow) -> None:
        self._set(self._tables.data, row[:3], row)

    def drop(self, row: DataRow) -> None:
        self._remove(self._tables.data, row[:3])

    def standing(self, store: str, simulated: bool) -> Standing:
        return self._tables.data_stores.get((store, simulated), Standing())

    def stand(self, store: str, simulated: bool, standing: Standing) -> None:
        self._set(self._tables.data_stores, (store, simulated), standing)

    def forget(self, change: DropData) -> None:
        for found in [row for row in self._tables.data.values() if row.key == change.key]:
            standing = self.standing(found.store, found.simulated)
            self.drop(found)
            self.stand(found.store, found.simulated, standing._replace(records=standing.records - 1))


# ------------------------------------------------------------------ questions


@dataclass(frozen=True, slots=True)
class DataAt:
    """One record."""

    store: str
    simulated: bool
    key: str

    def of_file(self, db: sqlite3.Connection) -> DataRow | None:
        return SqlDataRows(db.execute).get(self.store, self.simulated, self.key)

    def of_tables(self, tables: Tables) -> DataRow | None:
        return tables.data.get((self.store, self.simulated, self.key))


@dataclass(frozen=True, slots=True)
class DataFrom:
    """Records of a store in the order of their keys: those that begin so, after a key."""

    store: str
    simulated: bool
    prefix: str = ""
    after: str = ""
    limit: int = 1000

    def of_file(self, db: sqlite3.Connection) -> Sequence[DataRow]:
        values = {"store": self.store, "simulated": self.simulated, "prefix": self.prefix, "after": self.after}
        return [_row(row) for row in db.execute(queries()["data_from"], {**values, "limit": self.limit})]

    def of_tables(self, tables: Tables) -> Sequence[DataRow]:
        found = (
            row
            for row in tables.data.values()
            if (row.store, row.simulated) == (self.store, self.simulated)
            and row.key.startswith(self.prefix)
            and row.key > self.after
        )
        # as UTF-8 sorts, which is how code points do
        return sorted(found, key=lambda row: row.key)[: self.limit]


@dataclass(frozen=True, slots=True)
class DataSizes:
    """How many records each store has, by name and kind."""

    def of_file(self, db: sqlite3.Connection) -> Mapping[tuple[str, bool], Standing]:
        return {(row[0], bool(row[1])): Standing(*row[2:]) for row in db.execute(queries()["data_standings"])}

    def of_tables(self, tables: Tables) -> Mapping[tuple[str, bool], Standing]:
        return dict(sorted(tables.data_stores.items()))


@dataclass(frozen=True, slots=True)
class AllData:
    """All records, of all stores and kinds, up to so many."""

    limit: int = MOST_RECORDS

    def of_file(self, db: sqlite3.Connection) -> Sequence[DataRow]:
        return [_row(row) for row in db.execute(queries()["all_data"], (self.limit,))]

    def of_tables(self, tables: Tables) -> Sequence[DataRow]:
        return list(tables.data.values())[: self.limit]


def lent(row: DataRow) -> ChangeData:
    """What puts a record of one store into another, where nothing is kept."""
    change = DataChange(How.PUT, row.store, row.key, jsontext.loads(row.record))
    return ChangeData(change=change, simulated=row.simulated, at=row.updated_at)
