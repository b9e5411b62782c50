"""The plan: a scenario that was read, checked and compiled. What the interpreter runs; it holds no text to parse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from engine.scenario.diagnostics import Place
from engine.scenario.expressions import Expression, Template
from engine.scenario.inputs import Inputs
from engine.scenario.timetables import Timetable
from engine.sdk.errors import ModuleError
from engine.sdk.http import LONGEST_WAIT
from engine.sdk.modules import Config, Json, Module, PollingTrigger, Schema, WebhookTrigger


class OnError(StrEnum):
    """What happens when a step fails for good."""

    FAIL = "fail"
    IGNORE = "ignore"
    HOLD = "hold"
    #: end the run here, as succeeded
    COMMIT = "commit"
    #: undo what was done, and fail
    ROLLBACK = "rollback"
    #: go on with another output
    RESUME = "resume"
    #: run a list of steps, and go on when they end well
    HANDLE = "handle"

    @property
    def goes_on(self) -> bool:
        """Whether the step's failure does not matter, that of an unknown write included."""
        return self in (OnError.IGNORE, OnError.RESUME)


class OnItemError(StrEnum):
    """What becomes of an item of a loop that fails."""

    #: it fails the loop
    FAIL = "fail"
    #: it is noted, and the others go on
    CONTINUE = "continue"
    #: it waits for a person, and the others go on
    HOLD = "hold"


class Backoff(StrEnum):
    FIXED = "fixed"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed attempt is made again, and when.

    :param attempts: tries in all, the first one included.
    :param first: seconds before the second try (``from:`` in the file).
    :param limit: most seconds between two tries (``to:`` in the file).
    :param jitter: share of the wait that is left to chance, 0 to 1.
    :param on: the standard types that are tried again; None: those that are transient.
    """

    attempts: int = 3
    backoff: Backoff = Backoff.EXPONENTIAL
    first: float = 1.0
    limit: float = 60.0
    jitter: float = 0.1
    on: tuple[type[ModuleError], ...] | None = None

    def covers(self, error: ModuleError) -> bool:
        return isinstance(error, self.on) if self.on is not None else error.transient

    def wait(self, attempt: int, chance: float, asked: float | None) -> float:
        """Seconds between try number ``attempt`` (from 1) and the next.

        :param chance: a number from 0 to 1.
        :param asked: seconds that the vendor asked for; never less than that is waited, up to ``LONGEST_WAIT``.
        """
        doublings = attempt - 1 if self.backoff is Backoff.EXPONENTIAL else 0
        seconds = min(self.first * 2.0 ** min(doublings, 64), self.limit)
        seconds *= 1 - self.jitter * chance
        return max(seconds, min(asked or 0.0, LONGEST_WAIT))


#: what a step without ``retry`` does: transient errors are tried three times
DEFAULT_RETRY = Retry()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What all kinds of steps share.

    :cvar kind: what the file calls this kind of step.
    :param path: name of the step among its siblings in journal keys: its id, or its kind and number (``if@2``).
    :param id: the author's id, under which its output is found.
    :param condition: the step's ``if``; false or null skips it.
    :param timeout: seconds for the whole step, tries and waits included; durable.
    :param try_timeout: seconds for one try.
    :param inherited: whether ``on_error`` is a default of the scenario or the project; then it is about what fails in
        the step itself, not about what a step in it has failed of.
    :param substitute: the output where ``on_error`` is ``RESUME``.
    :param schedule: seconds until a held run tries again by itself, one for each time, where ``on_error`` is ``HOLD``.
    :param handler: the steps of ``HANDLE``.
    :param cleanup: run when the step has ended, however it did (``finally:`` in the file).
    :param undo: take back what the step did, when the run is rolled back after it.
    """

    kind: ClassVar[str]
    path: str
    place: Place
    id: str | None = None
    name: str | None = None
    condition: Expression | None = None
    timeout: float | None = None
    try_timeout: float | None = None
    on_error: OnError = OnError.FAIL
    inherited: bool = False
    substitute: Template | None = None
    schedule: tuple[float, ...] = ()
    handler: tuple[Step, ...] = ()
    cleanup: tuple[Step, ...] = ()
    undo: tuple[Step, ...] = ()
    retry: Retry = DEFAULT_RETRY


@dataclass(frozen=True, slots=True)
class PageOf:
    """A page of a search. ``cursor``: what leads to it; None: it is the first."""

    cursor: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleStep(Step):
    """Calls a module. ``module_name`` is ``app.verb_object``; ``connection`` a name of ``connections.yaml``.

    :param config: the ``with:``.
    :param fixed: True when the config holds no expression and was validated at load.
    :param validate: gives the first mistake of a resolved config as a sentence, or None.
    :param page: of a search whose stream a loop goes over, while it runs: the page that is read.
    """

    kind = "module"
    module_name: str
    module: Module
    connection: str | None
    config: Template
    validate: Callable[[Config], str | None]
    fixed: bool = False
    page: PageOf | None = None


@dataclass(frozen=True, slots=True)
class Alternative:
    """A list of steps with a condition of its own.

    :param name: of a route.
    :param condition: None: it is always true.
    """

    name: str
    condition: Expression | None
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStep(Step):
    """``if``/``steps``/``else_if``/``else``, or ``steps`` alone. Its conditions choose one of the lists.

    :param others: the ``else_if``, named by their numbers.
    """

    kind = "steps"
    steps: tuple[Step, ...]
    others: tuple[Alternative, ...] = ()
    otherwise: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStep(Step):
    """A router.

    :param every: ``match: all``: all routes are taken whose condition is true, and not the first of them alone.
    :param otherwise: done when no route is taken.
    """

    kind = "route"
    routes: tuple[Alternative, ...]
    every: bool = False
    otherwise: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelStep(Step):
    """Branches side by side, by name."""

    kind = "parallel"
    branches: Mapping[str, tuple[Step, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatStep(Step):
    """The same steps again and again: one of ``times``, ``wanted`` and ``until`` is there.

    :param wanted: ``while`` in the file: tested before each round.
    :param until: tested after each round.
    :param most: rounds (``max`` in the file); when more are needed the step fails.
    :param ids: of the steps inside, whose outputs a new round does not see.
    :param folds: whether rounds that are over leave the journal; not where a step in it has an ``undo``.
    """

    kind = "repeat"
    times: Expression | None = None
    wanted: Expression | None = None
    until: Expression | None = None
    most: int | None = None
    steps: tuple[Step, ...]
    ids: tuple[str, ...] = ()
    folds: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeachStep(Step):
    """An iterator over a list, or over a search's stream: one of ``items`` and ``stream`` is there.

    :param stream: calls the search, page by page.
    :param variable: name of the item (``as:``).
    :param key: names an item in journal keys; its index when None.
    :param batch: items come as lists of so many.
    :param group_by: items come by the value of this, as ``{key, items}``.
    :param collect: evaluated at the end of each item; the list of values, in item order, is the step's output.
    :param on_item_error: what becomes of an item that fails.
    :param folds: whether items that are over leave the journal; not where a step in it has an ``undo``.
    """

    kind = "foreach"
    items: Expression | None = None
    stream: ModuleStep | None = None
    variable: str = "item"
    key: Expression | None = None
    batch: int | None = None
    group_by: Expression | None = None
    concurrency: int = 1
    collect: Template | None = None
    on_item_error: OnItemError = OnItemError.FAIL
    folds: bool = True
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStep(Step):
    """Sets variables."""

    kind = "set"
    values: Mapping[str, Template]


@dataclass(frozen=True, slots=True, kw_only=True)
class SleepStep(Step):
    """Waits for a time.

    :param time: seconds or a duration, or with ``until`` a moment.
    """

    kind = "sleep"
    time: Template
    until: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWait:
    """An event that a step waits for.

    :param webhook: name of a shared webhook; None: the scenario's own.
    :param module: the trigger that reads the events; None: the body is the event.
    :param match: true for the event that is meant; sees it as ``event``.
    :param keys: path of a field of the event, and what it must be equal to: by these the wait is found.
    """

    webhook: str | None
    module_name: str | None
    module: WebhookTrigger | None
    connection: str | None
    config: Mapping[str, Any]
    match: Expression | None
    keys: tuple[tuple[tuple[str, ...], Expression], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitStep(Step):
    """Waits for a signal, a person or an event: one of ``signal``, ``approval``, ``event`` is there.

    :param key: of the signal.
    :param limit: seconds after which it waits no longer; None: it waits for ever.
    :param on_timeout: what is done then; None: the step fails.
    """

    kind = "wait_for"
    signal: str | None = None
    key: Template | None = None
    approval: Template | None = None
    event: EventWait | None = None
    limit: float | None = None
    on_timeout: tuple[Step, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStep(Step):
    """Starts a run of another scenario.

    :param given: its inputs.
    :param wait: whether the step ends when that run has ended, and gives what it gave.
    :param limit: seconds after which it is waited for no longer; None: it is waited for as long as it takes.
    :param on_timeout: what is done then; None: the step fails.
    """

    kind = "call"
    scenario: str
    given: Template
    wait: bool = True
    limit: float | None = None
    on_timeout: tuple[Step, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RespondStep(Step):
    """Answers the sender of the webhook's event."""

    kind = "respond"
    status: Template
    headers: Template | None = None
    body: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopStep(Step):
    """Ends the run. ``success``: with the output; else it failed with the message."""

    kind = "stop"
    success: bool
    message: Template | None = None
    output: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What starts the scenario.

    :param condition: the trigger's ``if``: an event for which it is false is ``filtered``.
    """

    place: Place
    condition: Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleTrigger(Trigger):
    """An app's trigger.

    :param config: the trigger's ``with:``, without expressions.
    """

    module_name: str
    module: Module
    connection: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening(ModuleTrigger):
    """The vendor calls a URL.

    :param webhook: name of a shared webhook of ``engine.yaml``.
    :param respond_within: seconds for which the sender is kept waiting, where the scenario answers.
    """

    module: WebhookTrigger
    webhook: str | None = None
    respond_within: float = 10.0

    @property
    def shared(self) -> str | None:
        """What the webhook is known by where several scenarios may listen to it."""
        if self.webhook is not None:
            return self.webhook
        return f"connection:{self.connection}" if self.module.one_url and self.connection is not None else None


class Start(StrEnum):
    """What of a polled vendor's records is new when nothing was seen yet (``start:`` in the file)."""

    FROM_NOW = "from_now"
    ALL = "all"
    SINCE = "since"


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling(ModuleTrigger):
    """The vendor is asked again and again.

    :param every: seconds from the beginning of one sweep to that of the next.
    :param since: Unix seconds, where ``start`` is ``SINCE``.
    """

    module: PollingTrigger
    every: float
    start: Start = Start.FROM_NOW
    since: float | None = None


class Missed(StrEnum):
    """What becomes of moments of a schedule that passed while nothing ran."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled(Trigger):
    """The clock starts it.

    :param limit: of ``missed: all``: how many missed moments, the newest, are made up for.
    """

    timetable: Timetable
    missed: Missed = Missed.ONCE
    limit: int


@dataclass(frozen=True, slots=True)
class LaneRule:
    """``order_by``, ``concurrency`` with a key, or ``mode``: which runs wait for one another.

    :param name: the scenario, or the group that scenarios share.
    :param key: None: all runs of the name have one key.
    :param most: runs of a key that may be under way at a time.
    :param holds: whether a run that sleeps, waits or is held keeps its place.
    :param busy: what an event does that finds no place: ``queue``, ``skip`` or ``replace``.
    """

    name: str
    key: Expression | None
    most: int
    holds: bool
    busy: str


@dataclass(frozen=True, slots=True)
class DedupeRule:
    """``dedupe``: events of one key within so many seconds are one. The key is the sender's identity where None."""

    key: Expression | None
    within: float


@dataclass(frozen=True, slots=True)
class DebounceRule:
    """``debounce``: a run begins when its key was quiet for ``quiet`` seconds, or ``most`` after the first event."""

    key: Expression | None
    quiet: float
    most: float


@dataclass(frozen=True, slots=True)
class StartRate:
    """``rate``: so many runs begin within any so many seconds; the others wait."""

    runs: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How long runs stay. None: as the project says.

    :param seconds: after their end (``for`` in the file).
    :param runs: at most so many, the youngest.
    :param failed: seconds for those that failed (``failed_for``); None beside ``seconds``: as long as the others.
    """

    seconds: float | None = None
    runs: int | None = None
    failed: float | None = None

    def over(self, project: Keep) -> Keep:
        """What this one leaves open, as the project says."""
        if self.seconds is None:
            return Keep(seconds=project.seconds, runs=self.runs or project.runs, failed=self.failed or project.failed)
        return Keep(seconds=self.seconds, runs=self.runs or project.runs, failed=self.failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """How many runs there should be at least; fewer are *silence*.

    :param within: seconds of the window that is looked at.
    :param successes: whether only runs that succeeded count.
    """

    within: float
    at_least: int = 1
    successes: bool = True

    def moment(self, at: float) -> float:
        """The moment under which a run is counted: one of some hundreds in a window, so that few rows tell all."""
        part = max(1.0, self.within / 1440)
        return at // part * part


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario, ready to run.

    :param version: fingerprint of the source text; runs keep the version that they started with.
    :param timezone: in which its schedule counts.
    :param inputs: what it is given when somebody starts it.
    :param trigger: None for a scenario that is only started by hand.
    :param subject: whom an event is about; None: the app says.
    :param keep: how long its runs stay; None: as the project says.
    :param on_failure: run when the run has failed for good.
    :param defaults: the project's ``defaults:`` as JSON, empty without; kept with the source, because runs go on under
        those that they started with.
    :param env: the values of ``env`` that it uses; kept with the source likewise.
    :param limit: runs in memory at a time; None: as many as there is room for.
    :param priority: ``high``, ``normal`` or ``low``: its share of the room where runs of several scenarios wait.
    :param expect: None: silence is nothing to tell of.
    :param events: what its steps wait for that comes over webhooks.
    :param approvals: the paths of the steps that ask for approval, by id; see ``approvals.approval_paths``.
    :param output: what a run gives that comes to the end of its steps; None: null.
    :param responds: whether a step of it answers the webhook's sender.
    :param gives: schema of what a run gives, however it succeeds.
    """

    name: str
    file: str
    source: str
    version: str
    place: Place
    steps: tuple[Step, ...]
    description: str = ""
    active: bool = True
    timezone: str = "UTC"
    inputs: Inputs = field(default_factory=Inputs)
    trigger: Trigger | None = None
    variables: Mapping[str, Template] = field(default_factory=dict)
    subject: Expression | None = None
    keep: Keep | None = None
    on_failure: tuple[Step, ...] = ()
    defaults: str = ""
    env: Mapping[str, Json] = field(default_factory=dict)
    lane: LaneRule | None = None
    limit: int | None = None
    dedupe: DedupeRule | None = None
    debounce: DebounceRule | None = None
    rate: StartRate | None = None
    priority: str = "normal"
    expect: Expect | None = None
    events: tuple[EventWait, ...] = ()
    approvals: Mapping[str, str] = field(default_factory=dict)
    output: Template | None = None
    responds: bool = False
    gives: Schema = field(default_factory=dict)
