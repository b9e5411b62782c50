"""The second listener: what other processes of the operator ask of the running one. Always needs its token.

Where it listens and its token stand in ``admin.json`` of the data folder, readable by its owner only.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from engine.runtime import commands
from engine.runtime.host import Host
from engine.sdk import jsontext
from engine.sdk.errors import EngineError
from engine.server.redeliver import redeliver
from engine.store.ids import read, show

ADMIN_FILE = "admin.json"
_TOKEN_BYTES = 24

_Handler = Callable[[web.Request, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


class AdminServer:
    """The API over a host. Every answer is JSON; an error is ``{"error": {code, message, hint}}`` with status 409."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.token = secrets.token_urlsafe(_TOKEN_BYTES)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=20_000_000)
        routes: dict[str, _Handler] = {
            "/api/runs/{id}/resume": self._resume,
            "/api/runs/{id}/retry": self._retry,
            "/api/runs/{id}/cancel": self._cancel,
            "/api/receipts/{id}/deliver": self._deliver,
            "/api/webhooks/{name}/rotate": self._rotate,
        }
        for path, handler in routes.items():
            app.router.add_post(path, self._guarded(handler))
        app.router.add_get("/api/health", self._guarded(self._health))
        return app

    def announce(self, folder: Path, url: str) -> None:
        """Write ``admin.json``."""
        path = folder / ADMIN_FILE
        draft = path.with_suffix(".new")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump({"url": url, "token": self.token, "pid": os.getpid()}, file)
        draft.replace(path)

    def _guarded(self, handler: _Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            given = request.headers.get("authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
                return _json({"error": {"code": "no-token", "message": "the API needs its token"}}, 401)
            try:
                raw = await request.read()
                body = jsontext.loads(raw) if raw else {}
                return _json(await handler(request, body), 200)
            except EngineError as error:
                return _json({"error": error.to_json()}, 409)
            except (ValueError, KeyError, TypeError) as error:
                return _json({"error": {"code": "bad-request", "message": str(error)}}, 400)

        return handle

    async def _health(self, _request: web.Request, _body: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"epoch": self._host.runner.epoch, "broken": self._host.store.broken}

    async def _resume(self, request: web.Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        run = await commands.resume(
            self._host.store,
            read(request.match_info["id"]),
            commands.Choice(body["choice"]),
            self._host.clock.time(),
            output=body.get("output"),
            reason=body.get("reason", ""),
            by=body.get("by", ""),
            step=body.get("step"),
        )
        return self._woken(run.id)

    async def _retry(self, request: web.Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        run = await commands.retry(
            self._host.store,
            read(request.match_info["id"]),
            self._host.clock.time(),
            reason=body.get("reason", ""),
            by=body.get("by", ""),
        )
        return self._woken(run.id)

    async def _cancel(self, request: web.Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        run = await commands.cancel(
            self._host.store,
            read(request.match_info["id"]),
            self._host.clock.time(),
            reason=body.get("reason", ""),
            by=body.get("by", ""),
        )
        return self._woken(run.id)

    async def _deliver(self, request: web.Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        accepted = await redeliver(self._host, read(request.match_info["id"]), body.get("scenario"))
        return {"runs": [show(run_id) for run_id in accepted.runs]}

    async def _rotate(self, request: web.Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        hook = await self._host.webhooks.rotate(request.match_info["name"], float(body.get("grace", 86_400)))
        return {"name": hook.name, "token": hook.current}

    def _woken(self, run_id: int) -> Mapping[str, Any]:
        self._host.runner.wake()
        return {"run": show(run_id)}


def _json(value: Any, status: int) -> web.Response:
    return web.Response(body=jsontext.dumps(value), status=status, content_type="application/json")
