"""Whether there is anything that a ``rollback`` could undo."""

from __future__ import annotations

from collections.abc import Sequence

from engine.scenario.diagnostics import Place
from engine.scenario.report import Report


class Undoing:
    """Notes each ``undo`` and each ``rollback`` of a file, in its order."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._undos: list[tuple[Place, ...]] = []
        self._backs: list[tuple[Place, int, tuple[Place, ...]]] = []

    def undo(self, loops: tuple[Place, ...]) -> None:
        """A step that may have ended by now has an ``undo``.

        :param loops: those around it.
        """
        self._undos.append(loops)

    def back(self, place: Place, loops: tuple[Place, ...]) -> None:
        """The run may be rolled back at this place. A step that fails is not undone itself: tell it before ``undo``."""
        self._backs.append((place, len(self._undos), loops))

    def finish(self) -> None:
        """Note the rollbacks that can undo nothing."""
        for place, before, loops in self._backs:
            if not before and not _around_both(self._undos, loops):
                message = "there is nothing that this `rollback` could undo: no step that ends before it has an `undo`"
                hint = "add `undo` to what is to be undone; a step that fails is not undone itself"
                self._report.add("nothing-to-undo", message, place, hint)


def _around_both(undos: Sequence[tuple[Place, ...]], loops: tuple[Place, ...]) -> bool:
    """Whether a step with an ``undo`` is in the same loop: it may have ended for an earlier item."""
    return any(loop in around for around in undos for loop in loops)
