"""A tier is told in the channel once, with its manager, and marked when the customer has been congratulated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.testing import RunResult, SimulatedHarness
from tests.scenarios.conftest import SCENARIOS
from tests.scenarios.deaths import die_everywhere

NAME = "tier-shoutout"
FILE = SCENARIOS / NAME / "scenario.yaml"
EVENT: dict[str, Any] = json.loads((SCENARIOS / NAME / "event.json").read_text())


async def run(harness: SimulatedHarness, event: dict[str, Any]) -> RunResult:
    """One run, while time moves on: the connection takes one request a second."""
    [run_id] = (await harness.send(event)).runs
    return await harness.result(run_id, advance=60)


async def test_the_team_is_told_and_the_message_is_marked() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        result = await run(harness, EVENT)
        assert result.state == "succeeded", result.error
        [message] = harness.simulator("slack_bot").messages
        assert (message.channel, message.said) == ("C0LOYALTY", {"text": "<@U0MIA0001> Ana has reached *GOLD*"})
        assert message.reactions == ["white_check_mark"]
        [told] = harness.simulator("yotpo_messaging").events.values()
        assert told["event_properties"] == {"tier": "GOLD"}


async def test_a_manager_who_has_left_is_not_called_and_the_team_is_told() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        harness.simulator("slack_bot").people["mia@example.com"]["deleted"] = True
        assert (await run(harness, EVENT)).state == "succeeded"
        [message] = harness.simulator("slack_bot").messages
        assert message.said["text"] == "Ana has reached *GOLD*"


async def test_a_token_that_was_revoked_ends_the_run_before_anybody_is_told() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        slack = harness.simulator("slack_bot")
        slack.fail_next(200, body=slack.error_body("token_revoked"))
        result = await run(harness, EVENT)
        assert (result.state, result.effects) == ("failed", [])
        assert "token_revoked" in result.error["message"]


async def test_a_name_calls_nobody() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        await run(harness, {**EVENT, "customer": {**EVENT["customer"], "first_name": "<!channel>"}})
        [message] = harness.simulator("slack_bot").messages
        assert message.said["text"] == "<@U0MIA0001> &lt;!channel> has reached *GOLD*"


async def test_a_message_stays_unmarked_until_the_customer_was_told() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        slack, messaging = harness.simulator("slack_bot"), harness.simulator("yotpo_messaging")
        await run(harness, EVENT)
        messaging.fail_next(400)
        result = await run(harness, {**EVENT, "email": "ben@example.com"})
        assert (result.state, result.holds[0]["step"]) == ("held", "congratulated")
        assert slack.messages[-1].reactions == []
        harness.clock.jump(1)
        after = await harness.resume(result.run.id, "again", reason="the account was mended")
        assert (after.state, slack.messages[-1].reactions) == ("succeeded", ["white_check_mark"])
        assert len(slack.messages) == 2


async def test_a_message_whose_answer_got_lost_is_held_and_not_written_again() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        slack = harness.simulator("slack_bot")
        slack.fail_next(200, body=slack.error_body("users_not_found"))
        slack.close_mid_answer()
        result = await run(harness, EVENT)
        assert (result.state, [hold["step"] for hold in result.holds]) == ("held", ["told"])
        assert len(slack.messages) == 1


async def test_it_survives_dying_at_every_boundary_of_a_step(tmp_path: Path) -> None:
    await die_everywhere(NAME, tmp_path)
