"""Every field of the app's published documentation is here, and arrives where the table in the docs says.

The table is ``docs/reference/apps/yotpo_loyalty_fields.md``. Each row is tried with the whole engine: a project in a
folder, a delivery to its webhook, a run, and a vendor that writes down what it is asked.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from engine import Action, plugins
from engine.runtime.effects import Progress
from engine.runtime.host import Host, Options, load_scenarios
from engine.runtime.outcomes import Outcome
from engine.runtime.project import Project
from engine.scenario.plan import Step
from engine.server.service import Service
from engine.store.records import Run
from engine.testing import VirtualClock
from modules.simulation import Handler
from modules.yotpo_loyalty import engine_apps
from modules.yotpo_loyalty.simulator import PREFIX, LoyaltySimulator
from tests.modules.bench import fixture, problems

PAGE = Path(__file__).parents[2] / "docs/reference/apps/yotpo_loyalty_fields.md"
APP = engine_apps()
REGISTRY = plugins.load()
#: real seconds after which something that does not come has failed
PATIENCE = 20.0
EVENT = fixture("loyalty-webhooks/points_earned.json")


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    section: str
    field: str
    key: str
    rules: str
    sent: str

    def __str__(self) -> str:
        return f"{self.section}: {self.field}"


def rows() -> list[Row]:
    found = []
    section = ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("| ") and not line.startswith(("| field |", "| --- |")):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == 4, line
            found.append(Row(section, *cells))
    return found


ROWS = rows()


@dataclass(frozen=True)
class Value:
    """What an author writes under a row's key.

    :param arrives: what the vendor gets in the place that the table names.
    :param wrong: what the module's schema refuses.
    :param beside: other keys that the value needs.
    """

    written: Any
    arrives: Any
    wrong: Any
    beside: dict[str, Any] = field(default_factory=dict)


NOBODY = {"customer_email": "ana@example.com"}
CUSTOMER = {"email": "ana@example.com"}
CALL = {"url": "/campaigns"}

VALUES: dict[str, dict[str, Value]] = {
    "Create or Update a Customer Record": {
        "Email": Value("eve@example.com", "eve@example.com", "eve"),
        "First Name": Value("Ana", "Ana", 7, CUSTOMER),
        "Last Name": Value("Example", "Example", ["Example"], CUSTOMER),
        "Customer ID": Value(700100, "700100", 1.5, CUSTOMER),
        "Phone Number": Value("+15550100", "+15550100", "none", CUSTOMER),
        "Country ISO Code": Value("us", "US", "USA", {**CUSTOMER, "phone_number": "555 0100"}),
        "Has Account": Value(True, True, "true", CUSTOMER),
        "Opted In": Value(None, None, "null", CUSTOMER),
        "Pos Account ID": Value(77, "77", True, CUSTOMER),
        "Tags": Value(["vip", "loyal"], "vip,loyal", ["vip,loyal"], CUSTOMER),
        "Opted in at": Value("2023-10-15T00:00:00Z", "2023-10-15T00:00:00Z", "yesterday", CUSTOMER),
    },
    "Retrieve a Customer": {
        "Customer Email": Value("ana@example.com", "ana@example.com", ""),
        "Customer ID": Value(700100, "700100", 1.5),
        "Pos Account ID": Value("pos-7", "pos-7", ""),
        "Phone Number": Value("+15550100", "+15550100", 15550100),
        "Country ISO Code": Value("US", "US", "USA", {"phone_number": "0555 0100"}),
        "With Referral Code": Value(True, "true", "true", NOBODY),
        "With History": Value(True, "true", 1, NOBODY),
    },
    "Make an API Call": {
        "URL": Value("customers/recent", f"{PREFIX}/customers/recent", "https://loyalty.yotpo.com/api/v2/campaigns"),
        "Method": Value("POST", "POST", "HEAD", CALL),
        "Method: GET": Value("GET", "GET", "get", CALL),
        "Method: POST": Value("POST", "POST", "post", CALL),
        "Method: PUT": Value("PUT", "PUT", "put", CALL),
        "Method: PATCH": Value("PATCH", "PATCH", "patch", CALL),
        "Method: DELETE": Value("DELETE", "DELETE", "delete", CALL),
        "Headers": Value({"X-Trace": "t", "X-Number": 5}, {"x-trace": "t", "x-number": "5"}, {"X-Guid": "g"}, CALL),
        "Query String": Value(
            {"flag": True, "n": [1, 2]}, {"flag": ["true"], "n": ["1", "2"]}, {"guid": "g"}, {"url": "/anything"}
        ),
        "Body": Value({"a": [1, None]}, {"a": [1, None]}, ..., {**CALL, "method": "POST"}),
    },
}


@dataclass(frozen=True)
class Asked:
    """A request as the vendor got it, before anything is checked."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


class Vendor:
    """The loyalty simulator behind a recorder. What it has no route for is answered with an empty object."""

    def __init__(self, name: str, clock: VirtualClock) -> None:
        self.simulator = LoyaltySimulator(clock, guid=f"guid-of-{name}", api_key=f"key-of-{name}")
        self.simulator.state.customers["ana@example.com"]["pos_account_id"] = "pos-7"
        self.asked: list[Asked] = []

    def application(self) -> web.Application:
        application = self.simulator.application()
        application.middlewares.insert(0, self._record)
        return application

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        raw = await request.read()
        query = {name: request.query.getall(name) for name in request.query}
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(Asked(request.method, request.path, query, headers, json.loads(raw) if raw else ...))
        try:
            return await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
            return web.json_response({})


class Ended:
    """Tells when a run is through."""

    wants_steps = False

    def __init__(self) -> None:
        self.outcomes: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def run_started(self, run: Run) -> None:
        """Of no interest."""

    def step_started(self, run: Run, step: Step, path: str, attempt: int, config: Any) -> None:
        """Of no interest."""

    def step_retrying(self, run: Run, step: Step, path: str, attempt: int, error: dict[str, Any], due: float) -> None:
        """Of no interest."""

    def step_finished(self, run: Run, step: Step, path: str, status: str, value: Any) -> None:
        """Of no interest."""

    def loop_progressed(self, run: Run, step: Step, path: str, progress: Progress) -> None:
        """Of no interest."""

    def run_ended(self, run: Run, outcome: Outcome) -> None:
        self.outcomes.put_nowait((run.scenario, type(outcome).__name__))


class Shop:
    """A project with two merchants' accounts, served over HTTP."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = VirtualClock()
        self.vendors = {name: Vendor(name, self.clock) for name in ("yotpo", "yotpo-eu")}
        self._ended = Ended()

    @asynccontextmanager
    async def serving(self, *scenarios: dict[str, Any], webhooks: str = "{}") -> AsyncIterator[Host]:
        async with AsyncExitStack() as stack:
            connections: dict[str, Any] = {}
            environment = {}
            for name, vendor in self.vendors.items():
                server = await stack.enter_async_context(TestServer(vendor.application()))
                fields = dict(vendor.simulator.connection(str(server.make_url("/"))))
                for secret in ("guid", "api_key"):
                    variable = f"{name}_{secret}".upper().replace("-", "_")
                    environment[variable] = fields[secret]
                    fields[secret] = {"env": variable}
                connections[name] = {"type": "yotpo_loyalty", **fields}
            (self.root / "connections.yaml").write_text(yaml.safe_dump(connections))
            settings = f"server: {{port: 0, admin_port: 0}}\nwebhooks: {webhooks}\n"
            (self.root / "engine.yaml").write_text(settings)
            (self.root / "scenarios").mkdir(exist_ok=True)
            for scenario in scenarios:
                (self.root / "scenarios" / f"{scenario['scenario']}.yaml").write_text(yaml.safe_dump(scenario))
            project = Project.find(self.root)
            plans, mistakes, _ = load_scenarios(project, REGISTRY, [], simulate=False)
            assert not mistakes, [str(one) for one in mistakes]
            options = Options(observer=self._ended)
            host = Host(project, REGISTRY, plans, options, clock=self.clock, environment=environment)
            await stack.enter_async_context(host)
            self.service = await stack.enter_async_context(Service(host))
            yield host

    async def deliver(self, url: str, body: Any = EVENT) -> int:
        async with aiohttp.ClientSession() as client, client.post(url, json=body) as answer:
            return answer.status

    async def ended(self) -> tuple[str, str]:
        """The scenario of the next run that ends, and how it ended."""
        async with asyncio.timeout(PATIENCE):
            return await self._ended.outcomes.get()

    async def ask(self, step: dict[str, Any]) -> Asked:
        """What reaches the vendor of the step's connection when a scenario with this step runs."""
        scenario = {
            "scenario": "row",
            "trigger": {"module": "yotpo_loyalty.watch_loyalty_events"},
            "steps": [{"id": "ask", **step}],
        }
        async with self.serving(scenario) as host:
            assert await self.deliver(self.service.url(host.webhooks.hooks["scenario:row"])) == 202
            assert await self.ended() == ("row", "Succeeded")
        [asked] = self.vendors[step["connection"]].asked
        assert [vendor.asked for name, vendor in self.vendors.items() if name != step["connection"]] == [[]]
        return asked


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def module(section: str) -> Action:
    found = next(one for one in APP.modules if one.title == section)
    assert isinstance(found, Action)
    return found


def written_key(row: Row) -> str:
    """The row's key, which is the first text in code quotes."""
    match = re.match(r"`(\w+)", row.key)
    assert match, row
    return match[1]


def place(row: Row, asked: Asked) -> Any:
    """What stands where the row says that the value is sent."""
    match = re.match(r"(HTTP method|header|headers|path|query|body)(?: `([\w-]+)`)?(?:,|$| of)", row.sent)
    assert match, row.sent
    where, name = match[1], match[2]
    if where == "HTTP method":
        assert name in (None, asked.method)
        return asked.method
    if where == "path":
        return asked.path
    whole: Any = {"header": asked.headers, "headers": asked.headers, "query": asked.query, "body": asked.body}[where]
    if name is None:
        return whole
    return whole[name][0] if where == "query" else whole[name]


# the table


def test_the_table_has_a_row_for_every_field_of_the_document_and_no_other() -> None:
    fields = fixture("yotpo_loyalty_fields.json")
    assert [(row.section, row.field) for row in ROWS] == [
        (section, name) for section, names in fields.items() for name in names
    ]
    assert len(ROWS) == 37


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_no_cell_of_the_table_is_empty(row: Row) -> None:
    assert all((row.field, row.key, row.rules, row.sent))


def test_every_row_is_tried() -> None:
    tried = {(section, name) for section, values in VALUES.items() for name in values} | set(OTHERS)
    assert tried == {(row.section, row.field) for row in ROWS}


@pytest.mark.parametrize("row", [row for row in ROWS if row.section in VALUES], ids=str)
def test_a_field_of_a_module_is_an_option_with_the_documents_title(row: Row) -> None:
    key = written_key(row)
    if key == "connection":
        assert module(row.section).connection == "yotpo_loyalty"
        assert module(row.section).connection_required
        return
    title = module(row.section).config["properties"][key]["title"]
    assert title == row.field.partition(":")[0]


# the rows


@pytest.mark.parametrize("row", [row for row in ROWS if row.field in VALUES.get(row.section, ())], ids=str)
async def test_a_field_arrives_where_the_table_says(row: Row, shop: Shop) -> None:
    value = VALUES[row.section][row.field]
    config = {**value.beside, written_key(row): value.written}
    step = {"module": f"yotpo_loyalty.{module(row.section).name}", "connection": "yotpo", "with": config}
    asked = await shop.ask(step)
    arrived = place(row, asked)
    if row.field == "Headers":
        arrived = {name: arrived[name] for name in value.arrives}
    assert arrived == value.arrives


@pytest.mark.parametrize("row", [row for row in ROWS if row.field in VALUES.get(row.section, ())], ids=str)
def test_a_fields_rules_are_checked(row: Row) -> None:
    value = VALUES[row.section][row.field]
    key = written_key(row)
    config = module(row.section).config
    assert problems({**value.beside, key: value.written}, config) == []
    if value.wrong is not ...:
        assert problems({**value.beside, key: value.wrong}, config)
    if "required" in row.rules:
        assert problems({name: one for name, one in value.beside.items() if name != key}, config)


async def key_arrives(row: Row, shop: Shop) -> None:
    field_name = written_key(row)
    asked = await shop.ask(_campaigns("yotpo"))
    assert place(row, asked) == shop.vendors["yotpo"].simulator.connection("")[field_name]
    text = (shop.root / "connections.yaml").read_text()
    assert place(row, asked) not in text, "a secret stands in no file"


async def name_chooses_the_account(row: Row, shop: Shop) -> None:
    asked = await shop.ask(_campaigns("yotpo-eu"))
    assert asked.headers["x-guid"] == "guid-of-yotpo-eu"
    assert "yotpo-eu" not in asked.path
    (shop.root / "connections.yaml").write_text("EU: {type: yotpo_loyalty}\n")
    with pytest.raises(Exception, match="connection name 'EU' must match"):
        Project.find(shop.root).connections(REGISTRY)


async def connection_of_a_step(row: Row, shop: Shop) -> None:
    config = {"Make an API Call": CALL, "Retrieve a Customer": NOBODY}.get(row.section, CUSTOMER)
    name = f"yotpo_loyalty.{module(row.section).name}"
    asked = await shop.ask({"module": name, "connection": "yotpo-eu", "with": config})
    assert (asked.headers["x-guid"], asked.headers["x-api-key"]) == ("guid-of-yotpo-eu", "key-of-yotpo-eu")


async def connection_of_the_trigger(row: Row, shop: Shop) -> None:
    listening = {"a": "yotpo", "b": "yotpo", "c": "yotpo-eu"}
    async with shop.serving(*(_listening(name, connection=of) for name, of in listening.items())) as host:
        assert set(host.webhooks.hooks) == {"connection:yotpo", "connection:yotpo-eu"}
        assert await shop.deliver(shop.service.url(host.webhooks.hooks["connection:yotpo"])) == 202
        assert {await shop.ended(), await shop.ended()} == {("a", "Succeeded"), ("b", "Succeeded")}
    assert not any(vendor.asked for vendor in shop.vendors.values())


async def webhook_name(row: Row, shop: Shop) -> None:
    async with shop.serving(_listening("a", webhook="loyalty-events"), webhooks="{loyalty-events: {}}") as host:
        url = shop.service.url(host.webhooks.hooks["loyalty-events"])
        assert "loyalty-events" not in url
        assert await shop.deliver(url) == 202
        assert await shop.ended() == ("a", "Succeeded")


async def webhook_url(row: Row, shop: Shop) -> None:
    paths = []
    for _ in range(2):
        async with shop.serving(_listening("a")) as host:
            url = shop.service.url(host.webhooks.hooks["scenario:a"])
            paths.append(url.partition("/hooks/")[2])
            assert await shop.deliver(url) == 202
            assert await shop.ended() == ("a", "Succeeded")
            assert await shop.deliver(url[:-1]) == 404
    assert len(paths[0]) >= 32
    assert paths[0] == paths[1], "the same after a restart"


Try = Callable[[Row, Shop], Awaitable[None]]

OTHERS: dict[tuple[str, str], Try] = {
    ("Connection", "Connection name"): name_chooses_the_account,
    ("Connection", "GUID"): key_arrives,
    ("Connection", "API Key"): key_arrives,
    ("Watch Loyalty Events", "Connection"): connection_of_the_trigger,
    ("Watch Loyalty Events", "Webhook name"): webhook_name,
    ("Watch Loyalty Events", "Webhook URL"): webhook_url,
    ("Create or Update a Customer Record", "Connection"): connection_of_a_step,
    ("Retrieve a Customer", "Connection"): connection_of_a_step,
    ("Make an API Call", "Connection"): connection_of_a_step,
}


@pytest.mark.parametrize("row", [row for row in ROWS if (row.section, row.field) in OTHERS], ids=str)
async def test_connections_and_webhooks_do_what_the_table_says(row: Row, shop: Shop) -> None:
    await OTHERS[row.section, row.field](row, shop)


def _campaigns(connection: str) -> dict[str, Any]:
    return {"module": "yotpo_loyalty.list_campaigns", "connection": connection, "with": {}}


def _listening(name: str, **trigger: str) -> dict[str, Any]:
    return {
        "scenario": name,
        "trigger": {"module": "yotpo_loyalty.watch_loyalty_events", **trigger},
        "steps": [{"set": {"who": "${{ trigger.email }}"}}],
    }
