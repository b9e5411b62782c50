"""The project's data stores in one process: what is declared, and how modules read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.scenario.config import schema_validator
from engine.scenario.diagnostics import did_you_mean
from engine.sdk.data import DataRecord
from engine.sdk.errors import DataError
from engine.sdk.modules import Json, Schema
from engine.store.data import MOST_RECORDS, DataAt, DataFrom, DataRules, DataSizes
from engine.store.interface import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """A store of ``engine.yaml``.

    :param schema: of each record; None: any JSON.
    :param records: how many it takes.
    """

    schema: Schema | None = None
    records: int = MOST_RECORDS


@dataclass(frozen=True, slots=True)
class DeclaredData:
    """The stores that a project declares; None: any name will do, as in a test."""

    stores: Mapping[str, DataSettings] | None = None
    _rules: dict[str, DataRules] = field(default_factory=dict)

    def rules(self, name: str) -> DataRules:
        """What a store takes. Raises ``DataError``: there is none of this name."""
        if self.stores is None:
            return DataRules()
        if name not in self.stores:
            hint = did_you_mean(name, self.stores) or "declare it in engine.yaml: `data: {NAME: {}}`"
            raise DataError(f"there is no data store '{name}'", refused=True, hint=hint)
        if name not in self._rules:
            found = self.stores[name]
            wrong: Callable[[Json], str | None] | None = None
            if found.schema is not None:
                wrong = schema_validator(found.schema)
            self._rules[name] = DataRules(found.records, wrong)
        return self._rules[name]


#: what a test has
ANY_DATA = DeclaredData()


class StoredData:
    """``engine.Data`` over the store."""

    def __init__(self, store: Store, declared: DeclaredData, *, simulated: bool) -> None:
        self._store = store
        self._declared = declared
        self._simulated = simulated

    async def get(self, store: str, key: str) -> DataRecord | None:
        self._declared.rules(store)
        row = await self._store.ask(DataAt(store, self._simulated, key))
        return None if row is None else row.shown

    async def find(self, store: str, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[DataRecord]:
        """Records in the order of their keys."""
        self._declared.rules(store)
        rows = await self._store.ask(DataFrom(store, self._simulated, prefix, after, limit))
        return [row.shown for row in rows]

    async def count(self, store: str) -> int:
        self._declared.rules(store)
        found = (await self._store.ask(DataSizes())).get((store, self._simulated))
        return 0 if found is None else found.records
