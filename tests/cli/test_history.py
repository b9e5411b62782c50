"""``engine runs``, ``receipts`` and ``effects``: what the store says of what happened."""

from __future__ import annotations

import json

from tests.cli.conftest import Shop

SCENARIO = "scenarios/order.yaml"


def happened(shop: Shop) -> None:
    for mode in ("done", "refused", "unknown"):
        shop.write("calls.txt", "")
        shop.engine("run", SCENARIO, "--event", shop.event(mode=mode, email=f"{mode}@example.com"))
    shop.engine("run", SCENARIO, "--event", shop.event(kind="other"))


def test_before_anything_ran_the_lists_are_empty(shop: Shop) -> None:
    for command in ("runs", "receipts", "effects"):
        result = shop.engine(command)
        assert result.exit_code == 0, command
        assert "nothing was run" in result.stderr
    assert not (shop.root / ".engine").exists()


def test_runs_are_listed_counted_and_filtered(shop: Shop) -> None:
    happened(shop)
    result = shop.engine("runs")
    assert "in all: 1 failed, 1 held, 1 succeeded" in result.stdout
    assert "send: no answer came" in result.stdout
    assert len(shop.json("runs")["runs"]) == 3
    assert [r["subject"] for r in shop.json("runs", "--state", "held")["runs"]] == ["unknown@example.com"]
    assert [r["state"] for r in shop.json("runs", "--subject", "done@example.com")["runs"]] == ["succeeded"]
    [newest] = shop.json("runs", "--limit", "1")["runs"]
    assert len(shop.json("runs", "--before", newest["id"])["runs"]) == 2
    assert shop.json("runs", "--scenario", "nothing")["runs"] == []


def test_a_run_is_shown_with_its_journal_in_order(shop: Shop) -> None:
    happened(shop)
    [held] = shop.json("runs", "--state", "held")["runs"]
    result = shop.engine("runs", "show", held["id"], "--verbose")
    text = result.stdout
    assert text.index("shop.look_up") < text.index("shop.send")
    assert "write unknown" in text
    assert 'request  {"mode":"unknown"' in text
    assert "steps@2? = false" in text or "if@2? = false" in text
    assert f"engine runs resume {held['id']} --give-up" in text
    document = shop.json("runs", "show", held["id"])
    assert [row["path"] for row in document["journal"]] == ["customer", "send"]
    assert document["event"]["source"] == "cli"


def test_a_person_s_word_is_shown_with_who_and_why(shop: Shop) -> None:
    happened(shop)
    [held] = shop.json("runs", "--state", "held")["runs"]
    shop.engine("runs", "resume", held["id"], "--happened", "--output", '{"id": 5}', "--reason", "saw it there")
    result = shop.engine("runs", "show", held["id"])
    assert "said 'happened': saw it there" in result.stdout
    assert "write done by person:" in result.stdout


def test_a_failed_run_is_tried_again_from_its_step(shop: Shop) -> None:
    happened(shop)
    [failed] = shop.json("runs", "--state", "failed")["runs"]
    before = shop.calls("look_up")
    result = shop.engine("runs", "retry", failed["id"])
    assert result.exit_code == 1
    assert "the shop does not want it" in result.stdout
    assert shop.calls("look_up") == before


def test_giving_up_and_cancelling_end_a_run(shop: Shop) -> None:
    happened(shop)
    [held] = shop.json("runs", "--state", "held")["runs"]
    assert "is failed now" in shop.engine("runs", "resume", held["id"], "--give-up", "--reason", "too late").stdout
    assert shop.json("runs", "show", held["id"])["error"]["message"] == "too late"
    refused = shop.engine("runs", "cancel", held["id"])
    assert refused.exit_code == 1
    assert "error[command-refused]" in refused.stderr


def test_what_is_no_id_or_no_choice_is_wrong_usage(shop: Shop) -> None:
    happened(shop)
    assert shop.engine("runs", "show", "abc").exit_code == 2
    [held] = shop.json("runs", "--state", "held")["runs"]
    assert shop.engine("runs", "resume", held["id"]).exit_code == 2
    assert shop.engine("runs", "resume", held["id"], "--skip", "--output", "1").exit_code == 2
    assert shop.engine("runs", "resume", held["id"], "--happened", "--output", "{x").exit_code == 2
    assert shop.engine("runs", "resume", held["id"], "--happened").exit_code == 2
    assert shop.engine("runs", "resume", held["id"], "--skip", "--give-up").exit_code == 2
    assert [run["id"] for run in shop.json("runs", "--state", "held")["runs"]] == [held["id"]]
    unknown = shop.engine("runs", "show", "0000000000000")
    assert (unknown.exit_code, "there is no run" in unknown.stderr) == (1, True)


def test_the_sums_of_receipts_add_up(shop: Shop) -> None:
    happened(shop)
    result = shop.engine("receipts")
    assert "4 receipts; deliveries to scenarios: 4 = 1 filtered + 3 run" in result.stdout
    document = shop.json("receipts", "--state", "filtered")
    [receipt] = document["receipts"]
    assert receipt["deliveries"][0]["state"] == "filtered"
    shown = shop.engine("receipts", "show", receipt["id"])
    assert '"kind":"other"' in shown.stdout
    assert "content-type: application/json" in shown.stdout
    assert "no request was refused" in shop.engine("receipts", "--refused").stdout


def test_a_rejected_receipt_is_delivered_by_command(shop: Shop) -> None:
    module = shop.root / "modules" / "shop.py"
    sound = module.read_text()
    module.write_text(
        sound.replace(
            "def parse(delivery: Delivery):", "def parse(delivery: Delivery):\n    raise DataError('not ours')"
        )
    )
    event = shop.event()
    assert shop.engine("run", SCENARIO, "--event", event).exit_code == 1
    [receipt] = shop.json("receipts", "--state", "rejected")["receipts"]
    module.write_text(sound)
    result = shop.engine("receipts", "deliver", receipt["id"])
    assert result.exit_code == 0, result.output
    assert "order succeeded" in result.stdout
    again = shop.engine("receipts", "deliver", receipt["id"], "--scenario", "order")
    assert (again.exit_code, "has run receipt" in again.stderr) == (1, True)


def test_effects_are_every_write(shop: Shop) -> None:
    happened(shop)
    assert "in all: 1 done, 1 refused, 1 unknown" in shop.engine("effects").stdout
    [effect] = shop.json("effects", "--state", "unknown")["effects"]
    assert (effect["subject"], effect["request"]["mode"]) == ("unknown@example.com", "unknown")
    assert len(shop.json("effects", "--run", effect["run"])["effects"]) == 1
    assert shop.json("effects", "--subject", "nobody")["effects"] == []


def test_webhooks_keep_their_url_and_can_be_rotated(shop: Shop) -> None:
    [hook] = shop.json("webhooks")["webhooks"]
    assert (hook["name"], hook["listeners"]) == ("scenario:order", ["order"])
    assert shop.json("webhooks")["webhooks"] == [hook]
    new = shop.json("webhooks", "rotate", "order", "--grace", "2h")
    [after] = shop.json("webhooks")["webhooks"]
    assert after["url"] == new["url"] != hook["url"]
    assert after["old_url_valid_until"] is not None
    unknown = shop.engine("webhooks", "rotate", "nothing")
    assert (unknown.exit_code, "there is no webhook 'nothing'" in unknown.stderr) == (1, True)


def test_a_long_loop_is_shown_by_how_far_it_came(shop: Shop) -> None:
    steps = "  - id: each\n    foreach: ${{ trigger.items }}\n    on_item_error: continue\n    steps:\n"
    steps += '      - {id: found, module: shop.look_up, with: {mode: "${{ item }}"}}\n'
    head = "scenario: long\ntrigger: {module: http.watch_webhook}\nsteps:\n"
    shop.write("scenarios/long.yaml", head + steps)
    shop.write("long.json", json.dumps({"items": ["done"] * 600}))
    shop.engine("run", "scenarios/long.yaml", "--event", "long.json")
    [run] = shop.json("runs", "--scenario", "long")["runs"]
    text = shop.engine("runs", "show", run["id"]).stdout
    assert "500 items over, of 600" in text
    # items that are over are told by their number alone
    assert "each[3]/" not in text
    assert "each[599]/found" in text
