"""What the table takes for true of Yotpo and Insider, and neither was seen to say."""

from __future__ import annotations

from engine import Assumption

_HERE = "modules.yotpo_to_insider"
_SETTLED = "one such event received from a real account"


def _unseen(what: str, carries: str, changed_by: str = "table:FILE") -> Assumption:
    return Assumption(
        about=f"body of {what}",
        assumed=f"It is recognised by its name, whatever its topic, has an e-mail or a customer, and {carries}.",
        changed_by=f"{_HERE}.{changed_by}",
        settled_by=_SETTLED,
        mark="unknown",
        source="the vendors' tables of events name it; no topic and no body was found",
    )


ASSUMPTIONS = (
    Assumption(
        about="names of events at Insider",
        assumed="Insider gets the lower snake case of its own name of an event, such as points_earned. The option "
        "event_names of map_event changes single names.",
        changed_by=f"{_HERE}.names:event_name",
        settled_by="the events that Insider lists for a shop whose Yotpo account is connected in its panel",
        mark="inferred",
        source="the names in the vendors' document, and the pattern that Insider takes; camel case is refused",
    ),
    _unseen("Birthday Captured", "birthday parts in its customer or at its top"),
    _unseen("Anniversary Captured", "anniversary parts in its customer or at its top"),
    _unseen("Loyalty Custom Reward Created", "a redemption and its option, as other redemptions"),
    _unseen("Referral Share Reminder", "the friend's e-mail at its top, as a share", "names:ABOUT_A_FRIEND"),
    Assumption(
        about="events beyond the document's table",
        assumed="Referral Completed, Referral Share, its reminder and Loyalty Expiration Reminder are sent as the "
        "others are: the document's table of events lacks them, and its tables of fields have theirs.",
        changed_by=f"{_HERE}.table:FILE",
        settled_by="the events that Insider lists for a shop whose Yotpo account is connected in its panel",
        mark="inferred",
        source="fields such as yotpo_email_referred and yotpo_days_to_point_expiration, which no other event has",
    ),
    Assumption(
        about="place of bare names",
        assumed="expires_at and expired of a coupon are those of the event's perk; birthday and anniversary parts "
        "stand in the customer; amounts of tiers stand in the loyalty record.",
        changed_by=f"{_HERE}.table:FILE",
        settled_by="one event of each kind from a real account",
        mark="inferred",
        source="what the names tell, and where the same names stand in Yotpo's examples",
    ),
    Assumption(
        about="time of an event",
        assumed="An event happened when its redemption or its perk was made, and without either when it came.",
        changed_by=f"{_HERE}.names:TIMES",
        settled_by="an event with a time of its own",
        mark="inferred",
        source="Yotpo's examples: no event has a time of its own",
    ),
    Assumption(
        about="records before events",
        assumed="What is read after an event came is not older than what the event says. The option prefer of "
        "map_event turns it round.",
        changed_by=f"{_HERE}.table:SOURCES",
        settled_by="events of a real account beside what its API answers at that moment",
        mark="inferred",
        source="an event tells of its own moment, and may be late",
    ),
    Assumption(
        about="lists",
        assumed="Topics of interest replace those that Insider has: users are sent with not_append.",
        changed_by=f"{_HERE}.names:NOT_APPEND",
        settled_by="two upserts with different topics into a real account",
        mark="inferred",
        source="Insider adds to lists where nothing else is said; Yotpo's list is whole each time",
    ),
    Assumption(
        about="null",
        assumed="Where Yotpo says null nothing is sent, and Insider keeps what it has. The option when_null says what "
        "is sent in its place.",
        changed_by=f"{_HERE}.values:filled",
        settled_by="one upsert with a null into a real account",
        mark="unknown",
        source="Insider's pages",
    ),
)
