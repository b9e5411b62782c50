"""What is inside a step: its lists of steps, by name. Whoever walks a plan, or the steps of a file, asks here.

A kind of step that has steps of its own is told of in ``parts`` and, as it stands in the file, in ``lists``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.scenario.nodes import Mapping, Node
from engine.scenario.nodes import Sequence as Items
from engine.scenario.plan import CallStep, ForeachStep, GroupStep, ParallelStep, RepeatStep, RouteStep, Step, WaitStep

#: stands in a path for the item of a loop
ITEM = "[*]/"
#: lists about how a step ended
_ASIDE = ("on_error", "finally", "undo")


@dataclass(frozen=True, slots=True)
class Part:
    """A list of steps in a step.

    :param key: under which it stands in the file, such as ``steps`` or ``on_error``.
    :param below: what the paths of its steps begin with, ``{}`` being the step's own; None: they are named as those
        beside the step are.
    :param aside: whether it is about how the step ended (``on_error``, ``finally``, ``undo``), and not what it does.
    :param name: of one among several under that key: of a route, of a branch.
    """

    key: str
    steps: tuple[Step, ...]
    below: str | None = None
    aside: bool = False
    name: str = ""

    def paths(self, path: str, loop: str) -> tuple[str, str]:
        """What the paths of all its steps begin with, and what those of steps without an id go on with.

        :param path: of the step.
        :param loop: what it begins with.
        """
        if self.below is None:
            return loop, path[len(loop) :] + "/"
        return self.below.format(path), ""


def parts(step: Step) -> Iterator[Part]:
    """The lists of steps in a step, empty ones left out."""
    match step:
        case GroupStep():
            others = [Part("else_if", one.steps, name=one.name) for one in step.others]
            own = [Part("steps", step.steps), *others, Part("else", step.otherwise)]
        case RouteStep():
            routes = [Part("route", one.steps, name=one.name) for one in step.routes]
            own = [*routes, Part("otherwise", step.otherwise)]
        case ParallelStep():
            own = [Part("parallel", steps, name=name) for name, steps in step.branches.items()]
        case RepeatStep():
            own = [Part("steps", step.steps, "{}" + ITEM)]
        case ForeachStep():
            own = [Part("steps", step.steps, "{}" + ITEM)]
        case WaitStep() | CallStep():
            own = [Part("on_timeout", step.on_timeout or ())]
        case _:
            own = []
    for part in own:
        if part.steps:
            yield part
    if step.handler:
        yield Part("on_error", step.handler, "{}!handler/", aside=True)
    if step.cleanup:
        yield Part("finally", step.cleanup, "{}!finally/", aside=True)
    if step.undo:
        yield Part("undo", step.undo, "undo/{}/", aside=True)


def every(*steps: Sequence[Step]) -> Iterator[Step]:
    """The steps of some lists and all that is inside them, each before what is inside it."""
    for step in (step for one in steps for step in one):
        yield step
        for part in parts(step):
            yield from every(part.steps)


def with_paths(steps: Sequence[Step], loop: str = "", group: str = "") -> Iterator[tuple[str, Step]]:
    """As ``every``, with the path of each step; ``ITEM`` stands in it for the items of loops."""
    for step in steps:
        path = path_of(step, loop, group)
        yield path, step
        for part in parts(step):
            yield from with_paths(part.steps, *part.paths(path, loop))


def path_of(step: Step, loop: str, group: str) -> str:
    """A step's path, as the interpreter names it."""
    # Ids are unique in a scenario, so a step with one keeps its key when it is moved into another group; a step without
    # one is named by its place.
    return f"{loop}{step.id}" if step.id else f"{loop}{group}{step.path}"


def lists(step: Mapping) -> Iterator[tuple[str, Node]]:
    """The lists of steps in a step of a file, and the key each stands under, in the order of the language."""
    for key in ("steps", "else_if", "else", "route", "otherwise", "parallel", "on_timeout", *_ASIDE):
        found = step.get(key)
        if key in ("else_if", "route") and isinstance(found, Items):
            within = (item.get("steps") for item in found.items if isinstance(item, Mapping))
            yield from ((key, inner) for inner in within if inner is not None)
        elif key == "parallel" and isinstance(found, Mapping):
            yield from ((key, branch) for _, branch in found.entries)
        elif found is not None:
            yield key, found


def steps_within(node: Node | None) -> Iterator[Mapping]:
    """Every step of a list of a file, and of the lists inside it, in file order."""
    if isinstance(node, Items):
        for item in node.items:
            if isinstance(item, Mapping):
                yield item
                for _, inner in lists(item):
                    yield from steps_within(inner)
