"""Random plans of ways, loops, handlers, cleaning up and undoing: a crash anywhere changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.runtime import rounds
from engine.runtime.rounds import FOLD_EVERY
from engine.sdk.errors import DataError
from engine.testing import CrashAt
from tests.runtime.core import shop

Plan = list[dict[str, Any]]
POINTS = (
    "effect.intended",
    "effect.sent",
    "store.begin",
    "store.committed",
    "undo.before",
    "run.rolling_back",
    "loop.folded",
)


class Shop:
    """Takes each request once, by its key, as a vendor does that honours keys; some requests it always refuses."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def __call__(self, config: Mapping[str, Any]) -> Any:
        if config["bad"]:
            raise DataError("no", refused=True)
        name = f"{config['name']}/{config.get('item')}/{config.get('round')}"
        if name not in self.taken:
            self.taken.append(name)
        return {}


class Names:
    """Gives each step an id of its own."""

    def __init__(self) -> None:
        self.number = 0

    def call(self, *, bad: bool, item: str) -> dict[str, Any]:
        self.number += 1
        name = f"s{self.number}"
        config: dict[str, Any] = {"name": name, "bad": bad}
        if item:
            config[item] = {"item": "${{ item }}", "round": "${{ index }}"}[item]
        return {"id": name, "module": "shop.pay", "with": config}


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    names = Names()

    def steps(depth: int, *, item: str, aside: bool, side: bool, most: int = 3) -> Plan:
        return [step(depth, item=item, aside=aside, side=side) for _ in range(draw(st.integers(1, most)))]

    def step(depth: int, *, item: str, aside: bool, side: bool) -> dict[str, Any]:
        kinds = ("call", "call", "group", "else_if", "route", "parallel", "loop", "repeat")
        kind = draw(st.sampled_from(kinds)) if depth < 2 else "call"

        def inside(*, item: str = item, side: bool = side) -> Plan:
            return steps(depth + 1, item=item, aside=aside, side=side)

        if kind == "call":
            made = names.call(bad=draw(st.integers(0, 3)) == 0, item=item)
        elif kind == "else_if":
            made = {"if": False, "steps": [], "else_if": [{"if": draw(st.booleans()), "steps": inside()}]}
            made["else"] = inside()
        elif kind == "route":
            routes = [{"if": draw(st.booleans()), "steps": inside()} for _ in range(draw(st.integers(1, 3)))]
            made = {"route": routes, "match": draw(st.sampled_from(["first", "all"])), "otherwise": inside()}
        elif kind == "parallel":
            made = {"parallel": {"a": inside(side=True), "b": inside(side=True)}}
        elif kind == "group" or item:
            made = {"steps": inside()}
        elif kind == "repeat":
            rounds = draw(st.sampled_from([{"times": 2}, {"until": "${{ index == 1 }}", "max": 2}]))
            made = {"repeat": rounds, "steps": inside(item="round")}
        else:
            made = {"foreach": "${{ trigger.items }}", "steps": inside(item="item")}
        if draw(st.booleans()):
            # what cannot fail, so that cleaning up and undoing comes to its end without a person
            more = ["finally"] if aside else ["finally", "undo", "undo"]
            made[draw(st.sampled_from(more))] = [names.call(bad=False, item=item)]
        ways = ["fail", "ignore", "handler"]
        if not aside:
            # how far a branch comes while its sibling rolls back depends on who is faster
            ways += ["commit"] if side else ["commit", "rollback", "rollback"]
        way = draw(st.sampled_from(ways))
        if way == "handler":
            made["on_error"] = steps(2, item=item, aside=aside, side=side, most=1)
        elif way != "fail":
            made["on_error"] = way
        return made

    return steps(0, item="", aside=False, side=False)


async def walked(plan: Plan, crash: CrashAt | None) -> tuple[Any, ...]:
    vendor = Shop()
    harness = shop("\n".join(f"- {json.dumps(step)}" for step in plan), {"shop.pay": vendor})
    found = await harness.crash(crash or CrashAt(), {"items": [1, 2]})
    await harness.stop()
    if not found:
        # it died before the event was taken
        return ()
    [result] = found
    said = result._result()
    # a try that was cut off is made again under the next number, so that is left out
    # what goes on side by side comes in any order
    taken = sorted(vendor.taken) if "parallel" in json.dumps(plan) else vendor.taken
    return result.state, said.get("error", {}).get("step"), said.get("rolled_back"), said.get("committed"), taken


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(plans(), st.sampled_from(POINTS), st.integers(1, 12), st.sampled_from([1, FOLD_EVERY]))
def test_a_crash_anywhere_leads_to_the_same_end_by_the_same_calls(plan: Plan, point: str, nth: int, fold: int) -> None:
    async def both() -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return await walked(plan, None), await walked(plan, CrashAt(point, nth))

    with pytest.MonkeyPatch.context() as patch:
        # also with rounds that leave the journal at once
        patch.setattr(rounds, "FOLD_EVERY", fold)
        calm, crashed = asyncio.run(both())
    assert crashed in ((), calm)
