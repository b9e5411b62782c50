"""A delivery passes only with the secret, and the secret does not reach the receipt."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace

import pytest

from engine.runtime.checks import PRESETS, HeaderCheck, HmacCheck, QueryCheck
from engine.runtime.reader import SecretRef
from engine.server.senders import check, sign, strip

REF = SecretRef("env", "HOOK_SECRET")
NOW = 1_700_000_000.0
BODY = b'{"a": "{timestamp} {body}"}'


def hexdigest(text: bytes, secret: str = "s3cret", algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), text, algorithm).hexdigest()


def test_a_header() -> None:
    sender = HeaderCheck("X-Hook-Secret", REF)
    assert check(sender, {"x-hook-secret": "s3cret"}, {}, BODY, NOW, "s3cret") is None
    assert check(sender, {"x-hook-secret": "s3cre"}, {}, BODY, NOW, "s3cret") == "header X-Hook-Secret is wrong"
    assert check(sender, {"x-hook-secret": "é\udcff"}, {}, BODY, NOW, "s3cret") == "header X-Hook-Secret is wrong"
    assert check(sender, {}, {"x-hook-secret": "s3cret"}, BODY, NOW, "s3cret") == "header X-Hook-Secret is missing"
    bearer = HeaderCheck("Authorization", REF, "Bearer ")
    assert check(bearer, {"authorization": "Bearer s3cret"}, {}, BODY, NOW, "s3cret") is None
    assert check(bearer, {"authorization": "s3cret"}, {}, BODY, NOW, "s3cret")


def test_a_query_parameter() -> None:
    sender = QueryCheck("key", REF)
    assert check(sender, {}, {"key": "s3cret"}, BODY, NOW, "s3cret") is None
    assert check(sender, {}, {"key": "S3cret"}, BODY, NOW, "s3cret") == "query parameter key is wrong"
    assert check(sender, {"key": "s3cret"}, {}, BODY, NOW, "s3cret") == "query parameter key is missing"


@pytest.mark.parametrize("sender", [HeaderCheck("X", REF), QueryCheck("x", REF), HmacCheck(REF, "X")])
def test_an_empty_secret_lets_nothing_pass(sender: HeaderCheck) -> None:
    signature = hmac.new(b"", BODY, "sha256").hexdigest()
    for value in ("", signature):
        assert check(sender, {"x": value}, {"x": value}, BODY, NOW, "") == "the secret of the check is empty"


def test_the_secret_is_stripped_after_the_check() -> None:
    headers, query = {"x": "s3cret", "y": "1"}, {"x": "s3cret", "y": "1"}
    assert strip(HeaderCheck("X", REF), headers, query) == ({"y": "1"}, query)
    assert strip(QueryCheck("x", REF), headers, query) == (headers, {"y": "1"})
    assert strip(HmacCheck(REF, "X"), headers, query) == (headers, query)
    assert headers["x"] == query["x"] == "s3cret"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_signatures(algorithm: str) -> None:
    digits = hexdigest(BODY, algorithm=algorithm)
    for encoding, value in {
        "hex": digits,
        "base64": base64.b64encode(bytes.fromhex(digits)).decode(),
        "base64-hex": base64.b64encode(digits.encode()).decode(),
    }.items():
        sender = HmacCheck(REF, "X-Sign", algorithm, encoding, prefix="v=")
        assert check(sender, {"x-sign": f"v={value}"}, {}, BODY, NOW, "s3cret") is None
        wrong = "the signature in header X-Sign is wrong"
        assert check(sender, {"x-sign": value}, {}, BODY, NOW, "s3cret") == wrong
        assert check(sender, {"x-sign": f"v={value}"}, {}, BODY + b" ", NOW, "s3cret") == wrong
        assert check(sender, {"x-sign": f"v={value}"}, {}, BODY, NOW, "other") == wrong
        assert check(sender, {}, {}, BODY, NOW, "s3cret") == "header X-Sign is missing"


def test_hexadecimal_digits_in_upper_case() -> None:
    sender = HmacCheck(REF, "X-Sign", prefix="sha256=")
    assert check(sender, {"x-sign": f"sha256={hexdigest(BODY).upper()}"}, {}, BODY, NOW, "s3cret") is None


def test_the_time_of_sending() -> None:
    sender = HmacCheck(REF, "X-Sign", signed="{timestamp}.{body}", timestamp_header="X-Time", tolerance=300)

    def outcome(time: str | None, signed_time: str) -> str | None:
        headers = {"x-sign": hexdigest(f"{signed_time}.".encode() + BODY)}
        return check(sender, headers | ({"x-time": time} if time is not None else {}), {}, BODY, NOW, "s3cret")

    assert outcome("1700000000", "1700000000") is None
    assert outcome("1699999700", "1699999700") is None
    assert outcome("1700000300", "1700000300") is None
    for late in ("1699999699", "1700000301", "0"):
        assert outcome(late, late) == "the time of sending is more than 300 s away from now"
    assert outcome("1700000001", "1700000000") == "the signature in header X-Sign is wrong"
    assert outcome(None, "") == "the time of sending is missing"
    for odd in ("", "soon", "-1", "1e9", "\uff11\uff17", "9" * 400):
        assert outcome(odd, odd) == "the time of sending is no Unix time"


def test_the_presets() -> None:
    def passes(name: str, headers: dict[str, str]) -> str | None:
        return check(replace(PRESETS[name], secret=REF), headers, {}, BODY, NOW, "s3cret")

    raw = hmac.new(b"s3cret", BODY, hashlib.sha256)
    assert passes("github", {"x-hub-signature-256": f"sha256={raw.hexdigest()}"}) is None
    assert passes("shopify", {"x-shopify-hmac-sha256": base64.b64encode(raw.digest()).decode()}) is None
    assert passes("talkable", {"x-talkable-signature": base64.b64encode(raw.hexdigest().encode()).decode()}) is None
    slack = hexdigest(b"v0:1700000000:" + BODY)
    assert passes("slack", {"x-slack-signature": f"v0={slack}", "x-slack-request-timestamp": "1700000000"}) is None
    assert passes("slack", {"x-slack-signature": f"v0={slack}"}) == "the time of sending is missing"
    stripe = hexdigest(b"1700000000." + BODY)
    assert passes("stripe", {"stripe-signature": f"t=1700000000,v1={'0' * 64},v1={stripe},v0=x"}) is None
    assert passes("stripe", {"stripe-signature": f"t=1700000000,v0={stripe}"}) is not None
    assert passes("stripe", {"stripe-signature": f"v1={stripe}"}) == "the time of sending is missing"
    assert passes("stripe", {"stripe-signature": f"t=1600000000,v1={stripe}"}) is not None


def test_github_by_its_own_example() -> None:
    """From the sender's documentation of how to validate deliveries."""
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    secret = "It's a Secret to Everybody"
    headers = {"x-hub-signature-256": signature}
    assert check(PRESETS["github"], headers, {}, b"Hello, World!", NOW, secret) is None


def test_what_is_signed_is_the_body_as_it_came() -> None:
    sender = HmacCheck(REF, "X", signed="{timestamp}:{body}:{timestamp}", timestamp_header="T")
    assert sign(sender, b"{timestamp}", "s3cret", "5") == hexdigest(b"5:{timestamp}:5")
