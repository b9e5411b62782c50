"""``keep``: how long a scenario's runs stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.runtime.reader import SettingsError
from engine.runtime.settings import DAY, read_settings
from engine.scenario.load import load_scenario
from engine.scenario.plan import Keep
from tests.support.shop import registry

STEPS = "steps:\n  - set: {a: 1}\n"


def load(keep: str) -> tuple[Keep | None, list[str]]:
    plan, found = load_scenario(f"scenario: example\nkeep: {keep}\n{STEPS}", "s.yaml", registry())
    return plan.keep if plan else None, [f"{d.place.line}:{d.place.column} {d.code}" for d in found]


@pytest.mark.parametrize(
    ("text", "keep"),
    [
        ("30d", Keep(seconds=30 * DAY)),
        ("{for: 2h}", Keep(seconds=7200)),
        ("{for: 30d, runs: 10000, failed_for: 90d}", Keep(seconds=30 * DAY, runs=10_000, failed=90 * DAY)),
    ],
)
def test_it_is_a_duration_or_says_more(text: str, keep: Keep) -> None:
    assert load(text) == (keep, [])


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("30", "2:7 duration"),
        ("5s", "2:7 duration"),
        ("[30d]", "2:7 duration"),
        ('"${{ 30 }}"', "2:7 duration"),
        ("{}", "2:7 missing-key"),
        ("{for: 30d, run: 5}", "2:18 unknown-key"),
        ("{runs: 0}", "2:14 wrong-value"),
        ("{runs: many}", "2:14 wrong-value"),
        ("{failed_for: 1s}", "2:20 duration"),
    ],
)
def test_mistakes_are_told_at_their_place(text: str, mistake: str) -> None:
    assert load(text)[1] == [mistake]


def test_the_projects_settings(tmp_path: Path) -> None:
    file = tmp_path / "engine.yaml"
    file.write_text("history:\n  keep: {runs: 50}\n  effects_for: 7d\n")
    history = read_settings(file).history
    assert history.keep == Keep(seconds=30 * DAY, runs=50)
    assert (history.effects_for, history.dedupe_for, history.parked_for) == (7 * DAY, 90 * DAY, 90 * DAY)
    file.write_text("history:\n  keep: 7d\n")
    assert read_settings(file).history.keep == Keep(seconds=7 * DAY)


@pytest.mark.parametrize("text", ["keep: 5s", "keep: {for: never}", "keep: {runs: 0}", "kept: 5d", "dedupe_for: 3"])
def test_mistakes_in_the_settings(tmp_path: Path, text: str) -> None:
    file = tmp_path / "engine.yaml"
    file.write_text(f"history:\n  {text}\n")
    with pytest.raises(SettingsError):
        read_settings(file)
