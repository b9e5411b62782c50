"""The simulated store's customers: a change is taken at once and shown later."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from multidict import MultiMapping

from engine import Clock
from modules.yotpo_messaging.connection import CUSTOMER_FILTERS, IDS_BETWEEN, VISIBLE_AFTER
from modules.yotpo_messaging.simulator.rules import bad

#: customers on a page: the vendor's most, and what it gives when it is not asked
LARGEST_PAGE = 100
#: what ``channels`` shows of a customer who never agreed or objected; the vendor's word for it is not known
NEVER_SUBSCRIBED = "never_subscribed"


@dataclass(frozen=True, slots=True)
class _Version:
    visible_at: float
    customer: Mapping[str, Any]


class Customers:
    """:ivar visible_after: seconds until a change shows; a setting, because a test may have no patience."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._versions: list[list[_Version]] = []
        self.visible_after = VISIBLE_AFTER
        self.seed({"external_id": "700100", "email": "ana@example.com", "phone_number": "+15550100"})
        self.seed({"external_id": "700101", "email": "ben@example.com", "phone_number": "+15550101"})

    def seed(self, customer: Mapping[str, Any]) -> None:
        """Put a customer there that shows at once."""
        self._add(customer, self._clock.time())

    def change(self, customer: Mapping[str, Any]) -> None:
        """Create a customer or change one. Custom properties are changed one by one, everything else as a whole."""
        self._add(customer, self._clock.time() + self.visible_after)

    def settled(self, who: Mapping[str, Any]) -> bool:
        """Whether the last change of a customer shows, or there is no such customer."""
        versions = self._find(who)
        return versions is None or versions[-1].visible_at <= self._clock.time()

    def consent(self, who: Mapping[str, Any], channel: str) -> str:
        """What a customer said last of a channel, whether it shows yet or not."""
        versions = self._find(who)
        known = versions[-1].customer if versions else _new()
        return str(known["channels"][channel]["marketing"]["consent"])

    def opt(
        self, who: Mapping[str, Any], names: Mapping[str, Any], channel: str, said: Mapping[str, Any], list_id: Any
    ) -> None:
        """Keep what a customer says of a channel, and a list that he is on from now.

        :param who: ``phone_number`` and ``email``; a None is left out.
        """
        versions = self._find(who)
        known = versions[-1].customer if versions else _new()
        now = self._now()
        suppressions = [{"reason": said.get("suppression_reason")}] if said.get("suppress_email") == "true" else []
        marketing = {"consent": said["consent"], "timestamp": now, "suppressions": suppressions}
        lists = [one for one in known["lists"] if one["id"] != list_id]
        if list_id is not None:
            lists = [*lists, {"id": list_id, "since": now}]
        given = {key: value for key, value in who.items() if value is not None}
        channels = {**known["channels"], channel: {"marketing": marketing}}
        self.change({**given, **names, "channels": channels, "lists": lists})

    def latest(self) -> list[Mapping[str, Any]]:
        """All customers as they were last written, whether it shows yet or not."""
        return [versions[-1].customer for versions in self._versions]

    def shown(self) -> list[Mapping[str, Any]]:
        """What a reader sees now."""
        now = self._clock.time()
        seen = ([one for one in versions if one.visible_at <= now] for versions in self._versions)
        return [versions[-1].customer for versions in seen if versions]

    def page(self, query: MultiMapping[str]) -> dict[str, Any]:
        """The body of ``GET /customers``. Refuses what the vendor refuses."""
        unknown = sorted(set(query) - {*CUSTOMER_FILTERS.values(), "limit", "page_info"})
        if unknown:
            raise bad(f"unknown parameter {', '.join(unknown)}")
        if len(query) > len(set(query)):
            raise bad("a parameter is there twice")
        limit = query.get("limit", str(LARGEST_PAGE))
        if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit) <= LARGEST_PAGE):
            raise bad(f"limit must be a number from 1 to {LARGEST_PAGE}")
        filters = {name: value for name, value in query.items() if name not in ("limit", "page_info")}
        start = 0
        if mark := query.get("page_info"):
            if filters:
                raise bad("a request with page_info may carry only limit besides")
            start, filters = _read(mark)
        found = [one for one in self.shown() if _matches(one, filters)]
        end = start + int(limit)
        following = _mark(end, filters) if end < len(found) else None
        return {"customers": found[start:end], "pagination": {"next_page_info": following}}

    def _add(self, customer: Mapping[str, Any], visible_at: float) -> None:
        versions = self._find(customer)
        if versions is None:
            versions = []
            self._versions.append(versions)
        before = versions[-1].customer if versions else _new()
        properties = {**before["custom_properties"], **customer.get("custom_properties", {})}
        after = {**before, **customer, "custom_properties": properties, "account_updated_at": self._now()}
        # a version that was made later never shows before an earlier one
        visible_at = max(visible_at, versions[-1].visible_at if versions else visible_at)
        versions.append(_Version(visible_at, after))

    def _now(self) -> str:
        moment = datetime.fromtimestamp(self._clock.time(), UTC)
        return moment.isoformat(timespec="seconds").replace("+00:00", "Z")

    def _find(self, customer: Mapping[str, Any]) -> list[_Version] | None:
        """By external id where one is given; a customer without one is found by e-mail or phone, and gets it."""
        wanted = customer.get("external_id")
        for versions in self._versions:
            known = versions[-1].customer
            if wanted is not None and known.get("external_id") is not None:
                if known["external_id"] == wanted:
                    return versions
            elif any(_same(known, name, customer.get(name)) for name in ("email", "phone_number")):
                return versions
        return None


def _new() -> dict[str, Any]:
    channel: dict[str, Any] = {"marketing": {"consent": NEVER_SUBSCRIBED, "timestamp": None, "suppressions": []}}
    return {"custom_properties": {}, "lists": [], "channels": {"sms": channel, "email": channel}}


def _matches(customer: Mapping[str, Any], filters: Mapping[str, str]) -> bool:
    for name, parameter in CUSTOMER_FILTERS.items():
        if parameter not in filters:
            continue
        wanted = filters[parameter].split(IDS_BETWEEN) if name == "external_id" else [filters[parameter]]
        if not any(_same(customer, name, one) for one in wanted):
            return False
    return True


def _same(customer: Mapping[str, Any], name: str, value: str | None) -> bool:
    known = customer.get(name)
    return value is not None and known is not None and str(known).casefold() == value.casefold()


def _mark(start: int, filters: Mapping[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps([start, filters]).encode()).decode()


def _read(mark: str) -> tuple[int, dict[str, str]]:
    try:
        start, filters = json.loads(base64.urlsafe_b64decode(mark.encode()))
        return int(start), dict(filters)
    except (ValueError, TypeError):
        raise bad("page_info is not valid") from None
