"""Asking a person to agree: the link, the answer that comes back through the browser, and what is released by it.

A link is open for a while, once, for one connection. What must come back with the answer (the *state*) and what proves
to the vendor that we began it (the *verifier*) are made here, kept encrypted, and gone with the first answer. So the
process that makes a link and the one that receives the answer may be two, and a restart in between does no harm.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from engine.runtime.commands import Choice, CommandRefused, Word, holds_of, settle
from engine.runtime.grants import CONSENT, Grant, Grants
from engine.runtime.tokens import GrantRefused, TokenServer
from engine.sdk import jsontext
from engine.sdk.errors import AuthError, EngineError
from engine.store.ids import show
from engine.store.interface import Store
from engine.store.records import Page, RunFilter

log = logging.getLogger(__name__)

#: where the answer comes back, below the public URL
CALLBACK = "/oauth/callback"
#: seconds for which a link is open
OPEN_FOR = 600.0
#: seconds for which runs are looked for that were held while a connection was being authorized
SETTLED = 60.0
#: as what runs are held that need an authorization
HELD = "authorization"
#: who has the word on them
AUTHORIZED = "authorization"
_RANDOM_BYTES = 32
_PAGE = 200
#: characters of what a vendor says that are shown
_SAID = 200


class ConsentUnknown(EngineError):
    """An answer came back for a link that is not open: never made, used before, or replaced by a newer one."""

    code = "consent-unknown"


class ConsentExpired(EngineError):
    """An answer came back after the time for which its link was open."""

    code = "consent-expired"


class ConsentDenied(EngineError):
    """The person at the vendor's page said no, or the vendor did."""

    code = "consent-denied"


class CodeRefused(EngineError):
    """Somebody agreed, but the vendor did not take the code that came back: it had expired, or was used."""

    code = "code-refused"


@dataclass(frozen=True, slots=True)
class Consent:
    """A link, and what became of it.

    :param id: names it, and is no secret.
    :param state: what must come back; empty when it has.
    :param error: why nothing came of it, as an error's JSON.
    """

    id: str
    state: str
    verifier: str
    redirect_uri: str
    client_id: str
    token_url: str
    made_at: float
    expires_at: float
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """What a person opens.

    :param consent: names it.
    """

    url: str
    consent: str
    redirect_uri: str
    expires_at: float


async def begin(server: TokenServer, grants: Grants, redirect_uri: str) -> Link:
    """Make a link. One that was open for the connection is open no longer. Raises ``ConfigError``, ``StoreError``."""
    client, now = server.client, grants.clock.time()
    state, verifier = secrets.token_urlsafe(_RANDOM_BYTES), secrets.token_urlsafe(_RANDOM_BYTES)
    consent = Consent(
        secrets.token_hex(8),
        state,
        verifier,
        redirect_uri,
        client.client_id,
        client.token_url,
        now,
        now + OPEN_FOR,
    )
    async with grants.alone(client.connection):
        await _put(grants, client.connection, consent)
    return Link(client.link(redirect_uri, state, verifier), consent.id, redirect_uri, consent.expires_at)


async def connection_of(grants: Grants, state: str) -> str:
    """The connection that an answer is for. Raises ``ConsentUnknown``."""
    found = None
    for name in await grants.names(CONSENT):
        consent = await consent_of(grants, name)
        # all are looked at: how long it takes tells nothing of how close a guess was
        if consent is not None and _same(consent, state):
            found = name
    if found is None:
        raise _unknown()
    return found


def _same(consent: Consent, state: str) -> bool:
    """Whether this came back for the link, which is open still; compared in constant time."""
    same = hmac.compare_digest(consent.state.encode(), state.encode("utf-8", "replace"))
    return same and bool(consent.state)


def _unknown() -> ConsentUnknown:
    return ConsentUnknown(
        "this answer belongs to no open link: it was used before, replaced by a newer one, or never made here",
        hint="begin anew: `engine connections authorize NAME`",
    )


async def consent_of(grants: Grants, connection: str) -> Consent | None:
    """The last link of a connection."""
    text = await grants.read(CONSENT + connection)
    return None if text is None else Consent(**jsontext.loads(text))


async def take(server: TokenServer, grants: Grants, query: Mapping[str, str], place: str) -> Grant:
    """Take the answer that came back through a browser, and keep what the vendor gives for it.

    The link is used up by it, however it ends; why nothing came of it is kept for whoever waits.

    :param place: of the connection, for errors.
    :raises EngineError: nothing came of it. Where the vendor could not be asked, the link has to be made anew too.
    """
    client, faults = server.client, grants.faults
    async with grants.alone(client.connection):
        consent = await consent_of(grants, client.connection)
        if consent is None or not _same(consent, query.get("state", "")):
            # another answer was quicker
            raise _unknown()
        used = replace(consent, state="", verifier="")
        await _put(grants, client.connection, used)
        faults.hit("consent.taken")
        try:
            grant = await _granted(server, grants, consent, query)
        except EngineError as error:
            error.place = error.place or place
            await _put(grants, client.connection, replace(used, error=error.to_json()))
            raise
        faults.hit("consent.exchanged")
        await grants.put(client.connection, grant)
    log.info("connection '%s' is authorized", client.connection, extra={"action": "authorized"})
    faults.hit("consent.stored")
    return grant


async def _granted(server: TokenServer, grants: Grants, consent: Consent, query: Mapping[str, str]) -> Grant:
    client, now = server.client, grants.clock.time()
    again = f"begin anew: `engine connections authorize {client.connection}`"
    if now >= consent.expires_at:
        raise ConsentExpired(f"the link was open for {OPEN_FOR / 60:.0f} minutes, and is not any more", hint=again)
    if (client.client_id, client.token_url) != (consent.client_id, consent.token_url):
        raise ConsentUnknown("the connection's client or server was changed since the link was made", hint=again)
    if client.auth.issuer and query.get("iss", client.auth.issuer) != client.auth.issuer:
        raise ConsentUnknown(f"the answer is another server's than {client.auth.issuer}", hint=again)
    if "error" in query:
        said = ": ".join(
            " ".join(query[key].split())[:_SAID] for key in ("error", "error_description") if query.get(key)
        )
        denied = query["error"] == "access_denied"
        hint = "open a new link, and agree" if denied else "see what the vendor says, mend it, and open a new link"
        what = "consent was denied" if denied else "the vendor did not ask for consent"
        raise ConsentDenied(f"{what} ({said})", hint=f"{hint}: `engine connections authorize {client.connection}`")
    if not query.get("code"):
        raise ConsentDenied("the answer holds neither a code nor an error", hint=again)
    try:
        tokens = await server.exchange(query["code"], consent.redirect_uri, consent.verifier)
    except GrantRefused as refused:
        raise CodeRefused(f"the vendor did not take the code: {refused}", hint=again) from None
    return replace(Grant.of(client, tokens, grants.clock.time()), held=True)


async def _put(grants: Grants, connection: str, consent: Consent) -> None:
    await grants.write(CONSENT + connection, jsontext.dumps(asdict(consent)).decode())


async def agree(server: TokenServer, grants: Grants) -> None:
    """What a person does in a browser, with a vendor who agrees by itself: a simulator.

    :raises AuthError: it does not.
    """
    link = await begin(server, grants, "http://127.0.0.1:8080" + CALLBACK)
    response = await server.follow(link.url)
    query = answer_of(response.headers.get("location", ""))
    if not query.get("state"):
        raise AuthError(
            f"the simulated vendor answered {response.status} to the link, and sent nobody back", refused=True
        )
    try:
        await take(server, grants, query, f"simulated connection '{server.client.connection}'")
    except (ConsentUnknown, ConsentDenied, ConsentExpired, CodeRefused) as error:
        raise AuthError(f"the simulated vendor did not agree: {error.message}", refused=True) from None


def answer_of(url: str) -> dict[str, str]:
    """The parameters with which a vendor sends the browser back."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def release(store: Store, grants: Grants, connection: str) -> int:
    """Let runs go on that are held because the connection was not authorized; gives how many.

    Runs that come to be held meanwhile are found by a later call; the grant is marked until none can be any more.

    :raises StoreError: those that went on go on.
    """
    now, before, released = grants.clock.time(), None, 0
    word = Word(Choice.AGAIN, None, f"connection '{connection}' was authorized", AUTHORIZED, apart=False)
    while True:
        found = await store.runs(RunFilter(("held",), None, None, None, Page(_PAGE, before)))
        for run in found:
            if run.simulated:
                continue
            holds = [hold for hold in holds_of(run) if waits_for(hold) == connection]
            try:
                if holds:
                    await settle(store, run, holds, word, now)
                    released += 1
            except CommandRefused as refusal:
                # most often a person was quicker
                log.info("run %s is not released: %s", show(run.id), refusal.message, extra={"action": "no_release"})
        if len(found) < _PAGE:
            break
        before = found[-1].id
    async with grants.alone(connection):
        grant = await grants.grant(connection, now=True)
        if grant is not None and grant.held and now - grant.granted_at >= SETTLED:
            await grants.put(connection, replace(grant, held=False))
    if released:
        log.info("%s runs held for connection '%s' go on", released, connection, extra={"action": "released"})
    return released


def waits_for(hold: Mapping[str, Any]) -> str | None:
    """The connection whose authorization a hold waits for; None: it waits for something else."""
    if hold["code"] != HELD:
        return None
    detail = (hold.get("error") or {}).get("detail")
    return detail.get("connection") if isinstance(detail, dict) else None
