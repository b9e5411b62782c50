"""The simulated account's reviews, comments and webhooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from engine import Behaviour
from modules.simulation import Refused
from modules.yotpo_developer.reviews import COMMENT_PATH, REVIEWS_PATH
from modules.yotpo_developer.webhooks import EVENTS, WEBHOOKS_PATH

#: the longest URL of a webhook; the figure is that of the vendor's other channel
LONGEST_URL = 2048
_FLAGS = ("include_unpublished_reviews", "include_nested", "include_site_reviews")
_QUERY = ("access_token", "customer_email", *_FLAGS, "sort", "direction", "count", "page")

BEHAVIOURS = (
    Behaviour("reviews are listed under reviews, inside reviews, beside pagination: page, count, total", "verified"),
    Behaviour(
        "reviews are filtered by customer_email; unpublished, nested, site reviews come when asked for", "verified"
    ),
    Behaviour("a page is asked for by its number in page, and has at most 100 reviews", "assumed"),
    Behaviour("a comment is sent with content and public to the review's comment", "assumed"),
    Behaviour("a comment on a review that is not there is answered 404", "assumed"),
    Behaviour("with include_nested a review shows its comments", "assumed"),
    Behaviour("a webhook is made with event_name and url, one for each event", "verified"),
    Behaviour("webhooks are listed under webhooks, inside webhooks, with id, webhook_event_name and url", "verified"),
    Behaviour("a url that is not https, or longer than 2,048 characters, is answered 400", "assumed"),
    Behaviour("a webhook of the same event and url is not made twice", "assumed"),
    Behaviour("deleting a webhook that is not there is answered 404", "assumed"),
)


class ReviewRoom:
    """:ivar reviews: newest first. :ivar webhooks: by id."""

    def __init__(self, body_of: Callable[[web.Request], Awaitable[Any]]) -> None:
        self._body_of = body_of
        self.webhooks: dict[int, dict[str, Any]] = {}
        self._numbers = 10
        self.reviews: list[dict[str, Any]] = [
            _review(5002, 2, "Arrived broken", "ben@example.com"),
            _review(5001, 5, "Lovely", "ana@example.com"),
        ]

    def routes(self, account: str) -> Sequence[web.RouteDef]:
        """:param account: the path below which an account's things are."""
        return [
            web.get(account + REVIEWS_PATH, self._list),
            web.post(account + COMMENT_PATH, self._comment),
            web.get(account + WEBHOOKS_PATH, self._list_webhooks),
            web.post(account + WEBHOOKS_PATH, self._create_webhook),
            web.delete(account + WEBHOOKS_PATH + "/{webhook_id}", self._delete_webhook),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        if unknown := sorted(set(query) - set(_QUERY)):
            raise _bad(f"unknown parameter {', '.join(unknown)}")
        count, number = query.get("count", "10"), query.get("page", "1")
        if not (count.isdecimal() and 1 <= int(count) <= 100 and number.isdecimal() and int(number) >= 1):
            raise _bad("count is a number from 1 to 100, page one from 1")
        email = query.get("customer_email")
        unpublished, nested, site = (query.get(flag) == "true" for flag in _FLAGS)
        found = [
            one
            for one in self.reviews
            if (email is None or one["customer_email"] == email)
            and (unpublished or one["published"])
            and (site or not one["site_review"])
        ]
        start = (int(number) - 1) * int(count)
        shown = [_shown(one, nested=nested) for one in found[start : start + int(count)]]
        pagination = {"page": int(number), "count": int(count), "total": len(found)}
        status = {"code": 200, "message": "OK"}
        return web.json_response({"status": status, "pagination": pagination, "reviews": {"reviews": shown}})

    async def _comment(self, request: web.Request) -> web.Response:
        body = await self._body_of(request)
        if not isinstance(body, dict) or set(body) != {"content", "public"}:
            raise _bad("a comment has content and public")
        if not isinstance(body["content"], str) or not body["content"] or not isinstance(body["public"], bool):
            raise _bad("content is a text, public is true or false")
        found = [one for one in self.reviews if str(one["id"]) == request.match_info["review_id"]]
        if not found:
            raise Refused(404, {"errors": ["no such review"]})
        found[0]["comments"].append(body)
        return web.json_response({"status": {"code": 200, "message": "OK"}})

    async def _list_webhooks(self, _request: web.Request) -> web.Response:
        return web.json_response({"webhooks": {"webhooks": list(self.webhooks.values())}})

    async def _create_webhook(self, request: web.Request) -> web.Response:
        body = await self._body_of(request)
        if not isinstance(body, dict) or set(body) != {"event_name", "url"}:
            raise _bad("a webhook has event_name and url")
        if body["event_name"] not in EVENTS:
            raise _bad(f"event_name is one of {', '.join(EVENTS)}")
        url = body["url"]
        if not isinstance(url, str) or not url.startswith("https://") or len(url) > LONGEST_URL:
            raise _bad("url is an https URL")
        name = body["event_name"]
        if not any((one["webhook_event_name"], one["url"]) == (name, url) for one in self.webhooks.values()):
            self._numbers += 1
            self.webhooks[self._numbers] = {"id": self._numbers, "webhook_event_name": name, "url": url}
        return web.json_response({"status": {"code": 200, "message": "OK"}})

    async def _delete_webhook(self, request: web.Request) -> web.Response:
        webhook_id = request.match_info["webhook_id"]
        if not webhook_id.isdecimal() or self.webhooks.pop(int(webhook_id), None) is None:
            raise Refused(404, {"errors": ["no such webhook"]})
        return web.json_response({"status": {"code": 200, "message": "OK"}})


def _review(number: int, score: int, title: str, email: str) -> dict[str, Any]:
    return {
        "id": number,
        "score": score,
        "title": title,
        "content": f"{title}.",
        "customer_email": email,
        "published": True,
        "site_review": False,
        "comments": [],
    }


def _shown(review: Mapping[str, Any], *, nested: bool) -> dict[str, Any]:
    hidden = () if nested else ("comments",)
    return {key: value for key, value in review.items() if key not in (*hidden, "published", "site_review")}


def _bad(message: str) -> Refused:
    return Refused(400, {"errors": [message]})
