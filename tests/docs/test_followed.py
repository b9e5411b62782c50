"""The pages that show commands are followed, block by block, in an empty folder; what is printed is what they say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.follow import Reader, differing
from tests.docs.pages import PAGES, ROOT, blocks, name
from tests.support.clean import Environment

FOLLOWED = [page for page in PAGES if any({"run", "background"} & block.marks.keys() for block in blocks(page))]


#: pages that install something
INSTALLS = {"docs/how-to/your-first-module.md"}


@pytest.fixture
def reader(page: Path, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path, Environment.make(tmp_path / "clean") if name(page) in INSTALLS else None)
    yield reader
    reader.close()


@pytest.mark.parametrize("page", FOLLOWED, ids=name)
def test_what_the_page_shows_is_what_happens(reader: Reader, page: Path) -> None:
    for block in blocks(page):
        reader.do(block)


def test_the_pages_that_must_be_followed_are() -> None:
    shown = {name(page) for page in FOLLOWED}
    how_to = {name(page) for page in (ROOT / "docs" / "how-to").glob("*.md")}
    assert {"README.md"} | how_to <= shown


def test_a_line_that_is_not_printed_is_noticed() -> None:
    got = ["✓ send  write done  7 ms", "run 1m80s3g5r8wzf"]
    assert differing(["✓ send  write done  12 ms", "run 1m90s3g5r8wz0"], got) is None
    assert differing(["✓ send  …"], got) is None
    assert differing(["✓ send  write refused  12 ms"], got) == "✓ send  write refused  12 ms"
    assert differing([*got, "more"], got) == "more"
