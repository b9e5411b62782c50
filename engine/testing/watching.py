"""Seeing what vendors receive, with the effect that it belongs to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from aiohttp import web

from engine.runtime.callers import Attempt, Caller
from engine.runtime.pacing import Pace
from engine.scenario.plan import ModuleStep
from engine.sdk import jsontext
from engine.sdk.http import Http, Response
from engine.sdk.modules import Config, Effect, Happened, Json, ProbeResult

#: says in a request to a simulator which effect it belongs to; the simulator does not see it
MARK = "X-Engine-Effect"
#: the time at its sender, in Unix seconds, for a simulator whose clock is another one
TIME = "X-Engine-Time"
_READS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Made:
    """How often modules were called, by name; ``writes``: those calls among them that may change something outside."""

    calls: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)


class Watching:
    """Carries out calls as another does, counts them, and keeps the writes among them.

    :param arrived: requests by effect key.
    """

    def __init__(self, caller: Caller, arrived: dict[str, list[str]], made: Made) -> None:
        self._caller = caller
        self._arrived = arrived
        self._made = made

    def effect(self, step: ModuleStep, config: Config) -> Effect:
        return self._caller.effect(step, config)

    def prepare(self, step: ModuleStep, config: Config, attempt: Attempt) -> Config:
        return self._caller.prepare(step, config, attempt)

    def pace(self, step: ModuleStep, config: Config) -> Pace | None:
        return self._caller.pace(step, config)

    async def call(self, step: ModuleStep, config: Config, attempt: Attempt) -> Json:
        self.count(step, config)
        if self._caller.effect(step, config).writes:
            self._arrived.setdefault(attempt.effect_key, []).append(jsontext.fingerprint([step.module_name, config]))
        return await self._caller.call(step, config, attempt)

    def count(self, step: ModuleStep, config: Config) -> None:
        """Count a call that is about to be made."""
        self._made.calls[step.module_name] += 1
        if self._caller.effect(step, config).writes:
            self._made.writes[step.module_name] += 1

    async def probe(self, step: ModuleStep, config: Config, attempt: Attempt) -> Happened | ProbeResult:
        return await self._caller.probe(step, config, attempt)


class MarkedHttp:
    """A client whose requests say to which effect they belong.

    :param now: what time they say that it is; None: nothing.
    """

    def __init__(self, http: Http, effect_key: str, now: float | None = None) -> None:
        self._http = http
        self._marks = {MARK: quote(effect_key)} | ({} if now is None else {TIME: str(now)})

    async def request(self, method: str, path: str, **options: Any) -> Response:
        """See ``engine.sdk.http.Http.request``."""
        headers = {**(options.pop("headers", None) or {}), **self._marks}
        return await self._http.request(method, path, headers=headers, **options)


async def unmarked(request: web.Request, arrived: dict[str, list[str]]) -> web.Request:
    """A request as its sender meant it; one that may change something is kept under its effect."""
    mark = request.headers.get(MARK)
    if mark is None:
        return request
    headers = request.headers.copy()
    del headers[MARK]
    headers.popall(TIME, None)
    request = request.clone(headers=headers)
    body = await request.read()
    if request.method not in _READS:
        content = jsontext.fingerprint([request.method, request.path_qs, body.decode("utf-8", "replace")])
        arrived.setdefault(unquote(mark), []).append(content)
    return request
