"""``schedule`` and ``timezone``: what they become, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.scenario.load import load_scenario
from engine.scenario.plan import Missed, Scenario, Scheduled
from engine.scenario.timetables import At, Cron, Every
from tests.language.crm import CONNECTIONS, WEBHOOKS, registry


def load(trigger: str, more: str = "", steps: str = "[]") -> tuple[Scenario | None, list[str]]:
    source = f"scenario: s\n{more}trigger: {{{trigger}}}\nsteps: {steps}\n"
    plan, found = load_scenario(source, "f.yaml", registry(), CONNECTIONS, WEBHOOKS)
    return plan, [f"{d.place.line}:{d.place.column} {d.code}: {d.message} ({d.hint})" for d in found]


def scheduled(schedule: str, more: str = "") -> Scheduled:
    plan, mistakes = load(f"schedule: {{{schedule}}}", more)
    assert mistakes == []
    assert plan is not None
    assert isinstance(plan.trigger, Scheduled)
    return plan.trigger


@pytest.mark.parametrize(
    ("schedule", "timetable"),
    [
        ('cron: "0 6 * * 1-5"', Cron(("0 6 * * 1-5",), "UTC")),
        ('cron: "0 6 * * 1-5", timezone: Europe/Berlin', Cron(("0 6 * * 1-5",), "Europe/Berlin")),
        ('cron: ["0 6 * * 1-5", "0 9  * * 6,0", "0 6 * * 1-5"]', Cron(("0 6 * * 1-5", "0 9 * * 6,0"), "UTC")),
        ('cron: "@daily"', Cron(("0 0 * * *",), "UTC")),
        ("every: 15m", Every(900)),
        ("every: 15m, offset: 5m", Every(900, 300)),
        ("at: 2026-12-24T09:00:00+01:00", At(1_798_099_200.0)),
        ("at: 2026-12-24T09:00, timezone: Europe/Berlin", At(1_798_099_200.0, "Europe/Berlin")),
    ],
)
def test_what_a_schedule_goes_by(schedule: str, timetable: object) -> None:
    found = scheduled(schedule)
    assert (found.timetable, found.missed, found.limit, found.condition) == (timetable, Missed.ONCE, 100, None)


def test_the_scenarios_time_zone_is_the_schedules_unless_it_has_one() -> None:
    zone = "timezone: America/New_York\n"
    assert scheduled('cron: "0 6 * * *"', zone).timetable.zone == "America/New_York"
    assert scheduled('cron: "0 6 * * *", timezone: Asia/Kathmandu', zone).timetable.zone == "Asia/Kathmandu"
    plan, _ = load("schedule: {every: 5m}", zone)
    assert plan is not None
    assert plan.timezone == "America/New_York"


def test_missed_moments_are_skipped_or_made_up_for_to_a_limit() -> None:
    assert scheduled("every: 5m, missed: skip").missed is Missed.SKIP
    found = scheduled("every: 5m, missed: all, limit: 7")
    assert (found.missed, found.limit) == (Missed.ALL, 7)


@pytest.mark.parametrize(
    ("trigger", "mistake"),
    [
        ("schedule: {}", "2:21 schedule: `schedule` needs one of `cron`, `every` and `at`"),
        ('schedule: {every: 5m, cron: "0 6 * * *"}', "2:33 schedule: only one of these can be meant"),
        ('schedule: {cron: "0 25 * * *"}', "2:28 schedule: `cron`: the field hour is not right (such as"),
        ('schedule: {cron: ["0 6 * * *", "0 6 * *"]}', "2:42 schedule: `cron`: a cron expression has five fields"),
        ("schedule: {cron: []}", "2:28 schedule: `cron` is an empty list"),
        ("schedule: {cron: 7}", "2:28 wrong-value: `cron` must be a text"),
        ('schedule: {cron: "${{ x }}"}', "2:28 expression-here: `cron` is read before there is data"),
        ("schedule: {at: 2026-12-24}", "2:26 schedule: `at`: '2026-12-24' is no moment (an ISO time such as"),
        ("schedule: {every: 15}", "2:29 duration: `every`: '15' is no duration (with its unit: 15s)"),
        ("schedule: {every: 500ms}", "2:29 duration: `every` must be whole seconds, 1s or more"),
        ("schedule: {every: 1.5s}", "2:29 duration: `every` must be whole seconds"),
        ("schedule: {every: 5m, offset: 5m}", "2:41 schedule: `offset` must be less than `every`"),
        ('schedule: {cron: "@daily", offset: 5m}', "2:38 schedule: `offset` belongs to `every`, not to `cron`"),
        ("schedule: {every: 1d, timezone: UTC}", "2:33 schedule: `every` counts in UTC, whatever clocks show (for a"),
        ('schedule: {cron: "@daily", timezone: CEST}', "2:48 timezone: there is no time zone 'CEST'"),
        ('schedule: {cron: "@daily", timezone: Europe}', "2:48 timezone: there is no time zone 'Europe'"),
        ('schedule: {cron: "@daily", timezone: ../etc}', "2:48 timezone: there is no time zone '../etc'"),
        ('schedule: {cron: "@daily", missed: al}', "2:46 wrong-value: `missed` cannot be 'al' (did you mean 'all'?)"),
        ("schedule: {every: 5m, limit: 3}", "2:40 schedule: `limit` belongs to `missed: all`"),
        ("schedule: {every: 5m, missed: all, limit: 0}", "2:53 wrong-value: `limit` must be at least 1"),
        ("schedule: {every: 5m, missed: all, limit: 99999}", "2:53 schedule: `limit` can be at most 10000"),
        ("schedule: {every: 5m, jitter: 1m}", "2:33 unknown-key: `schedule` has no key 'jitter'"),
        ("schedule: daily", "2:21 wrong-value: `schedule` must be a mapping"),
        (
            "schedule: {every: 5m}, connection: crm",
            "2:34 trigger-key: `connection` belongs to a trigger with a `module`",
        ),
        ("schedule: {every: 5m}, module: crm.watch_orders", "2:34 trigger-key: `module` belongs to a trigger with"),
        ("webhook: orders", "2:10 missing-key: a trigger needs a `module` or a `schedule`"),
    ],
)
def test_what_is_wrong_with_a_schedule_is_said_where_it_is(trigger: str, mistake: str) -> None:
    _, mistakes = load(trigger)
    assert mistakes
    assert mistakes[0].startswith(mistake), mistakes


@pytest.mark.parametrize(("zone", "place"), [("Europe/Berln", "2:11"), ("localtime", "2:11"), ("5", "2:11")])
def test_a_scenarios_time_zone_is_checked(zone: str, place: str) -> None:
    _, [mistake] = load("schedule: {every: 5m}", f"timezone: {zone}\n")
    assert mistake.startswith(f"{place} ")


def test_a_typo_in_a_zone_is_put_right() -> None:
    _, [mistake] = load("schedule: {every: 5m}", "timezone: Europe/Berln\n")
    assert mistake == "2:11 timezone: there is no time zone 'Europe/Berln' (did you mean 'Europe/Berlin'?)"


def test_expressions_know_what_a_schedule_brings() -> None:
    steps: Any = '[{set: {a: "${{ trigger.scheduled_at }} ${{ request.method }}", b: "${{ trigger.email }}"}}]'
    _, [mistake] = load('schedule: {every: 5m}, if: "${{ trigger.previous != null }}"', steps=steps)
    assert "unknown-field: there is no field 'email' here (it has scheduled_at, previous)" in mistake


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ('cron: "30 2 * * *", timezone: Europe/Berlin', "at 02:30 the clocks of Europe/Berlin are changed"),
        ('cron: "15,45 1-3 * * 0", timezone: America/New_York', "at 01:15 the clocks of America/New_York are changed"),
        # half an hour, and in the south
        ('cron: "45 1 * * *", timezone: Australia/Lord_Howe', "at 01:45 the clocks of Australia/Lord_Howe"),
        ("at: 2026-03-29T02:30, timezone: Europe/Berlin", "'2026-03-29T02:30' is left out in Europe/Berlin"),
        ("at: 2026-10-25T02:30, timezone: Europe/Berlin", "'2026-10-25T02:30' comes twice in Europe/Berlin"),
        ('cron: "30 4 * * *", timezone: Europe/Berlin', None),
        # by real time
        ('cron: "*/15 * * * *", timezone: Europe/Berlin', None),
        # never on a day of change
        ('cron: "30 2 24 12 *", timezone: Europe/Berlin', None),
        ('cron: "30 2 * * *"', None),
        ('cron: "30 2 * * *", timezone: Asia/Tokyo', None),
        ("at: 2026-03-29T02:30+01:00, timezone: Europe/Berlin", None),
    ],
)
def test_an_hour_at_which_clocks_are_changed_is_told(schedule: str, told: str | None) -> None:
    source = f"scenario: s\ntrigger: {{schedule: {{{schedule}}}}}\nsteps: []\n"
    plan, found = load_scenario(source, "f.yaml", registry(), CONNECTIONS, WEBHOOKS, hints=True)
    assert plan is not None
    assert [d.message[: len(told or "")] for d in found if d.code == "clock-change"] == ([told] if told else [])
