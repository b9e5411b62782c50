"""``engine simulate``: what it serves, and the webhooks that it sends."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import PATIENCE, Program, Shop
from tests.modules.bench import FIXTURES

Start = Callable[..., Program]
TIER_TO_SMS = Path(__file__).parents[2] / "scenarios" / "tier-to-sms" / "scenario.yaml"
NAMES = {path.stem for path in (FIXTURES / "loyalty-webhooks").glob("*.json")}


@dataclass
class Receiver:
    """A URL that keeps what is posted to it."""

    url: str = ""
    status: int = 202
    taken: list[tuple[dict[str, str], Any]] = field(default_factory=list)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def topics(self) -> list[str]:
        return [body["topic"] for _, body in self.taken]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.taken.append(({name.lower(): value for name, value in self.headers.items()}, json.loads(body)))
            self.send_response(kept.status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"heard")
            kept.arrived.release()

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_port}/hooks/token"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tiers(shop: Shop) -> Shop:
    """A project with the shipped scenario that starts on tiers, and nothing else."""
    (shop.root / "scenarios" / "order.yaml").unlink()
    shutil.copy(TIER_TO_SMS, shop.root / "scenarios" / "tier-to-sms.yaml")
    return shop


def send(shop: Shop, *args: str) -> tuple[int, str, str]:
    result = shop.engine("simulate", "yotpo_loyalty", *args)
    return result.exit_code, result.stdout, result.stderr


# ------------------------------------------------------------------ end to end


def test_a_webhook_of_one_process_makes_a_run_in_another(tiers: Shop, start: Start) -> None:
    serving = start("serve", "--simulate")
    url = serving.line("/hooks/").split()[-1]
    sending = start("simulate", "yotpo_loyalty", "--send", "tier_earned", "--send", "tier_lost", "--webhook", url)
    code, out, err = sending.end()
    assert code == 0, err
    lines = out.splitlines()
    assert [line.split()[:2] for line in lines] == [["tier_earned", "202"], ["tier_lost", "202"]]
    assert all('"receipt"' in line for line in lines)
    for _ in lines:
        assert "ana@example.com" in serving.line("succeeded")
    assert serving.end(signal.SIGINT)[0] == 0


def test_an_event_id_tells_a_second_delivery(tiers: Shop, start: Start) -> None:
    serving = start("serve", "--simulate")
    url = serving.line("/hooks/").split()[-1]
    order = ("--send", "tier_earned", "--webhook", url, "--count", "2")
    assert send(tiers, *order, "--header", "eventid: 7")[0] == 0
    serving.line("succeeded")
    assert send(tiers, *order, "--header", "eventid: {uuid}")[0] == 0
    serving.line("succeeded")
    serving.line("succeeded")
    assert serving.end(signal.SIGINT)[0] == 0
    fates = [delivery["state"] for receipt in tiers.json("receipts")["receipts"] for delivery in receipt["deliveries"]]
    assert sorted(fates) == ["duplicate", "run", "run", "run"]


def test_what_a_request_causes_is_sent_by_itself(shop: Shop, start: Start, receiver: Receiver) -> None:
    program = start("simulate", "yotpo_loyalty", "--port", "0", "--webhook", receiver.url)
    base = program.line("http://").strip()
    adjustment = {"customer_email": "ana@example.com", "point_adjustment_amount": 40}
    body = json.dumps({**adjustment, "apply_adjustment_to_points_earned": True}).encode()
    keys = {"x-guid": "simulated-guid", "x-api-key": "simulated-api-key", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{base}/api/v2/points/adjust", body, keys)
    urllib.request.urlopen(request, timeout=PATIENCE).close()
    assert "202" in program.line("swell/points/earned")
    program.line("swell/points/changed")
    assert receiver.topics() == ["swell/points/earned", "swell/points/changed"]
    assert receiver.taken[1][1]["current_balance"] == 680
    code, _, err = program.end(signal.SIGINT)
    assert code == 0
    assert receiver.url in err


def test_with_a_port_it_goes_on_when_all_is_sent(shop: Shop, start: Start, receiver: Receiver) -> None:
    program = start("simulate", "yotpo_loyalty", "--port", "0", "--webhook", receiver.url, "--send", "tier_earned")
    base = program.line("http://").strip()
    program.line("tier_earned")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{base}/api/v2/campaigns", timeout=PATIENCE)
    assert program.end(signal.SIGINT)[0] == 0


def test_a_pause_ends_with_ctrl_c(shop: Shop, start: Start, receiver: Receiver) -> None:
    program = start("simulate", "yotpo_loyalty", "--webhook", receiver.url, "--send", "tier_earned", "--every", "1h")
    program.line("tier_earned")
    assert program.end(signal.SIGINT)[0] == 0
    assert len(receiver.taken) == 1


# ------------------------------------------------------------------ what is sent


def test_every_webhook_is_sent_as_json_with_the_headers_that_are_given(shop: Shop, receiver: Receiver) -> None:
    code, out, _ = send(
        *(shop, "--send", "all", "--webhook", receiver.url),
        *("--header", "Authorization: made-up", "--header", "eventid: {uuid}"),
    )
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()} == NAMES
    assert len(receiver.taken) == len(NAMES)
    for headers, _ in receiver.taken:
        assert (headers["content-type"], headers["authorization"]) == ("application/json", "made-up")
    assert len({headers["eventid"] for headers, _ in receiver.taken}) == len(NAMES)


def test_without_an_order_to_the_contrary_nothing_is_sent_but_the_body(shop: Shop, receiver: Receiver) -> None:
    assert send(shop, "--send", "tier_earned", "--webhook", receiver.url)[0] == 0
    [(headers, _)] = receiver.taken
    assert not {"authorization", "eventid"} & set(headers)


def test_a_header_of_the_same_name_takes_the_place(shop: Shop, receiver: Receiver) -> None:
    order = ("--send", "tier_earned", "--webhook", receiver.url, "--header", "content-type: text/plain")
    assert send(shop, *order)[0] == 0
    assert receiver.taken[0][0]["content-type"] == "text/plain"


def test_rounds_are_counted(shop: Shop, receiver: Receiver) -> None:
    order = ("--send", "tier_earned", "--send", "tier_lost", "--count", "2", "--every", "1ms")
    assert send(shop, *order, "--webhook", receiver.url)[0] == 0
    assert receiver.topics() == ["swell/tier/earned", "swell/tier/lost"] * 2


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (302, "no redirect"),
        (400, "cannot read the body"),
        (401, "--header 'Authorization: TEXT'"),
        (404, "`engine webhooks`"),
        (410, "replaced"),
        (429, "more slowly"),
        (500, "the receiver says itself"),
    ],
)
def test_what_is_not_taken_is_told_and_the_next_is_sent_all_the_same(
    shop: Shop, receiver: Receiver, status: int, advice: str
) -> None:
    receiver.status = status
    code, out, err = send(shop, "--send", "tier_earned", "--send", "tier_lost", "--webhook", receiver.url)
    assert code == 1
    assert [line.split() for line in out.splitlines()] == [
        ["tier_earned", str(status), "heard"],
        ["tier_lost", str(status), "heard"],
    ]
    assert advice in err
    assert len(receiver.taken) == 2


def test_nobody_listens(shop: Shop) -> None:
    code, out, err = send(shop, "--send", "tier_earned", "--webhook", "http://127.0.0.1:1/hooks/token")
    assert (code, out.strip()) == (1, "tier_earned  no answer  no connection: Connection refused")
    assert "engine serve" in err


# ------------------------------------------------------------------ usage


def test_the_list_shows_behaviours_names_and_topics(shop: Shop) -> None:
    code, out, _ = send(shop, "--list")
    behaviours, _, webhooks = out.partition("\n\n")
    assert {line.split()[0] for line in behaviours.splitlines()[1:]} == {"verified", "assumed"}
    rows = [line.split(maxsplit=2) for line in webhooks.splitlines()[1:]]
    assert (code, {row[0] for row in rows}) == (0, NAMES)
    assert ["tier_earned", "swell/tier/earned:"] in [row[:2] for row in rows]


def test_the_body_of_one_is_printed_as_an_event(shop: Shop) -> None:
    code, out, _ = send(shop, "--print", "tier_earned")
    assert (code, json.loads(out)["topic"]) == (0, "swell/tier/earned")
    code, _, err = send(shop, "--print", "tier_earnd")
    assert code == 2
    assert "did you mean 'tier_earned'?" in err


def test_an_app_that_sends_none_says_so(shop: Shop) -> None:
    result = shop.engine("simulate", "optimove", "--list")
    assert (result.exit_code, "\n\n" in result.stdout) == (0, False)
    assert "verified" in result.stdout
    assert "sends no webhooks" in result.stderr


URL = "http://127.0.0.1:1/"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("yotpo_loyalty", "--webhook", URL, "--send", "tier_earnd"), "did you mean 'tier_earned'?"),
        (("yotpo_loyalty", "--webhook", URL, "--send", "swell/points/earned"), "did you mean 'points_earned'?"),
        (("yotpo_loyalty", "--webhook", URL, "--send", "xyz"), "--list"),
        (("yotpo_loyalty", "--send", "tier_earned"), "--send needs --webhook"),
        (("yotpo_loyalty", "--webhook", "example.com", "--send", "tier_earned"), "is no URL"),
        (("yotpo_loyalty", "--webhook", "ftp://example.com", "--send", "tier_earned"), "is no URL"),
        (("yotpo_loyalty", "--webhook", URL, "--every", "5s"), "go with --send"),
        (("yotpo_loyalty", "--webhook", URL, "--send", "tier_earned", "--every", "5"), "is no duration"),
        (("yotpo_loyalty", "--webhook", URL, "--send", "tier_earned", "--count", "0"), "--count"),
        (("yotpo_loyalty", "--header", "a: b"), "goes with --webhook"),
        (("yotpo_loyalty", "--webhook", URL, "--header", "secret"), "is no header"),
        (("yotpo_loyalty", "--webhook", URL, "--header", "a: b\nc: d"), "is no header"),
        (("optimove", "--webhook", URL, "--send", "tier_earned"), "sends no webhooks"),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, tuple) else "",
)
def test_wrong_usage_ends_with_2_and_says_what_is_right(shop: Shop, args: tuple[str, ...], said: str) -> None:
    result = shop.engine("simulate", *args)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("app", "said"), [("yotpo_loyality", "did you mean 'yotpo_loyalty'?"), ("shop", "no simulator")]
)
def test_an_app_that_cannot_be_simulated_is_an_error(shop: Shop, app: str, said: str) -> None:
    result = shop.engine("simulate", app)
    assert result.exit_code == 1
    assert said in result.stderr


BROKEN = '''
"""An app whose simulator breaks."""

from engine import App, Simulator, hookimpl


class Broken:
    behaviours = ()
    send = None

    def __init__(self, clock):
        {at_start}

    @property
    def webhooks(self):
        raise LookupError("no state")

    def application(self):
        raise LookupError("no routes")

    def connection(self, base_url):
        return {{}}


@hookimpl
def engine_apps():
    return App(name="broken", title="Broken", simulator=Broken)
'''


@pytest.mark.parametrize(
    ("at_start", "said"), [("pass", "cannot make its webhooks"), ("raise LookupError('x')", "start")]
)
def test_a_simulator_that_breaks_is_the_plugins_mistake(shop: Shop, at_start: str, said: str) -> None:
    shop.write("modules/broken.py", BROKEN.format(at_start=at_start))
    result = shop.engine("simulate", "broken", "--list")
    assert result.exit_code == 1
    assert "plugin-error" in result.stderr
    assert said in result.stderr
    assert "broken.py" in result.stderr
