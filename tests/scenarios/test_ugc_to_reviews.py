"""What creators made arrives at Yotpo, three images at a time; what cannot be taken keeps nothing else out."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from engine.testing import RunResult, SimulatedHarness
from tests.scenarios.conftest import SCENARIOS
from tests.scenarios.deaths import die_everywhere

NAME = "ugc-to-reviews"
FILE = SCENARIOS / NAME / "scenario.yaml"
EVENT: dict[str, Any] = json.loads((SCENARIOS / NAME / "event.json").read_text())
IMPORT = "POST /v1/apps/simulated-app-key/images/import"


async def run(harness: SimulatedHarness, event: dict[str, Any]) -> RunResult:
    [run_id] = (await harness.send(event)).runs
    return await harness.result(run_id, advance=600)


async def test_images_go_three_at_a_time_and_reviews_say_that_they_are_of_samples() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        result = await run(harness, EVENT)
        assert (result.state, result.output) == ("succeeded", {"refused": []})
        reviews = harness.simulator("yotpo_reviews")
        assert (reviews.calls[IMPORT], len(reviews.imports.taken_images), len(reviews.imports.taken_videos)) == (
            2,
            4,
            1,
        )
        assert reviews.imports.taken_images["https://media.example.com/a2.jpg"] == {
            "url": "https://media.example.com/a2.jpg",
            "album_names": ["Creators"],
            "domain_keys": ["tea-12", "cup-3"],
            "creator": "ana.makes.tea",
        }
        newest = reviews.reviews[0]
        assert (newest["title"], newest["customer_email"], newest["incentivized"]) == (
            "Fresh",
            "cleo@example.com",
            True,
        )


async def test_a_picture_that_is_gone_is_named_and_the_rest_is_there() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        reviews = harness.simulator("yotpo_reviews")
        reviews.imports.unreachable |= {"https://media.example.com/a2.jpg", "https://media.example.com/v1.mp4"}
        result = await run(harness, EVENT)
        refused = ["https://media.example.com/a2.jpg", "https://media.example.com/v1.mp4"]
        assert (result.state, result.output) == ("succeeded", {"refused": refused})
        assert len(reviews.imports.taken_images) == 3


async def test_a_vendor_that_is_away_before_anything_was_taken_is_tried_again() -> None:
    async with SimulatedHarness.of(FILE) as harness:
        reviews = harness.simulator("yotpo_reviews")
        reviews.fail_next(429, times=2)
        assert (await run(harness, EVENT)).state == "succeeded"
        assert len(reviews.imports.taken_images) == 4


async def test_what_the_platform_does_not_know_of_a_picture_keeps_none_out() -> None:
    event = copy.deepcopy(EVENT)
    del event["assets"][0]["skus"], event["assets"][1]["creator"]
    event["assets"][2] |= {"skus": [], "creator": None}
    async with SimulatedHarness.of(FILE) as harness:
        result = await run(harness, event)
        assert (result.state, result.output) == ("succeeded", {"refused": []}), result.holds
        taken = harness.simulator("yotpo_reviews").imports.taken_images
        assert taken["https://media.example.com/a3.jpg"] == {
            "url": "https://media.example.com/a3.jpg",
            "album_names": ["Creators"],
        }


async def test_a_review_that_is_refused_is_held_and_the_others_go_on() -> None:
    event = copy.deepcopy(EVENT)
    event["reviews"].insert(0, {**event["reviews"][0], "id": "r0", "score": 9})
    async with SimulatedHarness.of(FILE) as harness:
        result = await run(harness, event)
        assert (result.state, len(result.holds)) == ("held", 1)
        assert harness.simulator("yotpo_reviews").reviews[0]["title"] == "Fresh"


async def test_it_survives_dying_at_every_boundary_of_a_step(tmp_path: Path) -> None:
    await die_everywhere(NAME, tmp_path)
