"""What this app takes for true of the Core API's webhook subscriptions, and the vendor was not seen to say."""

from __future__ import annotations

from engine import Assumption

_ONE = "one target, one filter and one subscription made in a real store"
_PAGE = "the vendor's page on webhooks could be read without it"

WEBHOOK_ASSUMPTIONS = (
    Assumption(
        about="paths of webhook subscriptions",
        assumed="Targets, filters and subscriptions are at /webhooks/… below the store's Core API, one at its id.",
        changed_by="webhook_paths",
        settled_by=_ONE,
        mark="inferred",
        source="the code of one project, whose author calls the three calls that create known to work; that one is at "
        "its id, and that subscriptions can be listed, was seen nowhere",
        shown_by=("paths and wrappers of targets, filters and subscriptions, and the list of targets and filters",),
    ),
    Assumption(
        about="key names of webhook subscriptions",
        assumed="Bodies and answers have webhook_target, webhook_filter and webhook_subscription around them, lists "
        "the plural of that; what was created shows its id.",
        changed_by="webhook_keys",
        settled_by=_ONE,
        mark="inferred",
        source="the bodies in the same project's code; its answers were not seen",
        shown_by=(
            "what is created is answered 201 in its wrapper, with a number as id",
            "targets, filters and subscriptions are listed under plural names, in pages as customers are",
        ),
    ),
    Assumption(
        about="verb that changes a target",
        assumed="A target is changed with PATCH, and things are deleted with DELETE.",
        changed_by="webhook_update_method",
        settled_by="the vendor's page on targets, or one target changed in a real store",
        mark="inferred",
        source="PATCH /customers of the same API; that targets can be changed and deleted is the vendor's word",
        shown_by=("a target is changed by PATCH; the others are not changed, and deleted alike",),
    ),
    Assumption(
        about="what webhook subscriptions refuse",
        assumed="Unknown event types and identifiers are refused, and so is deleting what a subscription has.",
        changed_by="modules.yotpo_messaging.connection:REFUSED",
        settled_by="such calls to a real store",
        mark="inferred",
        source="what these fields mean",
        shown_by=(
            "a filter without event types, or with one that is not the vendor's, is answered 400",
            "a subscription to a target or filter that is not there is answered 404",
            "a target or filter that a subscription has is not deleted: 400",
            "changing or deleting what is not there is answered 404",
        ),
    ),
    Assumption(
        about="the same target, filter or subscription twice",
        assumed="What is made twice is there twice. A lost answer is looked for in the list first.",
        changed_by="modules.yotpo_core.webhooks:CREATE_WEBHOOK_TARGET",
        settled_by="one target made twice in a real store",
        mark="unknown",
        source=_PAGE,
        shown_by=("the same target, filter or subscription made twice is there twice",),
    ),
    Assumption(
        about="what lists of webhook subscriptions show",
        assumed="A target shows its url, a filter its event_types, a subscription its target_id and filter_id. `engine "
        "webhooks attach` looks at them; of a subscription whose topics cannot be told it makes no second one.",
        changed_by="modules.yotpo_core.attaching:calls_for",
        settled_by=_ONE,
        mark="inferred",
        source="the bodies by which they are made; two of the lists were seen to be asked for, no answer was",
    ),
    Assumption(
        about="bodies of webhook subscriptions",
        assumed="An event's body is that of the loyalty program's URL, or of the reviews' webhooks.",
        changed_by="",
        settled_by="one event of a subscription in a real store",
        mark="inferred",
        source="the vendor lists the same topics for both ways",
        shown_by=(
            "bodies on this channel are those of the loyalty program's and the reviews' own webhooks",
            "for several subscriptions the same event has the same eventid",
            "it is sent to the one address that the simulator was told, since a target must be https",
        ),
    ),
)
