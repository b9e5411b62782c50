"""The shipped digest: a mail and a message on working days, each once."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from engine.testing import CrashAt, SimulatedHarness, VirtualClock
from tests.scenarios.conftest import SCENARIOS

NAME = "daily-digest"
FILE = SCENARIOS / NAME / "scenario.yaml"
EVENT = json.loads((SCENARIOS / NAME / "event.json").read_text())
FRIDAY = datetime.fromisoformat("2024-03-29T12:00:00+01:00").timestamp()


async def test_the_team_gets_a_mail_and_a_message() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        result = await harness.run(EVENT)
        assert result.state == "succeeded", result.error
        [mail] = harness.simulator("email").mails
        [message] = harness.simulator("slack").messages
    many = int(mail.message["Subject"].split()[0])
    assert many > 0
    assert mail.recipients == ("loyalty@example.com",)
    assert "ana@example.com" in mail.message.get_body(("plain",)).get_content()
    [attachment] = mail.message.iter_attachments()
    assert len(json.loads(attachment.get_payload(decode=True))) == many
    assert message == {"text": f"{many} customers have changed lately; the list is in the mail."}


async def test_it_comes_on_working_days() -> None:
    async with SimulatedHarness.of(FILE, clock=VirtualClock(FRIDAY)) as harness:
        for _ in range(3 * 24):
            harness.clock.jump(3600)
            for accepted in await harness.tick():
                for run in accepted.runs:
                    assert (await harness.result(run)).state == "succeeded"
        assert len(harness.simulator("email").mails) == 1


async def test_a_mail_whose_outcome_is_unknown_holds_the_run_and_says_nothing_in_the_channel() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        harness.simulator("email").lose_answer()
        result = await harness.run(EVENT)
        assert result.state == "held"
        assert (len(harness.simulator("email").mails), harness.simulator("slack").messages) == (1, [])


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("point", ["effect.intended", "effect.sent", "effect.settled"])
async def test_a_crash_anywhere_sends_nothing_twice(point: str, nth: int) -> None:
    harness = SimulatedHarness.of(FILE)
    try:
        [result] = await harness.crash(CrashAt(point, nth), EVENT)
        assert result.state in ("succeeded", "held")
        assert len(harness.simulator("email").mails) <= 1
        assert len(harness.simulator("slack").messages) <= 1
        if result.state == "succeeded":
            assert (len(harness.simulator("email").mails), len(harness.simulator("slack").messages)) == (1, 1)
    finally:
        await harness.stop()
