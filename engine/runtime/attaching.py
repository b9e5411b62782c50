"""Telling vendors the URLs of webhooks by their API, and taking them back.

The vendor is told first, then it is noted: what is begun anew finds the URL there and leaves it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from engine.runtime.connection_file import ConnectionEntry
from engine.runtime.connections import Connections
from engine.runtime.webhooks import Hook
from engine.scenario.plan import Listening
from engine.sdk.errors import EngineError
from engine.sdk.modules import Attachment, Config
from engine.store.changes import TellWebhook
from engine.store.interface import Store


class CannotAttach(EngineError):
    """A vendor cannot be told a webhook's URL: its trigger knows no way, no connection fits, or it is not https."""

    code = "cannot-attach"


class Way(NamedTuple):
    """One way in which a vendor is told a webhook's URL for one scenario that listens to it.

    :param rank: of the ways that its trigger knows; 0 is the best.
    """

    attachment: Attachment
    config: Config
    rank: int


def ways(hook: Hook) -> Iterator[Way]:
    """How a vendor is told a webhook's URL, for each scenario that listens: each way that its trigger knows."""
    for plan in hook.listeners:
        if isinstance(plan.trigger, Listening):
            for rank, attachment in enumerate(plan.trigger.module.attachments):
                yield Way(attachment, plan.trigger.config, rank)


def unasked(hook: Hook) -> bool:
    """Whether a vendor should be told a webhook's URL, or was. Where it may call it already, that is up to people."""
    return bool(hook.told) or not all(way.attachment.by_name for way in ways(hook))


def shown(hook: Hook) -> str:
    """What a person calls a webhook: a scenario, where it is its own."""
    return hook.name.removeprefix("scenario:")


def attachable(hook: Hook, url: str) -> bool:
    """Whether a vendor could be told this URL of a webhook, and was not."""
    told = [known for _, known in hook.told.values()]
    return url.startswith("https://") and any(ways(hook)) and unasked(hook) and url not in told


def check_public(url: str) -> None:
    """Raises ``CannotAttach`` when no vendor would call it."""
    if not url.startswith("https://"):
        raise CannotAttach(
            f"vendors call https URLs only, and this server is at {url.partition('/hooks/')[0]}",
            hint="set server.public_url in engine.yaml, or give --public-url",
        )


class Attaching:
    """Tells vendors over a project's connections, and notes it in the store.

    :param entries: what ``connections.yaml`` says.
    """

    def __init__(self, connections: Connections, entries: Mapping[str, ConnectionEntry], store: Store) -> None:
        self._connections = connections
        self._entries = entries
        self._store = store
        #: URLs that a vendor was told over connections that are not there any more
        self.out_of_reach: list[str] = []

    def ways(self, hook: Hook, *, named: bool = True) -> Iterator[Way]:
        """How the vendor is told a webhook's URL.

        :param named: an operator named the webhook. Else those ways are left out by which an event could come twice,
            unless the vendor was told over such a connection before.
        """
        told = {entry.type for over, _ in hook.told.values() if (entry := self._entries.get(over)) is not None}
        for way in ways(hook):
            if named or not way.attachment.by_name or way.attachment.connection in told:
                yield way

    def connection(self, hook: Hook, wanted: str | None = None, *, named: bool = True) -> str:
        """The connection over which a webhook's vendor is told: of the best way for which there is one.

        :param wanted: its name, where there are several that could be it.
        :param named: the operator named the webhook.
        :raises CannotAttach: there is none, or it is not clear which.
        """
        ranks: dict[str, int] = {}
        for attachment, _, rank in self.ways(hook, named=named):
            ranks[attachment.connection] = min(rank, ranks.get(attachment.connection, rank))
        kinds = sorted(ranks, key=lambda kind: (ranks[kind], kind))
        if not kinds:
            raise CannotAttach(
                f"no trigger of webhook '{shown(hook)}' knows how its vendor is told a URL",
                hint="enter the URL that `engine webhooks` shows where the vendor asks for it",
            )
        fitting = [name for name, entry in self._entries.items() if entry.type in kinds]
        if wanted in fitting:
            return wanted or ""
        types = " or ".join(kinds)
        if wanted is not None:
            raise CannotAttach(
                f"webhook '{shown(hook)}' is attached over a connection of type {types}, which '{wanted}' is not",
                hint=f"such as {', '.join(fitting)}" if fitting else f"`engine connections add NAME --type {kinds[0]}`",
            )
        best = min((ranks[self._entries[name].type] for name in fitting), default=0)
        fitting = [name for name in fitting if ranks[self._entries[name].type] == best]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise CannotAttach(
                f"webhook '{shown(hook)}' can be attached over several connections: {', '.join(fitting)}",
                hint="choose one with --connection",
            )
        raise CannotAttach(
            f"there is no connection of type {types} to attach webhook '{shown(hook)}' over",
            hint=f"add one: `engine connections add NAME --type {kinds[0]}`",
        )

    async def attach(self, hook: Hook, url: str, over: str) -> bool:
        """Have the vendor call this URL, and no older one; False: it did already.

        :raises CannotAttach: the URL is not https.
        :raises ModuleError: the vendor refuses, or does not answer. What it was told stays, and is found the next time.
        """
        check_public(url)
        changed = await self._attach(hook, url, over)
        for token, (other, old) in hook.told.items():
            if (other, old) != (over, url):
                # after the new one, so that no event falls between the two
                gone = await self._detach(hook, old, other)
                changed |= gone
                if gone and old == url:
                    # the two connections may lead to one and the same account
                    await self._attach(hook, url, over)
                await self._store.put(TellWebhook(token, None, None))
        await self._store.put(TellWebhook(hook.current, over, url))
        return changed

    async def detach(self, hook: Hook, url: str, wanted: str | None = None) -> bool:
        """Have the vendor call none of a webhook's URLs any longer; False: it did not.

        :param url: the current one; those that the vendor was told are known.
        """
        told = dict(hook.told)
        changed = False
        for token, (over, old) in told.items():
            changed |= await self._detach(hook, old, over)
            await self._store.put(TellWebhook(token, None, None))
        if url not in (old for _, old in told.values()):
            changed |= await self._detach(hook, url, self.connection(hook, wanted))
        return changed

    async def _attach(self, hook: Hook, url: str, over: str) -> bool:
        changed = False
        for way, config in self._ways(hook, over):
            changed |= await way.attach(self._connections.call(over, config), url)
        return changed

    async def _detach(self, hook: Hook, url: str, over: str) -> bool:
        changed = False
        found = self._ways(hook, over)
        if not found:
            self.out_of_reach.append(url)
        for way, config in found:
            changed |= await way.detach(self._connections.call(over, config), url)
        return changed

    def _ways(self, hook: Hook, over: str) -> list[tuple[Attachment, Config]]:
        kind = entry.type if (entry := self._entries.get(over)) is not None else None
        return [(way, config) for way, config, _ in ways(hook) if way.connection == kind]
