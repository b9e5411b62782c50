"""Yotpo's loyalty events reach Optimove under their names, once, whatever goes wrong on the way."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.store.records import DeliveryState
from engine.testing import CrashAt, RunResult, SimulatedHarness
from modules.optimove.loyalty import EVENTS as TWELVE
from modules.optimove.loyalty import NAMES, named
from modules.optimove.watch import WATCH_EVENTS
from tests.scenarios.conftest import EVENTS, SCENARIOS, Serve

FORWARD = "loyalty-to-optimove"
BOTH = "optimove-and-sms"
FILE = SCENARIOS / FORWARD / "scenario.yaml"
BODIES: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in sorted(EVENTS.iterdir())}
#: what Optimove has an event for
KNOWN = [name for name, body in BODIES.items() if named(body).event is not None]
OTHERS = sorted(BODIES.keys() - set(KNOWN))
ANA = "ana@example.com"
SEND = "optimove.send_event"
TOLD_SMS = "yotpo_messaging.create_or_update_custom_event"


def body(name: str, **changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(BODIES[name]), **changes}


def states(result: RunResult) -> list[tuple[str, str]]:
    return [(effect.key, str(effect.state)) for effect in sorted(result.effects, key=lambda effect: effect.position)]


def recorded(harness: SimulatedHarness) -> list[str]:
    return [event["event"] for event in harness.simulator("optimove").events]


def test_the_bodies_are_those_of_all_twelve() -> None:
    assert {event.name for name in KNOWN if (event := named(BODIES[name]).event)} == set(NAMES)
    assert len(OTHERS) == 4


@pytest.mark.parametrize("name", KNOWN)
async def test_an_event_is_sent_under_its_name_with_its_parameters(serve: Serve, name: str) -> None:
    async with serve("loyalty-to-optimove") as serving:
        receipt = await serving.post((EVENTS / f"{name}.json").read_bytes())
        outcome = await serving.outcome(receipt, FORWARD)
        assert (outcome.run.state, outcome.run.subject) == ("succeeded", ANA)
        [event] = serving.host.simulators.running["optimove"].events  # type: ignore[attr-defined] # of the simulator
        found = named(BODIES[name])
        assert found.event is not None
        assert (event["event"], event["customer"], event["context"]) == (found.event.name, ANA, found.context)
        stored = await serving.host.store.receipt(receipt)
        assert stored is not None
        assert abs(stored.received_at - _seconds(event["timestamp"])) < 0.002, "when it came, as Yotpo tells no time"
        assert outcome.output == {"sent": found.event.name, "id": "1147206418897270"}


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp.removesuffix(" UTC")).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("name", OTHERS)
async def test_what_optimove_has_no_event_for_is_not_sent_and_the_run_says_so(name: str) -> None:
    async with SimulatedHarness.of(FILE) as harness:
        result = await harness.run(BODIES[name])
        assert (result.state, result.message) == ("succeeded", "Optimove has no event for this topic")
        assert result.output == {"sent": None, "topic": BODIES[name]["topic"]}
        assert sum(harness.simulator("optimove").calls.values()) == 0


async def test_an_event_about_nobody_is_not_sent_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async with SimulatedHarness.of(FILE) as harness:
        customer = {key: value for key, value in BODIES["tier_earned"]["customer"].items() if key != "email"}
        result = await harness.run(body("tier_earned", email=None, customer=customer))
        assert (result.state, result.output) == ("succeeded", {"sent": None, "topic": "swell/tier/earned"})
        assert sum(harness.simulator("optimove").calls.values()) == 0
    [line] = [record for record in caplog.records if record.name == "engine.log"]
    assert (line.levelname, line.entry["fields"]) == ("WARNING", {"topic": "swell/tier/earned"})  # type: ignore[attr-defined] # given as `extra`


async def test_a_text_that_is_too_long_is_cut_and_the_step_says_so() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        result = await harness.run(body("points_changed", points_changed_reason="r" * 300))
        assert result.state == "succeeded"
        [event] = harness.simulator("optimove").events
        assert event["context"]["points_changed_reason"] == "r" * 255
        [effect] = result.effects
        assert "points_changed_reason has 300 characters" in str(effect)


async def test_what_is_not_set_up_in_optimove_is_held_and_goes_on_when_it_is() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        catalogue = harness.simulator("optimove").catalogue
        kept = catalogue.pop("vip_tier_earned")
        [run] = (await harness.send(BODIES["tier_earned"])).runs
        held = await harness.result(run, advance=3600)
        assert (held.state, states(held)) == ("held", [("send#1", "refused")])
        assert "event vip_tier_earned is not configured" in held.holds[0]["message"]
        catalogue["vip_tier_earned"] = kept
        after = await harness.resume(run, "again", reason="the event is set up now")
        assert (after.state, recorded(harness)) == ("succeeded", ["vip_tier_earned"])


async def test_an_answer_that_got_lost_is_held_and_the_event_is_not_sent_twice() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        harness.lose_answers("optimove")
        [run] = (await harness.send(BODIES["tier_earned"])).runs
        held = await harness.result(run, advance=3600)
        assert (held.state, held.holds[0]["code"], states(held)) == ("held", "unknown", [("send#1", "unknown")])
        # a person has found it in Optimove
        output = {"id": "1147206418897270", "event": "vip_tier_earned", "timestamp": "2024-03-05 09:00:00.000 UTC"}
        after = await harness.resume(run, "happened", output=output, reason="seen in Optimove")
        assert (after.state, recorded(harness)) == ("succeeded", ["vip_tier_earned"])


async def test_too_many_events_at_once_wait_for_their_turn() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        harness.simulator("optimove").fail_next(429, times=2)
        [run] = (await harness.send(BODIES["tier_earned"])).runs
        result = await harness.result(run, advance=60)
        assert states(result) == [("send#1", "refused"), ("send#2", "refused"), ("send#3", "done")]
        assert recorded(harness) == ["vip_tier_earned"]


@dataclass
class Crashed:
    """What is there when a process has died, and another has gone on."""

    result: RunResult
    happened: bool
    optimove: list[str]
    messaging: int


async def _crashed(name: str, point: str, nth: int = 1) -> Crashed:
    harness = SimulatedHarness.of(SCENARIOS / name / "scenario.yaml")
    faults = CrashAt(point, nth)
    try:
        [result] = await harness.crash(faults, BODIES["tier_earned"])
        told = harness.simulator("yotpo_messaging").events
        return Crashed(result, faults.crashed, recorded(harness), len(told))
    finally:
        await harness.stop()


#: where a run of this scenario can die, and whether what became of the event is then known
BOUNDARIES = {
    "receipt.accepted": True,
    "run.claimed": True,
    "turn.taken": True,
    "effect.intended": False,
    "effect.sent": False,
    "effect.settled": False,
    "run.ending": False,
    "run.moved": True,
}


@pytest.mark.parametrize(("point", "known"), BOUNDARIES.items())
async def test_a_crash_at_a_boundary_sends_no_event_twice(point: str, known: bool) -> None:
    after = await _crashed(FORWARD, point)
    assert after.happened, f"{point} is not reached"
    if known:
        assert (after.result.state, after.optimove) == ("succeeded", ["vip_tier_earned"])
    else:
        # nothing can be asked, so that nothing is repeated: a person says what became of it
        assert (after.result.state, [hold["code"] for hold in after.result.holds]) == ("held", ["unknown"])
        assert after.optimove == ([] if point == "effect.intended" else ["vip_tier_earned"])


# ---- the receiving direction


@pytest.mark.parametrize("name", sorted(BODIES))
async def test_yotpos_body_starts_the_named_event(serve: Serve, name: str) -> None:
    async with serve("optimove-and-sms") as serving:
        receipt = await serving.post((EVENTS / f"{name}.json").read_bytes())
        running = serving.host.simulators.running
        if name in OTHERS:
            delivery = (await serving.deliveries(receipt))[BOTH]
            assert delivery.state is DeliveryState.FILTERED
            assert not running["optimove"].calls  # type: ignore[attr-defined] # of the simulator
            return
        outcome = await serving.outcome(receipt, BOTH)
        assert (outcome.run.state, outcome.run.subject) == ("succeeded", ANA), outcome.run
        found = named(BODIES[name])
        assert found.event is not None
        [event] = running["optimove"].events  # type: ignore[attr-defined] # of the simulator
        assert (event["event"], event["context"]) == (found.event.name, found.context)
        [told] = running["yotpo_messaging"].events.values()  # type: ignore[attr-defined] # of the simulator
        assert (told["action_name"], told["event_properties"]) == (found.event.name, found.context)
        assert told["customer"] == {"email": ANA}


async def test_an_event_about_nobody_is_rejected_with_the_reason(serve: Serve) -> None:
    async with serve(BOTH) as serving:
        receipt = await serving.post(b'{"topic": "swell/points/earned", "perk": {"reward_points": 5}}')
        delivery = (await serving.deliveries(receipt))[BOTH]
        assert delivery.state is DeliveryState.REJECTED
        assert delivery.reason is not None
        assert "'Points Earned' has no customer" in delivery.reason


async def test_one_that_fails_does_not_hold_up_the_other() -> None:
    async with SimulatedHarness.of(SCENARIOS / BOTH / "scenario.yaml") as harness:
        harness.lose_answers("optimove")
        [run] = (await harness.send(BODIES["tier_earned"])).runs
        held = await harness.result(run, advance=3600)
        assert (held.state, held.holds[0]["step"]) == ("held", "optimove")
        assert dict(states(held))["sms#1"] == "done"
        assert len(harness.simulator("yotpo_messaging").events) == 1
        assert recorded(harness) == ["vip_tier_earned"]


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("point", ["effect.intended", "effect.sent", "effect.settled", "run.ending"])
async def test_a_crash_tells_neither_of_them_twice(point: str, nth: int) -> None:
    after = await _crashed(BOTH, point, nth)
    assert len(after.optimove) <= 1
    assert after.messaging == 1, "the same event again overwrites itself"
    assert after.result.state == ("succeeded" if after.optimove and not after.result.holds else "held")


def test_the_guides_twelve_are_what_can_be_watched() -> None:
    items = WATCH_EVENTS.config["properties"]["events"]["items"]
    assert items["enum"] == [event.name for event in TWELVE]


def test_the_events_beside_it_are_one_that_is_sent_and_one_that_is_not() -> None:
    beside = [json.loads(path.read_text()) for path in sorted((SCENARIOS / FORWARD).glob("*event.json"))]
    assert all(one in BODIES.values() for one in beside)
    made = [named(one).event for one in beside]
    assert [event.name if event else None for event in made] == ["vip_tier_earned", None]
