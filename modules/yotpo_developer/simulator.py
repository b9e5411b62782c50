"""The customers of Yotpo's App Developer API, in small."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from engine import Behaviour, Clock
from modules.simulation import Refused, SimulatedVendor
from modules.yotpo_developer.connection import CUSTOMERS_PATH
from modules.yotpo_developer.consent import BEHAVIOURS, Installations
from modules.yotpo_developer.review_room import BEHAVIOURS as REVIEWS
from modules.yotpo_developer.review_room import ReviewRoom

PREFIX = "/v2"
#: for one account
PER_SECOND = 5
#: the text is quoted of another version of the API
ABSENT = "Could not find customer"

_BEHAVIOURS = (
    Behaviour("a customer is looked for by customer_email, the token stands in the query as access_token", "verified"),
    Behaviour("names of the attributes, such as point_balance without s", "verified"),
    Behaviour("the attributes stand at the top of the answer, with null where there is nothing to tell", "assumed"),
    Behaviour("types of the attributes; sentiments lie between -1 and 1", "assumed"),
    Behaviour("an unknown customer is answered 404", "assumed"),
    Behaviour("e-mail addresses are compared without regard to case", "assumed"),
    Behaviour("a missing or wrong token, or an account that is not known, is answered 401", "assumed"),
    Behaviour("a missing customer_email, or a parameter that is not documented, is answered 400", "assumed"),
    Behaviour("more than 5 requests in a second are answered 429, with the rate headers", "verified"),
    *BEHAVIOURS,
)


def customer(**changes: Any) -> dict[str, Any]:
    """A customer's attributes, of somebody without reviews and points where nothing else is said."""
    return {
        "total_reviews": 0,
        "avg_product_rating": None,
        "avg_site_rating": None,
        "total_avg_rating": None,
        "avg_sentiment_product": None,
        "avg_sentiment_site": None,
        "total_avg_sentiment": None,
        "top_topics": [],
        "points_earned": 0,
        "point_balance": 0,
        "total_redemptions": 0,
        "total_points_redeemed": 0,
        "vip_tier_name": None,
        "successful_referrals": 0,
        "referrals_made_and_clicked": 0,
        "is_referred_by_other_customer": False,
        **changes,
    }


def customers() -> dict[str, dict[str, Any]]:
    """Whom the simulator knows at first: the customers of the loyalty simulator."""
    ana = customer(
        total_reviews=4,
        avg_product_rating=4.5,
        avg_site_rating=5.0,
        total_avg_rating=4.6,
        avg_sentiment_product=0.62,
        avg_sentiment_site=0.9,
        total_avg_sentiment=0.71,
        top_topics=["tea", "delivery"],
        points_earned=900,
        point_balance=640,
        total_redemptions=2,
        total_points_redeemed=260,
        vip_tier_name="SILVER",
        successful_referrals=1,
        referrals_made_and_clicked=3,
    )
    return {"ana@example.com": ana, "ben@example.com": customer(is_referred_by_other_customer=True)}


class DeveloperSimulator(SimulatedVendor):
    """A shop's account.

    :ivar customers: attributes by e-mail in lower case; may be changed at any time.
    :ivar installations: the app's, and the tokens that came of them.
    """

    behaviours: Sequence[Behaviour] = (*_BEHAVIOURS, *REVIEWS)

    def __init__(
        self,
        clock: Clock,
        *,
        account_id: str = "simulated-account",
        access_token: str = "simulated-access-token",  # noqa: S107 - what the simulator accepts; opens nothing
        client_id: str = "simulated-client",
        client_secret: str = "simulated-secret",  # noqa: S107 - likewise
        per_second: int | None = PER_SECOND,
    ) -> None:
        super().__init__(clock, per_second=per_second)
        self.account_id = account_id
        self.access_token = access_token
        self.customers = customers()
        self.room = ReviewRoom(self.body_of)
        self.installations = Installations(clock, client_id, client_secret)

    def connection(self, base_url: str) -> Mapping[str, Any]:
        return {
            "account_id": self.account_id,
            "access_token": self.access_token,
            "base_url": f"{base_url.rstrip('/')}{PREFIX}/{self.account_id}",
        }

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.get(f"{PREFIX}/{{account_id}}{CUSTOMERS_PATH}", self._customer),
            *self.room.routes(PREFIX + "/{account_id}"),
            *self.installations.routes(),
        ]

    def admit(self, request: web.Request) -> None:
        if "account_id" not in request.match_info:
            # an app is installed without a token
            return
        given = request.query.get("access_token", "")
        known = request.match_info["account_id"] == self.account_id
        good = [hmac.compare_digest(given.encode(), one.encode()) for one in self._tokens()]
        if not known or not any(good):
            raise Refused(401, self.error_body("the access token is not valid"))

    def _tokens(self) -> set[str]:
        return {self.access_token, *self.installations.tokens}

    async def _customer(self, request: web.Request) -> web.Response:
        unknown = sorted(set(request.query) - {"access_token", "customer_email"})
        if unknown:
            raise Refused(400, self.error_body(f"unknown parameter {', '.join(unknown)}"))
        email = request.query.get("customer_email")
        if not email:
            raise Refused(400, self.error_body("customer_email is required"))
        found = self.customers.get(email.casefold())
        if found is None:
            raise Refused(404, self.error_body(ABSENT))
        return web.json_response(found)
