"""Short ways to write rows, a clock that stands still, and fault points that fail on demand."""

from __future__ import annotations

from typing import Any

from engine.sdk.faults import SimulatedCrash
from engine.store.records import Delivery, DeliveryState, EffectRecord, EffectState, Receipt, Record, Run

NOW = 1_700_000_000.0


class StillClock:
    """A clock that shows what it is told to; nothing here waits on it."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("the store does not sleep")

    def timeout(self, seconds: float | None) -> Any:
        raise AssertionError("the store has no timeouts")


class FailAt:
    """Counts fault points; raises ``error`` at ``point`` as long as it is set."""

    def __init__(self, point: str = "", error: BaseException | None = None) -> None:
        self.point = point
        self.error = error
        self.hits: list[str] = []

    def hit(self, point: str) -> None:
        self.hits.append(point)
        if point == self.point and self.error is not None:
            raise self.error

    @classmethod
    def crash(cls, point: str) -> FailAt:
        return cls(point, SimulatedCrash(point))


def receipt(number: int, **fields: Any) -> Receipt:
    given = {"source": "hook", "received_at": NOW, "method": "POST", "headers": b"{}", "query": b"{}", "body": b"{}"}
    return Receipt(id=number, **{**given, **fields})


def delivery(receipt_id: int, number: int = 0, **fields: Any) -> Delivery:
    given = {"scenario": "welcome", "state": DeliveryState.RUN, "run_id": receipt_id + 1000}
    return Delivery(receipt_id=receipt_id, number=number, **{**given, **fields})


def run(run_id: int, **fields: Any) -> Run:
    given = {
        "scenario": "welcome",
        "version": "v1",
        "receipt_id": run_id - 1000,
        "number": 0,
        "origin": f"{run_id - 1000}:0",
        "state": "queued",
        "epoch": 0,
        "created_at": NOW,
    }
    return Run(id=run_id, **{**given, **fields})


def record(run_id: int, key: str, position: int = 0, **fields: Any) -> Record:
    given = {"kind": "call", "at": NOW, "module": "http.make_request", "request_hash": "h", "output": b"{}"}
    return Record(run_id=run_id, key=key, position=position, **{**given, **fields})


def effect(run_id: int, key: str, position: int = 0, **fields: Any) -> EffectRecord:
    given = {
        "effect_key": f"welcome:{run_id}:{key}",
        "scenario": "welcome",
        "module": "http.make_request",
        "effect": "write",
        "request": b'{"points":5}',
        "request_hash": "h",
        "state": EffectState.INTENDED,
        "intended_at": NOW,
    }
    return EffectRecord(run_id=run_id, key=key, position=position, **{**given, **fields})
