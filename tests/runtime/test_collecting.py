"""What loops collect: set aside as text while it grows, and made into a list when an expression asks for it."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from engine.runtime import folding, gathering, looping, rounds
from engine.runtime.commands import Choice
from engine.runtime.gathering import Fields, Kind, ListParts
from engine.scenario.expressions import ExpressionError, Later, compile_expression
from engine.sdk import jsontext
from engine.sdk.errors import NotFound
from engine.sdk.modules import Page
from engine.testing import CrashAt, Harness, Pages
from engine.testing.crash import FaultAt, Play, judge, live
from engine.testing.crash import Kind as Failing
from tests.runtime.core import resumed, shop, swapped

COLLECTING = """
- id: each
  foreach: {module: shop.find}
  on_item_error: %s
  collect: ${{ send.sent }}
  steps:
    - id: send
      module: shop.charge
      with: {n: "${{ item }}"}
- stop: success
  output: ${{ %s }}
"""


def sent(config: Mapping[str, Any]) -> Any:
    return {"sent": config["n"] * 10}


def over(count: int, size: int, **more: Any) -> dict[str, Any]:
    return {"shop.find": Pages(list(range(count)), size), "shop.charge": sent, **more}


def refusing(*bad: int) -> Any:
    def send(config: Mapping[str, Any]) -> Any:
        if config["n"] in bad:
            raise NotFound(f"no {config['n']}", refused=True)
        return sent(config)

    return send


@pytest.fixture
def aside() -> Iterator[None]:
    """Whatever a segment leaves behind is set aside."""
    with swapped(gathering, "TAIL", 0):
        yield


# ------------------------------------------------------------------ what expressions meet

VALUES = [{"id": number, "name": f"n{number}"} for number in range(7)]
ASKED = """
each ; each[0] ; each[3].id ; each[-1].name ; each[6] ; each[7] ; each[-8] ; each.id ; each[] ; each[*].id
each[2:5] ; each[::-1].id ; each[-2:] ; each[1:6:2][0] ; length(each) ; length(each) > `6` ; length(each[2:])
each[?id > `4`].name ; each | [0] ; each | length(@) ; (each)[1] ; each || 'none' ; each && 'some' ; !each
{all: each, first: each[0]} ; [each[0], each[-1]] ; let $e = each in $e[1].id ; map(&id, each) ; each == each
$.each[1] ; $.each[].id ; $.each[?id > `3`] ; $.each[?$.each[0].id < id].id ; $.each ; @.each[2].id ; length($.each)
[@][0].each[0] ; values(@) ; keys(@) ; to_json(each) ; steps.each.output ; steps.each.output[2].id
length(steps.each.output) ; steps.each ; steps.each.status ; steps.*.output ; steps | each.output[0]
steps.each.[status, output] ; steps ; length(steps) ; steps.each.error ; others[?@ == `1`] | [0]
others[].{one: $.each[0].id, all: length($.each)} ; each.id || each[0].id ; done.collected[1].id ; done.collected
done.done ; done ; length(done.collected) ; length(done) ; done.gone ; done.collected[-1].name ; done.collected[1:3]
done[0] ; steps.done.output.collected[0] ; done.errors[0] ; done.{n: done, c: collected} ; done.collected[].id
done.* ; keys(done) ; done.collected.id ; gone[0]
"""


def names(each: Any, done: Any) -> dict[str, Any]:
    steps = {
        name: {"status": "done", "output": output, "error": None} for name, output in (("each", each), ("done", done))
    }
    return {"each": each, "done": done, "others": [1, 2], "steps": steps}


def parts(cuts: tuple[int, ...]) -> ListParts:
    edges = [0, *cuts]
    texts = [jsontext.dumps(VALUES[low:high]) for low, high in pairwise(edges)]
    return ListParts(texts, VALUES[edges[-1] :], Kind())


@pytest.mark.parametrize("cuts", [(3,), (1, 2, 6), (7,), (0, 4, 4)])
@pytest.mark.parametrize("text", re.split(r" ; |\n", ASKED.strip()))
def test_an_expression_meets_what_it_would_meet_in_the_list(text: str, cuts: tuple[int, ...]) -> None:
    about = {"done": 7, "failed": 0, "errors": []}
    wanted = names(VALUES, {**about, "collected": VALUES})
    later = names(Later(parts(cuts)), Fields.of({**about, "collected": Later(parts(cuts))}))

    def outcome(scope: Mapping[str, Any]) -> Any:
        try:
            return jsontext.loads(jsontext.dumps(compile_expression(text).evaluate(scope)))
        except ExpressionError as error:
            return error.message

    assert outcome(later) == outcome(wanted)


def test_items_that_came_late_stand_where_they_belong() -> None:
    texts = [jsontext.dumps([[0, "a"], [2, "c"]]), jsontext.dumps([[4, "e"]])]
    kind = Kind(lambda entry: entry[0], lambda entry: entry[1])
    late = Later(ListParts(texts, [[1, "b"], [3, "d"]], kind))
    assert [late.at(-1), late.at(1), late.at(slice(1, 3)), len(late)] == ["e", "b", ["b", "c"], 5]
    assert late.whole() == ["a", "b", "c", "d", "e"]


def test_what_json_is_written_takes_no_more_than_its_length() -> None:
    value = list(range(3000))
    jsontext.dumps(value)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        text = jsontext.dumps(value)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held - before < len(text) + 1000


# ------------------------------------------------------------------ runs


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("'nothing'", "nothing"),
        ("each[-1]", 110),
        ("$.each[4]", 40),
        ("length(each)", 12),
        ("each[?@ > `80`]", [90, 100, 110]),
        ("each[] | [1]", 10),
        ("each[2:4]", [20, 30]),
        ("length(trigger.x[?@ == `1`])", 0),
    ],
)
async def test_the_list_is_not_made_where_nobody_asks_for_all_of_it(
    asked: str, answer: Any, aside: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def whole(_parts: ListParts) -> Any:
        raise AssertionError("nobody asked for it")

    monkeypatch.setattr(ListParts, "whole", whole)
    async with shop(COLLECTING % ("fail", asked), over(12, 3)) as harness:
        result = await harness.run({})
        assert (result.state, result.output) == ("succeeded", answer)
        assert [row.key for row in result.records if row.kind == "part"] == [f"each!collected@{n}" for n in range(3)]


async def test_failed_items_are_listed_too_however_many(aside: None) -> None:
    doubles = over(12, 2) | {"shop.charge": refusing(1, 4, 5, 10)}
    async with shop(COLLECTING % ("continue", "each"), doubles) as harness:
        output = (await harness.run({})).output
        assert (output["done"], output["failed"]) == (8, 4)
        assert output["collected"] == [0, 20, 30, 60, 70, 80, 90, 110]
        assert [error["item"] for error in output["errors"]] == [1, 4, 5, 10]


async def test_items_that_were_held_come_where_they_belong(aside: None) -> None:
    bad = {1, 4}

    def send(config: Mapping[str, Any]) -> Any:
        return refusing(*bad)(config)

    async with shop(COLLECTING % ("hold", "each"), over(9, 2) | {"shop.charge": send}) as harness:
        result = await harness.run({})
        assert [hold["step"] for hold in result.holds] == ["each[1]/send", "each[4]/send"]
        bad.clear()
        await resumed(harness, result.run.id, Choice.AGAIN, step="each[1]/send")
        result = await resumed(harness, result.run.id, Choice.AGAIN, step="each[4]/send")
        assert result.output == [n * 10 for n in range(9)]


async def test_a_list_from_a_loop_in_a_round_outlives_the_rounds_rows(aside: None) -> None:
    steps = """
- id: rounds
  repeat: {times: 7, max: 100}
  steps:
    - id: each
      foreach: {module: shop.find}
      collect: ${{ send.sent }}
      steps:
        - id: send
          module: shop.charge
          with: {n: "${{ item }}"}
- id: nap
  sleep: 1h
- stop: success
  output: ${{ each }}
"""
    with swapped(rounds, "FOLD_EVERY", 2):
        for nth in (None, 3, 9):
            harness = shop(steps, over(6, 2))
            if nth is None:
                async with harness:
                    accepted = await harness.send({})
                    result = await harness.result(accepted.runs[0], advance=4000)
            else:
                [result] = await harness.crash(CrashAt("loop.folded", nth), {})
                result = await harness.result(result.run.id, advance=4000)
                await harness.stop()
            assert (result.state, result.output) == ("succeeded", [n * 10 for n in range(6)])


@pytest.mark.parametrize("mode", ["fail", "continue"])
async def test_a_death_between_a_spill_and_its_checkpoint_neither_loses_nor_doubles(
    tmp_path: Path, mode: str, aside: None
) -> None:
    def new() -> Harness:
        doubles = over(7, 2) | ({"shop.charge": refusing(2, 5)} if mode == "continue" else {})
        return shop(COLLECTING % (mode, "each"), doubles)

    play = Play(new, events=[{}])
    counting = FaultAt()
    without = await live(play, tmp_path / "without.db", [counting])
    folds = [moment for moment in counting.moments(Failing.DEATH) if moment.point.startswith(("loop.", "store."))]
    assert [moment.point for moment in folds].count("loop.folding") == 3
    for number, moment in enumerate(folds):
        life = await live(play, tmp_path / f"{number}.db", [FaultAt(moment, Failing.DEATH)], str(moment))
        judge(life, without)
        assert not life.broken, f"{moment}: {life.said}"


# ------------------------------------------------------------------ checkpoints that cannot be, and replays


async def test_no_item_begins_that_no_checkpoint_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or its writes would not be found after a death, and be made anew."""
    real, refused = folding.fold, [2]

    def fold(effects: Any, path: str, checkpoint: Any) -> Any:
        refused[0] -= 1
        return None if refused[0] == 0 else real(effects, path, checkpoint)

    monkeypatch.setattr(folding, "fold", fold)
    async with shop(COLLECTING % ("fail", "each"), over(8, 2)) as harness:
        result = await harness.run({})
        assert (result.state, [hold["code"] for hold in result.holds]) == ("held", ["internal"])
        assert [call.config["n"] for call in harness.calls if "n" in call.config] == [0, 1, 2, 3]
        await harness.restart()
        result = await resumed(harness, result.run.id, Choice.AGAIN)
        assert (result.state, result.output) == ("succeeded", [n * 10 for n in range(8)])
        assert [call.config["n"] for call in harness.calls if "n" in call.config] == list(range(8))


class Growing(Pages):
    """Once it was read to its end, it has one more item at its beginning."""

    def page(self, cursor: Any) -> Page:
        page = super().page(cursor)
        if page.cursor is None:
            self.items = ["new", *self.items]
        return page


async def test_a_replay_from_a_step_in_a_loop_with_checkpoints_begins_the_loop_anew(aside: None) -> None:
    steps = """
- id: before
  module: shop.get
  with: {}
- id: each
  foreach: {module: shop.find}
  key: ${{ item }}
  collect: ${{ send.sent }}
  steps:
    - id: look
      module: shop.get
      with: {n: "${{ item }}"}
    - id: send
      module: shop.charge
      with: {n: "${{ item }}"}
- stop: success
  output: ${{ each }}
"""
    doubles = {
        "shop.find": Growing(list("abcdefg"), 2),
        "shop.get": lambda config: {"n": config.get("n")},
        "shop.charge": lambda config: {"sent": config["n"]},
    }
    async with shop(steps, doubles) as harness:
        first = await harness.run({})
        assert first.output == list("abcdefg")
        began = len(harness.calls)
        again = await harness.replay(first.run.id, "send")
        # the pages as they are now; each write that was made is taken over, and the new item's is made
        assert (again.state, again.output) == ("succeeded", ["new", *"abcdefg"])
        calls = [(call.module.removeprefix("shop."), call.config.get("n")) for call in harness.calls[began:]]
        assert [n for module, n in calls if module == "charge"] == ["new"]
        assert [n for module, n in calls if module == "get"] == ["new", *"abcdefg"]
        assert [module for module, _ in calls].count("find") == 4
        kept = [row.key for row in again.records if row.kind == "part"]
        assert kept == [f"each!collected@{n}" for n in range(3)]


async def test_a_replay_from_a_step_after_such_a_loop_has_the_list(aside: None) -> None:
    fails = [True]

    def put(config: Mapping[str, Any]) -> Any:
        if fails.pop() if fails else False:
            raise NotFound("not there", refused=True)
        return config["all"]

    steps = (COLLECTING % ("fail", "after")).replace(
        "- stop", '- id: after\n  module: shop.put\n  with: {all: "${{ each }}"}\n- stop'
    )
    async with shop(steps, over(7, 2) | {"shop.put": put}) as harness:
        failed = await harness.run({})
        assert failed.state == "failed"
        began = len(harness.calls)
        again = await harness.replay(failed.run.id, "after")
        assert (again.state, again.output) == ("succeeded", [n * 10 for n in range(7)])
        assert [call.module for call in harness.calls[began:]] == ["shop.put"]


async def test_a_long_list_is_gathered_likewise(aside: None) -> None:
    steps = (COLLECTING % ("fail", "length(each)")).replace("{module: shop.find}", "${{ trigger.items }}")
    with swapped(looping, "SEGMENT", 3):
        async with shop(steps, {"shop.charge": sent}) as harness:
            result = await harness.run({"items": list(range(10))})
            assert result.output == 10
            assert [row.key for row in result.records if row.kind == "part"] == [
                f"each!collected@{n}" for n in range(3)
            ]
