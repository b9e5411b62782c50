"""The schema agrees with the readers: what they take it takes, and what is wrong by its form alone it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from engine import plugins
from engine.editor.forms import DEFINITIONS, Form, closed
from engine.editor.language import scenario_schema
from engine.editor.policies import RETRY_FORM
from engine.editor.settings import connections_schema, settings_schema
from engine.editor.snippets import SNIPPETS
from engine.editor.translate import Translator
from engine.scenario.diagnostics import Severity
from engine.scenario.keys import KINDS, RETRY
from engine.scenario.load import load_scenario
from engine.scenario.nodes import plain
from engine.scenario.yaml import parse
from tests.corpus.test_corpus import RIGHT, WRONG, told
from tests.docs.pages import PAGES, ROOT, Block, blocks

_PLACE = re.compile(r"\$\{\d+[:|]([^}|,]+)[^}]*\}")
SHIPPED = sorted((ROOT / "scenarios").glob("*/*.yaml"))
#: what a look at the form of a file finds
OF_FORM = {
    "unknown-key",
    "config-key",
    "config-missing",
    "config-type",
    "config-value",
    "missing-key",
    "step-kind",
    "wrong-value",
    "unknown-module",
}


@cache
def schema() -> dict[str, Any]:
    return scenario_schema(plugins.load())


def mistakes(source: str) -> list[str]:
    found = jsonschema.Draft7Validator(schema()).iter_errors(plain(parse(source, "scenario.yaml")))
    return [f"{error.json_path}: {error.message}" for error in found]


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(schema())


@pytest.mark.parametrize("path", [*RIGHT, *SHIPPED], ids=lambda path: path.stem)
def test_what_is_right_is_right_by_the_schema(path: Path) -> None:
    assert mistakes(path.read_text()) == []


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_what_is_wrong_by_its_form_is_wrong_by_the_schema(path: Path) -> None:
    source = path.read_text()
    lines = source.splitlines()
    # what an expression gives, an editor does not know
    found = [d for d in told(path) if d.code in OF_FORM and "${{" not in lines[d.place.line - 1]]
    assert not found or mistakes(source)


@pytest.mark.parametrize("kind", KINDS)
def test_a_beginning_of_each_kind_is_right(kind: str) -> None:
    filled = _PLACE.sub(r"\1", json.dumps(SNIPPETS[kind].body)).replace("\\\\$", "$")
    assert mistakes(f"scenario: an-example\nsteps:\n  - {filled}\n") == []


def test_a_key_that_is_read_and_not_described_is_refused() -> None:
    with pytest.raises(ValueError, match="not described: later"):
        closed((*RETRY, "later"), RETRY_FORM["properties"])
    with pytest.raises(ValueError, match="read and not described: on"):
        closed([key for key in RETRY if key != "on"], RETRY_FORM["properties"])


def test_every_reference_leads_somewhere() -> None:
    made = schema()
    assert {target.removeprefix("#/definitions/") for target in references(made)} <= made["definitions"].keys()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


# ------------------------------------------------------------------ schemas of modules


def translated(given: dict[str, Any], *, expressions: bool = True) -> jsonschema.Draft7Validator:
    definitions: dict[str, Form] = dict(DEFINITIONS)
    made = Translator("with.shop.send", definitions).root(given, expressions=expressions)
    jsonschema.Draft7Validator.check_schema({**made, "definitions": definitions})
    return jsonschema.Draft7Validator({**made, "definitions": definitions})


HERE_AND_THERE = {
    "$defs": {"money": {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}}},
    "properties": {
        "price": {"$ref": "#/$defs/money"},
        "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
        "short": {"type": "string", "maxLength": 3},
        "code": {"type": "string", "pattern": "^[A-Z]+$"},
        "level": {"type": "string", "enum": ["low", "high"]},
        "one": {"const": 1},
        "two": {"type": "array", "minItems": 2, "items": {}},
    },
    "dependentRequired": {"short": ["code"]},
}


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ({"price": {"amount": 1}}, True),
        ({"price": {"amount": "much"}}, False),
        ({"price": {}}, False),
        ({"price": {"amount": "${{ x }}"}}, True),
        ({"price": "${{ x }}"}, True),
        ({"price": "about ${{ x }}"}, False),
        ({"pair": ["a", 1]}, True),
        ({"pair": [1, 1]}, False),
        ({"pair": ["a", 1, 2]}, False),
        ({"short": "abc", "code": "A"}, True),
        ({"short": "abcd", "code": "A"}, False),
        ({"short": "${{ a.long.name }}", "code": "of ${{ a }}"}, True),
        ({"short": "abc"}, False),
        ({"short": "${{ x }}"}, True),
        ({"level": "middle"}, False),
        ({"level": "${{ x }}"}, True),
        ({"one": 2}, False),
        ({"one": "${{ x }}"}, True),
        ({"two": [1]}, False),
        ({"two": ["${{ x }}"]}, True),
    ],
)
def test_a_modules_schema_means_the_same_with_expressions(value: dict[str, Any], right: bool) -> None:
    assert translated(HERE_AND_THERE).is_valid(value) is right


def test_an_expression_decides_nothing_between_forms() -> None:
    validator = translated({"oneOf": [{"required": ["email"]}, {"required": ["phone"]}]})
    assert not validator.is_valid({"email": "a@example.com", "phone": "+15550100"})
    assert validator.is_valid({"email": "${{ omit() }}", "phone": "+15550100"})
    assert not validator.is_valid({"name": "${{ x }}"})


def test_a_trigger_takes_no_expression() -> None:
    assert not translated({"properties": {"limit": {"type": "integer"}}}, expressions=False).is_valid(
        {"limit": "${{ 1 }}"}
    )


# ------------------------------------------------------------------ what the pages show

SHOWN = [
    b for page in PAGES for b in blocks(page) if b.language == "yaml" and "wrong" not in b.marks and "…" not in b.text
]


def first_line(block: Block) -> str:
    lines = [line for line in block.text.splitlines() if not line.startswith("# yaml-language-server")]
    return lines[0] if lines else ""


@cache
def installed() -> plugins.Registry:
    return plugins.load()


@pytest.mark.parametrize(
    "block", [b for b in SHOWN if first_line(b).startswith("scenario:")], ids=lambda block: block.place
)
def test_the_scenarios_of_the_pages_are_right(block: Block) -> None:
    read, source = load_scenario(block.text, "page.yaml", installed()), block.text
    # a page may show an app of its own, or what is wrong there
    if not any(d.severity is Severity.ERROR for d in read[1]):
        assert mistakes(source) == []


@pytest.mark.parametrize(
    "block",
    [b for b in SHOWN if "engine.yaml" in (b.marks.get("file"), first_line(b).removeprefix("# "))],
    ids=lambda block: block.place,
)
def test_the_settings_of_the_pages_are_right(block: Block) -> None:
    value = plain(parse(block.text, "engine.yaml"))
    assert [
        error.message for error in jsonschema.Draft7Validator(settings_schema(installed())).iter_errors(value)
    ] == []


@pytest.mark.parametrize(
    "block",
    [b for b in SHOWN if "connections.yaml" in (b.marks.get("file"), first_line(b).removeprefix("# "))],
    ids=lambda block: block.place,
)
def test_the_connections_of_the_pages_are_right(block: Block) -> None:
    value = plain(parse(block.text, "connections.yaml"))
    here = {name: one for name, one in value.items() if one["type"] in installed().connection_types}
    made = jsonschema.Draft7Validator(connections_schema(installed()))
    assert [error.message for error in made.iter_errors(here)] == []
