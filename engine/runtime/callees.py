"""Starting a run of another scenario: whether it may be started, and all that is stored for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.runtime.calls import Prepared
from engine.runtime.catalog import Catalog
from engine.runtime.intake import Intake
from engine.runtime.payload import shown
from engine.runtime.rundata import CALL
from engine.runtime.runner import Runner
from engine.runtime.starts import NotStartable, UnknownScenario, startable
from engine.runtime.states import State
from engine.runtime.waiting import awaited
from engine.scenario.diagnostics import did_you_mean
from engine.scenario.inputs import BadInputs
from engine.scenario.plan import CallStep, Scenario
from engine.sdk import jsontext
from engine.sdk.clock import Clock, utc
from engine.sdk.errors import EngineError
from engine.sdk.modules import Delivery
from engine.store.calls import CallsOf
from engine.store.changes import Fate
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import Lane, Run

#: calls that may lead to a run
DEEPEST = 20


class CallTooDeep(EngineError):
    """A run was called by a run that was called by a run, and so on: more often than runs may be."""

    code = "call-too-deep"


class CallDeadlock(EngineError):
    """A run would wait for itself: what it calls needs a key that it or a caller holds, or waits for such a one."""

    code = "call-deadlock"


class Callees:
    """Starts runs for other runs."""

    def __init__(self, catalog: Catalog, intake: Intake, runner: Runner, store: Store, clock: Clock) -> None:
        self._catalog = catalog
        self._intake = intake
        self._runner = runner
        self._store = store
        self._clock = clock

    async def prepare(self, caller: Run, step: CallStep, given: Any, origin: str) -> Prepared:
        """All that makes a new run.

        :param given: its inputs.
        :param origin: the effect key of the call: the base of the keys of what the run does.
        :raises UnknownScenario: and ``NotStartable``, ``BadInputs``, ``CallTooDeep``, ``CallDeadlock``.
        """
        plan = self._plan(step.scenario)
        chain = await self._chain(caller.id)
        depth = len(chain)
        if depth > DEEPEST:
            raise CallTooDeep(
                f"{DEEPEST} calls led to this run, and none may lead further",
                hint=f"see who called whom: `engine runs show {show(caller.id)}`",
            )
        incoming = self._incoming(plan, caller, given)
        changes, start = self._intake.called(plan, incoming, origin, caller.subject)
        if step.wait and start.keys.lane is not None:
            await self._refuse_deadlock(plan, start.keys.lane, chain)
        return Prepared(start.run.id, plan.name, depth, chain[-1], changes, start)

    def begin(self, prepared: Prepared, fate: Fate) -> None:
        """It is durable."""
        if prepared.start is None:
            self._runner.wake((prepared.scenario,))
        elif not fate.redirected:
            self._intake.begin_called(prepared.start, fate)
        self._runner.released(fate)

    def _plan(self, name: str) -> Scenario:
        plan = self._catalog.current(name)
        if plan is None:
            known = sorted(plan.name for plan in self._catalog.scenarios)
            hint = did_you_mean(name, known) or "is its file among those that are served?"
            raise UnknownScenario(f"there is no scenario '{name}' to call", hint=hint)
        if not plan.active:
            hint = "set `active: true` there"
            raise NotStartable(f"scenario '{name}', which is called, is not active", hint=hint)
        startable(plan)
        return plan

    def _incoming(self, plan: Scenario, caller: Run, given: Any) -> Delivery:
        if not isinstance(given, dict):
            raise BadInputs(plan.name, [("with", "must be an object of inputs")])
        raw = jsontext.dumps(plan.inputs.complete(plan.name, given))
        if len(raw) > self._intake.most:
            most = shown(self._intake.most)
            raise BadInputs(plan.name, [("with", f"is {shown(len(raw))} as JSON, more than `limits.body` ({most})")])
        headers = {"content-type": "application/json", "caller": show(caller.id)}
        return Delivery(CALL, headers, {}, raw, jsontext.loads(raw), utc(self._clock.time()))

    async def _chain(self, run_id: int) -> list[int]:
        """The run, its caller, the caller of that, and so on."""
        chain = [run_id]
        while len(chain) <= DEEPEST:
            found = (await self._store.ask(CallsOf(chain[-1:]))).get(chain[-1])
            if found is None:
                break
            chain.append(found.caller_id)
        return chain

    async def _refuse_deadlock(self, plan: Scenario, lane: Lane, chain: list[int]) -> None:
        if lane.busy == "skip":
            # it finds no place, and that is told
            return
        calls, kept = await self._store.ask(CallsOf(chain)), dict[str, int]()
        for run_id in chain:
            place = await self._store.lane(run_id)
            if place is not None and place.holds:
                kept.setdefault(place.lane, run_id)
            call = calls.get(run_id)
            if call is None or not call.awaited:
                # those further up do not wait for this
                break
        if kept and (other := await self._behind(lane.key, kept)) is not None:
            raise CallDeadlock(
                f"run {show(other)} keeps its place under the key that '{plan.name}' would need, and waits for it",
                hint=f"leave `order_by` out of '{plan.name}', or call it with `wait: false`",
            )

    async def _behind(self, key: str, kept: Mapping[str, int]) -> int | None:
        """The run that keeps one of these places and for which, in the end, whoever has the place of a key waits.

        :param kept: by key, which run keeps the place.
        """
        keys, seen = [key], set[str]()
        while keys:
            key = keys.pop()
            if key in kept:
                return kept[key]
            holder = await self._store.lane_holder(key) if key not in seen else None
            seen.add(key)
            if holder is None or holder.most > 1:
                # of several places one may become free
                continue
            runs = [await self._store.run(holder.run_id)]
            while runs:
                run = runs.pop()
                if run is not None and run.state == State.BLOCKED and (place := await self._store.lane(run.id)):
                    keys.append(place.lane)
                elif run is not None and run.state == State.WAITING and run.due_at is None:
                    runs += [await self._store.run(called.call.run_id) for called in await awaited(self._store, run)]
        return None
