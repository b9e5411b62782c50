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
    Request,
    TokenAuth,
    field,
    options,
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


CONNECTION = ConnectionType(
    name="yotpo_reviews",
    title="Yotpo Reviews",
    description="The app key and the secret of the store are exchanged for tokens, which are renewed by themselves.",
    fields=options(
        "app_key",
        "secret",
        app_key=field("App Key", "Of the store.", type="string", pattern="^[A-Za-z0-9_-]+$"),
        secret=field(
            "Secret", "Exchanged for tokens; never sent with anything else.", type="string", minLength=1, writeOnly=True
        ),
        base_url=field(
            "Base URL",
            "Another host, such as https://proxy.example.com; the vendor's paths follow it.",
            type="string",
            pattern="^https?://[^\\s]+$",
        ),
        import_paths=field(
            "Paths of imports",
            "Where they go; `{app_key}` inserts the app key. The defaults are inferred.",
            options(
                **{
                    what: field(
                        what.capitalize(),
                        f"In place of {default}.",
                        type="string",
                        default=default,
                        pattern="^/[^\\s?#]+$",
                    )
                    for what, default in IMPORT_PATHS.items()
                }
            ),
        ),
        import_keys=field(
            "Key names of imports",
            "The vendor's name of a key, where it is not ours; most of ours are inferred.",
            options(
                **{
                    key: field(
                        key.replace("_", " ").capitalize(),
                        f"In place of {default}.",
                        type="string",
                        default=default,
                        minLength=1,
                    )
                    for key, default in IMPORT_KEYS.items()
                }
            ),
        ),
        images_at_once=field(
            "Images at once",
            "Images of one call: more than three only where Yotpo's support allowed it.",
            type="integer",
            default=IMAGES_AT_ONCE,
            minimum=1,
            maximum=MOST_IMAGES,
        ),
    ),
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
    # one review: the token exchange before it proves the secret
    test=Request("GET", REVIEWS_PATH.replace("{app_key}", "{connection.app_key}"), query="{count: 1, page: 1}"),
    rate=RateLimit(REQUESTS_PER_SECOND),
)
