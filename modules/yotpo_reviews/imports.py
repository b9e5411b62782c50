"""The modules *Import Images* and *Import Videos*: visual content, each item with an outcome of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import Action, Batch, Call, DataError, Done, Effect, Refused, Schema
from modules.yotpo_reviews.connection import (
    IMAGES_AT_ONCE,
    IMPORT_KEYS,
    IMPORT_PATHS,
    MOST_IMAGES,
    MOST_PRODUCTS,
    MOST_VIDEOS,
    path,
)
from modules.yotpo_reviews.envelope import opened

_TEXTS: Schema = {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}

_ITEM: Mapping[str, Schema] = {
    "url": {
        "type": "string",
        "title": "URL",
        "description": "Where the vendor gets it, https.",
        "pattern": "^https://[^\\s]+$",
    },
    "album_names": {**_TEXTS, "title": "Album Names", "description": "The merchant's albums that it goes into."},
    "domain_keys": {
        **_TEXTS,
        "maxItems": MOST_PRODUCTS,
        "title": "Domain Keys",
        "description": f"The products on it, by the store's identifiers; at most {MOST_PRODUCTS}.",
    },
    "title": {"type": "string", "minLength": 1, "title": "Title", "description": "A caption."},
    "creator": {"type": "string", "minLength": 1, "title": "Creator", "description": "Whose it is."},
    "post_url": {"type": "string", "minLength": 1, "title": "Post URL", "description": "Where it was posted."},
}


def _config(what: str, most: int, description: str) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [what],
        "properties": {
            what: {
                "type": "array",
                "title": what.capitalize(),
                "description": description,
                "minItems": 1,
                "maxItems": most,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["url"],
                    "properties": dict(_ITEM),
                },
            }
        },
    }


_OUTPUT: Schema = {
    "type": "object",
    "required": ["url"],
    "properties": {"url": {"type": "string", "description": "What was imported"}},
}


async def images(call: Call) -> list[Done | Refused]:
    """Send images; each is imported or refused for itself."""
    allowed = call.connection.get("images_at_once", IMAGES_AT_ONCE)
    if len(call.config["images"]) > allowed:
        raise DataError(
            f"{len(call.config['images'])} images at once are more than the {allowed} that the vendor takes",
            refused=True,
            hint=f"`foreach` with `batch: {allowed}`, or images_at_once of the connection, if support allowed more",
        )
    return await _send(call, "images")


async def videos(call: Call) -> list[Done | Refused]:
    """Send videos; each is imported or refused for itself."""
    return await _send(call, "videos")


async def _send(call: Call, what: str) -> list[Done | Refused]:
    names: dict[str, str] = {**IMPORT_KEYS, **call.connection.get("import_keys", {})}
    where = call.connection.get("import_paths", {}).get(what, IMPORT_PATHS[what])
    items = call.config[what]
    body = {names[what]: [{names[key]: value for key, value in item.items()} for item in items]}
    answered = opened(await call.http.request("POST", path(call, where), json=body))
    wrong = _errors(answered, names)
    return [
        Refused(DataError(str(wrong[index]), refused=True)) if index in wrong else Done({"url": item["url"]})
        for index, item in enumerate(items)
    ]


def _errors(answered: Any, names: Mapping[str, str]) -> dict[int, str]:
    """By the index of an item, why it was refused. What no error names was taken."""
    errors = answered.get(names["errors"]) if isinstance(answered, Mapping) else None
    found = {}
    for error in errors if isinstance(errors, list) else ():
        index = error.get(names["index"]) if isinstance(error, Mapping) else None
        if isinstance(index, int):
            found[index] = str(error.get("message") or "the vendor does not say why")
    return found


_SAMPLE = {
    "url": "https://media.example.com/p/1.jpg",
    "album_names": ["Creators"],
    "domain_keys": ["tea-12"],
    "creator": "ana.makes.tea",
    "post_url": "https://social.example.com/p/1",
}

IMPORT_IMAGES = Action(
    name="import_images",
    title="Import Images",
    description=(
        "Sends images that customers made to Visual UGC. Each has an outcome of its own. Up to three at a time; up to "
        "eight where Yotpo's support has allowed it."
    ),
    connection="yotpo_reviews",
    config=_config("images", MOST_IMAGES, f"Up to {IMAGES_AT_ONCE}, or what images_at_once of the connection says."),
    output=_OUTPUT,
    # whether the vendor knows an image again by its url is not known: twice may be twice
    effect=Effect.WRITE,
    run=images,
    batch=Batch(items="images", key=lambda item: str(item["url"]), most=MOST_IMAGES),
    example={"images": [_SAMPLE]},
)

IMPORT_VIDEOS = Action(
    name="import_videos",
    title="Import Videos",
    description="Sends videos that customers made to Visual UGC. Each has an outcome of its own.",
    connection="yotpo_reviews",
    config=_config("videos", MOST_VIDEOS, f"Up to {MOST_VIDEOS} at a time."),
    output=_OUTPUT,
    effect=Effect.WRITE,
    run=videos,
    batch=Batch(items="videos", key=lambda item: str(item["url"]), most=MOST_VIDEOS),
    example={"videos": [{**_SAMPLE, "url": "https://media.example.com/p/1.mp4"}]},
)
