"""What expressions cost, time and size bounded: those that scenarios are made of, beside the same in plain Python.

``python -m benchmarks.expressions`` prints microseconds of CPU for each, and the ratio to the floor of the same run:
what Python needs to do the same by hand, without bounds, types or errors with a place. The ratio says more than the
time, which depends on the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from engine.scenario.expressions import compile_expression

ROUNDS = 7
SECONDS = 0.15

EVENT: dict[str, Any] = {
    "trigger": {
        "email": "Ada@Example.com ",
        "points": 501,
        "tier": "GOLD",
        "at": "2026-01-02T03:04:05Z",
        "lines": [{"sku": f"A{n}", "price": n, "count": 2} for n in range(20)],
    }
}


def _total(scope: dict[str, Any]) -> int:
    return sum(line["price"] * line["count"] for line in scope["trigger"]["lines"] if line["price"] > 5)


CASES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "trigger.email": lambda scope: scope["trigger"]["email"],
    "trigger.tier == 'GOLD' and trigger.points > 500": lambda s: (
        s["trigger"]["tier"] == "GOLD" and s["trigger"]["points"] > 500
    ),
    "lower(trim(trigger.email))": lambda scope: scope["trigger"]["email"].strip().lower(),
    "if(trigger.points > 500, 'vip', 'new')": lambda s: "vip" if s["trigger"]["points"] > 500 else "new",
    "replace_pattern(trigger.email, '@.*', '')": lambda scope: scope["trigger"]["email"].split("@")[0],
    "sum(map(&(price * count), trigger.lines[?price > 5]))": _total,
    "format_date(trigger.at, 'YYYY-MM-DD')": lambda scope: scope["trigger"]["at"][:10],
}


def _microseconds(call: Callable[[], Any]) -> float:
    """CPU of one call: the best of several rounds, so that what else the machine does counts least."""
    best = float("inf")
    for _ in range(ROUNDS):
        count, started = 0, time.process_time()
        while time.process_time() - started < SECONDS / ROUNDS:
            for _ in range(200):
                call()
            count += 200
        best = min(best, (time.process_time() - started) / count)
    return best * 1e6


def main() -> None:
    print("| expression | µs | plain Python, µs | times |")
    print("| --- | --- | --- | --- |")
    for text, plain in CASES.items():
        evaluate = compile_expression(text).evaluate
        assert evaluate(EVENT) is not None
        ours, floor = _microseconds(lambda: evaluate(EVENT)), _microseconds(lambda: plain(EVENT))  # noqa: B023 - called at once
        print(f"| `{text}` | {ours:.2f} | {floor:.2f} | {ours / floor:.1f} |")


if __name__ == "__main__":
    main()
