"""Every scenario fails at fault points that it passes, in every way; ``python -m tests.crash.points`` visits all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.runtime import batches
from engine.runtime.durable import DurableEffects
from engine.runtime.intake import Intake
from engine.runtime.journal import Journal
from engine.runtime.outcomes import Interrupted
from engine.sdk.faults import POINTS
from engine.store.changes import AS_ASKED, AddEffect, AddRun, Fate
from engine.store.lanes import Lanes
from engine.store.records import Run
from engine.testing.crash import Everywhere, FaultAt, Kind, Moment, Report, judge, live
from tests.crash import desk
from tests.crash.lives import Nursery, kill, nursery
from tests.crash.plays import FILES, OWN, play
from tests.crash.points import some

#: of the moments at which the same point is passed again, each so manieth is visited here
EVERY = 25
#: for exceptions and cancellations only each so manieth moment; another one for each scenario
THIN = 3


def assert_whole(report: Report) -> None:
    assert report.lives
    assert not report.broken, [f"{life.moment}: {life.said}" for life in report.broken[:5]]
    # how many commits there are depends on what gathers for one; everything else is passed as often in each life
    assert all(life.fired for life in report.lives if " store." not in life.moment)


# the suite's own fail, and are undone, on purpose
@pytest.mark.parametrize("name", sorted(name for name, file in FILES.items() if not file.is_relative_to(OWN)))
async def test_a_play_that_nothing_disturbs_does_what_its_scenario_is_for(name: str, tmp_path: Path) -> None:
    life = await live(play(name), tmp_path / "store.db", [FaultAt()])
    assert {result.state for result in life.results} == {"succeeded"}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("name", sorted(FILES))
async def test_a_scenario_survives_failing_anywhere(name: str, kind: Kind, tmp_path: Path) -> None:
    beginning = sorted(FILES).index(name) % THIN

    def chosen(moments: Sequence[Moment]) -> Sequence[Moment]:
        few = some(EVERY)(moments)
        return few if kind is Kind.DEATH else few[beginning::THIN] or few[:1]

    assert_whole(await Everywhere(tmp_path, [kind], chosen).run(name, play(name)))


async def test_a_scenario_survives_dying_again_while_it_recovers(tmp_path: Path) -> None:
    first = Moment("effect.sent", 2)
    without = await live(play("shop-order"), tmp_path / "without.db", [FaultAt()])
    counting = FaultAt()
    await live(play("shop-order"), tmp_path / "counting.db", [FaultAt(first), counting])
    seconds = some(EVERY)(counting.moments(Kind.DEATH))
    assert {"run.recovering", "run.recovered"} <= {second.point for second in seconds}
    for number, second in enumerate(seconds):
        life = await live(play("shop-order"), tmp_path / f"{number}.db", [FaultAt(first), FaultAt(second)])
        judge(life, without)
        assert not life.broken, f"{second}: {life.said}"


@pytest.fixture(scope="module")
def lives() -> Iterator[Nursery]:
    with nursery() as lives:
        yield lives


@pytest.mark.crash
@pytest.mark.parametrize(
    ("name", "point"),
    [
        *(("shop-order", point) for point in ("receipt.accepted", "effect.intended", "effect.sent", "store.committed")),
        ("batched", "effect.sent"),
    ],
)
async def test_a_real_process_that_is_killed_there_is_survived(
    lives: Nursery, tmp_path: Path, name: str, point: str
) -> None:
    without = await live(play(name), tmp_path / "without.db", [FaultAt()])
    moment = Moment(point, 3 if point != "receipt.accepted" else 1)
    life, _ = await kill(lives, name, tmp_path / "killed.db", moment)
    judge(life, without)
    assert life.fired, "nothing was killed"
    assert not life.broken, life.said


async def test_the_scenarios_pass_the_points_that_a_life_has(tmp_path: Path) -> None:
    passed: set[str] = set()
    for name in ("shop-order", "polled", "social-mention"):
        faults = FaultAt()
        await live(play(name), tmp_path / f"{name}.db", [faults, FaultAt()])
        passed |= {moment.point for moment in faults.moments(Kind.DEATH)}
    assert {"poll.page", "poll.stored", "effect.settled", "turn.taken", "run.moved"} <= passed
    assert passed <= POINTS.keys()


# ---------------------------------------------------------------------- does it see what it is there to see?


@contextmanager
def forgetful() -> Iterator[None]:
    """A run that is taken up does not know what it did before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "of", classmethod(lambda cls, *_rows: cls()))
        yield


@contextmanager
def hasty() -> Iterator[None]:
    """A write leaves before its intent is durable."""

    async def intend(self: DurableEffects, intent: Any) -> None:
        self._store.ride(AddEffect(intent), owner=self._owner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DurableEffects, "_intend", intend)
        yield


@contextmanager
def careless() -> Iterator[None]:
    """The sender is answered before its receipt is durable."""

    async def commit(self: Intake, changes: Any) -> Fate:
        self._store.ride(*changes)
        return AS_ASKED

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Intake, "_commit", commit)
        yield


@contextmanager
def optimistic() -> Iterator[None]:
    """The death of the process counts as proof that nothing was sent."""

    async def unknown(self: DurableEffects, *_: Any) -> Any:
        raise Interrupted("it is sent again", refused=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DurableEffects, "_unknown", unknown)
        yield


@pytest.mark.parametrize("mutant", [forgetful, hasty, careless, optimistic])
async def test_it_sees_that_a_mechanism_is_switched_off(tmp_path: Path, mutant: Any) -> None:
    own = play("shop-order")
    counting = FaultAt()
    without = await live(own, tmp_path / "without.db", [counting])
    moments = counting.moments(Kind.DEATH)
    taken = moments.index(Moment("receipt.taken", 1))
    beginning = next(moment for moment in moments[taken:] if moment.point == "store.begin")
    found: list[str] = []
    with mutant():
        for point, nth in (("effect.sent", 3), ("effect.sent", 4), beginning, ("run.ending", 1)):
            life = await live(own, tmp_path / f"{point}-{nth}.db", [FaultAt(Moment(point, nth))])
            judge(life, without)
            found += [*life.lost, *life.doubled, *life.faults]
    assert found


@contextmanager
def crowding() -> Iterator[None]:
    """A lane has room for everybody."""

    def add(self: Lanes, change: AddRun) -> Run | None:
        return self_add(self, change._replace(lane=change.lane and change.lane._replace(most=9)))

    self_add = Lanes.add
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lanes, "add", add)
        yield


async def test_it_sees_who_goes_before_his_turn(tmp_path: Path) -> None:
    with crowding():
        life = await live(play("in-order"), tmp_path / "crowded.db", [FaultAt()])
    assert [len(line) for line in life.lines] == [2]
    judge(life, life)
    assert any("out of order" in fault for fault in life.faults)


async def test_it_sees_a_delivery_that_belongs_to_no_run(tmp_path: Path) -> None:
    life = await live(play("gathered"), tmp_path / "gathered.db", [FaultAt()])
    judge(life, life)
    assert not life.broken, life.said
    assert (len(life.fates), len(life.results)) == (3, 2)
    life.fates = [fate for fate in life.fates if fate.reason is None][:1]
    judge(life, life)
    assert any("do not add up" in fault for fault in life.faults)
    assert any("0 deliveries of its own" in fault for fault in life.faults)


@contextmanager
def sends_a_batch_anew() -> Iterator[None]:
    """A later attempt of a batch sends what is done once more."""

    def to_send(items: Any, *_rest: Any) -> list[int]:
        return list(range(len(items)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_to_send", to_send)
        yield


@contextmanager
def forgets_what_is_not_known() -> Iterator[None]:
    """The death of the process counts as proof that no item was taken."""

    def interrupted(items: Any, _repeatable: bool) -> list[int]:
        return [place for place, item in enumerate(items) if item["state"] == "unknown" and "error" not in item]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_interrupted", interrupted)
        yield


@pytest.mark.parametrize("mutant", [sends_a_batch_anew, forgets_what_is_not_known])
async def test_it_sees_that_an_item_is_charged_twice(tmp_path: Path, mutant: Any) -> None:
    own = play("batched")
    without = await live(own, tmp_path / "without.db", [FaultAt()])
    judge(without, without)
    assert not without.broken, without.said
    with mutant():
        life = await live(own, tmp_path / "mutant.db", [FaultAt(Moment("effect.sent", 1))])
    judge(life, without)
    assert any("was sent again" in said for said in life.doubled), life.said
    assert any("/charges/" in said and "was taken 2 times" in said for said in life.doubled), life.said


async def test_it_sees_that_an_item_is_lost(tmp_path: Path) -> None:
    own = play("batched")
    without = await live(own, tmp_path / "without.db", [FaultAt()])
    assert without.counts == {
        f"{path}/{name}": 1 for path in (desk.CHARGES, desk.SEATS) for name in desk.PEOPLE if name != "closed-cleo"
    }
    life = await live(own, tmp_path / "again.db", [FaultAt()])
    life.counts = {name: n for name, n in life.counts.items() if name != "/charges/hana"}
    judge(life, without)
    assert life.lost == ["/charges/hana was taken 0 times"]
