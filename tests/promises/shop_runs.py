"""What the promise tests share: a scenario with a read, a branch, a loop and a write that must not be made twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.store.records import RunFilter
from engine.testing import CrashAt, Harness
from tests.support.shop import scenario

#: looks at the runs, each after the event loop turned forty times, before a test gives up
PATIENCE = 20_000

NewHarness = Callable[..., Harness]

#: a read, a decision, two side-by-side idempotent writes, a write that is not idempotent
CHARGE = scenario("""
- id: customer
  module: shop.get
  with: {email: "${{ trigger.email }}"}
- if: ${{ customer.points > 500 }}
  steps:
    - set: {reason: "gold for ${{ trigger.email }}"}
- id: tags
  foreach: ${{ customer.tags }}
  concurrency: 2
  steps:
    - id: tag
      module: shop.put
      with: {email: "${{ trigger.email }}", tag: "${{ item }}"}
- id: charge
  module: shop.charge
  with: {email: "${{ trigger.email }}", reason: "${{ vars.reason }}"}
""")

#: the fault points that it passes, all of them; what passes the others is made to fail in ``tests/crash``
PASSED = (
    "store.begin",
    "store.commit",
    "store.committed",
    "receipt.taken",
    "receipt.accepted",
    "run.claimed",
    "call.before",
    "call.after",
    "effect.intended",
    "effect.sent",
    "effect.settled",
    "run.ending",
    "run.moved",
)


@dataclass
class Vendor:
    """Counts what reaches it. It does not die with the engine."""

    reads: Counter[str] = field(default_factory=Counter)
    charges: Counter[str] = field(default_factory=Counter)
    tags: Counter[str] = field(default_factory=Counter)

    @property
    def doubles(self) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
        return {"shop.get": self.get, "shop.put": self.put, "shop.charge": self.charge}

    def get(self, config: Mapping[str, Any]) -> Any:
        self.reads[config["email"]] += 1
        return {"points": 700, "tags": ["a", "b"]}

    def put(self, config: Mapping[str, Any]) -> Any:
        self.tags[f"{config['email']}/{config['tag']}"] += 1
        return {}

    def charge(self, config: Mapping[str, Any]) -> Any:
        assert config["reason"] == f"gold for {config['email']}"
        self.charges[config["email"]] += 1
        return {"receipt": config["email"]}


@dataclass
class Crashed:
    """What is left after a crash and a restart, with everything settled that settles by itself."""

    faults: CrashAt
    harness: Harness
    vendor: Vendor
    acknowledged: dict[int, str]
    """receipt id to e-mail"""
    states: dict[str, list[str]]
    """states of the runs by e-mail"""
    holds: dict[str, list[str]]
    """codes of the holds by e-mail"""


async def crash(new_harness: NewHarness, point: str | None, nth: int, *, events: int = 3, **options: Any) -> Crashed:
    """Send events, crash at the n-th passing of a fault point, restart, and let everything come to rest.

    :param options: of the harness.
    """
    vendor = Vendor()
    faults = CrashAt(point, nth)
    harness = new_harness(CHARGE, doubles=vendor.doubles, faults=faults, **options)
    acknowledged: dict[int, str] = {}

    async def live() -> None:
        await harness.start()
        for number in range(events):
            email = f"p{number}@example.com"
            accepted = await harness.send({"email": email})
            acknowledged[accepted.receipt_id] = email
        await settle(harness)

    await until_death(live(), faults)
    await harness.restart()
    await settle(harness)
    states: dict[str, list[str]] = {}
    holds: dict[str, list[str]] = {}
    for result in await all_runs(harness):
        email = str(result.run.subject)
        states.setdefault(email, []).append(result.state)
        holds.setdefault(email, []).extend(hold["code"] for hold in result.holds)
    return Crashed(faults, harness, vendor, acknowledged, states, holds)


async def until_death(life: Coroutine[Any, Any, None], faults: CrashAt) -> None:
    """Live until the end or the crash. A dead process answers nobody, so whoever waits for it is cut off."""
    task, death = asyncio.ensure_future(life), asyncio.ensure_future(faults.death())
    await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    death.cancel()
    for outcome in await asyncio.gather(task, death, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


async def settle(harness: Harness) -> None:
    """Wait until no run is queued or running."""
    for _ in range(PATIENCE):
        if all(result.state not in ("queued", "running") for result in await all_runs(harness)):
            return
        await harness.clock.settle()
    raise AssertionError("the runs never come to rest")


async def all_runs(harness: Harness) -> list[Any]:
    return [await harness.look(run.id) for run in await harness.store.runs(RunFilter())]
