"""The API's listener: its token always, and nothing of the webhooks."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from engine.store.ids import show
from tests.server.desk import listening
from tests.server.site import Reply, Site

NewSite = Callable[..., Site]


class Api:
    """Asks the API as ``admin.json`` says."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.file = site.root / ".engine" / "admin.json"
        about = json.loads(self.file.read_text())
        self.url, self.token = about["url"], about["token"]

    async def ask(
        self, path: str, body: Any = None, *, method: str = "POST", headers: Mapping[str, str] | None = None
    ) -> Reply:
        own = {"Authorization": f"Bearer {self.token}"} if headers is None else headers
        data = body if isinstance(body, bytes) else json.dumps(body) if body is not None else None
        async with self.site.client.request(method, self.url + path, data=data, headers=own) as answer:
            text = await answer.text()
            return Reply(answer.status, answer.headers, json.loads(text) if text.startswith("{") else text)


@pytest.fixture
def api(site: Site) -> Api:
    return Api(site)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer x"}, {"Authorization": ""}, {"Authorization": "Basic abc"}],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/health"),
        ("GET", "/api/runs/0000000000001"),
        ("POST", "/api/runs/together"),
        ("POST", "/api/runs/0000000000001/resume"),
        ("POST", "/api/runs/0000000000001/retry"),
        ("POST", "/api/runs/0000000000001/cancel"),
        ("POST", "/api/receipts/0000000000001/deliver"),
        ("POST", "/api/webhooks/scenario:first/rotate"),
        ("POST", "/api/store/prune"),
        ("POST", "/api/erase"),
    ],
)
async def test_everything_needs_the_token(api: Api, method: str, path: str, headers: dict[str, str]) -> None:
    reply = await api.ask(path, method=method, headers=headers)
    assert (reply.status, reply.body["error"]["code"]) == (401, "no-token")
    reply = await api.ask(path, method=method, headers={"Authorization": f"Bearer {api.token}x"})
    assert reply.status == 401


async def test_a_header_that_is_no_text_is_only_a_wrong_token(api: Api) -> None:
    port = int(api.url.rpartition(":")[2])
    request = b"GET /api/health HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n"
    assert (await api.site.raw(request, until=b"\r\n", port=port)).startswith(b"HTTP/1.1 401 ")


async def test_the_token_is_compared_in_constant_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(given: bytes, wanted: bytes) -> bool:
        compared.append(given)
        return False

    monkeypatch.setattr("engine.server.admin.hmac.compare_digest", compare)
    assert (await api.ask("/api/health", method="GET")).status == 401
    assert compared == [f"Bearer {api.token}".encode()]


async def test_health(api: Api) -> None:
    reply = await api.ask("/api/health", method="GET")
    assert reply.status == 200
    assert reply.body == {
        "epoch": 1,
        "broken": False,
        "simulated": False,
        "runs": {"queued": 0, "gathering": 0, "blocked": 0, "running": 0, "sleeping": 0, "waiting": 0, "held": 0},
        "queue_age": None,
        "oldest_running": None,
        "silent": [],
        "unauthorized": [],
        "alert_failure": None,
        "wrong": [],
    }


async def test_the_file_is_its_owner_s_and_goes_with_the_process(new_site: NewSite) -> None:
    async with new_site() as site:
        api = Api(site)
        assert stat.S_IMODE(api.file.stat().st_mode) == 0o600
        assert not api.file.with_suffix(".new").exists()
        first = api.token
    assert not api.file.exists()
    # what a killed process leaves, with whatever rights, does not give the next one's token away
    api.file.with_suffix(".new").touch(0o666)
    async with new_site() as site:
        assert stat.S_IMODE(api.file.stat().st_mode) == 0o600
        assert Api(site).token != first


async def test_each_listener_knows_only_its_own(api: Api) -> None:
    hook = await api.ask(api.site.path, {})
    assert hook.status == 404
    assert await api.site.receipts() == []
    host = api.site.url().rpartition("/hooks/")[0]
    for path in ("/api/health", "/", "/hooks", "/hooks/a/b"):
        async with api.site.client.get(host + path, headers={"Authorization": f"Bearer {api.token}"}) as answer:
            assert answer.status == 404


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "words"),
    [
        ("/api/runs/{run}/resume", {}, 400, "bad-request", "'choice' must be one of happened"),
        ("/api/runs/{run}/resume", {"choice": "again", "by": 5}, 400, "bad-request", "'by' must be text"),
        ("/api/runs/{run}/resume", {"choice": "again", "version": "old"}, 400, "bad-request", "'version' can only be"),
        ("/api/runs/{run}/resume", {"choice": "again", "force": 1}, 400, "bad-request", "'force' must be true"),
        ("/api/runs/{run}/resume", [], 400, "bad-request", "must be a JSON object"),
        ("/api/runs/{run}/resume", b"{", 400, "bad-request", "not JSON"),
        ("/api/runs/{run}/resume", {"choice": "again"}, 409, "command-refused", "is succeeded, not held"),
        ("/api/runs/{run}/retry", {}, 409, "command-refused", "no failed step"),
        ("/api/runs/{run}/cancel", None, 409, "command-refused", "cannot be done"),
        ("/api/runs/0000000000001/cancel", {}, 409, "command-refused", "there is no run"),
        ("/api/runs/zzzzzzzzzzzzz/cancel", {}, 409, "bad-id", "is not an id"),
        ("/api/runs/short/cancel", {}, 409, "bad-id", "is not an id"),
        ("/api/runs/together", {}, 400, "bad-request", "'verb' must be one of resume, retry, cancel"),
        ("/api/runs/together", {"verb": "resume"}, 400, "bad-request", "'choice' must be one of"),
        ("/api/runs/together", {"verb": "resume", "choice": "happened"}, 400, "bad-request", "one run at a time"),
        ("/api/runs/together", {"verb": "retry", "wanted": {"all": 1}}, 400, "bad-request", "'wanted' must be"),
        ("/api/runs/together", {"verb": "retry", "wanted": {"states": ["held"]}}, 400, "bad-request", "list of failed"),
        ("/api/runs/together", {"verb": "retry", "wanted": {"made_before": "x"}}, 400, "bad-request", "a number"),
        ("/api/receipts/{receipt}/deliver", {}, 409, "not-deliverable", "0 scenarios"),
        ("/api/webhooks/nothing/rotate", {}, 409, "config-error", "there is no webhook 'nothing'"),
        ("/api/webhooks/scenario:first/rotate", {"grace": "nan"}, 400, "bad-request", "'grace'"),
        ("/api/webhooks/scenario:first/rotate", {"grace": -1}, 400, "bad-request", "'grace'"),
    ],
)
async def test_what_cannot_be_done_is_said(api: Api, path: str, body: Any, status: int, code: str, words: str) -> None:
    receipt = (await api.site.post({"n": 1})).body["receipt"]
    await api.site.rest()
    [run] = await api.site.runs()

    reply = await api.ask(path.format(run=show(run.id), receipt=receipt), body)
    assert (reply.status, reply.body["error"]["code"]) == (status, code)
    assert words in reply.body["error"]["message"]


async def test_a_run_is_shown(api: Api) -> None:
    await api.site.post({"n": 1})
    [run] = await api.site.rest()
    reply = await api.ask(f"/api/runs/{show(run.id)}", method="GET")
    assert (reply.status, reply.body["state"], reply.body["holds"]) == (200, "succeeded", [])
    gone = await api.ask("/api/runs/0000000000001", method="GET")
    assert (gone.status, gone.body["error"]["code"]) == (409, "command-refused")


async def test_rotating(api: Api) -> None:
    old = api.site.url()
    reply = await api.ask("/api/webhooks/scenario:first/rotate", {"grace": 10})
    assert reply.body["name"] == "scenario:first"
    assert api.site.url().endswith(reply.body["token"])
    await api.site.clock.advance(10)
    assert (await api.site.post({}, url=old)).status == 410


async def test_a_parked_receipt_is_delivered(new_site: NewSite) -> None:
    text = listening("first").replace("trigger:", "active: false\ntrigger:")
    async with new_site(scenarios={"first": text}) as site:
        receipt = (await site.post({"n": 1})).body["receipt"]
        reply = await Api(site).ask(f"/api/receipts/{receipt}/deliver")
        assert reply.status == 200
        assert len(reply.body["runs"]) == 1
        assert [run.state for run in await site.rest()] == ["succeeded"]
