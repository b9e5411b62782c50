"""Stamp cards of stamps.example.com: read a card, find full cards, add a stamp."""

from datetime import datetime
from typing import Any

from engine import (
    CLIENT_ERRORS,
    Action,
    App,
    BearerAuth,
    Call,
    ConnectionType,
    Effect,
    ErrorTable,
    Happened,
    Page,
    ProbeResult,
    Request,
    Search,
    hookimpl,
)
from engine_stamps.simulator import SHOWN_AFTER, StampsSimulator


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    """The schema of an object that has these keys and no others."""
    return {"type": "object", "required": required, "additionalProperties": False, "properties": properties}


CUSTOMER = {"type": "string", "title": "Customer", "description": "The customer's e-mail address.", "minLength": 3}
STAMP = {
    "type": "object",
    "required": ["id", "for"],
    "properties": {"id": {"type": "integer"}, "for": {"type": "string"}},
}
CARD = {
    "type": "object",
    "required": ["customer", "stamps"],
    "properties": {"customer": {"type": "string"}, "stamps": {"type": "array", "items": STAMP}},
}

CONNECTION = ConnectionType(
    name="stamps",
    title="Stamps",
    fields=closed(["token"], token={"type": "string", "title": "Token", "writeOnly": True}),
    base_url="https://stamps.example.com/v1",
    auth=(BearerAuth("token"),),
    # the vendor checks before it writes: what it answers by 4xx it has not applied
    errors=ErrorTable(refused=CLIENT_ERRORS),
)

GET_CARD = Action(
    name="get_card",
    title="Get a Card",
    description="Reads the stamps of a customer.",
    connection="stamps",
    config=closed(["customer"], customer=CUSTOMER),
    output=CARD,
    effect=Effect.READ,
    request=Request("GET", "/cards/{customer}"),
    example={"customer": "ana@example.com"},
)


async def find(call: Call, cursor: Any) -> Page:
    query = {"at_least": call.config["at_least"], **({"after": cursor} if cursor else {})}
    answer = (await call.http.request("GET", "/cards", query=query)).json()
    return Page(answer["cards"], answer["next"])


FIND_CARDS = Search(
    name="find_cards",
    title="Find Cards",
    description="Finds the cards that have so many stamps.",
    connection="stamps",
    config=closed(
        ["at_least"],
        at_least={"type": "integer", "title": "At least", "description": "How many stamps.", "minimum": 1},
        limit={"type": "integer", "title": "Limit", "description": "How many cards at most.", "minimum": 1},
    ),
    output={"type": "array", "items": CARD},
    page=find,
    example={"at_least": 10},
)


async def add(call: Call) -> Any:
    return (await call.http.request("POST", "/stamps", json=dict(call.config))).json()


async def was_added(call: Call, _sent_at: datetime) -> Happened | ProbeResult:
    """Look for the stamp: what it is for is different each time."""
    card = (await call.http.request("GET", f"/cards/{call.config['customer']}")).json()
    found = [stamp for stamp in card["stamps"] if stamp["for"] == call.config["for"]]
    return Happened(found[0]) if found else ProbeResult.ABSENT


ADD_STAMP = Action(
    name="add_stamp",
    title="Add a Stamp",
    description="Puts a stamp on a customer's card.",
    connection="stamps",
    config=closed(
        ["customer", "for"],
        customer=CUSTOMER,
        **{"for": {"type": "string", "title": "For", "description": "What it is for, such as an order's number."}},
    ),
    output=STAMP,
    effect=Effect.WRITE,
    run=add,
    probe=was_added,
    settle_after=SHOWN_AFTER,
    example={"customer": "ana@example.com", "for": "order 1001"},
)


@hookimpl
def engine_apps() -> App:
    return App(
        name="stamps",
        title="Stamps",
        modules=(GET_CARD, FIND_CARDS, ADD_STAMP),
        connections=(CONNECTION,),
        simulator=StampsSimulator,
    )
