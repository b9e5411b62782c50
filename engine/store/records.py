"""The rows of the store, as values.

JSON columns are bytes (a JSON text, encoded once); times are Unix seconds; ids are 63-bit integers that grow with
time and are shown by ``engine.store.ids``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class DeliveryState(StrEnum):
    """What became of a delivery. Each ends in exactly one."""

    #: a run was made; ``run_id`` says which
    RUN = "run"
    #: the trigger's own filter did not match
    FILTERED = "filtered"
    #: the event came before; ``reason`` names the original's receipt
    DUPLICATE = "duplicate"
    #: nobody listened: the webhook exists, its scenario is inactive
    PARKED = "parked"
    #: the app's parser refused a well-formed body; ``reason`` says why
    REJECTED = "rejected"


#: states of a delivery that a command may change
SETTABLE = (DeliveryState.PARKED, DeliveryState.REJECTED)


class EffectState(StrEnum):
    """What is known of a write attempt."""

    INTENDED = "intended"
    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Receipt(NamedTuple):
    """A request that was taken. ``source`` is the webhook's name, or ``cli`` for an event given by hand."""

    id: int
    source: str
    received_at: float
    method: str
    headers: bytes
    query: bytes
    body: bytes
    subject: str | None = None


class Delivery(NamedTuple):
    """One event of a receipt for one scenario. ``event`` is None where it equals the receipt's JSON body."""

    receipt_id: int
    scenario: str
    number: int
    state: DeliveryState
    run_id: int | None = None
    event: bytes | None = None
    event_id: str | None = None
    reason: str | None = None


class Run(NamedTuple):
    """One run of a scenario.

    :param origin: what the run answers to, the base of its effects' keys: ``receipt:number``, or a dedupe key.
    :param state: a state of ``engine.runtime.states``.
    :param epoch: the executor session that owns or last owned it.
    :param due_at: when a sleeping run goes on.
    :param recoveries: how often it was taken over without a new record since.
    :param simulated: made under ``--simulate``; only a simulating process may go on with it.
    :param hold: JSON: why it is held.
    :param result: JSON: output or error of a run that ended.
    :param notes: JSON: decisions made after the last journal record.
    """

    id: int
    scenario: str
    version: str
    receipt_id: int
    number: int
    origin: str
    state: str
    epoch: int
    created_at: float
    simulated: bool = False
    subject: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    due_at: float | None = None
    recoveries: int = 0
    hold: bytes | None = None
    result: bytes | None = None
    notes: bytes | None = None


class Lane(NamedTuple):
    """What a run shares with others that have the same key: a place among so many, given in the order of the runs.

    :param key: unique over scenarios, groups and kinds (simulated or not).
    :param most: how many runs may have a place at a time.
    :param holds: whether a run keeps its place while it sleeps, waits or is held.
    :param busy: what becomes of a run that finds no place: ``queue``, ``skip``, or ``replace``.
    """

    key: str
    most: int
    holds: bool = True
    busy: str = "queue"


class Gather(NamedTuple):
    """Makes one run of the events of one key that come soon after one another.

    :param key: unique over scenarios and kinds.
    :param until: the moment by which the run begins, whatever still comes.
    """

    key: str
    until: float


class Identity(NamedTuple):
    """By what an event is known again.

    :param key: the sender's id of it, or what the author's expression gave.
    :param at: when it came.
    :param until: until when one with the same key is a duplicate.
    """

    key: str
    at: float
    until: float


class Past(NamedTuple):
    """What a run remembers besides its own row: its writes without those of items that a checkpoint stands for."""

    receipt: Receipt | None
    delivery: Delivery | None
    records: tuple[Record, ...]
    effects: tuple[EffectRecord, ...]


class Record(NamedTuple):
    """One journal row of a run: something that touched the outside world and wrote nothing there, or a wait.

    :param key: path of step ids, loop item, scope and attempt; unique in the run.
    :param position: order in the run, shared with its effects.
    :param kind: ``call`` (a finished step), ``failed`` (an attempt that failed), ``settled`` (a person's word),
        ``sleep`` (until when a branch sleeps).
    :param request_hash: fingerprint of the resolved request.
    :param output: JSON of the output.
    :param error: JSON of the error.
    :param notes: JSON object of decisions and pure outputs made since the last record.
    """

    run_id: int
    key: str
    position: int
    kind: str
    at: float
    module: str | None = None
    request_hash: str | None = None
    output: bytes | None = None
    error: bytes | None = None
    notes: bytes | None = None


class EffectRecord(NamedTuple):
    """One write attempt: the journal's row of a step that writes.

    :param effect_key: scenario, origin, path and loop key: the same in replays and re-runs.
    :param effect: ``write``, ``idempotent`` or ``keyed``.
    :param request: JSON of the resolved request, as it was or will be sent.
    :param settled_by: ``vendor`` (its answer), ``probe``, ``recovery`` (the process died), ``cut-off`` (by a timeout
        or a shutdown), ``engine`` (it was never sent), or ``person:`` and a name.
    :param reason: why, where a person settled it.
    """

    run_id: int
    key: str
    position: int
    effect_key: str
    scenario: str
    module: str
    effect: str
    request: bytes
    request_hash: str
    state: EffectState
    intended_at: float
    subject: str | None = None
    settled_at: float | None = None
    settled_by: str | None = None
    output: bytes | None = None
    error: bytes | None = None
    reason: str | None = None
    notes: bytes | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A generated URL. ``token`` is its secret part; a retired token stays valid until ``valid_until``.

    :param told_over: the connection over which the vendor was told the URL by its API; None: it was not.
    :param told_url: the whole URL as it was told.
    """

    token: str
    name: str
    created_at: float
    valid_until: float | None = None
    told_over: str | None = None
    told_url: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was not taken, kept for diagnosis; the last few of each webhook."""

    at: float
    webhook: str
    status: int
    reason: str
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Poll:
    """Where a scenario's polling trigger stands.

    :param trigger: fingerprint of module, connection and config; under another one the poll begins anew.
    :param mark: JSON of the highest position that sweeps have come to; None without order, or before any item.
    :param sweep: JSON of the sweep that is under way, between two of its pages; None: the last one came to its end.
    """

    scenario: str
    simulated: bool
    trigger: str
    at: float
    mark: bytes | None = None
    sweep: bytes | None = None


@dataclass(frozen=True, slots=True)
class PollItem:
    """A record that a polling trigger has seen, as far as it must be known again.

    :param content: fingerprint of its content.
    :param position: JSON of its position; None: it has none, and is told by its content.
    :param gone_at: when a whole sweep did not find it any more.
    """

    id: str
    content: str
    position: bytes | None = None
    gone_at: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What part of a list is wanted: newest first, ``limit`` rows, older than ``before`` (an id)."""

    limit: int = 50
    before: int | None = None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are wanted; None means any."""

    states: tuple[str, ...] | None = None
    scenario: str | None = None
    subject: str | None = None
    receipt_id: int | None = None
    page: Page = field(default_factory=Page)


@dataclass(frozen=True, slots=True)
class EffectFilter:
    """Which effects are wanted; None means any. The page counts by run id."""

    states: tuple[EffectState, ...] | None = None
    scenario: str | None = None
    subject: str | None = None
    run_id: int | None = None
    page: Page = field(default_factory=Page)


@dataclass(frozen=True, slots=True)
class ReceiptFilter:
    """Which receipts are wanted; None means any."""

    source: str | None = None
    subject: str | None = None
    state: DeliveryState | None = None
    page: Page = field(default_factory=Page)
