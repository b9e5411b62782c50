"""*List Recently Updated Customers* and *Watch Recently Updated Customers* against the loyalty simulator."""

from __future__ import annotations

from typing import Any

import pytest

from engine import DataError, Effect, VendorError
from engine.runtime.callers import effect_of
from modules.yotpo_loyalty import samples
from modules.yotpo_loyalty.connection import CONNECTION
from modules.yotpo_loyalty.recent import LIST_RECENT_CUSTOMERS, WATCH_RECENT_CUSTOMERS, identify, page
from modules.yotpo_loyalty.simulator import LoyaltySimulator
from tests.modules.bench import Bench, bench, problems
from tests.modules.runs import runs
from tests.runtime.doubles import HandClock


@pytest.fixture
def simulator(clock: HandClock) -> LoyaltySimulator:
    """With five customers: ana, ben, and three that were changed later."""
    simulator = LoyaltySimulator(clock)
    for number, name in enumerate(("cleo", "dan", "eva"), 102):
        person = samples.customer(f"{name}@example.com", name.title(), "Example", number)
        simulator.state.customers[person["email"]] = person
        simulator.state.touch(person)
    return simulator


async def _all(yotpo: Bench, config: dict[str, Any]) -> list[list[str]]:
    """The e-mails of each page."""
    assert problems(config, LIST_RECENT_CUSTOMERS.config) == []
    pages: list[list[str]] = []
    cursor: Any = None
    while not pages or cursor is not None:
        found = await page(yotpo.call(config), cursor)
        assert problems(found.items, LIST_RECENT_CUSTOMERS.output_schema(config)) == []
        pages.append([str(item["email"]).removesuffix("@example.com") for item in found.items])
        cursor = found.cursor
    return pages


async def test_all_pages_are_read_by_the_vendors_cursor(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    assert await _all(yotpo, {"per_page": 2}) == [["eva", "dan"], ["cleo", "ana"], ["ben"]]
    assert [request.query for request in simulator.received] == [
        {"per_page": "2"},
        {"per_page": "2", "page_info": "after-2"},
        {"per_page": "2", "page_info": "after-4"},
    ]
    assert {request.path for request in simulator.received} == {"/customers/recent"}


async def test_a_hundred_are_asked_for_at_once_when_nothing_is_said(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    assert await _all(yotpo, {}) == [["eva", "dan", "cleo", "ana", "ben"]]
    assert simulator.received[0].query == {"per_page": "100"}


async def test_no_more_is_asked_for_than_is_wanted(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    await page(yotpo.call({"limit": 3}), None)
    await page(yotpo.call({"limit": 500, "per_page": 50}), None)
    assert [request.query["per_page"] for request in simulator.received] == ["3", "50"]


async def test_nobody_is_a_page_without_customers(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.state.customers.clear()
    found = await page(yotpo.call({}), None)
    assert (list(found.items), found.cursor) == ([], None)


@pytest.mark.parametrize(
    "config", [{"limit": 0}, {"per_page": 0}, {"per_page": 101}, {"limit": "3"}, {"since": "2024-03-05"}], ids=str
)
def test_a_wrong_config_is_refused_before_anything_is_sent(config: dict[str, Any]) -> None:
    assert problems(config, LIST_RECENT_CUSTOMERS.config)
    assert problems(config, WATCH_RECENT_CUSTOMERS.config)


@pytest.mark.parametrize("body", [{}, [], {"customers": None}, {"people": []}, None], ids=str)
async def test_an_answer_without_the_list_is_a_vendor_error_that_says_what_to_set(
    yotpo: Bench, simulator: LoyaltySimulator, body: Any
) -> None:
    simulator.fail_next(200, body=body if body is not None else "later")
    with pytest.raises(VendorError, match="recent_customers_key"):
        await page(yotpo.call({}), None)


async def test_errors_in_a_200_answer_are_not_taken_for_another_key(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.fail_next(200)
    with pytest.raises(VendorError) as caught:
        await page(yotpo.call({}), None)
    assert (caught.value.hint, caught.value.detail) == (None, ["simulated failure 200"])


async def test_the_lists_key_is_a_setting_of_the_connection(simulator: LoyaltySimulator, clock: HandClock) -> None:
    async with bench(simulator, CONNECTION, clock, {"recent_customers_key": "records"}) as yotpo:
        simulator.fail_next(200, body={"records": [{"email": "ana@example.com"}]})
        found = await page(yotpo.call({}), None)
    assert [item["email"] for item in found.items] == ["ana@example.com"]


@pytest.mark.parametrize("metadata", [None, {}, {"next_page_info": None}, {"next_page_info": ""}, []], ids=str)
async def test_without_a_next_page_it_was_the_last(yotpo: Bench, simulator: LoyaltySimulator, metadata: Any) -> None:
    simulator.fail_next(200, body={"customers": [], "metadata": metadata})
    assert (await page(yotpo.call({}), "after-2")).cursor is None


async def test_a_cursor_that_leads_nowhere_is_not_followed_for_ever(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.fail_next(200, body={"customers": [], "metadata": {"next_page_info": "after-2"}})
    with pytest.raises(VendorError, match="same page"):
        await page(yotpo.call({}), "after-2")


async def test_as_a_step_it_gives_one_list_over_which_steps_run() -> None:
    steps = """
- id: recent
  module: yotpo_loyalty.list_recent_customers
  connection: yotpo
  with: {per_page: 1, limit: 2}
- id: names
  foreach: ${{ recent }}
  as: person
  collect: ${{ person.first_name }}
  steps:
    - set: {seen: true}
- stop: success
  output: ${{ names }}
"""
    async with runs("yotpo_loyalty", steps) as engine_:
        result = await engine_.run({})
        assert (result.state, result.output) == ("succeeded", ["Ana", "Ben"])
        assert engine_.simulator.calls == {"GET /api/v2/customers/recent": 2}


def test_listing_is_a_read() -> None:
    assert effect_of(LIST_RECENT_CUSTOMERS, {}) is Effect.READ


# the trigger


async def test_a_watched_customer_is_one_event_of_the_declared_form(yotpo: Bench) -> None:
    found = await WATCH_RECENT_CUSTOMERS.page(yotpo.call({"per_page": 2}), None)
    events = [WATCH_RECENT_CUSTOMERS.identify({}, item) for item in found.items]
    assert [(event.id, event.subject) for event in events] == [("eva@example.com",) * 2, ("dan@example.com",) * 2]
    for event in events:
        assert problems(event.body, WATCH_RECENT_CUSTOMERS.output_schema({})) == []
        assert not {"history_items", "referral_code", "credit_balance"} & set(event.body)


def test_the_vendors_own_identifier_goes_before_the_email() -> None:
    event = identify({}, {"yotpo_customer_id": 17, "email": "ana@example.com"})
    assert (event.id, event.subject) == ("17", "ana@example.com")
    assert identify({}, {"yotpo_customer_id": 17}).subject is None


@pytest.mark.parametrize("item", [{}, {"email": ""}, {"email": None}, "ana@example.com", None], ids=str)
def test_an_item_that_names_nobody_is_refused(item: Any) -> None:
    with pytest.raises(DataError):
        identify({}, item)


async def test_a_change_of_points_changes_the_content_but_no_time_of_the_record(
    yotpo: Bench, simulator: LoyaltySimulator
) -> None:
    """Why the trigger has no order: nothing in the record grows when it changes."""
    [before] = (await page(yotpo.call({"limit": 1}), None)).items
    simulator.state.book(simulator.state.customers["eva@example.com"], -5, "Correction", earned=False)
    [after] = (await page(yotpo.call({"limit": 1}), None)).items
    assert {key for key in after if after[key] != before[key]} == {"points_balance"}
    assert (WATCH_RECENT_CUSTOMERS.order, WATCH_RECENT_CUSTOMERS.resume) == (None, None)


async def test_each_new_or_changed_customer_starts_one_run() -> None:
    trigger = "module: yotpo_loyalty.watch_recent_customers, connection: yotpo, start: all, with: {per_page: 1}"
    steps = """
- stop: success
  output: "${{ trigger.email }} ${{ trigger.points_balance }}"
"""
    async with runs("yotpo_loyalty", steps, trigger) as engine_:
        state = engine_.simulator.state

        async def looked() -> list[str]:
            await engine_.harness.clock.advance(300)
            found = await engine_.harness.poll()
            results = [await engine_.harness.result(run) for accepted in found for run in accepted.runs]
            assert {result.state for result in results} <= {"succeeded"}
            assert all(result.run.subject == result.output.split()[0] for result in results)
            return sorted(result.output for result in results)

        assert await looked() == ["ana@example.com 640", "ben@example.com 0"]
        assert await looked() == []
        state.book(state.customers["ben@example.com"], 5, "Goodwill", earned=False)
        assert await looked() == ["ben@example.com 5"]
        cleo = samples.customer("cleo@example.com", "Cleo", "Example", 102)
        state.customers[cleo["email"]] = cleo
        state.customers["ana@example.com"]["last_seen_at"] = "2024-03-06T09:00:00.000Z"
        assert await looked() == ["ana@example.com 640", "cleo@example.com 640"]
        assert await looked() == []
