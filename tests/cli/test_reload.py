"""Files change while they are served: real processes, real signals, events all the while."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.cli.conftest import PATIENCE, Program, Shop, post

Start = Callable[..., Program]
ORDER = {"kind": "order", "email": "ana@example.com"}


def scenario(name: str, output: str, more: str = "") -> str:
    return (
        f"scenario: {name}\ntrigger: {{module: shop.watch, with: {{kind: order}}}}\n{more}"
        f"steps:\n  - id: customer\n    module: shop.look_up\n  - stop: success\n    output: {output}\n"
    )


def said(program: Program, text: str) -> str:
    """The next line on stderr that holds this text."""
    assert program.process.stderr is not None
    while line := program.process.stderr.readline().decode():
        if text in line:
            return line
    raise AssertionError(f"it ended without {text!r}")


def replace(path: Path, text: str) -> None:
    """As editors and deployments do it."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text)
    draft.replace(path)


def outputs(shop: Shop) -> Counter[str]:
    """How often each output was come to, by all runs that there are; all succeeded."""
    with closing(sqlite3.connect(shop.root / ".engine" / "store.db")) as db:
        rows = db.execute("select state, result, version from runs").fetchall()
    assert {state for state, _, _ in rows} == {"succeeded"}
    found = [(json.loads(result)["output"], version) for _, result, version in rows]
    # what a run gave is what its own version gives
    assert len(set(found)) == len({version for _, version in found})
    return Counter(output for output, _ in found)


def test_a_change_under_load_loses_nothing_and_each_run_has_one_version(shop: Shop, start: Start) -> None:
    path = shop.write("scenarios/order.yaml", scenario("order", "one"))
    program = start("serve", "--quiet")
    url = program.line("scenario:order").split()[-1]
    taken: list[str] = []
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            taken.append(post(url, ORDER)["receipt"])

    senders = [threading.Thread(target=send) for _ in range(3)]
    for sender in senders:
        sender.start()
    for version in ("two", "three"):
        replace(path, scenario("order", version))
        assert "changed order" in said(program, "changed files are taken")
        before = len(taken)
        while len(taken) < before + 20:
            time.sleep(0.01)
    stop.set()
    for sender in senders:
        sender.join()
    assert post(url, ORDER)["receipt"]
    code, _, err = program.end(signal.SIGTERM)
    assert code == 0, err
    found = outputs(shop)
    assert set(found) == {"one", "two", "three"}
    assert sum(found.values()) == len(taken) + 1
    assert all(found[version] >= 20 for version in ("two", "three"))


def test_a_bad_file_never_replaces_a_good_one_and_is_told_until_it_is_right(shop: Shop, start: Start) -> None:
    path = shop.write("scenarios/order.yaml", scenario("order", "one"))
    shop.write("scenarios/other.yaml", scenario("other", "one"))
    program = start("serve", "--quiet")
    url = program.line("scenario:order").split()[-1]
    replace(shop.root / "scenarios/other.yaml", scenario("other", "two"))
    replace(path, scenario("order", "two").replace("shop.look_up", "shop.lookup"))
    assert "scenarios/order.yaml:5:13: error[unknown-module]" in said(program, "order.yaml:5:13")
    post(url, ORDER)
    status = shop.engine("status")
    assert status.exit_code == 1
    assert "changed files are not taken: scenarios/order.yaml:5:13: the app 'shop' has no module" in status.stdout
    [alert] = [a for a in shop.json("alerts", "list") if a["kind"] == "reload"]
    assert "what was served goes on" in json.dumps(alert)
    replace(path, scenario("order", "three"))
    assert "changed order, other" in said(program, "changed files are taken")
    post(url, ORDER)
    program.end(signal.SIGTERM)
    # what was right beside it was not taken either, until all was
    assert outputs(shop) == {"one": 1, "three": 1}
    events = [a["event"] for a in shop.json("alerts", "list") if a["kind"] == "reload"]
    assert sorted(events) == ["raised", "recovered"]


def test_scenarios_come_and_go_and_the_webhook_of_one_that_went_parks(shop: Shop, start: Start) -> None:
    path = shop.write("scenarios/order.yaml", scenario("order", "one"))
    shop.write("scenarios/stays.yaml", scenario("stays", "one"))
    program = start("serve", "--quiet")
    url = program.line("scenario:order").split()[-1]
    path.rename(path.with_name("renamed.yaml"))
    replace(path.with_name("renamed.yaml"), scenario("renamed", "two"))
    assert "added renamed; removed order" in said(program, "changed files are taken")
    new = said(program, "/hooks/").split()
    assert new[0] == "renamed"
    post(url, ORDER)
    post(new[-1], ORDER)
    found = shop.json("receipts")["receipts"]
    assert [d["state"] for receipt in found for d in receipt["deliveries"]] == ["run", "parked"]
    assert found[1]["deliveries"][0]["reason"] == "scenario 'order' is not loaded"
    path.with_name("renamed.yaml").unlink()
    replace(path, scenario("order", "three", "active: false\n"))
    assert "added order; removed renamed" in said(program, "changed files are taken")
    post(url, ORDER)
    replace(path, scenario("order", "three"))
    said(program, "changed files are taken")
    post(url, ORDER)
    program.end(signal.SIGTERM)
    assert outputs(shop) == {"two": 1, "three": 1}


def test_a_run_under_way_goes_on_in_the_version_that_it_began_with(shop: Shop, start: Start) -> None:
    text = """
        scenario: slow
        steps:
          - sleep: 3s
          - id: customer
            module: shop.look_up
          - stop: success
            output: ONE
        """
    path = shop.write("scenarios/slow.yaml", text)
    program = start("serve")
    program.line("scenario:order")
    assert shop.engine("start", "slow").exit_code == 0
    path.unlink()
    assert "removed slow" in said(program, "changed files are taken")
    assert shop.engine("start", "slow").exit_code == 1
    run_id = program.line("succeeded").split()[0]
    assert shop.json("runs", "show", run_id)["output"] == "ONE"


def test_a_file_that_is_being_written_is_waited_for(shop: Shop, start: Start) -> None:
    path = shop.write("scenarios/order.yaml", scenario("order", "one"))
    program = start("serve", "--quiet")
    url = program.line("scenario:order").split()[-1]
    text = scenario("order", "two", "description: >\n" + "  a long text\n" * 200)
    with path.open("w") as file:
        for line in text.splitlines(keepends=True):
            file.write(line)
            file.flush()
            time.sleep(0.005)
    assert "changed order" in said(program, "changed files are")
    post(url, ORDER)
    program.end(signal.SIGTERM)
    assert outputs(shop) == {"two": 1}


def test_by_hand_it_is_done_at_once_and_not_otherwise(shop: Shop, start: Start) -> None:
    assert "error[nothing-serves]" in shop.engine("reload").stderr
    path = shop.write("scenarios/order.yaml", scenario("order", "one"))
    program = start("serve", "--no-reload")
    url = program.line("scenario:order").split()[-1]
    replace(path, scenario("order", "two"))
    post(url, ORDER)
    program.line("succeeded")
    done = shop.engine("reload")
    assert (done.exit_code, done.stdout) == (0, "changed order\n"), done.output
    said(program, "changed files are taken: changed order")
    assert shop.engine("reload").stdout == "nothing has changed\n"
    post(url, ORDER)
    program.line("succeeded")
    replace(path, "scenario: order\n")
    refused = shop.engine("reload")
    assert refused.exit_code == 1
    assert "error[files-wrong]: scenarios/order.yaml:1:1: a scenario needs `steps`" in refused.stderr
    replace(path, scenario("order", "three"))
    program.process.send_signal(signal.SIGHUP)
    said(program, "changed files are taken: changed order")
    post(url, ORDER)
    program.line("succeeded")
    program.end(signal.SIGTERM)
    assert outputs(shop) == {"one": 1, "two": 1, "three": 1}


def test_settings_connections_and_modules_say_what_counts_at_once_and_what_needs_a_restart(
    shop: Shop, start: Start
) -> None:
    program = start("serve")
    program.line("scenario:order")
    shop.write("engine.yaml", "server: {port: 0, admin_port: 0}\nlimits: {concurrency: 9}\nwebhooks: {loyalty: {}}\n")
    taken = said(program, "changed files are taken")
    assert taken.endswith("settings webhooks; after a restart: engine.yaml: limits\n")
    assert "engine.yaml: limits" in shop.engine("status").stdout
    assert "loyalty" in [hook["name"] for hook in shop.json("webhooks")["webhooks"]]
    (shop.root / "modules/other.py").write_text("# nothing\n")
    assert "after a restart: engine.yaml: limits, modules" in said(program, "changed files are taken")
    shop.write("connections.yaml", "shop: {type: shp}\n")
    assert "connections.yaml:1:14" in said(program, "connections.yaml:1")
    assert "no connection type 'shp'" in shop.engine("reload").stderr


def test_the_secret_of_a_new_sender_check_is_asked_for_before_anything_changes(shop: Shop, start: Start) -> None:
    program = start("serve")
    program.line("scenario:order")
    text = (
        "server: {port: 0, admin_port: 0}\nwebhooks:\n  w: {check: {header: X-Key, secret: {env: NOT_THERE_AT_ALL}}}\n"
    )
    shop.write("engine.yaml", text)
    assert "NOT_THERE_AT_ALL" in said(program, "NOT_THERE_AT_ALL")
    assert "w" not in [hook["name"] for hook in shop.json("webhooks")["webhooks"]]


def test_an_unknown_url_is_never_known_for_a_moment(shop: Shop, start: Start) -> None:
    path = shop.write("scenarios/order.yaml", scenario("order", "one"))
    program = start("serve", "--quiet", "--no-reload")
    url = program.line("scenario:order").split()[-1]
    codes: Counter[int] = Counter()
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            try:
                post(url, ORDER)
                codes[202] += 1
            except urllib.error.HTTPError as error:
                error.close()
                codes[error.code] += 1

    sender = threading.Thread(target=send)
    sender.start()
    for number in range(10):
        replace(path, scenario("order", f"v{number}"))
        done = shop.engine("reload")
        assert done.exit_code == 0, done.output
    stop.set()
    sender.join(PATIENCE)
    assert set(codes) == {202}, codes
