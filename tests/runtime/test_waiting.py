"""``wait_for``: signals, approvals and events, in whatever order they come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.runtime.answers import AnswerRefused
from engine.runtime.commands import cancel
from engine.sdk import errors, jsontext
from engine.store.records import DeliveryState
from engine.store.waits import WaitState
from engine.testing import Harness
from tests.runtime.core import Script, shop, with_head

SIGNAL = """
- id: stock
  wait_for: {signal: stock-arrived, key: "${{ trigger.sku }}", timeout: 2h}
- stop: success
  output: ${{ stock }}
"""
APPROVAL = """
- id: ok
  wait_for: {approval: "Refund ${{ trigger.total }} to ${{ trigger.email }}?", timeout: 2h}
  on_timeout:
    - set: {late: true}
- stop: success
  output: {ok: "${{ ok.approved }}", late: "${{ vars.late || `false` }}"}
"""
LINKED = """
- id: mail
  module: shop.charge
  with: {link: "${{ approval_link('ok') }}"}
- id: ok
  wait_for: {approval: Is it right?}
- stop: success
  output: ${{ ok }}
"""
PAID = """
- id: paid
  wait_for:
    module: shop.watch
    with: {types: [paid]}
    match: ${{ event.order == trigger.order and event.total > trigger.least }}
    timeout: 1h
- stop: success
  output: ${{ paid.total }}
"""
HOUR = 3600.0


def in_memory(harness: Harness) -> int:
    return len(harness.runner._tasks)


# ---------------------------------------------------------------------- signals


async def test_a_run_leaves_memory_and_goes_on_with_the_signals_data() -> None:
    async with shop(SIGNAL, {}) as harness:
        result = await harness.run({"sku": "a"})
        await harness.clock.settle()
        assert (result.state, result.run.due_at) == ("waiting", harness.clock.time() + 2 * HOUR)
        assert in_memory(harness) == 0
        assert await harness.signal("stock-arrived", "b") == 0
        assert await harness.signal("other", "a") == 0
        assert await harness.signal("stock-arrived", "a", {"count": 7}) == 1
        result = await harness.result(result.run.id)
        assert (result.state, result.output) == ("succeeded", {"count": 7})
        assert await harness.signal("stock-arrived", "a") == 0


async def test_a_signal_over_a_restart() -> None:
    async with shop(SIGNAL, {}) as harness:
        run_id = (await harness.run({"sku": 7})).run.id
        await harness.restart()
        assert (await harness.result(run_id)).state == "waiting"
        assert await harness.signal("stock-arrived", "7", 1) == 1
        assert (await harness.result(run_id)).output == 1


async def test_a_wait_that_nobody_answers_fails_the_step_in_time() -> None:
    async with shop(SIGNAL, {}) as harness:
        run_id = (await harness.run({"sku": "a"})).run.id
        await harness.clock.advance(2 * HOUR - 1)
        assert (await harness.result(run_id)).state == "waiting"
        await harness.clock.advance(1)
        result = await harness.result(run_id)
        assert (result.state, result.error["code"], result.error["step"]) == ("failed", "timeout", "stock")
        assert "2h" in result.error["message"]
        assert await harness.signal("stock-arrived", "a") == 0


async def test_a_failed_wait_is_waited_for_anew_when_a_person_says_so() -> None:
    async with shop(SIGNAL.replace("timeout: 2h}", "timeout: 2h}\n  on_error: hold"), {}) as harness:
        run_id = (await harness.run({"sku": "a"})).run.id
        await harness.clock.advance(2 * HOUR)
        assert (await harness.result(run_id)).holds[0]["step"] == "stock"
        result = await harness.resume(run_id, "again")
        assert (result.state, result.run.due_at) == ("waiting", harness.clock.time() + 2 * HOUR)
        assert await harness.signal("stock-arrived", "a", 2) == 1
        assert (await harness.result(run_id)).output == 2


async def test_a_kept_signal_waits_for_the_runs_that_come_one_each() -> None:
    async with shop(SIGNAL, {}) as harness:
        assert await harness.signal("stock-arrived", "a", 1, keep=60) == 0
        assert await harness.signal("stock-arrived", "a", 2, keep=60) == 0
        results = [await harness.run({"sku": "a"}) for _ in range(3)]
        assert [(r.state, r.output) for r in results] == [("succeeded", 1), ("succeeded", 2), ("waiting", None)]


@pytest.mark.parametrize("key", [None, True, {}, ""])
async def test_a_key_that_is_none_fails_the_run(key: Any) -> None:
    async with shop(SIGNAL, {}) as harness:
        result = await harness.run({"sku": key})
        assert (result.state, result.error["code"]) == ("failed", "expression-error")


async def test_a_wait_without_an_end_waits_for_ever() -> None:
    async with shop(SIGNAL.replace(", timeout: 2h", ""), {}) as harness:
        result = await harness.run({"sku": "a"})
        assert (result.state, result.run.due_at) == ("waiting", None)
        harness.clock.jump(3650 * 24 * HOUR)
        await harness.clock.advance(10)
        assert (await harness.look(result.run.id)).state == "waiting"


async def test_a_short_wait_stays_in_memory_and_hears_the_answer_there() -> None:
    async with shop(SIGNAL.replace("2h", "4s"), {}) as harness:
        [run_id] = (await harness.send({"sku": "a"})).runs
        await harness.clock.settle()
        assert ((await harness.look(run_id)).state, in_memory(harness)) == ("running", 1)
        assert await harness.signal("stock-arrived", "a", 3) == 1
        assert (await harness.result(run_id)).output == 3


async def test_the_branches_of_a_loop_wait_at_once_and_each_gets_its_own() -> None:
    steps = """
- id: all
  foreach: ${{ trigger.skus }}
  concurrency: 3
  collect: ${{ stock }}
  steps:
    - id: stock
      wait_for: {signal: stock, key: "${{ item }}"}
- stop: success
  output: ${{ all }}
"""
    async with shop(steps, {}) as harness:
        run_id = (await harness.run({"skus": ["a", "b", "c"]})).run.id
        for number, key in enumerate("cab"):
            assert await harness.signal("stock", key, number) == 1
            await harness.result(run_id)
        result = await harness.result(run_id)
        assert (result.state, result.output) == ("succeeded", [1, 2, 0])


async def test_an_answer_reaches_a_run_whose_other_branch_is_at_work() -> None:
    steps = """
- foreach: ${{ ['wait', 'work'] }}
  concurrency: 2
  steps:
    - if: ${{ item == 'wait' }}
      steps:
        - id: stock
          wait_for: {signal: stock}
        - id: after
          module: shop.get
          with: {}
      else:
        - id: work
          module: shop.put
          with: {}
"""
    go_on, called = asyncio.Event(), Script({})

    async def work(_config: Any) -> Any:
        await go_on.wait()
        return {}

    async with shop(steps, {"shop.get": called, "shop.put": work}) as harness:
        [run_id] = (await harness.send({})).runs
        await harness.clock.settle()
        assert await harness.signal("stock") == 1
        await harness.clock.settle()
        assert ((await harness.look(run_id)).state, called.count) == ("running", 1)
        go_on.set()
        assert (await harness.result(run_id)).state == "succeeded"


async def test_a_timeout_around_a_wait_closes_it() -> None:
    steps = "- timeout: 1h\n  on_error: ignore\n  steps:\n    - id: s\n      wait_for: {signal: s}\n- sleep: 1h\n"
    async with shop(steps, {}) as harness:
        run_id = (await harness.run({})).run.id
        await harness.clock.advance(3600)
        assert (await harness.result(run_id)).state == "sleeping"
        assert await harness.signal("s") == 0
        await harness.clock.advance(3600)
        assert (await harness.result(run_id)).state == "succeeded"


async def test_a_cancelled_run_waits_for_nothing() -> None:
    async with shop(SIGNAL, {}) as harness:
        run_id = (await harness.run({"sku": "a"})).run.id
        await cancel(harness.store, run_id, harness.clock.time())
        assert await harness.signal("stock-arrived", "a") == 0
        assert [wait.state for wait in await harness.store.waits.of_run(run_id)] == [WaitState.CLOSED]


async def test_a_clock_set_forward_ends_a_wait_once_and_set_back_never_again() -> None:
    async with shop(APPROVAL, {}) as harness:
        run_id = (await harness.run({"total": 5, "email": "a"})).run.id
        harness.clock.jump(3 * HOUR)
        await harness.clock.advance(10)
        assert (await harness.result(run_id)).output == {"ok": None, "late": True}
        harness.clock.jump(-3 * HOUR)
        await harness.clock.advance(4 * HOUR)
        assert (await harness.result(run_id)).state == "succeeded"


# ---------------------------------------------------------------------- approvals


@pytest.mark.parametrize("yes", [True, False])
async def test_a_person_says_yes_or_no(yes: bool) -> None:
    async with shop(APPROVAL, {}) as harness:
        result = await harness.run({"total": 5, "email": "ana@example.com"})
        [wait] = await harness.store.waits.of_run(result.run.id)
        assert jsontext.loads(wait.detail or b"")["text"] == "Refund 5 to ana@example.com?"
        result = await harness.approve(result.run.id, yes=yes, comment="seen")
        assert result.output == {"ok": yes, "late": False}
        [row] = result.records
        answer = jsontext.loads(row.output or b"")
        assert (answer["by"], answer["comment"], answer["approved"]) == ("test", "seen", yes)
        with pytest.raises(AnswerRefused):
            await harness.approve(result.run.id)


async def test_on_timeout_takes_the_place_of_the_failure() -> None:
    async with shop(APPROVAL, {}) as harness:
        run_id = (await harness.run({"total": 5, "email": "a"})).run.id
        await harness.clock.advance(2 * HOUR)
        result = await harness.result(run_id)
        assert (result.state, result.output) == ("succeeded", {"ok": None, "late": True})


async def test_a_link_is_out_before_the_question_is_asked_and_an_early_answer_is_kept() -> None:
    links: list[str] = []
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def mail(config: Any) -> Any:
        links.append(config["link"])
        arrived.set()
        await go_on.wait()
        return {}

    async with shop(LINKED, {"shop.charge": mail}) as harness:
        [run_id] = (await harness.send({})).runs
        await arrived.wait()
        [wait] = await harness.store.waits.of_run(run_id)
        assert wait.state is WaitState.ANNOUNCED
        assert links == [f"http://127.0.0.1:8080/approve/{wait.token}"]
        assert len(wait.token or "") >= 22
        await _answer(harness, wait)
        go_on.set()
        result = await harness.result(run_id)
        assert (result.state, result.output["approved"]) == ("succeeded", True)


async def _answer(harness: Harness, wait: Any) -> None:
    from engine.runtime.answers import approve

    await approve(harness.store, harness.runner, wait, harness.clock.time(), yes=True)


async def test_the_same_link_goes_out_when_the_mail_is_sent_again() -> None:
    links: list[str] = []

    def mail(config: Any) -> Any:
        links.append(config["link"])
        if len(links) == 1:
            raise errors.RateLimitError("later", retry_after=60, refused=True)
        return {}

    async with shop(LINKED, {"shop.charge": mail}) as harness:
        run_id = (await harness.run({})).run.id
        await harness.restart()
        harness.runner.links.base = "https://moved.example.com"
        await harness.clock.advance(60)
        assert (await harness.result(run_id)).state == "waiting"
        assert links[0] == links[1]


async def test_links_inside_a_loop_lead_to_the_items_own_question() -> None:
    steps = """
- id: all
  foreach: ${{ trigger.items }}
  concurrency: 2
  collect: ${{ ok.approved }}
  steps:
    - id: mail
      module: shop.charge
      with: {item: "${{ item }}", link: "${{ approval_link('ok') }}"}
    - id: ok
      wait_for: {approval: "Is ${{ item }} right?"}
- stop: success
  output: ${{ all }}
"""
    script = Script({})
    async with shop(steps, {"shop.charge": script}) as harness:
        run_id = (await harness.run({"items": ["a", "b"]})).run.id
        links = {config["item"]: config["link"] for config in script.configs}
        waits = {wait.key: wait for wait in await harness.store.waits.of_run(run_id)}
        assert links["b"].endswith(waits["all[1]/ok#1"].token)
        with pytest.raises(AnswerRefused, match=r"all\[0\]/ok, all\[1\]/ok"):
            await harness.approve(run_id)
        await harness.approve(run_id, step="all[1]/ok", yes=False)
        result = await harness.approve(run_id, step="all[0]/ok")
        assert result.output == [True, False]


ASIDE = """
- id: all
  foreach: ${{ ['a', 'b'] }}
  steps:
    - id: pay
      module: shop.pay
      with: {item: "${{ item }}"}
      on_error:
        - id: mail
          module: shop.charge
          with: {link: "${{ approval_link('ok') }}"}
        - id: ok
          wait_for: {approval: "Pay ${{ item }} by hand?"}
      finally:
        - if: ${{ item == 'b' }}
          steps:
            - id: sure
              wait_for: {approval: Sure?}
"""


async def test_links_lead_to_questions_of_handlers_and_of_cleaning_up() -> None:
    mail, pay = Script({}), Script(errors.DataError("no", refused=True), {})
    async with shop(ASIDE, {"shop.charge": mail, "shop.pay": pay}) as harness:
        run_id = (await harness.run({})).run.id
        [wait] = await harness.store.waits.of_run(run_id)
        assert (wait.key, wait.state) == ("all[0]/pay!handler/ok#1", WaitState.OPEN)
        assert mail.configs[0]["link"].endswith(wait.token or "?")
        result = await harness.approve(run_id)
        [wait] = [wait for wait in await harness.store.waits.of_run(run_id) if wait.state is WaitState.OPEN]
        assert (result.state, wait.key) == ("waiting", "all[1]/pay!finally/sure#1")
        assert (await harness.approve(run_id)).state == "succeeded"


ABOUT_TO_UNDO = """
- id: pay
  module: shop.pay
  with: {link: "${{ approval_link('sure') }}"}
  undo:
    - id: sure
      wait_for: {approval: Take it back?, timeout: 1h}
      on_timeout:
        - set: {late: true}
    - id: back
      module: shop.put
      with: {}
- id: wrong
  module: shop.charge
  with: {link: "${{ approval_link('told') }}"}
  on_error: rollback
"""
TOLD = """
on_failure:
  - id: told
    wait_for: {approval: Have you seen it?}
"""


async def test_links_lead_to_questions_of_undoing_and_of_failing() -> None:
    pay, wrong = Script({}), Script(errors.DataError("no", refused=True))
    doubles = {"shop.pay": pay, "shop.charge": wrong, "shop.put": Script({})}
    async with with_head(TOLD, ABOUT_TO_UNDO, doubles) as harness:
        run_id = (await harness.run({})).run.id
        links = {pay.configs[0]["link"]: "undo/pay/sure#1", wrong.configs[0]["link"]: "on_failure/told#1"}
        for link, key in links.items():
            [wait] = [wait for wait in await harness.store.waits.of_run(run_id) if wait.state is WaitState.OPEN]
            assert (wait.key, link.endswith(wait.token or "?")) == (key, True)
            result = await harness.approve(run_id)
        assert result.state == "failed"


# ---------------------------------------------------------------------- events


def event(**fields: Any) -> dict[str, Any]:
    return {"type": "paid", **fields}


async def paid_by(harness: Harness, **fields: Any) -> Any:
    return await harness.send(event(**fields))


async def test_the_event_that_matches_goes_to_the_run_that_waits_for_it() -> None:
    async with _orders() as harness:
        first = (await harness.run({"type": "order", "order": 1, "least": 10})).run.id
        second = (await harness.run({"type": "order", "order": 2.0, "least": 10})).run.id
        assert (await harness.look(second)).state == "waiting"
        for fields in (
            {"order": 2, "total": 10},
            {"order": 3, "total": 99},
            {"total": 99},
            {"order": "2", "total": 99},
        ):
            accepted = await paid_by(harness, **fields)
            assert [d.state for d in accepted.deliveries] == [DeliveryState.FILTERED]
        accepted = await paid_by(harness, order=2, total=11)
        assert [(d.state, d.run_id) for d in accepted.deliveries] == [("filtered", None), ("run", second)]
        assert accepted.runs == ()
        assert (await harness.result(second)).output == 11
        assert (await harness.look(first)).state == "waiting"


def _orders() -> Harness:
    from tests.support.shop import registry, scenario

    source = scenario(PAID).replace(
        "  module: shop.watch\nsteps", "  module: shop.watch\n  with: {types: [order]}\nsteps"
    )
    return Harness([source], registry=registry())


async def test_an_event_after_a_restart_and_one_after_the_timeout() -> None:
    async with _orders() as harness:
        runs = [(await harness.run({"type": "order", "order": n, "least": 0})).run.id for n in (1, 2)]
        await harness.restart()
        await paid_by(harness, order=1, total=5)
        assert (await harness.result(runs[0])).output == 5
        await harness.clock.advance(3600)
        assert (await harness.result(runs[1])).state == "failed"
        accepted = await paid_by(harness, order=2, total=5)
        assert [d.state for d in accepted.deliveries] == ["filtered"]


async def test_a_null_that_any_event_would_match_fails_the_step() -> None:
    async with _orders() as harness:
        result = await harness.run({"type": "order", "least": 0})
        assert (result.state, result.error["code"]) == ("failed", "expression-error")
        assert "null" in result.error["message"]


async def test_an_event_that_starts_a_run_answers_another_too() -> None:
    steps = """
- if: ${{ trigger.first }}
  steps:
    - id: next
      wait_for: {webhook: shared, match: "${{ event.who == trigger.who }}"}
- stop: success
  output: ${{ next.n }}
"""
    async with shop(steps, {}) as harness:
        first = (await harness.run({"first": True, "who": "ana"})).run.id
        accepted = await harness.intake.accept("shared", harness.plans, _delivery(harness, {"who": "ana", "n": 2}))
        assert len(accepted.runs) == 1
        assert [d.run_id for d in accepted.deliveries] == [*accepted.runs, first]
        assert (await harness.result(first)).output == 2
        stored = await harness.store.deliveries([accepted.receipt_id])
        assert [(d.number, d.state) for d in stored] == [(0, "run"), (1, "run")]


async def test_an_event_that_only_a_waiting_run_wants_is_not_parked() -> None:
    steps = '- id: next\n  wait_for: {webhook: shared, match: "${{ event.who == trigger.who }}"}\n'
    async with shop(steps, {}) as harness:
        run_id = (await harness.run({"who": "ana"})).run.id
        nobody = await harness.intake.accept("shared", [], _delivery(harness, {"who": "bo"}))
        assert [d.state for d in nobody.deliveries] == [DeliveryState.PARKED]
        taken = await harness.intake.accept("shared", [], _delivery(harness, {"who": "ana"}))
        assert [(d.state, d.run_id) for d in taken.deliveries] == [(DeliveryState.RUN, run_id)]
        assert (await harness.result(run_id)).state == "succeeded"


def _delivery(harness: Harness, body: Any) -> Any:
    from engine.sdk.clock import utc
    from engine.sdk.modules import Delivery

    headers = {"content-type": "application/json"}
    return Delivery("POST", headers, {}, jsontext.dumps(body), body, utc(harness.clock.time()))
