"""How a store's SMS & Email account is reached, and what of the vendor's API is inferred."""

from __future__ import annotations

from engine import ConnectionType, DataError, ErrorTable, RateLimit, Request, TokenAuth, field, options
from modules.yotpo_core.names import CORE, STORE, WEBHOOK_FIELDS, settable

#: the host of both APIs
BASE_URL = "https://api.yotpo.com"
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

#: for one store, by the vendor's page on guidelines and conventions
REQUESTS_PER_SECOND = 5

#: Statuses after which nothing was written; inferred from their meaning. 403 stands for a bad token, as 401 does.
REFUSED = frozenset({400, 401, 403, 404, 406, 422})


def path_of(what: str) -> str:
    """Where the store's messaging API has one of ``MESSAGING_PATHS``, as a declared call says it."""
    return f"{MESSAGING}/{{connection.store_id}}{{+connection.messaging_paths.{what}}}"


def key_of(what: str) -> str:
    """What a body or an answer calls one of ``MESSAGING_KEYS``, as a declared call says it."""
    return f"{{connection.messaging_keys.{what}}}"


CONNECTION = ConnectionType(
    name="yotpo_messaging",
    title="Yotpo SMS & Email",
    description="The store id is the app key. The secret is exchanged for tokens, which are renewed by themselves.",
    fields=options(
        "store_id",
        "secret",
        store_id=field("Store ID", "The app key of the store.", type="string", pattern="^[A-Za-z0-9_-]+$"),
        secret=field(
            "Secret",
            "Exchanged for tokens; never sent with anything else.",
            type="string",
            minLength=1,
            writeOnly=True,
        ),
        base_url=field(
            "Base URL",
            "Another host, such as https://proxy.example.com; the vendor's paths follow it.",
            # before there was a messaging API, the store's part of the Core API stood here
            {"not": {"pattern": "/core/v3/"}},
            type="string",
            pattern="^https?://[^\\s]+$",
        ),
        custom_event_path=field(
            "Path of custom events",
            "Below the store's Core API. The default is inferred.",
            type="string",
            default=CUSTOM_EVENT_PATH,
            pattern="^/[^\\s?#]+$",
        ),
        custom_event_method=field(
            "Verb of custom events",
            "The default is inferred.",
            type="string",
            default=CUSTOM_EVENT_METHOD,
            enum=["POST", "PUT", "PATCH"],
        ),
        custom_event_keys=field(
            "Key names of custom events",
            "The vendor's name of a key, where it is not ours.",
            options(
                **{
                    name: field(
                        name.replace("_", " ").capitalize(),
                        f"The vendor's name of {name}.",
                        type="string",
                        minLength=1,
                    )
                    for name in CUSTOM_EVENT_KEYS
                }
            ),
        ),
        messaging_paths=settable(
            MESSAGING_PATHS,
            "^/[^\\s?#]+$",
            "Paths of the messaging API",
            "Below the store's part of it, where they are not ours; those of lists are inferred.",
        ),
        messaging_keys=settable(
            MESSAGING_KEYS,
            "^[^\\s]*$",
            "Key names of the messaging API",
            "The vendor's name of a key, where it is not ours; all of ours are inferred.",
        ),
        **WEBHOOK_FIELDS,
    ),
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
    # one customer: the token exchange before it proves the secret
    test=Request("GET", STORE + CUSTOMERS_PATH, query="{limit: 1}"),
    rate=RateLimit(REQUESTS_PER_SECOND),
)
