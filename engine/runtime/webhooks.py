"""Generated webhook URLs: which token belongs to which webhook, and who listens to it.

A webhook has a name: ``scenario:NAME`` for a scenario's own, ``connection:NAME`` where a vendor takes one URL for
everything, or a name of ``engine.yaml``. Its tokens are kept in the store, so that a URL stays the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine.scenario.plan import EventWait, Listening, Scenario
from engine.sdk.clock import Clock
from engine.sdk.errors import ConfigError
from engine.store.changes import AddWebhook, RetireWebhook
from engine.store.interface import Store
from engine.store.records import Webhook

#: random bytes of a token: 192 bits
TOKEN_BYTES = 24
#: seconds for which the old URL still works after a rotation
ROTATION_GRACE = 86_400.0


def webhook_name(plan: Scenario, trigger: Listening) -> str:
    """The webhook that a scenario listens to."""
    if trigger.webhook is not None:
        return trigger.webhook
    if trigger.module.one_url and trigger.connection is not None:
        return f"connection:{trigger.connection}"
    return f"scenario:{plan.name}"


def wait_source(plan: Scenario, event: EventWait) -> str:
    """The webhook that an event comes to for which a step waits."""
    if event.webhook is not None:
        return event.webhook
    if event.module is not None and event.module.one_url and event.connection is not None:
        return f"connection:{event.connection}"
    return webhook_name(plan, plan.trigger) if isinstance(plan.trigger, Listening) else f"scenario:{plan.name}"


@dataclass(slots=True)
class Hook:
    """A webhook and who listens.

    :param tokens: token to the time until which it is valid; None: without end.
    :param told: of tokens whose URL a vendor was told by its API: the connection, and the URL as it was told.
    """

    name: str
    listeners: list[Scenario] = field(default_factory=list)
    tokens: dict[str, float | None] = field(default_factory=dict)
    told: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, webhook: Webhook) -> None:
        """Take over a token from the store."""
        self.tokens[webhook.token] = webhook.valid_until
        if webhook.told_over is not None and webhook.told_url is not None:
            self.told[webhook.token] = (webhook.told_over, webhook.told_url)

    @property
    def current(self) -> str:
        """The token that has no end."""
        return next(token for token, until in self.tokens.items() if until is None)


class Webhooks:
    """All webhooks of a project."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._hooks: dict[str, Hook] = {}
        self._by_token: dict[bytes, Hook] = {}
        self._changing = asyncio.Lock()

    async def load(self, scenarios: Iterable[Scenario], named: Iterable[str]) -> None:
        """Read the tokens from the store, and make those that are missing; then all hooks are new ones at once.

        Whoever has a hook at hand goes on with the listeners that it had, and with their checks.

        :param named: names of ``engine.yaml``, which have a URL whether a scenario listens or not.
        """
        async with self._changing:
            await self._load(scenarios, named)

    async def _load(self, scenarios: Iterable[Scenario], named: Iterable[str]) -> None:
        listeners: defaultdict[str, list[Scenario]] = defaultdict(list)
        plans = list(scenarios)
        for plan in plans:
            if isinstance(plan.trigger, Listening):
                listeners[webhook_name(plan, plan.trigger)].append(plan)
        hooks: dict[str, Hook] = {}
        for webhook in await self._store.webhooks():
            hooks.setdefault(webhook.name, Hook(webhook.name)).add(webhook)
        waited = [wait_source(plan, event) for plan in plans for event in plan.events]
        wanted = dict.fromkeys([*listeners, *named, *waited])
        for name in wanted:
            hook = hooks.setdefault(name, Hook(name))
            hook.listeners = listeners.get(name, [])
            if not any(until is None for until in hook.tokens.values()):
                await self._add(hook)
        self._hooks = hooks
        self._by_token = {_digest(token): hook for hook in hooks.values() for token in hook.tokens}

    async def _add(self, hook: Hook) -> None:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        await self._store.put(AddWebhook(Webhook(token, hook.name, self._clock.time())))
        hook.tokens[token] = None

    async def rotate(self, name: str, grace: float = ROTATION_GRACE) -> Hook:
        """Make a new URL; the old one works for ``grace`` more seconds. Raises ``ConfigError`` for an unknown name."""
        async with self._changing:
            return await self._rotate(name, grace)

    async def _rotate(self, name: str, grace: float) -> Hook:
        hook = self._hooks.get(name)
        if hook is None:
            raise ConfigError(f"there is no webhook '{name}'", hint="list them with `engine webhooks`")
        until = self._clock.time() + grace
        token = secrets.token_urlsafe(TOKEN_BYTES)
        await self._store.put(RetireWebhook(name, until), AddWebhook(Webhook(token, name, self._clock.time())))
        hook.tokens = {t: until if end is None else end for t, end in hook.tokens.items()} | {token: None}
        self._by_token[_digest(token)] = hook
        return hook

    def find(self, token: str) -> tuple[Hook, bool] | None:
        """The webhook of a token, and whether the token is still valid; None: there is no such token."""
        hook = self._by_token.get(_digest(token))
        if hook is None:
            return None
        until = hook.tokens[token]
        return hook, until is None or self._clock.time() < until

    @property
    def hooks(self) -> Mapping[str, Hook]:
        return self._hooks


def _digest(token: str) -> bytes:
    """What tokens are looked up by, so that the time of a look-up tells nothing about them."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
