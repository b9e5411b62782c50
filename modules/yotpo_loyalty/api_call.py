"""The module *Make an API Call*: any other call of the vendor's API, with the connection's keys."""

from __future__ import annotations

from engine import Action, Call, Config, Effect, Json, Schema, field, options
from modules.yotpo_loyalty import fields as f

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

#: RFC 9110, 9.2.2: with these, twice is once. The vendor itself says nothing of it; the calls by DELETE that it
#: documents take something away, and it documents none by PUT.
IDEMPOTENT = frozenset({"PUT", "DELETE"})

#: Headers and query parameters that name the merchant: what the vendor takes, and what its oldest API took. They come
#: from the connection; in a scenario they would be a secret in a file and in the journal.
_CREDENTIAL_HEADER = (
    "[Xx]-([Gg][Uu][Ii][Dd]|[Aa][Pp][Ii]-[Kk][Ee][Yy]|[Mm][Ee][Rr][Cc][Hh][Aa][Nn][Tt]-[Ii][Dd])"
    "|([Pp][Rr][Oo][Xx][Yy]-)?[Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz][Aa][Tt][Ii][Oo][Nn]"
    "|[Cc][Oo][Oo][Kk][Ii][Ee]"
)
_CREDENTIAL_PARAMETER = "guid|api_key|merchant_id"
_OF_CONNECTION = "the connection adds its credentials; a scenario holds none"

_PLAIN: Schema = {"type": ["string", "number", "boolean", "null"]}

CONFIG = options(
    "url",
    url=field(
        "URL",
        "A path below the API's base URL, such as /customers/recent; no whole URL, and no '..' in it. The slash in "
        "front may be left out.",
        {"x-place": "url"},
        type="string",
        minLength=1,
        allOf=[
            {
                "pattern": "^[^\\s#\\\\]+$",
                "description": "no space, '#' or backslash; put values into `query`, as they are",
            },
            {
                "pattern": "^(?!//|[A-Za-z][A-Za-z0-9+.-]*:)",
                "description": "a path below the API's base URL, such as /customers/recent, not a whole URL",
            },
            {
                "pattern": "^(?!([^?]*/)?(\\.|%2[Ee]){1,2}([/?]|$))",
                "description": "no '.' or '..' segment, which would leave the API's base URL",
            },
            {"pattern": f"^(?!.*[?&]({_CREDENTIAL_PARAMETER})=)", "description": _OF_CONNECTION},
        ],
    ),
    method=field(
        "Method",
        "GET retrieves, POST creates, PUT replaces, PATCH changes a part, DELETE removes. What the call is taken for "
        "goes by it, see effect.",
        type="string",
        enum=list(METHODS),
        default="GET",
    ),
    headers=field(
        "Headers",
        "Without credentials: the connection adds them. Null is left out.",
        type="object",
        propertyNames={
            "allOf": [
                {"pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"},
                {"pattern": f"^(?!({_CREDENTIAL_HEADER})$)", "description": _OF_CONNECTION},
            ]
        },
        additionalProperties={**_PLAIN, "pattern": "^[^\\r\\n]*$", "x-place": "header"},
    ),
    query=field(
        "Query String",
        "Null is left out, a list repeats its key. Without credentials.",
        type="object",
        propertyNames={"pattern": f"^(?!({_CREDENTIAL_PARAMETER})$)", "description": _OF_CONNECTION},
        additionalProperties={"anyOf": [_PLAIN, {"type": "array", "items": _PLAIN}]},
    ),
    body=field("Body", "Any value, sent as JSON; null is sent as null."),
    effect=field(
        "Effect",
        "What the call does. By the method when left out: GET reads; PUT and DELETE are idempotent (RFC 9110); POST "
        "and PATCH write, and are never repeated when their outcome is unknown.",
        type="string",
        enum=[Effect.READ.value, Effect.WRITE.value, Effect.IDEMPOTENT.value],
    ),
)

OUTPUT: Schema = {
    "type": "object",
    "required": ["status", "headers", "body"],
    "properties": {
        "status": {"type": "integer"},
        "headers": {"type": "object", "description": "Names in lower case", "additionalProperties": {"type": "string"}},
        "body": {"description": "JSON, else text; null when it is empty"},
    },
}


def effect(config: Config) -> Effect:
    """What the author says; else what the method says."""
    if "effect" in config:
        return Effect(config["effect"])
    method = config.get("method", "GET")
    if method == "GET":
        return Effect.READ
    return Effect.IDEMPOTENT if method in IDEMPOTENT else Effect.WRITE


async def run(call: Call) -> Json:
    config = call.config
    body = {"json": config["body"]} if "body" in config else {}
    answer = await call.http.request(
        config.get("method", "GET"), config["url"], query=config.get("query"), headers=config.get("headers"), **body
    )
    return {"status": answer.status, "headers": dict(answer.headers), "body": f.body_of(answer)}


MAKE_API_CALL = Action(
    name="make_api_call",
    title="Make an API Call",
    description="Performs an arbitrary authorized API call.",
    connection="yotpo_loyalty",
    config=CONFIG,
    output=OUTPUT,
    effect=effect,
    run=run,
    example={"url": "/customer_birthdays", "method": "POST", "body": {"customer_email": "a@example.com", "day": 8}},
)
