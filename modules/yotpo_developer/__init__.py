"""Yotpo's App Developer API: what a shop's customers say in reviews, and what they are in the loyalty program."""

from __future__ import annotations

from engine import App, hookimpl
from modules.yotpo_developer.assumptions import ASSUMPTIONS
from modules.yotpo_developer.connection import CONNECTION
from modules.yotpo_developer.customers import RETRIEVE_CUSTOMER
from modules.yotpo_developer.simulator import DeveloperSimulator


@hookimpl
def engine_apps() -> App:
    return App(
        name="yotpo_developer",
        title="Yotpo App Developer",
        description="Review and loyalty attributes of customers, through Yotpo's App Developer API.",
        modules=(RETRIEVE_CUSTOMER,),
        connections=(CONNECTION,),
        simulator=DeveloperSimulator,
        assumptions=ASSUMPTIONS,
    )
