"""A person's word on one run, checked against the scenario before it is taken: the output, and the version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.runtime import commands
from engine.runtime.commands import Choice
from engine.runtime.current import current_version
from engine.runtime.host import Host
from engine.runtime.outputs import check_output
from engine.store.records import Run


async def resume_checked(
    host: Host,
    run_id: int,
    choice: Choice,
    *,
    output: Any = None,
    reason: str = "",
    by: str = "",
    step: str | None = None,
    current: bool = False,
    force: bool = False,
    items: Sequence[str] = (),
) -> Run:
    """As ``commands.resume``.

    :param current: the run goes on under its scenario's current file.
    :param force: take an output that the step's module would not give.
    :raises CommandRefused: nothing was changed.
    """
    run = await commands.held_run(host.store, run_id)
    if choice is Choice.HAPPENED and not force:
        for hold in commands.holds_of(run):
            if hold["step"] and step in (None, hold["step"]):
                await check_output(host.store, host.catalog, run, hold["step"], output)
    version = None
    if current:
        version = await current_version(host.store, host.catalog, host.clock, run, choice, step)
    now = host.clock.time()
    return await commands.resume(
        host.store, run_id, choice, now, output=output, reason=reason, by=by, step=step, version=version, items=items
    )


async def retry_checked(host: Host, run_id: int, *, reason: str = "", by: str = "", current: bool = False) -> Run:
    """As ``commands.retry``; ``current`` as above."""
    run = await commands.found(host.store, run_id)
    version = None
    if current and run.state == "failed":
        version = await current_version(host.store, host.catalog, host.clock, run, Choice.AGAIN)
    return await commands.retry(host.store, run_id, host.clock.time(), reason=reason, by=by, version=version)
