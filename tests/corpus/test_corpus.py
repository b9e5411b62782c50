"""Scenarios as authors write them, over the built-in apps: what is wrong is found where it is, and nothing else.

Files in ``wrong/`` begin with what is to be found in them, ``# expect: LINE:COLUMN CODE``, one line each; those in
``right/`` give nothing at all, no hint either. A false alarm is as bad as a miss.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from engine import plugins
from engine.plugins import Registry
from engine.scenario.diagnostics import Diagnostic
from engine.scenario.load import load_scenario

HERE = Path(__file__).parent
CONNECTIONS = {"yotpo": "yotpo_loyalty", "yotpo-sms": "yotpo_messaging", "orders": "http"}
WEBHOOKS = ("loyalty",)
WRONG = sorted((HERE / "wrong").glob("*.yaml"))
RIGHT = sorted((HERE / "right").glob("*.yaml"))
_EXPECT = re.compile(r"^# expect: (\d+):(\d+) ([a-z-]+)$", re.MULTILINE)


@cache
def registry() -> Registry:
    return plugins.load()


def told(path: Path) -> list[Diagnostic]:
    source = path.read_text()
    return load_scenario(source, path.name, registry(), CONNECTIONS, WEBHOOKS, hints=True)[1]


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_what_is_wrong_is_found_in_its_place(path: Path) -> None:
    expected = [(int(line), int(column), code) for line, column, code in _EXPECT.findall(path.read_text())]
    assert expected
    assert [(d.place.line, d.place.column, d.code) for d in told(path)] == expected


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
def test_nothing_is_told_of_what_is_right(path: Path) -> None:
    assert [str(d) for d in told(path)] == []


def test_the_corpus_is_large_and_balanced() -> None:
    assert len(WRONG) + len(RIGHT) >= 150
    assert min(len(WRONG), len(RIGHT)) >= 70
