"""The module *List Customers*: all of them, by the older of the vendor's two lists."""

from __future__ import annotations

from collections.abc import Mapping

from engine import Call, Json, Page, Schema, Search, VendorError
from modules.yotpo_loyalty import fields as f
from modules.yotpo_loyalty import schemas as s
from modules.yotpo_loyalty.customers import RECENT_CUSTOMER

#: customers of one page; a program of a partner of the vendor's asks for so many of the newer list
PER_PAGE = 100

#: What is known of a customer of this list: the e-mail. That the rest is as in the list of recent ones is inferred.
CUSTOMER: Schema = s.record({"email": s.STRING}, RECENT_CUSTOMER["properties"])


async def page(call: Call, cursor: Json) -> Page:
    limit = call.config.get("limit")
    size = call.config.get("per_page", PER_PAGE)
    number = cursor or 1
    query = {
        # every page of one list has the same size, or the numbers would count others
        "per_page": size if limit is None else min(size, limit),
        "page": number,
        "last_seen_at": call.config.get("seen_since"),
    }
    response, answer = await f.read(call, "/customers/all", query)
    customers = answer.get("customers") if isinstance(answer, Mapping) else None
    links = answer.get("links") if isinstance(answer, Mapping) else None
    pages = links.get("total_pages") if isinstance(links, Mapping) else None
    if not isinstance(customers, list) or not isinstance(pages, int):
        raise VendorError(
            "the answer is no page of customers: it has no list `customers`, or no number `links.total_pages`",
            status=response.status,
            detail=response.readable,
        )
    return Page(customers, number + 1 if number < pages else None)


LIST_CUSTOMERS = Search(
    name="list_customers",
    title="List Customers",
    description=(
        "Reads all customers of the loyalty program, page by page. The pages are numbered: who changes while they are "
        "read can come twice, and who moves up when another is deleted can be passed over. Give a loop a `key`."
    ),
    connection="yotpo_loyalty",
    config={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "limit": {
                "type": "integer",
                "title": "Limit",
                "description": "How many customers at most; all when left out.",
                "minimum": 1,
            },
            "per_page": {
                "type": "integer",
                "title": "Per Page",
                "description": "How many customers one request asks for.",
                "minimum": 1,
                "maximum": PER_PAGE,
                "default": PER_PAGE,
            },
            "seen_since": {
                **f.DATE_OR_MOMENT,
                "title": "Seen since",
                "description": "Only customers who were in the shop at that time or later, such as 2024-03-01.",
            },
        },
    },
    output=s.items(CUSTOMER),
    page=page,
    example={"per_page": 100},
)
