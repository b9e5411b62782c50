"""Mail over real SMTP: what arrives, what is refused, and what nobody can know."""

from __future__ import annotations

import asyncio
import base64
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine import AuthError, ConnectionError, DataError, ModuleError, Opening, TimeoutError, VendorError  # noqa: A004
from engine.runtime.clock import SystemClock
from engine.sdk import jsontext
from engine.testing import RunResult
from modules.email import simulator
from modules.email.addresses import Mailbox
from modules.email.mailer import Mailer
from modules.email.send import SEND_EMAIL
from modules.email.simulator import PASSWORD, USER, MailSimulator
from tests.modules.bench import problems
from tests.modules.runs import crash, runs
from tests.runtime.doubles import HandClock
from tests.runtime.test_channels import Box, MailServer, certificate

ANA = {"to": "Ana Anders <ana@example.com>", "subject": "Points", "text": "You have 1,250 points."}


def step(config: Any, **keys: Any) -> str:
    return yaml.safe_dump([{"id": "mail", "module": "email.send_email", "connection": "smtp", "with": config, **keys}])


async def sent(config: Any, prepare: Any = None, **keys: Any) -> tuple[RunResult, MailSimulator]:
    async with runs("email", step(config, **keys)) as engine:
        if prepare is not None:
            prepare(engine.simulator)
        return await engine.run({}), engine.simulator


# ------------------------------------------------------------------ what arrives


async def test_a_mail_arrives_as_it_was_written() -> None:
    result, server = await sent(
        {
            **ANA,
            "cc": ["Bo <bo@example.com>", "ana@EXAMPLE.com"],
            "bcc": "boss@example.com",
            "html": "<p>You have <b>1,250</b> points — grüße.</p>",
            "reply_to": "help@example.com",
            "headers": {"List-Unsubscribe": f"<https://shop.example.com/{'u' * 200}>", "X-Nothing": None},
        }
    )
    assert result.state == "succeeded", result.error
    [mail] = server.mails
    message = mail.message
    # each once, whatever lists they stand on; Bcc is in the envelope alone
    assert sorted(mail.recipients) == ["ana@EXAMPLE.com", "bo@example.com", "boss@example.com"]
    assert (message["From"], message["To"]) == ("Simulated <simulated@example.com>", "Ana Anders <ana@example.com>")
    assert (message["Reply-To"], message["Bcc"], message["X-Nothing"]) == ("help@example.com", None, None)
    assert message["List-Unsubscribe"] == f"<https://shop.example.com/{'u' * 200}>"
    assert message.get_body(("plain",)).get_content().strip() == "You have 1,250 points."  # type: ignore[union-attr] # it is there
    assert "grüße" in message.get_body(("html",)).get_content()  # type: ignore[union-attr] # as above
    assert message["Date"].datetime.timestamp() == pytest.approx(result.run.created_at, abs=120)
    [effect] = result.effects
    assert effect.state == "done"


async def test_the_message_id_is_the_same_in_every_try_of_a_step() -> None:
    def fail(server: MailSimulator) -> None:
        server.fail_next("451 4.3.0 try again later")

    async with runs("email", step(ANA, retry={"attempts": 3, "from": "1s"})) as engine:
        fail(engine.simulator)
        results = [await engine.run({}), await engine.run({})]
        assert [result.state for result in results] == ["succeeded", "succeeded"]
        first, second = (mail.message["Message-ID"] for mail in engine.simulator.mails)
    assert first.startswith("<")
    assert first.endswith("@example.com>")
    # of another event it is another
    assert first != second


async def test_attachments_by_value_and_by_path(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.csv").write_text("email,points\n")
    (tmp_path / "secret.txt").write_text("keep")
    (tmp_path / "out" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "connections.yaml").write_text(
        "smtp: {type: email, host: smtp.example.com, from: Shop <shop@example.com>, folder: out}"
    )
    attachments = [
        {"filename": "note.txt", "text": "grüße"},
        {"filename": "dot.png", "base64": base64.b64encode(b"\x89PNG").decode()},
        {"path": "report.csv"},
    ]
    async with runs("email", step({**ANA, "attachments": attachments}), project=tmp_path) as engine:
        assert (await engine.run({})).state == "succeeded"
        [mail] = engine.simulator.mails
        assert mail.message["From"] == "Shop <shop@example.com>"
        parts = [
            (p.get_filename(), p.get_content_type(), p.get_payload(decode=True))
            for p in mail.message.iter_attachments()
        ]
    assert parts == [
        ("note.txt", "text/plain", "grüße".encode()),
        ("dot.png", "image/png", b"\x89PNG"),
        ("report.csv", "text/csv", b"email,points\n"),
    ]
    for path, said in (
        ("../secret.txt", "no path below"),
        ("/etc/passwd", "no path below"),
        ("link.txt", "symbolic link"),
        ("absent.csv", "No such file"),
    ):
        async with runs("email", step({**ANA, "attachments": [{"path": path}]}), project=tmp_path) as engine:
            result = await engine.run({})
            assert (result.state, result.error["type"], engine.simulator.mails) == ("failed", "DataError", [])
            assert said in result.error["message"]


# ------------------------------------------------------------------ what is refused before anything is sent


@pytest.mark.parametrize(
    "config",
    [
        {**ANA, "subject": "Hi\r\nBcc: everybody@example.com"},
        {**ANA, "to": "ana@example.com\nBcc: everybody@example.com"},
        {**ANA, "reply_to": "a@example.com\r\nX: y"},
        {**ANA, "headers": {"X-One": "a\r\nBcc: everybody@example.com"}},
        {**ANA, "headers": {"X-One\r\nBcc": "everybody@example.com"}},
        {**ANA, "attachments": [{"filename": "a\r\nb.txt", "text": ""}]},
        {**ANA, "attachments": [{"filename": "../a.txt", "text": ""}]},
        {"to": "ana@example.com", "subject": "no text"},
        {"subject": "nobody", "text": "x"},
    ],
)
def test_the_schema_refuses_what_would_inject_headers_or_lacks_something(config: Any) -> None:
    assert problems(config, SEND_EMAIL.config)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"to": "ana@example.com, bo@example.com"}, "is no mail address"),
        ({"to": "ana at example.com"}, "is no mail address"),
        ({"to": "<>@"}, "is no mail address"),
        ({"to": []}, "no recipient"),
        ({"headers": {"Bcc": "bo@example.com"}}, "made by the app itself"),
        ({"headers": {"Message-Id": "<1@example.com>"}}, "made by the app itself"),
        ({"attachments": [{"filename": "a", "base64": "&&"}]}, "not base64"),
        ({"attachments": [{"path": "a.csv"}]}, "has no folder"),
        ({"to": "grüße@example.com"}, "letters beyond ASCII"),
        ({"text": "x" * 2000}, "the server takes 1,500"),
    ],
)
async def test_what_cannot_be_sent_is_refused_with_the_reason(
    changes: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator, "LARGEST", 1500)
    result, server = await sent({**ANA, **changes})
    assert (result.state, result.error["type"], result.error["refused"]) == ("failed", "DataError", True)
    assert said in result.error["message"]
    assert server.mails == []


def test_names_and_domains_beyond_ascii() -> None:
    box = Mailbox.read('"Größe, Ana" <ana@größe.example>')
    assert (box.name, box.address) == ("Größe, Ana", "ana@xn--gre-6ka8i.example")


# ------------------------------------------------------------------ what the server says


def gone(server: MailSimulator) -> None:
    server.refuse("gone@example.com")


async def test_recipients_that_are_refused_are_reported_and_stop_no_other() -> None:
    config = {**ANA, "to": ["ana@example.com", "gone@example.com", "x@nobody.invalid"]}
    result, server = await sent(config, gone, on_error="fail")
    assert result.state == "succeeded", result.error
    assert [mail.recipients for mail in server.mails] == [("ana@example.com",)]
    result, server = await sent({**config, "refused_recipients": "fail"}, gone)
    assert (result.state, result.error["type"], server.mails) == ("failed", "DataError", [])
    assert "2 of 3 recipients refused, and the mail went to nobody" in result.error["message"]
    assert [one["code"] for one in result.error["detail"]["refused"]] == [550, 550]


async def test_all_recipients_refused_for_now_is_tried_again() -> None:
    def busy(server: MailSimulator) -> None:
        server.refuse("ana@example.com", "450 4.2.1 greylisted, come back")

    result, server = await sent({**ANA, "to": "ana@example.com"}, busy, retry={"attempts": 2, "from": "1s"})
    assert (result.state, result.error["type"], result.error["refused"]) == ("failed", "VendorError", True)
    assert (server.mails, len(result.effects)) == ([], 2)


@pytest.mark.parametrize(
    ("answer", "kind", "tries"),
    [
        ("452 4.3.1 no space", "VendorError", 2),
        ("554 5.7.1 spam", "DataError", 1),
        ("552 5.3.4 too big", "DataError", 1),
    ],
)
async def test_a_no_to_the_whole_mail_proves_that_it_was_not_taken(answer: str, kind: str, tries: int) -> None:
    result, server = await sent(ANA, lambda s: s.fail_next(answer, 2), retry={"attempts": 2, "from": "1s"})
    assert (result.state, result.error["type"], result.error["refused"]) == ("failed", kind, True)
    assert answer in result.error["message"]
    assert [effect.state for effect in result.effects] == ["refused"] * tries
    assert server.mails == []


@pytest.mark.parametrize("applied", [True, False])
async def test_no_answer_after_the_mail_is_unknown_and_nothing_sends_it_again(applied: bool) -> None:
    """Promise 3: nobody but a person decides, with the Message-ID in hand."""
    async with runs("email", step(ANA, retry={"attempts": 5, "from": "1s"})) as engine:
        engine.simulator.lose_answer(applied=applied)
        result = await engine.run({}, advance=3600)
        assert result.state == "held"
        assert [effect.state for effect in result.effects] == ["unknown"]
        assert len(engine.simulator.mails) == applied


async def test_a_crash_between_sending_and_noting_sends_nothing_twice() -> None:
    async with crash("email", step(ANA), "effect.sent") as (result, server):
        assert result.state == "held"
        assert len(server.mails) == 1


# ------------------------------------------------------------------ other servers


@asynccontextmanager
async def mailer(port: int, clock: Any = None, **fields: Any) -> AsyncIterator[Mailer]:
    fields = {"host": "127.0.0.1", "port": port, "security": "none", "from": "engine@example.com", **fields}
    yield Mailer(Opening(fields, clock or SystemClock(), Path(), 20.0))


ACCOUNT = {"user": "engine", "password": "pa55-word"}


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_over_tls_with_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str) -> None:
    pem = certificate(tmp_path)
    async with MailServer(Box(), pem, implicit=security == "tls") as server:
        async with mailer(server.port, security=security, **ACCOUNT) as client:
            with pytest.raises(ConnectionError, match=r"(?i)certificate.*nothing was sent") as caught:
                await client.check()
            assert caught.value.refused
            monkeypatch.setenv("SSL_CERT_FILE", str(pem))
            await client.check()
        async with mailer(server.port, security=security, user="engine", password="wr0ng-word") as client:
            with pytest.raises(AuthError, match="did not let the user in: 535") as refused:
                await client.check()
            assert refused.value.refused


async def test_starttls_is_never_left_out_when_the_server_does_not_offer_it() -> None:
    async with MailServer(Box()) as server, mailer(server.port, security="starttls", **ACCOUNT) as client:
        with pytest.raises(ModuleError) as caught:
            await client.check()
        assert caught.value.refused


async def test_nobody_listens(unused_tcp_port: int) -> None:
    async with mailer(unused_tcp_port) as client:
        with pytest.raises(ConnectionError, match="nothing was sent") as caught:
            await client.check()
        assert caught.value.refused


async def test_a_server_that_says_nothing_is_given_up_and_nothing_was_sent() -> None:
    clock, over = HandClock(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clock.advance(21)
        # the client gives up
        await reader.read()
        writer.close()
        await writer.wait_closed()
        over.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server, mailer(server.sockets[0].getsockname()[1], clock) as client:
        with pytest.raises(TimeoutError, match="no answer in time; nothing was sent") as caught:
            await client.check()
        assert caught.value.refused
        await over.wait()


async def test_a_server_that_closes_for_service_is_tried_later() -> None:
    async def closed(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"421 4.3.2 closing for service\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(closed, "127.0.0.1", 0)
    async with server, mailer(server.sockets[0].getsockname()[1]) as client:
        with pytest.raises((VendorError, ConnectionError)) as caught:
            await client.check()
        assert (caught.value.refused, caught.value.transient) == (True, True)


@pytest.mark.parametrize(("answer", "end"), [("250 für später", 250), ("451 später", 451), ("554 für nichts", 554)])
async def test_an_answer_in_latin_1_is_text_that_can_be_kept(answer: str, end: int) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write("220 grüß Gott\r\n".encode("latin-1"))
        while line := await reader.readline():
            writer.write(b"354 go\r\n" if line == b"DATA\r\n" else "250 schön\r\n".encode("latin-1"))
            if line == b"DATA\r\n":
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(f"{answer}\r\n".encode("latin-1"))
        writer.close()
        await writer.wait_closed()
        over.set()

    over = asyncio.Event()
    mail = EmailMessage()
    mail.set_content("hello")
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server, mailer(server.sockets[0].getsockname()[1]) as client:
        sending = client.send([Mailbox.read("ana@example.com")], mail, all_or_none=False)
        if end == 250:
            said = (await sending).answer
        else:
            with pytest.raises(ModuleError, match=str(end)) as caught:
                await sending
            assert caught.value.refused
            said = f"{caught.value.message} {caught.value.detail}"
        await over.wait()
    assert "\N{REPLACEMENT CHARACTER}" in said
    jsontext.dumps(said)


async def test_a_smuggled_mail_stays_one_mail() -> None:
    """A bare line end, a dot, and commands behind it must not end the mail."""
    text = "hello\n.\nMAIL FROM:<x@example.com>\n.\r\nQUIT\r.\r\rbye"
    result, server = await sent({**ANA, "text": text})
    assert result.state == "succeeded"
    [mail] = server.mails
    assert "bye" in mail.message.get_content()


def test_bad_values_are_data_errors() -> None:
    with pytest.raises(DataError):
        Mailbox.read("a" * 250 + "@example.com")


# ------------------------------------------------------------------ the simulator, asked by another client


def test_the_simulator_speaks_smtp_to_the_standard_librarys_client() -> None:
    """What it refuses: wrong passwords, mails of nobody, commands out of order, what is too large."""

    def talk(port: int) -> list[int]:
        codes = []
        with smtplib.SMTP("127.0.0.1", port) as session:
            codes.append(session.mail("a@example.com")[0])
            session.ehlo()
            codes.append(session.mail("a@example.com")[0])
            with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
                session.login(USER, "wrong")
            codes.append(caught.value.smtp_code)
            session.login(USER, PASSWORD)
            codes.append(session.rcpt("b@example.com")[0])
            codes.append(session.docmd("MAIL", "FROM:<a@example.com> SIZE=99999999")[0])
            codes.append(session.docmd("MAIL", "TO:<a@example.com>")[0])
            codes.append(session.mail("a@example.com")[0])
            codes.append(session.docmd("DATA")[0])
            codes.append(session.docmd("RCPT", "TO:<x>")[0])
            codes.append(session.rcpt("b@nobody.invalid")[0])
            codes.append(session.docmd("TURN")[0])
            codes.append(session.rset()[0])
            refused = session.sendmail("a@example.com", ["b@example.com", "c@gone.invalid"], "Subject: x\n\n.dot\n")
            codes.append(refused["c@gone.invalid"][0])
            with pytest.raises(smtplib.SMTPSenderRefused) as large:
                session.sendmail("a@example.com", ["b@example.com"], "x" * 10_000_001)
            codes.append(large.value.smtp_code)
        return codes

    async def main() -> None:
        server = MailSimulator(SystemClock())
        async with server.serve("127.0.0.1", 0) as address:
            port = server.connection(address)["port"]
            codes = await asyncio.to_thread(talk, port)
        assert codes == [530, 530, 535, 503, 552, 501, 250, 503, 501, 550, 500, 250, 550, 552]
        [mail] = server.mails
        assert (mail.recipients, mail.message.get_content().strip()) == (("b@example.com",), ".dot")

    asyncio.run(main())
