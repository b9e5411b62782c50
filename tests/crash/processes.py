"""The real processes: the engine with its project, and the vendor."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Self

import aiohttp

from engine.runtime.host import STORE_FILE

TOP = Path(__file__).parents[2]
LOG = "engine.log"
#: seconds that anything that is not killed may take
PATIENCE = 60.0
#: seconds between two looks at whether the engine is ready
LOOK_EVERY = 0.01

SETTINGS = """\
server: {{port: {port}, admin_port: 0}}
"""

CONNECTIONS = """\
vendor:
  type: http
  base_url: http://127.0.0.1:{port}
"""

SCENARIO = """\
scenario: charge
description: A read, a decision, idempotent writes side by side, and a write that must not be made twice.
trigger:
  module: http.watch_webhook
  with: {id_path: event_id, subject_path: event_id}
steps:
  - id: customer
    module: http.make_request
    connection: vendor
    with:
      url: /customers/${{ trigger.customer }}
  - if: ${{ customer.body.tier == 'GOLD' }}
    steps:
      - set: {percent: 10}
    else:
      - set: {percent: 5}
  - foreach: ${{ customer.body.tags }}
    as: tag
    concurrency: 2
    steps:
      - id: tagged
        module: http.make_request
        connection: vendor
        with:
          method: PUT
          url: /events/${{ trigger.event_id }}/tags/${{ tag }}
          body:
            percent: ${{ vars.percent }}
  - id: charge
    module: http.make_request
    connection: vendor
    with:
      method: POST
      url: /charges
      body:
        event_id: ${{ trigger.event_id }}
        percent: ${{ vars.percent }}
  - stop: success
    output: ${{ charge.body.receipt }}
"""


class EngineTrouble(AssertionError):
    """The engine did something that only a kill may make it do: it ended, or it did not start."""


def free_port() -> int:
    """A port below those that the system gives to outgoing connections.

    One of those could be taken by the sender itself while the engine is down, which would then talk to itself.
    """
    for port in random.SystemRandom().sample(range(10_000, 30_000), 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port from 10000 to 30000")


def tail(folder: Path, lines: int = 40) -> str:
    """The end of the log of the engine in a project folder."""
    log = folder / LOG
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


class Project:
    """A project folder with one scenario, and the engine's log.

    :param folder: an empty folder, on a real disk: in memory an fsync costs nothing.
    """

    def __init__(self, folder: Path, vendor_port: int) -> None:
        self.folder = folder
        self.port = free_port()
        self.data = folder / ".engine"
        self.store = self.data / STORE_FILE
        self.log = folder / LOG
        (folder / "scenarios").mkdir()
        (folder / "engine.yaml").write_text(SETTINGS.format(port=self.port))
        (folder / "connections.yaml").write_text(CONNECTIONS.format(port=vendor_port))
        (folder / "scenarios" / "charge.yaml").write_text(SCENARIO)

    def tail(self) -> str:
        """The end of the engine's log."""
        return tail(self.folder)


class Engine:
    """``engine serve`` as a process group of its own.

    :param mutant: a name of ``mutant.MUTANTS``; None: the engine as it is shipped.
    :param quiet: without its line for each run; then the end of a run is written in another way.
    :param limited: with a disk that ``full`` fills, and bound by the modes of files.
    """

    def __init__(self, process: Process, project: Project) -> None:
        self._process = process
        self._project = project

    @classmethod
    async def start(
        cls, project: Project, mutant: str | None = None, *, quiet: bool = False, limited: bool = False
    ) -> Self:
        program = ["-m", "tests.crash.limited"] if limited else ["-m", "engine"]
        if mutant:
            program = ["-m", "tests.crash.mutant", mutant]
        options = ["--verbose", *(["--quiet"] if quiet else [])]
        with project.log.open("ab") as log:
            return cls(await _start(project, log, *program, "serve", *options), project)

    async def ready(self) -> None:
        """Return when the webhook listener is open."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self._project.port)
                except OSError:
                    self.check()
                    await asyncio.sleep(LOOK_EVERY)
                else:
                    writer.close()
                    return

    def check(self) -> None:
        """Raise ``EngineTrouble`` when it has ended by itself."""
        if self._process.returncode is not None:
            raise EngineTrouble(f"the engine ended by itself with {self._process.returncode}")

    async def kill(self) -> None:
        """SIGKILL to the whole group. Raises ``EngineTrouble`` when it had ended by itself."""
        self.check()
        os.killpg(self._process.pid, signal.SIGKILL)
        code = await self._process.wait()
        if code != -signal.SIGKILL:
            raise EngineTrouble(f"the engine ended by itself with {code}")

    def full(self, full: bool) -> None:
        """Fill the disk of an engine that is ``limited``, or make room on it."""
        self.check()
        self._process.send_signal(signal.SIGUSR1 if full else signal.SIGUSR2)

    async def ended(self) -> int:
        """The exit code, when it ends by itself."""
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()

    async def stop(self) -> None:
        """SIGTERM. Raises ``EngineTrouble`` unless it ends with 0 in time."""
        self.check()
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            code = await self._process.wait()
        if code != 0:
            raise EngineTrouble(f"the engine ended with {code} after SIGTERM")

    async def clear_away(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()


async def command(project: Project, *words: str) -> str:
    """Run a command of the engine in the project; gives its stdout. Raises ``EngineTrouble`` unless it ends with 0."""
    process = await _start(project, PIPE, "-m", "engine", *words)
    try:
        async with asyncio.timeout(PATIENCE):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode != 0:
        raise EngineTrouble(f"engine {' '.join(words)} ended with {process.returncode}:\n{out.decode()}")
    return out.decode()


async def _start(project: Project, output: IO[bytes] | int, *words: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        cwd=project.folder,
        env={**os.environ, "PYTHONPATH": str(TOP), "NO_COLOR": "1"},
        stdin=DEVNULL,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )


class VendorProcess:
    """The vendor of ``vendor.py``. Use as an async context manager."""

    def __init__(self, seed: int) -> None:
        self.port = 0
        self._seed = seed

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.crash.vendor", str(self._seed), cwd=TOP, stdin=PIPE, stdout=PIPE
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):
                self.port = int(await self._process.stdout.readline())
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            # all is counted; a graceful end would wait for connections that engines left open
            self._process.kill()
        await self._process.communicate()

    async def counts(self) -> Mapping[str, Any]:
        """What arrived: see ``vendor.Vendor.counts``."""
        if self._process.returncode is not None:
            raise EngineTrouble("the vendor is gone, so nothing was counted")
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session,
            session.get(f"http://127.0.0.1:{self.port}/counts") as response,
        ):
            found: Mapping[str, Any] = await response.json()
            return found
