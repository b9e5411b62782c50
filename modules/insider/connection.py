"""How an Insider account is reached, and the limits of its API. Source: the vendor's pages on its user data APIs."""

from __future__ import annotations

from engine import ConnectionType, ErrorTable, HeaderAuth, RateLimit, Request, field, options

BASE_URL = "https://unification.useinsider.com"
UPSERT_PATH = "/api/user/v1/upsert"
PROFILE_PATH = "/api/user/v1/profile"
DELETE_ATTRIBUTES_PATH = "/api/user/v1/attribute/delete"
DELETE_USER_PATH = "/api/user/v1/delete"
ANONYMIZE_PATH = "/api/user/v1/anonymize"

#: users in one request
MOST_USERS = 1000
#: bytes of one request
LARGEST_REQUEST = 5_000_000
#: What a request has besides its users at most: ``skip_hook``, the callback's URL, brackets.
ENVELOPE = 4096
#: of upserts and deletions of attributes together, of reads, of deletions, of anonymizations
UPSERTS_PER_MINUTE = 25_000
PROFILES_PER_MINUTE = 1000
DELETIONS_PER_MINUTE = 10_000
ANONYMIZATIONS_PER_MINUTE = 500

#: Statuses after which nothing was written. By the vendor's pages nothing is executed with a wrong token, and a request
#: without users or one that is too large is refused as a whole.
REFUSED = frozenset({400, 401, 403, 404})

CONNECTION = ConnectionType(
    name="insider",
    title="Insider",
    description="Partner name: InOne > Inone Settings > Account Preferences. Token: InOne > API Authentication Tokens.",
    fields=options(
        "partner_name",
        "request_token",
        partner_name=field(
            "Partner Name",
            "Your partner name, in lowercase: the vendor refuses any other.",
            type="string",
            pattern="^[^A-Z\\s]+$",
        ),
        request_token=field(
            "Request Token", "The key that authorizes requests.", type="string", minLength=1, writeOnly=True
        ),
        base_url=field("Base URL", "Another host.", type="string", default=BASE_URL, pattern="^https?://[^\\s]+$"),
    ),
    base_url=BASE_URL,
    auth=(HeaderAuth("X-PARTNER-NAME", "partner_name"), HeaderAuth("X-REQUEST-TOKEN", "request_token")),
    errors=ErrorTable(refused=REFUSED),
    # ask for a user whom nobody has: that there is none proves that partner name and token are good
    test=Request(
        "POST",
        PROFILE_PATH,
        body="{identifiers: {uuid: 'connection-test'}, attributes: ['email']}",
        absent="null",
        gives="null",
    ),
    rate=RateLimit(UPSERTS_PER_MINUTE // 60),
)
