"""``engine functions``: what expressions can call."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import click

from engine.cli.console import bold, dim, print_json, table, width
from engine.cli.failures import Finished
from engine.cli.options import json_option
from engine.cli.session import Session
from engine.cli.workspace import Workspace, refuse, warn_of
from engine.plugins import Registry
from engine.scenario.expressions import OMIT, Function, functions_of
from engine.scenario.expressions.examples import doubts
from engine.scenario.expressions.names import hint_for


@click.command(
    epilog="\b\nExamples:\n  engine functions\n  engine functions format_date\n  engine functions formatDate"
)
@click.argument("name", required=False)
@json_option
@click.pass_obj
def functions(session: Session, name: str | None) -> None:
    """Show what expressions can call, with examples.

    NAME is a function, or what another tool calls it. Without NAME the examples of the project's own plugins are run
    too: one that gives something else makes the exit code 1, and so does a plugin that could not be loaded.
    """
    registry = Workspace.of(session).registry()
    known = functions_of(registry)
    if name is None:
        wrong = doubts(registry)
        warn_of(wrong)
        if session.as_json:
            problems = [problem.to_json() for problem in (*registry.problems, *wrong)]
            print_json({"functions": [function_json(one, registry) for one in known.values()], "problems": problems})
        else:
            click.echo("\n".join(_overview(known)))
        raise Finished(fine=not registry.problems and not wrong)
    function = known.get(name)
    if function is None:
        hint = hint_for(name, known) or "list them with `engine functions`"
        raise refuse("unknown-function", f"there is no function {name}()", hint)
    if session.as_json:
        print_json(function_json(function, registry))
    else:
        click.echo("\n".join(_page(function, registry)))


def function_json(function: Function, registry: Registry) -> dict[str, Any]:
    """A function with its signature and examples."""
    added = registry.functions.get(function.name)
    return {
        "name": function.name,
        "group": function.group,
        "signature": function.signature,
        "description": function.doc,
        "parameters": [
            {
                "name": parameter.name,
                "types": list(parameter.kinds) or ["any"],
                "items": list(parameter.items) or None,
                "optional": parameter.optional,
                "variadic": parameter.variadic,
                "choices": list(parameter.choices) or None,
            }
            for parameter in function.parameters
        ],
        "returns": function.returns,
        "pure": function.pure,
        "examples": [
            {"expression": e.expression, "data": e.data, "result": None if e.result is OMIT else e.result}
            for e in function.examples
        ],
        "origin": str(added.origin) if added is not None else None,
    }


def _overview(known: Mapping[str, Function]) -> Iterator[str]:
    groups: dict[str, list[Function]] = {}
    for function in known.values():
        groups.setdefault(function.group, []).append(function)
    for group, members in groups.items():
        yield bold(group)
        yield textwrap.fill(
            ", ".join(function.name for function in members), width() - 2, initial_indent="  ", subsequent_indent="  "
        )
        yield ""
    yield f"{len(known)} functions; `engine functions NAME` shows one with examples"


def _page(function: Function, registry: Registry) -> Iterator[str]:
    yield bold(function.signature)
    yield textwrap.fill(function.doc, width() - 2, initial_indent="  ", subsequent_indent="  ")
    added = registry.functions.get(function.name)
    yield dim(f"  {function.group}{f': {added.origin}' if added is not None else ''}")
    choices = [(p.name, " | ".join(p.choices)) for p in function.parameters if p.choices]
    if choices:
        yield ""
        yield table(choices, ("parameter", "one of"))
    yield f"\n{dim('examples')}"
    for example in function.examples:
        shown = "" if example.result is OMIT else f"  →  {_json(example.result)}"
        data = f"\n    {dim(f'where {_json(example.data)}')}" if example.data else ""
        yield f"  {example.expression}{shown}{data}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
