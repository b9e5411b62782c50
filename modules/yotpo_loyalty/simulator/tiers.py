"""VIP tiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from engine import Behaviour
from modules.yotpo_loyalty.simulator.reading import query_of
from modules.yotpo_loyalty.simulator.room import Room, Route


class Tiers(Room):
    behaviours = (Behaviour("each VIP tier has thresholds to come in, to stay and to come back", "verified"),)

    def routes(self) -> Sequence[Route]:
        return [Route("GET", "/vip_tiers", self._tiers)]

    async def _tiers(self, request: web.Request) -> Any:
        query_of(request, ())
        return self.state.vip_tiers
