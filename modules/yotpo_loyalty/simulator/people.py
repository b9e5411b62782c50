"""Customers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from aiohttp import web

from engine import Behaviour
from modules.yotpo_loyalty import samples
from modules.yotpo_loyalty.simulator.reading import NONE, Kinds, body_of, count, flag, moment, one_of, query_of, refused
from modules.yotpo_loyalty.simulator.room import Created, Room, Route

_IDENTIFICATION = ("customer_email", "customer_id", "pos_account_id", "phone_number")
_LOOKUP = (*_IDENTIFICATION, "country_iso_code", "with_referral_code", "with_history")
_RECORD: Kinds = {
    "email": str,
    "id": str,
    "first_name": str,
    "last_name": str,
    "phone_number": str,
    "country_iso_code": str,
    "has_account": bool,
    "platform_account_created_at": str,
    "opted_in": (bool, NONE),
    "opted_in_at": str,
    "pos_account_id": str,
    "tags": str,
}
_BIRTHDAY: Kinds = {
    "customer_email": str,
    "customer_id": (str, int),
    "day": int,
    "month": int,
    "year": (int, NONE),
}
_LEAP_YEAR = 2000
#: how each key of a body is called in the record that is read
_READ_AS = {
    "id": ("third_party_id", "thirty_party_id"),
    "first_name": ("first_name",),
    "last_name": ("last_name",),
    "phone_number": ("phone_number",),
    "has_account": ("has_store_account",),
    "opted_in_at": ("opted_in_at",),
    "pos_account_id": ("pos_account_id",),
}
#: what a record of the recent list lacks
_ALONE = ("history_items", "referral_code", "referral_link", "credit_balance", "credit_balance_in_customer_currency")
_PER_PAGE = 100
_CURSOR = "after-"


class People(Room):
    behaviours = (
        Behaviour("a customer is found by customer_email, customer_id, phone_number or pos_account_id", "verified"),
        Behaviour("referral_code is answered only with with_referral_code=true", "verified"),
        Behaviour("history_items are answered with with_history=true, and not with false", "verified"),
        Behaviour("with_history is false when it is left out; two of the vendor's pages differ", "assumed"),
        Behaviour("customer_id and the id of POST /customers are third_party_id of the record", "assumed"),
        Behaviour("has_account is has_store_account of the record, opted_in is opt_in", "assumed"),
        Behaviour("an unknown customer is answered 404 with a top-level errors key", "assumed"),
        Behaviour("a lookup without identification is answered 400", "assumed"),
        Behaviour("e-mail addresses are compared without regard to case", "assumed"),
        Behaviour("POST /customers makes the customer of an e-mail, or changes what is given of it", "verified"),
        Behaviour("a new customer is answered 201, a changed one 200, both with an empty object", "assumed"),
        Behaviour("a customer without e-mail is answered 400", "assumed"),
        Behaviour("a phone number that is neither E.164 nor with a country is answered 400", "assumed"),
        Behaviour("a phone number that is not in E.164 format is kept as it came", "assumed"),
        Behaviour("tags overwrite the tags that the customer has", "verified"),
        Behaviour("opted_in null follows the account's setting", "verified"),
        Behaviour("a new customer without opted_in follows it too", "assumed"),
        Behaviour("the time of opting in is now when it is not given", "assumed"),
        Behaviour("POST /customer_birthdays sets day, month and maybe year of a customer's birthday", "verified"),
        Behaviour("it is answered 200 with an empty object, 404 for an unknown customer", "assumed"),
        Behaviour("a birthday that is no day of the calendar, or no whole number, is answered 400", "assumed"),
        Behaviour(
            "GET /customers/recent has per_page and page_info, and the next in metadata.next_page_info", "verified"
        ),
        Behaviour("its records have no history, referral code and credit", "verified"),
        Behaviour("its list stands under customers, the last change first, at most 100 to a page", "assumed"),
        Behaviour("after the last page next_page_info is null; an unknown page_info is answered 400", "assumed"),
        Behaviour(
            "GET /customers/all has per_page, page from 1 and last_seen_at, and its pages in links.total_pages",
            "verified",
        ),
        Behaviour("its records are those of the recent list, in the order of their e-mails", "assumed"),
        Behaviour("a page behind the last is empty; without customers there are no pages", "assumed"),
    )

    def routes(self) -> Sequence[Route]:
        return [
            Route("GET", "/customers", self._customer),
            Route("POST", "/customers", self._upsert),
            Route("POST", "/customer_birthdays", self._birthday),
            Route("GET", "/customers/recent", self._recent),
            Route("GET", "/customers/all", self._all),
        ]

    async def _customer(self, request: web.Request) -> Any:
        query = query_of(request, _LOOKUP)
        wanted = one_of(query, _IDENTIFICATION)
        left_out: set[str] = set()
        if not flag(query, "with_referral_code"):
            left_out |= {"referral_code", "referral_link"}
        if not flag(query, "with_history"):
            left_out.add("history_items")
        found = self.state.customer(wanted, query.get("country_iso_code"))
        return {key: value for key, value in found.items() if key not in left_out}

    async def _upsert(self, request: web.Request) -> Any:
        given = await body_of(request, _RECORD, required=("email",))
        email = str(given["email"])
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
            raise refused(400, "email is not an e-mail address")
        _check_phone(given)
        for name in ("opted_in_at", "platform_account_created_at"):
            moment(given, name)
        people = self.state.customers
        person = people.get(email.casefold())
        is_new = person is None
        if person is None:
            person = people[email.casefold()] = samples.new_customer(email, self.state.number())
            person["last_seen_at"] = self.state.now()
        for name, keys in _READ_AS.items():
            if name in given:
                person.update(dict.fromkeys(keys, given[name]))
        self._opt_in(person, given, is_new)
        if "tags" in given:
            self.state.tags[email.casefold()] = [tag for tag in given["tags"].split(",") if tag]
        self.state.touch(person)
        return Created({}) if is_new else {}

    async def _birthday(self, request: web.Request) -> Any:
        given = await body_of(request, _BIRTHDAY, required=("day", "month"))
        person = self.state.customer(one_of(given, ("customer_email", "customer_id")))
        try:
            # a birthday without its year may be 29 February
            date(given.get("year") or _LEAP_YEAR, given["month"], given["day"])
        except ValueError:
            raise refused(400, "day, month and year are no date") from None
        person.update(birthday_month=given["month"], birth_day=given["day"])
        if given.get("year") is not None:
            person["birthday_year"] = given["year"]
        self.state.touch(person)
        return {}

    def _opt_in(self, person: dict[str, Any], given: Mapping[str, Any], is_new: bool) -> None:
        if "opted_in" not in given and not is_new:
            return
        opted_in = given.get("opted_in")
        before = person["opt_in"]
        person["opt_in"] = self.state.opted_in_by_default if opted_in is None else opted_in
        if person["opt_in"] and not before and "opted_in_at" not in given:
            person["opted_in_at"] = self.state.now()

    async def _recent(self, request: web.Request) -> Any:
        query = query_of(request, ("per_page", "page_info"))
        per_page = count(query, "per_page", _PER_PAGE, _PER_PAGE)
        start = self._position(query.get("page_info"))
        everybody = self.state.recent()
        page = [{key: value for key, value in one.items() if key not in _ALONE} for one in everybody]
        end = start + per_page
        following = f"{_CURSOR}{end}" if end < len(everybody) else None
        return {"customers": page[start:end], "metadata": {"next_page_info": following}}

    async def _all(self, request: web.Request) -> Any:
        query = query_of(request, ("per_page", "page", "last_seen_at"))
        per_page = count(query, "per_page", _PER_PAGE, _PER_PAGE)
        number = count(query, "page", 1, 1_000_000)
        since = moment(query, "last_seen_at") or ""
        people = self.state.customers
        # ISO times in UTC, and dates, compare as texts
        everybody = [people[email] for email in sorted(people) if str(people[email].get("last_seen_at") or "") >= since]
        shown = everybody[(number - 1) * per_page : number * per_page]
        page = [{key: value for key, value in one.items() if key not in _ALONE} for one in shown]
        return {"customers": page, "links": {"total_pages": -(-len(everybody) // per_page)}}

    @staticmethod
    def _position(cursor: str | None) -> int:
        if cursor is None:
            return 0
        number = cursor.removeprefix(_CURSOR)
        if number == cursor or not (number.isascii() and number.isdecimal()):
            raise refused(400, "page_info is not known")
        return int(number)


def _check_phone(given: Mapping[str, Any]) -> None:
    country = given.get("country_iso_code")
    if country is not None and not re.fullmatch("[A-Z]{2}", country):
        raise refused(400, "country_iso_code must be two capital letters")
    phone = given.get("phone_number")
    if phone is None or re.fullmatch(r"\+[1-9]\d{1,14}", phone):
        return
    if country is None or not re.search(r"\d{4}", re.sub(r"\D", "", phone)):
        raise refused(400, "phone_number must be in E.164 format, or come with country_iso_code")
