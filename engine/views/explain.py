"""A scenario in plain sentences: what starts it, what it does, what it waits for, what becomes of failures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.scenario.inside import every, parts
from engine.scenario.plan import (
    DEFAULT_RETRY,
    CallStep,
    ForeachStep,
    GroupStep,
    Listening,
    ModuleStep,
    ModuleTrigger,
    OnError,
    OnItemError,
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
    WaitStep,
)
from engine.sdk.data import DataWrite
from engine.views import words
from engine.views.words import Does, code, counted, listed, seconds


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence, and what belongs to it.

    :param step: what step it is about: its id, else its path; None: of the scenario as a whole.
    """

    text: str
    inside: Sequence[Line] = field(default=())
    step: str | None = None
    place: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        found: dict[str, Any] = {"text": self.text}
        found |= {"step": self.step, "place": self.place} if self.step is not None else {}
        return found | ({"inside": [line.to_json() for line in self.inside]} if self.inside else {})


def explain(plan: Scenario) -> list[Line]:
    """The sentences of a scenario, in its order."""
    found = [Line(_head(plan)), *map(Line, _beginning(plan)), *map(Line, _manners(plan))]
    found.append(Line("Then:", _steps(plan.steps)))
    if plan.output is not None:
        found.append(Line(f"A run that comes to its end gives {words.value(plan.output)}."))
    if plan.on_failure:
        found.append(Line("When a run has failed for good:", _steps(plan.on_failure)))
    return [*found, *map(Line, _outside(plan))]


def text_of(lines: Sequence[Line], indent: str = "") -> str:
    """The sentences as text: steps are numbered, what is inside them is indented."""
    return "\n".join(_written(lines, indent)) + "\n"


def _written(lines: Sequence[Line], indent: str) -> Iterator[str]:
    number = 0
    for line in lines:
        mark = ""
        if line.step is not None:
            number += 1
            mark = f"{number}. "
        yield f"{indent}{mark}{line.text}"
        yield from _written(line.inside, indent + "   ")


# ---------------------------------------------------------------------- the scenario


def _head(plan: Scenario) -> str:
    about = " ".join(plan.description.split())
    off = "" if plan.active else " It is switched off: events are kept, and run only by command."
    return f"{plan.name}: {about}{off}" if about else f"{plan.name}.{off}"


def _beginning(plan: Scenario) -> Iterator[str]:
    trigger = plan.trigger
    asked = f", if {words.condition(trigger.condition)}" if trigger is not None and trigger.condition else ""
    match trigger:
        case Listening():
            where = f"the shared webhook {code(trigger.webhook)}" if trigger.webhook else "its webhook"
            yield f"It starts with each event that comes to {where} ({_module(trigger)}){asked}."
            if isinstance(events := trigger.config.get("events"), list) and events:
                yield f"Of the events it takes {listed([code(str(event)) for event in events])}; others are filtered."
        case Polling():
            yield (
                f"It asks every {seconds(trigger.every)} for what is new ({_module(trigger)}); "
                f"each one starts a run{asked}."
            )
        case Scheduled():
            yield f"The clock starts it: {code(str(trigger.timetable))}{asked}."
        case _:
            yield "It is started by hand, by another program, or by a scenario that calls it."
    if plan.inputs.fields:
        yield f"It is given {listed([code(given.name) for given in plan.inputs.fields])}."


def _module(trigger: ModuleTrigger) -> str:
    over = f" over connection {code(trigger.connection)}" if trigger.connection else ""
    return f"{trigger.module.title}, {code(trigger.module_name)}{over}"


def _manners(plan: Scenario) -> Iterator[str]:
    if plan.dedupe is not None:
        key = words.expression(plan.dedupe.key) if plan.dedupe.key else "identity"
        yield f"Events with the same {key} within {seconds(plan.dedupe.within)} are one: later ones are duplicates."
    if plan.debounce is not None:
        which = f" with the same {words.expression(plan.debounce.key)}" if plan.debounce.key else ""
        yield (
            f"Events{which} are gathered until none came for {seconds(plan.debounce.quiet)}, at most for "
            f"{seconds(plan.debounce.most)}; the last one counts."
        )
    if plan.lane is not None:
        yield _lane(plan)
    if plan.limit is not None:
        yield f"At most {counted(plan.limit, 'run')} of it at a time; others wait."
    if plan.rate is not None:
        yield f"At most {counted(plan.rate.runs, 'run')} within {seconds(plan.rate.seconds)}; others wait."
    if plan.priority != "normal":
        yield f"Where runs of several scenarios wait, its priority is {plan.priority}."
    if plan.expect is not None:
        kind = "successful run" if plan.expect.successes else "run"
        yield (
            f"Fewer than {counted(plan.expect.at_least, kind)} within {seconds(plan.expect.within)} are told of as "
            "silence."
        )


def _lane(plan: Scenario) -> str:
    lane = plan.lane
    assert lane is not None
    which = f"with the same {words.expression(lane.key)}" if lane.key else "of it"
    if lane.busy == "skip":
        return f"While {counted(lane.most, 'run')} {which} is under way, further events are filtered."
    if lane.busy == "replace":
        return f"A newer run {which} takes the place of an older one that has not begun, or that waits."
    if lane.most > 1:
        return f"At most {counted(lane.most, 'run')} {which} at a time."
    held = (
        "one that waits or is held keeps the others waiting"
        if lane.holds
        else "those that wait or are held let others pass"
    )
    return f"Runs {which} go one after another, in the order of their events; {held}."


def _outside(plan: Scenario) -> Iterator[str]:
    calls = [step for step in every(plan.steps, plan.on_failure) if isinstance(step, ModuleStep)]
    kept = listed([code(step.id or step.path) for step in calls if isinstance(step.module, DataWrite)])
    calls = [step for step in calls if not isinstance(step.module, DataWrite)]
    writes = list(dict.fromkeys(code(step.id or step.path) for step in calls if words.does(step) is Does.WRITE))
    if kept:
        yield f"It changes records of its own in {kept}: each once, together with the note that it is done."
    if writes:
        them = "it is" if len(writes) == 1 else "they are"
        yield (
            f"It changes something outside in {listed(writes)}. Once done, {them} never done again; where nobody knows "
            "whether it was done, it is not repeated blindly: unless twice is once or the vendor can be asked, the run "
            "is held until somebody says what happened."
        )
    else:
        yield "It changes nothing outside."


# ---------------------------------------------------------------------- steps


def _steps(steps: Sequence[Step]) -> list[Line]:
    return [_step(step) for step in steps] or [Line("nothing.")]


def _step(step: Step) -> Line:
    text, inside = _what(step)
    if step.condition is not None and not isinstance(step, GroupStep):
        text = f"If {words.condition(step.condition)}: {text}"
    if step.name:
        text = f"{step.name}: {text}"
    if inside:
        inside = [*inside, *map(Line, _how(step))]
    else:
        text = " ".join([text, *_how(step)])
    for part in parts(step):
        if part.aside:
            inside = [*inside, Line(_ASIDE[part.key], _steps(part.steps))]
    return Line(text, inside, step.id or step.path, str(step.place))


_ASIDE = {
    "on_error": "If it fails, this is done, and the run goes on:",
    "finally": "However it ends, then:",
    "undo": "If the run is rolled back after it, this takes it back:",
}


def _what(step: Step) -> tuple[str, list[Line]]:
    match step:
        case ModuleStep():
            return _call_module(step), []
        case GroupStep():
            return _group(step)
        case RouteStep():
            ways = [
                Line(
                    f"Route {code(one.name)}{', if ' + words.condition(one.condition) if one.condition else ''}:",
                    _steps(one.steps),
                )
                for one in step.routes
            ]
            if step.otherwise:
                ways.append(Line("If none of them is taken:", _steps(step.otherwise)))
            which = "Every route is taken that fits, in order:" if step.every else "The first route is taken that fits:"
            return which, ways
        case ParallelStep():
            return "Side by side:", [Line(f"Branch {code(name)}:", _steps(s)) for name, s in step.branches.items()]
        case ForeachStep():
            return _foreach(step), _steps(step.steps)
        case RepeatStep():
            return _repeat(step), _steps(step.steps)
        case WaitStep():
            return _wait(step)
        case CallStep():
            return _call(step)
        case _:
            return _simple(step), []


def _simple(step: Step) -> str:
    match step:
        case SetStep():
            return f"Set {listed([f'{code(name)} to {words.value(value)}' for name, value in step.values.items()])}."
        case SleepStep():
            how = "Wait until" if step.until else "Wait for"
            return f"{how} {words.value(step.time)}; that survives restarts."
        case RespondStep():
            body = f" and {words.value(step.body)}" if step.body is not None else ""
            return f"Answer the caller with status {words.value(step.status)}{body}."
        case StopStep():
            message = f": {words.value(step.message)}" if step.message is not None else ""
            output = f", and give {words.value(step.output)}" if step.output is not None else ""
            return f"End the run as {'succeeded' if step.success else 'failed'}{message}{output}."
        case _:
            return f"Do {code(step.kind)}."


_DOES = {
    Does.NOTHING: "changes and asks nothing",
    Does.READ: "reads",
    Does.WRITE: "writes",
    Does.EITHER: "reads or writes, as the data say",
}


def _call_module(step: ModuleStep) -> str:
    over = f" over connection {code(step.connection)}" if step.connection else ""
    given = f", with {words.value(step.config)}" if step.config.expressions else ""
    called = f" Its output is {code(step.id)}." if step.id else ""
    return f"{step.module.title} ({code(step.module_name)}{over}; it {_DOES[words.does(step)]}){given}.{called}"


def _group(step: GroupStep) -> tuple[str, list[Line]]:
    if step.condition is None:
        return "Together:", _steps(step.steps)
    inside = _steps(step.steps)
    for one in step.others:
        if one.condition is not None:
            inside.append(Line(f"Else, if {words.condition(one.condition)}:", _steps(one.steps)))
    if step.otherwise:
        inside.append(Line("Else:", _steps(step.otherwise)))
    return f"If {words.condition(step.condition)}:", inside


def _foreach(step: ForeachStep) -> str:
    if step.stream is not None:
        over = f"record that {step.stream.module.title} ({code(step.stream.module_name)}) finds, page by page"
    else:
        over = f"item of {words.expression(step.items)}" if step.items is not None else "item"
    said = f"For each {over}"
    if step.batch is not None:
        said += f", {step.batch} at a time"
    if step.group_by is not None:
        said += f", in groups by {words.expression(step.group_by)}"
    said += f", as {code(step.variable)}"
    if step.concurrency > 1:
        said += f", up to {step.concurrency} side by side"
    if step.on_item_error is not OnItemError.FAIL:
        said += f"; one that fails does not stop the others ({code('on_item_error: ' + step.on_item_error.value)})"
    if step.collect is not None:
        said += f"; {words.value(step.collect)} of each is collected"
    return f"{said}:"


def _repeat(step: RepeatStep) -> str:
    most = f", at most {counted(step.most, 'time')}" if step.most is not None else ""
    if step.times is not None:
        return f"{words.expression(step.times)} times{most}:"
    if step.wanted is not None:
        return f"As long as {words.condition(step.wanted)}{most}:"
    return (
        f"Again and again, until {words.condition(step.until)}{most}:" if step.until is not None else "Again and again:"
    )


def _wait(step: WaitStep) -> tuple[str, list[Line]]:
    if step.signal is not None:
        key = f" with key {words.value(step.key)}" if step.key is not None else ""
        said = f"Wait for the signal {code(step.signal)}{key}"
    elif step.approval is not None:
        said = f"Wait for a person's answer to {words.value(step.approval)}"
    else:
        event = step.event
        what = event.module.title if event is not None and event.module is not None else "another event"
        said = f"Wait for {what}"
        if event is not None and event.match is not None:
            said += f" for which {words.condition(event.match)}"
    return _late(said, step)


def _call(step: CallStep) -> tuple[str, list[Line]]:
    given = f" with {words.value(step.given)}" if step.given.expressions else ""
    if not step.wait:
        return f"Start a run of {code(step.scenario)}{given}, and go on.", []
    return _late(f"Run {code(step.scenario)}{given}, and wait for what it gives", step)


def _late(said: str, step: WaitStep | CallStep) -> tuple[str, list[Line]]:
    if step.limit is None:
        return f"{said}, however long it takes.", []
    if step.on_timeout is None:
        return f"{said}, at most {seconds(step.limit)}; then the step fails.", []
    return f"{said}, at most {seconds(step.limit)}.", [Line("If nothing came by then:", _steps(step.on_timeout))]


def _how(step: Step) -> Iterator[str]:
    """What becomes of its failures."""
    if isinstance(step, ModuleStep) and step.retry != DEFAULT_RETRY:
        retry = step.retry
        if retry.attempts == 1:
            yield "It is tried once."
        else:
            yield (
                f"It is tried up to {retry.attempts} times, {seconds(retry.first)} to {seconds(retry.limit)} apart, "
                "where that cannot do anything twice."
            )
    if step.timeout is not None:
        yield f"It has {seconds(step.timeout)} in all."
    said = {
        OnError.IGNORE: "If it fails, the run goes on.",
        OnError.RESUME: f"If it fails, the run goes on with {words.value(step.substitute)} in place of its output."
        if step.substitute is not None
        else "",
        OnError.HOLD: "If it fails, the run is held"
        + (", and tries again by itself." if step.schedule else " until somebody decides."),
        OnError.COMMIT: "If it fails, the run ends there, as succeeded.",
        OnError.ROLLBACK: "If it fails, what was done is undone, the last first, and the run fails.",
    }.get(step.on_error)
    if said:
        yield said
