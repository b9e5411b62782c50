"""An HTTP API that answers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from engine import Behaviour, Clock
from modules.simulation import SimulatedVendor

#: headers that carry credentials, and those that belong to the transport
_UNSEEN = frozenset({"authorization", "proxy-authorization", "cookie", "host", "connection", "accept-encoding"})

_BEHAVIOURS = (
    Behaviour("every request is answered 200 with method, path, query, headers and body as JSON", "assumed"),
    Behaviour("a body that is not JSON is answered as text", "assumed"),
    Behaviour("the Authorization and Cookie headers are left out of the answer", "assumed"),
)


class HttpSimulator(SimulatedVendor):
    """Stands in for any API: a scenario runs through, and shows what it would have sent."""

    behaviours: Sequence[Behaviour] = _BEHAVIOURS

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, per_second=None)

    def connection(self, base_url: str) -> Mapping[str, Any]:
        return {"base_url": base_url.rstrip("/")}

    def routes(self) -> Sequence[web.RouteDef]:
        return [web.route("*", "/{path:.*}", self._echo)]

    async def _echo(self, request: web.Request) -> web.Response:
        raw = await request.read()
        body: Any = None
        if raw:
            try:
                body = json.loads(raw)
            except (ValueError, RecursionError):
                body = raw.decode("utf-8", "replace")
        return web.json_response(
            {
                "method": request.method,
                "path": request.path,
                "query": {name: _one(request.query.getall(name)) for name in request.query},
                "headers": {
                    name.lower(): value for name, value in request.headers.items() if name.lower() not in _UNSEEN
                },
                "body": body,
            }
        )


def _one(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values
