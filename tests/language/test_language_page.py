"""The reference page of the language names every key and every default, and its example is right."""

from __future__ import annotations

import re
from pathlib import Path

from engine.plugins import load
from engine.scenario import keys
from engine.scenario.load import load_scenario
from engine.scenario.plan import DEFAULT_RETRY
from engine.sdk.errors import STANDARD_TYPES

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "language.md").read_text()


def test_every_key_and_word_of_the_language_is_on_the_page() -> None:
    known = {*keys.SCENARIO, *keys.TRIGGER, *keys.RETRY, *keys.ANY_STEP}
    known |= {key for names in keys.KINDS.values() for key in names}
    known |= {key for names in keys.WAITS.values() for key in names}
    known |= {*keys.RESPOND, *keys.ROUTE, *keys.ELSE_IF, *keys.REPEAT, *keys.STREAM, *keys.SCHEDULE, *keys.EXPECT}
    known |= {*keys.ON_ERROR, *keys.ON_ERROR_KEYS, *keys.TIMEOUT, *keys.DEFAULTS, *STANDARD_TYPES} - {"stop"}
    missing = [name for name in sorted(known) if not re.search(rf"`{name}[`:]", PAGE)]
    assert missing == []
    assert all(name in PAGE for name in keys.RESERVED)


def test_the_defaults_of_retry_are_on_the_page() -> None:
    assert f"the first included ({DEFAULT_RETRY.attempts})" in PAGE
    assert f"(`{DEFAULT_RETRY.backoff}`)" in PAGE
    assert f"(`{DEFAULT_RETRY.first:g}s`, `{DEFAULT_RETRY.limit:g}s`)" in PAGE
    assert f"0 to 1 ({DEFAULT_RETRY.jitter:g})" in PAGE


def test_the_example_has_no_mistake() -> None:
    source = PAGE.partition("```yaml\n")[2].partition("```")[0]
    scenario, diagnostics = load_scenario(source, "example.yaml", load())
    assert [str(mistake) for mistake in diagnostics] == []
    assert scenario is not None
