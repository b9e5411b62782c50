"""Talkable: people, loyalty members, referrals, and its webhooks."""

from __future__ import annotations

from engine import App, hookimpl
from modules.talkable.assumptions import ASSUMPTIONS
from modules.talkable.connection import CONNECTION
from modules.talkable.loyalty import LOYALTY
from modules.talkable.people import PEOPLE
from modules.talkable.referrals import REFERRALS
from modules.talkable.simulator import TalkableSimulator
from modules.talkable.webhooks import WATCH_CUSTOM_APP, WATCH_WEBHOOKS


@hookimpl
def engine_apps() -> App:
    return App(
        name="talkable",
        title="Talkable",
        description="People, loyalty members, origins, referrals and rewards of a Talkable site, and its webhooks.",
        modules=(WATCH_CUSTOM_APP, WATCH_WEBHOOKS, *PEOPLE, *LOYALTY, *REFERRALS),
        connections=(CONNECTION,),
        simulator=TalkableSimulator,
        assumptions=ASSUMPTIONS,
    )
