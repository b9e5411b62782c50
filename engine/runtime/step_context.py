"""What impure functions see in the expressions of a step."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from engine.runtime.callers import KEY_SPACE
from engine.sdk.clock import iso

if TYPE_CHECKING:
    from engine.runtime.durable import DurableEffects


class StepContext:
    """What impure functions see in the expressions of one step."""

    __slots__ = ("_effects", "_path", "_uuids")

    def __init__(self, effects: DurableEffects, path: str) -> None:
        self._effects = effects
        self._path = path
        self._uuids = 0

    def now(self) -> str:
        return str(self._effects.decide(f"{self._path}@now", lambda: iso(self._effects.now())))

    def uuid(self) -> str:
        self._uuids += 1
        seed = self._effects.journal.seed or self._effects.run.id
        return str(uuid.uuid5(KEY_SPACE, f"{seed}/{self._path}/{self._uuids}"))

    def approval_link(self, step: str) -> str | None:
        return self._effects.waits.link(self._path, step)
