"""Text for people: tables, times, excerpts."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from engine.sdk import jsontext
from engine.sdk.clock import utc

#: states and marks by how good they are
_COLOURS = {
    "green": ("succeeded", "done", "run", "set", "stored"),
    "red": ("failed", "unknown", "rejected", "not set", "missing"),
    "yellow": ("held", "refused", "parked", "cancelled", "intended", "sleeping", "waiting", "blocked"),
    "cyan": ("queued", "gathering", "running"),
}
_COLOUR_OF = {word: colour for colour, words in _COLOURS.items() for word in words}


def width() -> int:
    """Columns of the terminal; 120 where there is none."""
    return shutil.get_terminal_size((120, 24)).columns


def on_terminal() -> bool:
    """Whether a person is at the other end, who can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def note(text: str) -> None:
    """Say something beside the result, on stderr."""
    click.echo(text, err=True)


def warn(text: str) -> None:
    """A warning, on stderr."""
    click.echo(f"{click.style('warning', fg='yellow', bold=True)}: {text}", err=True)


def print_json(value: Any, *, line: bool = False) -> None:
    """A JSON document on stdout; ``line``: in one line."""
    if line:
        click.echo(jsontext.dumps(value).decode())
        return
    import json  # noqa: PLC0415 - only here; the fast writer knows no integers above 64 bits

    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def dim(text: str) -> str:
    return click.style(text, dim=True)


def bold(text: str) -> str:
    return click.style(text, bold=True)


def coloured(state: str) -> str:
    """A state in its colour."""
    return click.style(state, fg=_COLOUR_OF.get(state))


def table(rows: Iterable[Sequence[Any]], headers: Sequence[str] = ()) -> str:
    """A table; None is an empty cell. Without headers it has no line for them."""
    from tabulate import tabulate  # noqa: PLC0415 - most commands print none

    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    return tabulate(texts, headers=[dim(h) for h in headers], tablefmt="plain", disable_numparse=True)


def moment(seconds: float | None) -> str:
    """A time as the operator's clock shows it."""
    return "" if seconds is None else utc(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def took(seconds: float | None) -> str:
    """A duration that is read at a glance."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def excerpt(value: Any, most: int) -> str:
    """A JSON value in one line of so many characters."""
    text = value if isinstance(value, str) else jsontext.dumps(value).decode()
    text = " ".join(text.split())
    return text if len(text) <= most else text[: max(1, most - 1)] + "…"


def counted(number: int, word: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
