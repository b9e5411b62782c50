"""One sweep of a polling trigger: which items are new, and what the store keeps so that none is lost or repeated.

No I/O: pages go in; new items, and the changes to be stored together with their runs, come out.

Where a trigger stands is its *mark*, the highest position that a whole sweep has come to. An item is new when its
position is beyond the mark; or at the mark, when its id and content were not seen there. The mark moves at the end of
a sweep only, because items may come newest first: until then the sweep's own state is kept (its next page, the highest
position so far), and each item that was taken, so that a sweep which is taken up again, or begun again, repeats none.

An item without a position, because its trigger knows no order or this item shows none, is new when its id was not seen,
or its content has changed. It is known as long as sweeps find it, and for ``FORGET_AFTER`` seconds after that: a vendor
that answers with an empty list for once must not bring everything back as new.

A position that cannot be is none: a mark that one record with a wrong date has driven to the year 9999 would hide all
that comes after it. Records that share an identity, which is none then, are told apart by their content.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeGuard

from engine.scenario.plan import Polling, Start
from engine.sdk import jsontext
from engine.sdk.clock import iso, utc
from engine.sdk.errors import DataError
from engine.sdk.modules import Json, Page
from engine.store.changes import Change, DropPollItems, PutPoll, PutPollItems
from engine.store.records import Poll, PollItem

#: seconds for which a record without a position is known after it has vanished
FORGET_AFTER = 7 * 86_400.0
#: seconds by which a position may lie ahead of the clock: vendors write local times without their zone
AHEAD = 86_400.0

Position = str | int | float


@dataclass(frozen=True, slots=True)
class Found:
    """What a page brought.

    :param items: the new ones, as the vendor gave them, the oldest of the page first.
    :param changes: what the store has to keep, in the same transaction as the items' runs.
    :param cut: there was more than was wanted; the page has to be read again.
    """

    items: tuple[Json, ...]
    changes: tuple[Change, ...]
    cut: bool = False


@dataclass(frozen=True, slots=True)
class _Seen:
    """An item, as far as it matters whether it is new."""

    item: Json
    id: str
    content: str
    position: Position | None


class Sweep:
    """One sweep, from where the store says that the trigger stands.

    When what it gave could not be stored, it is of no use any more.

    :param poll: what the store has; None: nothing yet.
    :param kept: the records that the store has.
    """

    def __init__(
        self, scenario: str, simulated: bool, trigger: Polling, poll: Poll | None, kept: Sequence[PollItem]
    ) -> None:
        self._own = (scenario, simulated)
        self._trigger = trigger
        self._module = trigger.module
        fingerprint = jsontext.fingerprint([trigger.module_name, trigger.connection, dict(trigger.config)])
        self._stored = poll if poll is not None and poll.trigger == fingerprint else None
        self._empty = Poll(scenario, simulated, fingerprint, 0.0)
        self._kept = {} if self._stored is None else {item.id: item for item in kept}
        self._known = dict(self._kept)
        self._changed: set[str] = set()
        self._found: set[str] = set()
        state: dict[str, Any] | None = _loaded(self._stored.sweep) if self._stored is not None else {}
        #: whether no sweep has come to its end yet: nothing was seen of this vendor with these settings
        self.first = self._stored is None or bool(state and state["first"])
        #: whether what is there is only marked, and nothing of it is run
        self.silent = bool(state["silent"]) if state else self.first and trigger.start is Start.FROM_NOW
        self._mark: Position | None = _loaded(self._stored.mark) if self._stored is not None else None
        self._high: Position | None = state["high"] if state else None
        self._next: Json = state["cursor"] if state else None
        #: whether this sweep sees all pages
        self._whole = self._next is None
        #: contents of records that share an identity, as far as this sweep has found them
        self._shared: dict[str, list[str]] = {}
        #: items that should have a position and have none that can be believed
        self.unplaced = 0

    # ------------------------------------------------------------------ cursors

    def cursor(self) -> Json:
        """The cursor of the page to begin with: where the last sweep was broken off, or the first page."""
        if self._next is not None:
            return self._next
        resume = self._module.resume
        if resume is None:
            return None
        position = self._since() if self._mark is None else self._mark
        return None if position is None else resume(self._trigger.config, position)

    def again(self, now: float) -> tuple[Change, ...]:
        """What to store so that the sweep begins again at its first page: the vendor does not take its cursor."""
        state: dict[str, Any] | None = _loaded(self._stored.sweep) if self._stored is not None else None
        if state is None or state["cursor"] is None:
            return ()
        return tuple(self._stand(self._mark, self._under_way(None), now))

    # ------------------------------------------------------------------ a page

    def look(self, page: Page, cursor: Json, now: float, limit: int | None = None) -> Found:
        """Take a page.

        :param cursor: by which it was read.
        :param limit: how many new items are wanted at most; None: all.
        :raises DataError: the trigger's ``since`` cannot be told from the items' positions.
        """
        found = [self._identify(item, now + AHEAD) for item in page.items]
        for seen in found:
            if self._is_known(seen):
                self._meet(seen)
        new = _oldest_first([seen for seen in found if self._is_new(seen)])
        if self.silent:
            new = []
        cut = limit is not None and len(new) > limit
        if cut:
            # the others are found again when the page is read again
            for seen in new:
                self._forget(seen.id)
            new = new[:limit]
            for seen in new:
                self._learn(seen)
        changes: list[Change] = [DropPollItems(*self._own)] if self._stored is None else []
        if page.cursor is None and not cut:
            changes += self._end(now)
        else:
            changes += self._go_on(cursor if cut else page.cursor, now)
        return Found(tuple(seen.item for seen in new), tuple(changes), cut)

    def _identify(self, item: Json, latest: float) -> _Seen:
        try:
            event = self._module.identify(self._trigger.config, item)
            content = jsontext.fingerprint(event.body)
        except Exception:  # noqa: BLE001 - a plugin's mistake; the item's delivery says what happened
            event, content = None, jsontext.fingerprint(item)
        if event is None or event.id is None or event.id == "":
            # its content alone tells it, and keeps it apart from what has an identity
            return _Seen(item, f"content:{content}", content, None)
        return _Seen(item, str(event.id), content, self._position(item, latest))

    def _position(self, item: Json, latest: float) -> Position | None:
        if self._module.order is None:
            return None
        try:
            position: Any = self._module.order(item)
        except Exception:  # noqa: BLE001 - an item of another shape; its content tells whether it is new
            position = None
        other = self._high if self._mark is None else self._mark
        if _is_position(position) and (other is None or _alike(position, other)):
            # what lies behind needs no belief; if it did, a clock that stands wrong would bring it back as new
            behind = self._mark is not None and not _before(self._mark, position)
            if behind or not self._too_far(position, latest) or self._too_early(position):
                return position
        self.unplaced += 1
        return None

    def _too_far(self, position: Position, latest: float) -> bool:
        """Whether a position stands for a moment after this one; where positions are no moments, none does."""
        if self._module.moment is None:
            at = _date(position)
            return at is not None and at > latest
        try:
            return _before(self._module.moment(utc(latest)), position)
        except Exception:  # noqa: BLE001 - a plugin's mistake; the scenario that asks for a moment is told of it
            return False

    def _is_known(self, seen: _Seen) -> bool:
        """Whether an item of this id and content was seen."""
        known = self._known.get(seen.id)
        return known is not None and seen.content in known.content.split()

    def _is_new(self, seen: _Seen) -> bool:
        """Whether an item is new; if so, it is known from here on."""
        known, position, same = self._known.get(seen.id), seen.position, self._is_known(seen)
        if position is None:
            new = not same
        else:
            if self._high is None or _before(self._high, position):
                self._high = position
            last: Position | None = None if known is None else _loaded(known.position)
            # what was told by its content so far may turn up behind the mark
            mark = None if known is not None and last is None else self._mark
            late = any(other is not None and _before(position, other) for other in (mark, last))
            new = not (same and last in (None, position)) and not late and not self._too_early(position)
        if new:
            self._learn(seen)
        return new

    def _learn(self, seen: _Seen) -> None:
        """A new item is known from here on."""
        known, position = self._known.get(seen.id), _dumped(seen.position)
        content = seen.content
        if known is not None and known.position == position and (" " in known.content or seen.id in self._found):
            # another record of this identity, or one of them has changed; which, is told when all were found
            if " " not in known.content:
                self._shared[seen.id] = [known.content]
            content = f"{known.content} {content}"
        self._put(PollItem(seen.id, content, position))
        self._meet(seen)

    def _meet(self, seen: _Seen) -> None:
        """An item that is known was found."""
        self._found.add(seen.id)
        if " " in self._known[seen.id].content:
            self._shared.setdefault(seen.id, []).append(seen.content)

    def _put(self, item: PollItem) -> None:
        self._known[item.id] = item
        self._changed.add(item.id)

    def _forget(self, item_id: str) -> None:
        """Undo that an item is known."""
        self._changed.discard(item_id)
        if item_id in self._kept:
            self._known[item_id] = self._kept[item_id]
        else:
            self._known.pop(item_id, None)

    # ------------------------------------------------------------------ since

    def _since(self) -> Position | None:
        seconds, moment = self._trigger.since, self._module.moment
        if seconds is None:
            return None
        return iso(seconds) if moment is None else moment(utc(seconds))

    def _too_early(self, position: Position) -> bool:
        """Whether a position lies before the trigger's ``since``."""
        since = self._since()
        if since is None or self._trigger.since is None:
            return False
        if self._module.moment is not None and _alike(position, since):
            return _before(position, since)
        at = _instant(position) if self._module.moment is None else None
        if at is None:
            raise DataError(
                f"{self._trigger.module_name} gives {position!r} as the position of an item, which cannot be compared "
                f"with {since!r} (`since`)",
                hint="use `start: from_now` or `start: all`, and tell the author of the app",
            )
        return at < self._trigger.since

    # ------------------------------------------------------------------ what is kept

    def _under_way(self, cursor: Json) -> dict[str, Json] | None:
        """The state of a sweep between two pages. Without order every sweep begins at its first page."""
        if self._module.order is None and not self.first:
            return None
        ordered = self._module.order is not None
        return {
            "first": self.first,
            "silent": self.silent,
            "cursor": cursor if ordered else None,
            "high": self._high,
        }

    def _go_on(self, cursor: Json, now: float) -> list[Change]:
        """The sweep is not at its end."""
        if self.silent and self._module.order is not None:
            # nothing of it runs, so nothing of it can be repeated; only the mark needs its ties
            self._known = {item.id: item for item in self._known.values() if _stands_at(item, self._high)}
            self._found &= self._known.keys()
        put = [self._known[item_id] for item_id in sorted(self._changed) if item_id in self._known]
        self._changed.clear()
        return [*self._items(put, ()), *self._stand(self._mark, self._under_way(cursor), now)]

    def _end(self, now: float) -> list[Change]:
        """All pages were read."""
        if self._high is not None and (self._mark is None or _before(self._mark, self._high)):
            self._mark = self._high
        if self._whole:
            self._miss(now)
        final = {item.id: item for item in self._known.values() if _stands_at(item, self._mark)}
        # most are the same objects as before, and those of a vendor without order are many
        put = [item for item in final.values() if (kept := self._kept.get(item.id)) is not item and kept != item]
        put.sort(key=lambda item: item.id)
        gone = tuple(sorted(self._kept.keys() - final.keys()))
        return [*self._items(put, gone), *self._stand(self._mark, None, now)]

    def _miss(self, now: float) -> None:
        """Note which records without a position were not found, and forget those that have long been gone."""
        for item_id, contents in self._shared.items():
            if item_id in self._known:
                self._known[item_id] = replace(self._known[item_id], content=" ".join(dict.fromkeys(contents)))
        for item in [item for item in self._known.values() if item.position is None]:
            if item.id in self._found:
                if item.gone_at is not None:
                    self._known[item.id] = replace(item, gone_at=None)
            elif item.gone_at is None:
                self._known[item.id] = replace(item, gone_at=now)
            elif now - item.gone_at > FORGET_AFTER:
                del self._known[item.id]

    def _items(self, put: Sequence[PollItem], gone: tuple[str, ...]) -> list[Change]:
        changes: list[Change] = []
        if gone:
            changes.append(DropPollItems(*self._own, gone))
            for item_id in gone:
                del self._kept[item_id]
        if put:
            changes.append(PutPollItems(*self._own, tuple(put)))
            self._kept.update({item.id: item for item in put})
        return changes

    def _stand(self, mark: Position | None, state: dict[str, Json] | None, now: float) -> list[Change]:
        """Where the trigger stands, when that has changed."""
        before = self._stored
        after = replace(self._empty, at=now, mark=_dumped(mark), sweep=_dumped(state))
        if before is not None and (before.mark, before.sweep) == (after.mark, after.sweep):
            return []
        self._stored = after
        return [PutPoll(after)]


def _is_position(value: Any) -> TypeGuard[Position]:
    if isinstance(value, float):
        return math.isfinite(value)
    return value != "" and isinstance(value, str | int) and not isinstance(value, bool)


def _alike(one: Position, other: Position) -> bool:
    """Whether two positions can be compared: numbers, dates, or other text."""
    return isinstance(one, str) == isinstance(other, str) and (_date(one) is None) == (_date(other) is None)


def _before(one: Position, other: Position) -> bool:
    """Whether a position comes before another; of two that cannot be compared, none does."""
    if isinstance(one, str):
        return isinstance(other, str) and one < other
    return not isinstance(other, str) and one < other


def _stands_at(item: PollItem, mark: Position | None) -> bool:
    """Whether an item must stay known when this is the mark: it stands there, or has no position."""
    return item.position is None or (mark is not None and _loaded(item.position) == mark)


def _oldest_first(new: list[_Seen]) -> list[_Seen]:
    """By position, ties by id and content; then those without a position, as they came."""
    placed = [seen for seen in new if seen.position is not None]
    placed.sort(key=lambda seen: (seen.position, seen.id, seen.content))
    return placed + [seen for seen in new if seen.position is None]


def _instant(position: Position) -> float | None:
    """Unix seconds of a position that is an ISO time; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(position) if isinstance(position, str) else None
    except ValueError:
        return None
    if found is None:
        return None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


def _date(position: Position) -> float | None:
    """As ``_instant``, of what is surely meant as a time: some numbers could be read as one."""
    return _instant(position) if isinstance(position, str) and position[4:5] == "-" else None


def _dumped(value: Json) -> bytes | None:
    return None if value is None else jsontext.dumps(value)


def _loaded(text: bytes | None) -> Any:
    return None if text is None else jsontext.loads(text)
