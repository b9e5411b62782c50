"""``engine run`` without an event and ``engine serve``: real processes, real signals."""

from __future__ import annotations

import asyncio
import json
import signal
import time
import urllib.error
from collections.abc import Callable

import pytest

from engine.cli import serve
from engine.runtime.host import Host
from engine.sdk.clock import utc
from engine.sdk.modules import Delivery
from engine.server.service import CannotListen
from tests.cli.conftest import PATIENCE, Program, Shop, post

Start = Callable[..., Program]
ORDER = {"kind": "order", "email": "ana@example.com"}


def test_run_prints_a_url_runs_what_comes_and_stops_on_a_signal(shop: Shop, start: Start) -> None:
    program = start("run", "scenarios/order.yaml", "--port", "0")
    url = program.line("http://127.0.0.1:")
    post(url, ORDER)
    assert "read" in program.line("customer")
    program.line("order succeeded")
    code, _, err = program.end(signal.SIGTERM)
    assert code == 0
    assert "curl -X POST" in err


@pytest.mark.parametrize(("mode", "code"), [("done", 0), ("refused", 1)])
def test_once_ends_after_the_first_event_with_its_outcome(shop: Shop, start: Start, mode: str, code: int) -> None:
    program = start("run", "scenarios/order.yaml", "--port", "0", "--once", "--json")
    post(json.loads(program.line())["url"], {**ORDER, "mode": mode})
    got, out, _ = program.end()
    assert got == code
    [run] = [json.loads(line) for line in out.splitlines()]
    assert run["state"] == ("succeeded" if code == 0 else "failed")


def test_the_url_is_the_same_at_the_next_start(shop: Shop, start: Start) -> None:
    paths = []
    for _ in range(2):
        program = start("run", "scenarios/order.yaml", "--port", "0", "--public-url", "https://hooks.example.com")
        paths.append(program.line("https://hooks.example.com/hooks/"))
        assert program.end(signal.SIGINT)[0] == 0
    assert paths[0] == paths[1]


def test_serve_lists_the_webhooks_and_tells_each_run_that_ends(shop: Shop, start: Start) -> None:
    program = start("serve")
    row = program.line("scenario:order")
    # wherever it was told to listen
    assert [found["url"] for found in shop.json("webhooks")["webhooks"]] == [row.split()[-1]]
    post(row.split()[-1], {**ORDER, "mode": "refused"})
    line = program.line("failed")
    assert "ana@example.com" in line
    assert "the shop does not want it" in line
    code, _, err = program.end(signal.SIGINT)
    assert (code, "serving 1 scenario" in err) == (0, True)


def test_serve_that_ends_by_a_failure_has_told_each_run_that_ended(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    class Breaks:
        """In place of the listeners: an event comes, and the command fails."""

        def __init__(self, host: Host, **_more: object) -> None:
            self._host = host

        async def __aenter__(self) -> None:
            host = self._host
            plan = host.catalog.current("order")
            assert plan is not None
            delivery = Delivery("POST", {}, {}, b"{}", ORDER, utc(host.clock.time()))
            [run_id] = (await host.intake.accept("hook", [plan], delivery)).runs
            async with asyncio.timeout(PATIENCE):
                while (run := await host.store.run(run_id)) is None or run.state != "succeeded":
                    continue
            raise CannotListen("the address is gone")

        async def __aexit__(self, *_exc: object) -> None:
            raise AssertionError("it was never entered")

    monkeypatch.setattr(serve, "Service", Breaks)
    # lines are gathered longer than the command lives
    monkeypatch.setattr(serve, "GATHER", 60.0)
    result = shop.engine("serve")
    assert result.exit_code == 1
    assert "the address is gone" in result.stderr
    assert "order  succeeded" in result.stdout


def test_serve_serves_nothing_when_a_scenario_has_a_mistake(shop: Shop, start: Start) -> None:
    shop.write("scenarios/a.yaml", "scenario: a\nsteps: [{id: x, module: shop.nothing}]\n")
    shop.write("scenarios/b.yaml", "scenario: b\nsteps: [{id: x, module: other.nothing}]\n")
    code, out, err = start("serve").end()
    assert (code, out) == (1, "")
    assert "a.yaml:2:" in err
    assert "b.yaml:2:" in err


def test_commands_are_handed_to_the_process_that_serves(shop: Shop, start: Start) -> None:
    program = start("serve")
    url = program.line("scenario:order").split()[-1]
    post(url, {**ORDER, "mode": "unknown"})
    run_id = program.line("held").split()[0]
    result = shop.engine("runs", "resume", run_id, "--happened", "--output", '{"id": 70}', "--reason", "seen")
    assert result.exit_code == 0, result.output
    assert "handed to process" in result.stderr
    assert program.line("succeeded").startswith(run_id)
    assert shop.json("runs", "show", run_id)["output"] == 70
    assert shop.calls("send") == 1

    again = shop.engine("runs", "resume", run_id, "--skip")
    assert again.exit_code == 1
    assert "error[command-refused]" in again.stderr
    assert "not held" in again.stderr

    new = shop.engine("webhooks", "rotate", "order", "--grace", "500ms")
    token = new.stdout.strip().rpartition("/")[2]
    post(f"{url.rpartition('/')[0]}/{token}", ORDER)
    program.line("succeeded")
    _until_gone(url)


def _until_gone(url: str) -> None:
    deadline = time.monotonic() + 30
    status = 202
    while status == 202 and time.monotonic() < deadline:
        status = _status(url)
    assert status == 410


def _status(url: str) -> int:
    try:
        post(url, ORDER)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    return 202


def test_a_run_that_waits_long_says_until_when(shop: Shop, start: Start) -> None:
    shop.write(
        "scenarios/slow.yaml",
        """
        scenario: slow
        steps:
          - id: customer
            module: shop.look_up
            with: {mode: flaky}
            retry: {attempts: 3, from: 1h, to: 1h, jitter: 0, backoff: fixed}
        """,
    )
    program = start("run", "scenarios/slow.yaml")
    program.line("sleeps until")
    code, out, _ = program.end(signal.SIGTERM)
    assert code == 1
    assert "it goes on when the engine next executes this store: engine serve" in out


def hang(shop: Shop, name: str) -> None:
    """Let calls of a module with ``mode: hang`` hang the first time."""
    module = shop.root / "modules" / "shop.py"
    head = f"async def {name}(call: Call):\n"
    wait = (
        "    if call.config.get('mode') == 'hang' and calls('hanging') == 1:\n"
        "        import asyncio\n        await asyncio.Event().wait()\n"
    )
    module.write_text(module.read_text().replace(head, head + wait))


def until_it_hangs(shop: Shop) -> None:
    deadline = time.monotonic() + 30
    while not shop.calls("hanging"):
        assert time.monotonic() < deadline


def test_what_a_killed_process_left_goes_on_at_the_next_start(shop: Shop, start: Start) -> None:
    hang(shop, "look_up")
    path = shop.root / "scenarios/order.yaml"
    path.write_text(path.read_text().replace("with: {email:", "with: {mode: hang, email:"))
    program = start("run", "scenarios/order.yaml", "--port", "0")
    post(program.line("http://"), ORDER)
    until_it_hangs(shop)
    program.process.kill()
    program.process.wait()
    assert "order" in start("serve").line("succeeded")
    assert shop.calls("send") == 1


def test_a_second_signal_stops_at_once_and_loses_nothing(shop: Shop, start: Start) -> None:
    hang(shop, "send")
    program = start("run", "scenarios/order.yaml", "--port", "0")
    post(program.line("http://"), {**ORDER, "mode": "hang"})
    until_it_hangs(shop)
    program.process.send_signal(signal.SIGINT)
    assert program.process.stderr is not None
    while b"stopping" not in program.process.stderr.readline():
        pass
    code, _, err = program.end(signal.SIGINT)
    assert code == 130
    assert "Traceback" not in err
    # the write that was under way is not sent again by itself
    assert "order" in start("serve").line("held")
    assert shop.calls("hanging") == 1
