"""From a delivery to runs: several events, duplicates by an identity, subjects, and what waits for room."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.plugins import Registry
from engine.runtime import queue
from engine.sdk.apps import App
from engine.sdk.errors import StoreError
from engine.sdk.modules import Delivery, Event, WebhookTrigger
from engine.store.ids import show
from engine.store.records import RunFilter
from engine.testing import Harness
from tests.support.shop import registry, scenario

SET = '- set: {email: "${{ trigger.email }}"}\n- stop: success\n  output: ${{ vars.email }}'


async def finished(harness: Harness) -> list[tuple[Any, Any, Any]]:
    """Number, output and subject of all runs, in order."""
    results = [await harness.result(run.id) for run in await harness.store.runs(RunFilter())]
    return sorted((r.run.number, r.output, r.run.subject) for r in results)


async def test_each_event_of_a_delivery_is_a_run_of_its_own() -> None:
    async with Harness([scenario(SET)], registry=registry()) as harness:
        accepted = await harness.send({"several": [{"email": "a@example.com"}, {"email": "b@example.com"}]})
        assert [(d.number, d.state) for d in accepted.deliveries] == [(0, "run"), (1, "run")]
        assert len(set(accepted.runs)) == 2
        assert await finished(harness) == [(0, "a@example.com", "a@example.com"), (1, "b@example.com", "b@example.com")]
        receipt = await harness.store.receipt(accepted.receipt_id)
        assert receipt is not None
        assert receipt.subject == "a@example.com"


async def test_a_delivery_without_an_event_is_filtered() -> None:
    async with Harness([scenario(SET)], registry=registry()) as harness:
        accepted = await harness.send({"several": []})
        [delivery] = accepted.deliveries
        assert (delivery.state, delivery.reason) == ("filtered", "the delivery holds no event")


async def test_the_same_identity_twice_is_a_duplicate_of_the_first() -> None:
    async with Harness([scenario(SET)], registry=registry()) as harness:
        first, second, other = [
            await harness.send({"event_id": key, "email": "a@example.com"}) for key in ("e1", "e1", "e2")
        ]
        [duplicate] = second.deliveries
        assert (duplicate.state, duplicate.reason, second.runs) == ("duplicate", show(first.receipt_id), ())
        assert len(first.runs) == len(other.runs) == 1
        await harness.restart()
        again = await harness.send({"event_id": "e1"})
        assert [d.state for d in again.deliveries] == ["duplicate"]
        assert len(await finished(harness)) == 2


async def test_what_was_simulated_is_no_duplicate_of_what_is_real() -> None:
    async with Harness([scenario(SET)], registry=registry()) as harness:
        harness.runner.simulated = True
        tried = await harness.send({"event_id": "e1", "email": "a@example.com"})
        harness.runner.simulated = False
        real = await harness.send({"event_id": "e1", "email": "a@example.com"})
        again = await harness.send({"event_id": "e1", "email": "a@example.com"})
        assert [a.deliveries[0].state for a in (tried, real, again)] == ["run", "run", "duplicate"]
        assert again.deliveries[0].reason == show(real.receipt_id)


async def test_side_by_side_one_of_the_same_wins() -> None:
    async with Harness([scenario(SET)], registry=registry()) as harness:
        accepted = await asyncio.gather(*(harness.send({"event_id": "e1", "email": "a"}) for _ in range(10)))
        assert sorted(str(a.deliveries[0].state) for a in accepted) == ["duplicate"] * 9 + ["run"]
        assert len(await finished(harness)) == 1


async def test_the_same_event_is_one_for_each_scenario() -> None:
    second = scenario(SET).replace("scenario: test", "scenario: second")
    async with Harness([scenario(SET), second], registry=registry()) as harness:
        states = [
            [str(d.state) for d in (await harness.send({"event_id": "e1", "email": "a"})).deliveries] for _ in range(2)
        ]
        assert states == [["run", "run"], ["duplicate", "duplicate"]]


def identified() -> Registry:
    """An app whose events have the identity and the subject that the scenario's configuration names."""

    def parse(delivery: Delivery) -> list[Event]:
        return [Event(item) for item in delivery.body]

    def identify(config: Any, _delivery: Delivery, event: Event) -> Event:
        return Event(event.body, event.body.get(config["id"]), event.body.get("who"))

    def accepts(_config: Any, event: Event) -> bool:
        # what identify has completed is there to be asked
        return event.subject != "nobody"

    watch = WebhookTrigger(
        name="watch", title="w", description="w", config={}, parse=parse, identify=identify, accepts=accepts
    )
    result = Registry()
    result.add(App(name="shop", title="Shop", modules=[watch]), "tests")
    return result


async def test_an_identity_that_the_configuration_names() -> None:
    source = scenario("- set: {a: 1}", head="  with: {id: nr}\n")
    async with Harness([source], registry=identified()) as harness:
        events = [{"nr": 1, "who": 5}, {"nr": 1, "who": "b"}, {"nr": 2, "who": "nobody"}, {"who": "c"}, {"who": "c"}]
        accepted = await harness.send(events)
        assert [str(d.state) for d in accepted.deliveries] == ["run", "duplicate", "filtered", "run", "run"]
        assert [d.event_id for d in accepted.deliveries] == ["1", "1", None, None, None]
        assert [subject for _, _, subject in await finished(harness)] == ["5", "c", "c"]


@pytest.mark.parametrize(
    ("expression", "subject"),
    [("trigger.who", "ana"), ("trigger.number", "7"), ("trigger.nothing", None)],
)
async def test_a_subject_that_the_scenario_names(expression: str, subject: str | None) -> None:
    source = f"subject: ${{{{ {expression} }}}}\n" + scenario("- set: {a: 1}")
    async with Harness([source], registry=registry()) as harness:
        result = await harness.run({"who": "ana", "number": 7, "email": "not this one"})
        assert result.run.subject == subject
        receipt = await harness.store.receipt(result.run.receipt_id)
        assert receipt is not None
        assert receipt.subject == subject


async def test_a_subject_that_fails_holds_the_run_and_loses_nothing() -> None:
    source = "subject: ${{ trigger.n + trigger.word }}\n" + scenario("- set: {a: 1}")
    async with Harness([source], registry=registry()) as harness:
        result = await harness.run({"n": 1, "word": "x", "email": "ana@example.com"})
        assert result.state == "held"
        assert result.holds[0]["code"] == "trigger"
        assert result.holds[0]["error"]["code"] == "expression-error"


async def test_what_has_no_room_is_queued_and_runs_in_order() -> None:
    gate = asyncio.Event()
    order: list[str] = []

    async def charge(config: Any) -> Any:
        order.append(config["email"])
        await gate.wait()
        return {}

    steps = '- id: charge\n  module: shop.charge\n  with: {email: "${{ trigger.email }}"}'
    async with Harness(
        [scenario(steps)], doubles={"shop.charge": charge}, registry=registry(), max_running=2
    ) as harness:
        accepted = [await harness.send({"email": str(n)}) for n in range(6)]
        await harness.clock.settle()
        states = [(await harness.look(a.runs[0])).state for a in accepted]
        assert states == ["running"] * 2 + ["queued"] * 4
        gate.set()
        for one in accepted:
            assert (await harness.result(one.runs[0], advance=60)).state == "succeeded"
        assert order == [str(n) for n in range(6)]


async def test_what_comes_later_does_not_overtake_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    gates = [asyncio.Event() for _ in range(4)]
    order: list[int] = []

    async def charge(config: Any) -> Any:
        order.append(int(config["email"]))
        await gates[int(config["email"])].wait()
        return {}

    steps = '- id: charge\n  module: shop.charge\n  with: {email: "${{ trigger.email }}"}'
    async with Harness(
        [scenario(steps)], doubles={"shop.charge": charge}, registry=registry(), max_running=1
    ) as harness:
        store, reading, read = harness.store, asyncio.Event(), asyncio.Event()
        look = store.queued_runs

        async def slowly(*arguments: Any) -> Any:
            found = await look(*arguments)
            reading.set()
            await read.wait()
            return found

        for n in range(3):
            await harness.send({"email": str(n)})
        await harness.clock.settle()
        assert order == [0]
        monkeypatch.setattr(store, "queued_runs", slowly)
        gates[0].set()
        await reading.wait()
        # there is room, and two are waiting for it
        late = await harness.send({"email": "3"})
        assert (await harness.look(late.runs[0])).state == "queued"
        read.set()
        for gate in gates:
            gate.set()
        assert (await harness.result(late.runs[0], advance=60)).state == "succeeded"
        assert order == [0, 1, 2, 3]


@pytest.mark.parametrize("kept", [0, 1, 1000])
async def test_what_was_queued_runs_the_same_from_memory_and_from_the_store(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "AT_HAND", kept)
    gate = asyncio.Event()
    seen: list[Any] = []

    async def charge(config: Any) -> Any:
        seen.append(config)
        await gate.wait()
        return {}

    steps = "- id: charge\n  module: shop.charge\n  with: {email: a, note: '${{ {t: trigger, q: request.method} }}'}"
    async with Harness(
        [scenario(steps)], doubles={"shop.charge": charge}, registry=registry(), max_running=1
    ) as harness:
        large = {"email": "a", "n": 1, "more": "x" * queue.AT_HAND_BYTES}
        accepted = [await harness.send(large if n == 1 else {"email": "a", "n": n}) for n in range(4)]
        assert len(harness.runner._queue._at_hand) == min(kept, 2), "the first has room, the second is too large"
        gate.set()
        for one in accepted:
            assert (await harness.result(one.runs[0], advance=60)).state == "succeeded"
        assert [config["note"]["t"]["n"] for config in seen] == [0, 1, 2, 3]
        assert len(harness.runner._queue._at_hand) == 0


async def test_what_the_store_does_not_take_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Harness([scenario(SET)], registry=registry()) as harness:

        def refuse(*_: object, **__: object) -> asyncio.Future[None]:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.set_exception(StoreError("no"))
            return future

        with monkeypatch.context() as broken:
            broken.setattr(harness.store, "put", refuse)
            with pytest.raises(StoreError):
                await harness.send({"email": "a"})
        await harness.clock.settle()
        assert await harness.store.runs(RunFilter()) == []
        assert (await harness.run({"email": "a"})).state == "succeeded"
