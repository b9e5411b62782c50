"""The work by hand, as durable as the engine and with nothing else: no scenarios, no recovery, nothing to look at.

    python benchmarks/yardsticks/raw_durable.py PORT API_URL FOLDER

Receipt and run are on the disk before the 202, the intent with its request before the write; what was read and how the
write ended ride along with the next commit. SQLite with a write-ahead log and full fsync; what gathers while one
transaction is written goes into the next.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
import sys
import time
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

JSON = {"Content-Type": "application/json"}
TABLES = """
create table receipts (id integer primary key, received_at real, headers blob, body blob);
create table runs (id integer primary key, receipt_id integer, state text, created_at real);
create table journal (run_id integer, key text, state text, request blob, output blob, at real,
                      primary key (run_id, key)) without rowid;
"""
TAKE = "insert into receipts values (?, ?, ?, ?)"
BEGIN = "insert into runs values (?, ?, 'running', ?)"
READ = "insert into journal values (?, 'customer', 'done', null, ?, ?)"
INTEND = "insert into journal values (?, 'update', 'intended', ?, null, ?)"
SETTLE = "update journal set state = 'done', output = ?, at = ? where run_id = ? and key = 'update'"
END = "update runs set state = 'succeeded' where id = ?"

Statement = tuple[str, tuple[object, ...]]
Batch = list[tuple[tuple[Statement, ...], "asyncio.Future[None] | None"]]


class Writer:
    """A thread that writes all that waits in one transaction, while the next one gathers."""

    def __init__(self, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._gathering: Batch = []
        self._writing = False
        self._batches: SimpleQueue[Batch] = SimpleQueue()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.executescript(TABLES)
        self._thread = Thread(target=self._work)
        self._thread.start()

    def put(self, *statements: Statement) -> asyncio.Future[None]:
        """The future is done when the statements are on the disk."""
        future = self._loop.create_future()
        self._gathering.append((statements, future))
        self._start()
        return future

    def ride(self, *statements: Statement) -> None:
        """Nobody waits for these."""
        self._gathering.append((statements, None))
        self._start()

    def close(self) -> None:
        """Write what gathered, copy the log into the file, end the thread."""
        if self._gathering:
            self._hand_over()
        self._batches.put([])
        self._thread.join()

    def _start(self) -> None:
        if not self._writing:
            self._writing = True
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        batch, self._gathering = self._gathering, []
        self._batches.put(batch)

    def _work(self) -> None:
        execute = self._db.execute
        while True:
            batch = self._batches.get()
            if not batch:
                self._db.close()
                return
            execute("begin immediate")
            for statements, _ in batch:
                for sql, values in statements:
                    execute(sql, values)
            execute("commit")
            self._loop.call_soon_threadsafe(self._committed, batch)

    def _committed(self, batch: Batch) -> None:
        for _, future in batch:
            if future is not None and not future.done():
                future.set_result(None)
        if self._gathering:
            self._hand_over()
        else:
            self._writing = False


class DurableFlow:
    def __init__(self, api: str, folder: Path) -> None:
        self.api, self.folder = api, folder
        self.tasks: set[asyncio.Task[None]] = set()
        self.ids = itertools.count(1)

    async def start(self, _app: web.Application) -> None:
        self.client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100))
        self.writer = Writer(self.folder / "yardstick.db")

    async def stop(self, _app: web.Application) -> None:
        if self.tasks:
            await asyncio.wait(self.tasks)
        await self.client.close()
        self.writer.close()

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        event, run_id, now = json.loads(body), next(self.ids), time.time()
        headers = json.dumps({str(name): value for name, value in request.headers.items()}).encode()
        await self.writer.put((TAKE, (run_id, now, headers, body)), (BEGIN, (run_id, run_id, now)))
        task = asyncio.get_running_loop().create_task(self.run(run_id, event))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return web.Response(status=202, body=b"{}", headers=JSON)

    async def run(self, run_id: int, event: dict[str, Any]) -> None:
        if event["type"] != "points.earned":
            self.writer.ride((END, (run_id,)))
            return
        async with self.client.get(f"{self.api}/customers/{event['customer']['id']}") as answer:
            found = await answer.read()
        customer = json.loads(found)
        self.writer.ride((READ, (run_id, found, time.time())))
        update = json.dumps(
            {
                "event_id": event["event_id"],
                "customer_id": customer["id"],
                "crm_id": customer["crm_id"],
                "email": customer["email"],
                "tier": customer["tier"],
                "balance": customer["balance"] + event["points"]["earned"],
                "reason": event["type"],
                "store": event["store"]["id"],
                "total": event["transaction"]["total"],
            }
        ).encode()
        await self.writer.put((INTEND, (run_id, update, time.time())))
        async with self.client.post(f"{self.api}/updates", data=update, headers=JSON) as answer:
            output = await answer.read()
        self.writer.ride((SETTLE, (output, time.time(), run_id)), (END, (run_id,)))


def main(port: str, api: str, folder: str) -> None:
    flow = DurableFlow(api, Path(folder))
    app = web.Application()
    app.on_startup.append(flow.start)
    app.on_cleanup.append(flow.stop)
    app.router.add_post("/hook", flow.take)
    web.run_app(app, host="127.0.0.1", port=int(port), access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main(*sys.argv[1:])
