"""What became of each event: when it was due, accepted, through; and what should not have happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

now = time.monotonic


@dataclass
class Ledger:
    """One load's events by id; all times are of ``now``, in seconds."""

    due: dict[str, float] = field(default_factory=dict)
    """when it was to be sent, which is before it was sent when the sender was late"""
    accepted: dict[str, float] = field(default_factory=dict)
    """when its 2xx came"""
    completed: dict[str, float] = field(default_factory=dict)
    """when its first right update came"""
    refused: dict[str, int] = field(default_factory=dict)
    """the status of any other answer"""
    broken: dict[str, str] = field(default_factory=dict)
    """why it got no answer"""
    repeated: dict[str, int] = field(default_factory=dict)
    """how many updates came beyond the first"""
    wrong: list[bytes] = field(default_factory=list)
    """requests to the API that are not part of the work, or updates with a wrong value"""
    reads: int = 0
    on_completed: Callable[[str], None] | None = None
    on_failed: Callable[[str], None] | None = None

    @property
    def answered(self) -> int:
        return len(self.accepted) + len(self.refused) + len(self.broken)

    def complete(self, event_id: str) -> None:
        if event_id in self.completed:
            self.repeated[event_id] = self.repeated.get(event_id, 0) + 1
            return
        self.completed[event_id] = now()
        if self.on_completed is not None:
            self.on_completed(event_id)

    def refuse(self, event_id: str, status: int) -> None:
        self.refused[event_id] = status
        self._failed(event_id)

    def cut(self, event_id: str, why: str) -> None:
        self.broken[event_id] = why
        self._failed(event_id)

    def _failed(self, event_id: str) -> None:
        if self.on_failed is not None:
            self.on_failed(event_id)

    def open(self) -> set[str]:
        """Events that were accepted and are not through."""
        return self.accepted.keys() - self.completed.keys()

    def latencies(self, ends: dict[str, float], since: float = 0.0) -> list[float]:
        """Seconds from due to an end (``accepted``, ``completed``), of events that were due after ``since``."""
        due = self.due
        return [end - due[name] for name, end in ends.items() if name in due and due[name] >= since]
