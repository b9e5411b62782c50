"""The SQL of the store, from its ``.sql`` files."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_MIGRATION = re.compile(r"^(\d{4})_\w+\.sql$")


@cache
def queries() -> Mapping[str, str]:
    """The statements of the folder ``queries`` by name, without their comments."""
    found: dict[str, str] = {}
    folder = files("engine.store").joinpath("queries")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        _, *parts = _NAME.split(file.read_text("utf-8"))
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            if name in found:
                raise ValueError(f"{file.name} names {name}, which another query has as its name")
            found[name] = _without_comments(text).rstrip(";")
    return MappingProxyType(found)


@cache
def migrations() -> tuple[tuple[int, str], ...]:
    """The schema changes, (number, SQL text), in their order; the last number is the schema's version."""
    folder = files("engine.store").joinpath("migrations")
    found = sorted(
        (int(match[1]), file.read_text("utf-8")) for file in folder.iterdir() if (match := _MIGRATION.match(file.name))
    )
    if [number for number, _ in found] != list(range(1, len(found) + 1)):
        raise ValueError("the numbers of the migrations have a gap or stand twice")
    return tuple(found)


def statements(script: str) -> Iterator[str]:
    """The single statements of a script.

    ``Connection.executescript`` would commit what is open before it starts, and a migration is one transaction.
    """
    statement = ""
    for line in _without_comments(script).splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
    if statement.strip():
        raise ValueError(f"a statement has no end: {statement.strip()[:60]}")


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip()
