"""Yotpo SMS & Email, through the Core API: write and read customers, send custom customer events."""

from __future__ import annotations

from engine import App, hookimpl
from modules.yotpo_messaging.assumptions import ASSUMPTIONS
from modules.yotpo_messaging.connection import CONNECTION
from modules.yotpo_messaging.custom_events import CREATE_OR_UPDATE_CUSTOM_EVENT
from modules.yotpo_messaging.customers import CREATE_OR_UPDATE_CUSTOMER, FIND_CUSTOMERS, RETRIEVE_CUSTOMER
from modules.yotpo_messaging.simulator import MessagingSimulator


@hookimpl
def engine_apps() -> App:
    return App(
        name="yotpo_messaging",
        title="Yotpo SMS & Email",
        description="Customers and custom events of Yotpo SMS & Email, through the Core API.",
        modules=(CREATE_OR_UPDATE_CUSTOMER, RETRIEVE_CUSTOMER, FIND_CUSTOMERS, CREATE_OR_UPDATE_CUSTOM_EVENT),
        connections=(CONNECTION,),
        simulator=MessagingSimulator,
        assumptions=ASSUMPTIONS,
    )
