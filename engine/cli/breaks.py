"""``engine run --break-at``: stops at steps, and shows what they see."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from engine.cli.console import bold, dim, excerpt, width
from engine.cli.expressions import evaluate, listed, shown
from engine.cli.transcript import Transcript
from engine.cli.workspace import wrong_usage
from engine.runtime.redact import Redactor
from engine.runtime.stepping import left
from engine.runtime.taken import Start
from engine.runtime.taken import names as ids
from engine.scenario.plan import Scenario, Step
from engine.sdk.clock import Clock

BEFORE, AFTER = "before", "after"

COMMANDS = {
    ":continue": "go on to the next stop, or to the end (:c)",
    ":step": "go on to the next step (:s)",
    ":show": "what is seen here",
    ":quit": "leave the run held; `engine runs resume` lets it go on (:q)",
    ":help": "this",
}
_SHORT = {":c": ":continue", ":s": ":step", ":q": ":quit", ":n": ":step", "?": ":help"}


class Breaks:
    """Where a run stops, and what is done there.

    :param where: as given with ``--break-at``.
    :param history: of what was typed.
    :param ask: whether a person is asked; otherwise the run is held.
    """

    def __init__(
        self, plan: Scenario, where: Sequence[str], screen: Transcript, clock: Clock, history: Path, *, ask: bool
    ) -> None:
        self._stops = [_stop(plan, text) for text in where]
        self._screen = screen
        self._clock = clock
        self._history = history
        self._ask = ask
        self._passed: set[tuple[str, str]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._stepping = False
        self.redactor = Redactor()
        #: where it stopped, with what was seen there, redacted
        self.seen: list[dict[str, Any]] = []

    async def before(self, step: Step, path: str, names: Mapping[str, Any]) -> None:
        """See ``engine.runtime.stepping``."""
        await self._come_by(step, path, BEFORE, names)

    async def after(self, step: Step, path: str, names: Mapping[str, Any]) -> None:
        """See ``engine.runtime.stepping``."""
        await self._come_by(step, path, AFTER, names)

    async def _come_by(self, step: Step, path: str, side: str, names: Mapping[str, Any]) -> None:
        meant = any(stop.means(path) and side == of for stop, of in self._stops)
        if not meant and not (self._stepping and side == BEFORE):
            return
        if (path, side) in self._passed:
            return  # the walk after a wait comes by what was passed before
        self._passed.add((path, side))
        async with self._one_at_a_time:
            if not self._ask:
                self._show(step, path, side, names)
                raise left(step, path, side)
            if meant or self._stepping:
                self._show(step, path, side, names)
                await self._converse(step, path, side, names)

    def _show(self, step: Step, path: str, side: str, names: Mapping[str, Any]) -> None:
        say, there = self._screen.say, self.redactor.json(dict(names))
        self.seen.append({"step": path, "side": side, "place": str(step.place), "names": there})
        say(f"  {click.style('■', fg='magenta', bold=True)} {side} {bold(path)}  {dim(f'at {step.place}')}")
        if step.condition is not None and side == BEFORE:
            say(dim(f"      if: {step.condition.text}"))
        for line in listed({name: value for name, value in there.items() if name != "steps"}):
            say(f"    {line[: width() + 20]}")

    async def _converse(self, step: Step, path: str, side: str, names: Mapping[str, Any]) -> None:
        from engine.cli.prompt import Prompt, helped  # noqa: PLC0415 - the prompt takes its time to load

        prompt = Prompt(self._history)
        while True:
            text = await prompt.ask(f"{bold(f'{path}>')} ", names, COMMANDS, self.redactor)
            command = ":quit" if text is None else _SHORT.get(text, text)
            match command:
                case ":continue" | ":step":
                    self._stepping = command == ":step"
                    return
                case ":quit":
                    raise left(step, path, side)
                case ":help":
                    click.echo(helped(COMMANDS))
                case ":show":
                    for name, value in self.redactor.json(dict(names)).items():
                        click.echo(f"  {bold(name)}  {excerpt(value, 4000)}")
                case "":
                    pass
                case _ if command.startswith(":"):
                    click.echo(f"there is no {command}; :help says what can be typed")
                case _:
                    click.echo("\n".join(shown(evaluate(command, names, self._clock))))


def _stop(plan: Scenario, text: str) -> tuple[Start, str]:
    name, colon, side = text.rpartition(":")
    if not colon or side not in (BEFORE, AFTER):
        name, side = text, BEFORE
    start = Start(plan, name)
    if not start.found:
        known = ", ".join(ids(plan)) or "none that has an id"
        raise wrong_usage(f"--break-at: scenario '{plan.name}' has no step '{name}'; its steps: {known}")
    return start, side
