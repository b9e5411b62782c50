"""A scenario as a chart: what follows what. Blocks in blocks, as a scenario is; ``mermaid`` and ``svg`` show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from engine.scenario.expressions import Expression
from engine.scenario.inside import parts
from engine.scenario.plan import (
    CallStep,
    ForeachStep,
    GroupStep,
    Listening,
    ModuleStep,
    OnError,
    ParallelStep,
    Polling,
    RepeatStep,
    RespondStep,
    RouteStep,
    Scenario,
    Scheduled,
    SetStep,
    SleepStep,
    Step,
    StopStep,
    Trigger,
    WaitStep,
)
from engine.views import words
from engine.views.words import Does


class Shape(StrEnum):
    """What a box stands for."""

    TRIGGER = "trigger"
    READ = "read"
    WRITE = "write"
    #: changes nothing outside
    PLAIN = "plain"
    WAIT = "wait"
    CHOICE = "choice"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Node:
    """A box. ``lines``: the first is its title."""

    shape: Shape
    lines: tuple[str, ...]
    #: nothing follows it
    last: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """One way of several.

    :param beside: it is taken where something goes wrong.
    :param returns: whether the flow goes on behind it, if it comes to its end.
    """

    label: str
    body: Sequence[Block]
    beside: bool = False
    returns: bool = True


@dataclass(frozen=True, slots=True)
class Fork:
    """A box from which several ways lead; they meet again behind it."""

    head: Node
    ways: Sequence[Way]


@dataclass(frozen=True, slots=True)
class Frame:
    """What is done again and again, or belongs together."""

    title: str
    body: Sequence[Block]
    loops: bool = True


Block = Node | Fork | Frame


@dataclass(frozen=True, slots=True)
class Chart:
    """A scenario's chart. ``failing``: what is done when a run has failed for good."""

    title: str
    description: str
    body: Sequence[Block]
    failing: Sequence[Block] = field(default=())


def chart_of(plan: Scenario) -> Chart:
    """The chart of a scenario."""
    failing = [Frame("when a run has failed", _blocks(plan.on_failure), loops=False)] if plan.on_failure else []
    return Chart(plan.name, plan.description, [_trigger(plan), *_blocks(plan.steps)], failing)


def _asked(condition: Expression) -> str:
    # a picture needs no marks around code
    return words.condition(condition).replace("`", "")


def _trigger(plan: Scenario) -> Node:
    trigger = plan.trigger
    lines = [_starts(trigger)]
    if isinstance(trigger, Listening):
        events = trigger.config.get("events")
        if isinstance(events, list):
            lines += [words.shortened(", ".join(map(str, events)))]
    if trigger is not None and trigger.condition is not None:
        lines.append(f"if {_asked(trigger.condition)}")
    return Node(Shape.TRIGGER, tuple(lines))


def _starts(trigger: Trigger | None) -> str:
    match trigger:
        case Listening():
            return trigger.module.title
        case Polling():
            return f"{trigger.module.title}, every {words.seconds(trigger.every)}"
        case Scheduled():
            return str(trigger.timetable)
        case _:
            return "started by hand, or called"


def _blocks(steps: Sequence[Step]) -> list[Block]:
    found: list[Block] = []
    for step in steps:
        found += _step(step)
    return found


def _step(step: Step) -> list[Block]:
    own = _own(step)
    lists = {part.key: _blocks(part.steps) for part in parts(step) if part.aside}
    ways = [Way(label, lists[key], True, returns) for key, label, returns in _ASIDE if key in lists]
    if ways:
        single = len(own) == 1 and isinstance(own[0], Node) and not own[0].last
        head = own[0] if single and isinstance(own[0], Node) else Node(Shape.PLAIN, (step.name or "together",))
        own = [Fork(head, [Way("", [] if single else own), *ways])]
    if "finally" in lists:
        own = [*own, Frame("and then, however it ended", lists["finally"], loops=False)]
    if step.condition is not None and not isinstance(step, GroupStep):
        # a condition of its own: the step, or nothing
        return [Fork(Node(Shape.CHOICE, (f"{_asked(step.condition)}?",)), [Way("yes", own), Way("no", [])])]
    return own


#: what is done in place of a step, or to take it back; nothing follows the latter
_ASIDE = (("on_error", "on error", True), ("undo", "to undo it", False))


def _own(step: Step) -> list[Block]:
    match step:
        case ModuleStep():
            shape = {Does.WRITE: Shape.WRITE, Does.EITHER: Shape.WRITE, Does.READ: Shape.READ}
            lines = [step.name or step.module.title, step.module_name]
            if step.id and step.id not in lines[0]:
                lines[1] = f"{step.id}: {step.module_name}"
            return [Node(shape.get(words.does(step), Shape.PLAIN), (*lines, *_manner(step)))]
        case GroupStep():
            return _group(step)
        case RouteStep():
            title = step.name or ("every route that fits" if step.every else "the first route that fits")
            ways = [
                Way(f"{one.name}: {_asked(one.condition)}" if one.condition else one.name, _blocks(one.steps))
                for one in step.routes
            ]
            return [Fork(Node(Shape.CHOICE, (title,)), [*ways, Way("otherwise", _blocks(step.otherwise))])]
        case ParallelStep():
            ways = [Way(name, _blocks(steps)) for name, steps in step.branches.items()]
            return [Fork(Node(Shape.CHOICE, (step.name or "side by side",)), ways)]
        case ForeachStep():
            source = step.stream.module.title if step.stream else step.items.text if step.items else ""
            return [Frame(f"for each {step.variable} of {words.shortened(source)}", _blocks(step.steps))]
        case RepeatStep():
            return [Frame(_rounds(step), _blocks(step.steps))]
        case WaitStep():
            return _wait(step)
        case CallStep():
            return _call(step)
        case _:
            return [_simple(step)]


def _simple(step: Step) -> Node:
    match step:
        case SetStep():
            return Node(Shape.PLAIN, (step.name or "set", words.shortened(", ".join(step.values))))
        case SleepStep():
            until = "wait until" if step.until else "wait"
            return Node(Shape.WAIT, (step.name or f"{until} {words.value(step.time).strip('`')}",))
        case StopStep():
            said = [words.value(step.message).strip("`")] if step.message is not None else []
            title = step.name or ("done" if step.success else "failed")
            return Node(Shape.DONE if step.success else Shape.FAILED, (title, *said), last=True)
        case RespondStep():
            return Node(Shape.WRITE, (step.name or "answer the caller",))
        case _:
            return Node(Shape.PLAIN, (step.name or step.kind,))


def _manner(step: Step) -> list[str]:
    said = {
        OnError.IGNORE: "goes on if it fails",
        OnError.RESUME: "goes on with another output if it fails",
        OnError.HOLD: "held if it fails",
        OnError.COMMIT: "ends the run if it fails",
        OnError.ROLLBACK: "undoes all if it fails",
    }.get(step.on_error)
    return [said] if said and not step.inherited else []


def _group(step: GroupStep) -> list[Block]:
    if step.condition is None:
        body = _blocks(step.steps)
        return [Frame(step.name, body, loops=False)] if step.name else body
    ways = [Way(_asked(step.condition), _blocks(step.steps))]
    ways += [Way(_asked(one.condition), _blocks(one.steps)) for one in step.others if one.condition]
    single = len(ways) == 1
    if single:
        ways = [Way("yes", ways[0].body)]
    question = f"{_asked(step.condition)}?" if single else "which is true first?"
    title = [step.name, question] if step.name and single else [step.name or question]
    title += _manner(step)
    return [Fork(Node(Shape.CHOICE, tuple(title)), [*ways, Way("no" if single else "else", _blocks(step.otherwise))])]


def _rounds(step: RepeatStep) -> str:
    if step.times is not None:
        return f"{step.times.text} times"
    if step.wanted is not None:
        return f"while {_asked(step.wanted)}"
    return f"until {_asked(step.until)}" if step.until is not None else "again and again"


def _wait(step: WaitStep) -> list[Block]:
    if step.signal is not None:
        title = f"wait for signal {step.signal}"
    elif step.approval is not None:
        title = "wait for approval"
    else:
        module = step.event.module if step.event else None
        title = f"wait for {module.title if module else 'an event'}"
    node = Node(Shape.WAIT, (step.name or title,))
    if step.limit is None:
        return [node]
    fails = [Node(Shape.FAILED, ("fails",), last=True)]
    late = fails if step.on_timeout is None else _blocks(step.on_timeout)
    return [Fork(node, [Way("", []), Way(f"after {words.seconds(step.limit)}", late, beside=True)])]


def _call(step: CallStep) -> list[Block]:
    node = Node(Shape.WRITE, (step.name or f"call {step.scenario}", "and wait for it" if step.wait else "and go on"))
    if step.limit is None or step.on_timeout is None:
        return [node]
    late = Way(f"after {words.seconds(step.limit)}", _blocks(step.on_timeout), beside=True)
    return [Fork(node, [Way("", []), late])]
