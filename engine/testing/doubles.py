"""Module doubles: functions that stand for modules in a test."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import jsonschema

from engine.runtime.callers import Attempt, effect_of
from engine.runtime.items import answered
from engine.runtime.pacing import Pace
from engine.scenario.plan import ModuleStep
from engine.sdk.modules import Action, Config, Effect, Happened, Json, Page, ProbeResult

#: gives a module's output for a config, or raises one of the standard types
Double = Callable[[Config], Json | Awaitable[Json]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One call that was made.

    :param key: the effect's key, as a vendor would get it.
    """

    module: str
    config: Config
    key: str


class Pages:
    """A double of a search that gives its items page by page to a loop, and all at once to a step.

    :param size: items of a page.
    """

    def __init__(self, items: Sequence[Json], size: int = 100) -> None:
        self.items = items
        self.size = size

    def __call__(self, config: Config) -> Json:
        return list(self.items)

    def page(self, cursor: Json) -> Page:
        """The page after a cursor, which is the number of items before it."""
        end = (cursor or 0) + self.size
        return Page(self.items[cursor or 0 : end], end if end < len(self.items) else None)


class DoubleCaller:
    """Answers from doubles, and keeps what was called.

    A double is as strict as the module: a config that the module's schema refuses fails the test, and so does an
    output that its output schema refuses. A double of a batch gives what the module's ``run`` gives: a list of
    ``Done``, ``Refused`` and ``Unknown``, one for each item.

    :param doubles: by module name, ``app.verb_object``.
    :param probes: likewise, for writes of unknown outcome.
    """

    def __init__(
        self,
        doubles: Mapping[str, Double],
        probes: Mapping[str, Callable[[Config], Happened | ProbeResult]] | None = None,
    ) -> None:
        self.doubles = dict(doubles)
        self.probes = dict(probes or {})
        self.calls: list[Recorded] = []

    def effect(self, step: ModuleStep, config: Config) -> Effect:
        return effect_of(step.module, config)

    def prepare(self, step: ModuleStep, config: Config, attempt: Attempt) -> Config:
        return config

    def pace(self, step: ModuleStep, config: Config) -> Pace | None:
        return None

    async def call(self, step: ModuleStep, config: Config, attempt: Attempt) -> Json:
        double = self.doubles.get(step.module_name)
        if double is None:
            known = ", ".join(sorted(self.doubles)) or "none"
            raise AssertionError(f"the test has no double for {step.module_name}; it has: {known}")
        jsonschema.validate(config, dict(step.module.config), jsonschema.Draft202012Validator)
        self.calls.append(Recorded(step.module_name, config, attempt.key))
        if step.page is not None:
            return await self._page(step, double, config, step.page.cursor)
        output = double(config)
        if inspect.isawaitable(output):
            output = await output
        batch = getattr(step.module, "batch", None)
        if batch is not None:
            output = answered(batch, config, output)
        jsonschema.validate(output, dict(step.module.output_schema(config)), jsonschema.Draft202012Validator)
        return output

    @staticmethod
    async def _page(step: ModuleStep, double: Double, config: Config, cursor: Json) -> Json:
        """One page of a search whose stream a loop goes over: a double that is no ``Pages`` has one alone."""
        found = double.page(cursor) if isinstance(double, Pages) else double(config)
        if inspect.isawaitable(found):
            found = await found
        page = found if isinstance(found, Page) else Page(found)
        schema = dict(step.module.output_schema(config))
        jsonschema.validate(list(page.items), schema, jsonschema.Draft202012Validator)
        return {"items": page.items, "cursor": page.cursor}

    async def probe(self, step: ModuleStep, config: Config, attempt: Attempt) -> Happened | ProbeResult:
        probe = self.probes.get(step.module_name)
        if probe is None or not isinstance(step.module, Action):
            return ProbeResult.UNKNOWN
        return probe(config)
