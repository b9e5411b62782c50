"""The modules *List Recently Updated Customers* and *Watch Recently Updated Customers*."""

from __future__ import annotations

from collections.abc import Mapping

from engine import Call, Config, DataError, Event, Json, Page, PollingTrigger, Search, VendorError, field, options
from modules.yotpo_loyalty import fields as f
from modules.yotpo_loyalty import schemas as s
from modules.yotpo_loyalty.connection import RECENT_LIST_KEY
from modules.yotpo_loyalty.customers import RECENT_CUSTOMER

#: records of one page; the most that was seen to be asked for
PER_PAGE = 100

_PER_PAGE = field(
    "Per Page",
    "How many customers one request asks for.",
    type="integer",
    minimum=1,
    maximum=PER_PAGE,
    default=PER_PAGE,
)


async def page(call: Call, cursor: Json) -> Page:
    limit = call.config.get("limit")
    per_page = call.config.get("per_page", PER_PAGE)
    query = {"per_page": per_page if limit is None else min(per_page, limit), "page_info": cursor}
    response, answer = await f.read(call, "/customers/recent", query)
    key = call.connection.get("recent_customers_key", RECENT_LIST_KEY)
    customers = answer.get(key) if isinstance(answer, Mapping) else None
    if not isinstance(customers, list):
        raise VendorError(
            f"the answer has no list under '{key}'",
            status=response.status,
            detail=response.readable,
            hint="if the list has another name there, set recent_customers_key of the connection",
        )
    metadata = answer.get("metadata")
    following = metadata.get("next_page_info") if isinstance(metadata, Mapping) else None
    if following is not None and following == cursor:
        raise VendorError("the vendor's cursor leads to the same page again", status=response.status)
    return Page(customers, following or None)


def identify(_config: Config, item: Json) -> Event:
    """A customer's own identifier where the vendor sends one, else the e-mail."""
    if not isinstance(item, Mapping):
        raise DataError("a recent customer is not an object")
    email = item.get("email")
    identity = item.get("yotpo_customer_id") or email
    if not identity:
        raise DataError("a recent customer has neither yotpo_customer_id nor email")
    return Event(body=item, id=str(identity), subject=email if isinstance(email, str) and email else None)


LIST_RECENT_CUSTOMERS = Search(
    name="list_recent_customers",
    title="List Recently Updated Customers",
    description="Reads the customers whose records were updated recently; the vendor says what recently is.",
    connection="yotpo_loyalty",
    config=options(
        limit=field("Limit", "How many customers at most; all when left out.", type="integer", minimum=1),
        per_page=_PER_PAGE,
    ),
    output=s.items(RECENT_CUSTOMER),
    page=page,
    example={"limit": 50},
)

WATCH_RECENT_CUSTOMERS = PollingTrigger(
    name="watch_recent_customers",
    title="Watch Recently Updated Customers",
    description="Starts for each customer whose record is new or has changed since the last look.",
    connection="yotpo_loyalty",
    config=options(per_page=_PER_PAGE),
    output=RECENT_CUSTOMER,
    page=page,
    identify=identify,
    # No order: a record has no time of its last update (last_seen_at is a visit to the shop, and stays as it is when
    # points change), and how the list is sorted is not described. So what has changed is told by the content.
    order=None,
    example={"per_page": 100},
)
