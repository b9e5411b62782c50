"""The small parts that the schemas are made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from engine.scenario.durations import EXAMPLES, PATTERN

#: a JSON Schema, draft-07, with the words that the YAML language server adds
Form = dict[str, Any]

#: a text in which an expression stands, and one that is an expression
HAS_EXPRESSION = r"\$\{\{"
ONLY_EXPRESSION = r"^\s*\$\{\{[\s\S]*\}\}\s*$"
_NO_EXPRESSION = r"^(?![\s\S]*\$\{\{)[\s\S]*\S"
#: where a form is that any value with an expression in it has
OPEN = "#/definitions/open"


def ref(name: str) -> Form:
    """The form of this name among the definitions."""
    return {"$ref": f"#/definitions/{name}"}


def closed(keys: Collection[str], forms: Mapping[str, Form], **more: Any) -> Form:
    """A mapping of these keys, and no others.

    :param forms: by key; each key has one.
    :raises ValueError: the two do not agree.
    """
    if odd := set(keys) ^ set(forms):
        raise ValueError(f"these keys are described and not read, or read and not described: {', '.join(sorted(odd))}")
    return {"type": "object", "additionalProperties": False, "properties": {key: forms[key] for key in keys}, **more}


def told(form: Form, description: str, **more: Any) -> Form:
    """The same form with a description, in Markdown."""
    return {**form, "description": plain(description), "markdownDescription": description, **more}


def plain(markdown: str) -> str:
    """A description where no Markdown is shown."""
    return markdown.replace("`", "").replace("**", "")


def words(options: Collection[str], descriptions: Sequence[str] = ()) -> Form:
    """One of some words."""
    form: Form = {"type": "string", "enum": list(options)}
    return {**form, "markdownEnumDescriptions": list(descriptions)} if descriptions else form


def any_of(*forms: Form) -> Form:
    return {"anyOf": list(forms)}


def whole(least: int = 0, most: int | None = None) -> Form:
    """A whole number."""
    form: Form = {"type": "integer", "minimum": least}
    return form if most is None else {**form, "maximum": most}


def listed(form: Form, least: int = 0) -> Form:
    return {"type": "array", "items": form, **({"minItems": least} if least else {})}


def mapped(form: Form, names: str | None = None, error: str = "") -> Form:
    """A mapping of any keys, or of those that match."""
    found: Form = {"type": "object", "additionalProperties": form}
    if names is not None:
        found["propertyNames"] = {"pattern": f"^(?:{names})$", "patternErrorMessage": error}
    return found


#: any value, with expressions anywhere in it
VALUE: Form = {}
TEXT: Form = {
    "type": "string",
    "pattern": _NO_EXPRESSION,
    "patternErrorMessage": "This is read before there is data: a text, and no expression.",
}
#: one that needs no look at what is in it
ANY_TEXT: Form = {"type": "string"}
BOOLEAN: Form = {"type": "boolean"}
EXPRESSION: Form = {
    "type": "string",
    "pattern": ONLY_EXPRESSION,
    "patternErrorMessage": "This is an expression: ${{ … }}",
}
CONDITION: Form = {
    "type": ["string", "boolean"],
    "pattern": ONLY_EXPRESSION,
    "patternErrorMessage": "A condition is an expression, ${{ … }}, or true or false.",
}
DURATION: Form = {
    "type": "string",
    "pattern": f"^(?:{PATTERN})$",
    "patternErrorMessage": f"This is a duration, such as {EXAMPLES}.",
}


def named(pattern: str, error: str) -> Form:
    """A text of a certain form."""
    return {"type": "string", "pattern": f"^(?:{pattern})$", "patternErrorMessage": error}


def or_expression(form: Form) -> Form:
    """What an expression may stand for; the form has no ``pattern``, ``enum`` or the like."""
    kinds = form["type"] if isinstance(form["type"], list) else [form["type"]]
    error = "This is no such value, and no expression: ${{ … }}"
    return {**form, "type": [*kinds, "string"], "pattern": ONLY_EXPRESSION, "patternErrorMessage": error}


def choose(*branches: tuple[str, Form], otherwise: Form) -> Form:
    """The form of the first of these keys that is there; only its keys are offered, and others are wrong."""
    found = otherwise
    for key, form in reversed(branches):
        found = {"if": {"type": "object", "required": [key]}, "then": form, "else": found}
    return found


#: the value has an expression somewhere
_OPEN: Form = {
    "anyOf": [
        {"type": "string", "pattern": HAS_EXPRESSION},
        {"type": "array", "contains": {"$ref": OPEN}},
        {"type": "object", "not": {"additionalProperties": {"not": {"$ref": OPEN}}}},
    ]
}
DEFINITIONS: Mapping[str, Form] = {"open": _OPEN}
