"""Tests of what stands next to the event loop: under asyncio's and under uvloop's, which the commands use."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

FACTORIES: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
if sys.platform != "win32":
    import uvloop

    FACTORIES["uvloop"] = uvloop.new_event_loop


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test under each event loop; what it leaves open, or fails in the background, fails it."""

    @functools.wraps(test)
    def run(loop_factory: Callable[[], asyncio.AbstractEventLoop], **arguments: Any) -> None:
        complaints: list[dict[str, Any]] = []

        def hear(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            # the test's own servers, when a client hung up or the loop ended before one did
            servers = "client_connected_cb" in context["message"]
            if not servers and not isinstance(context.get("exception"), asyncio.CancelledError):
                complaints.append(context)

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.get_loop().set_exception_handler(hear)
            runner.run(test(**arguments))
        # a socket that nobody closed says so when it goes: pytest makes that an error
        gc.collect()
        assert not complaints, complaints

    own = inspect.signature(test)
    added = inspect.Parameter("loop_factory", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = own.replace(parameters=[*own.parameters.values(), added])  # type: ignore[attr-defined]
    return pytest.mark.parametrize("loop_factory", FACTORIES.values(), ids=FACTORIES.keys())(run)
