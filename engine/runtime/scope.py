"""The names that expressions of a branch see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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

    def join(self, branch: Scope, before: Scope) -> None:
        """See what a branch has done since it was like ``before``."""
        for name, ended in branch.names["steps"].items():
            if before.names["steps"].get(name) is not ended:
                self.names["steps"][name], self.names[name] = ended, branch.names[name]
        for name, value in branch.names["vars"].items():
            if name not in before.names["vars"] or before.names["vars"][name] is not value:
                self.names["vars"][name] = value

    def forget(self, step_ids: Iterable[str]) -> None:
        """No longer see how these steps ended."""
        for step_id in step_ids:
            self.names.pop(step_id, None)
            self.names["steps"].pop(step_id, None)

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
