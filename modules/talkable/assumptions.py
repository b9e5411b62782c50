"""What this app takes for true of Talkable, and the vendor was not seen to say."""

from __future__ import annotations

from engine import Assumption

_ACCOUNT = "one call to a real site"

ASSUMPTIONS = (
    Assumption(
        about="shapes of calls and answers",
        assumed="Calls and answers are as the vendor's last public reference (February 2022) has them.",
        changed_by="",
        settled_by="the vendor's present reference, which needs a browser, or " + _ACCOUNT,
        mark="inferred",
        source="the public repository of the vendor's documentation before its reference moved",
    ),
    Assumption(
        about="form of Yotpo's values",
        assumed=(
            "sync_loyalty_data stores flat properties with yotpo_ before their names. The vendor's own app stores them "
            "nested under yotpo, which its rule for everybody else (flat values) does not allow."
        ),
        changed_by="yotpo_properties",
        settled_by="one nested property sent to a real site, and how a campaign reads it",
        mark="unknown",
        source="the vendor's pages on its Yotpo app and on custom properties, which do not agree",
    ),
    Assumption(
        about="a customer without a tier",
        assumed="No tier is stored as an empty text.",
        changed_by="modules.talkable.people:NO_TIER",
        settled_by="a null sent as a custom property to a real site",
        mark="inferred",
        source="values are text, numbers or booleans; null was not seen",
    ),
    Assumption(
        about="requests in a second",
        assumed="A site may make 5 requests in a second.",
        changed_by="requests_per_second",
        settled_by="the vendor's support: it throttles adaptively and publishes no numbers",
        mark="unknown",
        source="the vendor's page on limits",
    ),
    Assumption(
        about="which refusals prove that nothing was written",
        assumed="400, 401, 404 and 422 are answered before anything is written.",
        changed_by="modules.talkable.connection:REFUSED",
        settled_by="the vendor's support",
        mark="inferred",
        source="what the vendor says that these statuses mean",
        shown_by=(
            "a site that is not known is answered 404",
            "a key of data that is not documented is answered 400",
            "a name or value that breaks a rule is answered 422",
            "an origin without a referral is answered 404",
        ),
    ),
    Assumption(
        about="a referral that is settled already",
        assumed="Turning it round is answered 422, which is a Conflict here; the same status again is no error.",
        changed_by="modules.talkable.referrals:UPDATE_REFERRAL",
        settled_by="a referral settled twice on a real site",
        mark="inferred",
        source="the vendor says that it cannot be done, and what 422 means",
        shown_by=("such a turn is answered 422", "the same status again is answered as the first time"),
    ),
    Assumption(
        about="an origin that is sent twice",
        assumed="It counts twice, so that none is ever sent again on its own.",
        changed_by="modules.talkable.referrals:REGISTER_PURCHASE",
        settled_by="a purchase sent twice to a real site",
        mark="unknown",
        source="the vendor's reference",
        shown_by=("an origin that is sent twice is stored twice",),
    ),
    Assumption(
        about="a created origin",
        assumed="The person is created with it, and the answer is 201 with the origin.",
        changed_by="modules.talkable.referrals:REGISTER_EVENT",
        settled_by="an origin of an unknown person sent to a real site",
        mark="inferred",
        source="the vendor's reference names 200 and 201, and shows answers without their status",
        shown_by=("an origin's person is created when he is not there", "a created origin is answered 201"),
    ),
    Assumption(
        about="personal data",
        assumed="What the answer holds is handed on as it comes.",
        changed_by="modules.talkable.people:GET_PERSONAL_DATA",
        settled_by=_ACCOUNT,
        mark="unknown",
        source="the vendor's reference shows no answer of it",
        shown_by=("personal data are what is stored of the person, under person",),
    ),
    Assumption(
        about="pages of lists",
        assumed="Referrals, rewards, shares and campaigns come whole.",
        changed_by="modules.talkable.referrals:LIST_REFERRALS",
        settled_by="a person with hundreds of referrals on a real site",
        mark="inferred",
        source="the vendor's reference names no parameter for pages",
        shown_by=("a list has no pages",),
    ),
    Assumption(
        about="subject of an old webhook",
        assumed="Whom a payload is about stands under email, advocate_email or person.email.",
        changed_by="modules.talkable.webhooks:parse_form",
        settled_by="the sample of each type, which the vendor's dashboard sends",
        mark="inferred",
        source="the default payloads of a Custom App",
    ),
)
