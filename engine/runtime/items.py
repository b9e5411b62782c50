"""The items of a batch as journal and scenarios have them: what became of each, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.runtime.outcomes import Interrupted, PluginFault
from engine.sdk import jsontext
from engine.sdk.batches import Batch, Done, ItemOutcome, Refused
from engine.sdk.errors import STANDARD_TYPES, ModuleError
from engine.sdk.modules import Config

Item = dict[str, Any]

#: characters of an item's message, and bytes of its detail, that are kept
LONGEST_MESSAGE = 500
LARGEST_DETAIL = 2000
#: what an item may have become, in the order in which it is counted
STATES = ("done", "refused", "unknown")
#: types of errors that a row can hold
_TYPES = {*STANDARD_TYPES, Interrupted.__name__, PluginFault.__name__}
_KEPT = ("code", "message", "status", "retry_after", "detail")


def answered(batch: Batch, config: Config, outcomes: Any) -> dict[str, Any]:
    """What a batch's ``run`` gave, as JSON. Raises ``TypeError``."""
    given = config[batch.items]
    fine = isinstance(outcomes, Sequence) and all(isinstance(one, ItemOutcome) for one in outcomes)
    if not fine or len(outcomes) != len(given):
        raise TypeError(f"{len(given)} items want as many of Done, Refused and Unknown, not {outcomes!r:.200}")
    return counted([_item(place, key_of(batch, given[place]), one) for place, one in enumerate(outcomes)])


def all_done(batch: Batch, config: Config, output: Any) -> dict[str, Any]:
    """Outcomes that are made up."""
    return answered(batch, config, [Done(output)] * len(config[batch.items]))


def _item(place: int, key: str | None, outcome: ItemOutcome) -> Item:
    item: Item = {"index": place, "key": key}
    if isinstance(outcome, Done):
        return item | {"state": "done"} | ({} if outcome.output is None else {"output": outcome.output})
    return item | {
        "state": "refused" if isinstance(outcome, Refused) else "unknown",
        "error": error_json(outcome.error),
    }


def key_of(batch: Batch, item: Any) -> str | None:
    """What people know an item by."""
    try:
        key = None if batch.key is None else batch.key(item)
        return None if key is None else str(key)
    except Exception:  # noqa: BLE001 - an item that is not as the schema says has no name
        return None


def error_json(error: ModuleError) -> dict[str, Any]:
    """An item's error, cut to what a thousand of them may take."""
    about = error.to_json()
    kept = {name: about[name] for name in _KEPT if about[name] is not None}
    kept["message"] = kept["message"][:LONGEST_MESSAGE]
    try:
        if jsontext.size(kept.get("detail")) > LARGEST_DETAIL:
            del kept["detail"]
    except TypeError:
        # the detail is the plugin's, and may be anything
        kept["detail"] = repr(kept["detail"])[:LONGEST_MESSAGE]
    names = [kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _TYPES]
    return {"type": names[0] if names else ModuleError.__name__, **kept}


def without_oddities(items: Sequence[Item]) -> list[Item]:
    """The items without outputs that are no JSON."""
    return [item if _is_json(item.get("output")) else without_output(item) for item in items]


def without_output(item: Item) -> Item:
    """An item without what the vendor said of it."""
    return {name: item[name] for name in item if name != "output"}


def _is_json(value: Any) -> bool:
    try:
        jsontext.dumps(value)
    except TypeError:
        return False
    return True


def counted(items: Sequence[Item]) -> dict[str, Any]:
    """The step's output."""
    states = [item["state"] for item in items]
    return {"items": list(items), **{state: states.count(state) for state in STATES}}


def is_outcome(output: Any) -> bool:
    """Whether a value is the outcome of a batch."""
    return isinstance(output, dict) and {"items", *STATES} <= output.keys() and isinstance(output["items"], list)


def in_words(output: Mapping[str, Any]) -> str:
    """How many items are done, for people."""
    return ", ".join(f"{output[state]} {state}" for state in STATES if output[state]) or "no items"
