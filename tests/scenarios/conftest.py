"""The shipped scenarios behind the real webhook server, every app answering from its simulator."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import pytest

from engine import plugins
from engine.runtime.effects import Progress
from engine.runtime.host import Host, Options, load_scenarios
from engine.runtime.outcomes import Outcome as Ending
from engine.runtime.project import Project
from engine.scenario.plan import Step
from engine.sdk import jsontext
from engine.server.service import Service
from engine.store.ids import read
from engine.store.records import Delivery, EffectFilter, EffectRecord, Record, Run

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "scenarios"
#: seconds after which a run that does not end has failed
PATIENCE = 30.0
EVENTS = ROOT / "tests" / "fixtures" / "loyalty-webhooks"


@dataclass(frozen=True)
class Outcome:
    """What became of one delivery for one scenario."""

    delivery: Delivery
    run: Run
    records: list[Record]
    effects: list[EffectRecord]

    @property
    def output(self) -> Any:
        return jsontext.loads(self.run.result)["output"] if self.run.result else None

    def requests(self, module: str) -> list[Any]:
        """What was sent, in order."""
        return [jsontext.loads(effect.request) for effect in self.effects if effect.module == module]


@dataclass
class Ends:
    """Tells when a run has left memory."""

    wants_steps: ClassVar[bool] = False
    known: defaultdict[int, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))

    def run_started(self, run: Run) -> None:
        """Of no interest."""

    def step_started(self, run: Run, step: Step, path: str, attempt: int, config: Any) -> None:
        """Of no interest."""

    def step_retrying(self, run: Run, step: Step, path: str, attempt: int, error: dict[str, Any], due: float) -> None:
        """Of no interest."""

    def step_finished(self, run: Run, step: Step, path: str, status: str, value: Any) -> None:
        """Of no interest."""

    def loop_progressed(self, run: Run, step: Step, path: str, progress: Progress) -> None:
        """Of no interest."""

    def run_ended(self, run: Run, outcome: Ending) -> None:
        self.known[run.id].set()


@dataclass
class Serving:
    """A project's scenarios, served."""

    host: Host
    ends: Ends
    service: Service
    session: aiohttp.ClientSession

    async def post(self, body: bytes, headers: dict[str, str] | None = None) -> int:
        """Deliver a body to the one webhook that there is; gives the receipt's id."""
        [hook] = [hook for hook in self.host.webhooks.hooks.values() if hook.listeners]
        kind = {"Content-Type": "application/json", **(headers or {})}
        async with self.session.post(self.service.url(hook), data=body, headers=kind) as answer:
            assert answer.status == 202, await answer.text()
            return read(json.loads(await answer.text())["receipt"])

    async def deliveries(self, receipt: int) -> dict[str, Delivery]:
        return {d.scenario: d for d in await self.host.store.deliveries([receipt])}

    async def outcome(self, receipt: int, scenario: str) -> Outcome:
        """The run that a scenario made of a receipt, once it is through."""
        delivery = (await self.deliveries(receipt))[scenario]
        assert delivery.run_id is not None, delivery
        async with asyncio.timeout(PATIENCE):
            await self.ends.known[delivery.run_id].wait()
        run = await self.host.store.run(delivery.run_id)
        assert run is not None
        records = await self.host.store.records(run.id)
        effects = await self.host.store.effects(EffectFilter(run_id=run.id))
        return Outcome(delivery, run, list(records), sorted(effects, key=lambda effect: effect.position))


Serve = Callable[..., AbstractAsyncContextManager[Serving]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    @asynccontextmanager
    async def begin(*names: str) -> AsyncIterator[Serving]:
        registry = plugins.load()
        project = Project.find(SCENARIOS)
        plans, _, _ = load_scenarios(project, registry, [SCENARIOS / name for name in names], simulate=True)
        ends = Ends()
        options = Options(data=tmp_path / "data", simulate=True, observer=ends)
        async with (
            Host(project, registry, plans, options, environment={}) as host,
            Service(host, port=0, admin_port=0) as service,
            aiohttp.ClientSession() as session,
        ):
            yield Serving(host, ends, service, session)

    return begin
