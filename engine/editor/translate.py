"""A module's JSON Schema, 2020-12, as editors want it: draft-07, and an expression wherever a value is.

What looks at a whole value (``oneOf``, ``if``, ``not``, counts) is decided at run time where an expression stands
anywhere in it, as ``scenario/config.py`` has it; the editor says nothing of it then either.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.editor.forms import HAS_EXPRESSION, ONLY_EXPRESSION, OPEN, Form

#: words about a value that change nothing
_ABOUT = ("title", "description", "examples", "default", "readOnly", "writeOnly")
#: keywords that are about no text, and stay as they are
_PLAIN = ("required", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
#: what no expression in a text can be held to
_TEXT = ("minLength", "maxLength", "pattern", "format")
#: what no value with an expression anywhere in it can be held to
_COUNTS = ("minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties")
_NOT_OPEN: Form = {"not": {"pattern": HAS_EXPRESSION}}
_ONLY: Form = {
    "type": "string",
    "pattern": ONLY_EXPRESSION,
    "patternErrorMessage": "This is no such value, and no expression: ${{ … }}",
}
_INSIDE: Form = {"type": "string", "pattern": HAS_EXPRESSION}


class Translator:
    """Translates the schemas of one module.

    :param name: a prefix for its own definitions.
    :param definitions: where they are put.
    """

    def __init__(self, name: str, definitions: dict[str, Form]) -> None:
        self._name = name
        self._definitions = definitions

    def root(self, schema: Mapping[str, Any], *, expressions: bool) -> Form:
        """A whole schema.

        :param expressions: whether they may stand for the values in it; for the whole they may not.
        """
        for name, inner in schema.get("$defs", {}).items():
            self._definitions[f"{self._name}.{name}"] = self._value(inner, expressions=expressions)
        return self._translated({**schema, "type": "object"}, expressions=expressions)

    def _value(self, schema: Any, *, expressions: bool) -> Any:
        if not isinstance(schema, Mapping):
            return schema
        found = self._translated(schema, expressions=expressions)
        return _with_expression(found, schema) if expressions else found

    def _translated(self, schema: Mapping[str, Any], *, expressions: bool) -> Form:
        found = _about(schema)
        found |= {key: schema[key] for key in ("type", "enum", "const", *_PLAIN) if key in schema}
        if "$ref" in schema:
            found["$ref"] = self._reference(schema["$ref"])
        self._inner(schema, found, expressions=expressions)
        text = {key: schema[key] for key in _TEXT if key in schema}
        if text and expressions:
            found |= {"if": dict(_NOT_OPEN), "then": _in_words(text, schema)}
        else:
            found |= _in_words(text, schema)
        later = self._whole(schema, expressions=expressions)
        parts = [self._value(part, expressions=expressions) for part in schema.get("allOf", ())]
        if later and expressions:
            parts.append({"if": {"$ref": OPEN}, "then": self._loosely(schema), "else": later})
        elif later:
            parts.append(later)
        if "anyOf" in schema:
            found["anyOf"] = [self._branch(part, expressions=expressions) for part in schema["anyOf"]]
        return {**found, "allOf": parts} if parts else found

    def _inner(self, schema: Mapping[str, Any], found: Form, *, expressions: bool) -> None:
        """The schemas of what is inside."""
        for key in ("properties", "patternProperties"):
            if key in schema:
                inner = schema[key].items()
                found[key] = {name: self._value(value, expressions=expressions) for name, value in inner}
        for key in ("additionalProperties", "items", "contains"):
            if key in schema:
                found[key] = self._value(schema[key], expressions=expressions)
        if "propertyNames" in schema:
            found["propertyNames"] = self._value(schema["propertyNames"], expressions=False)
        if "prefixItems" in schema:
            if "items" in found:
                found["additionalItems"] = found["items"]
            found["items"] = [self._value(part, expressions=expressions) for part in schema["prefixItems"]]

    def _whole(self, schema: Mapping[str, Any], *, expressions: bool) -> Form:
        """The keywords that look at a whole value."""
        found: Form = {key: schema[key] for key in _COUNTS if key in schema}
        if "oneOf" in schema:
            found["oneOf"] = [self._branch(part, expressions=expressions) for part in schema["oneOf"]]
        if "not" in schema:
            found["not"] = self._value(schema["not"], expressions=False)
        if "if" in schema:
            found["if"] = self._value(schema["if"], expressions=False)
            for key in ("then", "else"):
                if key in schema:
                    found[key] = self._branch(schema[key], expressions=expressions)
        needs = {**schema.get("dependentRequired", {})}
        for key, inner in schema.get("dependentSchemas", {}).items():
            needs[key] = self._branch(inner, expressions=expressions)
        return {**found, "dependencies": needs} if needs else found

    def _loosely(self, schema: Mapping[str, Any]) -> Form:
        """What still holds for a value with expressions: one of several forms, if not which."""
        branches = schema.get("oneOf")
        return {"anyOf": [self._branch(part, expressions=True) for part in branches]} if branches else {}

    def _branch(self, schema: Any, *, expressions: bool) -> Any:
        """One of several forms of a value, which is known to be no expression where it is an object."""
        if isinstance(schema, Mapping) and "type" not in schema and not {"enum", "const"} & {*schema}:
            return self._translated(schema, expressions=expressions)
        return self._value(schema, expressions=expressions)

    def _reference(self, target: str) -> str:
        return target.replace("#/$defs/", f"#/definitions/{self._name}.")


def _about(schema: Mapping[str, Any]) -> Form:
    found: Form = {key: schema[key] for key in _ABOUT if key in schema}
    if schema.get("deprecated"):
        found["deprecationMessage"] = schema.get("description") or "This is deprecated."
    if "default" in schema and not schema.get("writeOnly"):
        shown = json.dumps(schema["default"], ensure_ascii=False)
        found["markdownDescription"] = f"{schema.get('description', '')}\n\nDefault: `{shown}`".strip()
    return found


def _in_words(text: Form, schema: Mapping[str, Any]) -> Form:
    """Limits of a text, with what the app says in words: it helps more than the pattern."""
    if "pattern" in text and schema.get("description"):
        return {**text, "patternErrorMessage": f"Not of the form that is wanted: {schema['description']}"}
    return text


def _with_expression(found: Form, schema: Mapping[str, Any]) -> Form:
    """The form, or an expression: alone where no text can stand, else also inside one."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    text = not kinds or "string" in kinds
    if "enum" in found or "const" in found:
        kept: Form = {key: found.pop(key) for key in ("type", "enum", "const") if key in found}
        return {**found, "anyOf": [_titled(kept, schema), {"title": "expression", **(_INSIDE if text else _ONLY)}]}
    if not kinds or text:
        return found
    return {**found, "type": [*kinds, "string"], "pattern": _ONLY["pattern"], "patternErrorMessage": _ERROR}


def _titled(form: Form, schema: Mapping[str, Any]) -> Form:
    return {"title": schema["title"], **form} if "title" in schema else form


_ERROR = _ONLY["patternErrorMessage"]
