"""The module *Send a Message*."""

from __future__ import annotations

from typing import Any

from engine import Action, Call, Effect, Json, Schema

#: blocks of a message that Slack takes
MOST_BLOCKS = 50

CONFIG: Schema = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": ["text"]}, {"required": ["blocks"]}, {"required": ["attachments"]}],
    "properties": {
        "text": {
            "type": "string",
            "title": "Text",
            "description": "In Slack's mrkdwn; beside blocks, what notifications show.",
            "minLength": 1,
            "maxLength": 40_000,
        },
        "plain": {
            "type": "boolean",
            "title": "Plain",
            "description": (
                "Whether text is shown as it is: nothing in it becomes a link or calls people. For text from outside."
            ),
            "default": False,
        },
        "blocks": {
            "type": "array",
            "title": "Blocks",
            "description": "Slack's layout blocks, as its Block Kit Builder gives them.",
            "items": {
                "type": "object",
                "required": ["type"],
                "properties": {
                    "type": {"type": "string", "title": "Type", "description": "Such as section or divider."}
                },
            },
            "minItems": 1,
            "maxItems": MOST_BLOCKS,
        },
        "attachments": {
            "type": "array",
            "title": "Attachments",
            "description": "The older form of rich messages; other chats take them too.",
            "items": {"type": "object"},
            "minItems": 1,
            "maxItems": 100,
        },
        "unfurl_links": {
            "type": "boolean",
            "title": "Unfurl links",
            "description": "Whether links are shown with a preview.",
        },
    },
}

OUTPUT: Schema = {
    "type": "object",
    "required": ["answer"],
    "properties": {"answer": {"type": "string", "description": "What the webhook said: ok"}},
}


def escaped(text: str) -> str:
    """The text without a meaning in mrkdwn's links and mentions: Slack asks for these three to be escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


async def run(call: Call) -> Json:
    config = call.config
    body: dict[str, Any] = {name: value for name, value in config.items() if name != "plain"}
    if config.get("plain") and "text" in config:
        body["text"] = escaped(config["text"])
    answer = await call.http.request("POST", "", json=body)
    if answer.text != "ok":
        call.warn(f"the webhook answered {answer.status} {answer.text[:100]!r} in place of ok")
    return {"answer": answer.text[:500]}


SEND_MESSAGE = Action(
    name="send_message",
    title="Send a Message",
    description="Writes one message into the channel that the webhook belongs to.",
    connection="slack",
    config=CONFIG,
    output=OUTPUT,
    effect=Effect.WRITE,
    run=run,
    example={"text": "*Ana* has reached GOLD"},
)
