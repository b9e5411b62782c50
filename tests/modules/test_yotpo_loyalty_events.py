"""Every loyalty event is accepted, recognised and described by its topic's schema."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine import DataError, Delivery
from modules.yotpo_loyalty.events import TOPICS, event_schema
from modules.yotpo_loyalty.watch import WATCH_LOYALTY_EVENTS
from tests.modules.bench import FIXTURES, fixture, problems

EVENTS = sorted((FIXTURES / "loyalty-webhooks").glob("*.json"))


def delivery(body: Any, *, headers: dict[str, str] | None = None, raw: bytes | None = None) -> Delivery:
    raw = json.dumps(body).encode() if raw is None else raw
    return Delivery("POST", headers or {}, {}, raw, body, datetime(2024, 3, 5, 9, tzinfo=UTC))


def keys(value: Any, schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all keys of a value that its schema demands."""
    for key in schema.get("required", ()):
        yield (*path, key)
    for key, inner in schema.get("properties", {}).items():
        if isinstance(value.get(key), dict):
            yield from keys(value[key], inner, (*path, key))


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_an_event_is_accepted_and_fits_its_topics_schema(path: Path) -> None:
    body = json.loads(path.read_text())
    [event] = WATCH_LOYALTY_EVENTS.parse(delivery(body))
    assert event.body == body
    config = {"events": [body["topic"]]}
    assert problems(config, WATCH_LOYALTY_EVENTS.config) == []
    assert WATCH_LOYALTY_EVENTS.accepts(config, event)
    assert problems(body, WATCH_LOYALTY_EVENTS.output_schema(config)) == []
    assert problems(body, WATCH_LOYALTY_EVENTS.output_schema({})) == []
    assert problems(body, WATCH_LOYALTY_EVENTS.output_schema({"events": ["swell/tier/earned", body["topic"]]})) == []


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_an_event_that_is_spoilt_in_any_place_is_refused(path: Path) -> None:
    body = json.loads(path.read_text())
    schema = event_schema([body["topic"]])
    demanded = list(keys(body, schema))
    assert len(demanded) > 3
    for where in demanded:
        spoilt = copy.deepcopy(body)
        holder = spoilt
        for key in where[:-1]:
            holder = holder[key]
        kept = holder.pop(where[-1])
        assert problems(spoilt, schema), f"without {where}"
        holder[where[-1]] = [kept] if not isinstance(kept, list) else 0
        assert problems(spoilt, schema), f"another type at {where}"


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_every_key_of_an_event_is_described(path: Path) -> None:
    def undescribed(value: Any, schema: Any, at: str) -> Iterator[str]:
        for key, inner in value.items() if isinstance(value, dict) and schema else ():
            if key not in schema.get("properties", {}):
                yield f"{at}.{key}"
            else:
                yield from undescribed(inner, schema["properties"][key], f"{at}.{key}")

    body = json.loads(path.read_text())
    assert list(undescribed(body, event_schema([body["topic"]]), "")) == []


def test_every_topic_has_a_sample_and_every_sample_a_topic() -> None:
    assert {json.loads(path.read_text())["topic"] for path in EVENTS} == set(TOPICS)


def test_topics_are_spelled_as_the_vendor_spells_them() -> None:
    for topic in (
        "swell/tier/status/changed",
        "loyalty/opt_in",
        "loyalty/opt_out",
        "loyalty/expiration/reminder",
        "swell/redemption_code/below_threshold",
        "swell/point_redemption/cancellation_request",
    ):
        assert topic in TOPICS
    assert problems({"events": ["swell/tier/status_changed"]}, WATCH_LOYALTY_EVENTS.config)
    assert problems({"events": []}, WATCH_LOYALTY_EVENTS.config)


def test_an_event_of_another_topic_is_filtered() -> None:
    [event] = WATCH_LOYALTY_EVENTS.parse(delivery(fixture("loyalty-webhooks/tier_earned.json")))
    assert not WATCH_LOYALTY_EVENTS.accepts({"events": ["swell/tier/lost"]}, event)
    assert not WATCH_LOYALTY_EVENTS.accepts({"events": ["swell/tier/earned/first"]}, event)


def test_a_topic_that_the_vendor_adds_later_starts_a_scenario_without_filter() -> None:
    body = {"topic": "swell/birthday/captured", "email": "ana@example.com", "news": 1}
    [event] = WATCH_LOYALTY_EVENTS.parse(delivery(body))
    assert event.subject == "ana@example.com"
    assert WATCH_LOYALTY_EVENTS.accepts({}, event)
    assert not WATCH_LOYALTY_EVENTS.accepts({"events": list(TOPICS)}, event)
    assert problems(body, WATCH_LOYALTY_EVENTS.output_schema({})) == []
    assert problems(body, WATCH_LOYALTY_EVENTS.output_schema({"events": list(TOPICS)}))


def test_a_known_topic_does_not_pass_as_an_unknown_one() -> None:
    assert problems({"topic": "swell/tier/earned"}, WATCH_LOYALTY_EVENTS.output_schema({}))


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("tier_earned", "ana@example.com"),
        ("referral_share", "ben@example.com"),
        ("redemption_cancellation_request", "ana@example.com"),
        ("redemption_code_below_threshold", None),
    ],
)
def test_the_subject_is_the_events_email_else_the_customers_else_nobody(name: str, subject: str | None) -> None:
    [event] = WATCH_LOYALTY_EVENTS.parse(delivery(fixture(f"loyalty-webhooks/{name}.json")))
    assert event.subject == subject


def test_an_id_comes_from_the_subscription_channel_only() -> None:
    body = fixture("loyalty-webhooks/points_changed.json")
    [event] = WATCH_LOYALTY_EVENTS.parse(delivery(body))
    assert event.id is None
    [event] = WATCH_LOYALTY_EVENTS.parse(delivery(body, headers={"eventid": "2f0c1c0e"}))
    assert event.id == "2f0c1c0e"


def test_json_is_read_whatever_its_content_type_says() -> None:
    body = fixture("loyalty-webhooks/points_earned.json")
    text = json.dumps(body)
    for sent_as in (text, {text: ""}):
        [event] = WATCH_LOYALTY_EVENTS.parse(delivery(sent_as, raw=text.encode()))
        assert event.body == body


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("hello", "this body is text"),
        ("[" * 100_000, "this body is text"),
        (None, "this body is empty"),
        ([{"topic": "swell/tier/earned"}], "this body is a list"),
        (True, "this body is a boolean"),
        (3, "this body is a number"),
        ({}, "no text under 'topic'"),
        ({"topic": 7}, "no text under 'topic'"),
        ({"topic": ""}, "no text under 'topic'"),
    ],
    ids=["text", "deep", "null", "list", "boolean", "number", "no topic", "number as topic", "empty topic"],
)
def test_a_body_that_is_no_loyalty_event_is_refused_with_a_reason(body: Any, said: str) -> None:
    raw = body.encode() if isinstance(body, str) else b""
    with pytest.raises(DataError, match=said) as caught:
        WATCH_LOYALTY_EVENTS.parse(delivery(body, raw=raw))
    assert caught.value.hint


def test_scenarios_of_one_connection_share_one_url() -> None:
    assert WATCH_LOYALTY_EVENTS.one_url
