"""Signing in with OAuth 2: what a connection type says of its vendor's authorization server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: the parameters of the link that a person opens, as RFC 6749 (4.1.1) has them
LINK: tuple[str, ...] = ("response_type", "client_id", "redirect_uri", "scope", "state")

#: codes and tokens travel to these addresses: without TLS only on this machine
SAFE_URL = r"^(https://|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/|$))[^\s]*$"

ClientAuth = Literal["basic", "body"]


@dataclass(frozen=True)
class OAuth2:
    """Send an OAuth 2 access token, which the engine gets, keeps and renews.

    With an ``authorize_url`` a person agrees once in a browser (authorization code, RFC 6749 4.1) and ``engine
    connections authorize NAME`` gets the first tokens; without one they are had for the client's own credentials (4.4).
    It applies to connections that have a ``client_id``, so that a type may offer other ways to sign in beside it.

    The type gets the fields ``client_id``, ``client_secret``, ``scopes``, ``authorize_url``, ``token_url``,
    ``revoke_url`` and ``client_auth``, unless it declares them itself. What a connection sets there goes before what
    stands here.

    :param token_url: where codes and refresh tokens are exchanged; ``{field}`` inserts a field, here and below.
    :param authorize_url: the page on which a person agrees.
    :param revoke_url: where a grant is given back (RFC 7009); empty: the vendor has no such address.
    :param scopes: what is asked for.
    :param pkce: the code is bound to the one who asked for it (RFC 7636, S256). Only for vendors that refuse it: False.
    :param client_auth: how the client proves itself: ``basic``, or ``body`` with the secret among the parameters. A
        connection without ``client_secret`` is a public client.
    :param link: the standard parameters that the link has; ``link_extra``: others, such as ``access_type``.
    :param token_extra: parameters that each request for tokens has besides.
    :param body: how requests for tokens are written: ``form``, or ``json``.
    :param header: where the access token goes, behind ``prefix``.
    :param query: the query parameter in which the access token goes in place of the header.
    :param lifetime: seconds for which an access token is good when the vendor does not say it; None: until a 401.
    :param issuer: the server's own name (RFC 9207): an answer that names another one is refused.
    """

    token_url: str = ""
    authorize_url: str = ""
    revoke_url: str = ""
    scopes: tuple[str, ...] = ()
    pkce: bool = True
    client_auth: ClientAuth = "basic"
    link: tuple[str, ...] = LINK
    link_extra: Mapping[str, str] = field(default_factory=dict)
    token_extra: Mapping[str, str] = field(default_factory=dict)
    body: Literal["form", "json"] = "form"
    header: str = "Authorization"
    prefix: str = "Bearer "
    query: str = ""
    lifetime: float | None = None
    issuer: str = ""

    def __post_init__(self) -> None:
        for url in (self.token_url, self.authorize_url, self.revoke_url):
            if url and not re.match(SAFE_URL, url):
                raise ValueError(f"'{url}' is no https URL: codes and tokens would travel in the open")
        if self.authorize_url and "state" not in self.link:
            raise ValueError("the link has a state: without it anybody's answer would be taken")

    @property
    def fields(self) -> Mapping[str, Mapping[str, Any]]:
        """JSON Schemas of the connection fields."""
        text, given = {"type": "string", "minLength": 1}, " ".join(self.scopes)
        url = {"type": "string", "pattern": SAFE_URL}
        return {
            "client_id": {**text, "title": "Client ID", "description": "Of the application at the vendor (OAuth 2)."},
            "client_secret": {
                **text,
                "title": "Client secret",
                "description": "Of the application; left out for a public client.",
                "writeOnly": True,
            },
            "scopes": {
                "type": "string",
                "title": "Scopes",
                "description": "What is asked for, with spaces between; "
                + (f"'{given}' by default." if given else "nothing."),
            },
            "authorize_url": {
                **url,
                "title": "Authorization page",
                "description": "Where a person agrees, when it is elsewhere; none: the client's own credentials.",
            },
            "token_url": {**url, "title": "Token URL", "description": "Where tokens are had, when it is elsewhere."},
            "revoke_url": {
                **url,
                "title": "Revocation URL",
                "description": "Where a grant is given back, when it is elsewhere.",
            },
            "client_auth": {
                "type": "string",
                "title": "Client authentication",
                "description": f"The secret in basic auth, or in the body; by default {self.client_auth}.",
                "enum": ["basic", "body"],
            },
        }
