"""A SQLite VFS that logs what is written and synced, in order, and fails on demand.

It stands on the very library that Python's ``sqlite3`` uses. Files are the system VFS's own; only ``xWrite`` and
``xSync`` make a detour through here, by a changed copy of the file's method table.
"""

from __future__ import annotations

import _sqlite3
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from dataclasses import dataclass
from typing import Any

SQLITE_OK = 0
SQLITE_FULL = 13
SQLITE_IOERR_WRITE = 10 | 3 << 8
SQLITE_IOERR_FSYNC = 10 | 4 << 8

_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)
# the name as an address: the system VFS keeps it for as long as the file is open
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))


class _Vfs(Structure):
    """``sqlite3_vfs``; what is not used here is copied as it stands."""

    _fields_ = [
        ("iVersion", c_int),
        ("szOsFile", c_int),
        ("mxPathname", c_int),
        ("pNext", c_void_p),
        ("zName", c_char_p),
        ("pAppData", c_void_p),
        ("xOpen", c_void_p),
        ("others", c_void_p * 15),
    ]


class _Methods(Structure):
    """``sqlite3_io_methods``."""

    _fields_ = [
        ("iVersion", c_int),
        ("xClose", c_void_p),
        ("xRead", c_void_p),
        ("xWrite", c_void_p),
        ("xTruncate", c_void_p),
        ("xSync", c_void_p),
        ("others", c_void_p * 13),
    ]


class _File(Structure):
    """``sqlite3_file``: the head of whatever the system VFS keeps for a file."""

    _fields_ = [("pMethods", POINTER(_Methods))]


@dataclass(frozen=True)
class Operation:
    """One thing that was done to a file: ``write`` with its bytes, or ``sync``."""

    kind: str
    file: str
    data: bytes = b""
    failed: bool = False


class LoggingVfs:
    """The VFS. ``log`` grows; ``fail_writes`` and ``fail_syncs`` are result codes to answer with while they are set."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.log: list[Operation] = []
        self.fail_writes = SQLITE_OK
        self.fail_syncs = SQLITE_OK
        self._library = _library()
        self._names: dict[int, str] = {}
        self._tables: dict[int, _Methods] = {}
        self._originals: dict[int, tuple[Any, Any]] = {}
        address = self._library.sqlite3_vfs_find(None)
        self._system = address
        self._vfs = _Vfs.from_buffer_copy(ctypes.string_at(address, ctypes.sizeof(_Vfs)))
        self._system_open = _OPEN(self._vfs.xOpen)
        # kept here, because SQLite calls them for as long as a file is open
        self._callbacks = (_OPEN(self._open), _WRITE(self._write), _SYNC(self._sync))
        self._vfs.pNext = None
        self._vfs.zName = name.encode()
        self._vfs.xOpen = ctypes.cast(self._callbacks[0], c_void_p)

    def register(self) -> None:
        assert self._library.sqlite3_vfs_register(ctypes.byref(self._vfs), 0) == SQLITE_OK

    def unregister(self) -> None:
        assert self._library.sqlite3_vfs_unregister(ctypes.byref(self._vfs)) == SQLITE_OK

    def mend(self) -> None:
        """Fail no more."""
        self.fail_writes = self.fail_syncs = SQLITE_OK

    def _open(self, _vfs: int, name: int | None, file: int, flags: int, out: Any) -> int:
        result = self._system_open(self._system, name, file, flags, out)
        head = _File.from_address(file)
        if result == SQLITE_OK and head.pMethods:
            table = ctypes.addressof(head.pMethods.contents)
            if table not in self._tables:
                methods = _Methods.from_buffer_copy(ctypes.string_at(table, ctypes.sizeof(_Methods)))
                self._originals[table] = (_WRITE(methods.xWrite), _SYNC(methods.xSync))
                methods.xWrite = ctypes.cast(self._callbacks[1], c_void_p)
                methods.xSync = ctypes.cast(self._callbacks[2], c_void_p)
                self._tables[table] = methods
                self._originals[ctypes.addressof(methods)] = self._originals[table]
            head.pMethods = ctypes.pointer(self._tables[table])
            self._names[file] = ctypes.string_at(name).decode() if name else "(temporary)"
        return int(result)

    def _write(self, file: int, data: int, size: int, offset: int) -> int:
        kept = ctypes.string_at(data, size)
        self.log.append(Operation("write", self._names[file], kept, failed=self.fail_writes != SQLITE_OK))
        if self.fail_writes != SQLITE_OK:
            return self.fail_writes
        return int(self._original(file)[0](file, data, size, offset))

    def _sync(self, file: int, flags: int) -> int:
        if self.fail_syncs != SQLITE_OK:
            self.log.append(Operation("sync", self._names[file], failed=True))
            return self.fail_syncs
        result = int(self._original(file)[1](file, flags))
        # logged when it is done: what follows in the log came after it
        self.log.append(Operation("sync", self._names[file], failed=result != SQLITE_OK))
        return result

    def _original(self, file: int) -> tuple[Any, Any]:
        return self._originals[ctypes.addressof(_File.from_address(file).pMethods.contents)]


@contextmanager
def logging_vfs(name: str = "logging") -> Iterator[LoggingVfs]:
    """A registered VFS; every file opened with it must be closed before the block ends."""
    vfs = LoggingVfs(name)
    vfs.register()
    try:
        yield vfs
    finally:
        vfs.unregister()


def _library() -> ctypes.CDLL:
    # the extension's own handle finds the symbols of the library that it is linked with, and of no other
    library = ctypes.CDLL(_sqlite3.__file__)
    try:
        find, register, unregister = (
            library.sqlite3_vfs_find,
            library.sqlite3_vfs_register,
            library.sqlite3_vfs_unregister,
        )
    except AttributeError:
        raise RuntimeError(
            "this Python's sqlite3 hides the functions of SQLite, so that the durability tests cannot look below it; "
            "run them with a Python whose sqlite3 is linked with the system's SQLite library"
        ) from None
    find.argtypes, find.restype = [c_char_p], c_void_p
    register.argtypes, register.restype = [c_void_p, c_int], c_int
    unregister.argtypes, unregister.restype = [c_void_p], c_int
    return library
