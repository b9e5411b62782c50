"""What scenario and module authors test with: a virtual clock, module doubles, a whole engine in a test, crashes."""

from engine.sdk.faults import POINTS
from engine.testing.clock import VirtualClock
from engine.testing.doubles import DoubleCaller, Pages, Recorded
from engine.testing.faults import CrashAt
from engine.testing.harness import Harness, RunResult
from engine.testing.simulated import SimulatedHarness

__all__ = [
    "POINTS",
    "CrashAt",
    "DoubleCaller",
    "Harness",
    "Pages",
    "Recorded",
    "RunResult",
    "SimulatedHarness",
    "VirtualClock",
]
