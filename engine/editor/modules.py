"""The installed modules as forms: which there are, and what each takes in ``with``."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from engine.editor.forms import TEXT, Form, told, words
from engine.editor.translate import Translator
from engine.plugins import Registry
from engine.sdk.modules import Action, Effect, Module, PollingTrigger, Search, WebhookTrigger

_EFFECTS = {
    Effect.NONE: "Touches nothing outside.",
    Effect.READ: "Reads; changes nothing.",
    Effect.WRITE: "Writes, and twice is not once: a write of unknown outcome is never repeated.",
    Effect.IDEMPOTENT: "Writes; twice is once.",
    Effect.KEYED: "Writes; the vendor is given a key, so that twice is once.",
}
_CONNECTION = "The name of a connection of `connections.yaml`."


class Modules:
    """Makes the forms of all modules.

    :param connections: type by name of the project's connections, which are offered.
    """

    def __init__(self, registry: Registry, connections: Mapping[str, str]) -> None:
        self._modules = registry.modules
        self._connections = connections
        self.definitions: dict[str, Form] = {}
        for name, module in self._modules.items():
            trigger = isinstance(module, WebhookTrigger | PollingTrigger)
            made = Translator(f"with.{name}", self.definitions).root(module.config, expressions=not trigger)
            self.definitions[f"with.{name}"] = {**made, "title": name, **_about(module)}

    def names(self, *kinds: type[Module], but: bool = False) -> list[str]:
        """The modules of these kinds, or with ``but`` all others."""
        return [name for name, module in self._modules.items() if isinstance(module, kinds) is not but]

    def name(self, names: Collection[str]) -> Form:
        """The form of a module's name."""
        titles = [_title(self._modules[name]) for name in names]
        if not names:
            return dict(TEXT)
        return {**words(names, titles), "errorMessage": "No such module is installed; `engine modules` lists them."}

    def branches(self, names: Collection[str]) -> list[Form]:
        """For each of these modules what stands beside its name: ``with``, and its connection."""
        return [self._branch(name, self._modules[name]) for name in names]

    def connection(self) -> Form:
        """The form of a connection's name, where it is not known yet of what type it is to be."""
        return told(TEXT, _CONNECTION, **_offered(self._connections))

    def _branch(self, name: str, module: Module) -> Form:
        about: Form = {"title": _title(module), **_about(module)}
        if module.deprecated:
            about["deprecationMessage"] = f"{name} is deprecated: {module.deprecated}"
        properties: dict[str, Any] = {"module": about, "with": {"$ref": f"#/definitions/with.{name}"}}
        needed = ["with"] if _needs(module.config) else []
        if module.connection is None:
            properties["connection"] = False
        else:
            fitting = [one for one, kind in self._connections.items() if kind == module.connection]
            what = f"The name of a connection of the type `{module.connection}`."
            properties["connection"] = told(TEXT, what, **_offered(fitting))
            if module.connection_required:
                needed.append("connection")
        then: Form = {"properties": properties, **({"required": needed} if needed else {})}
        here = {"type": "object", "required": ["module"], "properties": {"module": {"const": name}}}
        return {"if": here, "then": then}


def _needs(config: Mapping[str, Any]) -> bool:
    """Whether something must be said under ``with``."""
    branches = [*config.get("anyOf", ()), *config.get("oneOf", ())]
    return bool(config.get("required")) or bool(branches and all(branch.get("required") for branch in branches))


def _offered(names: Collection[str]) -> Form:
    return {"examples": list(names)} if names else {}


def _title(module: Module) -> str:
    return module.title or module.name


def _about(module: Module) -> Form:
    """What is shown of a module: what it does, what it changes, and how it is called."""
    lines = [module.description]
    if isinstance(module, Action) and isinstance(module.effect, Effect):
        lines.append(_EFFECTS[module.effect])
    elif isinstance(module, Search):
        lines.append("A search: as a step it gives the list of all items; `foreach` goes over them page by page.")
    if module.connection:
        needs = "Needs" if module.connection_required else "May have"
        lines.append(f"{needs} a connection of the type `{module.connection}`.")
    if module.example:
        shown = "\n".join(f"  {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in module.example.items())
        lines.append(f"```yaml\nwith:\n{shown}\n```")
    return {"description": module.description, "markdownDescription": "\n\n".join(filter(None, lines))}
