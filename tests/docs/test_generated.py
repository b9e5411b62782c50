"""Errors, public API and test tools: each has its entry, and the pages are what the code says."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

import engine
import engine.testing
from engine.runtime.outcomes import HOLD_CODES
from engine.sdk.errors import EngineError
from tests.docs.generate import PAGES, REFERENCE, WORDS, all_errors, owners, sentence
from tests.docs.pages import ROOT

CODE = re.compile(r"[a-z]+(-[a-z]+)*")
SOURCES = {path: path.read_text() for path in sorted((ROOT / "engine").rglob("*.py"))}


@pytest.mark.parametrize(("page", "make"), PAGES.items())
def test_a_generated_page_is_what_the_code_says(page: str, make: Callable[[], str]) -> None:
    command = f"python -m tests.docs.generate {page} > docs/reference/{page}.md"
    assert (REFERENCE / f"{page}.md").read_text() == make(), f"run `{command}`"


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_an_error_has_a_code_of_its_own_and_says_when_it_comes(kind: type[EngineError]) -> None:
    assert CODE.fullmatch(kind.code)
    assert kind.code not in (EngineError.code, *WORDS)
    assert len(owners()[kind.code]) == 1, f"{kind.code} is the code of {owners()[kind.code]}"
    assert "__doc__" in vars(kind)
    assert sentence(kind).endswith(".")


def test_every_class_that_is_an_error_is_found() -> None:
    written = {
        name
        for text in SOURCES.values()
        for name, above in re.findall(r"^class (\w+)\(([\w, ]+)\):", text, re.MULTILINE)
        if re.search(r"\b(EngineError|ModuleError|ConfigError|StoreError)\b", above)
    }
    assert written - {kind.__name__ for kind in all_errors()} == set()


def test_codes_without_a_class_are_listed() -> None:
    pattern = re.compile(r'(?:\brefuse\(\s*|"code": |\bhead\()"([a-z-]+)"')
    used = {code for text in SOURCES.values() for code in pattern.findall(text)}
    assert used == set(WORDS)


def test_every_reason_for_a_hold_is_listed_and_every_listed_one_is_used() -> None:
    runtime = "".join(text for path, text in SOURCES.items() if path.parent.name == "runtime")
    used = set(re.findall(r'\bHold\(\s*"([a-z-]+)"', runtime))
    assert used - HOLD_CODES.keys() == set()
    quoted = set(
        re.findall(r'"([a-z-]+)"', runtime.replace(re.findall(r"HOLD_CODES.*?\n}", runtime, re.DOTALL)[0], ""))
    )
    assert HOLD_CODES.keys() - quoted == set()


@pytest.mark.parametrize("module", [engine, engine.testing], ids=lambda module: module.__name__)
def test_public_names_are_all_there_and_say_what_they_are(module: object) -> None:
    page = "api" if module is engine else "testing"
    shown = re.findall(r"^## `(\w+)`\n\n(.)", (REFERENCE / f"{page}.md").read_text(), re.MULTILINE)
    assert sorted(name for name, _ in shown) == sorted(module.__all__)  # type: ignore[attr-defined]


def test_every_member_of_a_public_type_says_what_it_is() -> None:
    page = (REFERENCE / "api.md").read_text()
    silent = re.findall(r"^ *- `[^`]+`$", page, re.MULTILINE)
    assert silent == []


def test_a_module_kind_tells_what_it_has_from_all_modules() -> None:
    page = (REFERENCE / "api.md").read_text()
    for kind in ("Action", "Search", "Transform", "WebhookTrigger", "PollingTrigger"):
        part = page.partition(f"\n## `{kind}`\n")[2].partition("\n## ")[0]
        assert "- `example`: a `with:` that is valid." in part, kind
