"""What the options that many commands share have said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass
class Session:
    """One call of the program.

    :param data: folder of the store; None: the project's.
    :param environment: which of the project's environments; None: none of them.
    :param as_json: machine-readable output on stdout.
    :param verbose: more detail, and the log from ``info`` on.
    """

    data: Path | None = None
    environment: str | None = None
    as_json: bool = False
    verbose: bool = False
    debug: bool = False
