"""The keys of an event: by what it is known again, whom its run waits for, with which events it is gathered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.runtime.rundata import BY_HAND
from engine.runtime.ticks import SCHEDULE
from engine.scenario.expressions import Expression, ExpressionError
from engine.scenario.plan import Scenario
from engine.sdk import jsontext
from engine.store.records import Gather, Identity, Lane

#: seconds for which an identity that the sender gave is known, where the project does not say: ninety days
IDENTITY_KEPT = 90 * 86_400.0
#: characters of a key that are kept as they are; a longer one is kept as its fingerprint
_LONGEST = 300


class Keys(NamedTuple):
    """Those of one event for one scenario; each may be missing."""

    identity: Identity | None = None
    lane: Lane | None = None
    gather: Gather | None = None


NO_KEYS = Keys()


def event_keys(
    plan: Scenario,
    scope: Mapping[str, Any],
    event_id: str | None,
    now: float,
    *,
    simulated: bool,
    known_for: float = IDENTITY_KEPT,
) -> Keys:
    """The keys as the scenario asks for them; a null key is none.

    :param scope: ``trigger`` and ``request``.
    :param event_id: the sender's identity of the event; of a start or a schedule's moment, the engine's.
    :param known_for: seconds for which that is known.
    :raises ExpressionError: a key cannot be computed.
    """
    if plan.dedupe is None and plan.lane is None and plan.debounce is None and event_id is None:
        return NO_KEYS
    # what is simulated is no duplicate of what is real, and waits for nothing real
    kind = "simulated:" if simulated else ""
    identity = _known(plan, scope, event_id, now, known_for, kind)
    return Keys(identity, _lane(plan, scope, kind), _gather(plan, scope, now, kind))


def identity_alone(
    plan: Scenario,
    scope: Mapping[str, Any],
    event_id: str | None,
    now: float,
    *,
    simulated: bool,
    known_for: float = IDENTITY_KEPT,
) -> Keys:
    """Of an event whose run is held because something about it cannot be computed: by what it is known again, if that
    can be. The arguments are those of ``event_keys``."""
    try:
        return Keys(_known(plan, scope, event_id, now, known_for, "simulated:" if simulated else ""))
    except ExpressionError:
        return NO_KEYS


def _known(
    plan: Scenario, scope: Mapping[str, Any], event_id: str | None, now: float, known_for: float, kind: str
) -> Identity | None:
    known = _identity(plan, scope, event_id, known_for)
    return None if known is None else Identity(f"{kind}{known[0]}", now, now + known[1])


def _identity(
    plan: Scenario, scope: Mapping[str, Any], event_id: str | None, known_for: float
) -> tuple[str, float] | None:
    """By what the event is known again, and for how many seconds."""
    # a start's key and a schedule's moment are the engine's own promises: no author's key stands for them
    if plan.dedupe is not None and scope["request"]["method"] not in (*BY_HAND, SCHEDULE):
        known_for = plan.dedupe.within
        if plan.dedupe.key is not None:
            event_id = _text(plan.dedupe.key, scope)
    return None if event_id is None else (event_id, known_for)


def _lane(plan: Scenario, scope: Mapping[str, Any], kind: str) -> Lane | None:
    rule = plan.lane
    if rule is None:
        return None
    key = "" if rule.key is None else _text(rule.key, scope)
    return None if key is None else Lane(f"{kind}{rule.name}/{key}", rule.most, rule.holds, rule.busy)


def _gather(plan: Scenario, scope: Mapping[str, Any], now: float, kind: str) -> Gather | None:
    rule = plan.debounce
    if rule is None:
        return None
    key = "" if rule.key is None else _text(rule.key, scope)
    return None if key is None else Gather(f"{kind}{plan.name}/{key}", now + rule.most)


def _text(key: Expression, scope: Mapping[str, Any]) -> str | None:
    value = key.evaluate(scope)
    if value is None:
        return None
    if isinstance(value, dict | list):
        # senders write the same object with its fields in another order
        return jsontext.fingerprint(value)
    text = value if isinstance(value, str) else jsontext.dumps(value).decode()
    return text if len(text) <= _LONGEST else jsontext.fingerprint(text)
