"""Yotpo Loyalty & Referrals: watch its events, read and change its customers and their points."""

from __future__ import annotations

from engine import App, hookimpl
from modules.yotpo_loyalty.actions import RECORD_CUSTOMER_ACTION
from modules.yotpo_loyalty.api_call import MAKE_API_CALL
from modules.yotpo_loyalty.assumptions import ASSUMPTIONS
from modules.yotpo_loyalty.campaigns import LIST_CAMPAIGNS
from modules.yotpo_loyalty.connection import CONNECTION
from modules.yotpo_loyalty.customers import CREATE_OR_UPDATE_CUSTOMER, RETRIEVE_CUSTOMER
from modules.yotpo_loyalty.everybody import LIST_CUSTOMERS
from modules.yotpo_loyalty.orders import CREATE_ORDER, CREATE_REFUND
from modules.yotpo_loyalty.points import ADJUST_POINTS
from modules.yotpo_loyalty.recent import LIST_RECENT_CUSTOMERS, WATCH_RECENT_CUSTOMERS
from modules.yotpo_loyalty.redemptions import CREATE_REDEMPTION, LIST_REDEMPTION_OPTIONS
from modules.yotpo_loyalty.simulator import LoyaltySimulator
from modules.yotpo_loyalty.tiers import LIST_VIP_TIERS
from modules.yotpo_loyalty.watch import WATCH_LOYALTY_EVENTS


@hookimpl
def engine_apps() -> App:
    return App(
        name="yotpo_loyalty",
        title="Yotpo Loyalty",
        description="Points, tiers, referrals and rewards of Yotpo Loyalty & Referrals (formerly Swell).",
        modules=(
            WATCH_LOYALTY_EVENTS,
            WATCH_RECENT_CUSTOMERS,
            CREATE_OR_UPDATE_CUSTOMER,
            RETRIEVE_CUSTOMER,
            LIST_RECENT_CUSTOMERS,
            LIST_CUSTOMERS,
            RECORD_CUSTOMER_ACTION,
            ADJUST_POINTS,
            LIST_CAMPAIGNS,
            LIST_REDEMPTION_OPTIONS,
            CREATE_REDEMPTION,
            LIST_VIP_TIERS,
            CREATE_ORDER,
            CREATE_REFUND,
            MAKE_API_CALL,
        ),
        connections=(CONNECTION,),
        simulator=LoyaltySimulator,
        assumptions=ASSUMPTIONS,
    )
