"""One process executes a store at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.sdk.errors import StoreError, StoreLocked
from engine.store.lock import ExecutorLock, holder
from tests.store.rows import StillClock

HOLD = """
import sys
from pathlib import Path
from engine.store.lock import ExecutorLock
from tests.store.rows import StillClock
lock = ExecutorLock(Path(sys.argv[1]), clock=StillClock(), command="engine serve")
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def lock(folder: Path, command: str = "engine run") -> ExecutorLock:
    return ExecutorLock(folder, clock=StillClock(), command=command, pause=lambda _seconds: None)


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    with lock(tmp_path, "engine serve"), pytest.raises(StoreLocked) as caught:
        lock(tmp_path).acquire()
    assert f"executed by process {os.getpid()} (engine serve, since 2023-11-14T22:13:20.000Z)" in str(caught.value)
    assert caught.value.hint
    with lock(tmp_path):
        pass


def test_holder_says_who_executes(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    assert holder(tmp_path / "absent") is None
    with lock(tmp_path, "engine serve"):
        about = holder(tmp_path)
        assert about is not None
        assert about["pid"] == os.getpid()
        assert about["command"] == "engine serve"
        assert set(about) == {"pid", "host", "since", "command"}
    assert holder(tmp_path) is None


def test_asking_does_not_take_it(tmp_path: Path) -> None:
    holder(tmp_path)
    with lock(tmp_path):
        assert holder(tmp_path) is not None
        assert holder(tmp_path) is not None


def test_a_holder_that_has_not_written_yet_is_still_one(tmp_path: Path) -> None:
    with lock(tmp_path):
        (tmp_path / "lock").write_text("")
        assert holder(tmp_path) == {}
        with pytest.raises(StoreLocked, match="another process"):
            lock(tmp_path).acquire()


def test_a_moment_in_another_hand_is_waited_for(tmp_path: Path) -> None:
    first = lock(tmp_path)
    first.acquire()
    second = ExecutorLock(tmp_path, clock=StillClock(), command="b", pause=lambda _seconds: first.release())
    second.acquire()
    second.release()


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        about = holder(tmp_path)
        assert about is not None
        assert about["pid"] == process.pid
        with pytest.raises(StoreLocked, match=str(process.pid)):
            lock(tmp_path).acquire()
        process.kill()
        process.wait()
    assert holder(tmp_path) is None
    with lock(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="system refuses"):
        lock(tmp_path / "file" / "data").acquire()
    with pytest.raises(StoreError):
        holder(tmp_path / "file" / "data")
