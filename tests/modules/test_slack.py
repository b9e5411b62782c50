"""Messages by an incoming webhook: what the channel has, what is refused, and that the URL stays secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.plugins import load
from engine.runtime.connection_file import read_connections
from engine.runtime.connections import Connections
from engine.runtime.secrets import Secrets
from engine.sdk import errors
from modules.slack import CONNECTION
from modules.slack.send import SEND_MESSAGE
from modules.slack.simulator import SlackSimulator
from tests.modules.bench import bench, problems
from tests.modules.runs import crash, runs
from tests.runtime.doubles import HandClock


class Elsewhere:
    path = "/services/T1/B1/other"


def step(config: Any, **keys: Any) -> str:
    return yaml.safe_dump(
        [{"id": "tell", "module": "slack.send_message", "connection": "team", "with": config, **keys}]
    )


async def test_a_message_stands_in_the_channel() -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*Ana* is GOLD"}}]
    async with runs("slack", step({"text": "Ana <!channel> & co", "plain": True, "blocks": blocks})) as engine:
        result = await engine.run({})
        assert result.state == "succeeded", result.error
        assert engine.simulator.messages == [{"text": "Ana &lt;!channel&gt; &amp; co", "blocks": blocks}]


async def test_messages_wait_for_their_second() -> None:
    async with runs("slack", step({"text": "hello"})) as engine:
        results = [await engine.run({}) for _ in range(3)]
        assert [result.state for result in results] == ["succeeded"] * 3
        assert [effect.state for result in results for effect in result.effects] == ["done"] * 3


@pytest.mark.parametrize(
    ("state", "kind"),
    [("channel_is_archived", "NotFound"), ("channel_not_found", "NotFound"), ("action_prohibited", "AuthError")],
)
async def test_refusals_are_told_by_name_and_nothing_was_written(state: str, kind: str) -> None:
    async with runs("slack", step({"text": "hello"})) as engine:
        engine.simulator.state = state
        result = await engine.run({})
        assert (result.state, result.error["type"], result.error["refused"]) == ("failed", kind, True)
        assert result.error["detail"] == state


async def test_a_server_error_is_unknown_and_is_not_sent_again() -> None:
    async with runs("slack", step({"text": "hello"}, retry={"attempts": 5, "from": "1s"})) as engine:
        engine.simulator.fail_next(500, applied=True, body="rollup_error")
        result = await engine.run({})
        assert (result.state, [effect.state for effect in result.effects]) == ("held", ["unknown"])
        assert len(engine.simulator.messages) == 1


async def test_a_crash_after_the_message_writes_no_second_one() -> None:
    async with crash("slack", step({"text": "hello"}), "effect.sent") as (result, simulator):
        assert result.state == "held"
        assert len(simulator.messages) == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("", "no json", 400, "invalid_payload"),
        ("", "[]", 400, "invalid_payload"),
        ("", "{}", 400, "no_text"),
        ("", '{"blocks": [{}]}', 400, "invalid_blocks"),
        ("", '{"blocks": [' + ",".join(['{"type": "divider"}'] * 51) + "]}", 400, "invalid_blocks"),
        ("x", '{"text": "a"}', 404, "no_service"),
    ],
)
async def test_what_the_vendor_refuses_the_simulator_refuses(path: str, body: str, status: int, said: str) -> None:
    clock = HandClock()
    simulator = SlackSimulator(clock)
    async with bench(simulator, CONNECTION, clock) as team:
        if path:
            simulator.admit = lambda _request: SlackSimulator.admit(simulator, Elsewhere())  # type: ignore[method-assign, assignment, arg-type] # the URL of another webhook
        answer = await team.http.request("POST", "", data=body, raise_for_status=False)
        assert (answer.status, answer.text) == (status, said)


async def test_a_second_message_in_a_second_is_refused_with_the_time_to_wait() -> None:
    clock = HandClock()
    async with bench(SlackSimulator(clock), CONNECTION, clock) as team:
        assert await team.run(SEND_MESSAGE, {"text": "one"}) == {"answer": "ok"}
        with pytest.raises(errors.RateLimitError) as caught:
            await team.run(SEND_MESSAGE, {"text": "two"})
        assert (caught.value.retry_after, caught.value.refused) == (1.0, True)
        clock.advance(1)
        await team.run(SEND_MESSAGE, {"text": "two"})


@pytest.mark.parametrize("config", [{}, {"text": ""}, {"blocks": []}, {"blocks": [{"text": "no type"}]}])
def test_the_schema_refuses_what_slack_would(config: Any) -> None:
    assert problems(config, SEND_MESSAGE.config)


@pytest.mark.parametrize("end", ["", "/", "//"])
async def test_no_error_shows_the_url(tmp_path: Path, unused_tcp_port: int, end: str) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/services/T1/B1/verysecretpart{end}"
    file = tmp_path / "connections.yaml"
    file.write_text("team: {type: slack, base_url: {env: HOOK}}")
    connections = Connections(read_connections(file, load()), load(), Secrets({"HOOK": url}), HandClock())
    with pytest.raises(errors.ConnectionError) as caught:
        await connections.open("team", "slack").http.request("POST", "", json={})
    assert "verysecret" not in str(caught.value)
    assert connections.open("team", "slack").public == {}
    await connections.close()
