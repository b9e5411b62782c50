"""Slack's incoming webhooks in small."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from engine import Behaviour, Clock
from modules.simulation import Refused, SimulatedVendor
from modules.slack.send import MOST_BLOCKS

PATH = "/services/T00000000/B00000000/simulatedsecret"
#: statuses by what is said
REFUSALS = {
    "invalid_payload": 400,
    "no_text": 400,
    "invalid_blocks": 400,
    "action_prohibited": 403,
    "channel_not_found": 404,
    "no_service": 404,
    "channel_is_archived": 410,
}


class SlackSimulator(SimulatedVendor):
    """One webhook of one channel."""

    behaviours: Sequence[Behaviour] = (
        Behaviour("a message is answered 200 with the text ok", "verified"),
        Behaviour("a body that is no JSON object is answered 400 invalid_payload", "verified"),
        Behaviour(
            "an archived channel is answered 410 channel_is_archived, a gone one 404 channel_not_found", "verified"
        ),
        Behaviour("a channel in which the webhook may not write is answered 403 action_prohibited", "verified"),
        Behaviour("a message without text, blocks and attachments is answered 400 no_text", "assumed"),
        Behaviour("an unknown webhook is answered 404 no_service", "assumed"),
        Behaviour("more than one message in a second is answered 429 with Retry-After", "assumed"),
        Behaviour("blocks that are no list of objects with a type, or more than 50, are answered 400", "assumed"),
    )

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, per_second=1)
        #: what stands in the channel, oldest first
        self.messages: list[Any] = []
        #: such as channel_is_archived: what every message is answered
        self.state: str | None = None

    def connection(self, base_url: str) -> Mapping[str, Any]:
        return {"base_url": base_url.rstrip("/") + PATH}

    def routes(self) -> Sequence[web.RouteDef]:
        return [web.post("/services/{team}/{hook}/{secret}", self._take)]

    def admit(self, request: web.Request) -> None:
        if request.path != PATH:
            raise Refused(REFUSALS["no_service"], "no_service")

    def error_body(self, message: str) -> Any:
        return "rate_limited" if message == "too many requests" else message

    def rate_headers(self, limit: int, remaining: int, reset: int) -> Mapping[str, str]:
        # only a refusal says when to come back
        return {"Retry-After": str(reset)} if self._window[1] > limit else {}

    def _json(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> web.Response:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, headers=dict(headers or {}))

    async def _take(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        blocks = body.get("blocks", [])
        if not any(body.get(name) for name in ("text", "blocks", "attachments")):
            self._refuse("no_text")
        if not isinstance(blocks, list) or len(blocks) > MOST_BLOCKS:
            self._refuse("invalid_blocks")
        if not all(isinstance(block, dict) and block.get("type") for block in blocks):
            self._refuse("invalid_blocks")
        if self.state is not None:
            self._refuse(self.state)
        self.messages.append(body)
        return web.Response(text="ok")

    async def _body(self, request: web.Request) -> dict[str, Any]:
        try:
            body = json.loads(await request.read())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Refused(REFUSALS["invalid_payload"], "invalid_payload")
        return body

    def _refuse(self, said: str) -> None:
        raise Refused(REFUSALS[said], said)
