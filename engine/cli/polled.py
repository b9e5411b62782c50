"""``engine run`` of a scenario that polls: one sweep, and all that follows from it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from engine.cli.aio import Signals
from engine.cli.console import bold, dim, excerpt, print_json, width
from engine.cli.execute import LOOK_AGAIN, Reports, at_rest, delivery_json, fine
from engine.cli.transcript import Transcript
from engine.cli.watch import Watcher
from engine.runtime.host import Host
from engine.runtime.intake import Accepted
from engine.runtime.sweep import Sweep
from engine.scenario.plan import Polling, Scenario
from engine.sdk.errors import EngineError
from engine.store.ids import show
from engine.store.records import DeliveryState, Run


class PollRun:
    """Sweeps once and tells each run that comes of it."""

    def __init__(
        self, host: Host, plan: Scenario, reports: Reports, watcher: Watcher, screen: Transcript, signals: Signals
    ) -> None:
        self._host = host
        self._plan = plan
        self._reports = reports
        self._watcher = watcher
        self._screen = screen
        self._signals = signals
        self._accepted: list[Accepted] = []
        self._waiting: set[int] = set()
        self._ended: list[Run] = []
        self._told: list[object] = []

    async def run(self, *, once: bool, as_json: bool) -> bool:
        """Gives whether everything came to a good end.

        :param once: take one event at most.
        :raises EngineError: a page could not be read; what was taken before that is told first.
        """
        self._head()
        # ids grow: what gets a larger one is of this sweep
        first = self._host.store.new_id()
        self._watcher.wants = lambda run: run.id > first
        sweep, trouble = await self._sweep(1 if once else None)
        silent = sweep is not None and sweep.silent
        if trouble is None:
            self._sum_up(silent)
        if as_json:
            print_json(
                {
                    "receipts": [show(accepted.receipt_id) for accepted in self._accepted],
                    "deliveries": [delivery_json(d) for accepted in self._accepted for d in accepted.deliveries],
                    "runs": self._told,
                    "only_marked": silent,
                    "error": trouble.to_json() if trouble is not None else None,
                }
            )
        if trouble is not None:
            raise trouble
        ended = {run.id: run for run in self._ended}
        return not self._waiting and all(
            fine(accepted, [ended[run_id] for run_id in accepted.runs]) for accepted in self._accepted
        )

    async def _sweep(self, limit: int | None) -> tuple[Sweep | None, EngineError | None]:
        """Sweep, and tell the runs that end meanwhile and afterwards, until all have or a signal comes."""
        news = self._watcher.news
        sweeping = asyncio.ensure_future(self._host.poller.sweep(self._plan, limit=limit, accepted=self._taken))
        sweeping.add_done_callback(lambda _done: news.set())
        try:
            while True:
                news.clear()
                await self._tell()
                if self._signals.stopping or (sweeping.done() and not self._waiting):
                    break
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN):
                        await news.wait()
        finally:
            sweeping.cancel()
            await asyncio.wait({sweeping})
        if sweeping.cancelled():
            return None, None
        error = sweeping.exception()
        if error is not None and not isinstance(error, EngineError):
            raise error
        return (None, error) if error is not None else (sweeping.result(), None)

    def _taken(self, accepted: Accepted) -> None:
        self._accepted.append(accepted)
        self._waiting.update(accepted.runs)
        for delivery in accepted.deliveries:
            if delivery.state is not DeliveryState.RUN:
                self._screen.say(f"  - no run: the event is {delivery.state} ({delivery.reason})")
        self._watcher.news.set()

    async def _tell(self) -> None:
        for run_id in sorted(self._waiting):
            run = await self._host.store.run(run_id)
            if run is None or not (at_rest(run) or self._signals.stopping):
                continue
            if at_rest(run):
                self._waiting.discard(run_id)
                self._ended.append(run)
            self._told.append(self._reports.to_json(run))
            await self._reports.show(run)
            self._watcher.forget(run.id)

    def _head(self) -> None:
        say, plan, options = self._screen.say, self._plan, self._host.options
        trigger = plan.trigger
        assert isinstance(trigger, Polling)
        say(bold(plan.name))
        if plan.description:
            say(dim(f"  {excerpt(plan.description, width() - 3)}"))
        say(f"  one look at {trigger.module_name} ({trigger.module.title})")
        if options.simulate:
            say(dim("  simulated: every app answers from its simulator"))
        if options.dry_run is not None:
            say(dim("  dry run: reads are made, writes are only shown, nothing is kept"))
        say()

    def _sum_up(self, silent: bool) -> None:
        if silent:
            self._screen.say(
                "  first look: what is there was marked, not run; what is new or changes from now on is run"
            )
            self._screen.say(dim("  (`start: all` would run it; --event FILE runs one item)"))
        elif not self._accepted and not self._signals.stopping:
            self._screen.say("  nothing new since the last look")
            self._screen.say(dim("  (`start` counts at the first look only; --event FILE runs one item)"))
