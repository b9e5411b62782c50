"""Which steps ask for approval, and where a run meets them: what a link that leaves before must know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.scenario.inside import steps_within, with_paths
from engine.scenario.nodes import Mapping, Node, Scalar
from engine.scenario.plan import Step, WaitStep


def approvals_within(node: Node | None) -> Iterator[str]:
    """Ids of the steps in a list, and in all that is inside it, that ask for approval, in file order."""
    for step in steps_within(node):
        waits, name = step.get("wait_for"), step.get("id")
        if isinstance(waits, Mapping) and waits.get("approval") is not None and isinstance(name, Scalar):
            yield name.text


def approval_paths(steps: Sequence[Step], on_failure: Sequence[Step]) -> dict[str, str]:
    """The path of each step that asks for approval, by its id, with ``ITEM`` for each loop that it is in."""
    found = (*with_paths(steps), *with_paths(on_failure, "on_failure/"))
    return {
        step.id: path for path, step in found if isinstance(step, WaitStep) and step.approval is not None and step.id
    }
