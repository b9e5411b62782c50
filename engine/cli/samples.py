"""Sample events: what a simulator would send, or else a value that fits a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.plugins import Registry
from engine.runtime.clock import SystemClock
from engine.runtime.simulation import new_simulator, webhooks_of
from engine.sdk import jsontext
from engine.sdk.clock import utc
from engine.sdk.errors import EngineError
from engine.sdk.modules import Config, Delivery, Json, Module, WebhookTrigger

#: how deep a schema is followed: one that refers to itself has no end
DEEPEST = 8


def event_for(registry: Registry, name: str, config: Config) -> Json:
    """An event of a trigger.

    :param name: the trigger's module.
    """
    module, app = registry.modules[name], registry.app_of(name)
    if isinstance(module, WebhookTrigger) and app.simulator is not None:
        try:
            samples = webhooks_of(registry, app, new_simulator(registry, app, SystemClock()))
            for sample in samples.values():
                if _taken(module, config, sample.body):
                    return sample.body
        except EngineError:
            # a simulator that does not start is told of where it is started; a sample is no reason to
            pass
    return value_for(_item(module, config))


def _item(module: Module, config: Config) -> Any:
    schema = module.output_schema(config)
    return schema["items"] if schema.get("type") == "array" and "items" in schema else schema


def _taken(module: WebhookTrigger, config: Config, body: Json) -> bool:
    raw = jsontext.dumps(body)
    delivery = Delivery("POST", {"content-type": "application/json"}, {}, raw, body, utc(SystemClock().time()))
    try:
        return any(module.accepts is None or module.accepts(config, event) for event in module.parse(delivery))
    except Exception:  # noqa: BLE001 - a plugin that cannot read its own simulator's sample: another may do
        return False


def value_for(schema: Any, top: Any = None, depth: int = 0) -> Json:
    """A value that a schema allows, with all that is required and all that has an example."""
    top = schema if top is None else top
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return {} if depth == 0 else None
    if isinstance(reference := schema.get("$ref"), str):
        return value_for(_referred(top, reference), top, depth + 1)
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    for keyword in ("examples", "enum"):
        if schema.get(keyword):
            return schema[keyword][0]
    for keyword in ("oneOf", "anyOf"):
        if schema.get(keyword):
            return value_for(schema[keyword][0], top, depth + 1)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or (kind is None and (depth == 0 or "properties" in schema)):
        properties = schema.get("properties", {})
        return {name: value_for(inner, top, depth + 1) for name, inner in properties.items()}
    if kind == "array":
        return [value_for(schema["items"], top, depth + 1)] if isinstance(schema.get("items"), Mapping) else []
    if kind == "string":
        return _FORMATS.get(schema.get("format", ""), "text")
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    return True if kind == "boolean" else None


_FORMATS = {
    "email": "ana@example.com",
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "uri": "https://example.com",
}


def _referred(top: Any, reference: str) -> Any:
    found = top
    for part in reference.removeprefix("#").split("/"):
        if part:
            found = found.get(part) if isinstance(found, Mapping) else None
    return found
