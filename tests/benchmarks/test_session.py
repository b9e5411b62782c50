"""Real systems as processes of their own: they do the same work, and one that does not is found out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmarks import systems
from benchmarks.ledger import Ledger
from benchmarks.loads import Names, settle
from benchmarks.session import Plan, Session, WrongResult, must_be_right
from benchmarks.systems import Engine, RawDurable, RawFlow, System


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Session]:
    found = Session(Plan(), tmp_path, None, lambda _: None)
    await found.open()
    yield found
    found.close()


def only(session: Session, kind: type[System], monkeypatch: pytest.MonkeyPatch) -> None:
    session.plan = Plan(systems=(kind.name,))
    monkeypatch.setitem(systems.SYSTEMS, kind.name, kind)


@pytest.mark.parametrize("kind", [Engine, RawDurable, RawFlow], ids=lambda kind: kind.name)
async def test_each_system_does_the_work(
    session: Session, kind: type[System], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only(session, kind, monkeypatch)
    await session.check()
    assert session.results["check"] == {kind.name: {"posted": 100, "left_out": 100}}
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240  # an empty folder is listed at once


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("trigger.type == 'points.earned'", "true"),
        ("customer.body.balance + trigger.points.earned", "customer.body.balance"),
    ],
    ids=["no filter", "wrong sum"],
)
async def test_a_system_that_does_other_work_is_found_out(
    session: Session, right: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Engine):
        def prepare(self) -> str:
            path = super().prepare()
            scenario = self.project / "scenarios" / "loyalty-3.yaml"
            text = scenario.read_text()
            assert right in text
            scenario.write_text(text.replace(right, wrong))
            return path

        async def ready(self, ledger: Ledger, names: Names) -> tuple[float, float]:
            # the updates are wrong, so none ever counts; the listener is awaited all the same
            sender = self.sender(ledger, 1)
            while not ledger.accepted:
                sender.send(f"ready-{len(ledger.due)}", 0)
                await settle(ledger, stall=0.1)
            sender.close()
            return 0.0, 0.0

    only(session, Broken, monkeypatch)
    with pytest.raises(WrongResult, match="does not do the work"):
        await session.check()


async def test_a_kill_loses_nothing_of_the_engine_and_something_of_a_system_that_keeps_nothing(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgetful(Engine):
        """Says that it is the engine, and keeps nothing."""

        def prepare(self) -> str:
            return "/hook"

        def command(self) -> list[str]:
            return RawFlow.command(self)  # type: ignore[arg-type]  # it asks for port and API only

        def held(self) -> set[str]:
            return set()

        def run_counts(self) -> dict[str, int]:
            return {}

    session.plan = Plan(kill_seconds=2.0)
    session.api.delay = 0.2
    kept = await session.one_kill(20.0)
    assert (kept["lost"], kept["doubled"], kept["wrong"]) == (0, 0, 0)
    assert kept["accepted"] > 10
    monkeypatch.setitem(systems.SYSTEMS, Engine.name, Forgetful)
    assert (await session.one_kill(20.0))["lost"] > 0


async def test_an_event_that_nobody_sent_is_no_completion(session: Session) -> None:
    async with session.running("raw_flow") as (system, process):
        await session.closed(system, process, 2, warm=0.0, seconds=0.2)
        session.api.ledger.complete("from nowhere")
        with pytest.raises(WrongResult, match="1 never sent"):
            must_be_right(system, session.api.ledger)


async def test_what_a_process_used_is_read(session: Session) -> None:
    async with session.running("raw_durable") as (system, process):
        got = await session.closed(system, process, 4, warm=0.0, seconds=0.5)
        resident, peak = process.memory()
        assert system.stored() > 10_000
        assert process.stop() == 0
    assert got["cpu_us"] > 10
    assert 0 < got["cpu_share"] < 2
    assert 10 < resident <= peak < 500
