"""``--input`` and ``--inputs``: what a scenario is started with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from json import JSONDecodeError
from pathlib import Path
from typing import Any, TypeVar

import click

from engine.cli.workspace import wrong_usage
from engine.scenario.plan import Scenario
from engine.sdk import jsontext
from engine.sdk.errors import EngineError
from engine.sdk.modules import Json

F = TypeVar("F", bound=Callable[..., Any])


class InputsUnreadable(EngineError):
    """The file given with ``--inputs`` is no JSON object."""

    code = "inputs-unreadable"


def input_options(command: F) -> F:
    """``--input`` and ``--inputs``."""
    for option in (
        click.option(
            "--inputs",
            "inputs_file",
            type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
            help="A JSON file with inputs; - reads stdin.",
        ),
        click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="An input, read by its type."),
    ):
        command = option(command)
    return command


def given(plan: Scenario | None, inputs: Sequence[str], file: Path | None) -> dict[str, Json]:
    """The inputs that were given; those of the command line win.

    :param plan: says of what type they are; None: they stay texts.
    """
    found: dict[str, Json] = {}
    if file is not None:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        try:
            value = jsontext.loads(raw)
        except ValueError as error:
            raise InputsUnreadable(
                f"the inputs are not JSON: {error}", place=str(file), hint="correct the file"
            ) from None
        if not isinstance(value, dict):
            raise InputsUnreadable("the inputs are no JSON object", place=str(file), hint="write {NAME: VALUE, …}")
        found = value
    texts: dict[str, str] = {}
    for text in inputs:
        name, equals, value_ = text.partition("=")
        if not (name and equals):
            raise wrong_usage(f"--input takes NAME=VALUE, not '{text}'")
        texts[name] = value_
    return {**found, **(plan.inputs.parse(texts) if plan is not None else texts)}


class EventUnreadable(EngineError):
    """The event given with ``--event`` is not JSON."""

    code = "event-unreadable"


def read_event(path: Path) -> bytes:
    """The JSON in a file, or on stdin where it is ``-``. Raises ``EventUnreadable``."""
    raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    name = "<stdin>" if str(path) == "-" else str(path)
    try:
        jsontext.loads(raw)
    except JSONDecodeError as error:
        raise EventUnreadable(
            f"the event is not JSON: {error.msg}", place=f"{name}:{error.lineno}:{error.colno}", hint="correct the file"
        ) from None
    except ValueError as error:
        raise EventUnreadable(f"the event is not JSON: {error}", place=name, hint="correct the file") from None
    return raw
