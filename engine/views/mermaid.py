"""A chart as Mermaid text: for pages that draw it themselves, such as a merge request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.views.chart import Block, Chart, Fork, Frame, Node, Shape

#: brackets around a box, by what it stands for
_SHAPES = {
    Shape.TRIGGER: ("([", "])"),
    Shape.READ: ("[", "]"),
    Shape.WRITE: ("[[", "]]"),
    Shape.PLAIN: ("[", "]"),
    Shape.WAIT: ("{{", "}}"),
    Shape.CHOICE: ("{", "}"),
    Shape.DONE: ("([", "])"),
    Shape.FAILED: ("([", "])"),
}
_STYLES = {
    Shape.TRIGGER: "fill:#e7f0ff,stroke:#2563c9,color:#10233f",
    Shape.READ: "fill:#f4f5f7,stroke:#6b7280,color:#1f2430",
    Shape.WRITE: "fill:#fff1e0,stroke:#c2620b,color:#3d1f04",
    Shape.PLAIN: "fill:#ffffff,stroke:#9aa1ac,color:#1f2430",
    Shape.WAIT: "fill:#f3e9ff,stroke:#7c3aed,color:#2a1352",
    Shape.CHOICE: "fill:#fffbe0,stroke:#a58a00,color:#3a3000",
    Shape.DONE: "fill:#e6f6ea,stroke:#2f855a,color:#10351f",
    Shape.FAILED: "fill:#ffe8e8,stroke:#c53030,color:#4a1010",
}
#: where an arrow begins: the box, what is written on the arrow, and whether something went wrong
_Open = tuple[str, str, bool]


def mermaid(chart: Chart) -> str:
    """The chart as a flowchart from top to bottom."""
    return "\n".join(_Writer().write(chart)) + "\n"


class _Writer:
    def __init__(self) -> None:
        self._count = 0
        self._used: dict[Shape, list[str]] = {}

    def write(self, chart: Chart) -> Iterator[str]:
        yield "flowchart TD"
        ends: list[_Open] = []
        yield from self._body(chart.body, [], ends, "  ")
        if ends:
            name = self._name()
            yield f'  {name}(("end"))'
            for line in self._arrows(ends, name):
                yield f"  {line}"
        if chart.failing:
            yield from self._body(chart.failing, [], [], "  ")
        for shape, names in self._used.items():
            yield f"  classDef {shape} {_STYLES[shape]}"
            yield f"  class {','.join(names)} {shape}"

    def _name(self) -> str:
        self._count += 1
        return f"n{self._count}"

    def _body(self, blocks: Sequence[Block], begin: list[_Open], ends: list[_Open], indent: str) -> Iterator[str]:
        """Write blocks after ``begin``; what they leave open is put into ``ends``."""
        open_ends = begin
        for block in blocks:
            after: list[_Open] = []
            match block:
                case Node():
                    yield from self._node(block, open_ends, after, indent)
                case Fork():
                    yield from self._fork(block, open_ends, after, indent)
                case Frame():
                    yield from self._frame(block, open_ends, after, indent)
            open_ends = after
        ends += open_ends

    def _node(self, node: Node, begin: list[_Open], ends: list[_Open], indent: str) -> Iterator[str]:
        name = self._name()
        self._used.setdefault(node.shape, []).append(name)
        left, right = _SHAPES[node.shape]
        text = "<br/>".join(_escaped(line) for line in node.lines)
        yield f'{indent}{name}{left}"{text}"{right}'
        for line in self._arrows(begin, name):
            yield f"{indent}{line}"
        if not node.last:
            ends.append((name, "", False))

    def _fork(self, fork: Fork, begin: list[_Open], ends: list[_Open], indent: str) -> Iterator[str]:
        heads: list[_Open] = []
        yield from self._node(fork.head, begin, heads, indent)
        for name, _, _ in heads:
            for way in fork.ways:
                yield from self._body(way.body, [(name, way.label, way.beside)], ends if way.returns else [], indent)

    def _frame(self, frame: Frame, begin: list[_Open], ends: list[_Open], indent: str) -> Iterator[str]:
        name = self._name()
        title = f"↻ {frame.title}" if frame.loops else frame.title
        yield f'{indent}subgraph {name}["{_escaped(title)}"]'
        inner: list[_Open] = []
        if not frame.body:
            yield f'{indent}  {self._name()}["nothing"]'
        yield from self._body(frame.body, [], inner, indent + "  ")
        yield f"{indent}end"
        for line in self._arrows(begin, name):
            yield f"{indent}{line}"
        ends.append((name, "", False))

    @staticmethod
    def _arrows(begin: list[_Open], to: str) -> Iterator[str]:
        for source, label, beside in begin:
            arrow = "-.->" if beside else "-->"
            yield f'{source} {arrow}|"{_escaped(label)}"| {to}' if label else f"{source} {arrow} {to}"


def _escaped(text: str) -> str:
    """As Mermaid reads it: its own signs as the numbers of their characters."""
    special = '"#&<>`'
    return "".join(f"#{ord(c)};" if c in special else c for c in text)
