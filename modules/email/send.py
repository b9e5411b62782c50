"""The module *Send an E-mail*."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from typing import TYPE_CHECKING, Any

from engine import Action, Call, DataError, Effect, Json, Schema
from modules.email.addresses import Mailbox
from modules.paths import below

if TYPE_CHECKING:
    from modules.email.mailer import Mailer

#: lines as long as SMTP takes them (RFC 5322, 2.1.1), so that no long URL of a header is taken apart
LINES = SMTP.clone(max_line_length=998, cte_type="7bit")
#: headers that the app makes itself, or that would say what is not so
_OWN = frozenset(
    {"from", "sender", "to", "cc", "bcc", "subject", "date", "message-id", "reply-to", "mime-version", "received"}
    | {"return-path", "content-type", "content-transfer-encoding", "content-disposition"}
)
#: bytes of all attachments
MOST = 25_000_000

_LINE: Schema = {"type": "string", "pattern": "^[^\\r\\n\\u0000]*$"}
_ADDRESS: Schema = {**_LINE, "minLength": 3}
_ADDRESSES: Schema = {"oneOf": [_ADDRESS, {"type": "array", "items": _ADDRESS, "maxItems": 1000}]}

CONFIG: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["subject"],
    "anyOf": [{"required": ["text"]}, {"required": ["html"]}],
    "allOf": [{"anyOf": [{"required": ["to"]}, {"required": ["cc"]}, {"required": ["bcc"]}]}],
    "properties": {
        "to": {**_ADDRESSES, "title": "To", "description": "An address, such as Ana <ana@example.com>, or a list."},
        "cc": {**_ADDRESSES, "title": "Cc", "description": "Who gets a copy, and is seen to."},
        "bcc": {**_ADDRESSES, "title": "Bcc", "description": "Who gets a copy that the others do not see."},
        "subject": {**_LINE, "title": "Subject", "description": "In one line.", "maxLength": 900},
        "text": {"type": "string", "title": "Text", "description": "The mail as plain text."},
        "html": {
            "type": "string",
            "title": "HTML",
            "description": "The mail as HTML; with text beside it, readers choose. Escape what comes from outside.",
        },
        "reply_to": {**_ADDRESSES, "title": "Reply to", "description": "Where answers go, when not to the sender."},
        "headers": {
            "type": "object",
            "title": "Headers",
            "description": "Besides those that the app makes, such as List-Unsubscribe. Null is left out.",
            "propertyNames": {"pattern": "^[A-Za-z0-9-]{1,70}$"},
            "additionalProperties": {"type": ["string", "null"], "pattern": "^[^\\r\\n\\u0000]*$", "maxLength": 900},
        },
        "attachments": {
            "type": "array",
            "title": "Attachments",
            "description": "Each by value (text or base64), or by path below the connection's folder.",
            "maxItems": 50,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "oneOf": [
                    {"required": ["text", "filename"]},
                    {"required": ["base64", "filename"]},
                    {"required": ["path"]},
                ],
                "properties": {
                    "filename": {
                        "type": "string",
                        "title": "File name",
                        "description": "As the receiver sees it; that of the path when left out.",
                        "pattern": "^[^\\r\\n\\u0000/\\\\]{1,200}$",
                    },
                    "content_type": {
                        "type": "string",
                        "title": "Content type",
                        "description": "Such as text/csv; by the file name when left out.",
                        "pattern": "^[a-z0-9.+-]+/[a-z0-9.+-]+$",
                    },
                    "text": {"type": "string", "title": "Text", "description": "The content, sent as UTF-8."},
                    "base64": {"type": "string", "title": "Base64", "description": "The content's bytes in base64."},
                    "path": {
                        "type": "string",
                        "title": "Path",
                        "description": "A file below the connection's folder, read when the mail is sent.",
                        "minLength": 1,
                    },
                },
            },
        },
        "refused_recipients": {
            "type": "string",
            "title": "Refused recipients",
            "description": (
                "What to do when the server refuses some of several recipients. report: the others get the mail, and "
                "the output names whom it refused. fail: nobody gets it."
            ),
            "enum": ["report", "fail"],
            "default": "report",
        },
    },
}

OUTPUT: Schema = {
    "type": "object",
    "required": ["message_id", "accepted", "refused", "answer"],
    "properties": {
        "message_id": {"type": "string", "description": "The same in every repetition of this step"},
        "accepted": {"type": "array", "items": {"type": "string"}, "description": "Addresses that the server took"},
        "refused": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["address", "code", "message"],
                "properties": {
                    "address": {"type": "string"},
                    "code": {"type": "integer", "description": "4yz: maybe later; 5yz: never"},
                    "message": {"type": "string"},
                },
            },
        },
        "answer": {"type": "string", "description": "What the server said to the mail, often with its own id"},
    },
}


def _boxes(given: str | Sequence[str] | None) -> list[Mailbox]:
    return [Mailbox.read(one) for one in ([given] if isinstance(given, str) else given or [])]


def compose(call: Call, mailer: Mailer) -> tuple[EmailMessage, list[Mailbox]]:
    """The mail, and to whom it goes. Raises ``DataError``; nothing was sent."""
    config = call.config
    sender = mailer.sender
    to, cc, bcc = (_boxes(config.get(name)) for name in ("to", "cc", "bcc"))
    mail = EmailMessage(LINES)
    mail["From"] = sender.header
    for name, boxes in (("To", to), ("Cc", cc), ("Reply-To", _boxes(config.get("reply_to")))):
        if boxes:
            mail[name] = [box.header for box in boxes]
    if not to and not cc:
        mail["To"] = "undisclosed-recipients:;"
    mail["Subject"] = config["subject"]
    mail["Date"] = call.now
    mail["Message-ID"] = message_id(call.key, sender)
    for name, value in config.get("headers", {}).items():
        if name.lower() in _OWN:
            raise DataError(f"the header {name} is made by the app itself; nothing was sent", refused=True)
        if value is not None:
            mail[name] = value
    if "text" in config:
        mail.set_content(config["text"])
        if "html" in config:
            mail.add_alternative(config["html"], subtype="html")
    else:
        mail.set_content(config["html"], subtype="html")
    size = 0
    for attachment in config.get("attachments", ()):
        name, content = _content(attachment, mailer)
        if (size := size + len(content)) > MOST:
            raise DataError(f"the attachments have more than {MOST:,} bytes; nothing was sent", refused=True)
        kind = attachment.get("content_type") or mimetypes.guess_type(name)[0] or "application/octet-stream"
        first, _, second = kind.partition("/")
        mail.add_attachment(content, maintype=first, subtype=second, filename=name)
    # nobody gets a mail twice, whatever lists they stand on
    recipients = {box.address.lower(): box for box in (*to, *cc, *bcc)}
    if not recipients:
        raise DataError("the mail has no recipient: to, cc and bcc are empty; nothing was sent", refused=True)
    return mail, list(recipients.values())


def message_id(key: str, sender: Mailbox) -> str:
    """The same for the same effect, so that who sees a mail twice can tell."""
    return f"<{key}@{sender.address.rpartition('@')[2]}>"


def _content(attachment: Mapping[str, Any], mailer: Mailer) -> tuple[str, bytes]:
    if "text" in attachment:
        return attachment["filename"], attachment["text"].encode()
    if "base64" in attachment:
        try:
            return attachment["filename"], base64.b64decode(attachment["base64"], validate=True)
        except binascii.Error as error:
            raise DataError(f"attachment {attachment['filename']} is not base64: {error}", refused=True) from None
    folder = mailer.opening.fields.get("folder")
    if folder is None:
        raise DataError(
            "an attachment is given by path, and the connection has no folder",
            refused=True,
            hint="set folder in connections.yaml, or give the attachment as text or base64",
        )
    path = below((mailer.opening.folder / folder).resolve(), attachment["path"])
    try:
        if path.stat().st_size > MOST:
            raise DataError(f"attachment {attachment['path']} has more than {MOST:,} bytes", refused=True)
        return attachment.get("filename", path.name), path.read_bytes()
    except OSError as error:
        raise DataError(f"attachment {attachment['path']}: {error.strerror}; nothing was sent", refused=True) from None


async def run(call: Call) -> Json:
    mailer: Mailer
    async with call.client() as mailer:
        try:
            mail, recipients = compose(call, mailer)
        except (ValueError, LookupError) as error:
            # the standard library's own refusals, such as half a character pair
            raise DataError(f"the mail cannot be made: {error}; nothing was sent", refused=True) from None
        all_or_none = call.config.get("refused_recipients") == "fail"
        taken = await mailer.send(recipients, mail, all_or_none=all_or_none)
    refused = [refusal.__dict__ for refusal in taken.refused]
    for one in taken.refused:
        call.warn(f"the mail server does not take mail for {one.address}: {one.code} {one.message}")
    gone = {one.address for one in taken.refused}
    return {
        "message_id": message_id(call.key, mailer.sender),
        "accepted": [box.address for box in recipients if box.address not in gone],
        "refused": refused,
        "answer": taken.answer,
    }


SEND_EMAIL = Action(
    name="send_email",
    title="Send an E-mail",
    description="Hands one mail to the mail server, with text, HTML or both, and attachments.",
    connection="email",
    config=CONFIG,
    output=OUTPUT,
    effect=Effect.WRITE,
    run=run,
    example={
        "to": "Ana <ana@example.com>",
        "subject": "Your points",
        "text": "You have 1,250 points.",
        "headers": {"List-Unsubscribe": "<https://shop.example.com/unsubscribe?c=ana>"},
    },
)
