"""A mail server that keeps what it is given: RFC 5321 in small, on loopback, without encryption."""

from __future__ import annotations

import asyncio
import base64
import binascii
import email
import email.policy
import re
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from engine import Behaviour, Clock

USER, PASSWORD = "simulated", "simulated-password"
#: bytes of a mail
LARGEST = 10_000_000
#: recipients of a mail: as many must be taken (RFC 5321, 4.5.3.1.8)
MOST_RECIPIENTS = 1000
#: addresses that nobody has (RFC 2606)
NOBODY = re.compile(r"[@.]invalid$", re.IGNORECASE)
_LINE = 8_192
_PATH = re.compile(r"<([^<>\s]+@[^<>\s]+)>(.*)")

BEHAVIOURS = (
    Behaviour("who does not sign in is answered 530 to MAIL (RFC 4954)", "verified"),
    Behaviour("a wrong user or password is answered 535 (RFC 4954)", "verified"),
    Behaviour("commands out of order are answered 503, unknown ones 500, malformed ones 501 (RFC 5321)", "verified"),
    Behaviour("a mail goes to those recipients that were not refused (RFC 5321, 3.3)", "verified"),
    Behaviour("SIZE is offered, and MAIL that announces more is refused with 552 (RFC 1870)", "verified"),
    Behaviour("an address below the top domain invalid is refused with 550", "assumed"),
    Behaviour("a mail of more than 10 MB is refused with 552", "assumed"),
)


@dataclass(frozen=True)
class Mail:
    """A mail that the server has.

    :param recipients: of the envelope: Bcc too.
    """

    sender: str
    recipients: Sequence[str]
    message: EmailMessage


@dataclass(frozen=True)
class _Trouble:
    answer: str
    applied: bool


class MailSimulator:
    """A mail server in small."""

    behaviours: Sequence[Behaviour] = BEHAVIOURS

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        #: all that it took, oldest first
        self.mails: list[Mail] = []
        self.refused: dict[str, str] = {}
        self.troubles: deque[_Trouble] = deque()

    # what a test turns

    def refuse(self, address: str, answer: str = "550 5.1.1 no such user") -> None:
        """Refuse a recipient from now on."""
        self.refused[address.lower()] = answer

    def fail_next(self, answer: str, times: int = 1) -> None:
        """Answer the next mails so, and do not take them."""
        self.troubles.extend([_Trouble(answer, applied=False)] * times)

    def lose_answer(self, times: int = 1, *, applied: bool = True) -> None:
        """Break the connection in place of the answer to the next mails.

        :param applied: whether the server has them all the same.
        """
        self.troubles.extend([_Trouble("", applied)] * times)

    # the server

    @asynccontextmanager
    async def serve(self, host: str, port: int) -> AsyncIterator[str]:
        sessions: set[asyncio.Task[None]] = set()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            sessions.add(task)
            try:
                await _Session(self, reader, writer).talk()
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                # the client went away, or the simulator does
                pass
            finally:
                sessions.discard(task)
                writer.close()

        server = await asyncio.start_server(talk, host, port, limit=_LINE)
        try:
            yield "smtp://{}:{}".format(*server.sockets[0].getsockname()[:2])
        finally:
            server.close()
            for task in sessions:
                task.cancel()
            await asyncio.gather(*sessions, return_exceptions=True)

    def connection(self, address: str) -> Mapping[str, Any]:
        host, _, port = address.removeprefix("smtp://").rpartition(":")
        return {
            "host": host,
            "port": int(port),
            "security": "none",
            "user": USER,
            "password": PASSWORD,
            "from": "Simulated <simulated@example.com>",
        }


@dataclass
class _Envelope:
    sender: str
    recipients: list[str] = field(default_factory=list)


class _Session:
    """One client, from greeting to QUIT."""

    def __init__(self, server: MailSimulator, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._greeted = False
        self._known = False
        self._envelope: _Envelope | None = None

    async def talk(self) -> None:
        await self._say("220 simulated.example.com ESMTP")
        while line := await self._reader.readline():
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            answer = await self._answer(verb.upper(), rest.strip())
            if not answer:
                return
            await self._say(answer)
            if verb.upper() == "QUIT":
                return

    async def _say(self, answer: str) -> None:
        self._writer.write(f"{answer}\r\n".encode())
        await self._writer.drain()

    async def _answer(self, verb: str, rest: str) -> str:
        """What a command is answered; empty: the connection breaks."""
        match verb:
            case "EHLO" | "HELO":
                return self._hello(verb, rest)
            case "NOOP":
                return "250 2.0.0 OK"
            case "QUIT":
                return "221 2.0.0 bye"
            case "RSET":
                self._envelope = None
                return "250 2.0.0 OK"
            case "AUTH":
                return await self._auth(rest)
            case "MAIL":
                return self._mail(rest)
            case "RCPT":
                return self._rcpt(rest)
            case "DATA":
                return await self._data()
        return "500 5.5.1 no such command"

    def _hello(self, verb: str, rest: str) -> str:
        if not rest:
            return "501 5.5.4 say who you are"
        self._greeted, self._envelope = True, None
        if verb == "HELO":
            return "250 simulated.example.com"
        offers = ("simulated.example.com", f"SIZE {LARGEST}", "8BITMIME", "AUTH PLAIN LOGIN")
        return "\r\n".join([*(f"250-{offer}" for offer in offers[:-1]), f"250 {offers[-1]}"])

    async def _auth(self, rest: str) -> str:
        kind, _, first = rest.partition(" ")
        if not self._greeted or self._known:
            return "503 5.5.1 not now"
        try:
            if kind.upper() == "PLAIN":
                given = _text(first or await self._ask("")).split("\0")[1:]
            elif kind.upper() == "LOGIN":
                user = _text(first or await self._ask("VXNlcm5hbWU6"))
                given = [user, _text(await self._ask("UGFzc3dvcmQ6"))]
            else:
                return "504 5.5.4 PLAIN or LOGIN"
        except (binascii.Error, UnicodeDecodeError):
            return "501 5.5.2 that is no base64"
        self._known = given == [USER, PASSWORD]
        return "235 2.7.0 OK" if self._known else "535 5.7.8 wrong user or password"

    async def _ask(self, challenge: str) -> str:
        await self._say(f"334 {challenge}")
        return (await self._reader.readline()).decode("ascii", "replace").strip()

    def _mail(self, rest: str) -> str:
        if not self._known:
            return "530 5.7.0 sign in first"
        if self._envelope is not None:
            return "503 5.5.1 one mail at a time"
        found = _PATH.fullmatch(rest[5:].strip()) if rest[:5].upper() == "FROM:" else None
        if found is None:
            return "501 5.5.4 MAIL FROM:<address>"
        options = dict(option.upper().partition("=")[::2] for option in found[2].split())
        size = options.get("SIZE", "0")
        if size.isdecimal() and int(size) > LARGEST:
            return "552 5.3.4 too large"
        self._envelope = _Envelope(found[1])
        return "250 2.1.0 OK"

    def _rcpt(self, rest: str) -> str:
        if self._envelope is None:
            return "503 5.5.1 MAIL first"
        found = _PATH.fullmatch(rest[3:].strip()) if rest[:3].upper() == "TO:" else None
        if found is None:
            return "501 5.5.4 RCPT TO:<address>"
        address = found[1]
        if not address.isascii():
            return "553 5.6.7 that needs SMTPUTF8, which is not offered"
        if answer := self._server.refused.get(address.lower()):
            return answer
        if NOBODY.search(address):
            return "550 5.1.1 no such user"
        if len(self._envelope.recipients) >= MOST_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        self._envelope.recipients.append(address)
        return "250 2.1.5 OK"

    async def _data(self) -> str:
        envelope = self._envelope
        if envelope is None or not envelope.recipients:
            return "503 5.5.1 RCPT first"
        await self._say("354 end with a dot")
        content = await self._content()
        self._envelope = None
        if content is None:
            return "552 5.3.4 too large"
        trouble = self._server.troubles.popleft() if self._server.troubles else None
        if trouble is None or trouble.applied:
            message = email.message_from_bytes(content, policy=email.policy.SMTP)
            assert isinstance(message, EmailMessage)
            self._server.mails.append(Mail(envelope.sender, tuple(envelope.recipients), message))
        return trouble.answer if trouble is not None else f"250 2.0.0 OK: queued as {len(self._server.mails)}"

    async def _content(self) -> bytes | None:
        """The mail up to the line with nothing but a dot; None: it is too large."""
        found = bytearray()
        while True:
            with suppress(asyncio.LimitOverrunError):
                line = await self._reader.readuntil(b"\r\n")
                if line == b".\r\n":
                    return bytes(found) if len(found) <= LARGEST else None
                if len(found) <= LARGEST:
                    found += line[1:] if line.startswith(b".") else line
                continue
            # a line longer than SMTP has them
            found += await self._reader.read(_LINE)


def _text(given: str) -> str:
    return base64.b64decode(given, validate=True).decode()
