"""The README's first command prints what the README says. The rest of the page is followed by ``test_followed.py``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.follow import differing
from tests.docs.pages import ROOT, blocks

README = ROOT / "README.md"


def test_the_demo_prints_what_is_shown(tmp_path: Path) -> None:
    arguments = ["scenarios/tier-to-sms/scenario.yaml", "--event", "scenarios/tier-to-sms/event.json", "--simulate"]
    # what the demo does once everything is set up
    script = (ROOT / "dev").read_text()
    assert f"engine run {' '.join(arguments)} " in " ".join(script.replace("\\\n", " ").split())
    done = subprocess.run(
        [sys.executable, "-m", "engine", "run", *arguments, "--data", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=True,
    )
    got = [line for line in done.stdout.splitlines() if line.strip()]
    [shown] = [block.text for block in blocks(README) if block.language == "text" and "tier-to-sms" in block.text]
    expected = [line for line in shown.splitlines() if line.strip()]
    assert differing(expected, got) is None
    assert len(got) == len(expected)
    assert done.stderr == ""


def test_the_two_commands_are_those_of_the_script_and_of_ci() -> None:
    page, ci = README.read_text(), (ROOT / ".ci" / "run").read_text()
    for command in ("./dev demo", "./dev test"):
        assert f"$ {command}\n" in page
        assert f"\n{command}\n" in ci
