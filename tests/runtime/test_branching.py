"""Ways through a scenario: `else_if`, routers, branches side by side, rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from engine.runtime.commands import Choice
from engine.sdk import errors, jsontext
from engine.sdk.errors import DataError
from engine.testing import CrashAt, RunResult
from tests.runtime.core import Script, resumed, shop, with_head

HOUR = 3600.0


def echo(config: Mapping[str, Any]) -> Any:
    return dict(config)


def notes(result: RunResult) -> dict[str, Any]:
    """What the run has decided, by key."""
    found: dict[str, Any] = {}
    for row in (*result.records, *result.effects):
        if row.notes:
            found |= jsontext.loads(row.notes)
    return found | (jsontext.loads(result.run.notes) if result.run.notes else {})


async def outcome(steps: str, event: Any, **doubles: Any) -> RunResult:
    given = {f"shop.{name}": double for name, double in {"pay": echo, "get": echo, **doubles}.items()}
    async with shop(steps, given) as harness:
        return await harness.run(event)


# ---------------------------------------------------------------------- else_if

ELSE_IF = """
- if: ${{ trigger.n > 100 }}
  steps:
    - set: {size: large}
  else_if:
    - if: ${{ trigger.n > 10 }}
      steps:
        - set: {size: middling}
    - if: ${{ trigger.n / trigger.divisor > 1 }}
      steps:
        - set: {size: small}
  else:
    - set: {size: tiny}
- stop: success
  output: ${{ vars.size }}
"""


@pytest.mark.parametrize(("n", "size"), [(101, "large"), (11, "middling"), (3, "small"), (0, "tiny")])
async def test_the_first_condition_that_is_true_chooses(n: int, size: str) -> None:
    assert (await outcome(ELSE_IF, {"n": n, "divisor": 2})).output == size


async def test_what_stands_behind_a_true_condition_is_not_asked() -> None:
    # the third one would divide by null
    assert (await outcome(ELSE_IF, {"n": 50})).output == "middling"
    assert (await outcome(ELSE_IF, {"n": 5, "divisor": "x"})).error["type"] == "ExpressionError"


async def test_which_list_of_a_group_is_taken_is_decided_once() -> None:
    steps = """
- if: false
  steps: []
  else_if:
    - if: ${{ vars.n == 1 }}
      steps:
        - set: {n: 2}
        - sleep: 1h
        - id: send
          module: shop.charge
          with: {}
- stop: success
  output: ${{ send.ok }}
"""
    harness = with_head("vars: {n: 1}\n", steps, {"shop.charge": Script({"ok": True})})
    async with harness:
        result = await harness.run({})
        assert notes(result)["if@1?"] == "else_if.1"
        await harness.restart()
        assert (await harness.result(result.run.id, advance=HOUR)).output is True


# ---------------------------------------------------------------------- routers

ROUTER = """
- id: tier
  route:
    - name: gold
      if: ${{ trigger.points > 500 }}
      steps:
        - id: gift
          module: shop.pay
          with: {what: gift}
    - if: ${{ trigger.points > 100 }}
      steps:
        - id: card
          module: shop.pay
          with: {what: card, after: "${{ gift.what }}"}
  match: %s
  otherwise:
    - id: sorry
      module: shop.pay
      with: {what: nothing}
- stop: success
  output: ["${{ tier }}", "${{ gift.what }}", "${{ card }}", "${{ sorry.what }}"]
"""


@pytest.mark.parametrize(
    ("match", "points", "output"),
    [
        ("first", 501, [["gold"], "gift", None, None]),
        ("first", 101, [["2"], None, {"what": "card", "after": None}, None]),
        ("first", 5, [["otherwise"], None, None, "nothing"]),
        ("all", 501, [["gold", "2"], "gift", {"what": "card", "after": "gift"}, None]),
        ("all", 101, [["2"], None, {"what": "card", "after": None}, None]),
        ("all", 5, [["otherwise"], None, None, "nothing"]),
    ],
)
async def test_routes_are_taken_in_order_and_meet_again(match: str, points: int, output: Any) -> None:
    steps = ROUTER % match
    if match == "first":
        steps = steps.replace(', after: "${{ gift.what }}"', ", after: null")
    assert (await outcome(steps, {"points": points})).output == output


async def test_a_router_that_no_route_takes_goes_on() -> None:
    steps = "- id: r\n  route:\n    - if: false\n      steps: []\n- stop: success\n  output: ${{ r }}\n"
    assert (await outcome(steps, {})).output == []


ONCE = """
- set: {n: 1}
- id: way
  route:
    - name: one
      if: ${{ vars.n == 1 }}
      steps:
        - set: {n: 2}
        - id: first
          module: shop.charge
          with: {n: 1}
    - name: two
      if: ${{ vars.n == 2 }}
      steps:
        - id: second
          module: shop.charge
          with: {n: 2}
  match: all
- stop: success
  output: ${{ way }}
"""


async def test_which_routes_are_taken_is_one_decision_before_the_first_begins() -> None:
    script = Script({})
    async with shop(ONCE, {"shop.charge": script}) as harness:
        result = await harness.run({})
        assert (result.output, script.count) == (["one"], 1)
        assert notes(result)["way.routes"] == ["one"]


async def test_the_decision_outlives_a_crash() -> None:
    # what the condition reads is another thing by the time of the second life
    steps = """
- route:
    - name: early
      if: ${{ now() < '2024-03-05T10:00:00Z' }}
      steps:
        - sleep: 2h
        - id: send
          module: shop.pay
          with: {way: early}
  otherwise:
    - id: late
      module: shop.pay
      with: {way: late}
"""
    script = Script({})
    async with shop(steps, {"shop.pay": script}) as harness:
        result = await harness.run({})
        assert result.state == "sleeping"
        await harness.restart()
        result = await harness.result(result.run.id, advance=2 * HOUR)
        assert (result.state, script.configs) == ("succeeded", [{"way": "early"}])


async def test_a_route_that_fails_fails_the_router_unless_it_says_otherwise() -> None:
    failing = (ROUTER % "all").replace("  match: all", "  on_error: ignore\n  match: all")
    result = await outcome(failing, {"points": 501}, pay=Script(DataError("no", refused=True)))
    # the second route was not begun
    assert result.output == [None, None, None, None]
    assert [effect.key for effect in result.effects] == ["gift#1"]


# ---------------------------------------------------------------------- side by side

PARALLEL = """
- set: {shared: before}
- id: both
  parallel:
    stock:
      - id: count
        module: shop.get
        with: {which: stock, sees: "${{ vars.shared }}"}
      - set: {stock: "${{ count.which }}"}
    price:
      - set: {shared: within}
      - id: cost
        module: shop.pay
        with: {which: price}
- stop: success
  output: ["${{ count }}", "${{ cost.which }}", "${{ vars }}", "${{ both }}"]
"""


async def test_branches_see_what_was_before_and_afterwards_all_is_seen() -> None:
    result = await outcome(PARALLEL, {})
    variables = {"shared": "within", "stock": "stock"}
    assert result.output == [{"which": "stock", "sees": "before"}, "price", variables, None]
    assert notes(result)["both.joined"] is True


async def test_branches_go_on_side_by_side() -> None:
    other = asyncio.Event()

    async def first(config: Mapping[str, Any]) -> Any:
        await other.wait()
        return dict(config)

    async def second(config: Mapping[str, Any]) -> Any:
        other.set()
        return dict(config)

    assert (await outcome(PARALLEL, {}, get=first, pay=second)).state == "succeeded"


async def test_a_branch_does_not_see_what_its_sibling_sets() -> None:
    steps = """
- set: {x: before}
- parallel:
    one:
      - set: {x: within}
    two:
      - sleep: 1h
      - set: {seen: "${{ vars.x }}"}
- stop: success
  output: ["${{ vars.x }}", "${{ vars.seen }}"]
"""
    async with shop(steps, {}) as harness:
        result = await harness.result((await harness.send({})).runs[0], advance=HOUR)
        assert result.output == ["within", "before"]


WAITING = """
- parallel:
    short:
      - sleep: 1h
      - id: one
        module: shop.charge
        with: {n: 1}
    long:
      - sleep: 3h
      - id: two
        module: shop.charge
        with: {n: 2}
- id: after
  module: shop.charge
  with: {n: 3}
"""


async def test_a_run_sleeps_when_all_branches_wait_and_wakes_for_the_first() -> None:
    script = Script({})
    async with shop(WAITING, {"shop.charge": script}) as harness:
        began = harness.clock.time()
        result = await harness.run({})
        assert (result.state, result.run.due_at) == ("sleeping", began + HOUR)
        await harness.restart()
        await harness.clock.advance(HOUR)
        result = await harness.result(result.run.id)
        assert (result.state, result.run.due_at, script.configs) == ("sleeping", began + 3 * HOUR, [{"n": 1}])
        result = await harness.result(result.run.id, advance=2 * HOUR)
        assert (result.state, script.configs) == ("succeeded", [{"n": 1}, {"n": 2}, {"n": 3}])


FAILING = """
- id: both
  on_error: %s
  parallel:
    bad:
      - id: fails
        module: shop.pay
        with: {}
      - id: never
        module: shop.charge
        with: {n: 0}
    good:
      - sleep: 1s
      - id: one
        module: shop.charge
        with: {n: 1}
      - id: two
        module: shop.charge
        with: {n: 2}
- stop: success
  output: ["${{ steps.both.error.message }}", "${{ two }}", "${{ steps.fails.status }}"]
"""


async def test_when_a_branch_fails_the_others_come_to_their_end() -> None:
    script = Script({"ok": True})
    doubles = {"shop.pay": Script(DataError("no", refused=True)), "shop.charge": script}
    async with shop(FAILING % "fail", doubles) as harness:
        result = await harness.result((await harness.send({})).runs[0], advance=2.0)
        assert (result.state, result.error["step"]) == ("failed", "fails")
        assert script.configs == [{"n": 1}, {"n": 2}]


async def test_what_the_branches_did_is_seen_where_the_failure_does_not_matter() -> None:
    doubles = {"shop.pay": Script(DataError("no", refused=True)), "shop.charge": Script({"ok": True})}
    async with shop(FAILING % "ignore", doubles) as harness:
        result = await harness.result((await harness.send({})).runs[0], advance=2.0)
        assert result.output == ["no", {"ok": True}, "failed"]


async def test_two_branches_can_be_held_and_go_on_one_by_one() -> None:
    steps = """
- parallel:
    a:
      - id: one
        module: shop.charge
        with: {n: 1}
    b:
      - id: two
        module: shop.charge
        with: {n: 2}
    c:
      - id: three
        module: shop.get
        with: {}
- stop: success
  output: ["${{ one }}", "${{ two }}"]
"""
    script = Script(errors.TimeoutError("no answer"))
    async with shop(steps, {"shop.charge": script, "shop.get": echo}) as harness:
        result = await harness.run({})
        assert [(hold["code"], hold["step"]) for hold in result.holds] == [("unknown", "one"), ("unknown", "two")]
        result = await resumed(harness, result.run.id, Choice.HAPPENED, output={"n": 1}, step="one")
        assert [hold["step"] for hold in result.holds] == ["two"]
        result = await resumed(harness, result.run.id, Choice.SKIP, step="two")
        assert (result.state, result.output, script.count) == ("succeeded", [{"n": 1}, None], 2)


UNDONE = """
- parallel:
    a:
      - id: one
        module: shop.charge
        with: {n: 1}
        undo:
          - id: back
            module: shop.charge
            with: {n: -1}
      - sleep: 2s
      - id: late
        module: shop.charge
        with: {n: 3}
    b:
      - sleep: 1s
      - id: two
        module: shop.pay
        with: {}
        on_error: rollback
"""


async def test_a_rollback_in_a_branch_undoes_what_its_siblings_did() -> None:
    script = Script({})
    doubles = {"shop.charge": script, "shop.pay": Script(DataError("no", refused=True))}
    async with shop(UNDONE, doubles) as harness:
        result = await harness.result((await harness.send({})).runs[0], advance=3.0)
        assert (result.state, result._result()["rolled_back"]) == ("failed", True)
        assert script.configs == [{"n": 1}, {"n": -1}]


@pytest.mark.parametrize("point", ["effect.intended", "effect.sent", "run.rolling_back", "undo.before"])
async def test_a_crash_on_the_way_back_undoes_the_same(point: str) -> None:
    sent = asyncio.Event()
    taken: list[Any] = []

    async def put(config: Mapping[str, Any]) -> Any:
        if config not in taken:
            taken.append(dict(config))
        sent.set()
        return {}

    async def pay(config: Mapping[str, Any]) -> Any:
        await sent.wait()
        raise DataError("no", refused=True)

    steps = UNDONE.replace("shop.charge", "shop.put").replace("sleep: 2s", "sleep: 2h").replace("sleep: 1s", "set: {}")
    harness = shop(steps, {"shop.put": put, "shop.pay": pay})
    [result] = await harness.crash(CrashAt(point), {})
    await harness.stop()
    assert (result.state, result._result()["rolled_back"]) == ("failed", True)
    assert taken == [{"n": 1}, {"n": -1}]


async def test_a_timeout_around_branches_cuts_all_of_them_off() -> None:
    steps = WAITING.replace("- parallel:", "- timeout: 2h\n  on_error: ignore\n  parallel:")
    script = Script({})
    async with shop(steps, {"shop.charge": script}) as harness:
        run_id = (await harness.send({})).runs[0]
        result = await harness.result(run_id, advance=2 * HOUR)
        assert (result.state, script.configs) == ("succeeded", [{"n": 1}, {"n": 3}])


# ---------------------------------------------------------------------- rounds

POLL = """
- id: job
  repeat: {until: "${{ look.state == 'done' }}", max: 5}
  steps:
    - sleep: 1m
    - id: look
      module: shop.get
      with: {n: "${{ index }}"}
- stop: success
  output: ["${{ job }}", "${{ look.state }}"]
"""


async def test_until_is_asked_after_each_round_and_sees_its_steps() -> None:
    script = Script({"state": "new"}, {"state": "new"}, {"state": "done"})
    async with shop(POLL, {"shop.get": script}) as harness:
        run_id = (await harness.send({})).runs[0]
        for _ in range(2):
            await harness.restart()
            await harness.clock.advance(60)
        result = await harness.result(run_id, advance=60)
        assert (result.output, script.configs) == ([3, "done"], [{"n": 0}, {"n": 1}, {"n": 2}])


async def test_each_round_has_a_now_of_its_own_and_its_answer_is_kept() -> None:
    steps = """
- id: rounds
  repeat: {until: "${{ now() >= '2024-03-05T11:30:00Z' }}", max: 9}
  steps:
    - sleep: 1h
- stop: success
  output: ${{ rounds }}
"""
    async with shop(steps, {}) as harness:
        run_id = (await harness.send({})).runs[0]
        for _ in range(2):
            await harness.clock.advance(HOUR)
            await harness.restart()
        result = await harness.result(run_id, advance=HOUR)
        assert result.output == 3
        assert [notes(result)[f"rounds[{index}]/until"] for index in range(3)] == [False, False, True]


async def test_to_reach_max_is_an_error() -> None:
    async with shop(POLL, {"shop.get": Script({"state": "new"})}) as harness:
        result = await harness.result((await harness.send({})).runs[0], advance=300)
        assert (result.state, result.error["code"], result.error["step"]) == ("failed", "repeat-limit", "job")
        assert result.error["message"] == "after 5 rounds `until` is still not true, and `max` is 5"
        assert [record.key for record in result.records if record.kind == "call"] == [
            f"job[{n}]/look#1" for n in range(5)
        ]


PAGES = """
- set: {cursor: 0, all: []}
- id: pages
  repeat: {while: "${{ vars.cursor != null }}", max: %d}
  steps:
    - id: page
      module: shop.pay
      with: {cursor: "${{ vars.cursor }}"}
    - set: {cursor: "${{ page.next }}", all: "${{ [vars.all, page.items][] }}"}
- stop: success
  output: ["${{ pages }}", "${{ vars.all }}"]
"""


def page(config: Mapping[str, Any]) -> Any:
    number = config["cursor"]
    return {"items": [number], "next": number + 1 if number < 2 else None}


async def test_variables_stay_set_from_round_to_round() -> None:
    assert (await outcome(PAGES % 3, {}, pay=page)).output == [3, [0, 1, 2]]


async def test_while_is_asked_before_each_round() -> None:
    result = await outcome(PAGES % 2, {}, pay=page)
    assert result.error["message"] == "after 2 rounds `while` is still true, and `max` is 2"
    never = (PAGES % 2).replace("cursor: 0", "cursor: null")
    assert (await outcome(never, {}, pay=page)).output == [0, []]


TIMES = """
- id: rounds
  repeat: {times: "${{ trigger.n }}", max: 4}
  steps:
    - if: ${{ index == 0 }}
      steps:
        - id: first
          module: shop.pay
          with: {}
    - set: {seen: "${{ first }}", last: "${{ index }}"}
- stop: success
  output: ["${{ rounds }}", "${{ vars }}", "${{ index }}"]
"""


async def test_a_round_does_not_see_what_the_one_before_it_gave() -> None:
    steps = TIMES.replace(', "${{ index }}"]', "]")
    assert (await outcome(steps, {"n": 1})).output == [1, {"seen": {}, "last": 0}]
    assert (await outcome(steps, {"n": 3})).output == [3, {"seen": None, "last": 2}]
    assert (await outcome(steps, {"n": 0})).output == [0, {}]


@pytest.mark.parametrize("n", [-1, 1.5, "3", None, True, [1]])
async def test_times_must_be_a_whole_number(n: Any) -> None:
    result = await outcome(TIMES.replace(', "${{ index }}"]', "]"), {"n": n})
    assert (result.state, result.error["type"]) == ("failed", "ExpressionError")
    assert "`times` must be a whole number, 0 or more" in result.error["message"]


async def test_more_times_than_max_begin_nothing() -> None:
    script = Script({})
    result = await outcome(TIMES.replace(', "${{ index }}"]', "]"), {"n": 5}, pay=script)
    assert (result.error["code"], script.count) == ("repeat-limit", 0)


async def test_how_many_times_is_decided_once() -> None:
    steps = """
- set: {n: 2}
- repeat: {times: "${{ vars.n }}"}
  steps:
    - set: {n: 100}
    - sleep: 1h
- stop: success
  output: ${{ vars.n }}
"""
    async with shop(steps, {}) as harness:
        run_id = (await harness.send({})).runs[0]
        await harness.clock.advance(HOUR)
        await harness.restart()
        result = await harness.result(run_id, advance=HOUR)
        assert (result.output, notes(result)["repeat@2.times"]) == (100, 2)


async def test_rounds_are_undone_from_the_last_to_the_first() -> None:
    steps = """
- repeat: {times: 3}
  steps:
    - id: one
      module: shop.charge
      with: {n: "${{ index }}"}
      undo:
        - id: back
          module: shop.charge
          with: {back: "${{ index }}"}
- id: bad
  module: shop.pay
  with: {}
  on_error: rollback
"""
    script = Script({})
    doubles = {"shop.charge": script, "shop.pay": Script(DataError("no", refused=True))}
    async with shop(steps, doubles) as harness:
        assert (await harness.run({})).state == "failed"
    assert script.configs == [*({"n": n} for n in range(3)), *({"back": n} for n in (2, 1, 0))]


async def test_the_number_of_the_outer_loop_is_back_after_the_rounds() -> None:
    steps = """
- id: each
  foreach: ${{ trigger.items }}
  collect: ["${{ index }}", "${{ vars.rounds }}"]
  steps:
    - repeat: {times: 2}
      steps:
        - set: {rounds: "${{ index }}"}
- stop: success
  output: ${{ each }}
"""
    assert (await outcome(steps, {"items": ["a", "b"]})).output == [[0, 1], [1, 1]]


# ---------------------------------------------------------------------- the end

INSIDE = {
    "else_if": "- if: false\n  steps: []\n  else_if:\n    - if: true\n      steps:\n%s",
    "route": "- route:\n    - if: true\n      steps:\n%s",
    "otherwise": "- route:\n    - if: false\n      steps: []\n  otherwise:\n%s",
    "parallel": "- parallel:\n    a:\n%s\n    b:\n      - sleep: 1s\n      - set: {x: 1}",
    "repeat": "- repeat: {times: 9}\n  steps:\n%s",
}


@pytest.mark.parametrize("kind", INSIDE)
async def test_a_stop_ends_the_run_from_inside(kind: str) -> None:
    end = "        - stop: success\n          output: here"
    steps = INSIDE[kind] % end + "\n- stop: failure\n"
    async with shop(steps, {}) as harness:
        result = await harness.result((await harness.send({})).runs[0], advance=1.0)
        assert (result.state, result.output) == ("succeeded", "here")


async def test_a_stop_leaves_the_routes_after_it_out() -> None:
    steps = """
- route:
    - steps:
        - stop: success
          output: first
    - steps:
        - id: second
          module: shop.charge
          with: {}
  match: all
"""
    script = Script({})
    async with shop(steps, {"shop.charge": script}) as harness:
        assert (await harness.run({})).output == "first"
        assert script.count == 0
