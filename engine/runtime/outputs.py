"""Whether an output that a person gives is one that the step's module could have given."""

from __future__ import annotations

from typing import Any

import jsonschema

from engine.runtime.catalog import Catalog, VersionUnavailable
from engine.runtime.commands import CommandRefused
from engine.scenario.config import describe
from engine.scenario.inside import every
from engine.scenario.plan import ModuleStep
from engine.sdk import jsontext
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import EffectFilter, Run


class UnlikeOutput(CommandRefused):
    """An output that a person gave is none that the step's module gives."""

    code = "unlike-output"


async def check_output(store: Store, catalog: Catalog, run: Run, path: str, output: Any) -> None:
    """Raise ``UnlikeOutput`` for what the module of a held step would not give; null is always possible."""
    if output is None:
        return
    try:
        plan = await catalog.plan(run.scenario, run.version)
    except VersionUnavailable:
        return
    name = path.rpartition("/")[2]
    steps = (step for step in every(plan.steps, plan.on_failure) if isinstance(step, ModuleStep))
    step = next((step for step in steps if name in (step.id, step.path)), None)
    if step is None:
        return
    effects = [e for e in await store.effects(EffectFilter(run_id=run.id)) if e.key.rpartition("#")[0] == path]
    try:
        schema = step.module.output_schema(jsontext.loads(effects[-1].request) if effects else {})
        if getattr(step.module, "batch", None) is not None:
            # a person speaks of the items that are not settled: of all alike, or of each
            item = schema["properties"]["items"]["items"]["properties"]["output"]
            schema = {"anyOf": [item, {"type": "array", "items": item}]}
        error = next(jsonschema.Draft202012Validator(schema).iter_errors(output), None)
    except Exception:  # noqa: BLE001 - a plugin's mistake must not keep a run from going on
        return
    if error is not None:
        raise UnlikeOutput(
            f"run {show(run.id)}: {step.module_name} gives no such output: {describe(error)}",
            hint="give what the step would have given, null for nothing, or add --force",
        )
