"""A store's Reviews account at Yotpo, in small."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from engine import Behaviour, Clock, WebhookSample
from modules.simulation import Refused, SimulatedVendor
from modules.yotpo_reviews.connection import IMPORT_PATHS, REVIEWS_PATH, TOKEN_PATH, WIDGET_REVIEWS_PATH
from modules.yotpo_reviews.schemas import vendors_time
from modules.yotpo_reviews.simulator.imports import BEHAVIOURS as IMPORTS
from modules.yotpo_reviews.simulator.imports import Imports

#: seconds that a token lives: 14 days
TOKEN_LIFETIME = 14 * 86_400.0
#: 5,000 in a minute, shared out over its seconds
PER_SECOND = 83
#: seconds until a review that was sent is among those that are listed
MADE_AFTER = 5.0
#: where a test or a person reads what was stored; no part of the vendor's API
DEBUG = "/_simulator/"

_REQUIRED = ("appkey", "sku", "email", "review_content", "review_score")
_KNOWN = (
    *(*_REQUIRED, "product_title", "display_name", "review_title", "domain", "product_url", "product_description"),
    *("product_image_url", "is_incentivized", "reviewer_type"),
)
_LISTED = ("utoken", "count", "page", "since_updated_at", "deleted")

_BEHAVIOURS = (
    Behaviour("app key and secret are exchanged for a token at oauth/token, which stands in utoken", "verified"),
    Behaviour("a token lives 14 days; a missing, wrong or expired one is answered 401", "verified"),
    Behaviour("grant_type must be client_credentials; else, and for a wrong secret, the answer is 401", "assumed"),
    Behaviour("answers stand in an envelope: status with code and message, and response", "verified"),
    Behaviour("the list of reviews stands under reviews at the top, without the envelope", "verified"),
    Behaviour("errors stand in the envelope too, with an empty response", "assumed"),
    Behaviour(
        "reviews are listed with count (10 unless asked, at most 100), page, since_updated_at, deleted", "verified"
    ),
    Behaviour("a count above 100, or a parameter that is not documented, is answered 400", "assumed"),
    Behaviour("the newest review is the first; deleted ones show with deleted=true", "assumed"),
    Behaviour("a review is sent to the widget without a token, and answered with code 200", "verified"),
    Behaviour("the utoken that the engine sends there too is passed over", "assumed"),
    Behaviour(
        "a review without appkey, sku, email, review_content or review_score from 1 to 5 is answered 400", "assumed"
    ),
    Behaviour("a review that was sent is listed five seconds later", "assumed"),
    Behaviour("a new review sends review_create, a changed one review_updated, once, whatever the answer", "assumed"),
    Behaviour("a webhook has event and data, its times the form 2018-02-20 14:12:13 UTC", "verified"),
    Behaviour("older webhooks quote every value as a text", "verified"),
    Behaviour("which 5,000 requests of a minute are too many is decided second by second: 83", "assumed"),
)


class ReviewsSimulator(SimulatedVendor):
    """A store's reviews and its visual content.

    :ivar reviews: newest first; may be changed at any time.
    :ivar imports: images and videos that were taken, and what is refused.
    """

    behaviours: Sequence[Behaviour] = (*_BEHAVIOURS, *IMPORTS)

    def __init__(
        self,
        clock: Clock,
        *,
        app_key: str = "simulated-app-key",
        secret: str = "simulated-secret",  # noqa: S107 - what the simulator accepts; opens nothing
        per_second: int | None = PER_SECOND,
    ) -> None:
        super().__init__(clock, per_second=per_second)
        self.app_key = app_key
        self.secret = secret
        self.send: Callable[[WebhookSample], None] = lambda _sample: None
        self.imports = Imports(self.body_of)
        #: by token: when it expires, in Unix seconds
        self.tokens: dict[str, float] = {}
        self._issued = 0
        self._numbers = 5000
        self.reviews: list[dict[str, Any]] = []
        self._shown_at: dict[int, float] = {}
        for score, title, email in ((5, "Lovely", "ana@example.com"), (2, "Arrived broken", "ben@example.com")):
            self.add({"score": score, "title": title, "content": f"{title}.", "customer_email": email}, shown=True)

    def connection(self, base_url: str) -> Mapping[str, Any]:
        return {"app_key": self.app_key, "secret": self.secret, "base_url": base_url.rstrip("/")}

    def error_body(self, message: str) -> Any:
        return {"status": {"code": 400, "message": message}, "response": {}}

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.post(TOKEN_PATH, self._token),
            web.get(REVIEWS_PATH, self._list),
            web.post(WIDGET_REVIEWS_PATH, self._create),
            web.post(IMPORT_PATHS["images"], self.imports.images),
            web.post(IMPORT_PATHS["videos"], self.imports.videos),
            web.get(DEBUG + "reviews", self._stored_reviews),
            web.get(DEBUG + "media", self._stored_media),
        ]

    def admit(self, request: web.Request) -> None:
        if request.path in (TOKEN_PATH, WIDGET_REVIEWS_PATH) or request.path.startswith(DEBUG):
            return
        expires = self.tokens.get(request.query.get("utoken", ""))
        if expires is None or expires <= self.clock.time() or request.match_info.get("app_key") != self.app_key:
            raise refusal(401, "the utoken is not valid")

    # what happens in the store

    def add(self, review: Mapping[str, Any], *, shown: bool = False) -> dict[str, Any]:
        """Put a review there, and tell of it.

        :param shown: it is listed at once, and nobody is told.
        """
        self._numbers += 1
        now = vendors_time(datetime.fromtimestamp(self.clock.time(), UTC))
        made = {**_review(self.app_key), "id": self._numbers, "created_at": now, "updated_at": now, **review}
        self.reviews.insert(0, made)
        self._shown_at[made["id"]] = self.clock.time() + (0.0 if shown else MADE_AFTER)
        if not shown:
            self.send(_sample("review_create", made))
        return made

    def change(self, review_id: int, **changes: Any) -> None:
        """Change a review, and tell of it."""
        [review] = [one for one in self.reviews if one["id"] == review_id]
        now = vendors_time(datetime.fromtimestamp(self.clock.time(), UTC))
        review.update(changes, updated_at=now)
        self.send(_sample("review_updated", review))

    @property
    def webhooks(self) -> Mapping[str, WebhookSample]:
        newest = self.reviews[0] if self.reviews else {**_review(self.app_key), "id": 1}
        low = {**newest, "score": 1, "title": "Arrived broken", "content": "The cup had a crack."}
        return {
            "review_create": _sample("review_create", newest),
            "review_create_low": _sample("review_create", low),
            "review_create_quoted": _sample("review_create", newest, quoted=True),
            "review_updated": _sample("review_updated", newest),
        }

    # what is answered

    async def _token(self, request: web.Request) -> web.Response:
        body = await self.body_of(request)
        given = body if isinstance(body, dict) else {}
        good = str(given.get("client_id")) == self.app_key and hmac.compare_digest(
            str(given.get("client_secret")).encode(), self.secret.encode()
        )
        if not good or given.get("grant_type") != "client_credentials":
            raise refusal(401, "app key, secret or grant_type is not valid")
        self._issued += 1
        token = f"simulated-utoken-{self._issued}"
        self.tokens[token] = self.clock.time() + TOKEN_LIFETIME
        return web.json_response({"access_token": token, "token_type": "bearer"})

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        if unknown := sorted(set(query) - set(_LISTED)):
            raise refusal(400, f"unknown parameter {', '.join(unknown)}")
        count, number = query.get("count", "10"), query.get("page", "1")
        if not (count.isdecimal() and 1 <= int(count) <= 100 and number.isdecimal() and int(number) >= 1):
            raise refusal(400, "count is a number from 1 to 100, page one from 1")
        since = query.get("since_updated_at", "").replace("T", " ").rstrip("Z")
        now = self.clock.time()
        found = [
            one
            for one in self.reviews
            if self._shown_at.get(one["id"], 0.0) <= now
            and one["updated_at"] >= since
            and one["deleted"] == (query.get("deleted") == "true")
        ]
        start = (int(number) - 1) * int(count)
        return web.json_response({"reviews": found[start : start + int(count)]})

    async def _create(self, request: web.Request) -> web.Response:
        body = await self.body_of(request)
        if not isinstance(body, dict) or (unknown := sorted(set(body) - set(_KNOWN))):
            raise refusal(400, f"unknown key {', '.join(unknown)}" if isinstance(body, dict) else "no object")
        if missing := [name for name in _REQUIRED if body.get(name) in (None, "")]:
            raise refusal(400, f"{', '.join(missing)} is required")
        if body["appkey"] != self.app_key:
            raise refusal(400, "the appkey is not known")
        score = body["review_score"]
        if isinstance(score, bool) or not isinstance(score, int) or not 1 <= score <= 5:
            raise refusal(400, "review_score is a number from 1 to 5")
        self.add(
            {
                "score": score,
                "title": body.get("review_title", ""),
                "content": body["review_content"],
                "customer_email": body["email"],
                "sku": body["sku"],
                "incentivized": body.get("is_incentivized", False),
            }
        )
        return web.json_response({"code": 200, "message": "ok"})

    async def _stored_reviews(self, _request: web.Request) -> web.Response:
        return web.json_response({"reviews": self.reviews})

    async def _stored_media(self, _request: web.Request) -> web.Response:
        return web.json_response({"images": self.imports.taken_images, "videos": self.imports.taken_videos})


def refusal(status: int, message: str) -> Refused:
    """An answer in the envelope, to be raised."""
    return Refused(status, {"status": {"code": status, "message": message}, "response": {}})


def _review(app_key: str) -> dict[str, Any]:
    return {
        "id": 0,
        "source_app_key": None,
        "title": "Lovely",
        "content": "Tastes of spring.",
        "user_id": 77,
        "score": 5,
        "deleted": False,
        "app_key": app_key,
        "created_at": "2024-03-05 09:00:00 UTC",
        "updated_at": "2024-03-05 09:00:00 UTC",
        "new": True,
        "user_type": "User",
        "order": {"id": 41, "external_id": "1001"},
        "customer_email": "ana@example.com",
        "verified_buyer": True,
        "archived": False,
        "shop_owner": False,
        "votes_up": 0,
        "votes_down": 0,
        "review_type_id": 1,
        "source_review_id": None,
        "sentiment": 0.9,
    }


def _sample(event: str, review: Mapping[str, Any], *, quoted: bool = False) -> WebhookSample:
    data: Any = _quoted(review) if quoted else dict(review)
    form = "every value quoted, as in older webhooks" if quoted else f"score {review['score']}"
    return WebhookSample(f"{event}: a review, {form}", {"event": event, "data": data})


def _quoted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _quoted(one) for key, one in value.items()}
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
