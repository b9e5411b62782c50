"""``engine webhooks attach`` over the Core API, where the vendor may call the URL already in another way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from engine.runtime.clock import SystemClock
from modules.yotpo_messaging.simulator import MessagingSimulator
from tests.cli.conftest import Program, Shop
from tests.cli.test_attaching import PUBLIC, REVIEWS, row, served

Start = Callable[..., Program]
LOYALTY = """
scenario: tiers
trigger:
  module: yotpo_loyalty.watch_loyalty_events
  with: {events: [swell/tier/earned]}
steps:
  - set: {who: "${{ trigger.email }}"}
"""


@pytest.fixture
def vendor(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[MessagingSimulator]:
    simulator = MessagingSimulator(SystemClock(), per_second=None)
    shop.write("engine.yaml", f"server: {{port: 0, admin_port: 0, public_url: {PUBLIC}}}\n")
    shop.write("scenarios/tiers.yaml", LOYALTY)
    with served(simulator) as url:
        fields = simulator.connection(url)
        monkeypatch.setenv("SECRET", str(fields["secret"]))
        base = str(fields.get("base_url", url))
        line = f"type: yotpo_messaging, store_id: {fields['store_id']}, secret: {{env: SECRET}}, base_url: {base}"
        shop.write("connections.yaml", f"store: {{{line}}}\n")
        yield simulator


def told(vendor: MessagingSimulator) -> list[tuple[str, list[str]]]:
    shelves = vendor.subscriptions.shelves
    return [
        (
            shelves["target"].get(one["target_id"])["url"],
            [kind["event_type"] for kind in shelves["filter"].get(one["filter_id"])["event_types"]],
        )
        for one in shelves["subscription"].things.values()
    ]


def test_a_loyalty_webhook_is_attached_once_and_detached(shop: Shop, vendor: MessagingSimulator) -> None:
    hook = row(shop, "scenario:tiers")
    assert hook["attached"] is None, "the vendor may have been given it by hand"
    first = shop.engine("webhooks", "attach", "tiers")
    assert first.stdout == f"'tiers' is attached over 'store': the vendor calls {hook['url']}\n"
    assert "was attached already" in shop.engine("webhooks", "attach", "tiers").stdout
    assert told(vendor) == [(hook["url"], ["swell/tier/earned"])]
    assert row(shop, "scenario:tiers")["attached"] == {"over": "store", "old_urls": []}
    assert shop.engine("webhooks", "detach", "tiers").stdout == "'tiers' is detached\n"
    assert shop.engine("webhooks", "detach", "tiers").stdout == "'tiers' was not attached\n"
    assert (told(vendor), row(shop, "scenario:tiers")["attached"]) == ([], None)


def test_after_a_rotation_the_vendor_is_told_anew(shop: Shop, vendor: MessagingSimulator) -> None:
    shop.engine("webhooks", "attach", "tiers")
    rotated = shop.engine("webhooks", "rotate", "tiers")
    assert "the vendor still calls the old URL: `engine webhooks attach tiers`" in rotated.stderr
    shop.engine("webhooks", "attach", "tiers")
    assert told(vendor) == [(rotated.stdout.strip(), ["swell/tier/earned"])]
    assert len(vendor.subscriptions.shelves["filter"].things) == 1


def test_what_is_told_over_another_connection_of_the_same_store_stays_told(
    shop: Shop, vendor: MessagingSimulator
) -> None:
    """The old way is taken back after the new one, and both lead to one and the same list."""
    line = (shop.root / "connections.yaml").read_text().partition(": ")[2]
    shop.write("connections.yaml", f"store: {line}same: {line}")
    hook = row(shop, "scenario:tiers")
    for over in ("store", "same", "store"):
        shop.engine("webhooks", "attach", "tiers", "--connection", over)
        assert told(vendor) == [(hook["url"], ["swell/tier/earned"])]
        assert row(shop, "scenario:tiers")["attached"]["over"] == over


def test_without_a_name_only_what_was_told_before_is_told_again(shop: Shop, vendor: MessagingSimulator) -> None:
    left = shop.engine("webhooks", "attach").stderr
    assert left.strip() == "'tiers' is left out: the vendor may have its URL already; `attach tiers` tells it"
    assert told(vendor) == []
    shop.engine("webhooks", "attach", "tiers")
    moved = shop.json("webhooks", "attach", "--public-url", "https://new.example.com")
    assert [one["changed"] for one in moved["webhooks"]] == [True]
    [(url, _)] = told(vendor)
    assert url.startswith("https://new.example.com/hooks/")


def test_reviews_are_told_over_it_where_there_is_no_better_way(shop: Shop, vendor: MessagingSimulator) -> None:
    shop.write("scenarios/reviews.yaml", REVIEWS)
    assert "'reviews' is left out: there is no connection of type yotpo_developer" in " ".join(
        shop.engine("webhooks", "attach").stderr.split()
    )
    assert told(vendor) == []
    assert "over 'store'" in shop.engine("webhooks", "attach", "reviews").stdout
    assert told(vendor) == [(row(shop)["url"], ["review_create"])]
    shop.write("scenarios/reviews.yaml", REVIEWS.replace("[review_create]", "[review_updated]"))
    refused = shop.engine("webhooks", "attach", "reviews")
    assert (refused.exit_code, "tells of review_create alone" in refused.stderr) == (1, True)


def test_the_better_way_goes_first(shop: Shop, vendor: MessagingSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.write("scenarios/reviews.yaml", REVIEWS)
    monkeypatch.setenv("APP_TOKEN", "token")
    app = "type: yotpo_developer, account_id: a, access_token: {env: APP_TOKEN}, base_url: 'http://127.0.0.1:1'"
    connections = (shop.root / "connections.yaml").read_text()
    shop.write("connections.yaml", f"{connections}app: {{{app}}}\n")
    failed = shop.engine("webhooks", "attach", "reviews")
    assert (failed.exit_code, "127.0.0.1:1" in failed.stderr) == (1, True)
    assert shop.engine("webhooks", "attach", "reviews", "--connection", "store").exit_code == 0


def test_serve_says_nothing_of_a_url_that_may_be_known(shop: Shop, vendor: MessagingSimulator, start: Start) -> None:
    serving = start("serve")
    serving.line("scenario:tiers")
    serving.process.terminate()
    assert "was not told" not in serving.end()[2]
    shop.engine("webhooks", "attach", "tiers")
    shop.engine("webhooks", "rotate", "tiers")
    serving = start("serve")
    serving.line("scenario:tiers")
    serving.process.terminate()
    assert "was not told this URL: `engine webhooks attach tiers`" in serving.end()[2]
