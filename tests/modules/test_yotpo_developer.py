"""*Retrieve Customer Details by Email* against the App Developer simulator."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine import AuthError, DataError, Effect, NotFound, RateLimitError, VendorError
from modules.yotpo_developer.connection import BASE_URL, CONNECTION
from modules.yotpo_developer.customers import ATTRIBUTES, RETRIEVE_CUSTOMER
from modules.yotpo_developer.simulator import DeveloperSimulator, customers
from tests.modules.bench import Bench, bench, problems
from tests.runtime.doubles import HandClock

ANA = {"customer_email": "ana@example.com"}
CUSTOMERS = "GET /v2/simulated-account/customers"


@pytest.fixture
def simulator(clock: HandClock) -> DeveloperSimulator:
    return DeveloperSimulator(clock)


@pytest.fixture
async def yotpo(simulator: DeveloperSimulator, clock: HandClock) -> AsyncIterator[Bench]:
    async with bench(simulator, CONNECTION, clock) as connected:
        yield connected


async def test_a_customer_has_every_attribute_of_the_vendors_list(yotpo: Bench) -> None:
    found = await yotpo.run(RETRIEVE_CUSTOMER, ANA)
    assert list(found) == list(ATTRIBUTES)
    # singular here, plural in the Loyalty API
    assert (found["point_balance"], found["total_reviews"], found["top_topics"]) == (640, 4, ["tea", "delivery"])


def test_the_connection_is_the_documented_one() -> None:
    assert BASE_URL == "https://developers.yotpo.com/v2/{account_id}"
    assert CONNECTION.secrets == {"access_token", "client_secret"}
    assert RETRIEVE_CUSTOMER.effect is Effect.READ
    assert CONNECTION.rate is not None
    assert CONNECTION.rate.per_second == 5


async def test_an_unknown_customer_is_not_found_or_null_as_the_author_says(yotpo: Bench) -> None:
    nobody = {"customer_email": "nobody@example.com"}
    with pytest.raises(NotFound) as caught:
        await yotpo.run(RETRIEVE_CUSTOMER, nobody)
    assert caught.value.status == 404
    assert await yotpo.run(RETRIEVE_CUSTOMER, {**nobody, "if_unknown": "null"}) is None
    # another failure is no unknown customer
    with pytest.raises(DataError):
        await yotpo.http.request("GET", "/customers", query={"customer_email": ""})


async def test_null_in_the_customers_place_is_nobody_too(simulator: DeveloperSimulator, clock: HandClock) -> None:
    async with bench(simulator, CONNECTION, clock, {"customer_at": "customers"}) as yotpo:
        simulator.fail_next(200, body={"customers": None}, times=2)
        with pytest.raises(NotFound):
            await yotpo.run(RETRIEVE_CUSTOMER, ANA)
        assert await yotpo.run(RETRIEVE_CUSTOMER, {**ANA, "if_unknown": "null"}) is None


async def test_the_place_of_the_attributes_is_a_setting(simulator: DeveloperSimulator, clock: HandClock) -> None:
    async with bench(simulator, CONNECTION, clock, {"customer_at": "response.customer"}) as yotpo:
        simulator.fail_next(200, body={"response": {"customer": customers()["ana@example.com"]}})
        assert (await yotpo.run(RETRIEVE_CUSTOMER, ANA))["point_balance"] == 640


@pytest.mark.parametrize(
    "body", [{}, {"customer": {"point_balance": 1}}, [], "ana", {"errors": ["no"]}], ids=json.dumps
)
async def test_an_answer_without_any_attribute_says_which_setting_may_help(
    yotpo: Bench, simulator: DeveloperSimulator, body: Any
) -> None:
    simulator.fail_next(200, body=body)
    with pytest.raises(VendorError, match="none of a customer's attributes at its top") as caught:
        await yotpo.run(RETRIEVE_CUSTOMER, ANA)
    assert "customer_at" in (caught.value.hint or "")


@pytest.mark.parametrize("changes", [{"access_token": "wrong"}, {"account_id": "another", "base_url": None}], ids=str)
async def test_a_wrong_token_or_account_is_an_auth_error(
    simulator: DeveloperSimulator, clock: HandClock, changes: dict[str, Any]
) -> None:
    async with bench(simulator, CONNECTION, clock) as right:
        base = str(right.fields["base_url"]).replace(
            "simulated-account", changes.get("account_id", "simulated-account")
        )
        wrong = {**changes, "base_url": base}
        async with bench(simulator.__class__(clock), CONNECTION, clock, {k: v for k, v in wrong.items() if v}) as yotpo:
            with pytest.raises(AuthError):
                await yotpo.run(RETRIEVE_CUSTOMER, ANA)


@pytest.mark.parametrize(
    "query", [{}, {"customer_email": ""}, {"customer_email": "ana@example.com", "expand": "reviews"}], ids=str
)
async def test_the_simulator_refuses_what_is_not_documented(yotpo: Bench, query: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        await yotpo.http.request("GET", "/customers", query=query)


@pytest.mark.parametrize(
    "config", [{}, {"customer_email": "ana"}, {**ANA, "if_unknown": "skip"}, {**ANA, "email": "x"}], ids=str
)
def test_a_config_that_cannot_be_meant_is_refused(config: dict[str, Any]) -> None:
    assert problems(config, RETRIEVE_CUSTOMER.config)


async def test_more_than_five_a_second_are_refused_with_the_time_to_wait(
    yotpo: Bench, simulator: DeveloperSimulator, clock: HandClock
) -> None:
    for _ in range(5):
        await yotpo.run(RETRIEVE_CUSTOMER, ANA)
    with pytest.raises(RateLimitError) as caught:
        await yotpo.run(RETRIEVE_CUSTOMER, ANA)
    assert caught.value.retry_after == 1
    clock.advance(1)
    await yotpo.run(RETRIEVE_CUSTOMER, ANA)
    assert simulator.calls[CUSTOMERS] == 7


async def test_the_connections_test_is_a_look_for_nobody(yotpo: Bench, simulator: DeveloperSimulator) -> None:
    await yotpo.test()
    simulator.access_token = "another"
    with pytest.raises(AuthError):
        await yotpo.test()
