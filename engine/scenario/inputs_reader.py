"""``inputs`` of a scenario: read, and what is wrong with them noted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema

from engine.scenario.diagnostics import did_you_mean
from engine.scenario.inputs import FORMATS, TYPES, Input, Inputs, mistakes
from engine.scenario.keys import IDENTIFIER, Reader
from engine.scenario.nodes import Mapping as MappingNode
from engine.scenario.nodes import Node, Scalar, plain
from engine.scenario.report import Report
from engine.scenario.values import expressions_in

#: keywords of JSON Schema that an input may have, beside ``required``
KEYWORDS = (
    *("type", "description", "title", "default", "examples", "enum", "const", "format"),
    *("minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    *("properties", "additionalProperties", "patternProperties", "propertyNames", "minProperties", "maxProperties"),
    *("anyOf", "oneOf", "allOf", "not"),
)


class InputsReader:
    """Reads them."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._reader = Reader(report)

    def read(self, node: Node | None, *, has_trigger: bool) -> Inputs:
        """The inputs; those that are wrong are left out.

        :param has_trigger: whether events start the scenario too; they bring no inputs.
        """
        found = self._reader.mapping(node, "`inputs`")
        if found is None:
            return Inputs()
        fields = [self._input(key, value, has_trigger) for key, value in found.entries]
        return Inputs(tuple(field for field in fields if field is not None))

    def _input(self, key: Scalar, node: Node, has_trigger: bool) -> Input | None:
        name = key.text
        if not IDENTIFIER.fullmatch(name):
            self._add(f"'{name}' cannot be an input's name", key, "small letters, digits and _, such as `email`")
            return None
        if (inside := next(expressions_in(node), None)) is not None:
            message = f"`{name}` is read before there is data; no expression can stand here"
            self._report.add("expression-here", message, inside.place, "write the value out")
            return None
        if not isinstance(node, MappingNode):
            kind = node.value if isinstance(node, Scalar) else None
            return Input(name, {"type": kind}) if self._type(name, node, kind) else None
        return self._schema(name, node, has_trigger)

    def _schema(self, name: str, node: MappingNode, has_trigger: bool) -> Input | None:
        schema: dict[str, Any] = {}
        required = False
        for key, value in node.entries:
            if key.text == "required":
                required = self._reader.boolean(value, f"`required` of '{name}'", default=False)
            elif key.text not in KEYWORDS:
                hint = did_you_mean(key.text, ("required", *KEYWORDS)) or "keywords of JSON Schema, and `required`"
                self._report.add("unknown-key", f"an input has no key '{key.text}'", key.place, hint)
            elif key.text == "format" and (not isinstance(value, Scalar) or value.value not in FORMATS):
                self._add(f"'{name}' has a format that is not checked", value, f"one of {', '.join(FORMATS)}")
                return None
            else:
                schema[key.text] = plain(value)
        kind = node.get("type")
        if isinstance(kind, Scalar) and not self._type(name, kind, kind.value):
            return None
        default = schema.pop("default", None)
        if not self._sound(name, schema, node):
            return None
        if required and (given := node.get("default")) is not None:
            self._add(f"'{name}' is required, so that its default is never used", given, "leave one of them out")
        elif (given := node.get("default")) is not None and (wrong := mistakes(schema, default)):
            self._add(f"the default of '{name}' is not what it takes: {wrong[0]}", given, None)
        elif required and has_trigger and (given := node.get("required")) is not None:
            hint = "give it a `default`, or leave `trigger` out"
            self._add(f"'{name}' is required, and events of the trigger bring no inputs", given, hint)
        return Input(name, schema, required, default)

    def _type(self, name: str, node: Node, kind: object) -> bool:
        if kind in TYPES:
            return True
        shown = f"'{node.text}'" if isinstance(node, Scalar) else "a list"
        near = did_you_mean(node.text, TYPES) if isinstance(node, Scalar) else None
        self._add(f"the type of '{name}' cannot be {shown}", node, near or f"one of {', '.join(TYPES)}")
        return False

    def _sound(self, name: str, schema: Mapping[str, Any], node: MappingNode) -> bool:
        try:
            jsonschema.Draft202012Validator.check_schema(dict(schema))
        except jsonschema.SchemaError as error:
            key = str(error.path[0]) if error.path else ""
            self._add(
                f"'{name}' is no schema: {key}: {error.message}", node.get(key) or node, "see JSON Schema 2020-12"
            )
            return False
        return True

    def _add(self, message: str, node: Node, hint: str | None) -> None:
        self._report.add("input", message, node.place, hint)
