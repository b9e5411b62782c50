"""Sending a message to a channel: one try, and an error that says what went wrong."""

from __future__ import annotations

import hashlib
import hmac
import logging
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any

import aiosmtplib

from engine.runtime.alert_settings import AlertChannel, EmailTarget, WebhookTarget
from engine.runtime.http import ConnectionHttp, Pools, Target
from engine.runtime.reader import SecretRef
from engine.runtime.redact import Redactor
from engine.runtime.secrets import Secrets
from engine.sdk import jsontext
from engine.sdk.clock import Clock
from engine.sdk.errors import EngineError, StoreError

log = logging.getLogger(__name__)

#: seconds that a channel gets to take a message
TIMEOUT = 30.0


class NotDelivered(EngineError):
    """A channel did not take an alert."""

    code = "alert-not-delivered"


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent.

    :param id: the same in every try, so that receivers can tell a repeat.
    :param text: one paragraph for people.
    :param body: the JSON that a webhook gets.
    """

    id: str
    subject: str
    text: str
    at: float
    body: dict[str, Any]


class Channels:
    """Sends messages to channels of either kind."""

    def __init__(self, secrets: Secrets, clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock
        self._pools = Pools()
        self._known: dict[SecretRef, str] = {}

    async def close(self) -> None:
        await self._pools.close()

    async def send(self, channel: AlertChannel, message: Message) -> None:
        """Send once. Raises ``EngineError``."""
        if isinstance(channel.target, WebhookTarget):
            await self._call(channel.target, message)
        else:
            await self._mail(channel.target, message)

    async def _value(self, given: str | SecretRef) -> str:
        if isinstance(given, str):
            return given
        try:
            value = self._known[given] = await self._secrets.resolve(given)
        except StoreError:
            # that the store is broken is what may have to be told
            if given not in self._known:
                raise
            value = self._known[given]
        return value

    async def _call(self, target: WebhookTarget, message: Message) -> None:
        url = await self._value(target.url)
        raw = jsontext.dumps(message.body)
        headers = {name: await self._value(value) for name, value in target.headers.items()}
        hidden = [headers[name] for name, value in target.headers.items() if isinstance(value, SecretRef)]
        if isinstance(target.url, SecretRef):
            hidden += [url, url.partition("?")[0]]
        headers |= {"content-type": "application/json", "x-engine-alert": message.id}
        if target.secret is not None:
            key = await self._value(target.secret)
            headers["x-engine-signature"] = f"sha256={hmac.new(key.encode(), raw, hashlib.sha256).hexdigest()}"
        http = ConnectionHttp(Target(timeout=TIMEOUT), self._pools, self._clock, redactor=Redactor(hidden))
        await http.request("POST", url, headers=headers, data=raw)

    async def _mail(self, target: EmailTarget, message: Message) -> None:
        password = await self._value(target.password) if target.password is not None else None
        where = f"the mail server {target.host}:{target.port}"
        try:
            async with self._clock.timeout(TIMEOUT):
                refused, _ = await aiosmtplib.send(
                    mail(target, message),
                    sender=target.sender,
                    recipients=list(target.to),
                    hostname=target.host,
                    port=target.port,
                    username=target.user,
                    password=password,
                    use_tls=target.tls == "tls",
                    start_tls=target.tls == "starttls",
                    timeout=TIMEOUT,
                )
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            # what a certificate has is in the cause alone
            said = " ".join(filter(None, (str(error) or type(error).__name__, str(error.__cause__ or ""))))
            raise NotDelivered(f"{where} did not take the mail: {Redactor([password or '']).text(said)}") from None
        for address, answer in refused.items():
            log.warning("%s does not take mail for %s: %s", where, address, answer, extra={"action": "alert_refused"})


def mail(target: EmailTarget, message: Message) -> EmailMessage:
    """The mail; its Message-ID is the same in every try."""
    made = EmailMessage()
    made["Subject"] = message.subject
    made["From"] = target.sender
    made["To"] = ", ".join(target.to)
    made["Date"] = formatdate(message.at)
    made["Message-ID"] = f"<{message.id}@{target.sender.rpartition('@')[2]}>"
    made["X-Engine-Alert"] = message.id
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(message.text)
    return made
