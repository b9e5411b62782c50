"""The keys that say when runs begin: what they become, and what is wrong with them."""

from __future__ import annotations

import pytest

from engine.scenario.load import load_scenario
from engine.scenario.plan import LaneRule, Scenario, StartRate
from tests.language.crm import CONNECTIONS, WEBHOOKS, registry


def load(keys: str, steps: str = "[]") -> tuple[Scenario | None, list[str]]:
    source = f"scenario: s\n{keys}\nsteps: {steps}\n"
    plan, found = load_scenario(source, "f.yaml", registry(), CONNECTIONS, WEBHOOKS)
    return plan, [f"{d.place.line}:{d.place.column} {d.code}: {d.message} ({d.hint})" for d in found]


def sound(keys: str) -> Scenario:
    plan, mistakes = load(keys)
    assert mistakes == []
    assert plan is not None
    return plan


def lane(keys: str) -> tuple[str, bool, int, bool, str]:
    rule = sound(keys).lane
    assert isinstance(rule, LaneRule)
    return rule.name, rule.key is not None, rule.most, rule.holds, rule.busy


def test_without_keys_nobody_waits() -> None:
    plan = sound("vars: {}")
    assert (plan.lane, plan.limit, plan.dedupe, plan.debounce, plan.rate) == (None, None, None, None, None)
    assert plan.priority == "normal"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("order_by: ${{ trigger.email }}", ("s", True, 1, True, "queue")),
        ('order_by: {key: "${{ trigger.email }}", group: people}', ("group:people", True, 1, True, "queue")),
        ('order_by: {key: "${{ trigger.email }}", waiting: release}', ("s", True, 1, False, "queue")),
        ("order_by: ${{ trigger.email }}\nmode: replace", ("s", True, 1, True, "replace")),
        ('concurrency: {key: "${{ trigger.shop }}", limit: 3}', ("s", True, 3, False, "queue")),
        ('concurrency: {key: "${{ trigger.shop }}", limit: 3, waiting: hold}', ("s", True, 3, True, "queue")),
        ('concurrency: {key: "${{ trigger.shop }}"}\nmode: skip', ("s", True, 1, True, "skip")),
        ("concurrency: 1\nmode: skip", ("s", False, 1, True, "skip")),
    ],
)
def test_which_runs_wait_for_one_another(keys: str, expected: object) -> None:
    assert lane(keys) == expected


def test_a_number_alone_limits_what_is_in_memory() -> None:
    assert (sound("concurrency: 5").limit, sound("concurrency: 5").lane) == (5, None)
    both = sound("concurrency: 5\norder_by: ${{ trigger.email }}\nmode: skip")
    assert (both.limit, both.lane and both.lane.most) == (5, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10/s", (10, 1.0)), ("100/m", (100, 60.0)), ("300/10s", (300, 10.0)), ("1/d", (1, 86_400.0))],
)
def test_rates(text: str, expected: tuple[int, float]) -> None:
    assert sound(f"rate: {text}").rate == StartRate(*expected)


def test_events_that_belong_together() -> None:
    plan = sound('dedupe: {key: "${{ trigger.id }}", within: 1d}\ndebounce: {for: 30s}')
    assert plan.dedupe is not None
    assert plan.debounce is not None
    assert plan.dedupe.within == 86_400
    assert (plan.debounce.key, plan.debounce.quiet, plan.debounce.most) == (None, 30, 300)
    own = sound('dedupe: {within: 7d}\ndebounce: {key: "${{ trigger.email }}", for: 1s, max: 1m}')
    assert own.dedupe is not None
    assert own.dedupe.key is None
    assert own.debounce is not None
    assert own.debounce.most == 60


@pytest.mark.parametrize(
    ("keys", "mistakes"),
    [
        ("order_by: email", ["2:11 expression-wanted: `order_by` must be an expression"]),
        ("order_by: {group: a}", ["2:11 missing-key: `order_by` needs a `key`"]),
        ('order_by: {key: "${{ trigger.a }}", group: A b}', ["2:44 ordering: 'A b' cannot be a group's name"]),
        ('order_by: {key: "${{ trigger.a }}", waiting: keep}', ["2:46 wrong-value: `waiting` cannot be 'keep'"]),
        ("order_by: ${{ vars.x }}\nvars: {x: 1}", ["2:15 unknown-name"]),
        ("concurrency: 0", ["2:14 wrong-value: `concurrency` must be at least 1"]),
        ("concurrency: {limit: 2}", ["2:14 missing-key: `concurrency` needs a `key`, or is a number"]),
        (
            'order_by: ${{ trigger.a }}\nconcurrency: {key: "${{ trigger.b }}"}',
            ["3:14 ordering: `order_by` and `concurrency` with a `key` cannot stand together"],
        ),
        ("mode: skip", ["2:7 ordering: `mode: skip` says what happens when a key is busy, and there is none"]),
        ("mode: wait", ["2:7 wrong-value: `mode` cannot be 'wait'"]),
        (
            "concurrency: 1\nmode: skip\ndebounce: {for: 5s}",
            ["3:7 ordering: `mode: skip` and `debounce` both say which event of a key counts"],
        ),
        ("dedupe: {key: '${{ trigger.a }}'}", ["2:9 missing-key: `dedupe` needs `within`"]),
        ("dedupe: {within: 0s}", ["2:18 duration: `within` must be more than nothing"]),
        ("debounce: {for: 5}", ["2:17 duration: `for`: '5' is no duration"]),
        ("debounce: {for: 1m, max: 5s}", ["2:26 ordering: `max` is shorter than `for`"]),
        ("debounce: 5s", ["2:11 wrong-value: `debounce` must be a mapping"]),
        ("rate: 5", ["2:7 ordering: `rate` says how many runs may begin in which time (such as 10/s"]),
        ("rate: 0/s", ["2:7 ordering"]),
        ("priority: urgent", ["2:11 wrong-value: `priority` cannot be 'urgent'"]),
    ],
)
def test_mistakes(keys: str, mistakes: list[str]) -> None:
    _, found = load(keys)
    assert len(found) == len(mistakes), found
    assert all(text.startswith(expected) for text, expected in zip(found, mistakes, strict=True)), found


def test_a_long_wait_under_a_key_is_pointed_out() -> None:
    keys = "order_by: ${{ trigger.email }}"
    nested = "[{if: '${{ trigger.a }}', steps: [{sleep: 2h}]}, {sleep: 5s}]"
    _, found = load(keys, nested)
    assert [text[:14] for text in found] == ["3:42 key-waits"]
    assert load('order_by: {key: "${{ trigger.email }}", waiting: release}', nested)[1] == []


@pytest.mark.parametrize(("wait", "told"), [("timeout: 1m", 0), ("timeout: 2h", 1), (None, 1)])
def test_a_wait_for_an_answer_under_a_key_is_pointed_out(wait: str | None, told: int) -> None:
    signal = "signal: paid" if wait is None else f"signal: paid, {wait}"
    _, found = load("order_by: ${{ trigger.email }}", f"[{{id: paid, wait_for: {{{signal}}}}}]")
    assert [text.partition(" ")[2][:9] for text in found] == ["key-waits"] * told
