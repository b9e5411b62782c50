"""The reference page of the command line, made from what the commands say of themselves."""

from __future__ import annotations

from collections.abc import Iterator

import click

from engine.cli.app import cli

_WIDTH = 100
_HEAD = """\
# The command line

Made from the program's own `--help`; `python -m engine.cli.reference` prints it anew.

Results go to stdout, everything else to stderr. Exit codes: 0 fine, 1 the work failed or a file has mistakes, 2 wrong
usage, 130 stopped at once by a second Ctrl-C. Colours are used on a terminal only, and never with `NO_COLOR` set.

Commands that read work beside a process that executes the store. Those that change something hand their request to
that process, or do it themselves when there is none.
"""


def page() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    for path, command in _commands("engine", cli, None):
        parts.append(f"## `{path}`\n\n```text\n{command}\n```\n")
    return "\n".join(parts)


def _commands(path: str, command: click.Command, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    name = path.rpartition(" ")[2]
    context = command.make_context(
        name, [], parent, resilient_parsing=True, terminal_width=_WIDTH, max_content_width=_WIDTH
    )
    yield path, command.get_help(context).rstrip()
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None:
                yield from _commands(f"{path} {inner}", found, context)


if __name__ == "__main__":
    click.echo(page(), nl=False)
