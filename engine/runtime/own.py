"""Effects on our own store: what came of a change is known in the transaction in which it is made."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from engine.runtime.callers import plugin_fault
from engine.runtime.data import StoredData
from engine.scenario.plan import ModuleStep
from engine.sdk import jsontext
from engine.sdk.data import DataRead, DataWrite
from engine.sdk.errors import EngineError
from engine.sdk.modules import Config, Effect
from engine.store.data import ChangeData
from engine.store.records import EffectRecord, EffectState

if TYPE_CHECKING:
    from engine.runtime.durable import DurableEffects


async def change(
    effects: DurableEffects, step: ModuleStep, module: DataWrite, path: str, key: str, config: Config, fingerprint: str
) -> EffectRecord:
    """Change a record; gives its row, which is *done* or *refused*."""
    try:
        asked = module.change(config)
    except EngineError:
        raise
    except Exception as error:
        raise plugin_fault(step, error) from error
    rules, request = effects.data.rules(asked.store), jsontext.dumps(config)
    effects.sizes.room(path, step.place, len(request))
    now = effects.progress_at = effects.now()
    run, journal = effects.run, effects.journal
    journal.position += 1
    under = (effects.effect_key(path), run.scenario, step.module_name, str(Effect.WRITE), request, fingerprint)
    state = EffectState.DONE
    effect = EffectRecord(run.id, key, journal.position, *under, state, now, run.subject, notes=effects.take_notes())
    step_ = ChangeData(change=asked, simulated=run.simulated, at=now, rules=rules, effect=effect)
    effects.hit("data.changing")
    putting = asyncio.ensure_future(effects.store.put(step_, owner=effects.owner))
    try:
        await asyncio.shield(putting)
    except asyncio.CancelledError:
        # handed over it is made all the same, and who goes on when a step's time is over must know of it
        await asyncio.wait({putting})
        putting.result()
        _keep(effects, step_.report.effect or effect)
        raise
    effects.hit("data.changed")
    return _keep(effects, step_.report.effect or effect)


def _keep(effects: DurableEffects, effect: EffectRecord) -> EffectRecord:
    effects.journal.effects[effect.key] = effect
    effects.sizes.wrote(effect.request, effect.output, effect.notes)
    return effect


async def read(effects: DurableEffects, step: ModuleStep, module: DataRead, config: Config) -> Any:
    """What a module reads of the data stores."""
    try:
        return await module.read(config, StoredData(effects.store, effects.data, simulated=effects.run.simulated))
    except EngineError:
        raise
    except Exception as error:
        raise plugin_fault(step, error) from error
