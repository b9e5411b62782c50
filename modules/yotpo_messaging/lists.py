"""The modules about lists. The vendor says that these calls exist; their paths and key names are inferred."""

from __future__ import annotations

from engine import Action, Effect, Probe, Request, Schema, Search, field, options, record
from modules.yotpo_core.names import PAGES
from modules.yotpo_messaging import schemas as s
from modules.yotpo_messaging.connection import VISIBLE_AFTER, key_of, path_of

#: contacts of one call; the vendor's most is not known
MOST_CONTACTS = 100

LIST_ID: Schema = {"type": ["integer", "string"], "minLength": 1}
#: what a list is called by; more may come
LIST = record(id={"type": ["integer", "string"]}, name={"type": "string"})

_LIST = field("List ID", "The list, as the merchant finds it in the SMS & Email admin.", LIST_ID)
_NAME = field("Name", "The list's name.", s.TEXT)
_NAMED = "answer[?!$.config.name || name == $.config.name]"

# The pages are those of the Core API; that they go on alike here is inferred.
FIND_LISTS = Search(
    name="find_lists",
    title="Find Lists",
    description="Lists the merchant's lists, or those of a name.",
    connection="yotpo_messaging",
    config=options(
        name=field("Name", "Only lists of exactly this name; picked out here, page by page.", s.TEXT),
        limit=s.limit("lists"),
    ),
    output={"type": "array", "items": LIST},
    request=Request("GET", path_of("lists"), wrapper=key_of("lists"), gives=_NAMED),
    paging=PAGES,
    example={"name": "Creators"},
)

RETRIEVE_LIST = Action(
    name="retrieve_list",
    title="Retrieve a List",
    description="Reads one list.",
    connection="yotpo_messaging",
    config=options("list_id", list_id=_LIST),
    output=LIST,
    effect=Effect.READ,
    request=Request("GET", path_of("list"), wrapper=key_of("list"), expects="id || name"),
    example={"list_id": 4096107},
)

CREATE_LIST = Action(
    name="create_list",
    title="Create a List",
    description="Creates a list. After a lost answer it is looked for by its name.",
    connection="yotpo_messaging",
    config=options("name", name=_NAME),
    output=LIST,
    effect=Effect.WRITE,
    request=Request("POST", path_of("lists"), body="{name: name}", wrapper=key_of("list"), expects="id || name"),
    # one that was there before is as good: the author asked for its name
    probe=Probe(
        # lists that show no name prove nothing
        Request("GET", path_of("lists"), wrapper=key_of("lists"), expects="length([?name]) == length(@)"),
        f"{_NAMED} | [0]",
        absent=(),
        paging=PAGES,
    ),
    # inferred: a list shows as late as a customer does. Looked for earlier, it would be created twice
    settle_after=VISIBLE_AFTER,
    example={"name": "Creators"},
)

_CONTACT: Schema = {
    **options(phone=field("Phone", s.IN_E_164, s.E_164), email=field("Email", "The e-mail address.", s.EMAIL)),
    "oneOf": [{"required": ["phone"]}, {"required": ["email"]}],
}
_CONTACTS = options(
    "list_id",
    "contacts",
    list_id=_LIST,
    contacts=field(
        "Contacts",
        f"By phone or email, each by one of them; at most {MOST_CONTACTS}.",
        type="array",
        minItems=1,
        maxItems=MOST_CONTACTS,
        items=_CONTACT,
    ),
)
_SENT: Schema = {"type": "integer", "description": "How many were sent"}
_SAMPLE = {"list_id": 4096107, "contacts": [{"phone": "+15550100"}, {"email": "ben@example.com"}]}


def _changing(name: str, method: str, title: str, description: str) -> Action:
    return Action(
        name=name,
        title=title,
        description=description,
        connection="yotpo_messaging",
        config=_CONTACTS,
        output={"type": "object", "required": ["contacts"], "properties": {"contacts": _SENT}},
        effect=Effect.IDEMPOTENT,
        request=Request(
            method,
            path_of("list_contacts"),
            body="contacts",
            wrapper=key_of("list_contacts"),
            # what the vendor answers is not described, so that nothing is promised of it
            gives="{contacts: length(config.contacts)}",
        ),
        example=_SAMPLE,
    )


ADD_LIST_CONTACTS = _changing(
    "add_list_contacts",
    "POST",
    "Add Contacts to a List",
    "Puts contacts on a list. This is no consent: who is to be written to opts in as a subscriber.",
)
REMOVE_LIST_CONTACTS = _changing(
    "remove_list_contacts",
    "DELETE",
    "Remove Contacts from a List",
    "Takes contacts off a list. Their consent stays as it is.",
)
