"""The work by hand and with nothing kept: 202 at once, then filter, read, map, write. A kill loses what is under way.

python benchmarks/yardsticks/raw_flow.py PORT API_URL
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

JSON = {"Content-Type": "application/json"}


class Flow:
    def __init__(self, api: str) -> None:
        self.api = api
        self.tasks: set[asyncio.Task[None]] = set()

    async def session(self, _app: web.Application) -> None:
        self.client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100))

    async def take(self, request: web.Request) -> web.Response:
        task = asyncio.get_running_loop().create_task(self.run(json.loads(await request.read())))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return web.Response(status=202, body=b"{}", headers=JSON)

    async def run(self, event: dict[str, Any]) -> None:
        if event["type"] != "points.earned":
            return
        async with self.client.get(f"{self.api}/customers/{event['customer']['id']}") as answer:
            customer = json.loads(await answer.read())
        update = {
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
        async with self.client.post(f"{self.api}/updates", data=json.dumps(update), headers=JSON) as answer:
            await answer.read()


def main(port: str, api: str) -> None:
    flow = Flow(api)
    app = web.Application()
    app.on_startup.append(flow.session)
    app.router.add_post("/hook", flow.take)
    web.run_app(app, host="127.0.0.1", port=int(port), access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main(*sys.argv[1:])
