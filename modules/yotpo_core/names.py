"""Where the Core API has what, and what it calls it. A connection may set what is inferred."""

from __future__ import annotations

from collections.abc import Mapping

from engine import CursorPaging, PageSize, Schema, field, options

#: where the store's Core API is; the store id is the app key
CORE = "/core/v3/stores"
STORE = CORE + "/{connection.store_id}"
#: The vendor's most on a page. Beside a page's mark only the limit may stand.
PAGES = CursorPaging("page_info", next="pagination.next_page_info", alone=True, size=PageSize("limit", 100))

# Webhook subscriptions. That there are targets, filters and subscriptions is the vendor's word; paths and wrappers were
# seen in one project's code, whose author calls the three calls that create known to work; the rest is inferred.

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


def settable(defaults: Mapping[str, str], pattern: str, title: str, description: str) -> Schema:
    """A field of a connection that sets several names, each of which has a default."""
    inner = {
        name: field(
            name.replace("_", " ").capitalize(),
            f"In place of {default or 'nothing'}.",
            type="string",
            default=default,
            pattern=pattern,
        )
        for name, default in defaults.items()
    }
    return field(title, description, options(**inner))


#: what a connection has for webhook subscriptions
WEBHOOK_FIELDS: Mapping[str, Schema] = {
    "webhook_paths": settable(
        WEBHOOK_PATHS,
        "^/[^\\s?#]+$",
        "Paths of webhook subscriptions",
        "Below the store's Core API, where they are not ours.",
    ),
    "webhook_keys": settable(
        WEBHOOK_KEYS,
        "^[^\\s]+$",
        "Key names of webhook subscriptions",
        "The vendor's name of a key, where it is not ours.",
    ),
    "webhook_update_method": field(
        "Verb that changes a target",
        "The default is inferred.",
        type="string",
        default=TARGET_UPDATE_METHOD,
        enum=["PATCH", "PUT"],
    ),
}
