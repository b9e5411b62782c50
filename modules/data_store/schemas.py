"""What the modules of data stores take and give."""

from __future__ import annotations

from typing import Any

from engine import Schema

STORE: Schema = {
    "type": "string",
    "title": "Data store",
    "description": "A name under `data` in engine.yaml.",
    "minLength": 1,
    "x-names": "data",
}
KEY: Schema = {
    "type": "string",
    "title": "Key",
    "description": "By which the record is known.",
    "minLength": 1,
    "maxLength": 300,
}
VERSION: Schema = {
    "type": "integer",
    "title": "Version",
    "description": "Do it only when the record has this version, as it was read; 0: only when there is none.",
    "minimum": 0,
}
#: what a store holds: any JSON, as its schema in engine.yaml has it
RECORD: Schema = {"x-record": True}
WRITTEN: Schema = {"title": "Record", "description": "Any JSON, as the store's schema takes it."}


def takes(required: tuple[str, ...], **properties: Schema) -> Schema:
    """The config of a module: a store, and what else."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["store", *required],
        "properties": {"store": STORE, **properties},
    }


def gives(**properties: Schema) -> Schema:
    """The output of a module."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


CHANGED = gives(key={"type": "string"}, record=RECORD, version={"type": "integer"}, created={"type": "boolean"})
FOUND: dict[str, Any] = {
    "key": {"type": "string"},
    "record": RECORD,
    "version": {"type": "integer"},
    "updated_at": {"type": "string"},
}
