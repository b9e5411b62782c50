"""The modules that change a record. Each is carried out in the transaction of the step's own row."""

from __future__ import annotations

from engine import Config, DataChange, DataWrite, How
from modules.data_store.schemas import CHANGED, KEY, RECORD, VERSION, WRITTEN, gives, takes


def _put(config: Config) -> DataChange:
    return DataChange(How.PUT, config["store"], config["key"], config["record"])


def _compare_and_set(config: Config) -> DataChange:
    return DataChange(How.PUT, config["store"], config["key"], config["record"], version=config["version"])


def _update(config: Config) -> DataChange:
    fields, upsert = config["fields"], config.get("upsert", True)
    return DataChange(How.MERGE, config["store"], config["key"], fields, create=upsert, version=config.get("version"))


def _increment(config: Config) -> DataChange:
    by, field = config.get("by", 1), config.get("field")
    return DataChange(How.INCREMENT, config["store"], config["key"], by, field)


def _delete(config: Config) -> DataChange:
    version = config.get("version")
    return DataChange(How.DELETE, config["store"], config["key"], version=version)


PUT = DataWrite(
    name="put",
    title="Put a Record",
    description="Stores a record under its key, in place of the one that is there.",
    config=takes(("key", "record"), key=KEY, record=WRITTEN),
    output=CHANGED,
    example={"store": "customers", "key": "ana@example.com", "record": {"tier": "GOLD"}},
    change=_put,
)
COMPARE_AND_SET = DataWrite(
    name="compare_and_set",
    title="Put a Record If Nobody Was There First",
    description="Stores a record when the one that is there has the version that was read; otherwise it is a Conflict.",
    config=takes(("key", "record", "version"), key=KEY, record=WRITTEN, version=VERSION),
    output=CHANGED,
    example={"store": "customers", "key": "ana@example.com", "record": {"tier": "GOLD"}, "version": 3},
    change=_compare_and_set,
)
UPDATE = DataWrite(
    name="update",
    title="Update a Record",
    description="Sets fields of a record and leaves its others as they are. Makes the record where there is none.",
    config=takes(
        ("key", "fields"),
        key=KEY,
        fields={"type": "object", "title": "Fields", "description": "What they are set to."},
        upsert={
            "type": "boolean",
            "title": "Make it where there is none",
            "description": "Otherwise a record that is not there is NotFound.",
            "default": True,
        },
        version=VERSION,
    ),
    output=CHANGED,
    example={"store": "customers", "key": "ana@example.com", "fields": {"tier": "GOLD"}},
    change=_update,
)
INCREMENT = DataWrite(
    name="increment",
    title="Increment a Number",
    description="Adds to a number; it begins at 0. Of runs that do so at the same time, none is lost.",
    config=takes(
        ("key",),
        key=KEY,
        field={
            "type": "string",
            "title": "Field",
            "description": "Of the record; the number itself without.",
        },
        by={"type": "number", "title": "By", "description": "What is added.", "default": 1},
    ),
    output=CHANGED,
    example={"store": "counters", "key": "orders", "by": 1},
    change=_increment,
)
DELETE = DataWrite(
    name="delete",
    title="Delete a Record",
    description="Removes a record; one that is not there is fine.",
    config=takes(("key",), key=KEY, version=VERSION),
    output=gives(
        key={"type": "string"},
        record=RECORD,
        version={"type": "integer"},
        deleted={"type": "boolean"},
    ),
    example={"store": "customers", "key": "ana@example.com"},
    change=_delete,
)
