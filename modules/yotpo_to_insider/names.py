"""What is inferred of the names and values that Insider wants: each in one place."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: The document on Yotpo's data in Insider names events in capitals and spaces; what is sent as ``event_name`` is not
#: published. A name in lower snake case is one that Insider takes.
_APART = re.compile(r"[^a-z0-9]+")

#: Yotpo puts this before most names of events; the document's Insider names lack it
PREFIX = "Swell "

#: Events whose top-level e-mail is the friend's; the customer is ``customer``, or else ``from``. That the reminder is
#: like the share is inferred: its body was not seen.
ABOUT_A_FRIEND = frozenset({"Referral Share", "Referral Share Reminder"})

#: Where an event tells of its customer. A completed referral has the one who recommended under ``referrer``.
CUSTOMER_KEYS = ("customer", "referrer")

#: Where an event says when it happened, the first that is there: Yotpo gives an event itself no time.
TIMES = ("redemption.created_at", "perk.created_at")

#: Whether Insider takes a list in place of the one that it has, rather than adding to it: topics come whole.
NOT_APPEND = True


def event_name(insider: str, changed: Mapping[str, str]) -> str:
    """What Insider gets as ``event_name``: lower snake case, where the author says nothing else."""
    return changed.get(insider) or _APART.sub("_", insider.lower()).strip("_")


def plain(name: str) -> str:
    """A Yotpo event's name without what Yotpo puts before most of them."""
    return name.strip().removeprefix(PREFIX)
