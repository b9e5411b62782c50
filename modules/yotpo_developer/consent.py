"""How a shop installs an app, in small: the page on which somebody agrees, and the exchange of what comes back.

Source of the link's form and of the body of the exchange: the tests of a public integration of another vendor.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from engine import Behaviour, Clock
from modules.simulation import Refused

#: the page; its own path stands behind a fragment, which a browser keeps to itself
PAGE = "/app/"
INSTALL = PAGE + "install/applications/{client_id}"
TOKEN = "/v2/oauth2/token"  # noqa: S105 - a path
#: where the application is registered to get its answers, unless the link says it to the simulator
REDIRECT = "http://127.0.0.1:8080/oauth/callback"
#: seconds for which a code is good
CODE_FOR = 60.0
#: what an exchange has, and nothing else
EXCHANGE = frozenset({"client_id", "client_secret", "grant_type", "code", "redirect_uri"})

BEHAVIOURS = (
    Behaviour("an app is installed at /app/#/install/applications/{client_id}?state=…", "verified"),
    Behaviour("a code is exchanged with a JSON body that names client, secret, code and redirect address", "verified"),
    Behaviour("who opens the page agrees, and is sent to the registered address with code and state", "assumed"),
    Behaviour("an exchange answers an access token without end and without a refresh token", "assumed"),
    Behaviour("a code is good once and for 60 seconds; a bad one is answered 400 invalid_grant", "assumed"),
    Behaviour("a wrong client or secret is answered 401 invalid_client, another body 400 invalid_request", "assumed"),
)

_SCRIPT = "<!doctype html><title>Install</title><script>location.replace('/app/' + location.hash.slice(2))</script>"


class Installations:
    """Who may be agreed to, and what was given.

    :ivar tokens: access tokens that are good. Taken out, they are what a shop took back.
    """

    def __init__(self, clock: Clock, client_id: str, client_secret: str) -> None:
        self._clock = clock
        self.client_id = client_id
        self.client_secret = client_secret
        self.redirect_uri = REDIRECT
        self.tokens: set[str] = set()
        self._codes: dict[str, tuple[str, float]] = {}

    def routes(self) -> Sequence[web.RouteDef]:
        return [web.get(PAGE, self._page), web.get(INSTALL, self._install), web.post(TOKEN, self._token)]

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response(text=_SCRIPT, content_type="text/html")

    async def _install(self, request: web.Request) -> web.Response:
        if not _same(request.match_info["client_id"], self.client_id):
            raise Refused(404, {"error": "no such application"})
        unknown = set(request.query) - {"state", "redirect", "deny"}
        if unknown:
            raise Refused(400, {"error": f"unknown parameter {', '.join(sorted(unknown))}"})
        redirect = request.query.get("redirect", self.redirect_uri)
        answer = {"state": request.query["state"]} if "state" in request.query else {}
        if "deny" in request.query:
            answer |= {"error": "access_denied"}
        else:
            code = secrets.token_urlsafe(16)
            self._codes[code] = (redirect, self._clock.time() + CODE_FOR)
            answer |= {"code": code}
        return web.Response(status=302, headers={"Location": f"{redirect}?{urlencode(answer)}"})

    async def _token(self, request: web.Request) -> web.Response:
        try:
            asked: Any = await request.json()
        except ValueError:
            asked = None
        if not isinstance(asked, dict) or set(asked) != EXCHANGE or asked["grant_type"] != "authorization_code":
            raise Refused(400, {"error": "invalid_request"})
        named = {name: str(value) for name, value in asked.items()}
        if not (_same(named["client_id"], self.client_id) and _same(named["client_secret"], self.client_secret)):
            raise Refused(401, {"error": "invalid_client"})
        redirect, until = self._codes.pop(named["code"], ("", 0.0))
        if named["redirect_uri"] != redirect or self._clock.time() >= until:
            raise Refused(400, {"error": "invalid_grant"})
        token = secrets.token_urlsafe(24)
        self.tokens.add(token)
        return web.json_response({"access_token": token, "token_type": "bearer"})


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
