"""What the simulated merchant's account holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine import Clock
from modules.yotpo_loyalty import samples
from modules.yotpo_loyalty.simulator.reading import refused

if TYPE_CHECKING:
    from modules.yotpo_loyalty.simulator.orders import Order

#: the text is the vendor's, its place inside ``errors`` is inferred
ABSENT = "Could not find customer"
#: how each identification of a lookup is called in a customer's record
_RECORD_KEYS = {
    "customer_email": "email",
    "customer_id": "third_party_id",
    "pos_account_id": "pos_account_id",
    "phone_number": "phone_number",
}


@dataclass(frozen=True, slots=True)
class PointsBooked:
    """A customer's balance has changed.

    :param amount: negative when points were taken away.
    :param earned: whether the points ever earned changed too.
    """

    person: Mapping[str, Any]
    amount: int
    reason: str
    earned: bool


@dataclass(frozen=True, slots=True)
class Redeemed:
    """:param redemption: what was answered."""

    person: Mapping[str, Any]
    option: Mapping[str, Any]
    redemption: Mapping[str, Any]


News = PointsBooked | Redeemed


class State:
    """Customers with their points and history, campaigns, rewards, orders. All of it may be changed at any time."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        #: by e-mail in lower case
        self.customers: dict[str, dict[str, Any]] = samples.customers()
        self.campaigns: list[dict[str, Any]] = [samples.campaign(), *samples.custom_actions()]
        self.redemption_options: list[dict[str, Any]] = samples.redemption_options()
        self.vip_tiers: list[dict[str, Any]] = samples.vip_tiers()
        #: as they arrived
        self.orders: list[Order] = []
        #: redemptions whose points are still to be deducted, by coupon code: customer, points, title
        self.delayed: dict[str, tuple[dict[str, Any], int, str]] = {}
        #: the points of each Custom Action campaign, by its action name
        self.action_points: dict[str, int] = {
            samples.ACTION_NAME: samples.ACTION_POINTS,
            **{name: points for name, (_, points) in samples.MORE_ACTIONS.items()},
        }
        #: by e-mail in lower case
        self.tags: dict[str, list[str]] = {}
        #: the account's setting for customers of whom nobody says whether they are opted in
        self.opted_in_by_default = True
        #: e-mails of the customers whose record is busy, so that a change of their points is answered 423
        self.busy: set[str] = set()
        #: 404, or 200 as older accounts answer
        self.absent_status = 404
        #: is told of what the vendor sends webhooks about
        self.tell: Callable[[News], None] = lambda _news: None
        self._numbers = 900_000
        self._updates: dict[str, int] = {}
        self._own_numbers: dict[str, int] = {}

    def number(self) -> int:
        """A new identifier."""
        self._numbers += 1
        return self._numbers

    def number_of(self, person: Mapping[str, Any]) -> int:
        """The vendor's own identifier of a customer."""
        return self._own_numbers.setdefault(str(person["email"]).casefold(), self.number())

    def now(self) -> str:
        """The time as the vendor writes it."""
        return datetime.fromtimestamp(self.clock.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def find(self, wanted: Mapping[str, str], country: str | None = None) -> dict[str, Any] | None:
        """The customer to whom all of the identifications lead.

        :param wanted: ``customer_email``, ``customer_id``, ``pos_account_id``, ``phone_number``; at least one.
        :param country: ISO code for a phone number that is not in E.164 format.
        """
        return next((one for one in self.customers.values() if _matches(one, wanted, country)), None)

    def customer(self, wanted: Mapping[str, str], country: str | None = None) -> dict[str, Any]:
        """The same, or the vendor's refusal."""
        found = self.find(wanted, country)
        if found is None:
            raise refused(self.absent_status, ABSENT)
        return found

    def touch(self, person: Mapping[str, Any]) -> None:
        """Note that a customer's record has changed."""
        self._updates[str(person["email"]).casefold()] = self.number()

    def recent(self) -> list[dict[str, Any]]:
        """All customers, the last that was changed first."""
        return sorted(self.customers.values(), key=lambda one: -self._updates.get(str(one["email"]).casefold(), 0))

    def book(
        self,
        person: dict[str, Any],
        amount: int,
        title: str,
        *,
        earned: bool,
        visible: bool = True,
        created_at: str | None = None,
        status: str = "Approved",
    ) -> None:
        """Change a customer's points.

        :param amount: points, negative to take away. Refused with 422 when the balance would go below zero.
        :param earned: whether the points ever earned, on which tiers rest, change too.
        :param visible: whether the change stands in the history.
        :param status: what the history says; of a redemption its coupon code.
        """
        if str(person["email"]).casefold() in self.busy:
            raise refused(423, "the customer's record is busy")
        balance = person["points_balance"] + amount
        if balance < 0:
            raise refused(422, "insufficient points balance")
        person["points_balance"] = balance
        if earned:
            person["points_earned"] = max(0, person["points_earned"] + amount)
        now = self.now()
        if visible:
            item = {
                "created_at": created_at or now,
                "completed_at": now,
                "date": (created_at or now)[:10],
                "action": title,
                "points": amount,
                "status": status,
            }
            person.setdefault("history_items", []).insert(0, item)
        self.touch(person)
        if amount:
            # the vendor's word for the reason where it has one
            self.tell(PointsBooked(person, amount, title if status == "Approved" else "Redemption Made", earned))


def _matches(person: Mapping[str, Any], wanted: Mapping[str, str], country: str | None) -> bool:
    for name, value in wanted.items():
        stored = str(person.get(_RECORD_KEYS[name]) or "")
        if name == "customer_email":
            same = stored.casefold() == value.casefold()
        elif name == "phone_number":
            same = _same_phone(stored, value, country)
        else:
            same = stored == value
        if not same:
            return False
    return True


def _same_phone(stored: str, asked: str, country: str | None) -> bool:
    if asked.startswith("+") or country is None:
        return stored == asked
    national = "".join(filter(str.isdigit, asked)).lstrip("0")
    return bool(national) and stored.endswith(national)
