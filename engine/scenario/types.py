"""What is known of a value before it is there, as a JSON Schema, and what of it an expression picks.

Unknown is the empty schema, and everything is allowed on it: a wrong alarm costs more trust than a missed mistake. An
object whose schema names its properties and says nothing about others is taken to have no others; one with
``additionalProperties: true``, a schema there, or ``patternProperties`` may have any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
#: keyword of a null that stands for what may not be there: why, in words
_ABSENT = "x-absent"
_GUARD = "x-guard"
_NEVER = "x-never"
#: what is known of schemas that were looked at lately; the schema is kept, so that its id stays its own
_LATELY: dict[int, tuple[Any, list[Schema] | None]] = {}
_MOST_LATELY = 8192
#: values of an ``enum`` that are told
_MOST_TOLD = 6


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
    """The schema of a literal: its value is known."""
    if isinstance(value, Mapping):
        return closed({key: schema_of(item) for key, item in value.items()})
    if isinstance(value, list):
        return array_of(union([schema_of(item) for item in value]) if value else UNKNOWN)
    return NULL if value is None else {"type": type_name(value), "const": value}


def kind_of(value: Json) -> Schema:
    """The schema of a value that may be another one tomorrow; its names stay."""
    if isinstance(value, Mapping):
        return closed({key: kind_of(item) for key, item in value.items()})
    if isinstance(value, list):
        return array_of(union([kind_of(item) for item in value]) if value else UNKNOWN)
    return UNKNOWN if value is None else {"type": type_name(value)}


def filled(schema: Schema, keyword: str, value: Schema) -> Schema:
    """The same with ``value`` in place of the parts that have a keyword."""

    def inside(part: Any) -> Any:
        if isinstance(part, Mapping):
            return value if keyword in part else {key: inside(inner) for key, inner in part.items()}
        return [inside(inner) for inner in part] if isinstance(part, list) else part

    return inside(schema) if keyword in str(schema) else schema


def widened(schema: Schema, *, texts: bool = True) -> Schema:
    """The same without the values that are known: what a variable may be given later.

    :param texts: False keeps those of texts.
    """
    found = schema.get("anyOf")
    if found is not None and len(schema) == 1:
        return union([widened(one, texts=texts) for one in found])
    if "const" in schema and (texts or not isinstance(schema["const"], str)):
        return {"type": schema["type"]} if "type" in schema else {"type": type_name(schema["const"])}
    return schema


def absent(why: str, guard: str | None = None) -> Schema:
    """The null of what may not be there.

    :param guard: the text of a condition; where it is true it is there.
    """
    return {"type": "null", _ABSENT: why} if guard is None else {"type": "null", _ABSENT: why, _GUARD: guard}


def never(why: str) -> Schema:
    """What is always null, which who looks it up should be told."""
    return {"type": "null", _NEVER: why}


def why_never(schema: Schema) -> str | None:
    why = schema.get(_NEVER)
    return None if why is None else str(why)


def unset(schema: Schema, name: str) -> Schema:
    """A variable where several ways come together: on one of them it may not be set."""
    return absent(f"`vars.{name}` is not set on each way to here") if _NEVER in schema else schema


def under(schema: Schema, guards: Sequence[str]) -> Schema:
    """The same where conditions are true, given by their texts."""
    options = schema.get("anyOf") if guards and len(schema) == 1 else None
    if options is None or not any(one.get(_GUARD) in guards for one in options):
        return schema
    return union([one for one in options if one.get(_GUARD) not in guards])


def why_null(schema: Schema) -> str | None:
    """Why a value may not be there, where that is more than that its schema allows null."""
    return next((str(one[_ABSENT]) for one in alternatives(schema) or () if one.get(_ABSENT)), None)


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
        inside = schema.get("anyOf")
        for one in inside if inside is not None and len(schema) == 1 else (schema,):
            found.setdefault(_simple(one) or id(one), one)
    unique = list(found.values())
    if not unique or any(not schema for schema in unique):
        return UNKNOWN
    return unique[0] if len(unique) == 1 else {"anyOf": unique}


def _simple(schema: Schema) -> object:
    kind = schema.get("type")
    if not isinstance(kind, str) or kind in ("object", "array"):
        return None
    if len(schema) == 1:
        return kind
    if len(schema) == 2 and "const" in schema:
        return kind, schema["const"]
    return ("absent", schema[_ABSENT], schema.get(_GUARD)) if _ABSENT in schema else None


def alternatives(schema: Any) -> list[Schema] | None:
    """The schema as a list without combinators, each of one type; None when that cannot be told."""
    known = _LATELY.get(id(schema))
    if known is not None:
        return known[1]
    if len(_LATELY) >= _MOST_LATELY:
        _LATELY.clear()
    found = _alternatives(schema)
    _LATELY[id(schema)] = schema, found
    return found


def _alternatives(schema: Any) -> list[Schema] | None:
    if not isinstance(schema, Mapping) or not schema:
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
        single += [one if one.get("type") == name else _of_type(one, name) for name in types]
    return single


def _of_type(schema: Schema, name: str) -> Schema:
    if "enum" not in schema:
        return {**schema, "type": name}
    return {**schema, "type": name, "enum": [value for value in schema["enum"] if _is_of(value, name)]}


def _is_of(value: Json, name: str) -> bool:
    found = type_name(value)
    return found == name or (found == "integer" and name == "number")


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
    if "required" in left and "required" in right:
        both["required"] = [*left["required"], *right["required"]]
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
    declared = _declared(schema)
    if "enum" in schema:
        types = sorted({type_name(value) for value in schema["enum"]})
        return types if declared is None else [name for name in types if name in declared or "number" in declared]
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
    objects = lacking = 0
    for one in found:
        if one["type"] == "null":
            picked.append(one)
        if one["type"] != "object":
            continue
        objects += 1
        properties = one.get("properties", {})
        if name in properties:
            value = properties[name]
            picked.append(value if isinstance(value, Mapping) else UNKNOWN)
            required = one.get("required")
            if required and name not in required and value:
                picked.append(absent(f"'{name}' may be left out"))
        elif _is_open(one):
            picked.append(_others(one))
        else:
            lacking += 1
        known.update(dict.fromkeys(properties))
    if any(schema.get("type") != "null" for schema in picked):
        if lacking:
            picked.append(absent(_told_apart(found, name) or f"'{name}' is not there in each case"))
        return union(picked)
    if objects and not lacking and picked:
        return union(picked)
    types = sorted({str(one["type"]) for one in found} - {"null"})
    if not types:
        return found[0] if found else UNKNOWN
    return Missing(tuple(known) if objects else None, words(types))


def _told_apart(found: Sequence[Schema], name: str) -> str | None:
    """By which field of an object it is told which of the alternatives have a field."""
    objects = [one["properties"] for one in found if one["type"] == "object" and "properties" in one]
    for key in objects[0] if objects else ():
        values = [_const(properties.get(key)) for properties in objects]
        if None not in values and len({*values}) == len(values):
            having = [repr(value) for value, properties in zip(values, objects, strict=True) if name in properties]
            more = " and others" if len(having) > _MOST_TOLD else ""
            return f"'{name}' is there only where `{key}` is {', '.join(having[:_MOST_TOLD])}{more}"
    return None


def _const(schema: object) -> str | None:
    value = schema.get("const") if isinstance(schema, Mapping) else None
    return value if isinstance(value, str) else None


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


def values_of(schema: Schema) -> list[Json] | None:
    """All values that it can have, null left out; None: more than can be told."""
    found: list[Json] = []
    for one in alternatives(schema) or ({},):
        if one.get("type") == "null":
            continue
        if "const" in one:
            found.append(one["const"])
        elif "enum" in one:
            found += one["enum"]
        else:
            return None
    return found


def narrow(schema: Schema, path: Sequence[str], keep: Callable[[Schema], Schema | None]) -> Schema | None:
    """The value where what stands at a path in it fits.

    :param keep: one alternative of what stands there, as it is where it fits; None: it does not.
    :returns: None where nothing fits.
    """
    found = alternatives(schema)
    if found is None:
        return schema
    left = [one for one in (_narrowed(one, path, keep) for one in found) if one is not None]
    return union(left) if left else None


def _narrowed(one: Schema, path: Sequence[str], keep: Callable[[Schema], Schema | None]) -> Schema | None:
    if not path:
        return keep(one)
    name, *rest = path
    properties = one.get("properties", {})
    if one["type"] != "object" or (name not in properties and not _is_open(one)):
        # null, of which every field is null
        return one if keep(NULL) is not None else None
    if name not in properties:
        return one
    value = properties[name]
    if not isinstance(value, Mapping) or not value:
        return one
    required = one.get("required")
    whole = union([value, absent(f"'{name}' may be left out")]) if required and name not in required else value
    inner = narrow(whole, rest, keep)
    if inner is None:
        return None
    if inner is whole or inner == whole:
        return one
    changed = {**one, "properties": {**properties, name: inner}}
    if required and name not in required:
        # that it may be left out is said by its schema now
        changed["required"] = [*required, name]
    return changed
