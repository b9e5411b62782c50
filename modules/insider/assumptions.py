"""What this app takes for true of Insider, and the vendor was not seen to say."""

from __future__ import annotations

from engine import Assumption

_ACCOUNT = "one such request to a real account"

ASSUMPTIONS = (
    Assumption(
        about="capitals in names of events",
        assumed="An event's name has no capitals, although the vendor's pattern allows them behind the first letter.",
        changed_by="modules.insider.schemas:EVENT_NAME",
        settled_by=_ACCOUNT,
        mark="inferred",
        source="the vendor's published answer to homepageView, which refuses it by that pattern",
    ),
    Assumption(
        about="users who are partly right",
        assumed="A user with any fault is not taken at all, so that the whole user is sent again.",
        changed_by="modules.insider.answers:outcomes",
        settled_by="a user with a good attribute and a bad event, and a look at the profile",
        mark="inferred",
        source="the vendor's published answers count such a user among those that failed",
        shown_by=("a user with one wrong event is not taken at all",),
    ),
    Assumption(
        about="counts in an answer",
        assumed="fail.count counts users, and successful.count all the others. Where they do not agree, only the users "
        "that are named are known.",
        changed_by="modules.insider.answers:outcomes",
        settled_by="an answer about several users of whom one has several faults",
        mark="inferred",
        source="the vendor's published answer about one user with two faults, whose count is 1",
    ),
    Assumption(
        about="other faults of users",
        assumed="Faults of attributes and times are named as those that were seen: users.N, the field, the rule.",
        changed_by="",
        settled_by=_ACCOUNT,
        mark="inferred",
        source="the keys that the vendor publishes, all of which are about identifiers and events",
        shown_by=("the keys and messages about attributes, times, and users without anything to say",),
    ),
    Assumption(
        about="too many users",
        assumed="A request with more than 1,000 users is refused as a whole; the app sends none.",
        changed_by="modules.insider.connection:MOST_USERS",
        settled_by=_ACCOUNT,
        mark="unknown",
        source="the vendor's pages name the limit, and not the answer",
        shown_by=("more than 1,000 users are answered 400, and nobody is taken",),
    ),
    Assumption(
        about="events that are sent twice",
        assumed="The same event sent twice is one entry, and may start a journey twice; so it is not repeated unless "
        "may_repeat says so.",
        changed_by="modules.insider.upsert:effect",
        settled_by="the same event sent twice to an account with a journey that starts on it",
        mark="inferred",
        source="the vendor's page on exports: the same event a hundred times is one entry in its database",
    ),
    Assumption(
        about="nulls",
        assumed="A null is left out, so that the attribute stays as it is.",
        changed_by="modules.insider.schemas:without_nulls",
        settled_by=_ACCOUNT,
        mark="unknown",
        source="the vendor's pages on upserts",
    ),
    Assumption(
        about="values that a list has already",
        assumed="A value that a list attribute has is not added again. The app does not rest on it.",
        changed_by="modules.insider.upsert:effect",
        settled_by="the same value sent twice, and a look at the profile",
        mark="unknown",
        source="the vendor's page says that values are added",
        shown_by=("values that a list has already are not added to it again",),
    ),
    Assumption(
        about="which refusals prove that nothing was written",
        assumed="400, 401, 403 and 404 are answered before anything is written.",
        changed_by="modules.insider.connection:REFUSED",
        settled_by="the vendor's support",
        mark="inferred",
        source="the vendor's pages: with a wrong token nothing is executed; the others by their meaning",
    ),
    Assumption(
        about="answers to deletions",
        assumed="A deletion of attributes is answered as an upsert is, or by an empty object that means success.",
        changed_by="modules.insider.answers:outcomes",
        settled_by="a deletion for a user whom the vendor does not take",
        mark="inferred",
        source="the vendor's page shows the empty object, its published requests the other",
        shown_by=("deletions of attributes are answered as upserts are", "to delete what is not there is no error"),
    ),
    Assumption(
        about="anonymized users",
        assumed="A user who was anonymized is not found by e-mail, phone number or uuid any more.",
        changed_by="",
        settled_by="a second anonymization of the same user",
        mark="inferred",
        source="the vendor's page: these values are deleted",
        shown_by=("an anonymized user is not found by e-mail, phone number or uuid any more",),
    ),
    Assumption(
        about="whom identifiers mean",
        assumed="A user is found by any of the identifiers, and gets the others.",
        changed_by="",
        settled_by="the account's settings of identity resolution",
        mark="inferred",
        source="the vendor's words on unifying users",
        shown_by=("a user is found by the first of its identifiers that somebody has, and gets the others",),
    ),
    Assumption(
        about="reads without anything that is wanted",
        assumed="A read that asks for neither attributes nor events is refused; the app sends none.",
        changed_by="modules.insider.profile:CONFIG",
        settled_by=_ACCOUNT,
        mark="inferred",
        source="the vendor's page: one of the two is required",
        shown_by=("a read without attributes and events is answered 400",),
    ),
    Assumption(
        about="where a minute begins",
        assumed="Requests are counted by minutes of the clock. The app paces by the second.",
        changed_by="requests_per_second",
        settled_by="the vendor's support",
        mark="unknown",
        source="the vendor's page on limits",
        shown_by=("a minute is counted from its first second on",),
    ),
)
