"""A scenario dies at every boundary of its steps, and its simulated vendors are held to what they have then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.testing.crash import Everywhere, Kind, Moment, Report
from tests.crash.plays import play

#: before and behind each step: what was asked, intended, sent, settled, waited for
BOUNDARIES = (
    *("call.before", "call.after", "effect.intended", "effect.sent", "effect.settled"),
    *("wait.begun", "wait.over", "run.ending", "run.moved"),
)


async def die_everywhere(name: str, folder: Path) -> Report:
    """Let a shipped scenario die at each boundary of a step, and go on. Asserts that the books add up each time."""

    def boundaries(moments: Sequence[Moment]) -> Sequence[Moment]:
        return [moment for moment in moments if moment.point in BOUNDARIES]

    report = await Everywhere(folder, [Kind.DEATH], boundaries).run(name, play(name))
    assert report.lives
    assert all(life.fired for life in report.lives)
    assert not report.broken, [f"{life.moment}: {life.said}" for life in report.broken]
    return report
