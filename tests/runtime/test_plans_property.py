"""Whatever the plan, whatever the vendor does, wherever the engine dies: it comes out as without the death.

Or a run is held because a write's outcome is unknown. `--hypothesis-profile=long` tries many more.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.sdk.errors import NotFound, RateLimitError
from engine.sdk.errors import TimeoutError as VendorTimeout
from engine.testing import Harness
from engine.testing.crash import FaultAt, Kind, Play, judge, live
from tests.support.shop import registry

#: what a vendor does when it is asked for the first time; later it does as it is told. What is not there never is: a
#: read that was refused is made again by the next life where the refusal was not durable yet
TROUBLE = {
    "none": lambda: None,
    "slow down": lambda: RateLimitError("slow down", retry_after=1.0),
    "not there": lambda: NotFound("not there", refused=True),
    "no answer": lambda: VendorTimeout("no answer"),
}

CALL = st.fixed_dictionaries(
    {
        "module": st.sampled_from(["shop.get", "shop.put", "shop.pay", "shop.charge"]),
        "trouble": st.sampled_from([*TROUBLE, "none", "none", "none"]),
    },
    optional={"on_error": st.sampled_from(["ignore", "hold"]), "retry": st.just({"attempts": 3, "from": "1s"})},
)
SET = st.fixed_dictionaries({"set": st.sampled_from([{"flag": True}, {"flag": False}, {"at": "${{ now() }}"}])})
STEPS = st.recursive(
    st.lists(CALL | SET, min_size=1, max_size=3),
    lambda inner: st.lists(
        CALL
        | SET
        | st.fixed_dictionaries({"if": st.just("${{ vars.flag }}"), "steps": inner, "else": inner})
        | st.fixed_dictionaries(
            {
                "if": st.just("${{ not vars.flag }}"),
                "steps": inner,
                "else_if": st.tuples(
                    st.fixed_dictionaries({"if": st.just("${{ vars.at != 'never' }}"), "steps": inner})
                ),
                "else": inner,
            }
        )
        | st.fixed_dictionaries(
            {
                "route": st.lists(
                    st.fixed_dictionaries({"if": st.sampled_from(["${{ vars.flag }}", False, True]), "steps": inner}),
                    min_size=1,
                    max_size=3,
                ),
                "match": st.sampled_from(["first", "all"]),
                "otherwise": inner,
            }
        )
        | st.fixed_dictionaries({"parallel": st.fixed_dictionaries({"left": inner, "right": inner})})
        | st.fixed_dictionaries(
            {
                "repeat": st.sampled_from(
                    [
                        {"times": 2},
                        {"until": "${{ vars.flag }}", "max": 2},
                        {"while": "${{ index < 2 and vars.flag }}", "max": 5},
                    ]
                ),
                "steps": inner,
            }
        )
        | st.fixed_dictionaries(
            {"foreach": st.just("${{ trigger.items }}"), "concurrency": st.integers(1, 2), "steps": inner}
        ),
        min_size=1,
        max_size=3,
    ),
    max_leaves=8,
)


class Vendor:
    """Fails as the plan says when a call with this number comes for the first time. It does not die with the engine."""

    STAYS = "not there"

    def __init__(self, troubles: Mapping[int, str]) -> None:
        self._troubles = troubles
        self._calls: Counter[str] = Counter()

    def __call__(self, config: Mapping[str, Any]) -> Any:
        which = json.dumps([config["n"], config.get("item"), config.get("index")])
        self._calls[which] += 1
        trouble = self._troubles[config["n"]]
        error = TROUBLE[trouble]() if self._calls[which] == 1 or trouble == self.STAYS else None
        if error is not None:
            raise error
        return {"n": config["n"]}


def written(steps: list[Any]) -> tuple[str, dict[int, str]]:
    """A plan as a scenario's source (JSON is YAML), and the vendor's troubles by number of the call."""
    numbers = itertools.count()
    troubles: dict[int, str] = {}

    def step(given: dict[str, Any], *, loop: frozenset[str], side: str) -> dict[str, Any]:
        def inside(steps: list[dict[str, Any]], *, side: str = side) -> list[dict[str, Any]]:
            own = {"foreach": {"item", "index"}, "repeat": {"index"}}
            around = loop.union(*(names for key, names in own.items() if key in given))
            return [step(inner, loop=around, side=side) for inner in steps]

        number = next(numbers)
        made = {key: value for key, value in given.items() if key != "trouble"}
        if "module" in given:
            troubles[number] = given["trouble"]
            made |= {"id": f"s{number}", "with": {"n": number, "at": "${{ vars.at }}"}}
            made["with"] |= {name: f"${{{{ {name} }}}}" for name in sorted(loop)}
        if given.keys() & {"foreach", "repeat", "route"}:
            made["id"] = f"s{number}"
        if side and "set" in given:
            # no two branches may set one variable
            made["set"] = {f"{name}{side}": value for name, value in given["set"].items()}
        for key in ("steps", "else", "otherwise"):
            if key in given:
                made[key] = inside(given[key])
        for key in ("else_if", "route"):
            if key in given:
                made[key] = [{**one, "steps": inside(one["steps"])} for one in given[key]]
        if "parallel" in given:
            branches = given["parallel"].items()
            made["parallel"] = {name: inside(steps, side=f"{side}_{name}{number}") for name, steps in branches}
        return made

    plan = {
        "scenario": "drawn",
        "trigger": {"module": "shop.watch"},
        "vars": {"flag": True, "at": "never"},
        "steps": [step(given, loop=frozenset(), side="") for given in steps],
    }
    return json.dumps(plan), troubles


@settings(
    max_examples=max(1, settings.default.max_examples // 5),  # type: ignore[union-attr]  # there is a default
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(STEPS, st.sampled_from(Kind), st.integers(0, 10_000))
def test_it_comes_out_as_without_the_death(steps: list[Any], kind: Kind, where: int) -> None:
    source, troubles = written(steps)
    shop = registry()

    def new() -> Harness:
        vendor = Vendor(troubles)
        doubles = {f"shop.{name}": vendor for name in ("get", "put", "pay", "charge")}
        return Harness([source], doubles=doubles, registry=shop)

    async def compare() -> None:
        play = Play(new, events=[{"items": ["a", "b"]}])
        with tempfile.TemporaryDirectory() as folder:
            counting = FaultAt()
            without = await live(play, Path(folder) / "without.db", [counting])
            judge(without, without)
            assert not without.broken, without
            # how many commits there are depends on what gathers for one, and an example must fail the same way again
            moments = [moment for moment in counting.moments(kind) if not moment.point.startswith("store.")]
            moment = moments[where % len(moments)]
            life = await live(play, Path(folder) / "life.db", [FaultAt(moment, kind)], str(moment))
            judge(life, without)
            assert not life.broken, f"{kind} at {moment}: {life.lost} {life.doubled} {life.faults}"

    asyncio.run(compare())
