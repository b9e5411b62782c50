"""Insider: users' attributes and events, through the vendor's unification API."""

from __future__ import annotations

from engine import App, hookimpl
from modules.insider.assumptions import ASSUMPTIONS
from modules.insider.connection import CONNECTION
from modules.insider.profile import RETRIEVE_PROFILE
from modules.insider.removal import ANONYMIZE_USER, DELETE_ATTRIBUTES, DELETE_USER
from modules.insider.simulator import InsiderSimulator
from modules.insider.upsert import UPSERT_USER, UPSERT_USERS


@hookimpl
def engine_apps() -> App:
    return App(
        name="insider",
        title="Insider",
        description="Attributes and events of users, in batches of up to 1,000, with an outcome for each user.",
        modules=(UPSERT_USERS, UPSERT_USER, RETRIEVE_PROFILE, DELETE_ATTRIBUTES, DELETE_USER, ANONYMIZE_USER),
        connections=(CONNECTION,),
        simulator=InsiderSimulator,
        assumptions=ASSUMPTIONS,
    )
