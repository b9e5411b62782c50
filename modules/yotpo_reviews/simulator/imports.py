"""The simulated store's imports of images and videos."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from engine import Behaviour
from modules.simulation import Refused
from modules.yotpo_reviews.connection import IMAGES_AT_ONCE, IMPORT_KEYS, MOST_IMAGES, MOST_PRODUCTS, MOST_VIDEOS

_ITEM = tuple(IMPORT_KEYS[key] for key in ("url", "album_names", "domain_keys", "title", "creator", "post_url"))

BEHAVIOURS = (
    Behaviour(f"a call has at most {MOST_IMAGES} images", "verified"),
    Behaviour(
        "more than three images at a time are refused, unless support allowed them, which is a setting", "verified"
    ),
    Behaviour("that is answered 400, and nothing is imported", "assumed"),
    Behaviour(f"a video has album_names and domain_keys, of which it has at most {MOST_PRODUCTS}", "verified"),
    Behaviour("paths, verbs and the other key names of the imports; utoken in the query", "assumed"),
    Behaviour(f"a call has at most {MOST_VIDEOS} videos", "assumed"),
    Behaviour(
        "an image or video that cannot be taken is told by its index under errors, the others are imported", "assumed"
    ),
    Behaviour("one whose url is no https URL, or leads to nothing, cannot be taken", "assumed"),
    Behaviour("one that was imported before is taken and changes nothing: its url is what it is known by", "assumed"),
)


class Imports:
    """:ivar taken_images: what was imported, by its url.
    :ivar at_once: how many images a call may have.
    :ivar unreachable: urls that lead to nothing.
    """

    def __init__(self, body_of: Callable[[web.Request], Awaitable[Any]]) -> None:
        self._body_of = body_of
        self.taken_images: dict[str, dict[str, Any]] = {}
        self.taken_videos: dict[str, dict[str, Any]] = {}
        self.at_once = IMAGES_AT_ONCE
        self.unreachable: set[str] = set()

    async def images(self, request: web.Request) -> web.Response:
        """Import images."""
        return await self._take(request, "images", min(self.at_once, MOST_IMAGES), self.taken_images)

    async def videos(self, request: web.Request) -> web.Response:
        """Import videos."""
        return await self._take(request, "videos", MOST_VIDEOS, self.taken_videos)

    async def _take(self, request: web.Request, what: str, most: int, taken: dict[str, dict[str, Any]]) -> web.Response:
        body = await self._body_of(request)
        name = IMPORT_KEYS[what]
        if not isinstance(body, dict) or set(body) != {name}:
            raise _bad(f"the body has {name}, and nothing else")
        items = body[name]
        if not isinstance(items, list) or not 1 <= len(items) <= most:
            raise _bad(f"{name} has from 1 to {most} entries")
        errors = []
        for index, item in enumerate(items):
            wrong = self._wrong(item)
            if wrong is None:
                taken[item[IMPORT_KEYS["url"]]] = item
            else:
                errors.append({IMPORT_KEYS["index"]: index, "message": wrong})
        return web.json_response(
            {"status": {"code": 200, "message": "OK"}, "response": {IMPORT_KEYS["errors"]: errors}}
        )

    def _wrong(self, item: Any) -> str | None:
        if not isinstance(item, Mapping) or not set(item) <= set(_ITEM):
            return "it has a key that is not known"
        url = item.get(IMPORT_KEYS["url"])
        if not isinstance(url, str) or not url.startswith("https://"):
            return "its url is no https URL"
        if url in self.unreachable:
            return "its url leads to nothing"
        for key in (IMPORT_KEYS["album_names"], IMPORT_KEYS["domain_keys"]):
            if not isinstance(item.get(key, []), list):
                return f"its {key} is no list"
        if len(item.get(IMPORT_KEYS["domain_keys"], [])) > MOST_PRODUCTS:
            return f"it has more than {MOST_PRODUCTS} products"
        return None


def _bad(message: str) -> Refused:
    return Refused(400, {"status": {"code": 400, "message": message}, "response": {}})
