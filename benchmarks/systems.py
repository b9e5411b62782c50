"""The engine and the yardsticks, each in a fresh folder and started as its user would start it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.ledger import Ledger, now
from benchmarks.loads import Names
from benchmarks.processes import Process
from benchmarks.wire import HOST, Sender

HERE = Path(__file__).parent
LOG = "log"
#: seconds between two tries to get an event in while a system starts
TRY_EVERY = 0.002
#: seconds that a start may take
PATIENCE = 60.0


class DidNotStart(RuntimeError):
    """A system took no event in time; the end of its log is in the message."""


def free_port() -> int:
    """A port below those that the system gives to outgoing connections, which might take it while a system is down."""
    for port in random.SystemRandom().sample(range(10_000, 30_000), 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise OSError("no free port from 10000 to 30000")


class System(ABC):
    """One of those that are measured, in a folder of its own.

    :param folder: an empty folder, on the disk that counts.
    :param core: the core that its process is pinned to; None for any.
    """

    name: str

    def __init__(self, folder: Path, api_port: int, core: int | None) -> None:
        self.folder, self._core = folder, core
        self.api = f"http://{HOST}:{api_port}"
        self.port = free_port()
        kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        self.environment = {**kept, "STUB_URL": self.api}
        self.process: Process | None = None
        self.path = self.prepare()

    @abstractmethod
    def prepare(self) -> str:
        """Make the folder ready; gives the webhook's path."""

    @abstractmethod
    def command(self) -> list[str]:
        """What starts it."""

    @abstractmethod
    def kept(self) -> Path | None:
        """The folder in which it keeps what it must not lose."""

    def stored(self) -> int:
        """Bytes in that folder."""
        folder = self.kept()
        return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder else 0

    def start(self) -> Process:
        self.process = Process(
            self.command(), folder=self.folder, environment=self.environment, core=self._core, log=self.folder / LOG
        )
        return self.process

    def sender(self, ledger: Ledger, connections: int) -> Sender:
        return Sender(ledger, self.port, self.path, connections)

    async def ready(self, ledger: Ledger, names: Names) -> tuple[float, float]:
        """Send events until one is through: seconds from the start to the first 2xx, and to the first completion."""
        assert self.process is not None
        sender = self.sender(ledger, 1)
        began = self.process.started
        try:
            while not (ledger.accepted and ledger.completed):
                if self.process.ended or now() - began > PATIENCE:
                    raise DidNotStart(f"{self.name} finished no event; the end of its log:\n{self.tail()}")
                if ledger.answered == len(ledger.due) and not ledger.accepted:
                    sender.send(*next(names))
                await asyncio.sleep(TRY_EVERY)
        finally:
            sender.close()
        return min(ledger.accepted.values()) - began, min(ledger.completed.values()) - began

    def tail(self) -> str:
        return "\n".join((self.folder / LOG).read_text(errors="replace").splitlines()[-30:])

    def discard(self) -> None:
        """Kill what still runs, remove the folder."""
        if self.process is not None:
            self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Engine(System):
    """``engine serve`` in a project with one scenario; nothing is set but the ports."""

    name = "engine"

    def prepare(self) -> str:
        self.project = self.folder / "project"
        shutil.copytree(HERE / "project", self.project)
        [webhook] = self.ask("webhooks")["webhooks"]
        return urlsplit(str(webhook["url"])).path

    def command(self) -> list[str]:
        return [_program(), "serve", str(self.project), "--port", str(self.port)]

    def kept(self) -> Path:
        return self.project / ".engine"

    def held(self) -> set[str]:
        """The events whose write may or may not have arrived, and which wait for a person."""
        listed = self.ask("effects", "--state", "unknown", "--limit", "1000")["effects"]
        return {effect["request"]["body"]["event_id"] for effect in listed}

    def run_counts(self) -> dict[str, int]:
        """How many runs there are in each state."""
        counts: dict[str, int] = self.ask("runs", "--limit", "1")["counts"]
        return counts

    def ask(self, *arguments: str) -> dict[str, Any]:
        """What a command of the engine prints as JSON."""
        done = subprocess.run(
            [_program(), *arguments, "--json"], cwd=self.project, env=self.environment, capture_output=True, check=True
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


class RawDurable(System):
    """As durable as the engine, written by hand for this work alone."""

    name = "raw_durable"

    def prepare(self) -> str:
        (self.folder / "data").mkdir()
        return "/hook"

    def command(self) -> list[str]:
        script = HERE / "yardsticks" / "raw_durable.py"
        return [sys.executable, str(script), str(self.port), self.api, str(self.kept())]

    def kept(self) -> Path:
        return self.folder / "data"


class RawFlow(System):
    """Keeps nothing."""

    name = "raw_flow"

    def prepare(self) -> str:
        return "/hook"

    def command(self) -> list[str]:
        return [sys.executable, str(HERE / "yardsticks" / "raw_flow.py"), str(self.port), self.api]

    def kept(self) -> None:
        return None


SYSTEMS: dict[str, type[System]] = {kind.name: kind for kind in (Engine, RawDurable, RawFlow)}


def _program() -> str:
    return str(Path(sys.executable).with_name("engine"))
