"""``engine run`` and ``engine serve`` of a scenario that polls."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest

from tests.cli.conftest import Program, Shop

CRM = '''
"""An app whose vendor is a file."""

import json
from pathlib import Path

from engine import App, DataError, Event, Page, PollingTrigger, VendorError, hookimpl

FILE = Path(__file__).parent.parent / "customers.json"
CUSTOMER = {"type": "object", "properties": {"id": {"type": "string"}, "at": {"type": "string"}}}


async def page(call, cursor):
    customers = json.loads(FILE.read_text())
    if customers == "down" or (customers[-1:] == ["down"] and cursor):
        raise VendorError("the file is out for lunch")
    start = cursor or 0
    end = start + 2
    return Page([c for c in customers[start:end] if c != "down"], end if end < len(customers) else None)


def identify(config, item):
    if not item["id"]:
        raise DataError("the customer has no id")
    return Event(item, id=item["id"], subject=item.get("email"))


@hookimpl
def engine_apps():
    return App(
        name="crm",
        title="CRM",
        modules=(
            PollingTrigger(
                name="watch_customers", title="Watch Customers", description="New and changed customers.",
                config={"type": "object"}, output=CUSTOMER, page=page, identify=identify, order=lambda item: item["at"],
            ),
        ),
    )
'''
SCENARIO = "scenarios/welcome.yaml"


@pytest.fixture
def crm(shop: Shop) -> Shop:
    shop.write("modules/crm.py", CRM)
    (shop.root / "scenarios/order.yaml").unlink()
    welcome(shop)
    customers(shop, "c1", "c2", "c3")
    return shop


def welcome(shop: Shop, start: str = "all", head: str = "") -> None:
    shop.write(
        SCENARIO,
        f"""
        scenario: welcome
        {head or "active: true"}
        trigger:
          module: crm.watch_customers
          every: 1s
          start: {start}
        steps:
          - id: send
            module: shop.send
            with: {{mode: "${{{{ trigger.id == 'bad' && 'refused' || 'done' }}}}"}}
        """,
    )


def customers(shop: Shop, *ids: str) -> None:
    found = [{"id": name, "at": f"2024-03-{n:02}", "email": f"{name}@example.com"} for n, name in enumerate(ids, 1)]
    (shop.root / "customers.json").write_text(json.dumps(found))


def test_run_looks_once_and_runs_what_is_new(crm: Shop) -> None:
    result = crm.engine("run", SCENARIO)
    assert result.exit_code == 0, result.output
    assert "one look at crm.watch_customers (Watch Customers)" in result.stdout
    assert result.stdout.count("welcome succeeded") == 3
    assert crm.calls("send") == 3
    again = crm.engine("run", SCENARIO)
    assert (again.exit_code, "nothing new since the last look" in again.stdout) == (0, True)
    assert "`start` counts at the first look only" in again.stdout
    assert crm.calls("send") == 3


def test_the_first_look_from_now_says_that_it_only_marks(crm: Shop) -> None:
    welcome(crm, "from_now")
    result = crm.engine("run", SCENARIO)
    assert result.exit_code == 0, result.output
    assert "first look: what is there was marked, not run" in result.stdout
    customers(crm, "c1", "c2", "c3", "c4")
    assert crm.engine("run", SCENARIO).stdout.count("welcome succeeded") == 1


def test_a_run_that_fails_makes_the_command_fail(crm: Shop) -> None:
    customers(crm, "c1", "bad")
    result = crm.engine("run", SCENARIO)
    assert result.exit_code == 1
    assert "welcome succeeded" in result.stdout
    assert "data-error: the shop does not want it" in result.stdout


def test_what_came_before_a_page_that_fails_is_run_and_told(crm: Shop) -> None:
    customers(crm, "c1", "c2")
    found = json.loads((crm.root / "customers.json").read_text())
    (crm.root / "customers.json").write_text(json.dumps([*found, "down"]))
    result = crm.engine("run", SCENARIO)
    assert result.exit_code == 1
    assert result.stdout.count("welcome succeeded") == 2
    assert "the file is out for lunch" in result.stderr
    customers(crm, "c1", "c2", "c3")
    assert crm.engine("run", SCENARIO).exit_code == 0
    assert crm.calls("send") == 3


def test_json_has_all_pages_and_runs(crm: Shop) -> None:
    shown = crm.json("run", SCENARIO)
    assert len(shown["receipts"]) == 2
    assert [d["state"] for d in shown["deliveries"]] == ["run"] * 3
    assert sorted(run["subject"] for run in shown["runs"]) == [f"c{n}@example.com" for n in (1, 2, 3)]
    assert (shown["only_marked"], shown["error"]) == (False, None)
    (crm.root / "customers.json").write_text('"down"')
    failed = crm.engine("run", SCENARIO, "--json")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["error"]["code"] == "vendor-error"


def test_a_dry_run_begins_where_the_trigger_stands_and_keeps_nothing(crm: Shop) -> None:
    crm.engine("run", SCENARIO)
    customers(crm, "c1", "c2", "c3", "c4")
    for _ in range(2):
        result = crm.engine("run", SCENARIO, "--dry-run")
        assert result.exit_code == 0, result.output
        assert result.stdout.count("welcome succeeded") == 1
    assert crm.calls("send") == 3
    assert crm.engine("run", SCENARIO).stdout.count("welcome succeeded") == 1


def test_simulated_looks_have_a_cursor_of_their_own(crm: Shop) -> None:
    crm.engine("run", SCENARIO)
    assert crm.engine("run", SCENARIO, "--simulate").stdout.count("welcome succeeded") == 3
    assert "nothing new" in crm.engine("run", SCENARIO, "--simulate").stdout


def test_once_takes_one_event(crm: Shop) -> None:
    for expected in (1, 1, 1, 0):
        assert crm.engine("run", SCENARIO, "--once").stdout.count("welcome succeeded") == expected


def test_an_item_by_hand(crm: Shop) -> None:
    result = crm.engine("run", SCENARIO, "--event", crm.event(id="c9", at="2024-03-05"))
    assert result.exit_code == 0, result.output
    assert "to crm.watch_customers" in result.stdout
    assert crm.calls("send") == 1
    # the trigger stands where it stood
    assert crm.engine("run", SCENARIO).stdout.count("welcome succeeded") == 3


def test_a_scenario_that_is_not_active_is_not_polled(crm: Shop) -> None:
    welcome(crm, head="active: false")
    result = crm.engine("run", SCENARIO)
    assert (result.exit_code, "not active, so it is not polled" in result.stderr) == (2, True)
    assert crm.engine("run", SCENARIO, "--event", crm.event(id="c9", at="2024-03-05")).exit_code == 0


def test_receipts_tell_of_polls_and_a_rejected_item_runs_by_command(crm: Shop) -> None:
    customers(crm, "c1", "")
    result = crm.engine("run", SCENARIO)
    assert (result.exit_code, "rejected (the customer has no id)" in result.stdout) == (1, True)
    [receipt] = crm.json("receipts")["receipts"]
    assert receipt["source"] == "poll:welcome"
    crm.write("modules/crm.py", CRM.replace('if not item["id"]', "if False"))
    delivered = crm.engine("receipts", "deliver", receipt["id"])
    assert delivered.exit_code == 0, delivered.output
    assert crm.calls("send") == 2
    again = crm.engine("receipts", "deliver", receipt["id"], "--scenario", "welcome")
    assert (again.exit_code, "has run receipt" in again.stderr) == (1, True)


def test_check_knows_the_fields_of_an_item(crm: Shop) -> None:
    crm.write("scenarios/typo.yaml", SCENARIO_WITH_TYPO)
    result = crm.engine("check")
    assert result.exit_code == 1
    assert "unknown-field" in result.output


SCENARIO_WITH_TYPO = """
scenario: typo
trigger:
  module: crm.watch_customers
steps:
  - set: {a: "${{ trigger.idd }}"}
"""


def test_modules_shows_the_kind(crm: Shop) -> None:
    assert crm.json("modules", "crm.watch_customers")["kind"] == "polling trigger"
    page = crm.engine("modules", "crm.watch_customers").stdout
    assert "kind: polling trigger" in page
    assert "trigger:" in page
    assert "crm.watch_customers" in crm.engine("modules", "crm").stdout


def test_serve_polls_on_schedule_and_lists_it(crm: Shop, start: Callable[..., Program]) -> None:
    program = start("serve")
    assert program.line("welcome").split(None, 2) == ["-", "welcome", "polls crm.watch_customers every 1s"]
    for number in (1, 2, 3):
        assert "succeeded" in program.line(f"c{number}@example.com")
    customers(crm, "c1", "c2", "c3", "c4")
    assert "succeeded" in program.line("c4@example.com")
    code, _, _ = program.end(signal.SIGINT)
    assert code == 0
    assert crm.calls("send") == 4


def test_webhooks_knows_nothing_of_polls(crm: Shop) -> None:
    crm.engine("run", SCENARIO)
    assert crm.json("webhooks") == {"webhooks": []}
