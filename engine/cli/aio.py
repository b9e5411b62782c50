"""The event loop of a command, and how it is asked to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

import click

from engine.cli.console import note

T = TypeVar("T")

#: exit code of a program that Ctrl-C ended
STOPPED_AT_ONCE = 130


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work, under uvloop where it is installed. A second Ctrl-C ends the program with code 130."""
    try:
        return _runner()(work)
    except asyncio.CancelledError:
        raise click.exceptions.Exit(STOPPED_AT_ONCE) from None


def _runner() -> Callable[[Coroutine[Any, Any, T]], T]:
    try:
        import uvloop  # noqa: PLC0415 - not there on every system
    except ImportError:
        return asyncio.run
    return uvloop.run


class Signals:
    """Ctrl-C and SIGTERM while a command serves: the first asks it to stop, the second stops it at once.

    :param news: set when the first arrives, and by whoever else has something to tell the command.
    :param hangup: what SIGHUP asks for; None: it ends the program, as it is usual.
    """

    def __init__(self, news: asyncio.Event, hangup: Callable[[], None] | None = None) -> None:
        self.stopping = False
        self._hangup = hangup
        self._news = news
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._hear)
        if self._hangup is not None:
            self._loop.add_signal_handler(signal.SIGHUP, self._hangup)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.remove_signal_handler(number)
        if self._hangup is not None:
            self._loop.remove_signal_handler(signal.SIGHUP)

    def _hear(self) -> None:
        if self.stopping:
            if self._task is not None:
                self._task.cancel()
            return
        self.stopping = True
        self._news.set()
        note("stopping; runs under way come to rest first. Ctrl-C again stops at once, nothing is lost by it")
