"""Subscribers, lists and forms against the SMS & Email simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from engine import DataError, Effect, Happened, NotFound, PageSize, ProbeResult, VendorError
from engine.runtime.declared import PROBED_PAGES
from modules.yotpo_core.names import PAGES
from modules.yotpo_messaging.connection import CONNECTION, MESSAGING_KEYS, MESSAGING_PATHS, VISIBLE_AFTER
from modules.yotpo_messaging.customers import CREATE_OR_UPDATE_CUSTOMER, RETRIEVE_CUSTOMER
from modules.yotpo_messaging.lists import (
    ADD_LIST_CONTACTS,
    CREATE_LIST,
    FIND_LISTS,
    REMOVE_LIST_CONTACTS,
    RETRIEVE_LIST,
)
from modules.yotpo_messaging.simulator import MessagingSimulator
from modules.yotpo_messaging.simulator.subscribers import FIRST_LIST
from modules.yotpo_messaging.subscribers import CREATE_OR_UPDATE_SUBSCRIBER, FIND_SUBSCRIPTION_FORMS
from tests.modules.bench import Bench, bench, fixture, problems
from tests.runtime.doubles import HandClock

MODULE = CREATE_OR_UPDATE_SUBSCRIBER
SUBSCRIBERS = "/messaging/v3/stores/simulated-store/subscribers"
NEW = "+15550177"
OPT_IN: dict[str, Any] = {
    "customer": {"phone": NEW, "first_name": "Cleo"},
    "channels": {"sms": {"consent": "subscribed", "list_id": FIRST_LIST, "source": "creator_hub"}},
}


@pytest.fixture
def clock() -> HandClock:
    return HandClock(1_709_629_200.0)


@pytest.fixture
def simulator(clock: HandClock) -> MessagingSimulator:
    return MessagingSimulator(clock, per_second=None)


@pytest.fixture
async def yotpo(simulator: MessagingSimulator, clock: HandClock) -> AsyncIterator[Bench]:
    async with bench(simulator, CONNECTION, clock) as connected:
        yield connected


# ------------------------------------------------------------------ the opt-in


async def test_the_body_is_the_documented_one(yotpo: Bench, simulator: MessagingSimulator) -> None:
    body = fixture("rest/messaging_subscriber_request.json")
    assert await yotpo.sent(MODULE, body) == ("POST", SUBSCRIBERS, body)


async def test_an_opt_in_shows_with_the_customer_a_minute_later(
    yotpo: Bench, simulator: MessagingSimulator, clock: HandClock
) -> None:
    output = await yotpo.run(MODULE, OPT_IN)
    assert output == {"visible_at": "2024-03-05T09:01:00.000Z"}
    assert simulator.subscribers.welcomed == [("sms", NEW)]
    assert simulator.subscribers.contacts[str(FIRST_LIST)] == {NEW}
    with pytest.raises(NotFound):
        await yotpo.run(RETRIEVE_CUSTOMER, {"phone_number": NEW})
    clock.advance(VISIBLE_AFTER)
    customer = await yotpo.run(RETRIEVE_CUSTOMER, {"phone_number": NEW})
    assert customer["channels"]["sms"]["marketing"]["consent"] == "subscribed"
    assert customer["channels"]["email"]["marketing"]["consent"] == "never_subscribed"
    assert [one["id"] for one in customer["lists"]] == [FIRST_LIST]
    assert customer["first_name"] == "Cleo"


async def test_who_is_subscribed_already_is_not_welcomed_again_and_flags_are_texts(
    yotpo: Bench, simulator: MessagingSimulator, clock: HandClock
) -> None:
    await yotpo.run(MODULE, {**OPT_IN, "skip_welcome_messages": True})
    assert simulator.subscribers.welcomed == []
    clock.advance(VISIBLE_AFTER)
    await yotpo.run(MODULE, OPT_IN)
    assert simulator.subscribers.welcomed == []


async def test_an_opt_in_before_the_customer_shows_is_refused(
    yotpo: Bench, simulator: MessagingSimulator, clock: HandClock
) -> None:
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {"phone_number": NEW, "first_name": "Cleo"})
    with pytest.raises(DataError) as caught:
        await yotpo.run(MODULE, OPT_IN)
    assert caught.value.refused
    clock.advance(VISIBLE_AFTER - 1)
    with pytest.raises(DataError):
        await yotpo.run(MODULE, OPT_IN)
    clock.advance(1)
    await yotpo.run(MODULE, OPT_IN)
    assert simulator.subscribers.welcomed == [("sms", NEW)]


async def test_an_email_is_suppressed_under_the_names_of_the_connection(
    simulator: MessagingSimulator, clock: HandClock
) -> None:
    changes = {"messaging_keys": {"suppression_reason": "suppress_reason", "subscriber": "subscriber"}}
    suppression = {
        "suppress_email": True,
        "suppression_reason": "hard_bounce",
        "suppression_timestamp": "2024-03-05T09:00:00.000Z",
    }
    config = {
        "customer": {"email": "ana@example.com"},
        "channels": {"email": {"consent": "unsubscribed", **suppression}},
    }
    async with bench(simulator, CONNECTION, clock) as yotpo:
        await yotpo.run(MODULE, config)
        clock.advance(VISIBLE_AFTER)
        customer = await yotpo.run(RETRIEVE_CUSTOMER, {"email": "ana@example.com"})
        assert customer["channels"]["email"]["marketing"]["suppressions"] == [{"reason": "hard_bounce"}]
    async with bench(MessagingSimulator(clock), CONNECTION, clock, changes) as yotpo:
        _, _, body = await yotpo.sent(MODULE, config)
    assert body["subscriber"]["channels"]["email"] == {
        "consent": "unsubscribed",
        "suppress_email": "true",
        "suppress_reason": "hard_bounce",
        "suppression_timestamp": "2024-03-05T09:00:00.000Z",
    }


REFUSED: list[dict[str, Any]] = [
    {"customer": {}},
    {"customer": {"first_name": "Cleo"}},
    {"customer": {"email": "cleo@example.com"}},
    {"customer": {"phone": "5550177"}},
    {"customer": {"phone": "+1234567890123456"}},
    {"customer": {"phone": NEW, "external_id": "7"}},
    {"channels": {}},
    {"channels": {"sms": {}}},
    {"channels": {"sms": {"consent": "yes"}}},
    {"channels": {"sms": {"consent": "subscribed", "source": "us"}}},
    {"channels": {"sms": {"consent": "subscribed", "source": "s" * 41}}},
    {"channels": {"sms": {"consent": "subscribed", "list_id": True}}},
    {"channels": {"sms": {"consent": "subscribed", "suppress_email": "true"}}},
    {"channels": {"push": {"consent": "subscribed"}}},
    {"channels": {"sms": {"consent": "subscribed"}, "email": {"consent": "subscribed"}}},
    {"skip_welcome_messages": "yes"},
    {"double_opt_in": 1},
    {"list_id": FIRST_LIST},
]


@pytest.mark.parametrize("change", REFUSED, ids=str)
async def test_what_breaks_a_rule_is_refused_by_the_schema_and_by_the_simulator_alike(
    yotpo: Bench, simulator: MessagingSimulator, change: dict[str, Any]
) -> None:
    assert problems({**OPT_IN, **change}, MODULE.config)
    with pytest.raises(DataError) as caught:
        await yotpo.http.request("POST", SUBSCRIBERS, json={**OPT_IN, **change})
    assert (caught.value.status, caught.value.refused) == (400, True)
    assert simulator.subscribers.welcomed == []


async def test_the_older_body_with_a_wrapper_and_a_list_that_is_not_there_are_refused(yotpo: Bench) -> None:
    with pytest.raises(DataError):
        await yotpo.http.request("POST", SUBSCRIBERS, json=fixture("rest/messaging_subscriber_request_old_shape.json"))
    sms = {"consent": "subscribed", "list_id": 7}
    with pytest.raises(NotFound) as caught:
        await yotpo.run(MODULE, {**OPT_IN, "channels": {"sms": sms}})
    assert caught.value.refused


def test_only_what_welcomes_nobody_may_be_repeated() -> None:
    unsubscribed = {"channels": {"sms": {"consent": "unsubscribed"}}}
    assert MODULE.effect_of(OPT_IN) is Effect.WRITE
    assert MODULE.effect_of({**OPT_IN, **unsubscribed}) is Effect.IDEMPOTENT
    assert MODULE.effect_of({**OPT_IN, "skip_welcome_messages": True}) is Effect.IDEMPOTENT
    assert MODULE.effect_of({**OPT_IN, "skip_welcome_messages": True, "double_opt_in": True}) is Effect.WRITE
    assert MODULE.probed_after(OPT_IN) == VISIBLE_AFTER
    assert MODULE.probed_after({**OPT_IN, "double_opt_in": True}) is None


async def test_the_probe_looks_for_consent_and_list(yotpo: Bench, clock: HandClock) -> None:
    sent_at = datetime.fromtimestamp(clock.time(), UTC)
    assert await yotpo.probe(MODULE, OPT_IN, sent_at) is ProbeResult.ABSENT
    sms = {"consent": "subscribed", "source": "creator_hub"}
    await yotpo.run(MODULE, {**OPT_IN, "channels": {"sms": sms}})
    clock.advance(VISIBLE_AFTER)
    assert await yotpo.probe(MODULE, OPT_IN, sent_at) is ProbeResult.ABSENT, "it is not on the list"
    await yotpo.run(MODULE, OPT_IN)
    clock.advance(VISIBLE_AFTER)
    assert await yotpo.probe(MODULE, OPT_IN, sent_at) == Happened({"visible_at": "2024-03-05T09:01:00.000Z"})


# ------------------------------------------------------------------ lists and forms


async def test_a_list_is_created_found_read_filled_and_emptied(yotpo: Bench, simulator: MessagingSimulator) -> None:
    created = await yotpo.run(CREATE_LIST, {"name": "Ambassadors"})
    assert await yotpo.find(FIND_LISTS, {"name": "Ambassadors"}) == [created]
    assert len(await yotpo.find(FIND_LISTS, {})) == 2
    assert await yotpo.run(RETRIEVE_LIST, {"list_id": created["id"]}) == created
    contacts = [{"phone": NEW}, {"email": "ben@example.com"}]
    for _ in range(2):
        assert await yotpo.run(ADD_LIST_CONTACTS, {"list_id": created["id"], "contacts": contacts}) == {"contacts": 2}
    assert simulator.subscribers.contacts[str(created["id"])] == {NEW, "ben@example.com"}
    for _ in range(2):
        await yotpo.run(REMOVE_LIST_CONTACTS, {"list_id": created["id"], "contacts": contacts[:1]})
    assert simulator.subscribers.contacts[str(created["id"])] == {"ben@example.com"}
    with pytest.raises(NotFound):
        await yotpo.run(ADD_LIST_CONTACTS, {"list_id": "other/one", "contacts": contacts})


async def test_a_list_that_does_not_show_is_no_proof_before_changes_do_and_pages_in_a_circle_end(
    yotpo: Bench, simulator: Any
) -> None:
    """A look that comes too early would create the list again."""
    assert CREATE_LIST.probed_after({"name": "New"}) == VISIBLE_AFTER
    sent_at = datetime.fromtimestamp(yotpo.clock.time(), UTC)
    await yotpo.find(FIND_LISTS, {})  # fetches the token
    for number in range(PROBED_PAGES):
        simulator.fail_next(200, body={"lists": [], "pagination": {"next_page_info": str(number % 2)}})
    assert await yotpo.probe(CREATE_LIST, {"name": "New"}, sent_at) is ProbeResult.UNKNOWN


async def test_lists_are_read_page_by_page(yotpo: Bench) -> None:
    for name in ("A", "B", "C"):
        await yotpo.run(CREATE_LIST, {"name": name})
    by_two = replace(FIND_LISTS, paging=replace(PAGES, size=PageSize("limit", 2)))
    assert [one["name"] for one in await yotpo.find(by_two, {})] == ["Creators", "A", "B", "C"]


@pytest.mark.parametrize(
    "contacts", [[], [{}], [{"phone": NEW, "email": "ben@example.com"}], [{"phone": "1"}], [{"id": 1}]]
)
async def test_contacts_are_named_by_one_address(yotpo: Bench, contacts: list[Any]) -> None:
    assert problems({"list_id": FIRST_LIST, "contacts": contacts}, ADD_LIST_CONTACTS.config)
    path = f"/messaging/v3/stores/simulated-store/lists/{FIRST_LIST}/contacts"
    with pytest.raises(DataError):
        await yotpo.http.request("POST", path, json={"contacts": contacts})


async def test_a_list_whose_answer_got_lost_is_looked_for_by_its_name(yotpo: Bench, clock: HandClock) -> None:
    sent_at = datetime.fromtimestamp(clock.time(), UTC)
    assert await yotpo.probe(CREATE_LIST, {"name": "New"}, sent_at) is ProbeResult.ABSENT
    created = await yotpo.run(CREATE_LIST, {"name": "New"})
    assert await yotpo.probe(CREATE_LIST, {"name": "New"}, sent_at) == Happened(created)


@pytest.mark.parametrize("lists", [["New"], [{"id": 1, "title": "New"}], [{"id": 1, "name": "Old"}, None]])
async def test_lists_that_show_no_names_are_no_proof_that_one_was_not_created(
    yotpo: Bench, simulator: MessagingSimulator, lists: list[Any]
) -> None:
    await yotpo.find(FIND_LISTS, {})  # fetches the token
    simulator.fail_next(200, body={"lists": lists})
    with pytest.raises(VendorError):
        await yotpo.probe(CREATE_LIST, {"name": "New"}, datetime.fromtimestamp(yotpo.clock.time(), UTC))


async def test_published_forms_are_listed(yotpo: Bench, simulator: MessagingSimulator) -> None:
    simulator.subscribers.forms.append({"id": "form-2", "name": "Pop-up", "status": "draft"})
    assert [one["id"] for one in await yotpo.find(FIND_SUBSCRIPTION_FORMS, {})] == ["form-1"]


async def test_an_answer_under_another_name_says_where_to_set_it(yotpo: Bench, simulator: MessagingSimulator) -> None:
    await yotpo.find(FIND_LISTS, {})  # fetches the token
    simulator.fail_next(200, body={"data": []})
    with pytest.raises(VendorError) as caught:
        await yotpo.find(FIND_LISTS, {})
    assert "set lists in messaging_keys of the connection" in str(caught.value)


def test_what_is_inferred_can_be_set_on_the_connection() -> None:
    fields = CONNECTION.fields["properties"]
    assert set(fields["messaging_paths"]["properties"]) == set(MESSAGING_PATHS)
    assert set(fields["messaging_keys"]["properties"]) == set(MESSAGING_KEYS)
    connection = {"store_id": "s", "secret": "x", "base_url": "https://api.yotpo.com/core/v3/stores/s"}
    assert problems(connection, CONNECTION.fields), "the store's part is no longer in it"
