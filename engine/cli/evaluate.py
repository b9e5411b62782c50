"""``engine eval``: try expressions on real data."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from engine.cli.acting import look_up
from engine.cli.aio import run_async
from engine.cli.console import bold, dim, note, on_terminal, print_json
from engine.cli.expressions import HISTORY, evaluate, listed, shown
from engine.cli.failures import Finished
from engine.cli.given import read_event
from engine.cli.options import Id, data_option, json_option
from engine.cli.session import Session
from engine.cli.workspace import Workspace, wrong_usage
from engine.runtime.catalog import Catalog
from engine.runtime.looking import seen
from engine.runtime.rundata import names, opening, request_name
from engine.runtime.scope import Scope
from engine.scenario.expressions import OMIT
from engine.scenario.plan import Listening, Polling, Scenario
from engine.sdk import jsontext
from engine.sdk.clock import utc
from engine.sdk.errors import DataError
from engine.sdk.modules import Delivery
from engine.store.records import Run

COMMANDS = {
    ":names": "what there is to look into",
    ":help": "this",
    ":quit": "leave, as Ctrl-D does",
}


@click.command(
    "eval",
    epilog="\b\nExamples:\n"
    "  engine eval 'trigger.customer.email' --event event.json\n"
    "  engine eval 'send.id' --run 01j9z6t3k4m5n\n"
    "  engine eval --event event.json --scenario scenarios/hello.yaml",
)
@click.argument("expression", required=False)
@click.option(
    "--event",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="On the event in this JSON file; - reads stdin.",
)
@click.option(
    "--scenario",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="As this scenario sees the event: read by its app, with its inputs and variables.",
)
@click.option("--run", "run_id", type=Id(), metavar="ID", help="On what this run saw, up to where it has come.")
@click.option("--at", "step", metavar="STEP", help="With --run: as this step saw it, such as each[0]/send.")
@json_option
@data_option
@click.pass_obj
def eval_(
    session: Session,
    expression: str | None,
    event: Path | None,
    scenario: Path | None,
    run_id: int | None,
    step: str | None,
) -> None:
    """Say what an expression comes to on an event, or on what a run saw.

    Without EXPRESSION it asks for one after another, on a terminal with completion of the fields that are there and
    of functions; elsewhere it takes one from each line of stdin. Exit code 1: an expression came to nothing.
    """
    if run_id is not None and (event is not None or scenario is not None):
        raise wrong_usage("--run has its own event and scenario: leave --event and --scenario out")
    if step is not None and run_id is None:
        raise wrong_usage("--at goes with --run")
    if scenario is not None and event is None:
        raise wrong_usage("--scenario reads an event: add --event FILE")
    if event is not None and str(event) == "-" and expression is None:
        raise wrong_usage("with --event - give the expression: stdin is the event")
    workspace = Workspace.of(session, scenario)
    if run_id is not None:
        found = run_async(_of_run(workspace, run_id, step))
    elif event is not None:
        found = _of_event(workspace, read_event(event), scenario)
    else:
        found = {}
    if expression is not None:
        raise Finished(_answer(workspace, expression, found))
    if on_terminal() and not session.as_json:
        run_async(_converse(workspace, found))
        return
    lines = [line for line in sys.stdin.read().splitlines() if line.strip()]
    good = [_answer(workspace, line, found) for line in lines]
    raise Finished(all(good))


eval = eval_  # noqa: A001 - commands are found by their names


def _answer(workspace: Workspace, expression: str, found: Mapping[str, Any]) -> bool:
    answer = evaluate(expression, found, workspace.clock)
    if workspace.session.as_json:
        print_json(answer.to_json())
    elif answer.error is not None:
        note("\n".join(shown(answer)))
    else:
        click.echo("\n".join(shown(answer)))
    return answer.error is None


async def _converse(workspace: Workspace, found: Mapping[str, Any]) -> None:
    from engine.cli.prompt import Prompt, helped  # noqa: PLC0415 - it takes its time to load

    prompt = Prompt(workspace.data / HISTORY)
    note(dim(f"{', '.join(found) or 'no data: give --event or --run'}; :help says what can be typed"))
    while (text := await prompt.ask(f"{bold('>')} ", found, COMMANDS, workspace.redactor)) != ":quit":
        if text is None:
            return
        if text == ":help":
            click.echo(helped(COMMANDS))
        elif text == ":names":
            click.echo("\n".join(listed(workspace.redactor.json(dict(found)))))
        elif text:
            click.echo("\n".join(shown(evaluate(text, found, workspace.clock))))


# ---------------------------------------------------------------------- what the expressions see


async def _of_run(workspace: Workspace, run_id: int, step: str | None) -> dict[str, Any]:
    run = await look_up(workspace, run_id)
    registry = workspace.registry()
    async with workspace.store() as store:
        return await seen(store, Catalog([], registry, store, workspace.clock), workspace.clock, run, step)


def _of_event(workspace: Workspace, raw: bytes, scenario: Path | None) -> dict[str, Any]:
    body, now = jsontext.loads(raw), workspace.clock.time()
    request = request_name("POST", {"content-type": "application/json"}, {}, now)
    if scenario is None:
        return {"trigger": body, "request": request}
    registry = workspace.registry()
    [plan] = workspace.scenarios(registry, [scenario], simulate=True)
    data = opening(plan, _event(plan, raw, request), request)
    run = Run(0, plan.name, plan.version, 0, 0, "", "queued", 0, now)
    scope = Scope.of(names(run, data))
    for name, template in plan.variables.items():
        value = template.evaluate(scope.names)
        if value is not OMIT:
            scope.set_variable(name, value)
    return dict(scope.names)


def _event(plan: Scenario, raw: bytes, request: Mapping[str, Any]) -> Any:
    """The event as the trigger's app reads it: the first, where there are several."""
    body = jsontext.loads(raw)
    if isinstance(plan.trigger, Polling):
        return plan.trigger.module.identify(plan.trigger.config, body).body
    if not isinstance(plan.trigger, Listening):
        return body
    delivery = Delivery("POST", request["headers"], {}, raw, body, utc(0.0))
    events = list(plan.trigger.module.parse(delivery))
    if not events:
        raise DataError("the delivery holds no event for this trigger", place=plan.file)
    if len(events) > 1:
        note(f"the delivery holds {len(events)} events; this is the first")
    return events[0].body
