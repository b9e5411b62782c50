"""How a merchant's Yotpo Loyalty account is reached."""

from __future__ import annotations

from engine import Call, ConnectionType, ErrorTable, HeaderAuth, RateLimit
from modules.yotpo_loyalty import fields as f

#: where the vendor's API is today
BASE_URL = "https://loyalty.yotpo.com/api/v2"
#: hosts of older accounts, with the same paths below them
OLDER_BASE_URLS = ("https://app.swellrewards.com/api/v2", "https://www.swellrewards.com/api/v2")

#: Where an answer of ``/customers/recent`` has its list. Inferred: the vendor's page was readable without it.
RECENT_LIST_KEY = "customers"

#: for one merchant, by the vendor's newer page; an older one says 5, and a connection may set that
REQUESTS_PER_SECOND = 10

#: Statuses after which nothing was changed. The vendor lists 422 and 423 for a change of points; that they say *too few
#: points* and *the record is busy* was seen in another program's adapter. That they, and 400, 401, 403 and 404, are
#: answered before anything is written is inferred from their meaning.
REFUSED = frozenset({400, 401, 403, 404, 422, 423})

ERRORS = ErrorTable(refused=REFUSED)


async def check(call: Call) -> None:
    """Read the active campaigns: a read that every account may make."""
    await f.read_list(call, "/campaigns", {"with_status": False})


CONNECTION = ConnectionType(
    name="yotpo_loyalty",
    title="Yotpo Loyalty",
    description="GUID and API key stand in the Loyalty admin under Settings > General Settings.",
    fields={
        "type": "object",
        "required": ["guid", "api_key"],
        "additionalProperties": False,
        "properties": {
            "guid": {
                "type": "string",
                "title": "GUID",
                "description": "Of the merchant; sent as x-guid.",
                "minLength": 1,
                "writeOnly": True,
            },
            "api_key": {
                "type": "string",
                "title": "API Key",
                "description": "Of the merchant; sent as x-api-key.",
                "minLength": 1,
                "writeOnly": True,
            },
            "base_url": {
                "type": "string",
                "title": "Base URL",
                "description": "Another host with the same paths: "
                + " or ".join(OLDER_BASE_URLS)
                + " for older accounts.",
                "default": BASE_URL,
                "pattern": "^https?://[^\\s]+$",
            },
            "recent_customers_key": {
                "type": "string",
                "title": "Key of recent customers",
                "description": "Where an answer has the list of recently updated customers. The default is inferred.",
                "default": RECENT_LIST_KEY,
                "minLength": 1,
            },
        },
    },
    base_url=BASE_URL,
    auth=(HeaderAuth("x-guid", "guid"), HeaderAuth("x-api-key", "api_key")),
    errors=ERRORS,
    test=check,
    rate=RateLimit(REQUESTS_PER_SECOND),
)
