"""What authors see in their editors: the real YAML language server, with the schema that ``engine schema`` writes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine import plugins
from engine.cli import cli
from engine.scenario.keys import ANY_STEP, KINDS, SCENARIO
from engine.sdk.modules import PollingTrigger, WebhookTrigger
from tests.corpus.test_corpus import RIGHT
from tests.docs.pages import ROOT
from tests.editor.lsp import CURSOR, Editor

HEAD = "# yaml-language-server: $schema=../scenario.schema.json\n"
SHIPPED = sorted((ROOT / "scenarios").glob("*/*.yaml"))
BELLS = '''
"""An app of the project itself."""

from engine import Action, App, Effect, hookimpl


async def ring(call):
    return {"rung": call.config["times"]}


@hookimpl
def engine_apps():
    config = {
        "type": "object",
        "required": ["times"],
        "additionalProperties": False,
        "properties": {
            "times": {"type": "integer", "minimum": 1, "description": "How often it rings"},
            "loud": {"type": "boolean", "default": False},
            "tone": {"type": "string", "enum": ["high", "low"]},
            "who": {"type": "object", "additionalProperties": False, "properties": {"name": {"type": "string"}}},
            "at": {"type": "array", "minItems": 2, "items": {"type": "number"}},
            "old": {"type": "string", "description": "Use tone", "deprecated": True},
        },
    }
    ring_it = Action(
        name="ring_bell", title="Ring a Bell", description="Rings.", config=config, effect=Effect.WRITE, run=ring,
        example={"times": 3},
    )
    return App(name="bells", title="Bells", modules=(ring_it,))
'''
WELCOME = """scenario: welcome
inputs:
  email: {type: string, required: true, description: Whom to welcome}
  kind: {type: string, enum: [short, long]}
steps:
  - set: {a: 1}
"""
RING = "steps:\n  - id: bell\n    module: bells.ring_bell\n    with:\n      times: 1\n"


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """A project like this repository, with an app of its own and the schemas beside its settings."""
    root = tmp_path_factory.mktemp("project")
    for name in ("engine.yaml", "connections.yaml"):
        shutil.copy(ROOT / name, root)
    (root / "modules").mkdir()
    (root / "modules" / "bells.py").write_text(BELLS)
    (root / "scenarios").mkdir()
    (root / "scenarios" / "welcome.yaml").write_text(WELCOME)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for kind, file in (("scenario", "scenario"), ("settings", "engine"), ("connections", "connections")):
            done = CliRunner().invoke(cli, ["schema", "--for", kind, "--out", f"{file}.schema.json"])
            assert done.exit_code == 0, done.output
    editor = Editor(
        root,
        {
            (root / "scenario.schema.json").as_uri(): ["shipped/*.yaml"],
            (root / "engine.schema.json").as_uri(): ["engine.yaml"],
            (root / "connections.schema.json").as_uri(): ["connections.yaml"],
        },
    )
    yield editor
    editor.close()


def scenario(rest: str) -> str:
    return f"{HEAD}scenario: an-example\n{rest}"


# ------------------------------------------------------------------ completion


def test_with_offers_the_keys_of_the_module_with_what_they_mean(editor: Editor) -> None:
    text = f"steps:\n  - id: entry\n    module: log.write_entry\n    with:\n      message: hello\n      {CURSOR}\n"
    offered = editor.complete(scenario(text))
    assert set(offered) == {"level", "fields"}
    assert "How much it matters" in offered["level"]


def test_with_offers_the_keys_where_nothing_stands_yet_and_deep_inside(editor: Editor) -> None:
    text = (
        "steps:\n  - if: ${{ true }}\n    steps:\n      - parallel:\n          one:\n            - id: entry\n"
        f"              module: log.write_entry\n              with:\n                {CURSOR}\n"
    )
    assert {"message", "level", "fields"} <= editor.complete(scenario(text)).keys()


def test_a_step_is_offered_the_modules_that_are_no_triggers_those_of_the_project_too(editor: Editor) -> None:
    modules = plugins.load().modules
    called = {name for name, module in modules.items() if not isinstance(module, WebhookTrigger | PollingTrigger)}
    offered = editor.complete(scenario(f"steps:\n  - id: entry\n    module: {CURSOR}\n"))
    assert set(offered) == {*called, "bells.ring_bell"}
    assert "Ring a Bell" in offered["bells.ring_bell"]


def test_a_trigger_is_offered_the_triggers(editor: Editor) -> None:
    modules = plugins.load().modules
    triggers = {name for name, module in modules.items() if isinstance(module, WebhookTrigger | PollingTrigger)}
    assert set(editor.complete(scenario(f"trigger:\n  module: {CURSOR}\n"))) == triggers


def test_the_top_offers_the_keys_of_a_scenario(editor: Editor) -> None:
    assert {*SCENARIO} - {"scenario"} <= editor.complete(scenario(f"{CURSOR}\n")).keys()


def test_a_new_step_offers_all_kinds_and_a_beginning_of_each(editor: Editor) -> None:
    offered = editor.complete(scenario(f"steps:\n  - {CURSOR}\n"))
    assert {*KINDS, *(f"step: {kind}" for kind in KINDS if kind != "steps"), "step: if"} <= offered.keys()


@pytest.mark.parametrize(("kind", "value"), [("foreach", "${{ trigger.list }}"), ("wait_for", "{signal: a}")])
def test_a_step_of_a_kind_offers_the_keys_of_that_kind_alone(editor: Editor, kind: str, value: str) -> None:
    offered = editor.complete(scenario(f"steps:\n  - {kind}: {value}\n    {CURSOR}\n"))
    keys = {label for label in offered if not label.startswith("step")} | ({"steps"} if "steps" in offered else set())
    assert keys == {*ANY_STEP, *KINDS[kind]} - {kind}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"mode: {CURSOR}\n", {"queue", "skip", "replace"}),
        (f"steps:\n  - set: {{a: 1}}\n    on_error: {CURSOR}\n", {"fail", "ignore", "hold", "commit", "rollback"}),
        (f"steps:\n  - stop: {CURSOR}\n", {"success", "failure"}),
        (f"{RING}      loud: {CURSOR}\n", {"true", "false"}),
        (f"{RING}      tone: {CURSOR}\n", {"high", "low"}),
        (
            f"steps:\n  - id: customer\n    module: yotpo_loyalty.retrieve_customer\n    connection: {CURSOR}\n",
            {"yotpo"},
        ),
        (f"steps:\n  - id: called\n    call: {CURSOR}\n", {"welcome"}),
    ],
    ids=lambda value: "-".join(sorted(value)) if isinstance(value, set) else "",
)
def test_values_are_offered(editor: Editor, text: str, words: set[str]) -> None:
    assert words <= editor.complete(scenario(text)).keys()


def test_a_call_offers_the_inputs_of_the_scenario_and_holds_nothing_against_it(editor: Editor) -> None:
    call = "steps:\n  - id: called\n    call: welcome\n    with:\n      "
    assert "Whom to welcome" in editor.complete(scenario(f"{call}{CURSOR}\n"))["email"]
    assert {"short", "long"} <= editor.complete(scenario(f"{call}kind: {CURSOR}\n")).keys()
    assert editor.wrong(scenario(f"{call}renamed: 1\n")) == []


def test_a_beginning_keeps_its_expression(editor: Editor) -> None:
    assert "\\${{ ${1:condition} }}" in editor.inserted(scenario(f"steps:\n  - {CURSOR}\n"), "step: if")


# ------------------------------------------------------------------ hover


def test_a_modules_name_tells_what_it_does_and_how_it_is_called(editor: Editor) -> None:
    shown = editor.hover(scenario(RING.replace("ring_bell", f"ring_{CURSOR}bell")))
    assert shown.startswith("#### Ring a Bell")
    assert "a write of unknown outcome is never repeated" in shown
    assert "times: 3" in shown


def test_a_key_of_with_tells_what_it_means_and_what_it_is_when_left_out(editor: Editor) -> None:
    text = f"steps:\n  - id: entry\n    module: log.write_entry\n    with: {{message: a, le{CURSOR}vel: info}}\n"
    shown = editor.hover(scenario(text))
    assert "How much it matters to who operates the engine." in shown
    assert 'Default: `"info"`' in shown


@pytest.mark.parametrize(("key", "words"), [("retry: {attempts: 3}", "tried again"), ("finally: []", "however it did")])
def test_a_key_of_the_language_tells_what_it_means(editor: Editor, key: str, words: str) -> None:
    assert words in editor.hover(scenario(f"{RING}    {key[:2]}{CURSOR}{key[2:]}\n"))


# ------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize(
    ("text", "line", "at"),
    [
        (f"{RING}      timse: 2\n", 8, "timse"),
        (f"{RING}      times_: 2\n", 8, "times_"),
        (f"{RING}      who: {{nmae: Ana}}\n", 8, "nmae"),
        (f"{RING}      tone: middle\n", 8, "middle"),
        (f"{RING}      loud: sometimes\n", 8, "sometimes"),
        (f"{RING}    retry: {{attempt: 3}}\n", 8, "attempt"),
        (f"{RING}    collect: 3\n", 8, "collect"),
        (f"{RING}    connection: orders\n", 8, "connection"),
        ("steps:\n  - id: bell\n    module: bells.ring_bel\n    with: {times: 1}\n", 5, "bells.ring_bel"),
        ("steps:\n  - route:\n      - if: ${{ true }}\n        step: []\n", 6, "step"),
        ("steps:\n  - repeat: {times: many}\n    steps: []\n", 4, "many"),
        ("steps:\n  - sleep: 5 minutes\n", 4, "5 minutes"),
        ("trigger:\n  schedule: {cron: 0 6 * * *}\n  every: 5m\nsteps: []\n", 5, "every"),
        ("steps: []\nstpes: []\n", 4, "stpes"),
    ],
)
def test_a_mistake_is_told_in_its_place(editor: Editor, text: str, line: int, at: str) -> None:
    assert [(told.line, told.text) for told in editor.wrong(scenario(text))] == [(line, at)]


def test_what_is_missing_is_told(editor: Editor) -> None:
    told = editor.wrong(scenario("steps:\n  - id: bell\n    module: bells.ring_bell\n  - id: nothing\n"))
    assert [one.line for one in told] == [4, 6]
    assert "with" in told[0].message
    assert "A step has one of" in told[1].message


def test_what_is_deprecated_is_told(editor: Editor) -> None:
    assert [told.message for told in editor.wrong(scenario(f"{RING}      old: high\n"))] == ["Use tone"]


@pytest.mark.parametrize("key", ["times", "loud", "tone", "who", "at"])
def test_an_expression_stands_for_any_value(editor: Editor, key: str) -> None:
    rest = f"      {key}: ${{{{ trigger.value }}}}\n"
    text = RING.replace("      times: 1\n", rest) if key == "times" else f"{RING}{rest}"
    assert editor.wrong(scenario(text)) == []


def test_an_expression_stands_inside_of_values(editor: Editor) -> None:
    text = f'{RING}      who: {{name: "${{{{ trigger.name }}}}"}}\n      at: ["${{{{ trigger.at }}}}"]\n'
    assert editor.wrong(scenario(text)) == []


def test_a_text_around_an_expression_is_no_number(editor: Editor) -> None:
    text = RING.replace("times: 1", "times: about ${{ trigger.times }}")
    assert [told.text for told in editor.wrong(scenario(text))] == ["about ${{ trigger.times }}"]


@pytest.mark.parametrize("path", [*SHIPPED, *RIGHT], ids=lambda path: path.parent.name + "-" + path.stem)
def test_nothing_is_told_of_what_is_right(editor: Editor, path: Path) -> None:
    source = re.sub("^# yaml-language-server:.*\n", "", path.read_text(), flags=re.MULTILINE)
    assert editor.wrong(source, f"shipped/{path.parent.name}-{path.stem}.yaml") == []


def test_what_is_wrong_is_told_there_too(editor: Editor) -> None:
    assert [one.text for one in editor.wrong("scenario: a\nstepz: []\nsteps: []\n", "shipped/wrong.yaml")] == ["stepz"]


# ------------------------------------------------------------------ settings and connections


def test_the_settings_are_completed_and_checked(editor: Editor) -> None:
    assert {"port", "public_url"} <= editor.complete(f"server:\n  host: a\n  {CURSOR}\n", "engine.yaml").keys()
    assert editor.wrong((ROOT / "engine.yaml").read_text(), "engine.yaml") == []
    told = editor.wrong("limits:\n  bodi: 5MB\n", "engine.yaml")
    assert [(one.line, one.text) for one in told] == [(2, "bodi")]


def test_the_connections_are_completed_and_checked(editor: Editor) -> None:
    offered = editor.complete(f"shop:\n  type: yotpo_loyalty\n  {CURSOR}\n", "connections.yaml")
    assert {"guid", "api_key", "base_url"} <= offered.keys()
    assert editor.wrong((ROOT / "connections.yaml").read_text(), "connections.yaml") == []
    text = "shop:\n  type: yotpo_loyalty\n  guid: {env: GUID}\n  api_key: abcdef\n"
    assert [(one.line, one.text) for one in editor.wrong(text, "connections.yaml")] == [(4, "abcdef")]
