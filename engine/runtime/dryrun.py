"""A dry run: reads are made, writes are only shown, nobody is waited for, and nothing is kept.

It is a run like any other, in a store in memory, with other ``Effects``. In place of a write's answer stands an output
that is made up from its module's schema, or what the app's simulator gives. What is made up is never sent to a vendor:
a read that may rest on it is not made, its output is made up too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

from engine.runtime.callers import Attempt, Caller
from engine.runtime.durable import DurableEffects
from engine.runtime.effects import Ask, CallReply, Reply
from engine.runtime.leaning import Leaning
from engine.runtime.madeup import output_of
from engine.runtime.pacing import Pace
from engine.scenario.inside import ITEM, with_paths
from engine.scenario.plan import CallStep, ModuleStep, Scenario, Step
from engine.sdk import jsontext
from engine.sdk.clock import iso
from engine.sdk.data import DataWrite
from engine.sdk.modules import Config, Effect, Happened, ProbeResult
from engine.store.changes import Fate
from engine.store.records import EffectRecord, Run

if TYPE_CHECKING:
    from engine.runtime.callees import Callees
    from engine.runtime.calls import Prepared

#: an item in a path
_ITEMS = re.compile(r"\[.*?\]/")
#: what a run was called with, as expressions name it
INPUTS = "inputs"
#: the people that a dry run makes up
NOBODY = "nobody, this is a dry run"


class Audience(Protocol):
    """Is told what a dry run does not do."""

    def would_send(self, run: Run, path: str, request: Config, output: Any, *, simulated: bool) -> None:
        """A write, or a read that may rest on something made up.

        :param output: what stands in place of the answer.
        :param simulated: it is what the app's simulator gave; otherwise it is made up.
        """
        ...

    def would_wait(self, run: Run, path: str, what: str, value: Any) -> None:
        """Something that is waited for, and what stands in place of its answer."""
        ...

    def rests_on(self, run: Run, step: Step, path: str, names: Sequence[str]) -> None:
        """A step whose expressions may rest on these steps' made-up outputs."""
        ...


@dataclass(slots=True)
class Rehearsal:
    """What a dry run has made up, of all runs: one that waits for a called run comes back, and each sees what it made.

    :ivar made_up: by run, the names of what is made up: ids of steps, and its inputs.
    :ivar told: by run, the paths that were told to rest on such.
    :ivar called: by caller and path, the run that was called there.
    """

    made_up: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    told: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    called: dict[tuple[int, str], int] = field(default_factory=dict)


class DryRunEffects(DurableEffects):
    """What a dry run may do.

    :param plan_of: the plan of a run.
    :param rehearsal: the same for all runs.
    :param simulated: writes are answered by simulators.
    """

    def __init__(
        self,
        *arguments: Any,
        audience: Audience,
        plan_of: Callable[[Run], Scenario | None],
        simulated: bool,
        rehearsal: Rehearsal,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        if self._callees is not None:
            self._callees = cast("Callees", _Calling(self._callees, self))
        self._plan_of = plan_of
        self._rehearsal = rehearsal
        self._caller = _Instead(self._caller, self)
        self._audience = audience
        self._simulated = simulated
        plan = plan_of(self.run)
        self._leaning = Leaning(plan) if plan is not None else None
        self._steps = dict(with_paths(plan.steps)) if plan is not None else {}
        self._made_up = rehearsal.made_up[self.run.id]
        self._told = rehearsal.told[self.run.id]

    def _lean(self, step: Step, path: str) -> list[str]:
        names = self._leaning.on(step, self._made_up) if self._leaning is not None and self._made_up else []
        if names and path not in self._told:
            self._told.add(path)
            self._audience.rests_on(self.run, step, path, names)
        return names

    def decide(self, key: str, compute: Callable[[], Any]) -> Any:
        path = key.removesuffix("?")
        if path != key and not self.remembers(key) and (step := self._steps.get(_ITEMS.sub(ITEM, path))) is not None:
            # before what is in it
            self._lean(step, path)
        return super().decide(key, compute)

    # ------------------------------------------------------------------ calls

    async def instead(self, caller: Caller, step: ModuleStep, config: Config, attempt: Attempt) -> Any:
        """What a call comes to: a real answer only of what reads, or of a simulator."""
        path = attempt.effect_key.removeprefix(self.effect_key(""))
        names = self._lean(step, path)
        writes = caller.effect(step, config).writes
        if self._simulated or not (writes or names):
            output = await caller.call(step, config, attempt)
            if writes:
                self._audience.would_send(self.run, path, config, output, simulated=True)
            return output
        output = output_of(step.module, config)
        if step.id:
            self._made_up.add(step.id)
        self._audience.would_send(self.run, path, config, output, simulated=False)
        return output

    async def change(
        self, step: ModuleStep, module: DataWrite, path: str, key: str, config: Config, fingerprint: str
    ) -> EffectRecord:
        """Done in the store in memory, so that what is read later is as it would be."""
        done = await super().change(step, module, path, key, config, fingerprint)
        output = None if done.output is None else jsontext.loads(done.output)
        self._audience.would_send(self.run, path, config, output, simulated=True)
        return done

    # ------------------------------------------------------------------ runs of other scenarios

    async def call_scenario(self, step: CallStep, path: str, given: Any) -> CallReply:
        self._lean(step, path)
        reply = await super().call_scenario(step, path, given)
        run_id = self._rehearsal.called.get((self.run.id, path))
        if step.id and step.wait and run_id is not None and await self._gave_made_up(run_id):
            self._made_up.add(step.id)
        return reply

    async def _gave_made_up(self, run_id: int) -> bool:
        """Whether what a called run gave may rest on something made up."""
        names = self._rehearsal.made_up[run_id]
        run = await self.store.run(run_id) if names else None
        plan = self._plan_of(run) if run is not None else None
        if plan is None or plan.output is None:
            return bool(names)
        return bool(Leaning(plan).text_on(plan.output, names))

    def calling(self, step: CallStep, effect_key: str, run_id: int) -> None:
        """A run is called here; what it is called with may rest on something made up."""
        self._rehearsal.called[self.run.id, effect_key.removeprefix(self.effect_key(""))] = run_id
        if self._leaning is not None and self._leaning.on(step, self._made_up):
            self._rehearsal.made_up[run_id].add(INPUTS)

    # ------------------------------------------------------------------ waits

    async def rest(self, path: str, due: Callable[[], float]) -> None:
        if not self.remembers(f"{path}@woke"):
            until = due()
            self._audience.would_wait(self.run, path, f"sleep until {iso(until)}", None)
            self.decide(f"{path}@woke", lambda: True)

    async def pause(self, key: str, due: float) -> None:
        self.decide(f"{key}@woke", lambda: True)

    async def wait(self, path: str, ask: Callable[[], Ask]) -> Reply:
        key = f"{path}@answer"
        if not self.remembers(key):
            asked = ask()
            value = _answer(asked, self.now())
            self.decide(key, lambda: value)
            self._audience.would_wait(self.run, path, _what(asked), value)
            self._made_up.add(path.rpartition("/")[2])
        return Reply(1, answered=True, value=self.decided(key))

    def replied(self, path: str) -> Reply | None:
        key = f"{path}@answer"
        return Reply(1, answered=True, value=self.decided(key)) if self.remembers(key) else None

    # ------------------------------------------------------------------ for whoever watches

    def finished(self, step: Step, path: str, status: str, value: Any) -> None:
        self._lean(step, path)
        super().finished(step, path, status, value)


class _Calling:
    """Starts runs for a run of a dry run, which is told of them."""

    def __init__(self, callees: Callees, effects: DryRunEffects) -> None:
        self._callees = callees
        self._effects = effects

    async def prepare(self, caller: Run, step: CallStep, given: Any, origin: str) -> Prepared:
        prepared = await self._callees.prepare(caller, step, given, origin)
        self._effects.calling(step, origin, prepared.run_id)
        return prepared

    def begin(self, prepared: Prepared, fate: Fate) -> None:
        self._callees.begin(prepared, fate)


class _Instead:
    """Stands between a dry run and the outside world, so that nothing gets there by another way."""

    def __init__(self, caller: Caller, effects: DryRunEffects) -> None:
        self._caller = caller
        self._effects = effects

    def effect(self, step: ModuleStep, config: Config) -> Effect:
        return self._caller.effect(step, config)

    def prepare(self, step: ModuleStep, config: Config, attempt: Attempt) -> Config:
        return self._caller.prepare(step, config, attempt)

    def pace(self, step: ModuleStep, config: Config) -> Pace | None:
        # what is only shown waits for nobody
        return None if self.effect(step, config).writes else self._caller.pace(step, config)

    async def call(self, step: ModuleStep, config: Config, attempt: Attempt) -> Any:
        return await self._effects.instead(self._caller, step, config, attempt)

    async def probe(self, step: ModuleStep, config: Config, attempt: Attempt) -> Happened | ProbeResult:
        return ProbeResult.UNKNOWN


def _answer(ask: Ask, now: float) -> Any:
    if ask.kind == "approval":
        return {"approved": True, "by": NOBODY, "comment": None, "at": iso(now)}
    return {}


def _what(ask: Ask) -> str:
    detail: Mapping[str, Any] = ask.detail or {}
    match ask.kind:
        case "approval":
            return f"ask a person: {detail.get('text')}"
        case "signal":
            return f"wait for signal '{ask.name}'" + (f" of '{ask.match}'" if ask.match else "")
    return f"wait for an event of {ask.name}"
