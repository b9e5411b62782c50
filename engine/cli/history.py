"""One run in full, from the store: its event, its journal and its writes, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from engine.cli import holds
from engine.cli.acting import look_up
from engine.cli.console import bold, coloured, dim, excerpt, moment, print_json, took, width
from engine.cli.execute import seconds
from engine.cli.transcript import how_far
from engine.cli.waiting import describe, wait_json
from engine.cli.workspace import Workspace
from engine.runtime.branching import ROUTES
from engine.runtime.folding import PART, progress_of
from engine.runtime.items import in_words, is_outcome
from engine.runtime.shown import shown
from engine.sdk import jsontext
from engine.store.folds import FOLD
from engine.store.ids import show as show_id
from engine.store.records import EffectRecord, Receipt, Record, Run
from engine.store.waits import WaitState

#: routers whose ways are told at the head of a run; a router in a long loop takes many
MOST_ROUTERS = 20
#: items of a batch that are named
MOST_ITEMS = 10
_WORDS = {"call": "done"}


async def show_run(workspace: Workspace, run_id: int) -> None:
    """Print a run. Raises ``CommandRefused``: there is none."""
    run = await look_up(workspace, run_id)
    async with workspace.store() as store:
        receipt = await store.receipt(run.receipt_id)
        [past] = await store.pasts([run])
        waits = [wait_json(wait) for wait in await store.waits.of_run(run_id) if wait.state is WaitState.OPEN]
        about = await shown(store, run, workspace.redactor)
    rows: list[Record | EffectRecord] = sorted([*past.records, *past.effects], key=lambda row: row.position)
    if workspace.session.as_json:
        source = {"source": receipt.source, "received_at": receipt.received_at} if receipt else None
        journal = [row_json(row, workspace) for row in rows]
        decisions = _decisions(run, rows, workspace)
        print_json({**about, "event": source, "journal": journal, "decisions": decisions, "waits": waits})
        return
    click.echo("\n".join(_lines(workspace, run, about, receipt, rows, waits)))


def _lines(
    workspace: Workspace,
    run: Run,
    about: Mapping[str, Any],
    receipt: Receipt | None,
    rows: Sequence[Record | EffectRecord],
    waits: Sequence[dict[str, Any]],
) -> list[str]:
    simulated = "  simulated" if run.simulated else ""
    lines = [f"run {bold(show_id(run.id))}  {bold(run.scenario)}  {coloured(run.state)}{simulated}"]
    if receipt is not None:
        lines.append(f"  event    receipt {show_id(receipt.id)} from {receipt.source}, {moment(receipt.received_at)}")
    if (by := about["called_by"]) is not None:
        lines.append(f"  called   by run {by['run']} at {by['step']}" + _root(by, about["root"]))
    if run.subject:
        lines.append(f"  subject  {run.subject}")
    ended = f", ended {moment(run.ended_at)} after {took(seconds(run))}" if run.ended_at else ""
    lines.append(f"  times    created {moment(run.created_at)}{ended}")
    lines.append(f"  version  {run.version[:8]}")
    lines += _replays(about)
    if run.recoveries:
        lines.append(f"  taken over {run.recoveries} times since its last progress")
    decisions = _decisions(run, rows, workspace)
    lines += _routes(decisions)
    lines.append("")
    for row in rows:
        if row.key[:1] != "@":
            lines += _row(row_json(row, workspace))
    if not rows:
        lines.append(dim("  nothing touched the outside world"))
    if about["calls"]:
        lines += ["", *(f"  called run {c['run']}  {c['scenario']}  {coloured(c['state'])}" for c in about["calls"])]
    if waits:
        lines += ["", *(f"  {describe(wait, workspace)}" for wait in waits)]
    if workspace.session.verbose:
        lines += [
            "",
            "  decisions",
            *(f"    {key} = {excerpt(value, width() - 10)}" for key, value in decisions.items()),
        ]
    lines += _result(about)
    if about["holds"]:
        lines += ["", *_context(about["context"])]
        lines += ["", *holds.explain(workspace, show_id(run.id), about["holds"], workspace.redactor)]
    elif not waits and (pending := about["waits_for"]) is not None:
        lines += ["", f"  waits for {holds.awaited(pending)}", *holds.behind(workspace, pending, indent="    ")]
    return lines


def _replays(about: Mapping[str, Any]) -> Iterator[str]:
    """Of which run it is a replay, and as which runs it was replayed."""
    if (of := about["replay_of"]) is not None:
        start = f" from {of['from']} on" if of.get("from") else ""
        by = f", by {of['by']}" if of.get("by") else ""
        why = f": {of['reason']}" if of.get("reason") else ""
        yield f"  replay   of run {of.get('of') or '?'}{start}{by}{why}"
    if about["replayed_as"]:
        yield f"  replayed as run {', '.join(about['replayed_as'])}"


def _routes(decisions: Mapping[str, Any]) -> Iterator[str]:
    """Which ways its routers took."""
    taken = [(key.removesuffix(ROUTES), names) for key, names in decisions.items() if key.endswith(ROUTES)]
    for path, names in taken[:MOST_ROUTERS]:
        yield f"  route    {path} took {', '.join(names) if names else 'none'}"
    if taken[MOST_ROUTERS:]:
        yield f"           and {len(taken) - MOST_ROUTERS} more: see --verbose"


def _root(by: Mapping[str, Any], root: str) -> str:
    further = "" if root == by["run"] else f", which goes back to run {root}"
    return f", which waits for it{further}" if by["waits"] else further


def _result(about: Mapping[str, Any]) -> Iterator[str]:
    """How it ended, and what came of it besides."""
    if about["error"]:
        yield from ("", f"  error    {about['error'].get('code')}: {about['error'].get('message')}")
    if about["rolled_back"]:
        yield "           rolled back: what it had done before is undone"
    if about["committed"]:
        yield from ("", f"  ended at {about['committed']}, which failed: its `on_error` is `commit`")
    if (failed := about["on_failure"]) is not None:
        yield f"           its `on_failure` failed too, {failed.get('code')}: {failed.get('message')}"
    if about["output"] is not None:
        yield from ("", f"  output   {excerpt(about['output'], width() - 12)}")


def _context(context: Mapping[str, Any]) -> Iterator[str]:
    """What the step that is held could see."""
    yield "  it could see"
    values = {"trigger": context["trigger"], **context["steps"]}
    column = max(len(name) for name in values)
    for name, value in values.items():
        yield f"    {name:<{column}}  {dim(excerpt(value, max(20, width() - column - 6)))}"
    if context["left_out"]:
        yield dim(f"    and {context['left_out']} earlier outputs")


def row_json(row: Record | EffectRecord, workspace: Workspace) -> dict[str, Any]:
    """A journal row or effect as ``--json`` shows it."""
    path, _, attempt = row.key.rpartition("#")
    if isinstance(row, Record) and row.kind in (FOLD, PART):
        path, attempt = row.key.rpartition("!")[0], "0"
    shared = {
        "path": path,
        "attempt": int(attempt.partition("!")[0]),
        "module": row.module,
        "output": _read(row.output, workspace),
        "error": _read(row.error, workspace),
    }
    if isinstance(row, Record):
        return {**shared, "kind": row.kind, "effect": None, "state": _WORDS.get(row.kind, row.kind), "at": row.at}
    return {
        **shared,
        "kind": "effect",
        "effect": row.effect,
        "state": str(row.state),
        "at": row.intended_at,
        "settled_at": row.settled_at,
        "settled_by": row.settled_by,
        "reason": row.reason,
        "effect_key": row.effect_key,
        "request": _read(row.request, workspace),
    }


def _row(row: dict[str, Any]) -> list[str]:
    attempt = f" attempt {row['attempt']}" if row["attempt"] > 1 else ""
    if row["kind"] == "settled":
        word = row["output"] or {}
        reason = f": {word['reason']}" if word.get("reason") else ""
        said = f"{word.get('by')} said '{word.get('choice')}'{reason}" if word else "somebody's word, which was erased"
        return [f"  {moment(row['at'])}  {bold(row['path'] or 'run')}{attempt}  {said}"]
    if row["kind"] in ("waiting", "timed-out", "closed"):
        words = {"waiting": "waits", "timed-out": "no answer in time", "closed": "not waited for any more"}
        return [f"  {moment(row['at'])}  {bold(row['path'])}{attempt}  {words[row['kind']]}"]
    if row["kind"] == FOLD:
        return [f"  {moment(row['at'])}  {bold(row['path'])}  {how_far(progress_of(row['output']))}"]
    if row["kind"] == PART:
        return []
    if row["kind"] == "sleep":
        return [f"  {moment(row['at'])}  {bold(row['path'])}  sleeps until {moment(row['output']['due'])}"]
    if row["kind"] == "differs":
        return [f"  {moment(row['at'])}  {bold(row['path'])}{attempt}  {row['module']}  asks: another run made it"]
    kind = "write " if row["kind"] == "effect" else ""
    by = f" by {row['settled_by']}" if row.get("settled_by") not in (None, "vendor") else ""
    why = f" ({row['reason']})" if row.get("reason") else ""
    took_ = f"  {took(row['settled_at'] - row['at'])}" if row.get("settled_at") else ""
    what = f"{row['module'] or 'wait_for'}  {kind}{coloured(row['state'])}{by}{why}{took_}"
    room = width() - 18
    lines = [f"  {moment(row['at'])}  {bold(row['path'])}{attempt}  {what}"]
    batch = row["kind"] == "effect" and is_outcome(row["output"])
    given = [name for name in ("request", "output") if row.get(name) is not None and not (batch and name == "output")]
    lines += [f"      {name:<8} {dim(excerpt(row[name], room))}" for name in given]
    if batch:
        lines += _items(row["output"], room)
    if row["error"]:
        lines.append(f"      error    {excerpt(str(row['error'].get('message')), room)}")
        if row["error"].get("detail"):
            lines.append(f"      answer   {dim(excerpt(row['error']['detail'], room))}")
    return lines


def _items(outcome: Mapping[str, Any], room: int) -> Iterator[str]:
    """What became of the items of a batch, by number and, of those that are not done, by name."""
    yield f"      items    {in_words(outcome)}"
    failing = [item for item in outcome["items"] if item["state"] != "done"]
    for item in failing[:MOST_ITEMS]:
        why = (item.get("error") or {}).get("message") or "no answer"
        name = f"[{item['index']}] {item['key'] or ''}".rstrip()
        yield f"        {item['state']:<8} {excerpt(f'{name}: {why}', room)}"
    if failing[MOST_ITEMS:]:
        yield dim(f"        and {len(failing) - MOST_ITEMS} more: see --json")


def _read(text: bytes | None, workspace: Workspace) -> Any:
    return None if text is None else workspace.redactor.json(jsontext.loads(text))


def _decisions(run: Run, rows: Sequence[Record | EffectRecord], workspace: Workspace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for notes in (*(row.notes for row in rows), run.notes):
        if notes:
            found |= jsontext.loads(notes)
    redacted: dict[str, Any] = workspace.redactor.json(found)
    return redacted
