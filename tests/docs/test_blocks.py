"""Every fenced block of every page: what is not followed or checked elsewhere is right as far as it can be told."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from textwrap import indent

import click
import pytest

from engine import plugins
from engine.cli.app import cli
from engine.runtime.project import Project
from engine.runtime.reader import SettingsError
from engine.scenario.load import load_scenario
from engine.scenario.yaml import parse
from tests.docs.pages import PAGES, ROOT, Block, blocks

ALL = [block for page in PAGES for block in blocks(page) if "edit" not in block.marks]
#: the only languages; a typing slip in one would take its block out of sight
LANGUAGES = {
    "",
    "yaml",
    "json",
    "console",
    "text",
    "python",
    "toml",
    "ini",
    "mermaid",
    "sql",
    "sh",
    "dockerfile",
    "lua",
}
#: values that a page abbreviates
ABBREVIATED = re.compile(r"…|\.\.\.")


def of(*languages: str) -> list[Block]:
    return [block for block in ALL if block.language in languages]


def test_there_are_blocks_of_languages_that_are_known() -> None:
    assert len(ALL) > 300
    assert {block.language for block in ALL} <= LANGUAGES


@pytest.mark.parametrize("block", of("yaml"), ids=lambda block: block.place)
def test_yaml_can_be_read(block: Block) -> None:
    if "wrong" not in block.marks and not ABBREVIATED.search(block.text) and block.page.name != "checks.md":
        parse(block.text, block.place)


@pytest.mark.parametrize("block", of("yaml"), ids=lambda block: block.place)
def test_parts_of_scenarios_are_right(block: Block) -> None:
    if (source := _whole(block)) is not None:
        _, found = load_scenario(source, block.place, plugins.load())
        # what stands around the part is not shown
        assert [str(mistake) for mistake in found if mistake.code != "unknown-name"] == []


def _whole(block: Block) -> str | None:
    """A scenario of the part of one that a block shows; None where it shows something else."""
    if "wrong" in block.marks or block.page.name == "checks.md":
        return None
    if block.text.startswith("- "):
        text = f"steps:\n{indent(block.text, '  ')}"
    elif re.match(r"(steps|trigger|order_by|concurrency|output|on_failure|defaults|inputs):", block.text):
        text = f"{block.text}\n"
    else:
        return None
    keys = {line.partition(":")[0] for line in text.splitlines()}
    missing = {"scenario": "part", "trigger": "{module: http.watch_webhook}", "steps": "[]"}
    return text + "".join(f"{key}: {value}\n" for key, value in missing.items() if key not in keys)


@pytest.mark.parametrize("block", of("yaml"), ids=lambda block: block.place)
def test_settings_and_connections_are_right(block: Block, tmp_path: Path) -> None:
    name = block.text.partition("\n")[0].removeprefix("# ")
    if name in ("engine.yaml", "connections.yaml") and not ABBREVIATED.search(block.text):
        (tmp_path / name).write_text(block.text)
        codes: set[str] = set()
        try:
            Project.find(tmp_path).connections(plugins.load(ROOT / "modules"))
        except SettingsError as error:
            codes = {mistake.code for mistake in error.diagnostics}
        # a page may show an app that is not among those that are shipped
        assert codes <= {"unknown-connection-type"}


@pytest.mark.parametrize("block", of("json"), ids=lambda block: block.place)
def test_json_can_be_read(block: Block) -> None:
    if not ABBREVIATED.search(block.text):
        json.loads(block.text)


@pytest.mark.parametrize("block", of("python"), ids=lambda block: block.place)
def test_python_can_be_read(block: Block) -> None:
    compile(block.text, block.place, "exec", flags=0x2000)  # with await at the top


@pytest.mark.parametrize("block", of("console", "sh", ""), ids=lambda block: block.place)
def test_commands_are_there_with_their_options(block: Block) -> None:
    for line in block.text.splitlines():
        if found := re.match(r"\$ (?:[A-Z_]+=\S+ )*(engine .*?)(?: \||$| >|\\$)", line):
            _known(shlex.split(found[1].replace("…", "X")), block.place)


def _known(words: list[str], place: str) -> None:
    command: click.Command = cli
    options = {"-h", "--help"}
    for word in words[1:]:
        options |= {opt for parameter in command.params for opt in (*parameter.opts, *parameter.secondary_opts)}
        if word.startswith("--"):
            assert word.partition("=")[0] in options, f"{place}: {word}"
        elif isinstance(command, click.Group):
            inner = command.get_command(click.Context(command), word)
            command = inner if inner is not None else command
    assert command is not cli or "--" in " ".join(words), f"{place}: {words}"
