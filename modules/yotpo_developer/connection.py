"""How a shop's account is reached through the App Developer API, and what of its answers is inferred."""

from __future__ import annotations

from engine import ConnectionType, ErrorTable, OAuth2, QueryAuth, RateLimit, Request, field, options

#: where the API is; the account id is the shop's app key
BASE_URL = "https://developers.yotpo.com/v2/{account_id}"

#: where customers are read, below the base URL
CUSTOMERS_PATH = "/customers"

#: Where in an answer the customer's attributes stand, as keys with dots between them; empty: the answer itself.
#: Inferred: the vendor's page lists the attributes, and what is around them was not readable.
CUSTOMER_AT = ""

#: for one account; the vendor's advice on this host is that of its Core API, with a second's rest after a 429
REQUESTS_PER_SECOND = 5

#: where somebody installs an app for a shop; it takes a state, and the vendor knows the rest from the app
INSTALL_URL = "https://integrations-center.yotpo.com/app/#/install/applications/{client_id}"
#: where what comes back is exchanged for a token, with a JSON body
TOKEN_URL = "https://developers.yotpo.com/v2/oauth2/token"  # noqa: S105 - an address
#: Seconds for which a token is good when the vendor does not say it; None: until it is refused. The vendor was not seen
#: to say how long, nor to give a token to renew it with.
TOKEN_LIFETIME: float | None = None

#: asked for by the test of a connection; nobody has this address
NOBODY = "connection-test@example.com"


CONNECTION = ConnectionType(
    name="yotpo_developer",
    title="Yotpo App Developer",
    description=(
        "The account id is the shop's app key. Give client_id and client_secret of your app, and somebody of the shop "
        "installs it in the browser (OAuth 2); or access_token, when you have what the shop gave it."
    ),
    fields={
        **options(
            "account_id",
            account_id=field("Account ID", "The app key of the shop.", type="string", pattern="^[A-Za-z0-9_-]+$"),
            access_token=field(
                "Access Token",
                "Of the app, for this shop; sent as access_token in the query.",
                type="string",
                minLength=1,
                writeOnly=True,
            ),
            base_url=field(
                "Base URL",
                "Another host: the whole URL, the account id included.",
                type="string",
                pattern="^https?://[^\\s]+$",
            ),
            customer_at=field(
                "Place of the customer",
                "Where in an answer the attributes stand, such as `customer` or `response.customer`; the answer itself "
                "when left out, which is inferred.",
                type="string",
                default=CUSTOMER_AT,
                pattern="^([A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*)?$",
            ),
        ),
        "anyOf": [{"required": ["access_token"]}, {"required": ["client_id", "client_secret"]}],
        # both are sent as access_token
        "not": {"required": ["access_token", "client_id"]},
    },
    base_url=BASE_URL,
    auth=(
        QueryAuth("access_token", "access_token"),
        OAuth2(
            token_url=TOKEN_URL,
            authorize_url=INSTALL_URL,
            link=("state",),
            pkce=False,
            client_auth="body",
            body="json",
            query="access_token",
            lifetime=TOKEN_LIFETIME,
        ),
    ),
    errors=ErrorTable(),
    # look for somebody whom no shop knows: that there is no such customer proves that the token was taken
    test=Request("GET", CUSTOMERS_PATH, query=f"{{customer_email: '{NOBODY}'}}", absent="null", gives="null"),
    rate=RateLimit(REQUESTS_PER_SECOND),
)
