"""Slack's Web API in small: a workspace with people and channels, and a bot in it."""

from __future__ import annotations

import base64
import json
import math
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from engine import Behaviour, Clock
from modules.simulation import Refused, SimulatedVendor

PREFIX = "/api"
TOKEN = "simulated-bot-token"  # noqa: S105 - of a workspace that is simulated
#: the bot's own person
BOT = "U0BOT0001"
#: characters of a text above which a message is refused; inferred
MOST_TEXT = 4000
MOST_BLOCKS = 50
#: requests a minute that a method takes; the vendor says that these are the least
A_MINUTE = {"conversations.list": 20, "chat.update": 50, "reactions.add": 50, "users.lookupByEmail": 50}
#: what a token must be allowed to
SCOPES = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "reactions.add": "reactions:write",
    "users.lookupByEmail": "users:read.email",
}
#: the same by the type of channels that are listed
LISTING = {
    "public_channel": "channels:read",
    "private_channel": "groups:read",
    "mpim": "mpim:read",
    "im": "im:read",
}
_TS = re.compile(r"\d+\.\d+")
_EMOJI = re.compile(r"[a-z0-9_+'-]+(::skin-tone-[2-6])?")


@dataclass
class Channel:
    """A channel, or a conversation with one person."""

    id: str
    name: str
    type: str = "public_channel"
    archived: bool = False
    #: whether the bot is in it
    member: bool = True

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "is_channel": self.type == "public_channel",
            "is_im": self.type == "im",
            "is_private": self.type != "public_channel",
            "is_archived": self.archived,
            "is_member": self.member,
        }


@dataclass
class Message:
    """A message as it stands in its channel. ``said`` is what was sent, but for the channel."""

    channel: str
    ts: str
    said: dict[str, Any]
    author: str = BOT
    reactions: list[str] = field(default_factory=list)


class Slack(SimulatedVendor):
    """A workspace.

    :ivar messages: oldest first.
    :ivar scopes: what the token is allowed to.
    """

    behaviours: Sequence[Behaviour] = (
        Behaviour("an error is answered 200 with ok false and its name under error", "verified"),
        Behaviour("no token is answered not_authed, another one invalid_auth", "verified"),
        Behaviour("a token without the scope that a method needs is answered missing_scope", "verified"),
        Behaviour("missing_scope comes with needed and provided", "assumed"),
        Behaviour("auth.test needs no scope, and tells whose the token is", "verified"),
        Behaviour("a body that is no JSON is answered invalid_json, one that is no object json_not_object", "verified"),
        Behaviour("a JSON body without a charset is taken, with the warning missing_charset", "verified"),
        Behaviour("a message without text and blocks is answered no_text", "verified"),
        Behaviour("a text of more than 4,000 characters is answered msg_too_long", "assumed"),
        Behaviour("blocks that are no list of objects with a type, or more than 50, are invalid_blocks", "assumed"),
        Behaviour("a channel that is not there is answered channel_not_found", "verified"),
        Behaviour("a channel's name in place of its ID is answered channel_not_found, but for posting", "assumed"),
        Behaviour("an archived channel is answered is_archived, and is_inactive to a change", "verified"),
        Behaviour("a channel that the bot is not in is answered not_in_channel", "verified"),
        Behaviour("a message to a person's ID opens a conversation, whose ID is answered", "verified"),
        Behaviour("a message that is sent twice stands there twice", "assumed"),
        Behaviour("a message that is not there is answered message_not_found", "verified"),
        Behaviour("a message that another one wrote is answered cant_update_message", "verified"),
        Behaviour("a change without blocks takes the blocks away", "verified"),
        Behaviour("a reaction that is there is answered already_reacted", "verified"),
        Behaviour("what is no name of an emoji is answered invalid_name, what is no ts bad_timestamp", "verified"),
        Behaviour("every name of the form of one is an emoji's", "assumed"),
        Behaviour("nobody, and who was deactivated, is answered users_not_found", "verified"),
        Behaviour("lists and look-ups take a query and no JSON", "verified"),
        Behaviour("a list goes on with next_cursor, which is empty at its end", "verified"),
        Behaviour("filters are applied to a page when it is made, so that it may have fewer than limit", "verified"),
        Behaviour("a mark that is not the vendor's is answered invalid_cursor", "verified"),
        Behaviour("a limit that is no number from 1 to 1000 is answered invalid_limit", "assumed"),
        Behaviour("types other than its four are answered invalid_types", "verified"),
        Behaviour("a second message in a channel within a second is answered 429 with Retry-After", "assumed"),
        Behaviour(
            "more lists than 20 in a minute, and more of another method than 50, are answered 429 with Retry-After",
            "assumed",
        ),
    )

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, per_second=None)
        self.messages: list[Message] = []
        self.scopes = {*SCOPES.values(), *LISTING.values()}
        #: by e-mail
        self.people: dict[str, dict[str, Any]] = {}
        self.channels = [
            Channel("C0GENERAL", "general"),
            Channel("C0LOYALTY", "loyalty"),
            Channel("C0OLD0001", "old-loyalty", archived=True),
            Channel("C0RANDOM1", "random", member=False),
            Channel("G0MANAGER", "managers", "private_channel"),
        ]
        self._said = 0
        self._asked: dict[tuple[str, str], deque[float]] = {}
        self.add_person("U0MIA0001", "mia@example.com", "Mia Manager")
        self.add_person("U0OLD0001", "left@example.com", "Lee Left", deleted=True)

    def add_person(self, person: str, email: str, name: str, *, deleted: bool = False) -> None:
        """Let somebody be in the workspace, under this ID."""
        profile = {"real_name": name, "email": email}
        self.people[email] = {"id": person, "name": email.partition("@")[0], "deleted": deleted, "profile": profile}

    def message(self, channel: str, ts: str) -> Message | None:
        """What stands in a channel under a timestamp."""
        return next((one for one in self.messages if (one.channel, one.ts) == (channel, ts)), None)

    def connection(self, base_url: str) -> Mapping[str, Any]:
        return {"token": TOKEN, "base_url": base_url.rstrip("/") + PREFIX}

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.post(f"{PREFIX}/auth.test", self._test),
            web.post(f"{PREFIX}/chat.postMessage", self._post),
            web.post(f"{PREFIX}/chat.update", self._update),
            web.post(f"{PREFIX}/reactions.add", self._react),
            web.get(f"{PREFIX}/users.lookupByEmail", self._look_up),
            web.get(f"{PREFIX}/conversations.list", self._list),
        ]

    def error_body(self, message: str) -> Any:
        return {"ok": False, "error": message}

    def admit(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        if not given.startswith("Bearer "):
            raise self._refused("not_authed")
        if given != f"Bearer {TOKEN}":
            raise self._refused("invalid_auth")
        method = request.path.removeprefix(f"{PREFIX}/")
        if method in SCOPES:
            self._need(SCOPES[method])
        if method in A_MINUTE:
            self._take_turn(method, "", A_MINUTE[method], 60.0)

    # what each method does

    async def _test(self, _request: web.Request) -> web.Response:
        return self._json(200, {"ok": True, "team": "My Store", "user": "loyalty-bot", "user_id": BOT})

    async def _post(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        channel = self._place(str(body.pop("channel", "")), named=True)
        self._readable(body)
        if channel.archived:
            raise self._refused("is_archived")
        if not channel.member:
            raise self._refused("not_in_channel")
        self._take_turn("chat.postMessage", channel.id, 1, 1.0)
        self._said += 1
        message = Message(channel.id, f"{int(self.clock.time())}.{self._said:06d}", body)
        self.messages.append(message)
        return self._done(request, channel=channel.id, ts=message.ts, message=self._shown(message))

    async def _update(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        channel = self._place(str(body.pop("channel", "")))
        message = self._known(channel, body.pop("ts", None), "message_not_found")
        if message.author != BOT:
            raise self._refused("cant_update_message")
        if channel.archived:
            raise self._refused("is_inactive")
        self._readable(body)
        message.said = body
        return self._done(
            request, channel=channel.id, ts=message.ts, text=body.get("text", ""), message=self._shown(message)
        )

    async def _react(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        if not body.get("channel") or not body.get("timestamp"):
            raise self._refused("no_item_specified")
        channel = self._place(str(body["channel"]))
        name = str(body.get("name", ""))
        if not _EMOJI.fullmatch(name):
            raise self._refused("invalid_name")
        message = self._known(channel, body["timestamp"], "bad_timestamp")
        if channel.archived:
            raise self._refused("is_archived")
        if name in message.reactions:
            raise self._refused("already_reacted")
        message.reactions.append(name)
        return self._done(request)

    async def _look_up(self, request: web.Request) -> web.Response:
        person = self.people.get(request.query.get("email", ""))
        if person is None or person["deleted"]:
            raise self._refused("users_not_found")
        return self._json(200, {"ok": True, "user": person})

    async def _list(self, request: web.Request) -> web.Response:
        types = request.query.get("types", "public_channel").split(",")
        if not set(types) <= LISTING.keys():
            raise self._refused("invalid_types")
        for one in types:
            self._need(LISTING[one])
        limit = request.query.get("limit", "100")
        if not re.fullmatch(r"[0-9]{1,4}", limit) or not 1 <= int(limit) <= 1000:
            raise self._refused("invalid_limit")
        every = [one for one in self.channels if one.type in types]
        start = self._start(request.query.get("cursor", ""), len(every))
        page = every[start : start + int(limit)]
        following = start + len(page)
        shown = [one.shown() for one in page if not one.archived or request.query.get("exclude_archived") != "true"]
        mark = base64.b64encode(f"next:{following}".encode()).decode() if following < len(every) else ""
        return self._json(200, {"ok": True, "channels": shown, "response_metadata": {"next_cursor": mark}})

    # what they share

    async def _body(self, request: web.Request) -> dict[str, Any]:
        try:
            body = json.loads(await request.read())
        except ValueError:
            raise self._refused("invalid_json") from None
        if not isinstance(body, dict):
            raise self._refused("json_not_object")
        return body

    def _place(self, channel: str, *, named: bool = False) -> Channel:
        for one in self.channels:
            if channel == one.id or (named and channel.removeprefix("#") == one.name):
                return one
        if named and any(person["id"] == channel and not person["deleted"] for person in self.people.values()):
            self.channels.append(Channel("D" + channel[1:], "", "im"))
            return self._place("D" + channel[1:])
        raise self._refused("channel_not_found")

    def _known(self, channel: Channel, ts: Any, malformed: str) -> Message:
        if not isinstance(ts, str) or not _TS.fullmatch(ts):
            raise self._refused(malformed)
        message = self.message(channel.id, ts)
        if message is None:
            raise self._refused("message_not_found")
        return message

    def _readable(self, body: Mapping[str, Any]) -> None:
        text, blocks = body.get("text"), body.get("blocks")
        if not text and not blocks:
            raise self._refused("no_text")
        if isinstance(text, str) and len(text) > MOST_TEXT:
            raise self._refused("msg_too_long")
        if blocks is not None and not (
            isinstance(blocks, list)
            and len(blocks) <= MOST_BLOCKS
            and all(isinstance(block, dict) and block.get("type") for block in blocks)
        ):
            raise self._refused("invalid_blocks")

    def _start(self, cursor: str, length: int) -> int:
        if not cursor:
            return 0
        try:
            start = int(base64.b64decode(cursor, validate=True).decode().removeprefix("next:"))
        except ValueError:
            start = length
        if not 0 < start < length:
            raise self._refused("invalid_cursor")
        return start

    def _shown(self, message: Message) -> dict[str, Any]:
        return {"type": "message", "user": message.author, "ts": message.ts, **message.said}

    def _done(self, request: web.Request, **answer: Any) -> web.Response:
        warning = {} if request.charset else {"warning": "missing_charset"}
        return self._json(200, {"ok": True, **answer, **warning})

    def _need(self, scope: str) -> None:
        if scope not in self.scopes:
            provided = ",".join(sorted(self.scopes))
            raise Refused(200, {**self.error_body("missing_scope"), "needed": scope, "provided": provided})

    def _take_turn(self, method: str, where: str, most: int, period: float) -> None:
        now = self.clock.time()
        asked = self._asked.setdefault((method, where), deque())
        # a hair less, because times are floating
        while asked and now - asked[0] >= period - 1e-6:
            asked.popleft()
        if len(asked) >= most:
            wait = max(1, math.ceil(asked[0] + period - now))
            raise Refused(429, self.error_body("ratelimited"), {"Retry-After": str(wait)})
        asked.append(now)

    def _refused(self, error: str) -> Refused:
        return Refused(200, self.error_body(error))
