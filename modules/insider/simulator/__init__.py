"""Insider's user data API, in small."""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from engine import Behaviour, Clock
from modules.insider.connection import (
    ANONYMIZATIONS_PER_MINUTE,
    ANONYMIZE_PATH,
    DELETE_ATTRIBUTES_PATH,
    DELETE_USER_PATH,
    DELETIONS_PER_MINUTE,
    LARGEST_REQUEST,
    MOST_USERS,
    PROFILE_PATH,
    PROFILES_PER_MINUTE,
    UPSERT_PATH,
    UPSERTS_PER_MINUTE,
)
from modules.insider.schemas import known_by
from modules.insider.simulator.people import People
from modules.insider.simulator.rules import Faults, named_faults, strip_faults, upsert_faults
from modules.simulation import Refused, SimulatedVendor

#: where a test or a person reads what the vendor has; no part of its API
DEBUG = "/_simulator/users"

_BEHAVIOURS = (
    Behaviour(
        "X-PARTNER-NAME and X-REQUEST-TOKEN name the account; a partner name with capitals is refused", "verified"
    ),
    Behaviour("wrong headers are answered 403 with the text Invalid api key, and nothing is executed", "verified"),
    Behaviour(
        "401 with success false and a message is the other answer to them; which one comes is a setting", "verified"
    ),
    Behaviour("a request without users is answered 400: users must be defined", "verified"),
    Behaviour("a request of more than 5,000,000 bytes is answered 400", "verified"),
    Behaviour("users that are wrong are named in data.fail.errors of an answer 200, the others are taken", "verified"),
    Behaviour("a user without identifiers and insider_id is named by two keys, and counted once", "verified"),
    Behaviour("identifiers are email, phone_number, uuid and custom, all of them texts", "verified"),
    Behaviour("an e-mail address and a phone number have the vendor's patterns", "verified"),
    Behaviour("an event name with capitals is refused, against the pattern that the answer prints", "verified"),
    Behaviour("purchase and cart_page_view need some of their parameters", "verified"),
    Behaviour("lists among the attributes grow; with not_append, or append false, they are replaced", "verified"),
    Behaviour("append goes before not_append", "verified"),
    Behaviour("the same event sent twice is kept once", "verified"),
    Behaviour("skip_hook keeps an upsert from starting journeys", "verified"),
    Behaviour("custom attributes are written without the prefix c_, and read with it", "verified"),
    Behaviour(
        "25,000 upserts and deletions of attributes a minute, 1,000 reads, 10,000 deletions, 500 anonymizations",
        "verified",
    ),
    Behaviour("more are answered 429: rejected, with Retry-After", "verified"),
    Behaviour("a read or an anonymization of somebody who is not known is answered 404: no such user", "verified"),
    Behaviour("a birthday ends in Z, other times may have an offset", "verified"),
    Behaviour("a user with one wrong event is not taken at all", "assumed"),
    Behaviour("more than 1,000 users are answered 400, and nobody is taken", "assumed"),
    Behaviour("the keys and messages about attributes, times, and users without anything to say", "assumed"),
    Behaviour("a minute is counted from its first second on", "assumed"),
    Behaviour("values that a list has already are not added to it again", "assumed"),
    Behaviour("deletions of attributes are answered as upserts are", "assumed"),
    Behaviour("to delete what is not there is no error", "assumed"),
    Behaviour("an anonymized user is not found by e-mail, phone number or uuid any more", "assumed"),
    Behaviour("a read without attributes and events is answered 400", "assumed"),
    Behaviour("a user is found by the first of its identifiers that somebody has, and gets the others", "assumed"),
)


class InsiderSimulator(SimulatedVendor):
    """An account.

    :ivar people: whom it knows.
    :ivar bad_key_status: how wrong headers are answered: 403, or 401.
    :ivar batches: by path, what the users of each request that came through were known by.
    """

    behaviours: Sequence[Behaviour] = _BEHAVIOURS
    largest_body = 2 * LARGEST_REQUEST

    def __init__(
        self,
        clock: Clock,
        *,
        partner_name: str = "simulated-brand",
        request_token: str = "simulated-token",  # noqa: S107 - what the simulator accepts; opens nothing
        limited: bool = True,
    ) -> None:
        super().__init__(clock, per_second=None)
        self.partner_name = partner_name
        self.request_token = request_token
        self.people = People()
        self.bad_key_status = 403
        self.batches: dict[str, list[list[str | None]]] = {UPSERT_PATH: [], DELETE_ATTRIBUTES_PATH: []}
        self._limits = _LIMITS if limited else {}
        self._counted: dict[str, tuple[int, int]] = {}
        self._failing: dict[str, deque[tuple[str, str]]] = {}

    # what a test turns

    def fail_user(
        self, key: str, rule: str = "attributes.*.type", message: str = "simulated", *, times: int = 1
    ) -> None:
        """Refuse a user the next times that an upsert or a deletion of attributes has them.

        :param key: an identifier of the user.
        :param rule: what is wrong, as the vendor's keys say it behind ``users.N.``.
        """
        self._failing.setdefault(key, deque()).extend([(rule, message)] * times)

    # what a vendor says

    def connection(self, base_url: str) -> Mapping[str, Any]:
        return {
            "partner_name": self.partner_name,
            "request_token": self.request_token,
            "base_url": base_url.rstrip("/"),
        }

    def error_body(self, message: str) -> Any:
        return {"error": message}

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.post(UPSERT_PATH, self._upsert),
            web.post(PROFILE_PATH, self._profile),
            web.post(DELETE_ATTRIBUTES_PATH, self._strip),
            web.post(DELETE_USER_PATH, self._delete),
            web.post(ANONYMIZE_PATH, self._anonymize),
            web.get(DEBUG, self._users),
        ]

    def admit(self, request: web.Request) -> None:
        if request.path == DEBUG:
            return
        partner = request.headers.get("X-PARTNER-NAME", "")
        token = request.headers.get("X-REQUEST-TOKEN", "")
        if partner != self.partner_name or not hmac.compare_digest(token.encode(), self.request_token.encode()):
            if self.bad_key_status == 401:
                raise Refused(401, {"success": False, "message": "Partner token authentication failed."})
            raise Refused(403, "Invalid api key")
        self._count_minute(request.path)

    def _count_minute(self, path: str) -> None:
        limit = self._limits.get(path)
        if limit is None:
            return
        counter, most = limit
        now = self.clock.time()
        minute, used = self._counted.get(counter, (0, 0))
        used = used + 1 if minute == int(now // 60) else 1
        self._counted[counter] = (int(now // 60), used)
        if used > most:
            raise Refused(429, {"error": "rejected: too many requests"}, {"Retry-After": str(int(60 - now % 60) or 1)})

    async def body_of(self, request: web.Request) -> Any:
        if len(await request.read()) > LARGEST_REQUEST:
            raise Refused(400, {"error": "request body is bigger than maximum allowed size 5,000,000 bytes"})
        return await super().body_of(request)

    async def _many(
        self, request: web.Request, faults_of: Callable[[Any], Faults], take: Callable[[Any, Any], None]
    ) -> web.Response:
        body = await self.body_of(request)
        users = body.get("users") if isinstance(body, dict) else None
        if not isinstance(users, list) or not users:
            raise Refused(400, {"error": "users must be defined: bad request"})
        if len(users) > MOST_USERS:
            raise Refused(400, {"error": f"more than {MOST_USERS} users: bad request"})
        self.batches[request.path].append([known_by(user) if isinstance(user, dict) else None for user in users])
        errors: dict[str, list[str]] = {}
        failed = 0
        for place, user in enumerate(users):
            faults = list(faults_of(user)) or self._told_to_fail(user)
            for key, message in faults:
                errors.setdefault(f"users.{place}.{key}", []).append(message)
            if faults:
                failed += 1
            else:
                take(user, body)
        taken = {"count": len(users) - failed} if failed < len(users) else {}
        return web.json_response(
            {"data": {"successful": taken, "fail": {"count": failed, "errors": errors} if failed else {}}}
        )

    def _told_to_fail(self, user: Mapping[str, Any]) -> list[tuple[str, str]]:
        waiting = self._failing.get(known_by(user) or "")
        return [waiting.popleft()] if waiting else []

    async def _upsert(self, request: web.Request) -> web.Response:
        def take(user: Any, body: Any) -> None:
            self.people.upsert(user, skip_hook=bool(body.get("skip_hook")))

        return await self._many(request, upsert_faults, take)

    async def _strip(self, request: web.Request) -> web.Response:
        return await self._many(request, strip_faults, lambda user, _body: self.people.strip(user))

    async def _profile(self, request: web.Request) -> web.Response:
        body = await self._one(request)
        if not body.get("attributes") and not body.get("events"):
            raise Refused(400, {"error": "attributes or events must be defined: bad request"})
        person = self.people.find(body)
        if person is None:
            raise Refused(404, {"error": "no such user for these identifiers: no data"})
        return web.json_response(self.people.profile(person, body))

    async def _delete(self, request: web.Request) -> web.Response:
        self.people.delete(await self._one(request))
        return web.json_response({})

    async def _anonymize(self, request: web.Request) -> web.Response:
        person = self.people.find(await self._one(request))
        if person is None:
            raise Refused(404, {"error": "no such user for these identifiers: no data"})
        self.people.anonymize(person)
        return web.json_response({})

    async def _one(self, request: web.Request) -> dict[str, Any]:
        body = await self.body_of(request)
        if not isinstance(body, dict) or not body.get("identifiers") or list(named_faults(body)):
            raise Refused(400, {"error": "identifiers must be defined: bad request"})
        return body

    async def _users(self, _request: web.Request) -> web.Response:
        return web.json_response({"users": [person.to_json() for person in self.people.all], "batches": self.batches})


#: by path, what is counted together, and how many of it a minute has
_LIMITS = {
    UPSERT_PATH: ("upserts", UPSERTS_PER_MINUTE),
    DELETE_ATTRIBUTES_PATH: ("upserts", UPSERTS_PER_MINUTE),
    PROFILE_PATH: ("profiles", PROFILES_PER_MINUTE),
    DELETE_USER_PATH: ("deletions", DELETIONS_PER_MINUTE),
    ANONYMIZE_PATH: ("anonymizations", ANONYMIZATIONS_PER_MINUTE),
}
