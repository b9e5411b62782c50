"""An account at any HTTP API: where it is, and one way to sign in."""

from __future__ import annotations

from engine import BasicAuth, BearerAuth, Call, ConnectionType, HeaderAuth, OAuth2, QueryAuth, Schema
from modules.http.signing import FIELDS, RULES, signing

_NAME: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}
_SECRET: Schema = {"type": "string", "minLength": 1, "writeOnly": True}


async def check(call: Call) -> None:
    """Read ``test_path``, the base URL itself when the connection names none."""
    await call.http.request("GET", call.connection.get("test_path", ""))


CONNECTION = ConnectionType(
    name="http",
    title="HTTP",
    description=(
        "Requests go to URLs below base_url, and to no other host, so that the credentials stay where they belong. "
        "Give token, or header_name and header_value, or query_name and query_value, or username and password, or "
        "client_id and token_url (OAuth 2; authorize_url where a person has to agree); none for an open API. "
        "sign_secret signs requests besides."
    ),
    fields={
        "type": "object",
        "required": ["base_url"],
        "additionalProperties": False,
        "dependentRequired": {
            "header_name": ["header_value"],
            "header_value": ["header_name"],
            "query_name": ["query_value"],
            "query_value": ["query_name"],
            "password": ["username"],
            "sign_as": ["sign_secret"],
            "sign_secret": ["sign_as"],
            "client_id": ["token_url"],
            "token_url": ["client_id"],
            "authorize_url": ["client_id"],
        },
        "allOf": [RULES],
        # each is sent as Authorization
        "not": {
            "anyOf": [
                {"required": ["token", "username"]},
                {"required": ["token", "client_id"]},
                {"required": ["username", "client_id"]},
            ]
        },
        "properties": {
            "base_url": {
                "type": "string",
                "title": "Base URL",
                "description": "Where the API begins, such as https://api.example.com/v1.",
                "pattern": "^https?://[^\\s?#]+$",
            },
            "token": {**_SECRET, "title": "Token", "description": "Sent as Authorization: Bearer."},
            "header_name": {**_NAME, "title": "Header", "description": "Such as X-Api-Key."},
            "header_value": {**_SECRET, "title": "Header value", "description": "Sent under that name."},
            "query_name": {**_NAME, "title": "Query parameter", "description": "Such as api_key."},
            "query_value": {**_SECRET, "title": "Query parameter's value", "description": "Sent under that name."},
            "username": {"type": "string", "title": "User name", "description": "For basic auth.", "minLength": 1},
            "password": {
                **_SECRET,
                "title": "Password",
                "description": "For basic auth; may be empty.",
                "minLength": 0,
            },
            "test_path": {
                "type": "string",
                "title": "Test path",
                "description": "A cheap read that proves the credentials, such as /me; the base URL when left out.",
                "pattern": "^/[^\\s]*$",
            },
            **FIELDS,
        },
    },
    auth=(
        BearerAuth("token"),
        HeaderAuth("{header_name}", "header_value"),
        QueryAuth("{query_name}", "query_value"),
        BasicAuth("username", "password"),
        OAuth2(),
    ),
    signature=signing,
    test=check,
)
