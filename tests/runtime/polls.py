"""A made-up vendor whose records are polled, page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine import App, Config, DataError, Event, Page, PollingTrigger
from engine.plugins import Registry
from engine.scenario.plan import Polling, Scenario
from engine.sdk import jsontext
from engine.sdk.faults import SimulatedCrash
from engine.store.interface import Store
from engine.store.records import DeliveryState, ReceiptFilter
from engine.store.records import Page as Rows
from engine.store.sqlite import SqliteStore
from engine.testing import Harness, VirtualClock

ANY = {"type": "object"}


async def unused(_call: Any, _cursor: Any) -> Page:
    raise AssertionError("the test's vendor answers")


def identify(_config: Config, item: Any) -> Event:
    if "id" not in item:
        raise DataError("the record has no id")
    return Event({k: v for k, v in item.items() if k != "fetched"}, id=item["id"], subject=item.get("email"))


def trigger(name: str, **more: Any) -> PollingTrigger:
    return PollingTrigger(
        name=name, title=name, description="", config=ANY, output=ANY, page=unused, identify=identify, **more
    )


def registry() -> Registry:
    found = Registry()
    modules = [
        trigger("by_time", order=lambda item: item["at"]),
        trigger("by_filter", order=lambda item: item["at"], resume=lambda _config, at: {"from": at, "offset": 0}),
        trigger("by_number", order=lambda item: item["no"], moment=lambda at: at.timestamp()),
        trigger("by_content"),
    ]
    found.add(App(name="polled", title="Polled", modules=modules), "the tests")
    assert not found.problems
    return found


class Vendor:
    """Records in pages; the cursor is an offset, as where a vendor's pages move while they are read.

    :param newest_first: how pages are sorted, where there is an order.
    """

    def __init__(self, *, size: int = 2, newest_first: bool = False) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.size = size
        self.newest_first = newest_first
        self.asked: list[Any] = []
        #: raised by the next pages, one after another
        self.troubles: list[BaseException] = []
        #: called after each page was made
        self.then: Callable[[], None] = lambda: None

    def put(self, record_id: str, at: Any = None, **fields: Any) -> None:
        self.records.pop(record_id, None)
        self.records[record_id] = {"id": record_id, **({} if at is None else {"at": at}), **fields}

    async def page(self, _plan: Scenario, trigger: Polling, cursor: Any) -> Page:
        self.asked.append(cursor)
        if self.troubles:
            raise self.troubles.pop(0)
        records = list(self.records.values())
        order = trigger.module.order
        if order is not None:
            records.sort(key=lambda record: str(record.get("at", record.get("no"))), reverse=self.newest_first)
        filtered = isinstance(cursor, dict)
        if filtered:
            records = [record for record in records if record["at"] >= cursor["from"]]
        start = cursor["offset"] if filtered else cursor or 0
        end = start + self.size
        following = None if end >= len(records) else {**cursor, "offset": end} if filtered else end
        page = Page([dict(record) for record in records[start:end]], following)
        self.then()
        return page


def scenario(module: str = "by_time", **keys: str) -> str:
    lines = "".join(f"  {key}: {value}\n" for key, value in keys.items() if key != "active")
    active = f"active: {keys['active']}\n" if "active" in keys else ""
    steps = "steps:\n  - set: {seen: '${{ trigger.id }}'}\n"
    return f"scenario: s\n{active}trigger:\n  module: polled.{module}\n{lines}{steps}"


NewHarness = Callable[..., Harness]


def harness_maker(kind: str, folder: Path) -> NewHarness:
    """Makes harnesses over a vendor; with SQLite each has a file of its own."""
    made = 0

    def make(vendor: Vendor, source: str, **options: Any) -> Harness:
        nonlocal made
        made += 1
        # after all that the vendors of the tests know
        clock = options.pop("clock", None) or VirtualClock(VirtualClock().time() + 30 * 86_400)
        harness = Harness([source], registry=registry(), clock=clock, pages=vendor, **options)
        if kind == "sqlite":
            harness.new_store = _files(harness, folder / f"{made}.db")
        return harness

    return make


def _files(harness: Harness, path: Path) -> Callable[[Store | None], Awaitable[Store]]:
    async def open_again(before: Store | None) -> Store:
        if before is not None:
            with suppress(SimulatedCrash):
                await before.close()
        store = SqliteStore(path, clock=harness.clock, faults=harness.faults)
        await store.open()
        return store

    return open_again


async def events(harness: Harness, state: DeliveryState = DeliveryState.RUN) -> list[Any]:
    """The events of all deliveries in this state, the oldest first; each with a run that exists."""
    await harness.rest()
    found = []
    for receipt in reversed(await harness.store.receipts(ReceiptFilter(page=Rows(limit=10_000)))):
        assert (receipt.source, receipt.method) == ("poll:s", "POLL")
        items = jsontext.loads(receipt.body)
        deliveries = await harness.store.deliveries([receipt.id])
        assert len(items) == len(deliveries), "one delivery for each item"
        for delivery in deliveries:
            if delivery.state is state is DeliveryState.RUN:
                assert delivery.run_id is not None
                run = await harness.store.run(delivery.run_id)
                assert run is not None, "a delivery without its run"
                assert run.state == "succeeded"
                found.append(jsontext.loads(delivery.event or b"null"))
            elif delivery.state is state:
                found.append(delivery.reason)
    return found


async def told(harness: Harness) -> list[str]:
    """The ids of what was run."""
    return [event["id"] for event in await events(harness)]
