"""A project in a temporary folder, with an app of its own, and ways to call the program in it."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from engine.cli import cli

#: seconds after which a program that says nothing has failed
PATIENCE = 30.0

SHOP = '''
"""An app whose calls are counted in a file, and whose writes end as they are told to."""

from pathlib import Path

from engine import (
    Action, App, AuthError, Call, ConnectionType, DataError, Delivery, Effect, Event, HeaderAuth, TimeoutError,
    VendorError, WebhookTrigger, hookimpl,
)

HERE = Path(__file__).parent.parent
ANY = {"type": "object", "properties": {"mode": {"type": "string", "default": "done", "description": "How it ends"}}}


def calls(kind):
    log = HERE / "calls.txt"
    with log.open("a") as file:
        file.write(kind + "\\n")
    return log.read_text().split().count(kind)


async def look_up(call: Call):
    if call.config.get("mode") == "flaky" and calls("look_up") == 1:
        raise VendorError("the shop is out for lunch", status=503)
    if call.config.get("mode") != "flaky":
        calls("look_up")
    return {"name": "Ana", "points": 7, "note": "token s3cret-value-1 inside"}


async def send(call: Call):
    number = calls("send")
    mode = call.config.get("mode", "done")
    if mode == "unknown" and number == 1:
        raise TimeoutError("no answer came")
    if mode == "refused":
        raise DataError("the shop does not want it", refused=True, detail={"reason": "closed"})
    call.warn("the shop is nearly full")
    return {"id": number}


def parse(delivery: Delivery):
    return [Event(body=delivery.body, subject=delivery.body.get("email"))]


async def check(call: Call):
    if not (HERE / "reachable").exists():
        raise AuthError("the shop does not know you")


@hookimpl
def engine_apps():
    return App(
        name="shop",
        title="Shop",
        modules=(
            WebhookTrigger(
                name="watch", title="Watch", description="Events.", parse=parse, config=ANY, example={"kind": "order"},
                accepts=lambda config, event: event.body.get("kind") == config.get("kind", event.body.get("kind")),
            ),
            Action(
                name="look_up", title="Look Up", description="Reads.", config=ANY, effect=Effect.READ, run=look_up,
                connection="shop", connection_required=False,
            ),
            Action(name="send", title="Send", description="Writes.", config=ANY, effect=Effect.WRITE, run=send),
        ),
        connections=(
            ConnectionType(
                name="shop", title="Shop", test=check, base_url="http://shop.example.com",
                auth=(HeaderAuth("x-token", "token"),),
                fields={
                    "type": "object",
                    "required": ["shop_name", "token"],
                    "properties": {
                        "shop_name": {"type": "string"},
                        "token": {"type": "string", "writeOnly": True, "minLength": 4},
                        "size": {"type": "integer"},
                    },
                },
            ),
        ),
    )
'''

ORDER = """
scenario: order
trigger:
  module: shop.watch
  with: {kind: order}
steps:
  - id: customer
    module: shop.look_up
    with: {email: "${{ trigger.email }}"}
  - if: ${{ customer.points > 100 }}
    steps:
      - id: gift
        module: shop.send
  - id: send
    module: shop.send
    with:
      mode: ${{ trigger.mode || 'done' }}
      to: ${{ trigger.email }}
  - stop: success
    output: ${{ send.id }}
"""


@dataclass
class Shop:
    """The project, and the program in it."""

    root: Path

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
        return path

    def event(self, **body: Any) -> str:
        return str(self.write("event.json", json.dumps({"kind": "order", "email": "ana@example.com", **body})))

    def engine(self, *args: str, stdin: str | None = None) -> Result:
        """Call the program in this process."""
        return CliRunner().invoke(cli, args, input=stdin, prog_name="engine", catch_exceptions=False)

    def json(self, *args: str) -> Any:
        return json.loads(self.engine(*args, "--json").stdout)

    def calls(self, kind: str) -> int:
        log = self.root / "calls.txt"
        return log.read_text().split().count(kind) if log.exists() else 0


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ENGINE_SECRET_KEY", raising=False)
    monkeypatch.delenv("ENGINE_DEBUG", raising=False)
    project = Shop(tmp_path)
    project.write("engine.yaml", "server: {port: 0, admin_port: 0}\n")
    project.write("modules/shop.py", SHOP)
    project.write("scenarios/order.yaml", ORDER)
    return project


class Program:
    """The program as a process of its own."""

    def __init__(self, root: Path, args: tuple[str, ...]) -> None:
        top = Path(__file__).parents[2]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "engine", *args],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(top)},
        )
        self._rest = b""

    def line(self, holding: str = "") -> str:
        """The next line of stdout that holds this text."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while True:
                while b"\n" in self._rest:
                    line, _, self._rest = self._rest.partition(b"\n")
                    if holding in line.decode():
                        return line.decode()
                assert selector.select(PATIENCE), f"no line with {holding!r}; so far: {self._rest!r}"
                data = os.read(self.process.stdout.fileno(), 65536)
                assert data, f"it ended without a line with {holding!r}: {self.process.communicate()[1].decode()}"
                self._rest += data

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        """Its exit code, the rest of stdout, and stderr; after a signal, where one is given."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, (self._rest + out).decode(), err.decode()


@pytest.fixture
def start(shop: Shop) -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def begin(*args: str) -> Program:
        programs.append(Program(shop.root, args))
        return programs[-1]

    yield begin
    for program in programs:
        if program.process.poll() is None:
            program.process.kill()
        program.process.communicate()


def post(url: str, body: Any) -> Any:
    """Deliver an event."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read())
