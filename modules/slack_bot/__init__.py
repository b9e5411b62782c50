"""Slack's Web API with a bot token: messages that can be changed later, people by e-mail, channels, reactions."""

from functools import partial

import engine
from engine import BodyErrors, Effect, ErrorTable, Request, field, options, record
from modules.slack_bot.assumptions import ASSUMPTIONS, RATE, REFUSALS
from modules.slack_bot.simulator import Slack

HOST = field("Base URL", "Another host, as a whole URL.", type="string", pattern="^https?://[^\\s]+$")
FIELDS = options("token", token=field("Bot token", "Begins with xoxb-.", type="string", writeOnly=True), base_url=HOST)
# they come with status 200; REFUSALS are those that prove that nothing was written
ERRORS = ErrorTable(body=BodyErrors("error != 'already_reacted' && [error, needed][?@]", REFUSALS, taken="ok || error"))
TEST = Request("POST", "/auth.test")
BOT = engine.ConnectionType(
    "slack_bot", "Slack bot", FIELDS, "https://slack.com/api", (engine.BearerAuth("token"),), ERRORS, TEST, rate=RATE
)
CHANNEL = field("Channel", "Its ID; that of a person is a direct message.", type="string", minLength=1)
TS = field("Timestamp", "Of a message, as post_message gives it.", type="string", pattern="^\\d+\\.\\d+$")
TEXT = field("Text", "In mrkdwn; beside blocks, what is notified.", type="string", minLength=1, maxLength=40_000)
BLOCKS = field("Blocks", "Layout blocks.", type="array", items=record("type"), minItems=1, maxItems=50)
call = partial(engine.Action, connection="slack_bot", output=record("channel", "ts", channel=CHANNEL, ts=TS))
# no probe: a channel's history needs further scopes, and does not tell two messages of one text apart
POST_MESSAGE = call(
    name="post_message",
    title="Post a Message",
    description="Writes into a channel, or to a person. Twice is not once.",
    config=options("channel", "text", channel=CHANNEL, text=TEXT, blocks=BLOCKS, thread_ts=TS),
    effect=Effect.WRITE,
    request=Request("POST", "/chat.postMessage", body="@", expects="ts", output="pick_keys(@, 'channel', 'ts')"),
    example={"channel": "C024BE91L", "text": "*Ana* has reached GOLD"},
)
UPDATE_MESSAGE = call(
    name="update_message",
    title="Update a Message",
    description="Puts another text, and other blocks, in the place of a message that the bot has written.",
    config=options("channel", "ts", "text", channel=CHANNEL, ts=TS, text=TEXT, blocks=BLOCKS),
    effect=Effect.IDEMPOTENT,
    request=Request("POST", "/chat.update", body="@", expects="ts", output="pick_keys(@, 'channel', 'ts')"),
    example={"channel": "C024BE91L", "ts": "1503435956.000247", "text": "*Ana* has reached GOLD, and was told"},
)
ADD_REACTION = call(
    name="add_reaction",
    title="Add a Reaction",
    description="Puts an emoji on a message; one that the bot has put there already stays.",
    config=options("channel", "ts", "emoji", channel=CHANNEL, ts=TS, emoji=field("Emoji", "Its name.", type="string")),
    effect=Effect.IDEMPOTENT,
    request=Request("POST", "/reactions.add", body="{channel: channel, timestamp: ts, name: emoji}", gives="config"),
    example={"channel": "C024BE91L", "ts": "1503435956.000247", "emoji": "white_check_mark"},
)
FIND_USER = call(
    name="find_user",
    title="Find a User",
    description="Reads a person by e-mail; nobody, and who was deactivated, is NotFound.",
    config=options("email", email=field("Email", "Under which the workspace knows the person.", type="string")),
    output=record("id", id=CHANNEL),
    effect=Effect.READ,
    request=Request("GET", "/users.lookupByEmail", query="@", expects="user.id", output="user"),
    example={"email": "mia@example.com"},
)
LIST_CHANNELS = engine.Search(
    name="list_channels",
    title="List Channels",
    description="Finds the channels that the bot may see, without archived ones, page by page.",
    connection="slack_bot",
    config=options(types=field("Types", "Such as private_channel,im; public_channel when left out.", type="string")),
    output={"type": "array", "items": record("id", id=CHANNEL)},
    request=Request("GET", "/conversations.list", query="merge(@, {exclude_archived: true})", output="channels"),
    paging=engine.CursorPaging("cursor", "response_metadata.next_cursor", size=engine.PageSize("limit", 200)),
    example={"types": "public_channel,private_channel"},
)
CALLS = (POST_MESSAGE, UPDATE_MESSAGE, ADD_REACTION, FIND_USER, LIST_CHANNELS)


@engine.hookimpl
def engine_apps() -> engine.App:
    return engine.App(
        name="slack_bot", title="Slack bot", modules=CALLS, connections=(BOT,), simulator=Slack, assumptions=ASSUMPTIONS
    )
