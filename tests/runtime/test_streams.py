"""Loops over the streams of searches: page by page, with checkpoints, and what is left of a run in the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.commands import Choice
from engine.sdk import errors
from engine.sdk.errors import DataError, NotFound
from engine.sdk.modules import Page
from engine.store.folds import spans
from engine.store.interface import Store
from engine.store.large import LargeSizes
from engine.store.sqlite import SqliteStore
from engine.testing import CrashAt, Harness, Pages
from tests.runtime.core import Script, resumed, shop

STREAM = """
- id: each
  foreach: {module: shop.find, with: {q: all}}
  concurrency: %d
  collect: ${{ send.sent }}
  steps:
    - id: send
      module: shop.charge
      with: {n: "${{ item }}"}
- stop: success
  output: ${{ each }}
"""


def sent(config: Mapping[str, Any]) -> Any:
    return {"sent": config["n"] * 10}


def over(count: int, size: int, **more: Any) -> dict[str, Any]:
    """Doubles of a search that finds the first numbers, and of a write."""
    return {"shop.find": Pages(list(range(count)), size), "shop.charge": sent, **more}


def modules(harness: Harness) -> list[str]:
    return [call.module.removeprefix("shop.") for call in harness.calls]


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize(("count", "size"), [(0, 2), (1, 2), (4, 2), (7, 3), (5, 100)])
async def test_every_item_of_every_page_is_done_once_in_order(count: int, size: int, concurrency: int) -> None:
    async with shop(STREAM % concurrency, over(count, size)) as harness:
        result = await harness.run({})
        assert (result.state, result.output) == ("succeeded", [n * 10 for n in range(count)])
        assert sorted(call.config["n"] for call in harness.calls if call.module == "shop.charge") == [*range(count)]
        assert modules(harness).count("find") == max(1, -(-count // size))


async def test_a_page_is_read_when_the_one_before_is_done() -> None:
    async with shop(STREAM % 1, over(4, 2)) as harness:
        await harness.run({})
        assert modules(harness) == ["find", "charge", "charge", "find", "charge", "charge"]


async def test_the_config_is_the_same_for_all_pages() -> None:
    steps = (STREAM % 1).replace("q: all", 'since: "${{ now() }}"')

    async def slow(config: Mapping[str, Any]) -> Any:
        await harness.clock.sleep(1)
        return sent(config)

    harness = shop(steps, over(4, 2) | {"shop.charge": slow})
    async with harness:
        accepted = await harness.send({})
        await harness.result(accepted.runs[0], advance=60)
        assert len({call.config["since"] for call in harness.calls if call.module == "shop.find"}) == 1


async def test_a_limit_ends_the_stream() -> None:
    async with shop((STREAM % 1).replace("q: all", "limit: 3"), over(100, 2)) as harness:
        assert (await harness.run({})).output == [0, 10, 20]
        assert modules(harness).count("find") == 2


async def test_after_a_death_it_goes_on_at_the_page_where_it_stood() -> None:
    harness = shop(STREAM % 1, over(6, 2))
    [result] = await harness.crash(CrashAt("effect.intended", 4), {})
    assert (result.state, [hold["step"] for hold in result.holds]) == ("held", ["each[3]/send"])
    before = len(harness.calls)
    result = await resumed(harness, result.run.id, Choice.AGAIN)
    assert result.output == [n * 10 for n in range(6)]
    # the second page is known, and so is its first item
    assert modules(harness)[before:] == ["charge", "find", "charge", "charge"]
    await harness.stop()


async def test_rows_of_items_that_are_over_go_and_their_writes_stay() -> None:
    async with shop(STREAM % 1, over(50, 5)) as harness:
        result = await harness.run({})
        assert len(result.effects) == 50
        keys = [record.key for record in result.records]
        assert keys == ["each!page@9#1", "each!fold"] or keys == ["each!fold", "each!page@9#1"]
        remembered = spans(result.records)
        [past] = await harness.store.pasts([result.run])
        assert remembered is not None
        assert {effect.key for effect in past.effects} == {f"each[{n}]/send#1" for n in range(45, 50)}


LONG = """
- id: each
  foreach: ${{ trigger.items }}
  collect: ${{ got.n }}
  steps:
    - id: got
      module: shop.get
      with: {n: "${{ item }}"}
- stop: success
  output: {sum: "${{ sum(each) }}", length: "${{ length(each) }}"}
"""


async def test_a_long_list_has_checkpoints_too() -> None:
    async with shop(LONG, {"shop.get": lambda config: {"n": config["n"]}}) as harness:
        result = await harness.run({"items": list(range(1200))})
        assert result.output == {"sum": 1200 * 1199 // 2, "length": 1200}
        # the rows of the last segment, and the checkpoint
        assert len(result.records) == 200 + 1


async def test_the_rows_of_a_list_that_is_not_long_all_stay() -> None:
    async with shop(LONG, {"shop.get": lambda config: {"n": config["n"]}}) as harness:
        assert len((await harness.run({"items": list(range(500))})).records) == 500


async def test_what_is_collected_is_set_aside_and_whole_in_the_end() -> None:
    text = "x" * 1000
    steps = LONG.replace("${{ got.n }}", "${{ got }}").replace('"${{ sum(each) }}"', '"${{ length(each[-1].t) }}"')
    async with shop(steps, {"shop.get": lambda config: {"n": config["n"], "t": text}}) as harness:
        result = await harness.run({"items": list(range(1600))})
        assert result.output == {"sum": 1000, "length": 1600}
        parts = [record.key for record in result.records if record.kind == "part"]
        assert parts == ["each!collected@0", "each!collected@1", "each!collected@2"]


# ------------------------------------------------------------------ items that fail

PATIENT = """
- id: each
  foreach: {module: shop.find}
  on_item_error: %s
  collect: ${{ send.sent }}
  steps:
    - id: send
      module: shop.charge
      with: {n: "${{ item }}"}
- stop: success
  output: ${{ each }}
"""


def refusing(*bad: int) -> Any:
    def send(config: Mapping[str, Any]) -> Any:
        if config["n"] in bad:
            raise NotFound(f"no {config['n']}", refused=True)
        return sent(config)

    return send


async def test_by_default_an_item_that_fails_fails_the_loop() -> None:
    async with shop(STREAM % 1, over(6, 2) | {"shop.charge": refusing(3)}) as harness:
        result = await harness.run({})
        assert (result.state, result.error["step"]) == ("failed", "each[3]/send")
        assert modules(harness).count("charge") == 4


async def test_failed_items_are_listed_and_the_others_go_on() -> None:
    async with shop(PATIENT % "continue", over(7, 2) | {"shop.charge": refusing(1, 4)}) as harness:
        result = await harness.run({})
        assert result.state == "succeeded"
        output = result.output
        assert (output["done"], output["failed"], output["collected"]) == (5, 2, [0, 20, 30, 50, 60])
        assert [(e["index"], e["item"], e["error"]["message"]) for e in output["errors"]] == [
            (1, 1, "no 1"),
            (4, 4, "no 4"),
        ]


async def test_held_items_hold_only_themselves() -> None:
    bad = {1, 4}

    def send(config: Mapping[str, Any]) -> Any:
        if config["n"] in bad:
            raise DataError("not now", refused=True)
        return sent(config)

    async with shop(PATIENT % "hold", over(7, 2) | {"shop.charge": send}) as harness:
        result = await harness.run({})
        assert [hold["step"] for hold in result.holds] == ["each[1]/send", "each[4]/send"]
        assert {call.config["n"] for call in harness.calls if "n" in call.config} == set(range(7))
        bad.clear()
        await harness.restart()
        result = await resumed(harness, result.run.id, Choice.AGAIN, step="each[1]/send")
        assert [hold["step"] for hold in result.holds] == ["each[4]/send"]
        result = await resumed(harness, result.run.id, Choice.SKIP)
        # in the order of the items, though one of them came last; the one that was left out left nothing behind
        assert (result.state, result.output) == ("succeeded", [0, 10, 20, 30, None, 50, 60])
        counts = [call.config["n"] for call in harness.calls if "n" in call.config]
        assert sorted(counts) == [0, 1, 1, 2, 3, 4, 5, 6]


async def test_a_write_of_unknown_outcome_holds_its_item_alone() -> None:
    def send(config: Mapping[str, Any]) -> Any:
        if config["n"] == 1:
            raise errors.TimeoutError("no answer")
        return sent(config)

    async with shop(PATIENT % "continue", over(5, 2) | {"shop.charge": send}) as harness:
        result = await harness.run({})
        assert [hold["step"] for hold in result.holds] == ["each[1]/send"]
        result = await resumed(harness, result.run.id, Choice.HAPPENED, output={"sent": "seen"})
        assert result.output == {"done": 5, "failed": 0, "errors": [], "collected": [0, "seen", 20, 30, 40]}
        assert len([call for call in harness.calls if "n" in call.config]) == 5


async def test_too_many_held_items_stop_the_loop() -> None:
    async with shop(PATIENT % "hold", over(1000, 50) | {"shop.charge": refusing(*range(1000))}) as harness:
        result = await harness.run({})
        assert result.state == "held"
        assert len(result.holds) == 150


async def test_a_page_that_cannot_be_read_fails_the_loop() -> None:
    class Flaky(Pages):
        fails = 4

        def page(self, cursor: Any) -> Page:
            if cursor == 2 and self.fails:
                self.fails -= 1
                raise DataError("broken page")
            return super().page(cursor)

    async with shop(STREAM % 1, {"shop.find": Flaky(list(range(4)), 2), "shop.charge": sent}) as harness:
        result = await harness.run({})
        assert (result.state, result.error["step"]) == ("failed", "each!page@1")


async def test_pages_that_lead_in_a_circle_are_found_out() -> None:
    class Circle(Pages):
        def page(self, cursor: Any) -> Page:
            return Page([cursor or 0], ((cursor or 0) + 1) % 7)

    async with shop(STREAM % 1, {"shop.find": Circle([], 1), "shop.charge": sent}) as harness:
        result = await harness.run({})
        assert result.state == "failed"
        assert "lead in a circle" in result.error["message"]


async def test_a_vendor_that_gives_the_first_page_for_ever_is_found_out() -> None:
    """It passes over the parameter of the page: the cursors are always new, and the items are not."""

    class Deaf(Pages):
        def page(self, cursor: Any) -> Page:
            return Page([1, 2], (cursor or 1) + 1)

    async with shop(STREAM % 1, {"shop.find": Deaf([], 2), "shop.charge": sent}) as harness:
        result = await harness.run({})
        assert result.state == "failed"
        assert "10 pages in a row brought the same items" in result.error["message"]


# ------------------------------------------------------------------ how items come

BATCHES = """
- id: each
  foreach: {module: shop.find}
  batch: 4
  collect: ${{ item }}
  steps:
    - id: send
      module: shop.charge
      with: {n: "${{ index }}"}
- stop: success
  output: ${{ each }}
"""


@pytest.mark.parametrize("size", [1, 3, 4, 9, 100])
async def test_batches_are_full_whatever_the_pages_are(size: int) -> None:
    async with shop(BATCHES, over(10, size)) as harness:
        assert (await harness.run({})).output == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


async def test_batches_survive_a_death_between_pages() -> None:
    harness = shop(BATCHES, over(10, 3))
    [result] = await harness.crash(CrashAt("loop.folded", 1), {})
    assert result.output == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [call.config["n"] for call in harness.calls if "n" in call.config] == [0, 1, 2]
    await harness.stop()


GROUPS = """
- id: each
  foreach: %s
  group_by: ${{ item.shop }}
  collect: "${{ {shop: item.key, total: sum(item.items[].n)} }}"
  steps:
    - id: send
      module: shop.get
      with: {n: "${{ length(item.items) }}"}
- stop: success
  output: ${{ each }}
"""
ORDERS = [{"shop": shop_name, "n": n} for n, shop_name in enumerate("abacab")]


@pytest.mark.parametrize("over_what", ["{module: shop.find}", "${{ trigger.orders }}"])
async def test_groups_have_a_key_and_their_items(over_what: str) -> None:
    doubles = {"shop.find": Pages(ORDERS, 2), "shop.get": lambda config: {}}
    async with shop(GROUPS % over_what, doubles) as harness:
        result = await harness.run({"orders": ORDERS})
        assert result.output == [
            {"shop": "a", "total": 0 + 2 + 4},
            {"shop": "b", "total": 1 + 5},
            {"shop": "c", "total": 3},
        ]


KEYED = """
- id: each
  foreach: {module: shop.find}
  key: ${{ item.id }}
  collect: ${{ item.id }}
  steps:
    - id: send
      module: shop.charge
      with: {n: "${{ item.v }}"}
- stop: success
  output: ${{ each }}
"""


async def test_an_item_that_comes_again_in_a_later_page_is_left_out() -> None:
    # the vendor's list grew at its beginning while it was read, so that items shifted into the next page
    pages = Pages([{"id": key, "v": v} for v, key in enumerate("abbcad")], 2)
    harness = shop(KEYED, {"shop.find": pages, "shop.charge": sent})
    [result] = await harness.crash(CrashAt("loop.folded", 1), {})
    assert (result.state, result.output) == ("succeeded", ["a", "b", "c", "d"])
    assert [call.config["n"] for call in harness.calls if "n" in call.config] == [0, 1, 3, 5]
    await harness.stop()


# ------------------------------------------------------------------ around

AROUND = """
- set: {before: "${{ now() }}"}
- id: each
  foreach: {module: shop.find}
  steps:
    - if: ${{ item > 1 }}
      steps:
        - set: {seen: "${{ uuid() }}"}
    - id: send
      module: shop.charge
      with: {n: "${{ item }}"}
- id: after
  module: shop.put
  with: {at: "${{ vars.before }}"}
"""


async def test_what_was_decided_before_the_loop_rides_into_the_checkpoint() -> None:
    harness = shop(AROUND, over(8, 2) | {"shop.put": lambda config: {}})
    began = harness.clock.time()
    [result] = await harness.crash(CrashAt("effect.intended", 9), {})
    # the write after the loop is idempotent, and is sent again with what was decided before the death
    assert result.state == "succeeded"
    notes = [record.notes for record in result.records if record.key == "each!fold"]
    assert b"set@1" in (notes[0] or b"")
    assert b"each[" not in (notes[0] or b"")
    assert harness.clock.time() == began
    await harness.stop()


async def test_a_rollback_undoes_what_was_done_before_a_loop_with_checkpoints() -> None:
    steps = """
- id: first
  module: shop.charge
  with: {n: 100}
  undo:
    - id: back
      module: shop.put
      with: {n: "${{ first.sent }}"}
- id: each
  foreach: {module: shop.find}
  on_error: rollback
  steps:
    - id: send
      module: shop.charge
      with: {n: "${{ item }}"}
"""
    doubles = over(8, 2) | {"shop.charge": refusing(5), "shop.put": lambda config: {}}
    async with shop(steps, doubles) as harness:
        result = await harness.run({})
        assert (result.state, result.error["step"]) == ("failed", "each[5]/send")
        assert harness.calls[-1].config == {"n": 1000}


async def test_items_with_an_undo_are_not_folded_and_are_undone() -> None:
    steps = """
- id: each
  foreach: {module: shop.find}
  on_error: rollback
  steps:
    - id: send
      module: shop.charge
      with: {n: "${{ item }}"}
      undo:
        - id: back
          module: shop.put
          with: {n: "${{ item }}"}
"""
    doubles = over(8, 2) | {"shop.charge": refusing(5), "shop.put": lambda config: {}}
    async with shop(steps, doubles) as harness:
        result = await harness.run({})
        assert result.state == "failed"
        assert [call.config["n"] for call in harness.calls if call.module == "shop.put"] == [4, 3, 2, 1, 0]


async def test_a_time_that_runs_out_in_a_loop_with_checkpoints_leaves_its_writes_alone() -> None:
    async def slow(config: Mapping[str, Any]) -> Any:
        await harness.clock.sleep(1)
        return sent(config)

    steps = (STREAM % 1).replace("  concurrency", "  timeout: 5500ms\n  on_error: ignore\n  concurrency")
    harness = shop(steps, over(20, 2) | {"shop.charge": slow})
    async with harness:
        accepted = await harness.send({})
        result = await harness.result(accepted.runs[0], advance=60)
        assert (result.state, result.output) == ("succeeded", None)
        assert [call.config["n"] for call in harness.calls if "n" in call.config] == [0, 1, 2, 3, 4, 5]


NESTED = """
- id: outer
  foreach: {module: shop.find, with: {which: shops}}
  collect: ${{ inner }}
  steps:
    - id: inner
      foreach: {module: shop.find, with: {which: orders}}
      collect: ${{ send.sent }}
      steps:
        - id: send
          module: shop.charge
          with: {n: "${{ item }}"}
- stop: success
  output: ${{ outer }}
"""


@pytest.mark.parametrize("nth", [1, 2, 3, 5, 8])
async def test_a_stream_inside_a_stream_goes_on_where_both_stood(nth: int) -> None:
    harness = shop(NESTED, over(6, 2))
    [result] = await harness.crash(CrashAt("loop.folded", nth), {})
    assert result.output == [[n * 10 for n in range(6)]] * 6
    assert len([call for call in harness.calls if "n" in call.config]) == 36
    await harness.stop()


async def test_items_that_wait_are_slept_for_in_the_store() -> None:
    steps = (STREAM % 2).replace("    - id: send", "    - sleep: 1h\n    - id: send")
    async with shop(steps, over(5, 2)) as harness:
        accepted = await harness.send({})
        result = await harness.result(accepted.runs[0], advance=4 * 3600)
        assert result.output == [0, 10, 20, 30, 40]
        assert modules(harness).count("find") == 3


async def test_retries_of_a_page_are_those_of_the_loop() -> None:
    find = Script(errors.ConnectionError("no"), errors.ConnectionError("no"), [1, 2])
    steps = (STREAM % 1).replace("  concurrency", "  retry: {attempts: 3, from: 1s}\n  concurrency")
    async with shop(steps, {"shop.find": find, "shop.charge": sent}) as harness:
        accepted = await harness.send({})
        result = await harness.result(accepted.runs[0], advance=60)
        assert (result.output, find.count) == ([10, 20], 3)


async def test_pages_leave_nothing_behind_in_the_file(tmp_path: Path) -> None:
    async def new_store(_before: Store | None) -> Store:
        store = SqliteStore(tmp_path / "store.db", clock=harness.clock)
        await store.open()
        return store

    items = [{"n": n, "t": "x" * 20_000} for n in range(12)]
    steps = (STREAM % 1).replace("${{ item }}", "${{ item.n }}")
    harness = shop(steps, {"shop.find": Pages(items, 3), "shop.charge": sent}, new_store=new_store)
    async with harness:
        result = await harness.run({})
        assert result.output == [n * 10 for n in range(12)]

        number, _ = await harness.store.ask(LargeSizes())
        assert number == 1


async def test_decisions_of_items_that_are_over_leave_nothing_behind_either(tmp_path: Path) -> None:
    async def new_store(_before: Store | None) -> Store:
        store = SqliteStore(tmp_path / "store.db", clock=harness.clock)
        await store.open()
        return store

    steps = "- id: each\n  foreach: {module: shop.find}\n  steps:\n    - set: {t: '${{ item.t }}'}\n    - sleep: 1m\n"
    # what a page's items decided rides with the row of the next page
    doubles = {"shop.find": Pages([{"t": "x" * 9_000} for _ in range(40)], 5)}
    harness = shop(steps, doubles, new_store=new_store)
    async with harness:
        accepted = await harness.send({})
        result = await harness.result(accepted.runs[0], advance=100 * 60)
        assert result.state == "succeeded"
        number, _ = await harness.store.ask(LargeSizes())
        # the last page, and what its items decided
        assert number <= 3
        assert all(b"each[3" in (record.notes or b"each[3") for record in result.records)
