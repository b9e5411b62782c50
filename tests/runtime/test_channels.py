"""Channels against real receivers on this machine: an HTTP server, and a mail server."""

from __future__ import annotations

import asyncio
import email
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import policy
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.runtime.alert_settings import AlertChannel, EmailTarget, WebhookTarget
from engine.runtime.alerts import compose
from engine.runtime.channels import Channels, Message, NotDelivered
from engine.runtime.clock import SystemClock
from engine.runtime.reader import SecretRef
from engine.runtime.secrets import Secrets
from engine.sdk import errors, jsontext
from engine.sdk.errors import ConfigError, NotFound
from engine.store.alerts_rows import Alert

ENVIRONMENT = {"SIGNING": "s3cret-key", "TOKEN": "t0ken-value", "PASSWORD": "pa55-word"}
DETAIL = jsontext.dumps({"run": "01ABC", "step": "charge", "message": "no such customer"})
ALERT = Alert(77, "ops", "failed", "raised", "welcome", False, 1, 1.7e9, 1.7e9, DETAIL)


@pytest.fixture
async def channels() -> AsyncIterator[Channels]:
    made = Channels(Secrets(ENVIRONMENT), SystemClock())
    yield made
    await made.close()


@pytest.fixture
def message() -> Message:
    return compose(ALERT, "shop")


# ---------------------------------------------------------------- webhooks


@dataclass
class Hook:
    url: str = ""
    status: int = 200
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((headers, await request.read()))
        return web.Response(status=self.status)


@pytest.fixture
async def hook(aiohttp_server: Any) -> Hook:
    made = Hook()
    app = web.Application()
    app.router.add_post("/x/T0/B1", made.handle)
    server = await aiohttp_server(app)
    made.url = str(server.make_url("/x/T0/B1?a=b"))
    return made


async def test_a_webhook_gets_json_that_is_signed(channels: Channels, message: Message, hook: Hook) -> None:
    headers = {"Authorization": SecretRef("env", "TOKEN"), "X-Team": "shop"}
    target = WebhookTarget(hook.url, SecretRef("env", "SIGNING"), headers)
    await channels.send(AlertChannel("ops", target), message)
    [(got, raw)] = hook.requests
    signature = hmac.new(b"s3cret-key", raw, hashlib.sha256).hexdigest()
    assert got["x-engine-signature"] == f"sha256={signature}"
    assert (got["authorization"], got["x-team"]) == ("t0ken-value", "shop")
    assert got["content-type"] == "application/json"
    assert got["x-engine-alert"] == message.id
    body = json.loads(raw)
    assert body == {
        "id": message.id,
        "source": "shop",
        "kind": "failed",
        "event": "raised",
        "scenario": "welcome",
        "count": 1,
        "first_at": "2023-11-14T22:13:20+00:00",
        "last_at": "2023-11-14T22:13:20+00:00",
        "text": "[shop] welcome: run 01ABC failed (charge: no such customer); see `engine runs show 01ABC`",
        "detail": {"run": "01ABC", "step": "charge", "message": "no such customer"},
    }


async def test_a_webhook_that_refuses_says_so_without_its_secret_url(message: Message, hook: Hook) -> None:
    hook.status = 404
    channels = Channels(Secrets({"HOOK": hook.url}), SystemClock())
    with pytest.raises(NotFound) as caught:
        await channels.send(AlertChannel("ops", WebhookTarget(SecretRef("env", "HOOK"))), message)
    assert "T0/B1" not in caught.value.message
    await channels.close()


async def test_nobody_listens(channels: Channels, message: Message, unused_tcp_port: int) -> None:
    with pytest.raises(errors.ConnectionError):
        await channels.send(AlertChannel("ops", WebhookTarget(f"http://127.0.0.1:{unused_tcp_port}/")), message)


async def test_a_secret_that_is_missing_is_named(channels: Channels, message: Message, hook: Hook) -> None:
    with pytest.raises(ConfigError, match="NOWHERE"):
        await channels.send(AlertChannel("ops", WebhookTarget(hook.url, SecretRef("env", "NOWHERE"))), message)
    assert hook.requests == []


# ---------------------------------------------------------------- mail


@dataclass
class Box:
    """A mail server's handler."""

    mails: list[tuple[list[str], Any]] = field(default_factory=list)
    refuse: str = ""

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802 - the server's name for it
        if address == self.refuse:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - as above
        self.mails.append((envelope.rcpt_tos, email.message_from_bytes(envelope.content, policy=policy.default)))
        return "250 OK"


def certificate(folder: Path) -> Path:
    """A certificate of this machine that only whoever is told so trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


class MailServer:
    """A real SMTP server on a port of its own."""

    def __init__(self, box: Box, pem: Path | None = None, *, implicit: bool = False) -> None:
        context = None
        if pem is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(pem)

        def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: Any, data: Any) -> AuthResult:
            fine = (data.login, data.password) == (b"engine", b"pa55-word")
            return AuthResult(success=fine, handled=False)

        def factory() -> SMTP:
            wanted = context is not None and not implicit
            return SMTP(
                box,
                tls_context=context if wanted else None,
                require_starttls=wanted,
                authenticator=authenticate if context else None,
                auth_required=wanted,
                auth_require_tls=wanted,
            )

        self._factory = factory
        self._context = context if implicit else None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(self._factory, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._server.close()


def mail_to(port: int, tls: str = "none", *to: str, **more: Any) -> AlertChannel:
    return AlertChannel(
        "mail", EmailTarget(to or ("ops@example.com",), "engine@example.com", "127.0.0.1", port, tls, **more)
    )


async def test_a_mail_arrives(channels: Channels, message: Message) -> None:
    box = Box()
    async with MailServer(box) as server:
        await channels.send(mail_to(server.port, "none", "ops@example.com", "night@example.com"), message)
        await channels.send(mail_to(server.port), message)
    (to, first), (_, second) = box.mails
    assert to == ["ops@example.com", "night@example.com"]
    assert first["Subject"].startswith("[shop] welcome: run 01ABC failed")
    assert first["Message-ID"] == second["Message-ID"] == f"<{message.id}@example.com>"
    assert first.get_content().strip() == message.text


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_mail_goes_over_tls_with_a_password(
    channels: Channels, message: Message, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: str
) -> None:
    pem = certificate(tmp_path)
    account = {"user": "engine", "password": SecretRef("env", "PASSWORD")}
    box = Box()
    async with MailServer(box, pem, implicit=tls == "tls") as server:
        with pytest.raises(NotDelivered, match=r"(?i)certificate"):
            await channels.send(mail_to(server.port, tls, **account), message)
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        await channels.send(mail_to(server.port, tls, **account), message)
        assert len(box.mails) == 1
        wrong = Channels(Secrets({"PASSWORD": "wr0ng-word"}), SystemClock())
        with pytest.raises(NotDelivered) as caught:
            await wrong.send(mail_to(server.port, tls, **account), message)
        assert "535" in caught.value.message
        assert "wr0ng-word" not in caught.value.message


async def test_one_address_that_is_refused_stops_no_other(channels: Channels, message: Message) -> None:
    box = Box(refuse="gone@example.com")
    async with MailServer(box) as server:
        await channels.send(mail_to(server.port, "none", "gone@example.com", "ops@example.com"), message)
        assert [to for to, _ in box.mails] == [["ops@example.com"]]
        with pytest.raises(NotDelivered, match="no such user"):
            await channels.send(mail_to(server.port, "none", "gone@example.com"), message)


async def test_no_mail_server(channels: Channels, message: Message, unused_tcp_port: int) -> None:
    with pytest.raises(NotDelivered, match=f"127.0.0.1:{unused_tcp_port}"):
        await channels.send(mail_to(unused_tcp_port), message)


async def test_no_newline_of_a_vendor_gets_into_a_header(channels: Channels) -> None:
    detail = jsontext.dumps({"run": "x", "message": "bad\r\nBcc: everybody@example.com"})
    box = Box()
    async with MailServer(box) as server:
        await channels.send(mail_to(server.port), compose(ALERT._replace(detail=detail), "shop"))
    [(to, mail)] = box.mails
    assert (to, mail["Bcc"]) == (["ops@example.com"], None)
