"""By command: give a stored receipt to a scenario that did not run it."""

from __future__ import annotations

from engine.runtime.host import Host
from engine.runtime.intake import POLL, Accepted, in_parts
from engine.runtime.rundata import BY_HAND
from engine.runtime.ticks import SCHEDULE
from engine.scenario.plan import Polling
from engine.sdk import jsontext
from engine.sdk.clock import utc
from engine.sdk.errors import EngineError, StoreError
from engine.sdk.modules import Delivery
from engine.server.bodies import decode
from engine.store.erase import MARK
from engine.store.ids import show
from engine.store.records import SETTABLE, DeliveryState


class NotDeliverable(EngineError):
    """A receipt cannot be delivered to a scenario by command: it is unknown, or the scenario ran it already."""

    code = "not-deliverable"


async def redeliver(host: Host, receipt_id: int, scenario: str | None) -> Accepted:
    """Deliver a parked or rejected receipt.

    :param scenario: which scenario; may be left out where the receipt has one delivery that was parked or rejected.
    :raises NotDeliverable: with the reason.
    """
    receipt = await host.store.receipt(receipt_id)
    if receipt is None:
        raise NotDeliverable(f"there is no receipt {show(receipt_id)}", hint="list them with `engine receipts`")
    if (receipt.subject or "").startswith(MARK):
        raise NotDeliverable(f"what receipt {show(receipt_id)} brought was erased")
    deliveries = await host.store.deliveries([receipt_id])
    waiting = {d.scenario for d in deliveries if d.state in SETTABLE}
    if scenario is None and (len(waiting) != 1 or "" in waiting):
        raise NotDeliverable(
            f"nobody listened when receipt {show(receipt_id)} came"
            if "" in waiting
            else f"receipt {show(receipt_id)} has {len(waiting)} scenarios that it was not delivered to",
            hint="name one with --scenario",
        )
    name = scenario or next(iter(waiting))
    # the items of a poll have fates of their own, and so have events some of which were too large
    settled = name not in waiting or not (receipt.method == POLL or in_parts(deliveries, name))
    if settled and any(d.scenario == name and d.state is DeliveryState.RUN for d in deliveries):
        raise NotDeliverable(f"scenario '{name}' has run receipt {show(receipt_id)} already")
    plan = host.catalog.current(name)
    if plan is None:
        raise NotDeliverable(f"scenario '{name}' is not loaded", hint="start the engine with its file")
    if (receipt.method == POLL) != isinstance(plan.trigger, Polling):
        came = "by polling" if receipt.method == POLL else "over a webhook"
        raise NotDeliverable(f"receipt {show(receipt_id)} came {came}, which is not how scenario '{name}' is started")
    if receipt.method in (*BY_HAND, SCHEDULE):
        raise NotDeliverable(f"receipt {show(receipt_id)} was no event", hint="start the scenario with `engine start`")
    headers = jsontext.loads(receipt.headers)
    query = jsontext.loads(receipt.query)
    body = decode(receipt.body, headers.get("content-type", ""), query)
    incoming = Delivery(receipt.method, headers, query, receipt.body, body, utc(receipt.received_at))
    try:
        accepted = await host.intake.deliver(receipt, plan, incoming)
    except StoreError as error:
        if host.store.broken:
            raise
        raise NotDeliverable(
            f"receipt {show(receipt_id)} cannot be delivered to '{name}': {error.message}",
            hint="somebody else may have delivered it; see `engine receipts`",
        ) from None
    again = [d.reason for d in accepted.deliveries if d.state is DeliveryState.DUPLICATE]
    if again and not accepted.runs:
        raise NotDeliverable(
            f"receipt {show(receipt_id)} cannot be delivered to '{name}': "
            f"the same event has come with receipt {again[0]}",
            hint=f"it is a duplicate of that one now; see `engine receipts show {again[0]}`",
        )
    return accepted
