"""``engine alerts`` and ``engine status``: real processes, a real receiver, real kills."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import Any

import pytest

from engine.runtime.runner import MAX_RECOVERIES
from tests.cli.conftest import PATIENCE, Program, Shop, post

Start = Callable[..., Program]
ORDER = {"kind": "order", "email": "ana@example.com"}


class Receiver:
    """A receiver of webhooks."""

    def __init__(self) -> None:
        self.got: Queue[dict[str, Any]] = Queue()
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.got.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(outer.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                """Nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def settings(shop: Shop, receiver: Receiver) -> None:
    shop.write(
        "engine.yaml", f"server: {{port: 0, admin_port: 0}}\nalerts:\n  - {{name: ops, webhook: '{receiver.url}'}}\n"
    )


def test_a_test_alert_reaches_its_channel_or_says_why_not(shop: Shop, receiver: Receiver) -> None:
    settings(shop, receiver)
    result = shop.engine("alerts", "test", "ops")
    assert (result.exit_code, "ops: done" in result.stdout) == (0, True)
    assert receiver.got.get(timeout=PATIENCE)["kind"] == "test"
    receiver.status = 500
    result = shop.engine("alerts", "test", "--json")
    assert result.exit_code == 1
    [told] = json.loads(result.stdout)
    assert (told["channel"], told["delivered"]) == ("ops", False)
    assert "500" in told["error"]


def test_a_channel_that_is_not_there(shop: Shop, receiver: Receiver) -> None:
    assert "names no channel" in shop.engine("alerts", "test").stderr
    settings(shop, receiver)
    assert "there are: ops" in shop.engine("alerts", "test", "nobody").stderr


def test_a_failure_is_told_listed_and_makes_the_status_wrong(shop: Shop, start: Start, receiver: Receiver) -> None:
    settings(shop, receiver)
    assert "no process executes" in shop.engine("status").stdout
    program = start("serve", "--port", "0")
    url = program.line("scenario:order").split()[-1]
    well = shop.engine("status")
    assert (well.exit_code, "all is well" in well.stdout) == (0, True)
    assert well.stdout.startswith("executed by")
    post(url, {**ORDER, "mode": "refused"})
    program.line("failed")
    # one that dies now has told nobody yet, or has told it and not noted that
    program.end(signal.SIGKILL)
    program = start("serve", "--port", "0")
    told = receiver.got.get(timeout=PATIENCE)
    assert (told["kind"], told["scenario"], told["count"]) == ("failed", "order", 1)
    assert "the shop does not want it" in told["text"]
    deadline = time.monotonic() + PATIENCE
    while (listed := json.loads(shop.engine("alerts", "list", "--json").stdout))[0]["state"] != "delivered":
        assert time.monotonic() < deadline, listed
    assert [(a["channel"], a["id"]) for a in listed] == [("ops", told["id"])]
    assert "delivered" in shop.engine("alerts", "list").stdout
    program.end(signal.SIGTERM)


def test_a_held_run_makes_the_status_wrong(shop: Shop, start: Start, receiver: Receiver) -> None:
    program = start("serve", "--port", "0")
    post(program.line("scenario:order").split()[-1], {**ORDER, "mode": "unknown"})
    program.line("held")
    status = shop.engine("status", "--json")
    assert status.exit_code == 1
    found = json.loads(status.stdout)
    assert found["runs"]["held"] == 1
    assert found["wrong"] == ["1 held: `engine runs --state held`"]
    program.end(signal.SIGTERM)


BOMB = """
import os
import signal

from engine import Action, App, Call, Effect, hookimpl


async def explode(call: Call):
    if call.config["email"] == "bomb@example.com":
        os.kill(os.getpid(), signal.SIGKILL)
    return {}


@hookimpl
def engine_apps():
    anything = {"type": "object", "properties": {"email": {"type": "string"}}}
    explosion = Action(
        name="explode", title="Explode", description="Kills.", config=anything, effect=Effect.READ, run=explode
    )
    return App(name="bomb", title="Bomb", modules=(explosion,))
"""
DEADLY = """
scenario: deadly
trigger:
  module: shop.watch
  webhook: deadly
steps:
  - id: explosion
    module: bomb.explode
    with: {email: "${{ trigger.email }}"}
"""


def test_a_run_that_kills_its_process_is_held_and_the_others_go_on(
    shop: Shop, start: Start, receiver: Receiver
) -> None:
    settings(shop, receiver)
    shop.write("engine.yaml", (shop.root / "engine.yaml").read_text() + "webhooks:\n  deadly: {}\n")
    shop.write("modules/bomb.py", BOMB)
    shop.write("scenarios/deadly.yaml", DEADLY)
    program = start("serve", "--port", "0")
    url = program.line("deadly").split()[-1]
    with contextlib.suppress(OSError, http.client.HTTPException):
        post(url, {**ORDER, "email": "bomb@example.com"})
    deaths = 1
    program.process.wait(PATIENCE)
    while (state := _state_of(shop, program := start("serve", "--port", "0"))) is None:
        deaths += 1
        assert deaths < 20
    assert (state, deaths) == ("held", MAX_RECOVERIES + 1)
    url = program.line("deadly").split()[-1]
    post(url, ORDER)
    assert "succeeded" in program.line("deadly")
    assert receiver.got.get(timeout=PATIENCE)["kind"] == "stuck"


def _state_of(shop: Shop, program: Program) -> str | None:
    """The state that the deadly run comes to; None: the process died first."""
    while program.process.poll() is None:
        [run] = shop.json("runs", "--scenario", "deadly")["runs"]
        if run["state"] == "held":
            return "held"
    return None
