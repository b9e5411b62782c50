"""Modules and connections that a scenario names, found among what there is."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from engine.plugins import Registry
from engine.scenario import types
from engine.scenario.callees import Callee
from engine.scenario.config import check_values, literal_part
from engine.scenario.diagnostics import Place, did_you_mean
from engine.scenario.keys import Reader
from engine.scenario.nodes import Mapping as MappingNode
from engine.scenario.nodes import Node
from engine.scenario.report import Report
from engine.scenario.types import UNKNOWN
from engine.sdk.modules import Module, PollingTrigger, Schema, WebhookTrigger

#: keyword of a config's key: of what it is the name
NAMES = "x-names"
#: keyword of an output's part: it is a record of the data store that the config names
RECORD = "x-record"


class Lookup:
    """Finds them and notes those that are not there.

    :param connections: type by connection name; None: not known, nothing is said about them.
    :param webhooks: names of the shared webhooks; None: not known.
    :param callees: the scenarios of the project by name; None: not known.
    :param data: the schema of a record by data store; None: not known.
    """

    def __init__(
        self,
        registry: Registry,
        connections: Mapping[str, str] | None,
        webhooks: Collection[str] | None,
        report: Report,
        callees: Mapping[str, Callee] | None = None,
        data: Mapping[str, Schema] | None = None,
    ) -> None:
        self._data = data
        self._callees = callees
        self._registry = registry
        self._connections = connections
        self._webhooks = webhooks
        self._report = report
        self._reader = Reader(report)

    def module(self, node: Node | None) -> tuple[str, Module] | None:
        name = self._reader.text(node, "`module`")
        if name is None or node is None:
            return None
        if name in self._registry.modules:
            module = self._registry.modules[name]
            if module.deprecated is not None:
                self._report.add("deprecated", f"'{name}' is deprecated", node.place, module.deprecated)
            return name, module
        message, hint = self._unknown(name)
        self._report.add("unknown-module", message, node.place, hint)
        return None

    def _unknown(self, name: str) -> tuple[str, str | None]:
        app, dot, verb = name.partition(".")
        modules = self._registry.modules
        if app in self._registry.apps:
            own = [module.name for module in self._registry.apps[app].modules]
            hint = did_you_mean(verb, own) or f"it has {', '.join(own)}"
            return f"the app '{app}' has no module '{verb}'", hint
        problem = self._registry.problem_of(app)
        if problem is not None:
            return f"'{name}' is not known: {problem.message}", f"mend the plugin: {problem.place}"
        if not dot:
            by_verb = [known for known in modules if known.endswith(f".{name}")]
            hint = f"did you mean '{by_verb[0]}'?" if by_verb else "see `engine modules`"
            return f"a module is named `app.module`, '{name}' is not", hint
        hint = did_you_mean(name, modules) or f"no app '{app}' is installed; see `engine modules`"
        if broken := self._registry.problems:
            hint += f", or is it in what is broken? {broken[0].message} ({broken[0].place})"
        return f"there is no module '{name}'", hint

    def connection(self, node: Node | None, name: str, module: Module, around: Place) -> str | None:
        """The name of the connection that a module is to use.

        :param around: where to point when it is left out.
        """
        wanted = module.connection
        if node is None:
            if wanted is not None and module.connection_required:
                self._report.add("connection-missing", f"'{name}' needs a connection", around, self._fitting(wanted))
            return None
        given = self._reader.text(node, "`connection`")
        if given is None:
            return None
        if wanted is None:
            self._report.add("connection-not-needed", f"'{name}' uses no connection", node.place, "leave it out")
        elif self._connections is None:
            return given
        elif given not in self._connections:
            hint = did_you_mean(given, self._connections) or self._fitting(wanted)
            self._report.add("connection-unknown", f"there is no connection '{given}'", node.place, hint)
        elif self._connections[given] != wanted:
            message = f"'{name}' needs a connection of type {wanted}, '{given}' is of type {self._connections[given]}"
            self._report.add("connection-type", message, node.place, self._fitting(wanted))
        else:
            return given
        return None

    def _fitting(self, wanted: str) -> str:
        names = [name for name, kind in (self._connections or {}).items() if kind == wanted]
        if names:
            return f"write `connection: {names[0]}`" if len(names) == 1 else f"one of {', '.join(names)}"
        return f"name one of type {wanted} in connections.yaml"

    def webhook(self, node: Node | None) -> str | None:
        name = self._reader.text(node, "`webhook`")
        if name is not None and node is not None and self._webhooks is not None and name not in self._webhooks:
            hint = did_you_mean(name, self._webhooks) or "declare it in engine.yaml"
            self._report.add("webhook-unknown", f"there is no webhook '{name}'", node.place, hint)
        return name

    def callee(self, name: str, at: Node, given: Node | None) -> Schema:
        """What is known of what a call of a scenario gives.

        :param given: its ``with``.
        """
        if self._callees is None:
            return UNKNOWN
        callee = self._callees.get(name)
        if callee is None:
            hint = did_you_mean(name, self._callees) or f"the project has {', '.join(sorted(self._callees)) or 'none'}"
            self._report.add("call-unknown", f"there is no scenario '{name}'", at.place, hint)
            return UNKNOWN
        if not callee.known:
            return UNKNOWN
        if not callee.startable:
            message = f"'{name}' is started by its trigger, and declares no `inputs` to start it with"
            self._report.add("call-not-startable", message, at.place, "give it `inputs`, with defaults")
            return callee.gives
        if not callee.active:
            message = f"'{name}' is not active, so that this call fails"
            self._report.add("call-inactive", message, at.place, "set `active: true` there")
        if given is None or isinstance(given, MappingNode):
            check_values(callee.inputs.accepts, given, at.place, self._report, name=f"'{name}'")
        return callee.gives

    def _records(self, module: Module, config: Node | None) -> Schema:
        """The schema of the records of the data store that a config names; a store that is not there is noted."""
        names = [key for key, schema in module.config.get("properties", {}).items() if schema.get(NAMES) == "data"]
        for key in names:
            node = config.get(key) if isinstance(config, MappingNode) else None
            name = literal_part(config).get(key)
            if self._data is None or node is None or not isinstance(name, str):
                continue
            if name in self._data:
                return self._data[name]
            hint = did_you_mean(name, self._data) or f"declare it in engine.yaml: `data: {{{name}: {{}}}}`"
            self._report.add("data-unknown", f"there is no data store '{name}'", node.place, hint)
        return UNKNOWN

    def output(self, name: str, module: Module, config: Node | None, place: Place) -> Schema:
        """The schema of what a module gives, as far as its config is known at load."""
        try:
            return types.filled(module.output_schema(literal_part(config)), RECORD, self._records(module, config))
        except Exception as error:  # noqa: BLE001 - plugin code; whatever it raises, the rest is still checked
            message = f"'{name}' cannot tell its output: {type(error).__name__}: {error}"
            self._report.add("output-unknown", message, place, "tell the author of the app; fields are not checked")
            return UNKNOWN


def is_trigger(module: Module) -> bool:
    return isinstance(module, WebhookTrigger | PollingTrigger)
