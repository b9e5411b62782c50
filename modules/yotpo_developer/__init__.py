"""Yotpo's App Developer API: what a shop's customers say in reviews, and what they are in the loyalty program."""

from __future__ import annotations

from engine import App, hookimpl
from modules.yotpo_developer.assumptions import ASSUMPTIONS
from modules.yotpo_developer.connection import CONNECTION
from modules.yotpo_developer.customers import RETRIEVE_CUSTOMER
from modules.yotpo_developer.review_assumptions import REVIEW_ASSUMPTIONS
from modules.yotpo_developer.reviews import CREATE_COMMENT, FIND_REVIEWS
from modules.yotpo_developer.simulator import DeveloperSimulator
from modules.yotpo_developer.webhooks import CREATE_WEBHOOK, DELETE_WEBHOOK, FIND_WEBHOOKS


@hookimpl
def engine_apps() -> App:
    return App(
        name="yotpo_developer",
        title="Yotpo App Developer",
        description="Review and loyalty attributes of customers, through Yotpo's App Developer API.",
        modules=(RETRIEVE_CUSTOMER, FIND_REVIEWS, CREATE_COMMENT, CREATE_WEBHOOK, FIND_WEBHOOKS, DELETE_WEBHOOK),
        connections=(CONNECTION,),
        simulator=DeveloperSimulator,
        assumptions=(*ASSUMPTIONS, *REVIEW_ASSUMPTIONS),
    )
