"""Signing what is sent, in the manner of well-known senders or as the connection says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import Call, HmacAuth, Schema

_FIELD = "sign_secret"
#: how well-known senders sign, by their own documentation
PRESETS: Mapping[str, HmacAuth] = {
    "github": HmacAuth("X-Hub-Signature-256", _FIELD, prefix="sha256="),
    "shopify": HmacAuth("X-Shopify-Hmac-Sha256", _FIELD, encoding="base64"),
    "slack": HmacAuth(
        "X-Slack-Signature",
        _FIELD,
        prefix="v0=",
        signed="v0:{timestamp}:{body}",
        timestamp_header="X-Slack-Request-Timestamp",
    ),
    "standard": HmacAuth(
        "webhook-signature",
        _FIELD,
        encoding="base64",
        prefix="v1,",
        signed="{id}.{timestamp}.{body}",
        timestamp_header="webhook-timestamp",
        id_header="webhook-id",
        key_prefix="whsec_",
    ),
    "stripe": HmacAuth("Stripe-Signature", _FIELD, signed="{timestamp}.{body}", value="t={timestamp},v1={signature}"),
    "talkable": HmacAuth("X-Talkable-Signature", _FIELD, encoding="base64-hex"),
}

_NAME: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}
FIELDS: Mapping[str, Schema] = {
    "sign_secret": {
        "type": "string",
        "title": "Signing secret",
        "description": "Requests are signed with it (HMAC), so that the receiver knows who sent them.",
        "minLength": 1,
        "writeOnly": True,
    },
    "sign_as": {
        "type": "string",
        "title": "Sign as",
        "description": (
            "With sign_secret: in whose manner, that of the Standard Webhooks specification (standard), of a "
            "well-known sender, or "
            "custom, as sign_header and the fields after it say."
        ),
        "enum": [*PRESETS, "custom"],
    },
    "sign_header": {**_NAME, "title": "Signature header", "description": "Of custom: where the signature goes."},
    "sign_algorithm": {
        "type": "string",
        "title": "Signature algorithm",
        "description": "Of custom: the hash.",
        "enum": ["sha1", "sha256", "sha384", "sha512"],
        "default": "sha256",
    },
    "sign_encoding": {
        "type": "string",
        "title": "Signature encoding",
        "description": "Of custom: how the signature is written; base64-hex is base64 of the hexadecimal digits.",
        "enum": ["hex", "base64", "base64-hex"],
        "default": "hex",
    },
    "sign_prefix": {
        "type": "string",
        "title": "Signature prefix",
        "description": "Of custom: stands before the signature, such as sha256=.",
        "pattern": "^[ -~]*$",
    },
    "sign_timestamp_header": {
        **_NAME,
        "title": "Timestamp header",
        "description": "Of custom: a header that gets the Unix time of sending, which is then signed too.",
    },
    "signed": {
        "type": "string",
        "title": "What is signed",
        "description": (
            "Of custom: {body}, and {timestamp} where there is a timestamp header; {timestamp}.{body} then, when "
            "left out."
        ),
        "pattern": "\\{body\\}",
    },
}
_OF_CUSTOM = [
    # one with a default stands in every connection
    name
    for name, schema in FIELDS.items()
    if name not in ("sign_secret", "sign_as") and "default" not in schema
]
#: which of them go together
RULES: Schema = {
    "if": {"required": ["sign_as"], "properties": {"sign_as": {"const": "custom"}}},
    "then": {"required": ["sign_header"]},
    "else": {"not": {"anyOf": [{"required": [name]} for name in _OF_CUSTOM]}},
}


def signing(fields: Mapping[str, Any]) -> tuple[HmacAuth, ...]:
    """How a connection with these fields signs."""
    if not fields.get(_FIELD):
        return ()
    manner = fields["sign_as"]
    if manner != "custom":
        return (PRESETS[manner],)
    timestamp = fields.get("sign_timestamp_header")
    return (
        HmacAuth(
            fields["sign_header"],
            _FIELD,
            algorithm=fields.get("sign_algorithm", "sha256"),
            encoding=fields.get("sign_encoding", "hex"),
            prefix=fields.get("sign_prefix", ""),
            signed=fields.get("signed") or ("{timestamp}.{body}" if timestamp else "{body}"),
            timestamp_header=timestamp,
        ),
    )


def message_id(call: Call) -> Mapping[str, str]:
    """The header with the message's id: the effect's key, so that a repetition has the same."""
    manner = PRESETS.get(call.connection.get("sign_as", ""))
    # the key is made when it is asked for
    return {manner.id_header: call.key} if manner is not None and manner.id_header is not None else {}
