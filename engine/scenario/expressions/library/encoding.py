"""Encodings and hashes. Texts are UTF-8 unless told."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from engine.scenario.expressions.declare import (
    Call,
    Function,
    Refused,
    define,
    record,
    room,
    text,
    to_text,
)
from engine.scenario.expressions.frame import Frame
from engine.sdk.functions import Parameter

_ENCODINGS = ("text", "latin1", "hex", "base64", "base64url")


def _bytes(written: str, encoding: str, argument: int = 0) -> bytes:
    try:
        if encoding == "text":
            return written.encode()
        if encoding == "latin1":
            return written.encode("latin-1")
        if encoding == "hex":
            return bytes.fromhex(written)
        plain = "".join(written.split()).rstrip("=")
        if encoding == "base64url":
            plain = plain.replace("-", "+").replace("_", "/")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"this is not {_NAMES[encoding]}", argument) from None


_NAMES = {
    "text": "text that UTF-8 can hold",
    "latin1": "text that Latin-1 can hold",
    "hex": "hexadecimal",
    "base64": "base64",
    "base64url": "base64url",
}


def _text(data: bytes, encoding: str) -> str:
    if encoding == "text":
        try:
            return data.decode()
        except UnicodeDecodeError:
            hint = "take the bytes as 'hex' or 'base64' with recode()"
            raise Refused("the bytes are no UTF-8 text", 0, hint) from None
    if encoding == "latin1":
        return data.decode("latin-1")
    if encoding == "hex":
        return data.hex()
    if encoding == "base64":
        return base64.b64encode(data).decode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _recode(written: str, before: str, after: str) -> str:
    return _text(_bytes(written, before), after)


def _encode(encoding: str) -> Callable[[str], str]:
    return lambda written: _recode(written, "text", encoding)


def _decode(encoding: str) -> Callable[[str], str]:
    return lambda written: _recode(written, encoding, "text")


def _hash(name: str) -> Callable[[str, str], str]:
    return lambda written, shown: _text(
        hashlib.new(name, _bytes(written, "text"), usedforsecurity=False).digest(), shown
    )


def _hmac(name: str) -> Callable[[str, str, str, str], str]:
    def run(written: str, key: str, shown: str, key_is: str) -> str:
        return _text(hmac.digest(_bytes(key, key_is, 1), _bytes(written, "text"), name), shown)

    return run


def _url_decode(written: str) -> str:
    try:
        return unquote(written.replace("+", " "), errors="strict")
    except UnicodeDecodeError:
        raise Refused("the bytes are no UTF-8 text") from None


def _to_query(call: Call, frame: Frame, fields: dict[str, Any]) -> str:
    pairs: list[tuple[str, str]] = []
    for key, value in fields.items():
        listed = value if isinstance(value, list) else [value]
        pairs += [(key, to_text(one, call.spot, frame)) for one in listed if one is not None]
    room(sum(len(key) + len(value) for key, value in pairs))
    return urlencode(pairs, quote_via=quote)


def _parse_query(_call: Call, frame: Frame, written: str) -> dict[str, Any]:
    frame.spend(written.count("&"))
    found: dict[str, Any] = {}
    for key, value in parse_qsl(written.removeprefix("?"), keep_blank_values=True):
        if key not in found:
            found[key] = value
        elif isinstance(found[key], list):
            found[key].append(value)
        else:
            found[key] = [found[key], value]
    return found


def _quote(written: str) -> str:
    room(3 * len(written))
    return quote(written, safe="")


def _shown(default: str = "hex") -> Parameter:
    return text("encoding", default, choices=("hex", "base64", "base64url", "latin1"))


def _hashes() -> tuple[Function, ...]:
    examples = {
        "md5": "900150983cd24fb0d6963f7d28e17f72",
        "sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha512": "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
        "454d4423643ce80e2a9ac94fa54ca49f",
    }
    keyed = {
        "md5": "80070713463e7749b90c2dc24911e275",
        "sha1": "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9",
        "sha256": "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8",
        "sha512": "b42af09057bac1e2d41708e48a902e09b5ff7f12ab428a4fe86653c73dd248fb82f948a549f7b791a5b41915ee4d1ec3"
        "935357e4e2317250d0372afa2ebeeb3a",
    }
    phrase = {"t": "The quick brown fox jumps over the lazy dog"}
    plain = tuple(
        define(
            name,
            (text(), _shown()),
            "string",
            f"The {name.upper()} hash of the text{', for systems that ask for it' if name in ('md5', 'sha1') else ''}.",
            _hash(name),
            (f"{name}('abc')", {}, result),
        )
        for name, result in examples.items()
    )
    return plain + tuple(
        define(
            f"hmac_{name}",
            (text(), text("key"), _shown(), text("key_encoding", "text", choices=_ENCODINGS)),
            "string",
            f"The signature of the text with a key: HMAC with {name.upper()}.",
            _hmac(name),
            (f"hmac_{name}(t, 'key')", phrase, result),
        )
        for name, result in keyed.items()
    )


FUNCTIONS: tuple[Function, ...] = (
    define(
        "base64_encode",
        (text(),),
        "string",
        "The text in base64.",
        _encode("base64"),
        ("base64_encode('Zoë')", {}, "Wm/Dqw=="),
    ),
    define(
        "base64_decode",
        (text(),),
        "string",
        "The text that stands in base64; missing `=` and line ends do not matter.",
        _decode("base64"),
        ("base64_decode('Wm/Dqw==')", {}, "Zoë"),
    ),
    define(
        "base64url_encode",
        (text(),),
        "string",
        "The text in base64 for URLs, without `=`.",
        _encode("base64url"),
        ("base64url_encode('Zoë')", {}, "Wm_Dqw"),
    ),
    define(
        "base64url_decode",
        (text(),),
        "string",
        "The text that stands in base64 for URLs.",
        _decode("base64url"),
        ("base64url_decode('Wm_Dqw')", {}, "Zoë"),
    ),
    define(
        "hex_encode",
        (text(),),
        "string",
        "The bytes of the text in hexadecimal.",
        _encode("hex"),
        ("hex_encode('Zoë')", {}, "5a6fc3ab"),
    ),
    define(
        "hex_decode",
        (text(),),
        "string",
        "The text that stands in hexadecimal.",
        _decode("hex"),
        ("hex_decode('5a6fc3ab')", {}, "Zoë"),
    ),
    define(
        "recode",
        (text(), text("from", choices=_ENCODINGS), text("to", choices=_ENCODINGS)),
        "string",
        "The same bytes in another encoding; `text` is UTF-8.",
        _recode,
        ("recode('5a6f', 'hex', 'base64')", {}, "Wm8="),
    ),
    define(
        "url_encode",
        (text(),),
        "string",
        "Safe as a part of a URL: all but letters, digits and `-_.~` becomes `%…`.",
        _quote,
        ("url_encode('a b/ü')", {}, "a%20b%2F%C3%BC"),
    ),
    define(
        "url_decode",
        (text(),),
        "string",
        "A part of a URL as text; `+` is a space.",
        _url_decode,
        ("url_decode('a%20b+c')", {}, "a b c"),
    ),
    define(
        "to_query",
        (record(),),
        "string",
        "An object as the query of a URL: nulls are left out, a list gives its key several times.",
        _to_query,
        ("to_query({q: 'a b', tag: ['x', 'y'], none: null})", {}, "q=a%20b&tag=x&tag=y"),
        inner=True,
    ),
    define(
        "parse_query",
        (text(),),
        "object",
        "The query of a URL as an object; a key that comes several times has a list.",
        _parse_query,
        ("parse_query('q=a+b&tag=x&tag=y')", {}, {"q": "a b", "tag": ["x", "y"]}),
        inner=True,
    ),
    *_hashes(),
)
