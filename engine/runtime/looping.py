"""What a loop goes over, cut into segments.

A *segment* is a part of a loop's items that is walked as one: all of them are over before those of the next one begin.
Between two segments the loop has a checkpoint. A short list is one segment; a long one is cut; of a stream a segment is
a page, or as many pages as make a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from engine.runtime.outcomes import StepFailed
from engine.runtime.scope import Scope
from engine.scenario.expressions import ExpressionError, Template
from engine.scenario.plan import ForeachStep, PageOf
from engine.sdk import jsontext
from engine.sdk.errors import DataError
from engine.store.folds import PAGE

if TYPE_CHECKING:
    from engine.runtime.interpreter import Interpreter

#: items of a segment of a list; a list up to this long is walked as one
SEGMENT = 500
#: pages in a row that may bring nothing before the stream is taken to be endless
EMPTY_PAGES = 10_000
#: pages in a row that brought the same items: a vendor that passes over the parameter of the page gives the first for
#: ever, under cursors that are always new
ALIKE_PAGES = 10


@dataclass(slots=True)
class Item:
    """One turn of a loop.

    :param value: what it is about: an item, a batch or a group.
    """

    index: int
    name: str
    value: Any


@dataclass(slots=True)
class State:
    """Where a loop stands between two segments.

    :param index: of the next turn.
    :param page: how many pages were read.
    :param cursor: leads to the next one.
    :param ended: whether there is none.
    :param left: items that made no whole batch.
    :param taken: how many items the stream gave.
    :param mark: fingerprint of an earlier cursor and its page, by which a circle is found.
    :param alike: fingerprint of the last page that brought something, and how many in a row were like it.
    :param done: turns that are over.
    :param failed: turns that failed.
    :param again: items that were left out because one of their key had come before.
    :param size: bytes of what was gathered.
    :param open: turns that are held.
    """

    index: int = 0
    page: int = 0
    cursor: Any = None
    ended: bool = False
    left: list[Any] = field(default_factory=list)
    taken: int = 0
    mark: tuple[str, int] = ("", 0)
    alike: tuple[str, int] = ("", 0)
    done: int = 0
    failed: int = 0
    again: int = 0
    size: int = 0
    open: list[Item] = field(default_factory=list)

    @classmethod
    def of(cls, known: Mapping[str, Any] | None) -> State:
        if known is None:
            return cls()
        marks = {name: tuple(known[name]) for name in ("mark", "alike") if name in known}
        return cls(**{**known, "open": [Item(*item) for item in known["open"]], **marks})

    def copy(self) -> State:
        """As it is now, with nothing held."""
        return replace(self, open=[])

    def to_json(self) -> dict[str, Any]:
        about = {name: getattr(self, name) for name in self.__slots__}
        return {**about, "open": [[item.index, item.name, item.value] for item in self.open]}


class Source:
    """What a loop goes over. ``total`` is the number of turns, once it is known."""

    def __init__(self, walk: Interpreter, step: ForeachStep, path: str, scope: Scope) -> None:
        self._walk = walk
        self._step = step
        self._path = path
        self._scope = scope
        self.total: int | None = None

    async def open(self) -> None:
        """Begin, as every walk of the loop does."""

    async def segment(self, state: State) -> list[Item] | None:
        """The next turns, and the state after them; None: there are no more."""
        raise NotImplementedError

    def _items(self, values: Sequence[Any], first: int) -> list[Item]:
        step = self._step
        if step.key is None:
            return [Item(first + number, str(first + number), value) for number, value in enumerate(values)]
        items = []
        for index, value in enumerate(values, first):
            context = self._walk.effects.context(f"{self._path}[{index}]/key")
            key = step.key.evaluate(self._scope.item(step.variable, value, index).names, context)
            if isinstance(key, bool) or not isinstance(key, str | int):
                raise ExpressionError("a foreach key must be text or a whole number", step.key.text, 0, key)
            name = str(key).replace("%", "%25").replace("/", "%2F").replace("[", "%5B").replace("]", "%5D")
            items.append(Item(index, name, value))
        return items

    def _grouped(self, values: Sequence[Any]) -> list[Any]:
        """The groups of some items, in the order in which the first item of each came."""
        step, groups = self._step, dict[str, dict[str, Any]]()
        assert step.group_by is not None
        context = self._walk.effects.context(f"{self._path}/group_by")
        for index, value in enumerate(values):
            key = step.group_by.evaluate(self._scope.item(step.variable, value, index).names, context)
            groups.setdefault(jsontext.dumps(key).decode(), {"key": key, "items": []})["items"].append(value)
        return list(groups.values())


class Listed(Source):
    """Goes over a list."""

    _all: Sequence[Item]

    async def open(self) -> None:
        step = self._step
        assert step.items is not None
        values = step.items.evaluate(self._scope.names, self._walk.effects.context(self._path))
        if values is None:
            values = []
        if not isinstance(values, list):
            raise ExpressionError("foreach needs a list", step.items.text, 0, values, hint="wrap one value: `[x]`")
        self._take(values)

    def _take(self, values: list[Any]) -> None:
        step = self._step
        if step.group_by is not None:
            values = self._grouped(values)
        elif step.batch is not None:
            values = [values[at : at + step.batch] for at in range(0, len(values), step.batch)]
        self._all = self._items(values, 0)
        self.total = len(values)
        if step.key is not None and len({item.name for item in self._all}) < len(self._all):
            names = [item.name for item in self._all]
            twice = next(name for index, name in enumerate(names) if name in names[:index])
            message = "two items have the same foreach key"
            raise ExpressionError(message, step.key.text, 0, twice, hint="choose a key that tells them apart")

    async def segment(self, state: State) -> list[Item] | None:
        first = state.index
        rest = len(self._all) - first
        if rest <= 0:
            return None
        size = min(rest, SEGMENT) if self._step.folds else rest
        state.index = first + size
        return list(self._all[first : first + size]) if size < len(self._all) else list(self._all)


class Streamed(Source):
    """Goes over the stream of a search, page by page."""

    async def open(self) -> None:
        stream = self._step.stream
        assert stream is not None
        # one config for all pages, so that a `now()` in it is the same for each
        self._config = stream.config.evaluate(self._scope.names, self._walk.effects.context(self._path))
        limit = self._config.get("limit") if isinstance(self._config, dict) else None
        self._limit = limit if isinstance(limit, int) and not isinstance(limit, bool) else None

    async def _page(self, state: State) -> list[Any]:
        """Read the next page."""
        assert self._step.stream is not None
        walk, path = self._walk, f"{self._path}{PAGE}{state.page}"
        config = Template.constant(self._config)
        step = replace(self._step.stream, page=PageOf(state.cursor), config=config)
        page = await walk.work(step, path, "", self._scope)
        if isinstance(page, list):
            # a person's word: these are the last ones
            page = {"items": page, "cursor": None}
        # one that a person has left out is the last one too
        items, cursor = (page["items"], page["cursor"]) if isinstance(page, dict) else ([], None)
        walk.effects.finished(step, path, "done", {"items": len(items)})
        state.page += 1
        if self._limit is not None and state.taken + len(items) >= self._limit:
            items, cursor = items[: self._limit - state.taken], None
        state.taken += len(items)
        state.ended = cursor is None
        if not state.ended:
            self._circle(state, cursor)
            self._alike(state, items)
        state.cursor = cursor
        return list(items)

    def _circle(self, state: State, cursor: Any) -> None:
        """Refuse pages that come to no end: a cursor that was there before is found after some rounds at most."""
        now = jsontext.fingerprint(cursor)
        mark, at = state.mark
        if now == mark or now == jsontext.fingerprint(state.cursor):
            assert self._step.stream is not None
            message = (
                f"the pages of {self._step.stream.module_name} lead in a circle: the cursor {cursor!r} came before"
            )
            raise self._endless(message)
        if state.page >= 2 * at:
            state.mark = (now, state.page)

    def _alike(self, state: State, items: list[Any]) -> None:
        """Refuse pages that bring the same again and again."""
        if not items:
            return
        now, (before, times) = jsontext.fingerprint(items), state.alike
        state.alike = (now, times + 1 if now == before else 1)
        if state.alike[1] >= ALIKE_PAGES:
            raise self._endless(f"{ALIKE_PAGES} pages in a row brought the same items")

    async def segment(self, state: State) -> list[Item] | None:
        step, empty = self._step, 0
        values, state.left = list(state.left), []
        while not state.ended and len(values) < (step.batch or 1):
            found = await self._page(state)
            empty = 0 if found else empty + 1
            if empty > EMPTY_PAGES:
                raise self._endless(f"{EMPTY_PAGES} pages in a row brought nothing")
            values += found
        if step.batch is not None:
            whole = len(values) if state.ended else len(values) // step.batch * step.batch
            values, state.left = values[:whole], values[whole:]
            values = [values[at : at + step.batch] for at in range(0, len(values), step.batch)]
        if not values:
            return None
        items = self._items(values, state.index)
        state.index += len(items)
        if step.key is not None:
            items = await self._new(items, state)
        if state.ended and not state.left:
            self.total = state.index
        return items

    def _endless(self, message: str) -> StepFailed:
        error = DataError(message, place=str(self._step.place), hint="tell the author of the app")
        return StepFailed(self._path, error.to_json())

    async def _new(self, items: list[Item], state: State) -> list[Item]:
        """The items without those that came before: pages shift while they are read."""
        known = set(await self._walk.effects.known_items(self._path, [item.name for item in items]))
        known |= {item.name for item in state.open}
        found = []
        for item in items:
            if item.name in known:
                state.again += 1
            else:
                known.add(item.name)
                found.append(item)
        return found


class Grouped(Listed):
    """Goes over the groups of a stream, all pages of which are read first."""

    async def open(self) -> None:
        pages = Streamed(self._walk, self._step, self._path, self._scope)
        await pages.open()
        state, values, size = State(), list[Any](), 0
        key = f"{self._path}!gathered@{self._walk.effects.renewed(self._path)}"
        while not state.ended:
            found = await pages._page(state)  # noqa: SLF001 - the same room: it reads as the stream alone would
            values += found
            size += jsontext.size(found)
            self._walk.effects.gathers(f"{key}.{state.page}", size, "what `group_by` gathers from the stream")
        self._take(values)


def source(walk: Interpreter, step: ForeachStep, path: str, scope: Scope) -> Source:
    """What a loop goes over."""
    if step.stream is None:
        return Listed(walk, step, path, scope)
    return (Grouped if step.group_by is not None else Streamed)(walk, step, path, scope)
