"""A thread that does one thing after another."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")


class Thread:
    """As an executor with one worker, without what that spends on each piece of work: a future with a lock.

    The thread begins with its first work and ends by ``stop``, or with the process.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._begun = False
        self._stopped = False

    def submit(self, work: Callable[[], object]) -> None:
        """Do something after all that was submitted before. What it raises is logged, and ends nothing else.

        :raises RuntimeError: the thread was stopped; whoever waited for the work would wait for ever.
        """
        if self._stopped:
            raise RuntimeError("the thread was stopped")
        if not self._begun:
            self._begun = True
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        self._work.put(work)

    async def call(self, work: Callable[[], T]) -> T:
        """As ``submit``; gives what the work gives, or raises what it raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def tell(result: T | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # None is a T then

        def guarded() -> None:
            try:
                outcome: tuple[T | None, BaseException | None] = (work(), None)
            except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
                outcome = (None, error)
            try:
                loop.call_soon_threadsafe(tell, *outcome)
            except RuntimeError:
                # the loop was closed in the meantime, so nobody waits any more
                return

        self.submit(guarded)
        return await future

    def stop(self) -> None:
        """End the thread when all that was submitted is done."""
        self._stopped = True
        if self._begun:
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except BaseException:
                # a thread that ended here would leave everybody waiting who comes later, without a word
                log.exception("work of the thread %s failed", self._name, extra={"action": "thread_work_failed"})
