"""An answer whose status says that all is well, and whose body does not, is an error like any other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from engine.runtime.http import ConnectionHttp, Pools, Target
from engine.runtime.redact import Redactor
from engine.sdk import errors
from engine.sdk.http import BodyErrors, ErrorKind, ErrorTable, Response
from tests.runtime.doubles import HandClock
from tests.runtime.wire import answer, wire

TABLE = ErrorTable(
    types={422: errors.Conflict},
    refused={422},
    said="error_message",
    body=BodyErrors(
        "ok == false && (error_message || 'no reason given')",
        kinds=(
            ErrorKind("site.?slug|is missing", errors.DataError, refused=True),
            ErrorKind("too many", errors.RateLimitError),
            ErrorKind("already", errors.Conflict, refused=False),
        ),
    ),
)


@pytest.fixture
async def pools() -> AsyncIterator[Pools]:
    made = Pools()
    yield made
    await made.close()


async def ask(pools: Pools, reply: bytes, status: str = "200 OK", table: ErrorTable = TABLE, **how: Any) -> Response:
    async with wire(answer(reply, status)) as server:
        target = Target(base_url=server.url, errors=table)
        http = ConnectionHttp(target, pools, HandClock(), redactor=Redactor(["hidden-value"]))
        return await http.request("POST", "/x", json={}, **how)


@pytest.mark.parametrize(
    ("message", "kind", "refused"),
    [
        ("Site_Slug cannot be found", errors.DataError, True),
        ("Too many requests", errors.RateLimitError, True),
        ("the referral was already voided", errors.Conflict, False),
        ("something else", errors.VendorError, False),
    ],
)
async def test_kinds_by_what_the_vendor_says(pools: Pools, message: str, kind: type[Exception], refused: bool) -> None:
    with pytest.raises(errors.ModuleError) as caught:
        await ask(pools, b'{"ok": false, "error_message": "%s"}' % message.encode())
    error = caught.value
    assert (type(error), error.refused, error.status) == (kind, refused, 200)
    assert error.message.endswith(f"/x answered 200: {message}")
    assert error.detail == {"ok": False, "error_message": message}
    assert error.hint is None


@pytest.mark.parametrize("reply", [b'{"ok": true}', b'{"result": 1}', b"[]", b"", b"<html>", b'"text"', b"null"])
async def test_answers_that_are_no_errors(pools: Pools, reply: bytes) -> None:
    assert (await ask(pools, reply)).status == 200


async def test_what_the_vendor_says_of_a_status(pools: Pools) -> None:
    with pytest.raises(errors.Conflict, match=r"/x answered 422: it is final$") as caught:
        await ask(pools, b'{"ok": false, "error_message": "it is final"}', "422 Unprocessable Entity")
    assert caught.value.refused
    for silent in (b"<html>", b"{}", b'{"error_message": ""}', b"[]"):
        with pytest.raises(errors.Conflict, match=r"/x answered 422$"):
            await ask(pools, silent, "422 Unprocessable Entity")


async def test_lists_and_objects_of_words(pools: Pools) -> None:
    table = ErrorTable(said="errors")
    with pytest.raises(errors.DataError, match=r'answered 400: email is wrong; \{"a":1\}$'):
        await ask(pools, b'{"errors": ["email is wrong", {"a": 1}]}', "400 Bad Request", table)
    with pytest.raises(errors.DataError) as caught:
        await ask(pools, b'{"errors": "%s"}' % (b"x" * 5000), "400 Bad Request", table)
    assert len(caught.value.message) < 400


async def test_secrets_are_not_repeated(pools: Pools) -> None:
    with pytest.raises(errors.ModuleError) as caught:
        await ask(pools, b'{"ok": false, "error_message": "key hidden-value is bad"}')
    assert "hidden-value" not in str(caught.value) + str(caught.value.detail)


async def test_a_module_may_look_itself(pools: Pools) -> None:
    assert (await ask(pools, b'{"ok": false}', raise_for_status=False)).json() == {"ok": False}


@pytest.mark.parametrize("reply", [b'{"ok": "no"}', b'{"result": 1}', b"[]", b"", b"<html>", b'"text"', b"null"])
async def test_where_only_the_body_tells_a_success_anything_else_is_none(pools: Pools, reply: bytes) -> None:
    assert TABLE.body
    strict = replace(TABLE, body=replace(TABLE.body, taken="ok == true"))
    with pytest.raises(errors.VendorError, match="does not say that it was taken") as caught:
        await ask(pools, reply, table=strict)
    assert not caught.value.refused
    assert (await ask(pools, b'{"ok": true}', table=strict)).status == 200
