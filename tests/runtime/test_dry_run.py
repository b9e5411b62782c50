"""A dry run reads, shows what it would write, waits for nobody, and says where something made up went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pytest

from engine import Action, App, Effect
from engine.plugins import Registry
from engine.runtime.callees import Callees
from engine.runtime.dryrun import NOBODY, DryRunEffects, Rehearsal
from engine.runtime.leaning import Leaning
from engine.runtime.runner import Runner
from engine.scenario.plan import Step
from engine.store.records import Run
from engine.testing import DoubleCaller, Harness
from tests.support.shop import SHOP, registry, scenario


async def _unused(_call: Any) -> Any:
    raise AssertionError("the test gives a double")


MADE = App(
    name="made",
    title="Made",
    modules=[
        Action(
            name="order",
            title="Order",
            description="Makes an order.",
            config={"type": "object"},
            connection_required=False,
            effect=Effect.WRITE,
            run=_unused,
            output={"type": "object", "properties": {"id": {"type": "integer", "examples": [12]}}},
        ),
        Action(
            name="status",
            title="Status",
            description="Reads an order.",
            config={"type": "object"},
            connection_required=False,
            effect=Effect.READ,
            run=_unused,
            output={"type": "object", "properties": {"open": {"type": "boolean"}}},
        ),
    ],
)


class Told:
    """Keeps what a dry run tells."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any, Any, bool]] = []
        self.waits: list[tuple[str, str]] = []
        self.resting: dict[str, Sequence[str]] = {}

    def would_send(self, run: Run, path: str, request: Any, output: Any, *, simulated: bool) -> None:
        self.sent.append((path, request, output, simulated))

    def would_wait(self, run: Run, path: str, what: str, value: Any) -> None:
        self.waits.append((path, what))

    def rests_on(self, run: Run, step: Step, path: str, names: Sequence[str]) -> None:
        self.resting[path] = names


async def rehearse(
    steps: str, doubles: Mapping[str, Any], *, simulated: bool = False, called: Sequence[str] = (), **event: Any
) -> tuple[Told, Any, DoubleCaller]:
    """A dry run of these steps: what it told, how the run ended, and what was called.

    :param called: scenarios that the steps may call.
    """
    told, caller = Told(), DoubleCaller(doubles)
    installed = registry()
    installed.add(MADE, "tests")
    async with Harness([scenario(steps), *called], caller=caller, registry=installed) as harness:
        await harness.runner.stop()
        catalog = harness._catalog
        effects = partial(
            DryRunEffects,
            audience=told,
            plan_of=lambda run: catalog.loaded(run.scenario, run.version),
            simulated=simulated,
            rehearsal=Rehearsal(),
        )
        harness.runner = Runner(harness.store, catalog, caller, harness.clock, effects=effects)
        harness.runner.callees = Callees(catalog, harness.intake, harness.runner, harness.store, harness.clock)
        await harness.runner.start()
        harness.intake._runner = harness.runner
        accepted = await harness.send(event, to=harness.plans[0].name)
        await harness.rest()
        return told, await harness.result(accepted.runs[0]), caller


async def test_a_write_is_shown_and_its_output_is_made_up_from_the_schema() -> None:
    steps = """
- id: look
  module: made.status
  with: {n: 1}
- id: order
  module: made.order
  with: {who: "${{ trigger.who }}", open: "${{ look.open }}"}
- stop: success
  output: ${{ order.id }}
"""
    told, result, caller = await rehearse(steps, {"made.status": lambda _config: {"open": False}}, who="ana")
    assert told.sent == [("order", {"who": "ana", "open": False}, {"id": 12}, False)]
    assert (result.state, result.output) == ("succeeded", 12)
    assert [call.module for call in caller.calls] == ["made.status"]
    assert told.resting == {"stop@3": ["order"]}


async def test_nothing_made_up_is_sent_to_a_vendor() -> None:
    steps = """
- id: order
  module: made.order
  with: {}
- set: {number: "${{ order.id }}"}
- id: state
  module: made.status
  with: {id: "${{ vars.number }}"}
- if: ${{ state.open }}
  steps:
    - id: again
      module: made.order
      with: {}
"""
    told, result, caller = await rehearse(steps, {})
    assert (result.state, caller.calls) == ("succeeded", [])
    assert [path for path, *_ in told.sent] == ["order", "state", "again"]
    assert told.resting == {"set@2": ["order"], "state": ["order"], "if@4": ["order", "state"]}


LOOKUP = """
scenario: lookup
inputs: {id: {}}
steps:
  - {id: look, module: made.status, with: {id: "${{ inputs.id }}"}}
  - {id: more, module: made.order, with: {}}
output: OUTPUT
"""


async def test_what_is_made_up_stays_so_in_called_scenarios_and_behind_them() -> None:
    steps = """
- {id: order, module: made.order, with: {}}
- {id: sub, call: lookup, with: {id: "${{ order.id }}"}}
- {id: its, module: made.status, with: {id: "${{ sub }}"}}
- {id: own, module: made.status, with: {id: "${{ order.id }}"}}
"""
    told, result, caller = await rehearse(steps, {}, called=[LOOKUP.replace("OUTPUT", "${{ more.id }}")])
    assert (result.state, caller.calls) == ("succeeded", [])
    assert [path for path, *_ in told.sent] == ["order", "look", "more", "its", "own"]
    assert told.resting == {"sub": ["order"], "look": ["inputs"], "its": ["order", "sub"], "own": ["order"]}


async def test_what_a_called_scenario_read_is_read() -> None:
    steps = """
- {id: sub, call: lookup, with: {id: "${{ trigger.id }}"}}
- {id: its, module: made.status, with: {id: "${{ sub }}"}}
"""
    doubles = {"made.status": lambda _config: {"open": True}}
    told, result, caller = await rehearse(steps, doubles, called=[LOOKUP.replace("OUTPUT", "${{ inputs.id }}")], id=7)
    assert (result.state, [call.config for call in caller.calls]) == ("succeeded", [{"id": 7}, {"id": 7}])
    assert told.resting == {}


async def test_with_simulators_writes_are_answered_by_them() -> None:
    steps = """
- id: order
  module: made.order
  with: {}
- id: state
  module: made.status
  with: {id: "${{ order.id }}"}
"""
    doubles = {"made.order": lambda _config: {"id": 77}, "made.status": lambda _config: {"open": True}}
    told, result, caller = await rehearse(steps, doubles, simulated=True)
    assert result.state == "succeeded"
    assert told.sent == [("order", {}, {"id": 77}, True)]
    assert [call.config for call in caller.calls] == [{}, {"id": 77}]
    assert told.resting == {}


async def test_nobody_is_waited_for() -> None:
    steps = """
- id: nap
  sleep: 30d
- id: ask
  wait_for: {approval: "shall we, ${{ trigger.who }}?"}
- id: paid
  wait_for: {signal: payment, match: "${{ trigger.who }}"}
- stop: success
  output: ${{ ask }}
"""
    told, result, _ = await rehearse(steps.replace("match:", "key:"), {}, who="ana")
    assert result.state == "succeeded"
    assert (result.output["approved"], result.output["by"]) == (True, NOBODY)
    assert told.waits == [
        ("nap", "sleep until 2024-04-04T09:00:00.000Z"),
        ("ask", "ask a person: shall we, ana?"),
        ("paid", "wait for signal 'payment' of 'ana'"),
    ]


async def test_items_of_a_list_that_is_made_up_are_made_up() -> None:
    steps = """
- id: order
  module: made.order
  with: {}
- id: each
  foreach: ${{ [order.id] }}
  as: number
  steps:
    - id: state
      module: made.status
      with: {id: "${{ number }}"}
"""
    told, _, caller = await rehearse(steps, {})
    assert caller.calls == []
    assert told.resting["each[0]/state"] == ["order"]


@pytest.mark.parametrize(
    ("expression", "names"),
    [("order.id", ["order"]), ("steps.order.output.id", ["order"]), ("vars.far", ["order"]), ("trigger.id", [])],
)
def test_a_step_leads_back_over_variables_and_steps(expression: str, names: list[str]) -> None:
    steps = f"""
- id: order
  module: shop.charge
  with: {{}}
- set: {{near: "${{{{ order }}}}"}}
- set: {{far: "${{{{ vars.near.id }}}}"}}
- id: last
  module: shop.get
  with: {{x: "${{{{ {expression} }}}}"}}
"""
    installed = Registry()
    installed.add(SHOP, "tests")
    plan = Harness([scenario(steps)], registry=installed).plans[0]
    assert Leaning(plan).on(plan.steps[-1], {"order", "other"}) == names
