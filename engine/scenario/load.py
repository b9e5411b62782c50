"""Text to plan: a scenario file read and checked, every mistake at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TypedDict

from engine.plugins import Registry
from engine.scenario import types
from engine.scenario.approvals import approval_paths
from engine.scenario.callees import Callee
from engine.scenario.codes import CODES
from engine.scenario.diagnostics import Diagnostic, Place, ScenarioError, Severity
from engine.scenario.expect import read_expect
from engine.scenario.expressions import Expression, Function, functions_of
from engine.scenario.inputs_reader import InputsReader
from engine.scenario.inside import steps_within
from engine.scenario.keep import read_keep
from engine.scenario.keys import SCENARIO, Reader, check_keys
from engine.scenario.leaks import check_leaks
from engine.scenario.lookup import Lookup
from engine.scenario.narrowing import facts
from engine.scenario.nodes import Mapping as MappingNode
from engine.scenario.nodes import Node, Scalar, plain
from engine.scenario.ordering import OrderingReader, warn_of_waits
from engine.scenario.plan import Scenario, Step, Trigger
from engine.scenario.policies import NO_DEFAULTS, Policies
from engine.scenario.references import Names
from engine.scenario.report import Report
from engine.scenario.responding import check_responses
from engine.scenario.schedule_reader import read_zone
from engine.scenario.silencing import silence
from engine.scenario.steps import StepReader
from engine.scenario.triggers import REQUEST, TriggerReader
from engine.scenario.types import STRING, UNKNOWN
from engine.scenario.values import Values
from engine.scenario.yaml import parse, read
from engine.sdk import jsontext
from engine.sdk.modules import Json, Schema

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
#: between a scenario and the project's defaults where both are kept in one text; no YAML file can hold it
_KEPT = "\n\0defaults of the project\n"
#: likewise before the values of ``env`` that it uses
_KEPT_ENV = "\n\0values of the environment\n"
_RUN = types.closed({"id": STRING, "scenario": STRING, "started_at": STRING, "attempt": {"type": "integer"}})


class Known(TypedDict, total=False):
    """What a project says that scenarios rest on; see ``load_scenario``."""

    data: Mapping[str, Schema]
    env: Mapping[str, Json]


def load_file(
    path: Path,
    registry: Registry,
    connections: Mapping[str, str] | None = None,
    webhooks: Collection[str] | None = None,
    defaults: str = "",
    callees: Mapping[str, Callee] | None = None,
    *,
    data: Mapping[str, Schema] | None = None,
    env: Mapping[str, Json] | None = None,
    hints: bool = False,
) -> tuple[Scenario | None, list[Diagnostic]]:
    """Read and check a scenario file; see ``load_scenario``.

    :raises OSError: the file cannot be read.
    """
    file = str(path)
    try:
        source = read(path.read_bytes(), file)
    except ScenarioError as error:
        return None, list(error.diagnostics)
    return load_scenario(
        source, file, registry, connections, webhooks, defaults, callees, data=data, env=env, hints=hints
    )


def load_scenario(
    source: str,
    file: str,
    registry: Registry,
    connections: Mapping[str, str] | None = None,
    webhooks: Collection[str] | None = None,
    defaults: str = "",
    callees: Mapping[str, Callee] | None = None,
    *,
    data: Mapping[str, Schema] | None = None,
    env: Mapping[str, Json] | None = None,
    hints: bool = False,
    doubts: bool = True,
) -> tuple[Scenario | None, list[Diagnostic]]:
    """Read and check a scenario.

    :param file: its name, for places.
    :param connections: type by connection name; None: not known, they are not checked.
    :param webhooks: names of the shared webhooks of ``engine.yaml``; None: not known, they are not checked.
    :param defaults: the project's ``defaults:`` as JSON, without mistakes; see ``read_defaults``.
    :param callees: the scenarios of the project by name; None: not known, calls are not checked.
    :param data: the schema of a record by data store; None: not known, names of stores are not checked.
    :param env: the values under ``env`` in ``engine.yaml``; None: not known, as where there is no project.
    :param hints: whether hints are given too; nobody wants them but who works on the file.
    :param doubts: whether an error that a plan can be made in spite of counts as one.
    :returns: the plan, or None when there is an error; and all mistakes, in the order of the file.
    """
    try:
        root = parse(source, file)
    except ScenarioError as error:
        return None, list(error.diagnostics)
    report = Report()
    if not isinstance(root, MappingNode):
        empty = isinstance(root, Scalar) and root.value is None
        message = "the file is empty" if empty else "a scenario is a mapping of keys"
        report.add("no-scenario", message, root.place, "it begins with `scenario: its-name`")
        return None, report.diagnostics
    lookup = Lookup(registry, connections, webhooks, report, callees, data)
    scenario = _Loader(root, source, file, report, lookup, functions_of(registry), defaults, env).load()
    found = silence(report.diagnostics, source, file)
    if not hints:
        found = [d for d in found if d.severity is not Severity.HINT]
    wrong = any(d.severity is Severity.ERROR and (doubts or not CODES[d.code].doubt) for d in found)
    return (None if wrong else scenario), found


def read_defaults(node: Node) -> tuple[str, list[Diagnostic]]:
    """Check the ``defaults:`` of a project.

    :returns: as JSON, for ``load_scenario``; and all mistakes.
    """
    report = Report()
    Policies(report).defaults(node, NO_DEFAULTS)
    return jsontext.dumps(plain(node)).decode(), report.diagnostics


def load_kept(text: str, file: str, registry: Registry) -> tuple[Scenario | None, list[Diagnostic]]:
    """Read a version as it is kept: what ``kept`` gave.

    It was sound when it was kept. What newer checks doubt is no reason to stop its runs.
    """
    rest, _, values = text.partition(_KEPT_ENV)
    source, _, defaults = rest.partition(_KEPT)
    env = jsontext.loads(values) if values else None
    return load_scenario(source, file, registry, defaults=defaults, env=env, doubts=False)


def kept(scenario: Scenario) -> str:
    """A version as it is kept: all that its plan is made from, so that runs go on under what they started with."""
    return _kept(scenario.source, scenario.defaults, scenario.env)


def _kept(source: str, defaults: str, env: Mapping[str, Json]) -> str:
    text = f"{source}{_KEPT}{defaults}" if defaults else source
    return f"{text}{_KEPT_ENV}{jsontext.dumps(env).decode()}" if env else text


def check_unique(scenarios: Iterable[Scenario]) -> list[Diagnostic]:
    """A mistake for each scenario whose name an earlier one has."""
    report = Report()
    first: dict[str, Place] = {}
    for scenario in scenarios:
        if scenario.name in first:
            message = f"the scenario '{scenario.name}' is in {first[scenario.name]} too"
            report.add("duplicate-scenario", message, scenario.place, "names are unique in a project")
        else:
            first[scenario.name] = scenario.place
    return report.diagnostics


class _Loader:
    def __init__(
        self,
        root: MappingNode,
        source: str,
        file: str,
        report: Report,
        lookup: Lookup,
        known: Mapping[str, Function],
        defaults: str,
        env: Mapping[str, Json] | None,
    ) -> None:
        self._env = env
        self._root = root
        self._source = source
        self._file = file
        self._report = report
        self._lookup = lookup
        self._defaults = defaults
        self._reader = Reader(report)
        self._values = Values(report, known)
        self._steps = StepReader(report, lookup, self._values)

    def load(self) -> Scenario | None:
        root, reader = self._root, self._reader
        check_keys(root, SCENARIO, "a scenario", self._report)
        name, place = self._name()
        zone = read_zone(root.get("timezone"), self._report) or "UTC"
        inputs = InputsReader(self._report).read(root.get("inputs"), has_trigger=root.get("trigger") is not None)
        env: Schema = UNKNOWN if self._env is None else types.kind_of(self._env)
        event: Schema = UNKNOWN
        trigger: Trigger | None = None
        condition: Expression | None = None
        trigger_node = reader.mapping(root.get("trigger"), "`trigger`")
        if trigger_node is not None:
            reading = TriggerReader(self._report, self._lookup, self._values, env)
            trigger, event, condition = reading.read(trigger_node, zone)
        guards = (condition.text,) if condition is not None else ()
        given = {"inputs": inputs.schema} if root.get("inputs") is not None else {}
        outside = Names({"trigger": event, "request": REQUEST, "env": env, **given}, guards=guards)
        variables_node = reader.mapping(root.get("vars"), "`vars`")
        every = {**outside.known, "vars": self._variables_schema(variables_node), "run": _RUN}
        told = tuple(facts(condition.ast, truth=True)) if condition is not None else ()
        names = Names(every, guards=guards, facts=told).knowing(told)
        subject_node = root.get("subject")
        subject = self._values.expression(subject_node, outside, "`subject`") if subject_node is not None else None
        variables, first = self._steps.variables(variables_node, names) if variables_node is not None else ({}, {})
        steps, on_failure = self._all_steps(names, {name: types.widened(schema) for name, schema in first.items()})
        output, gives = self._steps.output(root.get("output")) if root.get("steps") is not None else (None, UNKNOWN)
        ordering = OrderingReader(self._report, self._values, outside).read(root, name)
        warn_of_waits(ordering.lane, steps, self._report)
        self._unused(variables_node)
        check_leaks(root, self._source, self._file, self._report)
        used = self._used_env()
        return Scenario(
            name=name,
            file=self._file,
            source=self._source,
            version=jsontext.fingerprint(_kept(self._source, self._defaults, used)),
            place=place,
            steps=steps,
            description=reader.text(root.get("description"), "`description`") or "",
            active=reader.boolean(root.get("active"), "`active`", default=True),
            timezone=zone,
            inputs=inputs,
            trigger=trigger,
            variables=variables,
            subject=subject[0] if subject is not None else None,
            keep=read_keep(root.get("keep"), self._report),
            on_failure=on_failure,
            defaults=self._defaults,
            env=used,
            expect=read_expect(root.get("expect"), self._report),
            lane=ordering.lane,
            limit=ordering.limit,
            dedupe=ordering.dedupe,
            debounce=ordering.debounce,
            rate=ordering.rate,
            priority=ordering.priority,
            events=tuple(self._steps.waits.events),
            approvals=approval_paths(steps, on_failure),
            responds=check_responses(steps, on_failure, trigger, self._report),
            output=output,
            gives=gives,
        )

    def _name(self) -> tuple[str, Place]:
        node = self._root.get("scenario")
        if node is None:
            message = "a scenario needs a name"
            self._report.add("missing-key", message, self._root.place, "it begins with `scenario: its-name`")
            return "", self._root.place
        name = self._reader.text(node, "`scenario`")
        if name is not None and not _NAME.fullmatch(name):
            near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
            hint = f"small letters, digits and -, such as `{near or 'vip-tier-to-talkable'}`"
            self._report.add("scenario-name", f"'{name}' cannot be a scenario's name", node.place, hint)
        return name or "", node.place

    def _all_steps(self, names: Names, first: Mapping[str, Schema]) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        node = self._root.get("steps")
        if node is None:
            self._report.add("missing-key", "a scenario needs `steps`", self._root.place, "what to do, as a list")
            return (), ()
        base = NO_DEFAULTS
        if self._defaults:
            base = Policies(Report()).defaults(parse(self._defaults, "engine.yaml"), base)
        defaults = Policies(self._report).defaults(self._root.get("defaults"), base)
        return self._steps.read(node, names, first, defaults, self._root.get("on_failure"))

    def _used_env(self) -> Mapping[str, Json]:
        """The values of ``env`` that an expression looks up: a change of any other makes no new version."""
        env, used = self._env or {}, self._values.used
        if ("$", None) in used or ("env", None) in used:
            return env
        return {name: value for name, value in env.items() if ("env", name) in used}

    def _unused(self, variables: MappingNode | None) -> None:
        """Note what is looked up or set for nothing."""
        used = self._values.used
        if ("$", None) in used:
            return
        if ("steps", None) not in used:
            names = {name for name, _ in used} | {field for name, field in used if name == "steps"}
            for step, place in self._steps.asking.items():
                if step not in names:
                    hint = "leave the step out, or use what it gives"
                    self._report.add("unused-output", f"nothing uses the output of '{step}'", place, hint)
        if ("vars", None) not in used:
            places = {key.text: key.place for key, _ in variables.entries} if variables is not None else {}
            for name, place in {**self._steps.set_places, **places}.items():
                if ("vars", name) not in used:
                    message = f"nothing uses the variable '{name}'"
                    self._report.add("unused-variable", message, place, f"`vars.{name}` would be its value")

    def _variables_schema(self, node: MappingNode | None) -> Schema:
        """All variables of the scenario: which of them is set when depends on the way that a run takes."""
        names = [key.text for key, _ in node.entries] if node is not None else []
        for step in (*steps_within(self._root.get("steps")), *steps_within(self._root.get("on_failure"))):
            values = step.get("set")
            if isinstance(values, MappingNode):
                names += [key.text for key, _ in values.entries]
        return types.closed(dict.fromkeys(names, UNKNOWN))
