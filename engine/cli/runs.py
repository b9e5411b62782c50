"""``engine runs``: what ran, how it ended, and a person's word on what is held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from engine.cli import holds
from engine.cli.acting import change, go_on, look_up, who
from engine.cli.aio import run_async
from engine.cli.bulk import Bulk, check_usage, filters
from engine.cli.console import coloured, excerpt, moment, note, print_json, table, took
from engine.cli.diff import diff
from engine.cli.execute import seconds
from engine.cli.failures import Finished
from engine.cli.history import show_run
from engine.cli.options import Id, data_option, json_option, page_options, verbose_option
from engine.cli.remote import hand_over
from engine.cli.replay import replay
from engine.cli.session import Session
from engine.cli.workspace import Workspace, wrong_usage
from engine.runtime import commands
from engine.runtime.bulk import STATES
from engine.runtime.checked import resume_checked, retry_checked
from engine.runtime.commands import Choice, Word
from engine.runtime.host import Host
from engine.runtime.shown import RESULT, called_by
from engine.runtime.states import FINAL, State
from engine.runtime.waiting import waits_for
from engine.sdk import jsontext
from engine.store.calls import CallsOf
from engine.store.ids import show as show_id
from engine.store.lock import holder
from engine.store.records import Page, Run, RunFilter


@click.group(
    invoke_without_command=True,
    epilog="\b\nExamples:\n"
    "  engine runs --state held\n"
    "  engine runs show 01j9z6t3k4m5n\n"
    "  engine runs resume 01j9z6t3k4m5n --send-again --reason 'not there: looked it up'",
)
@click.option("--state", type=click.Choice([str(s) for s in State]), multiple=True, help="Only runs in this state.")
@click.option("--scenario", metavar="NAME", help="Only runs of this scenario.")
@click.option("--subject", metavar="TEXT", help="Only runs about this e-mail or customer id.")
@page_options
@json_option
@data_option
@click.pass_context
def runs(
    ctx: click.Context,
    state: tuple[str, ...],
    scenario: str | None,
    subject: str | None,
    limit: int,
    before: int | None,
) -> None:
    """List runs; show, resume, retry or cancel one."""
    if ctx.invoked_subcommand is None:
        wanted = RunFilter(state or None, scenario, subject, None, Page(limit, before))
        run_async(_list(Workspace.of(ctx.ensure_object(Session)), wanted))


async def _list(workspace: Workspace, wanted: RunFilter) -> None:
    async with workspace.store() as store:
        found = await store.runs(wanted)
        counts = await store.run_counts()
        waits = {run.id: await waits_for(store, run) for run in found if run.state == State.BLOCKED}
        calls = await store.ask(CallsOf([run.id for run in found]))
        tries = [await store.next_due((State.HELD,), simulated) for simulated in (False, True)]
    going = any(counts.get(state) for state in State if state not in (*FINAL, State.HELD))
    if holder(workspace.data) is None and (going or any(moment is not None for moment in tries)):
        note(f"nobody executes this store, so nothing goes on: {workspace.command('serve')}")
    if workspace.session.as_json:
        print_json(
            {"counts": dict(counts), "runs": [run_json(run, workspace) | called_by(calls.get(run.id)) for run in found]}
        )
        return
    if found:
        click.echo(table([_row(run, workspace, waits.get(run.id)) for run in found], _HEADERS))
    if len(found) == wanted.page.limit:
        older = ["--limit", str(wanted.page.limit), "--before", show_id(found[-1].id)]
        note(f"older ones: {workspace.command('runs', *older)}")
    total = ", ".join(f"{number} {coloured(state)}" for state, number in sorted(counts.items()))
    click.echo(f"\nin all: {total}" if total else "no runs")


_HEADERS = ("run", "created", "scenario", "state", "subject", "took", "why")


def _row(run: Run, workspace: Workspace, waits: Mapping[str, Any] | None) -> tuple[Any, ...]:
    simulated = " (simulated)" if run.simulated else ""
    why = excerpt(_why(run, workspace, waits), 60)
    name = f"{run.scenario}{simulated}"
    return show_id(run.id), moment(run.created_at), name, coloured(run.state), run.subject, took(seconds(run)), why


def _why(run: Run, workspace: Workspace, waits: Mapping[str, Any] | None) -> str:
    about = run_json(run, workspace)
    if waits is not None:
        return holds.awaited(waits)
    if about["holds"]:
        return "; ".join(f"{hold['step'] or hold['code']}: {hold['message']}" for hold in about["holds"])
    if run.state in (State.SLEEPING, State.GATHERING, State.WAITING):
        return f"until {moment(run.due_at)}" if about["due_at"] is not None else "until it is answered"
    return str((about["error"] or {}).get("message") or "")


def run_json(run: Run, workspace: Workspace) -> dict[str, Any]:
    """A run as ``--json`` shows it."""
    result = workspace.redactor.json(jsontext.loads(run.result)) if run.result else {}
    return {
        "id": show_id(run.id),
        "scenario": run.scenario,
        "version": run.version,
        "state": str(run.state),
        "subject": run.subject,
        "simulated": run.simulated,
        "receipt": show_id(run.receipt_id),
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "due_at": run.due_at,
        "recoveries": run.recoveries,
        **{name: result.get(name) for name in RESULT},
        "holds": workspace.redactor.json(jsontext.loads(run.hold)) if run.hold else [],
    }


@runs.command(epilog="\b\nExample:\n  engine runs show 01j9z6t3k4m5n --verbose")
@click.argument("run_id", type=Id(), metavar="ID")
@json_option
@data_option
@verbose_option
@click.pass_obj
def show(session: Session, run_id: int) -> None:
    """Show a run: its event, each call and write in order, why it is held.

    With --verbose also the decisions that it made on the way.
    """
    workspace = Workspace.of(session)
    run_async(show_run(workspace, run_id))


_version = click.option(
    "--version",
    type=click.Choice(["current"]),
    help="Go on under the scenario's file as it is now, where what was done fits it.",
)
_reason = click.option("--reason", default="", metavar="TEXT", help="Why; kept with the decision.")


@runs.command(
    epilog="\b\nExamples:\n"
    "  engine runs resume 01j9z6t3k4m5n --happened --output '{\"id\": 7}' --reason 'seen in the CRM'\n"
    "  engine runs resume 01j9z6t3k4m5n --send-again\n"
    "  engine runs resume --held --scenario invoice --code failed --send-again --reason 'the API is back'"
)
@click.argument("run_id", type=Id(), metavar="[ID]", required=False)
@click.option("--held", "many", is_flag=True, help="All held runs that the options below mean.")
@click.option("--happened", is_flag=True, help="It happened: go on with --output as its output.")
@click.option("--send-again", is_flag=True, help="It did not happen: send it again.")
@click.option(
    "--item",
    "items",
    multiple=True,
    metavar="KEY",
    help="Of a batch only this item, by its key or its number; may be given several times.",
)
@click.option("--reuse", is_flag=True, help="Of a replay held as 'differs': take the output of the other run.")
@click.option("--skip", is_flag=True, help="Leave the step out; its output is null.")
@click.option("--give-up", is_flag=True, help="End the run as failed.")
@click.option("--force", is_flag=True, help="Take an --output that the step's module would not give.")
@_version
@click.option("--output", metavar="JSON", help="What the step would have given, with --happened; null: nothing.")
@filters
@_reason
@json_option
@data_option
@click.pass_obj
def resume(
    session: Session,
    /,
    run_id: int | None,
    many: bool,
    happened: bool,
    send_again: bool,
    items: tuple[str, ...],
    reuse: bool,
    skip: bool,
    give_up: bool,
    force: bool,
    version: str | None,
    output: str | None,
    step: str | None,
    reason: str,
    **meant: Any,
) -> None:
    """Say how a held run goes on, or how many do.

    The process that executes the store goes on with it; where none runs, it goes on here. A write of unknown outcome
    is sent again only by a word on that one run: --held leaves such runs as they are, and says so.
    """
    check_usage(run_id, many, "--held", meant)
    said = {Choice.HAPPENED: happened, Choice.AGAIN: send_again, Choice.REUSE: reuse}
    said |= {Choice.SKIP: skip, Choice.GIVE_UP: give_up}
    choices = [choice for choice, given in said.items() if given]
    if len(choices) != 1:
        raise wrong_usage("say how it goes on, with one of --happened, --send-again, --reuse, --skip and --give-up")
    [choice] = choices
    if (output is not None) != happened:
        raise wrong_usage(
            "--happened needs --output: what the step would have given, or null"
            if happened
            else "--output goes with --happened"
        )
    if force and not happened:
        raise wrong_usage("--force goes with --happened")
    if items and (many or not (happened or send_again)):
        raise wrong_usage("--item is said of one run, with --happened or --send-again")
    if version and (many or give_up):
        raise wrong_usage("--version is said of one run that goes on")
    if run_id is None:
        if happened or reuse:
            raise wrong_usage("that is said of one run at a time: --happened and --reuse do not go with --held")
        every = Bulk.of(Workspace.of(session), "resume", Word(choice, reason=reason), meant, step)
        every.carry_out(dry_run=meant["dry_run"], yes=meant["yes"])
        return
    word = {"choice": str(choice), "output": _json(output), "reason": reason, "by": who(), "step": step}
    word |= {"version": version, "force": force, "items": list(items)}
    _act(Workspace.of(session), run_id, "resume", word, walks=choice is not Choice.GIVE_UP)


@runs.command(
    epilog="\b\nExamples:\n"
    "  engine runs retry 01j9z6t3k4m5n --reason 'the vendor is back'\n"
    "  engine runs retry --failed --scenario invoice --newer-than 2h"
)
@click.argument("run_id", type=Id(), metavar="[ID]", required=False)
@_version
@click.option("--failed", "many", is_flag=True, help="All failed runs that the options below mean.")
@filters
@_reason
@json_option
@data_option
@click.pass_obj
def retry(
    session: Session,
    /,
    run_id: int | None,
    many: bool,
    version: str | None,
    step: str | None,
    reason: str,
    **meant: Any,
) -> None:
    """Let a failed run go on from the step that failed, or many; what was done is not done again."""
    check_usage(run_id, many, "--failed", {"step": step, **meant})
    if version and many:
        raise wrong_usage("--version is said of one run that goes on")
    if run_id is None:
        every = Bulk.of(Workspace.of(session), "retry", Word(Choice.AGAIN, reason=reason), meant, step)
        every.carry_out(dry_run=meant["dry_run"], yes=meant["yes"])
        return
    word = {"reason": reason, "by": who(), "version": version}
    _act(Workspace.of(session), run_id, "retry", word, walks=True)


@runs.command(
    epilog="\b\nExamples:\n"
    "  engine runs cancel 01j9z6t3k4m5n --reason 'sent by mistake'\n"
    "  engine runs cancel --state sleeping --scenario reminder --older-than 7d"
)
@click.argument("run_id", type=Id(), metavar="[ID]", required=False)
@click.option(
    "--state",
    type=click.Choice([str(state) for state in STATES["cancel"]]),
    multiple=True,
    help="All runs in this state that the options below mean.",
)
@filters
@_reason
@json_option
@data_option
@click.pass_obj
def cancel(
    session: Session, /, run_id: int | None, state: tuple[str, ...], step: str | None, reason: str, **meant: Any
) -> None:
    """End a run that waits, for whatever it is, or many."""
    check_usage(run_id, bool(state), "--state", {"step": step, **meant})
    if run_id is None:
        every = Bulk.of(Workspace.of(session), "cancel", Word(Choice.GIVE_UP, reason=reason), meant, step, state)
        every.carry_out(dry_run=meant["dry_run"], yes=meant["yes"])
        return
    _act(Workspace.of(session), run_id, "cancel", {"reason": reason, "by": who()}, walks=False)


def _json(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return jsontext.loads(text)
    except ValueError as error:
        raise wrong_usage(f"--output is not JSON: {error}; text needs quotes of its own: '\"text\"'") from None


def _act(workspace: Workspace, run_id: int, verb: str, word: Mapping[str, Any], *, walks: bool) -> None:
    run = run_async(look_up(workspace, run_id))
    if hand_over(workspace, f"/api/runs/{show_id(run_id)}/{verb}", word) is not None:
        if run.simulated and walks:
            note("it was made with --simulate, and goes on only where the engine runs with --simulate")
        _tell(workspace, run_id)
        return
    command = f"engine runs {verb}"
    if not walks:
        run_async(change(workspace, command, lambda store: _apply(store, run_id, verb, word, workspace.clock.time())))
        _tell(workspace, run_id)
        return

    async def let_go_on(host: Host) -> list[int]:
        rest = {"reason": word["reason"], "by": word["by"], "current": word["version"] == "current"}
        if verb == "retry":
            await retry_checked(host, run_id, **rest)
        else:
            more = {name: word[name] for name in ("output", "step", "force", "items")}
            await resume_checked(host, run_id, Choice(word["choice"]), **rest, **more)
        return [run_id]

    ended = run_async(go_on(workspace, command, run.simulated, let_go_on))
    if workspace.session.as_json:
        print_json(ended.reports.to_json(ended.runs[0]))
    raise Finished(ended.fine)


def _apply(store: Any, run_id: int, verb: str, word: Mapping[str, Any], now: float) -> Any:
    if verb == "resume":
        rest = {key: word[key] for key in ("output", "reason", "by", "step")}
        return commands.resume(store, run_id, Choice(word["choice"]), now, **rest)
    change_ = commands.retry if verb == "retry" else commands.cancel
    return change_(store, run_id, now, reason=word["reason"], by=word["by"])


def _tell(workspace: Workspace, run_id: int) -> None:
    run, waits = run_async(_standing(workspace, run_id))
    if workspace.session.as_json:
        print_json({**run_json(run, workspace), "waits_for": waits})
    else:
        click.echo(f"run {show_id(run_id)} is {coloured(run.state)} now")
        if run.state == State.BLOCKED and waits is not None:
            click.echo("\n".join(holds.behind(workspace, waits)))
        if run.state == State.HELD and run.hold:
            click.echo(
                "\n".join(holds.explain(workspace, show_id(run.id), jsontext.loads(run.hold), workspace.redactor))
            )


async def _standing(workspace: Workspace, run_id: int) -> tuple[Run, Mapping[str, Any] | None]:
    run = await look_up(workspace, run_id)
    async with workspace.store() as store:
        return run, workspace.redactor.json(await waits_for(store, run))


runs.add_command(replay)
runs.add_command(diff)
