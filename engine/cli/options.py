"""Options that many commands share. They are kept in the session, so that a group and its commands take them alike."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from engine.cli.session import Session
from engine.scenario.durations import EXAMPLES, parse_duration
from engine.store import ids

F = TypeVar("F", bound=Callable[..., Any])


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value not in (None, False) and param.name:
        setattr(ctx.ensure_object(Session), param.name, value)
        if param.name == "verbose":
            logging.getLogger("engine").setLevel(logging.INFO)


def _shared(*names: str, **settings: Any) -> Callable[[F], F]:
    return click.option(*names, expose_value=False, callback=_remember, **settings)


data_option = _shared(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the store is.  [default: .engine/ in the project]",
)
environment_option = _shared(
    "--env",
    "environment",
    metavar="NAME",
    help="As this environment of engine.yaml, with a store of its own.",
)
json_option = _shared("--json", "as_json", is_flag=True, help="Print JSON on stdout, everything else on stderr.")
verbose_option = _shared("--verbose", "-v", "verbose", is_flag=True, help="Show more: decisions, and the log.")


def with_environment(command: click.Command) -> None:
    """Let a command, and all below it, take ``--env``; one with such an option of its own takes it before its name."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_environment(inner)
    if not any("--env" in parameter.opts for parameter in command.params):
        environment_option(command)


def listen_options(command: F) -> F:
    """``--host``, ``--port`` and ``--public-url``."""
    for option in (
        click.option("--public-url", help="How senders reach this machine, such as https://hooks.example.com."),
        click.option(
            "--port", type=click.IntRange(0, 65_535), help="Port for webhooks; 0 takes a free one, for the API too."
        ),
        click.option("--host", help="Address on which to listen for webhooks."),
    ):
        command = option(command)
    return command


simulate_option = click.option(
    "--simulate", is_flag=True, help="Every app answers from its simulator; no account is needed."
)


class Id(click.ParamType[int]):
    """The id of a run or receipt."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return ids.read(value)
        except ids.BadId as error:
            self.fail(f"{error.message}{f' ({error.hint})' if error.hint else ''}", param, ctx)


class Duration(click.ParamType[float]):
    """A duration, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        seconds = parse_duration(value)
        if seconds is None:
            self.fail(f"'{value}' is no duration; write {EXAMPLES}", param, ctx)
        return seconds


def page_options(command: F) -> F:
    """``--limit`` and ``--before``."""
    for option in (
        click.option("--before", type=Id(), metavar="ID", help="Only what is older than this one."),
        click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many."),
    ):
        command = option(command)
    return command
