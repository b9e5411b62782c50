"""Writes of many items: what is known of each, what is sent again, and how the step ends.

The row of such a write has the outcomes of all items as its output from its intent on, those of earlier attempts
included: an item that is under way counts as unknown, and has no error yet. So whoever finds the row knows all that is
known, whatever died. Only a row whose items are all done is done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from engine.runtime.elsewhere import Found, found
from engine.runtime.error_texts import restored, restored_from
from engine.runtime.items import Item, counted, error_json, is_outcome, key_of, without_oddities, without_output
from engine.runtime.journal import Journal, attempt_key
from engine.runtime.outcomes import Diverged, Interrupted, Verdict
from engine.scenario.config import mistaken
from engine.scenario.plan import ModuleStep
from engine.sdk import jsontext
from engine.sdk.batches import CONTINUE, ON_REFUSED, Batch
from engine.sdk.errors import DataError, ModuleError
from engine.sdk.modules import Action, Config, Effect
from engine.store.records import EffectRecord, EffectState

#: items that a message names, and that an error's detail lists
NAMED = 3
LISTED = 20
#: key of a row's output that says that the last call failed as a whole
_WHOLE = "whole"


class PartOfBatch(Exception):
    """Items of a batch are not done.

    :param error: the step's, should it fail.
    :param output: the outcomes of all items.
    :param again: whether another try may help.
    :param unknown: whether the outcome of an item is not known, and may not be found out by sending it again.
    :param goes_on: whether the author wants to go on all the same.
    """

    def __init__(self, error: ModuleError, output: Any, *, again: bool, unknown: bool, goes_on: bool) -> None:
        super().__init__(error.message)
        self.error = error
        self.output = output
        self.again = again
        self.unknown = unknown
        self.goes_on = goes_on

    def after(self, verdict: Verdict) -> Any:
        """The step's output after a person's word on what is not done: it happened, or is left out."""
        if verdict.choice != "happened":
            return self.output
        items = [dict(item) for item in self.output["items"]]
        _happened([item for item in items if item["state"] != EffectState.DONE], verdict.output)
        return counted(items)


# ---------------------------------------------------------------------- what is sent


def check(batch: Batch, config: Config) -> None:
    """Raise ``DataError`` for a list that is too long or too large."""
    items = config[batch.items]
    size = jsontext.size(items) if batch.max_bytes is not None else 0
    if len(items) > batch.most:
        fault = f"'{batch.items}' has {len(items):,} items, and one call takes {batch.most:,}"
    elif batch.max_bytes is not None and size > batch.max_bytes:
        fault = f"'{batch.items}' has {size:,} bytes, and one call takes {batch.max_bytes:,}"
    else:
        return
    hint = f"go over parts of the list: `foreach: ${{{{ chunk(…, {min(batch.most, 500)}) }}}}`"
    raise DataError(f"{fault}; nothing was sent", refused=True, hint=hint)


def begin(
    step: ModuleStep, batch: Batch, journal: Journal, path: str, attempt: int, request: bytes
) -> tuple[bytes, bytes]:
    """The request of an attempt, with what is not done yet, and the outcomes with which it begins.

    :param request: with all items.
    :raises DataError: there are too many; nothing was sent.
    :raises Diverged: the items are others than they were.
    """
    full = jsontext.loads(request)
    before = before_of(journal, path, attempt)
    wrong = faults(step, full) if not step.fixed and step.validate(full) else {}
    if before is None or not items_of(before):
        check(batch, full)
        return first(batch, full, wrong, attempt)
    word = journal.word(path, attempt - 1)
    asked = word is not None and word.verdict.choice == "again"
    anew = before.position < journal.switched
    if anew and _moved(batch, journal, path, attempt, items_of(before), full[batch.items]):
        raise Diverged(f"'{batch.items}' has other items now than when {before.module} was called")
    request, opened = again(batch, before, full, attempt, step.retry.covers, asked=asked, wrong=wrong, anew=anew)
    return (_as_it_was(batch, before, journal, path, request, opened) if journal.switched else request), opened


def _as_it_was(batch: Batch, before: EffectRecord, journal: Journal, path: str, request: bytes, opened: bytes) -> bytes:
    """The request under another version: what may have been applied is sent as it was sent then."""
    config = jsontext.loads(request)
    attempt = jsontext.loads(opened)["items"]
    sent = [n for n, item in enumerate(attempt) if item.get("attempt", 0) > _number(before)]
    states = items_of(before)
    for place, n in enumerate(sent):
        if states[n]["state"] == "unknown":
            row = journal.effects[attempt_key(path, states[n]["attempt"])]
            then = [item["index"] for item in items_of(row) if item.get("attempt") == _number(row)]
            asked = jsontext.loads(row.request)[batch.items]
            # what was taken over from another run has that run's request, which may be of a part
            if len(asked) == len(then):
                config[batch.items][place] = asked[then.index(n)]
    return jsontext.dumps(config)


def misfit(step: ModuleStep, row: EffectRecord, config: Any) -> str | None:
    """What keeps a batch from going on with another config; None: nothing."""
    batch = step.module.batch if isinstance(step.module, Action) else None
    items = items_of(row)
    if batch is None or not items:
        return None
    whole = config.get(batch.items) if isinstance(config, dict) else None
    if not isinstance(whole, list) or not _same_items(batch, items, whole, anew=True):
        return f"'{batch.items}' has other items now than when {row.module} was called"
    return None


def _same_items(batch: Batch, items: Sequence[Item], whole: Sequence[Any], *, anew: bool) -> bool:
    """Whether they are those of before; under another version one that was refused may be known otherwise."""
    return len(items) == len(whole) and all(
        key_of(batch, one) == item["key"] or (anew and item["state"] == "refused")
        for item, one in zip(items, whole, strict=True)
    )


def _moved(
    batch: Batch, journal: Journal, path: str, attempt: int, items: Sequence[Item], whole: Sequence[Any]
) -> bool:
    """Whether one that may have been applied, and that no key of its own names, is other than it was sent."""
    often = Counter(item["key"] for item in items)
    unclear = {
        place
        for place, item in enumerate(items)
        if item["state"] != "refused" and (item["key"] is None or often[item["key"]] > 1)
    }
    for number in range(1, attempt if unclear else 1):
        row = journal.effects.get(attempt_key(path, number))
        if row is None:
            continue
        sent = [place for place, item in enumerate(_outcomes(row)) if item.get("attempt") == number]
        was = jsontext.loads(row.request)[batch.items]
        # one that was taken over has the request in which it came to an end, which may be of a part
        if len(was) == len(sent) and any(
            place in unclear and place < len(whole) and one != whole[place]
            for place, one in zip(sent, was, strict=True)
        ):
            return True
    return False


def before_of(journal: Journal, path: str, attempt: int) -> EffectRecord | None:
    """The row of the last attempt before this one that was about to be sent."""
    # an attempt that came to nothing before that has no such row
    rows = (journal.effects.get(attempt_key(path, number)) for number in range(attempt - 1, 0, -1))
    return next((row for row in rows if row is not None), None)


def faults(step: ModuleStep, config: Any) -> dict[int, str]:
    """What the module's schema has against single items; nothing where it has something against all, or the rest.

    :raises DataError: there are too many.
    """
    batch = step.module.batch if isinstance(step.module, Action) else None
    items = config.get(batch.items) if batch is not None and isinstance(config, dict) else None
    if batch is None or not isinstance(items, list):
        return {}
    # a list of any length costs nothing more
    check(batch, config)
    found = _faulty(step, batch, config)
    rest = [item for place, item in enumerate(items) if place not in found]
    return found if rest and not step.validate({**config, batch.items: rest}) else {}


def none_fit(step: ModuleStep, config: Any) -> dict[str, Any] | None:
    """The outcomes where the schema has something against every item, and the author goes on all the same.

    Nothing is sent then. None: the schema has something against the rest, or a step with such items fails.

    :raises DataError: there are too many.
    """
    batch = step.module.batch if isinstance(step.module, Action) else None
    items = config.get(batch.items) if batch is not None and isinstance(config, dict) else None
    if batch is None or not isinstance(items, list) or not items or config.get(ON_REFUSED) != CONTINUE:
        return None
    check(batch, config)
    wrong = _faulty(step, batch, config)
    # a first mistake in an item may stand before others, which are none of the items'
    if len(wrong) < len(items) or any(
        path[:1] != (batch.items,) or len(path) < 2 for path in mistaken(step.module, config)
    ):
        return None
    return counted(_begun_with(batch, items, wrong))


def _faulty(step: ModuleStep, batch: Batch, config: Config) -> dict[int, str]:
    """What the schema has against a config of one of the items alone, by its place."""
    found = {}
    for place, item in enumerate(config[batch.items]):
        if fault := step.validate({**config, batch.items: [item]}):
            found[place] = fault.replace(f"{batch.items}[0]", f"{batch.items}[{place}]", 1)
    return found


def first(batch: Batch, config: Config, wrong: Mapping[int, str], attempt: int) -> tuple[bytes, bytes]:
    """The request and the outcomes with which a first attempt begins.

    :param wrong: what the schema has against items, by their place: they are refused, and not sent.
    """
    whole = config[batch.items]
    sent = [place for place in range(len(whole)) if place not in wrong]
    request = jsontext.dumps({**config, batch.items: [whole[place] for place in sent]})
    return request, _begun(_begun_with(batch, whole, wrong), sent, attempt)


def _begun_with(batch: Batch, whole: Sequence[Any], wrong: Mapping[int, str]) -> list[Item]:
    """All items before any was sent: those that are wrong are refused."""
    items: list[Item] = [{"index": n, "key": key_of(batch, item)} for n, item in enumerate(whole)]
    for place, fault in wrong.items():
        items[place] |= {"state": "refused", "error": error_json(DataError(fault, refused=True))}
    return items


def again(
    batch: Batch,
    before: EffectRecord,
    full: Config,
    attempt: int,
    covers: Callable[[ModuleError], bool],
    *,
    asked: bool,
    wrong: Mapping[int, str],
    anew: bool = False,
) -> tuple[bytes, bytes]:
    """The request and the outcomes with which another attempt begins.

    :param before: the attempt before.
    :param full: the request with all items.
    :param asked: a person, or a schedule, says that the step be tried again.
    :param wrong: what the schema has against items, by their place.
    :param anew: the scenario has another version than when the attempt before was made.
    :raises DataError: what would be sent is wrong.
    :raises Diverged: the items are others than they were.
    """
    items = items_of(before)
    whole = full[batch.items]
    if not _same_items(batch, items, whole, anew=anew):
        raise Diverged(f"'{batch.items}' has other items now than when {before.module} was called")
    for item, one in zip(items, whole, strict=True):
        item["key"] = key_of(batch, one)
    repeatable = Effect(before.effect).repeatable
    sent = _interrupted(items, repeatable) or _to_send(items, repeatable, None if asked else covers)
    sent = [place for place in sent if place not in wrong]
    if not sent:
        raise DataError("; ".join(list(wrong.values())[:NAMED]) or "nothing is left to send", refused=True)
    request = {**full, batch.items: [whole[place] for place in sent]}
    return jsontext.dumps(request), _begun(items, sent, attempt)


def _begun(items: Sequence[Item], sent: Sequence[int], attempt: int) -> bytes:
    under_way = set(sent)
    kept = [
        {"index": n, "key": item["key"], "state": "unknown", "attempt": attempt} if n in under_way else item
        for n, item in enumerate(items)
    ]
    return jsontext.dumps(counted(kept))


def _interrupted(items: Sequence[Item], repeatable: bool) -> list[int]:
    """Items that are sent once more, which is no try: they were cut off, or somebody says that they are not there."""
    found = []
    for place, item in enumerate(items):
        error = item.get("error")
        cut = item["state"] == "unknown" and error is None and repeatable
        if cut or (item["state"] == "refused" and error is not None and error["type"] == Interrupted.__name__):
            found.append(place)
    return found


def _to_send(items: Sequence[Item], repeatable: bool, covers: Callable[[ModuleError], bool] | None) -> list[int]:
    """Items that another try is about; without ``covers`` all that are not done and may be sent."""
    open_ = [
        place
        for place, item in enumerate(items)
        if item["state"] == "refused" or (item["state"] == "unknown" and repeatable)
    ]
    # one that was never sent, because it is wrong, is as wrong at the next try
    return open_ if covers is None else [n for n in open_ if "attempt" in items[n] and covers(_error_of(items[n]))]


# ---------------------------------------------------------------------- what came of it


def items_of(row: EffectRecord) -> list[Item]:
    """The outcomes that a row holds; none where it is no batch's, or was erased."""
    stored = jsontext.loads(row.output) if row.output is not None else None
    items = stored.get("items") if isinstance(stored, dict) and row.state is not EffectState.DONE else None
    return items if isinstance(items, list) else []


def settled(
    intent: EffectRecord, answer: Mapping[str, Any], most: int, warn: Callable[[str], None]
) -> tuple[EffectState, bytes]:
    """State and outcomes after an answer about each of the items that were sent.

    :param most: bytes above which what the vendor said of items that it took is left out.
    :param warn: told of what is left out.
    """
    attempt, items = _number(intent), items_of(intent)
    sent = [item for item in items if item["state"] == "unknown" and item.get("attempt") == attempt]
    for item, news in zip(sent, answer["items"], strict=True):
        item |= {name: news[name] for name in ("state", "output", "error") if name in news}
    try:
        text = jsontext.dumps(counted(items))
    except TypeError:
        # the outputs are the plugin's, and may be anything; what was done is done
        items = without_oddities(items)
        text = jsontext.dumps(counted(items))
        warn("what the module gave for items is no JSON, and is left out")
    if len(text) > most:
        warn(f"what the vendor said of the items is larger than {most:,} bytes, and is left out")
        text = jsontext.dumps(counted([without_output(item) for item in items]))
    return _state(items), text


def failed(intent: EffectRecord, error: ModuleError) -> tuple[EffectState, bytes]:
    """State and outcomes after a call that failed as a whole."""
    attempt, items = _number(intent), items_of(intent)
    about, state = error_json(error), "refused" if error.refused else "unknown"
    for item in items:
        if item["state"] == "unknown" and item.get("attempt") == attempt:
            item |= {"state": state, "error": about}
    return _state(items), jsontext.dumps({**counted(items), _WHOLE: True})


def _number(row: EffectRecord) -> int:
    """Which attempt a row is of."""
    return int(row.key.rpartition("#")[2])


def _state(items: Sequence[Item]) -> EffectState:
    states = {item["state"] for item in items}
    return next((s for s in (EffectState.UNKNOWN, EffectState.REFUSED) if s in states), EffectState.DONE)


def rest(batch: Batch, row: EffectRecord, covers: Callable[[ModuleError], bool], place: str | None) -> Exception:
    """What is raised of a batch of which items are not done."""
    items, config = items_of(row), jsontext.loads(row.request)
    repeatable = Effect(row.effect).repeatable
    if sent := _interrupted(items, repeatable):
        return Interrupted(
            f"{_of(sent, items)} are sent again", refused=all(items[n]["state"] == "refused" for n in sent)
        )
    whole = bool(jsontext.loads(row.output or b"{}").get(_WHOLE))
    tried = _to_send(items, repeatable, covers)
    unknown = [n for n, item in enumerate(items) if item["state"] == "unknown"]
    refused = [n for n, item in enumerate(items) if item["state"] == "refused"]
    told = counted(items)
    # of a call that failed as a whole the row has the error as it was
    cause = restored(row.error) if whole and row.error else _error_of(items[(tried or unknown or refused)[0]])
    error = type(cause)(
        cause.message + _before(told) if whole else "; ".join(_told(batch.items, items, unknown, refused)),
        refused=not unknown,
        status=cause.status,
        retry_after=max((_error_of(items[n]).retry_after or 0.0 for n in tried), default=0.0) or None,
        detail=cause.detail if whole else _detail(told, [*unknown, *refused]),
        place=place,
        hint=cause.hint if whole else None,
    )
    error.code = cause.code  # type: ignore[misc]  # a plugin's own type has a code of its own
    goes_on = config.get(ON_REFUSED) == CONTINUE and not unknown and not whole
    return PartOfBatch(error, told, again=bool(tried), unknown=bool(unknown) and not repeatable, goes_on=goes_on)


def unmade(step: ModuleStep, journal: Journal, path: str, attempt: int, error: ModuleError) -> Exception:
    """What is raised of an attempt that came to nothing before it was sent: what is known of the items stands."""
    if not isinstance(step.module, Action) or step.module.batch is None:
        return error
    before = before_of(journal, path, attempt)
    items = items_of(before) if before is not None else []
    if before is None or not items:
        return error
    unknown = any(item["state"] == "unknown" for item in items) and not Effect(before.effect).repeatable
    return PartOfBatch(error, counted(items), again=step.retry.covers(error), unknown=unknown, goes_on=False)


def _error_of(item: Item) -> ModuleError:
    return restored_from(item.get("error") or {"message": "cut off before the answer came"})


def _before(outcome: Mapping[str, Any]) -> str:
    return f"; {outcome['done']} of {len(outcome['items'])} items are done" if outcome["done"] else ""


def _of(places: Sequence[int], items: Sequence[Item]) -> str:
    return f"{len(places)} of {len(items)} items"


def _told(name: str, items: Sequence[Item], unknown: Sequence[int], refused: Sequence[int]) -> Iterator[str]:
    if unknown:
        yield f"whether {_of(unknown, items)} were applied is not known: {_named(name, items, unknown)}"
    if refused:
        yield f"{_of(refused, items)} were refused: {_named(name, items, refused)}"


def _named(name: str, items: Sequence[Item], places: Sequence[int]) -> str:
    told = [
        " ".join(filter(None, (f"{name}[{n}]", items[n]["key"], f"({_error_of(items[n]).message})")))
        for n in places[:NAMED]
    ]
    return ", ".join(told) + (f", and {len(places) - NAMED} more" if len(places) > NAMED else "")


def _detail(outcome: Mapping[str, Any], places: Sequence[int]) -> dict[str, Any]:
    items = outcome["items"]
    listed = [
        {"index": n, "key": items[n]["key"], "state": items[n]["state"], "message": _error_of(items[n]).message}
        for n in sorted(places)[:LISTED]
    ]
    return {name: outcome[name] for name in ("done", "refused", "unknown")} | {"items": listed}


# ---------------------------------------------------------------------- what others said


def said(row: EffectRecord, choice: str, output: Any, by: str, meant: Sequence[str] = ()) -> tuple[EffectState, bytes]:
    """State and outcomes after a person's word on the items whose outcome is not known.

    :param meant: keys or places of those that are meant; none: all of them.
    :raises LookupError: of an item that is not among them; its text says which are.
    """
    items = items_of(row)
    unknown = [item for item in items if item["state"] == "unknown"]
    for name in meant:
        if not any(name in _names(item) for item in unknown):
            known = ", ".join(item["key"] or str(item["index"]) for item in unknown[:LISTED])
            raise LookupError(f"'{name}' is none of the items whose outcome is not known; those are: {known}")
    if meant:
        unknown = [item for item in unknown if not _names(item).isdisjoint(meant)]
    if choice == "happened":
        _happened(unknown, output)
    else:
        about = error_json(Interrupted(f"{by or 'a person'} says that it did not happen", refused=True))
        for item in unknown:
            item |= {"state": "refused", "error": about}
    return _state(items), jsontext.dumps(counted(items))


def _names(item: Item) -> set[str]:
    """What a person may call an item."""
    return {str(item["index"]), *filter(None, [item["key"]])}


def _happened(items: Sequence[Item], output: Any) -> None:
    each = output if isinstance(output, list) and len(output) == len(items) else [output] * len(items)
    for item, one in zip(items, each, strict=True):
        item["state"] = "done"
        item.pop("error", None)
        if one is not None:
            item["output"] = one


def unsent(intent: EffectRecord) -> bytes:
    """The outcomes of an attempt of which nothing was sent."""
    attempt, items = _number(intent), items_of(intent)
    about = error_json(Interrupted("cut off before it was sent", refused=True))
    for item in items:
        # what an earlier attempt left unknown stays so
        if item["state"] == "unknown" and item.get("attempt") == attempt:
            item |= {"state": "refused", "error": about}
    return jsontext.dumps(counted(items))


def elsewhere(
    rows: Sequence[EffectRecord], journal: Journal, path: str, attempt: int, module: str, fingerprint: str
) -> Found | None:
    """As ``found``, of a batch: what is done of it is not done again, and what was refused is sent again.

    :param rows: of the other runs; one of a later attempt has the outcomes of those before it.
    :param journal: this run's own, whose outcomes are known already.
    :param attempt: under whose number they are taken over.
    """
    last = {row.run_id: row for row in rows}
    made = [row for row in last.values() if any(item["state"] != "refused" for item in _outcomes(row))]
    alike = [row for row in made if (row.module, row.request_hash) == (module, fingerprint)]
    if not alike:
        # of what was refused as a whole nothing was made
        return found([row for row in rows if not _outcomes(row)], module, fingerprint) or (
            Found(made[-1]) if made else None
        )
    alike.sort(key=lambda row: row.intended_at)
    base = alike[-1]
    repeatable = Effect(base.effect).repeatable
    items = _merged([_outcomes(row) for row in alike], repeatable)
    own = before_of(journal, path, attempt)
    if own is not None and (known := items_of(own)):
        if all(_alike(mine, theirs, repeatable) for mine, theirs in zip(known, items, strict=True)):
            return None
        items = _merged([items, known], repeatable)
    about = error_json(Interrupted("another run of the event was refused it; it is sent again", refused=True))
    for item in items:
        if "attempt" in item:
            item["attempt"] = attempt
            if item["state"] == "refused":
                item["error"] = about
    state = _state(items)
    if state is EffectState.UNKNOWN and base.state is EffectState.INTENDED:
        state = base.state
    return Found(base._replace(state=state, output=jsontext.dumps(counted(items))), same=True)


def _outcomes(row: EffectRecord) -> list[Item]:
    stored = jsontext.loads(row.output) if row.output is not None else None
    items: list[Item] = stored["items"] if stored is not None and is_outcome(stored) else []
    return items


def _merged(told: Sequence[Sequence[Item]], repeatable: bool) -> list[Item]:
    """What is known of each item: that it is done, whoever says so; else what the last one says.

    That it may be done is not overruled by who was refused it, where twice is not once.

    :param told: the outcomes that several have of the same items, oldest first.
    """
    merged = [dict(item) for item in told[0]]
    for items in told[1:]:
        for place, item in enumerate(items):
            before = merged[place]["state"]
            stays = before == "done" or (before == "unknown" and not repeatable and item["state"] == "refused")
            if not stays:
                merged[place] = dict(item)
    return merged


def _alike(mine: Item, theirs: Item, repeatable: bool) -> bool:
    """Whether another run's item says nothing that this run does not know."""
    if theirs["state"] == "done":
        return bool(mine["state"] == "done")
    return theirs["state"] != "unknown" or repeatable or mine["state"] != "refused"
