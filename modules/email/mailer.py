"""Handing mails to a server: one try, and an error that says whether the server has the mail."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage

import aiosmtplib

from engine import (
    AuthError,
    ConnectionError,  # noqa: A004 - the field's name
    DataError,
    ModuleError,
    Opening,
    TimeoutError,  # noqa: A004 - the field's name
    VendorError,
)
from modules.email.addresses import Mailbox

#: seconds for which the answer to a whole mail is waited for (RFC 5321, 4.5.3.2.6): who gives up earlier sends twice
WHOLE_MAIL = 600.0
#: seconds for parting, once the mail is taken
PARTING = 5.0
#: mails that are handed over side by side
AT_ONCE = 5
#: the usual port of each kind (RFC 6409, RFC 8314, RFC 5321)
PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True)
class Refusal:
    """A recipient that the server did not take."""

    address: str
    code: int
    message: str


@dataclass(frozen=True)
class Taken:
    """What the server said to a mail.

    :param answer: to the mail itself, often with the id under which the server has it.
    """

    refused: Sequence[Refusal]
    answer: str


class Mailer:
    """Hands mails to one server. Each mail has a connection of its own, so that none meets a stale one."""

    def __init__(self, opening: Opening) -> None:
        self.opening = opening
        self.sender = Mailbox.read(opening.fields["from"])
        self._room = asyncio.Semaphore(AT_ONCE)

    async def check(self) -> None:
        """Sign in and do nothing. Raises ``ModuleError``."""
        async with (
            self._session() as session,
            _told("NOOP", refused=True),
            self.opening.clock.timeout(self.opening.timeout),
        ):
            await session.noop()

    async def send(self, to: Sequence[Mailbox], mail: EmailMessage, *, all_or_none: bool) -> Taken:
        """Hand over a mail.

        :param all_or_none: it goes to nobody when one recipient is refused.
        :raises ModuleError: by its ``refused`` it says whether the server has provably not taken the mail.
        """
        async with self._session() as session:
            async with _told("the envelope", refused=True), self.opening.clock.timeout(self.opening.timeout):
                content = mail.as_bytes()
                await session.mail(self.sender.address, options=_options(session, len(content)))
                refused = []
                for box in to:
                    try:
                        await session.rcpt(box.address)
                    except aiosmtplib.SMTPRecipientRefused as error:
                        refused.append(Refusal(box.address, error.code, _readable(error.message)))
                if len(refused) == len(to) or (refused and all_or_none):
                    raise _nobody(refused, len(to))
            # from here on the server may have the mail although nobody says so
            async with _told("the mail", refused=False), self.opening.clock.timeout(WHOLE_MAIL):
                answer = await session.data(content)
        return Taken(refused, _readable(answer.message))

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A connection that is signed in. Failures before it is prove that nothing was sent."""
        fields = self.opening.fields
        security = fields.get("security", "starttls")
        session = aiosmtplib.SMTP(
            hostname=fields["host"].strip("[]"),
            port=fields.get("port", PORTS[security]),
            use_tls=security == "tls",
            start_tls=security == "starttls",
            # the engine's clock decides
            timeout=None,
        )
        async with self._room:
            try:
                where = f"{fields['host']}:{session.port}"
                async with _told(where, refused=True), self.opening.clock.timeout(self.opening.timeout):
                    await session.connect()
                    if user := fields.get("user"):
                        await session.login(user, fields["password"])
                yield session
                # the mail is taken or refused by now: how the two part changes nothing
                with suppress(aiosmtplib.SMTPException, OSError):
                    async with self.opening.clock.timeout(PARTING):
                        await session.quit()
            finally:
                session.close()


def _readable(said: str) -> str:
    """A server's words as text: what is no UTF-8 comes as half characters, which no journal can hold."""
    return said.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _options(session: aiosmtplib.SMTP, size: int) -> list[str]:
    """What MAIL FROM says besides, by what the server offers. Raises ``DataError``."""
    options = []
    if session.supports_extension("size"):
        offered = session.esmtp_extensions.get("size", "").strip()
        if offered.isdecimal() and 0 < int(offered) < size:
            raise DataError(f"the mail has {size:,} bytes, and the server takes {int(offered):,}", refused=True)
        options.append(f"SIZE={size}")
    return options


def _nobody(refused: Sequence[Refusal], of: int) -> ModuleError:
    """The error for a mail that goes to nobody."""
    one = refused[0]
    passing = all(400 <= refusal.code < 500 for refusal in refused)
    kind = VendorError if passing else DataError
    return kind(
        f"{len(refused)} of {of} recipients refused, and the mail went to nobody: {one.address}: {one.code} "
        f"{one.message}",
        refused=True,
        detail={"refused": [refusal.__dict__ for refusal in refused]},
    )


@asynccontextmanager
async def _told(what: str, *, refused: bool) -> AsyncIterator[None]:
    """Turns what goes wrong into the standard errors.

    :param refused: it proves that no mail was taken, whatever goes wrong. Else only the server's own no does.
    """
    nothing = "; nothing was sent" if refused else "; whether the server has the mail is not known"
    try:
        yield
    except ModuleError:
        raise
    except aiosmtplib.SMTPAuthenticationError as error:
        kind = VendorError if 400 <= error.code < 500 else AuthError
        said = f"{error.code} {_readable(error.message)}"
        raise kind(f"the mail server did not let the user in: {said}", refused=True) from None
    except aiosmtplib.SMTPNotSupported as error:
        raise AuthError(f"the mail server does not offer what the connection asks for: {error}", refused=True) from None
    except aiosmtplib.SMTPResponseException as error:
        raise _said_no(error, what, refused=refused) from None
    except (aiosmtplib.SMTPTimeoutError, builtins.TimeoutError) as error:
        raise TimeoutError(f"{what}: no answer in time{nothing}", refused=refused) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        # what a certificate has is in the cause alone
        said = _readable(" ".join(filter(None, (str(error) or type(error).__name__, str(error.__cause__ or "")))))
        raise ConnectionError(f"{what}: {said}{nothing}", refused=refused) from None
    except (ValueError, UnicodeError) as error:
        raise DataError(f"{what}: {error}; nothing was sent", refused=True) from None


def _said_no(error: aiosmtplib.SMTPResponseException, what: str, *, refused: bool) -> ModuleError:
    """RFC 5321, 4.2.1: with 4yz or 5yz the command was not carried out; 4yz may be tried again.

    Other codes, and a server that broke off (-1), say nothing of a mail that it was given.
    """
    said = f"{error.code} {_readable(error.message)}"
    if 400 <= error.code < 500:
        return VendorError(f"{what}: the mail server cannot now: {said}", refused=True, detail=said)
    if 500 <= error.code < 600:
        kind = AuthError if error.code in (530, 534, 535, 538) else DataError
        return kind(f"{what}: the mail server refused: {said}", refused=True, detail=said)
    return VendorError(f"{what}: the mail server answered {said}", refused=refused, detail=said)
