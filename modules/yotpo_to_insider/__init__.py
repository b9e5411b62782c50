"""Yotpo's loyalty and review data in Insider's words: the table of the two vendors' document, as two transforms."""

from __future__ import annotations

from engine import App, hookimpl
from modules.yotpo_to_insider.assumptions import ASSUMPTIONS
from modules.yotpo_to_insider.modules import MAP_CUSTOMER, MAP_EVENT


@hookimpl
def engine_apps() -> App:
    return App(
        name="yotpo_to_insider",
        title="Yotpo to Insider",
        description="Which attribute and event of Yotpo Loyalty is which at Insider: users for insider.upsert_users.",
        modules=(MAP_EVENT, MAP_CUSTOMER),
        assumptions=ASSUMPTIONS,
    )
