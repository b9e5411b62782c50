"""The data names that a run starts with, from the event as it came or from the store: both must give the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.scenario.plan import Scenario
from engine.sdk import jsontext
from engine.sdk.clock import iso
from engine.sdk.errors import EngineError
from engine.store.ids import show
from engine.store.records import Past, Receipt, Run

#: the method of a receipt that somebody's start made; its body is the inputs
START = "START"
#: likewise, of one that another run started
CALL = "CALL"
#: both are no events
BY_HAND = (START, CALL)
#: the header under which the key of a start is kept with its receipt
START_KEY = "idempotency-key"


class EventGone(EngineError):
    """The receipt or delivery that a run answers to is not in the store."""

    code = "event-gone"


def request_name(
    method: str, headers: Mapping[str, str], query: Mapping[str, str], received_at: float
) -> dict[str, Any]:
    """``request``: how the event came."""
    return {"method": method, "headers": dict(headers), "query": dict(query), "received_at": iso(received_at)}


def opening(plan: Scenario, event: Any, request: dict[str, Any]) -> dict[str, Any]:
    """``trigger`` and ``request``, and ``inputs`` where the scenario declares them.

    :param event: the event, or the inputs of a start by hand.
    """
    by_hand = request["method"] in BY_HAND
    found: dict[str, Any] = {"trigger": None if by_hand else event, "request": request}
    if plan.env:
        found["env"] = plan.env
    if plan.inputs.fields:
        # of a file that was edited since, inputs that it declares anew have their defaults
        given = event if by_hand and isinstance(event, dict) else {}
        found["inputs"] = {**plan.inputs.defaults, **given}
    return found


def names(run: Run, given: dict[str, Any]) -> dict[str, Any]:
    """What is ``given``, and ``run``."""
    about = {"id": show(run.id), "scenario": run.scenario, "started_at": iso(run.created_at), "attempt": 1}
    return {**given, "run": about}


def is_json(content_type: str) -> bool:
    """Whether a body of this content type is JSON, and nothing else."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def past_event(run: Run, past: Past) -> tuple[Receipt, Any]:
    """The receipt of a stored run, and the event that is its own. Raises ``EventGone``."""
    receipt, delivery = past.receipt, past.delivery
    if receipt is None or delivery is None:
        raise EventGone(f"the receipt of run {show(run.id)} is not in the store")
    return receipt, jsontext.loads(delivery.event if delivery.event is not None else receipt.body)


def past_data(run: Run, past: Past, plan: Scenario) -> dict[str, Any]:
    """The names of a stored run. Raises ``EventGone``."""
    receipt, event = past_event(run, past)
    request = request_name(
        receipt.method, jsontext.loads(receipt.headers), jsontext.loads(receipt.query), receipt.received_at
    )
    return names(run, opening(plan, event, request))
