"""The modules that read data stores."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime

from engine import Config, Data, DataError, DataRead, DataRecord, Json, Schema
from modules.data_store.schemas import FOUND, KEY, RECORD, gives, takes

#: records that are read at a time
PAGE = 1000
#: records that a search may give, and that it may have to sort
MOST = 10_000


def shown(found: DataRecord) -> dict[str, Json]:
    """A record as steps see it."""
    at = datetime.fromtimestamp(found.updated_at, UTC).isoformat().replace("+00:00", "Z")
    return {"key": found.key, "record": found.record, "version": found.version, "updated_at": at}


async def _get(config: Config, data: Data) -> Json:
    found = await data.get(config["store"], config["key"])
    if found is None:
        return {"key": config["key"], "found": False, "record": None, "version": 0, "updated_at": None}
    return {**shown(found), "found": True}


async def _exists(config: Config, data: Data) -> Json:
    return await data.get(config["store"], config["key"]) is not None


async def _every(config: Config, data: Data, after: str = "") -> AsyncIterator[DataRecord]:
    while True:
        page = await data.find(config["store"], prefix=config.get("prefix", ""), after=after, limit=PAGE)
        for found in page:
            if matches(found.record, config.get("filter", {})):
                yield found
        if len(page) < PAGE:
            return
        after = page[-1].key


async def _count(config: Config, data: Data) -> Json:
    if not config.get("filter") and not config.get("prefix"):
        return await data.count(config["store"])
    return len([found async for found in _every(config, data)])


async def _search(config: Config, data: Data) -> Json:
    limit, sort = config.get("limit", 100), config.get("sort")
    if sort is None:
        records: list[Json] = []
        async for found in _every(config, data, config.get("after", "")):
            records.append(shown(found))
            if len(records) == limit:
                break
        return records
    if config.get("after"):
        raise DataError("`after` is a place in the order of the keys, so that it does not go with `sort`")
    found_ = []
    async for found in _every(config, data):
        found_.append(found)
        if len(found_) > MOST:
            raise DataError(
                f"more than {MOST:,} records would have to be sorted", hint="filter more, or leave `sort` out"
            )
    name, down = sort.removeprefix("-"), sort.startswith("-")
    found_.sort(key=lambda one: _order(field(one.record, name)), reverse=down)
    return [shown(one) for one in found_[:limit]]


def field(record: Json, path: str) -> Json:
    """A field of a record, inner ones after dots; null where there is none."""
    for name in path.split("."):
        record = record.get(name) if isinstance(record, Mapping) else None
    return record


def _order(value: Json) -> tuple[int, Json]:
    """By kind, then by value: null, false and true, numbers, texts, the rest."""
    if value is None or isinstance(value, bool):
        return (0, -1 if value is None else int(value))
    if isinstance(value, int | float):
        return (1, value)
    return (2, value) if isinstance(value, str) else (3, str(value))


_TESTS: Mapping[str, Callable[[Json, Json], bool]] = {
    "ne": lambda value, wanted: value != wanted,
    "gt": lambda value, wanted: _order(value)[0] == _order(wanted)[0] and _order(value) > _order(wanted),
    "gte": lambda value, wanted: _order(value)[0] == _order(wanted)[0] and _order(value) >= _order(wanted),
    "lt": lambda value, wanted: _order(value)[0] == _order(wanted)[0] and _order(value) < _order(wanted),
    "lte": lambda value, wanted: _order(value)[0] == _order(wanted)[0] and _order(value) <= _order(wanted),
    "in": lambda value, wanted: value in wanted,
    "contains": lambda value, wanted: isinstance(value, str | list) and wanted in value,
    "exists": lambda value, wanted: (value is not None) == wanted,
}


def matches(record: Json, wanted: Mapping[str, Json]) -> bool:
    """Whether a record is as the filter says: every field equal, or as its tests say."""
    for path, test in wanted.items():
        value = field(record, path)
        if isinstance(test, Mapping) and test and test.keys() <= _TESTS.keys():
            if not all(_TESTS[name](value, operand) for name, operand in test.items()):
                return False
        elif value != test:
            return False
    return True


_FILTER: Schema = {
    "type": "object",
    "title": "Filter",
    "description": "Fields and what they are equal to, or tests: ne, gt, gte, lt, lte, in, contains, exists. "
    "Inner fields stand after dots.",
}
_PREFIX: Schema = {"type": "string", "title": "Prefix", "description": "How the keys begin."}

GET = DataRead(
    name="get",
    title="Get a Record",
    description="Gives the record of a key; `found` says whether there is one.",
    config=takes(("key",), key=KEY),
    output=gives(
        **{
            **FOUND,
            "record": {"anyOf": [RECORD, {"type": "null"}]},
            "updated_at": {"type": ["string", "null"]},
        },
        found={"type": "boolean"},
    ),
    example={"store": "customers", "key": "ana@example.com"},
    read=_get,
)
EXISTS = DataRead(
    name="exists",
    title="Look Whether There Is a Record",
    description="True when the store has a record of this key.",
    config=takes(("key",), key=KEY),
    output={"type": "boolean"},
    example={"store": "customers", "key": "ana@example.com"},
    read=_exists,
)
COUNT = DataRead(
    name="count",
    title="Count Records",
    description="How many records there are, or fit a filter.",
    config=takes((), filter=_FILTER, prefix=_PREFIX),
    output={"type": "integer"},
    example={"store": "customers", "filter": {"tier": "GOLD"}},
    read=_count,
)
SEARCH = DataRead(
    name="search",
    title="Search Records",
    description="Gives the records that fit, in the order of their keys or of a field.",
    config=takes(
        (),
        filter=_FILTER,
        prefix=_PREFIX,
        sort={"type": "string", "title": "Sort", "description": "A field; with - before it, the largest first."},
        limit={
            "type": "integer",
            "title": "Limit",
            "description": "Records at most.",
            "minimum": 1,
            "maximum": MOST,
            "default": 100,
        },
        after={"type": "string", "title": "After", "description": "A key: records after it, for the next page."},
    ),
    output={"type": "array", "items": gives(**FOUND)},
    example={"store": "customers", "filter": {"points": {"gte": 500}}, "sort": "-points", "limit": 10},
    read=_search,
)
