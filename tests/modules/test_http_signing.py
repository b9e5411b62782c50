"""Signed requests: by vectors that others computed, and as our own sender checks take them."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest

from engine.runtime.auth import put_on
from engine.runtime.checks import PRESETS as CHECKS
from engine.sdk.connections import HmacAuth
from engine.sdk.errors import AuthError
from engine.server.senders import check
from modules.http.connection import CONNECTION
from modules.http.requests import MAKE_REQUEST
from modules.http.signing import PRESETS
from modules.http.simulator import HttpSimulator
from tests.modules.bench import bench, problems
from tests.runtime.doubles import HandClock

NOW = 1_614_265_330.7


def signed(auth: HmacAuth, secret: str, body: bytes, **headers: str) -> dict[str, str]:
    made = dict(headers)
    put_on(auth, {auth.field: secret}, made, {}, body, now=NOW)
    return made


def test_the_vector_of_the_standard_webhooks_libraries() -> None:
    """Secret, id, time and payload of the specification's reference tests."""
    made = signed(
        PRESETS["standard"],
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b'{"test": 2432232314}',
        **{"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek"},
    )
    assert made == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_vector_of_githubs_documentation() -> None:
    made = signed(PRESETS["github"], "It's a Secret to Everybody", b"Hello, World!")
    wanted = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert made == {"x-hub-signature-256": wanted}


def openssl(secret: str, content: bytes, algorithm: str = "sha256") -> str:
    tool = shutil.which("openssl")
    assert tool, "the tests need openssl"
    done = subprocess.run(
        [tool, "dgst", f"-{algorithm}", "-hmac", secret, "-r"], input=content, capture_output=True, check=True
    )
    return done.stdout.decode().split()[0]


def test_the_others_as_openssl_has_them() -> None:
    from base64 import b64encode

    body, secret = b'{"points": 12, "note": "{timestamp} {body}"}', "k3y"
    plain, timed = openssl(secret, body), openssl(secret, b"1614265330." + body)
    assert signed(PRESETS["stripe"], secret, body) == {"stripe-signature": f"t=1614265330,v1={timed}"}
    assert signed(PRESETS["shopify"], secret, body)["x-shopify-hmac-sha256"] == b64encode(bytes.fromhex(plain)).decode()
    assert signed(PRESETS["talkable"], secret, body)["x-talkable-signature"] == b64encode(plain.encode()).decode()
    custom = HmacAuth(
        "X-Sig", "s", algorithm="sha512", signed="{timestamp}:{body}", timestamp_header="X-Time", prefix="v="
    )
    wanted = openssl(secret, b"1614265330:" + body, "sha512")
    assert signed(custom, secret, body) == {"x-sig": f"v={wanted}", "x-time": "1614265330"}


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_our_own_sender_checks_take_what_is_signed_in_their_manner(name: str) -> None:
    body = b'{"a": 1}'
    made = signed(PRESETS[name], "s3cret", body)
    assert check(CHECKS[name], made, {}, body, NOW, "s3cret") is None
    assert check(CHECKS[name], made, {}, body + b" ", NOW, "s3cret") is not None
    assert check(CHECKS[name], made, {}, body, NOW, "other") is not None


def test_a_secret_that_is_no_base64_is_told() -> None:
    with pytest.raises(AuthError, match="is no base64 behind whsec_"):
        signed(PRESETS["standard"], "whsec_&&&", b"")


BASE = {"base_url": "https://api.example.com"}


@pytest.mark.parametrize(
    ("fields", "valid"),
    [
        ({}, True),
        ({"sign_secret": "s"}, False),
        ({"sign_secret": "s", "sign_as": "github"}, True),
        ({"sign_as": "github"}, False),
        ({"sign_secret": "s", "sign_as": "custom"}, False),
        ({"sign_secret": "s", "sign_as": "custom", "sign_header": "X-Sig", "signed": "{timestamp}:{body}"}, True),
        ({"sign_secret": "s", "sign_as": "custom", "sign_header": "X-Sig", "signed": "{timestamp}"}, False),
        ({"sign_secret": "s", "sign_header": "X-Sig"}, False),
    ],
)
def test_which_fields_go_together(fields: Any, valid: bool) -> None:
    # a connection is looked at with its type's defaults, too
    for given in ({**BASE, **fields}, {**CONNECTION.defaults, **BASE, **fields}):
        assert (problems(given, CONNECTION.fields) == []) is valid


async def test_a_request_is_signed_over_the_body_that_is_sent_with_the_effects_key_as_its_id() -> None:
    clock = HandClock(NOW)
    changes = {"sign_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "sign_as": "standard"}
    async with bench(HttpSimulator(clock), CONNECTION, clock, changes) as api:
        sent = await api.run(MAKE_REQUEST, {"url": "/x", "method": "POST", "body": {"b": 1, "a": "ü"}}, key="k1")
        headers = sent["body"]["headers"]
        wanted = signed(PRESETS["standard"], changes["sign_secret"], '{"b":1,"a":"ü"}'.encode(), **{"webhook-id": "k1"})
        assert {name: headers[name] for name in wanted} == wanted
    changes = {"sign_secret": "s", "sign_as": "custom", "sign_header": "X-Sig", "sign_timestamp_header": "X-Time"}
    async with bench(HttpSimulator(clock), CONNECTION, clock, changes) as api:
        headers = (await api.run(MAKE_REQUEST, {"url": "/x", "method": "POST", "text": "hi"}))["body"]["headers"]
        assert headers["x-sig"] == openssl("s", b"1614265330.hi")
        assert "webhook-id" not in headers
