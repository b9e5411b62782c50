"""What the integrator's document says of each field of its loyalty app is what the field does here.

Which fields there are, and that each arrives, ``test_yotpo_loyalty_fields`` tells. Here is what the document asks of
their values: a choice can be chosen, null means null, a list is a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from engine import Action, Schema
from modules.yotpo_loyalty import engine_apps
from tests.modules.bench import fixture, problems

APP = engine_apps()
DOCUMENT: Mapping[str, Any] = fixture("boost_space_document.json")
#: options that stand beside one, where it cannot stand alone
BESIDE: Mapping[str, Mapping[str, Any]] = {
    "Create or Update a Customer Record": {"email": "ana@example.com"},
    "Retrieve a Customer": {"customer_email": "ana@example.com"},
    "Make an API Call": {"url": "/campaigns"},
}
#: by kind: values that the document allows, and values that it does not
VALUES: Mapping[str, tuple[list[Any], list[Any]]] = {
    "text": (["ana@example.com"], [[], {}, True]),
    "phone": (["+15550100"], [15550100, ["+15550100"]]),
    "country": (["US", "DE", "us"], ["USA", "1", 1, None]),
    "yes or no": ([True, False], ["yes", "true", 1, None]),
    "yes, no or null": ([True, False, None], ["null", "true", 1]),
    "list": ([["vip", "loyal"], [], "vip,loyal"], [["vip,loyal"], [7], 7, None]),
    "time": (["2024-03-05T09:00:00Z", "2024-03-05T11:00:00+02:00"], ["yesterday", 1709629200, None]),
    "path": (["/campaigns", "customers/recent", "vip_tiers?x=1"], ["https://example.com/", "//example.com", "../x"]),
    "method": (["GET", "POST", "PUT", "PATCH", "DELETE"], ["HEAD", "get", 1, None]),
    "mapping": ([{}, {"X-Trace": "t"}], ["X-Trace: t", [], None]),
    "anything": ([{"a": [1, None]}, "text", 7, [1], None], []),
}
FIELDS = [(module, title, field) for module, form in DOCUMENT.items() for title, field in form["fields"].items()]


def module_of(title: str) -> Action:
    found = next(one for one in APP.modules if one.title == title)
    assert isinstance(found, Action)
    return found


def option_of(module: str, title: str) -> tuple[str, Schema]:
    [found] = [(key, one) for key, one in module_of(module).config["properties"].items() if one["title"] == title]
    return found


def test_the_document_has_the_fields_of_the_table() -> None:
    table = fixture("yotpo_loyalty_fields.json")
    for module, form in DOCUMENT.items():
        rows = [field for field in table[module] if field != "Connection" and ":" not in field]
        assert list(form["fields"]) == rows


@pytest.mark.parametrize(("module", "title", "field"), FIELDS, ids=str)
def test_a_field_takes_what_the_document_allows_and_nothing_else(
    module: str, title: str, field: Mapping[str, str]
) -> None:
    key, _ = option_of(module, title)
    config = module_of(module).config
    allowed, refused = VALUES[field["kind"]]
    for value in allowed:
        assert problems({**BESIDE[module], key: value}, config) == [], value
    for value in refused:
        assert problems({**BESIDE[module], key: value}, config), value


@pytest.mark.parametrize("module", BESIDE)
def test_all_else_may_be_left_out(module: str) -> None:
    assert problems(BESIDE[module], module_of(module).config) == []


@pytest.mark.parametrize("title", ["Customer Email", "Customer ID", "Pos Account ID", "Phone Number"])
def test_one_of_the_identifiers_is_enough_to_retrieve_a_customer(title: str) -> None:
    key, _ = option_of("Retrieve a Customer", title)
    config = module_of("Retrieve a Customer").config
    assert problems({key: "+15550100"}, config) == []
    assert problems({"with_history": True}, config), "nobody is asked for"


def test_switches_of_a_look_up_are_off_when_they_are_left_out() -> None:
    for title in ("With Referral Code", "With History"):
        assert option_of("Retrieve a Customer", title)[1]["default"] is False
    assert option_of("Make an API Call", "Method")[1]["default"] == "GET"


def test_null_of_opted_in_relies_on_the_accounts_setting() -> None:
    key, schema = option_of("Create or Update a Customer Record", "Opted In")
    assert (key, schema["type"]) == ("opted_in", ["boolean", "null"])
    assert "null leaves it to the account's setting" in schema["description"]
