"""The simulated store's webhook subscriptions: targets, filters, what joins them, and what is sent."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from aiohttp import web

from engine import Behaviour, Clock, WebhookSample
from modules.simulation import Refused
from modules.yotpo_core.names import CORE, LONGEST_URL, TARGET_UPDATE_METHOD, WEBHOOK_KEYS, WEBHOOK_PATHS
from modules.yotpo_loyalty.events import TOPICS
from modules.yotpo_loyalty.simulator import LoyaltySimulator
from modules.yotpo_messaging.simulator.rules import bad, error_body, object_of
from modules.yotpo_reviews.simulator import ReviewsSimulator

#: one identity for each event, the same when it is sent again
EVENT_ID_HEADER = "eventid"
#: topics of reviews on this channel, by the vendor's page on topics; the loyalty program's are added
REVIEW_TOPICS = ("review_create", "review_request.eligible.on_fulfillment", "review_request.eligible.on_delivery")
EVENT_TYPES = frozenset((*TOPICS, *REVIEW_TOPICS))
#: characters that RFC 2396 has in no URI
_NOT_IN_URIS = frozenset(' "<>\\^`{}|')

Kind = Literal["target", "filter", "subscription"]

BEHAVIOURS = (
    Behaviour("a target, a filter and a subscription that joins them are made one after another", "verified"),
    Behaviour("a target's url is https, has at most 2,048 characters and is a URI of RFC 2396", "verified"),
    Behaviour(
        "paths and wrappers of targets, filters and subscriptions, and the list of targets and filters", "assumed"
    ),
    Behaviour("what is created is answered 201 in its wrapper, with a number as id", "assumed"),
    Behaviour("targets, filters and subscriptions are listed under plural names, in pages as customers are", "assumed"),
    Behaviour("a filter without event types, or with one that is not the vendor's, is answered 400", "assumed"),
    Behaviour("a subscription to a target or filter that is not there is answered 404", "assumed"),
    Behaviour("the same target, filter or subscription made twice is there twice", "assumed"),
    Behaviour("targets can be changed and deleted", "verified"),
    Behaviour(
        f"a target is changed by {TARGET_UPDATE_METHOD}; the others are not changed, and deleted alike", "assumed"
    ),
    Behaviour("a target or filter that a subscription has is not deleted: 400", "assumed"),
    Behaviour("changing or deleting what is not there is answered 404", "assumed"),
    Behaviour("an event is sent for each subscription whose filter has its type, with the header eventid", "verified"),
    Behaviour("an event can be sent twice, with the same eventid", "verified"),
    Behaviour("for several subscriptions the same event has the same eventid", "assumed"),
    Behaviour("bodies on this channel are those of the loyalty program's and the reviews' own webhooks", "assumed"),
    Behaviour("it is sent to the one address that the simulator was told, since a target must be https", "assumed"),
)


@dataclass
class Shelf:
    """What there is of one kind, by id."""

    kind: Kind
    things: dict[str, dict[str, Any]] = field(default_factory=dict)

    def get(self, number: Any) -> dict[str, Any]:
        found = self.things.get(str(number)) if isinstance(number, int | str) else None
        if found is None:
            raise Refused(404, error_body(f"the {self.kind} is not known"))
        return found


class Subscriptions:
    """:ivar shelves: targets, filters and subscriptions.

    :param tell: takes what is sent.
    """

    def __init__(
        self,
        clock: Clock,
        body_of: Callable[[web.Request], Awaitable[Any]],
        tell: Callable[[WebhookSample], None],
    ) -> None:
        self._body_of = body_of
        self._tell = tell
        self._clock = clock
        self._numbers = 0
        kinds: tuple[Kind, ...] = ("target", "filter", "subscription")
        self.shelves = {kind: Shelf(kind) for kind in kinds}

    # ------------------------------------------------------------------ events

    def samples(self) -> Mapping[str, WebhookSample]:
        """Every event that can be sent, each with an identity of its own."""
        reviews = ReviewsSimulator(self._clock).webhooks
        known = {**LoyaltySimulator(self._clock).webhooks, "review_create": reviews["review_create"]}
        return {name: _identified(one, str(uuid.uuid4())) for name, one in known.items()}

    def happen(self, name: str, times: int = 1) -> list[str]:
        """Let an event of ``samples`` happen: it is sent for each subscription to it; gives the URLs.

        :param times: how often each is sent. It is one event all the same.
        """
        sample = self.samples()[name]
        urls = []
        for one in self.shelves["subscription"].things.values():
            wanted = self.shelves["filter"].get(one["filter_id"])["event_types"]
            if any(kind["event_type"] == _topic(sample) for kind in wanted):
                urls.append(self.shelves["target"].get(one["target_id"])["url"])
                for _ in range(times):
                    self._tell(sample)
        return urls

    # ------------------------------------------------------------------ what is answered

    def routes(self) -> Sequence[web.RouteDef]:
        store = CORE + "/{store_id}"
        found: list[web.RouteDef] = []
        for shelf in self.shelves.values():
            many, one = store + WEBHOOK_PATHS[f"{shelf.kind}s"], store + WEBHOOK_PATHS[shelf.kind]
            found += [
                web.get(many, self._listing(shelf)),
                web.post(many, self._creating(shelf)),
                web.delete(one, self._deleting(shelf)),
            ]
        changing = store + WEBHOOK_PATHS["target"]
        return [*found, web.route(TARGET_UPDATE_METHOD, changing, self._change_target)]

    def _listing(self, shelf: Shelf) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            if unknown := sorted(set(request.query) - {"limit", "page_info"}):
                raise bad(f"unknown parameter {', '.join(unknown)}")
            start, size = request.query.get("page_info", "0"), request.query.get("limit", "100")
            if not (start.isdecimal() and size.isdecimal() and 1 <= int(size) <= 100):
                raise bad("limit must be a number from 1 to 100, and page_info the vendor's")
            end, found = int(start) + int(size), list(shelf.things.values())
            following = str(end) if end < len(found) else None
            name = WEBHOOK_KEYS[f"{shelf.kind}s"]
            return web.json_response({name: found[int(start) : end], "pagination": {"next_page_info": following}})

        return answer

    def _creating(self, shelf: Shelf) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            given = self._checked(shelf.kind, await self._body_of(request))
            self._numbers += 1
            shelf.things[str(self._numbers)] = {"id": self._numbers, **given}
            return web.json_response({WEBHOOK_KEYS[shelf.kind]: shelf.things[str(self._numbers)]}, status=201)

        return answer

    def _deleting(self, shelf: Shelf) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            found = shelf.get(request.match_info["id"])
            used = self.shelves["subscription"].things.values()
            if any(one.get(f"{shelf.kind}_id") == found["id"] for one in used):
                raise bad(f"a subscription has the {shelf.kind}")
            del shelf.things[str(found["id"])]
            return web.Response(status=204)

        return answer

    async def _change_target(self, request: web.Request) -> web.Response:
        target = self.shelves["target"].get(request.match_info["id"])
        target.update(self._checked("target", await self._body_of(request)))
        return web.json_response({WEBHOOK_KEYS["target"]: target})

    def _checked(self, kind: Kind, body: Any) -> dict[str, Any]:
        name = WEBHOOK_KEYS[kind]
        given = object_of(body, "the body", (name,)).get(name)
        if kind == "target":
            return _checked_target(object_of(given, name, ("url",)))
        if kind == "filter":
            return _checked_filter(object_of(given, name, ("event_types",)))
        wanted = object_of(given, name, ("target_id", "filter_id"))
        of: tuple[Kind, ...] = ("target", "filter")
        # what is joined is shown by the identifiers that the vendor gave
        return {f"{one}_id": self.shelves[one].get(wanted.get(f"{one}_id"))["id"] for one in of}

    # ------------------------------------------------------------------ no part of the vendor's API

    async def stored(self, _request: web.Request) -> web.Response:
        """What there is."""
        return web.json_response({f"{kind}s": list(shelf.things.values()) for kind, shelf in self.shelves.items()})

    async def happened(self, request: web.Request) -> web.Response:
        """Lets an event happen: ``{"webhook": NAME, "times": 1}``."""
        wanted = object_of(await self._body_of(request), "the body", ("webhook", "times"))
        name, times = wanted.get("webhook"), wanted.get("times", 1)
        if not isinstance(name, str) or name not in self.samples() or not isinstance(times, int):
            raise bad("webhook is one of those that --list shows, times a number")
        return web.json_response({"sent_to": self.happen(name, times)})


def _checked_target(target: Mapping[str, Any]) -> dict[str, Any]:
    url = target.get("url")
    if not isinstance(url, str) or not url:
        raise bad("url is required and must be text")
    if len(url) > LONGEST_URL:
        raise bad(f"url has more than {LONGEST_URL} characters")
    outside = any(one in _NOT_IN_URIS or not "!" <= one <= "~" for one in url)
    if outside or not url.startswith("https://") or not urlsplit(url).hostname:
        raise bad("url must be an https URL by RFC 2396")
    return {"url": url}


def _checked_filter(given: Mapping[str, Any]) -> dict[str, Any]:
    types = given.get("event_types")
    if not isinstance(types, list) or not types:
        raise bad("event_types must be a list that is not empty")
    for one in types:
        kind = object_of(one, "event_types", ("event_type",)).get("event_type")
        if not isinstance(kind, str) or kind not in EVENT_TYPES:
            raise bad(f"event_type {kind} is not known")
    return {"event_types": types}


def _topic(sample: WebhookSample) -> str:
    return str(sample.body.get("topic") or sample.body.get("event"))


def _identified(sample: WebhookSample, event_id: str) -> WebhookSample:
    return WebhookSample(sample.description, sample.body, {**sample.headers, EVENT_ID_HEADER: event_id})
