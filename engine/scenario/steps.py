"""The steps of a scenario: each kind read, checked, and made part of the plan.

A step's ``path`` is its id, or its kind and its position in its list: ``if@2`` is the second step of its list. Steps
of an ``else`` have ``else.`` before kind and position, so that no two steps of a group share a path.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from collections.abc import Mapping as AnyMapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any

from engine.scenario import types
from engine.scenario.approvals import approvals_within
from engine.scenario.branching import INDEX, BranchReader, Lists
from engine.scenario.calling import CallReader
from engine.scenario.config import check_config, config_validator
from engine.scenario.diagnostics import Place
from engine.scenario.expressions import Expression, Template
from engine.scenario.given import check_given
from engine.scenario.inside import steps_within
from engine.scenario.keys import ANY_STEP, IDENTIFIER, KINDS, RESERVED, Reader, check_keys
from engine.scenario.lookup import Lookup, is_trigger
from engine.scenario.looping import LoopReader, output, turn
from engine.scenario.narrowing import facts
from engine.scenario.nodes import Mapping, Node, Scalar, Sequence
from engine.scenario.plan import CallStep, ForeachStep, ModuleStep, OnError, SetStep, Step, StopStep, WaitStep
from engine.scenario.policies import NO_DEFAULTS, Defaults, Policies, Rule, Timeout
from engine.scenario.references import ERROR, Names
from engine.scenario.report import Report
from engine.scenario.responding import RespondReader
from engine.scenario.types import UNKNOWN
from engine.scenario.undoing import Undoing
from engine.scenario.values import Values
from engine.scenario.waiting import WaitReader
from engine.scenario.ways import Ways, ends, forget, known_behind, never, unknown, variables_within
from engine.sdk.modules import Action, Effect, Schema

#: lists whose steps run when all else is over; those of a handler still belong to the way
_AFTER = {key: key for key in ("undo", "finally", "on_failure")}


@dataclass
class _Scope:
    """Where a step stands.

    :param names: what expressions see besides the steps that ran.
    :param outputs: the steps that may have run, with what is known of their output; grows while a list is read.
    :param defaults: what a step does that says nothing itself.
    :param variables: what is known of the variables; grows and changes while a list is read.
    :param loops: the loops around.
    :param after: the key (``undo``, ``finally``, ``on_failure``) in whose list the step stands, where it is in one.
    """

    names: Names
    outputs: dict[str, Schema]
    defaults: Defaults = NO_DEFAULTS
    variables: dict[str, Schema] = field(default_factory=dict)
    loops: tuple[Place, ...] = ()
    after: str | None = None

    def inner(self, guard: Expression | None = None) -> _Scope:
        return replace(self, names=self.guarded(guard), outputs=dict(self.outputs), variables=dict(self.variables))

    def guarded(self, guard: Expression | None) -> Names:
        if guard is None:
            return self.names
        told = (*self.names.facts, *facts(guard.ast, truth=True))
        return replace(self.names, guards=(*self.names.guards, guard.text), facts=told)


@dataclass(frozen=True)
class _Read:
    """A step while it is read.

    :param common: the arguments that all kinds of steps take.
    :param names: what its expressions see, its own condition taken as true.
    """

    node: Mapping
    place: Place
    common: dict[str, Any]
    scope: _Scope
    names: Names

    @property
    def condition(self) -> Expression | None:
        found: Expression | None = self.common["condition"]
        return found


class StepReader:
    """Reads lists of steps. One per file.

    :param absent: why a step's id cannot be used at this moment; changed while the file is read.
    """

    def __init__(self, report: Report, lookup: Lookup, values: Values) -> None:
        self._report = report
        self._lookup = lookup
        self._values = values
        self._reader = Reader(report)
        self._policies = Policies(report)
        #: reads the steps that wait; knows those of the whole file in the end
        self.waits = WaitReader(report, lookup, values, self._policies)
        self._calls = CallReader(report, lookup, values)
        self._responds = RespondReader(report, values)
        self._undoing = Undoing(report)
        self._loops = LoopReader(report, lookup, values)
        self._absent: dict[str, str] = {}
        #: ids of the steps after whose failure nothing on the way runs
        self._firm: set[str] = set()
        #: ids of the steps that are there for their output alone
        self.asking: dict[str, Place] = {}
        #: where each variable is set first
        self.set_places: dict[str, Place] = {}
        #: what is known at the end of the steps, once they are read
        self._at_end: Names | None = None
        #: what a run gives that does not come to the end of its steps, and succeeds
        self._early: list[Schema] = []
        self._branches = BranchReader(report, values, Lists(self._list, self._names, self._absent))
        self._kinds: dict[str, Callable[[_Read], tuple[Step | None, Schema]]] = {
            "module": self._module,
            "foreach": self._foreach,
            "set": self._set,
            "sleep": self._sleep,
            "sleep_until": self._sleep,
            "wait_for": self._wait_for,
            "call": self._call,
            "respond": self._respond,
            "stop": self._stop,
            "route": self._branches.route,
            "parallel": self._branches.parallel,
            "repeat": self._branches.repeat,
            "steps": self._branches.group,
        }

    def read(
        self,
        node: Node,
        names: Names,
        first: AnyMapping[str, Schema],
        defaults: Defaults = NO_DEFAULTS,
        on_failure: Node | None = None,
    ) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        """The scenario's own list of steps, and that of its ``on_failure``.

        :param first: what is known of the scenario's own variables.
        """
        self._collect_ids(node, on_failure)
        approvals = (*approvals_within(node), *approvals_within(on_failure))
        variables = {**never(variables_within(node, on_failure)), **first}
        scope = _Scope(replace(names, approvals=approvals), {}, defaults, variables)
        steps = self._list(node, scope, "")
        self._undoing.finish()
        self._at_end = self._names(scope.names, scope)
        unknown(scope, variables_within(node))
        return steps, self._aside(on_failure, scope, "on_failure", error=True)

    def output(self, node: Node | None) -> tuple[Template | None, Schema]:
        """The scenario's ``output``, and what is known of what a run gives; after the steps were read."""
        assert self._at_end is not None
        template, schema = (None, types.NULL) if node is None else self._values.template(node, self._at_end)
        return template, types.union([schema, *self._early])

    def _aside(self, node: Node | None, scope: _Scope, key: str, *, error: bool) -> tuple[Step, ...]:
        """The steps of a list that is not part of the way through the scenario.

        :param error: whether they see ``error``.
        """
        if node is None:
            return ()
        names = replace(scope.names, known={**scope.names.known, "error": ERROR}) if error else scope.names
        # a default says how the scenario fails, not how what mends the failure does
        defaults = replace(scope.defaults, on_error=None)
        aside = replace(
            scope, names=names, defaults=defaults, after=_AFTER.get(key, scope.after), variables=dict(scope.variables)
        )
        steps = self._list(node, aside, "")
        if key != "undo":
            # whether they were done is not known behind the step
            unknown(scope, variables_within(node))
        return steps

    def _collect_ids(self, *lists: Node | None) -> None:
        first: dict[str, Place] = {}
        for step in itertools.chain.from_iterable(map(steps_within, lists)):
            found = step.get("id")
            if not isinstance(found, Scalar):
                continue
            name = found.text
            if name in first:
                message = f"the id '{name}' is taken by the step in line {first[name].line}"
                self._report.add("duplicate-id", message, found.place, "ids are unique in a scenario")
            else:
                first[name] = found.place
                self._absent[name] = f"it runs later, in line {found.place.line}"

    def _list(self, node: Node | None, scope: _Scope, prefix: str) -> tuple[Step, ...]:
        if node is None:
            return ()
        if not isinstance(node, Sequence):
            self._report.add("wrong-value", "steps must be a list", node.place, "each step begins with '- '")
            return ()
        steps: list[Step] = []
        ended = False
        for number, item in enumerate(node.items, 1):
            if ended:
                hint = "what ends the run before it has no condition"
                self._report.add("unreachable-step", "no run comes to this step", item.place, hint)
                ended = False
            step = self._step(item, f"{prefix}{{}}@{number}", scope)
            if step is not None:
                steps.append(step)
                ended = ends((step,))
                if told := known_behind(step):
                    scope.names = replace(scope.names, facts=(*scope.names.facts, *told))
        return tuple(steps)

    def _step(self, node: Node, path: str, scope: _Scope) -> Step | None:
        if not isinstance(node, Mapping):
            self._report.add("step-kind", "a step is a mapping of keys", node.place, "such as `- module: app.module`")
            return None
        step, output = self._read_step(node, path, scope)
        written = node.get("id")
        if isinstance(written, Scalar) and written.text not in RESERVED:
            # also of a step that is broken, so that what refers to it is not reported too
            why = self._may_be_left_out(written.text, step)
            if why is not None:
                condition = step.condition.text if step is not None and step.condition is not None else None
                output = types.union([output, types.absent(why, condition)])
            scope.outputs[written.text] = output
        return step

    def _may_be_left_out(self, name: str, step: Step | None) -> str | None:
        """Why there may be no output where the steps behind this one are done."""
        if step is None:
            return None
        if step.on_error is OnError.IGNORE or (step.on_error is OnError.HANDLE and not ends(step.handler)):
            return f"'{name}' has no output where it fails"
        return f"'{name}' is done only where its `if` is true" if step.condition is not None else None

    def _read_step(self, node: Mapping, path: str, scope: _Scope) -> tuple[Step | None, Schema]:
        kinds = self._kinds_of(node)
        kind = kinds[0] if kinds else None
        known = dict.fromkeys(key for name in kinds or KINDS for key in (*ANY_STEP, *KINDS[name]))
        later = check_keys(node, tuple(known), "a step" if kind is None else _NAMES[kind], self._report)
        place = node.place
        if kind is None:
            if not later:
                hint = f"one of {', '.join(f'`{kind}`' for kind in KINDS)}"
                self._report.add("step-kind", "this step does nothing", place, hint)
            return None, UNKNOWN
        step_id = self._id(node)
        if step_id:
            self._absent[step_id] = "this is the step itself, it has not ended here"
        names = self._names(scope.names, scope)
        condition_node = node.get("if")
        condition = self._values.condition(condition_node, names) if condition_node is not None else None
        rule = self._policies.on_error(node.get("on_error"))
        shown = "if" if kind == "steps" and condition_node is not None else kind
        common = {
            "path": step_id or path.format(shown),
            "place": place,
            "id": step_id,
            "name": self._reader.text(node.get("name"), "`name`"),
            "condition": condition,
            **self._failing(node, kind, rule, scope),
        }
        read = _Read(node, place, common, self._within(scope, common), self._names(scope.guarded(condition), scope))
        before = dict(scope.variables)
        step, output = self._kinds[kind](read)
        scope.variables = read.scope.variables
        set_inside = variables_within(Sequence((node,), place))
        if set_inside:
            self._set_behind(kind, common, before, scope, set_inside)
        if kind in ("module", "set") and step_id and common["on_error"] in _ENDING and _asks(step):
            self._firm.add(step_id)
        if step_id and isinstance(step, ModuleStep) and _asks(step) and node.get("on_error") is None:
            id_node = node.get("id")
            self.asking[step_id] = id_node.place if id_node is not None else place
        after = scope
        # those that handle a failure see that the step has ended, without an output
        ended = {**scope.outputs, step_id: types.NULL} if step_id else scope.outputs
        handler_scope = replace(scope, outputs=ended)
        handled = self._handling(rule, handler_scope)
        if "resumed" in handled:
            output = types.union([output, handled.pop("resumed")])
        scope.outputs.update(ended)
        self._forbid(node, kind, common["on_error"], scope.after)
        if common["on_error"] is OnError.COMMIT:
            self._early.append(types.NULL)
        if common["on_error"] is OnError.ROLLBACK and not common["inherited"]:
            at = node.get("on_error")
            self._undoing.back(at.place if at is not None else place, scope.loops)
        if step_id:
            after = replace(after, outputs={**after.outputs, step_id: output})
        undo_node, undo_scope = node.get("undo"), replace(after, outputs=dict(after.outputs), loops=())
        if undo_node is not None:
            self._undoing.undo(scope.loops)
        undo = self._aside(undo_node, undo_scope, "undo", error=False)
        for name in undo_scope.outputs.keys() - after.outputs.keys():
            self._absent[name] = "it runs only when the run is rolled back"
        cleanup = self._aside(node.get("finally"), after, "finally", error=False)
        scope.outputs.update(after.outputs)
        return (replace(step, **handled, undo=undo, cleanup=cleanup) if step is not None else None), output

    @staticmethod
    def _set_behind(
        kind: str, common: dict[str, Any], before: dict[str, Schema], scope: _Scope, set_inside: AbstractSet[str]
    ) -> None:
        """What is known of variables behind a step that sets some, or in which some are set."""
        forget(scope, set_inside)
        if common["on_error"] in (OnError.IGNORE, OnError.RESUME, OnError.HANDLE) and kind != "set":
            unknown(scope, set_inside)
        elif kind == "foreach":
            # what an item sets stays with it
            scope.variables = before
        elif common["condition"] is not None and kind not in _KNOWS_WAYS:
            for name in set_inside:
                ways = types.unset(before.get(name, UNKNOWN), name), scope.variables.get(name, UNKNOWN)
                scope.variables[name] = types.union(ways)

    def _failing(self, node: Mapping, kind: str, rule: Rule | None, scope: _Scope) -> dict[str, Any]:
        """What the step does when it fails, its own words before the defaults."""
        inherited = rule is None and node.get("on_error") is None and scope.defaults.on_error is not None
        if inherited:
            rule = scope.defaults.on_error
        # that a call may take so long says nothing of how long a group, a loop or a wait may
        timeout = self._policies.timeout(node.get("timeout"), scope.defaults.timeout if kind == "module" else Timeout())
        return {
            "timeout": timeout.whole,
            "try_timeout": timeout.one,
            "on_error": rule.how if rule is not None else OnError.FAIL,
            "inherited": inherited,
            "schedule": rule.schedule if rule is not None else (),
            "retry": self._policies.retry(node.get("retry"), scope.defaults.retry),
        }

    @staticmethod
    def _within(scope: _Scope, common: dict[str, Any]) -> _Scope:
        """The scope of what is in a step: its ``retry`` is their default."""
        return replace(scope, defaults=replace(scope.defaults, retry=common["retry"]))

    def _handling(self, rule: Rule | None, scope: _Scope) -> dict[str, Any]:
        """The output or the steps that ``on_error`` has."""
        if rule is None or rule.body is None:
            return {}
        if rule.how is OnError.HANDLE:
            return {"handler": self._aside(rule.body, scope, "on_error", error=True)}
        names = self._names(replace(scope.names, known={**scope.names.known, "error": ERROR}), scope)
        template, schema = self._values.template(rule.body, names)
        return {"substitute": template, "resumed": schema}

    def _forbid(self, node: Mapping, kind: str, how: OnError, after: str | None) -> None:
        """Note what makes no sense in steps that run when all else is over."""
        if after is None:
            return
        words: list[tuple[str, Node | None]] = [("`stop`", node.get("stop") if kind == "stop" else None)]
        if how in (OnError.ROLLBACK, OnError.COMMIT):
            words.append((f"`on_error: {how}`", node.get("on_error")))
        if after != "finally":
            words.append(("`undo`", node.get("undo")))
        for what, at in words:
            if at is not None:
                hint = "the run has its outcome there" if after != "finally" else "leave that to the step itself"
                self._report.add("not-here", f"{what} cannot stand among the steps of `{after}`", at.place, hint)

    def _kinds_of(self, node: Mapping) -> list[str]:
        """The kind of the step; where it is of several, that is noted."""
        present = [kind for kind in KINDS if node.get(kind) is not None]
        if present[1:] and present[-1] == "steps" and {"foreach", "repeat"} & {*present}:
            present.remove("steps")
        for extra in present[1:]:
            key = next(key for key, _ in node.entries if key.text == extra)
            message = f"a step is of one kind: here are `{present[0]}` and `{extra}`"
            self._report.add("step-kind", message, key.place, "make two steps of it")
        return present

    def _id(self, node: Mapping) -> str | None:
        found = node.get("id")
        name = self._reader.text(found, "`id`")
        if name is None or found is None:
            return None
        if not IDENTIFIER.fullmatch(name):
            hint = "small letters, digits and _, a letter first"
            self._report.add("bad-id", f"'{name}' cannot be an id", found.place, hint)
            return None
        if name in RESERVED:
            message = f"'{name}' is a name of the language, it cannot be an id"
            self._report.add("reserved-id", message, found.place, f"such as `{name}_1`")
            return None
        return name

    def _names(self, names: Names, scope: _Scope) -> Names:
        outputs = {name: types.under(schema, names.guards) for name, schema in scope.outputs.items()}
        known = {**names.known, "vars": types.closed(scope.variables)}
        firm = self._firm if scope.after is None and "error" not in names.known else frozenset()
        found = replace(names, known=known, steps=outputs, absent=dict(self._absent), firm=frozenset(firm))
        return found.knowing(names.facts)

    # kinds of steps: each gives the step, or None where it is too broken, and what is known of its output

    def _module(self, read: _Read) -> tuple[Step | None, Schema]:
        node = read.node
        module_node, config = node.get("module"), node.get("with")
        found = self._lookup.module(module_node)
        template, _ = self._values.template(config, read.names) if config is not None else (Template.mapping({}), None)
        if read.common["id"] is None and node.get("id") is None:
            hint = "the id names the step in the journal and its output in expressions"
            self._report.add("id-missing", "a step that calls a module needs an `id`", read.place, hint)
        if found is None or module_node is None:
            return None, UNKNOWN
        name, module = found
        if is_trigger(module):
            message = f"'{name}' is a trigger, it starts a scenario"
            self._report.add(
                "module-kind", message, module_node.place, "a step calls an action, a search or a transform"
            )
            return None, UNKNOWN
        if isinstance(config, Scalar) and config.value is None:
            config = None
        valid = check_config(module, config, module_node.place, self._report, name=name)
        check_given(config, module.config, self._values.given, self._report)
        step = ModuleStep(
            **read.common,
            module_name=name,
            module=module,
            connection=self._lookup.connection(node.get("connection"), name, module, module_node.place),
            config=template if config is not None else Template.mapping({}),
            validate=config_validator(module),
            fixed=template.literal and valid,
        )
        return step, self._lookup.output(name, module, config, module_node.place)

    def _foreach(self, read: _Read) -> tuple[Step | None, Schema]:
        node = read.node
        items_node = node.get("foreach")
        assert items_node is not None
        over = self._loops.over(items_node, read.common, read.names)
        item = over.schema if over is not None else UNKNOWN
        variable = self._variable(node.get("as"))
        each = replace(read.names, known={**read.names.known, variable: item, "index": INDEX})
        group = self._loops.group_by(node, each)
        batch = self._loops.batch(node.get("batch"))
        what = turn(item, batch, group[1] if group is not None else None)
        loop = replace(read.names, known={**read.names.known, variable: what, "index": INDEX})
        loops = (*read.scope.loops, read.place)
        outputs, variables = dict(read.scope.outputs), dict(read.scope.variables)
        guarded = replace(loop, facts=read.scope.guarded(read.condition).facts)
        scope = replace(read.scope, names=guarded, outputs=outputs, variables=variables, loops=loops)
        unknown(scope, variables_within(node.get("steps")))
        key_node, collect_node = node.get("key"), node.get("collect")
        key = self._values.expression(key_node, loop, "`key`") if key_node is not None else None
        how = self._loops.on_item_error(node.get("on_item_error"))
        steps_node = node.get("steps")
        if steps_node is None:
            self._report.add("missing-key", "`foreach` needs `steps`", items_node.place, "what to do with each item")
        steps = self._list(steps_node, scope, "")
        collect, value = None, None
        if collect_node is not None:
            collect, value = self._values.template(collect_node, self._names(loop, scope))
            if read.common["id"] is None:
                at = next(key for key, _ in node.entries if key.text == "collect").place
                hint = "give the loop an `id`, which names the list"
                self._report.add("collect-unused", "nothing can use what is collected here", at, hint)
        for name in scope.outputs.keys() - read.scope.outputs.keys():
            self._absent[name] = f"it runs inside the loop in line {read.place.line}; `collect` brings values out"
        concurrency = self._reader.integer(node.get("concurrency"), "`concurrency`", least=1, default=1)
        if over is None:
            return None, output(value, how)
        step = ForeachStep(
            **read.common,
            items=over.items,
            stream=over.stream,
            variable=variable,
            key=key[0] if key is not None else None,
            batch=batch,
            group_by=group[0] if group is not None else None,
            concurrency=concurrency,
            collect=collect,
            on_item_error=how,
            folds=self._loops.folds(over, steps, items_node.place),
            steps=steps,
        )
        return step, output(value, how)

    def _variable(self, node: Node | None) -> str:
        name = self._reader.text(node, "`as`")
        if name is None or node is None:
            return "item"
        if not IDENTIFIER.fullmatch(name):
            hint = "small letters, digits and _, a letter first"
            self._report.add("bad-id", f"'{name}' cannot be a name", node.place, hint)
        elif name in RESERVED - {"item"}:
            self._report.add("reserved-id", f"'{name}' is a name of the language", node.place, f"such as `one_{name}`")
        elif name in self._absent:
            message = f"'{name}' is the id of a step"
            self._report.add("duplicate-id", message, node.place, "ids and names of items are unique in a scenario")
        else:
            return name
        return "item"

    def _set(self, read: _Read) -> tuple[Step | None, Schema]:
        node = self._reader.mapping(read.node.get("set"), "`set`")
        if node is None:
            return None, UNKNOWN
        templates, schemas = self.variables(node, read.names)
        given = {name: types.widened(schema, texts=False) for name, schema in schemas.items()}
        read.scope.variables.update(given)
        self.set_places.update((key.text, key.place) for key, _ in node.entries if key.text not in self.set_places)
        return SetStep(**read.common, values=templates), types.closed(given)

    def variables(self, node: Mapping, names: Names) -> tuple[dict[str, Template], dict[str, Schema]]:
        """The values of a ``set`` or of the scenario's ``vars``."""
        template: dict[str, Template] = {}
        schemas: dict[str, Schema] = {}
        for key, value in node.entries:
            if "${{" in key.text:
                self._report.add("expression-key", "a key cannot be an expression", key.place, "write the key out")
            template[key.text], schemas[key.text] = self._values.template(value, names)
        return template, schemas

    def _sleep(self, read: _Read) -> tuple[Step | None, Schema]:
        return self.waits.sleep(read.node, read.common, read.names), types.NULL

    def _wait_for(self, read: _Read) -> tuple[Step | None, Schema]:
        found, output = self.waits.wait_for(read.node, read.common, read.names)
        steps, output = self._on_timeout(read, output)
        return None if found is None else WaitStep(**found, on_timeout=steps), output

    def _call(self, read: _Read) -> tuple[Step | None, Schema]:
        found, output = self._calls.read(read.node, read.common, read.names)
        steps, output = self._on_timeout(read, output)
        return None if found is None else CallStep(**found, on_timeout=steps), output

    def _on_timeout(self, read: _Read, output: Schema) -> tuple[tuple[Step, ...] | None, Schema]:
        """The steps of ``on_timeout``, and the output with them: null where the run comes back from there."""
        node = read.node.get("on_timeout")
        if node is None:
            return None, output
        inner = read.scope.inner()
        steps = self._list(node, inner, "on_timeout.")
        ways = Ways(read.scope)
        ways.add(inner, None, steps)
        ways.join(complete=False)
        return steps, output if ends(steps) else types.union([output, types.NULL])

    def _respond(self, read: _Read) -> tuple[Step | None, Schema]:
        return self._responds.read(read.node, read.common, read.names)

    def _stop(self, read: _Read) -> tuple[Step | None, Schema]:
        node = read.node
        ending = self._reader.choice(node.get("stop"), "`stop`", ("success", "failure"), "failure")
        message_node, output_node = node.get("message"), node.get("output")
        output, schema = (None, types.NULL) if output_node is None else self._values.template(output_node, read.names)
        if ending == "success":
            self._early.append(schema)
        step = StopStep(
            **read.common,
            success=ending == "success",
            message=self._values.template(message_node, read.names)[0] if message_node is not None else None,
            output=output,
        )
        return step, UNKNOWN


#: after such a failure nothing on the way runs
_ENDING = (OnError.FAIL, OnError.ROLLBACK, OnError.COMMIT)
#: kinds of steps that tell themselves what is known of variables on each of their ways
_KNOWS_WAYS = ("steps",)


def _asks(step: Step | None) -> bool:
    """Whether a step only looks or computes, whatever its config is."""
    if isinstance(step, SetStep):
        return True
    if not isinstance(step, ModuleStep):
        return False
    module = step.module
    return not isinstance(module, Action) or module.effect is Effect.READ


_NAMES = {
    "module": "a step that calls a module",
    "foreach": "a foreach step",
    "set": "a set step",
    "sleep": "a sleep step",
    "sleep_until": "a sleep step",
    "wait_for": "a wait_for step",
    "call": "a step that calls a scenario",
    "respond": "a respond step",
    "stop": "a stop step",
    "route": "a router",
    "parallel": "a parallel step",
    "repeat": "a repeat step",
    "steps": "a group of steps",
}
