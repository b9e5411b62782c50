"""Answers from outside to what runs wait for: signals, and a person's yes or no."""

from __future__ import annotations

from typing import Any

from engine.runtime.runner import Runner
from engine.sdk import jsontext
from engine.sdk.clock import iso
from engine.sdk.errors import EngineError
from engine.sdk.faults import NO_FAULTS, Faults
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.waits import AT_ONCE, AnswerWait, SendSignal, Signal, Wait, WaitState


class AnswerRefused(EngineError):
    """A run asks for no approval, or it is not clear which of its steps is meant."""

    code = "answer-refused"


async def send_signal(
    store: Store,
    runner: Runner | None,
    name: str,
    key: str,
    data: Any,
    now: float,
    *,
    keep: float = 0.0,
    simulated: bool | None = None,
    faults: Faults = NO_FAULTS,
) -> Signal:
    """Send a signal to all runs that wait for it; ``reached`` says to how many it came.

    :param runner: who executes the store in this process.
    :param key: empty: none.
    :param keep: seconds for which it waits for a run, where none waits for it.
    :param simulated: whether it reaches simulated runs, or the others; None: those that the runner executes.
    """
    kind = (runner is not None and runner.simulated) if simulated is None else simulated
    signal = Signal(store.new_id(), name, key, kind, jsontext.dumps(data), now, now + keep)
    faults.hit("wait.answering")
    before = 0
    released: set[str] = set()
    while True:
        fate = await store.put(SendSignal(signal))
        released.update(fate.released)
        sent = await store.waits.signal(signal.id)
        if sent is None or sent.reached - before < AT_ONCE:
            break
        before = sent.reached
    faults.hit("wait.answered")
    if runner is not None:
        runner.answered(released)
    return sent or signal


async def asked(store: Store, run_id: int, step: str | None = None) -> Wait:
    """What a run asks of a person.

    :param step: the path of which step; may be left out where one asks.
    :raises AnswerRefused: it asks nothing, or it is not clear which step is meant.
    """
    waits = await store.waits.of_run(run_id)
    waits = [wait for wait in waits if wait.kind == "approval" and wait.state is WaitState.OPEN]
    fitting = [wait for wait in waits if step in (None, path_of(wait))]
    if not waits:
        raise AnswerRefused(f"run {show(run_id)} asks for no approval now", hint="list them with `engine approvals`")
    if len(fitting) != 1:
        steps = ", ".join(map(path_of, waits))
        raise AnswerRefused(f"run {show(run_id)} asks at: {steps}", hint="say which with --step")
    return fitting[0]


async def decide(
    store: Store,
    runner: Runner | None,
    run_id: int,
    now: float,
    *,
    yes: bool,
    comment: str | None = None,
    by: str | None = None,
    step: str | None = None,
    faults: Faults = NO_FAULTS,
) -> None:
    """Answer what a run asks. Raises ``AnswerRefused``, also where another answer or the timeout was there first."""
    wait = await asked(store, run_id, step)
    wait = await approve(store, runner, wait, now, yes=yes, comment=comment, by=by, faults=faults)
    if wait.state is not WaitState.ANSWERED or (wait.answered_at, wait.answered_by) != (now, by or "link"):
        why = "the time for it is over" if wait.state is WaitState.TIMED_OUT else f"it is {wait.state} already"
        raise AnswerRefused(f"run {show(run_id)} does not ask any more: {why}", hint="see `engine runs show`")


def path_of(wait: Wait) -> str:
    """The path of the step that waits."""
    return wait.key.rpartition("#")[0]


async def approve(
    store: Store,
    runner: Runner | None,
    wait: Wait,
    now: float,
    *,
    yes: bool,
    comment: str | None = None,
    by: str | None = None,
    faults: Faults = NO_FAULTS,
) -> Wait:
    """Answer for a person; gives the wait as it is then: the first answer stands, or a timeout that came before."""
    answer = {"approved": yes, "by": by or None, "comment": comment or None, "at": iso(now)}
    faults.hit("wait.answering")
    fate = await store.put(AnswerWait(wait.run_id, wait.key, jsontext.dumps(answer), now, by or "link"))
    faults.hit("wait.answered")
    if runner is not None:
        runner.answered(fate.released)
    return await store.waits.get(wait.run_id, wait.key) or wait
