"""Talking to an authorization server: the link, and the requests that give, renew and take back tokens.

Every request for tokens comes before the call that needs them, so that whatever goes wrong here, that call was not
sent. Secrets travel in bodies and headers, never in a URL.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlencode

from engine.runtime import urls
from engine.runtime.http import ConnectionHttp
from engine.runtime.redact import Redactor
from engine.sdk import errors, jsontext
from engine.sdk.errors import AuthError, ModuleError
from engine.sdk.http import ErrorTable, Response
from engine.sdk.oauth import OAuth2

#: characters of what a vendor says of an error that are shown
_SAID = 200
#: words by which a server says that a code or refresh token is no good any more; the first is the standard's
_REFUSALS = ("invalid_grant", "invalid_token", "expired_token", "access_denied", "bad_verification_code")
#: parameters whose values are shown nowhere
_HIDDEN = ("code", "code_verifier", "refresh_token", "token")


class Tokens(NamedTuple):
    """What a server gave.

    :param lifetime: seconds for which the access token is good; None: it did not say.
    """

    access: str
    refresh: str | None
    lifetime: float | None
    scope: str


class GrantRefused(Exception):
    """The server does not take the code or the refresh token: used, expired, or taken back."""


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """The client that a connection is, and its server: what its type says, with the connection's own fields."""

    connection: str
    auth: OAuth2
    client_id: str
    client_secret: str
    client_auth: str
    token_url: str
    authorize_url: str
    revoke_url: str
    scopes: str

    @classmethod
    def of(cls, connection: str, auth: OAuth2, fields: Mapping[str, Any]) -> OAuthClient:
        """Raises ``AuthError``: a field is missing; nothing was sent."""

        def address(name: str) -> str:
            return urls.fill(str(fields.get(name) or "") or getattr(auth, name), fields, "connection")

        made = cls(
            connection,
            auth,
            str(fields.get("client_id") or ""),
            str(fields.get("client_secret") or ""),
            str(fields.get("client_auth") or auth.client_auth),
            address("token_url"),
            address("authorize_url"),
            address("revoke_url"),
            str(fields.get("scopes") or " ".join(auth.scopes)),
        )
        for name in ("client_id", "token_url"):
            if not getattr(made, name):
                raise AuthError(
                    f"connection '{connection}': its field '{name}' is not set; nothing was sent",
                    refused=True,
                    hint="add it to connections.yaml",
                )
        return made

    @property
    def asks(self) -> bool:
        """Whether a person has to agree; otherwise the client's own credentials are enough."""
        return bool(self.authorize_url)

    def link(self, redirect_uri: str, state: str, verifier: str) -> str:
        """What a person opens to agree."""
        standard = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": self.scopes,
            "state": state,
        }
        query = {name: standard[name] for name in self.auth.link if standard.get(name)}
        if self.auth.pkce:
            query |= {"code_challenge": challenge(verifier), "code_challenge_method": "S256"}
        query |= self.auth.link_extra
        # behind a fragment too: some vendors' pages read their parameters there
        return f"{self.authorize_url}{'&' if '?' in self.authorize_url else '?'}{urlencode(query)}"


def challenge(verifier: str) -> str:
    """What is shown of a verifier before it is used (RFC 7636, S256)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class TokenServer:
    """A client's server.

    :param http: for whole URLs, without any auth.
    :param redactor: hides tokens and codes in what is said; it learns them here.
    """

    def __init__(self, client: OAuthClient, http: ConnectionHttp, redactor: Redactor) -> None:
        self.client = client
        self._http = http
        self._redactor = redactor

    async def exchange(self, code: str, redirect_uri: str, verifier: str) -> Tokens:
        """Tokens for a code. Raises ``GrantRefused``, ``ModuleError``."""
        asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if self.client.auth.pkce:
            asked["code_verifier"] = verifier
        return await self._tokens(asked)

    async def refresh(self, token: str) -> Tokens:
        """New tokens for a refresh token. Raises ``GrantRefused``, ``ModuleError``."""
        return await self._tokens({"grant_type": "refresh_token", "refresh_token": token})

    async def credentials(self) -> Tokens:
        """Tokens for the client's own credentials. Raises ``ModuleError``."""
        asked = {"grant_type": "client_credentials", **({"scope": self.client.scopes} if self.client.scopes else {})}
        try:
            return await self._tokens(asked)
        except GrantRefused as refused:
            raise AuthError(str(refused), refused=True) from None

    async def revoke(self, token: str, kind: str) -> None:
        """Give a token back (RFC 7009). Raises ``ModuleError``."""
        response = await self._send(self.client.revoke_url, {"token": token, "token_type_hint": kind})
        if response.status >= 300:
            raise self._fault(response, f"POST {self.client.revoke_url}")

    async def follow(self, link: str) -> Response:
        """Open a link as a browser would, and a simulator's page behind a fragment too: it agrees by itself."""
        return await self._http.request("GET", link.replace("#/", ""), raise_for_status=False)

    async def _tokens(self, asked: Mapping[str, str]) -> Tokens:
        what = f"POST {self.client.token_url}"
        response = await self._send(self.client.token_url, {**asked, **self.client.auth.token_extra})
        answer = _object(response)
        if response.status >= 300:
            said = answer.get("error")
            # a vendor with words of its own says no more than no; a page that forbids is most often a gateway's
            no = response.status in (400, 401) or (response.status == 403 and answer)
            if no and (not isinstance(said, str) or said in _REFUSALS):
                raise GrantRefused(f"{what} answered {response.status}{self._said(answer)}")
            raise self._fault(response, what)
        access = answer.get("access_token")
        if not isinstance(access, str) or not access:
            # some vendors say 200 and mean no
            said = self._said(answer)
            if answer.get("error") in _REFUSALS:
                raise GrantRefused(f"{what} answered {response.status}{said}")
            raise AuthError(f"{what} answered {response.status} without an 'access_token'{said}", refused=True)
        refresh, scope = answer.get("refresh_token"), answer.get("scope")
        return Tokens(
            access,
            refresh if isinstance(refresh, str) and refresh else None,
            _seconds(answer.get("expires_in")),
            scope if isinstance(scope, str) else "",
        )

    async def _send(self, url: str, asked: Mapping[str, str]) -> Response:
        client = self.client
        self._redactor.learn("asked", [value for name, value in asked.items() if name in _HIDDEN])
        headers = {"Accept": "application/json"}
        body = dict(asked)
        if client.client_secret and client.client_auth == "basic":
            # RFC 6749, 2.3.1: both are written as a form writes them
            pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        else:
            body["client_id"] = client.client_id
            if client.client_secret:
                body["client_secret"] = client.client_secret
        if client.auth.body == "json":
            headers["Content-Type"], data = "application/json", jsontext.dumps(body)
        else:
            headers["Content-Type"], data = "application/x-www-form-urlencoded", urlencode(body).encode()
        try:
            return await self._http.request("POST", url, headers=headers, data=data, raise_for_status=False)
        except ModuleError as error:
            # a request for tokens may have been heard; the call that needs them was not sent
            error.refused = True
            raise

    def _fault(self, response: Response, what: str) -> ModuleError:
        error = ErrorTable().error(response, what)
        error.message += self._said(_object(response))
        # an answer to credentials may hold credentials
        error.detail, error.refused = None, True
        if isinstance(error, AuthError | errors.DataError):
            error = AuthError(error.message, refused=True, status=response.status)
            error.hint = "see whether client_id, client_secret and the URLs are those of the application at the vendor"
        return error

    def _said(self, answer: Mapping[str, Any]) -> str:
        """What the server says of an error, in its own words."""
        words = [answer.get("error"), answer.get("error_description")]
        text = ": ".join(" ".join(word.split()) for word in words if isinstance(word, str) and word)
        # before it is cut: half a token is not known for one
        return f" ({self._redactor.text(text)[:_SAID]})" if text else ""


def _object(response: Response) -> Mapping[str, Any]:
    try:
        answer = jsontext.loads(response.body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _seconds(value: Any) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return seconds if 0 < seconds < 1e10 else None
