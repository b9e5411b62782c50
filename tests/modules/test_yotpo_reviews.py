"""Yotpo Reviews against its simulator: tokens in the query, pages, reviews that come later, webhooks of two forms."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from engine import AuthError, DataError, Delivery, Effect, Happened, NotFound, ProbeResult, RateLimitError, VendorError
from modules.yotpo_reviews.connection import CONNECTION
from modules.yotpo_reviews.reviews import CREATE_REVIEW, LIST_REVIEWS
from modules.yotpo_reviews.simulator import MADE_AFTER, TOKEN_LIFETIME, ReviewsSimulator
from modules.yotpo_reviews.watch import WATCH_REVIEWS
from tests.modules.bench import Bench, bench, problems
from tests.modules.runs import runs
from tests.runtime.doubles import HandClock

REVIEW: dict[str, Any] = {
    "sku": "tea-12",
    "product_title": "Green tea",
    "display_name": "Cleo",
    "email": "cleo@example.com",
    "review_content": "Tastes of spring.",
    "review_title": "Fresh",
    "review_score": 4,
}
TOKENS = "POST /oauth/token"
LIST = "GET /v1/apps/simulated-app-key/reviews"


@pytest.fixture
def clock() -> HandClock:
    return HandClock(1_709_629_200.0)


@pytest.fixture
def simulator(clock: HandClock) -> ReviewsSimulator:
    return ReviewsSimulator(clock)


@pytest.fixture
async def yotpo(simulator: ReviewsSimulator, clock: HandClock) -> AsyncIterator[Bench]:
    async with bench(simulator, CONNECTION, clock) as connected:
        yield connected


async def listed(yotpo: Bench, config: dict[str, Any]) -> list[Any]:
    """All pages of the search."""
    assert problems(config, LIST_REVIEWS.config) == []
    found: list[Any] = []
    cursor = None
    while True:
        page = await LIST_REVIEWS.page(yotpo.call(config), cursor)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            assert problems(found, LIST_REVIEWS.output_schema(config)) == []
            return found


def delivery(body: Any, **headers: str) -> Delivery:
    return Delivery("POST", headers, {}, json.dumps(body).encode(), body, datetime(2024, 3, 5, tzinfo=UTC))


# ------------------------------------------------------------------ tokens


async def test_one_token_in_the_query_serves_many_calls_and_is_renewed_when_it_ends(
    yotpo: Bench, simulator: ReviewsSimulator, clock: HandClock
) -> None:
    await listed(yotpo, {})
    await listed(yotpo, {})
    assert simulator.calls == {TOKENS: 1, LIST: 2}
    clock.advance(TOKEN_LIFETIME)
    await listed(yotpo, {})
    assert simulator.calls == {TOKENS: 2, LIST: 3}


async def test_a_token_that_the_vendor_withdrew_is_renewed_once(yotpo: Bench, simulator: ReviewsSimulator) -> None:
    await listed(yotpo, {})
    simulator.tokens.clear()
    await listed(yotpo, {})
    assert simulator.calls == {TOKENS: 2, LIST: 3}


@pytest.mark.parametrize("wrong", ["secret", "app_key"])
async def test_wrong_credentials_are_an_auth_error(simulator: ReviewsSimulator, clock: HandClock, wrong: str) -> None:
    async with bench(simulator, CONNECTION, clock) as yotpo:
        setattr(simulator, wrong, "another")
        with pytest.raises(AuthError) as caught:
            await yotpo.test()
        assert caught.value.refused
        assert "simulated-secret" not in str(caught.value)
    assert CONNECTION.secrets == {"secret"}


async def test_the_connection_test_passes_and_a_wrong_grant_type_does_not(yotpo: Bench) -> None:
    await yotpo.test()
    body = {"client_id": "simulated-app-key", "client_secret": "simulated-secret", "grant_type": "password"}
    with pytest.raises(AuthError):
        await yotpo.http.request("POST", "/oauth/token", json=body)


# ------------------------------------------------------------------ reading


async def test_reviews_are_read_page_by_page_and_typed(yotpo: Bench, simulator: ReviewsSimulator) -> None:
    for number in range(5):
        simulator.add({"title": f"Review {number}"}, shown=True)
    found = await listed(yotpo, {"count": 3})
    assert [one["title"] for one in found][:2] == ["Review 4", "Review 3"]
    assert (len(found), simulator.calls[LIST]) == (7, 3)
    assert found[0]["created_at"] == "2024-03-05T09:00:00Z"
    assert len(await listed(yotpo, {"count": 7})) == 7


async def test_only_what_changed_since_and_deleted_ones_when_asked(
    yotpo: Bench, simulator: ReviewsSimulator, clock: HandClock
) -> None:
    clock.advance(3600)
    later = simulator.add({"title": "Later"}, shown=True)
    assert [one["id"] for one in await listed(yotpo, {"since_updated_at": "2024-03-05T09:30:00Z"})] == [later["id"]]
    assert len(await listed(yotpo, {"since_updated_at": "2024-03-05"})) == 3
    later["deleted"] = True
    assert [one["id"] for one in await listed(yotpo, {"deleted": True})] == [later["id"]]


@pytest.mark.parametrize("query", [{"count": 101}, {"count": 0}, {"page": 0}, {"order": "new"}], ids=str)
async def test_the_simulator_refuses_wrong_queries(yotpo: Bench, query: dict[str, Any]) -> None:
    with pytest.raises(DataError) as caught:
        await yotpo.http.request("GET", LIST.partition(" ")[2], query=query)
    assert caught.value.refused
    assert caught.value.detail["status"]["code"] == 400


async def test_a_refusal_in_the_body_of_a_200_is_no_success(yotpo: Bench, simulator: ReviewsSimulator) -> None:
    await listed(yotpo, {})  # fetches the token
    for code, kind in (
        (422, DataError),
        (429, RateLimitError),
        (404, NotFound),
        (500, VendorError),
        (408, VendorError),
    ):
        for body in ({"status": {"code": code, "message": "no"}, "response": {}}, {"code": str(code)}):
            simulator.fail_next(200, body=body)
            with pytest.raises(kind, match=f"{code}: no") as caught:
                await yotpo.run(CREATE_REVIEW, REVIEW)
            assert (type(caught.value), caught.value.refused) == (kind, kind is not VendorError)
    simulator.fail_next(200, body={"status": {"code": 200}, "response": {"reviews": [{"id": "7"}]}})
    assert (await listed(yotpo, {}))[0] == {"id": 7}, "within the envelope too"
    simulator.fail_next(200, body={"status": {"code": 200}, "response": {}})
    with pytest.raises(VendorError):
        await listed(yotpo, {})


async def test_a_review_whose_envelope_says_500_is_unknown_and_not_given_up_as_done() -> None:
    steps = yaml.safe_dump([{"id": "sent", "module": "yotpo_reviews.create_review", "connection": "r", "with": REVIEW}])
    async with runs("yotpo_reviews", steps) as engine:
        await engine.run({})  # fetches the token
        await engine.harness.clock.advance(3600)
        engine.simulator.fail_next(200, body={"status": {"code": 500, "message": "no"}, "response": {}})
        result = await engine.run({}, advance=3600)
        assert (result.state, [effect.state for effect in result.effects]) == ("held", ["unknown"])


async def test_too_many_requests_are_refused(yotpo: Bench, simulator: ReviewsSimulator) -> None:
    simulator.per_second = 2
    await listed(yotpo, {})
    with pytest.raises(RateLimitError):
        await listed(yotpo, {})


# ------------------------------------------------------------------ writing


async def test_a_review_is_taken_at_once_and_made_later(
    yotpo: Bench, simulator: ReviewsSimulator, clock: HandClock
) -> None:
    told: list[Any] = []
    simulator.send = told.append
    assert await yotpo.run(CREATE_REVIEW, {**REVIEW, "is_incentivized": True}) == {"accepted": True}
    assert len(await listed(yotpo, {})) == 2
    clock.advance(MADE_AFTER)
    newest = (await listed(yotpo, {}))[0]
    assert (newest["title"], newest["score"], newest["incentivized"]) == ("Fresh", 4, True)
    assert [one.body["event"] for one in told] == ["review_create"]
    simulator.change(newest["id"], score=2)
    assert told[-1].body["event"] == "review_updated"


@pytest.mark.parametrize(
    "change",
    [
        {"sku": ""},
        {"email": ""},
        {"review_content": ""},
        {"review_score": 6},
        {"review_score": 0},
        {"review_score": "4"},
        {"rating": 4},
    ],
    ids=str,
)
async def test_what_breaks_a_rule_is_refused_by_the_schema_and_by_the_simulator_alike(
    yotpo: Bench, simulator: ReviewsSimulator, change: dict[str, Any]
) -> None:
    assert problems({**REVIEW, **change}, CREATE_REVIEW.config)
    whole = {"appkey": simulator.app_key, **REVIEW, **change}
    with pytest.raises(DataError):
        await yotpo.http.request("POST", "/v1/widget/reviews", json=whole)
    assert len(simulator.reviews) == 2


async def test_the_probe_finds_a_review_and_never_swears_that_there_is_none(yotpo: Bench, clock: HandClock) -> None:
    assert CREATE_REVIEW.probe
    assert CREATE_REVIEW.effect is Effect.WRITE
    sent_at = datetime.fromtimestamp(clock.time(), UTC)
    assert await CREATE_REVIEW.probe(yotpo.call(REVIEW), sent_at) is ProbeResult.UNKNOWN
    await yotpo.run(CREATE_REVIEW, REVIEW)
    clock.advance(MADE_AFTER)
    assert await CREATE_REVIEW.probe(yotpo.call(REVIEW), sent_at) == Happened({"accepted": True})
    other = {**REVIEW, "email": "dora@example.com"}
    assert await CREATE_REVIEW.probe(yotpo.call(other), sent_at) is ProbeResult.UNKNOWN
    # creators say the same of several products, and of one again
    assert await CREATE_REVIEW.probe(yotpo.call({**REVIEW, "sku": "cup-3"}), sent_at) is ProbeResult.UNKNOWN
    clock.advance(3600)
    later = datetime.fromtimestamp(clock.time(), UTC)
    assert await CREATE_REVIEW.probe(yotpo.call(REVIEW), later) is ProbeResult.UNKNOWN


# ------------------------------------------------------------------ webhooks


@pytest.mark.parametrize("form", ["review_create", "review_create_quoted"])
def test_both_forms_of_a_webhook_are_the_same_event(simulator: ReviewsSimulator, form: str) -> None:
    sample = simulator.webhooks[form]
    [event] = WATCH_REVIEWS.parse(delivery(sample.body))
    assert problems(event.body, WATCH_REVIEWS.output_schema({})) == []
    [plain] = WATCH_REVIEWS.parse(delivery(simulator.webhooks["review_create"].body))
    assert event == plain
    review = event.body["data"]
    assert (review["score"], review["verified_buyer"], review["source_review_id"]) == (2, True, None)
    assert review["order"] == {"id": 41, "external_id": "1001"}
    assert (review["sentiment"], review["updated_at"]) == (0.9, "2024-03-05T09:00:00Z")
    assert event.subject == "ben@example.com"


def test_an_event_is_known_again_by_the_vendors_header_or_by_its_review_and_time(simulator: ReviewsSimulator) -> None:
    body = simulator.webhooks["review_create"].body
    [event] = WATCH_REVIEWS.parse(delivery(body))
    assert event.id == "review_create:5002:2024-03-05T09:00:00Z"
    [with_header] = WATCH_REVIEWS.parse(delivery(body, eventid="one"))
    assert with_header.id == "one"
    [without] = WATCH_REVIEWS.parse(delivery({"event": "review_create", "data": {"score": "5"}}))
    assert (without.id, without.subject, without.body["data"]) == (None, None, {"score": 5})


@pytest.mark.parametrize("body", [None, "review", [], {"event": "review_create"}, {"event": 1, "data": {}}], ids=str)
def test_what_is_no_review_event_is_rejected(body: Any) -> None:
    with pytest.raises(DataError):
        WATCH_REVIEWS.parse(delivery(body))


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({}, True),
        ({"events": ["review_create"]}, True),
        ({"events": ["review_updated"]}, False),
        ({"score_to": 2}, True),
        ({"score_from": 3}, False),
        ({"score_from": 2, "score_to": 2}, True),
    ],
    ids=str,
)
def test_events_are_chosen_by_name_and_score(simulator: ReviewsSimulator, config: dict[str, Any], wanted: bool) -> None:
    assert problems(config, WATCH_REVIEWS.config) == []
    [event] = WATCH_REVIEWS.parse(delivery(simulator.webhooks["review_create_quoted"].body))
    assert WATCH_REVIEWS.accepts(config, event) is wanted
    [scoreless] = WATCH_REVIEWS.parse(delivery({"event": "review_create", "data": {"id": 1}}))
    assert WATCH_REVIEWS.accepts({"score_to": 2}, scoreless) is False
