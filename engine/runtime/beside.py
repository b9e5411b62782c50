"""What goes on side by side: items of a loop, branches. Each comes to its own rest; then one of their ends counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.runtime.outcomes import CutOff, MustHold, RollBack, StepFailed, Stopped
from engine.scenario.expressions import ExpressionError

if TYPE_CHECKING:
    from engine.runtime.interpreter import Interpreter

#: how a part that goes on beside others ends when it does not end well
TROUBLES = (StepFailed, MustHold, Stopped, ExpressionError, RollBack, CutOff)


async def side_by_side(walk: Interpreter, works: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    """Do several things at a time, until all of them have ended. The run leaves memory only when all of them wait.

    :param works: each keeps its troubles to itself.
    """
    # the caller waits meanwhile, so it is not a branch of its own
    walk.effects.branches(len(works) - 1)
    tasks = [asyncio.ensure_future(work()) for work in works]
    left = set(tasks)

    def ended(task: asyncio.Task[None]) -> None:
        left.discard(task)
        # the caller goes on in place of the last one
        if left:
            walk.effects.branches(-1)

    for task in tasks:
        # not in the task: one that is cancelled before its first turn never runs
        task.add_done_callback(ended)
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def settle(troubles: Mapping[int, Exception]) -> None:
    """Raise what went wrong, if anything: a hold goes before a failure, the first part before the later ones.

    :param troubles: by the number of the item or branch.
    """
    if not troubles:
        return
    holds = [hold for _, t in sorted(troubles.items()) if isinstance(t, MustHold) for hold in t.holds]
    if holds:
        raise MustHold(*holds)
    if back := next((t for t in troubles.values() if isinstance(t, RollBack)), None):
        raise back
    raise troubles[min(troubles)]
