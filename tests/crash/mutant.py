"""``engine serve`` with a mechanism switched off, to see that the crash test notices.

    python -m tests.crash.mutant no-wait serve …

A kill does not lose what was handed to the operating system, so the time between an answer and its commit is what
shows. All mutants write to a slow disk to make it long; ``slow-disk`` does only that, and must lose nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from engine.cli import main
from engine.runtime.durable import DurableEffects
from engine.runtime.intake import Intake
from engine.store.changes import AS_ASKED, AddEffect, Fate
from engine.store.writer import Writer

#: seconds that a commit waits before it begins
SLOWNESS = 0.1


def slow_disk() -> None:
    """Commits begin late. Nothing is switched off."""
    hand_over = Writer._hand_over

    def later(self: Writer) -> None:
        # by `_go_on` after a commit too: then the loop may have ended in the meantime
        if self._loop is not None:
            self._loop.call_later(SLOWNESS, hand_over, self)

    Writer._hand_over = later  # type: ignore[method-assign]


def no_wait() -> None:
    """The receipt rides along; the sender is answered before it is durable."""
    slow_disk()

    async def commit(self: Intake, changes: Any) -> Fate:
        self._store.ride(*changes)
        return AS_ASKED

    Intake._commit = commit  # type: ignore[method-assign]


def no_barrier() -> None:
    """The intent rides along; the write leaves before it is durable."""
    slow_disk()

    async def intend(self: DurableEffects, intent: Any) -> None:
        self._store.ride(AddEffect(intent), owner=self._owner)

    DurableEffects._intend = intend  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {"slow-disk": slow_disk, "no-wait": no_wait, "no-barrier": no_barrier}


if __name__ == "__main__":
    MUTANTS[sys.argv.pop(1)]()
    main()
