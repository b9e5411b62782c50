"""A webhook in, a request out."""

from __future__ import annotations

import json

from engine.store.records import DeliveryState
from tests.scenarios.conftest import SCENARIOS, Serve

NAME = "order-to-api"
ORDER = (SCENARIOS / NAME / "event.json").read_bytes()


async def test_the_order_is_sent_on_with_a_key(serve: Serve) -> None:
    async with serve("order-to-api") as serving:
        outcome = await serving.outcome(await serving.post(ORDER), NAME)
        [effect] = outcome.effects
        assert (effect.effect, effect.state) == ("keyed", "done")
        [sent] = outcome.requests("http.make_request")
        assert sent["body"] == {
            "number": "1001",
            "customer": "ana@example.com",
            "total_cents": 12500,
            "items": ["mug-blue", "tea-100g"],
        }
        assert effect.output is not None
        answer = json.loads(effect.output)["body"]
        assert (answer["path"], answer["body"]) == ("/orders", sent["body"])
        assert answer["headers"]["idempotency-key"]
        assert (outcome.output, outcome.run.subject) == (200, "ana@example.com")


async def test_the_same_order_twice_is_one_order(serve: Serve) -> None:
    async with serve(NAME) as serving:
        first = await serving.post(ORDER)
        again = (await serving.deliveries(await serving.post(ORDER)))[NAME]
        assert again.state is DeliveryState.DUPLICATE
        assert (await serving.outcome(first, NAME)).run.state == "succeeded"


async def test_an_order_of_nothing_is_filtered(serve: Serve) -> None:
    async with serve(NAME) as serving:
        order = json.loads(ORDER)
        order["order"]["total_cents"] = 0
        delivery = (await serving.deliveries(await serving.post(json.dumps(order).encode())))[NAME]
        assert delivery.state is DeliveryState.FILTERED
