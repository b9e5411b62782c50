"""*Make a Request* and *Watch a Webhook*."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

import engine
from engine import CLIENT_ERRORS, DataError, Delivery, Effect, Event, NotFound, VendorError
from modules.http.connection import CONNECTION
from modules.http.requests import MAKE_REQUEST, target
from modules.http.simulator import HttpSimulator
from modules.http.webhooks import WATCH_WEBHOOK
from tests.modules.bench import Bench, bench, problems
from tests.runtime.doubles import HandClock


class Recorder(HttpSimulator):
    """Shows every header as it came, and answers what the test says."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__(clock)
        self.seen: list[web.Request] = []
        self.answer: web.Response | None = None

    async def _echo(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        return self.answer or await super()._echo(request)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def simulator(clock: HandClock) -> Recorder:
    return Recorder(clock)


@pytest.fixture
async def api(simulator: Recorder, clock: HandClock) -> AsyncIterator[Bench]:
    async with bench(simulator, CONNECTION, clock) as connected:
        yield connected


async def test_a_request_is_sent_as_configured_and_its_answer_is_read(api: Bench) -> None:
    output = await api.run(
        MAKE_REQUEST,
        {
            "url": "/orders?draft=1",
            "method": "POST",
            "headers": {"X-Version": 2, "X-None": None},
            "query": {"page": 3, "all": True, "tag": ["a", "b"], "none": None},
            "body": {"email": "ana@example.com", "note": None},
        },
    )
    assert output["status"] == 200
    assert output["headers"]["content-type"].startswith("application/json")
    echo = output["body"]
    assert (echo["method"], echo["path"]) == ("POST", "/orders")
    assert echo["query"] == {"draft": "1", "page": "3", "all": "true", "tag": ["a", "b"]}
    assert echo["body"] == {"email": "ana@example.com", "note": None}
    assert (echo["headers"]["x-version"], echo["headers"]["content-type"]) == ("2", "application/json")
    assert "x-none" not in echo["headers"]


async def test_get_is_the_default_and_null_is_a_body_too(api: Bench) -> None:
    assert (await api.run(MAKE_REQUEST, {"url": "/"}))["body"]["method"] == "GET"
    text = await api.run(MAKE_REQUEST, {"url": "/", "method": "POST", "body": None, "answer": "text"})
    assert '"content-type": "application/json"' in text["body"]


async def test_text_is_sent_as_it_stands(api: Bench) -> None:
    config = {"url": "/", "method": "PUT", "text": "a,b\n1,2", "headers": {"Content-Type": "text/csv"}}
    echo = (await api.run(MAKE_REQUEST, config))["body"]
    assert (echo["body"], echo["headers"]["content-type"]) == ("a,b\n1,2", "text/csv")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"url": "/"}, Effect.READ),
        ({"url": "/", "method": "HEAD"}, Effect.READ),
        ({"url": "/", "method": "OPTIONS"}, Effect.READ),
        ({"url": "/", "method": "PUT"}, Effect.IDEMPOTENT),
        ({"url": "/", "method": "DELETE"}, Effect.IDEMPOTENT),
        ({"url": "/", "method": "POST"}, Effect.WRITE),
        ({"url": "/", "method": "PATCH"}, Effect.WRITE),
        ({"url": "/", "method": "POST", "idempotency_key_header": "Idempotency-Key"}, Effect.KEYED),
        ({"url": "/", "method": "GET", "idempotency_key_header": "Idempotency-Key"}, Effect.READ),
        ({"url": "/", "method": "POST", "effect": "read"}, Effect.READ),
        ({"url": "/", "method": "PUT", "effect": "write"}, Effect.WRITE),
        ({"url": "/", "method": "GET", "effect": "write"}, Effect.WRITE),
        ({"url": "/", "method": "POST", "effect": "write", "idempotency_key_header": "X-Key"}, Effect.WRITE),
    ],
    ids=str,
)
def test_the_effect_follows_the_method_unless_the_author_says_otherwise(
    config: dict[str, Any], expected: Effect
) -> None:
    assert problems(config, MAKE_REQUEST.config) == []
    assert MAKE_REQUEST.effect_of(config) is expected


async def test_the_effects_key_is_sent_in_the_header_that_the_author_names(api: Bench, simulator: Recorder) -> None:
    config = {"url": "/orders", "method": "POST", "body": {}, "idempotency_key_header": "Idempotency-Key"}
    await api.run(MAKE_REQUEST, config, key="scenario/receipt/pay")
    assert simulator.seen[0].headers["Idempotency-Key"] == "scenario/receipt/pay"


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"url": ""},
        {"url": "/a b"},
        {"url": "/", "method": "get"},
        {"url": "/", "method": "TRACE"},
        {"url": "/", "body": {}, "text": ""},
        {"url": "/", "headers": {"X-A": "1\r\nX-B: 2"}},
        {"url": "/", "headers": {"X A": "1"}},
        {"url": "/", "query": {"a": {"b": 1}}},
        {"url": "/", "method": "POST", "effect": "keyed"},
        {"url": "/", "effect": "none"},
        {"url": "/", "refused": [200]},
        {"url": "/", "timeout": 3},
    ],
    ids=str,
)
def test_a_wrong_config_is_refused(config: dict[str, Any]) -> None:
    assert problems(config, MAKE_REQUEST.config)


async def test_a_status_is_an_error_that_says_whether_the_request_was_applied(api: Bench, simulator: Recorder) -> None:
    config: dict[str, Any] = {"url": "/orders", "method": "POST", "body": {}}
    simulator.fail_next(404)
    with pytest.raises(NotFound) as absent:
        await api.run(MAKE_REQUEST, config)
    simulator.fail_next(500)
    with pytest.raises(VendorError) as failed:
        await api.run(MAKE_REQUEST, config)
    assert (absent.value.refused, failed.value.refused) == (True, False)
    assert 404 in CLIENT_ERRORS


async def test_the_author_says_which_statuses_prove_that_nothing_was_applied(api: Bench, simulator: Recorder) -> None:
    config: dict[str, Any] = {"url": "/orders", "method": "POST", "body": {}, "refused": [503]}
    simulator.fail_next(503)
    with pytest.raises(VendorError) as busy:
        await api.run(MAKE_REQUEST, config)
    simulator.fail_next(404)
    with pytest.raises(NotFound) as absent:
        await api.run(MAKE_REQUEST, config)
    assert (busy.value.refused, absent.value.refused) == (True, False)


async def test_a_step_may_go_on_with_any_status(api: Bench, simulator: Recorder) -> None:
    simulator.fail_next(404)
    output = await api.run(MAKE_REQUEST, {"url": "/orders/7", "fail_on_status": False})
    assert (output["status"], output["body"]) == (404, {"errors": ["simulated failure 404"]})


@pytest.mark.parametrize(
    ("content_type", "body", "how", "expected"),
    [
        ("application/json", b'{"a": 1}', "auto", {"a": 1}),
        ("application/problem+json", b'{"a": 1}', "auto", {"a": 1}),
        ("text/plain", b'{"a": 1}', "auto", '{"a": 1}'),
        ("text/plain", b'{"a": 1}', "json", {"a": 1}),
        ("application/json", b'{"a": 1}', "text", '{"a": 1}'),
        ("application/json", b"", "auto", None),
        ("text/plain", "Grüße".encode(), "auto", "Grüße"),
    ],
)
async def test_a_body_is_read_by_its_content_type_or_as_the_author_says(
    api: Bench, simulator: Recorder, content_type: str, body: bytes, how: str, expected: Any
) -> None:
    simulator.answer = web.Response(body=body, content_type=content_type)
    output = await api.run(MAKE_REQUEST, {"url": "/", "answer": how})
    assert output["body"] == expected


async def test_a_write_whose_answer_is_not_the_json_it_claims_is_done_with_a_warning(
    api: Bench, simulator: Recorder
) -> None:
    simulator.answer = web.Response(body=b"<html>", content_type="application/json")
    call = api.call({"url": "/orders", "method": "POST", "body": {}})
    assert MAKE_REQUEST.run
    output = await MAKE_REQUEST.run(call)
    assert output["body"] == "<html>"
    assert len(call.warnings) == 1


@pytest.mark.parametrize(
    ("url", "connection", "expected"),
    [
        ("https://api.example.com/v1/a?b=1", {}, "https://api.example.com/v1/a?b=1"),
        ("/a", {"base_url": "https://api.example.com/v1"}, "/a"),
        ("https://api.example.com/v1/a", {"base_url": "https://api.example.com/v1/"}, "/a"),
        ("https://api.example.com/v1?b=1", {"base_url": "https://api.example.com/v1"}, "?b=1"),
        ("https://api.example.com/v1", {"base_url": "https://api.example.com/v1"}, ""),
    ],
)
def test_where_a_request_goes(url: str, connection: dict[str, str], expected: str) -> None:
    assert target(url, connection) == expected


@pytest.mark.parametrize(
    ("url", "connection", "said"),
    [
        ("/a", {}, "not a whole URL"),
        ("ftp://api.example.com/a", {}, "not a whole URL"),
        ("https://evil.example.com/v1/a", {"base_url": "https://api.example.com/v1"}, "not below"),
        ("https://api.example.com/v10/a", {"base_url": "https://api.example.com/v1"}, "not below"),
        ("https://api.example.com.evil.example.com/", {"base_url": "https://api.example.com"}, "not below"),
        ("HTTPS://evil.example.com/", {"base_url": "https://api.example.com"}, "not below"),
    ],
)
def test_credentials_go_nowhere_but_to_their_own_place(url: str, connection: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        target(url, connection)
    assert caught.value.refused
    assert caught.value.hint


@pytest.mark.parametrize(
    ("fields", "headers", "query"),
    [
        ({}, {}, {}),
        ({"token": "t0ken"}, {"Authorization": "Bearer t0ken"}, {}),
        ({"header_name": "X-Api-Key", "header_value": "k3y"}, {"X-Api-Key": "k3y"}, {}),
        ({"query_name": "api_key", "query_value": "k3y"}, {}, {"api_key": "k3y"}),
        ({"username": "ana", "password": "pw"}, {"Authorization": "Basic YW5hOnB3"}, {}),
        ({"username": "ana"}, {"Authorization": "Basic YW5hOg=="}, {}),
        (
            {"token": "t0ken", "header_name": "X-Site", "header_value": "7"},
            {"Authorization": "Bearer t0ken", "X-Site": "7"},
            {},
        ),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
async def test_a_connection_signs_in_as_its_fields_say(
    simulator: Recorder, clock: HandClock, fields: dict[str, str], headers: dict[str, str], query: dict[str, str]
) -> None:
    async with bench(simulator, CONNECTION, clock, fields) as api:
        assert CONNECTION.test
        await CONNECTION.test(api.call({}))
    [request] = simulator.seen
    sent = {name: request.headers[name] for name in ("Authorization", "X-Api-Key", "X-Site") if name in request.headers}
    assert (sent, dict(request.query)) == (headers, query)


@pytest.mark.parametrize(
    "fields",
    [
        {"base_url": "api.example.com"},
        {"token": "t"},
        {"base_url": "https://api.example.com", "header_name": "X-Api-Key"},
        {"base_url": "https://api.example.com", "header_value": "k"},
        {"base_url": "https://api.example.com", "query_value": "k"},
        {"base_url": "https://api.example.com", "password": "pw"},
        {"base_url": "https://api.example.com", "token": "t", "username": "ana"},
        {"base_url": "https://api.example.com", "header_name": "X Api", "header_value": "k"},
    ],
    ids=str,
)
def test_a_wrong_connection_is_refused(fields: dict[str, str]) -> None:
    assert problems(fields, CONNECTION.fields)


async def test_the_connection_test_reads_the_path_that_it_names(simulator: Recorder, clock: HandClock) -> None:
    async with bench(simulator, CONNECTION, clock, {"test_path": "/me"}) as api:
        assert CONNECTION.test
        await CONNECTION.test(api.call({}))
        simulator.fail_next(403)
        with pytest.raises(engine.AuthError):
            await CONNECTION.test(api.call({}))
    assert simulator.seen[0].path == "/me"
    own = {"token", "header_value", "query_value", "password", "sign_secret", "client_secret"}
    assert own == CONNECTION.secrets


async def test_the_simulator_shows_no_credentials(simulator: Recorder, clock: HandClock) -> None:
    async with bench(simulator, CONNECTION, clock, {"token": "t0ken"}) as api:
        output = await api.run(MAKE_REQUEST, {"url": "/", "method": "POST", "text": "not json"})
    assert "t0ken" not in str(output)
    assert output["body"]["body"] == "not json"


def delivery(body: Any, headers: dict[str, str] | None = None) -> Delivery:
    return Delivery("POST", headers or {}, {}, b"", body, datetime(2024, 3, 5, 9, tzinfo=UTC))


def identified(config: dict[str, Any], body: Any, headers: dict[str, str] | None = None) -> Event:
    assert problems(config, WATCH_WEBHOOK.config) == []
    came = delivery(body, headers)
    [event] = WATCH_WEBHOOK.parse(came)
    assert WATCH_WEBHOOK.identify
    return WATCH_WEBHOOK.identify(config, came, event)


@pytest.mark.parametrize("body", [{"a": 1}, [1, 2], "text", None, 7, {"field": "of a form"}], ids=str)
def test_a_webhook_takes_any_body(body: Any) -> None:
    assert identified({}, body) == Event(body=body)
    assert problems(body, WATCH_WEBHOOK.output_schema({})) == []


ORDER = {"order": {"id": 77, "lines": [{"sku": "a-1"}]}, "customer": {"email": "ana@example.com", "vip": True}}


@pytest.mark.parametrize(
    ("config", "headers", "found", "subject"),
    [
        ({"id_path": "order.id", "subject_path": "customer.email"}, {}, "77", "ana@example.com"),
        ({"id_path": "order.lines.0.sku"}, {}, "a-1", None),
        ({"id_path": "order.lines.1.sku", "subject_path": "customer.name"}, {}, None, None),
        ({"id_path": "order", "subject_path": "customer.vip"}, {}, None, None),
        ({"id_path": "order.id.more"}, {}, None, None),
        ({"id_header": "X-Event-Id"}, {"x-event-id": "e-1"}, "e-1", None),
        ({"id_header": "X-Event-Id"}, {}, None, None),
        ({"id_header": "X-Event-Id", "id_path": "order.id"}, {"x-event-id": "e-1"}, "e-1", None),
        ({"id_header": "X-Event-Id", "id_path": "order.id"}, {"x-event-id": ""}, "77", None),
    ],
)
def test_id_and_subject_come_from_where_the_config_says(
    config: dict[str, str], headers: dict[str, str], found: str | None, subject: str | None
) -> None:
    event = identified(config, ORDER, headers)
    assert (event.id, event.subject, event.body) == (found, subject, ORDER)


@pytest.mark.parametrize("config", [{"id_path": ""}, {"id_path": "a..b"}, {"subject_path": ".a"}, {"id_header": "a b"}])
def test_a_wrong_path_is_refused(config: dict[str, str]) -> None:
    assert problems(config, WATCH_WEBHOOK.config)
