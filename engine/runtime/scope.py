"""The names that expressions of a branch see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class Scope:
    """``names`` is the root of every expression: ``trigger``, ``request``, ``run``, ``vars``, ``steps``, step ids."""

    __slots__ = ("names",)

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Scope:
        return cls({**data, "vars": {}, "steps": {}})

    def set_variable(self, name: str, value: Any) -> None:
        self.names["vars"][name] = value

    def finish(self, step_id: str | None, status: str, output: Any = None, error: Any = None) -> None:
        """Let later steps see how a step ended."""
        if step_id is not None:
            self.names[step_id] = output
            self.names["steps"][step_id] = {"status": status, "output": output, "error": error}

    def item(self, variable: str, item: Any, index: int) -> Scope:
        """The scope of a loop's item: it sees what was before the loop; nobody outside sees what it sets."""
        names = {**self.names, "vars": dict(self.names["vars"]), "steps": dict(self.names["steps"])}
        names[variable] = item
        names["index"] = index
        return Scope(names)

    def copy(self) -> Scope:
        """The names as they are now; what either scope sets later, the other does not see."""
        return Scope({**self.names, "vars": dict(self.names["vars"]), "steps": dict(self.names["steps"])})

    def adopt(self, other: Scope) -> None:
        """See what the other scope sees."""
        self.names = other.names

    @contextmanager
    def failing(self, error: Any) -> Iterator[None]:
        """Let the steps that handle an error see it as ``error``."""
        outer = self.names.get("error")
        self.names["error"] = error
        try:
            yield
        finally:
            if outer is None:
                del self.names["error"]
            else:
                self.names["error"] = outer
