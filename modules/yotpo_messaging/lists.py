"""The modules about lists. The vendor says that these calls exist; their paths and key names are inferred."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from engine import Action, Call, Effect, Happened, Json, Page, ProbeResult, Response, Schema, Search, VendorError
from modules.yotpo_messaging import schemas as s
from modules.yotpo_messaging.connection import VISIBLE_AFTER, key, messaging

#: the vendor's most on a page, of the Core API; that it is so here too is inferred
LARGEST_PAGE = 100
#: contacts of one call; the vendor's most is not known
MOST_CONTACTS = 100
#: pages in which a list is looked for
PROBED_PAGES = 100

LIST_ID: Schema = {"type": ["integer", "string"], "minLength": 1}

#: what a list is called by; more may come
LIST: Schema = {
    "type": "object",
    "properties": {"id": {"type": ["integer", "string"]}, "name": {"type": "string"}},
    "additionalProperties": True,
}

_LIST: Schema = s.titled("List ID", LIST_ID, "The list, as the merchant finds it in the SMS & Email admin.")
_NAME: Schema = s.titled("Name", {"type": "string", "minLength": 1}, "The list's name.")


def page_query(call: Call, cursor: Json) -> dict[str, Any]:
    """What asks for a page; beside a page's mark only the limit may stand."""
    size = min(call.config.get("limit", LARGEST_PAGE), LARGEST_PAGE)
    return {"limit": size} if cursor is None else {"limit": size, "page_info": cursor}


def items_of(call: Call, answer: Response, what: str, cursor: Json) -> Page:
    """The items of a page, and the mark of the next."""
    return items_under(answer, key(call, what), cursor, f"set {what} in messaging_keys of the connection")


def items_under(answer: Response, name: str, cursor: Json, remedy: str) -> Page:
    """The items of a page that stand under a name, and the mark of the next.

    :param remedy: what to do where they have another name.
    """
    body = answer.json()
    items = body.get(name) if isinstance(body, Mapping) else None
    if not isinstance(items, list):
        raise VendorError(
            f"the answer has no list under '{name}'",
            status=answer.status,
            detail=answer.readable,
            hint=f"if it has another name there, {remedy}",
        )
    pagination = body.get("pagination")
    following = pagination.get("next_page_info") if isinstance(pagination, Mapping) else None
    if following is not None and following == cursor:
        raise VendorError("the vendor's mark leads to the same page again")
    return Page(items, following or None)


async def find(call: Call, cursor: Json) -> Page:
    answer = await call.http.request("GET", messaging(call, "lists"), query=page_query(call, cursor))
    page = items_of(call, answer, "lists", cursor)
    if "name" not in call.config:
        return page
    return Page([one for one in page.items if one.get("name") == call.config["name"]], page.cursor)


FIND_LISTS = Search(
    name="find_lists",
    title="Find Lists",
    description="Lists the merchant's lists, or those of a name.",
    connection="yotpo_messaging",
    config={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "name": s.titled("Name", _NAME, "Only lists of exactly this name; picked out here, page by page."),
            "limit": {
                "type": "integer",
                "title": "Limit",
                "description": "How many lists at most; all when left out.",
                "minimum": 1,
            },
        },
    },
    output={"type": "array", "items": LIST},
    page=find,
    example={"name": "Creators"},
)


async def retrieve(call: Call) -> Json:
    return _one(call, await call.http.request("GET", _path(call, "list")))


RETRIEVE_LIST = Action(
    name="retrieve_list",
    title="Retrieve a List",
    description="Reads one list.",
    connection="yotpo_messaging",
    config={
        "type": "object",
        "additionalProperties": False,
        "required": ["list_id"],
        "properties": {"list_id": _LIST},
    },
    output=LIST,
    effect=Effect.READ,
    run=retrieve,
    example={"list_id": 4096107},
)


async def create(call: Call) -> Json:
    body = {key(call, "list"): {"name": call.config["name"]}}
    return _one(call, await call.http.request("POST", messaging(call, "lists"), json=body))


async def probe(call: Call, _sent_at: datetime) -> Happened | ProbeResult:
    """Whether there is a list of the name. One that was there before is as good: the author asked for its name."""
    cursor: Json = None
    for _ in range(PROBED_PAGES):
        answer = await call.http.request("GET", messaging(call, "lists"), query=page_query(call, cursor))
        page = items_of(call, answer, "lists", cursor)
        for one in page.items:
            if one.get("name") == call.config["name"]:
                return Happened(one)
        if page.cursor is None:
            return ProbeResult.ABSENT
        cursor = page.cursor
    # more lists than anybody has, or pages that lead in a circle
    return ProbeResult.UNKNOWN


CREATE_LIST = Action(
    name="create_list",
    title="Create a List",
    description="Creates a list. After a lost answer it is looked for by its name.",
    connection="yotpo_messaging",
    config={"type": "object", "additionalProperties": False, "required": ["name"], "properties": {"name": _NAME}},
    output=LIST,
    effect=Effect.WRITE,
    run=create,
    probe=probe,
    # inferred: a list shows as late as a customer does. Looked for earlier, it would be created twice
    settle_after=VISIBLE_AFTER,
    example={"name": "Creators"},
)

_CONTACT: Schema = {
    "type": "object",
    "additionalProperties": False,
    "oneOf": [{"required": ["phone"]}, {"required": ["email"]}],
    "properties": {
        "phone": s.titled("Phone", s.E_164),
        "email": s.titled("Email", s.EMAIL, "The e-mail address."),
    },
}
_CONTACTS: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["list_id", "contacts"],
    "properties": {
        "list_id": _LIST,
        "contacts": {
            "type": "array",
            "title": "Contacts",
            "description": f"By phone or email, each by one of them; at most {MOST_CONTACTS}.",
            "minItems": 1,
            "maxItems": MOST_CONTACTS,
            "items": _CONTACT,
        },
    },
}
_COUNT: Schema = {
    "type": "object",
    "required": ["contacts"],
    "properties": {"contacts": {"type": "integer", "description": "How many were sent"}},
}


async def add(call: Call) -> Json:
    return await _send(call, "POST")


async def remove(call: Call) -> Json:
    return await _send(call, "DELETE")


async def _send(call: Call, method: str) -> Json:
    contacts = call.config["contacts"]
    await call.http.request(method, _path(call, "list_contacts"), json={key(call, "list_contacts"): contacts})
    # what the vendor answers is not described, so that nothing is promised of it
    return {"contacts": len(contacts)}


_SAMPLE = {"list_id": 4096107, "contacts": [{"phone": "+15550100"}, {"email": "ben@example.com"}]}

ADD_LIST_CONTACTS = Action(
    name="add_list_contacts",
    title="Add Contacts to a List",
    description="Puts contacts on a list. This is no consent: who is to be written to opts in as a subscriber.",
    connection="yotpo_messaging",
    config=_CONTACTS,
    output=_COUNT,
    effect=Effect.IDEMPOTENT,
    run=add,
    example=_SAMPLE,
)

REMOVE_LIST_CONTACTS = Action(
    name="remove_list_contacts",
    title="Remove Contacts from a List",
    description="Takes contacts off a list. Their consent stays as it is.",
    connection="yotpo_messaging",
    config=_CONTACTS,
    output=_COUNT,
    effect=Effect.IDEMPOTENT,
    run=remove,
    example=_SAMPLE,
)


def _path(call: Call, what: str) -> str:
    return messaging(call, what, list_id=quote(str(call.config["list_id"]), safe=""))


def _one(call: Call, answer: Response) -> Json:
    body, name = answer.json(), key(call, "list")
    found = body.get(name, body) if isinstance(body, Mapping) else None
    if not isinstance(found, Mapping):
        raise VendorError(
            f"the answer has no list under '{name}'",
            status=answer.status,
            detail=answer.readable,
            hint="if it has another name there, set list in messaging_keys of the connection",
        )
    return found
