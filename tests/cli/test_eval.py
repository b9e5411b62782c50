"""Expressions are tried on real data: by command, from a file, at a prompt with completion."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from engine.cli.expressions import offers, unfinished
from engine.cli.prompt import Names, Prompt
from engine.runtime.redact import Redactor
from tests.cli.conftest import PATIENCE, Shop

DATA = {
    "trigger": {"email": "ana@example.com", "odd key": 1, "orders": [{"total": 5, "sku": "a"}], "api_key": "k1k2k3k4"},
    "request": {},
}


def offered(before: str) -> list[str]:
    return [offer.text for offer in offers(before, DATA) if not offer.text.endswith("(")]


@pytest.mark.parametrize(
    ("before", "texts"),
    [
        ("tr", ["trigger"]),
        ("trigger.", ["email", '"odd key"', "orders", "api_key"]),
        ("trigger.e", ["email"]),
        ("length(trigger.or", ["orders"]),
        ("trigger.orders[0].", ["total", "sku"]),
        ("trigger.orders[*].s", ["sku"]),
        ("trigger.orders[?to", ["total"]),
        ("trigger.orders[?total > 1 && sk", ["sku"]),
        ("trigger.orders[?sku == $.trigger.em", ["email"]),
        ("trigger.orders[?@.to", ["total"]),
        ("trigger.email == 'tr", []),
        ("trigger.nothing.", []),
        ('trigger."odd', ['"odd key"']),
    ],
)
def test_what_can_stand_at_the_cursor_is_offered(before: str, texts: list[str]) -> None:
    assert offered(before) == texts


def test_functions_are_offered_with_their_signatures() -> None:
    [offer] = [offer for offer in offers("trigger.email == to_nu", DATA) if offer.text.endswith("(")]
    assert offer.text == "to_number("
    assert offer.meta.startswith("to_number(")
    assert "→" in offer.meta


def test_secrets_are_not_offered_with_their_values() -> None:
    names = Names(DATA, {":quit": "leave"}, Redactor())
    found = list(names.get_completions(Document("trigger.api"), CompleteEvent()))
    assert [completion.text for completion in found] == ["api_key"]
    assert "k1k2" not in str(found[0].display_meta)
    assert [c.text for c in names.get_completions(Document(":q"), CompleteEvent())] == [":quit"]


@pytest.mark.parametrize(
    ("text", "open_"), [("a.b", False), ("length(a", True), ("a[?b == 'x", True), ("'a(' == b", False)]
)
def test_a_line_with_an_open_bracket_goes_on(text: str, open_: bool) -> None:
    assert unfinished(text) is open_


async def test_tab_completes_and_enter_ends_a_line_or_begins_the_next() -> None:
    with create_pipe_input() as source:
        prompt = Prompt(source=source, sink=DummyOutput())
        source.send_text("length(\rtrigger.orders)\r")
        assert await prompt.ask("> ", DATA, {}, Redactor()) == "length(\ntrigger.orders)"
        source.send_text("\x04")
        assert await prompt.ask("> ", DATA, {}, Redactor()) is None


# ---------------------------------------------------------------- the command


def test_an_expression_is_evaluated_on_an_event(shop: Shop) -> None:
    event = shop.event(points=7)
    assert shop.engine("eval", "trigger.points * 2", "--event", event).stdout == "14  number\n"
    assert shop.json("eval", "${{ trigger.kind }}", "--event", event)["value"] == "order"


def test_an_error_has_its_place_and_exit_code(shop: Shop) -> None:
    wrong = shop.engine("eval", "trigger.email + 1", "--event", shop.event())
    assert wrong.exit_code == 1
    assert wrong.stderr.splitlines()[1:3] == ["  trigger.email + 1", "  ^"]
    unread = shop.json("eval", "length(", "--event", shop.event())
    assert (unread["error"]["code"], unread["position"]) == ("expression-syntax", 7)


def test_with_a_scenario_its_app_reads_the_event_and_its_variables_are_there(shop: Shop) -> None:
    path = "scenarios/order.yaml"
    shop.write(
        path, (shop.root / path).read_text().replace("steps:", "vars: {far: '${{ trigger.email }}!'}\nsteps:", 1)
    )
    result = shop.engine("eval", "vars.far", "--event", shop.event(), "--scenario", path)
    assert result.stdout == '"ana@example.com!"  string\n', result.output


def test_on_a_run_it_sees_what_the_steps_gave(shop: Shop) -> None:
    shop.engine("run", "scenarios/order.yaml", "--event", shop.event())
    [run] = shop.json("runs")["runs"]
    assert shop.json("eval", "customer.name", "--run", run["id"])["value"] == "Ana"
    assert shop.json("eval", "steps.send.output.id", "--run", run["id"])["value"] == 1
    before = shop.json("eval", "steps", "--run", run["id"], "--at", "send")["value"]
    assert list(before) == ["customer"]
    missed = shop.engine("eval", "steps", "--run", run["id"], "--at", "gift")
    assert "error[not-seen]" in missed.stderr


def test_lines_of_stdin_are_expressions(shop: Shop) -> None:
    result = shop.engine("eval", "--event", shop.event(), stdin="trigger.kind\n\n1 + 1\n")
    assert result.stdout.splitlines() == ['"order"  string', "2  number"]


@pytest.mark.parametrize(
    "words",
    [("--at", "send"), ("x", "--scenario", "engine.yaml"), ("x", "--run", "1m81nktqm000d", "--event", "engine.yaml")],
)
def test_options_that_do_not_go_together_are_refused(shop: Shop, words: tuple[str, ...]) -> None:
    assert shop.engine("eval", *words).exit_code == 2


# ---------------------------------------------------------------- on a real terminal

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """The program on a pseudo-terminal, as a person has it."""

    def __init__(self, root: Path, *args: str) -> None:
        self.master, slave = pty.openpty()
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm", "COLUMNS": "100"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "engine", *args], cwd=root, stdin=slave, stdout=slave, stderr=slave, env=env
        )
        os.close(slave)
        self.seen = ""

    def until(self, words: str) -> None:
        """Read on until these words are shown."""
        end = time.monotonic() + PATIENCE
        while words not in self.seen:
            left = end - time.monotonic()
            ready = left > 0 and select.select([self.master], [], [], left)[0]
            assert ready, f"no {words!r} in {self.seen!r}"
            data = os.read(self.master, 65536).decode(errors="replace")
            if "\x1b[6n" in data:
                # where the cursor is, which a terminal answers
                os.write(self.master, b"\x1b[1;1R")
            self.seen += _CONTROL.sub("", data)
        self.seen = self.seen.partition(words)[2]

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        code = self.process.wait(PATIENCE)
        os.close(self.master)
        return code


@pytest.fixture
def terminal(shop: Shop) -> Any:
    opened: list[Terminal] = []

    def begin(*args: str) -> Terminal:
        opened.append(Terminal(shop.root, *args))
        return opened[-1]

    yield begin
    for each in opened:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


def test_a_person_completes_a_field_with_tab_and_sees_its_value(shop: Shop, terminal: Any) -> None:
    program = terminal("eval", "--event", shop.event(points=41))
    program.until("trigger, request")
    program.until(">")
    program.type("trigger.poi")
    program.until("points  number  41")
    program.type("\t + 1\r")
    program.until("42  number")
    program.type(":quit\r")
    assert program.end() == 0


def test_a_person_stops_at_a_step_looks_and_goes_on(shop: Shop, terminal: Any) -> None:
    program = terminal("run", "scenarios/order.yaml", "--event", shop.event(), "--break-at", "send")
    program.until("before send")
    program.until("send>")
    program.type("customer.points * 3\r")
    program.until("21  number")
    program.type(":continue\r")
    program.until("order succeeded")
    assert program.end() == 0
    assert shop.calls("send") == 1


def test_a_person_quits_at_a_step_and_the_run_stays_held(shop: Shop, terminal: Any) -> None:
    program = terminal("run", "scenarios/order.yaml", "--event", shop.event(), "--break-at", "customer")
    program.until("customer>")
    program.type(":step\r")
    program.until("before if@2")
    program.type(":quit\r")
    program.until("runs resume")
    assert program.end() == 1
    assert shop.json("runs")["counts"] == {"held": 1}


# ---------------------------------------------------------------- elsewhere


def test_without_a_terminal_the_run_is_held_where_it_stopped_and_goes_on_by_command(shop: Shop) -> None:
    words = ("run", "scenarios/order.yaml", "--event", shop.event(), "--break-at", "send")
    result = shop.engine(*words)
    assert result.exit_code == 1
    assert "before send" in result.stdout
    assert '"name":"Ana"' in result.stdout
    assert shop.calls("send") == 0
    [run] = shop.json("runs", "--state", "held")["runs"]
    assert run["holds"][0]["code"] == "break"
    assert shop.engine("runs", "resume", run["id"], "--send-again").exit_code == 0
    assert (shop.calls("look_up"), shop.calls("send")) == (1, 1)


def test_it_stops_after_a_step_with_its_output(shop: Shop) -> None:
    event = shop.event(api_key="s3cret-of-ana")
    result = shop.json("run", "scenarios/order.yaml", "--event", event, "--break-at", "send:after")
    [stop] = result["breaks"]
    assert (stop["step"], stop["side"], stop["names"]["send"]) == ("send", "after", {"id": 1})
    assert "s3cret-of-ana" not in json.dumps(stop)


def test_a_stop_at_a_step_that_is_not_there_is_refused(shop: Shop) -> None:
    result = shop.engine("run", "scenarios/order.yaml", "--event", shop.event(), "--break-at", "sned")
    assert result.exit_code == 2
    assert "its steps: customer, gift, send" in result.stderr
