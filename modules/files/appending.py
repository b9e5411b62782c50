"""Appending once: who appends notes first, under its key, which bytes will stand where.

The note is durable before the bytes are written. So whoever comes with the same key again finds the note, and sees in
the file whether its bytes are there: if so it is done, if not it appends anew. A process that dies in the middle of its
bytes leaves a part of them; the next one who appends cuts that off. For that the bytes themselves are kept until they
are written: nothing is cut off but a part of them, whatever else may have been put in the file's place.

All this holds while nobody else writes into the file. Appends of all processes go one after another, under a lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

#: the file with the notes, in the folder that is written to, and the one that is locked
NOTES = ".engine-files.db"
LOCK = ".engine-files.lock"

_TABLE = """
create table if not exists appended (
  number integer primary key, key text not null, path text not null, start integer not null, length integer not null,
  digest blob not null, rows integer not null
);
create unique index if not exists appended_key on appended (key, path);
create table if not exists begun (path text primary key, start integer not null, content blob not null);
"""


@dataclass(frozen=True)
class Appended:
    """What stands in the file.

    :param before: it was there before.
    """

    rows: int
    size: int
    before: bool


@dataclass(frozen=True)
class _Note:
    start: int
    length: int
    digest: bytes
    rows: int


def append(folder: Path, file: Path, key: str, make: Callable[[], tuple[bytes, int]]) -> Appended:
    """Append bytes to a file, once for each key.

    :param folder: where the notes are kept.
    :param make: gives the bytes, and how many rows they are, for the file as it is now. Not asked when they are there.
    """
    path = file.relative_to(folder).as_posix()
    with _locked(folder), closing(_notes(folder)) as notes:
        size = file.stat().st_size if file.exists() else 0
        known = _note(notes, "where path = ? and key = ?", path, key)
        if known is not None and _stands(file, known):
            return Appended(known.rows, size, before=True)
        size = _mended(notes, file, path, size)
        content, rows = make()
        digest = hashlib.sha256(content).digest()
        with notes:
            notes.execute("delete from appended where path = ? and key = ?", (path, key))
            notes.execute(
                "insert into appended (key, path, start, length, digest, rows) values (?, ?, ?, ?, ?, ?)",
                (key, path, size, len(content), digest, rows),
            )
            notes.execute("insert or replace into begun values (?, ?, ?)", (path, size, content))
        _write(file, size, content)
        with notes:
            notes.execute("delete from begun where path = ?", (path,))
        return Appended(rows, size + len(content), before=False)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _notes(folder: Path) -> sqlite3.Connection:
    notes = sqlite3.connect(folder / NOTES, timeout=30)
    notes.execute("pragma synchronous = full")
    notes.executescript(_TABLE)
    return notes


def _note(notes: sqlite3.Connection, which: str, *values: object) -> _Note | None:
    found = notes.execute(f"select start, length, digest, rows from appended {which}", values).fetchone()  # noqa: S608 - `which` is ours
    return None if found is None else _Note(*found)


def _stands(file: Path, note: _Note) -> bool:
    """Whether the bytes of a note are in the file."""
    if not file.exists() or file.stat().st_size < note.start + note.length:
        return False
    with file.open("rb") as opened:
        opened.seek(note.start)
        return hashlib.sha256(opened.read(note.length)).digest() == note.digest


def _mended(notes: sqlite3.Connection, file: Path, path: str, size: int) -> int:
    """Cut off what a process that died has left of its bytes; gives the size then."""
    begun = notes.execute("select start, content from begun where path = ?", (path,)).fetchone()
    if begun is None or not begun[0] < size < begun[0] + len(begun[1]):
        return size
    start, content = begun
    with file.open("rb") as opened:
        opened.seek(start)
        if opened.read() != content[: size - start]:
            return size
    os.truncate(file, start)
    return int(start)


def _write(file: Path, at: int, content: bytes) -> None:
    new = not file.exists()
    with file.open("ab") as opened:
        assert opened.tell() == at
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    if new:
        sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace(file: Path, content: bytes) -> None:
    """Put a whole file in place: there is the old one or the new one, never a part."""
    draft = file.with_name(f".engine-files-{os.getpid()}-{id(content)}.draft")
    try:
        with draft.open("xb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        if file.exists():
            shutil.copymode(file, draft)
        draft.replace(file)
        sync_folder(file.parent)
    finally:
        draft.unlink(missing_ok=True)
