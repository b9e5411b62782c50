"""Loops as they stand in a file: what they go over, and how their items come."""

from __future__ import annotations

from collections.abc import Mapping as Values_
from dataclasses import dataclass
from typing import Any

from engine.scenario import types
from engine.scenario.config import check_config, config_validator
from engine.scenario.diagnostics import Place
from engine.scenario.expressions import Expression, Template
from engine.scenario.inside import every
from engine.scenario.keys import STREAM, Reader, check_keys
from engine.scenario.lookup import Lookup
from engine.scenario.nodes import Mapping, Node, Scalar
from engine.scenario.plan import ModuleStep, OnItemError, Step
from engine.scenario.references import Names
from engine.scenario.report import Report
from engine.scenario.types import UNKNOWN
from engine.scenario.values import Values
from engine.sdk.modules import Schema, Search

#: the output of a loop whose failed items do not stop it
_ERRORS = types.array_of(
    {
        "type": "object",
        "properties": {"index": types.NUMBER, "key": types.STRING, "item": UNKNOWN, "error": UNKNOWN},
        "additionalProperties": False,
    }
)


@dataclass(frozen=True, slots=True)
class Over:
    """What a loop goes over.

    :param schema: of one item.
    """

    items: Expression | None
    stream: ModuleStep | None
    schema: Schema


class LoopReader:
    """Reads the keys that only loops have."""

    def __init__(self, report: Report, lookup: Lookup, values: Values) -> None:
        self._report = report
        self._lookup = lookup
        self._values = values
        self._reader = Reader(report)

    def over(self, node: Node, common: Values_[str, Any], names: Names) -> Over | None:
        """``foreach``: a list, or the stream of a search; None where it is too broken."""
        if isinstance(node, Mapping):
            return self._stream(node, common, names)
        found = self._values.expression(node, names, "`foreach`")
        if found is None:
            return None
        expression, schema = found
        kinds = types.types_of(schema)
        if kinds and not kinds & {"array", "null"}:
            message = f"`foreach` wants a list, this is {types.words(sorted(kinds))}"
            self._report.add("not-a-list", message, node.place, "one value as a list: ${{ [x] }}")
        return Over(expression, None, types.items(schema))

    def _stream(self, node: Mapping, common: Values_[str, Any], names: Names) -> Over | None:
        check_keys(node, STREAM, "`foreach`", self._report)
        if common["id"] is None:
            hint = "the id names the loop's pages in the journal"
            self._report.add("id-missing", "a loop over a search needs an `id`", common["place"], hint)
        module_node, config = node.get("module"), node.get("with")
        if module_node is None:
            hint = "the search whose items are gone over, or a list: ${{ … }}"
            self._report.add("missing-key", "`foreach` needs `module`", node.place, hint)
            return None
        template, _ = self._values.template(config, names) if config is not None else (Template.mapping({}), None)
        found = self._lookup.module(module_node)
        if found is None:
            return None
        name, module = found
        if not isinstance(module, Search):
            message = f"'{name}' is no search, so that it has no stream"
            hint = "call it in a step of its own, and go over its output: ${{ the_step.items }}"
            self._report.add("module-kind", message, module_node.place, hint)
            return None
        if isinstance(config, Scalar) and config.value is None:
            config = None
        valid = check_config(module, config, module_node.place, self._report, name=name)
        stream = ModuleStep(
            path=common["path"],
            place=common["place"],
            try_timeout=common["try_timeout"],
            retry=common["retry"],
            module_name=name,
            module=module,
            connection=self._lookup.connection(node.get("connection"), name, module, module_node.place),
            config=template if config is not None else Template.mapping({}),
            validate=config_validator(module),
            fixed=template.literal and valid,
        )
        return Over(None, stream, types.items(self._lookup.output(name, module, config, module_node.place)))

    def batch(self, node: Node | None) -> int | None:
        """``batch``."""
        return None if node is None else self._reader.integer(node, "`batch`", least=1, default=1)

    def group_by(self, node: Mapping, names: Names) -> tuple[Expression, Schema] | None:
        """``group_by``, with what is known of the key."""
        found, batch = node.get("group_by"), node.get("batch")
        if found is None:
            return None
        if batch is not None:
            hint = "group here, and make batches of a group in a loop inside: `foreach: ${{ item.items }}`"
            self._report.add("batch-and-group", "items come in batches or in groups, not in both", batch.place, hint)
        return self._values.expression(found, names, "`group_by`")

    def on_item_error(self, node: Node | None) -> OnItemError:
        """``on_item_error``."""
        return OnItemError(self._reader.choice(node, "`on_item_error`", tuple(OnItemError), OnItemError.FAIL))

    def folds(self, over: Over, steps: tuple[Step, ...], place: Place) -> bool:
        """Whether items that are over may leave the journal; a stream whose items cannot is told of."""
        undo = next((step for step in every(steps) if step.undo), None)
        if undo is not None and over.stream is not None:
            message = f"the items of this stream stay in the journal, because line {undo.place.line} has an `undo`"
            hint = "a long stream fills `limits.run`, and then the run is held: undo in another way, or take a `limit`"
            self._report.add("stream-with-undo", message, place, hint)
        return undo is None


def turn(item: Schema, batch: int | None, group: Schema | None) -> Schema:
    """What is known of what one turn of a loop is about."""
    if group is not None:
        return types.closed({"key": group, "items": types.array_of(item)})
    return item if batch is None else types.array_of(item)


def output(collected: Schema | None, how: OnItemError) -> Schema:
    """What is known of a loop's output."""
    values = types.NULL if collected is None else types.array_of(collected)
    if how is not OnItemError.CONTINUE:
        return values
    return types.closed({"done": types.NUMBER, "failed": types.NUMBER, "errors": _ERRORS, "collected": values})
