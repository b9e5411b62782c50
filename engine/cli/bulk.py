"""``engine runs resume --held``, ``retry --failed``, ``cancel --state``: the same word on many runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import click

from engine.cli.acting import change, who
from engine.cli.aio import Signals, run_async
from engine.cli.console import bold, counted, note, print_json
from engine.cli.execute import prompt_stop
from engine.cli.failures import Failure, Finished
from engine.cli.options import Duration
from engine.cli.remote import RemoteError, hand_over
from engine.cli.serve import Ticker
from engine.cli.workspace import Workspace, wrong_usage
from engine.runtime import bulk
from engine.runtime.bulk import Part, Wanted
from engine.runtime.commands import Choice, Word
from engine.runtime.host import Host, Options
from engine.runtime.outcomes import HOLD_CODES
from engine.runtime.waiting import rests
from engine.store.ids import read, show
from engine.store.interface import Store

F = TypeVar("F", bound=Callable[..., Any])

#: refusals that are listed one by one on a screen
LISTED = 20
#: seconds after which runs that go on here are looked at again
LOOK_AGAIN = 0.5

_FILTERS = ("step", "scenario", "subject", "code", "older_than", "newer_than", "limit", "dry_run", "yes", "simulate")


def filters(command: F) -> F:
    """The options that say which runs are meant, of the commands that act on many."""
    for option in (
        click.option("--simulate", is_flag=True, help="Those made with --simulate, in place of the real ones."),
        click.option("--yes", "-y", is_flag=True, help="Do not ask before it is done."),
        click.option("--dry-run", is_flag=True, help="Only say of which runs it would be done, and of which not."),
        click.option("--limit", type=click.IntRange(min=1), help="At most so many runs, the newest first."),
        click.option("--newer-than", type=Duration(), metavar="DURATION", help="Only runs whose event is younger."),
        click.option("--older-than", type=Duration(), metavar="DURATION", help="Only runs whose event is older."),
        click.option("--step", metavar="PATH", help="Only this step; of one run: which of several held ones."),
        click.option("--code", metavar="CODE", help=f"Only with this error code, or held as {', '.join(HOLD_CODES)}."),
        click.option("--subject", metavar="TEXT", help="Only runs about this e-mail or customer id."),
        click.option("--scenario", metavar="NAME", help="Only runs of this scenario."),
    ):
        command = option(command)
    return command


def check_usage(run_id: int | None, many: bool, flag: str, given: Mapping[str, Any]) -> None:
    """One run by its id, or many by a filter. Raises ``UsageError``."""
    if (run_id is None) != many:
        raise wrong_usage(
            f"name one run, or say {flag} for all that are meant" if not many else f"ID or {flag}, not both"
        )
    beside = [name for name in _FILTERS if given.get(name)]
    if not many and beside:
        raise wrong_usage(f"--{beside[0].replace('_', '-')} goes with {flag}")


@dataclass
class Said:
    """What became of the runs."""

    done: list[str] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)

    def add(self, part: Mapping[str, Any]) -> None:
        self.done += part["done"]
        self.refused += part["refused"]
        self.blocked += part["blocked"]

    @property
    def number(self) -> int:
        return len(self.done) + len(self.refused)


@dataclass(frozen=True)
class Bulk:
    """A word on many runs.

    :param verb: ``resume``, ``retry`` or ``cancel``.
    :param walks: whether the runs go on by it.
    """

    workspace: Workspace
    verb: str
    word: Word
    wanted: Wanted
    limit: int | None
    walks: bool

    @classmethod
    def of(
        cls,
        workspace: Workspace,
        verb: str,
        word: Word,
        given: Mapping[str, Any],
        step: str | None,
        states: tuple[str, ...] = (),
    ) -> Bulk:
        """From the options."""
        now = workspace.clock.time()
        older, newer = given["older_than"], given["newer_than"]
        wanted = Wanted(
            states=states or tuple(str(state) for state in bulk.STATES[verb]),
            scenario=given["scenario"],
            subject=given["subject"],
            code=given["code"],
            step=step,
            made_before=None if older is None else now - older,
            made_after=None if newer is None else now - newer,
            simulated=given["simulate"],
        )
        walks = verb == "retry" or (verb == "resume" and word.choice is not Choice.GIVE_UP)
        return cls(workspace, verb, word._replace(by=who()), wanted, given["limit"], walks)

    def carry_out(self, *, dry_run: bool, yes: bool) -> None:
        """Find out of which runs it can be said, ask, and say it. Ends the command."""
        meant = run_async(self._rehearse())
        if dry_run or not meant.done:
            self._tell(meant, "would be", dry_run=dry_run)
            raise Finished(fine=not meant.refused or dry_run)
        if not yes:
            left = f"; {len(meant.refused)} are left out" if meant.refused else ""
            question = f"{self._words(0)} {counted(len(meant.done), 'run')}{left}?"
            if not click.confirm(question, err=True):
                raise Finished(fine=False)
        said = self._by_the_other_process() or run_async(self._here())
        self._tell(said, "were" if len(said.done) != 1 else "was")
        raise Finished(fine=not said.refused)

    def _words(self, number: int) -> str:
        """What is done, as a command (0) or as what was done (1)."""
        if self.verb != "resume":
            return {"retry": ("try again", "tried again"), "cancel": ("cancel", "cancelled")}[self.verb][number]
        return {
            Choice.SKIP: ("skip the step of", "let go on without the step"),
            Choice.GIVE_UP: ("give up", "given up"),
        }.get(self.word.choice, ("send again", "let go on"))[number]

    # ------------------------------------------------------------------ saying it

    async def _rehearse(self) -> Said:
        said = Said()
        async with self.workspace.store() as store:
            async for part in self._parts(store, rehearse=True):
                said.add(part)
        return said

    async def _parts(self, store: Store, *, rehearse: bool = False) -> AsyncIterator[Mapping[str, Any]]:
        before, left = None, self.limit
        while True:
            now = self.workspace.clock.time()
            part: Part = await bulk.say(
                store, self.verb, self.wanted, self.word, now, before=before, most=left, rehearse=rehearse
            )
            yield {
                "done": [show(run_id) for run_id in part.done],
                "blocked": [show(run_id) for run_id in part.blocked],
                "refused": [
                    {"run": show(run_id), "code": e.code, "message": e.message, "hint": e.hint}
                    for run_id, e in part.refused
                ],
            }
            before = part.following
            left = None if left is None else left - len(part.done) - len(part.refused)
            if before is None:
                return

    def _by_the_other_process(self) -> Said | None:
        """By the process that executes the store, part by part; None: there is none."""
        said, before = Said(), None
        wanted = {name: value for name, value in asdict(self.wanted).items() if value is not None}
        word = {"choice": str(self.word.choice), "reason": self.word.reason, "by": self.word.by}
        while True:
            most = None if self.limit is None else self.limit - said.number
            body = {"verb": self.verb, "wanted": wanted, "before": before, "most": most, **word}
            part = hand_over(self.workspace, "/api/runs/together", body, quiet=before is not None)
            if part is None and before is None:
                return None
            if part is None:
                raise Failure(
                    RemoteError(
                        f"the process that executes the store ended after {counted(said.number, 'run')}",
                        hint="give the command again: it goes on with those that are left",
                    )
                )
            said.add(part)
            before = part["following"]
            if before is None:
                return said
            self._progress(said)

    async def _here(self) -> Said:
        command = f"engine runs {self.verb}"
        said = Said()

        async def say(store: Store) -> None:
            async for part in self._parts(store):
                said.add(part)
                self._progress(said)

        if self.walks:
            await self._go_on(command, say, said)
        else:
            await change(self.workspace, command, say)
        return said

    async def _go_on(self, command: str, say: Callable[[Store], Any], said: Said) -> None:
        """Say it, and follow the runs until they are at rest."""
        registry = self.workspace.registry()
        plans = self.workspace.scenarios(registry, (), simulate=self.wanted.simulated, tolerant=True)
        news = asyncio.Event()
        ticker = None if self.workspace.session.as_json else Ticker(self.workspace.clock)
        data = self.workspace.session.data
        options = Options(data=data, simulate=self.wanted.simulated, observer=ticker, command=command)
        try:
            with Signals(news) as signals:
                async with Host(self.workspace.project, registry, plans, options) as host, prompt_stop(host):
                    if ticker is not None:
                        ticker.redactor = await host.connections.redactor()
                    await say(host.store)
                    host.runner.wake()
                    going = [read(run_id) for run_id in said.done]
                    while going and not signals.stopping:
                        runs = [await host.store.run(run_id) for run_id in going]
                        going = [run.id for run in runs if run is not None and not await rests(host.store, run)]
                        news.clear()
                        try:
                            async with asyncio.timeout(LOOK_AGAIN if going else 0):
                                await news.wait()
                        except TimeoutError:
                            continue
        finally:
            if ticker is not None:
                ticker.flush()

    # ------------------------------------------------------------------ telling it

    def _progress(self, said: Said) -> None:
        note(f"{counted(said.number, 'run')} so far")

    def _tell(self, said: Said, verb: str, *, dry_run: bool = False) -> None:
        if self.workspace.session.as_json:
            document = {"done": said.done, "blocked": said.blocked, "refused": said.refused}
            print_json({**document, "dry_run": dry_run})
            return
        if not said.number:
            click.echo("no run is meant")
            return
        click.echo(f"{counted(len(said.done), 'run')} {verb} {self._words(1)}")
        if dry_run:
            for run_id in said.done[:LISTED]:
                click.echo(f"  {bold(run_id)}")
            if len(said.done) > LISTED:
                click.echo(f"  and {len(said.done) - LISTED} more; --json lists all")
        if said.blocked:
            click.echo(f"{counted(len(said.blocked), 'run')} of them had to wait: another of the key has its place")
        if said.refused:
            click.echo(f"{counted(len(said.refused), 'run')} left as they are:")
            for refusal in said.refused[:LISTED]:
                click.echo(f"  {bold(refusal['run'])}  {refusal['message']}")
            if len(said.refused) > LISTED:
                click.echo(f"  and {len(said.refused) - LISTED} more; --json lists all")
        if any(refusal["code"] == "not-together" for refusal in said.refused):
            click.echo(
                "  settle those one by one, when you have looked at the vendor: "
                + self.workspace.command("runs", "show", "ID")
            )
