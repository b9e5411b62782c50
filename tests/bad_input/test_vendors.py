"""A vendor that refuses, fails, hangs or breaks off, end to end: for a read and for a write that is not idempotent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.runtime.commands import Choice, resume
from tests.bad_input.vendor import HANG, TIMEOUT, Shop, Vendor, answer

BROKEN_OFF = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"half":'
NO_HTTP = b"220 mail.example.com ESMTP\r\n"
NO_JSON = answer(200, "<html>")


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    async with Vendor() as vendor:
        yield vendor


@pytest.fixture
async def shop(vendor: Vendor, tmp_path: Path) -> AsyncIterator[Shop]:
    async with Shop(tmp_path, vendor) as shop:
        yield shop


async def goes_on(shop: Shop) -> None:
    """The next event is served as if nothing had been."""
    result = await shop.result(await shop.send(email="next@example.com"))
    assert result.state == "succeeded"
    assert [effect.state for effect in result.effects] == ["done"]


@dataclass(frozen=True)
class Bad:
    """One bad answer, and what it means.

    :param tries: requests that are sent when it comes each time.
    :param effect: what is known of a write that is answered so.
    """

    name: str
    reply: bytes
    code: str
    words: str
    tries: int
    effect: str

    def __str__(self) -> str:
        return self.name


BAD = [
    Bad("401", answer(401, '{"error": "who?"}'), "auth-error", "answered 401", 1, "refused"),
    Bad("404", answer(404), "not-found", "answered 404", 1, "refused"),
    Bad("422", answer(422, '{"error": "no such list"}'), "data-error", "answered 422", 1, "refused"),
    Bad("500", answer(500, "oops"), "vendor-error", "answered 500", 2, "unknown"),
    Bad(
        "302",
        answer(302, "{}", "Location: http://elsewhere.example.com/"),
        "vendor-error",
        "answered 302",
        2,
        "unknown",
    ),
    Bad("hanging", HANG, "timeout", f"was not answered within {TIMEOUT:g} s", 2, "unknown"),
    Bad("closing at once", b"", "connection-error", "the connection broke", 2, "unknown"),
    Bad("closing mid-answer", BROKEN_OFF, "connection-error", "before a whole answer came", 2, "unknown"),
    Bad("no http", NO_HTTP, "connection-error", "the connection broke", 2, "unknown"),
]


@pytest.mark.parametrize("bad", BAD, ids=str)
async def test_a_read(shop: Shop, vendor: Vendor, bad: Bad) -> None:
    vendor.answers["GET"] = [bad.reply] * bad.tries
    result = await shop.result(await shop.send(email="ana@example.com"))
    assert result.state == "failed"
    assert (result.error["code"], result.error["step"]) == (bad.code, "got")
    assert bad.words in result.error["message"]
    assert result.error["place"].endswith("scenarios/test.yaml:5:5")
    assert vendor.requests == ["GET"] * bad.tries
    assert result.effects == []
    assert [record.kind for record in result.records] == ["failed"] * bad.tries
    await goes_on(shop)


@pytest.mark.parametrize("bad", [b for b in BAD if b.tries > 1], ids=str)
async def test_a_read_that_is_answered_in_the_end(shop: Shop, vendor: Vendor, bad: Bad) -> None:
    vendor.answers["GET"] = [bad.reply]
    result = await shop.result(await shop.send(email="ana@example.com"))
    assert result.state == "succeeded"
    assert vendor.requests == ["GET", "GET", "POST"]


@pytest.mark.parametrize("bad", [b for b in BAD if b.effect == "refused"], ids=str)
async def test_a_write_that_is_refused_fails_the_run(shop: Shop, vendor: Vendor, bad: Bad) -> None:
    vendor.answers["POST"] = [bad.reply]
    result = await shop.result(await shop.send(email="ana@example.com"))
    assert result.state == "failed"
    assert (result.error["code"], result.error["step"]) == (bad.code, "sent")
    assert result.error["place"].endswith("scenarios/test.yaml:10:5")
    assert [(effect.state, effect.settled_by) for effect in result.effects] == [("refused", "vendor")]
    assert vendor.requests == ["GET", "POST"]
    await goes_on(shop)


@pytest.mark.parametrize("bad", [b for b in BAD if b.effect == "unknown"], ids=str)
async def test_a_write_of_unknown_outcome_is_held_and_never_sent_again_by_itself(
    shop: Shop, vendor: Vendor, bad: Bad
) -> None:
    vendor.answers["POST"] = [bad.reply]
    run_id = await shop.send(email="ana@example.com")
    result = await shop.result(run_id)
    assert result.state == "held"
    [hold] = result.holds
    assert (hold["code"], hold["step"], hold["attempt"], hold["error"]["code"]) == ("unknown", "sent", 1, bad.code)
    assert bad.words in hold["message"]
    assert [effect.state for effect in result.effects] == ["unknown"]
    await goes_on(shop)
    await shop.clock.advance(3600)
    assert vendor.requests == ["GET", "POST", "GET", "POST"]
    # a person's word lets it go on
    await resume(shop.host.store, run_id, Choice.AGAIN, shop.clock.time(), reason="not in the vendor's list", by="ana")
    shop.host.runner.wake()
    result = await shop.result(run_id)
    assert result.state == "succeeded"
    assert [effect.state for effect in result.effects] == ["refused", "done"]
    assert vendor.requests.count("POST") == 3


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_429_waits_as_long_as_the_vendor_asks(shop: Shop, vendor: Vendor, method: str) -> None:
    vendor.answers[method] = [answer(429, "{}", "Retry-After: 120")]
    run_id = await shop.send(email="ana@example.com")
    result = await shop.result(run_id, "sleeping")
    refused_at = result.effects[0].settled_at if method == "POST" else result.records[-1].at
    assert result.run.due_at == pytest.approx((refused_at or 0) + 120, abs=1)
    assert vendor.requests.count(method) == 1
    if method == "POST":
        assert [effect.state for effect in result.effects] == ["refused"]
    sent = vendor.requests.count(method)
    assert result.run.due_at is not None
    await shop.clock.advance(result.run.due_at - shop.clock.time() - 1)
    assert (await shop.look(run_id)).state == "sleeping"
    assert vendor.requests.count(method) == sent
    result = await shop.result(run_id)
    assert result.state == "succeeded"
    assert vendor.requests.count(method) == sent + 1
    await goes_on(shop)


async def test_429_each_time_fails_the_run_in_the_end(shop: Shop, vendor: Vendor) -> None:
    vendor.answers["POST"] = [answer(429)] * 2
    result = await shop.result(await shop.send(email="ana@example.com"))
    assert result.state == "failed"
    assert (result.error["code"], result.error["status"]) == ("rate-limit", 429)
    assert [effect.state for effect in result.effects] == ["refused", "refused"]
    await goes_on(shop)


async def test_an_accepted_write_with_an_answer_that_cannot_be_read_is_done_with_a_warning(
    shop: Shop, vendor: Vendor
) -> None:
    vendor.answers["POST"] = [NO_JSON]
    result = await shop.result(await shop.send(email="ana@example.com"))
    assert result.state == "succeeded"
    [effect] = result.effects
    assert (effect.state, effect.output) == ("done", b"null")
    assert b"sent!warnings" in (effect.notes or b"")


async def test_a_read_with_an_answer_that_cannot_be_read_fails(shop: Shop, vendor: Vendor) -> None:
    vendor.answers["GET"] = [NO_JSON] * 2
    result = await shop.result(await shop.send(email="ana@example.com"))
    assert result.state == "failed"
    assert result.error["code"] == "vendor-error"
    await goes_on(shop)


async def test_a_vendor_that_is_not_there_leaves_a_write_refused(tmp_path: Path, unused_tcp_port: int) -> None:
    vendor = Vendor()
    vendor.port = unused_tcp_port
    scenario = "scenario: test\ntrigger: {module: vendor.watch}\nsteps:\n" + "".join(
        f"  {line}\n" for line in ("- id: sent", "  module: vendor.write", "  connection: vendor", "  with: {}")
    )
    async with Shop(tmp_path, vendor, scenario) as shop:
        result = await shop.result(await shop.send(email="ana@example.com"))
        assert result.state == "failed"
        assert result.error["code"] == "connection-error"
        assert "nothing was sent" in result.error["message"]
        assert [effect.state for effect in result.effects] == ["refused"] * 3
