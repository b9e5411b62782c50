"""A trigger's keys: what they become, and what is wrong with them."""

from __future__ import annotations

import pytest

from engine.scenario.durations import parse_duration, show_duration
from engine.scenario.load import load_scenario
from engine.scenario.plan import Listening, Polling, Start
from tests.language.crm import CONNECTIONS, WEBHOOKS, registry

CUSTOMERS = "module: crm.watch_customers, connection: crm"


def load(trigger: str) -> tuple[object, list[str]]:
    source = f"scenario: s\ntrigger: {{{trigger}}}\nsteps: []\n"
    plan, found = load_scenario(source, "f.yaml", registry(), CONNECTIONS, WEBHOOKS)
    shown = [f"{d.place.line}:{d.place.column} {d.code}: {d.message} ({d.hint})" for d in found]
    return plan and plan.trigger, shown


def polling(trigger: str) -> Polling:
    found, mistakes = load(trigger)
    assert mistakes == []
    assert isinstance(found, Polling)
    return found


def test_a_polling_trigger_asks_every_five_minutes_from_now_on() -> None:
    found = polling(CUSTOMERS)
    assert (found.module_name, found.connection, found.config) == ("crm.watch_customers", "crm", {})
    assert (found.every, found.start, found.since) == (300.0, Start.FROM_NOW, None)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("from_now", (Start.FROM_NOW, None)),
        ("all", (Start.ALL, None)),
        ("{since: 2024-03-05T09:00:00Z}", (Start.SINCE, 1_709_629_200.0)),
        ('{since: "2024-03-05T10:00:00.500+01:00"}', (Start.SINCE, 1_709_629_200.5)),
        ("{since: 2024-03-05}", (Start.SINCE, 1_709_596_800.0)),
    ],
)
def test_where_a_polling_trigger_starts(start: str, expected: object) -> None:
    found = polling(f"{CUSTOMERS}, every: 30s, start: {start}, with: {{tier: GOLD}}")
    assert (found.start, found.since) == expected
    assert (found.every, found.config) == (30.0, {"tier": "GOLD"})


@pytest.mark.parametrize(
    ("trigger", "mistake"),
    [
        (f"{CUSTOMERS}, webhook: orders", "2:57 trigger-key: `webhook` belongs to a webhook trigger"),
        ("module: crm.watch_orders, every: 5m", "2:37 trigger-key: `every` belongs to a polling trigger"),
        ("module: crm.watch_orders, start: all", "2:37 trigger-key: `start` belongs to a polling trigger"),
        (f"{CUSTOMERS}, every: 5", "2:64 duration: `every`: '5' is no duration (with its unit: 5s)"),
        (f"{CUSTOMERS}, every: 100ms", "2:64 duration: `every` must be at least 1s"),
        (f"{CUSTOMERS}, start: now", "2:64 poll-start: `start` cannot be 'now' (one of from_now, all or"),
        (f"{CUSTOMERS}, start: [all]", "2:64 poll-start: `start` cannot be a list"),
        (f"{CUSTOMERS}, start: {{}}", "2:64 missing-key: `start` needs `since`"),
        (f"{CUSTOMERS}, start: {{sinse: 2024-03-05}}", "2:65 unknown-key: `start` has no key 'sinse' (did you mean"),
        (f"{CUSTOMERS}, start: {{since: 2024-03-05T09:00:00}}", "2:72 poll-start: '2024-03-05T09:00:00' is no moment"),
        (
            f"{CUSTOMERS}, start: {{since: '9999-12-31T23:59:59-14:00'}}",
            "2:72 poll-start: '9999-12-31T23:59:59-14:00' is",
        ),
        ("module: crm.watch_tiers, start: {since: 2024-03-05}", "2:51 poll-start: 'crm.watch_tiers' knows no order"),
        ("module: crm.watch_customers", "2:19 connection-missing: 'crm.watch_customers' needs a connection"),
        (f"{CUSTOMERS}, with: {{teir: GOLD}}", "2:64 config-key"),
        (f"{CUSTOMERS}, if: '${{{{ trigger.emial }}}}'", "unknown-field"),
    ],
)
def test_a_mistake_in_a_trigger_is_told_with_its_place(trigger: str, mistake: str) -> None:
    plan, found = load(trigger)
    assert plan is None
    assert any(mistake in line for line in found), found


@pytest.mark.parametrize("text", ["500ms", "1500ms", "1s", "90s", "5m", "36h", "2d"])
def test_a_duration_is_shown_as_it_can_be_written(text: str) -> None:
    seconds = parse_duration(text)
    assert seconds is not None
    assert show_duration(seconds) == text


def test_a_polling_trigger_is_no_step() -> None:
    source = "scenario: s\nsteps:\n  - {id: a, module: crm.watch_customers, connection: crm}\n"
    _, found = load_scenario(source, "f.yaml", registry(), CONNECTIONS, WEBHOOKS)
    assert [d.code for d in found] == ["module-kind"]


def test_a_webhook_trigger_listens() -> None:
    found, mistakes = load("module: crm.watch_orders, webhook: orders")
    assert mistakes == []
    assert isinstance(found, Listening)
    assert found.webhook == "orders"
