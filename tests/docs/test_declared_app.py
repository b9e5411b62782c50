"""An app of five plain REST calls is under 80 lines, each of which is a declaration."""

from __future__ import annotations

from pathlib import Path

from engine import plugins
from engine.sdk.modules import Action, Search
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "declare-an-app.md"


def test_the_app_of_the_page_is_short_and_has_no_code(tmp_path: Path) -> None:
    [text] = [block.text for block in blocks(PAGE) if block.marks.get("file") == "modules/helpdesk.py"]
    assert len(text.splitlines()) < 80
    (tmp_path / "helpdesk.py").write_text(text)
    app = plugins.load(tmp_path).apps["helpdesk"]
    assert len(app.modules) == 5
    for module in app.modules:
        assert isinstance(module, Action | Search)
        assert module.request is not None
