"""The Core API is told a URL in three calls, any of which may be the last one for now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine import Attachment, DataError, Json, TimeoutError, VendorError, WebhookSample  # noqa: A004 - the engine's name
from modules.yotpo_core import webhooks as w
from modules.yotpo_core.attaching import MOST_PAGES
from modules.yotpo_loyalty.events import TOPICS
from modules.yotpo_loyalty.watch import WATCH_LOYALTY_EVENTS
from modules.yotpo_messaging.connection import CONNECTION
from modules.yotpo_messaging.simulator import MessagingSimulator
from modules.yotpo_reviews.watch import WATCH_REVIEWS
from tests.modules.bench import Bench, BenchCall, bench
from tests.runtime.doubles import HandClock

URL = "https://hooks.example.com/hooks/one"
NEW = "https://hooks.example.com/hooks/two"
EVENTS = {"events": ["swell/tier/lost", "swell/tier/earned"]}
LOYALTY, REVIEWS = WATCH_LOYALTY_EVENTS.attachments[0], WATCH_REVIEWS.attachments[1]


@pytest.fixture
def simulator(clock: HandClock) -> MessagingSimulator:
    return MessagingSimulator(clock, per_second=None)


@pytest.fixture
async def yotpo(simulator: MessagingSimulator, clock: HandClock) -> AsyncIterator[Bench]:
    async with bench(simulator, CONNECTION, clock) as connected:
        yield connected


def there(simulator: MessagingSimulator) -> dict[str, int]:
    """How many there are of each kind."""
    return {kind: len(shelf.things) for kind, shelf in simulator.subscriptions.shelves.items()}


def sent_to(simulator: MessagingSimulator) -> dict[str, list[str]]:
    """Which topics go where, each as often as it is sent."""
    shelves = simulator.subscriptions.shelves
    found: dict[str, list[str]] = {}
    for one in shelves["subscription"].things.values():
        url = shelves["target"].get(one["target_id"])["url"]
        types = shelves["filter"].get(one["filter_id"])["event_types"]
        found.setdefault(url, []).extend(kind["event_type"] for kind in types)
    return {url: sorted(types) for url, types in found.items()}


ONE_EACH = {"target": 1, "filter": 1, "subscription": 1}
NOTHING = dict.fromkeys(ONE_EACH, 0)


async def test_it_is_told_once_and_taken_back(yotpo: Bench, simulator: MessagingSimulator) -> None:
    call = yotpo.call(EVENTS)
    assert await LOYALTY.attach(call, URL) is True
    assert (there(simulator), sent_to(simulator)) == (ONE_EACH, {URL: sorted(EVENTS["events"])})
    assert await LOYALTY.attach(call, URL) is False
    assert there(simulator) == ONE_EACH
    assert await LOYALTY.detach(call, URL) is True
    assert there(simulator) == NOTHING
    assert await LOYALTY.detach(call, URL) is False


async def test_all_events_are_those_that_are_known(yotpo: Bench, simulator: MessagingSimulator) -> None:
    await LOYALTY.attach(yotpo.call({}), URL)
    assert sent_to(simulator) == {URL: sorted(TOPICS)}


async def test_what_was_sent_arrives_as_the_trigger_takes_it(yotpo: Bench, simulator: MessagingSimulator) -> None:
    sent: list[WebhookSample] = []
    simulator.send = sent.append
    await LOYALTY.attach(yotpo.call(EVENTS), URL)
    assert simulator.subscriptions.happen("tier_earned") == [URL]
    [sample] = sent
    assert sample.body["topic"] == "swell/tier/earned"


async def test_only_the_topics_are_added_that_do_not_reach_the_url(yotpo: Bench, simulator: MessagingSimulator) -> None:
    await LOYALTY.attach(yotpo.call(EVENTS), URL)
    more = {"events": ["swell/tier/earned", "swell/points/changed"]}
    assert await LOYALTY.attach(yotpo.call(more), URL) is True
    assert sent_to(simulator) == {URL: ["swell/points/changed", "swell/tier/earned", "swell/tier/lost"]}
    assert there(simulator) == {"target": 1, "filter": 2, "subscription": 2}
    assert await LOYALTY.attach(yotpo.call(EVENTS), URL) is False
    await LOYALTY.detach(yotpo.call(EVENTS), URL)
    assert there(simulator) == NOTHING


async def test_what_a_person_made_is_left(yotpo: Bench, simulator: MessagingSimulator) -> None:
    """A filter of the same topics is taken along; one that somebody else has stays, and so does all of theirs."""
    passing: Any = await yotpo.run(w.CREATE_WEBHOOK_FILTER, {"event_types": EVENTS["events"]})
    target: Any = await yotpo.run(w.CREATE_WEBHOOK_TARGET, {"url": f"{URL}/other"})
    await yotpo.run(w.CREATE_WEBHOOK_SUBSCRIPTION, {"target_id": target["id"], "filter_id": passing["id"]})
    await LOYALTY.attach(yotpo.call(EVENTS), URL)
    assert there(simulator) == {"target": 2, "filter": 1, "subscription": 2}
    await LOYALTY.detach(yotpo.call(EVENTS), URL)
    assert (there(simulator), list(sent_to(simulator))) == (ONE_EACH, [f"{URL}/other"])


async def test_a_url_that_changed_is_told_before_the_old_one_goes(yotpo: Bench, simulator: MessagingSimulator) -> None:
    call = yotpo.call(EVENTS)
    await LOYALTY.attach(call, URL)
    await LOYALTY.attach(call, NEW)
    assert set(sent_to(simulator)) == {URL, NEW}
    await LOYALTY.detach(call, URL)
    assert (there(simulator), sent_to(simulator)) == (ONE_EACH, {NEW: sorted(EVENTS["events"])})


# ------------------------------------------------------------------ what ends in between


class Ending:
    """A client after whose n-th request nothing more is heard.

    :param arrives: that request still reached the vendor.
    """

    def __init__(self, http: Any, after: int, *, arrives: bool) -> None:
        self._http = http
        self._left = after
        self._arrives = arrives

    async def request(self, method: str, path: str, **options: Any) -> Any:
        self._left -= 1
        if self._left == 0 and self._arrives:
            await self._http.request(method, path, **options)
        if self._left <= 0:
            raise TimeoutError("no answer")
        return await self._http.request(method, path, **options)


def ending(yotpo: Bench, after: int, *, arrives: bool) -> BenchCall:
    call = yotpo.call(EVENTS)
    call.http = Ending(call.http, after, arrives=arrives)  # type: ignore[assignment]
    return call


async def until_done(yotpo: Bench, attachment: Attachment, do: str, *, arrives: bool) -> int:
    """How many requests it takes; each attempt of it but the last ends earlier, and all begin where the others left."""
    for after in range(1, 20):
        try:
            await getattr(attachment, do)(ending(yotpo, after, arrives=arrives), URL)
        except TimeoutError:
            continue
        return after
    raise AssertionError("it never ends")


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("cut", range(1, 7))
async def test_whatever_it_ended_at_the_next_attempt_makes_only_what_lacks(
    yotpo: Bench, simulator: MessagingSimulator, cut: int, arrives: bool
) -> None:
    """Three lists are read, three things are made: after each of these six requests nothing more was heard."""
    with pytest.raises(TimeoutError):
        await LOYALTY.attach(ending(yotpo, cut, arrives=arrives), URL)
    whole = cut == 6 and arrives
    assert await LOYALTY.attach(yotpo.call(EVENTS), URL) is not whole
    assert (there(simulator), sent_to(simulator)) == (ONE_EACH, {URL: sorted(EVENTS["events"])})


@pytest.mark.parametrize("arrives", [True, False])
async def test_one_request_further_each_time(yotpo: Bench, simulator: MessagingSimulator, arrives: bool) -> None:
    await until_done(yotpo, LOYALTY, "attach", arrives=arrives)
    assert there(simulator) == ONE_EACH
    await until_done(yotpo, LOYALTY, "detach", arrives=arrives)
    left = there(simulator)
    assert (left["target"], left["subscription"]) == (0, 0)


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("cut", range(1, 7))
async def test_what_was_half_taken_back_is_taken_back(
    yotpo: Bench, simulator: MessagingSimulator, cut: int, arrives: bool
) -> None:
    await LOYALTY.attach(yotpo.call(EVENTS), URL)
    with pytest.raises(TimeoutError):
        await LOYALTY.detach(ending(yotpo, cut, arrives=arrives), URL)
    await LOYALTY.detach(yotpo.call(EVENTS), URL)
    left = there(simulator)
    assert (left["target"], left["subscription"], sent_to(simulator)) == (0, 0, {})
    # a filter that nothing leads from is found by its topics when they are asked for again
    await LOYALTY.attach(yotpo.call(EVENTS), URL)
    assert there(simulator) == ONE_EACH


# ------------------------------------------------------------------ what cannot be told


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("filter", {"webhook_filters": []}),
        ("filter", {"webhook_filters": [{"id": 2}]}),
        ("filter", {"webhook_filters": [{"id": 2, "event_types": "all"}]}),
        ("filter", {"webhook_filters": [{"id": 2, "event_types": [{"name": "swell/tier/lost"}]}]}),
        ("filter", {"webhook_filters": [{"id": 2, "event_types": [None]}]}),
    ],
)
async def test_a_subscription_whose_topics_cannot_be_told_is_not_doubled(
    yotpo: Bench, simulator: MessagingSimulator, kind: str, body: Json
) -> None:
    await LOYALTY.attach(yotpo.call(EVENTS), URL)
    targets = {"webhook_targets": list(simulator.subscriptions.shelves["target"].things.values())}
    simulator.fail_next(200, body=targets)
    simulator.fail_next(200, body=body)
    with pytest.raises(VendorError, match="the topics of its filter 2 cannot be told"):
        await LOYALTY.attach(yotpo.call(EVENTS), URL)
    assert there(simulator) == ONE_EACH


@pytest.mark.parametrize("do", ["attach", "detach"])
@pytest.mark.parametrize(
    ("target", "join", "lacks"),
    [
        ({"id": 1, "target_url": URL}, {}, "url"),
        ({"target_id": 1, "url": URL}, {}, "id"),
        ({"id": 1, "url": URL}, {"id": 3, "webhook_target_id": 1, "filter_id": 2}, "target_id"),
        ({"id": 1, "url": URL}, {"target_id": 1, "filter_id": 2}, "id"),
    ],
)
async def test_a_list_under_other_names_than_were_inferred_is_neither_doubled_nor_passed_over(
    yotpo: Bench, simulator: MessagingSimulator, do: str, target: Json, join: Json, lacks: str
) -> None:
    await LOYALTY.attach(yotpo.call(EVENTS), URL)
    filters = list(simulator.subscriptions.shelves["filter"].things.values())
    for body in ({"webhook_targets": [target]}, {"webhook_filters": filters}, {"webhook_subscriptions": [join]}):
        simulator.fail_next(200, body=body)
    with pytest.raises(VendorError, match=f" shows no {lacks},"):
        await getattr(LOYALTY, do)(yotpo.call(EVENTS), URL)
    assert there(simulator) == ONE_EACH


async def test_what_is_another_urls_may_show_what_it_likes(yotpo: Bench, simulator: MessagingSimulator) -> None:
    """Before there is a target of the URL, no subscription leads to it."""
    await yotpo.find(w.FIND_WEBHOOK_TARGETS, {})  # fetches the token
    simulator.fail_next(200, body={"webhook_targets": [{"url": f"{URL}/other", "name": "theirs"}]})
    simulator.fail_next(200, body={"webhook_filters": [{"name": "theirs"}]})
    simulator.fail_next(200, body={"webhook_subscriptions": [{"name": "theirs"}]})
    assert await LOYALTY.attach(yotpo.call(EVENTS), URL) is True
    assert there(simulator) == ONE_EACH


async def test_a_list_that_cannot_be_read_makes_nothing(yotpo: Bench, simulator: MessagingSimulator) -> None:
    await yotpo.find(w.FIND_WEBHOOK_TARGETS, {})  # fetches the token
    simulator.fail_next(200, body={"targets": []})
    with pytest.raises(VendorError) as caught:
        await LOYALTY.attach(yotpo.call(EVENTS), URL)
    assert "set targets in webhook_keys of the connection" in str(caught.value)
    for number in range(MOST_PAGES):
        simulator.fail_next(200, body={"webhook_targets": [], "pagination": {"next_page_info": str(number % 2)}})
    with pytest.raises(VendorError, match="leads in a circle"):
        await LOYALTY.attach(yotpo.call(EVENTS), URL)
    assert there(simulator) == NOTHING


async def test_names_are_those_of_the_connection(simulator: MessagingSimulator, clock: HandClock) -> None:
    changes = {"webhook_paths": {"targets": "/hooks"}, "webhook_keys": {"targets": "hooks"}}
    async with bench(simulator, CONNECTION, clock, changes) as connected:
        with pytest.raises(Exception, match="404"):
            await LOYALTY.attach(connected.call(EVENTS), URL)
    assert simulator.calls["GET /core/v3/stores/simulated-store/hooks"] == 1


# ------------------------------------------------------------------ reviews


async def test_reviews_that_are_new_are_told_over_this_channel(yotpo: Bench, simulator: MessagingSimulator) -> None:
    assert await REVIEWS.attach(yotpo.call({"events": ["review_create"]}), URL) is True
    assert sent_to(simulator) == {URL: ["review_create"]}


@pytest.mark.parametrize("config", [{}, {"events": ["review_create", "review_updated"]}])
async def test_what_this_channel_has_not_is_refused(yotpo: Bench, simulator: MessagingSimulator, config: Any) -> None:
    with pytest.raises(DataError, match="tells of review_create alone"):
        await REVIEWS.attach(yotpo.call(config), URL)
    assert there(simulator) == NOTHING


def test_nobody_is_told_over_this_channel_unasked() -> None:
    """The same events may come because the URL was entered by hand: only who names the webhook has it told."""
    assert (LOYALTY.by_name, REVIEWS.by_name) == (True, True)
    assert [way.connection for way in WATCH_REVIEWS.attachments] == ["yotpo_developer", "yotpo_messaging"]
