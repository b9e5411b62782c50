"""``engine receipts``: what arrived, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from engine.cli.acting import go_on
from engine.cli.aio import run_async
from engine.cli.console import coloured, counted, excerpt, moment, note, print_json, table, width
from engine.cli.execute import delivery_json
from engine.cli.failures import Finished
from engine.cli.options import Id, data_option, json_option, page_options, simulate_option
from engine.cli.remote import hand_over
from engine.cli.session import Session
from engine.cli.workspace import Workspace, refuse
from engine.runtime.host import Host
from engine.sdk import jsontext
from engine.server.redeliver import redeliver
from engine.store.ids import show as show_id
from engine.store.records import Delivery, DeliveryState, Page, Receipt, ReceiptFilter


@click.group(
    invoke_without_command=True,
    epilog="\b\nExamples:\n"
    "  engine receipts --state parked\n"
    "  engine receipts --refused\n"
    "  engine receipts deliver 01j9z6t3k4m5n --scenario hello",
)
@click.option("--state", type=click.Choice([str(s) for s in DeliveryState]), help="Only with a delivery in this state.")
@click.option("--source", metavar="WEBHOOK", help="Only what came by this webhook; cli: events given by hand.")
@click.option("--subject", metavar="TEXT", help="Only what is about this e-mail or customer id.")
@click.option("--refused", is_flag=True, help="The requests that were not taken, in place of the receipts.")
@page_options
@json_option
@data_option
@click.pass_context
def receipts(
    ctx: click.Context,
    state: str | None,
    source: str | None,
    subject: str | None,
    refused: bool,
    limit: int,
    before: int | None,
) -> None:
    """Show what arrived, and what became of it."""
    if ctx.invoked_subcommand is not None:
        return
    workspace = Workspace.of(ctx.ensure_object(Session))
    if refused:
        run_async(_refused(workspace))
        return
    wanted = ReceiptFilter(source, subject, DeliveryState(state) if state else None, Page(limit, before))
    run_async(_list(workspace, wanted))


async def _list(workspace: Workspace, wanted: ReceiptFilter) -> None:
    async with workspace.store() as store:
        found = await store.receipts(wanted)
        deliveries = await store.deliveries([receipt.id for receipt in found])
        counts = await store.delivery_counts()
    fates: dict[int, list[Delivery]] = {receipt.id: [] for receipt in found}
    for delivery in deliveries:
        fates[delivery.receipt_id].append(delivery)
    if workspace.session.as_json:
        listed = [{**_json(receipt), "deliveries": [delivery_json(d) for d in fates[receipt.id]]} for receipt in found]
        print_json({"counts": dict(counts), "receipts": listed})
        return
    if found:
        rows = [row for receipt in found for row in _rows(receipt, fates[receipt.id])]
        click.echo(table(rows, ("receipt", "received", "webhook", "subject", "scenario", "became", "")))
    if len(found) == wanted.page.limit:
        older = ["--limit", str(wanted.page.limit), "--before", show_id(found[-1].id)]
        note(f"older ones: {workspace.command('receipts', *older)}")
    click.echo(f"\n{_sums(dict(counts))}")


def _rows(receipt: Receipt, deliveries: Sequence[Delivery]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for delivery in deliveries:
        about = show_id(delivery.run_id) if delivery.run_id is not None else excerpt(delivery.reason or "", 60)
        fate = (delivery.scenario, coloured(str(delivery.state)), about)
        first = (show_id(receipt.id), moment(receipt.received_at), receipt.source, receipt.subject)
        rows.append((*(first if not rows else ("", "", "", "")), *fate))
    return rows


def _sums(counts: dict[str, int]) -> str:
    received = counts.pop("receipts", 0)
    total = sum(counts.values())
    parts = " + ".join(f"{number} {coloured(state)}" for state, number in sorted(counts.items()) if number)
    return f"{counted(received, 'receipt')}; deliveries to scenarios: {total}{f' = {parts}' if parts else ''}"


def _json(receipt: Receipt) -> dict[str, Any]:
    return {
        "id": show_id(receipt.id),
        "source": receipt.source,
        "received_at": receipt.received_at,
        "method": receipt.method,
        "subject": receipt.subject,
    }


async def _refused(workspace: Workspace) -> None:
    async with workspace.store() as store:
        counts, latest = await store.refusals()
    if workspace.session.as_json:
        print_json(
            {
                "counts": [{"webhook": webhook, "status": status, "count": n} for webhook, status, n in counts],
                "latest": [
                    {"at": r.at, "webhook": r.webhook, "status": r.status, "reason": r.reason, "excerpt": r.excerpt}
                    for r in latest
                ],
            }
        )
        return
    if not counts:
        click.echo("no request was refused")
        return
    click.echo(table(counts, ("webhook", "status", "count")))
    click.echo("\nthe last ones; ? is a URL that belongs to no webhook\n")
    rows = [(moment(r.at), r.webhook, r.status, r.reason, excerpt(r.excerpt, 60)) for r in latest]
    click.echo(table(rows, ("at", "webhook", "status", "reason", "body")))


@receipts.command(epilog="\b\nExample:\n  engine receipts show 01j9z6t3k4m5n")
@click.argument("receipt_id", type=Id(), metavar="ID")
@json_option
@data_option
@click.pass_obj
def show(session: Session, receipt_id: int) -> None:
    """Show a receipt: how it came, its body, and what each scenario made of it."""
    run_async(_show(Workspace.of(session), receipt_id))


async def _show(workspace: Workspace, receipt_id: int) -> None:
    async with workspace.store() as store:
        receipt = await store.receipt(receipt_id)
        deliveries = await store.deliveries([receipt_id])
    if receipt is None:
        raise refuse(
            "unknown-receipt", f"there is no receipt {show_id(receipt_id)}", "list them with `engine receipts`"
        )
    hidden = workspace.redactor
    headers = hidden.json(jsontext.loads(receipt.headers))
    query = hidden.json(jsontext.loads(receipt.query))
    body = _body(receipt, workspace)
    if workspace.session.as_json:
        fates = [delivery_json(d) for d in deliveries]
        print_json({**_json(receipt), "headers": headers, "query": query, "body": body, "deliveries": fates})
        return
    subject = f"  {receipt.subject}" if receipt.subject else ""
    click.echo(f"receipt {show_id(receipt.id)}  {moment(receipt.received_at)}  from {receipt.source}{subject}")
    click.echo(f"  {receipt.method}")
    for name, value in {**headers, **{f"?{key}": value for key, value in query.items()}}.items():
        click.echo(f"  {name}: {value}")
    click.echo(f"  body    {excerpt(body, 10 * width())}\n")
    rows = [row[4:] for row in _rows(receipt, deliveries)]
    click.echo(table(rows, ("scenario", "became", "")))


def _body(receipt: Receipt, workspace: Workspace) -> Any:
    try:
        return workspace.redactor.json(jsontext.loads(receipt.body))
    except ValueError:
        return receipt.body.decode("utf-8", "replace")


@receipts.command(epilog="\b\nExample:\n  engine receipts deliver 01j9z6t3k4m5n --scenario hello")
@click.argument("receipt_id", type=Id(), metavar="ID")
@click.option("--scenario", metavar="NAME", help="To which scenario, where several did not run it.")
@simulate_option
@json_option
@data_option
@click.pass_obj
def deliver(session: Session, receipt_id: int, scenario: str | None, simulate: bool) -> None:
    """Give a parked or rejected receipt to a scenario, as if it came now.

    The process that executes the store runs it; where none runs, it is run here.
    """
    workspace = Workspace.of(session)
    answer = hand_over(
        workspace, f"/api/receipts/{show_id(receipt_id)}/deliver", {"scenario": scenario}, simulate=simulate
    )
    if answer is not None:
        if session.as_json:
            print_json(answer)
        else:
            click.echo(f"delivered; runs: {', '.join(answer['runs']) or 'none, the event was filtered'}")
        return

    async def give(host: Host) -> Sequence[int]:
        return (await redeliver(host, receipt_id, scenario)).runs

    ended = run_async(go_on(workspace, "engine receipts deliver", simulate, give))
    if session.as_json:
        print_json({"runs": [ended.reports.to_json(run) for run in ended.runs]})
    elif not ended.runs:
        click.echo("no run: the event was filtered or refused; see `engine receipts show`")
    raise Finished(ended.fine)
