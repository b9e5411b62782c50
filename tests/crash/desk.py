"""A vendor that takes many people in one request and counts each: some it refuses, of some it does not say what it did.

What it does with somebody is in their name, so that it is the same in each life.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from aiohttp import web

from engine import (
    Action,
    App,
    Batch,
    Behaviour,
    Call,
    Clock,
    ConnectionType,
    DataError,
    Done,
    Effect,
    ModuleError,
    Page,
    RateLimitError,
    Refused,
    Search,
    Unknown,
    VendorError,
)
from engine.runtime.batches import items_of
from engine.runtime.commands import Choice, resume
from engine.sdk import jsontext
from engine.store.records import Page as Rows
from engine.store.records import RunFilter
from engine.testing import Harness, SimulatedHarness
from modules.simulation import SimulatedVendor

#: busy: refused so often before they are taken; closed: refused for good; kept: taken, and it is not said;
#: dropped: not taken, and it is not said; those two the first time
PEOPLE = ("ana", "busy-ben", "closed-cleo", "dan", "kept-eva", "busy-finn", "dropped-gil", "hana")
BUSY = {"busy-ben": 1, "busy-finn": 2}
CHARGES, SEATS = "/charges", "/seats"
PAGE = 3


class Desk(SimulatedVendor):
    """The vendor.

    :ivar taken: how often it has applied what, by path and person; a seat is one however often it is given.
    """

    behaviours: Sequence[Behaviour] = ()

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, per_second=None)
        self.taken: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()

    def connection(self, base_url: str) -> Mapping[str, Any]:
        return {"base_url": base_url}

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.get("/people", self._people),
            web.get("/taken", self._taken),
            web.post(CHARGES, self._charge),
            web.put(SEATS, self._seat),
        ]

    async def _people(self, request: web.Request) -> web.Response:
        start = int(request.query["from"])
        found = PEOPLE[start : start + PAGE]
        following = start + PAGE if start + PAGE < len(PEOPLE) else None
        return web.json_response({"people": [{"name": name} for name in found], "next": following})

    async def _taken(self, request: web.Request) -> web.Response:
        return web.json_response(dict(self.taken))

    async def _charge(self, request: web.Request) -> web.Response:
        def take(what: str) -> None:
            self.taken[what] += 1

        return await self._each(request, take)

    async def _seat(self, request: web.Request) -> web.Response:
        def take(what: str) -> None:
            self.taken[what] = 1

        return await self._each(request, take)

    async def _each(self, request: web.Request, take: Any) -> web.Response:
        body = await self.body_of(request)
        return web.json_response([self._one(f"{request.path}/{one['name']}", take) for one in body["people"]])

    def _one(self, what: str, take: Any) -> str:
        name = what.rpartition("/")[2]
        if name.startswith("closed"):
            return "closed"
        self._asked[what] += 1
        if self._asked[what] <= BUSY.get(name, 0):
            return "busy"
        first = self._asked[what] == 1
        if not (first and name.startswith("dropped")):
            take(what)
        return "not said" if first and name.startswith(("kept", "dropped")) else "taken"


# ---------------------------------------------------------------------- its app

_REFUSALS: Mapping[str, ModuleError] = {
    "busy": RateLimitError("busy"),
    "closed": DataError("the account is closed", refused=True),
}


def _outcome(word: str) -> Done | Refused | Unknown:
    if word == "not said":
        return Unknown(VendorError(word, status=500))
    return Refused(_REFUSALS[word]) if word in _REFUSALS else Done()


def _writes(name: str, effect: Effect, method: str, path: str) -> Action:
    async def run(call: Call) -> list[Done | Refused | Unknown]:
        response = await call.http.request(method, path, json={"people": call.config["people"]})
        return [_outcome(word) for word in response.json()]

    people = {
        "type": "array",
        "title": "People",
        "description": "Who is meant.",
        "items": {"type": "object", "required": ["name"]},
    }
    return Action(
        name=name,
        title=name,
        description=name,
        connection="desk",
        config={"type": "object", "required": ["people"], "properties": {"people": people}},
        output={"type": "null"},
        effect=effect,
        run=run,
        batch=Batch(items="people", key=lambda one: str(one["name"])),
    )


async def _page(call: Call, cursor: Any) -> Page:
    response = await call.http.request("GET", "/people", query={"from": str(cursor or 0)})
    found = response.json()
    return Page(found["people"], found["next"])


APP = App(
    name="desk",
    title="Desk",
    connections=(ConnectionType("desk", "Desk", {"type": "object", "properties": {"base_url": {"type": "string"}}}),),
    modules=(
        Search(
            name="list_people",
            title="List People",
            description="Everybody.",
            connection="desk",
            config={"type": "object", "additionalProperties": False},
            page=_page,
        ),
        _writes("charge_people", Effect.WRITE, "POST", CHARGES),
        _writes("seat_people", Effect.IDEMPOTENT, "PUT", SEATS),
    ),
    simulator=Desk,
)


# ---------------------------------------------------------------------- who counts, and who is asked


def counts(harness: SimulatedHarness) -> Mapping[str, int]:
    """What the vendor has, by path and person."""
    taken: Mapping[str, int] = harness.simulator("desk").taken
    return taken


async def say_what_happened(harness: Harness) -> bool:
    """A person looks at the vendor, and says of each item what became of it: those that are there, then the rest."""
    said = False
    for run in await harness.store.runs(RunFilter(states=("held",), page=Rows(limit=100))):
        for hold in jsontext.loads(run.hold or b"[]"):
            if hold["code"] == "unknown":
                await _say(harness, run.id, hold)
                said = True
    return said


async def _look(harness: Harness) -> Mapping[str, int]:
    """What the vendor has, wherever it is."""
    fields: Mapping[str, Any] = getattr(harness, "overrides", {}).get("desk", {})
    if not fields:
        assert isinstance(harness, SimulatedHarness)
        return counts(harness)
    async with aiohttp.ClientSession(fields["base_url"]) as session, session.get("/taken") as answer:
        found: Mapping[str, int] = await answer.json()
        return found


async def _say(harness: Harness, run_id: int, hold: Mapping[str, Any]) -> None:
    key = f"{hold['step']}#{hold['attempt']}"
    [past] = await harness.store.pasts([run for run in await harness.store.runs(RunFilter()) if run.id == run_id])
    [row] = [row for row in past.effects if row.key == key]
    unknown = [item["key"] for item in items_of(row) if item["state"] == "unknown"]
    taken = await _look(harness)
    there = [name for name in unknown if f"{CHARGES}/{name}" in taken]
    choice, items = (Choice.HAPPENED, there) if there else (Choice.AGAIN, unknown)
    await resume(harness.store, run_id, choice, harness.clock.time(), by="ana", step=hold["step"], items=items)
