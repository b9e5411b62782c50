"""What the API does with runs: shows them, and takes a person's word on one or on many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from engine.runtime import bulk, commands, replays
from engine.runtime.checked import resume_checked, retry_checked
from engine.runtime.commands import Choice, Word
from engine.runtime.host import Host
from engine.runtime.shown import shown
from engine.sdk.errors import EngineError
from engine.server.asked import BadRequest, flag, number, one_of, text, texts
from engine.store.ids import read, show
from engine.store.records import Run


class Runs:
    """The part of the API that is about runs."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def show(self, request: web.Request, _body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A run, and of a held one all that helps to decide."""
        run = await commands.found(self._host.store, read(request.match_info["id"]))
        return await shown(self._host.store, run, await self._host.connections.redactor())

    async def resume(self, request: web.Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        run = await resume_checked(
            self._host,
            read(request.match_info["id"]),
            _choice(body),
            output=body.get("output"),
            reason=text(body, "reason"),
            by=text(body, "by"),
            step=text(body, "step") or None,
            current=_current(body),
            force=flag(body, "force"),
            items=texts(body, "items"),
        )
        return self._woken(run)

    async def retry(self, request: web.Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        run = await retry_checked(
            self._host,
            read(request.match_info["id"]),
            reason=text(body, "reason"),
            by=text(body, "by"),
            current=_current(body),
        )
        return self._woken(run)

    async def replay(self, request: web.Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        host = self._host
        version = text(body, "version") or "current"
        if version not in ("current", "same"):
            raise BadRequest("'version' must be current or same")
        made = await replays.replay(
            host.store,
            host.catalog,
            host.clock,
            read(request.match_info["id"]),
            replays.Wanted(text(body, "from") or None, version == "current", text(body, "reason"), text(body, "by")),
            epoch=host.runner.epoch,
            faults=host.options.faults,
        )
        host.runner.wake(made.scenarios)
        return {"run": show(made.run.id), "state": str(made.run.state), "warnings": list(made.warnings)}

    async def cancel(self, request: web.Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        run = await commands.cancel(
            self._host.store,
            read(request.match_info["id"]),
            self._host.clock.time(),
            reason=text(body, "reason"),
            by=text(body, "by"),
        )
        return self._woken(run)

    async def together(self, _request: web.Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A part of what is said of many runs; ``following`` says where the next one begins."""
        verb = text(body, "verb")
        if verb not in bulk.STATES:
            raise BadRequest(f"'verb' must be one of {', '.join(bulk.STATES)}")
        choice = _choice(body) if verb == "resume" else Choice.AGAIN
        if choice is Choice.HAPPENED:
            raise BadRequest("what happened is said of one run at a time")
        most = number(body, "most")
        before = text(body, "before")
        part = await bulk.say(
            self._host.store,
            verb,
            _wanted(body, verb),
            Word(choice, reason=text(body, "reason"), by=text(body, "by")),
            self._host.clock.time(),
            before=read(before) if before else None,
            most=None if most is None else max(0, int(most)),
            faults=self._host.options.faults,
        )
        self._host.runner.wake()
        return part_json(part)

    def _woken(self, run: Run) -> Mapping[str, Any]:
        self._host.runner.wake()
        return {"run": show(run.id), "state": str(run.state)}


def part_json(part: bulk.Part) -> dict[str, Any]:
    """A part of what was said of many runs, as the API tells it."""
    return {
        "done": [show(run_id) for run_id in part.done],
        "refused": [{"run": show(run_id), **refusal_json(error)} for run_id, error in part.refused],
        "blocked": [show(run_id) for run_id in part.blocked],
        "following": None if part.following is None else show(part.following),
    }


def refusal_json(error: EngineError) -> dict[str, Any]:
    """Why a word was refused."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def _wanted(body: Mapping[str, Any], verb: str) -> bulk.Wanted:
    wanted = body.get("wanted", {})
    known = ("states", "scenario", "subject", "code", "step", "made_before", "made_after", "simulated")
    if not isinstance(wanted, dict) or not wanted.keys() <= set(known):
        raise BadRequest(f"'wanted' must be an object of {', '.join(known)}")
    allowed = [str(state) for state in bulk.STATES[verb]]
    states = wanted.get("states", allowed)
    if not isinstance(states, list) or not states or not set(map(str, states)) <= set(allowed):
        raise BadRequest(f"'states' must be a list of {', '.join(allowed)}")
    return bulk.Wanted(
        states=tuple(map(str, states)),
        scenario=text(wanted, "scenario") or None,
        subject=text(wanted, "subject") or None,
        code=text(wanted, "code") or None,
        step=text(wanted, "step") or None,
        made_before=number(wanted, "made_before"),
        made_after=number(wanted, "made_after"),
        simulated=flag(wanted, "simulated"),
    )


def _current(body: Mapping[str, Any]) -> bool:
    version = text(body, "version")
    if version not in ("", "current"):
        raise BadRequest("'version' can only be current")
    return version == "current"


def _choice(body: Mapping[str, Any]) -> Choice:
    return one_of(body, "choice", Choice, ", ".join(Choice))
