"""What this app takes for true of SMS & Email, and the vendor was not seen to say."""

from __future__ import annotations

from engine import Assumption
from modules.yotpo_core.assumptions import WEBHOOK_ASSUMPTIONS
from modules.yotpo_messaging.messaging_assumptions import MESSAGING_ASSUMPTIONS

ASSUMPTIONS = (
    Assumption(
        about="path of custom events",
        assumed="Custom events go to /custom_events below the store's Core API.",
        changed_by="custom_event_path",
        settled_by="the vendor's page on custom customer events, or one event sent to a real store",
        mark="inferred",
        source="the names of the other paths; the vendor's page could be read without it",
        shown_by=("path, verb and key names of the event call",),
    ),
    Assumption(
        about="verb of custom events",
        assumed="Custom events are sent with POST.",
        changed_by="custom_event_method",
        settled_by="the vendor's page on custom customer events, or one event sent to a real store",
        mark="inferred",
        source="what it does; the vendor's page could be read without it",
    ),
    Assumption(
        about="key names of custom events",
        assumed="The keys are source, action_name, action_time and unique_id.",
        changed_by="custom_event_keys",
        settled_by="the vendor's page on custom customer events, or one event sent to a real store",
        mark="inferred",
        source="order and meaning of the keys on the vendor's page, which was seen without their names",
    ),
    Assumption(
        about="which refusals prove that nothing was written",
        assumed="400, 401, 403, 404, 406 and 422 are answered before anything is written.",
        changed_by="modules.yotpo_messaging.connection:REFUSED",
        settled_by="the vendor's page on errors",
        mark="inferred",
        source="what these statuses mean",
        shown_by=("a body that breaks a rule, or has a key that is not documented, is answered 400",),
    ),
    Assumption(
        about="form of an error",
        assumed='An error is {"errors": ["…"]}. No module reads it; it is shown to people as it came.',
        changed_by="modules.yotpo_messaging.simulator.rules:error_body",
        settled_by="any refused call to a real store",
        mark="unknown",
        source="the vendor's pages and public clients",
        shown_by=("a wrong secret, or a store that is not known, is answered 401",),
    ),
    Assumption(
        about="names of the filters of customers",
        assumed="GET /customers of this host filters by email and phone_number as the vendor's developer host does.",
        changed_by="modules.yotpo_messaging.connection:CUSTOMER_FILTERS",
        settled_by="one look-up by e-mail in a real store; records that do not fit are left out, so that a filter that "
        "is passed over is never taken for an answer",
        mark="inferred",
        source="the developer host's filters; external_ids was seen on this one",
        shown_by=("customers are listed by email and phone_number on this host too",),
    ),
    Assumption(
        about="several identifiers in one request",
        assumed="external_ids has commas between the identifiers.",
        changed_by="modules.yotpo_messaging.connection:IDS_BETWEEN",
        settled_by="one look-up of two identifiers in a real store",
        mark="inferred",
        source="the vendor takes a list, and was not seen to say how a list stands in a query",
        shown_by=("several external_ids stand in one parameter, with commas between them",),
    ),
    Assumption(
        about="names of a customer's fields",
        assumed="A customer shows the fields of the write under their own names.",
        changed_by="modules.yotpo_messaging.customers:CUSTOMER",
        settled_by="one customer read from a real store",
        mark="inferred",
        source="the names in PATCH /customers",
        shown_by=("a customer shows the fields of the write under their own names",),
    ),
    Assumption(
        about="answer to a write",
        assumed="What a changed customer or a stored event is answered is not relied on.",
        changed_by="",
        settled_by="one write to a real store",
        mark="unknown",
        source="the vendor's pages",
        shown_by=(
            "a stored event is answered 200 with an empty object",
            "a changed customer is answered 200 with an empty object",
        ),
    ),
    Assumption(
        about="word for never subscribed",
        assumed="The consent of who never agreed nor objected is never_subscribed.",
        changed_by="modules.yotpo_messaging.simulator.customers:NEVER_SUBSCRIBED",
        settled_by="one new customer read from a real store",
        mark="unknown",
        source="the vendor describes the state and not its word",
        shown_by=("who never agreed nor objected shows the consent never_subscribed",),
    ),
    *MESSAGING_ASSUMPTIONS,
    *WEBHOOK_ASSUMPTIONS,
)
