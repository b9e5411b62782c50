"""Systems under load as processes of their own: started on one core, looked at through /proc, stopped or killed."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ledger import now

TICKS = os.sysconf("SC_CLK_TCK")
MB = 1e6


@dataclass(frozen=True)
class Usage:
    """What a process has used since it was started; ``own_cpu`` is the load generator's."""

    cpu: float
    """seconds, user and system, all threads"""
    written: int
    """bytes that it caused to be written to a disk"""
    own_cpu: float


class Process:
    """A running system.

    :param core: the only core that it may use; None for any.
    """

    def __init__(
        self, command: Sequence[str], *, folder: Path, environment: dict[str, str], core: int | None, log: Path
    ) -> None:
        self._log = log.open("ab")
        mine = os.sched_getaffinity(0)
        if core is not None:
            # a child begins on the cores of its parent; nothing has to be done between its fork and its exec
            os.sched_setaffinity(0, {core})
        self.started = now()
        try:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
            )
        finally:
            os.sched_setaffinity(0, mine)
        self._proc = Path("/proc") / str(self._process.pid)

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def usage(self) -> Usage:
        stat = (self._proc / "stat").read_text().rpartition(")")[2].split()
        written = re.search(r"^write_bytes: (\d+)", (self._proc / "io").read_text(), re.MULTILINE)
        mine = resource.getrusage(resource.RUSAGE_SELF)
        return Usage(
            (int(stat[11]) + int(stat[12])) / TICKS, int(written[1]) if written else 0, mine.ru_utime + mine.ru_stime
        )

    def memory(self) -> tuple[float, float]:
        """Resident memory now and at its peak, in MB."""
        status = (self._proc / "status").read_text()
        found = {
            key: int(kb) * 1024 / MB for key, kb in re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status, re.MULTILINE)
        }
        return found["VmRSS"], found["VmHWM"]

    def stop(self, patience: float = 30.0) -> int:
        """SIGTERM; the exit status. Raises ``subprocess.TimeoutExpired``, after a kill."""
        try:
            self._process.terminate()
            return self._process.wait(patience)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to the process and all that it started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()
