"""Reviews, comments and webhooks against the App Developer simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from engine import DataError, Effect, Happened, NotFound, NumberPaging, PageSize, ProbeResult, Search, VendorError
from modules.yotpo_developer.connection import CONNECTION
from modules.yotpo_developer.reviews import CREATE_COMMENT, FIND_REVIEWS
from modules.yotpo_developer.simulator import DeveloperSimulator
from modules.yotpo_developer.webhooks import CREATE_WEBHOOK, DELETE_WEBHOOK, FIND_WEBHOOKS
from tests.modules.bench import Bench, bench
from tests.runtime.doubles import HandClock

HOOK = {"event_name": "review_create", "url": "https://hooks.example.com/hooks/one"}


@pytest.fixture
def simulator(clock: HandClock) -> DeveloperSimulator:
    return DeveloperSimulator(clock, per_second=None)


@pytest.fixture
async def yotpo(simulator: DeveloperSimulator, clock: HandClock) -> AsyncIterator[Bench]:
    async with bench(simulator, CONNECTION, clock) as connected:
        yield connected


async def found(yotpo: Bench, module: Search = FIND_REVIEWS, **config: Any) -> list[Any]:
    items: list[Any] = []
    cursor = None
    while True:
        page = await yotpo.page(module, config, cursor)
        items += page.items
        cursor = page.cursor
        if cursor is None:
            return items


async def test_reviews_are_found_by_customer_and_page_by_page(yotpo: Bench, simulator: DeveloperSimulator) -> None:
    assert [one["score"] for one in await found(yotpo, customer_email="ana@example.com")] == [5]
    assert isinstance(FIND_REVIEWS.paging, NumberPaging)
    one_by_one = replace(FIND_REVIEWS, paging=replace(FIND_REVIEWS.paging, size=PageSize("count", 1, True)))
    assert [one["id"] for one in await found(yotpo, one_by_one)] == [5002, 5001]
    simulator.room.reviews[0]["published"] = False
    assert [one["id"] for one in await found(yotpo, one_by_one)] == [5001]
    assert len(await found(yotpo, one_by_one, include_unpublished_reviews=True)) == 2


async def test_a_review_is_answered_in_public(yotpo: Bench, simulator: DeveloperSimulator) -> None:
    assert CREATE_COMMENT.effect is Effect.WRITE
    await yotpo.run(CREATE_COMMENT, {"review_id": 5001, "content": "Thank you."})
    [review] = await found(yotpo, customer_email="ana@example.com", include_nested=True)
    assert review["comments"] == [{"content": "Thank you.", "public": True}]
    await yotpo.run(CREATE_COMMENT, {"review_id": 5001, "content": "Call us.", "public": False})
    [review] = await found(yotpo, customer_email="ana@example.com", include_nested=True)
    assert review["comments"][1] == {"content": "Call us.", "public": False}
    with pytest.raises(NotFound) as caught:
        await yotpo.run(CREATE_COMMENT, {"review_id": 7, "content": "Thank you."})
    assert caught.value.refused
    with pytest.raises(DataError):
        await yotpo.http.request("POST", "/reviews/5001/comment", json={"comment": {"content": "x"}})


@pytest.mark.parametrize("answer", [b"", b"created", b"[]"], ids=repr)
async def test_what_a_comment_or_a_deletion_is_answered_does_not_matter(
    yotpo: Bench, simulator: DeveloperSimulator, answer: bytes
) -> None:
    simulator.fail_next(200, applied=True, raw=answer, times=2)
    assert await yotpo.run(CREATE_COMMENT, {"review_id": 5001, "content": "Thank you."}) == {"review_id": 5001}
    assert await yotpo.run(DELETE_WEBHOOK, {"webhook_id": 11}) == {"deleted": True}


async def test_a_webhook_is_made_listed_and_deleted(yotpo: Bench, simulator: DeveloperSimulator) -> None:
    made = await yotpo.run(CREATE_WEBHOOK, HOOK)
    assert made == {"id": 11, **HOOK}
    page = await yotpo.page(FIND_WEBHOOKS, {})
    assert page.items == [{"id": 11, "webhook_event_name": "review_create", "url": HOOK["url"]}]
    assert await yotpo.run(DELETE_WEBHOOK, {"webhook_id": 11}) == {"deleted": True}
    assert await yotpo.run(DELETE_WEBHOOK, {"webhook_id": 11}) == {"deleted": False}


async def test_a_webhook_whose_answer_got_lost_is_looked_for(yotpo: Bench, clock: HandClock) -> None:
    assert CREATE_WEBHOOK.probe
    sent_at = datetime.fromtimestamp(clock.time(), UTC)
    assert await CREATE_WEBHOOK.probe(yotpo.call(HOOK), sent_at) is ProbeResult.ABSENT
    made = await yotpo.run(CREATE_WEBHOOK, HOOK)
    assert await CREATE_WEBHOOK.probe(yotpo.call(HOOK), sent_at) == Happened(made)


async def test_what_the_vendor_took_is_done_though_its_list_cannot_be_read(
    yotpo: Bench, simulator: DeveloperSimulator
) -> None:
    simulator.fail_next(200, applied=True, body={})
    simulator.fail_next(500)
    assert (await yotpo.run(CREATE_WEBHOOK, HOOK))["id"] is None
    assert len(simulator.room.webhooks) == 1


@pytest.mark.parametrize("change", [{"url": "http://hooks.example.com"}, {"event_name": "order_create"}, {"url": None}])
async def test_the_simulator_refuses_wrong_webhooks(yotpo: Bench, change: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        await yotpo.http.request("POST", "/webhooks", json={**HOOK, **change})


async def test_an_answer_without_its_list_is_no_empty_one(yotpo: Bench, simulator: DeveloperSimulator) -> None:
    simulator.fail_next(200, times=2, body={"data": []})
    with pytest.raises(VendorError):
        await found(yotpo)
    with pytest.raises(VendorError):
        await yotpo.page(FIND_WEBHOOKS, {})


async def test_what_is_no_webhook_is_not_among_them(yotpo: Bench, simulator: DeveloperSimulator) -> None:
    simulator.fail_next(200, body={"webhooks": {"webhooks": [None, 7, {"id": 11}]}})
    assert (await yotpo.page(FIND_WEBHOOKS, {})).items == [{"id": 11}]
