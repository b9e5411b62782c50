"""Images and videos against the Reviews simulator: each with an outcome of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine import DataError, Done, Effect, Refused, Unknown
from modules.yotpo_reviews.connection import CONNECTION, IMAGES_AT_ONCE, MOST_IMAGES
from modules.yotpo_reviews.imports import IMPORT_IMAGES, IMPORT_VIDEOS
from modules.yotpo_reviews.simulator import ReviewsSimulator
from tests.modules.bench import Bench, bench, problems
from tests.modules.runs import runs
from tests.runtime.doubles import HandClock

PATH = "/v1/apps/simulated-app-key/{}/import"


def item(name: str, **more: Any) -> dict[str, Any]:
    return {"url": f"https://media.example.com/{name}", **more}


@pytest.fixture
def clock() -> HandClock:
    return HandClock(1_709_629_200.0)


@pytest.fixture
def simulator(clock: HandClock) -> ReviewsSimulator:
    return ReviewsSimulator(clock)


@pytest.fixture
async def yotpo(simulator: ReviewsSimulator, clock: HandClock) -> AsyncIterator[Bench]:
    async with bench(simulator, CONNECTION, clock) as connected:
        yield connected


async def send(yotpo: Bench, **config: Any) -> Any:
    """What the module says of each item."""
    module = IMPORT_IMAGES if "images" in config else IMPORT_VIDEOS
    assert problems(config, module.config) == []
    assert module.run
    return await module.run(yotpo.call(config))


async def test_what_can_be_taken_is_and_the_others_are_named(yotpo: Bench, simulator: ReviewsSimulator) -> None:
    gone = item("gone.jpg")
    simulator.imports.unreachable.add(gone["url"])
    first = item("1.jpg", album_names=["Creators"], domain_keys=["tea-12"], title="Tea", creator="ana")
    outcomes = await send(yotpo, images=[first, gone, item("2.jpg")])
    assert [type(one) for one in outcomes] == [Done, Refused, Done]
    assert outcomes[0].output == {"url": first["url"]}
    assert (outcomes[1].error.refused, str(outcomes[1].error.message)) == (True, "its url leads to nothing")
    assert list(simulator.imports.taken_images) == [first["url"], "https://media.example.com/2.jpg"]
    assert simulator.imports.taken_images[first["url"]] == first


@pytest.mark.parametrize(
    "errors",
    [
        ["the second is bad"],
        [{"index": 2, "message": "bad"}],
        [{"message": "bad"}],
        [{"index": True}],
        {"1": "bad"},
        "bad",
    ],
    ids=str,
)
async def test_errors_of_another_form_leave_unknown_what_they_do_not_name(
    yotpo: Bench, simulator: ReviewsSimulator, errors: Any
) -> None:
    await send(yotpo, images=[item("0.jpg")])  # fetches the token
    simulator.fail_next(200, applied=True, body={"status": {"code": 200}, "response": {"errors": errors}})
    outcomes = await send(yotpo, images=[item("1.jpg"), item("2.jpg")])
    assert [type(one) for one in outcomes] == [Unknown, Unknown]
    assert "import_keys" in str(outcomes[0].error)
    first = [{"index": 0, "message": "bad"}, "and another"]
    simulator.fail_next(200, applied=True, body={"status": {"code": 200}, "response": {"errors": first}})
    outcomes = await send(yotpo, images=[item("3.jpg"), item("4.jpg")])
    assert [type(one) for one in outcomes] == [Refused, Unknown]


async def test_what_a_platform_does_not_know_is_left_out(yotpo: Bench, simulator: ReviewsSimulator) -> None:
    nothing = {"album_names": ["Creators"], "domain_keys": [], "title": None, "creator": None, "post_url": None}
    assert [type(one) for one in await send(yotpo, images=[item("1.jpg", **nothing)])] == [Done]
    assert list(simulator.imports.taken_images.values()) == [item("1.jpg", album_names=["Creators"])]
    await send(yotpo, videos=[item("1.mp4", album_names=None, domain_keys=None)])
    assert list(simulator.imports.taken_videos.values()) == [item("1.mp4")]


async def test_videos_have_albums_and_up_to_eight_products(yotpo: Bench, simulator: ReviewsSimulator) -> None:
    products = [f"p{number}" for number in range(9)]
    assert problems({"videos": [item("v.mp4", domain_keys=products)]}, IMPORT_VIDEOS.config)
    body = {"videos": [item("v.mp4", domain_keys=products), item("w.mp4", domain_keys=products[:8])]}
    answer = await yotpo.http.request("POST", PATH.format("videos"), json=body)
    assert [one["index"] for one in answer.json()["response"]["errors"]] == [0]
    await send(yotpo, videos=[item("x.mp4", album_names=["Creators"])])
    assert len(simulator.imports.taken_videos) == 2


async def test_more_than_three_images_need_the_vendors_support(simulator: ReviewsSimulator, clock: HandClock) -> None:
    four = [item(f"{number}.jpg") for number in range(IMAGES_AT_ONCE + 1)]
    async with bench(simulator, CONNECTION, clock) as yotpo:
        with pytest.raises(DataError) as caught:
            await send(yotpo, images=four)
        assert (caught.value.refused, "batch: 3" in str(caught.value)) == (True, True)
        assert not simulator.calls
        with pytest.raises(DataError):
            await yotpo.http.request("POST", PATH.format("images"), json={"images": four})
    assert problems({"images": four * 3}, IMPORT_IMAGES.config), f"never more than {MOST_IMAGES}"
    allowing = ReviewsSimulator(clock)
    allowing.imports.at_once = MOST_IMAGES
    async with bench(allowing, CONNECTION, clock, {"images_at_once": 8}) as yotpo:
        assert len(await send(yotpo, images=four)) == 4
    assert len(allowing.imports.taken_images) == 4


async def test_what_is_inferred_can_be_set_on_the_connection(simulator: ReviewsSimulator, clock: HandClock) -> None:
    changes = {
        "import_paths": {"images": "/v2/{app_key}/media"},
        "import_keys": {"images": "media", "url": "image_url"},
    }
    async with bench(simulator, CONNECTION, clock, changes) as yotpo:
        sent: list[Any] = []
        real = yotpo.http.request

        async def request(method: str, path: str, *, json: Any) -> Any:
            sent.append((method, path, json))
            simulator.fail_next(200, body={"response": {}, "status": {"code": 200}})
            return await real("GET", "/v1/apps/simulated-app-key/reviews")

        await real("GET", "/v1/apps/simulated-app-key/reviews")  # fetches the token
        call = yotpo.call({"images": [item("1.jpg")]})
        call.http.request = request  # type: ignore[method-assign,assignment]
        assert IMPORT_IMAGES.run
        await IMPORT_IMAGES.run(call)
    body = {"media": [{"image_url": "https://media.example.com/1.jpg"}]}
    assert sent == [("POST", "/v2/simulated-app-key/media", body)]


@pytest.mark.parametrize("body", [{}, {"images": []}, {"image": [item("1")]}, {"images": [item("1")], "utoken": "x"}])
async def test_the_simulator_refuses_a_wrong_wrapper(yotpo: Bench, body: Any) -> None:
    with pytest.raises(DataError):
        await yotpo.http.request("POST", PATH.format("images"), json=body)


async def test_a_lost_answer_is_unknown_for_each_and_nothing_is_sent_twice() -> None:
    steps = """
- id: sent
  module: yotpo_reviews.import_images
  connection: reviews
  with: {images: "${{ trigger.images }}"}
  on_error: hold
"""
    async with runs("yotpo_reviews", steps) as engine:
        engine.simulator.imports.unreachable.add(item("gone.jpg")["url"])
        refused = await engine.run({"images": [item("1.jpg"), item("gone.jpg")]})
        assert (refused.state, refused.holds[0]["code"]) == ("held", "failed")
        engine.harness.lose_answers("yotpo_reviews")
        unknown = await engine.run({"images": [item("2.jpg"), item("3.jpg")]})
        assert (unknown.state, unknown.holds[0]["code"]) == ("held", "unknown")
        assert engine.simulator.calls[f"POST {PATH.format('images')}"] == 2
    assert IMPORT_IMAGES.effect is Effect.WRITE
