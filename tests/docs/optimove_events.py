"""The page of Optimove's loyalty events, made from the app's list of them."""

from __future__ import annotations

from modules.optimove.loyalty import EVENTS, LoyaltyEvent

_HEAD = """\
# Optimove: the twelve loyalty events

Made from the code; `python -m tests.docs.generate apps/optimove_events` prints it anew.

What [Optimove](optimove.md) takes from Yotpo Loyalty, as the integration's guide lists it, with our names. A parameter
is called as its place in Yotpo's body is, with underscores; whom the event is about is always `customer_…`, and its
e-mail address is the customer ID. What is absent or null in the body is left out. Texts have up to 255 characters;
times are texts as Yotpo writes them; money is in cents, but for the two balances, which are texts such as `$6.40`.

Left out on purpose: identifiers that only programs need, counters of clicks, and the address of a friend, who gave it
to nobody for this.

| event | name | Yotpo's topic | parameters |
| --- | --- | --- | --- |
"""
_EVENT = """
## {title}

`{name}`, from {topics}.

| parameter | type | in Yotpo's body |
| --- | --- | --- |
"""


def optimove_events_page() -> str:
    rows = "".join(
        f"| [{event.title}](#{_anchor(event.title)}) | `{event.name}` | {_topics(event)} | {len(event.parameters)} |\n"
        for event in EVENTS
    )
    return _HEAD + rows + "".join(_section(event) for event in EVENTS)


def _section(event: LoyaltyEvent) -> str:
    head = _EVENT.format(title=event.title, name=event.name, topics=_topics(event))
    return head + "".join(
        f"| `{one.name}` | {one.kind} | {'told from ' if one.read else ''}`{one.source}` |\n"
        for one in event.parameters
    )


def _topics(event: LoyaltyEvent) -> str:
    return " and ".join(f"`{topic}`" for topic in event.topics)


def _anchor(title: str) -> str:
    return title.lower().replace("/", "").replace(" ", "-")
