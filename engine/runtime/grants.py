"""What connections were authorized for: grants, kept encrypted, renewed once for all who need it.

A vendor may end a refresh token with its first use, so that two who renew at the same time would end each other's. In a
process the calls over a connection share one renewal; between processes a lock of the operating system stands, and who
has got it looks first whether another was quicker. A grant that the vendor has taken back stays as *lost* until a
person authorizes the connection anew: nobody asks the vendor again.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from engine.runtime.secrets import SecretBox
from engine.runtime.tokens import GrantRefused, OAuthClient, Tokens, TokenServer
from engine.sdk import jsontext
from engine.sdk.clock import Clock
from engine.sdk.errors import AuthorizationNeeded, ConfigError, ModuleError
from engine.sdk.faults import NO_FAULTS, Faults

#: seconds before its end at which an access token is renewed, and the part of its life that this may be at most
EARLY = 60.0
_PART = 0.1
#: seconds after which a renewal that failed is tried again, while the old token is good
AGAIN = 5.0
#: seconds that a process which ends gives to a renewal under way: its answer may be the only key that is left
FINISH = 5.0

GRANT, CONSENT = "oauth2:grant:", "oauth2:consent:"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a connection may do, and until when.

    :param client_id: and ``token_url``: whom it was given to, and by whom.
    :param expires_at: Unix seconds; None: the vendor did not say.
    :param granted_at: when a person agreed; ``renewed_at``: when the tokens came.
    :param lost: why it is no good any more; ``lost_at``: since when.
    :param held: whether runs may be held still that were waiting for it.
    """

    client_id: str
    token_url: str
    access_token: str
    refresh_token: str | None
    expires_at: float | None
    scope: str
    granted_at: float
    renewed_at: float
    lost: str | None = None
    lost_at: float | None = None
    held: bool = False

    @classmethod
    def of(cls, client: OAuthClient, tokens: Tokens, now: float) -> Grant:
        """What a client has just got."""
        return cls(
            client.client_id,
            client.token_url,
            tokens.access,
            tokens.refresh,
            _end(client, tokens, now),
            tokens.scope or client.scopes,
            now,
            now,
        )

    def renewed(self, client: OAuthClient, tokens: Tokens, now: float) -> Grant:
        """With tokens that came for its refresh token, which stays where no other came."""
        return replace(
            self,
            access_token=tokens.access,
            refresh_token=tokens.refresh or self.refresh_token,
            expires_at=_end(client, tokens, now),
            scope=tokens.scope or self.scope,
            renewed_at=now,
        )

    def good(self, now: float, early: float = 0.0) -> bool:
        """Whether its access token has not ended; ``early``: nor will within so many seconds."""
        if self.expires_at is None:
            return True
        return now < self.expires_at - min(early, (self.expires_at - self.renewed_at) * _PART)


def _end(client: OAuthClient, tokens: Tokens, now: float) -> float | None:
    lifetime = tokens.lifetime if tokens.lifetime is not None else client.auth.lifetime
    return None if lifetime is None else now + lifetime


class Grants:
    """All grants of a store. Without one, as under simulation, they are kept in memory.

    :param box: the encrypted store; None: memory.
    """

    def __init__(self, box: SecretBox | None, clock: Clock, faults: Faults = NO_FAULTS) -> None:
        self._box = box
        self.clock = clock
        self.faults = faults
        self._memory: dict[str, str] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def grant(self, connection: str, *, now: bool = False) -> Grant | None:
        """A connection's grant; ``now``: as the store has it now, and not as it had it a moment ago.

        :raises ConfigError: the store has it, and the key is another one.
        """
        text = await self.read(GRANT + connection, now=now)
        return None if text is None else Grant(**jsontext.loads(text))

    async def put(self, connection: str, grant: Grant) -> None:
        """Keep a grant, durably. Raises ``ConfigError``, ``StoreError``."""
        await self.write(GRANT + connection, jsontext.dumps(asdict(grant)).decode())

    async def forget(self, connection: str) -> None:
        """Forget a connection's grant, and the link that may be open for it."""
        for name in (GRANT + connection, CONSENT + connection):
            if self._box is None:
                self._memory.pop(name, None)
            else:
                await self._box.remove(name)

    async def read(self, name: str, *, now: bool = True) -> str | None:
        """An encrypted value by its whole name."""
        if self._box is None:
            return self._memory.get(name)
        if not now and (known := self._box.known(name)) is not None:
            return known
        return await self._box.find(name)

    async def write(self, name: str, value: str) -> None:
        """Keep an encrypted value, durably."""
        if self._box is None:
            self._memory[name] = value
        else:
            await self._box.put(name, value)

    async def names(self, prefix: str) -> list[str]:
        """What stands behind this prefix in the names that are kept."""
        known: Iterable[str] = self._memory if self._box is None else await self._box.names()
        return [name.removeprefix(prefix) for name in known if name.startswith(prefix)]

    @asynccontextmanager
    async def alone(self, connection: str) -> AsyncIterator[None]:
        """Nobody else changes the connection's grant in here: no task of this process, and no other process."""
        async with self._locks.setdefault(connection, asyncio.Lock()):
            if self._box is None:
                yield
                return
            descriptor = await asyncio.to_thread(_locked, self._box.folder / f"oauth2-{connection}.lock")
            try:
                yield
            finally:
                os.close(descriptor)


def _locked(path: Path) -> int:
    """A descriptor that holds the lock: it ends with the process, however that ends."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"the lock of a connection cannot be made: {error.strerror}", place=str(path)) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


class GrantSource:
    """One connection's access token, from its grant.

    :param learn: told of tokens that nobody may be shown.
    :param agree: gets a first grant where there is none; only simulated vendors agree by themselves.
    """

    #: 403 says that the token is good, and not for this
    refusals = frozenset({401})

    def __init__(
        self,
        server: TokenServer,
        grants: Grants,
        learn: Callable[[Iterable[str]], None],
        agree: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._server = server
        self._client = server.client
        self._name = server.client.connection
        self._grants = grants
        self._clock = grants.clock
        self._learn = learn
        self._agree = agree
        self._rejected: str | None = None
        self._again_at = 0.0
        self._unsaved: Grant | None = None
        self._renewing: asyncio.Task[str] | None = None

    async def token(self) -> str:
        """The access token; renewed first where it has ended, soon will, or was not accepted.

        :raises AuthorizationNeeded: a person has to authorize the connection.
        :raises ModuleError: it had to be renewed, and that failed.
        """
        grant = await self._current(now=False)
        if grant is not None and self._usable(grant):
            return grant.access_token
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew(), name=f"tokens of {self._name}")
            self._renewing.add_done_callback(self._settled)
        # shielded: a call that is cut off does not take the token from the others that wait for it
        return await asyncio.shield(self._renewing)

    def reject(self, token: str) -> None:
        """The vendor did not accept this token. A newer one stays."""
        self._rejected = token

    async def close(self) -> None:
        """End; a renewal under way is given a moment, because its answer may be the only key that is left."""
        task = self._renewing
        if task is not None:
            await asyncio.wait({task}, timeout=FINISH)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _current(self, *, now: bool) -> Grant | None:
        """The grant; None: there is none yet, and the vendor agrees by itself."""
        grant = self._unsaved or await self._grants.grant(self._name, now=now)
        if grant is None:
            if self._agree is None:
                raise needed(self._name, "is not authorized yet")
            return None
        self._learn(value for value in (grant.access_token, grant.refresh_token) if value)
        if (grant.client_id, grant.token_url) != (self._client.client_id, self._client.token_url):
            raise needed(self._name, "was authorized for another client or server than its fields name now")
        if grant.lost is not None:
            raise needed(self._name, f"is no longer authorized: {grant.lost}")
        return grant

    def _usable(self, grant: Grant) -> bool:
        if grant.access_token == self._rejected or self._unsaved is not None:
            return False
        now = self._clock.time()
        early = EARLY if grant.refresh_token and now >= self._again_at else 0.0
        return grant.good(now, early)

    async def _renew(self) -> str:
        if self._agree is not None and await self._current(now=True) is None:
            await self._agree()
        async with self._grants.alone(self._name):
            await self._look_at_unsaved()
            grant = await self._current(now=True)
            assert grant is not None
            if not self._usable(grant):
                grant = await self._renewed(grant)
        return grant.access_token

    async def _look_at_unsaved(self) -> None:
        """Let go of tokens that were not kept where the grant that they belong to is not the one that stands now."""
        unsaved = self._unsaved
        if unsaved is not None:
            kept = await self._grants.grant(self._name, now=True)
            if kept is None or kept.granted_at != unsaved.granted_at or kept.renewed_at > unsaved.renewed_at:
                self._unsaved = None

    async def _renewed(self, grant: Grant) -> Grant:
        if self._unsaved is None:
            faults, now = self._grants.faults, self._clock.time()
            good = grant.access_token != self._rejected and grant.good(now)
            if grant.refresh_token is None:
                why = "the vendor does not accept the token any more" if grant.good(now) else "the token has ended"
                await self._lose(grant, f"{why}, and it gave none to renew it with")
            faults.hit("token.renewing")
            try:
                tokens = await self._server.refresh(grant.refresh_token or "")
            except GrantRefused as refused:
                await self._lose(grant, str(refused))
            except ModuleError:
                if not good:
                    raise
                # the old one serves until it ends
                self._again_at = now + AGAIN
                return grant
            # not lost when it cannot be stored: the old one may have ended with this answer
            self._unsaved = grant = grant.renewed(self._client, tokens, self._clock.time())
            # some vendors give the same token again
            self._rejected = None
            self._learn([tokens.access, *([tokens.refresh] if tokens.refresh else [])])
            faults.hit("token.renewed")
        await self._grants.put(self._name, grant)
        self._unsaved = None
        self._grants.faults.hit("token.stored")
        return grant

    async def _lose(self, grant: Grant, why: str) -> Any:
        await self._grants.put(self._name, replace(grant, lost=why, lost_at=self._clock.time()))
        raise needed(self._name, f"is no longer authorized: {why}")

    def _settled(self, task: asyncio.Task[str]) -> None:
        self._renewing = None
        if not task.cancelled():
            # looked at here because every caller may have been cut off by now
            task.exception()


class CredentialsSource:
    """One connection's access token, for the client's own credentials; in memory, because another is had any time.

    :param learn: told of tokens that nobody may be shown.
    """

    refusals = frozenset({401})

    def __init__(self, server: TokenServer, clock: Clock, learn: Callable[[Iterable[str]], None]) -> None:
        self._server = server
        self._clock = clock
        self._learn = learn
        self._grant: Grant | None = None
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """The access token. Raises ``ModuleError``."""
        async with self._lock:
            if self._grant is None or not self._grant.good(self._clock.time(), EARLY):
                tokens = await self._server.credentials()
                self._learn([tokens.access])
                self._grant = Grant.of(self._server.client, tokens, self._clock.time())
            return self._grant.access_token

    def reject(self, token: str) -> None:
        """The vendor did not accept this token. A newer one stays."""
        if self._grant is not None and self._grant.access_token == token:
            self._grant = None

    async def close(self) -> None:
        """Nothing is left to do."""


def needed(connection: str, what: str) -> AuthorizationNeeded:
    """The error of a call over a connection that a person has to authorize."""
    return AuthorizationNeeded(
        f"connection '{connection}' {what}; nothing was sent",
        detail={"connection": connection},
        hint=f"`engine connections authorize {connection}`",
    )
