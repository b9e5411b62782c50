"""Loops: the items of a list or a stream one after another, or side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from engine.runtime.beside import TROUBLES, settle, side_by_side
from engine.runtime.effects import COLLECTED, Checkpoint, Progress
from engine.runtime.gathering import Fields, Gathered, Kind
from engine.runtime.handling import failed_hold
from engine.runtime.looping import Item, State, source
from engine.runtime.outcomes import CutOff, MustHold, StepFailed
from engine.runtime.payload import ValueTooLarge
from engine.runtime.scope import Scope
from engine.scenario.expressions import OMIT, ExpressionError
from engine.scenario.plan import ForeachStep, OnItemError
from engine.sdk import jsontext

if TYPE_CHECKING:
    from engine.runtime.interpreter import Interpreter

#: items of a loop after which other runs get a turn
YIELD_EVERY = 50
#: held items above which a loop begins no new ones
MOST_HELD = 100
#: how what items leave behind is gathered: alone; with their numbers, where one that was held comes after the others
PLAIN, NUMBERED = Kind(), Kind(itemgetter(0), itemgetter(1))
FAILED = Kind(itemgetter("index"))
FAILED_ITEMS = "the list of failed items (with what `collect` makes)"


async def foreach(walk: Interpreter, step: ForeachStep, path: str, _loop: str, scope: Scope) -> Any:
    """Do a loop's steps for each item; gives what they collect."""
    return await _Loop(walk, step, path, scope).run()


class _Loop:
    """One walk of one loop, from its last checkpoint on.

    :ivar collected: what the items since the checkpoint left behind, by their numbers.
    :ivar errors: of the items since then that failed where the others go on.
    """

    def __init__(self, walk: Interpreter, step: ForeachStep, path: str, scope: Scope) -> None:
        self.walk = walk
        self.step = step
        self.path = path
        self.scope = scope
        self.tolerant = step.on_item_error is not OnItemError.FAIL
        known = walk.effects.folded(path)
        self.state = State.of(known["at"] if known else None)
        self.kept = Gathered(f"{path}!collected@", *(known["collected"] if known else ()))
        self.failed = Gathered(f"{path}!errors@", *(known["errors"] if known else ()))
        self.collected: dict[int, Any] = {}
        self.errors: dict[int, Any] = {}
        self.size = self.state.size
        self.done = self.state.done
        self.failures = self.state.failed
        # a loop that came to its end under another limit stays at its end, in whatever order its items are walked
        self.whole = f"{path}.collected"
        self.over = walk.effects.remembers(self.whole)

    async def run(self) -> Any:
        state, items = self.state, source(self.walk, self.step, self.path, self.scope)
        await items.open()
        waiting, state.open = state.open, []
        held: dict[int, tuple[Item, MustHold]] = {}
        over: list[Item] = []
        folded = state.page
        while len(held) <= MOST_HELD:
            at = state.copy()
            try:
                found = await items.segment(state)
            except (StepFailed, CutOff):
                if not held:
                    raise
                break  # a hold goes before a failure, which comes again when it is settled
            if found is not None and self.step.folds and not self.walk.over and (over or at.page > folded):
                at.open = [item for item, _ in held.values()]
                await self._fold(at, over, found, items.total)
                over, folded = [], at.page
            turns, waiting = [*waiting, *(found or ())], []
            ended, troubles = await self._segment(turns)
            over += ended
            held |= troubles
            if found is None:
                break
        if held:
            raise MustHold(*(hold for _, (_, trouble) in sorted(held.items()) for hold in trouble.holds))
        self.walk.effects.gathers(self.whole, self.size)
        if self.walk.effects.folded(self.path) is not None:
            self._tell(0, items.total)
        return self._output()

    # ------------------------------------------------------------------ one segment

    async def _segment(self, turns: Sequence[Item]) -> tuple[list[Item], dict[int, tuple[Item, MustHold]]]:
        """Do the loop's steps for some items.

        :returns: those that are over, and those that are held while the others go on.
        """
        walk, step = self.walk, self.step
        troubles: dict[int, Exception] = {}
        held: dict[int, tuple[Item, MustHold]] = {}
        following = iter(range(len(turns)))

        async def work() -> None:
            for number in following:
                turn = turns[number]
                loop = f"{self.path}[{turn.name}]/"
                # one that had begun when another failed goes on to its end, in every life of the run
                if troubles and not walk.over and not (workers > 1 and walk.effects.entered(loop)):
                    continue
                try:
                    await self._turn(turn, loop, held)
                except TROUBLES as trouble:
                    troubles[turn.index] = trouble
                if number % YIELD_EVERY == YIELD_EVERY - 1:
                    # items that wait for nothing would keep every other run waiting; not before the item, because those
                    # at its side would begin new ones before it is known to have failed
                    await asyncio.sleep(0)

        # a walk over the journal takes what was done side by side in the order of the items
        workers = 1 if walk.over else min(step.concurrency, len(turns))
        if workers <= 1:
            await work()
        else:
            await side_by_side(walk, [work] * workers)
        settle({**{index: trouble for index, (_, trouble) in held.items()}, **troubles} if troubles else {})
        return [turn for turn in turns if turn.index not in held], held

    async def _turn(self, turn: Item, loop: str, held: dict[int, tuple[Item, MustHold]]) -> None:
        walk, step = self.walk, self.step
        scope = self.scope.item(step.variable, turn.value, turn.index)
        try:
            await walk.steps(step.steps, loop, "", scope)
            if step.collect is not None:
                context = walk.effects.context(f"{loop}collect")
                self._collect(turn, loop, step.collect.evaluate(scope.names, context))
        except (StepFailed, ExpressionError) as error:
            if not self.tolerant or isinstance(error, ValueTooLarge):
                raise
            failure = error
            if isinstance(failure, ExpressionError):
                failure = StepFailed(f"{loop}collect", walk.told(failure, step))
            if step.on_item_error is OnItemError.CONTINUE:
                self._note(turn, loop, failure)
            elif walk.over:
                # it had not ended, and a walk over the journal begins nothing
                raise CutOff from None
            else:
                held[turn.index] = turn, MustHold(failed_hold(failure, step))
                return
        except MustHold as hold:
            if not self.tolerant:
                raise
            held[turn.index] = turn, hold
            return
        self.done += 1

    def _collect(self, turn: Item, loop: str, value: Any) -> None:
        if value is OMIT:
            return
        self._grow(f"{loop}collect", value, COLLECTED)
        self.collected[turn.index] = value

    def _note(self, turn: Item, loop: str, failure: StepFailed) -> None:
        """Remember an item that failed, while the others go on."""
        about = {"index": turn.index, "item": turn.value, "error": failure.error}
        if self.step.key is not None:
            about["key"] = turn.name
        self._grow(f"{loop}error", about, FAILED_ITEMS)
        self.failures += 1
        self.errors[turn.index] = about

    def _grow(self, key: str, value: Any, what: str) -> None:
        if not self.over:
            self.size += jsontext.size(value)
            # a person who lets the loop go on lets it be measured anew
            self.walk.effects.gathers(f"{key}@{self.walk.effects.renewed(self.path)}", self.size, what)

    # ------------------------------------------------------------------ between two segments

    async def _fold(self, at: State, over: Sequence[Item], found: Sequence[Item], total: int | None) -> None:
        """Put a checkpoint in place of the items that are over."""
        at.size, at.done, at.failed = self.size, self.done, self.failures
        kept, failed, aside = self.kept.copy(), self.failed.copy(), dict[str, Any]()
        kept.add(self._pairs() if self.tolerant else self._values(), aside)
        failed.add([about for _, about in sorted(self.errors.items())], aside)
        names = [turn.name for turn in over]
        keyed = self.step.key is not None and self.step.stream is not None
        state = {"at": at.to_json(), "collected": kept.to_json(), "errors": failed.to_json(), "total": total}
        rest = [turn.name for turn in (*at.open, *found)]
        checkpoint = Checkpoint(state, rest, aside, at.page, names if keyed else ())
        if not await self.walk.effects.fold(self.path, checkpoint):
            # no new items without a checkpoint that names them: their rows would not be found after a death
            raise RuntimeError(f"an item of {self.path} is over, and nobody knows how a write of it ended")
        self.kept, self.failed, self.collected, self.errors = kept, failed, {}, {}
        self._tell(len(at.open), total)

    def _tell(self, held: int, total: int | None) -> None:
        self.walk.effects.progressed(self.step, self.path, Progress(self.done, self.failures + held, total))

    # ------------------------------------------------------------------ what it leaves behind

    def _values(self) -> list[Any]:
        return [value for _, value in sorted(self.collected.items())]

    def _pairs(self) -> list[Any]:
        """With their numbers, because an item that was held comes later than those after it."""
        return [[index, value] for index, value in sorted(self.collected.items())]

    def _output(self) -> Any:
        effects, collected = self.walk.effects, None
        if self.step.collect is not None and self.tolerant:
            collected = self.kept.all(effects, self._pairs(), NUMBERED)
        elif self.step.collect is not None:
            collected = self.kept.all(effects, self._values(), PLAIN)
        if self.step.on_item_error is not OnItemError.CONTINUE:
            return collected
        errors = self.failed.all(effects, [*self.errors.values()], FAILED)
        done = self.done - self.failures
        return Fields.of({"done": done, "failed": self.failures, "errors": errors, "collected": collected})
