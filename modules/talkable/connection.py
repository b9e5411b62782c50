"""How a Talkable site is reached, and what of the vendor's API is inferred."""

from __future__ import annotations

from engine import BearerAuth, BodyErrors, ConnectionType, ErrorTable, RateLimit, Request, field, options
from modules.talkable.schemas import TEXT

BASE_URL = "https://www.talkable.com/api/v2"

#: Inferred: the vendor throttles adaptively and publishes no numbers.
REQUESTS_PER_SECOND = 5

#: Statuses after which nothing was written; inferred from what the vendor says that they mean.
REFUSED = frozenset({400, 401, 404, 422})

#: how the seven values of a loyalty program are stored with a person
FORMS = ("flat", "nested")
#: Inferred: the vendor stores them under ``custom_properties.yotpo``, and takes only flat values from others.
FORM = "flat"

ERRORS = ErrorTable(
    refused=REFUSED,
    said="error_message",
    # the envelope says it, whatever the status
    body=BodyErrors("ok == false && (error_message || 'no reason given')"),
)


CONNECTION = ConnectionType(
    name="talkable",
    title="Talkable",
    description="The API key is under Account Settings; the site's ID is shown in the dashboard.",
    fields=options(
        "api_key",
        "site_slug",
        api_key=field("API key", "Sent as a bearer token with every call.", TEXT, writeOnly=True),
        site_slug=field(
            "Site ID",
            "The site's ID, such as my-store; it goes with every call.",
            type="string",
            pattern="^[A-Za-z0-9_-]+$",
        ),
        webhook_key=field(
            "Webhook security key",
            "Menu > Webhooks. Needed only to receive: it proves that a webhook is Talkable's.",
            TEXT,
            writeOnly=True,
        ),
        yotpo_properties=field(
            "Form of Yotpo's values",
            "How sync_loyalty_data stores a customer's values: flat, as yotpo_point_balance, or nested, as "
            "yotpo.point_balance. The default is inferred.",
            type="string",
            enum=list(FORMS),
            default=FORM,
        ),
        base_url=field("Base URL", "Another host, as a whole URL.", type="string", pattern="^https?://[^\\s]+$"),
    ),
    base_url=BASE_URL,
    auth=(BearerAuth("api_key"),),
    errors=ERRORS,
    # the campaigns: they take a good key and a site that it may see
    test=Request("GET", "/campaigns", query="{site_slug: connection.site_slug}"),
    rate=RateLimit(REQUESTS_PER_SECOND),
    kept=frozenset({"yotpo_properties"}),
)
