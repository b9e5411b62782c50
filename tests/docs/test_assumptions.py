"""What the apps assume of their vendors stands in one list, and each entry leads somewhere."""

from __future__ import annotations

import importlib
import json

import pytest
from click.testing import CliRunner

from engine import App, Assumption
from engine.cli import cli
from engine.testing import VirtualClock
from tests.docs.generate import REFERENCE, built_in, unsettled

APPS = list(built_in().values())
ASSUMPTIONS = [(app, one) for app in APPS for one in app.assumptions]
PAGE = (REFERENCE / "assumptions.md").read_text()
#: what several apps share, and is none
SHARED = ("modules.yotpo_core.",)


def name(value: object) -> str:
    if isinstance(value, Assumption):
        return value.about
    return value.name if isinstance(value, App) else ""


@pytest.mark.parametrize("app", [app for app in APPS if app.simulator is not None], ids=name)
def test_all_that_a_simulator_assumes_stands_in_the_list(app: App) -> None:
    assert app.simulator is not None
    part = PAGE.partition(f"\n## {app.name}\n")[2].partition("\n## ")[0]
    shown = app.simulator(VirtualClock()).behaviours
    assumed = [one.text for one in shown if one.mark == "assumed"]
    assert [text for text in assumed if text.replace("|", "\\|") not in part] == []
    named = [text for one in app.assumptions for text in one.shown_by]
    assert [text for text in named if text not in assumed] == [], "no behaviour of the simulator that is assumed"
    assert sorted([*named, *unsettled(app)]) == sorted(assumed), "a behaviour rests on one assumption"


@pytest.mark.parametrize(("app", "assumption"), ASSUMPTIONS, ids=name)
def test_what_changes_an_assumption_is_there(app: App, assumption: Assumption) -> None:
    module, _, constant = assumption.changed_by.partition(":")
    if constant:
        assert f"{module}.".startswith((f"modules.{app.name}.", *SHARED))
        assert hasattr(importlib.import_module(module), constant)
    elif assumption.changed_by:
        fields = {field for kind in app.connections for field in kind.fields["properties"]}
        rates = {kind.rate.field for kind in app.connections if kind.rate is not None}
        assert assumption.changed_by in fields | rates


@pytest.mark.parametrize(("app", "assumption"), ASSUMPTIONS, ids=name)
def test_an_assumption_says_what_would_settle_it_and_what_it_rests_on(app: App, assumption: Assumption) -> None:
    assert [one.about for one in app.assumptions].count(assumption.about) == 1
    assert assumption.assumed.endswith(".")
    assert assumption.settled_by
    assert assumption.source


def test_every_vendor_of_which_something_is_inferred_has_a_list() -> None:
    """The built-in apps that talk to somebody; files are nobody's to assume anything of."""
    assert [app.name for app in APPS if app.simulator is not None and not app.assumptions] == ["files"]


def test_the_program_shows_what_an_app_assumes() -> None:
    text = CliRunner().invoke(cli, ["modules", "yotpo_messaging"]).stdout
    assert "  path of custom events (inferred)\n    Custom events go to /custom_events" in text
    assert "    changed by: custom_event_path\n" in text
    shown = json.loads(CliRunner().invoke(cli, ["modules", "yotpo_messaging", "--json"]).stdout)
    [first, *_] = shown["apps"][0]["assumptions"]
    assert (first["about"], first["mark"], first["changed_by"]) == (
        "path of custom events",
        "inferred",
        "custom_event_path",
    )
