"""What the commands that execute share: following runs to their end, and telling how they ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from engine.cli import holds
from engine.cli.aio import Signals
from engine.cli.transcript import Transcript
from engine.cli.waiting import describe, wait_json
from engine.cli.watch import Watcher
from engine.cli.workspace import Workspace
from engine.runtime.host import Host
from engine.runtime.intake import Accepted
from engine.runtime.states import FINAL, State
from engine.runtime.waiting import rests, waits_for
from engine.sdk import jsontext
from engine.store.ids import show
from engine.store.records import Delivery, Run
from engine.store.waits import WaitState

#: seconds after which runs are looked at again although nothing was told: another process may have moved them
LOOK_AGAIN = 1.0


@asynccontextmanager
async def prompt_stop(host: Host) -> AsyncIterator[None]:
    """When the command is stopped at once in here, runs get no time to come to rest."""
    try:
        yield
    except asyncio.CancelledError:
        await host.runner.stop(grace=0)
        raise


async def settle(host: Host, run_ids: Sequence[int], watcher: Watcher, signals: Signals) -> list[Run]:
    """Wait until nothing but a person moves these runs on, or until a signal; gives the runs as they are then."""
    while True:
        watcher.news.clear()
        runs = [run for run_id in run_ids if (run := await host.store.run(run_id)) is not None]
        if signals.stopping or all([await rests(host.store, run) for run in runs]):
            return runs
        try:
            async with asyncio.timeout(LOOK_AGAIN):
                await watcher.news.wait()
        except TimeoutError:
            continue


def at_rest(run: Run) -> bool:
    """Whether the run is over or held."""
    return run.state in FINAL or run.state == State.HELD


class Reports:
    """Tells how runs ended: in words on the screen, or as JSON."""

    def __init__(self, host: Host, workspace: Workspace, watcher: Watcher, transcript: Transcript) -> None:
        self._host = host
        self._workspace = workspace
        self._watcher = watcher
        self._transcript = transcript

    async def show(self, run: Run) -> None:
        """The lines that end a run's transcript: state, time, warnings, and what a person can do."""
        say = self._transcript.say
        for path, warnings in (await self._warnings(run)).items():
            for text in warnings:
                say(f"  warning  {path}: {self._watcher.redactor.text(text)}")
        result = self._result(run)
        self._transcript.result(run, result.get("error"), result.get("output"), seconds(run))
        if self._host.options.dry_run is not None:
            return  # nothing was kept that a command could go on with
        if run.state == State.HELD:
            for line in holds.explain(
                self._workspace, show(run.id), self._holds(run), self._watcher.redactor, indent="    "
            ):
                say(line)
        elif run.state == State.FAILED and (result.get("error") or {}).get("step"):
            say(f"    try it again from that step: {self._workspace.command('runs', 'retry', show(run.id))}")
        elif run.state == State.WAITING:
            for wait in await self._host.store.waits.of_run(run.id):
                if wait.state is WaitState.OPEN:
                    say(f"    {describe(wait_json(wait), self._workspace)}")
            say(
                "    it goes on when it is answered and the engine executes this store: "
                + self._workspace.command("serve")
            )
        elif run.state == State.BLOCKED and (behind := await waits_for(self._host.store, run)) is not None:
            for line in holds.behind(self._workspace, behind, indent="    "):
                say(line)
            say("    it goes on after that, when the engine executes this store: " + self._workspace.command("serve"))
        elif not at_rest(run):
            say("    it goes on when the engine next executes this store: " + self._workspace.command("serve"))

    def to_json(self, run: Run) -> dict[str, Any]:
        """The run as ``--json`` shows it."""
        result = self._result(run)
        steps = self._watcher.steps.get(run.id, {}).values()
        return {
            "id": show(run.id),
            "scenario": run.scenario,
            "state": str(run.state),
            "subject": run.subject,
            "simulated": run.simulated,
            "seconds": seconds(run),
            "output": result.get("output"),
            "error": result.get("error"),
            "holds": self._holds(run),
            "steps": [step.to_json() for step in steps],
        }

    def _result(self, run: Run) -> dict[str, Any]:
        result: dict[str, Any] = jsontext.loads(run.result) if run.result else {}
        redacted: dict[str, Any] = self._watcher.redactor.json(result)
        return redacted

    def _holds(self, run: Run) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._watcher.redactor.json(jsontext.loads(run.hold)) if run.hold else []
        return found

    async def _warnings(self, run: Run) -> dict[str, list[str]]:
        [past] = await self._host.store.pasts([run])
        return warnings_in([run.notes, *(r.notes for r in past.records), *(e.notes for e in past.effects)])


def warnings_in(notes: Sequence[bytes | None]) -> dict[str, list[str]]:
    """The warnings that modules gave, by step."""
    found: dict[str, list[str]] = {}
    for text in notes:
        for key, value in (jsontext.loads(text) if text else {}).items():
            if key.endswith("!warnings"):
                found[key.removesuffix("!warnings")] = value
    return found


def seconds(run: Run) -> float | None:
    """From the event to the end."""
    return None if run.ended_at is None else run.ended_at - run.created_at


def delivery_json(delivery: Delivery) -> Mapping[str, Any]:
    """A delivery as ``--json`` shows it."""
    return {
        "scenario": delivery.scenario or None,
        "number": delivery.number,
        "state": str(delivery.state),
        "run": show(delivery.run_id) if delivery.run_id is not None else None,
        "reason": delivery.reason,
    }


def fine(accepted: Accepted, runs: Sequence[Run]) -> bool:
    """Whether an event came to a good end: all its runs succeeded, and what was not run was not wanted."""
    refused = any(delivery.state in ("rejected", "parked") for delivery in accepted.deliveries)
    return not refused and all(run.state == State.SUCCEEDED for run in runs)
