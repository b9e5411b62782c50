"""Yotpo SMS & Email: customers, custom customer events, subscribers, lists, subscription forms, webhooks."""

from __future__ import annotations

from engine import App, hookimpl
from modules.yotpo_core.webhooks import WEBHOOKS
from modules.yotpo_messaging.assumptions import ASSUMPTIONS
from modules.yotpo_messaging.connection import CONNECTION
from modules.yotpo_messaging.custom_events import CREATE_OR_UPDATE_CUSTOM_EVENT
from modules.yotpo_messaging.customers import CREATE_OR_UPDATE_CUSTOMER, FIND_CUSTOMERS, RETRIEVE_CUSTOMER
from modules.yotpo_messaging.lists import (
    ADD_LIST_CONTACTS,
    CREATE_LIST,
    FIND_LISTS,
    REMOVE_LIST_CONTACTS,
    RETRIEVE_LIST,
)
from modules.yotpo_messaging.simulator import MessagingSimulator
from modules.yotpo_messaging.subscribers import CREATE_OR_UPDATE_SUBSCRIBER, FIND_SUBSCRIPTION_FORMS


@hookimpl
def engine_apps() -> App:
    return App(
        name="yotpo_messaging",
        title="Yotpo SMS & Email",
        description="Customers, custom events, subscribers, lists and webhook subscriptions of Yotpo SMS & Email.",
        modules=(
            CREATE_OR_UPDATE_CUSTOMER,
            RETRIEVE_CUSTOMER,
            FIND_CUSTOMERS,
            CREATE_OR_UPDATE_CUSTOM_EVENT,
            CREATE_OR_UPDATE_SUBSCRIBER,
            FIND_SUBSCRIPTION_FORMS,
            FIND_LISTS,
            RETRIEVE_LIST,
            CREATE_LIST,
            ADD_LIST_CONTACTS,
            REMOVE_LIST_CONTACTS,
            *WEBHOOKS,
        ),
        connections=(CONNECTION,),
        simulator=MessagingSimulator,
        assumptions=ASSUMPTIONS,
    )
