"""Campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from engine import Behaviour
from modules.yotpo_loyalty import samples
from modules.yotpo_loyalty.simulator.reading import flag, query_of
from modules.yotpo_loyalty.simulator.room import Room, Route


class Campaigns(Room):
    behaviours = (
        Behaviour("with_status=true adds a status to each campaign", "verified"),
        Behaviour("it does so without a customer too, and a customer who is not known is no error there", "assumed"),
        Behaviour(f"a Custom Action campaign has the type {samples.ACTION_CAMPAIGN}", "assumed"),
    )

    def routes(self) -> Sequence[Route]:
        return [Route("GET", "/campaigns", self._campaigns)]

    async def _campaigns(self, request: web.Request) -> Any:
        query = query_of(request, ("with_status", "customer_email", "customer_id"))
        status = {"status": samples.CAMPAIGN_STATUS} if flag(query, "with_status") else {}
        return [{**campaign, **status} for campaign in self.state.campaigns]
