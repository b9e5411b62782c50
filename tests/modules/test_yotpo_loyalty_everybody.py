"""*List Customers* against the loyalty simulator."""

from __future__ import annotations

from typing import Any

import pytest

from engine import DataError, VendorError
from modules.yotpo_loyalty import samples
from modules.yotpo_loyalty.everybody import LIST_CUSTOMERS
from modules.yotpo_loyalty.simulator import LoyaltySimulator
from tests.modules.bench import Bench, problems
from tests.runtime.doubles import HandClock


@pytest.fixture
def simulator(clock: HandClock) -> LoyaltySimulator:
    """With five customers: ana, ben, and three who were in the shop a month later."""
    simulator = LoyaltySimulator(clock)
    for number, name in enumerate(("cleo", "dan", "eva"), 102):
        person = samples.customer(
            f"{name}@example.com", name.title(), "Example", number, last_seen_at="2024-04-05T09:00:00.000Z"
        )
        simulator.state.customers[person["email"]] = person
    return simulator


async def pages(yotpo: Bench, config: dict[str, Any]) -> list[list[str]]:
    assert problems(config, LIST_CUSTOMERS.config) == []
    found: list[list[str]] = []
    cursor: Any = None
    while not found or cursor is not None:
        one = await yotpo.page(LIST_CUSTOMERS, config, cursor)
        assert problems(one.items, LIST_CUSTOMERS.output_schema(config)) == []
        found.append([str(item["email"]).removesuffix("@example.com") for item in one.items])
        cursor = one.cursor
    return found


async def test_all_customers_are_read_page_by_page(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    assert await pages(yotpo, {"per_page": 2}) == [["ana", "ben"], ["cleo", "dan"], ["eva"]]
    assert [request.query for request in simulator.received] == [
        {"per_page": "2", "page": "1"},
        {"per_page": "2", "page": "2"},
        {"per_page": "2", "page": "3"},
    ]
    assert {request.path for request in simulator.received} == {"/customers/all"}


async def test_only_who_was_seen_since(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    assert await pages(yotpo, {"seen_since": "2024-04-01"}) == [["cleo", "dan", "eva"]]
    assert await pages(yotpo, {"seen_since": "2025-01-01"}) == [[]]


async def test_every_page_of_a_limited_list_has_the_same_size(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    await pages(yotpo, {"per_page": 3, "limit": 2})
    assert {request.query["per_page"] for request in simulator.received} == {"2"}


async def test_the_records_are_those_of_the_recent_list(yotpo: Bench) -> None:
    [first, *_] = (await yotpo.page(LIST_CUSTOMERS, {})).items
    assert {"email", "points_balance", "vip_tier_name"} <= set(first)
    assert not {"history_items", "credit_balance"} & set(first)


@pytest.mark.parametrize(
    "body",
    [[], {}, {"customers": []}, {"customers": {}, "links": {"total_pages": 1}}, {"customers": [], "links": []}],
    ids=str,
)
async def test_an_answer_of_another_form_is_a_vendor_error(
    yotpo: Bench, simulator: LoyaltySimulator, body: Any
) -> None:
    simulator.fail_next(200, body=body)
    with pytest.raises(VendorError, match="no page of customers"):
        await yotpo.page(LIST_CUSTOMERS, {})


@pytest.mark.parametrize("errors", [["busy"], [], None, "busy"], ids=str)
async def test_errors_in_a_200_answer_are_no_page(yotpo: Bench, simulator: LoyaltySimulator, errors: Any) -> None:
    simulator.fail_next(200, body={"errors": errors, "customers": [], "links": {"total_pages": 1}})
    with pytest.raises(VendorError, match="is an error"):
        await yotpo.page(LIST_CUSTOMERS, {})


@pytest.mark.parametrize(
    "query", [{"page": 0}, {"per_page": 101}, {"page_info": "x"}, {"last_seen_at": "soon"}], ids=str
)
async def test_the_simulator_refuses_what_is_not_documented(yotpo: Bench, query: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        await yotpo.http.request("GET", "/customers/all", query=query)


@pytest.mark.parametrize("config", [{"limit": 0}, {"per_page": 101}, {"seen_since": "soon"}, {"page": 2}], ids=str)
def test_a_config_that_cannot_be_meant_is_refused(config: dict[str, Any]) -> None:
    assert problems(config, LIST_CUSTOMERS.config)
