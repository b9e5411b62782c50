"""The page for those who come from an integrator: what it says is here is here, and nothing of theirs is left out."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Iterator

import click
import pytest

from engine import plugins
from engine.cli.app import cli
from engine.runtime.settings import KEYS
from engine.scenario import keys
from engine.scenario.expressions import FUNCTIONS, Hole, compile_expression, split
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "reference" / "coming-from-an-integrator.md"
#: every function of theirs, those of Fusion too
THEIRS = (
    *[
        "get",
        "if",
        "ifempty",
        "switch",
        "omit",
        "pick",
        "equal",
        "mergeCollections",
        "isBlank",
        "in",
        "ifin",
        "case",
        "abs",
        "average",
        "ceil",
        "floor",
        "max",
        "median",
    ],
    *[
        "min",
        "round",
        "sum",
        "stdevP",
        "stdevS",
        "trunc",
        "formatNumber",
        "parseNumber",
        "div",
        "ln",
        "log",
        "number",
        "power",
        "prod",
        "sortAscNum",
        "sortDescNum",
    ],
    *[
        "sqrt",
        "sub",
        "pi",
        "random",
        "ascii",
        "base64",
        "capitalize",
        "contains",
        "decodeURL",
        "encodeURL",
        "escapeHTML",
        "escapeMarkdown",
        "indexOf",
    ],
    *[
        "length",
        "lower",
        "upper",
        "trim",
        "md5",
        "mime",
        "replace",
        "replaceEmojiCharacters",
        "sha1",
        "sha256",
        "sha512",
        "split",
        "startcase",
        "stripHTML",
    ],
    *[
        "substring",
        "toBinary",
        "toString",
        "concat",
        "left",
        "right",
        "removeAccents",
        "replacePattern",
        "sortAscString",
        "sortDescString",
        "pascal",
    ],
    *[
        "formatDate",
        "parseDate",
        "addSeconds",
        "addMinutes",
        "addHours",
        "addDays",
        "addMonths",
        "addYears",
        "setSecond",
        "setMinute",
        "setHour",
    ],
    *[
        "setDay",
        "setDate",
        "setMonth",
        "setYear",
        "dateDifference",
        "dayOfWeek",
        "dayOfMonth",
        "daysInMonth",
        "daysInYear",
        "daysInSplitWeek",
    ],
    *[
        "dateMax",
        "dateMin",
        "startOfMonth",
        "endOfMonth",
        "hour",
        "minute",
        "second",
        "month",
        "year",
        "isWeekend",
        "addWeekDays",
        "weekDayDiff",
    ],
    *[
        "workMinutesDiff",
        "add",
        "deduplicate",
        "distinct",
        "first",
        "last",
        "flatten",
        "join",
        "keys",
        "map",
        "merge",
        "remove",
        "reverse",
        "shuffle",
        "slice",
    ],
    *("sort toArray toCollection arrayDifference arrayElement createJSON parseJSON").split(),  # noqa: SIM905 - read as a list of words
)
#: and their other words: directives, errors, keywords
WORDS = (
    *("Ignore Resume Commit Rollback Break BundleValidationError DataError RuntimeError ConnectionError").split(),  # noqa: SIM905 - read as a list of words
    *[
        "RateLimitError",
        "ModuleTimeoutError",
        "AccountValidationError",
        "InvalidAccessTokenError",
        "InvalidConfigurationError",
    ],
    *[
        "DuplicateDataError",
        "IncompleteDataError",
        "MaxFileSizeExceededError",
        "MaxResultsExceededError",
        "OutOfSpaceError",
    ],
    *("InconsistencyError OperationsLimitExceededError DataSizeLimitExceededError ExecutionInterruptedError").split(),  # noqa: SIM905 - read as a list of words
    *[
        "ScenarioTimeoutError",
        "UnexpectedError",
        "UnknownError",
        "emptystring",
        "emptyarray",
        "space",
        "tab",
        "newline",
        "carriagereturn",
        "nbsp",
    ],
    *("now timestamp random pi uuid executionId ignore erase router iterator repeater").split(),  # noqa: SIM905 - read as a list of words
)


def rows() -> Iterator[tuple[str, str]]:
    for line in PAGE.read_text().splitlines():
        if line.startswith("| ") and not line.startswith(("| there", "| ---")):
            there, _, here = line.strip("| ").replace("\\|", "¦").partition(" | ")
            yield there, here


ROWS = list(rows())
HERE = [(there, token) for there, here in ROWS for token in re.findall(r"`([^`]+)`", here)]


def test_each_row_has_both_sides_and_what_is_missing_has_a_reason() -> None:
    assert len(ROWS) > 200
    for there, here in ROWS:
        assert there
        assert here
        if here.startswith("none") and here != "none":
            assert re.match(r"none( yet| needed| for a run)?[:;, ]", here), here


@pytest.mark.parametrize("name", [*THEIRS, *WORDS])
def test_nothing_of_theirs_is_left_out(name: str) -> None:
    assert any(re.search(rf"\b{name}\b", there) for there, _ in ROWS)


def test_functions_are_there() -> None:
    named = {name for _, token in HERE for name in re.findall(r"\b([a-z_0-9]+)\(", token)}
    assert len(named) > 100
    assert named - FUNCTIONS.keys() == set()


def test_modules_are_there() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["engine"]
    installed = plugins.load().apps
    # one that is newer than the installation is there all the same
    fresh = [importlib.import_module(module) for name, module in declared.items() if name not in installed]
    registry = plugins.load(extra=fresh)
    named = {token for _, token in HERE if re.fullmatch(r"(http|tools|log|yotpo_\w+|store|data_store)\.[a-z_]+", token)}
    assert named
    assert named - registry.modules.keys() == set()


def test_commands_are_there() -> None:
    for _, token in HERE:
        if token.startswith("engine "):
            words, command = token.split()[1:], cli
            found: click.Command | None = command
            while words and isinstance(found, click.Group):
                inner = found.get_command(click.Context(found), words[0])
                if inner is None:
                    break
                found = inner
                words.pop(0)
            assert found is not cli, token
            options = {option for parameter in (found.params if found else ()) for option in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= options, token


def test_keys_are_there() -> None:
    known = {*keys.SCENARIO, *keys.TRIGGER, *keys.ANY_STEP, *keys.SCHEDULE, *KEYS, "check", "accept_rate"}
    known |= {key for kind in keys.KINDS.values() for key in kind}
    named = {token.rstrip(":") for _, token in HERE if re.fullmatch(r"[a-z_]+:", token)}
    assert len(named) > 30
    assert named - known == set()


def test_functions_are_called_as_they_are_written() -> None:
    tokens = [token.replace("¦", "|") for _, token in HERE if re.search(r"\b[a-z_0-9]+\(", token)]
    assert len(tokens) > 150
    for token in tokens:
        for piece in split(token) if "${{" in token else [Hole(token, 0, 0)]:
            if isinstance(piece, Hole):
                compile_expression(piece.text)
