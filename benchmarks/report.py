"""What is made from the figures: ``python -m benchmarks.report [FILE]`` prints the page.

With ``--summary`` it prints the part that stands in the README.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import middle, ratios

PAGE = Path(__file__).parent.parent / "docs" / "benchmark-report.md"
REPORTED = Path(__file__).parent / "results" / "report.json"

#: load average from which other work surely took its share; the benchmark itself has not begun when it is read
BUSY_MACHINE = 0.5

Results = dict[str, Any]
Figure = Callable[[Any], float]

_HEAD = """\
# Benchmark report

Made by `python -m benchmarks`; every figure comes from `benchmarks/results/report.json`. What is measured, and how, is
in [performance.md](performance.md). A figure is a median; in brackets stands the range that it comes from.
"""

_BUSY = """
**The machine was busy with other work.** Take these figures as an order of magnitude; ratios, and CPU rather than time.
"""


def page(results: Results) -> str:
    """The report; what was not measured is left out."""
    parts = [_HEAD, _machine(results)]
    for key, part in (
        ("check", _check),
        ("rounds", _maximum),
        ("rounds", _side_by_side),
        ("latency", _latency),
        ("cold", _cold),
        ("rounds", _memory),
        ("rounds", _disk),
        ("kills", _kills),
        ("rounds", _every_round),
    ):
        if key in results:
            parts.append(part(results))
    return "\n".join(parts)


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """A median and its range, as text."""
    found = middle(values)
    return f"{found.median:,.{digits}f} ({found.low:,.{digits}f} to {found.high:,.{digits}f})"


def _machine(results: Results) -> str:
    at = results["machine"]
    changed = ", with uncommitted changes" if at["uncommitted_changes"] else ""
    versions = ", ".join(f"{name} {version}" for name, version in at["versions"].items())
    rows = [
        ("date", at["date"]),
        ("commit", f"`{at['commit']}`{changed}"),
        ("machine", f"{at['cpu']}, {at['cores']} cores, {at['memory_mb']:,} MB, Linux {at['kernel']}"),
        ("disk", f"{at['file_system']}; a page is durable after {at['fdatasync_ms']:.2f} ms (fdatasync, median)"),
        ("versions", f"Python {at['python']}, SQLite {at['sqlite']}, {versions}"),
        ("load average at the start", f"{at['load_average']:.2f}"),
        ("took", f"{results['minutes']:.1f} minutes"),
    ]
    busy = "" if at["load_average"] <= BUSY_MACHINE else _BUSY
    return table(("", ""), rows) + busy


def _check(results: Results) -> str:
    rows = [(f"`{name}`", got["posted"], got["left_out"]) for name, got in results["check"].items()]
    return (
        "## The same work\n\nBefore anything is timed, each system gets both types of event. In every load, each"
        " update is compared in all nine fields, and one that is missing, doubled or wrong ends the benchmark.\n\n"
        + table(("system", "`points.earned`: read and posted", "`points.spent`: left alone"), rows)
    )


def _names(results: Results) -> list[str]:
    return list(results["plan"]["systems"])


def _of(results: Results, name: str, figure: Figure) -> list[float]:
    return [figure(each[name]) for each in results["rounds"]]


def _maximum(results: Results) -> str:
    rows = []
    for name in _names(results):
        tries = results["windows"][name]
        rows.append(
            (
                f"`{name}`",
                spread(_of(results, name, lambda got: got["per_second"])),
                spread(_of(results, name, lambda got: got["cpu_us"])),
                spread(_of(results, name, lambda got: got["through_ms"]["p50"]), 1),
                spread(_of(results, name, lambda got: got["through_ms"]["p99"]), 1),
                max(tries, key=lambda outstanding: tries[outstanding]),
                f"{middle(_of(results, name, lambda got: 100 * got['cpu_share'])).median:.0f} %",
                f"{middle(_of(results, name, lambda got: 100 * got['generator_cpu_share'])).median:.0f} %",
            )
        )
    headers = ("system", "runs/s", "CPU us/run", "p50 ms", "p99 ms", "outstanding", "its core", "the load's core")
    return (
        f"## The maximum\n\nRounds with all systems in turn: {len(results['rounds'])}. *Its core* and *the load's core*"
        " say how busy the two were.\n\n" + table(headers, rows)
    )


def _side_by_side(results: Results) -> str:
    rows = []
    for name in _names(results):
        if name == "engine" or "engine" not in _names(results):
            continue
        faster = ratios(results["rounds"], "engine", name, lambda got: got["per_second"])
        cost = ratios(results["rounds"], "engine", name, lambda got: got["cpu_us"])
        rows.append((f"`engine` : `{name}`", spread(faster, 2), spread(cost, 2)))
    return (
        "## The engine and its yardsticks\n\nRatios within a round, where the two were neighbours in time. For runs/s"
        " more is better, for CPU less.\n\n" + table(("", "runs/s", "CPU per run"), rows)
    )


def _latency(results: Results) -> str:
    rows = []
    for name, loads in results["latency"].items():
        for load, got in loads.items():
            rate = middle([each["asked"] for each in got]).median
            cells = [
                spread([each[end][quantile] for each in got], 1)
                for end in ("accepted_ms", "through_ms")
                for quantile in ("p50", "p99")
            ]
            rows.append((f"`{name}`", load, f"{rate:.0f}", *cells))
    headers = ("system", "load", "events/s", "2xx p50 ms", "2xx p99 ms", "through p50 ms", "through p99 ms")
    return (
        "## Latency\n\nAt a fixed rate, from the moment at which an event was *due* to its 2xx, and until the API has"
        " its update. *Light* is 20 events a second, *busy* 70 % of the system's own maximum.\n\n"
        + table(headers, rows)
    )


def _cold(results: Results) -> str:
    rows = [
        (
            f"`{name}`",
            spread([each["accepted_s"] for each in got], 2),
            spread([each["through_s"] for each in got], 2),
        )
        for name, got in results["cold"].items()
    ]
    return (
        "## Cold start\n\nFrom the start of the process, with Python's files in the page cache and a new store.\n\n"
        + table(("system", "first 2xx, s", "first event through, s"), rows)
    )


def _memory(results: Results) -> str:
    rows = _columns(results, ("idle_mb", "loaded_mb", "peak_mb"), 1)
    return "## Memory\n\nResident set, in MB.\n\n" + table(("system", "idle", "after the load", "peak"), rows)


def _disk(results: Results) -> str:
    rows = _columns(results, ("written_bytes", "stored_bytes_serving", "stored_bytes_stopped"), 0)
    return (
        "## Disk\n\nBytes for each run of the closed load. *Written* is what the kernel counts for the process, log and"
        " checkpoints included; *serving* is the growth of the data folder with its write-ahead log, *stopped* what is"
        " left after a regular stop. The event itself has about 1,500 bytes.\n\n"
        + table(("system", "written", "serving", "stopped"), rows)
    )


def _columns(results: Results, keys: Sequence[str], digits: int) -> list[list[str]]:
    return [
        [f"`{name}`", *(spread([each[name][key] for each in results["rounds"]], digits) for key in keys)]
        for name in _names(results)
    ]


def _kills(results: Results) -> str:
    rows = [
        (
            f"{got['asked']:.0f}",
            f"{got['api_delay_s'] * 1000:.0f} ms",
            got["sent"],
            got["accepted"],
            got["lost"],
            got["doubled"],
            got["held"],
            got["held_and_posted"],
            f"{got['restart_to_first_2xx_s']:.2f}",
        )
        for got in results["kills"]
    ]
    headers = ("events/s", "API's delay", "sent", "accepted", "**lost**", "**doubled**", "held", "…posted", "back, s")
    return (
        "## Killed\n\nThe engine gets a SIGKILL halfway through a load at a fixed rate, and is started again at once."
        " *Lost* was accepted and is neither through nor held. *Held* was between its intent and its outcome: the"
        " engine cannot know whether the update arrived, so it asks a person rather than post it twice; *…posted* says"
        " how many had arrived. *Back* is the time from the start to the next 2xx.\n\n" + table(headers, rows)
    )


def _every_round(results: Results) -> str:
    names = _names(results)
    headers = ["round"] + [f"`{name}` {unit}" for name in names for unit in ("runs/s", "us")]
    rows = [
        [number, *(f"{each[name][key]:,.0f}" for name in names for key in ("per_second", "cpu_us"))]
        for number, each in enumerate(results["rounds"], 1)
    ]
    return "## Every round\n\nThe maximum in runs a second, and microseconds of CPU for each run.\n\n" + table(
        headers, rows
    )


def summary(results: Results) -> str:
    """The README's table: the engine beside the same work by hand."""
    names = {"engine": "this engine", "raw_durable": "by hand, durable", "raw_flow": "by hand, nothing kept"}

    def row(what: str, cell: Callable[[str], str]) -> list[str]:
        return [what, *map(cell, names)]

    def of_rounds(key: str) -> Callable[[str], float]:
        return lambda name: middle([each[name][key] for each in results["rounds"]]).median

    def light(name: str) -> str:
        got = results["latency"][name]["light"]
        p50, p99 = (middle([each["through_ms"][quantile] for each in got]).median for quantile in ("p50", "p99"))
        return f"{p50:.1f}, {p99:.1f} ms"

    def first(name: str) -> float:
        return middle([each["accepted_s"] for each in results["cold"][name]]).median

    per_second, idle, stored = of_rounds("per_second"), of_rounds("idle_mb"), of_rounds("stored_bytes_stopped")
    share = spread(ratios(results["rounds"], "engine", "raw_durable", lambda got: got["per_second"]), 2)
    rows = [
        row("runs a second, on one core", lambda name: f"{per_second(name):,.0f}"),
        row("from the event to its update at 20/s: p50, p99", light),
        row("first webhook after the start", lambda name: f"{first(name):.2f} s"),
        row("memory when idle", lambda name: f"{idle(name):.0f} MB"),
        row("on the disk for each run", lambda name: f"{stored(name) / 1000:.1f} KB" if stored(name) else "-"),
    ]
    beside = f"It does {share} of what is done by hand as durably: median and range of {len(results['rounds'])} rounds."
    return f"{table(('', *names.values()), rows)}\n{beside}\n"


if __name__ == "__main__":
    wanted = [word for word in sys.argv[1:] if word != "--summary"]
    made = summary if "--summary" in sys.argv else page
    print(made(json.loads(Path(wanted[0] if wanted else REPORTED).read_text())), end="")
