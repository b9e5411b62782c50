"""The pages that go through a vendor's guide show scenarios that are shipped, letter for letter."""

from __future__ import annotations

import pytest

from tests.docs.pages import ROOT, blocks
from tests.modules.bench import fixture

SHOWN = {"loyalty-to-optimove.md": "loyalty-to-optimove", "boost-space.md": "welcome-member"}


@pytest.mark.parametrize(("page", "scenario"), SHOWN.items())
def test_a_page_shows_the_scenario_that_is_shipped(page: str, scenario: str) -> None:
    [shown] = [
        block.text
        for block in blocks(ROOT / "docs" / "how-to" / page)
        if block.marks.get("file") == f"scenarios/{scenario}.yaml"
    ]
    assert shown == (ROOT / "scenarios" / scenario / "scenario.yaml").read_text()


def test_the_page_of_the_integrators_app_has_each_of_its_modules() -> None:
    page = (ROOT / "docs" / "how-to" / "boost-space.md").read_text()
    modules = [name for name in fixture("yotpo_loyalty_fields.json") if name != "Connection"]
    assert [name for name in modules if f"| *{name}*" not in page] == []
