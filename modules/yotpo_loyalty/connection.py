"""How a merchant's Yotpo Loyalty account is reached."""

from __future__ import annotations

from engine import BodyErrors, ConnectionType, ErrorTable, HeaderAuth, RateLimit, Request, field, options

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


def answers_of(form: str, what: str) -> ErrorTable:
    """The errors of a read. Older accounts answer 200 where one fails, with ``errors`` in the body.

    :param form: JMESPath that tells an answer of the expected form.
    :param what: what the answer is to be, in words.
    """
    failed = "type(@) == 'object' && contains(keys(@), 'errors') && concat('the answer is an error: ', errors)"
    found = f"{failed} || !({form}) && 'the answer is {what}'"
    # what is no JSON, or nothing at all, is of no form
    return ErrorTable(refused=REFUSED, said="errors", body=BodyErrors(found, taken=form))


#: of reads whose answer is a list
LIST_ERRORS = answers_of("type(@) == 'array'", "not a list")

CONNECTION = ConnectionType(
    name="yotpo_loyalty",
    title="Yotpo Loyalty",
    description="GUID and API key stand in the Loyalty admin under Settings > General Settings.",
    fields=options(
        "guid",
        "api_key",
        guid=field("GUID", "Of the merchant; sent as x-guid.", type="string", minLength=1, writeOnly=True),
        api_key=field("API Key", "Of the merchant; sent as x-api-key.", type="string", minLength=1, writeOnly=True),
        base_url=field(
            "Base URL",
            f"Another host with the same paths: {' or '.join(OLDER_BASE_URLS)} for older accounts.",
            type="string",
            default=BASE_URL,
            pattern="^https?://[^\\s]+$",
        ),
        recent_customers_key=field(
            "Key of recent customers",
            "Where an answer has the list of recently updated customers. The default is inferred.",
            type="string",
            default=RECENT_LIST_KEY,
            minLength=1,
        ),
    ),
    base_url=BASE_URL,
    auth=(HeaderAuth("x-guid", "guid"), HeaderAuth("x-api-key", "api_key")),
    errors=ERRORS,
    # the active campaigns: a read that every account may make
    test=Request("GET", "/campaigns", query="{with_status: false}", errors=LIST_ERRORS),
    rate=RateLimit(REQUESTS_PER_SECOND),
)
