"""Tools: one value of many, and one value for another."""

from __future__ import annotations

import csv
import io
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import DataError, Transform
from engine.plugins import Registry
from engine.testing import Harness
from modules import http, tools

MODULES = {module.name: module for module in tools.engine_apps().modules}


def use(name: str, **config: Any) -> Any:
    """What a tool gives, held against what it says that it takes and gives."""
    module = MODULES[name]
    assert isinstance(module, Transform)
    jsonschema.validate(config, dict(module.config), jsonschema.Draft202012Validator)
    output = module.apply(config)
    jsonschema.validate(output, dict(module.output_schema(config)), jsonschema.Draft202012Validator)
    return output


PEOPLE = [
    {"name": "Ana", "points": 5, "at": {"country": "AT"}},
    {"name": None, "points": 2.5, "at": {"country": "DE"}},
    {"name": "Ben", "points": None, "at": {"country": "AT"}},
]


def test_texts_are_joined() -> None:
    assert use("aggregate_text", items=["a", 1, None, True, {"b": 1}]) == {
        "text": 'a\n1\n\ntrue\n{"b":1}',
        "count": 5,
    }
    assert use("aggregate_text", items=PEOPLE, value="name", separator=", ", skip_empty=True) == {
        "text": "Ana, Ben",
        "count": 2,
    }
    assert use("aggregate_text", items=[]) == {"text": "", "count": 0}


def test_groups_come_in_the_order_of_their_first_item() -> None:
    assert use("aggregate_text", items=PEOPLE, value="name", separator="+", group_by="at.country") == {
        "groups": [{"key": "AT", "text": "Ana+Ben", "count": 2}, {"key": "DE", "text": "", "count": 1}]
    }
    kinds = [{"k": 1}, {"k": "1"}, {"k": None}, {}, {"k": True}]
    found = use("aggregate_numbers", items=kinds, value="n", group_by="k")
    assert [(group["key"], group["count"]) for group in found["groups"]] == [(1, 0), ("1", 0), (None, 0), (True, 0)]


def test_tables_have_headings_and_rows() -> None:
    found = use("aggregate_table", items=PEOPLE, columns=["name", {"Country": "at.country"}], separator=";")
    assert found == {"text": "name;Country\r\nAna;AT\r\n;DE\r\nBen;AT\r\n", "rows": 3}
    assert use("aggregate_table", items=[{"a": 1}, {"b": 2}], line_end="\n")["text"] == "a,b\n1,\n,2\n"
    assert use("aggregate_table", items=[], header=True) == {"text": "", "rows": 0}
    assert use("aggregate_table", items=[{"a": 1}], header=False)["text"] == "1\r\n"


def test_formulas_are_escaped_where_that_is_wanted() -> None:
    items = [{"a": "=1+1", "b": -5, "c": "-5"}]
    assert use("aggregate_table", items=items, header=False)["text"] == "=1+1,-5,-5\r\n"
    assert use("aggregate_table", items=items, header=False, formulas="escape")["text"] == "'=1+1,-5,'-5\r\n"


def test_a_row_must_be_an_object() -> None:
    with pytest.raises(DataError, match="item 1 is no object"):
        use("aggregate_table", items=[{"a": 1}, 2])


@given(st.lists(st.fixed_dictionaries({"a": st.text(), "b": st.text()}), max_size=5), st.sampled_from(",;\t|"))
def test_what_is_written_as_csv_is_read_as_it_was(rows: list[dict[str, str]], separator: str) -> None:
    text = use("aggregate_table", items=rows, columns=["a", "b"], separator=separator)["text"]
    assert list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))[1:] == [[r["a"], r["b"]] for r in rows]


def test_numbers_are_reckoned_with() -> None:
    assert use("aggregate_numbers", items=PEOPLE, value="points") == {
        "count": 2,
        "sum": 7.5,
        "avg": 3.75,
        "min": 2.5,
        "max": 5,
    }
    assert use("aggregate_numbers", items=[0.1] * 10)["sum"] == 1
    assert use("aggregate_numbers", items=["12", "1.5e1", 3]) == {
        "count": 3,
        "sum": 30,
        "avg": 10,
        "min": 3,
        "max": 15,
    }
    assert use("aggregate_numbers", items=[2**60, 1])["sum"] == 2**60 + 1
    assert use("aggregate_numbers", items=[]) == {"count": 0, "sum": 0, "avg": None, "min": None, "max": None}


@pytest.mark.parametrize("value", [True, "x", "nan", "inf", [1], {}])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(DataError, match="value 1 is no number"):
        use("aggregate_numbers", items=[1, value])


def test_a_text_is_composed() -> None:
    assert use("compose", text="Hello Ana") == "Hello Ana"
    assert use("compose", text={"a": [1]}) == '{"a":[1]}'


@pytest.mark.parametrize(
    ("value", "then"), [("GOLD", 3), ("BRONZE", 1), ("VIP-1", 4), ("a x b", 5), (1.0, 6), (True, 0), ("gold", 0)]
)
def test_a_value_is_switched(value: Any, then: Any) -> None:
    cases = [
        {"is": "GOLD", "then": 3},
        {"is": ["SILVER", "BRONZE"], "then": 1},
        {"starts_with": "VIP", "then": 4},
        {"contains": "x", "then": 5},
        {"is": 1, "then": 6},
    ]
    assert use("switch", value=value, cases=cases, **{"else": 0}) == then


def test_a_switch_without_a_case_that_fits_fails() -> None:
    with pytest.raises(DataError, match="no case fits 'x'"):
        use("switch", value="x", cases=[{"is": "y", "then": 1}])


SCENARIO = """
scenario: report
trigger: {module: http.watch_webhook}
steps:
  - id: each
    foreach: ${{ trigger.orders }}
    collect: "${{ {customer: item.customer, total: item.total} }}"
    steps:
      - set: {seen: true}
  - id: sums
    module: tools.aggregate_numbers
    with: {items: "${{ each }}", value: total, group_by: customer}
  - id: sheet
    module: tools.aggregate_table
    with: {items: "${{ sums.groups }}", columns: [key, sum], line_end: "\\n"}
  - stop: success
    output: ${{ sheet.text }}
"""


async def test_a_loop_is_aggregated_in_a_scenario() -> None:
    registry = Registry()
    for app in (http.engine_apps(), tools.engine_apps()):
        registry.add(app, "test")
    assert registry.problems == []
    async with Harness([SCENARIO], registry=registry) as harness:
        orders = [{"customer": "a", "total": 5}, {"customer": "b", "total": 1}, {"customer": "a", "total": 2}]
        result = await harness.run({"orders": orders})
        assert result.output == "key,sum\na,7\nb,1\n"
