"""Pages of polling triggers in a test, from doubles."""

from __future__ import annotations

import inspect

import jsonschema

from engine.scenario.plan import Polling, Scenario
from engine.sdk.modules import Json, Page
from engine.testing.doubles import DoubleCaller, Recorded


class DoublePages:
    """Answers from doubles: that of a polling trigger gives the list of all items, which make one page.

    It is as strict as the module: an item whose event the module's output schema refuses fails the test.

    :param caller: holds the doubles, and keeps what was called.
    """

    def __init__(self, caller: DoubleCaller) -> None:
        self._caller = caller

    async def page(self, _plan: Scenario, trigger: Polling, _cursor: Json) -> Page:
        double = self._caller.doubles.get(trigger.module_name)
        if double is None:
            known = ", ".join(sorted(self._caller.doubles)) or "none"
            raise AssertionError(f"the test has no double for {trigger.module_name}; it has: {known}")
        self._caller.calls.append(Recorded(trigger.module_name, trigger.config, ""))
        items = double(trigger.config)
        if inspect.isawaitable(items):
            items = await items
        schema = dict(trigger.module.output_schema(trigger.config))
        for item in items:
            event = trigger.module.identify(trigger.config, item)
            jsonschema.validate(event.body, schema, jsonschema.Draft202012Validator)
        return Page(items)
