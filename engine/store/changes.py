"""The store's write vocabulary. A transaction is a tuple of changes, applied in order, all or none."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import NamedTuple

from engine.store.alerts_rows import AlertChange
from engine.store.calls import AddCall
from engine.store.data import ChangeData, DropData
from engine.store.erase import Erase
from engine.store.records import (
    Delivery,
    DeliveryState,
    EffectRecord,
    EffectState,
    Gather,
    Identity,
    Lane,
    Poll,
    PollItem,
    Receipt,
    Record,
    Refusal,
    Run,
    Webhook,
)
from engine.store.schedules import ScheduleChange
from engine.store.waits import WaitChange


class AddReceipt(NamedTuple):
    receipt: Receipt


class AddDelivery(NamedTuple):
    """Adds a delivery. With an identity that an event of this scenario has had not long ago, it is stored as
    ``duplicate`` of that one instead, and the ``AddRun`` that follows in the same transaction for it adds nothing."""

    delivery: Delivery
    identity: Identity | None = None


class SetDelivery(NamedTuple):
    """Gives a parked or rejected delivery another state, by command; ``StoreError`` for one in any other state.

    The identity is as in ``AddDelivery``.
    """

    delivery: Delivery
    identity: Identity | None = None


class AddRun(NamedTuple):
    """Adds a run.

    Where its lane has no place, it is stored as ``blocked``; or, as ``lane.busy`` says, not at all, and its delivery
    becomes ``filtered``; or in the place of older ones that have not begun or wait, which are cancelled.

    With ``gather``, while another run of the key gathers events: that run takes this one's event for its own, and
    begins when this one would have, but not after its ``until``; the delivery names that run.
    """

    run: Run
    lane: Lane | None = None
    gather: Gather | None = None


class MoveRun(NamedTuple):
    """Moves a run from one of ``sources`` to ``state``; raises ``LostOwnership`` when it is in none of them.

    A run with a lane that would be queued or running, and finds no place there, is ``blocked`` instead. A run that
    leaves its place lets the first of the blocked ones be ``queued``. A run that would sleep or wait, and that a newer
    one replaces, is cancelled instead.

    None leaves a column as it is, but ``due_at`` and ``hold`` are always written. ``started_at`` becomes ``at`` when
    the run moves to ``running`` for the first time.
    """

    run_id: int
    sources: tuple[str, ...]
    state: str
    at: float
    epoch: int | None = None
    due_at: float | None = None
    hold: bytes | None = None
    result: bytes | None = None
    notes: bytes | None = None
    recovered: bool = False
    """counts one more recovery"""
    ended: bool = False
    """sets ``ended_at`` to ``at``"""


class StillHeld(NamedTuple):
    """Changes nothing; raises ``LostOwnership`` unless the run is held as it was when it was looked at.

    A word on a hold must not meet another hold, which came while the word was thought over.
    """

    run_id: int
    hold: bytes | None


class OnlyRun(NamedTuple):
    """Changes nothing; raises ``LostOwnership`` unless the run is in one of ``states``, and every other run of its
    event is in one of ``over``.

    Of the runs of one event only one does anything, or two would make the same write.
    """

    run_id: int
    states: tuple[str, ...]
    over: tuple[str, ...]


class SetVersion(NamedTuple):
    """Lets a run go on under another version of its scenario."""

    run_id: int
    version: str


class AddRecord(NamedTuple):
    """Adds or replaces a journal row, and sets the run's ``recoveries`` to 0: it made progress."""

    record: Record


class DropRecords(NamedTuple):
    """Removes journal rows of items that a checkpoint stands for; their writes stay."""

    run_id: int
    keys: tuple[str, ...]


class AddLoopItems(NamedTuple):
    """Keeps the names of items of a loop that are over; those of items without a key of their own tell nothing."""

    run_id: int
    path: str
    names: tuple[str, ...]


class AddEffect(NamedTuple):
    """Adds a write's intent."""

    effect: EffectRecord


class SettleEffect(NamedTuple):
    """Says how a write attempt ended. Only ``intended`` and ``unknown`` ones change; others stay as they are.

    A ``done`` sets the run's ``recoveries`` to 0: it made progress.

    ``notes`` of None leave the intent's as they are; others take their place.
    """

    run_id: int
    key: str
    state: EffectState
    at: float
    by: str
    output: bytes | None = None
    error: bytes | None = None
    reason: str | None = None
    notes: bytes | None = None


@dataclass(frozen=True, slots=True)
class AddVersion:
    """Keeps the source of a scenario version; one that is there already stays."""

    version: str
    scenario: str
    source: bytes
    at: float


@dataclass(frozen=True, slots=True)
class AddWebhook:
    webhook: Webhook


@dataclass(frozen=True, slots=True)
class TellWebhook:
    """Notes that a vendor was told a token's URL by its API; with None, that it is told no longer."""

    token: str
    connection: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class RetireWebhook:
    """Gives every token of the name that has no end yet an end."""

    name: str
    valid_until: float


@dataclass(frozen=True, slots=True)
class PutSecret:
    """Keeps an encrypted value; None removes it."""

    name: str
    value: bytes | None
    at: float


@dataclass(frozen=True, slots=True)
class CountRefusals:
    """Adds to the counters of refused requests, and keeps the newest 20 of each webhook."""

    counts: tuple[tuple[str, int, int], ...]
    """webhook, status, how many"""
    latest: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class PutPoll:
    """Says where a scenario's polling trigger stands now."""

    poll: Poll


@dataclass(frozen=True, slots=True)
class PutPollItems:
    """Adds records that a polling trigger has seen, or replaces those of the same ids."""

    scenario: str
    simulated: bool
    items: tuple[PollItem, ...]


@dataclass(frozen=True, slots=True)
class DropPollItems:
    """Forgets records that a polling trigger has seen; ``ids`` of None: all of them."""

    scenario: str
    simulated: bool
    ids: tuple[str, ...] | None = None


#: receipt, scenario, number
DeliveryKey = tuple[int, str, int]


@dataclass(slots=True)
class Pruned:
    """How many rows a step of pruning removed, and how long it took; filled in when it is applied."""

    runs: int = 0
    deliveries: int = 0
    receipts: int = 0
    keys: int = 0
    versions: int = 0
    seconds: float = 0.0

    def add(self, other: Pruned) -> None:
        """Count another step's rows too."""
        for each in fields(Pruned):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """One step of removing history that is over; see ``engine/store/history.py``. What must stay is left out.

    :param runs: those of them go that are in a ``final`` state since before ``ended_before``.
    :param deliveries: those of them that are still in this state.
    :param keys: entries of ``kept_keys`` that are over.
    :param versions: no run has them.
    :param effects_before: writes that are done since then stay for their effect keys.
    :param identities: so many identities go, of those whose time was over at ``identities_until``.
    """

    final: tuple[str, ...] = ()
    ended_before: float = 0.0
    runs: tuple[int, ...] = ()
    deliveries: tuple[tuple[DeliveryState, DeliveryKey], ...] = ()
    keys: tuple[tuple[str, float, int], ...] = ()
    versions: tuple[str, ...] = ()
    effects_before: float = 0.0
    identities: int = 0
    identities_until: float = 0.0
    report: Pruned = field(default_factory=Pruned)


Change = (
    AddReceipt
    | AddDelivery
    | SetDelivery
    | AddRun
    | MoveRun
    | StillHeld
    | OnlyRun
    | SetVersion
    | AddRecord
    | DropRecords
    | AddLoopItems
    | AddEffect
    | SettleEffect
    | AddVersion
    | AddWebhook
    | RetireWebhook
    | TellWebhook
    | PutSecret
    | CountRefusals
    | AlertChange
    | PutPoll
    | PutPollItems
    | DropPollItems
    | WaitChange
    | AddCall
    | ChangeData
    | DropData
    | Prune
    | Erase
    | ScheduleChange
)


class Fate(NamedTuple):
    """What a transaction came to, beyond what was asked.

    :param redirected: a delivery became something else than it was written as.
    :param blocked: runs that were stored as ``blocked``.
    :param released: scenarios that have a run more in the queue.
    :param answered: runs that called one which has ended, and waited for it.
    """

    redirected: bool = False
    blocked: tuple[int, ...] = ()
    released: tuple[str, ...] = ()
    answered: tuple[int, ...] = ()


#: of most transactions
AS_ASKED = Fate()


class Owner(NamedTuple):
    """Who writes for a run: refused with ``LostOwnership`` unless the run is running in this epoch."""

    run_id: int
    epoch: int
