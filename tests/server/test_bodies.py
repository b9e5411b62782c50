"""What becomes of a body: JSON, form, multipart, text, none; and bodies that are none of these."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.server.bodies import MAX_DEPTH, MAX_FIELDS, UnreadableBody, decode
from tests.server.site import Site

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@pytest.mark.parametrize(
    ("raw", "kind", "body"),
    [
        (b'{"a": [1, 2.5, null, true, "\xc3\xa9"]}', JSON, {"a": [1, 2.5, None, True, "é"]}),
        (b'{"a": 1, "a": 2}', JSON, {"a": 2}),
        (b"[1]", "application/vnd.shop+json; charset=utf-8", [1]),
        (b"\xef\xbb\xbf{}", JSON, {}),
        (b"123456789012345678901234567890", JSON, 123456789012345678901234567890),
        (b"-9223372036854775809", JSON, -9223372036854775809),
        (b"9007199254740993", JSON, 9007199254740993),
        (b"a=1&b=x+y&a=2&c=&a=3", FORM, {"a": ["1", "2", "3"], "b": "x y", "c": ""}),
        (b"name=Zo%EB", f"{FORM}; charset=iso-8859-1", {"name": "Zoë"}),
        (b"hello", "text/plain", "hello"),
        (b'{"a": 1}', "text/json", '{"a": 1}'),
        (b"Zo\xeb", "text/plain; charset=ISO-8859-1", "Zoë"),
        (b'{"a": 1}', "", {"a": 1}),
        (b"plain", "", "plain"),
        (b"NaN", "", "NaN"),
        (b"", "", None),
        (b"", JSON, None),
    ],
)
def test_bodies_by_their_content_type(raw: bytes, kind: str, body: Any) -> None:
    decoded = decode(raw, kind, {})
    assert decoded == body
    assert type(decoded) is type(body)


def test_without_a_body_the_query_is_the_body() -> None:
    assert decode(b"", "", {"a": "1"}) == {"a": "1"}


def multipart(*parts: str, end: str = "--b--\r\n") -> bytes:
    return ("".join(f"--b\r\n{part}\r\n" for part in parts) + end).encode()


def test_a_multipart_body() -> None:
    raw = multipart(
        'Content-Disposition: form-data; name="a"\r\n\r\n1',
        'Content-Disposition: form-data; name="a"\r\n\r\nzwei\r\nZeilen',
        'Content-Disposition: form-data; name="b"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\né',
        'Content-Disposition: form-data; name="f"; filename="x.png"\r\nContent-Type: image/png\r\n\r\n12345',
    )
    assert decode(raw, "multipart/form-data; boundary=b", {}) == {
        "a": ["1", "zwei\r\nZeilen"],
        "b": "é",
        "f": {"filename": "x.png", "content_type": "image/png", "size": 5},
    }


def nested(levels: int, inside: str = "") -> bytes:
    return ("[" * levels + inside + "]" * levels).encode()


HUGE = "123456789012345678901234567890"

UNREADABLE = [
    (b"{", JSON, "not JSON"),
    (b"\xff\xfe", JSON, "not JSON"),
    (b'{"a": "\xff"}', JSON, "not JSON"),
    (b"NaN", JSON, "not JSON"),
    (b"[Infinity]", JSON, "not JSON"),
    (b"[NaN, %s]" % HUGE.encode(), JSON, "not JSON"),
    (b"1e400", JSON, "not JSON"),
    (b"[1e400, %s]" % HUGE.encode(), JSON, "not JSON"),
    (rb'{"a": "\ud800"}', JSON, "not JSON"),
    (rb'{"a": "\ud800", "n": %s}' % HUGE.encode(), JSON, "not JSON"),
    (b"1" * 5000, JSON, "not JSON"),
    (nested(10_000), JSON, "not JSON"),
    (nested(10_000, HUGE), JSON, "too deeply"),
    (nested(MAX_DEPTH + 1), JSON, "nested more than"),
    (nested(MAX_DEPTH + 1), "", "nested more than"),
    (nested(MAX_DEPTH + 1, HUGE), JSON, "nested more than"),
    (b"a=%FF", FORM, "form cannot be read"),
    (b"a=\xff", FORM, "not utf-8 text"),
    (b"&".join(b"a=1" for _ in range(MAX_FIELDS + 1)), FORM, "form cannot be read"),
    (b"\xff", "text/plain", "not utf-8 text"),
    (b"\xff\xfe\xfd", "", "not utf-8 text"),
    (b"a", "text/plain; charset=rot13", "charset 'rot13' is not known"),
    (b"abc", "multipart/form-data", "no boundary"),
    (b"abc", "multipart/form-data; boundary=b", "cannot be read"),
    (multipart("Content-Disposition: form-data\r\n\r\n1"), "multipart/form-data; boundary=b", "no name"),
    (
        multipart('Content-Disposition: form-data; name="a"\r\n\r\n1', end=""),
        "multipart/form-data; boundary=b",
        "cannot be read",
    ),
    (multipart(*["x: y\r\n\r\n1"] * (MAX_FIELDS + 1)), "multipart/form-data; boundary=b", "more than 1000 parts"),
]


@pytest.mark.parametrize(("raw", "kind", "why"), UNREADABLE, ids=range(len(UNREADABLE)))
def test_unreadable_bodies(raw: bytes, kind: str, why: str) -> None:
    with pytest.raises(UnreadableBody, match=why):
        decode(raw, kind, {})


def test_the_deepest_body_that_is_taken() -> None:
    for inside in ("", HUGE):
        assert decode(nested(MAX_DEPTH, inside), JSON, {})


async def test_400_for_each_of_them_and_the_server_goes_on(site: Site) -> None:
    for raw, kind, _ in UNREADABLE:
        reply = await site.post(data=raw, headers={"Content-Type": kind or "application/octet-stream"})
        assert reply.status == 400, (raw[:40], kind)
        assert reply.body["error"]
    assert (await site.post({"n": 1})).status == 202
    counts, latest = await site.refusals()
    assert counts[("scenario:first", 400)] == len(UNREADABLE)
    assert len(latest) == 20
    assert latest[-1].excerpt


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'{"a": 1}', JSON),
        (b"\xef\xbb\xbf[1]", JSON),
        (nested(MAX_DEPTH), JSON),
        (nested(MAX_DEPTH, HUGE), JSON),
        (b'{"a": 123456789012345678901234567890}', JSON),
        (b'{"a": 1}', "text/json"),
        (b"no\njson", "application/x-ndjson"),
        (b"a=1&a=2", FORM),
        (b"hello", "text/plain"),
        (b"", JSON),
        (multipart('Content-Disposition: form-data; name="a"\r\n\r\n1'), "multipart/form-data; boundary=b"),
    ],
)
async def test_a_run_from_the_store_sees_the_same_body(site: Site, raw: bytes, kind: str) -> None:
    reply = await site.post(data=raw, headers={"Content-Type": kind}, query="?q=1")
    assert reply.status == 202
    await site.rest()
    first = site.desk.notes.pop()
    assert first["event"] == decode(raw, kind, {"q": "1"})
    # with no room in memory the next one is stored, and read back
    runner = site.host.runner
    admits, runner.admits = runner.admits, lambda _plan: False  # type: ignore[method-assign]
    assert (await site.post(data=raw, headers={"Content-Type": kind}, query="?q=1")).status == 202
    runner.admits = admits  # type: ignore[method-assign]
    assert [run.state for run in await site.rest()] == ["succeeded", "succeeded"]
    assert site.desk.notes == [first]


async def test_headers_that_are_no_utf_8_are_kept_as_latin_1(site: Site) -> None:
    request = f"POST {site.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nX-Name: Zo\xeb\r\n\r\n".encode("latin-1")
    answer = await site.raw(request, until=b"\r\n")
    assert answer.startswith(b"HTTP/1.1 202 ")
    [receipt] = await site.receipts()
    assert json.loads(receipt.headers)["x-name"] == "Zoë"
