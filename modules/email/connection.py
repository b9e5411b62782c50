"""An account at a mail server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from engine import Call, ConnectionType, Opening, RateLimit, Schema

if TYPE_CHECKING:
    from modules.email.mailer import Mailer

#: seconds for connecting, signing in and each command before the mail itself
TIMEOUT = 60.0

FIELDS: Schema = {
    "type": "object",
    "required": ["host", "from"],
    "additionalProperties": False,
    "dependentRequired": {"user": ["password"], "password": ["user"]},
    "properties": {
        "host": {
            "type": "string",
            "title": "Host",
            "description": "The mail server, such as smtp.example.com; its certificate must be for this name.",
            "pattern": "^[^\\s/:]+$|^\\[[0-9a-fA-F:]+\\]$",
        },
        "port": {
            "type": "integer",
            "title": "Port",
            "description": "587 with starttls, 465 with tls, 25 with none, when left out.",
            "minimum": 1,
            "maximum": 65535,
        },
        "security": {
            "type": "string",
            "title": "Security",
            "description": (
                "starttls: the server is asked to encrypt, and nothing is sent if it does not. tls: encrypted from the "
                "first byte. none: nothing is encrypted; for a server on this machine."
            ),
            "enum": ["starttls", "tls", "none"],
            "default": "starttls",
        },
        "user": {"type": "string", "title": "User", "description": "Who signs in; left out for an open server."},
        "password": {
            "type": "string",
            "title": "Password",
            "description": "That user's password.",
            "writeOnly": True,
            "minLength": 1,
        },
        "from": {
            "type": "string",
            "title": "From",
            "description": "Who the mails are from: an address, or a name and an address: Shop <shop@example.com>.",
            "pattern": "^[^\\r\\n\\u0000]+@[^\\r\\n\\u0000]+$",
        },
        "folder": {
            "type": "string",
            "title": "Folder of attachments",
            "description": "Where attachments that are given by path lie; relative to the project. None without it.",
            "minLength": 1,
        },
    },
}


@asynccontextmanager
async def dial(opening: Opening) -> AsyncIterator[Mailer]:
    # every command loads the app, and the mail library takes as long as all the rest
    from modules.email.mailer import Mailer  # noqa: PLC0415 - as said

    yield Mailer(opening)


async def check(call: Call) -> None:
    """Connect, sign in, NOOP."""
    mailer: Mailer
    async with call.client() as mailer:
        await mailer.check()


CONNECTION = ConnectionType(
    name="email",
    title="Mail server",
    description="An account that may send mail by SMTP.",
    fields=FIELDS,
    client=dial,
    test=check,
    timeout=TIMEOUT,
    rate=RateLimit(per_second=10),
    kept=frozenset({"from", "folder"}),
)
