"""A chart as SVG: drawn here, without any other program, light or dark as the page around it is.

Blocks are in blocks, so each is laid out by itself and then put into its place: a list from top to bottom, the ways of
a fork from left to right, a frame around what is in it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from engine.views.chart import Block, Chart, Fork, Frame, Node, Shape, Way

#: pixels: height of a line of text, space around text in a box, between boxes, between ways
LINE, PAD, GAP, BETWEEN = 18, 12, 34, 28
#: width of a character, about: the text is set in a font that nobody knows beforehand
CHARACTER = 7.3
#: characters of a line in a box, and in the label of an arrow
BROAD, LABEL = 38, 26
MARGIN = 24

#: fill and line by what a box stands for, on light paper and on dark
_COLOURS = {
    Shape.TRIGGER: ("#e7f0ff", "#2563c9", "#152a4a", "#6ea2f5"),
    Shape.READ: ("#f2f4f7", "#8a919e", "#23272e", "#7d8694"),
    Shape.WRITE: ("#ffefdc", "#c2620b", "#402407", "#f0a04b"),
    Shape.PLAIN: ("#ffffff", "#b4bac4", "#1a1e24", "#59616e"),
    Shape.WAIT: ("#f1e8ff", "#7c3aed", "#2b1c4d", "#b18bf8"),
    Shape.CHOICE: ("#fff8d6", "#a58a00", "#3a3208", "#dcc23a"),
    Shape.DONE: ("#e6f6ea", "#2f855a", "#133a24", "#68c08f"),
    Shape.FAILED: ("#ffe6e6", "#c53030", "#451818", "#f07b7b"),
}
_ROUND = (Shape.TRIGGER, Shape.DONE, Shape.FAILED)
#: ink, soft ink, lines, paper
_LIGHT, _DARK = ("#1f2430", "#5b6472", "#8a919e", "#ffffff"), ("#e8eaee", "#a4acb9", "#7d8694", "#14171c")


def _style() -> str:
    # no variables: few programs besides browsers know them
    boxes = (f".{shape} {{fill:{a};stroke:{b}}} .{shape}-bar {{fill:{b}}}" for shape, (a, b, _, _) in _COLOURS.items())
    dark = (f".{shape} {{fill:{a};stroke:{b}}} .{shape}-bar {{fill:{b}}}" for shape, (_, _, a, b) in _COLOURS.items())
    return (
        "text {font:13px system-ui,'Segoe UI','DejaVu Sans',sans-serif} .title {font-weight:600} "
        ".soft {font-size:12px} .heading {font-size:17px;font-weight:600} .box {stroke-width:1.4} "
        ".arrow {fill:none;stroke-width:1.4} "
        ".beside {stroke-dasharray:5 4} .frame {fill:none;stroke-width:1.2;stroke-dasharray:3 3} "
        f"{_inks(*_LIGHT)} {' '.join(boxes)} @media (prefers-color-scheme:dark) {{{_inks(*_DARK)} {' '.join(dark)}}}"
    )


def _inks(ink: str, soft: str, line: str, paper: str) -> str:
    return (
        f"text {{fill:{ink}}} .soft {{fill:{soft}}} .arrow,.frame {{stroke:{line}}} .tip {{fill:{line}}} "
        f".paper {{fill:{paper}}}"
    )


#: the point of an arrow
_TIP = """<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path class="tip" d="M0 0 L8 4 L0 8 z"/></marker>"""


@dataclass(slots=True)
class _Piece:
    """What is drawn, from (0, 0) on.

    :param axis: where an arrow enters and leaves it, from the left.
    :param open: whether something follows it.
    """

    width: float
    height: float
    axis: float
    open: bool = True
    marks: list[str] = field(default_factory=list)

    def at(self, x: float, y: float) -> list[str]:
        return [f'<g transform="translate({x:.1f} {y:.1f})">', *self.marks, "</g>"] if self.marks else []


def svg(chart: Chart) -> str:
    """The chart as a picture of its own."""
    piece = _stack([*chart.body])
    if piece.open:
        piece = _ended(piece)
    pieces = [piece]
    if chart.failing:
        pieces.append(_stack(chart.failing))
    width = max(sum(p.width for p in pieces) + BETWEEN * (len(pieces) - 1), len(chart.title) * 10.0)
    top = MARGIN + 30
    height = top + max(p.height for p in pieces) + MARGIN
    marks: list[str] = []
    x = float(MARGIN)
    for one in pieces:
        marks += one.at(x, top)
        x += one.width + BETWEEN
    total = width + 2 * MARGIN
    size = f'width="{total:.0f}" height="{height:.0f}"'
    about = chart.description or f"The steps of {chart.title}, from its trigger to its end."
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {total:.0f} {height:.0f}" role="img">',
            f"<title>{escape(chart.title)}</title>",
            f"<desc>{escape(about)}</desc>",
            f"<style>{_style()}</style>",
            f"<defs>{_TIP}</defs>",
            f'<rect class="paper" {size}/>',
            f'<text class="heading" x="{MARGIN}" y="{MARGIN + 10}">{escape(chart.title)}</text>',
            *marks,
            "</svg>",
            "",
        ]
    )


# ---------------------------------------------------------------------- blocks


def _draw(block: Block) -> _Piece:
    match block:
        case Node():
            return _box(block)
        case Fork():
            return _fork(block)
        case Frame():
            return _frame(block)


def _stack(blocks: Sequence[Block]) -> _Piece:
    """Blocks one below the other, on one axis."""
    pieces = [_draw(block) for block in blocks]
    axis = max((piece.axis for piece in pieces), default=0.0)
    whole = _Piece(0.0, 0.0, axis)
    for number, piece in enumerate(pieces):
        if number:
            if pieces[number - 1].open:
                whole.marks.append(_arrow([(axis, whole.height), (axis, whole.height + GAP)]))
            whole.height += GAP
        whole.marks += piece.at(axis - piece.axis, whole.height)
        whole.width = max(whole.width, axis - piece.axis + piece.width)
        whole.height += piece.height
    whole.open = pieces[-1].open if pieces else True
    return whole


def _box(node: Node) -> _Piece:
    lines = [line for number, text in enumerate(node.lines) for line in _wrapped(text, BROAD, title=not number)]
    slant = 14.0 if node.shape in (Shape.CHOICE, Shape.WAIT) else 0.0
    width = max(110.0, max(len(text) for text, _ in lines) * CHARACTER + 2 * PAD + 2 * slant)
    height = len(lines) * LINE + 2 * PAD - 4.0
    if slant:
        middle = height / 2
        points = [
            (slant, 0.0),
            (width - slant, 0.0),
            (width, middle),
            (width - slant, height),
            (slant, height),
            (0.0, middle),
        ]
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        mark = f'<polygon points="{corners}" class="box {node.shape}"/>'
    else:
        round_ = height / 2 if node.shape in _ROUND else 5
        mark = f'<rect width="{width:.1f}" height="{height:.1f}" rx="{min(round_, 20):.1f}" class="box {node.shape}"/>'
    marks = [mark]
    if node.shape is Shape.WRITE:
        # a bar at its left: it changes something outside, seen without colours too
        marks.append(f'<rect width="5" height="{height:.1f}" rx="2" class="{node.shape}-bar"/>')
    for number, (text, title) in enumerate(lines):
        y = PAD + 10 + number * LINE
        kind = "title" if title else "soft"
        marks.append(f'<text class="{kind}" x="{width / 2:.1f}" y="{y:.1f}" text-anchor="middle">{escape(text)}</text>')
    return _Piece(width, height, width / 2, not node.last, marks)


def _fork(fork: Fork) -> _Piece:
    head = _box(fork.head)
    ways = [(way, _stack(way.body)) for way in fork.ways]
    labels = [[text for text, _ in _wrapped(way.label, LABEL)] if way.label else [] for way, _ in ways]
    #: room for the labels, and for the arrows to part
    above = GAP + 12 + max(len(lines) for lines in labels) * 15
    left = []
    x = 0.0
    for (_, piece), lines in zip(ways, labels, strict=True):
        wide = max((len(text) for text in lines), default=0) * 6.8 + 8
        # a label stands to both sides of the axis
        before = max(piece.axis, wide / 2, 10.0)
        left.append(x + before)
        x += before + max(piece.width - piece.axis, wide / 2, 10.0) + BETWEEN
    width = max(x - BETWEEN, 0.0)
    # an unlabelled first way goes straight down
    axis = left[0] if fork.ways and not fork.ways[0].label else (left[0] + left[-1]) / 2
    shift = max(0.0, head.axis - axis)
    whole = _Piece(max(width + shift, axis + shift + head.width - head.axis), 0.0, axis + shift)
    whole.marks += head.at(axis + shift - head.axis, 0.0)
    split, begin = head.height + 12, head.height + above
    deepest = max(piece.height for _, piece in ways)
    meet = begin + deepest + 18
    anyone = False
    for (way, piece), lines, middle in zip(ways, labels, left, strict=True):
        at = middle + shift
        whole.marks += piece.at(at - piece.axis, begin)
        path = [(axis + shift, head.height), (axis + shift, split), (at, split), (at, begin)]
        if lines:
            # the line makes room for what is written on it
            whole.marks.append(_arrow([*path[:3], (at, split + 5)], way, tip=False))
            path = [(at, split + 8 + len(lines) * 15), (at, begin)]
        whole.marks.append(_arrow(path, way, tip=bool(way.body)))
        for number, text in enumerate(lines):
            whole.marks.append(
                f'<text class="soft" x="{at:.1f}" y="{split + 18 + number * 15:.1f}" text-anchor="middle">'
                f"{escape(text)}</text>"
            )
        if piece.open and way.returns:
            anyone = True
            end = [(at, begin + piece.height), (at, meet), (axis + shift, meet)]
            whole.marks.append(_arrow(end, way, tip=False))
    whole.height = meet if anyone else begin + deepest
    whole.open = anyone
    return whole


def _frame(frame: Frame) -> _Piece:
    inner = _stack(frame.body)
    title = f"↻ {frame.title}" if frame.loops else frame.title
    lines = [text for text, _ in _wrapped(title, BROAD + 8)]
    head = len(lines) * LINE + PAD
    wide = max(len(text) for text in lines) * CHARACTER + 2 * PAD
    width = max(inner.width + 2 * PAD + 8, wide)
    side = (width - inner.width) / 2
    height = head + inner.height + PAD + 6
    marks = [f'<rect class="frame" width="{width:.1f}" height="{height:.1f}" rx="8"/>']
    for number, text in enumerate(lines):
        marks.append(f'<text class="soft" x="{PAD}" y="{PAD + 8 + number * LINE}">{escape(text)}</text>')
    return _Piece(width, height, side + inner.axis, True, [*marks, *inner.at(side, head)])


def _ended(piece: _Piece) -> _Piece:
    y = piece.height + GAP
    piece.marks.append(_arrow([(piece.axis, piece.height), (piece.axis, y - 6)]))
    piece.marks.append(f'<circle class="tip" cx="{piece.axis:.1f}" cy="{y:.1f}" r="6"/>')
    piece.height = y + 6
    return piece


# ---------------------------------------------------------------------- marks


def _arrow(points: Sequence[tuple[float, float]], way: Way | None = None, *, tip: bool = True) -> str:
    path = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    kind = "arrow beside" if way is not None and way.beside else "arrow"
    end = ' marker-end="url(#tip)"' if tip else ""
    return f'<path class="{kind}" d="M{path}"{end}/>'


def _wrapped(text: str, most: int, *, title: bool = False) -> list[tuple[str, bool]]:
    """A text in lines."""
    return [(line, title) for line in textwrap.wrap(text, most)] or [("", title)]
