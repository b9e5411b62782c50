"""The customer modules against the SMS & Email simulator, which shows a change after a minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

import engine
from engine import AuthError, DataError, Effect, NotFound, VendorError
from modules.yotpo_messaging.connection import CONNECTION, VISIBLE_AFTER
from modules.yotpo_messaging.customers import CREATE_OR_UPDATE_CUSTOMER, FIND_CUSTOMERS, RETRIEVE_CUSTOMER
from modules.yotpo_messaging.simulator import DEBUG_CUSTOMERS, MessagingSimulator
from tests.modules.bench import Bench, bench, fixture, problems
from tests.runtime.doubles import HandClock

CUSTOMERS = "/core/v3/stores/simulated-store/customers"


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


def written(simulator: MessagingSimulator, **wanted: Any) -> dict[str, Any]:
    """The customer as he was last written, whether it shows yet or not."""
    [found] = [one for one in simulator.customers.latest() if wanted.items() <= one.items()]
    return dict(found)


async def find(yotpo: Bench, config: dict[str, Any]) -> list[Any]:
    """All pages of the search."""
    assert problems(config, FIND_CUSTOMERS.config) == []
    found: list[Any] = []
    cursor = None
    while True:
        page = await FIND_CUSTOMERS.page(yotpo.call(config), cursor)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            assert problems(found, FIND_CUSTOMERS.output_schema(config)) == []
            return found


# ------------------------------------------------------------------ writing


async def test_every_field_arrives_under_its_documented_name(yotpo: Bench, simulator: MessagingSimulator) -> None:
    customer = fixture("rest/core_patch_customer_request.json")["customer"]
    more = {"phone_number": "+15550100", "custom_properties": {"follower_count": 1200, "vip": True, "tier": "GOLD"}}
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {**customer, **more})
    assert {**customer, **more}.items() <= written(simulator, external_id="700100").items()
    assert set(CREATE_OR_UPDATE_CUSTOMER.config["properties"]) == {*customer, *more}


async def test_what_is_sent_is_wrapped_in_customer(yotpo: Bench) -> None:
    sent = await yotpo.sent(CREATE_OR_UPDATE_CUSTOMER, {"email": "ana@example.com"})
    assert sent == ("PATCH", CUSTOMERS, {"customer": {"email": "ana@example.com"}})


@pytest.mark.parametrize(
    ("tags", "sent"),
    [(["vip", "loyal"], "vip,loyal"), ("vip,loyal", "vip,loyal"), ([], "")],
)
async def test_tags_are_sent_as_one_text(yotpo: Bench, simulator: MessagingSimulator, tags: Any, sent: str) -> None:
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {"external_id": "7", "tags": tags})
    assert written(simulator, external_id="7")["tags"] == sent


async def test_null_leaves_a_field_as_it_is(yotpo: Bench, simulator: MessagingSimulator) -> None:
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {"external_id": "7", "first_name": "Ana", "gender": "F"})
    everything = dict.fromkeys(CREATE_OR_UPDATE_CUSTOMER.config["properties"])
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {**everything, "external_id": "7", "last_name": "Example"})
    customer = written(simulator, external_id="7")
    assert (customer["first_name"], customer["last_name"], customer["gender"]) == ("Ana", "Example", "F")
    # the vendor says the same of a null that it is sent
    await yotpo.http.request("PATCH", CUSTOMERS, json={"customer": {"external_id": "7", "first_name": None}})
    assert written(simulator, external_id="7")["first_name"] == "Ana"


@pytest.mark.parametrize(
    "named",
    [
        {"external_id": "7"},
        {"external_id": "7", "email": "cleo@example.com", "phone_number": "+15550107"},
        {"email": "cleo@example.com"},
        {"email": "cleo@example.com", "phone_number": None, "external_id": None},
        {"phone_number": "+15550107"},
    ],
    ids=str,
)
async def test_customers_are_named_as_the_vendor_wants(
    yotpo: Bench, simulator: MessagingSimulator, named: dict[str, Any]
) -> None:
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {**named, "first_name": "Cleo"})
    wanted = {name: value for name, value in named.items() if value is not None}
    assert written(simulator, **wanted)["first_name"] == "Cleo"


REFUSED: list[dict[str, Any]] = [
    {"external_id": None},
    {"external_id": ""},
    {"external_id": None, "email": "ana@example.com", "phone_number": "+15550100"},
    {"external_id": 7},
    {"phone_number": "5550100"},
    {"phone_number": "+0555"},
    {"email": "ana"},
    {"gender": "female"},
    {"account_status": "active"},
    {"account_created_at": "yesterday"},
    {"default_language": "english"},
    {"default_currency": "usd"},
    {"accepts_sms_marketing": "yes"},
    {"accepts_email_marketing": 1},
    {"tags": 7},
    {"address": {"country_code": "United States"}},
    {"address": {"street": "1 Main St"}},
    {"address": {"zip": 2215}},
    {"address": "1 Main St"},
    {"custom_properties": {"tier": None}},
    {"custom_properties": {"vip tier": "GOLD"}},
    {"custom_properties": {"tier": {"name": "GOLD"}}},
    {"name": "Ana"},
]


@pytest.mark.parametrize("change", REFUSED, ids=str)
async def test_what_breaks_a_rule_is_refused_by_the_schema_and_by_the_simulator_alike(
    yotpo: Bench, simulator: MessagingSimulator, change: dict[str, Any]
) -> None:
    customer = {"external_id": "7", **change}
    before = simulator.customers.latest()
    assert problems(customer, CREATE_OR_UPDATE_CUSTOMER.config)
    with pytest.raises(DataError) as caught:
        await yotpo.http.request("PATCH", CUSTOMERS, json={"customer": customer})
    assert (caught.value.status, caught.value.refused) == (400, True)
    assert simulator.customers.latest() == before


def test_a_tag_of_a_list_has_no_comma() -> None:
    assert problems({"external_id": "7", "tags": ["vip,loyal"]}, CREATE_OR_UPDATE_CUSTOMER.config)


@pytest.mark.parametrize("body", [{}, {"customers": {"external_id": "7"}}, {"external_id": "7"}, [], {"customer": []}])
async def test_the_simulator_wants_the_wrapper(yotpo: Bench, simulator: MessagingSimulator, body: Any) -> None:
    with pytest.raises(DataError):
        await yotpo.http.request("PATCH", CUSTOMERS, json=body)


async def test_an_external_id_is_given_to_a_customer_who_has_none(yotpo: Bench, simulator: MessagingSimulator) -> None:
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {"email": "cleo@example.com", "custom_properties": {"a": 1}})
    change = {"external_id": "7", "email": "Cleo@example.com", "custom_properties": {"b": 2}}
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, change)
    assert written(simulator, external_id="7")["custom_properties"] == {"a": 1, "b": 2}
    # somebody else who has the same e-mail stays somebody else
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {"external_id": "8", "email": "cleo@example.com"})
    assert written(simulator, external_id="8")["custom_properties"] == {}


def test_the_write_may_be_repeated_so_that_nobody_needs_to_ask_for_it() -> None:
    assert CREATE_OR_UPDATE_CUSTOMER.effect is Effect.IDEMPOTENT
    assert CREATE_OR_UPDATE_CUSTOMER.probe is None


@pytest.mark.parametrize("trouble", ["hang", "close_mid_answer", "fail_next"])
async def test_a_lost_answer_is_unknown_and_the_repetition_changes_nothing_more(
    yotpo: Bench, simulator: MessagingSimulator, clock: HandClock, trouble: str
) -> None:
    customer = {"external_id": "7", "first_name": "Cleo", "custom_properties": {"a": 1}}
    await find(yotpo, {})  # fetches the token
    if trouble == "fail_next":
        simulator.fail_next(502, applied=True)
    else:
        getattr(simulator, trouble)()
    sending = asyncio.create_task(yotpo.run(CREATE_OR_UPDATE_CUSTOMER, customer))
    if trouble == "hang":
        await simulator.hanging.wait()
        clock.advance(CONNECTION.timeout)
    with pytest.raises((engine.TimeoutError, engine.ConnectionError, VendorError)) as caught:
        await sending
    assert not caught.value.refused
    once = written(simulator, external_id="7")
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, customer)
    twice = written(simulator, external_id="7")
    assert {**twice, "account_updated_at": None} == {**once, "account_updated_at": None}


# ------------------------------------------------------------------ a change shows later


async def test_a_change_shows_when_the_output_says(yotpo: Bench, clock: HandClock) -> None:
    config = {"external_id": "700100", "first_name": "Ana"}
    output = await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, config)
    assert output == {"visible_at": "2024-03-05T09:01:00.000Z"}
    clock.advance(VISIBLE_AFTER - 1)
    assert "first_name" not in await yotpo.run(RETRIEVE_CUSTOMER, {"external_id": "700100"})
    with pytest.raises(NotFound) as caught:
        await yotpo.run(RETRIEVE_CUSTOMER, {"external_id": "700100", **output})
    assert caught.value.retry_after == 1.0
    assert "retry: {on: [NotFound]}" in str(caught.value)
    clock.advance(1)
    found = await yotpo.run(RETRIEVE_CUSTOMER, {"external_id": "700100", **output})
    assert found["first_name"] == "Ana"
    assert found["account_updated_at"] == "2024-03-05T09:00:00Z"


async def test_a_new_customer_is_not_there_yet(yotpo: Bench, clock: HandClock) -> None:
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {"external_id": "7"})
    with pytest.raises(NotFound, match="shows after 60 seconds"):
        await yotpo.run(RETRIEVE_CUSTOMER, {"external_id": "7"})
    assert len(await find(yotpo, {})) == 2
    clock.advance(VISIBLE_AFTER)
    assert (await yotpo.run(RETRIEVE_CUSTOMER, {"external_id": "7"}))["external_id"] == "7"
    assert len(await find(yotpo, {})) == 3


async def test_changes_show_in_the_order_in_which_they_were_made(
    yotpo: Bench, simulator: MessagingSimulator, clock: HandClock
) -> None:
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {"external_id": "700100", "first_name": "Anna"})
    simulator.customers.visible_after = 0
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {"external_id": "700100", "first_name": "Ana"})
    assert "first_name" not in await yotpo.run(RETRIEVE_CUSTOMER, {"external_id": "700100"})
    clock.advance(VISIBLE_AFTER)
    assert (await yotpo.run(RETRIEVE_CUSTOMER, {"external_id": "700100"}))["first_name"] == "Ana"


@pytest.mark.parametrize("moment", ["2024-13-05T09:01:00Z", "2024-03-05T25:00Z"])
async def test_a_time_that_there_is_not_is_refused(yotpo: Bench, moment: str) -> None:
    with pytest.raises(DataError, match="no ISO 8601 time"):
        await yotpo.run(RETRIEVE_CUSTOMER, {"external_id": "700100", "visible_at": moment})


async def test_what_was_written_can_be_read_at_once_without_a_token(yotpo: Bench) -> None:
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {"external_id": "7", "first_name": "Cleo"})
    base = str(yotpo.fields["base_url"])
    async with aiohttp.ClientSession(base) as session, session.get(DEBUG_CUSTOMERS) as answer:
        stored = await answer.json()
    assert [one.get("first_name") for one in stored["customers"]] == [None, None, "Cleo"]


# ------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    "named", [{"external_id": "700101"}, {"email": "Ben@example.com"}, {"phone_number": "+15550101"}], ids=str
)
async def test_one_customer_is_read_by_any_name(yotpo: Bench, named: dict[str, str]) -> None:
    found = await yotpo.run(RETRIEVE_CUSTOMER, named)
    assert found["external_id"] == "700101"
    assert found["channels"]["sms"]["marketing"]["consent"] == "never_subscribed"


@pytest.mark.parametrize("config", [{}, {"external_id": "7", "email": "ana@example.com"}, {"visible_at": "2024-03-05"}])
def test_one_customer_is_named_once(config: dict[str, str]) -> None:
    assert problems(config, RETRIEVE_CUSTOMER.config)


async def answered(yotpo: Bench, simulator: MessagingSimulator, *customers: Any) -> None:
    """Let the vendor answer the next request with these customers, whatever is asked."""
    await yotpo.http.request("GET", CUSTOMERS)  # fetches the token
    simulator.fail_next(200, body={"customers": list(customers)})


ELSE = {"external_id": "700100", "email": "ana@example.com", "phone_number": "+15550100"}


@pytest.mark.parametrize("shown", [ELSE, dict.fromkeys(ELSE)], ids=["another", "null"])
@pytest.mark.parametrize(
    "named", [{"external_id": "A7"}, {"email": "ben@example.com"}, {"phone_number": "+15550101"}], ids=str
)
async def test_a_filter_that_the_vendor_passes_over_shows_nobody_elses_data(
    yotpo: Bench, simulator: MessagingSimulator, named: dict[str, str], shown: dict[str, Any]
) -> None:
    await answered(yotpo, simulator, shown, {**ELSE, "external_id": "a7"})
    with pytest.raises(NotFound):
        await yotpo.run(RETRIEVE_CUSTOMER, named)
    await answered(yotpo, simulator, shown)
    several = {"external_ids": ["A7", "A8"]} if "external_id" in named else named
    assert (await FIND_CUSTOMERS.page(yotpo.call(several), None)).items == []


async def test_a_phone_number_is_the_same_however_it_is_written(yotpo: Bench, simulator: MessagingSimulator) -> None:
    await answered(yotpo, simulator, {**ELSE, "phone_number": "1 (555) 0100"})
    assert (await yotpo.run(RETRIEVE_CUSTOMER, {"phone_number": "+15550100"}))["external_id"] == "700100"


async def test_of_several_customers_the_first_is_taken_and_that_is_told(
    yotpo: Bench, simulator: MessagingSimulator
) -> None:
    await answered(yotpo, simulator, ELSE, {**ELSE, "external_id": "700102"})
    call = yotpo.call({"email": "ana@example.com"})
    assert RETRIEVE_CUSTOMER.run
    found: Any = await RETRIEVE_CUSTOMER.run(call)
    assert found["external_id"] == "700100"
    assert call.warnings == ["the vendor shows 2 customers of this email; the first one is the output"]


async def test_of_several_customers_who_do_not_show_the_name_none_is_taken(
    yotpo: Bench, simulator: MessagingSimulator
) -> None:
    await answered(yotpo, simulator, {"external_id": "1"}, {"external_id": "2"})
    with pytest.raises(VendorError, match="none of which shows email"):
        await yotpo.run(RETRIEVE_CUSTOMER, {"email": "ana@example.com"})
    await answered(yotpo, simulator, {"external_id": "1"})
    assert await yotpo.run(RETRIEVE_CUSTOMER, {"email": "ana@example.com"}) == {"external_id": "1"}


@pytest.mark.parametrize("pagination", [None, {}, {"next_page_info": None}, {"next_page_info": ""}, []], ids=str)
async def test_without_a_next_mark_it_was_the_last_page(
    yotpo: Bench, simulator: MessagingSimulator, pagination: Any
) -> None:
    await find(yotpo, {})
    simulator.fail_next(200, body={"customers": [], "pagination": pagination})
    assert (await FIND_CUSTOMERS.page(yotpo.call({}), "mark")).cursor is None


async def test_an_empty_page_with_a_mark_leads_on_but_not_to_itself(
    yotpo: Bench, simulator: MessagingSimulator
) -> None:
    await find(yotpo, {})
    simulator.fail_next(200, times=2, body={"customers": [], "pagination": {"next_page_info": "mark"}})
    page = await FIND_CUSTOMERS.page(yotpo.call({}), None)
    assert (page.items, page.cursor) == ([], "mark")
    with pytest.raises(VendorError, match="same page"):
        await FIND_CUSTOMERS.page(yotpo.call({}), "mark")


async def test_customers_are_found_page_by_page_without_filters_beside_the_mark(
    yotpo: Bench, simulator: MessagingSimulator
) -> None:
    for number in range(230):
        simulator.customers.seed({"external_id": str(number), "email": "shared@example.com"})
    found = await find(yotpo, {"email": "shared@example.com"})
    assert [one["external_id"] for one in found] == [str(number) for number in range(230)]
    assert simulator.calls[f"GET {CUSTOMERS}"] == 3


async def test_a_small_limit_asks_for_a_small_page(yotpo: Bench, simulator: MessagingSimulator) -> None:
    page = await FIND_CUSTOMERS.page(yotpo.call({"limit": 1}), None)
    assert len(page.items) == 1
    assert page.cursor


async def test_customers_are_found_by_many_external_ids(yotpo: Bench) -> None:
    found = await find(yotpo, {"external_ids": ["700101", "700100", "1"]})
    assert {one["email"] for one in found} == {"ana@example.com", "ben@example.com"}
    assert await find(yotpo, {"external_ids": ["1"]}) == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 101},
        {"limit": 0},
        {"limit": "all"},
        {"name": "Ana"},
        {"page_info": "nonsense"},
        {"page_info": "W251bGwsIG51bGxd"},
        {"external_ids": ["1", "2"]},
    ],
    ids=str,
)
async def test_the_simulator_refuses_queries_that_the_vendor_refuses(yotpo: Bench, query: dict[str, Any]) -> None:
    with pytest.raises(DataError) as caught:
        await yotpo.http.request("GET", CUSTOMERS, query=query)
    assert caught.value.status == 400


async def test_a_mark_of_a_page_stands_alone_but_for_the_limit(yotpo: Bench) -> None:
    first = (await yotpo.http.request("GET", CUSTOMERS, query={"limit": 1})).json()
    mark = first["pagination"]["next_page_info"]
    with pytest.raises(DataError) as caught:
        await yotpo.http.request("GET", CUSTOMERS, query={"page_info": mark, "email": "ben@example.com"})
    assert "only limit" in str(caught.value.detail)
    second = (await yotpo.http.request("GET", CUSTOMERS, query={"page_info": mark, "limit": 1})).json()
    assert [one["external_id"] for one in second["customers"]] == ["700101"]
    assert second["pagination"] == {"next_page_info": None}


@pytest.mark.parametrize("body", [b"[]", b'{"customers": {}}', b'{"customers": ["ana"]}', b"null"])
async def test_an_answer_that_lists_no_customers_is_a_vendor_error(
    yotpo: Bench, simulator: MessagingSimulator, body: bytes
) -> None:
    await find(yotpo, {})
    simulator.fail_next(200, raw=body)
    with pytest.raises(VendorError, match="no list of customers"):
        await FIND_CUSTOMERS.page(yotpo.call({}), None)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_bad_token_is_renewed_once_whichever_way_the_vendor_says_so(
    yotpo: Bench, simulator: MessagingSimulator, status: int
) -> None:
    simulator.bad_token_status = status
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {"external_id": "7"})
    simulator.tokens.clear()
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {"external_id": "8"})
    assert len(simulator.tokens) == 1
    simulator.secret = "another"
    simulator.tokens.clear()
    with pytest.raises(AuthError):
        await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {"external_id": "9"})
