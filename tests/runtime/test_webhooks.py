"""Generated URLs: whose they are, how long they work, and that they stay the same."""

from __future__ import annotations

import pytest

from engine.plugins import Registry
from engine.runtime.webhooks import TOKEN_BYTES, Webhooks, webhook_name
from engine.scenario.load import load_scenario
from engine.scenario.plan import Listening, Scenario
from engine.sdk.apps import App
from engine.sdk.connections import ConnectionType
from engine.sdk.errors import ConfigError
from engine.sdk.modules import Event, WebhookTrigger
from engine.store.memory import MemoryStore
from engine.testing import VirtualClock


def registry() -> Registry:
    def trigger(name: str, one_url: bool) -> WebhookTrigger:
        return WebhookTrigger(
            name=name,
            title=name,
            description=name,
            config={},
            connection="vendor",
            connection_required=False,
            parse=lambda delivery: [Event(delivery.body)],
            one_url=one_url,
        )

    result = Registry()
    kinds = [ConnectionType("vendor", "Vendor", {"type": "object"})]
    modules = [trigger("each", False), trigger("one", True)]
    result.add(App(name="vendor", title="Vendor", connections=kinds, modules=modules), "tests")
    return result


def plan(name: str, module: str = "each", head: str = "") -> Scenario:
    source = f"scenario: {name}\ntrigger:\n  module: vendor.{module}\n{head}steps:\n  - set: {{a: 1}}\n"
    found, diagnostics = load_scenario(source, f"{name}.yaml", registry(), {"main": "vendor"}, ["shared"])
    assert found is not None, diagnostics
    return found


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore(clock=VirtualClock())
    await store.open()
    return store


async def loaded(store: MemoryStore, *plans: Scenario, clock: VirtualClock | None = None) -> Webhooks:
    webhooks = Webhooks(store, clock or VirtualClock())
    await webhooks.load(plans, ["shared"])
    return webhooks


@pytest.mark.parametrize(
    ("module", "head", "name"),
    [
        ("each", "", "scenario:a"),
        ("each", "  connection: main\n", "scenario:a"),
        ("one", "", "scenario:a"),
        ("one", "  connection: main\n", "connection:main"),
        ("one", "  connection: main\n  webhook: shared\n", "shared"),
        ("each", "  webhook: shared\n", "shared"),
    ],
)
def test_which_webhook_a_scenario_listens_to(module: str, head: str, name: str) -> None:
    found = plan("a", module, head)
    assert isinstance(found.trigger, Listening)
    assert webhook_name(found, found.trigger) == name


async def test_each_has_a_token_of_its_own_that_nobody_guesses(store: MemoryStore) -> None:
    webhooks = await loaded(store, plan("a"), plan("b"))
    tokens = [hook.current for hook in webhooks.hooks.values()]
    assert sorted(webhooks.hooks) == ["scenario:a", "scenario:b", "shared"]
    assert len(set(tokens)) == 3
    assert TOKEN_BYTES * 8 >= 128
    assert all(len(token) == TOKEN_BYTES * 4 // 3 for token in tokens)
    for hook in webhooks.hooks.values():
        assert webhooks.find(hook.current) == (hook, True)
    assert webhooks.find("") is None
    assert webhooks.find(tokens[0][:-1]) is None


async def test_tokens_stay_and_listeners_are_those_of_now(store: MemoryStore) -> None:
    shared = "  webhook: shared\n"
    first = await loaded(store, plan("a"), plan("b", head=shared), plan("c", head=shared))
    assert [listener.name for listener in first.hooks["shared"].listeners] == ["b", "c"]
    again = await loaded(store, plan("c", head=shared))
    assert {name: hook.current for name, hook in again.hooks.items()} == {
        name: hook.current for name, hook in first.hooks.items()
    }
    assert [listener.name for listener in again.hooks["shared"].listeners] == ["c"]
    # the URL of a scenario that is not loaded is still known, and nobody listens
    assert again.hooks["scenario:a"].listeners == []
    assert len(await store.webhooks()) == 2


async def test_a_rotation_gives_the_old_url_a_grace_and_is_kept(store: MemoryStore) -> None:
    clock = VirtualClock()
    webhooks = await loaded(store, plan("a"), clock=clock)
    tokens = [webhooks.hooks["scenario:a"].current]
    for grace in (100.0, 10.0):
        hook = await webhooks.rotate("scenario:a", grace)
        tokens.append(hook.current)
        assert webhooks.find(hook.current) == (hook, True)

    def valid(webhooks: Webhooks) -> list[bool]:
        return [found[1] for token in tokens if (found := webhooks.find(token))]

    async def valid_and_after_a_restart() -> list[bool]:
        now = valid(webhooks)
        assert now == valid(await loaded(store, plan("a"), clock=clock))
        return now

    assert await valid_and_after_a_restart() == [True, True, True]
    await clock.advance(10)
    # a later, shorter grace does not cut that of an earlier rotation short
    assert await valid_and_after_a_restart() == [True, False, True]
    await clock.advance(90)
    assert await valid_and_after_a_restart() == [False, False, True]


async def test_a_rotation_without_grace_ends_the_old_url_at_once(store: MemoryStore) -> None:
    webhooks = await loaded(store, plan("a"))
    old = webhooks.hooks["scenario:a"].current
    hook = await webhooks.rotate("scenario:a", 0.0)
    assert webhooks.find(old) == (hook, False)


async def test_an_unknown_webhook_cannot_be_rotated(store: MemoryStore) -> None:
    webhooks = await loaded(store, plan("a"))
    with pytest.raises(ConfigError, match="there is no webhook 'b'") as refused:
        await webhooks.rotate("b")
    assert refused.value.hint
    assert len(await store.webhooks()) == 2
