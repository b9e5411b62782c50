"""A replay writes nothing a second time, wherever the process dies, and however many people replay at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from engine.runtime.replays import NotReplayable
from engine.sdk.errors import DataError
from engine.sdk.faults import POINTS
from engine.store.records import RunFilter
from engine.testing import CrashAt, Harness
from tests.promises.shop_runs import NewHarness
from tests.support.shop import scenario

#: a run that has written twice and fails at the third
SHOP = scenario("""
- id: look
  module: shop.get
  with: {n: 1}
- id: charge
  module: shop.charge
  with: {n: 1}
- id: send
  module: shop.charge
  with: {n: 2}
- id: last
  module: shop.charge
  with: {n: 3}
- stop: success
  output: ${{ last }}
""")


class Vendor:
    """Refuses the third write once; counts what it took."""

    def __init__(self) -> None:
        self.taken: Counter[int] = Counter()
        self.refusals = 1

    def charge(self, config: Mapping[str, Any]) -> Any:
        if config["n"] == 3 and self.refusals:
            self.refusals -= 1
            raise DataError("not yet", refused=True)
        self.taken[config["n"]] += 1
        return {"n": config["n"]}

    def doubles(self) -> dict[str, Any]:
        return {"shop.get": lambda _config: {"n": 1}, "shop.charge": self.charge}


async def race(work: Any, faults: CrashAt) -> None:
    """Do something until it is done, or until the process dies over it."""
    life, death = asyncio.ensure_future(work), asyncio.ensure_future(faults.death())
    await asyncio.wait({life, death}, return_when=asyncio.FIRST_COMPLETED)
    life.cancel()
    death.cancel()
    await asyncio.gather(life, death, return_exceptions=True)


async def replay_and_die(new_harness: NewHarness, point: str, nth: int, start: str | None = None) -> Vendor:
    """Fail, replay, die at the point, and do in the next life what a person would: replay what has no replay yet."""
    vendor = Vendor()
    harness = new_harness(SHOP, doubles=vendor.doubles())
    await harness.start()
    failed = await harness.run({})
    assert failed.state == "failed"
    assert vendor.taken == {1: 1, 2: 1}
    faults = CrashAt(point, nth)

    async def live() -> None:
        await harness.restart(faults)
        await harness.replay(failed.run.id, start)

    await race(live(), faults)
    await harness.restart()
    await harness.rest()
    [newest, *_] = await harness.store.runs(RunFilter())
    if newest.id == failed.run.id:
        await harness.replay(failed.run.id, start)
        [newest, *_] = await harness.store.runs(RunFilter())
    result = await harness.result(newest.id)
    assert result.state in ("succeeded", "held")
    if result.state == "held":
        assert [hold["code"] for hold in result.holds] == ["unknown"], "the process died over this write"
    else:
        assert result.output == {"n": 3}
    await harness.stop()
    return vendor


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("start", [None, "send"])
@pytest.mark.parametrize(
    "point",
    [
        "run.replaying",
        "run.replayed",
        "run.claimed",
        "call.after",
        "effect.seeking",
        "effect.taken-over",
        "effect.intended",
        "effect.sent",
        "effect.settled",
        "run.ending",
        "store.begin",
        "store.commit",
        "store.committed",
    ],
)
async def test_a_death_anywhere_in_a_replay_makes_no_write_twice(
    new_harness: NewHarness, point: str, nth: int, start: str | None
) -> None:
    assert point in POINTS
    vendor = await replay_and_die(new_harness, point, nth, start)
    assert set(vendor.taken.values()) == {1}, vendor.taken
    assert vendor.taken.keys() >= {1, 2}


async def test_what_was_written_is_found_by_its_key(new_harness: NewHarness) -> None:
    """The check of the mutant below: without a look-up everything would be written again."""
    vendor = await replay_and_die(new_harness, "run.ending", 99)
    assert vendor.taken == {1: 1, 2: 1, 3: 1}


async def test_people_who_replay_at_once_make_one_replay(new_harness: NewHarness) -> None:
    vendor = Vendor()
    harness: Harness = new_harness(SHOP, doubles=vendor.doubles())
    await harness.start()
    failed = await harness.run({})
    made = await asyncio.gather(*(harness.replay(failed.run.id) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in made].count(NotReplayable) == 2
    assert vendor.taken == {1: 1, 2: 1, 3: 1}
    await harness.stop()
