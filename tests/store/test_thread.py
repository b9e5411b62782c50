"""The writer's thread: one thing after another, and nobody is left waiting."""

from __future__ import annotations

import pytest

from engine.store.thread import Thread


async def test_work_is_done_in_turn_and_what_it_raises_is_raised() -> None:
    thread, done = Thread("t"), list[int]()
    for number in range(3):
        thread.submit(lambda number=number: done.append(number))  # type: ignore[misc]  # a default is how a lambda keeps it

    def fail() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        await thread.call(fail)
    assert await thread.call(lambda: list(done)) == [0, 1, 2]
    thread.stop()


async def test_a_stopped_thread_refuses_work_rather_than_let_somebody_wait_for_ever() -> None:
    thread = Thread("t")
    last = thread.call(lambda: 1)
    assert await last == 1
    thread.stop()
    with pytest.raises(RuntimeError, match="stopped"):
        await thread.call(lambda: 2)


async def test_work_that_fails_is_logged_and_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    thread = Thread("t")

    def fail() -> None:
        raise SystemExit("not even this")

    thread.submit(fail)
    assert await thread.call(lambda: "still there") == "still there"
    thread.stop()
    assert "work of the thread t failed" in caplog.text
