"""The webhooks that the simulated merchant's program sends, made of its state.

Topics, names and parts are the vendor's. Each customer in a body is the one that the API would answer at the moment;
what the API does not show of him, and identifiers that nothing else refers to, are made up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from engine import Behaviour, Json, WebhookSample
from modules.yotpo_loyalty import samples
from modules.yotpo_loyalty.simulator.state import News, Redeemed, State

_MERCHANT = 1
_SHOP = {"website_url": "https://shop.example.com", "store_name": "Example Shop"}
#: days before points expire: the vendor reminds 30, 14 and 7 days ahead, as seen in a guide to another tool
_REMINDED = 30
#: of a customer in an event, as it is in the API's record
_SAME = (
    *("total_spend_cents", "total_purchases", "perks_redeemed", "last_purchase_at", "email", "points_earned"),
    *("points_balance", "points_expire_at", "first_name", "last_name", "last_seen_at", "thirty_party_id"),
    *("third_party_id", "has_store_account", "credit_balance", "credit_balance_in_customer_currency", "vip_tier_name"),
)
_OPTION = ("id", "name", "description", "icon", "cost_text", "amount")
_LONG_OPTION = (
    *_OPTION,
    *("applies_to_product_type", "duration", "type", "discount_amount_cents", "discount_rate_cents"),
    *("discount_percentage", "discount_type"),
)
_NEEDED = ("points_needed", "amount_cents_needed", "purchases_needed", "referrals_needed")
_COUNTERS = (
    *("shares", "facebook_shares", "twitter_shares", "email_shares", "emails_sent", "emails_viewed"),
    *("links_clicked_from_email", "links_clicked_from_twitter", "links_clicked_from_facebook"),
    *("orders", "amount_cents", "average_amount_cents"),
)

BEHAVIOURS = (
    Behaviour("every event is a JSON POST to one URL, without identity or time in its body", "verified"),
    Behaviour("it has no header with a signature or an identity", "assumed"),
    Behaviour("topics and parts of the events, but for the next two", "verified"),
    Behaviour("in swell/points/changed difference is positive, and added_or_removed says which way", "assumed"),
    Behaviour("the expiration reminder's date, amount and days stand at the top of the body", "assumed"),
    Behaviour("a change of points sends swell/points/changed, an earned one swell/points/earned too", "verified"),
    Behaviour("of the two swell/points/earned is the first", "assumed"),
    Behaviour("a redemption sends swell/redemption/created", "verified"),
    Behaviour("an event is sent once, whatever the answer", "assumed"),
)


class Webhooks:
    """Every event, by name; and the events that a change of the state causes."""

    def __init__(self, state: State) -> None:
        self._state = state

    def samples(self) -> Mapping[str, WebhookSample]:
        """All that can be sent, as things are now; nothing for a merchant without customers."""
        if not self._state.customers:
            return {}
        return {name: _sample(said, make()) for name, (said, make) in self._makers().items()}

    def caused_by(self, news: News) -> Sequence[WebhookSample]:
        """The events that the vendor sends for a change."""
        person = news.person
        if isinstance(news, Redeemed):
            return [_sample("points redeemed", self._redeemed(person, news.option, news.redemption))]
        found = [_sample("a balance has changed", self._points_changed(person, news.amount, news.reason))]
        if news.earned and news.amount > 0:
            body = self._points_earned(person, news.amount, news.reason)
            found.insert(0, _sample("points were earned", body))
        return found

    def _makers(self) -> Mapping[str, tuple[str, Callable[[], dict[str, Any]]]]:
        ana, ben = self._ana(), self._ben()
        points, title = self._last_earned(ana)
        return {
            "points_earned": ("points were earned", lambda: self._points_earned(ana, points, title)),
            "points_changed": ("a balance has changed", lambda: self._points_changed(ana, points, title)),
            "redemption_created_redeemed": ("points redeemed", lambda: self._redeemed(ana, self._option(149), None)),
            "redemption_created_awarded": ("a coupon given by a campaign", lambda: self._awarded(ana)),
            "points_reminder": ("inactive, with too few points for a reward", self._points_reminder),
            "redemption_reminder": ("inactive, with enough points for a reward", self._redemption_reminder),
            "customer_birthday": ("a birthday's reward", lambda: self._day(ana, "Birthday")),
            "customer_anniversary": ("an anniversary's reward", lambda: self._day(ana, "Anniversary")),
            "referral_completed": ("a friend has bought", lambda: self._referral_completed(ana, ben)),
            "referral_share": ("somebody recommends the shop to a friend", lambda: self._referral_share(ana, ben)),
            "tier_earned": ("a tier reached", lambda: self._tier_earned(ana)),
            "tier_earned_first": ("the first tier reached", lambda: self._tier(ana, "Earned", self._tiers()[0], None)),
            "tier_lost": ("a tier lost, another left", lambda: self._tier_lost(ana)),
            "tier_lost_none": ("the last tier lost", lambda: self._tier(ben, "Lost", None, self._tiers()[0])),
            "tier_status_changed": ("on the way between tiers", lambda: self._tier_status(ana)),
            "loyalty_opt_in": ("somebody joins the program", lambda: self._opted(ana, "In")),
            "loyalty_opt_out": ("somebody leaves the program", lambda: self._opted(ana, "Out")),
            "loyalty_expiration_reminder": ("points are about to expire", lambda: self._expiring(ana)),
            "redemption_code_below_threshold": ("coupon codes run out", self._few_codes),
            "redemption_cancellation_request": (
                "somebody wants points back for a coupon",
                lambda: self._cancellation(ana),
            ),
        }

    # ------------------------------------------------------------------ the events

    def _points_earned(self, person: Mapping[str, Any], points: int, title: str) -> dict[str, Any]:
        perk = self._perk(person, title, points, done=True)
        return {**_head("swell/points/earned", "Swell Points Earned", person), "perk": perk}

    def _points_changed(self, person: Mapping[str, Any], points: int, title: str) -> dict[str, Any]:
        balance = person["points_balance"]
        return {
            **_head("swell/points/changed", "Swell Points Changed", person),
            "previous_balance": balance - points,
            "current_balance": balance,
            "difference": abs(points),
            "added_or_removed": "added" if points >= 0 else "removed",
            "points_changed_reason": title,
        }

    def _redeemed(
        self, person: Mapping[str, Any], option: Mapping[str, Any], answered: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        redemption = self._redemption(person)
        if answered is not None:
            redemption.update({key: answered[key] for key in redemption})
        place = {"is_admin": False, "is_pos": bool((answered or {}).get("is_pos")), "at_checkout": False}
        return {
            **_head("swell/redemption/created", "Swell Redemption Created", person),
            "redemption": {**redemption, **place},
            "redemption_option": _picked(option, _OPTION),
        }

    def _awarded(self, person: Mapping[str, Any]) -> dict[str, Any]:
        option = self._option(152)
        perk = self._perk(person, "Join our newsletter", 0, done=False, option=option)
        return {
            **self._redeemed(person, option, None),
            "perk": {**perk, "redemption_option": _picked(option, _OPTION)},
        }

    def _points_reminder(self) -> dict[str, Any]:
        option = self._option(149)
        person = self._whose(lambda one: one["points_balance"] < option["amount"])
        return {
            **_head("swell/points/reminder", "Swell Points Reminder", person),
            "points_needed": max(0, option["amount"] - person["points_balance"]),
            "redemption_option": _picked(option, _OPTION),
        }

    def _redemption_reminder(self) -> dict[str, Any]:
        option = self._option(149)
        person = self._whose(lambda one: one["points_balance"] >= option["amount"])
        return {
            **_head("swell/redemption/reminder", "Swell Redemption Reminder", person),
            "redemption_option": _picked(option, _OPTION),
        }

    def _day(self, person: Mapping[str, Any], day: str) -> dict[str, Any]:
        option = self._option(149)
        head = _head(f"swell/customer/{day.lower()}", f"Swell Customer {day}", person)
        customer = {key: value for key, value in head["customer"].items() if key != "referral_code"}
        return {
            **head,
            "customer": customer,
            "perk": self._perk(person, f"Happy {day}", 0, done=False, option=option),
            "redemption": self._redemption(person),
            "redemption_option": _picked(option, _OPTION),
        }

    def _referral_completed(self, person: Mapping[str, Any], friend: Mapping[str, Any]) -> dict[str, Any]:
        referral = (one for one in self._state.campaigns if one["type"] == "ReferralCampaign")
        campaign = next(referral, samples.campaign())
        perk = self._perk(person, campaign["title"], 500, done=True)
        brought = [
            {**_picked(friend, ("email", "first_name", "last_name", "last_seen_at")), "referral_points_contributed": 0}
        ]
        referrer = _customer(person)
        referrer["referral_code"] = {
            **referrer["referral_code"],
            "completed_referral_customers": brought,
            "unique_clicks": 1,
            "total_clicks": 1,
        }
        number = _number(person)
        owner = {
            "id": number,
            "user_id": None,
            "merchant_id": _MERCHANT,
            "is_member": True,
            "name": None,
            "subscribed": True,
            "source": "store_account",
            "prettyTotalSpend": f"${person['total_spend_cents'] // 100}",
            **_picked(person, ("total_purchases", "perks_redeemed", "last_purchase_at", "email", "total_spend_cents")),
            **_picked(person, ("points_earned", "points_balance", "points_expire_at", "first_name", "last_name")),
            "last_seen_at": person["last_seen_at"],
        }
        code = {
            "id": number,
            "campaign_id": campaign["id"],
            "clicks": 1,
            "invalid_clicks": 0,
            "customer_id": number,
            "links_clicked": 1,
            "target_referrals": None,
            **_picked(person["referral_code"], ("code", *_COUNTERS, "expires_at", "expired")),
            "customer": owner,
            "completed_referral_customers": brought,
            "email": person["email"],
        }
        return {
            "topic": "swell/referral/completed",
            "name": "Swell Referral Completed",
            "perk": {**perk, "campaign_id": campaign["id"]},
            "email": person["email"],
            "referrer": referrer,
            "referral_code": code,
            "referred_customer": _customer(friend),
        }

    def _referral_share(self, person: Mapping[str, Any], friend: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **_head("swell/referral/share", "Swell Referral Share", person),
            "email": friend["email"],
            "from": person["email"],
            "referral_link": person["referral_link"]["link"],
        }

    def _tier_earned(self, person: Mapping[str, Any]) -> dict[str, Any]:
        """Of somebody on the lowest tier it is the next one: the record shows it when the vendor has written it."""
        rank = max(self._rank(person), 1)
        return self._tier(person, "Earned", self._tiers()[rank], self._tiers()[rank - 1])

    def _tier_lost(self, person: Mapping[str, Any]) -> dict[str, Any]:
        rank = min(self._rank(person), len(self._tiers()) - 2)
        return self._tier(person, "Lost", self._tiers()[rank], self._tiers()[rank + 1])

    def _tier(
        self, person: Mapping[str, Any], what: str, new: Mapping[str, Any] | None, old: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        body = _head(f"swell/tier/{what.lower()}", f"Swell Tier {what}", person)
        return {**body, **({"new_tier": new} if new else {}), **({"old_tier": old} if old else {})}

    def _tier_status(self, person: Mapping[str, Any]) -> dict[str, Any]:
        done = person["vip_tier_actions_completed"]
        return {
            **_head("swell/tier/status/changed", "Swell Tier Status Changed", person),
            "vip_stats": {
                "pointsEarned": done["points_earned"],
                "amountSpentCents": done["amount_spent_cents"],
                "purchasesMade": done["purchases_made"],
                "referralsCompleted": done["referrals_completed"],
            },
            "vip_stats_needed_maintain": _picked(person["vip_tier_maintenance_requirements"], _NEEDED),
            "vip_stats_needed_next": _picked(person["vip_tier_upgrade_requirements"], _NEEDED),
        }

    def _opted(self, person: Mapping[str, Any], way: str) -> dict[str, Any]:
        body = _head(f"loyalty/opt_{way.lower()}", f"Loyalty Opt {way}", person)
        since = (person["opted_in_at"] or self._state.now())[:10] if way == "In" else None
        body["customer"].update({"is_opt_in": way == "In", "loyalty_opt_in_date": since})
        return body

    def _expiring(self, person: Mapping[str, Any]) -> dict[str, Any]:
        due = datetime.fromtimestamp(self._state.clock.time(), UTC) + timedelta(days=_REMINDED)
        body = {**_head("loyalty/expiration/reminder", "Loyalty Expiration Reminder", person), **_SHOP}
        body["customer"].update(
            {
                "is_opt_in": person["opt_in"],
                "loyalty_opt_in_date": (person["opted_in_at"] or "")[:10] or None,
                "referred_by_customer": None,
                "points_expire_at": f"{due:%Y-%m-%dT%H:%M:%S}.000Z",
            }
        )
        return {
            **body,
            "loyalty_next_points_expire_on": f"{due:%Y-%m-%d}",
            "loyalty_next_points_expire_amount": person.get("next_points_expire_amount") or 0,
            "days_to_point_expiration": _REMINDED,
        }

    def _few_codes(self) -> dict[str, Any]:
        option = self._option(149)
        return {
            "topic": "swell/redemption_code/below_threshold",
            "name": "Swell Redemption Code Below Threshold",
            "redemption_option": _picked(option, _LONG_OPTION),
            "redemption_option_id": option["id"],
            "redemption_option_name": option["name"],
            "number_of_unused_codes": 0,
        }

    def _cancellation(self, person: Mapping[str, Any]) -> dict[str, Any]:
        redemption = self._redemption(person)
        return {
            "topic": "swell/point_redemption/cancellation_request",
            "name": "Swell Point Redemption Cancellation Request",
            # the vendor sends it as text here
            "point_redemption_id": str(redemption["id"]),
            "reward_text": redemption["reward_text"],
            "customer": _customer(person),
        }

    # ------------------------------------------------------------------ who and what they are about

    def _ana(self) -> Mapping[str, Any]:
        return next(iter(self._state.customers.values()))

    def _ben(self) -> Mapping[str, Any]:
        *_, last = [*self._state.customers.values()][:2]
        return last

    def _whose(self, fits: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        return next((one for one in self._state.customers.values() if fits(one)), self._ana())

    def _last_earned(self, person: Mapping[str, Any]) -> tuple[int, str]:
        earned = (one for one in person.get("history_items", ()) if one["points"] > 0)
        return next(((one["points"], one["action"]) for one in earned), (200, "Create an account"))

    def _option(self, number: int) -> Mapping[str, Any]:
        """This option, or in its place the first that has a fixed price."""
        options = [one for one in self._state.redemption_options if one["amount"] is not None]
        return next((one for one in options if one["id"] == number), options[0])

    def _tiers(self) -> list[dict[str, Any]]:
        """As events show tiers, the lowest first."""
        return [
            {
                **_picked(tier, ("id", "name", "description")),
                **_picked(tier["entry_threshold"], ("points_earned", "amount_spent_cents", "purchases_made")),
                "points_multiplier": float(tier["points_multiplier"]),
                "rank": number,
            }
            for number, tier in enumerate(self._state.vip_tiers, 1)
        ]

    def _rank(self, person: Mapping[str, Any]) -> int:
        """Index of the customer's tier; of the lowest for somebody without one."""
        names = [tier["name"] for tier in self._state.vip_tiers]
        return names.index(person["vip_tier_name"]) if person["vip_tier_name"] in names else 0

    def _perk(
        self,
        person: Mapping[str, Any],
        title: str,
        points: int,
        *,
        done: bool,
        option: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        at = self._state.now() if done else None
        campaign = next((one["id"] for one in self._state.campaigns if one["title"] == title), 12)
        return {
            "id": 31,
            "campaign_id": campaign,
            "merchant_id": _MERCHANT,
            "customer_id": _number(person),
            "reward_points": points,
            "completed": done,
            "completed_at": at,
            "awarded": done,
            "awarded_at": at,
            "pending": False,
            "reversed": False,
            "reversed_at": None,
            "expired": False,
            "expired_at": None,
            "expires_at": None,
            "redemption_option_id": option["id"] if option else None,
            "history_title": title,
            "created_at": self._state.now(),
        }

    def _redemption(self, person: Mapping[str, Any]) -> dict[str, Any]:
        spent = (one for one in person.get("history_items", ()) if one["points"] < 0)
        code = next((one["status"] for one in spent), "SAVE5-9XK2")
        now = self._state.now()
        return {
            "id": 77,
            "created_at": now,
            "updated_at": now,
            "reward_text": code,
            "approved": True,
            "approved_at": now,
        }


def _sample(said: str, body: Json) -> WebhookSample:
    return WebhookSample(f"{body['topic']}: {said}", body)


def _head(topic: str, name: str, person: Mapping[str, Any]) -> dict[str, Any]:
    return {"topic": topic, "name": name, "email": person["email"], "customer": _customer(person)}


def _customer(person: Mapping[str, Any]) -> dict[str, Any]:
    """A customer as events show him."""
    return {
        **_picked(person, _SAME),
        "referred_by": None,
        "is_member": True,
        "accepts_marketing": False,
        "referral_link": person["referral_link"]["link"],
        "referral_discount_code": None,
        "is_affiliate": False,
        "vip_tier_ends_at": (person["vip_tier_expiration"] or "")[:10] or None,
        "referral_code": person["referral_code"],
    }


def _number(person: Mapping[str, Any]) -> int:
    number: int = person["referral_link"]["customer_id"]
    return number


def _picked(values: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: values[name] for name in names}
