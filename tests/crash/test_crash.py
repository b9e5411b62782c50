"""The crash test, short: ``python -m tests.crash --kills 200`` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.crash import Plan, count, run
from tests.crash.mutant import MUTANTS
from tests.crash.processes import tail

pytestmark = pytest.mark.crash

#: mutant to whether events are lost and whether charges are made twice
DAMAGE = {
    # the disk is slow in all of them: that alone does no harm
    "slow-disk": (False, False),
    "no-wait": (True, False),
    "no-barrier": (False, True),
}


async def test_nothing_is_lost_or_charged_twice_when_the_engine_is_killed(tmp_path: Path) -> None:
    report = await run(Plan(folder=tmp_path, kills=12, seed=2))
    assert not report.faults, f"{report.faults}\n{tail(tmp_path)}"
    assert report.recovered > 0, "no kill met a run under way, so nothing was shown"
    assert report.before.acknowledged > 100


@pytest.mark.parametrize("mutant", DAMAGE)
async def test_it_notices_when_a_mechanism_is_switched_off(tmp_path: Path, mutant: str) -> None:
    # late enough that something is always on its way to the slow disk
    plan = Plan(folder=tmp_path, kills=3, seed=1, alive=(0.5, 1.0), mutant=mutant)
    before = await count(plan)
    assert (bool(before.lost), bool(before.doubled)) == DAMAGE[mutant], f"{before}\n{tail(tmp_path)}"


def test_every_mutant_is_tried() -> None:
    assert DAMAGE.keys() == MUTANTS.keys()
