"""How a store's Reviews account is reached, and what of the vendor's API is inferred."""

from __future__ import annotations

from engine import (
    AuthError,
    BodyErrors,
    Call,
    ConnectionType,
    DataError,
    ErrorKind,
    ErrorTable,
    NotFound,
    RateLimit,
    RateLimitError,
    TokenAuth,
)

BASE_URL = "https://api.yotpo.com"
#: where a secret is exchanged for a utoken
TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
#: a utoken lives 14 days; a day earlier a new one is fetched without being asked
TOKEN_LIFETIME = 13 * 86_400.0
#: where reviews are read, and where they are sent
REVIEWS_PATH = "/v1/apps/{app_key}/reviews"
WIDGET_REVIEWS_PATH = "/v1/widget/reviews"

# Inferred: the vendor's page on visual content was readable without paths, verbs and most key names of the imports. A
# connection may set each.

IMPORT_PATHS = {"images": "/v1/apps/{app_key}/images/import", "videos": "/v1/apps/{app_key}/videos/import"}
#: our name of a key, and the vendor's
IMPORT_KEYS = {
    "images": "images",
    "videos": "videos",
    "url": "url",
    "album_names": "album_names",
    "domain_keys": "domain_keys",
    "title": "title",
    "creator": "creator",
    "post_url": "post_url",
    "errors": "errors",
    "index": "index",
}
#: images of one call: the vendor takes up to eight, and more than three only where its support has allowed it
IMAGES_AT_ONCE = 3
MOST_IMAGES = 8
#: the same for videos; the vendor's page has no number for them, so that this is inferred
MOST_VIDEOS = 8
#: products of one video, by the vendor's page
MOST_PRODUCTS = 8

#: 5,000 in a minute for one app key, by the vendor's pages; a second of it, so that it is never more
REQUESTS_PER_SECOND = 80

#: Statuses after which nothing was written; inferred from their meaning.
REFUSED = frozenset({400, 401, 403, 404, 422})

#: An answer of status 200 may say another code in its envelope, or at its top, and is that then: ``500: no``.
_CODE = (
    "{code: to_number(status.code || code), said: status.message || message}"
    " | (code < `200` || code >= `300`) && join(': ', [to_string(code), to_string(said || 'no reason given')])"
)
ERRORS = ErrorTable(
    refused=REFUSED,
    body=BodyErrors(
        _CODE,
        kinds=(
            ErrorKind("^(400|422):", DataError, refused=True),
            ErrorKind("^(401|403):", AuthError, refused=True),
            ErrorKind("^404:", NotFound, refused=True),
            ErrorKind("^429:", RateLimitError, refused=True),
        ),
    ),
)


def path(call: Call, template: str) -> str:
    """A path of this store."""
    return template.replace("{app_key}", str(call.connection["app_key"]))


async def check(call: Call) -> None:
    """Read one review: the token exchange before it proves the secret."""
    await call.http.request("GET", path(call, REVIEWS_PATH), query={"count": 1, "page": 1})


CONNECTION = ConnectionType(
    name="yotpo_reviews",
    title="Yotpo Reviews",
    description="The app key and the secret of the store are exchanged for tokens, which are renewed by themselves.",
    fields={
        "type": "object",
        "required": ["app_key", "secret"],
        "additionalProperties": False,
        "properties": {
            "app_key": {
                "type": "string",
                "title": "App Key",
                "description": "Of the store.",
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
            },
            "import_paths": {
                "type": "object",
                "title": "Paths of imports",
                "description": "Where they go; `{app_key}` inserts the app key. The defaults are inferred.",
                "additionalProperties": False,
                "properties": {
                    what: {
                        "type": "string",
                        "title": what.capitalize(),
                        "description": f"In place of {default}.",
                        "default": default,
                        "pattern": "^/[^\\s?#]+$",
                    }
                    for what, default in IMPORT_PATHS.items()
                },
            },
            "import_keys": {
                "type": "object",
                "title": "Key names of imports",
                "description": "The vendor's name of a key, where it is not ours; most of ours are inferred.",
                "additionalProperties": False,
                "properties": {
                    key: {
                        "type": "string",
                        "title": key.replace("_", " ").capitalize(),
                        "description": f"In place of {default}.",
                        "default": default,
                        "minLength": 1,
                    }
                    for key, default in IMPORT_KEYS.items()
                },
            },
            "images_at_once": {
                "type": "integer",
                "title": "Images at once",
                "description": "Images of one call: more than three only where Yotpo's support allowed it.",
                "default": IMAGES_AT_ONCE,
                "minimum": 1,
                "maximum": MOST_IMAGES,
            },
        },
    },
    base_url=BASE_URL,
    auth=(
        TokenAuth(
            path=TOKEN_PATH,
            body={"client_id": "app_key", "client_secret": "secret"},
            extra={"grant_type": "client_credentials"},
            answer="access_token",
            query="utoken",
            lifetime=TOKEN_LIFETIME,
        ),
    ),
    errors=ERRORS,
    test=check,
    rate=RateLimit(REQUESTS_PER_SECOND),
)
