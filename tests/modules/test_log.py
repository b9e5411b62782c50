"""*Write a Log Entry*: a line on stderr, an entry in the journal, and no effect outside."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.sdk import jsontext
from engine.testing import CrashAt, SimulatedHarness

SCENARIO = """
scenario: tiers
trigger: {module: http.watch_webhook}
steps:
  - id: note
    module: log.write_entry
    with:
      message: ${{ trigger.message }}
      level: ${{ trigger.level || omit() }}
      fields: ${{ trigger.fields || omit() }}
  - stop: success
    output: ${{ note }}
"""


class Lines(logging.Handler):
    """What the engine's own handler would show."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        # what the engine itself says depends on how much an earlier test wanted to hear
        if record.name == "engine.log":
            self.records.append(record)

    @property
    def shown(self) -> list[tuple[str, str]]:
        return [(record.levelname, record.getMessage()) for record in self.records]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    log = logging.getLogger("engine")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


@pytest.mark.parametrize(
    ("event", "level", "shown"),
    [
        ({"message": "a tier was earned", "fields": {"tier": "GOLD"}}, "INFO", "a tier was earned"),
        ({"message": "points are missing", "level": "warning"}, "WARNING", "points are missing"),
        ({"message": "one\nERROR two\x1b[2J ünï", "level": "error"}, "ERROR", "one\\x0aERROR two\\x1b[2J ünï"),
    ],
)
async def test_an_entry_is_one_line_with_its_fields_and_its_run(
    lines: Lines, event: Mapping[str, Any], level: str, shown: str
) -> None:
    async with SimulatedHarness([SCENARIO]) as harness:
        result = await harness.run(event)
    assert result.state == "succeeded"
    [record] = lines.records
    assert record.levelname == level
    message, _, about = record.getMessage().partition(" {")
    assert message == shown
    found = json.loads("{" + about)
    assert found.pop("run")
    assert found == {"scenario": "tiers", **({"fields": event["fields"]} if "fields" in event else {})}
    assert result.output == {"message": event["message"], "level": level.lower(), "fields": event.get("fields", {})}


async def test_the_journal_keeps_the_entry_and_the_ledger_has_no_effect(lines: Lines) -> None:
    async with SimulatedHarness([SCENARIO]) as harness:
        result = await harness.run({"message": "m"})
    [record] = [record for record in result.records if record.key == "note#1"]
    assert record.output is not None
    assert jsontext.loads(record.output) == {"message": "m", "level": "info", "fields": {}}
    assert (result.effects, len(lines.records)) == ([], 1)


@pytest.mark.parametrize(("point", "times"), [("call.before", 1), ("call.after", 2), ("run.ending", 2)])
async def test_a_crash_before_the_journal_has_it_repeats_the_line(lines: Lines, point: str, times: int) -> None:
    harness = SimulatedHarness([SCENARIO])
    [result] = await harness.crash(CrashAt(point), {"message": "m"})
    await harness.stop()
    assert (result.state, len(lines.records)) == ("succeeded", times)


@pytest.mark.parametrize("event", [{}, {"message": ""}, {"message": "m", "level": "debug"}])
async def test_what_is_no_entry_is_refused_and_not_written(lines: Lines, event: Mapping[str, Any]) -> None:
    async with SimulatedHarness([SCENARIO]) as harness:
        result = await harness.run(event)
    assert (result.state, result.error["code"], lines.shown) == ("failed", "data-error", [])


@pytest.mark.parametrize("flags", [(), ("--simulate",), ("--dry-run",), ("--json",)])
def test_the_program_shows_it_on_stderr(tmp_path: Path, flags: tuple[str, ...]) -> None:
    (tmp_path / "engine.yaml").write_text("{}\n")
    (tmp_path / "tiers.yaml").write_text(SCENARIO)
    done = subprocess.run(
        [sys.executable, "-m", "engine", "run", "tiers.yaml", "--event", "-", *flags],
        cwd=tmp_path,
        input=json.dumps({"message": "a tier was earned", "fields": {"tier": "GOLD"}}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (
        'INFO engine.log: a tier was earned {"fields": {"tier": "GOLD"}, "scenario": "tiers", "run": "' in done.stderr
    )
    assert "INFO engine.log" not in done.stdout
