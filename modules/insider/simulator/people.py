"""The users of a simulated account: who is known by what, and what is known of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

#: attributes that are personal data, by the vendor's page on anonymizing
PERSONAL = ("email", "phone_number", "uuid", "name", "surname", "birthday", "gender", "age", "country", "city")


@dataclass
class Person:
    """A user.

    :ivar identifiers: by name; those of an account's own with the prefix ``c_``.
    :ivar attributes: likewise.
    :ivar events: each once, in the order in which they came.
    """

    insider_id: str
    identifiers: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "insider_id": self.insider_id,
            "identifiers": self.identifiers,
            "attributes": self.attributes,
            "events": self.events,
        }


class People:
    """Everybody whom the vendor knows.

    :ivar hooks: what started journeys and fed data streams: whose event, and which.
    """

    def __init__(self) -> None:
        self.all: list[Person] = []
        self.hooks: list[tuple[str, str]] = []

    def find(self, user: Mapping[str, Any]) -> Person | None:
        """Whom these identifiers, or this id of the vendor's, belong to."""
        if user.get("insider_id"):
            return next((person for person in self.all if person.insider_id == user["insider_id"]), None)
        wanted = dict(_flat(user.get("identifiers") or {}))
        for name, value in wanted.items():
            for person in self.all:
                if person.identifiers.get(name) == value:
                    return person
        return None

    def upsert(self, user: Mapping[str, Any], *, skip_hook: bool) -> None:
        """Take a user that is right."""
        person = self.find(user)
        if person is None:
            person = Person(user.get("insider_id") or f"simulated-{len(self.all) + 1}")
            self.all.append(person)
        person.identifiers |= dict(_flat(user.get("identifiers") or {}))
        replaces = not user["append"] if "append" in user else bool(user.get("not_append"))
        for name, value in _flat(user.get("attributes") or {}):
            before = person.attributes.get(name)
            if isinstance(value, list) and isinstance(before, list) and not replaces:
                person.attributes[name] = [*before, *(one for one in value if one not in before)]
            else:
                person.attributes[name] = value
        for event in user.get("events") or ():
            if not skip_hook:
                self.hooks.append((person.insider_id, event["event_name"]))
            if event not in person.events:
                person.events.append(dict(event))

    def strip(self, user: Mapping[str, Any]) -> None:
        """Delete attributes of a user; of nobody there is nothing to delete."""
        person = self.find(user)
        if person is None:
            return
        own = user.get("custom") or {}
        for name in [*(user.get("whole") or ()), *(f"c_{name}" for name in own.get("whole") or ())]:
            person.attributes.pop(name, None)
        partial = {**(user.get("partial") or {}), **{f"c_{k}": v for k, v in (own.get("partial") or {}).items()}}
        for name, values in partial.items():
            if isinstance(person.attributes.get(name), list):
                person.attributes[name] = [one for one in person.attributes[name] if one not in values]

    def delete(self, user: Mapping[str, Any]) -> None:
        person = self.find(user)
        if person is not None:
            self.all.remove(person)

    def anonymize(self, person: Person) -> None:
        """Take away what is personal."""
        for name in PERSONAL:
            person.attributes.pop(name, None)
            person.identifiers.pop(name, None)

    def profile(self, person: Person, body: Mapping[str, Any]) -> dict[str, Any]:
        """What a read asks for."""
        found: dict[str, Any] = {}
        if "attributes" in body:
            known = {**person.identifiers, **person.attributes}
            found["attributes"] = {name: known[name] for name in body["attributes"] if name in known}
        if "events" in body:
            found["events"] = dict(_events(person, body["events"]))
        return found


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if name == "custom":
            yield from ((f"c_{own}", inner) for own, inner in value.items())
        else:
            yield name, value


def _events(person: Person, asked: Mapping[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for wanted in asked["wanted"]:
        found = []
        for event in person.events:
            at = datetime.fromisoformat(event["timestamp"]).timestamp()
            if event["event_name"] == wanted["event_name"] and asked["start_date"] <= at <= asked["end_date"]:
                known = {"timestamp": event["timestamp"], **dict(_flat(event.get("event_params") or {}))}
                found.append({name: known[name] for name in wanted["params"] if name in known})
        if found:
            yield wanted["event_name"], found
