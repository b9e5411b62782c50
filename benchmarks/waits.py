"""What a million waiting runs cost, and whether they go on in time.

The engine makes some thousand waiting runs itself, from events that come to its webhook, and is stopped. Their rows are
then copied in its file, equal but for ids, the signal that each waits for, and the moment at which its time is over;
that nothing else differs is tested on copies taken at random. Then the engine is started over all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import socket
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.figures import percentile
from benchmarks.machine import describe
from benchmarks.processes import Process
from benchmarks.systems import HERE, HOST, Engine

DAY = 86_400.0
#: seconds after which an engine that only waits has come to rest
REST = 10.0
#: seconds from the start of the engine to the first moment that is over while it runs
LEAD = 20.0
#: seconds without a run that goes on after which no more is expected
STALL = 30.0
#: events sent at a time
AT_ONCE = 64
#: copies that are compared with what they are copies of
COMPARED = 1000
STEP = "arrived"

#: the columns of a run's rows that differ in its copies, by table; all others are equal
DIFFERS = {
    "receipts": {"id"},
    "deliveries": {"receipt_id", "run_id"},
    "runs": {"id", "receipt_id", "origin", "due_at"},
    "journal": {"run_id", "output"},
    "waits": {"run_id", "match", "due_at"},
}
#: what leads from a run to its rows
OF_RUN = {
    "receipts": "t.id = m.receipt_id",
    "deliveries": "t.receipt_id = m.receipt_id",
    "runs": "t.id = m.run_id",
    "journal": "t.run_id = m.run_id",
    "waits": "t.run_id = m.run_id",
}


class Wrong(RuntimeError):
    """The runs are not what they should be; figures of them would be worth nothing."""


class Waiting(Engine):
    """``engine serve`` over a scenario whose runs wait."""

    def prepare(self) -> str:
        self.project = self.folder / "project"
        shutil.copytree(HERE / "waiting", self.project)
        [webhook] = self.ask("webhooks")["webhooks"]
        return str(webhook["url"]).partition(f"{HOST}:")[2].partition("/")[2]

    @property
    def file(self) -> Path:
        return self.kept() / "store.db"

    def asked(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of the store."""
        with closing(sqlite3.connect(self.file, timeout=60)) as db:
            return db.execute(query, values).fetchall()

    @contextmanager
    def running(self) -> Iterator[Process]:
        process = self.start()
        try:
            yield process
        finally:
            process.stop(patience=120.0)


# ---------------------------------------------------------------------- making them


async def send(system: Waiting, count: int) -> None:
    """Let the engine make waiting runs, each from an event of its own."""
    url, left = f"http://{HOST}:{system.port}/{system.path}", iter(range(count))

    async def sender(session: aiohttp.ClientSession) -> None:
        for number in left:
            body = {"order": f"o-{number}", "sku": f"SKU-{number % 97}", "email": f"customer{number}@example.com"}
            async with session.post(url, json=body) as response:
                response.raise_for_status()

    async with aiohttp.ClientSession() as session:
        await until(lambda: _listens(system.port), 60.0)
        await asyncio.gather(*(sender(session) for _ in range(AT_ONCE)))
    await until(lambda: waiting(system) == count, 60.0)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


async def until(true: Callable[[], bool], patience: float) -> None:
    end = time.monotonic() + patience
    while not true():
        if time.monotonic() > end:
            raise Wrong("the engine does not come so far")
        await asyncio.sleep(0.1)


def waiting(system: Waiting) -> int:
    [(count,)] = system.asked("select count(*) from runs where state = 'waiting'")
    return int(count)


def multiply(system: Waiting, copies: int) -> None:
    """Copy the rows of all runs so many times, each copy older than the one before."""
    with closing(sqlite3.connect(system.file)) as db:
        db.execute("pragma synchronous = off")
        db.execute("pragma cache_size = -200000")
        # older ids: those that the engine gives out next are larger than all
        [(low, high)] = db.execute("select min(receipt_id), max(id) from runs")
        columns = {table: [row[1] for row in db.execute(f"pragma table_info({table})")] for table in DIFFERS}
        # one moment for all rows of a run
        db.execute("create temp table moments(run_id integer primary key, receipt_id integer, due real)")
        for copy in range(1, copies + 1):
            db.execute("delete from moments")
            db.execute(
                "insert into moments select id, receipt_id, :now + :day * (1 + abs(random() % 29000) / 1000.0) "
                "from runs where id >= :low",
                {"now": time.time(), "day": DAY, "low": low},
            )
            for table, names in columns.items():
                values = ", ".join(_copied(table, name) for name in names)
                db.execute(
                    f"insert into {table}({', '.join(names)}) select {values} "
                    f"from moments m cross join {table} t on {OF_RUN[table]}",
                    {"by": (high - low + 1) * copy, "copy": copy},
                )
            db.commit()
        db.execute("pragma wal_checkpoint(truncate)")


def _copied(table: str, column: str) -> str:
    if column in DIFFERS[table] and column.removeprefix("receipt_").removeprefix("run_") == "id":
        return f"t.{column} - :by"
    if column not in DIFFERS[table]:
        return f"t.{column}"
    return {
        "origin": "(t.receipt_id - :by) || ':' || t.number",
        "due_at": "m.due",
        "match": "t.match || '-' || :copy",
        "output": "cast(json_set(cast(t.output as text), '$.due', m.due) as blob)",
    }[column]


def compare(system: Waiting, originals: int, chance: random.Random) -> None:
    """See that copies taken at random differ from what they are copies of in nothing but what must differ."""
    ids = [row[0] for row in system.asked("select id from runs order by id")]
    span = ids[-1] - ids[-1 - originals]
    with closing(sqlite3.connect(system.file)) as db:
        db.row_factory = sqlite3.Row
        kept = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
        for table in kept - set(DIFFERS):
            (rows,) = db.execute(f"select count(*) from {table}").fetchone()
            if rows > originals / 2:
                raise Wrong(f"the engine keeps rows of these runs in {table} too")
        for number in chance.sample(range(len(ids) - originals), min(COMPARED, len(ids) - originals)):
            copy = ids[number]
            model = ids[len(ids) - originals + number % originals]
            for table, may in DIFFERS.items():
                one, other = (_rows(db, table, run_id) for run_id in (model, copy))
                if len(one) != len(other) or not one:
                    raise Wrong(f"{table}: {len(one)} rows of a run, {len(other)} of its copy")
                for left, right in zip(one, other, strict=True):
                    names = {name for name in left.keys() if left[name] != right[name]}  # noqa: SIM118 - a Row iterates over values
                    if names - may:
                        raise Wrong(f"{table}: a copy differs in {names - may}")
                    if table == "journal" and _without_due(left["output"]) != _without_due(right["output"]):
                        raise Wrong("journal: a copy waits for something else")
    if span <= 0:
        raise Wrong("the ids of the copies do not grow")


def _rows(db: sqlite3.Connection, table: str, run_id: int) -> list[sqlite3.Row]:
    run = "(select id as run_id, receipt_id from runs where id = ?)"
    return db.execute(f"select t.* from {run} m cross join {table} t on {OF_RUN[table]}", (run_id,)).fetchall()


def _without_due(output: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output)
    return {key: value for key, value in found.items() if key != "due"}


def set_due(system: Waiting, moments: Sequence[tuple[int, float]]) -> None:
    """Let the time of runs be over at other moments."""
    with closing(sqlite3.connect(system.file)) as db:
        pairs = [(due, run_id) for run_id, due in moments]
        db.executemany("update runs set due_at = ? where id = ?", pairs)
        db.executemany("update waits set due_at = ? where run_id = ?", pairs)
        db.executemany(
            "update journal set output = cast(json_set(cast(output as text), '$.due', ?) as blob) where run_id = ?",
            pairs,
        )
        db.commit()


# ---------------------------------------------------------------------- measuring


async def gone_on(system: Waiting, runs: Sequence[int], patience: float) -> None:
    """Return when all of these runs are through, or none has gone on for a while."""
    latest, since = -1, time.monotonic()
    while True:
        [(count,)] = system.asked("select count(*) from runs where state = 'succeeded'")
        if count == len(runs):
            return
        if count != latest:
            latest, since = count, time.monotonic()
        if time.monotonic() - since > patience:
            raise Wrong(f"{len(runs) - count} runs do not go on")
        await asyncio.sleep(1.0)


def lateness(system: Waiting, runs: Sequence[int]) -> tuple[list[float], list[float]]:
    """From its moment: when each went on, and when each was through. Raises ``Wrong``."""
    wanted, began, ended = set(runs), [], []
    rows = system.asked(
        "select r.id, r.state, w.due_at, w.state, w.answered_at, r.ended_at, "
        "(select count(*) from journal j where j.run_id = r.id and j.kind = 'timed-out') "
        "from runs r join waits w on w.run_id = r.id where r.state != 'waiting'"
    )
    for run_id, state, due, how, at, end, times in rows:
        if run_id not in wanted:
            continue
        if (state, how, times) != ("succeeded", "timed-out", 1):
            raise Wrong(f"a run is {state}, its wait {how}, {times} times")
        began.append(at - due)
        ended.append(end - due)
    if len(began) != len(wanted):
        raise Wrong(f"{len(wanted) - len(began)} runs did not go on")
    return began, ended


def spread(values: Sequence[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {name: round(percentile(values, share), 4) for name, share in shares.items()}


async def measure(options: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    chance = random.Random(7)
    folder = Path(tempfile.mkdtemp(prefix="bench-waits-", dir=options.folder))
    found: dict[str, Any] = {"machine": describe(folder), "runs": options.runs, "live": options.live}
    system = Waiting(folder, 0, None)
    try:
        with system.running() as process:
            await until(lambda: _listens(system.port), 60.0)
            await asyncio.sleep(REST)
            found["idle_mb"] = process.memory()[0]
            say(f"idle, empty store: {found['idle_mb']:.1f} MB")
            await send(system, options.live)
        say(f"{options.live} runs made by the engine")
        began = time.monotonic()
        multiply(system, options.runs // options.live - 1)
        say(f"copied in {time.monotonic() - began:.0f} s; the file has {system.file.stat().st_size / 1e6:.0f} MB")
        compare(system, options.live, chance)
        found["file_mb"] = round(system.file.stat().st_size / 1e6)
        ids = [row[0] for row in system.asked("select id from runs where state = 'waiting'")]
        chance.shuffle(ids)
        found |= await _due(system, ids[: options.rate * options.seconds], options, say)
        if rest := ids[options.rate * options.seconds :][: options.overdue]:
            found |= await _restart(system, rest, say)
    finally:
        system.discard()
    return found


async def _due(
    system: Waiting, chosen: Sequence[int], options: argparse.Namespace, say: Callable[[str], None]
) -> dict[str, Any]:
    base = time.time() + LEAD + len(chosen) / 20_000
    set_due(system, [(run_id, base + number / options.rate) for number, run_id in enumerate(chosen)])
    with system.running() as process:
        await until(lambda: _listens(system.port), 60.0)
        await asyncio.sleep(max(0.0, base - time.time() - 2.0))
        resident, cpu = process.memory()[0], process.usage().cpu
        say(f"{waiting(system)} waiting: {resident:.1f} MB")
        await gone_on(system, chosen, STALL)
        peak, used = process.memory()[1], process.usage().cpu - cpu
    began, ended = lateness(system, chosen)
    say(f"{options.rate} a second, seconds late: {spread(began)}")
    return {
        "resident_mb": resident,
        "rate": options.rate,
        "seconds": options.seconds,
        "late": spread(began),
        "through": spread(ended),
        "peak_mb": peak,
        "cpu_ms_a_run": round(used / len(chosen) * 1000, 3),
    }


async def _restart(system: Waiting, chosen: Sequence[int], say: Callable[[str], None]) -> dict[str, Any]:
    done = int(system.asked("select count(*) from runs where state = 'succeeded'")[0][0])
    now = time.time()
    set_due(system, [(run_id, now - 60 + 59 * number / len(chosen)) for number, run_id in enumerate(chosen)])
    began = time.time()
    with system.running() as process:
        await gone_on(system, range(done + len(chosen)), STALL)
        peak = process.memory()[1]
    lateness(system, chosen)
    rows = system.asked("select min(ended_at), max(ended_at) from runs where ended_at > ?", (began,))
    first, last = rows[0]
    rate = len(chosen) / (last - first)
    say(
        f"restart, {len(chosen)} overdue: first after {first - began:.2f} s, all after {last - began:.1f} s, "
        f"{rate:.0f}/s, peak {peak:.0f} MB"
    )
    return {
        "overdue": len(chosen),
        "first": first - began,
        "all": last - began,
        "overdue_rate": rate,
        "overdue_peak_mb": peak,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waits", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="waiting runs")
    parser.add_argument("--live", type=int, default=4000, help="those among them that the engine makes itself")
    parser.add_argument("--rate", type=int, default=1000, help="how many are over in a second")
    parser.add_argument("--seconds", type=int, default=20, help="for so long")
    parser.add_argument("--overdue", type=int, help="how many are over at the restart (all the others)")
    parser.add_argument("--folder", help="on the disk that counts")
    parser.add_argument("--out", type=Path, help="where the figures go, as JSON")
    options = parser.parse_args()
    found = asyncio.run(measure(options, lambda line: print(line, flush=True)))
    if options.out:
        options.out.write_text(json.dumps(found, indent=2))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
