"""A change that the vendor shows a minute later: the run sleeps in the store until then, and asks once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import cast

from engine import Delivery, plugins
from engine.runtime.host import Host, Options, load_scenarios
from engine.runtime.project import Project
from engine.sdk import jsontext
from engine.sdk.clock import utc
from engine.store.records import Run
from engine.testing import VirtualClock
from modules.yotpo_messaging.connection import VISIBLE_AFTER
from modules.yotpo_messaging.simulator import MessagingSimulator
from tests.scenarios.conftest import PATIENCE

SCENARIO = """
scenario: delayed
trigger:
  module: http.watch_webhook
steps:
  - id: change
    module: yotpo_messaging.create_or_update_customer
    connection: messaging
    with: {external_id: "700100", first_name: "${{ trigger.first_name }}"}
  - id: customer
    module: yotpo_messaging.retrieve_customer
    connection: messaging
    with: {external_id: "700100", visible_at: "${{ change.visible_at }}"}
    retry: {on: [NotFound]}
  - stop: success
    output: ${{ customer.first_name }}
"""


async def state(host: Host, clock: VirtualClock, run_id: int, wanted: str) -> Run:
    """The run, once it is in this state. The clock stands still meanwhile."""
    async with asyncio.timeout(PATIENCE):
        while True:
            run = await host.store.run(run_id)
            assert run is not None
            if run.state == wanted:
                return run
            await clock.advance(0)


async def test_a_run_waits_durably_until_the_change_shows(tmp_path: Path) -> None:
    (tmp_path / "engine.yaml").write_text("{}\n")
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "delayed.yaml").write_text(SCENARIO)
    registry, project, clock = plugins.load(), Project.find(tmp_path), VirtualClock()
    plans, found, _ = load_scenarios(project, registry, [], simulate=True)
    assert found == []
    options = Options(data=tmp_path / "data", simulate=True)
    async with Host(project, registry, plans, options, clock=clock, environment={}) as host:
        simulator = cast(MessagingSimulator, host.simulators.running["yotpo_messaging"])
        body = {"first_name": "Anna"}
        delivery = Delivery("POST", {}, {}, json.dumps(body).encode(), body, utc(clock.time()))
        [run_id] = (await host.intake.accept("test", plans, delivery)).runs

        sleeping = await state(host, clock, run_id, "sleeping")
        assert sleeping.due_at == clock.time() + VISIBLE_AFTER
        asked = "GET /core/v3/stores/simulated-store/customers"
        assert simulator.calls[asked] == 0

        await clock.advance(VISIBLE_AFTER)
        run = await state(host, clock, run_id, "succeeded")
        assert run.result is not None
        assert jsontext.loads(run.result)["output"] == "Anna"
        assert simulator.calls[asked] == 1
