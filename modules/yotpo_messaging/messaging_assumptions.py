"""What this app takes for true of the messaging API, and the vendor was not seen to say."""

from __future__ import annotations

from engine import Assumption

_PAGES = "the vendor's pages on subscribers and lists could be read without it"

MESSAGING_ASSUMPTIONS = (
    Assumption(
        about="wrapper of a subscriber",
        assumed="A subscriber stands in the body without a wrapper.",
        changed_by="messaging_keys",
        settled_by="one opt-in sent to a real store",
        mark="inferred",
        source="the order of the fields on the vendor's page; an older body, seen in a shop's code, had the wrapper "
        "subscriber and other fields",
        shown_by=("a subscriber stands in the body without a wrapper; an older body with one is refused",),
    ),
    Assumption(
        about="key names of a subscriber's flags and suppression",
        assumed="They are skip_welcome_messages, double_opt_in, suppression_reason and suppression_timestamp.",
        changed_by="messaging_keys",
        settled_by="the vendor's page on subscribers, or one such opt-in sent to a real store",
        mark="unknown",
        source=_PAGES,
        shown_by=("key names of the flags and of the suppression's reason and time",),
    ),
    Assumption(
        about="paths, verbs and bodies of lists",
        assumed="Lists are at /lists, one at /lists/{list_id}, its contacts at /lists/{list_id}/contacts: POST "
        "adds to them, DELETE removes; a created list stands under list, contacts under contacts.",
        changed_by="messaging_paths",
        settled_by="the vendor's page on lists, or one list read from a real store",
        mark="unknown",
        source=_PAGES,
        shown_by=("paths, verbs and bodies of lists; their pages as those of customers",),
    ),
    Assumption(
        about="key names of answers about lists and forms",
        assumed="Lists stand under lists, one under list, forms under subscription_forms.",
        changed_by="messaging_keys",
        settled_by="one list and one form read from a real store",
        mark="unknown",
        source=_PAGES,
        shown_by=("a form has id, name and status",),
    ),
    Assumption(
        about="when an opt-in shows",
        assumed="Consent and list show with the customer 60 seconds after the opt-in.",
        changed_by="modules.yotpo_messaging.connection:VISIBLE_AFTER",
        settled_by="one opt-in, and the customer read again and again",
        mark="inferred",
        source="the vendor's page on creating customers, which take so long",
        shown_by=("a consent and its list show with the customer after 60 seconds, as other changes do",),
    ),
    Assumption(
        about="when a list shows",
        assumed="A list that was created is looked for 60 seconds later; one that does not show by then is not there.",
        changed_by="modules.yotpo_messaging.lists:CREATE_LIST",
        settled_by="one list created in a real store, and the lists read again and again",
        mark="inferred",
        source="the vendor's page on creating customers, which take so long",
    ),
    Assumption(
        about="an opt-in that comes too early",
        assumed="An opt-in before the last change shows is refused. Scenarios wait, so that nothing rests on it.",
        changed_by="",
        settled_by="the vendor's support: its guide says to wait, and not what happens otherwise",
        mark="inferred",
        source="the vendor's guide for influencer platforms",
        shown_by=("an opt-in for a customer whose last change does not show yet is answered 400",),
    ),
    Assumption(
        about="what subscribers and lists refuse",
        assumed="A channel without an address there is refused, and so is a list that is not known.",
        changed_by="modules.yotpo_messaging.subscribers:CHANNELS",
        settled_by="such calls to a real store",
        mark="inferred",
        source="what these fields mean",
        shown_by=(
            "a channel without the customer's address there is answered 400",
            "a list that is not there is answered 404",
        ),
    ),
    Assumption(
        about="twice on a list",
        assumed="Who is added to a list twice is on it once, and who is not on it can be removed.",
        changed_by="modules.yotpo_messaging.lists:ADD_LIST_CONTACTS",
        settled_by="one contact added twice to a real list",
        mark="inferred",
        source="what a list is",
        shown_by=("adding who is on a list, or removing who is not, changes nothing and is answered 200",),
    ),
    Assumption(
        about="double opt-in",
        assumed="With double opt-in no consent shows until the customer has confirmed.",
        changed_by="modules.yotpo_messaging.subscribers:settle_after",
        settled_by="one double opt-in in a real store",
        mark="inferred",
        source="what double opt-in means",
        shown_by=("with double opt-in no consent shows, because nobody confirms here",),
    ),
)
