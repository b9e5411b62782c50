"""The simulated store's messaging API: subscribers, lists, subscription forms."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from engine import Behaviour
from modules.simulation import Handler, Refused
from modules.yotpo_messaging.connection import MESSAGING, MESSAGING_KEYS, MESSAGING_PATHS
from modules.yotpo_messaging.simulator.customers import Customers
from modules.yotpo_messaging.simulator.rules import E_164, EMAIL, bad, error_body, object_of

#: the list that is there at first
FIRST_LIST = 4096107
_CONSENTS = ("subscribed", "unsubscribed")
_REASONS = ("soft_bounce", "hard_bounce", "manual_suppression")
_SINCE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d+Z")
_CHANNEL = ("consent", "list_id", "source")
_SUPPRESSION = ("suppress_email", MESSAGING_KEYS["suppression_reason"], MESSAGING_KEYS["suppression_timestamp"])
_FLAGS = (MESSAGING_KEYS["skip_welcome_messages"], MESSAGING_KEYS["double_opt_in"])

BEHAVIOURS = (
    Behaviour("a subscriber is created or changed by POST to subscribers of the messaging API", "verified"),
    Behaviour("a subscriber stands in the body without a wrapper; an older body with one is refused", "assumed"),
    Behaviour("customer has phone (E.164, at most 15 digits), email, first_name and last_name", "verified"),
    Behaviour("a channel without the customer's address there is answered 400", "assumed"),
    Behaviour("consent is subscribed or unsubscribed, source has 3 to 40 characters", "verified"),
    Behaviour("flags are the texts true and false; a suppression has one of three reasons and a time", "verified"),
    Behaviour("key names of the flags and of the suppression's reason and time", "assumed"),
    Behaviour("a consent and its list show with the customer after 60 seconds, as other changes do", "assumed"),
    Behaviour("an opt-in for a customer whose last change does not show yet is answered 400", "assumed"),
    Behaviour("who was not subscribed over a channel and agrees is welcomed, unless the flag says not to", "verified"),
    Behaviour("with double opt-in no consent shows, because nobody confirms here", "assumed"),
    Behaviour("a list that is not there is answered 404", "assumed"),
    Behaviour("lists can be listed, read and created, and contacts added and removed", "verified"),
    Behaviour("paths, verbs and bodies of lists; their pages as those of customers", "assumed"),
    Behaviour("adding who is on a list, or removing who is not, changes nothing and is answered 200", "assumed"),
    Behaviour("published subscription forms are listed by GET subscription-forms", "verified"),
    Behaviour("a form has id, name and status", "assumed"),
)


class Subscribers:
    """:ivar welcomed: every welcome message: the channel, and the address.
    :ivar lists: by id.
    :ivar contacts: of a list, by its id: phones and e-mail addresses.
    """

    def __init__(self, customers: Customers, body_of: Callable[[web.Request], Any]) -> None:
        self._customers = customers
        self._body_of = body_of
        self.welcomed: list[tuple[str, str]] = []
        self.lists: dict[str, dict[str, Any]] = {str(FIRST_LIST): {"id": FIRST_LIST, "name": "Creators"}}
        self.contacts: dict[str, set[str]] = {str(FIRST_LIST): set()}
        self.forms: list[dict[str, Any]] = [{"id": "form-1", "name": "Footer", "status": "published"}]

    def routes(self) -> Sequence[web.RouteDef]:
        store = MESSAGING + "/{store_id}"

        def at(method: str, what: str, handler: Handler) -> web.RouteDef:
            return web.route(method, store + MESSAGING_PATHS[what], handler)

        return [
            at("POST", "subscribers", self._subscribe),
            at("GET", "subscription_forms", self._list_forms),
            at("GET", "lists", self._list_lists),
            at("POST", "lists", self._create_list),
            at("GET", "list", self._read_list),
            at("POST", "list_contacts", self._add),
            at("DELETE", "list_contacts", self._remove),
        ]

    async def _subscribe(self, request: web.Request) -> web.Response:
        body = check_subscriber(await self._body_of(request))
        customer = body["customer"]
        channels: Mapping[str, Any] = body["channels"]
        for channel in channels.values():
            if "list_id" in channel:
                self._known(str(channel["list_id"]))
        who = {"phone_number": customer.get("phone"), "email": customer.get("email")}
        if not self._customers.settled(who):
            raise bad("the customer's last change is still being written; opt in after 60 seconds")
        named = {key: customer[key] for key in ("first_name", "last_name") if key in customer}
        skip, double = (body.get(flag) == "true" for flag in _FLAGS)
        for name, channel in channels.items():
            address = customer["phone" if name == "sms" else "email"]
            list_id = channel.get("list_id")
            agrees = channel["consent"] == "subscribed"
            if agrees and not skip and self._customers.consent(who, name) != "subscribed":
                self.welcomed.append((name, address))
            if agrees and list_id is not None:
                self.contacts[str(list_id)].add(address)
            if not double:
                listed = self.lists[str(list_id)]["id"] if agrees and list_id is not None else None
                self._customers.opt(who, named, name, channel, listed)
        return web.json_response({})

    async def _list_forms(self, request: web.Request) -> web.Response:
        wanted = request.query.get("status")
        found = [one for one in self.forms if wanted in (None, one["status"])]
        return web.json_response({MESSAGING_KEYS["subscription_forms"]: found, "pagination": {"next_page_info": None}})

    async def _list_lists(self, request: web.Request) -> web.Response:
        start, size = request.query.get("page_info", "0"), request.query.get("limit", "100")
        if not (start.isdecimal() and size.isdecimal() and 1 <= int(size) <= 100):
            raise bad("limit must be a number from 1 to 100, and page_info the vendor's")
        end = int(start) + int(size)
        found = list(self.lists.values())
        following = str(end) if end < len(found) else None
        page = {MESSAGING_KEYS["lists"]: found[int(start) : end], "pagination": {"next_page_info": following}}
        return web.json_response(page)

    async def _create_list(self, request: web.Request) -> web.Response:
        wrapped = object_of(await self._body_of(request), "the body", (MESSAGING_KEYS["list"],))
        given = object_of(wrapped.get(MESSAGING_KEYS["list"]), "list", ("name",))
        if not isinstance(given.get("name"), str) or not given["name"]:
            raise bad("list.name is required and must be text")
        number = FIRST_LIST + len(self.lists)
        created = {"id": number, "name": given["name"]}
        self.lists[str(number)] = created
        self.contacts[str(number)] = set()
        return web.json_response({MESSAGING_KEYS["list"]: created}, status=201)

    async def _read_list(self, request: web.Request) -> web.Response:
        return web.json_response({MESSAGING_KEYS["list"]: self.lists[self._known(request.match_info["list_id"])]})

    async def _add(self, request: web.Request) -> web.Response:
        known = self._known(request.match_info["list_id"])
        self.contacts[known] |= await self._named(request)
        return web.json_response({})

    async def _remove(self, request: web.Request) -> web.Response:
        known = self._known(request.match_info["list_id"])
        self.contacts[known] -= await self._named(request)
        return web.json_response({})

    async def _named(self, request: web.Request) -> set[str]:
        name = MESSAGING_KEYS["list_contacts"]
        body = object_of(await self._body_of(request), "the body", (name,))
        contacts = body.get(name)
        if not isinstance(contacts, list) or not contacts:
            raise bad(f"{name} must be a list that is not empty")
        named: set[str] = set()
        for contact in contacts:
            given = object_of(contact, name, ("phone", "email"))
            if len(given) != 1:
                raise bad("a contact is named by only one of phone and email")
            _check_addresses(given)
            named.update(given.values())
        return named

    def _known(self, list_id: str) -> str:
        if list_id not in self.lists:
            raise Refused(404, error_body("the list is not known"))
        return list_id


def check_subscriber(body: Any) -> dict[str, Any]:
    """A subscriber's body, if it breaks no rule."""
    given = object_of(body, "the body", ("customer", "channels", *_FLAGS))
    customer = object_of(given.get("customer"), "customer", ("phone", "email", "first_name", "last_name"))
    if not {"phone", "email"} & customer.keys():
        raise bad("customer has a phone or an email")
    _check_addresses(customer)
    channels = object_of(given.get("channels"), "channels", ("sms", "email"))
    if not channels:
        raise bad("channels must name a channel")
    for name, value in channels.items():
        channel = object_of(value, f"channels.{name}", (*_CHANNEL, *(_SUPPRESSION if name == "email" else ())))
        _check_channel(name, channel)
        if ("phone" if name == "sms" else "email") not in customer:
            raise bad(f"channels.{name} needs the customer's address there")
    for flag in _FLAGS:
        _check_flag(flag, given)
    return given


def _check_channel(name: str, channel: Mapping[str, Any]) -> None:
    if channel.get("consent") not in _CONSENTS:
        raise bad(f"channels.{name}.consent must be one of {', '.join(_CONSENTS)}")
    source = channel.get("source", "sms")
    if not isinstance(source, str) or not 3 <= len(source) <= 40:
        raise bad(f"channels.{name}.source must have 3 to 40 characters")
    if not isinstance(channel.get("list_id", 1), int | str) or isinstance(channel.get("list_id"), bool):
        raise bad(f"channels.{name}.list_id must be a list's id")
    suppress, reason, since = _SUPPRESSION
    _check_flag(suppress, channel)
    if channel.get(reason, _REASONS[0]) not in _REASONS:
        raise bad(f"channels.{name}.{reason} must be one of {', '.join(_REASONS)}")
    if since in channel and not _SINCE.fullmatch(str(channel[since])):
        raise bad(f"channels.{name}.{since} must be a time such as 2024-03-05T09:00:00.000Z")


def _check_flag(flag: str, holder: Mapping[str, Any]) -> None:
    if holder.get(flag, "true") not in ("true", "false"):
        raise bad(f"{flag} must be the text true or false")


def _check_addresses(customer: Mapping[str, Any]) -> None:
    if not E_164.fullmatch(str(customer.get("phone", "+15550100"))):
        raise bad("phone must be in E.164 format")
    if not EMAIL.fullmatch(str(customer.get("email", "ana@example.com"))):
        raise bad("email has a wrong form")
