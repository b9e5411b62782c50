"""What is known of a value before it is there, as a JSON Schema, and what of it an expression picks.

Unknown is the empty schema, and everything is allowed on it: a wrong alarm costs more trust than a missed mistake. An
object whose schema names its properties and says nothing about others is taken to have no others; one with
``additionalProperties: true``, a schema there, or ``patternProperties`` may have any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.sdk.modules import Json, Schema

UNKNOWN: Schema = {}
BOOLEAN: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
STRING: Schema = {"type": "string"}
NULL: Schema = {"type": "null"}

#: more than so many combinations of alternatives are not told apart
_MAX_ALTERNATIVES = 128
#: keywords after which properties of an object are not fully known
_OPENING = ("patternProperties", "then", "else", "dependentSchemas", "unevaluatedProperties")
_REFERENCES = ("$ref", "$dynamicRef")
_COMBINATORS = ("anyOf", "oneOf", "allOf")
_NAMES = {
    "null": "null",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "array": "a list",
    "object": "an object",
}


@dataclass(frozen=True, slots=True)
class Missing:
    """No alternative of a value has the field.

    :param known: fields that it has instead; None: it is no object at all.
    :param kind: what it is, in words.
    """

    known: tuple[str, ...] | None
    kind: str


def words(types: Sequence[str]) -> str:
    """Types of JSON Schema in words: ``a text or null``."""
    return " or ".join(_NAMES.get(name, name) for name in types)


def type_name(value: Json) -> str:
    """The JSON Schema type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list | tuple) else "object"


def schema_of(value: Json) -> Schema:
    """The schema of a literal."""
    if isinstance(value, Mapping):
        return closed({key: schema_of(item) for key, item in value.items()})
    if isinstance(value, list):
        return array_of(union([schema_of(item) for item in value]) if value else UNKNOWN)
    return {"type": type_name(value)}


def closed(properties: Mapping[str, Schema]) -> Schema:
    """An object with these properties and no others."""
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def array_of(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def union(schemas: Sequence[Schema]) -> Schema:
    """A value that is one of these."""
    # schemas can share parts so that comparing them in depth takes for ever: only simple ones are compared
    found: dict[object, Schema] = {}
    for schema in schemas:
        simple = [*schema] == ["type"] and isinstance(schema["type"], str)
        found[schema["type"] if simple else id(schema)] = schema
    unique = list(found.values())
    if not unique or any(not schema for schema in unique):
        return UNKNOWN
    return unique[0] if len(unique) == 1 else {"anyOf": unique}


def alternatives(schema: Any) -> list[Schema] | None:
    """The schema as a list without combinators, each of one type; None when that cannot be told."""
    if not isinstance(schema, Mapping):
        return None
    if any(key in schema for key in _REFERENCES):
        return None
    found: list[Mapping[str, Any]] = [{k: v for k, v in schema.items() if k not in _COMBINATORS}]
    for part in schema.get("allOf", ()):
        found = _combine(found, _raw(part))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            options: list[Schema] = []
            for part in schema[key]:
                options += _raw(part)
            found = _combine(found, options)
    if not found or len(found) > _MAX_ALTERNATIVES:
        return None
    single: list[Schema] = []
    for one in found:
        types = _types(one)
        if types is None:
            return None
        single += [{**one, "type": name} for name in types]
    return single


def _raw(schema: Any) -> list[Schema]:
    """The alternatives of one branch of a combinator; one that only requires keys says nothing of types."""
    if schema is True:
        return [UNKNOWN]
    if isinstance(schema, Mapping) and not any(key in schema for key in (*_COMBINATORS, *_REFERENCES)):
        return [schema]
    return alternatives(schema) or [{"$ref": "unknown"}]


def _combine(left: Sequence[Schema], right: Sequence[Schema]) -> list[Schema]:
    if len(left) * len(right) > _MAX_ALTERNATIVES:
        return []
    merged = [_merge(one, other) for one in left for other in right]
    return [schema for schema in merged if schema is not None]


def _merge(left: Schema, right: Schema) -> Schema | None:
    """What both say; None when no value can be both."""
    both = {**left, **right}
    types = _declared(left), _declared(right)
    if types[0] is not None and types[1] is not None:
        common = [name for name in types[0] if name in types[1]]
        common += ["integer"] if {"integer", "number"} <= {*types[0], *types[1]} and not common else []
        if not common:
            return None
        both["type"] = common
    if "properties" in left and "properties" in right:
        both["properties"] = {**left["properties"], **right["properties"]}
    if left.get("additionalProperties") is False:
        both["additionalProperties"] = False
    return both


def _declared(schema: Schema) -> list[str] | None:
    declared = schema.get("type")
    if declared is None:
        return None
    return [declared] if isinstance(declared, str) else list(declared)


def _types(schema: Schema) -> list[str] | None:
    if any(key in schema for key in _REFERENCES):
        return None
    if "const" in schema:
        return [type_name(schema["const"])]
    if "enum" in schema:
        return sorted({type_name(value) for value in schema["enum"]})
    declared = _declared(schema)
    if declared is None and "properties" in schema:
        return ["object"]
    return declared


def types_of(schema: Schema) -> frozenset[str] | None:
    """The types that a value can have; None: any."""
    found = alternatives(schema)
    return None if found is None else frozenset(str(one["type"]) for one in found)


def field(schema: Schema, name: str) -> Schema | Missing:
    """The schema of a field of the value."""
    found = alternatives(schema)
    if found is None:
        return UNKNOWN
    picked: list[Schema] = []
    known: dict[str, None] = {}
    objects = False
    for one in found:
        if one["type"] == "null":
            picked.append(NULL)
        if one["type"] != "object":
            continue
        objects = True
        properties = one.get("properties", {})
        if name in properties:
            value = properties[name]
            picked.append(value if isinstance(value, Mapping) else UNKNOWN)
        elif _is_open(one):
            picked.append(_others(one))
        known.update(dict.fromkeys(properties))
    if any(schema is not NULL for schema in picked):
        return union(picked)
    types = sorted({str(one["type"]) for one in found} - {"null"})
    if not types:
        return UNKNOWN
    return Missing(tuple(known) if objects else None, words(types))


def _is_open(schema: Schema) -> bool:
    if any(key in schema for key in _OPENING):
        return True
    if "additionalProperties" in schema:
        return schema["additionalProperties"] is not False
    return "properties" not in schema


def _others(schema: Schema) -> Schema:
    others = schema.get("additionalProperties")
    return others if isinstance(others, Mapping) and not any(key in schema for key in _OPENING) else UNKNOWN


def items(schema: Schema) -> Schema:
    """The schema of the items of a list; unknown where the value is no list."""
    found = alternatives(schema)
    if found is None:
        return UNKNOWN
    picked = [_items(one) for one in found if one["type"] == "array"]
    return union(picked) if picked else UNKNOWN


def _items(schema: Schema) -> Schema:
    rest = schema.get("items", UNKNOWN)
    first = [part if isinstance(part, Mapping) else UNKNOWN for part in schema.get("prefixItems", ())]
    if rest is False:
        return union(first)
    return union([*first, rest if isinstance(rest, Mapping) else UNKNOWN])


def item(schema: Schema, index: int) -> Schema:
    """The schema of one item of a list."""
    found = alternatives(schema)
    if found is None:
        return UNKNOWN
    picked = []
    for one in found:
        if one["type"] != "array":
            continue
        first = one.get("prefixItems", ())
        chosen = first[index] if 0 <= index < len(first) else _items(one)
        picked.append(chosen if isinstance(chosen, Mapping) else UNKNOWN)
    return union(picked) if picked else UNKNOWN


def flattened(schema: Schema) -> Schema:
    """A list of lists as one list."""
    inner = items(schema)
    found = alternatives(inner)
    if found is None:
        return array_of(UNKNOWN)
    return array_of(union([_items(one) if one["type"] == "array" else one for one in found]))


def nullable(schema: Schema) -> bool:
    """Whether the schema itself says that the value can be null."""
    types = types_of(schema)
    return types is not None and "null" in types


def without_null(schema: Schema) -> Schema:
    """The value where it is not null."""
    found = alternatives(schema)
    if found is None:
        return UNKNOWN
    rest = [one for one in found if one["type"] != "null"]
    return union(rest) if rest else UNKNOWN
