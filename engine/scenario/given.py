"""The expressions of a ``with:`` against the schema of what their module takes, and what is doubtful in any ``with:``.

An expression's value is not there yet; what is known of it is compared. A value that may fit is no mistake.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as AnyMapping
from typing import Any

from engine.scenario import types
from engine.scenario.config import Later, sketch
from engine.scenario.diagnostics import did_you_mean
from engine.scenario.expressions import Expression
from engine.scenario.expressions.analysis import called
from engine.scenario.inference import kinds
from engine.scenario.narrowing import same
from engine.scenario.nodes import Mapping, Node, Scalar, Sequence
from engine.scenario.report import Report
from engine.scenario.types import UNKNOWN, Missing
from engine.sdk.modules import Schema

#: keyword of a config's schema: where in a request the value stands as it is
PLACE = "x-place"
#: what in such a place comes from outside
_OUTSIDE = frozenset({"trigger", "request", "event"})
#: functions whose result can do no harm in a URL or header
_ENCODING = frozenset(
    {"encode_url", "url_encode", "encode_uri", "encode_url_component", "to_number", "length", "sha256", "sha1", "md5"}
)
#: what the author has written; all else, such as a row that was read, may hold what others wrote
_OWN = frozenset({"vars", "env", "run", "index"})
_SAFE = frozenset({"number", "boolean"})
_PLACES = {
    "url": ("a URL", "a `/`, `?` or `#` in it would lead elsewhere", "encode it: url_encode(…)"),
    "sql": ("a statement", "it could say anything to the database", "write :name there, and the value under `params`"),
    "header": ("a header", "whoever sends it chooses what the other side reads there", "encode or check it first"),
}

#: expressions of a text with what is known of their values, and of the text's own
Given = AnyMapping[int, tuple[tuple[tuple[Expression, Schema], ...], Schema]]


def check_given(node: Node | None, schema: Schema, given: Given, report: Report) -> None:
    """Note expressions whose values the schema cannot take, deprecated keys, and what comes from outside in a URL.

    :param given: the expressions in a text and what is known of its value, by the identity of the text's node.
    """
    if isinstance(node, Mapping):
        _Check(given, report).inside(node, schema, "")


class _Check:
    def __init__(self, given: Given, report: Report) -> None:
        self._given = given
        self._report = report

    def inside(self, node: Node, schema: Schema, path: str) -> None:
        if isinstance(node, Scalar):
            self._value(node, schema, path)
        elif isinstance(node, Sequence):
            items = types.items(schema)
            for item in node.items:
                self.inside(item, items, path)
        else:
            for key, value in node.entries:
                found = types.field(schema, key.text)
                inner = UNKNOWN if isinstance(found, Missing) else found
                where = f"{path}.{key.text}" if path else key.text
                for declared in _declared(schema, key.text):
                    if declared.get("deprecated") is True:
                        hint = declared.get("description")
                        message = f"'{where}' is deprecated"
                        self._report.add("deprecated", message, key.place, hint if isinstance(hint, str) else None)
                        break
                self.inside(value, inner, where)

    def _value(self, node: Scalar, schema: Schema, path: str) -> None:
        found = self._given.get(id(node))
        if found is None or not schema:
            return
        holes, value = found
        self._untrusted(node, schema, holes)
        if sketch(node) == Later(text=True):
            # a text around an expression: the config's own check tells where none may stand
            return
        wanted = types.alternatives(schema)
        offered = types.alternatives(value)
        if wanted is None or offered is None:
            return
        # what may be left out of the config is no null that it takes
        wanted = [one for one in wanted if types.why_null(one) is None]
        present = [one for one in offered if one["type"] != "null"]
        if present and not any(_fits(one, other) for one in present for other in wanted):
            self._misfit(node, path, wanted, value)
        elif not present or len(present) < len(offered):
            self._null(node, path, wanted, value)

    def _misfit(self, node: Scalar, path: str, wanted: list[Schema], value: Schema) -> None:
        offered = sorted(kinds(value) or ())
        taken = sorted({str(one["type"]) for one in wanted})
        values = types.values_of(value)
        if values and any(_same_type(one, other) for one in types.alternatives(value) or () for other in wanted):
            options = [option for one in wanted for option in types.values_of(one) or ()]
            shown = " or ".join(f"'{one}'" for one in values)
            listing = ", ".join(str(option) for option in options)
            near = did_you_mean(str(values[0]), [option for option in options if isinstance(option, str)])
            self._report.add("config-value", f"{path}: {shown} is not one of {listing}", node.place, near)
            return
        hint = "make a text of it: to_string(…)" if taken == ["string"] and offered != ["array"] else None
        if {*taken} <= {"integer", "number"} and offered == ["string"]:
            hint = "make a number of it: to_number(…)"
        message = f"{path}: wants {types.words(taken)}, this expression gives {types.words(offered)}"
        self._report.add("config-type", message, node.place, hint)

    def _null(self, node: Scalar, path: str, wanted: list[Schema], value: Schema) -> None:
        if any(one["type"] == "null" for one in wanted):
            return
        why = f" ({reason})" if (reason := types.why_null(value)) else ""
        taken = types.words(sorted({str(one["type"]) for one in wanted}))
        message = f"{path}: this can be null{why}, and the module wants {taken}"
        self._report.add("null-in-config", message, node.place, "leave the key out then: … || omit()")

    def _untrusted(self, node: Scalar, schema: Schema, holes: tuple[tuple[Expression, Schema], ...]) -> None:
        place = next((one[PLACE] for one in types.alternatives(schema) or () if PLACE in one), None)
        if place not in _PLACES:
            return
        for expression, value in holes:
            names = expression.names - _OWN if place == "sql" else expression.names & _OUTSIDE
            if not names or (place != "sql" and called(expression.ast) & _ENCODING):
                continue
            found = kinds(value)
            if found and (found <= _SAFE or types.values_of(value) is not None):
                continue
            what, why, hint = _PLACES[place]
            message = f"`{expression.text}` comes from outside and stands in {what} as it is: {why}"
            self._report.add("untrusted-text", message, node.place, hint)


def _declared(schema: Schema, name: str) -> Iterator[AnyMapping[str, Any]]:
    """What the schema says itself of a key."""
    for one in types.alternatives(schema) or ():
        found = one.get("properties", {}).get(name)
        if isinstance(found, AnyMapping):
            yield found


def _same_type(one: Schema, other: Schema) -> bool:
    numbers = {"integer", "number"}
    return bool(one["type"] == other["type"] or {one["type"], other["type"]} <= numbers)


def _fits(one: Schema, other: Schema) -> bool:
    """Whether a value of the first can be one of the second."""
    if not _same_type(one, other):
        return False
    values = types.values_of(one), types.values_of(other)
    if values[0] is None or values[1] is None:
        return True
    return any(same(value, option) for value in values[0] for option in values[1])
