"""A write of many items in one call, of which each has an outcome of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.sdk.errors import ModuleError

#: the key of the config that says what a step does with items that stay refused
ON_REFUSED = "on_refused"
#: its values: the step fails; or it goes on, with those items in its output
FAIL, CONTINUE = "fail", "continue"

#: the schema of that key, which every batch has
ON_REFUSED_SCHEMA: Mapping[str, Any] = {
    "type": "string",
    "title": "When items are refused",
    "description": (
        "What happens when the vendor refuses items, and tries do not help: the step fails (fail), or it goes on with "
        "them in its output (continue). A call that is refused as a whole fails the step either way."
    ),
    "enum": [FAIL, CONTINUE],
    "default": FAIL,
}


@dataclass(frozen=True, slots=True)
class Done:
    """The vendor took the item. ``output`` is what it said of it."""

    output: Any = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The vendor did not take the item: nothing of it was applied.

    :param error: why. Its type says whether another try may help: see ``transient``.
    """

    error: ModuleError


@dataclass(frozen=True, slots=True)
class Unknown:
    """Whether the vendor took the item is not known."""

    error: ModuleError


#: what became of one item
ItemOutcome = Done | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Batch:
    """Says that an action writes many items in one call, and where they are.

    Its ``run`` gives a list with one ``Done``, ``Refused`` or ``Unknown`` for each item, in their order. What it raises
    is said of all of them. Only what is not done is sent again, so that a later ``run`` may see fewer items.

    :param items: the key of the config that holds the list.
    :param key: pure; what people know an item by, such as an e-mail address; None where it has no such thing.
    :param most: how many items a call may have at most.
    :param max_bytes: how many bytes the list may have as JSON; None: any number.
    """

    items: str
    key: Callable[[Any], str | None] | None = None
    most: int = 1000
    max_bytes: int | None = None


def batch_output(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a batch's output, made from that of one item's output."""
    count = {"type": "integer", "minimum": 0}
    return {
        "type": "object",
        "title": "Outcomes",
        "description": "What became of each item.",
        "required": ["items", "done", "refused", "unknown"],
        "properties": {
            "items": {
                "type": "array",
                "title": "Items",
                "description": "The outcome of each item, in the order in which they were given.",
                "items": {
                    "type": "object",
                    "required": ["index", "key", "state"],
                    "properties": {
                        "index": {**count, "title": "Index", "description": "The item's place in the list, from 0."},
                        "key": {
                            "type": ["string", "null"],
                            "title": "Key",
                            "description": "What the item is known by, where it has such a thing.",
                        },
                        "state": {
                            "type": "string",
                            "enum": ["done", "refused", "unknown"],
                            "title": "State",
                            "description": "What is known of it.",
                        },
                        "attempt": {
                            "type": "integer",
                            "minimum": 1,
                            "title": "Attempt",
                            "description": "The attempt in which it was sent last.",
                        },
                        "output": {"title": "Output", "description": "What the vendor said of it.", **item},
                        "error": {
                            "type": "object",
                            "title": "Error",
                            "description": "Why it is not done.",
                            "required": ["type", "message"],
                            "properties": {
                                "type": {"type": "string", "title": "Type", "description": "The error's type."},
                                "code": {"type": "string", "title": "Code", "description": "The error's code."},
                                "message": {"type": "string", "title": "Message", "description": "What is wrong."},
                                "status": {
                                    "type": ["integer", "null"],
                                    "title": "Status",
                                    "description": "HTTP status of the vendor's answer, where it tells of this item.",
                                },
                                "detail": {"title": "Detail", "description": "What the vendor said."},
                            },
                        },
                    },
                },
            },
            "done": {**count, "title": "Done", "description": "How many items the vendor has taken."},
            "refused": {**count, "title": "Refused", "description": "How many it has not taken."},
            "unknown": {**count, "title": "Unknown", "description": "Of how many that is not known."},
        },
    }


def with_on_refused(name: str, batch: Batch, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a batch's config, completed. Raises ``ValueError``."""
    properties = config.get("properties", {})
    if batch.items not in properties:
        raise ValueError(f"action {name}: its config has no '{batch.items}', where the items of its batch are to be")
    if batch.most < 1 or (batch.max_bytes is not None and batch.max_bytes < 1):
        raise ValueError(f"action {name}: a batch has room for one item at least")
    if properties.get(ON_REFUSED, ON_REFUSED_SCHEMA) != ON_REFUSED_SCHEMA:
        raise ValueError(f"action {name}: '{ON_REFUSED}' of a batch is the engine's own")
    return {**config, "properties": {**properties, ON_REFUSED: ON_REFUSED_SCHEMA}}


Outcomes = Sequence[ItemOutcome]
