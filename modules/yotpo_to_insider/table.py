"""The table of what goes where, from ``mapping.json``: the rows of the document, each with where its value stands.

Of four events the names are known, and neither topics nor bodies: an event of such a name is taken to have the common
shape (an e-mail, a customer) and the parts that its name tells of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

FILE = Path(__file__).with_name("mapping.json")
#: what a value can be read from
SOURCES = ("details", "record", "event")
HISTORICALLY = "historically and on every event"


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    :param insider: the document's cell; may be empty.
    :param yotpo: likewise.
    :param updated: the document's word for when.
    :param to: the place in a user of an upsert, such as ``attributes.custom.yotpo_points_earned``.
    :param paths: by source, where the value stands, the first that is there.
    :param parts: by source, where year, month and day stand, of what is one time made of three.
    :param only: Insider names of the only events that it is for; empty: of all.
    :param repeats: whether an earlier row of the document has the same name, and the value comes from that.
    """

    insider: str
    yotpo: str
    updated: str
    to: str
    paths: Mapping[str, Sequence[str]] = field(default_factory=dict)
    parts: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    only: Sequence[str] = ()
    repeats: bool = False
    note: str = ""

    @property
    def name(self) -> str:
        """The name at Insider, without where it stands."""
        return self.to.rpartition(".")[2]

    @property
    def historical(self) -> bool:
        """Whether the document has it sent for all customers at first, and not only with events."""
        return self.updated == HISTORICALLY


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event: Yotpo's name, Insider's, and the topic where it is known.

    :param about: ``shop``: it has no customer.
    :param listed: whether the document's table of events has it.
    """

    yotpo: str
    insider: str
    topic: str | None
    about: Literal["customer", "shop"] = "customer"
    listed: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """All rows, in the document's order."""

    attributes: Sequence[Row]
    parameters: Sequence[Row]
    events: Sequence[EventRow]


def _row(said: Mapping[str, Any]) -> Row:
    known = {name: value for name, value in said.items() if name not in SOURCES}
    return Row(**known, paths={source: said[source] for source in SOURCES if source in said})


def read() -> Table:
    """The table as it is shipped."""
    said = json.loads(FILE.read_text("utf-8"))
    return Table(
        [_row(row) for row in said["attributes"]],
        [_row(row) for row in said["parameters"]],
        [*(EventRow(**row) for row in said["events"]), *(EventRow(**row, listed=False) for row in said["more_events"])],
    )


TABLE = read()
