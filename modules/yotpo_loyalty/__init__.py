"""Yotpo Loyalty & Referrals: watch its events, read its customers."""

from __future__ import annotations

from engine import App, hookimpl
from modules.yotpo_loyalty.connection import CONNECTION
from modules.yotpo_loyalty.customers import RETRIEVE_CUSTOMER
from modules.yotpo_loyalty.simulator import LoyaltySimulator
from modules.yotpo_loyalty.watch import WATCH_LOYALTY_EVENTS


@hookimpl
def engine_apps() -> App:
    return App(
        name="yotpo_loyalty",
        title="Yotpo Loyalty",
        description="Points, tiers, referrals and rewards of Yotpo Loyalty & Referrals (formerly Swell).",
        modules=(WATCH_LOYALTY_EVENTS, RETRIEVE_CUSTOMER),
        connections=(CONNECTION,),
        simulator=LoyaltySimulator,
    )
