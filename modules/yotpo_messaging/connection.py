"""How a store's SMS & Email account is reached, and what of the vendor's API is inferred."""

from __future__ import annotations

from collections.abc import Mapping

from engine import Call, ConnectionType, DataError, ErrorTable, RateLimit, Schema, TokenAuth

#: the host of both APIs
BASE_URL = "https://api.yotpo.com"
#: where the store's Core API is below it; the store id is the app key
CORE = "/core/v3/stores"
#: where the store's messaging API is below it
MESSAGING = "/messaging/v3/stores"
#: the vendor's tokens live 14 days; a day earlier a new one is fetched without being asked
TOKEN_LIFETIME = 13 * 86_400.0

# Inferred: the vendor's page was readable without path, verb and key names of the event call. The order of the keys
# and their meaning are the vendor's. A connection may set each, should an account differ.

#: where custom events go, below the store's Core API
CUSTOM_EVENT_PATH = "/custom_events"
CUSTOM_EVENT_METHOD = "POST"
#: our name of a key, which is the vendor's too as far as can be told
CUSTOM_EVENT_KEYS = ("source", "action_name", "action_time", "unique_id")

#: where customers are read and changed, below the store's Core API
CUSTOMERS_PATH = "/customers"
#: seconds until a change of a customer shows; by the vendor's page on creating customers, "about" so many
VISIBLE_AFTER = 60.0
#: The vendor's names of the filters of customers. ``external_ids`` was seen on this host; the other two are those of
#: the vendor's developer host, and inferred here.
CUSTOMER_FILTERS = {"external_id": "external_ids", "email": "email", "phone_number": "phone_number"}

#: What stands between the identifiers of one request. Inferred: the vendor takes a list, and was not seen to say how a
#: list stands in a query.
IDS_BETWEEN = ","

#: Where the messaging API has what, below the store's part of it. ``subscribers`` was seen in a shop's code and
#: ``subscription_forms`` in the vendor's own; of the lists the vendor's page was readable without any path, so that
#: these are inferred. ``{list_id}`` inserts the list.
MESSAGING_PATHS = {
    "subscribers": "/subscribers",
    "subscription_forms": "/subscription-forms",
    "lists": "/lists",
    "list": "/lists/{list_id}",
    "list_contacts": "/lists/{list_id}/contacts",
}
#: Names of keys in bodies of the messaging API, by ours. All are inferred: the vendor's pages were readable without
#: them. ``subscriber`` is what a subscriber is wrapped in; empty: in nothing, which is inferred too.
MESSAGING_KEYS = {
    "subscriber": "",
    "skip_welcome_messages": "skip_welcome_messages",
    "double_opt_in": "double_opt_in",
    "suppression_reason": "suppression_reason",
    "suppression_timestamp": "suppression_timestamp",
    "lists": "lists",
    "list": "list",
    "list_contacts": "contacts",
    "subscription_forms": "subscription_forms",
}

# Webhook subscriptions of the Core API. That there are targets, filters and subscriptions is the vendor's word; paths
# and wrappers were seen in one project's code, whose author calls the three calls that create known to work; the rest
# is inferred.

#: where the Core API has what, below the store's part of it; ``{id}`` inserts an identifier
WEBHOOK_PATHS = {
    "targets": "/webhooks/targets",
    "target": "/webhooks/targets/{id}",
    "filters": "/webhooks/filters",
    "filter": "/webhooks/filters/{id}",
    "subscriptions": "/webhooks/subscriptions",
    "subscription": "/webhooks/subscriptions/{id}",
}
#: names of keys in bodies and answers, by ours; the plural ones are inferred
WEBHOOK_KEYS = {
    "target": "webhook_target",
    "targets": "webhook_targets",
    "filter": "webhook_filter",
    "filters": "webhook_filters",
    "subscription": "webhook_subscription",
    "subscriptions": "webhook_subscriptions",
}
#: The verb that changes a target; that targets can be changed is the vendor's word, how is not known.
TARGET_UPDATE_METHOD = "PATCH"
#: characters of the longest URL that the vendor takes for a target, by its page
LONGEST_URL = 2048

#: for one store, by the vendor's page on guidelines and conventions
REQUESTS_PER_SECOND = 5

#: Statuses after which nothing was written; inferred from their meaning. 403 stands for a bad token, as 401 does.
REFUSED = frozenset({400, 401, 403, 404, 406, 422})


def core(call: Call, path: str) -> str:
    """A path of the store's Core API."""
    return f"{CORE}/{call.connection['store_id']}{path}"


def messaging(call: Call, what: str, **parts: str) -> str:
    """A path of the store's messaging API.

    :param what: one of ``MESSAGING_PATHS``.
    :param parts: what stands in its holes, percent-encoded.
    """
    path = str(call.connection.get("messaging_paths", {}).get(what, MESSAGING_PATHS[what]))
    for name, value in parts.items():
        path = path.replace(f"{{{name}}}", value)
    return f"{MESSAGING}/{call.connection['store_id']}{path}"


def key(call: Call, what: str) -> str:
    """The vendor's name of one of ``MESSAGING_KEYS``."""
    return str(call.connection.get("messaging_keys", {}).get(what, MESSAGING_KEYS[what]))


def webhooks_path(call: Call, what: str, number: str = "") -> str:
    """One of ``WEBHOOK_PATHS``, below the store's Core API.

    :param number: the identifier in it, percent-encoded.
    """
    path = str(call.connection.get("webhook_paths", {}).get(what, WEBHOOK_PATHS[what]))
    return core(call, path.replace("{id}", number))


def webhooks_key(call: Call, what: str) -> str:
    """The vendor's name of one of ``WEBHOOK_KEYS``."""
    return str(call.connection.get("webhook_keys", {}).get(what, WEBHOOK_KEYS[what]))


async def check(call: Call) -> None:
    """Read one customer: the token exchange before it proves the secret."""
    await call.http.request("GET", core(call, CUSTOMERS_PATH), query={"limit": 1})


def _texts(defaults: Mapping[str, str], pattern: str, title: str, description: str) -> Schema:
    return {
        "type": "object",
        "title": title,
        "description": description,
        "additionalProperties": False,
        "properties": {
            name: {
                "type": "string",
                "title": name.replace("_", " ").capitalize(),
                "description": f"In place of {default or 'nothing'}.",
                "default": default,
                "pattern": pattern,
            }
            for name, default in defaults.items()
        },
    }


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
                "description": "Another host, such as https://proxy.example.com; the vendor's paths follow it.",
                "pattern": "^https?://[^\\s]+$",
                # before there was a messaging API, the store's part of the Core API stood here
                "not": {"pattern": "/core/v3/"},
            },
            "custom_event_path": {
                "type": "string",
                "title": "Path of custom events",
                "description": "Below the store's Core API. The default is inferred.",
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
            "messaging_paths": _texts(
                MESSAGING_PATHS,
                "^/[^\\s?#]+$",
                "Paths of the messaging API",
                "Below the store's part of it, where they are not ours; those of lists are inferred.",
            ),
            "messaging_keys": _texts(
                MESSAGING_KEYS,
                "^[^\\s]*$",
                "Key names of the messaging API",
                "The vendor's name of a key, where it is not ours; all of ours are inferred.",
            ),
            "webhook_paths": _texts(
                WEBHOOK_PATHS,
                "^/[^\\s?#]+$",
                "Paths of webhook subscriptions",
                "Below the store's Core API, where they are not ours.",
            ),
            "webhook_keys": _texts(
                WEBHOOK_KEYS,
                "^[^\\s]+$",
                "Key names of webhook subscriptions",
                "The vendor's name of a key, where it is not ours.",
            ),
            "webhook_update_method": {
                "type": "string",
                "title": "Verb that changes a target",
                "description": "The default is inferred.",
                "default": TARGET_UPDATE_METHOD,
                "enum": ["PATCH", "PUT"],
            },
        },
    },
    base_url=BASE_URL,
    auth=(
        TokenAuth(
            path=CORE + "/{store_id}/access_tokens",
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
