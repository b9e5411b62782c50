"""Errors as people see them: one block on stderr, no traceback."""

from __future__ import annotations

import traceback
from typing import IO, Any

import click

from engine.cli.console import excerpt
from engine.sdk.errors import EngineError, ModuleError


class Failure(click.ClickException):
    """An error of the engine's family. Exit code 1."""

    exit_code = 1

    def __init__(self, error: EngineError) -> None:
        super().__init__(error.message)
        self.error = error

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(block(self.error), file=file, err=file is None)


class Bug(click.ClickException):
    """Something that should not have happened. Exit code 1."""

    exit_code = 1

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error

    def show(self, file: IO[Any] | None = None) -> None:
        frames = traceback.extract_tb(self.error.__traceback__)
        lines = [
            head("internal", f"{type(self.error).__name__}: {self.error}"),
            f"  at:   {frames[-1].filename}:{frames[-1].lineno}" if frames else "",
            "  next: this is a mistake in the engine, not in your files; `engine --debug` shows more, please report it",
        ]
        click.echo("\n".join(filter(None, lines)), file=file, err=file is None)


class Finished(click.exceptions.Exit):
    """The command has said all that there is to say; only the exit code is left."""

    def __init__(self, fine: bool) -> None:
        super().__init__(0 if fine else 1)


def head(code: str, message: str) -> str:
    """``error[code]: message``."""
    return f"{click.style(f'error[{code}]', fg='red', bold=True)}: {message}"


def block(error: EngineError) -> str:
    """An error as one block of text: what, where, what next."""
    render = getattr(error, "render", None)
    if render is not None:
        return str(render())
    lines = [head(error.code, error.message)]
    if isinstance(error, ModuleError) and error.detail:
        lines.append(f"  said: {excerpt(error.detail, 400)}")
    if error.place:
        lines.append(f"  at:   {error.place}")
    if error.hint:
        lines.append(f"  next: {error.hint}")
    return "\n".join(lines)
