"""The seam between the interpreter and everything that is not pure.

The interpreter sees a plan, a bundle, and this protocol. A crash test, virtual time, a dry run, a replay, a scenario
test and another backend are each another implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.runtime.outcomes import Verdict
from engine.runtime.payload import About
from engine.runtime.responding import Response
from engine.scenario.expressions import Context
from engine.scenario.plan import CallStep, ModuleStep, RespondStep, Step
from engine.store.waits import WaitSource


@dataclass(frozen=True, slots=True)
class Ask:
    """What a step waits for.

    :param kind: ``signal``, ``approval`` or ``event``.
    :param name: of the signal; of the step; of the webhook.
    :param match: what else must be equal.
    :param limit: seconds after which it waits no longer; None: for ever.
    :param detail: what is asked, or how an event is tested.
    :param source: what is read of events.
    :param place: of the step.
    """

    kind: str
    name: str
    match: str = ""
    limit: float | None = None
    detail: Mapping[str, Any] | None = None
    source: WaitSource | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """How a wait ended: answered with a value, or not at all."""

    attempt: int
    answered: bool
    value: Any = None


#: what a loop gathers, in words
COLLECTED = "the list that `collect` makes"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What stands for the items of a loop that are over.

    :param state: where the loop stands, as JSON.
    :param rest: names of the items whose rows are still needed: those that are open, and those that may begin before
        the next checkpoint. All others are over, or will not begin before it.
    :param aside: values to be kept in rows of their own, by key.
    :param pages: so many pages of the stream, the first ones, are not needed any more.
    :param names: of the items that are over, where they are to be known again.
    """

    state: Any
    rest: Sequence[str]
    aside: Mapping[str, Any] = field(default_factory=dict)
    pages: int = 0
    names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a loop has come.

    :param done: items that are over, those that failed among them.
    :param failed: items that failed, or are held.
    :param total: how many there are; None: that is not known yet.
    """

    done: int
    failed: int = 0
    total: int | None = None


@dataclass(frozen=True, slots=True)
class CallReply:
    """What the call of a scenario came to.

    :param error: why it came to nothing; None: it came to its output.
    :param late: whether its time was over.
    """

    attempt: int
    output: Any = None
    error: dict[str, Any] | None = None
    late: bool = False


class Effects(Protocol):
    """What a run may do to the world, and what it remembers.

    A *path* names a step in a run: ids and loop items, such as ``each[3]/send``.
    """

    def now(self) -> float:
        """Unix seconds. Not remembered; what rests on it goes through ``decide``."""
        ...

    def decide(self, key: str, compute: Callable[[], Any]) -> Any:
        """The recorded decision or pure output under the key; where there is none, compute and remember it."""
        ...

    def keep(self, key: str, compute: Callable[[], Any], about: About) -> Any:
        """As ``decide``, for a value that may be large.

        :raises ValueTooLarge: it is larger than a value may be.
        :raises MustHold: the run's journal has no room for it.
        """
        ...

    def gathers(self, key: str, size: int, what: str = COLLECTED) -> None:
        """Tell how large the list has become that a loop collects; whether that is too large is decided once.

        :param key: of the loop's item.
        :param what: what the list is, for the message.
        :raises ValueTooLarge: it is.
        """
        ...

    def decided(self, key: str) -> Any:
        """The recorded decision, or None."""
        ...

    def context(self, path: str) -> Context:
        """What impure functions see in expressions of this step: a ``now`` and ids that stay the same on replay."""
        ...

    def chance(self, key: str) -> float:
        """A number from 0 to 1 that depends on run and key alone."""
        ...

    async def call(self, step: ModuleStep, path: str, attempt: int, config: Any) -> Any:
        """Make one attempt, or give what the journal has of it.

        :raises ModuleError: it failed, and it is known whether it was applied.
        :raises UnknownOutcome: a write that must not be repeated ended without a known outcome.
        :raises Interrupted: the attempt came to nothing; the next one is free.
        :raises Diverged: the journal holds another call under this key.
        :raises Differs: another run of the event made this write, with another request.
        """
        ...

    @property
    def round(self) -> int:
        """How often a person has had a word on this run. What a person lets go on gets its time anew."""
        ...

    def renewed(self, path: str) -> int:
        """The round in which a person last let a step go on that had run out of time; 0 when nobody did."""
        ...

    def remembers(self, key: str) -> bool:
        """Whether a decision is recorded under the key."""
        ...

    def begun(self, path: str, attempt: int) -> bool:
        """Whether the journal has something of the attempt."""
        ...

    def entered(self, loop: str) -> bool:
        """Whether the journal had something of a loop's item.

        :param loop: what the keys of its rows begin with.
        """
        ...

    def hit(self, point: str) -> None:
        """Pass a fault point."""
        ...

    def folded(self, path: str) -> Any:
        """Where the loop at a path stood at its checkpoint; None: it has none."""
        ...

    def set_aside(self, key: str) -> bytes:
        """A value that a checkpoint set aside, as JSON."""
        ...

    async def fold(self, path: str, checkpoint: Checkpoint) -> bool:
        """Put a checkpoint in place of what the run remembers of items that are over.

        :returns: False: the outcome of a write in them is not known yet, so that nothing was changed.
        """
        ...

    async def known_items(self, path: str, names: Sequence[str]) -> Collection[str]:
        """Which of these items of a loop, by their names, its checkpoint stands for."""
        ...

    def progressed(self, step: Step, path: str, progress: Progress) -> None:
        """For whoever watches: how far a loop has come."""
        ...

    def hurry(self, *, on: bool) -> None:
        """Whether the run, when nothing but waits is left of it, is walked again at once and not when one is over."""
        ...

    def failed_at(self, path: str, attempt: int) -> float:
        """When the attempt failed."""
        ...

    def verdict(self, path: str, attempt: int) -> Verdict | None:
        """A person's word on the step after this attempt."""
        ...

    async def rest(self, path: str, due: Callable[[], float]) -> None:
        """Wait until a moment that is decided once, and do not wait again for what has come."""
        ...

    async def wait(self, path: str, ask: Callable[[], Ask]) -> Reply:
        """Wait for an answer; the run may leave memory meanwhile. What is asked is decided once.

        Before anybody can answer, all that the run did until then is durable.
        """
        ...

    def replied(self, path: str) -> Reply | None:
        """How a wait ended, as the journal has it; one that has not ended is waited for no more."""
        ...

    async def call_scenario(self, step: CallStep, path: str, given: Any) -> CallReply:
        """Start a run of another scenario, once, and wait for its end where the step does; or give what came of it.

        :raises Diverged: the journal holds another call under this key.
        """
        ...

    def called(self, step: CallStep, path: str) -> CallReply | None:
        """What came of a call, as the journal has it; a run that has not ended is waited for no more."""
        ...

    async def respond(self, step: RespondStep, path: str, made: Callable[[], Response]) -> Any:
        """Answer the sender of the event, once, where nobody has answered; what is answered is durable before."""
        ...

    async def pause(self, key: str, due: float) -> None:
        """Wait until a moment, and do not wait again for what has come; the run may leave memory meanwhile."""
        ...

    def timeout(self, seconds: float) -> Any:
        """An async context manager that cancels its body after so many seconds and raises the built-in TimeoutError."""
        ...

    def branches(self, change: int) -> None:
        """Tell how many more (or fewer) branches run side by side now."""
        ...

    def started(self, step: ModuleStep, path: str, attempt: int, config: Any) -> None:
        """For whoever watches: a step begins an attempt."""
        ...

    def retrying(self, step: Step, path: str, attempt: int, error: dict[str, Any], due: float) -> None:
        """For whoever watches: an attempt failed, and the next one is made when it is ``due``."""
        ...

    def finished(self, step: Step, path: str, status: str, value: Any) -> None:
        """For whoever watches: how a step ended, with its output or error.

        :param status: ``done``, ``skipped``, ``failed``, ``ignored`` or ``handled``.
        """
        ...
