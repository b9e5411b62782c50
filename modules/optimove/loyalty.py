"""The twelve loyalty events that Optimove takes from Yotpo, as data: names, parameters, and where each comes from.

A parameter is called as its place in Yotpo's body is, with underscores: ``perk.reward_points`` is
``perk_reward_points``. Whom the event is about is always ``customer_…``, so that one template serves all events. What
only programs need (ids, counters of clicks, a second spelling of a key) is left out, and so is the address of a friend,
who gave it to nobody for this.

The list of the events is the vendors'. How Optimove calls them and their parameters is not published: the names are
ours, and are what is to be set up in Optimove.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine import Json, Schema

Kind = Literal["string", "number", "boolean"]
Body = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a named event.

    :param source: its place in Yotpo's body, with dots; what is absent or null there is left out.
    :param read: in place of that, how it is told from the body.
    """

    name: str
    kind: Kind
    source: str
    read: Callable[[Body], Json] | None = None

    def of(self, body: Body) -> Json:
        """The value in a body as it came; None where there is none."""
        if self.read is not None:
            return self.read(body)
        value: Json = body
        for key in self.source.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return value


@dataclass(frozen=True, slots=True)
class LoyaltyEvent:
    """One of the twelve.

    :param title: as the integration's guide lists it.
    :param topics: of Yotpo.
    :param person: where Yotpo's body has whom it is about.
    """

    name: str
    title: str
    topics: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    person: str = "customer"


@dataclass(frozen=True, slots=True)
class Named:
    """What became of a body of Yotpo's.

    :param event: one of the twelve; None: the topic is none of theirs.
    :param customer: the e-mail address; None: the event is about nobody.
    :param context: the parameters that the body has, each of its kind.
    :param left_out: parameters whose value is not of its kind.
    """

    event: LoyaltyEvent | None
    customer: str | None
    context: Mapping[str, Json]
    left_out: Sequence[str]


_TEXT: Kind = "string"
_NUMBER: Kind = "number"
_YES: Kind = "boolean"

_PERSON: Mapping[str, Kind] = {
    "first_name": _TEXT,
    "last_name": _TEXT,
    "points_balance": _NUMBER,
    "points_earned": _NUMBER,
    "points_expire_at": _TEXT,
    "credit_balance": _TEXT,
    "credit_balance_in_customer_currency": _TEXT,
    "vip_tier_name": _TEXT,
    "vip_tier_ends_at": _TEXT,
    "total_spend_cents": _NUMBER,
    "total_purchases": _NUMBER,
    "perks_redeemed": _NUMBER,
    "last_purchase_at": _TEXT,
    "last_seen_at": _TEXT,
    "third_party_id": _TEXT,
    "referral_link": _TEXT,
    "referral_discount_code": _TEXT,
    "is_member": _YES,
    "is_affiliate": _YES,
    "is_opt_in": _YES,
    "loyalty_opt_in_date": _TEXT,
    "accepts_marketing": _YES,
    "has_store_account": _YES,
}
_PERK: Mapping[str, Kind] = {
    "campaign_id": _NUMBER,
    "history_title": _TEXT,
    "reward_points": _NUMBER,
    "awarded_at": _TEXT,
    "expires_at": _TEXT,
}
_REDEMPTION: Mapping[str, Kind] = {"reward_text": _TEXT, "approved": _YES, "created_at": _TEXT}
_OPTION: Mapping[str, Kind] = {
    "id": _NUMBER,
    "name": _TEXT,
    "description": _TEXT,
    "cost_text": _TEXT,
    "amount": _NUMBER,
}
_TIER: Mapping[str, Kind] = {
    "name": _TEXT,
    "description": _TEXT,
    "rank": _NUMBER,
    "points_multiplier": _NUMBER,
    "points_earned": _NUMBER,
    "amount_spent_cents": _NUMBER,
    "purchases_made": _NUMBER,
}
_STATS = {
    "vip_stats_points_earned": "vip_stats.pointsEarned",
    "vip_stats_amount_spent_cents": "vip_stats.amountSpentCents",
    "vip_stats_purchases_made": "vip_stats.purchasesMade",
    "vip_stats_referrals_completed": "vip_stats.referralsCompleted",
}
_NEEDED: Mapping[str, Kind] = dict.fromkeys(
    ("points_needed", "amount_cents_needed", "purchases_needed", "referrals_needed"), _NUMBER
)
_CODE: Mapping[str, Kind] = {"code": _TEXT, "shares": _NUMBER, "orders": _NUMBER}


def _part(place: str, kinds: Mapping[str, Kind], called: str | None = None) -> tuple[Parameter, ...]:
    prefix = place.replace(".", "_") if called is None else called
    return tuple(Parameter(f"{prefix}_{key}", kind, f"{place}.{key}") for key, kind in kinds.items())


def _top(**kinds: Kind) -> tuple[Parameter, ...]:
    return tuple(Parameter(key, kind, key) for key, kind in kinds.items())


_CUSTOMER = (*_part("customer", _PERSON), *_part("customer.referral_code", _CODE))
_REWARD = (*_part("redemption", _REDEMPTION), *_part("redemption_option", _OPTION))
_ON_A_DAY = (*_part("perk", _PERK), *_REWARD, *_CUSTOMER)
_TIERS = (*_part("new_tier", _TIER), *_part("old_tier", _TIER), *_CUSTOMER)


def _is_awarded(body: Body) -> bool:
    return isinstance(body.get("perk"), Mapping)


def _has_opted_in(body: Body) -> bool:
    return body.get("topic") == "loyalty/opt_in"


#: all twelve, in the order of the integration's guide
EVENTS: tuple[LoyaltyEvent, ...] = (
    LoyaltyEvent(
        "coupon_earned",
        "Coupon Earned",
        ("swell/redemption/created",),
        (
            *_REWARD,
            Parameter("awarded", _YES, "perk", _is_awarded),
            *_part("perk", _PERK),
            *_CUSTOMER,
        ),
    ),
    LoyaltyEvent("customer_birthday", "Customer Birthday", ("swell/customer/birthday",), _ON_A_DAY),
    LoyaltyEvent("customer_anniversary", "Customer Anniversary", ("swell/customer/anniversary",), _ON_A_DAY),
    LoyaltyEvent(
        "points_reminder",
        "Points Reminder",
        ("swell/points/reminder",),
        (*_top(points_needed=_NUMBER), *_part("redemption_option", _OPTION), *_CUSTOMER),
    ),
    LoyaltyEvent(
        "points_changed",
        "Points Changed",
        ("swell/points/changed",),
        (
            *_top(
                previous_balance=_NUMBER,
                current_balance=_NUMBER,
                difference=_NUMBER,
                added_or_removed=_TEXT,
                points_changed_reason=_TEXT,
            ),
            *_CUSTOMER,
        ),
    ),
    LoyaltyEvent("points_earned", "Points Earned", ("swell/points/earned",), (*_part("perk", _PERK), *_CUSTOMER)),
    LoyaltyEvent(
        "loyalty_opt_in_out",
        "Loyalty Opt In / Out",
        ("loyalty/opt_in", "loyalty/opt_out"),
        (Parameter("opted_in", _YES, "topic", _has_opted_in), *_CUSTOMER),
    ),
    LoyaltyEvent(
        "redemption_reminder",
        "Redemption Reminder",
        ("swell/redemption/reminder",),
        (*_part("redemption_option", _OPTION), *_CUSTOMER),
    ),
    LoyaltyEvent(
        "referral_completed",
        "Referral Completed",
        ("swell/referral/completed",),
        (
            *_part("referred_customer", {"first_name": _TEXT, "last_name": _TEXT}),
            *_part("perk", _PERK),
            *_REWARD,
            *_part("referrer", _PERSON, "customer"),
            *_part("referral_code", _CODE, "customer_referral_code"),
        ),
        person="referrer",
    ),
    LoyaltyEvent("vip_tier_earned", "VIP Tier Earned", ("swell/tier/earned",), _TIERS),
    LoyaltyEvent("vip_tier_lost", "VIP Tier Lost", ("swell/tier/lost",), _TIERS),
    LoyaltyEvent(
        "vip_tier_status_changed",
        "VIP Tier Status Changed",
        ("swell/tier/status/changed",),
        (
            *(Parameter(name, _NUMBER, source) for name, source in _STATS.items()),
            *_part("vip_stats_needed_maintain", _NEEDED),
            *_part("vip_stats_needed_next", _NEEDED),
            *_CUSTOMER,
        ),
    ),
)

#: names of the twelve
NAMES: tuple[str, ...] = tuple(event.name for event in EVENTS)
_BY_TOPIC: Mapping[str, LoyaltyEvent] = {topic: event for event in EVENTS for topic in event.topics}


def named(body: Body) -> Named:
    """The named event of a body of Yotpo's. Pure."""
    event = _BY_TOPIC.get(str(body.get("topic")))
    if event is None:
        return Named(None, None, {}, ())
    context: dict[str, Json] = {}
    left_out: list[str] = []
    for parameter in event.parameters:
        value = parameter.of(body)
        if value is None:
            continue
        fitting = _fitting(value, parameter.kind)
        if fitting is None:
            left_out.append(parameter.name)
        else:
            context[parameter.name] = fitting
    return Named(event, _address(body, event.person), context, left_out)


def _address(body: Body, person: str) -> str | None:
    for holder in (body, body.get(person)):
        email = holder.get("email") if isinstance(holder, Mapping) else None
        if isinstance(email, str) and email.strip():
            return email.strip()
    return None


def _fitting(value: Json, kind: Kind) -> Json:
    """The value as one of this kind; None: it is none. Yotpo was seen to write numbers as text, and ids as either."""
    if kind == "boolean" or isinstance(value, bool):
        return value if kind == "boolean" and isinstance(value, bool) else None
    if kind == "number":
        return _number(value)
    if isinstance(value, int | float):
        return str(value)
    return value if isinstance(value, str) else None


def _number(value: Json) -> int | float | None:
    if isinstance(value, int | float):
        return value
    if not isinstance(value, str):
        return None
    for kind in (int, float):
        try:
            number: int | float = kind(value)
        except ValueError:
            continue
        # a text that says infinity, or that it is no number, is no value of JSON
        return number if abs(number) <= 1e300 else None
    return None


def context_schema(event: LoyaltyEvent) -> Schema:
    """JSON Schema of an event's parameters. All of them may be absent."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            one.name: {"type": one.kind, "description": f"`{one.source}` in Yotpo's body"} for one in event.parameters
        },
    }


def event_schema(event: LoyaltyEvent, more: Mapping[str, Schema]) -> Schema:
    """JSON Schema of a named event with a customer."""
    properties: dict[str, Any] = {
        "event": {"type": "string", "const": event.name},
        "title": {"type": "string", "const": event.title},
        "topic": {"type": "string", "enum": list(event.topics)},
        "customer": {"type": "string", "description": "E-mail address"},
        "context": context_schema(event),
        "left_out": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Parameters whose value in the body is not of their kind",
        },
        **more,
    }
    return {"type": "object", "required": list(properties), "properties": properties}


def schemas(names: Iterable[str] | None, more: Mapping[str, Schema]) -> list[Schema]:
    """The same for these names; None: for all. A name that is not known counts for all, as nothing is known of it."""
    wanted = None if names is None else set(names)
    if wanted is not None and not wanted <= set(NAMES):
        wanted = None
    return [event_schema(event, more) for event in EVENTS if wanted is None or event.name in wanted]
