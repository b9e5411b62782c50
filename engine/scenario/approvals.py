"""Which steps ask for approval, and where a run meets them: what a link that leaves before must know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.scenario.nodes import Mapping, Node, Scalar
from engine.scenario.nodes import Sequence as Items
from engine.scenario.plan import ForeachStep, GroupStep, Step, WaitStep

#: stands in a path for the item of a loop
ITEM = "[*]/"
#: keys below which stand values, and no steps
_VALUES = ("with", "set", "wait_for", "resume")


def approvals_within(node: Node | None) -> Iterator[str]:
    """Ids of the steps in a list, and in all that is inside it, that ask for approval, in file order."""
    if isinstance(node, Items):
        for item in node.items:
            yield from approvals_within(item)
    elif isinstance(node, Mapping):
        waits, name = node.get("wait_for"), node.get("id")
        if isinstance(waits, Mapping) and waits.get("approval") is not None and isinstance(name, Scalar):
            yield name.text
        for key, value in node.entries:
            if key.text not in _VALUES:
                yield from approvals_within(value)


def approval_paths(steps: Sequence[Step], on_failure: Sequence[Step]) -> dict[str, str]:
    """The path of each step that asks for approval, by its id, with ``ITEM`` for each loop that it is in."""
    return {**dict(_paths(steps, "", "")), **dict(_paths(on_failure, "on_failure/", ""))}


def _paths(steps: Sequence[Step], loop: str, group: str) -> Iterator[tuple[str, str]]:
    # as the interpreter walks them
    for step in steps:
        path = f"{loop}{step.id}" if step.id else f"{loop}{group}{step.path}"
        inside = path[len(loop) :] + "/"
        if isinstance(step, WaitStep):
            if step.approval is not None and step.id is not None:
                yield step.id, path
            yield from _paths(step.on_timeout or (), loop, inside)
        elif isinstance(step, GroupStep):
            yield from _paths((*step.steps, *step.otherwise), loop, inside)
        elif isinstance(step, ForeachStep):
            yield from _paths(step.steps, f"{path}{ITEM}", "")
        yield from _paths(step.handler, f"{path}!handler/", "")
        yield from _paths(step.cleanup, f"{path}!finally/", "")
        yield from _paths(step.undo, f"undo/{path}/", "")
