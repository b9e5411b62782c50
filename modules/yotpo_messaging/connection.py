"""How a store's SMS & Email account is reached, and what of the vendor's API is inferred."""

from __future__ import annotations

from engine import Call, ConnectionType, DataError, ErrorTable, RateLimit, TokenAuth

#: where the Core API is; the store id is the app key
BASE_URL = "https://api.yotpo.com/core/v3/stores/{store_id}"
#: the vendor's tokens live 14 days; a day earlier a new one is fetched without being asked
TOKEN_LIFETIME = 13 * 86_400.0

# Inferred: the vendor's page was readable without path, verb and key names of the event call. The order of the keys
# and their meaning are the vendor's. A connection may set each, should an account differ.

#: where custom events go, below the base URL
CUSTOM_EVENT_PATH = "/custom_events"
CUSTOM_EVENT_METHOD = "POST"
#: our name of a key, which is the vendor's too as far as can be told
CUSTOM_EVENT_KEYS = ("source", "action_name", "action_time", "unique_id")

#: where customers are read and changed, below the base URL
CUSTOMERS_PATH = "/customers"
#: seconds until a change of a customer shows; by the vendor's page on creating customers, "about" so many
VISIBLE_AFTER = 60.0
#: The vendor's names of the filters of customers. ``external_ids`` was seen on this host; the other two are those of
#: the vendor's developer host, and inferred here.
CUSTOMER_FILTERS = {"external_id": "external_ids", "email": "email", "phone_number": "phone_number"}

#: What stands between the identifiers of one request. Inferred: the vendor takes a list, and was not seen to say how a
#: list stands in a query.
IDS_BETWEEN = ","

#: for one store, by the vendor's page on guidelines and conventions
REQUESTS_PER_SECOND = 5

#: Statuses after which nothing was written; inferred from their meaning. 403 stands for a bad token, as 401 does.
REFUSED = frozenset({400, 401, 403, 404, 406, 422})


async def check(call: Call) -> None:
    """Read one customer: the token exchange before it proves the secret."""
    await call.http.request("GET", CUSTOMERS_PATH, query={"limit": 1})


CONNECTION = ConnectionType(
    name="yotpo_messaging",
    title="Yotpo SMS & Email",
    description="The store id is the app key. The secret is exchanged for tokens, which are renewed by themselves.",
    fields={
        "type": "object",
        "required": ["store_id", "secret"],
        "additionalProperties": False,
        "properties": {
            "store_id": {
                "type": "string",
                "title": "Store ID",
                "description": "The app key of the store.",
                "pattern": "^[A-Za-z0-9_-]+$",
            },
            "secret": {
                "type": "string",
                "title": "Secret",
                "description": "Exchanged for tokens; never sent with anything else.",
                "minLength": 1,
                "writeOnly": True,
            },
            "base_url": {
                "type": "string",
                "title": "Base URL",
                "description": "Another host: the whole URL, the store id included.",
                "pattern": "^https?://[^\\s]+$",
            },
            "custom_event_path": {
                "type": "string",
                "title": "Path of custom events",
                "description": "Below the base URL. The default is inferred.",
                "default": CUSTOM_EVENT_PATH,
                "pattern": "^/[^\\s?#]+$",
            },
            "custom_event_method": {
                "type": "string",
                "title": "Verb of custom events",
                "description": "The default is inferred.",
                "default": CUSTOM_EVENT_METHOD,
                "enum": ["POST", "PUT", "PATCH"],
            },
            "custom_event_keys": {
                "type": "object",
                "title": "Key names of custom events",
                "description": "The vendor's name of a key, where it is not ours.",
                "additionalProperties": False,
                "properties": {
                    key: {
                        "type": "string",
                        "title": key.replace("_", " ").capitalize(),
                        "description": f"The vendor's name of {key}.",
                        "minLength": 1,
                    }
                    for key in CUSTOM_EVENT_KEYS
                },
            },
        },
    },
    base_url=BASE_URL,
    auth=(
        TokenAuth(
            path="/access_tokens",
            body={"secret": "secret"},
            answer="access_token",
            header="X-Yotpo-Token",
            lifetime=TOKEN_LIFETIME,
        ),
    ),
    errors=ErrorTable(types={406: DataError}, refused=REFUSED),
    test=check,
    rate=RateLimit(REQUESTS_PER_SECOND),
)
