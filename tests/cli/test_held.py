"""What a person is told of runs that do not go on, and how a word on one of them is taken."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from engine.cli.console import coloured
from engine.runtime.host import STORE_FILE
from engine.runtime.states import State
from engine.store.ids import read
from engine.store.lanes import ACTIVE, AWAY, Standing
from tests.cli.conftest import Program, Shop

SCENARIO = "scenarios/order.yaml"


def with_hold(shop: Shop, how: str = "hold") -> None:
    text = (shop.root / SCENARIO).read_text()
    shop.write(SCENARIO, text.replace("  - id: send\n", f"  - id: send\n    on_error: {how}\n"))


def held(shop: Shop, mode: str = "refused", **event: str) -> str:
    """The id of a run that is held at ``send``."""
    shop.write("calls.txt", "")
    shop.engine("run", SCENARIO, "--event", shop.event(mode=mode, **event))
    return str(shop.json("runs", "--state", "held")["runs"][0]["id"])


def mend(shop: Shop) -> None:
    module = shop.root / "modules" / "shop.py"
    module.write_text(module.read_text().replace('mode == "refused"', 'mode == "never"'))


def stand(shop: Shop, *rows: Standing) -> None:
    """Give runs their places in lanes, as their scenario's key would have."""
    [file] = shop.root.rglob(STORE_FILE)
    with closing(sqlite3.connect(file)) as db, db:
        db.executemany(
            "insert into lanes(run_id, lane, most, holds, replaces, standing) values(?, ?, ?, ?, ?, ?)", rows
        )


def in_line(shop: Shop) -> tuple[str, str]:
    """Two held runs of one key: the first has its place, the second has given it away."""
    with_hold(shop)
    first, second = held(shop), held(shop)
    place = Standing(read(first), "order/ana", 1, True, False, ACTIVE)
    stand(shop, place, place._replace(run_id=read(second), holds=False, standing=AWAY))
    return first, second


def test_what_the_step_could_see_is_shown_with_the_choices(shop: Shop) -> None:
    with_hold(shop)
    run_id = held(shop, "unknown")
    text = shop.engine("runs", "show", run_id).stdout
    seen, _, rest = text.partition("it could see")[2].partition("held at send")
    assert "ana@example.com" in seen
    assert '"name":"Ana"' in seen
    assert "'unknown': no answer came" in rest
    assert "in scenarios/order.yaml:13:5" in rest
    assert shop.json("runs", "show", run_id)["holds"][0]["place"].endswith("order.yaml:13:5")
    for choice in ("--happened", "--send-again", "--skip", "--give-up"):
        assert choice in rest


def test_a_word_on_a_run_whose_key_is_taken_says_behind_whom_it_waits(shop: Shop) -> None:
    first, second = in_line(shop)
    mend(shop)
    result = shop.engine("runs", "resume", second, "--send-again")
    # it comes to its end: nothing but a person moves the first one on
    assert (result.exit_code, "blocked" in result.stdout) == (1, True), result.output
    assert f"run {first}, which is held, has the place of 'order/ana'" in result.stdout
    assert f"waits for its turn behind run {first}, which is held" in shop.engine("runs", "show", second).stdout
    waits = shop.json("runs", "show", second)["waits_for"]
    assert (waits["for"], waits["behind"], waits["behind_state"]) == ("lane", first, "held")
    listed = shop.engine("runs", "--state", "blocked").stdout
    assert f"its turn behind run {first}, which is held" in listed
    assert first not in listed.splitlines()[1].split()[0]
    # a word on the first lets both go on
    assert shop.engine("runs", "resume", first, "--give-up").exit_code == 0
    assert shop.json("runs", "show", second)["state"] == "queued"
    assert "nobody executes this store" in shop.engine("runs").stderr


def test_an_event_behind_a_held_run_of_its_key_is_not_waited_for(shop: Shop) -> None:
    text = (shop.root / SCENARIO).read_text()
    shop.write(SCENARIO, text.replace("scenario: order\n", "scenario: order\norder_by: ${{ trigger.email }}\n"))
    with_hold(shop)
    first = held(shop)
    result = shop.engine("run", SCENARIO, "--event", shop.event())
    assert (result.exit_code, "order blocked" in result.stdout) == (1, True), result.output
    assert f"run {first}, which is held, has the place of 'order/ana@example.com'" in result.stdout
    [second] = shop.json("runs", "--state", "blocked")["runs"]
    mend(shop)
    assert shop.engine("runs", "resume", first, "--send-again").exit_code == 0
    assert shop.json("runs", "show", second["id"])["state"] in ("queued", "running", "succeeded")


def test_many_are_told_how_many_have_to_wait(shop: Shop) -> None:
    _, second = in_line(shop)
    mend(shop)
    result = shop.engine("runs", "resume", "--held", "--send-again", "--limit", "1", "--yes")
    assert "1 run of them had to wait" in result.stdout, result.output
    assert shop.json("runs", "show", second)["state"] == "blocked"


def test_beside_a_running_process_the_state_that_it_has_now_is_told(shop: Shop, start: Callable[..., Program]) -> None:
    first, second = in_line(shop)
    mend(shop)
    program = start("serve", "--port", "0")
    program.line("scenario:order")
    result = shop.engine("runs", "resume", second, "--send-again")
    assert f"run {second} is blocked now" in result.stdout, result.output
    assert f"run {first}, which is held" in result.stdout
    shop.engine("runs", "resume", first, "--send-again")
    assert program.line("succeeded")
    assert program.line("succeeded")
    assert program.end(signal.SIGTERM)[0] == 0


def test_the_next_try_is_shown_and_that_nobody_makes_it(shop: Shop) -> None:
    with_hold(shop, "{hold: {retry: [10m, 1h]}}")
    run_id = held(shop)
    text = shop.engine("runs", "show", run_id).stdout
    assert "tried again by itself" in text
    assert "try 1 of 2" in text
    [hold] = shop.json("runs", "show", run_id)["holds"]
    assert hold["next_try"] == hold["due_at"] > 0
    # a schedule needs somebody who executes the store
    assert "nobody executes this store" in shop.engine("runs").stderr
    # one without tries waits for a person alone
    shop.engine("runs", "resume", run_id, "--give-up")
    assert "nobody executes this store" not in shop.engine("runs").stderr


def test_an_output_that_the_step_would_not_give_needs_force(shop: Shop) -> None:
    module = shop.root / "modules" / "shop.py"
    shape = 'output={"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}, '
    module.write_text(module.read_text().replace('Action(name="send", ', f'Action(name="send", {shape}'))
    with_hold(shop)
    run_id = held(shop, "unknown")
    result = shop.engine("runs", "resume", run_id, "--happened", "--output", '{"id": "seven"}')
    assert (result.exit_code, "error[unlike-output]" in result.stderr) == (1, True), result.output
    assert "shop.send gives no such output" in result.stderr
    assert "--force" in result.stderr
    assert shop.json("runs", "show", run_id)["state"] == "held"
    result = shop.engine("runs", "resume", run_id, "--happened", "--output", '{"id": "seven"}', "--force")
    assert (result.exit_code, "output seven" in result.stdout) == (0, True), result.output


def test_one_that_fits_or_is_nothing_needs_no_force(shop: Shop) -> None:
    with_hold(shop)
    run_id = held(shop, "unknown")
    assert shop.engine("runs", "resume", run_id, "--happened", "--output", '{"id": 7}').exit_code == 0
    run_id = held(shop, "unknown")
    assert shop.engine("runs", "resume", run_id, "--happened", "--output", "null").exit_code == 0
    result = shop.engine("runs", "resume", run_id, "--skip", "--force")
    assert (result.exit_code, "--force goes with --happened" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("commit", ["ended at send, which failed", "`on_error` is `commit`"]),
        ("rollback", ["error    data-error", "rolled back: what it had done before is undone"]),
    ],
)
def test_how_a_run_ended_is_told_in_words(shop: Shop, how: str, words: list[str]) -> None:
    with_hold(shop, how)
    shop.engine("run", SCENARIO, "--event", shop.event(mode="refused"))
    text = shop.engine("runs", "show", shop.json("runs")["runs"][0]["id"]).stdout
    for word in words:
        assert word in text, text


def test_a_handler_that_failed_too_is_told(shop: Shop) -> None:
    text = (shop.root / SCENARIO).read_text()
    tail = "on_failure:\n  - id: tell\n    module: shop.send\n    with: {mode: refused}\n"
    shop.write(SCENARIO, text + tail)
    shop.engine("run", SCENARIO, "--event", shop.event(mode="refused"))
    run_id = shop.json("runs")["runs"][0]["id"]
    assert shop.json("runs", "show", run_id)["on_failure"]["step"].endswith("tell")
    assert "its `on_failure` failed too" in shop.engine("runs", "show", run_id).stdout


def test_every_state_can_be_asked_for_and_has_a_colour(shop: Shop) -> None:
    for state in State:
        assert shop.engine("runs", "--state", str(state)).exit_code == 0
        assert coloured(state) != str(state)


def test_a_command_on_many_that_is_killed_is_given_again(shop: Shop, start: Callable[..., Program]) -> None:
    """A real process over a real file: each run gets the word once, and nothing is sent twice."""
    number = 300
    module = shop.root / "modules" / "shop.py"
    text = module.read_text().replace('calls("send")', 'calls("send:" + call.config["to"])')
    several = 'return [Event(body=one, subject=one["email"]) for one in delivery.body["orders"]]'
    module.write_text(text.replace('return [Event(body=delivery.body, subject=delivery.body.get("email"))]', several))
    shop.write(SCENARIO, (shop.root / SCENARIO).read_text().replace("  with: {kind: order}\n", ""))
    with_hold(shop)
    orders = [{"mode": "refused", "email": f"{n}@example.com"} for n in range(number)]
    shop.engine("run", SCENARIO, "--event", shop.event(orders=orders))
    assert shop.json("runs")["counts"] == {"held": number}
    shop.write("calls.txt", "")
    mend(shop)
    program = start("runs", "resume", "--held", "--send-again", "--yes")
    assert program.process.stderr is not None
    while b"so far" not in (line := program.process.stderr.readline()):
        assert line, "it ended before it said how far it was"
    program.end(signal.SIGKILL)
    left = shop.json("runs")["counts"].get("held", 0)
    assert left < number
    document = shop.json("runs", "resume", "--held", "--send-again", "--yes")
    assert len(document["done"]) + len(document["refused"]) == left
    # what was under way when the process died is not known, and waits for a person; nothing is left without a word
    runs = shop.json("runs", "--limit", str(number))["runs"]
    assert {hold["code"] for run in runs for hold in run["holds"]} <= {"unknown"}
    [file] = shop.root.rglob(STORE_FILE)
    with closing(sqlite3.connect(file)) as db:
        words = db.execute("select count(*) from journal where kind = 'settled' group by run_id").fetchall()
    assert words == [(1,)] * number
    sent = (shop.root / "calls.txt").read_text().split()
    assert len(sent) == len(set(sent))
