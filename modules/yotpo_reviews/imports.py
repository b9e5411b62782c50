"""The modules *Import Images* and *Import Videos*: visual content, each item with an outcome of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import Action, Batch, Call, DataError, Done, Effect, Refused, Schema, Unknown, VendorError, field, options
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

_TEXT: Schema = {"type": ["string", "null"], "minLength": 1}
_TEXTS: Schema = {"type": ["array", "null"], "items": {"type": "string", "minLength": 1}}

_ITEM = options(
    "url",
    url=field("URL", "Where the vendor gets it, https.", type="string", pattern="^https://[^\\s]+$"),
    album_names=field("Album Names", "The merchant's albums that it goes into.", _TEXTS),
    domain_keys=field(
        "Domain Keys",
        f"The products on it, by the store's identifiers; at most {MOST_PRODUCTS}.",
        _TEXTS,
        maxItems=MOST_PRODUCTS,
    ),
    title=field("Title", "A caption.", _TEXT),
    creator=field("Creator", "Whose it is.", _TEXT),
    post_url=field("Post URL", "Where it was posted.", _TEXT),
)


def _config(what: str, most: int, description: str) -> Schema:
    items = field(what.capitalize(), description, type="array", minItems=1, maxItems=most, items=_ITEM)
    return options(what, **{what: items})


_OUTPUT: Schema = {
    "type": "object",
    "required": ["url"],
    "properties": {"url": {"type": "string", "description": "What was imported"}},
}


async def images(call: Call) -> list[Done | Refused | Unknown]:
    """Send images; each is imported or refused for itself."""
    allowed = call.connection.get("images_at_once", IMAGES_AT_ONCE)
    if len(call.config["images"]) > allowed:
        raise DataError(
            f"{len(call.config['images'])} images at once are more than the {allowed} that the vendor takes",
            refused=True,
            hint=f"`foreach` with `batch: {allowed}`, or images_at_once of the connection, if support allowed more",
        )
    return await _send(call, "images")


async def videos(call: Call) -> list[Done | Refused | Unknown]:
    """Send videos; each is imported or refused for itself."""
    return await _send(call, "videos")


async def _send(call: Call, what: str) -> list[Done | Refused | Unknown]:
    names: dict[str, str] = {**IMPORT_KEYS, **call.connection.get("import_keys", {})}
    where = call.connection.get("import_paths", {}).get(what, IMPORT_PATHS[what])
    items = call.config[what]
    # platforms hand over what they have; null and an empty list say nothing
    body = {
        names[what]: [{names[key]: value for key, value in one.items() if value not in (None, [])} for one in items]
    }
    answer = await call.http.request("POST", path(call, where), json=body)
    wrong, clear = _errors(opened(answer), names, len(items))
    outcomes: list[Done | Refused | Unknown] = []
    for index, item in enumerate(items):
        if index in wrong:
            outcomes.append(Refused(DataError(wrong[index], refused=True)))
        elif clear:
            outcomes.append(Done({"url": item["url"]}))
        else:
            outcomes.append(
                Unknown(
                    VendorError(
                        f"the answer has errors under '{names['errors']}' that name none of the {what}",
                        status=answer.status,
                        detail=answer.readable,
                        hint="if they are told otherwise there, set errors and index in import_keys of the connection",
                    )
                )
            )
    return outcomes


def _errors(answered: Any, names: Mapping[str, str], count: int) -> tuple[dict[int, str], bool]:
    """By the index of an item, why it was refused; and whether every error named its item, so that the rest was taken.

    The form of the errors is inferred. One of another form may be about any item.
    """
    errors = answered.get(names["errors"]) if isinstance(answered, Mapping) else None
    found: dict[int, str] = {}
    if not errors:
        return found, True
    for error in errors if isinstance(errors, list) else [errors]:
        index = error.get(names["index"]) if isinstance(error, Mapping) else None
        if type(index) is not int or not 0 <= index < count:
            return found, False
        found[index] = str(error.get("message") or "the vendor does not say why")
    return found, True


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
