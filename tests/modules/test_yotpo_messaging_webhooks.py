"""Webhook subscriptions of the Core API against the SMS & Email simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from engine import (
    DataError,
    Happened,
    Json,
    NotFound,
    PageSize,
    Probe,
    ProbeResult,
    VendorError,
    WebhookSample,
    WebhookSender,
)
from engine.store.records import DeliveryState
from engine.testing import SimulatedHarness
from modules.yotpo_core import webhooks as w
from modules.yotpo_core.names import PAGES, WEBHOOK_KEYS
from modules.yotpo_loyalty.events import TOPICS
from modules.yotpo_messaging.connection import CONNECTION
from modules.yotpo_messaging.simulator import MessagingSimulator
from modules.yotpo_messaging.simulator.webhooks import EVENT_TYPES
from tests.modules.bench import Bench, bench, fixture
from tests.runtime.doubles import HandClock

URL = "https://hooks.example.com/hooks/one"
TYPES = ["swell/points/changed", "swell/tier/earned"]
SENT_AT = datetime(2024, 3, 5, tzinfo=UTC)


@pytest.fixture
def simulator(clock: HandClock) -> MessagingSimulator:
    return MessagingSimulator(clock, per_second=None)


@pytest.fixture
async def yotpo(simulator: MessagingSimulator, clock: HandClock) -> AsyncIterator[Bench]:
    async with bench(simulator, CONNECTION, clock) as connected:
        yield connected


@pytest.fixture
def sent(simulator: MessagingSimulator) -> list[WebhookSample]:
    taken: list[WebhookSample] = []
    simulator.send = taken.append
    return taken


async def subscribe(yotpo: Bench, url: str = URL, types: list[str] = TYPES) -> tuple[Any, Any, Any]:
    """The three steps; gives the three identifiers."""
    target: Any = await yotpo.run(w.CREATE_WEBHOOK_TARGET, {"url": url})
    passing: Any = await yotpo.run(w.CREATE_WEBHOOK_FILTER, {"event_types": types})
    joined: Any = await yotpo.run(
        w.CREATE_WEBHOOK_SUBSCRIPTION, {"target_id": target["id"], "filter_id": passing["id"]}
    )
    return target["id"], passing["id"], joined["id"]


# ---------------------------------------------------------------------- the three steps


@pytest.mark.parametrize(
    ("module", "config", "name"),
    [
        (w.CREATE_WEBHOOK_TARGET, {"url": "https://hooks.example.com/yotpo"}, "target"),
        (w.CREATE_WEBHOOK_FILTER, {"event_types": TYPES}, "filter"),
        (w.CREATE_WEBHOOK_SUBSCRIPTION, {"target_id": 1, "filter_id": 2}, "subscription"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_the_bodies_are_those_that_were_seen(module: Any, config: Any, name: str, yotpo: Bench) -> None:
    path = f"/core/v3/stores/simulated-store/webhooks/{name}s"
    assert await yotpo.sent(module, config) == ("POST", path, fixture(f"rest/core_webhook_{name}_request.json"))


async def test_a_subscription_is_made_listed_and_deleted(yotpo: Bench, simulator: MessagingSimulator) -> None:
    assert await subscribe(yotpo) == (1, 2, 3)
    assert await yotpo.find(w.FIND_WEBHOOK_TARGETS, {}) == [{"id": 1, "url": URL}]
    assert await yotpo.find(w.FIND_WEBHOOK_FILTERS, {}) == [
        {"id": 2, "event_types": [{"event_type": one} for one in TYPES]}
    ]
    assert await yotpo.find(w.FIND_WEBHOOK_SUBSCRIPTIONS, {}) == [{"id": 3, "target_id": 1, "filter_id": 2}]
    with pytest.raises(DataError, match="answered 400"):
        await yotpo.run(w.DELETE_WEBHOOK_TARGET, {"target_id": 1})
    assert await yotpo.run(w.DELETE_WEBHOOK_SUBSCRIPTION, {"subscription_id": 3}) == {"deleted": True}
    assert await yotpo.run(w.DELETE_WEBHOOK_SUBSCRIPTION, {"subscription_id": 3}) == {"deleted": False}
    assert await yotpo.run(w.DELETE_WEBHOOK_TARGET, {"target_id": "1"}) == {"deleted": True}
    assert await yotpo.run(w.DELETE_WEBHOOK_FILTER, {"filter_id": 2}) == {"deleted": True}
    assert not any(shelf.things for shelf in simulator.subscriptions.shelves.values())


async def test_a_target_gets_another_url_and_keeps_its_subscriptions(yotpo: Bench) -> None:
    target, _, joined = await subscribe(yotpo)
    new = "https://hooks.example.com/hooks/two"
    assert await yotpo.run(w.UPDATE_WEBHOOK_TARGET, {"target_id": target, "url": new}) == {"id": target, "url": new}
    assert await yotpo.find(w.FIND_WEBHOOK_TARGETS, {}) == [{"id": target, "url": new}]
    assert [one["id"] for one in await yotpo.find(w.FIND_WEBHOOK_SUBSCRIPTIONS, {})] == [joined]
    with pytest.raises(NotFound):
        await yotpo.run(w.UPDATE_WEBHOOK_TARGET, {"target_id": 77, "url": new})


async def test_lists_go_on_over_pages(yotpo: Bench) -> None:
    one_by_one = replace(PAGES, size=PageSize("limit", 1))
    for number in range(3):
        await yotpo.run(w.CREATE_WEBHOOK_TARGET, {"url": f"{URL}{number}"})
    finding = replace(w.FIND_WEBHOOK_TARGETS, paging=one_by_one)
    assert [one["id"] for one in await yotpo.find(finding, {})] == [1, 2, 3]
    assert isinstance(w.CREATE_WEBHOOK_TARGET.probe, Probe)
    creating = replace(w.CREATE_WEBHOOK_TARGET, probe=replace(w.CREATE_WEBHOOK_TARGET.probe, paging=one_by_one))
    found = await yotpo.probe(creating, {"url": f"{URL}2"}, SENT_AT)
    assert found == Happened({"id": 3, "url": f"{URL}2"})


# ---------------------------------------------------------------------- what is not known


PROBED = [
    (w.CREATE_WEBHOOK_TARGET, {"url": URL}, {"url": f"{URL}x"}),
    (w.CREATE_WEBHOOK_FILTER, {"event_types": TYPES[::-1]}, {"event_types": TYPES[:1]}),
    (w.CREATE_WEBHOOK_SUBSCRIPTION, {"target_id": "1", "filter_id": 2}, {"target_id": 2, "filter_id": 1}),
]


@pytest.mark.parametrize(("module", "made", "other"), PROBED)
async def test_what_got_lost_is_looked_for(module: Any, made: Json, other: Json, yotpo: Bench) -> None:
    assert await yotpo.probe(module, made, SENT_AT) is ProbeResult.ABSENT
    await subscribe(yotpo)
    assert isinstance(await yotpo.probe(module, made, SENT_AT), Happened)
    assert await yotpo.probe(module, other, SENT_AT) is ProbeResult.ABSENT


async def test_one_that_is_there_is_not_made_again_because_its_identifier_is_not_shown(
    yotpo: Bench, simulator: MessagingSimulator
) -> None:
    await yotpo.find(w.FIND_WEBHOOK_TARGETS, {})  # fetches the token
    for shown in ({"id": None, "url": URL}, {"url": URL}):
        simulator.fail_next(200, body={"webhook_targets": [7, shown]})
        assert await yotpo.probe(w.CREATE_WEBHOOK_TARGET, {"url": URL}, SENT_AT) == Happened(shown)


async def test_a_list_that_cannot_be_read_says_nothing(yotpo: Bench, simulator: MessagingSimulator) -> None:
    await subscribe(yotpo)
    for status, body in ((404, None), (200, {"data": []})):
        simulator.fail_next(status, body=body)
        with pytest.raises((NotFound, VendorError)):
            await yotpo.probe(w.CREATE_WEBHOOK_TARGET, {"url": URL}, SENT_AT)


@pytest.mark.parametrize("answer", [{}, {"webhook_target": {"url": URL}}, {"webhook_target": 1}, []])
async def test_an_answer_without_an_id_is_no_refusal(yotpo: Bench, simulator: MessagingSimulator, answer: Json) -> None:
    await subscribe(yotpo, f"{URL}/other")
    simulator.fail_next(200, applied=True, body=answer)
    call = yotpo.call({"url": URL})
    assert await yotpo.carry_out(w.CREATE_WEBHOOK_TARGET, call) is None
    [warning] = call.warnings
    assert "has no id under 'webhook_target' (if it has another name there, set target in webhook_keys" in warning
    assert len(simulator.subscriptions.shelves["target"].things) == 2


async def test_an_answer_without_its_wrapper_is_taken(yotpo: Bench, simulator: MessagingSimulator) -> None:
    await subscribe(yotpo, f"{URL}/other")
    simulator.fail_next(200, body={"id": "t-1", "url": URL})
    assert await yotpo.run(w.CREATE_WEBHOOK_TARGET, {"url": URL}) == {"id": "t-1", "url": URL}


async def test_a_connection_sets_paths_keys_and_verb(simulator: MessagingSimulator, clock: HandClock) -> None:
    changes = {
        "webhook_paths": {"target": "/hooks/{id}"},
        "webhook_keys": {"target": "target"},
        "webhook_update_method": "PUT",
    }
    async with bench(simulator, CONNECTION, clock, changes) as connected:
        with pytest.raises(DataError, match="target"):
            await connected.run(w.CREATE_WEBHOOK_TARGET, {"url": URL})
        with pytest.raises(NotFound):
            await connected.run(w.UPDATE_WEBHOOK_TARGET, {"target_id": "a/b", "url": URL})
    assert simulator.calls["PUT /core/v3/stores/simulated-store/hooks/a/b"] == 1


# ---------------------------------------------------------------------- what is delivered


def test_every_topic_of_the_loyalty_program_can_be_asked_for(simulator: MessagingSimulator) -> None:
    assert isinstance(simulator, WebhookSender)
    assert set(TOPICS) < EVENT_TYPES
    identities = [one.headers["eventid"] for one in simulator.webhooks.values()]
    assert len(set(identities)) == len(identities)


async def test_only_what_is_subscribed_to_is_sent(
    yotpo: Bench, simulator: MessagingSimulator, sent: list[WebhookSample]
) -> None:
    assert simulator.subscriptions.happen("tier_earned") == []
    await subscribe(yotpo)
    await subscribe(yotpo, f"{URL}/all", [*TYPES, "review_create"])
    assert simulator.subscriptions.happen("tier_earned") == [URL, f"{URL}/all"]
    assert simulator.subscriptions.happen("review_create") == [f"{URL}/all"]
    assert simulator.subscriptions.happen("tier_lost") == []
    assert [one.body.get("topic") for one in sent] == ["swell/tier/earned", "swell/tier/earned", None]
    assert sent[0].headers == sent[1].headers != sent[2].headers


async def test_a_person_can_let_an_event_happen(
    yotpo: Bench, simulator: MessagingSimulator, sent: list[WebhookSample]
) -> None:
    await subscribe(yotpo)
    answer = await yotpo.http.request("POST", "/_simulator/webhooks", json={"webhook": "points_changed", "times": 2})
    assert answer.json() == {"sent_to": [URL]}
    assert len(sent) == 2
    with pytest.raises(DataError):
        await yotpo.http.request("POST", "/_simulator/webhooks", json={"webhook": "tier_erned"})
    stored = (await yotpo.http.request("GET", "/_simulator/webhooks")).json()
    assert list(stored) == [f"{name}s" for name in WEBHOOK_KEYS if not name.endswith("s")]


LISTENING = """
scenario: tiers
trigger:
  module: yotpo_loyalty.watch_loyalty_events
  with: {events: [swell/tier/earned]}
steps:
  - set: {who: "${{ trigger.email }}"}
"""

ATTACHING = """
scenario: attaching
trigger: {module: http.watch_webhook}
steps:
  - id: target
    module: yotpo_messaging.create_webhook_target
    connection: messaging
    with: {url: "https://hooks.example.com/hooks/one"}
  - id: passing
    module: yotpo_messaging.create_webhook_filter
    connection: messaging
    with: {event_types: [swell/tier/earned]}
  - id: joined
    module: yotpo_messaging.create_webhook_subscription
    connection: messaging
    with:
      target_id: ${{ target.id }}
      filter_id: ${{ passing.id }}
"""


async def test_an_event_with_an_equal_eventid_is_a_duplicate(
    yotpo: Bench, simulator: MessagingSimulator, sent: list[WebhookSample]
) -> None:
    await subscribe(yotpo)
    simulator.subscriptions.happen("tier_earned", times=2)
    simulator.subscriptions.happen("tier_earned")
    async with SimulatedHarness([LISTENING]) as harness:
        became = [
            delivery.state
            for one in sent
            for delivery in (await harness.send(one.body, headers=one.headers)).deliveries
        ]
    assert became == [DeliveryState.RUN, DeliveryState.DUPLICATE, DeliveryState.RUN]


async def test_a_scenario_subscribes_once_though_answers_get_lost() -> None:
    async with SimulatedHarness([ATTACHING]) as harness:
        vendor = harness.simulator("yotpo_messaging")
        shelves = vendor.subscriptions.shelves
        [first] = (await harness.send({})).runs
        assert (await harness.result(first)).state == "succeeded"
        for shelf in shelves.values():
            shelf.things.clear()
        # the token is there by now, so that it is the target whose answer gets lost
        harness.lose_answers("yotpo_messaging")
        [run] = (await harness.send({})).runs
        result = await harness.result(run, advance=30)
        assert (result.state, {effect.settled_by for effect in result.effects}) == ("succeeded", {"vendor", "probe"})
        assert {kind: len(shelf.things) for kind, shelf in shelves.items()} == dict.fromkeys(shelves, 1)
