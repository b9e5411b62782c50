"""*Make an API Call*: any call of the vendor's API, with the connection's keys, to no other place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from engine import Conflict, DataError, Effect, NotFound, VendorError, plugins
from engine.scenario.load import load_scenario
from modules.yotpo_loyalty.api_call import MAKE_API_CALL, METHODS, run
from modules.yotpo_loyalty.connection import CONNECTION
from modules.yotpo_loyalty.simulator import LoyaltySimulator
from tests.modules.bench import Bench, bench, problems
from tests.modules.runs import runs
from tests.runtime.doubles import HandClock
from tests.runtime.wire import answer, wire


@pytest.mark.parametrize("url", ["/campaigns", "campaigns"])
async def test_a_path_is_asked_with_the_connections_keys(yotpo: Bench, url: str) -> None:
    output = await yotpo.run(MAKE_API_CALL, {"url": url, "query": {"with_status": False}})
    assert (output["status"], output["body"][0]["title"]) == (200, "Refer a friend")
    assert output["headers"]["ratelimit-limit"] == "10"


async def test_a_body_is_sent_as_json(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    body = {"customer_email": "ana@example.com", "redemption_option_id": 149}
    output = await yotpo.run(MAKE_API_CALL, {"url": "/redemptions", "method": "POST", "body": body})
    assert output["body"]["reward_text"] == output["body"]["code"]
    assert simulator.state.customers["ana@example.com"]["points_balance"] == 140


async def test_a_birthday_is_set(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    body = {"customer_email": "ana@example.com", "day": 29, "month": 2}
    await yotpo.run(MAKE_API_CALL, {"url": "/customer_birthdays", "method": "POST", "body": body})
    ana = simulator.state.customers["ana@example.com"]
    assert (ana["birth_day"], ana["birthday_month"], ana["birthday_year"]) == (29, 2, None)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"customer_email": "nobody@example.com", "day": 1, "month": 2}, NotFound),
        ({"customer_email": "ana@example.com", "day": 30, "month": 2}, DataError),
        ({"customer_email": "ana@example.com", "day": 29, "month": 2, "year": 2023}, DataError),
        ({"customer_email": "ana@example.com", "day": "8", "month": 5}, DataError),
        ({"customer_email": "ana@example.com", "day": 8}, DataError),
        ({"day": 8, "month": 5}, DataError),
    ],
    ids=["nobody", "no such day", "no leap year", "a text", "no month", "of nobody"],
)
async def test_a_wrong_birthday_is_refused(yotpo: Bench, body: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        await yotpo.run(MAKE_API_CALL, {"url": "/customer_birthdays", "method": "POST", "body": body})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("body", [{"a": [1, None]}, [1], "text", 7, False, None], ids=repr)
async def test_every_method_and_any_body_arrive_as_they_are(clock: HandClock, method: str, body: Any) -> None:
    async with wire(answer(b'{"ok":true}', "200 OK", "X-Two: 2")) as vendor:
        output = await _at(vendor.url, clock, {"url": "/x", "method": method, "body": body})
    head, _, sent = vendor.requests[0].decode().partition("\r\n\r\n")
    assert head.startswith(f"{method} /x HTTP/1.1")
    assert sent == json.dumps(body, separators=(",", ":"))
    assert (output["status"], output["headers"]["x-two"], output["body"]) == (200, "2", {"ok": True})


async def test_without_a_body_none_is_sent(clock: HandClock) -> None:
    async with wire(answer(b"", "204 No Content")) as vendor:
        output = await _at(vendor.url, clock, {"url": "/x", "method": "DELETE"})
    assert vendor.requests[0].endswith(b"\r\n\r\n")
    assert (output["status"], output["body"]) == (204, None)


async def test_headers_and_query_arrive_and_null_is_left_out(clock: HandClock) -> None:
    config = {
        "url": "/customers/recent?per_page=5",
        "headers": {"X-Trace": "a b", "Accept": "text/plain", "X-None": None},
        "query": {"flag": True, "none": None, "many": [1, 2], "odd": "ü&="},
    }
    async with wire(answer(b"[]")) as vendor:
        await _at(vendor.url, clock, config)
    head = vendor.requests[0].decode()
    assert head.startswith("GET /customers/recent?per_page=5&flag=true&many=1&many=2&odd=%C3%BC%26%3D HTTP/1.1")
    assert "\r\nx-trace: a b\r\n" in head
    assert "\r\naccept: text/plain\r\n" in head
    assert "\r\nx-guid: g\r\n" in head
    assert "\r\nx-api-key: k\r\n" in head
    assert "none" not in head.lower()


@pytest.mark.parametrize(
    ("kind", "body", "read"),
    [
        ("text/plain", b'{"a": 1}', {"a": 1}),
        ("application/json", b"[1]", [1]),
        ("text/html", b"<p>hello</p>", "<p>hello</p>"),
        ("application/json", b"{oops", "{oops"),
        ("application/json", b"", None),
    ],
)
async def test_an_answer_is_read_by_what_it_is(clock: HandClock, kind: str, body: bytes, read: Any) -> None:
    async with wire(answer(body, "201 Created", f"Content-Type: {kind}")) as vendor:
        output = await _at(vendor.url, clock, {"url": "/x", "method": "POST"})
    assert (output["status"], output["body"]) == (201, read)


@pytest.mark.parametrize(
    "url",
    [
        "https://loyalty.yotpo.com/api/v2/campaigns",
        "HTTP://evil.example.com/",
        "javascript:alert(1)",
        "//evil.example.com/x",
        "/../v1/x",
        "..",
        "a/../../b",
        "/a/%2e%2E/b",
        "/./a",
        "\\\\evil.example.com",
        "/a b",
        "/a#b",
        "/campaigns?api_key=secret",
        "/campaigns?with_status=true&guid=secret",
        "",
    ],
)
async def test_a_url_that_leads_elsewhere_is_refused(yotpo: Bench, simulator: LoyaltySimulator, url: str) -> None:
    assert problems({"url": url}, MAKE_API_CALL.config)
    if url and "secret" not in url and " " not in url:
        # an expression meets the engine's client too, which lets nothing through either
        with pytest.raises((DataError, NotFound)) as caught:
            await run(yotpo.call({"url": url}))
        assert caught.value.refused
    assert not simulator.received


@pytest.mark.parametrize("url", ["/customers?customer_email=a..b@example.com", "/a..b", "/x.json", "/..."])
def test_dots_that_lead_nowhere_are_allowed(url: str) -> None:
    assert problems({"url": url}, MAKE_API_CALL.config) == []


@pytest.mark.parametrize(
    "header",
    ["x-guid", "X-GUID", "x-api-key", "X-Api-Key", "X-Merchant-Id", "Authorization", "proxy-authorization", "Cookie"],
)
def test_credentials_in_headers_are_refused(header: str) -> None:
    [problem] = problems({"url": "/x", "headers": {header: "secret"}}, MAKE_API_CALL.config)
    assert header in problem
    assert problems({"url": "/x", "headers": {f"{header}-2": "fine"}}, MAKE_API_CALL.config) == []


@pytest.mark.parametrize("parameter", ["guid", "api_key", "merchant_id"])
def test_credentials_in_the_query_are_refused(parameter: str) -> None:
    assert problems({"url": "/x", "query": {parameter: "secret"}}, MAKE_API_CALL.config)


@pytest.mark.parametrize(
    ("config", "hint"),
    [
        ("{url: https://loyalty.yotpo.com/api/v2/campaigns}", "not a whole URL"),
        ("{url: ../v1/campaigns}", "would leave the API's base URL"),
        ("{url: /campaigns?api_key=k}", "the connection adds its credentials"),
        ("{url: /campaigns, headers: {X-Api-Key: k}}", "the connection adds its credentials"),
        ("{url: /campaigns, query: {guid: g}}", "the connection adds its credentials"),
    ],
)
def test_the_check_says_in_words_what_to_do(config: str, hint: str) -> None:
    step = f"[{{id: call, module: yotpo_loyalty.make_api_call, connection: yotpo, with: {config}}}]"
    text = f"scenario: a\ntrigger: {{module: http.watch_webhook}}\nsteps: {step}\n"
    _, [mistake] = load_scenario(text, "a.yaml", plugins.load())
    assert (mistake.code, mistake.place.line) == ("config-value", 3)
    assert hint in (mistake.hint or "")


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"url": "/x", "method": "HEAD"},
        {"url": "/x", "method": "get"},
        {"url": "/x", "effect": "keyed"},
        {"url": "/x", "effect": "none"},
        {"url": "/x", "headers": {"a b": "1"}},
        {"url": "/x", "headers": {"a": "1\r\nb: 2"}},
        {"url": "/x", "query": {"a": {"b": 1}}},
    ],
    ids=str,
)
def test_a_wrong_config_is_refused_before_anything_is_sent(config: dict[str, Any]) -> None:
    assert problems(config, MAKE_API_CALL.config)


@pytest.mark.parametrize(
    ("config", "effect"),
    [
        ({}, Effect.READ),
        ({"method": "GET"}, Effect.READ),
        ({"method": "POST"}, Effect.WRITE),
        ({"method": "PATCH"}, Effect.WRITE),
        ({"method": "PUT"}, Effect.IDEMPOTENT),
        ({"method": "DELETE"}, Effect.IDEMPOTENT),
        ({"method": "POST", "effect": "read"}, Effect.READ),
        ({"method": "POST", "effect": "idempotent"}, Effect.IDEMPOTENT),
        ({"method": "DELETE", "effect": "write"}, Effect.WRITE),
        ({"method": "GET", "effect": "write"}, Effect.WRITE),
    ],
    ids=str,
)
def test_the_effect_goes_by_the_method_unless_the_author_says_otherwise(config: dict[str, Any], effect: Effect) -> None:
    assert MAKE_API_CALL.effect_of({"url": "/x", **config}) is effect


@pytest.mark.parametrize(
    ("status", "kind", "refused"),
    [
        (400, DataError, True),
        (404, NotFound, True),
        (422, DataError, True),
        (423, Conflict, True),
        (500, VendorError, False),
        (503, VendorError, False),
    ],
)
async def test_errors_are_mapped_and_say_whether_it_was_applied(
    yotpo: Bench, simulator: LoyaltySimulator, status: int, kind: type[Exception], refused: bool
) -> None:
    simulator.fail_next(status)
    with pytest.raises(kind) as caught:
        await yotpo.run(MAKE_API_CALL, {"url": "/orders", "method": "POST", "body": {}})
    assert caught.value.refused is refused  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("config", "asked", "state"),
    [
        ("{url: /x}", 2, "succeeded"),
        ("{url: /x, method: PUT, body: {a: 1}}", 2, "succeeded"),
        ("{url: /x, method: DELETE}", 2, "succeeded"),
        ("{url: /x, method: POST, effect: idempotent}", 2, "succeeded"),
        ("{url: /x, method: POST, body: {a: 1}}", 1, "held"),
        ("{url: /x, method: PATCH, body: {a: 1}}", 1, "held"),
        ("{url: /x, method: DELETE, effect: write}", 1, "held"),
    ],
)
async def test_only_what_may_be_repeated_is_repeated_when_the_outcome_is_unknown(
    config: str, asked: int, state: str
) -> None:
    step = f"- {{id: call, module: yotpo_loyalty.make_api_call, connection: yotpo, with: {config}}}"
    async with runs("yotpo_loyalty", step) as engine_:
        engine_.simulator.fail_next(500)
        engine_.simulator.fail_next(200, body={"ok": True})
        result = await engine_.run({})
        assert result.state == state
        assert sum(engine_.simulator.calls.values()) == asked


async def _at(url: str, clock: HandClock, config: Mapping[str, Any]) -> Any:
    fields = {"guid": "g", "api_key": "k"}
    async with bench(LoyaltySimulator(clock), CONNECTION, clock, {**fields, "base_url": url}) as yotpo:
        return await yotpo.run(MAKE_API_CALL, config)


async def test_errors_in_a_200_answer_are_handed_on(yotpo: Bench, simulator: LoyaltySimulator) -> None:
    simulator.fail_next(200, body={"errors": ["something"]})
    output = await yotpo.run(MAKE_API_CALL, {"url": "/campaigns"})
    assert (output["status"], output["body"]) == (200, {"errors": ["something"]})
