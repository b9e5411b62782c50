"""What other runs of the same event have made of a write, found by its effect key.

A run that answers to an event alone never asks. A replay does before each try of a write, and so does a run that was
replayed when it is tried again: what is done is not done twice, what is unknown is not repeated, and a
write that was made with another request is a person's to decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.runtime.differences import differing
from engine.sdk.errors import EngineError
from engine.sdk.modules import Effect
from engine.store.changes import SettleEffect
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import EffectRecord, EffectState

#: what nobody knows the outcome of
OPEN = (EffectState.INTENDED, EffectState.UNKNOWN)


class Differs(EngineError):
    """Another run of the event made this write, with another request. Nothing was sent."""

    code = "differs"


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a write elsewhere.

    :param row: of the run that came by it last.
    :param same: whether it is taken over as it is: the same request, or one whose outcome is not known.
    :param repeatable: whether its request is sent once more: it was cut off, and twice is once.
    """

    row: EffectRecord
    same: bool = False
    repeatable: bool = False


def found(rows: Sequence[EffectRecord], module: str, fingerprint: str) -> Found | None:
    """What to go by among the attempts that other runs made; None: nobody has made it.

    :param rows: oldest first.
    """
    made = [row for row in reversed(rows) if row.state is EffectState.DONE]
    alike = [row for row in made if (row.module, row.request_hash) == (module, fingerprint)]
    unsettled = [row for row in reversed(rows) if row.state in OPEN]
    if alike:
        return Found(alike[0], same=True)
    if made:
        return Found(made[0])
    if not unsettled:
        return None
    last = unsettled[0]
    if last.module != module:
        return Found(last)
    if Effect(last.effect).repeatable:
        return Found(last, repeatable=last.request_hash == fingerprint)
    return Found(last, same=True)


def differs(row: EffectRecord, module: str, config: Any, place: str) -> Differs:
    """Why a person is asked."""
    what = "made" if row.state is EffectState.DONE else "began"
    how = f"it was {row.module}" if row.module != module else f"with another request{differing(row, config)}"
    return Differs(
        f"run {show(row.run_id)} of the same event {what} this write, {how}; nothing was sent",
        place=place,
        hint="look at both requests, then say whether this one is sent as well",
    )


async def settle_others(
    store: Store, effect: EffectRecord, state: EffectState, at: float, by: str, output: bytes | None = None
) -> list[SettleEffect]:
    """What is learned of a write that was taken over holds for the rows that it was taken from."""
    rows = await store.effects_by_key(effect.effect_key)
    return [
        SettleEffect(row.run_id, row.key, state, at, by, output)
        for row in rows
        if row.run_id != effect.run_id and row.state in OPEN
    ]
