"""A page learns whether to ask for a consent, and is told not to when nobody knows."""

from __future__ import annotations

import json
from typing import Any

from engine.testing import SimulatedHarness
from tests.scenarios.conftest import SCENARIOS, Serve

NAME = "consent-needed"
FILE = SCENARIOS / NAME / "scenario.yaml"
EVENT: dict[str, Any] = json.loads((SCENARIOS / NAME / "event.json").read_text())


async def answer(serve: Serve, customer: str, *, down: bool = False, subscribed: bool = False) -> Any:
    async with serve(NAME) as serving:
        messaging: Any = serving.host.simulators.running["yotpo_messaging"]
        if down:
            messaging.fail_next(503, times=9)
        if subscribed:
            who = {"external_id": customer, "channels": {"sms": {"marketing": {"consent": "subscribed"}}}}
            messaging.customers.seed(who)
        [hook] = [hook for hook in serving.host.webhooks.hooks.values() if hook.listeners]
        async with serving.session.post(serving.service.url(hook), json={"customer": {"id": customer}}) as got:
            return got.status, json.loads(await got.text())


async def test_who_never_agreed_is_asked(serve: Serve) -> None:
    assert await answer(serve, "700100") == (200, {"show_checkbox": True})


async def test_whom_nobody_knows_is_asked(serve: Serve) -> None:
    assert await answer(serve, "1") == (200, {"show_checkbox": True})


async def test_who_is_subscribed_is_not(serve: Serve) -> None:
    assert await answer(serve, "700100", subscribed=True) == (200, {"show_checkbox": False})


async def test_when_the_vendor_is_away_nobody_is_asked_and_the_run_says_so(serve: Serve) -> None:
    assert await answer(serve, "700100", down=True) == (200, {"show_checkbox": False})
    async with SimulatedHarness.of(FILE) as harness:
        harness.simulator("yotpo_messaging").fail_next(503, times=9)
        result = await harness.run(EVENT)
        assert (result.state, result.error["message"]) == ("failed", "SMS & Email was not reached")
