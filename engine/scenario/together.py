"""What can be seen only where all scenarios of a project are seen: names, calls across files, and whom they wait for.

A file that calls others is read twice: once to know what it is, and again when what it calls is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.scenario.callees import Callee
from engine.scenario.diagnostics import Diagnostic
from engine.scenario.inside import every
from engine.scenario.load import check_unique
from engine.scenario.plan import CallStep, Listening, RespondStep, Scenario
from engine.scenario.report import Report

#: what a file says of calls and of its own name, where mistakes keep it from being read
_CALLS = re.compile(r"""^[ \t-]*["']?call["']?[ \t]*:[ \t]*["']?([a-z0-9][a-z0-9-]*)""", re.MULTILINE)
_NAME = re.compile(r"""^scenario[ \t]*:[ \t]*["']?([a-z0-9][a-z0-9-]*)""", re.MULTILINE)
_FLOW_CALLS = re.compile(r"""[{,][ \t]*call[ \t]*:[ \t]*["']?([a-z0-9][a-z0-9-]*)""")


def named_in(source: str) -> str | None:
    """The name that a scenario's text says, whatever else is in it."""
    found = _NAME.search(source)
    return found[1] if found is not None else None


@dataclass(slots=True)
class Read:
    """A file as it was read.

    :param plan: None where it has mistakes.
    """

    file: str
    source: str
    plan: Scenario | None
    diagnostics: list[Diagnostic]

    @property
    def name(self) -> str | None:
        """Its scenario's name, also where it has mistakes."""
        if self.plan is not None:
            return self.plan.name
        return named_in(self.source)

    @property
    def calls(self) -> set[str]:
        """The names that it may call."""
        if self.plan is not None:
            return {step.scenario for step in calls_in(self.plan)}
        if "call" not in self.source:
            return set()
        return {*_CALLS.findall(self.source), *_FLOW_CALLS.findall(self.source)}


#: reads a file again, knowing what may be called
Again = Callable[[str, Mapping[str, Callee]], tuple[Scenario | None, list[Diagnostic]]]


def calls_in(plan: Scenario) -> Iterator[CallStep]:
    """The calls of a scenario, wherever they stand."""
    return (step for step in every(plan.steps, plan.on_failure) if isinstance(step, CallStep))


def resolve(files: Sequence[Read], others: Callable[[], Iterable[Read]], again: Again) -> list[Read]:
    """Read files that call scenarios once more, now that those are known.

    :param others: the rest of the project, which is read only where one of its scenarios may be called.
    :returns: what was read of the rest.
    """
    callers = [read for read in files if read.calls]
    if not callers:
        return []
    here = {read.name for read in files}
    rest: list[Read] = []
    if any(name not in here for read in callers for name in read.calls):
        rest = list(others())
    known: dict[str, Read] = {}
    for read in (*files, *rest):
        if read.name is not None:
            known.setdefault(read.name, read)
    _Resolving(known, again).all([*callers, *(read for read in rest if read.calls)])
    return rest


class _Resolving:
    def __init__(self, known: Mapping[str, Read], again: Again) -> None:
        self._known = known
        self._again = again
        self._callees = {name: self._callee(name, read) for name, read in known.items()}
        self._done: set[int] = set()

    def all(self, callers: Sequence[Read]) -> None:
        for read in callers:
            self._one(read)

    def _one(self, read: Read) -> None:
        if id(read) in self._done:
            return
        self._done.add(id(read))
        for name in sorted(read.calls & self._known.keys()):
            if self._known[name].calls:
                # what it gives may be what another gives
                self._one(self._known[name])
        read.plan, read.diagnostics = self._again(read.file, self._callees)
        if (name_ := read.name) is not None and self._known.get(name_) is read:
            self._callees[name_] = self._callee(name_, read)

    @staticmethod
    def _callee(name: str, read: Read) -> Callee:
        return Callee(name, known=False) if read.plan is None else Callee.of(read.plan)


# ------------------------------------------------------------------ what is wrong with them together


class _Edge(NamedTuple):
    caller: Scenario
    step: CallStep
    callee: Scenario


def check_together(scenarios: Iterable[Scenario], rest: Iterable[Scenario] = ()) -> list[Diagnostic]:
    """The mistakes of scenarios that are seen only together.

    :param rest: scenarios of the project that are only called: what is wrong with them is not told.
    """
    own = list(scenarios)
    report = Report()
    plans = {plan.name: plan for plan in (*rest, *own)}
    edges = [
        _Edge(plan, step, plans[step.scenario])
        for plan in plans.values()
        for step in calls_in(plan)
        if step.scenario in plans
    ]
    if edges:
        _cycles(edges, report)
        _deadlocks(plans, edges, report)
    _answers(plans.values(), report)
    names = {plan.file for plan in own}
    return [*check_unique(own), *(found for found in report.diagnostics if found.place.file in names)]


def _way(start: str, end: str, edges: Iterable[tuple[str, str]]) -> list[str] | None:
    """A shortest way from one name to another."""
    after: dict[str, list[str]] = {}
    for one, other in edges:
        after.setdefault(one, []).append(other)
    ways = [[start]]
    seen = {start}
    for way in ways:
        if way[-1] == end:
            return way
        for name in after.get(way[-1], ()):
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return None


def _answers(plans: Iterable[Scenario], report: Report) -> None:
    """Scenarios that share a webhook, and answer its sender both."""
    shared: dict[str, list[Scenario]] = {}
    for plan in plans:
        if plan.responds and isinstance(plan.trigger, Listening) and plan.trigger.shared is not None:
            shared.setdefault(plan.trigger.shared, []).append(plan)
    for name, many in shared.items():
        for plan in many if len(many) > 1 else ():
            others = ", ".join(f"'{other.name}'" for other in many if other is not plan)
            step = next(step for step in every(plan.steps, plan.on_failure) if isinstance(step, RespondStep))
            message = f"{others} listens at the webhook '{name}' too, and answers too: which one is first is chance"
            report.add("respond-shared", message, step.place, "let one of them answer")


def _cycles(edges: Sequence[_Edge], report: Report) -> None:
    names = {(edge.caller.name, edge.callee.name) for edge in edges}
    for edge in edges:
        way = _way(edge.callee.name, edge.caller.name, sorted(names))
        if way is not None:
            shown = " → ".join([edge.caller.name, *way])
            message = f"this call comes back to the scenario itself: {shown}"
            report.add(
                "call-cycle", message, edge.step.place, "runs would start runs for ever; loop inside one of them"
            )


def _deadlocks(plans: Mapping[str, Scenario], edges: Sequence[_Edge], report: Report) -> None:
    """Runs that hold a key while they wait for one that may need it, or needs what another such run holds."""
    waited = sorted({(edge.caller.name, edge.callee.name) for edge in edges if edge.step.wait})
    reach: dict[str, set[str]] = {name: _below(name, waited) for name in plans}
    held: set[tuple[str, str]] = set()
    for name, plan in plans.items():
        if plan.lane is not None and plan.lane.holds:
            lanes = (plans[below].lane for below in reach[name])
            held |= {(plan.lane.name, lane.name) for lane in lanes if lane is not None}
    for edge in edges:
        lane = edge.caller.lane
        if not edge.step.wait or lane is None or not lane.holds:
            continue
        for below in sorted({edge.callee.name, *reach[edge.callee.name]}):
            wanted = plans[below].lane
            if (
                wanted is not None
                and wanted.busy != "skip"
                and below != edge.caller.name
                and _way(wanted.name, lane.name, sorted(held))
            ):
                message = f"this run keeps its place under `{lane.name}` while it waits, and '{below}' may wait for it"
                hint = f"leave the order out of '{below}', or wait for nothing: `wait: false`"
                report.add("call-deadlock", message, edge.step.place, hint)
                break


def _below(name: str, edges: Sequence[tuple[str, str]]) -> set[str]:
    """All that is called by a scenario and by those that it calls."""
    found: set[str] = set()
    pending = [name]
    while pending:
        one = pending.pop()
        new = {callee for caller, callee in edges if caller == one} - found
        found |= new
        pending += new
    return found
