"""Where the figures come from: machine, disk, versions, commit."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sqlite3
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.figures import middle

ROOT = Path(__file__).parent.parent
PACKAGES = ("scenario-engine", "aiohttp", "uvloop", "orjson")
#: how often the disk is asked
SYNCS = 200
#: bytes before each sync, as much as a page of SQLite
PAGE = 4096


def describe(folder: Path) -> dict[str, Any]:
    """All that a reader needs to place the figures; the disk is that of a folder."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _git("rev-parse", "--short=12", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--", "engine", "modules", "benchmarks")),
        "cpu": _field("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_mb": round(int((_field("/proc/meminfo", "MemTotal") or "0").split()[0]) / 1000),
        "kernel": platform.release(),
        "file_system": _file_system(folder),
        "fdatasync_ms": fdatasync(folder) * 1000,
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def fdatasync(folder: Path) -> float:
    """Seconds that the disk takes to make a page durable (the median)."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            file.write(bytes(PAGE))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return middle(times).median


def _field(file: str, name: str) -> str | None:
    found = re.search(rf"^{name}\s*:\s*(.+)$", Path(file).read_text(), re.MULTILINE)
    return found[1] if found else None


def _file_system(folder: Path) -> str:
    """The type of the mount that a folder is on: the longest that it lies below."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, name, *_ = line.split()
        if folder.resolve().is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, name
    return kind


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
