"""The scenarios of a process, and the plans of versions that runs started with."""

from __future__ import annotations

from collections.abc import Iterable

from engine.plugins import Registry
from engine.scenario.expressions import Expression, compile_expression, functions_of
from engine.scenario.load import kept, load_kept
from engine.scenario.plan import Keep, Scenario
from engine.sdk.clock import Clock
from engine.sdk.errors import EngineError
from engine.sdk.modules import Module
from engine.store.changes import AddVersion
from engine.store.interface import Store

#: expressions that are kept compiled beside those of the plans
_MOST_EXPRESSIONS = 256


class VersionUnavailable(EngineError):
    """The scenario version that a run started with can no longer be carried out: a module or file is gone."""

    code = "version-unavailable"


class Catalog:
    """Scenarios by name, plans by version.

    :param scenarios: the current ones, active or not; names are unique.
    """

    def __init__(self, scenarios: Iterable[Scenario], registry: Registry, store: Store, clock: Clock) -> None:
        self._current = {scenario.name: scenario for scenario in scenarios}
        #: versions that are or were current in this process: whoever is about to start a run may have one of them
        self._known = {scenario.version for scenario in self._current.values()}
        self._plans = {(scenario.name, scenario.version): scenario for scenario in self._current.values()}
        self._registry = registry
        self._store = store
        self._clock = clock
        self._expressions: dict[str, Expression] = {}

    @property
    def scenarios(self) -> list[Scenario]:
        return list(self._current.values())

    def current(self, name: str) -> Scenario | None:
        return self._current.get(name)

    def loaded(self, name: str, version: str) -> Scenario | None:
        """The plan of a version, where it was asked for before."""
        return self._plans.get((name, version))

    @property
    def versions(self) -> frozenset[str]:
        """The versions that new runs may start with: those that are current, or were since this process began."""
        return frozenset(self._known)

    def keep_of(self, name: str) -> Keep | None:
        """How long the runs of a scenario stay; None: it says nothing, or is not loaded."""
        scenario = self._current.get(name)
        return scenario.keep if scenario is not None else None

    def expression(self, text: str) -> Expression:
        """An expression that is not in a file, such as one that is kept with a wait; compiled once."""
        found = self._expressions.get(text)
        if found is None:
            if len(self._expressions) >= _MOST_EXPRESSIONS:
                self._expressions.clear()
            found = self._expressions[text] = compile_expression(text, functions_of(self._registry))
        return found

    def module(self, name: str) -> Module | None:
        """An installed module."""
        return self._registry.modules.get(name)

    async def keep(self, scenarios: Iterable[Scenario] | None = None) -> None:
        """Store the sources of all current versions: runs go on under them whatever happens to the files.

        :param scenarios: those that are about to become current, in place of all that are.
        """
        now = self._clock.time()
        chosen = list(self._current.values() if scenarios is None else scenarios)
        self._known.update(scenario.version for scenario in chosen)
        changes = [AddVersion(s.version, s.name, kept(s).encode(), now) for s in chosen]
        if changes:
            await self._store.put(*changes)

    def follow(self, scenarios: Iterable[Scenario]) -> None:
        """Have these scenarios from now on; their versions are stored. Runs keep the version that they have."""
        self._current = {scenario.name: scenario for scenario in scenarios}
        self._plans.update({(scenario.name, scenario.version): scenario for scenario in self._current.values()})

    async def plan(self, name: str, version: str) -> Scenario:
        """The plan of a version. Raises ``VersionUnavailable``."""
        if plan := self._plans.get((name, version)):
            return plan
        source = await self._store.version(version)
        if source is None:
            raise VersionUnavailable(f"version {version} of scenario '{name}' is not in the store")
        plan, diagnostics = load_kept(source.decode(), f"{name}@{version[:8]}", self._registry)
        if plan is None:
            raise VersionUnavailable(
                f"version {version[:8]} of scenario '{name}' no longer loads: {diagnostics[0]}",
                hint="install what it needs again, or give the run up",
            )
        self._plans[name, version] = plan
        return plan
