"""Who may execute a store, and what is whose: races of processes for the lock, scenarios that share a receipt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.store.lock import holder
from engine.store.records import EffectFilter, RunFilter
from engine.testing import CrashAt
from tests.promises.conftest import new_harness  # noqa: F401 - the fixture
from tests.promises.shop_runs import NewHarness, all_runs, settle, until_death
from tests.support.shop import scenario

TOP = Path(__file__).parents[2]
RACE = """
import sys
from pathlib import Path
from engine.runtime.clock import SystemClock
from engine.sdk.errors import StoreLocked
from engine.store.lock import ExecutorLock
lock = ExecutorLock(Path(sys.argv[1]), clock=SystemClock(), command="engine serve")
print("ready", flush=True)
sys.stdin.readline()
try:
    lock.acquire()
except StoreLocked as refused:
    print(refused.message, flush=True)
else:
    print("held", flush=True)
    sys.stdin.read()
"""


def racers(folder: Path, count: int) -> list[subprocess.Popen[str]]:
    """Processes that reach for the lock at the same moment."""
    found = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(TOP)},
        )
        for _ in range(count)
    ]
    for one in found:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in found:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    return found


def test_of_processes_that_race_for_a_store_one_gets_it_again_after_it_was_killed(tmp_path: Path) -> None:
    for _ in range(2):
        found = racers(tmp_path, 4)
        try:
            said = {one.pid: one.stdout.readline().strip() for one in found if one.stdout is not None}
            [held] = [pid for pid, word in said.items() if word == "held"]
            about = holder(tmp_path)
            assert about is not None
            assert about["pid"] == held
            for pid, word in said.items():
                # whoever comes while the holder has not yet written who it is cannot say more
                assert (
                    pid == held or f"is executed by process {held} (engine serve" in word or "another process" in word
                )
            os.kill(held, signal.SIGKILL)
        finally:
            for one in found:
                one.kill()
                one.communicate()
        assert holder(tmp_path) is None


WRITE = scenario("""
- id: put
  module: shop.put
  with: {email: "${{ trigger.email }}", by: NAME}
- id: charge
  module: shop.charge
  with: {email: "${{ trigger.email }}", by: NAME}
""")


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize(
    "point", ["receipt.accepted", "effect.intended", "effect.sent", "effect.settled", "run.ending"]
)
async def test_two_scenarios_on_one_receipt_write_the_same_record_once_each(
    new_harness: NewHarness,  # noqa: F811 - the fixture
    point: str,
    nth: int,
) -> None:
    charged: Counter[str] = Counter()

    def charge(config: Mapping[str, Any]) -> Any:
        charged[config["by"]] += 1
        return {"by": config["by"]}

    sources = [WRITE.replace("NAME", name).replace("scenario: test", f"scenario: {name}") for name in ("one", "two")]
    faults = CrashAt(point, nth)
    harness = new_harness(*sources, doubles={"shop.put": lambda _config: {}, "shop.charge": charge}, faults=faults)

    async def live() -> None:
        await harness.start()
        await harness.send({"email": "ana"})
        await settle(harness)

    await until_death(live(), faults)
    await harness.restart()
    await settle(harness)
    assert len(await harness.store.runs(RunFilter())) == 2
    effects = await harness.store.effects(EffectFilter())
    assert len({effect.effect_key for effect in effects if effect.module == "shop.charge"}) == 2
    for result in await all_runs(harness):
        assert result.state == "succeeded" or [hold["code"] for hold in result.holds] == ["unknown"]
        # neither takes the other's answer for its own
        for effect in result.effects:
            if effect.module == "shop.charge" and effect.output is not None:
                assert result.run.scenario in str(effect.output)
        if result.state == "succeeded":
            assert charged[result.run.scenario] == 1
    assert set(charged.values()) <= {1}
    await harness.stop()
