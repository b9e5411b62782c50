"""What SQLite and the system say, in words for people."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from engine.sdk.errors import StoreError

_RESUME = "an engine that serves goes on by itself once that is mended"
#: primary result code of SQLite: what is wrong, what to do next
_CAUSES: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: ("the disk is full", f"make room on the disk; {_RESUME}"),
    sqlite3.SQLITE_IOERR: ("the disk cannot be read or written", f"check disk and file system; {_RESUME}"),
    sqlite3.SQLITE_READONLY: ("the file is read-only", f"give the engine's user write access; {_RESUME}"),
    sqlite3.SQLITE_PERM: ("access is not permitted", f"give the engine's user access; {_RESUME}"),
    sqlite3.SQLITE_CANTOPEN: (
        "the file cannot be opened",
        "check that its folder exists and that this user may write there",
    ),
    sqlite3.SQLITE_BUSY: ("another process keeps the file locked", "see which process has it open and end that one"),
    sqlite3.SQLITE_LOCKED: ("another process keeps the file locked", "see which process has it open and end that one"),
    sqlite3.SQLITE_NOTADB: ("the file is no store", "name another data folder, or move the file away"),
    sqlite3.SQLITE_CORRUPT: ("the file is damaged", "stop the engine and restore the file from a backup"),
}
#: errors of SQLite that say something about the values given, and nothing about the file
_OF_VALUES = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


def explain(path: Path, error: BaseException) -> StoreError:
    """An error of SQLite or of the system as a ``StoreError`` that names file, cause and next action."""
    if isinstance(error, StoreError):
        return error
    cause, hint, said = "the store failed", _RESUME, str(error)
    if isinstance(error, sqlite3.Error):
        # the attribute is absent on errors that Python's binding raises by itself
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None:
            cause, hint = _CAUSES.get(code & 0xFF, (cause, hint))
            if code > 0xFF:
                # "disk I/O error" alone does not tell what failed
                said += f" ({error.sqlite_errorname})"
    elif isinstance(error, OSError):
        cause, hint = "the system refuses", _RESUME
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            cause, hint = _CAUSES[sqlite3.SQLITE_FULL]
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            cause, hint = _CAUSES[sqlite3.SQLITE_PERM]
    return StoreError(f"{cause}: {said}", place=str(path), hint=hint)


def is_of_values(error: Exception) -> bool:
    """Whether an error met while a transaction was applied is that transaction's own fault, and not the file's."""
    if isinstance(error, sqlite3.Error):
        return isinstance(error, _OF_VALUES)
    return not isinstance(error, OSError | MemoryError)


def refuse(path: Path, error: BaseException) -> StoreError:
    """The error of a transaction whose own values cannot be kept; the store goes on."""
    if isinstance(error, StoreError):
        return error
    return StoreError(
        f"the store refuses these values: {error}",
        place=str(path),
        hint="nothing of this write was kept; please report it, with the log of this moment",
    )
