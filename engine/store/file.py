"""The SQLite file: making it, opening it, bringing its schema up to date."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.sdk.errors import StoreError, WrongEnvironment
from engine.store.lock import holder
from engine.store.sql import migrations, queries, statements
from engine.store.trouble import explain

#: marks a SQLite file as ours; migration 1 writes it
APPLICATION_ID = 1397964105
#: milliseconds that a write waits for the short writes of other processes
BUSY_TIMEOUT = 10_000
#: bytes to which the log is cut when it begins anew
LOG_LIMIT = 16_000_000
#: KiB of pages kept in memory by each connection
CACHE = 32_000

_WRITER = (
    "pragma synchronous = full",
    "pragma fullfsync = on",  # macOS: fsync alone does not reach the disk there
    "pragma checkpoint_fullfsync = on",
    "pragma foreign_keys = off",
    # what the log grew to while a long read kept it is given back when it begins anew
    f"pragma journal_size_limit = {LOG_LIMIT}",
    f"pragma cache_size = -{CACHE}",
    "pragma temp_store = memory",
)
_READER = ("pragma query_only = on", f"pragma cache_size = -{CACHE}", "pragma temp_store = memory")


def create(path: Path) -> None:
    """Make the file, readable by its owner only, with its folder, where they are not there.

    Both names are durable when this returns. Raises ``StoreError``.
    """
    try:
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync_folder(path.parent.parent)
        # exclusively: to close a file that is open here already would end the locks that SQLite holds on it
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        _sync_folder(path.parent)
    except FileExistsError:
        if not path.is_file():
            raise StoreError("it is in the way, and no file", place=str(path), hint="move it away") from None
    except OSError as error:
        raise explain(path, error) from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time open the file in this folder; the others wait.

    SQLite does not wait for others while it gives a new file its log, and the checks of a file's age would see another
    process's migration half done. Raises ``OSError``.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def connect(path: Path, vfs: str | None, *, writer: bool) -> sqlite3.Connection:
    """Open a connection. Raises ``sqlite3.Error`` or ``StoreError``.

    :param vfs: name of a registered SQLite VFS; None: the system's.
    """
    if writer:
        _writable(path)
    uri = path.absolute().as_uri() + "?mode=rw" + (f"&vfs={vfs}" if vfs else "")
    # each connection is used by one thread at a time, and closed by whichever ends it
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        db.execute(f"pragma busy_timeout = {BUSY_TIMEOUT}")
        if writer:
            # before anything is changed
            _check(db, path)
            (mode,) = db.execute("pragma journal_mode = wal").fetchone()
            if mode != "wal":
                raise StoreError(
                    f"the file cannot have a write-ahead log (its journal mode stays '{mode}')",
                    place=str(path),
                    hint="keep the data folder on a local disk",
                )
        for pragma in _WRITER if writer else _READER:
            db.execute(pragma)
    except BaseException:
        db.close()
        raise
    return db


def _writable(path: Path) -> None:
    """Raises ``StoreError`` where a file of the store may only be read.

    SQLite would open it all the same, and make its log read-only too, so that to mend the file would not be enough.
    """
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        # asked twice: the log comes and goes with the connections of others
        if _is_read_only(name) and _is_read_only(name):
            raise StoreError(
                "the file is read-only",
                place=str(name),
                hint="give the engine's user write access; an engine that serves goes on by itself once that is done",
            )


def _is_read_only(name: Path) -> bool:
    return not os.access(name, os.W_OK) and name.exists()


def _check(db: sqlite3.Connection, path: Path) -> int:
    """The version of the file's schema. Raises ``StoreError`` for a file that is not ours, or too new."""
    newest = migrations()[-1][0]
    (version,) = db.execute("pragma user_version").fetchone()
    (application,) = db.execute("pragma application_id").fetchone()
    (tables,) = db.execute("select count(*) from sqlite_master").fetchone()
    if application != APPLICATION_ID if version else tables:
        raise StoreError(
            "the file is a SQLite database of another program",
            place=str(path),
            hint="name another data folder, or move the file away",
        )
    if version > newest:
        raise StoreError(
            f"the file was written by a newer version of the engine (schema {version}; this one knows {newest})",
            place=str(path),
            hint="update the engine, or use another data folder",
        )
    return int(version)


def claim(db: sqlite3.Connection, path: Path, environment: str) -> None:
    """Say for which environment the file is, where that was not said yet. Raises ``WrongEnvironment``."""
    # statements by themselves are transactions of their own; the first of two processes wins
    db.execute(queries()["claim_store"], (environment,))
    (owner,) = db.execute(queries()["store_environment"]).fetchone()
    if owner != environment:
        raise WrongEnvironment(
            f"the store is that of {_shown(owner)}, and this is {_shown(environment)}",
            place=str(path),
            hint=f"give {f'--env {owner}' if owner else 'no --env'}, or name another data folder with --data",
        )


def _shown(environment: str) -> str:
    return f"environment '{environment}'" if environment else "the project without environment"


def compact(path: Path) -> None:
    """Write the file anew without its free pages, and empty its log; needs room for a copy. Raises ``StoreError``.

    No other connection may be open.
    """
    try:
        db = connect(path, None, writer=True)
        try:
            # the copy may be larger than memory
            db.execute("pragma temp_store = file")
            db.execute("vacuum")
            db.execute("pragma wal_checkpoint(truncate)")
        finally:
            db.close()
    except (sqlite3.Error, OSError) as error:
        raise explain(path, error) from error


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring the schema to the newest version; each step is a transaction. Raises ``StoreError``, ``sqlite3.Error``.

    Not under the feet of an engine that executes the store: it may be of the version that wrote the file, and would not
    write what the new schema rests on.
    """
    version = _check(db, path)
    if 0 < version < migrations()[-1][0] and (about := holder(path.parent)) and about.get("pid") != os.getpid():
        raise StoreError(
            f"the file has an earlier schema, and process {about.get('pid')} ({about.get('command')}) executes it",
            place=str(path),
            hint="stop that process; the next one that opens the file brings it to the new schema",
        )
    for number, script in migrations():
        if number > version:
            _step(db, number, script)


def _step(db: sqlite3.Connection, number: int, script: str) -> None:
    db.execute("begin immediate")
    try:
        # another process may have taken the step while this one waited
        (version,) = db.execute("pragma user_version").fetchone()
        if version < number:
            for statement in statements(script):
                db.execute(statement)
            db.execute(f"pragma user_version = {number}")
        db.execute("commit")
    except BaseException:
        if db.in_transaction:
            db.execute("rollback")
        raise
