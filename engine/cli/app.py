"""The program ``engine``: its commands, and how it shows what went wrong."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import click

from engine.cli.failures import Bug, Failure
from engine.cli.options import with_environment
from engine.cli.session import Session
from engine.sdk.errors import EngineError


class Entry(NamedTuple):
    """A command that is not imported yet.

    :param summary: its line in the list of commands, the same as in its own help.
    """

    module: str
    summary: str


COMMANDS: Mapping[str, Entry] = {
    "init": Entry("engine.cli.init", "Make a project: settings, a scenario with its event and test."),
    "new": Entry("engine.cli.new", "Make another scenario or module; what is made is right."),
    "run": Entry("engine.cli.run", "Run one scenario, and show each step as it happens."),
    "serve": Entry("engine.cli.serve", "Serve all scenarios of a project."),
    "reload": Entry("engine.cli.reload", "Have the process that serves take over changed files now."),
    "check": Entry("engine.cli.check", "Find every mistake in scenarios and settings."),
    "test": Entry(
        "engine.cli.test", "Try scenarios offline, on the events beside them; --crash kills them everywhere."
    ),
    "explain": Entry("engine.cli.explain", "Say in plain sentences what a scenario does."),
    "graph": Entry("engine.cli.graph", "Draw a scenario, as SVG or Mermaid."),
    "modules": Entry("engine.cli.modules", "Show what is installed: apps, modules, their options."),
    "schema": Entry("engine.cli.schema", "Print the JSON Schema of the language, with the installed modules."),
    "functions": Entry("engine.cli.functions", "Show what expressions can call, with examples."),
    "start": Entry("engine.cli.start", "Start a scenario by hand."),
    "schedules": Entry("engine.cli.schedules", "Show what the clock starts: last and next."),
    "webhooks": Entry("engine.cli.webhooks", "Show the URLs that senders call."),
    "eval": Entry("engine.cli.evaluate", "Say what an expression comes to on an event, or on what a run saw."),
    "runs": Entry("engine.cli.runs", "List runs; show, resume, retry or cancel one."),
    "receipts": Entry("engine.cli.receipts", "Show what arrived, and what became of it."),
    "effects": Entry("engine.cli.effects", "Show every write: intended, done, refused, unknown."),
    "alerts": Entry("engine.cli.alerts", "Show what operators were told of; send a test."),
    "status": Entry("engine.cli.status", "Say how the engine is; exit code 1 when something is wrong."),
    "store": Entry("engine.cli.store", "Show how large the store is, and what may go; prune or compact it."),
    "erase": Entry("engine.cli.erase", "Erase a subject: blank what receipts, runs and writes hold about it."),
    "connections": Entry("engine.cli.connections", "List connections; add, authorize, test or remove one."),
    "signal": Entry("engine.cli.signal", "Send a signal to the runs that wait for it."),
    "approvals": Entry(
        "engine.cli.approvals", "List what runs ask of people, with the links under which it is answered."
    ),
    "approve": Entry("engine.cli.approvals", "Answer what a run asks."),
    "simulate": Entry("engine.cli.simulate", "Run an app's simulator on a port."),
}


class Commands(click.Group):
    """The group of all commands; knows their summaries without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(importlib.import_module(entry.module), cmd_name)
        with_environment(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EngineError as error:
            if ctx.ensure_object(Session).debug:
                raise
            raise Failure(error) from error
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.ensure_object(Session).debug:
                raise
            raise Bug(error) from error


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExample:\n  engine run scenarios/hello.yaml --event event.json --simulate",
)
@click.option("--debug", is_flag=True, envvar="ENGINE_DEBUG", help="Show the traceback of an unexpected error.")
@click.option(
    "--env", metavar="NAME", envvar="ENGINE_ENV", help="As this environment of engine.yaml, with a store of its own."
)
@click.version_option(package_name="scenario-engine", prog_name="engine")
@click.pass_context
def cli(ctx: click.Context, debug: bool, env: str | None) -> None:
    """Run scenarios: YAML files that say what follows from an event, and that survive whatever stops them."""
    session = ctx.ensure_object(Session)
    session.debug, session.environment = debug, env
    if os.environ.get("NO_COLOR"):
        ctx.color = False


class _Stderr(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # a log that cannot be written, on the disk that is full, say, must not stop whoever had something to tell
        with suppress(OSError):
            click.echo(self.format(record), err=True)


def main() -> None:
    """The program's entry point."""
    handler = _Stderr()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    log = logging.getLogger("engine")
    log.addHandler(handler)
    log.setLevel(logging.WARNING)
    log.propagate = False
    for stream in (sys.stdout, sys.stderr):
        # what vendors and authors write must not end a program that shows it
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    cli(prog_name="engine")
