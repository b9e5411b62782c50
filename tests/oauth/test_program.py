"""The program itself: a link on the terminal, the answer in whichever process listens, and what is left of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runtime.clock import SystemClock
from engine.runtime.grants import Grant, Grants
from engine.runtime.host import STORE_FILE
from engine.runtime.secrets import KeyRing, SecretBox
from engine.store.sqlite import SqliteStore
from tests.oauth.authorization import SECRET, Server, somebody
from tests.oauth.test_serving import SCENARIO, free_port

TOP = Path(__file__).parents[2]
#: seconds after which a program that says nothing has failed
PATIENCE = 40.0


class Project:
    """A folder, an authorization server that knows its address, and the program in it."""

    def __init__(self, root: Path, server: Server, port: int) -> None:
        self.root, self.server, self.port = root, server, port
        self._running: list[subprocess.Popen[str]] = []
        (root / "engine.yaml").write_text(f"server: {{port: {port}, admin_port: 0}}\n")
        (root / "scenarios").mkdir()
        (root / "scenarios" / "earn.yaml").write_text(SCENARIO)

    def start(self, *args: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine", *args],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(TOP), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._running.append(process)
        return process

    def engine(self, *args: str, code: int = 0) -> str:
        process = self.start(*args)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, out + err
        return out + err

    def serve(self) -> subprocess.Popen[str]:
        process = self.start("serve")
        assert process.stdout is not None
        for line in process.stdout:
            if "/hooks/" in line:
                return process
        raise AssertionError(process.communicate()[1])

    def add(self, *more: str) -> tuple[str, ...]:
        issuer = self.server.issuer
        fields = {
            "base_url": issuer,
            "authorize_url": f"{issuer}/auth",
            "token_url": f"{issuer}/token",
            "revoke_url": f"{issuer}/token/revocation",
            "scopes": "openid points",
            "client_id": "engine",
            "client_secret": SECRET,
            "test_path": "/points",
        }
        given = [part for name, value in fields.items() for part in ("--set", f"{name}={value}")]
        return ("connections", "add", "points", "--type", "http", *given, *more)

    def link(self, process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("http"):
                return line.strip()
        raise AssertionError(process.communicate()[1])

    def close(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    port = free_port()
    with Server(f"http://127.0.0.1:{port}/oauth/callback") as server:
        made = Project(tmp_path, server, port)
        yield made
        made.close()


def visit(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return str(answer.read().decode())


def deliver(hook: str) -> None:
    request = urllib.request.Request(hook, b'{"n": 1}', {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=PATIENCE).close()


def browse(url: str) -> subprocess.Popen[bytes]:
    """Open a page whose answer nobody waits for."""
    code = f"import urllib.request; urllib.request.urlopen({url!r})"
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)


async def kept(project: Project) -> Grant | None:
    """The grant, as the data folder has it."""
    folder = project.root / ".engine"
    store = SqliteStore(folder / STORE_FILE, clock=SystemClock())
    await store.open()
    try:
        box = SecretBox(store, KeyRing(folder, {}), SystemClock())
        return await Grants(box, SystemClock()).grant("points", now=True)
    finally:
        await store.close()


async def authorized(project: Project) -> Grant:
    """Add the connection, as somebody does who agrees."""
    adding = project.start(*project.add())
    assert "can be used" in visit(await somebody(project.link(adding)))
    _, err = adding.communicate(timeout=PATIENCE)
    assert adding.returncode == 0, err
    grant = await kept(project)
    assert grant is not None
    return grant


async def test_what_a_removed_connection_had_is_no_good_at_the_vendor_any_more(project: Project) -> None:
    before = await authorized(project)
    # one is used up by renewing, so that it is the newest that is given back
    project.server.turn(4000)
    assert "works" in project.engine("connections", "test", "points")
    grant = await kept(project)
    assert grant is not None
    assert grant.refresh_token
    assert grant.refresh_token != before.refresh_token
    assert project.server.active(grant.refresh_token)
    assert project.server.active(grant.access_token)
    assert "is removed" in project.engine("connections", "remove", "points")
    assert not project.server.active(grant.refresh_token)
    assert not project.server.active(grant.access_token)
    assert not project.server.refreshes(grant.refresh_token)
    assert await kept(project) is None


async def test_a_vendor_that_cannot_be_told_does_not_keep_a_connection_from_being_removed(project: Project) -> None:
    grant = await authorized(project)
    assert grant.refresh_token
    text = (project.root / "connections.yaml").read_text()
    gone = text.replace("/token/revocation", "/token/nowhere")
    assert gone != text
    (project.root / "connections.yaml").write_text(gone)
    said = project.engine("connections", "remove", "points")
    assert "the vendor was not told that connection 'points' goes" in said
    assert grant.refresh_token not in said
    assert project.server.active(grant.refresh_token)
    assert await kept(project) is None


LOOK = """
scenario: look
trigger: {module: http.watch_webhook}
steps:
  - id: look
    module: http.make_request
    connection: points
    with: {url: /points}
  - id: earn
    module: http.make_request
    connection: points
    with: {url: /points, method: POST, body: {had: "${{ look.body.points }}"}}
"""


async def test_a_dry_run_renews_a_token_and_keeps_it_because_the_old_one_has_ended(project: Project) -> None:
    before = await authorized(project)
    (project.root / "scenarios" / "look.yaml").write_text(LOOK)
    (project.root / "event.json").write_text("{}")
    project.server.turn(4000)
    said = project.engine("run", "scenarios/look.yaml", "--event", "event.json", "--dry-run")
    # the read was made with a new token, the write was not
    assert "points" not in project.server.counts()
    assert project.server.counts()["refresh_token"] == 1
    grant = await kept(project)
    assert grant is not None
    assert before.access_token not in said
    assert grant.access_token not in said
    assert grant.refresh_token != before.refresh_token
    # and it serves the runs that are none
    assert "works" in project.engine("connections", "test", "points")
    assert project.server.counts()["refresh_token"] == 1
    project.engine("run", "scenarios/look.yaml", "--event", "event.json")
    assert project.server.counts()["points"] == 1
    assert "no runs" in project.engine("runs") or "look" in project.engine("runs")


async def test_from_add_to_remove_without_a_process_that_serves(project: Project) -> None:
    adding = project.start(*project.add())
    link = project.link(adding)
    assert "code_challenge_method=S256" in link
    back = await somebody(link)
    assert "can be used" in visit(back)
    out, err = adding.communicate(timeout=PATIENCE)
    assert "connection 'points' is authorized" in out
    assert f"http://127.0.0.1:{project.port}/oauth/callback" in err
    assert "works" in project.engine("connections", "test", "points")
    listed = project.engine("connections")
    assert re.search(r"authorization +of \d{4}-.*renewed by itself +authorized", listed)
    assert SECRET not in (project.root / "connections.yaml").read_text()
    counts = project.server.counts()
    assert "is removed" in project.engine("connections", "remove", "points")
    assert project.server.counts() == counts
    # what was given back is no good any more: a copy of the data folder would be worth nothing
    adding = project.start(*project.add("--later"))
    adding.communicate(timeout=PATIENCE)
    assert "not authorized yet" in project.engine("connections", "test", "points", code=1)
    assert "not authorized" in project.engine("status", code=1)


async def test_the_process_that_serves_takes_the_answer_and_its_runs_go_on(project: Project) -> None:
    project.engine(*project.add("--later"))
    serving = project.serve()
    hook = re.search(r"http://\S+/hooks/\S+", project.engine("webhooks"))
    assert hook, "no webhook"
    deliver(hook[0])
    line = next(line for line in serving.stdout or () if "earn" in line)
    assert "held" in line
    asking = project.start("connections", "authorize", "points")
    back = await somebody(project.link(asking))
    assert "can be used" in visit(back)
    assert "is authorized" in asking.communicate(timeout=PATIENCE)[0]
    line = next(line for line in serving.stdout or () if "earn" in line)
    assert "succeeded" in line
    assert project.server.counts()["points"] == 1


async def test_whoever_waits_is_told_that_consent_was_denied(project: Project) -> None:
    project.engine(*project.add("--later"))
    asking = project.start("connections", "authorize", "points")
    back = await somebody(project.link(asking), agrees=False)
    with pytest.raises(urllib.error.HTTPError, match="400"):
        visit(back)
    _, err = asking.communicate(timeout=PATIENCE)
    assert asking.returncode == 1
    assert "error[consent-denied]" in err
    assert "connections.yaml:2:3" in err
    assert "engine connections authorize points" in err


@pytest.mark.crash
async def test_a_process_that_is_killed_between_consent_and_storing(project: Project) -> None:
    project.engine(*project.add("--later"))
    serving = project.serve()
    asking = project.start("connections", "authorize", "points")
    back = await somebody(project.link(asking))
    with project.server.down("hangs"):
        browser = browse(back)
        project.server.asked()
        serving.send_signal(signal.SIGKILL)
        serving.wait()
        assert browser.wait(timeout=PATIENCE)
    asking.kill()
    project.serve()
    assert "not authorized yet" in project.engine("connections", "test", "points", code=1)
    with pytest.raises(urllib.error.HTTPError, match="400"):
        visit(back)
    again = project.start("connections", "authorize", "points")
    assert "can be used" in visit(await somebody(project.link(again)))
    assert "works" in project.engine("connections", "test", "points")
