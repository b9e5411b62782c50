"""Each mechanism behind promise 7, switched off: its check must then fail.

The table of these is in ``docs/explanation/promises/7-bounded-history.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType

import pytest

from engine.runtime.pruning import Pruner
from engine.store import history, large
from engine.store.sql import queries
from tests.promises import test_7_bounded as promise
from tests.promises.pruned import World
from tests.store.conftest import Backend

Mutant = Callable[[], AbstractContextManager[None]]


def without(name: str, condition: str, instead: str = "") -> Mutant:
    """A statement of pruning without one of its conditions."""

    @contextmanager
    def mutant() -> Iterator[None]:
        text = queries()[name]
        assert condition in text, f"{name} has no such condition any more"
        changed: Mapping[str, str] = MappingProxyType({**queries(), name: text.replace(condition, instead)})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(history, "queries", lambda: changed)
            patch.setattr(large, "queries", lambda: changed)
            yield

    return mutant


@contextmanager
def versions_are_not_looked_for() -> Iterator[None]:
    """Every version that is not loaded goes."""

    async def unused(self: Pruner) -> list[str]:
        return sorted(set(await self._store.ask(history.Versions())) - self._current())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pruner, "_unused", unused)
        yield


@contextmanager
def every_state_is_final() -> Iterator[None]:
    """Whatever has ended once is taken for over."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.runtime.pruning._FINAL", tuple(promise.State))
        yield


#: what is switched off, how, and the check that must then fail
MUTANTS: Mapping[str, tuple[Mutant, promise.Check]] = {
    "only final states": (every_state_is_final, promise.unfinished_stay),
    "state, again": (
        without("prunable_run", "instr(?, ',' || state || ',') > 0", "? is not null"),
        promise.taken_up_meanwhile_stays,
    ),
    "end, again": (without("prunable_run", "ended_at < ?", "? is not null"), promise.ended_again_meanwhile_stays),
    "unknown writes": (
        without("effects_of_ended_run", "state in ('intended', 'unknown')", "0"),
        promise.unknown_writes_stay,
    ),
    "runs of a receipt": (
        without("prune_receipt", "and not exists(select 1 from runs where receipt_id = :id)"),
        promise.receipts_stay_for_a_run,
    ),
    "deliveries of a receipt": (
        without("prune_receipt", "and not exists(select 1 from deliveries where receipt_id = :id and state != 'run')"),
        promise.receipts_stay_for_a_delivery,
    ),
    "parked_for": (without("old_deliveries", "and receipt_id < :before", ""), promise.parked_stay_for_their_time),
    "state of a delivery, again": (
        without("prune_idle_delivery", "and state = ? and state != 'run'", "and ? is not null"),
        promise.parked_and_run_meanwhile_stays,
    ),
    "versions of runs": (versions_are_not_looked_for, promise.versions_in_use_stay),
    "effects_for": (
        without("prune_effects", "(state != 'done' or intended_at < ?)", "? is not null"),
        promise.finished_writes_answer_for_their_time,
    ),
    "dedupe_for": (
        without("forget_identities", "until <= ?", "? is not null"),
        promise.events_are_known_for_their_time,
    ),
    "owners of values": (
        without("drop_large", "and not exists(select 1 from large_refs where hash = :hash)"),
        promise.values_stay_for_others,
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
async def test_the_check_fails_without_the_mechanism(tmp_path: Path, name: str) -> None:
    mutant, check = MUTANTS[name]
    whole, broken = Backend("sqlite", tmp_path / "whole"), Backend("sqlite", tmp_path / "broken")
    await check(await World.new(whole))
    await whole.close()
    with mutant(), pytest.raises(AssertionError):
        await check(await World.new(broken))
    await broken.close()


def test_every_mechanism_is_in_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "explanation" / "promises" / "7-bounded-history.md"
    rows = [line.split("|")[1].strip() for line in page.read_text("utf-8").splitlines() if line.startswith("| ")]
    assert [row for row in rows if row in MUTANTS] == list(MUTANTS)
