"""All functions of the language, by name. Plugins add their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from engine.plugins import Registry
from engine.scenario.expressions.declare import Function, adopt
from engine.scenario.expressions.library import (
    data,
    dates,
    encoding,
    general,
    lists,
    numbers,
    patterns,
    texts,
    workdays,
)

#: the chapters of the reference, in their order
GROUPS: Mapping[str, tuple[Function, ...]] = MappingProxyType(
    {
        "Choosing": general.FUNCTIONS,
        "Numbers": numbers.FUNCTIONS,
        "Texts": texts.FUNCTIONS,
        "Patterns": patterns.FUNCTIONS,
        "Dates": (*dates.FUNCTIONS, *workdays.FUNCTIONS),
        "Lists": lists.FUNCTIONS,
        "Objects": (*general.OBJECTS, *lists.OBJECTS),
        "Encodings and hashes": encoding.FUNCTIONS,
        "JSON, CSV, files": data.FUNCTIONS,
        "The run": (*general.RUN, *numbers.RUN),
    }
)
FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        function.name: replace(function, group=group)
        for group, functions in GROUPS.items()
        for function in sorted(functions, key=lambda function: function.name)
    }
)


def functions_of(registry: Registry) -> Mapping[str, Function]:
    """The functions of the language, and those that the plugins of a project add."""
    if not registry.functions:
        return FUNCTIONS
    added = {name: adopt(found.function, f"Plugin {found.plugin}") for name, found in registry.functions.items()}
    return MappingProxyType({**added, **FUNCTIONS})
