"""The vendor in small."""

from collections.abc import Mapping

from aiohttp import web

from engine import Behaviour, Clock

#: seconds until a card shows a new stamp
SHOWN_AFTER = 5.0
TOKEN = "simulated"  # noqa: S105 - it opens nothing but this
PAGE = 2


class StampsSimulator:
    """Keeps cards, and shows a stamp only after a while, as the vendor does."""

    behaviours = (
        Behaviour("a token that it does not know is answered by 401", "verified"),
        Behaviour("a customer without stamps has an empty card", "verified"),
        Behaviour("cards are found two at a time, in the order of their customers", "assumed"),
        Behaviour("a card shows a new stamp after 5 seconds", "assumed"),
    )

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.cards: dict[str, list[dict]] = {}

    def connection(self, base_url: str) -> Mapping[str, str]:
        return {"token": TOKEN}

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self.admit])
        app.add_routes([web.get("/cards", self.find), web.get("/cards/{customer}", self.show)])
        app.add_routes([web.post("/stamps", self.add)])
        return app

    @web.middleware
    async def admit(self, request: web.Request, handler) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": "unknown token"}, status=401)
        return await handler(request)

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response(self.card(request.match_info["customer"]))

    async def find(self, request: web.Request) -> web.Response:
        full = int(request.query["at_least"])
        names = [name for name in sorted(self.cards) if name > request.query.get("after", "")]
        found = [card for card in map(self.card, names) if len(card["stamps"]) >= full]
        following = found[PAGE - 1]["customer"] if len(found) > PAGE else None
        return web.json_response({"cards": found[:PAGE], "next": following})

    async def add(self, request: web.Request) -> web.Response:
        body = await request.json()
        stamps = self.cards.setdefault(body["customer"], [])
        stamps.append({"id": len(stamps) + 1, "for": body["for"], "at": self.clock.time()})
        return web.json_response({"id": len(stamps), "for": body["for"]}, status=201)

    def card(self, customer: str) -> dict:
        stamps = [
            {"id": stamp["id"], "for": stamp["for"]}
            for stamp in self.cards.get(customer, [])
            if stamp["at"] + SHOWN_AFTER <= self.clock.time()
        ]
        return {"customer": customer, "stamps": stamps}
