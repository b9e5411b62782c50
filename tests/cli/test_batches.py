"""A batch with refused and unknown items, as the program shows it, and what a person can say of single ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.conftest import Program, Shop, post

DESK = '''
"""Takes many in one call, and counts each in a file."""

from pathlib import Path

from engine import (
    Action, App, Batch, DataError, Done, Effect, Refused, Unknown, VendorError, hookimpl,
)

HERE = Path(__file__).parent.parent
PEOPLE = {"type": "array", "description": "Who.", "items": {"type": "object", "required": ["name"]}}


def one(name):
    with (HERE / "sent.txt").open("a") as file:
        file.write(name + "\\n")
    sent = (HERE / "sent.txt").read_text().split().count(name)
    if name.startswith("closed") and not (HERE / "mended").exists():
        return Refused(DataError("the account is closed", refused=True))
    if name.startswith("lost") and sent == 1:
        return Unknown(VendorError("no answer", status=500))
    return Done({"id": name})


async def charge(call):
    return [one(person["name"]) for person in call.config["people"]]


@hookimpl
def engine_apps():
    return App(
        name="desk",
        title="Desk",
        modules=(
            Action(
                name="charge", title="Charge", description="Charges people.", effect=Effect.WRITE, run=charge,
                config={"type": "object", "required": ["people"], "properties": {"people": PEOPLE}},
                batch=Batch(items="people", key=lambda one: one["name"]),
            ),
        ),
    )
'''

SCENARIO = """
scenario: charges
trigger:
  module: shop.watch
steps:
  - id: charged
    module: desk.charge
    with: {people: "${{ trigger.people }}"}
    on_error: hold
  - stop: success
    output: ${{ charged.done }}
"""
PEOPLE = ["ana", "lost-ben", "closed-cleo", "lost-dan"]


@pytest.fixture
def desk(shop: Shop) -> Shop:
    shop.write("modules/desk.py", DESK)
    shop.write("scenarios/order.yaml", SCENARIO)
    return shop


def event(desk: Shop) -> str:
    return desk.event(people=[{"name": name} for name in PEOPLE])


def held(desk: Shop) -> str:
    """A run that is held: of two it is not known, and one is refused."""
    desk.engine("run", "scenarios/order.yaml", "--event", event(desk))
    return str(desk.json("runs", "--state", "held")["runs"][0]["id"])


def sent(desk: Shop) -> list[str]:
    return (desk.root / "sent.txt").read_text().split()


def test_every_view_says_which_items_are_not_done(desk: Shop) -> None:
    run_id = held(desk)
    text = desk.engine("runs", "show", run_id).stdout
    assert "items    1 done, 1 refused, 2 unknown" in text
    assert "unknown  [1] lost-ben: no answer" in text
    assert "refused  [2] closed-cleo: the account is closed" in text
    assert "whether 2 of 4 items were applied is not known: people[1] lost-ben (no answer)" in text
    assert "1 of 4 items were refused: people[2] closed-cleo (the account is closed)" in text
    assert "these items happened" in text
    assert f"engine runs resume {run_id} --happened --output null --item lost-ben" in text
    listed = desk.engine("effects").stdout
    assert "unknown (1 done, 1 refused, 2 unknown)" in listed
    [effect] = desk.json("effects")["effects"]
    assert [item["state"] for item in effect["output"]["items"]] == ["done", "unknown", "refused", "unknown"]


def test_items_are_settled_one_by_one_until_the_run_goes_on(desk: Shop) -> None:
    run_id = held(desk)
    result = desk.engine("runs", "resume", run_id, "--happened", "--output", '{"id": "seen"}', "--item", "lost-ben")
    assert "held" in result.stdout, result.output
    text = desk.engine("runs", "show", run_id).stdout
    assert "whether 1 of 4 items were applied is not known: people[3] lost-dan (no answer)" in text
    assert "--item" not in text
    desk.engine("runs", "resume", run_id, "--send-again", "--item", "3")
    assert sent(desk) == [*PEOPLE, "lost-dan"]
    [hold] = desk.json("runs", "show", run_id)["holds"]
    assert (hold["code"], hold["error"]["detail"]["done"]) == ("failed", 3)
    # what was refused is sent when it is mended, and nothing else
    (desk.root / "mended").touch()
    result = desk.engine("runs", "resume", run_id, "--send-again")
    assert (result.exit_code, "output 4" in result.stdout) == (0, True), result.output
    assert sent(desk) == [*PEOPLE, "lost-dan", "closed-cleo"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--happened", "--output", "null", "--item", "ana"], 1, "'ana' is none of the items"),
        (["--send-again", "--item", "9"], 1, "those are: lost-ben, lost-dan"),
        (["--skip", "--item", "lost-ben"], 2, "--item is said of one run"),
        (["--held", "--send-again", "--item", "lost-ben"], 2, "--item is said of one run"),
    ],
)
def test_a_word_on_an_item_that_is_not_asked_about_is_refused(
    desk: Shop, words: list[str], code: int, said: str
) -> None:
    run_id = held(desk)
    result = desk.engine("runs", "resume", *([] if "--held" in words else [run_id]), *words)
    assert (result.exit_code, said in result.stderr) == (code, True), result.output
    assert sent(desk) == PEOPLE


def test_the_process_that_executes_the_store_takes_the_word(desk: Shop, start: Callable[..., Program]) -> None:
    program = start("serve")
    post(program.line("/hooks/").split()[-1], {"kind": "order", "people": [{"name": name} for name in PEOPLE]})
    assert "held" in program.line("charges")
    run_id = str(desk.json("runs")["runs"][0]["id"])
    result = desk.engine("runs", "resume", run_id, "--happened", "--output", "null", "--item", "lost-ben")
    assert result.exit_code == 0, result.output
    assert "held" in program.line("charges")
    result = desk.engine("runs", "resume", run_id, "--happened", "--output", "null", "--item", "lost-ben")
    assert "those are: lost-dan" in result.stderr
    assert sent(desk) == PEOPLE


def test_a_batch_goes_on_under_a_file_that_was_mended(desk: Shop) -> None:
    run_id = held(desk)
    (desk.root / "mended").touch()
    mended = SCENARIO.replace("trigger.people", "trigger.people[*].{name: name, plan: name}")
    desk.write("scenarios/order.yaml", SCENARIO.replace("trigger.people", "trigger.people[:3]"))
    result = desk.engine("runs", "resume", run_id, "--send-again", "--version", "current")
    assert (result.exit_code, "error[does-not-fit]" in result.stderr) == (1, True), result.output
    assert "'people' has other items now" in result.stderr
    desk.write("scenarios/order.yaml", mended)
    result = desk.engine("runs", "resume", run_id, "--send-again", "--version", "current")
    assert sent(desk) == [*PEOPLE, "lost-ben", "lost-dan"], result.output
    result = desk.engine("runs", "resume", run_id, "--send-again")
    assert (result.exit_code, "output 4" in result.stdout) == (0, True), result.output
    assert sent(desk)[-1] == "closed-cleo"
    [last] = [effect["request"] for effect in desk.json("effects")["effects"] if effect["attempt"] == 3]
    assert last["people"] == [{"name": "closed-cleo", "plan": "closed-cleo"}]
