"""A Slack bot: messages, people, channels and reactions; what is refused, and what is unknown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine import Action, Request, Search
from engine.runtime.declared import DeclaredRequest
from engine.sdk import errors
from modules.slack_bot import ADD_REACTION, BOT, FIND_USER, LIST_CHANNELS, POST_MESSAGE, UPDATE_MESSAGE, engine_apps
from modules.slack_bot.simulator import Channel, Message, Slack
from tests.modules.bench import Bench, bench, problems
from tests.modules.runs import crash, runs
from tests.runtime.doubles import HandClock

LOYALTY = "C0LOYALTY"
FILE = Path(__file__).parents[2] / "modules" / "slack_bot" / "__init__.py"
POST = {"channel": LOYALTY, "text": "*Ana* is GOLD"}
#: what is done to the message that was posted before
SAID = {"channel": "${{ post_message.channel }}", "ts": "${{ post_message.ts }}"}


def steps(*calls: tuple[str, Any], **keys: Any) -> str:
    return yaml.safe_dump(
        [
            {"id": name, "module": f"slack_bot.{name}", "connection": "slack-bot", "with": config, **keys}
            for name, config in calls
        ]
    )


@asynccontextmanager
async def workspace() -> AsyncIterator[tuple[Bench, Slack]]:
    clock = HandClock()
    simulator = Slack(clock)
    async with bench(simulator, BOT, clock) as slack:
        yield slack, simulator


def test_the_app_is_five_declared_calls_in_less_than_eighty_lines() -> None:
    text = FILE.read_text()
    assert len(text.splitlines()) < 80
    assert text.count("def ") == 1, "the hook alone is a function"
    modules = engine_apps().modules
    assert len(modules) == 5
    for module in modules:
        assert isinstance(module, Action | Search)
        assert module.request is not None
    assert isinstance(BOT.test, Request)


async def test_a_message_is_posted_changed_and_reacted_to() -> None:
    changed = ("update_message", {**SAID, "text": "*Ana* is GOLD, and was told"})
    reacted = ("add_reaction", {**SAID, "emoji": "white_check_mark"})
    async with runs("slack_bot", steps(("post_message", POST), changed, reacted)) as engine:
        result = await engine.run({})
        assert result.state == "succeeded", result.error
        [message] = engine.simulator.messages
        assert (message.channel, message.said) == (LOYALTY, {"text": "*Ana* is GOLD, and was told"})
        assert message.reactions == ["white_check_mark"]


async def test_messages_wait_for_their_second() -> None:
    async with runs("slack_bot", steps(("post_message", POST))) as engine:
        results = [await engine.run({}) for _ in range(3)]
        assert [result.state for result in results] == ["succeeded"] * 3
        assert engine.simulator.calls["POST /api/chat.postMessage"] == 3


async def test_blocks_and_replies_go_as_they_are() -> None:
    blocks = [{"type": "section", "text": {"type": "plain_text", "text": "Ana <!channel>"}}]
    async with workspace() as (slack, simulator):
        first = await slack.run(POST_MESSAGE, {**POST, "blocks": blocks})
        assert first == {"channel": LOYALTY, "ts": simulator.messages[0].ts}
        slack.clock.advance(1)
        await slack.run(POST_MESSAGE, {"channel": LOYALTY, "text": "told", "thread_ts": first["ts"]})
        assert [one.said for one in simulator.messages] == [
            {"text": POST["text"], "blocks": blocks},
            {"text": "told", "thread_ts": first["ts"]},
        ]


async def test_a_change_without_blocks_takes_them_away() -> None:
    async with workspace() as (slack, simulator):
        said = await slack.run(POST_MESSAGE, {**POST, "blocks": [{"type": "divider"}]})
        assert await slack.run(UPDATE_MESSAGE, {**said, "text": "told"}) == said
        assert simulator.messages[0].said == {"text": "told"}


async def test_a_person_is_found_and_written_to() -> None:
    async with workspace() as (slack, simulator):
        person = await slack.run(FIND_USER, {"email": "mia@example.com"})
        assert (person["id"], person["profile"]["real_name"]) == ("U0MIA0001", "Mia Manager")
        said = await slack.run(POST_MESSAGE, {"channel": person["id"], "text": "hello"})
        # the conversation has an ID of its own, under which the message is changed
        assert said["channel"] == "D0MIA0001"
        await slack.run(UPDATE_MESSAGE, {**said, "text": "bye"})
        assert simulator.messages[0].said == {"text": "bye"}


async def test_a_channel_may_be_named_to_post_and_answers_its_id() -> None:
    async with workspace() as (slack, _):
        said = await slack.run(POST_MESSAGE, {**POST, "channel": "loyalty"})
        assert said["channel"] == LOYALTY
        with pytest.raises(errors.NotFound, match="channel_not_found"):
            await slack.run(UPDATE_MESSAGE, {**said, "channel": "loyalty", "text": "told"})


@pytest.mark.parametrize("count", [1, 200, 201, 450])
async def test_channels_are_listed_page_by_page(count: int) -> None:
    async with workspace() as (slack, simulator):
        simulator.channels = [Channel(f"C{number:08}", f"channel-{number}") for number in range(count)]
        found = await slack.find(LIST_CHANNELS, {})
        assert [one["id"] for one in found] == [one.id for one in simulator.channels]
        assert simulator.calls["GET /api/conversations.list"] == (count + 199) // 200


async def test_a_page_that_archived_channels_have_emptied_is_not_the_last() -> None:
    async with workspace() as (slack, simulator):
        simulator.channels = [Channel(f"C{number:08}", "old", archived=True) for number in range(200)]
        simulator.channels.append(Channel(LOYALTY, "loyalty"))
        assert [one["id"] for one in await slack.find(LIST_CHANNELS, {})] == [LOYALTY]


async def test_types_of_channels_are_told_with_commas() -> None:
    async with workspace() as (slack, _):
        assert [one["name"] for one in await slack.find(LIST_CHANNELS, {"types": "private_channel"})] == ["managers"]
        assert len(await slack.find(LIST_CHANNELS, {"types": "public_channel,private_channel"})) == 4


async def test_a_reaction_that_is_there_already_is_done() -> None:
    async with workspace() as (slack, simulator):
        said = await slack.run(POST_MESSAGE, POST)
        for _ in range(2):
            assert await slack.run(ADD_REACTION, {**said, "emoji": "tada"}) == {**said, "emoji": "tada"}
        assert simulator.messages[0].reactions == ["tada"]


TS = "1.000001"
REFUSED: list[tuple[Action, dict[str, Any], str, type[errors.ModuleError]]] = [
    (POST_MESSAGE, {**POST, "channel": "C0NOWHERE"}, "channel_not_found", errors.NotFound),
    (POST_MESSAGE, {**POST, "channel": "U0OLD0001"}, "channel_not_found", errors.NotFound),
    (POST_MESSAGE, {**POST, "channel": "C0OLD0001"}, "is_archived", errors.NotFound),
    (POST_MESSAGE, {**POST, "channel": "C0RANDOM1"}, "not_in_channel", errors.AuthError),
    (POST_MESSAGE, {**POST, "text": "a" * 4001}, "msg_too_long", errors.DataError),
    (POST_MESSAGE, {**POST, "blocks": [{"type": ""}]}, "invalid_blocks", errors.DataError),
    (UPDATE_MESSAGE, {"channel": LOYALTY, "ts": "9.9", "text": "a"}, "message_not_found", errors.NotFound),
    (UPDATE_MESSAGE, {"channel": LOYALTY, "ts": TS, "text": "a"}, "cant_update_message", errors.AuthError),
    (UPDATE_MESSAGE, {"channel": "C0OLD0001", "ts": TS, "text": "a"}, "is_inactive", errors.NotFound),
    (FIND_USER, {"email": "nobody@example.com"}, "users_not_found", errors.NotFound),
    (FIND_USER, {"email": "left@example.com"}, "users_not_found", errors.NotFound),
    (ADD_REACTION, {"channel": LOYALTY, "ts": "9.9", "emoji": "tada"}, "message_not_found", errors.NotFound),
    (ADD_REACTION, {"channel": LOYALTY, "ts": TS, "emoji": ":tada:"}, "invalid_name", errors.DataError),
]


@pytest.mark.parametrize(("module", "config", "name", "kind"), REFUSED, ids=[row[2] for row in REFUSED])
async def test_a_refusal_has_its_type_and_proves_that_nothing_was_written(
    module: Action, config: dict[str, Any], name: str, kind: type[errors.ModuleError]
) -> None:
    async with workspace() as (slack, simulator):
        simulator.messages = [
            Message(LOYALTY, TS, {"text": "by a person"}, author="U0MIA0001"),
            Message("C0OLD0001", TS, {"text": "by the bot, before"}),
        ]
        with pytest.raises(errors.ModuleError) as caught:
            await slack.run(module, config)
        assert (type(caught.value), caught.value.refused) == (kind, True)
        assert caught.value.message.endswith(f": {name}")


@pytest.mark.parametrize(
    ("scope", "module", "config"),
    [
        ("chat:write", POST_MESSAGE, POST),
        ("users:read.email", FIND_USER, {"email": "mia@example.com"}),
        ("reactions:write", ADD_REACTION, {"channel": LOYALTY, "ts": TS, "emoji": "tada"}),
    ],
)
async def test_a_scope_that_is_missing_is_named(scope: str, module: Action, config: dict[str, Any]) -> None:
    async with workspace() as (slack, simulator):
        simulator.scopes.remove(scope)
        with pytest.raises(errors.AuthError, match=f"missing_scope; {scope}") as caught:
            await slack.run(module, config)
        assert caught.value.refused


async def test_private_channels_need_a_scope_of_their_own() -> None:
    async with workspace() as (slack, simulator):
        simulator.scopes.remove("groups:read")
        assert len(await slack.find(LIST_CHANNELS, {})) == 3
        with pytest.raises(errors.AuthError, match="missing_scope; groups:read"):
            await slack.find(LIST_CHANNELS, {"types": "private_channel"})


DENIED = """
    not_authed invalid_auth access_denied account_inactive token_revoked token_expired no_permission missing_scope
    org_login_required ekm_access_denied not_allowed_token_type two_factor_setup_required accesslimited not_in_channel
    enterprise_is_restricted team_access_not_granted restricted_action restricted_action_read_only_channel
    messages_tab_disabled cant_update_message cant_broadcast_message
"""
WRONG = """
    no_text msg_too_long too_many_attachments too_many_reactions bad_timestamp no_item_specified invalid_name
    invalid_blocks invalid_cursor invalid_limit invalid_types invalid_arguments invalid_json json_not_object
"""
#: what Slack's reference has of these methods, as the connection takes it
KINDS: list[tuple[type[errors.ModuleError], bool, str]] = [
    (errors.AuthError, True, DENIED),
    (
        errors.NotFound,
        True,
        "channel_not_found users_not_found message_not_found team_not_found is_archived is_inactive",
    ),
    (errors.RateLimitError, True, "ratelimited rate_limited"),
    (errors.DataError, True, WRONG),
    (errors.Conflict, True, "edit_window_closed thread_locked external_channel_migrating"),
    # of these Slack says that some of it may have been done, or nothing at all
    (errors.VendorError, False, "fatal_error internal_error service_unavailable request_timeout team_added_to_org"),
]


@pytest.mark.parametrize(
    ("name", "kind", "refused"), [(name, kind, refused) for kind, refused, names in KINDS for name in names.split()]
)
async def test_each_error_has_its_type(name: str, kind: type[errors.ModuleError], refused: bool) -> None:
    async with workspace() as (slack, simulator):
        simulator.fail_next(200, body=simulator.error_body(name))
        with pytest.raises(errors.ModuleError) as caught:
            await slack.run(POST_MESSAGE, POST)
        assert (type(caught.value), caught.value.refused) == (kind, refused)


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b'{"ok": false}', b""])
async def test_an_answer_that_is_not_slacks_is_no_success(answer: bytes) -> None:
    async with workspace() as (slack, simulator):
        simulator.fail_next(200, raw=answer)
        with pytest.raises(errors.VendorError) as caught:
            await slack.run(POST_MESSAGE, POST)
        assert not caught.value.refused


async def test_an_answer_that_says_yes_and_lacks_what_was_asked_for_is_none() -> None:
    """A message without its time was posted all the same, and is not posted again."""
    async with workspace() as (slack, simulator):
        simulator.fail_next(200, raw=b'{"ok": true}')
        with pytest.raises(errors.VendorError, match=r"the answer has no user\.id"):
            await slack.run(FIND_USER, {"email": "mia@example.com"})
        for module, config in ((POST_MESSAGE, POST), (UPDATE_MESSAGE, {**POST, "ts": TS})):
            simulator.fail_next(200, raw=b'{"ok": true, "channel": "C0LOYALTY"}')
            call = slack.call(config)
            assert await DeclaredRequest(module.request).call(call, writes=True) is None  # type: ignore[arg-type]  # it is declared
            assert "its answer cannot be used" in call.warnings[0]


async def test_the_time_to_wait_is_the_vendors() -> None:
    async with workspace() as (slack, _):
        await slack.run(POST_MESSAGE, POST)
        with pytest.raises(errors.RateLimitError) as caught:
            await slack.run(POST_MESSAGE, POST)
        assert (caught.value.retry_after, caught.value.refused) == (1.0, True)
        # another channel has a second of its own
        await slack.run(POST_MESSAGE, {**POST, "channel": "C0GENERAL"})
        slack.clock.advance(1)
        await slack.run(POST_MESSAGE, POST)


async def test_the_connection_is_tried_by_asking_whose_the_token_is() -> None:
    clock = HandClock()
    assert isinstance(BOT.test, Request)
    async with bench(Slack(clock), BOT, clock) as slack:
        await DeclaredRequest(BOT.test).call(slack.call({}), writes=False)
    async with bench(Slack(clock), BOT, clock, {"token": "another"}) as slack:
        with pytest.raises(errors.AuthError, match="invalid_auth"):
            await DeclaredRequest(BOT.test).call(slack.call({}), writes=False)


@pytest.mark.parametrize("trouble", ["fatal_error", "internal_error"])
async def test_an_error_that_may_have_written_holds_the_run_and_is_not_sent_again(trouble: str) -> None:
    async with runs("slack_bot", steps(("post_message", POST), retry={"attempts": 5, "from": "1s"})) as engine:
        engine.simulator.fail_next(200, applied=True, body=engine.simulator.error_body(trouble))
        result = await engine.run({})
        assert (result.state, [effect.state for effect in result.effects]) == ("held", ["unknown"])
        assert len(engine.simulator.messages) == 1


async def test_a_crash_after_the_message_writes_no_second_one() -> None:
    async with crash("slack_bot", steps(("post_message", POST)), "effect.sent") as (result, simulator):
        assert (result.state, len(simulator.messages)) == ("held", 1)


@pytest.mark.parametrize(
    ("name", "config"), [("update_message", {"text": "told"}), ("add_reaction", {"emoji": "tada"})]
)
async def test_a_change_and_a_reaction_whose_answers_got_lost_are_sent_again(name: str, config: dict[str, Any]) -> None:
    async with runs("slack_bot", steps((name, {"channel": LOYALTY, "ts": TS, **config}))) as engine:
        message = Message(LOYALTY, TS, {"text": "before"})
        engine.simulator.messages.append(message)
        engine.simulator.close_mid_answer()
        result = await engine.run({})
        assert result.state == "succeeded", result.error
        assert (message.said["text"], message.reactions) in [("told", []), ("before", ["tada"])]


@pytest.mark.parametrize(
    ("module", "config"),
    [
        (POST_MESSAGE, {"channel": LOYALTY}),
        (POST_MESSAGE, {**POST, "text": ""}),
        (POST_MESSAGE, {**POST, "text": "a" * 40_001}),
        (POST_MESSAGE, {**POST, "blocks": [{"text": "no type"}]}),
        (UPDATE_MESSAGE, {**POST, "ts": 1503435956.000247}),
        (UPDATE_MESSAGE, {**POST, "ts": "yesterday"}),
        (ADD_REACTION, {"channel": LOYALTY, "ts": TS}),
    ],
)
def test_the_schema_refuses_what_slack_would(module: Action, config: Any) -> None:
    assert problems(config, module.config)
