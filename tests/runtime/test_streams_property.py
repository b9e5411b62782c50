"""Whatever the pages, the troubles, the concurrency, wherever the engine dies: each write once, and the same result."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.runtime import folding, gathering, looping, loops
from engine.runtime.durable import DurableEffects
from engine.runtime.effects import Checkpoint
from engine.runtime.journal import Journal
from engine.sdk.errors import NotFound, RateLimitError
from engine.sdk.errors import TimeoutError as VendorTimeout
from engine.sdk.modules import Page
from engine.store.records import EffectState
from engine.testing import DoubleCaller, Harness, Pages
from engine.testing.crash import FaultAt, Kind, Play, judge, live
from tests.runtime.core import swapped
from tests.store.rows import effect
from tests.store.rows import run as row
from tests.support.shop import registry

#: what a vendor does when it is asked for the first time; later it does as it is told
TROUBLE = {
    "none": lambda: None,
    "slow down": lambda: RateLimitError("slow down", retry_after=1.0),
    "not there": lambda: NotFound("not there", refused=True),
    "no answer": lambda: VendorTimeout("no answer"),
}


class Uneven(Pages):
    """Pages of given sizes, empty ones among them."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = sizes
        super().__init__(list(range(sum(sizes))))

    def page(self, cursor: Any) -> Page:
        number = cursor or 0
        begin = sum(self.sizes[:number])
        items = self.items[begin : begin + self.sizes[number]] if self.sizes else []
        return Page(items, number + 1 if number + 1 < len(self.sizes) else None)


class Vendor:
    """Fails as it is told when an item comes for the first time."""

    def __init__(self, troubles: Mapping[int, str]) -> None:
        self._troubles = troubles
        self._calls: Counter[str] = Counter()

    def __call__(self, config: Mapping[str, Any]) -> Any:
        which = json.dumps(config["n"])
        self._calls[which] += 1
        first = config["n"][0] if isinstance(config["n"], list) else config["n"]
        error = TROUBLE[self._troubles.get(first, "none")]() if self._calls[which] == 1 else None
        if error is not None:
            raise error
        return {"sent": config["n"]}


LOOPS = st.fixed_dictionaries(
    {
        "sizes": st.lists(st.integers(0, 4), max_size=5),
        "streamed": st.booleans(),
        "module": st.sampled_from(["shop.put", "shop.pay", "shop.charge", "shop.get"]),
        "troubles": st.dictionaries(st.integers(0, 12), st.sampled_from(list(TROUBLE)), max_size=2),
    },
    optional={
        "concurrency": st.integers(1, 3),
        "batch": st.integers(1, 4),
        "key": st.just("${{ item }}"),
        "on_item_error": st.sampled_from(["continue", "hold"]),
        "sleep": st.just(True),
        "aside": st.just(True),
    },
)


def written(loop: Mapping[str, Any]) -> str:
    """The scenario as a source (JSON is YAML)."""
    own = {key: loop[key] for key in ("concurrency", "batch", "on_item_error") if key in loop}
    if "key" in loop and "batch" not in loop:
        own["key"] = loop["key"]
    each = {
        "id": "each",
        "foreach": {"module": "shop.find"} if loop["streamed"] else "${{ trigger.items }}",
        "collect": "${{ send.sent || item }}",
        **own,
        "steps": [
            *([{"sleep": "10s"}] if "sleep" in loop else []),
            {"set": {"at": "${{ now() }}"}},
            {"id": "send", "module": loop["module"], "with": {"n": "${{ item }}", "at": "${{ vars.at }}"}},
        ],
    }
    stop = {"stop": "success", "output": "${{ each }}"}
    return json.dumps({"scenario": "drawn", "trigger": {"module": "shop.watch"}, "steps": [each, stop]})


@settings(
    max_examples=max(1, settings.default.max_examples // 4),  # type: ignore[union-attr]  # there is a default
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(LOOPS, st.sampled_from(Kind), st.integers(0, 10_000))
def test_each_item_is_written_once_and_the_same_comes_out(loop: Mapping[str, Any], kind: Kind, where: int) -> None:
    source, shop = written(loop), registry()
    count = sum(loop["sizes"])

    def new() -> Harness:
        vendor = Vendor(loop["troubles"])
        doubles = {f"shop.{name}": vendor for name in ("get", "put", "pay", "charge")}
        return Harness([source], doubles={**doubles, "shop.find": Uneven(loop["sizes"])}, registry=shop)

    async def compare() -> None:
        play = Play(new, events=[{"items": list(range(count))}])
        with tempfile.TemporaryDirectory() as folder:
            counting = FaultAt()
            without = await live(play, Path(folder) / "without.db", [counting])
            judge(without, without)
            assert not without.broken, without
            moments = [moment for moment in counting.moments(kind) if not moment.point.startswith("store.")]
            moment = moments[where % len(moments)]
            life = await live(play, Path(folder) / "life.db", [FaultAt(moment, kind)], str(moment))
            judge(life, without)
            assert not life.broken, f"{kind} at {moment}: {life.lost} {life.doubled} {life.faults}"

    # so that short lists have checkpoints too, and short ones that are collected are set aside
    with swapped(looping, "SEGMENT", 3), swapped(gathering, "TAIL", 0 if "aside" in loop else gathering.TAIL):
        asyncio.run(compare())


STREAM = {"sizes": [2, 0, 3, 2], "streamed": True, "module": "shop.charge", "troubles": {3: "slow down"}, "batch": 2}


async def test_it_survives_failing_at_every_point_of_a_stream(tmp_path: Path) -> None:
    source, shop = written(STREAM), registry()

    def new() -> Harness:
        doubles = {"shop.charge": Vendor(STREAM["troubles"]), "shop.find": Uneven(STREAM["sizes"])}  # type: ignore[arg-type]  # of a mixed dictionary
        return Harness([source], doubles=doubles, registry=shop)

    play = Play(new, events=[{}])
    counting = FaultAt()
    without = await live(play, tmp_path / "without.db", [counting])
    for kind in Kind:
        moments = counting.moments(kind)
        assert {"loop.folding", "loop.folded", "call.after"} <= {moment.point for moment in moments}
        seen: Counter[str] = Counter()
        for number, moment in enumerate(moments):
            seen[moment.point] += 1
            if seen[moment.point] > 3 and moment.point.startswith("store."):
                continue
            life = await live(play, tmp_path / f"{kind}-{number}.db", [FaultAt(moment, kind)], str(moment))
            judge(life, without)
            assert not life.broken, f"{kind} at {moment}: {life.said}"


# ---------------------------------------------------------------------- does it see what it is there to see?


@contextmanager
def nameless() -> Iterator[None]:
    """A checkpoint does not say which items may have begun since."""

    def made(*args: Any, **more: Any) -> Checkpoint:
        return replace(Checkpoint(*args, **more), rest=())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops, "Checkpoint", made)
        yield


@contextmanager
def careless() -> Iterator[None]:
    """Decisions that rode with rows of items that are over go with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "_about_something_else", lambda _row, _notes: {})
        yield


@contextmanager
def early() -> Iterator[None]:
    """The page that comes next goes with those that are over."""
    real = folding.fold

    def fold(effects: Any, path: str, checkpoint: Checkpoint) -> Any:
        return real(effects, path, replace(checkpoint, pages=checkpoint.pages + 1))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "fold", fold)
        yield


AROUND = {
    "scenario": "around",
    "trigger": {"module": "shop.watch"},
    "steps": [
        {"set": {"at": "${{ now() }}"}},
        {
            "id": "each",
            "foreach": {"module": "shop.find"},
            "steps": [
                {"id": "send", "module": "shop.charge", "with": {"n": "${{ item }}", "at": "${{ vars.at }}"}},
                {"sleep": "1m"},
            ],
        },
        {"id": "after", "module": "shop.charge", "with": {"n": "after", "at": "${{ vars.at }}"}},
    ],
}


class Shifting(Uneven):
    """A list that grew at its beginning before each page but the first: that comes only once."""

    def __init__(self) -> None:
        super().__init__([2, 2, 2])
        self.read: Counter[Any] = Counter()

    def page(self, cursor: Any) -> Page:
        self.read[cursor] += 1
        page = super().page(cursor)
        # whoever reads a page again finds other items there
        return page if self.read[cursor] == 1 else Page([f"other {item}" for item in page.items], page.cursor)


@pytest.mark.parametrize("mutant", [nullcontext, nameless, careless, early])
async def test_it_sees_that_a_mechanism_is_switched_off(tmp_path: Path, mutant: Any) -> None:
    shop = registry()

    def new() -> Harness:
        return Harness(
            [json.dumps(AROUND)], doubles={"shop.charge": Vendor({}), "shop.find": Shifting()}, registry=shop
        )

    play = Play(new, events=[{}])
    counting = FaultAt()
    without = await live(play, tmp_path / "without.db", [counting])
    found: list[str] = []
    with mutant():
        for number, moment in enumerate(counting.moments(Kind.DEATH)):
            if moment.point not in ("effect.intended", "loop.folded", "effect.settled"):
                continue
            life = await live(play, tmp_path / f"{number}.db", [FaultAt(moment)])
            judge(life, without)
            found += [*life.lost, *life.doubled, *life.faults]
    assert bool(found) == (mutant is not nullcontext), found


async def test_an_item_with_a_write_that_has_not_ended_is_not_folded() -> None:
    """Its row must be found again, or the write would be made anew."""
    async with Harness([json.dumps(AROUND)], doubles={}, registry=registry()) as harness:
        run = row(1)
        journal = Journal()
        journal.effects["each[0]/send#1"] = effect(1, "each[0]/send#1", state=EffectState.INTENDED)
        journal.notes["each[0]/set@1"] = {}
        effects = DurableEffects(run, journal, harness.store, DoubleCaller({}), harness.clock)
        checkpoint = Checkpoint({}, ())
        assert folding.fold(effects, "each", checkpoint) is None
        assert journal.notes == {"each[0]/set@1": {}}
        journal.effects["each[0]/send#1"] = effect(1, "each[0]/send#1", state=EffectState.UNKNOWN)
        assert folding.fold(effects, "each", checkpoint) is not None
        assert (journal.notes, journal.effects) == ({}, {})
