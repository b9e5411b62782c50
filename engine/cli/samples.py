"""Sample events: what a simulator would send, or else a value that fits a schema."""

from __future__ import annotations

from typing import Any

from engine.plugins import Registry
from engine.runtime.clock import SystemClock
from engine.runtime.madeup import value_for
from engine.runtime.simulation import new_simulator, webhooks_of
from engine.sdk import jsontext
from engine.sdk.clock import utc
from engine.sdk.errors import EngineError
from engine.sdk.modules import Config, Delivery, Json, Module, WebhookTrigger


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
