"""Answers over HTTP: the page behind an approval's link, and the API for programs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.sdk import jsontext
from engine.server.admin import ADMIN_FILE
from engine.store.ids import show
from engine.store.waits import Wait
from tests.server.site import Site

ASK = """scenario: first
trigger:
  module: desk.watch
  with: {type: ask}
steps:
  - id: mail
    module: desk.note
    with: {link: "${{ approval_link('ok') }}"}
  - id: ok
    wait_for: {approval: "Refund <b>${{ trigger.total }}</b>?"}
  - id: after
    module: desk.note
    with: {answer: "${{ ok }}"}
"""
SIGNAL = """scenario: first
trigger:
  module: desk.watch
  with: {type: ask}
steps:
  - id: go
    wait_for: {signal: go, key: "${{ trigger.total }}"}
  - id: after
    module: desk.note
    with: {answer: "${{ go }}"}
"""
PAID = """scenario: first
trigger:
  module: desk.watch
  with: {type: ask}
steps:
  - id: paid
    wait_for:
      module: desk.signed
      connection: desk
      webhook: shared
      match: ${{ event.total == trigger.total }}
  - id: after
    module: desk.note
    with: {answer: "${{ paid.by }}"}
"""


def site(root: Path, text: str) -> Site:
    return Site(root, {"first": text}, "webhooks: {shared: {}}\n")


async def asked(site: Site) -> Wait:
    """A run has asked, and is waiting."""
    await site.post({"type": "ask", "total": 5})
    [run] = await site.rest()
    assert run.state == "waiting"
    [wait] = await site.host.store.waits.of_run(run.id)
    return wait


@pytest.fixture
async def asking(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, ASK) as served:
        yield served


async def page(site: Site, url: str, method: str = "GET", **form: str) -> tuple[int, str]:
    async with site.client.request(method, url, data=form or None) as answer:
        return answer.status, await answer.text()


async def test_the_link_shows_what_is_asked_and_decides_nothing(asking: Site) -> None:
    wait = await asked(asking)
    link = asking.desk.notes[0]["link"]
    assert link == asking.url().partition("/hooks/")[0] + f"/approve/{wait.token}"
    for method in ("GET", "HEAD", "GET"):
        status, text = await page(asking, link, method)
        assert status == 200
    assert "Refund &lt;b&gt;5&lt;/b&gt;?" in text
    assert show(wait.run_id) in text
    assert [run.state for run in await asking.rest()] == ["waiting"]


@pytest.mark.parametrize(("answer", "approved"), [("yes", True), ("no", False)])
async def test_the_form_is_the_answer_and_the_first_one_stands(asking: Site, answer: str, approved: bool) -> None:
    await asked(asking)
    link = asking.desk.notes[0]["link"]
    status, text = await page(asking, link, "POST", answer=answer, by="Ana <a>", comment="looked")
    assert (status, "Ana &lt;a&gt;" in text) == (200, True)
    [run] = await asking.rest()
    assert run.state == "succeeded"
    said = asking.desk.notes[1]["answer"]
    assert (said["approved"], said["by"], said["comment"]) == (approved, "Ana <a>", "looked")
    status, text = await page(asking, link, "POST", answer="no" if approved else "yes")
    assert ("Approved" in text) == approved


@pytest.mark.parametrize(
    ("path", "method", "form", "status"),
    [
        ("/approve/nothing", "GET", {}, 404),
        ("/approve/nothing", "POST", {"answer": "yes"}, 404),
        ("/approve/{token}", "POST", {"answer": "perhaps"}, 400),
        ("/approve/{token}", "POST", {}, 400),
        ("/approve/{token}", "PUT", {"answer": "yes"}, 405),
        ("/approve/{token}x", "POST", {"answer": "yes"}, 404),
    ],
)
async def test_what_is_no_answer_changes_nothing(
    asking: Site, path: str, method: str, form: dict[str, str], status: int
) -> None:
    wait = await asked(asking)
    base = asking.url().partition("/hooks/")[0]
    assert (await page(asking, base + path.format(token=wait.token), method, **form))[0] == status
    assert [run.state for run in await asking.rest()] == ["waiting"]


async def api(site: Site, path: str, body: Any) -> tuple[int, Any]:
    about = jsontext.loads((site.host.data / ADMIN_FILE).read_bytes())
    headers = {"Authorization": f"Bearer {about['token']}"}
    async with site.client.post(about["url"] + path, data=jsontext.dumps(body), headers=headers) as answer:
        return answer.status, await answer.json()


async def test_the_api_answers_for_a_person(asking: Site) -> None:
    wait = await asked(asking)
    path = f"/api/runs/{show(wait.run_id)}/approve"
    assert (await api(asking, path, {"yes": "perhaps"}))[0] == 400
    assert (await api(asking, path, {"yes": True, "by": "ana", "comment": "ok"}))[0] == 200
    [run] = await asking.rest()
    assert (run.state, asking.desk.notes[1]["answer"]["by"]) == ("succeeded", "ana")
    status, answer = await api(asking, path, {"yes": False})
    assert (status, answer["error"]["code"]) == (409, "answer-refused")


async def test_the_api_sends_signals(tmp_path: Path) -> None:
    async with site(tmp_path, SIGNAL) as served:
        await served.post({"type": "ask", "total": 5})
        await served.rest()
        assert await api(served, "/api/signals/go", {"key": "6"}) == (200, {"reached": 0, "kept": False})
        assert await api(served, "/api/signals/go", {"key": "5", "data": [1]}) == (200, {"reached": 1, "kept": False})
        assert (await api(served, "/api/signals/go", {"key": 5}))[0] == 400
        assert (await api(served, "/api/signals/go", {"keep": -1}))[0] == 400
        assert (await api(served, "/api/signals/g o", {}))[0] == 400
        [run] = await served.rest()
        assert (run.state, served.desk.notes) == ("succeeded", [{"answer": [1]}])
        assert await api(served, "/api/signals/go", {"key": "5", "keep": 60}) == (200, {"reached": 0, "kept": True})


async def test_an_event_that_a_run_waits_for_must_come_from_the_vendor(tmp_path: Path) -> None:
    from tests.server.desk import signed

    async with site(tmp_path, PAID) as served:
        await served.post({"type": "ask", "total": 5})
        await served.rest()
        body = jsontext.dumps({"total": 5, "by": "card"})
        forged = await served.post(data=body, to="shared", headers={"Content-Type": "application/json"})
        assert forged.status == 401
        assert [run.state for run in await served.rest()] == ["waiting"]
        genuine = await served.post(data=body, to="shared", headers=signed(body))
        assert genuine.status == 202
        [run] = await served.rest()
        assert (run.state, served.desk.notes) == ("succeeded", [{"answer": "card"}])
        [fate] = await served.deliveries(genuine)
        assert (fate.state, fate.run_id) == ("run", run.id)
