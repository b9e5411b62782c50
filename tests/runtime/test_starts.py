"""Starts by hand: inputs are checked before anything is stored, and a key starts once, whatever happens between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.runtime.catalog import Catalog
from engine.runtime.commands import Choice, held_run
from engine.runtime.current import current_version
from engine.runtime.redact import Redactor
from engine.runtime.shown import shown
from engine.runtime.starts import BadKey, KeyReused, NotStartable, UnknownScenario
from engine.scenario.inputs import BadInputs
from engine.sdk import errors
from engine.store.records import ReceiptFilter, RunFilter
from engine.testing import CrashAt, Harness
from tests.runtime import polls
from tests.runtime.core import Script, resumed
from tests.support.shop import registry

SOURCE = """
scenario: welcome
inputs:
  email: {type: string, required: true, format: email}
  points: {type: integer, default: 10}
  tag: string
subject: ${{ inputs.email }}
steps:
  - stop: success
    output: {given: "${{ inputs }}", trigger: "${{ trigger }}", method: "${{ request.method }}"}
"""
EVENTS = """
scenario: hourly
inputs: {depth: {type: integer, default: 2}}
trigger: {schedule: {every: 1h}, if: "${{ trigger.previous != null }}"}
steps:
  - stop: success
    output: ${{ inputs.depth }}
"""


async def test_inputs_are_completed_and_the_run_sees_them() -> None:
    async with Harness([SOURCE]) as harness:
        result = await harness.begin(email="ana@example.com")
        given = {"email": "ana@example.com", "points": 10, "tag": None}
        assert result.output == {"given": given, "trigger": None, "method": "START"}
        assert result.run.subject == "ana@example.com"


async def test_a_run_that_is_read_back_sees_the_same() -> None:
    harness = Harness([SOURCE])
    [result] = await crashed(harness, CrashAt("run.claimed"), email="ana@example.com", points=3)
    assert result.output["given"] == {"email": "ana@example.com", "points": 3, "tag": None}
    assert result.run.subject == "ana@example.com"
    await harness.stop()


async def crashed(harness: Harness, faults: CrashAt, key: str | None = None, **inputs: Any) -> list[Any]:
    """Start, die where ``faults`` says, and go on as a new process; with a key, the caller asks again then."""
    harness.faults = faults

    async def live() -> None:
        await harness.start()
        await harness.begin(key=key, **inputs)

    life, death = asyncio.ensure_future(live()), asyncio.ensure_future(faults.death())
    await asyncio.wait({life, death}, return_when=asyncio.FIRST_COMPLETED)
    life.cancel()
    death.cancel()
    await asyncio.gather(life, death, return_exceptions=True)
    await harness.restart()
    if key is not None:
        await harness.begin(key=key, **inputs)
    return await harness.rest()


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "point", ["store.begin", "store.commit", "store.committed", "receipt.accepted", "run.claimed", "run.ending"]
)
async def test_a_start_that_is_repeated_after_a_crash_is_one_run(point: str, nth: int) -> None:
    harness = Harness([SOURCE])
    results = await crashed(harness, CrashAt(point, nth), key="order-7", email="ana@example.com")
    assert [result.state for result in results] == ["succeeded"]
    await harness.stop()


async def test_a_key_gives_the_first_run_and_refuses_other_inputs() -> None:
    async with Harness([SOURCE]) as harness:
        first = await harness.begin(key="7", email="ana@example.com")
        accepted, before = await harness.starts.start("welcome", {"email": "ana@example.com", "points": 10}, "7")
        assert (accepted.runs, before) == ((first.run.id,), True)
        with pytest.raises(KeyReused, match="other inputs"):
            await harness.starts.start("welcome", {"email": "bo@example.com"}, "7")
        await harness.begin(key="8", email="ana@example.com")
        assert len(await harness.store.runs(RunFilter())) == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "email: is missing"),
        ({"email": "ana"}, "email: 'ana' is no email"),
        ({"email": 5}, "email: wants a text, not the number 5"),
        ({"email": "a@example.com", "points": "x"}, "points: wants a whole number, not the text 'x'"),
        ({"email": "a@example.com", "pionts": 5}, r"pionts: there is no such input \(did you mean 'points'\?\)"),
        ({"points": 1.5, "x": 1}, "x: .*; email: is missing; points: wants"),
    ],
)
async def test_wrong_inputs_are_all_told_and_nothing_is_stored(given: dict[str, Any], message: str) -> None:
    async with Harness([SOURCE]) as harness:
        with pytest.raises(BadInputs, match=message):
            await harness.starts.start("welcome", given)
        assert await harness.store.receipts(ReceiptFilter()) == []


async def test_what_cannot_be_started() -> None:
    plain = "scenario: plain\ntrigger: {schedule: {every: 1h}}\nsteps: []\n"
    off = "scenario: off\nactive: false\nsteps: []\n"
    async with Harness([SOURCE, plain, off]) as harness:
        for name, kind in (("welcom", UnknownScenario), ("plain", NotStartable), ("off", NotStartable)):
            with pytest.raises(kind):
                await harness.starts.start(name, {})
        for key in ("", "x" * 256, "ä"):
            with pytest.raises(BadKey):
                await harness.starts.start("welcome", {"email": "a@example.com"}, key)


async def test_events_bring_defaults_and_a_start_passes_the_triggers_filter() -> None:
    async with Harness([EVENTS]) as harness:
        assert (await harness.begin(depth=5)).output == 5
        for _ in range(2):
            harness.clock.jump(3600)
            accepted = await harness.tick()
        assert (await harness.result(accepted[0].runs[0])).output == 2


async def test_a_polling_scenario_with_inputs_can_be_started_too() -> None:
    source = """
scenario: s
inputs: {depth: {type: integer, default: 2}}
trigger: {module: polled.by_time}
steps:
  - stop: success
    output: ["${{ inputs.depth }}", "${{ trigger }}"]
"""
    async with Harness([source], registry=polls.registry()) as harness:
        assert (await harness.begin(depth=5)).output == [5, None]


async def test_a_held_start_shows_its_inputs_and_goes_on_under_the_corrected_file() -> None:
    source = """
scenario: s
inputs: {amount: integer}
steps:
  - id: charge
    module: shop.charge
    with: {amount: "${{ inputs.amount }}"}
    on_error: hold
"""
    charge = Script(errors.DataError("not like this", refused=True), {"id": 7})
    async with Harness([source], registry=registry(), doubles={"shop.charge": charge}) as harness:
        run = (await harness.begin(amount=5)).run
        about = await shown(harness.store, run, Redactor())
        assert about["context"]["inputs"] == {"amount": 5}
        corrected = source.replace("integer}", "integer, unit: {type: string, default: EUR}}").replace(
            ' }}"}', ' }}", unit: "${{ inputs.unit }}"}'
        )
        harness.plans[:] = [harness._load(corrected, 0)]
        await harness.restart()
        catalog = Catalog(harness.plans, registry(), harness.store, harness.clock)
        held = await held_run(harness.store, run.id)
        version = await current_version(harness.store, catalog, harness.clock, held, Choice.AGAIN)
        assert (await resumed(harness, run.id, Choice.AGAIN, version=version)).state == "succeeded"
        assert charge.configs == [{"amount": 5}, {"amount": 5, "unit": "EUR"}]


async def test_an_authors_dedupe_does_not_stand_for_the_key_of_a_start() -> None:
    source = SOURCE.replace("subject:", "dedupe: {key: '${{ request.method }}', within: 1m}\nsubject:")
    async with Harness([source]) as harness:
        first = await harness.begin(key="7", email="ana@example.com")
        second = await harness.begin(email="ana@example.com")
        assert second.run.id != first.run.id
        harness.clock.jump(3600)
        assert (await harness.begin(key="7", email="ana@example.com")).run.id == first.run.id
