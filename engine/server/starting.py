"""``POST /api/scenarios/NAME/runs``: another program starts a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from engine.runtime.host import Host
from engine.runtime.starts import BadKey, UnknownScenario
from engine.runtime.states import FINAL, State
from engine.scenario.durations import EXAMPLES, parse_duration
from engine.scenario.inputs import BadInputs
from engine.sdk import jsontext
from engine.sdk.errors import EngineError
from engine.store.ids import show
from engine.store.records import Run

#: longest ``wait`` in seconds; proxies close what is silent for longer
LONGEST_WAIT = 300.0
#: seconds between two looks at a run that is waited for, at first and at most
_LOOK, _LOOK_MOST = 0.02, 0.5


class BadStart(EngineError):
    """A request to start a scenario is not what the API takes."""

    code = "bad-start"


async def start(host: Host, request: web.Request, body: Mapping[str, Any]) -> web.Response:
    """Start a scenario.

    :returns: 202 when it is durable; 200 when it has come to rest while it was waited for; 404 for a scenario that is
        not there, 400 for inputs that it does not take, 409 where it cannot be started so.
    """
    try:
        wait = _wait(request.query.get("wait"))
        given = body.get("inputs", {})
        key = body.get("key", request.headers.get("idempotency-key"))
        if not isinstance(given, dict) or not isinstance(key, str | None):
            raise BadStart("the body is {inputs: {…}, key: TEXT}, and both may be left out")
        if unknown := body.keys() - {"inputs", "key"}:
            raise BadStart(f"the body has no key '{min(unknown)}'", hint="`inputs` and `key` are known")
        accepted, before = await host.starts.start(request.match_info["name"], given, key)
    except UnknownScenario as error:
        return _json({"error": error.to_json()}, 404)
    except (BadInputs, BadKey, BadStart) as error:
        return _json({"error": error.to_json()}, 400)
    runs = await _settled(host, accepted.runs, wait)
    redactor = await host.connections.redactor()
    rest = all(_at_rest(run) for run in runs)
    found = {
        "receipt": show(accepted.receipt_id),
        "started_before": before,
        "runs": [_run_json(run, redactor.json) for run in runs],
    }
    return _json(found, 200 if wait and rest else 202)


def _wait(text: str | None) -> float:
    if text is None:
        return 0.0
    seconds = parse_duration(text)
    if seconds is None or seconds > LONGEST_WAIT:
        raise BadStart(f"`wait` must be a duration up to {LONGEST_WAIT:g}s, such as {EXAMPLES}")
    return seconds


async def _settled(host: Host, run_ids: tuple[int, ...], wait: float) -> list[Run]:
    """The runs, when they have come to rest or the time is over."""
    deadline, pause = host.clock.time() + wait, _LOOK
    while True:
        runs = [run for run_id in run_ids if (run := await host.store.run(run_id)) is not None]
        left = deadline - host.clock.time()
        if left <= 0 or all(_at_rest(run) for run in runs):
            return runs
        await host.clock.sleep(min(pause, left))
        pause = min(pause * 2, _LOOK_MOST)


def _at_rest(run: Run) -> bool:
    return run.state in FINAL or run.state == State.HELD


def _run_json(run: Run, redacted: Any) -> dict[str, Any]:
    result = redacted(jsontext.loads(run.result)) if run.result else {}
    about = {"id": show(run.id), "scenario": run.scenario, "state": str(run.state)}
    return {**about, "output": result.get("output"), "error": result.get("error")}


def _json(value: Any, status: int) -> web.Response:
    return web.Response(body=jsontext.dumps(value), status=status, content_type="application/json")
