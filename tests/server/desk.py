"""An app for the server's tests: a webhook of every kind, and a write that counts what reaches it."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine import (
    Action,
    Answer,
    App,
    Call,
    ConnectionType,
    DataError,
    Delivery,
    Effect,
    Event,
    Json,
    WebhookTrigger,
)
from engine.plugins import Registry

ANY = {"type": "object"}


@dataclass
class Desk:
    """What reached the app."""

    notes: list[Any] = field(default_factory=list)

    async def note(self, call: Call) -> Json:
        self.notes.append(dict(call.config))
        return {"number": len(self.notes)}


def _parse(delivery: Delivery) -> list[Event]:
    body = delivery.body
    if body == "refuse":
        raise DataError("the desk knows no such event")
    if isinstance(body, dict) and "several" in body:
        return [Event(item, subject=item.get("email")) for item in body["several"]]
    if isinstance(body, dict):
        return [Event(body, id=body.get("event_id"), subject=body.get("email"))]
    return [Event(body)]


def _signature(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, "sha256").hexdigest()


def _verify(delivery: Delivery, fields: Mapping[str, Json]) -> bool:
    given = delivery.headers.get("x-desk-signature", "")
    return hmac.compare_digest(given, _signature(delivery.raw, fields["secret"]))


def signed(body: bytes) -> dict[str, str]:
    """The headers of a delivery that the desk sends."""
    return {"X-Desk-Signature": _signature(body, "s3cret-of-desk"), "Content-Type": "application/json"}


def _handshake(delivery: Delivery) -> Answer | None:
    if delivery.query.get("break"):
        raise KeyError("break")
    challenge = delivery.query.get("challenge")
    return None if challenge is None else Answer(200, challenge, "text/plain; charset=utf-8")


def _raise(*_: object) -> Any:
    raise KeyError("a mistake of the app")


def _identify(config: Mapping[str, Any], delivery: Delivery, event: Event) -> Event:
    return Event(event.body, delivery.headers.get(config["header"]), event.body["who"])


def _trigger(name: str, **more: Any) -> WebhookTrigger:
    return WebhookTrigger(
        name=name,
        title=name,
        description=name,
        **{"config": ANY, "parse": _parse, "connection_required": False, **more},
    )


def registry(desk: Desk) -> Registry:
    app = App(
        name="desk",
        title="Desk",
        connections=[
            ConnectionType(
                "desk",
                "Desk",
                {"type": "object", "properties": {"secret": {"type": "string", "writeOnly": True}}},
            )
        ],
        modules=[
            _trigger("watch", accepts=lambda config, event: not config or event.body.get("type") == config["type"]),
            _trigger("signed", connection="desk", verify=_verify),
            _trigger("one", connection="desk", one_url=True),
            _trigger("challenged", handshake=_handshake),
            _trigger("broken_verify", verify=_raise),
            _trigger("broken_parse", parse=_raise),
            _trigger("broken_accepts", accepts=_raise),
            _trigger("no_json", parse=lambda delivery: [Event({"at": delivery.received_at})]),
            _trigger("no_list", parse=lambda delivery: None),
            _trigger("identified", identify=_identify),
            Action(name="note", title="note", description="note", config=ANY, effect=Effect.WRITE, run=desk.note),
        ],
    )
    result = Registry()
    result.add(app, "tests")
    assert not result.problems, result.problems
    return result


def listening(name: str, module: str = "desk.watch", head: str = "") -> str:
    """A scenario that notes what comes."""
    return f"""scenario: {name}
trigger:
  module: {module}
{head}steps:
  - id: note
    module: desk.note
    with: {{event: "${{{{ trigger }}}}"}}
"""
