"""Functions that plugins add: called in expressions like the language's own; what is wrong is told with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine import Example, Function, Parameter, plugins
from engine.plugins import Registry
from engine.scenario.expressions import ExpressionError, compile_expression, functions_of
from engine.scenario.expressions.examples import doubts
from engine.scenario.load import load_scenario

PLUGIN = """
from engine import Example, Function, Parameter, hookimpl

def shout(text, times):
    if times < 0:
        raise ValueError("nobody shouts less than never")
    return text.upper() + "!" * times

@hookimpl
def engine_functions():
    return [Function(
        "texts_shout", (Parameter("text", ("string",)), Parameter("times", ("integer",), default=1)), "string",
        "Louder.", (Example("texts_shout('hi')", {}, RESULT),), shout,
    )]
"""
SCENARIO = """
scenario: greet
trigger:
  module: http.watch_webhook
steps:
  - if: ${{ texts_shout(trigger.name) == 'ADA!' }}
    steps:
      - stop: success
  - if: ${{ texts_shuot('x') == texts_shout(1) }}
    steps:
      - sleep: 5m
"""


def project(folder: Path, result: str = '"HI!"', name: str = "texts") -> Registry:
    (folder / "modules").mkdir()
    (folder / "modules" / f"{name}.py").write_text(PLUGIN.replace("RESULT", result))
    return plugins.load(folder / "modules")


def test_a_plugin_of_functions_alone_is_one(tmp_path: Path) -> None:
    registry = project(tmp_path)
    assert registry.problems == []
    assert doubts(registry) == []
    known = functions_of(registry)
    assert compile_expression("texts_shout(a, 2)", known).evaluate({"a": "hi"}) == "HI!!"
    assert compile_expression("texts_shout(missing)", known).evaluate({}) is None
    with pytest.raises(ExpressionError, match="nobody shouts less than never") as caught:
        compile_expression("texts_shout('a', -1)", known).evaluate({})
    assert caught.value.code == "expression-error"


def test_the_checker_knows_them(tmp_path: Path) -> None:
    _, found = load_scenario(SCENARIO, "greet.yaml", project(tmp_path))
    [mistake] = [one for one in found if one.code == "unknown-function"]
    assert mistake.hint == "did you mean 'texts_shout'?"
    right = SCENARIO.replace("texts_shuot('x')", "'X!'").replace("texts_shout(1)", "texts_shout('x')")
    assert not [
        one
        for one in load_scenario(right, "greet.yaml", plugins.load(tmp_path / "modules"))[1]
        if "function" in one.code
    ]


def test_an_example_that_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    [doubt] = doubts(project(tmp_path, result='"ho"'))
    assert "`texts_shout('hi')` gives 'HI!', not 'ho'" in doubt.message
    assert str(doubt.place).endswith("texts.py:4")
    assert doubt.loaded


def test_a_name_begins_with_that_of_the_plugin(tmp_path: Path) -> None:
    registry = project(tmp_path, name="other")
    [problem] = registry.problems
    assert "its name must begin with that of the plugin: other_texts_shout" in problem.message
    assert str(problem.place).endswith("other.py:4")
    assert registry.functions == {}


def function(name: str = "x_f", **more: Any) -> Function:
    given: dict[str, Any] = {"parameters": (), "returns": "string", "examples": (Example("x_f()", {}, ""),), "run": str}
    return Function(name=name, doc="Something.", **{**given, **more})


async def _waits() -> str:
    return ""


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (function("X"), "the name must match"),
        (function("upper"), "the language has a function of this name"),
        (function(returns="text"), "'text' is no type of a result"),
        (function(run=None), "`run` must be a function"),
        (function(run=_waits), "must not be a coroutine"),
        (function(examples=()), "it needs an example at least"),
        (function(parameters=(Parameter("a", ("text",)),)), "has the unknown kind 'text'"),
        (function(parameters=(Parameter("a", variadic=True), Parameter("b"))), "is variadic, and not the last"),
        (function(parameters=(Parameter("a", default=1), Parameter("b"))), "stands behind one that can be left out"),
        (function(parameters=("a",)), "a str stands where a Parameter is wanted"),
    ],
)
def test_a_function_that_is_not_right_is_refused(wrong: Function, says: str) -> None:
    registry = Registry()
    registry.add_function(wrong, "tests")
    [problem] = registry.problems
    assert says in problem.message
    assert problem.place == "tests"


@pytest.mark.parametrize(("run", "says"), [(lambda: {}["x"], "KeyError: 'x'"), (object, "it gave what is no JSON")])
def test_what_a_function_raises_or_gives_wrongly_is_an_error_of_the_expression(run: Any, says: str) -> None:
    registry = Registry()
    registry.add_function(function(run=run), "tests")
    with pytest.raises(ExpressionError, match=says):
        compile_expression("x_f()", functions_of(registry)).evaluate({})


def test_a_name_is_taken_once() -> None:
    registry = Registry()
    registry.add_function(function(), "first")
    registry.add_function(function(), "second")
    [problem] = registry.problems
    assert "the name is taken by first" in problem.message
