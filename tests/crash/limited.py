"""``engine`` on a disk that is full while it is told so, and bound by the modes of files even where it runs as root.

    python -m tests.crash.limited serve …

SIGUSR1 fills the disk: no write to a file succeeds, the log's neither. SIGUSR2 makes room again.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

#: of prctl(2), and capabilities(7): root is not asked for the modes of files while it has these
PR_CAPBSET_DROP, CAPABILITIES = 24, (1, 2)
BOUND = "ENGINE_TEST_BOUND"


def be_bound() -> None:
    """Begin anew as a root whom the modes of files bind as everybody else."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if os.geteuid() != 0 or prctl is None or BOUND in os.environ:
        return
    for capability in CAPABILITIES:
        assert prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0
    # what a program may do is what is left when it begins
    os.environ[BOUND] = "1"
    os.execv(sys.executable, [sys.executable, "-m", "tests.crash.limited", *sys.argv[1:]])


def may_grow_to(size: int) -> None:
    """How large files may be; SIGXFSZ, which tells of more, is ignored by Python."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


if __name__ == "__main__":
    be_bound()
    from engine.cli import main

    signal.signal(signal.SIGUSR1, lambda *_: may_grow_to(0))
    signal.signal(signal.SIGUSR2, lambda *_: may_grow_to(resource.RLIM_INFINITY))
    main()
