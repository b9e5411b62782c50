"""Loops: the items of a list one after another, or side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engine.runtime.beside import TROUBLES, settle, side_by_side
from engine.runtime.scope import Scope
from engine.scenario.expressions import OMIT, ExpressionError
from engine.scenario.plan import ForeachStep
from engine.sdk import jsontext

if TYPE_CHECKING:
    from engine.runtime.interpreter import Interpreter

#: items of a loop after which other runs get a turn
YIELD_EVERY = 50


async def foreach(walk: Interpreter, step: ForeachStep, path: str, _loop: str, scope: Scope) -> Any:
    """Do a loop's steps for each item; gives what they collect."""
    items = step.items.evaluate(scope.names, walk.effects.context(path))
    if items is None:
        items = []
    if not isinstance(items, list):
        raise ExpressionError("foreach needs a list", step.items.text, 0, items, hint="wrap one value: `[x]`")
    scopes = [scope.item(step.variable, item, index) for index, item in enumerate(items)]
    loops = [f"{path}[{key}]/" for key in _keys(walk, step, path, scopes)]
    collected: list[Any] = [OMIT] * len(items)
    troubles: dict[int, Exception] = {}
    following = iter(range(len(items)))

    size = 0
    # a loop that came to its end under another limit stays at its end, in whatever order its items are walked
    whole = f"{path}.collected"
    over = walk.effects.remembers(whole)

    def collect(index: int, value: Any) -> None:
        nonlocal size
        if value is not OMIT and not over:
            size += jsontext.size(value)
            # a person who lets the loop go on lets it be measured anew
            walk.effects.gathers(f"{loops[index]}collect@{walk.effects.renewed(path)}", size)
        collected[index] = value

    async def work() -> None:
        for index in following:
            # one that had begun when another failed goes on to its end, in every life of the run
            if troubles and not walk.over and not (workers > 1 and walk.effects.entered(loops[index])):
                continue
            try:
                await walk.steps(step.steps, loops[index], "", scopes[index])
                if step.collect is not None:
                    context = walk.effects.context(f"{loops[index]}collect")
                    collect(index, step.collect.evaluate(scopes[index].names, context))
            except TROUBLES as trouble:
                troubles[index] = trouble
            if index % YIELD_EVERY == YIELD_EVERY - 1:
                # items that wait for nothing would keep every other run waiting; not before the item, because those at
                # its side would begin new ones before it is known to have failed
                await asyncio.sleep(0)

    # a walk over the journal takes what was done side by side in the order of the items
    workers = 1 if walk.over else min(step.concurrency, len(items))
    if workers <= 1:
        await work()
    else:
        await side_by_side(walk, [work] * workers)
    settle(troubles)
    walk.effects.gathers(whole, size)
    return [value for value in collected if value is not OMIT] if step.collect is not None else None


def _keys(walk: Interpreter, step: ForeachStep, path: str, scopes: Sequence[Scope]) -> list[str]:
    if step.key is None:
        return [str(index) for index in range(len(scopes))]
    keys: list[str] = []
    for index, scope in enumerate(scopes):
        key = step.key.evaluate(scope.names, walk.effects.context(f"{path}[{index}]/key"))
        if isinstance(key, bool) or not isinstance(key, str | int):
            raise ExpressionError("a foreach key must be text or a whole number", step.key.text, 0, key)
        keys.append(str(key).replace("%", "%25").replace("/", "%2F").replace("[", "%5B").replace("]", "%5D"))
    if len(set(keys)) < len(keys):
        twice = next(key for index, key in enumerate(keys) if key in keys[:index])
        raise ExpressionError(
            "two items have the same foreach key",
            step.key.text,
            0,
            twice,
            hint="choose a key that tells them apart",
        )
    return keys
