"""The pages as a test sees them: fenced blocks, and the comment before a block that says what it is.

A page that readers can follow with their own hands is followed by a test too. Its marks:

``<!-- file: PATH -->``      the block is the content of this file
``<!-- run -->``             lines after ``$`` are commands, the others are what they print
``<!-- fails -->``           likewise, and the last command ends with an exit code other than 0
``<!-- background -->``      one command that goes on while the next blocks are run, and what it prints first
``<!-- goes on -->``         what the last such command prints next
``<!-- edit: PATH: OLD => NEW -->``  what the text asks the reader to change; it stands alone
``<!-- wrong: CODE… -->``    a scenario with these mistakes
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "scenarios" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]

_PART = re.compile(
    r"^<!-- (?P<mark>[a-z ]+?)(?:: (?P<value>[^\n]*?))? -->\n"
    r"|^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
MARKS = {"file", "run", "fails", "background", "goes on", "edit", "wrong"}


@dataclass(frozen=True)
class Block:
    """A fenced block, or an edit, which has no block.

    :param marks: value by mark.
    """

    page: Path
    line: int
    marks: Mapping[str, str]
    language: str = ""
    text: str = ""

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order."""
    source = page.read_text("utf-8")
    marks: dict[str, str] = {}
    end = 0
    for part in _PART.finditer(source):
        line = source.count("\n", 0, part.start()) + 1
        if source[end : part.start()].strip():
            marks = {}  # a mark belongs to the block right behind it
        end = part.end()
        if part["mark"] == "edit":
            yield Block(page, line, {"edit": part["value"]})
        elif part["mark"] in MARKS:
            marks = {**marks, part["mark"]: part["value"] or ""}
        elif part["mark"] is None:
            yield Block(page, line, marks, part["language"], part["text"])
            marks = {}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))
