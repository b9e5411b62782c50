"""``engine effects``: every write."""

from __future__ import annotations

from typing import Any

import click

from engine.cli.aio import run_async
from engine.cli.console import coloured, excerpt, moment, note, print_json, table
from engine.cli.history import row_json
from engine.cli.options import Id, data_option, json_option, page_options
from engine.cli.session import Session
from engine.cli.workspace import Workspace
from engine.runtime.items import in_words, is_outcome
from engine.store.ids import show
from engine.store.records import EffectFilter, EffectRecord, EffectState, Page


@click.command(
    epilog="\b\nExamples:\n  engine effects --state unknown\n  engine effects --subject ana@example.com --json"
)
@click.option("--state", type=click.Choice([str(s) for s in EffectState]), multiple=True, help="Only in this state.")
@click.option("--scenario", metavar="NAME", help="Only those of this scenario.")
@click.option("--subject", metavar="TEXT", help="Only those about this e-mail or customer id.")
@click.option("--run", "run_id", type=Id(), metavar="ID", help="Only those of this run.")
@page_options
@json_option
@data_option
@click.pass_obj
def effects(
    session: Session,
    state: tuple[str, ...],
    scenario: str | None,
    subject: str | None,
    run_id: int | None,
    limit: int,
    before: int | None,
) -> None:
    """Show every write: intended, done, refused, unknown."""
    states = tuple(EffectState(s) for s in state) or None
    wanted = EffectFilter(states, scenario, subject, run_id, Page(limit, before))
    run_async(_list(Workspace.of(session), wanted))


async def _list(workspace: Workspace, wanted: EffectFilter) -> None:
    async with workspace.store() as store:
        found = await store.effects(wanted)
        counts = await store.effect_counts()
    if workspace.session.as_json:
        listed = [
            {"run": show(e.run_id), "scenario": e.scenario, "subject": e.subject, **row_json(e, workspace)}
            for e in found
        ]
        print_json({"counts": dict(counts), "effects": listed})
        return
    if found:
        click.echo(table([_row(effect, workspace) for effect in found], _HEADERS))
    if wanted.run_id is None and len(found) >= wanted.page.limit:
        note(f"older ones: {workspace.command('effects', '--before', show(found[-1].run_id))}")
    total = ", ".join(f"{number} {coloured(state)}" for state, number in sorted(counts.items()))
    click.echo(f"\nin all: {total}" if total else "no writes")


_HEADERS = ("run", "intended", "scenario", "step", "module", "effect", "state", "by", "subject", "request")


def _row(effect: EffectRecord, workspace: Workspace) -> tuple[Any, ...]:
    row = row_json(effect, workspace)
    request = excerpt(row["request"], 50)
    state = coloured(str(effect.state))
    if is_outcome(row["output"]):
        state += f" ({in_words(row['output'])})"
    return (
        show(effect.run_id),
        moment(effect.intended_at),
        effect.scenario,
        effect.key.removesuffix("#1"),
        effect.module,
        effect.effect,
        state,
        effect.settled_by,
        effect.subject,
        request,
    )
