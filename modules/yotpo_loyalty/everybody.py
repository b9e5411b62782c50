"""The module *List Customers*: all of them, by the older of the vendor's two lists."""

from __future__ import annotations

from engine import NumberPaging, Request, Schema, Search, field, options
from modules.yotpo_loyalty import fields as f
from modules.yotpo_loyalty import schemas as s
from modules.yotpo_loyalty.connection import answers_of
from modules.yotpo_loyalty.customers import RECENT_CUSTOMER

#: customers of one page; a program of a partner of the vendor's asks for so many of the newer list
PER_PAGE = 100

#: What is known of a customer of this list: the e-mail. That the rest is as in the list of recent ones is inferred.
CUSTOMER: Schema = s.record({"email": s.STRING}, RECENT_CUSTOMER["properties"])

_FORM = "type(customers) == 'array' && type(links.total_pages) == 'number'"
_WANTED = "no page of customers: it has no list `customers`, or no number `links.total_pages`"

LIST_CUSTOMERS = Search(
    name="list_customers",
    title="List Customers",
    description=(
        "Reads all customers of the loyalty program, page by page. The pages are numbered: who changes while they are "
        "read can come twice, and who moves up when another is deleted can be passed over. Give a loop a `key`."
    ),
    connection="yotpo_loyalty",
    config=options(
        limit=field("Limit", "How many customers at most; all when left out.", type="integer", minimum=1),
        per_page=field(
            "Per Page",
            "How many customers one request asks for.",
            type="integer",
            minimum=1,
            maximum=PER_PAGE,
            default=PER_PAGE,
        ),
        seen_since=field(
            "Seen since",
            "Only customers who were in the shop at that time or later, such as 2024-03-01.",
            f.DATE_OR_MOMENT,
        ),
    ),
    output=s.items(CUSTOMER),
    request=Request(
        "GET",
        "/customers/all",
        # every page of one list has the same size, or the numbers would count others
        query=f"{{per_page: min([per_page || {PER_PAGE}, limit || {PER_PAGE}]), last_seen_at: seen_since}}",
        output="customers",
        errors=answers_of(_FORM, _WANTED),
    ),
    paging=NumberPaging("page", pages="links.total_pages"),
    example={"per_page": 100},
)
