"""A Talkable site in small: its envelope, its rules, what people and referrals become, and what it sends."""

from __future__ import annotations

import base64
import hmac
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from engine import Behaviour, Clock, WebhookSample
from modules.simulation import Refused, SimulatedVendor
from modules.talkable.people import NEST
from modules.talkable.simulator import rules
from modules.talkable.webhooks import SIGNATURE, signature

PREFIX = "/api/v2"
#: where a test or a person reads what is stored; no part of the vendor's API
DEBUG = "/_simulator/people"

_BEHAVIOURS = (
    Behaviour("a bearer token, or a user name without password, is the API key; another is answered 401", "verified"),
    Behaviour("every answer stands in the envelope ok and result, or ok and error_message", "verified"),
    Behaviour("a call without site_slug is answered 400", "verified"),
    Behaviour("a site that is not known is answered 404", "assumed"),
    Behaviour("a write without data, or without what it requires there, is answered 400", "verified"),
    Behaviour("a key of data that is not documented is answered 400", "assumed"),
    Behaviour("a person is found by e-mail or username; nobody is answered 404", "verified"),
    Behaviour("a PUT of a person creates who is not there", "verified"),
    Behaviour("a custom property that is there is overwritten, the others stay", "verified"),
    Behaviour("names of custom properties are lower-case letters, digits and underscores, no digit first", "verified"),
    Behaviour("values of custom properties are flat", "verified"),
    Behaviour("a name or value that breaks a rule is answered 422", "assumed"),
    Behaviour("an anonymized person has another address, and nobody is found under the old one", "verified"),
    Behaviour("personal data are what is stored of the person, under person", "assumed"),
    Behaviour("values of a member's custom properties are stored as text: t, f, 123", "verified"),
    Behaviour("an adjustment of points adds what it is given, each time", "verified"),
    Behaviour("who is no member is answered 404", "verified"),
    Behaviour("origins are of the types AffiliateMember, Purchase and Event, each with what it requires", "verified"),
    Behaviour("an origin that is sent twice is stored twice", "assumed"),
    Behaviour("an origin's person is created when he is not there", "assumed"),
    Behaviour("a created origin is answered 201", "assumed"),
    Behaviour("an approved referral cannot be voided, nor a voided one approved", "verified"),
    Behaviour("such a turn is answered 422", "assumed"),
    Behaviour("the same status again is answered as the first time", "assumed"),
    Behaviour("an origin without a referral is answered 404", "assumed"),
    Behaviour("rewards are those that are paid, unless status says otherwise", "verified"),
    Behaviour("a list has no pages", "assumed"),
    Behaviour("a Custom App's webhook is signed: Base64 of the hexadecimal HMAC-SHA256 of the body", "verified"),
)


class TalkableSimulator(SimulatedVendor):
    """A site.

    :ivar people: by e-mail.
    :ivar members: by e-mail, members of the loyalty program.
    :ivar origins: all that were sent.
    :ivar referrals: by origin: order number, or category:number.
    :ivar takes_nested: whether an object of properties is taken under the name that the vendor's own app uses.
    """

    behaviours: Sequence[Behaviour] = _BEHAVIOURS

    def __init__(
        self,
        clock: Clock,
        *,
        site_slug: str = "my-store",
        api_key: str = "simulated-key",
        webhook_key: str = "simulated-webhook-key",
    ) -> None:
        super().__init__(clock, per_second=None)
        self.site_slug = site_slug
        self.api_key = api_key
        self.webhook_key = webhook_key
        self.takes_nested = False
        self.send: Callable[[WebhookSample], None] = lambda _sample: None
        self.people: dict[str, dict[str, Any]] = {}
        self.members: dict[str, dict[str, Any]] = {}
        self.origins: list[dict[str, Any]] = []
        self.referrals: dict[str, dict[str, Any]] = {}
        self.rewards: list[dict[str, Any]] = []
        self._ids = 1000
        self._seed()

    def connection(self, base_url: str) -> Mapping[str, Any]:
        return {
            "api_key": self.api_key,
            "site_slug": self.site_slug,
            "webhook_key": self.webhook_key,
            "base_url": base_url.rstrip("/") + PREFIX,
        }

    def error_body(self, message: str) -> Any:
        return rules.error_body(message)

    def rate_headers(self, limit: int, remaining: int, reset: int) -> Mapping[str, str]:
        return {}

    @property
    def webhooks(self) -> Mapping[str, WebhookSample]:
        """What a Custom App sends, in the default form of its payloads."""
        referral = {"site_id": "1", "campaign_id": "142", "advocate_email": "ana@example.com"}
        friend = {"friend_email": "ben@example.com"}
        person = {"site_id": "1", "email": "ana@example.com"}
        bodies: Mapping[str, tuple[str, Mapping[str, str]]] = {
            "sync_signups": (
                "Sync signups: somebody signs up",
                {
                    "email": "ana@example.com",
                    "email_optin": "true",
                    "phone_number": "+15550100",
                    "phone_optin": "true",
                },
            ),
            "sync_email_optins": ("Sync email opt-ins: somebody agrees to e-mails", {**person, "email_optin": "true"}),
            "sync_phone_optins": (
                "Sync phone opt-ins: somebody agrees to texts",
                {**person, "phone_number": "+15550100"},
            ),
            "unsubscribe": ("Unsubscribe: somebody wants no more e-mails", person),
            "offer_share": ("Offer share: an offer is shared", person),
            "send_reward": (
                "Send reward: a reward is given",
                {
                    "description": "$5",
                    "amount": "5.0",
                    "coupon_code": "FR_NEW_5_OFF",
                    "reason": "click",
                    "site_id": "1",
                },
            ),
            "referral_create": (
                "Referral Create: a friend comes",
                {**referral, "referral_status": "in_progress", **friend},
            ),
            "referral_status_change": (
                "Referral status change: a referral is settled",
                {**referral, "referral_status": "approved", **friend},
            ),
        }
        return {name: self._signed(what, body) for name, (what, body) in bodies.items()}

    def _signed(self, what: str, body: Mapping[str, str]) -> WebhookSample:
        raw = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        return WebhookSample(what, dict(body), {SIGNATURE: signature(self.webhook_key, raw)})

    def admit(self, request: web.Request) -> None:
        if request.path == DEBUG:
            return
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            try:
                given = base64.b64decode(given).decode().removesuffix(":")
            except ValueError:
                given = ""
        if kind not in ("Bearer", "Basic") or not hmac.compare_digest(given.encode(), self.api_key.encode()):
            raise Refused(401, rules.error_body("No valid API key provided"))

    def routes(self) -> Sequence[web.RouteDef]:
        person, member = f"{PREFIX}/people/{{slug}}", f"{PREFIX}/loyalty/members/{{slug}}"
        return [
            web.get(person, self._read(lambda slug, _query: {"person": self._person(slug)})),
            web.get(f"{person}/referrals_as_advocate", self._read(self._referrals_of)),
            web.get(f"{person}/rewards", self._read(self._rewards_of)),
            web.get(f"{person}/shares_by", self._read(lambda slug, _query: {"shares": self._person(slug) and []})),
            web.get(f"{person}/personal_data", self._read(lambda slug, _query: {"person": self._person(slug)})),
            web.put(person, self._write(self._put_person)),
            web.post(f"{person}/unsubscribe", self._write(self._unsubscribe)),
            web.post(f"{person}/anonymize", self._write(self._anonymize)),
            web.get(member, self._read(lambda slug, _query: {"loyalty_member": self._member(slug)})),
            web.put(member, self._write(self._put_member)),
            web.post(f"{member}/manual_adjustment_actions", self._write(self._adjust)),
            web.post(f"{PREFIX}/origins", self._write(self._origin, 201)),
            web.put(f"{PREFIX}/origins/{{slug}}/referral", self._write(self._settle)),
            web.get(f"{PREFIX}/campaigns", self._read(lambda _slug, _query: {"campaigns": self.campaigns})),
            web.get(f"{PREFIX}/rewards", self._read(self._rewards)),
            web.get(DEBUG, self._stored),
        ]

    # ------------------------------------------------------------------ the envelope

    def _site(self, given: Any) -> None:
        if given in (None, ""):
            raise rules.bad("Parameter site_slug is missing")
        if given != self.site_slug:
            raise rules.absent("Site")

    def _read(self, answer: Callable[[str, Mapping[str, str]], Any]) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            self._site(request.query.get("site_slug"))
            return web.json_response({"ok": True, "result": answer(request.match_info.get("slug", ""), request.query)})

        return handle

    def _write(self, change: Callable[[str, dict[str, Any]], Any], status: int = 200) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            body = await self.body_of(request)
            if not isinstance(body, dict):
                raise rules.bad("The body is no object")
            self._site(body.get("site_slug"))
            result = change(request.match_info.get("slug", ""), body)
            return web.json_response({"ok": True, "result": result}, status=status)

        return handle

    async def _stored(self, _request: web.Request) -> web.Response:
        return web.json_response({"people": self.people, "members": self.members, "origins": self.origins})

    # ------------------------------------------------------------------ people

    def _person(self, slug: str) -> dict[str, Any]:
        for person in self.people.values():
            if slug.lower() == person["email"] or slug == person["username"]:
                return person
        raise rules.absent("Person")

    def _put_person(self, slug: str, body: dict[str, Any]) -> Any:
        data = rules.data_of(body, rules.PERSON)
        return {"person": self._keep_person(rules.email(slug), data)}

    def _keep_person(self, email: str, data: Mapping[str, Any]) -> dict[str, Any]:
        given = data.get("person_custom_properties", {})
        properties = rules.properties(given, NEST if self.takes_nested else None)
        person = self.people.setdefault(email, _new_person(email))
        person.update({name: data[name] for name in rules.PERSON if name in data and name in person})
        person["custom_properties"].update(properties)
        return person

    def _unsubscribe(self, slug: str, _body: dict[str, Any]) -> Any:
        person = self._person(slug)
        person["unsubscribed_at"] = person["unsubscribed_at"] or self._now()
        return {"person": person}

    def _anonymize(self, slug: str, _body: dict[str, Any]) -> Any:
        person = self._person(slug)
        del self.people[person["email"]]
        # the same each time that the simulator is asked the same
        number = uuid.uuid5(uuid.NAMESPACE_OID, f"{person['email']} {self._id()}")
        blank = dict.fromkeys(("first_name", "last_name", "username", "customer_id", "personal_claim_url"))
        person |= {**blank, "email": f"{number}@anonymized.email"}
        self.people[person["email"]] = person
        return {"person": person}

    # ------------------------------------------------------------------ members

    def _member(self, slug: str) -> dict[str, Any]:
        member = self.members.get(slug.lower())
        if member is None:
            raise rules.absent("Loyalty member")
        return member

    def _put_member(self, slug: str, body: dict[str, Any]) -> Any:
        data = rules.data_of(body, (), ("custom_properties",))
        member, given = self._member(slug), rules.properties(data["custom_properties"])
        member["custom_properties"].update({name: rules.as_stored(value) for name, value in given.items()})
        return {"loyalty_member": member}

    def _adjust(self, slug: str, body: dict[str, Any]) -> Any:
        data = rules.data_of(body, ("description",), ("points",))
        if not isinstance(data["points"], int) or isinstance(data["points"], bool):
            raise rules.invalid("Points must be a whole number")
        member = self._member(slug)
        member["points_balance"] += data["points"]
        return {"loyalty_member": member}

    # ------------------------------------------------------------------ origins and referrals

    def _origin(self, _slug: str, body: dict[str, Any]) -> Any:
        kind = body.get("type")
        if not isinstance(kind, str) or kind not in rules.ORIGINS:
            raise rules.bad("Parameter type is missing or is no type of an origin")
        required, known = rules.ORIGINS[kind]
        data = rules.data_of(body, known, required)
        self._keep_person(rules.email(data["email"]), data)
        shown = ("order_number", "subtotal", "event_number", "event_category")
        origin: dict[str, Any] = {
            "id": self._id(),
            "type": kind,
            "customer_id": data.get("customer_id"),
            "ip_address": data.get("ip_address", "127.0.0.1"),
            "refunded_at": None,
            "coupon_code": data.get("coupon_code", ""),
            **{name: data[name] for name in shown if name in data},
        }
        self.origins.append(origin)
        return {"origin": origin, "offer": None}

    def _settle(self, slug: str, body: dict[str, Any]) -> Any:
        status = rules.data_of(body, (), ("status",))["status"]
        if status not in ("approved", "voided"):
            raise rules.invalid("Status must be approved or voided")
        referral = self.referrals.get(slug)
        if referral is None:
            raise rules.absent("Referral")
        if referral["status"] in ("approved", "voided") and referral["status"] != status:
            raise rules.invalid(f"Referral is already {referral['status']}")
        referral |= {"status": status, "ad_rewarded": status == "approved", "updated_at": self._now()}
        return {"referral": referral}

    def _referrals_of(self, slug: str, _query: Mapping[str, str]) -> Any:
        email = self._person(slug)["email"]
        return {"referrals": [one for one in self.referrals.values() if one["advocate_person"]["email"] == email]}

    # ------------------------------------------------------------------ rewards and campaigns

    def _rewards_of(self, slug: str, _query: Mapping[str, str]) -> Any:
        self._person(slug)
        return {"rewards": self.rewards}

    def _rewards(self, _slug: str, query: Mapping[str, str]) -> Any:
        if not query.get("visitor_uuid"):
            raise rules.bad("Parameter visitor_uuid is missing")
        status = query.get("status", "Paid")
        if status not in ("Paid", "Unpaid", "Voided", "All"):
            raise rules.bad("Parameter status is none of Paid, Unpaid, Voided, All")
        return {"rewards": [one for one in self.rewards if status in ("All", one["status"])]}

    @property
    def campaigns(self) -> list[dict[str, Any]]:
        common = {"new_customer": None, "origin_max_age": None, "origin_min_age": None, "appearance": "inline"}
        return [
            {
                **common,
                "id": 142,
                "slug": 142,
                "name": "Invite",
                "status": "Live",
                "is_active": True,
                "tag_names": ["invite"],
            },
            {
                **common,
                "id": 143,
                "slug": 143,
                "name": "Old",
                "status": "Disabled",
                "is_active": False,
                "tag_names": [],
            },
        ]

    # ------------------------------------------------------------------ how it begins

    def _seed(self) -> None:
        """Ana, who has shared, is a member of the loyalty program, and has referred Ben by the order 1001."""
        self._keep_person("ana@example.com", {"first_name": "Ana", "last_name": "Example", "username": "ana"})
        self._keep_person("ben@example.com", {"first_name": "Ben", "last_name": "Sample"})
        self.members["ana@example.com"] = {
            "email": "ana@example.com",
            "points_balance": 1000,
            "custom_properties": {},
        }
        self.referrals["1001"] = {
            "id": 233,
            "status": "pending",
            "ad_rewarded": False,
            "advocate_person": {"id": 1, "email": "ana@example.com", "first_name": "Ana", "last_name": "Example"},
            "friend_person": {"id": 2, "email": "ben@example.com", "first_name": "Ben", "last_name": "Sample"},
            "campaign_id": 142,
            "offer_id": 867,
            "referred_origin_id": 622,
            "referred_subtotal": 35.5,
            "track_method": "coupon",
            "fraud_details": None,
            "fraud_policies_status": {"blocked": [], "flagged": [], "skipped": [], "passed": []},
            "qa_generated": False,
            "created_at": "2024-03-01T09:00:00.000-08:00",
            "updated_at": "2024-03-01T09:00:00.000-08:00",
        }
        for number, status in enumerate(("Paid", "Unpaid", "Voided"), 22017):
            self.rewards.append(
                {
                    "id": number,
                    "reason": "referrer",
                    "status": status,
                    "amount": 10.0,
                    "incentive_type": "rebate",
                    "incentive_description": "$10.00 back",
                    "incentive_custom_description": None,
                    "coupon": None,
                    "coupon_code": None,
                }
            )

    def _id(self) -> int:
        self._ids += 1
        return self._ids

    def _now(self) -> str:
        return datetime.fromtimestamp(self.clock.time(), UTC).isoformat(timespec="milliseconds")


def _new_person(email: str) -> dict[str, Any]:
    return {
        "personal_claim_url": f"https://share.example.com/by/{email}",
        "events_count": 0,
        "first_name": None,
        "last_name": None,
        "email": email,
        "username": None,
        "subscribed_at": None,
        "unsubscribed_at": None,
        "sub_choice": False,
        "customer_id": None,
        "custom_properties": {},
        "referred_by": None,
        "referral_counts": {"total": 0, "approved": 0, "pending": 0},
        "reward_counts": {"total": 0, "unpaid": 0, "paid": 0},
        "share_counts": {"total": 0, "facebook": 0, "other": 0},
    }
