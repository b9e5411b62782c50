"""Plugins that raise: on import, in a hook, in a step. Said with file and line; the rest is served."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine import plugins
from engine.runtime.host import Host, Options, load_scenarios
from engine.runtime.project import Project
from engine.sdk.clock import utc
from engine.sdk.modules import Delivery
from engine.store.records import EffectFilter
from engine.testing import VirtualClock
from tests.server.site import until

GOOD = """
from engine import Action, App, Effect, Event, WebhookTrigger, hookimpl

ANY = {"type": "object"}


async def run(call):
    what = call.config.get("what")
    if what == "raise":
        return call.config["not there"]
    if what == "no json":
        return {"set": {1, 2}}
    return {"fine": True}


@hookimpl
def engine_apps():
    return App(name="good", title="Good", modules=[
        WebhookTrigger(name="watch", title="w", description="w", config=ANY, parse=lambda d: [Event(d.body)]),
        Action(name="look", title="l", description="l", config=ANY, effect=Effect.READ, run=run),
        Action(name="send", title="s", description="s", config=ANY, effect=Effect.WRITE, run=run),
    ])
"""

BROKEN = {
    "on_import": "import engine\n\nraise RuntimeError('no luck today')\n",
    "missing": "import a_library_that_nobody_has\n",
    "syntax": "x = 1\n\ndef f(:\n",
    "in_the_hook": "from engine import hookimpl\n\n@hookimpl\ndef engine_apps():\n    return 1 / 0\n",
    "no_app": "from engine import hookimpl\n\n@hookimpl\ndef engine_apps():\n    return 'an app'\n",
}
LINES = {"on_import": 3, "missing": 1, "syntax": 3, "in_the_hook": 5}

SCENARIO = """\
scenario: test
trigger:
  module: good.watch
steps:
  - id: step
    module: good.%s
    with: {what: "${{ trigger.what }}"}
    retry: {attempts: 1}
"""


def project(root: Path, module: str = "look") -> Project:
    for folder in ("modules", "scenarios"):
        (root / folder).mkdir()
    (root / "modules" / "good.py").write_text(GOOD)
    (root / "scenarios" / "test.yaml").write_text(SCENARIO % module)
    return Project.find(root)


async def send(host: Host, what: str) -> int:
    body = {"what": what}
    raw = b'{"what": "%s"}' % what.encode()
    incoming = Delivery("POST", {"content-type": "application/json"}, {}, raw, body, utc(host.clock.time()))
    accepted = await host.intake.accept("test", host.catalog.scenarios, incoming)
    [run_id] = accepted.runs

    async def rests() -> bool:
        run = await host.store.run(run_id)
        return run is not None and run.state not in ("queued", "running")

    await until(rests)
    return run_id


@pytest.mark.parametrize("kind", BROKEN)
async def test_the_others_are_served_beside_a_broken_one(tmp_path: Path, kind: str) -> None:
    place = project(tmp_path)
    (tmp_path / "modules" / "broken.py").write_text(BROKEN[kind])
    registry = plugins.load(place.modules_folder)
    [problem] = registry.problems
    assert problem.code == "plugin-error"
    assert "local plugin" in str(problem.place)
    assert "broken.py" in str(problem.place)
    if kind in LINES:
        assert str(problem.place).endswith(f"broken.py:{LINES[kind]}")
        assert problem.hint
    plans, diagnostics, _ = load_scenarios(place, registry, [], simulate=False)
    assert not diagnostics
    async with Host(place, registry, plans, Options(), clock=VirtualClock()) as host:
        run = await host.store.run(await send(host, "fine"))
        assert run is not None
        assert run.state == "succeeded"


async def test_a_scenario_that_needs_a_broken_one_says_where(tmp_path: Path) -> None:
    place = project(tmp_path)
    (tmp_path / "modules" / "good.py").write_text(BROKEN["on_import"])
    registry = plugins.load(place.modules_folder)
    plans, diagnostics, _ = load_scenarios(place, registry, [], simulate=False)
    assert plans == []
    found = [(d.code, d.place.line, d.place.column) for d in diagnostics]
    assert ("unknown-module", 3, 11) in found
    assert ("unknown-module", 6, 13) in found


@pytest.mark.parametrize(("module", "state"), [("look", "failed"), ("send", "held")])
async def test_a_module_that_raises_in_a_step(tmp_path: Path, module: str, state: str) -> None:
    place = project(tmp_path, module)
    registry = plugins.load(place.modules_folder)
    plans, _, _ = load_scenarios(place, registry, [], simulate=False)
    async with Host(place, registry, plans, Options(), clock=VirtualClock()) as host:
        run_id = await send(host, "raise")
        run = await host.store.run(run_id)
        assert run is not None
        assert run.state == state
        effects = await host.store.effects(EffectFilter(run_id=run_id))
        assert [effect.state for effect in effects] == (["unknown"] if module == "send" else [])
        text = (run.result or b"").decode() + (run.hold or b"").decode()
        line = next(n for n, line in enumerate(GOOD.splitlines(), 1) if "not there" in line)
        assert re.search(rf"good\.{module} raised KeyError: 'not there' at [^ ]*good\.py:{line}", text)
        assert '"code":"plugin-error"' in text
        assert re.search(r"scenarios/test\.yaml:5:5", text)
        after = await host.store.run(await send(host, "fine"))
        assert after is not None
        assert after.state == "succeeded"


@pytest.mark.parametrize(("module", "state", "effects"), [("look", "failed", []), ("send", "succeeded", ["done"])])
async def test_an_output_that_is_no_json(tmp_path: Path, module: str, state: str, effects: list[str]) -> None:
    place = project(tmp_path, module)
    registry = plugins.load(place.modules_folder)
    plans, _, _ = load_scenarios(place, registry, [], simulate=False)
    async with Host(place, registry, plans, Options(), clock=VirtualClock()) as host:
        run_id = await send(host, "no json")
        run = await host.store.run(run_id)
        assert run is not None
        assert run.state == state
        written = await host.store.effects(EffectFilter(run_id=run_id))
        assert [effect.state for effect in written] == effects
        if module == "look":
            assert b"the output of good.look is not JSON" in (run.result or b"")
        else:
            assert b"is not JSON" in (written[0].notes or b"")
