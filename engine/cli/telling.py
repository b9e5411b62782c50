"""``engine webhooks attach`` and ``detach``: telling vendors the URLs of webhooks, and taking them back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import click

from engine.cli.authorizing import opened
from engine.cli.console import note, print_json, warn
from engine.cli.remote import simulating, webhooks_served_at
from engine.cli.workspace import Workspace, refuse
from engine.runtime.attaching import Attaching, CannotAttach, shown
from engine.runtime.webhooks import Hook
from engine.sdk.errors import ConfigError


async def attach(
    workspace: Workspace, hooks: Mapping[str, Hook], name: str | None, connection: str | None, base: str
) -> list[dict[str, Any]]:
    """Have the vendor call a webhook's URL, or those of all webhooks that a trigger knows how to tell.

    :returns: for programs, what came of each.
    """
    done: list[dict[str, Any]] = []
    async with _attaching(workspace) as attaching:
        for hook in _meant(attaching, hooks, name):
            try:
                over = attaching.connection(hook, connection, named=name is not None)
            except CannotAttach as error:
                if name is not None:
                    raise
                # all that can be: the others are told of
                note(f"'{shown(hook)}' is left out: {error.message}")
                continue
            url = f"{base}/hooks/{hook.current}"
            changed = await attaching.attach(hook, url, over)
            done.append({"name": hook.name, "connection": over, "url": url, "changed": changed})
            if not workspace.session.as_json:
                said = "is attached" if changed else "was attached already"
                click.echo(f"'{shown(hook)}' {said} over '{over}': the vendor calls {url}")
    return done


async def detach(workspace: Workspace, hooks: Mapping[str, Hook], name: str, connection: str | None, base: str) -> None:
    """Have the vendor call a webhook's URLs no longer."""
    async with _attaching(workspace) as attaching:
        [hook] = _meant(attaching, hooks, name)
        changed = await attaching.detach(hook, f"{base}/hooks/{hook.current}", connection)
    if workspace.session.as_json:
        print_json({"name": hook.name, "changed": changed})
    else:
        click.echo(f"'{shown(hook)}' {'is detached' if changed else 'was not attached'}")


@asynccontextmanager
async def _attaching(workspace: Workspace) -> AsyncIterator[Attaching]:
    if simulating(workspace) and webhooks_served_at(workspace) is not None:
        raise refuse(
            "not-here", "the process that serves the project answers from simulators", "stop it, and attach then"
        )
    entries = workspace.project.connections(registry := workspace.registry())
    async with workspace.store(make=True) as store, opened(workspace, registry, entries, store) as connections:
        yield (attaching := Attaching(connections, entries, store))
        for url in attaching.out_of_reach:
            warn(f"the connection over which the vendor was told {url} is gone; take the URL away at the vendor's")


def _meant(attaching: Attaching, hooks: Mapping[str, Hook], name: str | None) -> list[Hook]:
    """A webhook by its name or by a scenario that listens to it; None: all whose triggers know how to tell."""
    if name is None:
        known = [hook for hook in hooks.values() if any(attaching.ways(hook))]
        found = [hook for hook in known if any(attaching.ways(hook, named=False))]
        for left in (hook for hook in known if hook not in found):
            note(f"'{shown(left)}' is left out: the vendor may have its URL already; `attach {shown(left)}` tells it")
        if not known:
            note("no trigger knows how its vendor is told a URL: enter those of `engine webhooks` by hand")
        return found
    listened = (hook for hook in hooks.values() if any(plan.name == name for plan in hook.listeners))
    hook = hooks.get(name) or next(listened, None)
    if hook is None or not any(until is None for until in hook.tokens.values()):
        raise ConfigError(
            f"there is no webhook '{name}', and no scenario of that name has one", hint="`engine webhooks`"
        )
    return [hook]
