"""``engine webhooks attach`` and ``detach``: a vendor is told a webhook's URL by its API, and no longer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from engine.runtime.clock import SystemClock
from modules.simulation import SimulatedVendor
from modules.yotpo_developer.simulator import DeveloperSimulator
from tests.cli.conftest import PATIENCE, Program, Shop

Start = Callable[..., Program]
PUBLIC = "https://hooks.example.com"
REVIEWS = """
scenario: reviews
trigger:
  module: yotpo_reviews.watch_reviews
  with: {events: [review_create]}
steps:
  - set: {stars: "${{ trigger.data.score }}"}
"""
CONNECTION = "type: yotpo_developer, account_id: simulated-account, access_token: {env: APP_TOKEN}"


class Vendor:
    """The simulated vendor, in a thread of its own, and what it was told. It allows any number of requests a second."""

    def __init__(self, simulator: DeveloperSimulator, base: str) -> None:
        self._simulator = simulator
        self._base = base

    def connect(self, shop: Shop, *names: str) -> None:
        """Have these connections."""
        shop.write("connections.yaml", "".join(f"{name}: {{{CONNECTION}, base_url: {self._base}}}\n" for name in names))

    def fail_next(self, status: int) -> None:
        """Answer the next request so."""
        self._simulator.fail_next(status)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(one["webhook_event_name"], one["url"]) for one in self._simulator.room.webhooks.values()]


@contextmanager
def served(simulator: SimulatedVendor) -> Iterator[str]:
    """Serve it beside the test, which waits for programs; gives its URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = TestServer(simulator.application())
    try:
        asyncio.run_coroutine_threadsafe(server.start_server(), loop).result(PATIENCE)
        yield str(server.make_url("")).rstrip("/")
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


@pytest.fixture
def vendor(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    simulator = DeveloperSimulator(SystemClock(), per_second=None)
    monkeypatch.setenv("APP_TOKEN", simulator.access_token)
    shop.write("engine.yaml", f"server: {{port: 0, admin_port: 0, public_url: {PUBLIC}}}\n")
    shop.write("scenarios/reviews.yaml", REVIEWS)
    with served(simulator) as url:
        fields = simulator.connection(url)
        found = Vendor(simulator, str(fields.get("base_url", url)))
        found.connect(shop, "app")
        yield found


def row(shop: Shop, name: str = "scenario:reviews") -> Any:
    return next(one for one in shop.json("webhooks")["webhooks"] if one["name"] == name)


def test_a_url_is_attached_once_and_detached(shop: Shop, vendor: Vendor) -> None:
    hook = row(shop)
    assert hook["attached"] == {"over": None, "old_urls": []}
    assert row(shop, "scenario:order")["attached"] is None
    assert "was not told" in shop.engine("webhooks").stdout
    first = shop.engine("webhooks", "attach", "reviews")
    assert first.stdout == f"'reviews' is attached over 'app': the vendor calls {hook['url']}\n"
    assert shop.json("webhooks", "attach") == {
        "webhooks": [{"name": "scenario:reviews", "connection": "app", "url": hook["url"], "changed": False}]
    }
    assert vendor.told == [("review_create", hook["url"])]
    assert "calls it (app)" in shop.engine("webhooks").stdout
    assert shop.engine("webhooks", "detach", "reviews").stdout == "'reviews' is detached\n"
    assert shop.json("webhooks", "detach", "reviews") == {"name": "scenario:reviews", "changed": False}
    assert (vendor.told, row(shop)["attached"]["over"]) == ([], None)


def test_more_events_are_told_of_and_what_another_entered_by_hand_is_found(shop: Shop, vendor: Vendor) -> None:
    shop.engine("webhooks", "attach", "reviews")
    url = row(shop)["url"]
    shop.write("scenarios/reviews.yaml", REVIEWS.replace("[review_create]", "[review_create, review_updated]"))
    assert shop.json("webhooks", "attach", "reviews")["webhooks"][0]["changed"] is True
    assert vendor.told == [("review_create", url), ("review_updated", url)]


def test_what_the_vendor_refuses_is_not_noted_and_can_be_tried_again(shop: Shop, vendor: Vendor) -> None:
    vendor.fail_next(403)
    refused = shop.engine("webhooks", "attach", "reviews")
    assert (refused.exit_code, vendor.told, row(shop)["attached"]["over"]) == (1, [], None)
    assert "auth-error" in refused.stderr
    assert shop.json("webhooks", "attach", "reviews")["webhooks"][0]["changed"] is True
    assert vendor.told == [("review_create", row(shop)["url"])]


def test_after_a_rotation_the_vendor_is_told_anew(shop: Shop, vendor: Vendor) -> None:
    shop.engine("webhooks", "attach", "reviews")
    rotated = shop.engine("webhooks", "rotate", "reviews")
    assert "the vendor still calls the old URL: `engine webhooks attach reviews`" in rotated.stderr
    assert row(shop)["attached"]["old_urls"] == [vendor.told[0][1]]
    assert "calls an older URL" in shop.engine("webhooks").stdout
    shop.engine("webhooks", "attach", "reviews")
    assert vendor.told == [("review_create", rotated.stdout.strip())]
    again = shop.json("webhooks", "rotate", "reviews", "--attach")
    assert again["attached"][0]["changed"] is True
    assert vendor.told == [("review_create", again["url"])]
    assert row(shop)["attached"] == {"over": "app", "old_urls": []}


def test_another_address_of_the_server_takes_the_place_of_the_old_one(shop: Shop, vendor: Vendor) -> None:
    shop.engine("webhooks", "attach", "reviews")
    shop.engine("webhooks", "attach", "reviews", "--public-url", "https://new.example.com/")
    [(_, url)] = vendor.told
    assert url.startswith("https://new.example.com/hooks/")
    # the settings know nothing of that address; it is the webhook's own URL all the same, and no older one
    assert row(shop)["attached"]["elsewhere"] == {"over": "app", "url": url}
    assert "calls it at https://new.example.com (app)" in shop.engine("webhooks").stdout


def test_a_connection_that_is_gone_does_not_keep_the_new_url_from_being_told(shop: Shop, vendor: Vendor) -> None:
    shop.engine("webhooks", "attach", "reviews")
    old = row(shop)["url"]
    vendor.connect(shop, "other")
    moved = shop.engine("webhooks", "attach", "reviews", "--public-url", "https://new.example.com")
    assert (moved.exit_code, f"told {old} over" not in moved.stderr, old in moved.stderr) == (0, True, True)
    assert len(vendor.told) == 2


def test_who_cannot_be_told_is_said(shop: Shop, vendor: Vendor) -> None:
    def refused(*args: str) -> str:
        result = shop.engine("webhooks", *args)
        assert result.exit_code == 1
        return " ".join(result.stderr.split())

    assert "no trigger of webhook 'order' knows how its vendor is told" in refused("attach", "order")
    assert "there is no webhook 'nothing'" in refused("attach", "nothing")
    assert "type yotpo_developer or yotpo_messaging, which 'x' is not" in refused(
        "attach", "reviews", "--connection", "x"
    )
    assert "vendors call https URLs only" in refused("attach", "reviews", "--public-url", "http://hooks.example.com")
    vendor.connect(shop, "one", "two")
    assert "over several connections: one, two" in refused("attach", "reviews")
    assert "is left out" in shop.engine("webhooks", "attach").stderr
    assert shop.engine("webhooks", "attach", "reviews", "--connection", "two").exit_code == 0
    Path("connections.yaml").unlink()
    assert "no connection of type yotpo_developer" in refused("attach", "reviews")
    shop.write("engine.yaml", "server: {port: 0, admin_port: 0}\n")
    before = row(shop)["url"]
    assert "vendors call https URLs only" in refused("rotate", "reviews", "--attach")
    assert row(shop)["url"] == before


def test_serve_says_what_is_not_attached_and_attaching_goes_on_beside_it(
    shop: Shop, vendor: Vendor, start: Start
) -> None:
    serving = start("serve")
    serving.line("scenario:reviews")
    assert shop.engine("webhooks", "attach", "reviews").exit_code == 0
    assert len(vendor.told) == 1
    new = shop.json("webhooks", "rotate", "reviews", "--attach")
    assert vendor.told == [("review_create", new["url"])]
    serving.process.terminate()
    assert "was not told this URL: `engine webhooks attach reviews`" in serving.end()[2]
    serving = start("serve")
    serving.line("scenario:reviews")
    serving.process.terminate()
    assert "was not told" not in serving.end()[2]


def test_nobody_is_told_of_a_server_that_simulates(shop: Shop, vendor: Vendor, start: Start) -> None:
    serving = start("serve", "--simulate")
    serving.line("scenario:reviews")
    result = shop.engine("webhooks", "attach", "reviews")
    assert (result.exit_code, "answers from simulators" in result.stderr) == (1, True)
    serving.process.terminate()
    assert "was not told" not in serving.end()[2]
    assert vendor.told == []
