"""``--version current``: a run goes on under the corrected file where what it did fits; otherwise nothing changes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.runtime.catalog import Catalog
from engine.runtime.commands import Choice, held_run, resume, retry
from engine.runtime.current import DoesNotFit, current_version
from engine.sdk import errors
from engine.store.changes import AddRecord
from engine.testing import CrashAt, Harness, RunResult
from tests.runtime.core import Script, resumed, shop
from tests.support.shop import registry, scenario

REFUSED = errors.DataError("not like this", refused=True)
UNSURE = errors.TimeoutError("no answer")

STEPS = """
- id: got
  module: shop.get
  with: {n: "${{ trigger.n }}"}
- set: {total: "${{ got.n + 1 }}"}
- id: first
  module: shop.pay
  with: {n: "${{ vars.total }}"}
- if: ${{ got.n > 0 }}
  steps:
    - id: send
      module: shop.charge
      with: {amount: "${{ vars.total }}"}
      on_error: hold
- id: after
  module: shop.put
  with: {sent: "${{ send.id }}"}
"""


def wrong(*answers: Any) -> tuple[Harness, dict[str, Script]]:
    doubles = {
        "shop.get": Script({"n": 1}),
        "shop.pay": Script({"id": 1}),
        "shop.charge": Script(*answers),
        "shop.put": Script({}),
    }
    return shop(STEPS, doubles), doubles


async def corrected(harness: Harness, steps: str) -> Catalog:
    """The file is another one now, and the process was started again."""
    harness.plans[:] = [harness._load(scenario(steps), 0)]
    await harness.restart()
    return Catalog(harness.plans, registry(), harness.store, harness.clock)


async def go_on(harness: Harness, steps: str, run_id: int, choice: Choice = Choice.AGAIN) -> RunResult:
    catalog = await corrected(harness, steps)
    run = await held_run(harness.store, run_id)
    version = await current_version(harness.store, catalog, harness.clock, run, choice)
    return await resumed(harness, run_id, choice, version=version)


async def test_a_corrected_request_is_sent_and_nothing_that_was_done_is_done_again() -> None:
    harness, doubles = wrong(REFUSED, {"id": 7})
    async with harness:
        run_id = (await harness.run({"n": 1})).run.id
        result = await go_on(harness, STEPS.replace("{amount: ", "{cents: "), run_id)
        assert result.state == "succeeded"
        assert doubles["shop.charge"].configs == [{"amount": 2}, {"cents": 2}]
        assert [doubles[name].count for name in ("shop.get", "shop.pay", "shop.put")] == [1, 1, 1]
        assert result.run.version == harness.plans[0].version
        # the version stays, whoever takes the run up later
        assert [effect.state for effect in result.effects] == ["done", "refused", "done", "done"]


async def test_values_that_were_recorded_stay_when_the_file_would_compute_others() -> None:
    harness, doubles = wrong(REFUSED, {"id": 7})
    async with harness:
        run_id = (await harness.run({"n": 1})).run.id
        text = STEPS.replace("got.n + 1", "got.n + 100").replace('"${{ trigger.n }}"', '"${{ trigger.n + 5 }}"')
        assert (await go_on(harness, text, run_id)).state == "succeeded"
        assert doubles["shop.charge"].configs[-1] == {"amount": 2}


async def test_a_step_may_be_put_in_front_when_every_write_is_still_met() -> None:
    harness, doubles = wrong(REFUSED, {"id": 7})
    async with harness:
        run_id = (await harness.run({"n": 1})).run.id
        result = await go_on(harness, "- set: {x: 1}" + STEPS, run_id)
        assert result.state == "succeeded"
        assert [doubles[name].count for name in ("shop.get", "shop.pay", "shop.charge")] == [1, 1, 2]


async def test_it_survives_a_restart_in_the_middle() -> None:
    slow = errors.RateLimitError("slow down", retry_after=60.0)
    harness, doubles = wrong(REFUSED, slow, {"id": 7})
    async with harness:
        run_id = (await harness.run({"n": 1})).run.id
        assert (await go_on(harness, STEPS.replace("{amount: ", "{cents: "), run_id)).state == "sleeping"
        await harness.restart()
        await harness.clock.advance(60)
        assert (await harness.result(run_id)).state == "succeeded"
        assert doubles["shop.charge"].configs[1:] == [{"cents": 2}] * 2


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("id: first", "id: renamed", "first: it sent shop.pay, and the current file does not come by it"),
        ("shop.pay", "shop.put", "first: it called shop.pay, and the current file calls shop.put"),
        ("got.n > 0", "got.n > 5", r"@4\?: it was decided otherwise"),
        ("set: {total", "set: {x: 1, total", "set@2: it was decided otherwise"),
    ],
)
async def test_what_does_not_fit_is_named_and_nothing_changes(before: str, after: str, words: str) -> None:
    harness, _ = wrong(REFUSED, {"id": 7})
    async with harness:
        first = await harness.run({"n": 1})
        with pytest.raises(DoesNotFit, match=words):
            await go_on(harness, STEPS.replace(before, after, 1), first.run.id)
        now = await harness.look(first.run.id)
        assert (now.run._replace(epoch=0), now.records) == (first.run._replace(epoch=0), first.records)


READ_FIRST = """
- id: looked
  module: shop.get
  with: {}
- id: send
  module: shop.charge
  with: {amount: 1}
  on_error: hold
"""


async def test_a_finished_read_that_the_file_no_longer_makes_is_let_drop() -> None:
    script = Script(REFUSED, {})
    async with shop(READ_FIRST, {"shop.get": Script({}), "shop.charge": script}) as harness:
        run_id = (await harness.run({})).run.id
        assert (await go_on(harness, READ_FIRST[READ_FIRST.index("- id: send") :], run_id)).state == "succeeded"
        assert script.count == 2


@pytest.mark.parametrize("choice", [Choice.SKIP, Choice.HAPPENED])
async def test_a_word_about_a_step_needs_the_step(choice: Choice) -> None:
    steps = READ_FIRST.replace("shop.charge", "shop.call").replace("amount: 1", "method: GET")
    script = Script(REFUSED, {})
    async with shop(steps, {"shop.get": Script({}), "shop.call": script}) as harness:
        run_id = (await harness.run({})).run.id
        renamed = steps.replace("id: send", "id: read")
        with pytest.raises(DoesNotFit, match="send: the word is about this step"):
            await go_on(harness, renamed, run_id, choice)
        # read again under its new name
        assert (await go_on(harness, renamed, run_id)).state == "succeeded"


async def test_what_may_have_happened_is_sent_again_by_a_person_s_word_alone() -> None:
    harness, doubles = wrong(UNSURE, {"id": 7})
    async with harness:
        run_id = (await harness.run({"n": 1})).run.id
        result = await go_on(harness, STEPS.replace("{amount: ", "{cents: "), run_id)
        assert result.state == "succeeded"
        assert doubles["shop.charge"].configs == [{"amount": 2}, {"cents": 2}]
        assert [e.settled_by for e in result.effects if e.key == "send#1"] == ["person:"]


async def test_items_that_ran_side_by_side_are_met_again() -> None:
    steps = """
- id: both
  foreach: ${{ trigger.items }}
  concurrency: 2
  steps:
    - id: send
      module: shop.charge
      with: {n: "${{ item }}"}
"""
    sent: list[Any] = []

    def charge(config: Any) -> Any:
        sent.append(config)
        if config == {"n": 1}:
            raise UNSURE
        return {}

    async with shop(steps, {"shop.charge": charge}) as harness:
        run_id = (await harness.run({"items": [1, 2, 3]})).run.id
        done = len(sent)
        assert done > 1
        assert (await go_on(harness, steps.replace("{n:", "{m:"), run_id)).state == "succeeded"
        assert sent[done:][0] == {"m": 1}
        assert len(sent) == 4


async def test_a_failed_run_is_tried_again_under_the_current_file() -> None:
    harness, doubles = wrong(REFUSED, {"id": 7})
    plain = STEPS.replace("      on_error: hold\n", "")
    harness.plans[:] = [harness._load(scenario(plain), 0)]
    async with harness:
        run = (await harness.run({"n": 1})).run
        catalog = await corrected(harness, plain.replace("{amount: ", "{cents: "))
        run = (await harness.look(run.id)).run
        version = await current_version(harness.store, catalog, harness.clock, run, Choice.AGAIN)
        await retry(harness.store, run.id, harness.clock.time(), version=version)
        harness.runner.wake()
        assert (await harness.result(run.id)).state == "succeeded"
        assert doubles["shop.charge"].configs == [{"amount": 2}, {"cents": 2}]


async def test_a_diverged_run_goes_on_with_what_was_recorded() -> None:
    """The journal holds another request than the file makes: under the current file what is recorded stays."""
    harness, doubles = wrong(errors.RateLimitError("slow down", retry_after=60.0), {"id": 7})
    async with harness:
        run_id = (await harness.run({"n": 1})).run.id
        [record] = (await harness.look(run_id)).records
        await harness.store.put(AddRecord(record._replace(request_hash="0" * 32)))
        await harness.clock.advance(60)
        assert (await harness.result(run_id)).holds[0]["code"] == "diverged"
        # let go on as it is it diverges again
        assert (await resumed(harness, run_id, Choice.AGAIN)).holds[0]["code"] == "diverged"
        assert (await go_on(harness, STEPS + "- set: {end: 1}\n", run_id)).state == "succeeded"
        assert doubles["shop.get"].count == 1


async def test_without_another_file_there_is_nothing_to_change() -> None:
    harness, _ = wrong(REFUSED)
    async with harness:
        run = (await harness.run({"n": 1})).run
        catalog = Catalog(harness.plans, registry(), harness.store, harness.clock)
        with pytest.raises(DoesNotFit, match="has the current file already") as told:
            await current_version(harness.store, catalog, harness.clock, run, Choice.AGAIN)
        assert "stop `engine serve` and start it again" in (told.value.hint or "")
        with pytest.raises(DoesNotFit, match="is not loaded"):
            await current_version(
                harness.store, Catalog([], registry(), harness.store, harness.clock), harness.clock, run, Choice.AGAIN
            )


@pytest.mark.parametrize("point", ["store.begin", "store.commit", "store.committed"])
async def test_a_process_that_dies_over_the_word_has_changed_all_or_nothing(point: str) -> None:
    harness, doubles = wrong(REFUSED, {"id": 7})
    async with harness:
        run_id = (await harness.run({"n": 1})).run.id
        catalog = await corrected(harness, STEPS.replace("{amount: ", "{cents: "))
        run = await held_run(harness.store, run_id)
        version = await current_version(harness.store, catalog, harness.clock, run, Choice.AGAIN)
        faults = CrashAt()
        await harness.restart(faults)
        faults.point, faults.nth, faults.hits = point, 1, {}
        word = resume(harness.store, run_id, Choice.AGAIN, harness.clock.time(), version=version)
        life, death = asyncio.ensure_future(word), asyncio.ensure_future(faults.death())
        await asyncio.wait({life, death}, return_when=asyncio.FIRST_COMPLETED)
        life.cancel()
        death.cancel()
        await asyncio.gather(life, death, return_exceptions=True)
        assert faults.crashed
        await harness.restart()
        result = await harness.result(run_id)
        if result.state == "held":
            assert (result.run.version, [r for r in result.records if r.kind == "settled"]) == (run.version, [])
            result = await resumed(harness, run_id, Choice.AGAIN, version=version)
        assert (result.state, result.run.version) == ("succeeded", version)
        assert doubles["shop.charge"].configs == [{"amount": 2}, {"cents": 2}]


WAITED = """
- id: seen
  wait_for: {signal: seen}
- id: each
  foreach: ${{ [1, 2] }}
  concurrency: 2
  steps:
    - if: ${{ item == 1 }}
      steps:
        - id: later
          wait_for: {signal: later}
    - id: send
      module: shop.charge
      with: {n: "${{ item + SUMMAND }}"}
      on_error: hold
- id: last
  wait_for: {signal: last}
"""


async def test_waits_are_answered_as_before_and_those_that_are_open_stay_so() -> None:
    doubles = {"shop.charge": Script(REFUSED, {})}
    async with shop(WAITED.replace("SUMMAND", "seen"), doubles) as harness:
        run_id = (await harness.run({"n": 1})).run.id
        assert await harness.signal("seen", data=5) == 1
        await harness.clock.settle()
        await harness.clock.advance(10)
        assert await harness.signal("later") == 1
        result = await harness.result(run_id)
        assert result.state == "held"
        with pytest.raises(DoesNotFit, match="does not come by it"):
            await go_on(
                harness, "- id: first\n  wait_for: {signal: first}\n" + WAITED.replace("SUMMAND", "seen"), run_id
            )
        result = await go_on(harness, WAITED.replace("SUMMAND", "seen + 1"), run_id)
        assert (result.state, doubles["shop.charge"].configs[-1]) == ("waiting", {"n": 8})
        assert await harness.signal("last") == 1
        assert (await harness.result(run_id)).state == "succeeded"


ROUTED = """
- %sroute:
    - name: large
      if: ${{ trigger.n > 0 }}
      steps:
        - set: {a: 1}
        - id: send
          module: shop.charge
          with: {}
          on_error: hold
"""


@pytest.mark.parametrize(
    ("name", "before", "after", "words"),
    [
        ("id: way\n  ", "name: large", "name: big", "way: the journal has it that 'large' was taken here"),
        ("", "n > 0", "n > 9", "route@1.routes: it was decided otherwise there"),
        # what stands in a route without an id is known by its place too
        ("id: way\n  ", "set: {a: 1}", "set: {b: 1}", "way/1.set@1: it was decided otherwise there"),
    ],
)
async def test_a_route_that_was_taken_must_still_be_there(name: str, before: str, after: str, words: str) -> None:
    async with shop(ROUTED % name, {"shop.charge": Script(REFUSED, {})}) as harness:
        run_id = (await harness.run({"n": 1})).run.id
        with pytest.raises(DoesNotFit, match=words):
            await go_on(harness, (ROUTED % name).replace(before, after), run_id)
        assert (await go_on(harness, "- set: {x: 1}" + ROUTED % name, run_id)).state == "succeeded"
