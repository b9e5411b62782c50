"""What is read of the events that runs wait for, kept at hand, so that all other events cost one look-up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.sdk import jsontext
from engine.store.interface import Store
from engine.store.waits import WaitSource


class EventSources:
    """By the name of the webhook. What was waited for once stays: one for each step that waits, not for each run."""

    def __init__(self) -> None:
        self._by_name: dict[str, dict[str, WaitSource]] = {}

    async def load(self, store: Store) -> None:
        """Read what earlier sessions knew."""
        for source in await store.waits.sources():
            self.add(source)

    def add(self, source: WaitSource) -> None:
        self._by_name.setdefault(source.source, {})[source.id] = source

    def of(self, name: str) -> Sequence[WaitSource]:
        found = self._by_name.get(name)
        return () if found is None else tuple(found.values())


def match_of(source_id: str, values: Sequence[Any]) -> str:
    """What a wait and an event that it wants have in common."""
    return jsontext.fingerprint([source_id, [_plain(value) for value in values]])


def _plain(value: Any) -> Any:
    """The value with whole numbers written in one way: JSON's 7.0 equals 7."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
