"""The second listener: what other processes of the operator ask of the running one. Always needs its token.

Where it listens and its token stand in ``admin.json`` of the data folder, readable by its owner only.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aiohttp import web

from engine.runtime import answers, erasing
from engine.runtime.health import health
from engine.runtime.host import Host
from engine.runtime.webhooks import ROTATION_GRACE
from engine.scenario.waiting import SIGNAL_NAME
from engine.sdk import jsontext
from engine.sdk.errors import EngineError, StoreError
from engine.server.asked import BadRequest, body_of, flag, number, text
from engine.server.redeliver import redeliver
from engine.server.runs import Runs
from engine.server.starting import start
from engine.store.ids import read, show

ADMIN_FILE = "admin.json"
_TOKEN_BYTES = 24

#: seconds for which history is removed before the API answers
PRUNE_PART = 5.0
#: longest grace of a rotated URL: ten years of seconds
_LONGEST_GRACE = 10 * 365 * 86_400.0
#: longest time for which a signal waits for a run: likewise
_LONGEST_KEEP = _LONGEST_GRACE

_Handler = Callable[[web.Request, Mapping[str, Any]], Awaitable[Mapping[str, Any] | web.Response]]


class AdminServer:
    """The API over a host.

    Every answer is JSON; an error is ``{"error": {code, message, hint}}`` with status 401 (no token), 400 (not what the
    API takes) or 409 (it cannot be done now).
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self.token = secrets.token_urlsafe(_TOKEN_BYTES)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=20_000_000)
        runs = Runs(self._host)
        routes: dict[str, _Handler] = {
            "/api/runs/together": runs.together,
            "/api/runs/{id}/resume": runs.resume,
            "/api/runs/{id}/retry": runs.retry,
            "/api/runs/{id}/cancel": runs.cancel,
            "/api/runs/{id}/replay": runs.replay,
            "/api/runs/{id}/approve": self._approve,
            "/api/signals/{name}": self._signal,
            "/api/receipts/{id}/deliver": self._deliver,
            "/api/webhooks/{name}/rotate": self._rotate,
            "/api/scenarios/{name}/runs": self._start,
            "/api/store/prune": self._prune,
            "/api/erase": self._erase,
            "/api/reload": self._reload,
        }
        for path, handler in routes.items():
            app.router.add_post(path, self._guarded(handler))
        app.router.add_get("/api/runs/{id}", self._guarded(runs.show))
        app.router.add_get("/api/health", self._guarded(self._health))
        return app

    def announce(self, folder: Path, url: str, webhooks: str) -> None:
        """Write ``admin.json``.

        :param url: where the API is.
        :param webhooks: how senders reach the webhook listener.
        """
        path = folder / ADMIN_FILE
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            about: dict[str, Any] = {"url": url, "webhooks": webhooks, "token": self.token, "pid": os.getpid()}
            about["environment"] = self._host.project.environment
            json.dump({**about, "simulated": self._host.runner.simulated}, file)
        draft.replace(path)

    def _guarded(self, handler: _Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            given = request.headers.get("authorization", "")
            if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), f"Bearer {self.token}".encode()):
                return _json({"error": {"code": "no-token", "message": "the API needs its token"}}, 401)
            try:
                answer = await handler(request, await body_of(request))
                return answer if isinstance(answer, web.Response) else _json(answer, 200)
            except BadRequest as error:
                return _json({"error": error.to_json()}, 400)
            except EngineError as error:
                return _json({"error": error.to_json()}, 409)

        return handle

    async def _health(self, _request: web.Request, _body: Mapping[str, Any]) -> Mapping[str, Any]:
        host, simulated = self._host, self._host.runner.simulated
        known: dict[str, Any] = {"epoch": host.runner.epoch, "broken": host.store.broken, "simulated": simulated}
        try:
            found = await health(
                host.store,
                host.project.settings.limits,
                host.clock.time(),
                simulated=simulated,
                unauthorized=await host.connections.unauthorized(),
            )
        except StoreError as error:
            return {**known, "wrong": [error.message]}
        wrong = ["the store does not work"] if known["broken"] else []
        if host.reloading is not None:
            known["files"] = host.reloading.standings.to_json()
            wrong += [f"changed files are not taken: {line}" for line in known["files"]["wrong"]]
        return {**known, **found, "wrong": [*wrong, *found["wrong"]]}

    async def _reload(self, _request: web.Request, _body: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._host.reloading is None:
            raise BadRequest("this process serves what it was started with; `engine serve` takes over changed files")
        taken: Mapping[str, Any] = (await self._host.reloading.reload()).to_json()
        return taken

    async def _approve(self, request: web.Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        host, run_id = self._host, read(request.match_info["id"])
        if not isinstance(body.get("yes"), bool):
            raise BadRequest("'yes' must be true or false")
        await answers.decide(
            host.store,
            host.runner,
            run_id,
            host.clock.time(),
            yes=body["yes"],
            comment=text(body, "comment"),
            by=text(body, "by"),
            step=text(body, "step") or None,
            faults=host.options.faults,
        )
        return {"run": show(run_id)}

    async def _signal(self, request: web.Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        host, name, keep = self._host, request.match_info["name"], body.get("keep", 0)
        if not SIGNAL_NAME.fullmatch(name):
            raise BadRequest(f"'{name}' cannot be a signal's name")
        if isinstance(keep, bool) or not isinstance(keep, int | float) or not 0 <= keep <= _LONGEST_KEEP:
            raise BadRequest(f"'keep' must be a number of seconds from 0 to {_LONGEST_KEEP:.0f}")
        sent = await answers.send_signal(
            host.store,
            host.runner,
            name,
            text(body, "key"),
            body.get("data"),
            host.clock.time(),
            keep=float(keep),
            faults=host.options.faults,
        )
        return {"reached": sent.reached, "kept": keep > 0 and not sent.reached}

    async def _deliver(self, request: web.Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        accepted = await redeliver(self._host, read(request.match_info["id"]), text(body, "scenario") or None)
        return {"runs": [show(run_id) for run_id in accepted.runs]}

    async def _start(self, request: web.Request, body: Mapping[str, Any]) -> web.Response:
        return await start(self._host, request, body)

    async def _prune(self, _request: web.Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A part of what is over goes; ``more`` says whether to ask again."""
        older_than = number(body, "older_than")
        if older_than is not None and not older_than >= 0:
            raise BadRequest("'older_than' must be a number of seconds from 0")
        removed, more = await self._host.pruner.part(PRUNE_PART, older_than=older_than)
        return {"removed": asdict(removed), "more": more}

    async def _erase(self, _request: web.Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A part of what is about a subject is blanked; ``more`` says whether to ask again."""
        subject, host = text(body, "subject"), self._host
        if not subject:
            raise BadRequest("'subject' must be text")
        instead = erasing.token(host.data, subject)
        part = await erasing.erase(
            host.store,
            subject,
            instead,
            host.clock.time(),
            cancel=flag(body, "cancel"),
            by=text(body, "by"),
            faults=host.options.faults,
        )
        return {"receipts": part.receipts, "runs": part.runs, "more": part.more}

    async def _rotate(self, request: web.Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        hook = await self._host.webhooks.rotate(request.match_info["name"], _grace(body))
        return {"name": hook.name, "token": hook.current}


def _json(value: Any, status: int) -> web.Response:
    return web.Response(body=jsontext.dumps(value), status=status, content_type="application/json")


def _grace(body: Mapping[str, Any]) -> float:
    grace = body.get("grace", ROTATION_GRACE)
    if isinstance(grace, bool) or not isinstance(grace, int | float) or not 0 <= grace <= _LONGEST_GRACE:
        raise BadRequest(f"'grace' must be a number of seconds from 0 to {_LONGEST_GRACE:.0f}")
    return float(grace)
