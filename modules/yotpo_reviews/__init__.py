"""Yotpo Reviews: read and send reviews, start on them, import images and videos."""

from __future__ import annotations

from engine import App, hookimpl
from modules.yotpo_reviews.assumptions import ASSUMPTIONS
from modules.yotpo_reviews.connection import CONNECTION
from modules.yotpo_reviews.imports import IMPORT_IMAGES, IMPORT_VIDEOS
from modules.yotpo_reviews.reviews import CREATE_REVIEW, LIST_REVIEWS
from modules.yotpo_reviews.simulator import ReviewsSimulator
from modules.yotpo_reviews.watch import WATCH_REVIEWS


@hookimpl
def engine_apps() -> App:
    return App(
        name="yotpo_reviews",
        title="Yotpo Reviews",
        description="Reviews and visual content of a store.",
        modules=(WATCH_REVIEWS, LIST_REVIEWS, CREATE_REVIEW, IMPORT_IMAGES, IMPORT_VIDEOS),
        connections=(CONNECTION,),
        simulator=ReviewsSimulator,
        assumptions=ASSUMPTIONS,
    )
