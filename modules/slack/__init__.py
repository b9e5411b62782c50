"""Messages to a channel of Slack, or of a chat that takes Slack's incoming webhooks."""

from __future__ import annotations

from engine import CLIENT_ERRORS, App, Assumption, ConnectionType, ErrorTable, RateLimit, hookimpl
from modules.slack.send import SEND_MESSAGE
from modules.slack.simulator import SlackSimulator

CONNECTION = ConnectionType(
    name="slack",
    title="Slack incoming webhook",
    description="The URL of an incoming webhook. Whoever has it can write into the channel, so that it is a secret.",
    fields={
        "type": "object",
        "required": ["base_url"],
        "additionalProperties": False,
        "properties": {
            "base_url": {
                "type": "string",
                "title": "Webhook URL",
                "description": "The whole URL as Slack shows it, such as https://hooks.slack.com/services/T…/B…/…",
                "pattern": "^https?://[^\\s?#]+$",
                "writeOnly": True,
            }
        },
    },
    errors=ErrorTable(refused=CLIENT_ERRORS),
    rate=RateLimit(per_second=1),
)

ASSUMPTIONS = (
    Assumption(
        about="statuses of refusals",
        assumed="no_text is answered 400, no_service 404: the statuses of their like.",
        changed_by="modules.slack.simulator:REFUSALS",
        settled_by="one such message to a real webhook",
        mark="inferred",
        source="Slack's change log of 2016-05-17 names statuses for invalid_payload, channel_not_found and others only",
        shown_by=(
            "a message without text, blocks and attachments is answered 400 no_text",
            "an unknown webhook is answered 404 no_service",
        ),
    ),
    Assumption(
        about="which refusals prove that no message was written",
        assumed="Statuses 400 to 499 are answered before anything is written.",
        changed_by="modules.slack:CONNECTION",
        settled_by="Slack's support",
        mark="inferred",
        source="what these statuses mean (RFC 9110)",
    ),
    Assumption(
        about="messages a second",
        assumed="A webhook takes one message a second, and short bursts of more are left alone: none is relied on.",
        changed_by="requests_per_second",
        settled_by="Retry-After of a real 429",
        mark="inferred",
        source="Slack's page on rate limits: posting messages 1 per second, short bursts allowed without guarantee",
        shown_by=("more than one message in a second is answered 429 with Retry-After",),
    ),
)


@hookimpl
def engine_apps() -> App:
    return App(
        name="slack",
        title="Slack",
        description="Messages to a channel of Slack, or of a chat that takes Slack's incoming webhooks.",
        modules=(SEND_MESSAGE,),
        connections=(CONNECTION,),
        simulator=SlackSimulator,
        assumptions=ASSUMPTIONS,
    )
