"""``python -m benchmarks.fairness``: how long an event of a quiet scenario takes while another scenario is flooded.

A real engine serves two scenarios with the same step, a call that takes the API twenty milliseconds for the quiet one
and a quarter of a second for the other. The quiet one gets twenty events a second, first alone, then while the other
has a backlog that grows as fast as the engine takes events in. The floor is the time of the quiet one alone, in the
same run. What a queue that serves strictly in the order of arrival would have made of it is said beside: the backlog
divided by what the engine gets through.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import click
import uvloop
from aiohttp import web

from benchmarks.figures import percentile
from benchmarks.processes import Process
from benchmarks.systems import free_port

#: Seconds that the API takes for each answer. For the flood so long that it is not through as fast as it comes, however
#: fast the machine is: as many runs as may be in memory wait for it.
ANSWER = {"flood": 0.25, "quiet": 0.02}
#: quiet events a second
QUIET = 20.0
#: connections that flood
FLOODERS = 48
#: events of the flood that wait before the quiet ones are measured
BACKLOG = 3000
SCENARIO = """scenario: {name}
trigger:
  module: http.watch_webhook
steps:
  - id: told
    module: http.make_request
    connection: api
    with: {{method: POST, url: "/{name}", effect: idempotent, body: {{n: "${{{{ trigger.n }}}}"}}}}
"""


class Site:
    """The API, and when each event reached it."""

    def __init__(self) -> None:
        self.reached: dict[str, dict[str, float]] = {"flood": {}, "quiet": {}}

    async def take(self, request: web.Request) -> web.Response:
        body = await request.json()
        name = request.match_info["name"]
        self.reached[name][str(body["n"])] = time.monotonic()
        await asyncio.sleep(ANSWER[name])
        return web.json_response({})


async def quiet(
    session: aiohttp.ClientSession, url: str, site: Site, numbers: Iterator[int], seconds: float
) -> list[float]:
    """Seconds from sending to the API for each quiet event."""
    sent: dict[str, float] = {}
    began = time.monotonic()
    posts = []

    async def post(number: str) -> None:
        async with session.post(url, json={"n": number}) as answer:
            answer.raise_for_status()

    for count in range(int(seconds * QUIET)):
        await asyncio.sleep(max(0.0, began + count / QUIET - time.monotonic()))
        number = str(next(numbers))
        sent[number] = time.monotonic()
        posts.append(asyncio.ensure_future(post(number)))
    await asyncio.gather(*posts)
    reached = site.reached["quiet"]
    async with asyncio.timeout(120):
        while not sent.keys() <= reached.keys():  # noqa: ASYNC110 - another process does the work
            await asyncio.sleep(0.05)
    return [reached[number] - at for number, at in sent.items()]


async def measure(seconds: float, folder: Path, core: int | None) -> dict[str, float]:
    """The figures, in seconds and events."""
    site = Site()
    app = web.Application()
    app.router.add_post("/{name}", site.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port, hooks = free_port(), free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    (folder / "scenarios").mkdir()
    for name in ("flood", "quiet"):
        (folder / "scenarios" / f"{name}.yaml").write_text(SCENARIO.format(name=name))
    (folder / "engine.yaml").write_text(f"server: {{port: {hooks}, admin_port: 0}}\n")
    (folder / "connections.yaml").write_text("api:\n  type: http\n  base_url: {env: API}\n")
    environment = {**os.environ, "API": f"http://127.0.0.1:{port}"}
    program = str(Path(sys.executable).with_name("engine"))
    listed = subprocess.run(  # noqa: ASYNC221 - nothing is under way yet
        [program, "webhooks", "--json"], cwd=folder, env=environment, capture_output=True, check=True
    )
    urls = {
        name: f"http://127.0.0.1:{hooks}{urlsplit(hook['url']).path}"
        for hook in json.loads(listed.stdout)["webhooks"]
        for name in ("flood", "quiet")
        if name in hook["name"]
    }
    process = Process([program, "serve", "."], folder=folder, environment=environment, core=core, log=folder / "log")
    numbers = itertools.count()
    stop = asyncio.Event()
    accepted = 0

    async def flood(session: aiohttp.ClientSession) -> None:
        nonlocal accepted
        while not stop.is_set():
            if accepted - len(site.reached["flood"]) > 3 * BACKLOG:
                await asyncio.sleep(0.01)
                continue
            async with session.post(urls["flood"], json={"n": next(numbers)}) as answer:
                answer.raise_for_status()
                accepted += 1

    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await _up(session, urls["quiet"], process)
            alone = await quiet(session, urls["quiet"], site, numbers, seconds)
            flooding = [asyncio.ensure_future(flood(session)) for _ in range(FLOODERS)]
            async with asyncio.timeout(120):
                while accepted - len(site.reached["flood"]) < BACKLOG:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.05)
            before, at = len(site.reached["flood"]), time.monotonic()
            backlog = accepted - before
            flooded = await quiet(session, urls["quiet"], site, numbers, seconds)
            through = (len(site.reached["flood"]) - before) / (time.monotonic() - at)
            stop.set()
            await asyncio.gather(*flooding)
    finally:
        process.kill()
        await runner.cleanup()
    return {
        "alone_p50": percentile(alone, 0.5),
        "alone_p99": percentile(alone, 0.99),
        "flooded_p50": percentile(flooded, 0.5),
        "flooded_p99": percentile(flooded, 0.99),
        "backlog": backlog,
        "through": through,
        "in_order": backlog / through,
    }


async def _up(session: aiohttp.ClientSession, url: str, process: Process) -> None:
    """Wait until the engine takes an event."""
    async with asyncio.timeout(30):
        while not process.ended:
            try:
                async with session.post(url, json={"n": "first"}) as answer:
                    answer.raise_for_status()
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
    raise RuntimeError("the engine did not start")


@click.command()
@click.option("--seconds", type=float, default=10.0, show_default=True, help="How long quiet events are sent.")
def main(seconds: float) -> None:
    """Measure a quiet scenario beside a flooded one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[1]})
    # on the disk that counts, as the other benchmarks
    folder = Path(tempfile.mkdtemp(prefix="fairness-", dir=Path(__file__).parent / "results"))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(measure(seconds, folder, cores[0] if len(cores) > 1 else None))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    click.echo(f"quiet alone:      p50 {found['alone_p50'] * 1e3:8.1f} ms   p99 {found['alone_p99'] * 1e3:8.1f} ms")
    click.echo(f"quiet, flooded:   p50 {found['flooded_p50'] * 1e3:8.1f} ms   p99 {found['flooded_p99'] * 1e3:8.1f} ms")
    click.echo(
        f"ratio:            p50 {found['flooded_p50'] / found['alone_p50']:8.1f}      p99 "
        f"{found['flooded_p99'] / found['alone_p99']:8.1f}"
    )
    click.echo(
        f"backlog of the flood: {found['backlog']:.0f} events at {found['through']:.0f} a second; strictly in order "
        f"of arrival the quiet ones would have waited {found['in_order'] * 1e3:.0f} ms"
    )


if __name__ == "__main__":
    main()
