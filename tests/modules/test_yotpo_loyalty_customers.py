"""*Create or Update a Customer Record* and *Retrieve a Customer* against the loyalty simulator."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

import engine
from engine import AuthError, DataError, Effect, NotFound, QueryAuth, RateLimitError, Response, VendorError
from modules.yotpo_loyalty.connection import BASE_URL, CONNECTION
from modules.yotpo_loyalty.customers import CREATE_OR_UPDATE_CUSTOMER, RETRIEVE_CUSTOMER
from modules.yotpo_loyalty.simulator import LoyaltySimulator
from tests.modules.bench import Bench, bench, fixture, problems
from tests.modules.runs import runs
from tests.runtime.doubles import HandClock


async def test_a_customer_is_retrieved_by_email(yotpo: Bench) -> None:
    customer = await yotpo.run(RETRIEVE_CUSTOMER, {"customer_email": "ana@example.com"})
    assert (customer["email"], customer["vip_tier_name"], customer["points_balance"]) == (
        "ana@example.com",
        "SILVER",
        640,
    )
    assert "referral_code" not in customer
    assert "history_items" not in customer


async def test_referral_code_and_history_come_when_they_are_asked_for(yotpo: Bench) -> None:
    config = {"customer_email": "ana@example.com", "with_referral_code": True, "with_history": True}
    customer = await yotpo.run(RETRIEVE_CUSTOMER, config)
    assert customer["referral_code"]["email"] == "ana@example.com"
    assert [item["points"] for item in customer["history_items"]] == [200, -500]


@pytest.mark.parametrize(
    "config",
    [
        {"customer_id": "700101"},
        {"customer_id": 700101},
        {"phone_number": "+15550101"},
        {"phone_number": "05550101", "country_iso_code": "US"},
        {"pos_account_id": "pos-7"},
        {"customer_email": "BEN@example.com", "customer_id": "700101"},
    ],
    ids=str,
)
async def test_every_identification_finds_the_customer(
    yotpo: Bench, simulator: LoyaltySimulator, config: dict[str, Any]
) -> None:
    simulator.state.customers["ben@example.com"]["pos_account_id"] = "pos-7"
    customer = await yotpo.run(RETRIEVE_CUSTOMER, config)
    assert customer["email"] == "ben@example.com"


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"country_iso_code": "US"},
        {"customer_email": None},
        {"customer_email": ""},
        {"customer_email": "ana@example.com", "with_history": "true"},
        {"customer_email": "ana@example.com", "with_histroy": True},
        {"phone_number": 15550100},
    ],
    ids=str,
)
def test_a_wrong_config_is_refused_before_anything_is_sent(config: dict[str, Any]) -> None:
    assert problems(config, RETRIEVE_CUSTOMER.config)


def test_the_vendors_sample_fits_the_output_schema() -> None:
    sample = fixture("rest/loyalty_get_customer.json")
    asked = {"with_referral_code": True, "with_history": True}
    assert problems(sample, RETRIEVE_CUSTOMER.output_schema(asked)) == []
    for key in ("points_balance", "email", "referral_code", "history_items"):
        spoilt = {name: value for name, value in sample.items() if name != key}
        assert problems(spoilt, RETRIEVE_CUSTOMER.output_schema(asked)), key
    assert problems({**sample, "points_balance": "640"}, RETRIEVE_CUSTOMER.output_schema({}))


def test_the_output_schema_knows_what_was_asked_for() -> None:
    def known(config: dict[str, Any]) -> tuple[bool, bool]:
        schema = RETRIEVE_CUSTOMER.output_schema(config)
        return "history_items" in schema["properties"], "history_items" in schema["required"]

    assert known({"with_history": True}) == (True, True)
    assert known({"with_history": False}) == (False, False)
    assert known({}) == (True, False), "at load an expression is absent too"


def test_reading_is_a_read_and_no_secret_leaves_the_connection() -> None:
    assert RETRIEVE_CUSTOMER.effect is Effect.READ
    assert {"guid", "api_key"} == CONNECTION.secrets
    assert CONNECTION.base_url == BASE_URL


@pytest.mark.parametrize("status", [404, 200])
async def test_an_unknown_customer_is_not_found_whatever_the_status(
    yotpo: Bench, simulator: LoyaltySimulator, status: int
) -> None:
    simulator.state.absent_status = status
    with pytest.raises(NotFound) as caught:
        await yotpo.run(RETRIEVE_CUSTOMER, {"customer_email": "nobody@example.com"})
    assert "Could not find customer" in str(caught.value.detail)


async def test_the_answer_is_read_as_json_whatever_its_content_type(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.content_type = "text/plain"
    customer = await yotpo.run(RETRIEVE_CUSTOMER, {"customer_email": "ana@example.com"})
    assert customer["email"] == "ana@example.com"


@pytest.mark.parametrize("changes", [{"guid": "wrong"}, {"api_key": "wrong"}], ids=str)
async def test_a_wrong_key_is_an_auth_error_and_the_connection_test_says_so(
    simulator: LoyaltySimulator, clock: HandClock, changes: dict[str, str]
) -> None:
    async with bench(simulator, CONNECTION, clock, changes) as yotpo:
        with pytest.raises(AuthError) as caught:
            await yotpo.run(RETRIEVE_CUSTOMER, {"customer_email": "ana@example.com"})
        assert (caught.value.status, caught.value.refused) == (401, True)
        with pytest.raises(AuthError):
            await yotpo.test()


async def test_the_connection_test_passes_with_good_keys(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    await yotpo.test()
    assert simulator.calls == {"GET /api/v2/campaigns": 1}


async def test_campaigns_have_a_status_when_it_is_asked_for(yotpo: Bench) -> None:
    with_status = await yotpo.http.request("GET", "/campaigns", query={"with_status": True})
    without = await yotpo.http.request("GET", "/campaigns")
    assert "customer_times_completed" in with_status.json()[0]["status"]
    assert "status" not in without.json()[0]


async def test_the_vendor_takes_the_keys_in_the_query_too(simulator: LoyaltySimulator, clock: HandClock) -> None:
    in_query = replace(CONNECTION, auth=(QueryAuth("guid", "guid"), QueryAuth("api_key", "api_key")))
    async with bench(simulator, in_query, clock) as yotpo:
        customer = await yotpo.run(RETRIEVE_CUSTOMER, {"customer_email": "ana@example.com"})
    assert customer["email"] == "ana@example.com"


async def test_the_eleventh_request_of_a_second_is_refused_and_says_when_to_come_back(
    yotpo: Bench, clock: HandClock
) -> None:
    config = {"customer_email": "ana@example.com"}
    for _ in range(10):
        await yotpo.run(RETRIEVE_CUSTOMER, config)
    with pytest.raises(RateLimitError) as caught:
        await yotpo.run(RETRIEVE_CUSTOMER, config)
    assert (caught.value.status, caught.value.retry_after, caught.value.refused) == (429, 1.0, True)
    clock.advance(1)
    await yotpo.run(RETRIEVE_CUSTOMER, config)


async def test_rate_headers_count_down(yotpo: Bench) -> None:
    first = await yotpo.http.request("GET", "/campaigns")
    second = await yotpo.http.request("GET", "/campaigns")
    assert [answer.headers["ratelimit-remaining"] for answer in (first, second)] == ["9", "8"]
    assert {"ratelimit-limit", "ratelimit-reset", "x-ratelimit-limit-minute", "x-ratelimit-remaining-minute"} <= {
        *first.headers
    }


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"customer_email": ""},
        {"customer_email": "ana@example.com", "with_history": "yes"},
        {"email": "ana@example.com"},
    ],
    ids=str,
)
async def test_the_simulator_refuses_what_the_vendor_does_not_document(yotpo: Bench, query: dict[str, str]) -> None:
    with pytest.raises(DataError) as caught:
        await yotpo.http.request("GET", "/customers", query=query)
    assert caught.value.status == 400


async def test_a_failing_vendor_is_a_vendor_error_and_then_recovers(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.fail_next(500)
    with pytest.raises(VendorError) as caught:
        await yotpo.run(RETRIEVE_CUSTOMER, {"customer_email": "ana@example.com"})
    assert (caught.value.status, caught.value.refused) == (500, False)
    await yotpo.run(RETRIEVE_CUSTOMER, {"customer_email": "ana@example.com"})


async def test_a_connection_closed_mid_answer_is_a_connection_error(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.close_mid_answer()
    with pytest.raises(engine.ConnectionError) as caught:
        await yotpo.run(RETRIEVE_CUSTOMER, {"customer_email": "ana@example.com"})
    assert not caught.value.refused


async def test_a_vendor_that_hangs_is_a_timeout(yotpo: Bench, simulator: LoyaltySimulator, clock: HandClock) -> None:
    simulator.hang()
    asked = asyncio.create_task(yotpo.run(RETRIEVE_CUSTOMER, {"customer_email": "ana@example.com"}))
    await simulator.hanging.wait()
    clock.advance(CONNECTION.timeout)
    with pytest.raises(engine.TimeoutError) as caught:
        await asked
    assert not caught.value.refused


async def test_an_answer_that_is_no_customer_is_a_vendor_error(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.fail_next(200)  # {"errors": [...]}: not found
    with pytest.raises(NotFound):
        await yotpo.run(RETRIEVE_CUSTOMER, {"customer_email": "ana@example.com"})
    simulator.fail_next(200, body=["surprise"])
    with pytest.raises(VendorError, match="not a customer"):
        await yotpo.run(RETRIEVE_CUSTOMER, {"customer_email": "ana@example.com"})


async def test_both_switches_are_always_sent(yotpo: Bench) -> None:
    sent: list[Any] = []
    request = yotpo.http.request

    async def watched(method: str, path: str, *, query: dict[str, Any]) -> Response:
        sent.append(query)
        return await request(method, path, query=query)

    yotpo.http.request = watched  # type: ignore[method-assign,assignment]
    await yotpo.run(RETRIEVE_CUSTOMER, {"customer_email": "ana@example.com"})
    await yotpo.run(RETRIEVE_CUSTOMER, {"customer_email": "ana@example.com", "with_history": True})
    assert [(query["with_referral_code"], query["with_history"]) for query in sent] == [(False, False), (False, True)]


# create or update

ANA = {"email": "ana@example.com"}
NEW = {"email": "cleo@example.com"}


@pytest.mark.parametrize(
    ("key", "value", "sent"),
    [
        ("first_name", "Ana", "Ana"),
        ("last_name", "Example", "Example"),
        ("id", "700100", "700100"),
        ("id", 700100, "700100"),
        ("phone_number", "+15550100", "+15550100"),
        ("has_account", False, False),
        ("platform_account_created_at", "2023-10-01", "2023-10-01"),
        ("platform_account_created_at", "2023-10-01T08:00:00Z", "2023-10-01T08:00:00Z"),
        ("opted_in", True, True),
        ("opted_in", False, False),
        ("opted_in", None, None),
        ("pos_account_id", 7, "7"),
        ("pos_account_id", "pos-7", "pos-7"),
        ("tags", ["creator", "newsletter"], "creator,newsletter"),
        ("tags", ["  creator "], "creator"),
        ("tags", "creator, newsletter,", "creator,newsletter"),
        ("tags", [], ""),
        ("tags", "", ""),
        ("opted_in_at", "2024-03-05T09:00:00+02:00", "2024-03-05T09:00:00+02:00"),
        ("opted_in_at", "2024-03-05T09:00", "2024-03-05T09:00"),
    ],
    ids=str,
)
async def test_every_field_arrives_under_the_vendors_name(
    yotpo: Bench, simulator: LoyaltySimulator, key: str, value: Any, sent: Any
) -> None:
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {**ANA, key: value})
    [request] = simulator.received
    assert (request.method, request.path, request.query) == ("POST", "/customers", {})
    assert request.json == {**ANA, key: sent}


@pytest.mark.parametrize("phone", ["0555 0100", "(555) 01-00", "555.0100"])
async def test_a_national_number_goes_with_its_country(yotpo: Bench, simulator: LoyaltySimulator, phone: str) -> None:
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {**ANA, "phone_number": phone, "country_iso_code": "us"})
    assert simulator.received[0].json == {**ANA, "phone_number": phone, "country_iso_code": "US"}


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"email": ""},
        {"email": "ana"},
        {"email": "ana @example.com"},
        {"first_name": "Ana"},
        {**ANA, "customer_id": "1"},
        {**ANA, "id": True},
        {**ANA, "id": ""},
        {**ANA, "phone_number": "0555 0100"},
        {**ANA, "phone_number": "+0555010"},
        {**ANA, "phone_number": "+1555010012345678"},
        {**ANA, "phone_number": "call me", "country_iso_code": "US"},
        {**ANA, "phone_number": 15550100},
        {**ANA, "country_iso_code": "USA"},
        {**ANA, "has_account": "yes"},
        {**ANA, "has_account": None},
        {**ANA, "opted_in": "true"},
        {**ANA, "tags": ["a,b"]},
        {**ANA, "tags": [" "]},
        {**ANA, "tags": [7]},
        {**ANA, "tags": None},
        {**ANA, "opted_in_at": "2024-03-05"},
        {**ANA, "opted_in_at": "yesterday"},
        {**ANA, "platform_account_created_at": 1709629200},
    ],
    ids=str,
)
def test_a_wrong_record_is_refused_before_anything_is_sent(config: dict[str, Any]) -> None:
    assert problems(config, CREATE_OR_UPDATE_CUSTOMER.config)


@pytest.mark.parametrize("key", ["opted_in_at", "platform_account_created_at"])
async def test_a_time_that_the_calendar_does_not_have_is_refused_before_anything_is_sent(
    yotpo: Bench, simulator: LoyaltySimulator, key: str
) -> None:
    with pytest.raises(DataError, match=f"{key}: there is no time") as caught:
        await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {**ANA, key: "2024-02-30T09:00:00Z"})
    assert caught.value.refused
    assert not simulator.received


async def test_a_new_customer_is_made_and_can_be_retrieved(yotpo: Bench) -> None:
    record = {"first_name": "Cleo", "last_name": "New", "id": 700102, "phone_number": "+15550102", "has_account": True}
    output = await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {**NEW, **record, "pos_account_id": "pos-9"})
    assert output == {"status": 201, "body": {}}
    for whom in ({"customer_email": "cleo@example.com"}, {"customer_id": "700102"}, {"pos_account_id": "pos-9"}):
        cleo = await yotpo.run(RETRIEVE_CUSTOMER, {**whom, "with_history": True})
        assert (cleo["first_name"], cleo["last_name"], cleo["phone_number"]) == ("Cleo", "New", "+15550102")
        assert (cleo["has_store_account"], cleo["points_balance"], cleo["history_items"]) == (True, 0, [])


async def test_only_what_is_given_is_changed_and_twice_is_once(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    before = dict(simulator.state.customers["ana@example.com"])
    for _ in range(2):
        output = await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {"email": "ANA@example.com", "last_name": "Married"})
        assert output == {"status": 200, "body": {}}
    assert simulator.state.customers["ana@example.com"] == {**before, "last_name": "Married"}
    assert len(simulator.state.customers) == 2


async def test_tags_overwrite(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {**ANA, "tags": ["one", "two"]})
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {**ANA, "first_name": "Ana"})
    assert simulator.state.tags == {"ana@example.com": ["one", "two"]}
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {**ANA, "tags": "three"})
    assert simulator.state.tags == {"ana@example.com": ["three"]}
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {**ANA, "tags": []})
    assert simulator.state.tags == {"ana@example.com": []}


@pytest.mark.parametrize("setting", [True, False])
@pytest.mark.parametrize(("given", "becomes"), [(True, True), (False, False), (None, None)])
async def test_opted_in_null_follows_the_accounts_setting(
    yotpo: Bench, simulator: LoyaltySimulator, given: bool | None, becomes: bool | None, setting: bool
) -> None:
    simulator.state.opted_in_by_default = setting
    await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, {**NEW, "opted_in": given})
    cleo = simulator.state.customers["cleo@example.com"]
    assert cleo["opt_in"] is (setting if becomes is None else becomes)
    assert (cleo["opted_in_at"] is not None) is cleo["opt_in"]


@pytest.mark.parametrize(
    ("status", "kind", "refused"),
    [(400, DataError, True), (401, AuthError, True), (429, RateLimitError, True), (500, VendorError, False)],
)
async def test_refusals_of_a_record_are_mapped(
    yotpo: Bench, simulator: LoyaltySimulator, status: int, kind: type[engine.ModuleError], refused: bool
) -> None:
    simulator.fail_next(status)
    with pytest.raises(kind) as caught:
        await yotpo.run(CREATE_OR_UPDATE_CUSTOMER, ANA)
    assert (caught.value.status, caught.value.refused) == (status, refused)


async def test_an_update_of_unknown_outcome_is_sent_again_as_it_was() -> None:
    steps = """
- id: record
  module: yotpo_loyalty.create_or_update_customer
  connection: yotpo
  with: {email: "${{ trigger.email }}", tags: [creator, newsletter], opted_in: null}
  retry: {attempts: 3, from: 1s}
- stop: success
  output: ${{ record.status }}
"""
    async with runs("yotpo_loyalty", steps) as engine_:
        engine_.simulator.close_mid_answer(applied=True)
        result = await engine_.run({"email": "cleo@example.com"})
        assert (result.state, result.output) == ("succeeded", 200)
        bodies = [request.json for request in engine_.simulator.received]
        assert bodies == [{"email": "cleo@example.com", "tags": "creator,newsletter", "opted_in": None}] * 2


def test_creating_or_updating_is_idempotent() -> None:
    assert CREATE_OR_UPDATE_CUSTOMER.effect is Effect.IDEMPOTENT


def test_retrieving_has_the_seven_fields_that_the_vendor_has() -> None:
    titles = {key: schema["title"] for key, schema in RETRIEVE_CUSTOMER.config["properties"].items()}
    assert titles == {
        "customer_email": "Customer Email",
        "customer_id": "Customer ID",
        "pos_account_id": "Pos Account ID",
        "phone_number": "Phone Number",
        "country_iso_code": "Country ISO Code",
        "with_referral_code": "With Referral Code",
        "with_history": "With History",
    }


@pytest.mark.parametrize("host", ["app.swellrewards.com", "www.swellrewards.com"])
def test_older_hosts_may_be_chosen(host: str) -> None:
    fields = {"guid": "g", "api_key": "k", "base_url": f"https://{host}/api/v2"}
    assert problems(fields, CONNECTION.fields) == []
    assert f"https://{host}/api/v2" in str(CONNECTION.fields["properties"]["base_url"]["description"])


async def test_errors_in_a_200_answer_are_no_connection(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.fail_next(200)
    with pytest.raises(VendorError, match="is an error"):
        await yotpo.test()


async def test_the_country_is_asked_for_in_capitals(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    await yotpo.run(RETRIEVE_CUSTOMER, {"phone_number": "550100", "country_iso_code": "us"})
    assert simulator.received[-1].query["country_iso_code"] == "US"
