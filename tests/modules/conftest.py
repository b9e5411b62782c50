"""The loyalty simulator and a connection to it, on a clock that tests turn."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from modules.yotpo_loyalty.connection import CONNECTION
from modules.yotpo_loyalty.simulator import LoyaltySimulator
from tests.modules.bench import Bench, bench
from tests.runtime.doubles import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def simulator(clock: HandClock) -> LoyaltySimulator:
    return LoyaltySimulator(clock)


@pytest.fixture
async def yotpo(simulator: LoyaltySimulator, clock: HandClock) -> AsyncIterator[Bench]:
    async with bench(simulator, CONNECTION, clock) as connected:
        yield connected
