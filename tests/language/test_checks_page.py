"""Every check is listed, shown by an example that it finds, and by one that nothing finds; the page is up to date."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.scenario.codes import CODES, checks_page, example
from engine.scenario.diagnostics import Severity
from engine.scenario.load import load_scenario
from tests.language.crm import CONNECTIONS, WEBHOOKS, registry

ROOT = Path(__file__).parents[2]
SHOWN = [name for name, code in CODES.items() if code.wrong]


REGISTRY = registry()


def codes(text: str, level: Severity) -> list[str]:
    """What is found in an example, hints where it is for one: examples are short, and use little."""
    _, found = load_scenario(example(text), "f.yaml", REGISTRY, CONNECTIONS, WEBHOOKS, hints=level is Severity.HINT)
    return [diagnostic.code for diagnostic in found]


@pytest.mark.parametrize("name", SHOWN)
def test_the_wrong_example_has_this_mistake_and_no_other(name: str) -> None:
    assert set(codes(CODES[name].wrong, CODES[name].severity)) == {name}


@pytest.mark.parametrize("name", SHOWN)
def test_the_right_example_has_no_mistake(name: str) -> None:
    assert codes(CODES[name].right, CODES[name].severity) == []


def test_a_check_without_an_example_has_a_test_of_its_own() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))
    assert [name for name in CODES if name not in SHOWN and f'"{name}"' not in tests] == []


def test_every_code_that_is_used_is_listed_and_every_listed_one_is_used() -> None:
    files = (ROOT / "engine" / "scenario").rglob("*.py")
    source = "".join(path.read_text() for path in files if not path.name.startswith("codes"))
    used = set(re.findall(r'(?:Diagnostic|add|_tell|_report|_quote_it)\(\s*"([a-z-]+)"', source))
    assert used - CODES.keys() == set()
    assert [name for name in CODES if f'"{name}"' not in source] == []


def test_the_page_is_made_from_the_list() -> None:
    page = (ROOT / "docs" / "reference" / "checks.md").read_text()
    assert page == checks_page(), "write checks_page() to docs/reference/checks.md"
