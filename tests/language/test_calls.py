"""``call``, checked against the scenario that is called; and what is seen only where all scenarios are."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from engine.scenario.callees import Callee
from engine.scenario.codes import CODES
from engine.scenario.diagnostics import Severity
from engine.scenario.load import load_scenario
from engine.scenario.plan import Scenario
from engine.scenario.together import Read, check_together, resolve
from tests.language.crm import registry

TIER = """
scenario: tier
inputs:
  points: {type: integer, required: true}
  name: {type: string}
steps: []
output: {name: gold, points: "${{ inputs.points }}"}
"""


def read(text: str, callees: Mapping[str, Callee] | None = None, file: str = "") -> Read:
    file = file or text.partition("scenario: ")[2].partition("\n")[0] + ".yaml"
    return Read(file, text, *load_scenario(text, file, registry(), callees=callees))


def together(*texts: str, rest: tuple[str, ...] = ()) -> list[str]:
    """The mistakes in files of one project, as ``file:line:col code``."""
    files, more = [read(text) for text in texts], [read(text) for text in rest]
    known = {one.file: one.source for one in (*files, *more)}

    def again(file: str, callees: Mapping[str, Callee]) -> tuple[Scenario | None, list[object]]:
        one = read(known[file], callees, file)
        return one.plan, one.diagnostics  # type: ignore[return-value]  # a list is what it is

    others = resolve(files, lambda: more, again)  # type: ignore[arg-type]  # as above
    plans, called = ([one.plan for one in many if one.plan is not None] for many in (files, others))
    found = [*(d for one in files for d in one.diagnostics), *check_together(plans, called)]
    return [f"{d.place} {d.code}" for d in found]


def caller(step: str, head: str = "", after: str = "") -> str:
    return f"\nscenario: caller\n{head}steps:\n  - id: tier\n{step}{after}"


def test_a_call_that_fits_is_fine() -> None:
    after = "  - set: {name: '${{ tier.name }}', points: '${{ tier.points }}'}\n"
    assert together(caller("    call: tier\n    with: {points: 7}\n", after=after), TIER) == []


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ("    call: teer\n", "5:11 call-unknown"),
        ("    call: tier\n", "5:11 config-missing"),
        ("    call: tier\n    with: {points: seven}\n", "6:20 config-type"),
        ("    call: tier\n    with: {points: 7, pionts: 8}\n", "6:23 config-key"),
        ("    call: tier\n    with: [1]\n", "6:11 config-type"),
        ("    call: tier\n    with: {points: 7}\n  - set: {a: '${{ tier.nam }}'}\n", "7:24 unknown-field"),
        (
            "    call: tier\n    with: {points: 7}\n    wait: false\n  - set: {a: '${{ tier.name }}'}\n",
            "8:24 unknown-field",
        ),
        ("    call: tier\n    with: {points: 7}\n    wait: maybe\n", "7:11 wrong-value"),
        ("    call: tier\n    with: {points: 7}\n    retry: {attempts: 2}\n", "7:12 call-retry"),
        ("    call: tier\n    with: {points: 7}\n    on_timeout: []\n", "7:17 call-wait"),
        ("    call: tier\n    with: {points: 7}\n    wait: false\n    timeout: 5m\n", "8:14 call-wait"),
        ("    call: '${{ run.id }}'\n", "5:11 expression-here"),
    ],
)
def test_what_does_not_fit_is_told_in_its_place(step: str, found: str) -> None:
    assert together(caller(step), TIER) == [f"caller.yaml:{found}"]


def test_a_call_needs_an_id() -> None:
    text = caller("    call: tier\n    with: {points: 7}\n").replace("  - id: tier\n    call", "  - call")
    assert together(text, TIER) == ["caller.yaml:4:5 id-missing"]


def test_what_is_called_may_stand_in_a_file_that_is_not_checked() -> None:
    text = caller("    call: tier\n    with: {points: seven}\n")
    assert together(text, rest=(TIER,)) == ["caller.yaml:6:20 config-type"]
    # of which the mistakes are not told
    assert together(text, rest=(TIER.replace("steps: []", "steps: {}"),)) == []


def test_other_files_are_read_only_where_one_is_called() -> None:
    def others() -> list[Read]:
        raise AssertionError("nobody calls anything")

    assert resolve([read(TIER)], others, lambda file, callees: (None, [])) == []


def test_what_is_called_may_give_what_another_gives() -> None:
    middle = "\nscenario: middle\nsteps:\n  - {id: one, call: tier, with: {points: 1}}\noutput: ${{ one }}\n"
    text = "\nscenario: caller\nsteps:\n  - {id: two, call: middle}\n  - set: {a: '${{ two.nam }}'}\n"
    assert together(text, middle, TIER) == ["caller.yaml:5:23 unknown-field"]
    assert together(TIER, middle, text) == ["caller.yaml:5:23 unknown-field"]


def test_a_scenario_that_cannot_be_started_cannot_be_called() -> None:
    callee = "\nscenario: tier\ntrigger: {module: crm.watch_orders}\nsteps: []\n"
    assert together(caller("    call: tier\n"), callee) == ["caller.yaml:5:11 call-not-startable"]
    with_inputs = callee.replace("trigger", "inputs: {a: {type: string}}\ntrigger")
    assert together(caller("    call: tier\n"), with_inputs) == []
    inactive = with_inputs.replace("steps", "active: false\nsteps")
    assert together(caller("    call: tier\n"), inactive) == ["caller.yaml:5:11 call-inactive"]


def test_a_cycle_is_found_wherever_it_closes() -> None:
    def calls(name: str, other: str, wait: str = "true") -> str:
        return f"\nscenario: {name}\nsteps:\n  - {{id: it, call: {other}, wait: {wait}}}\n"

    assert together(calls("a", "a")) == ["a.yaml:4:5 call-cycle"]
    assert together(calls("a", "b"), calls("b", "c"), calls("c", "b")) == [
        "b.yaml:4:5 call-cycle",
        "c.yaml:4:5 call-cycle",
    ]
    assert together(calls("a", "b", "false"), calls("b", "a")) == ["a.yaml:4:5 call-cycle", "b.yaml:4:5 call-cycle"]
    # of a file that is not checked, what it does to those that are
    assert together(calls("a", "b"), rest=(calls("b", "a"),)) == ["a.yaml:4:5 call-cycle"]


def ordered(name: str, group: str, other: str = "", wait: str = "true", more: str = "") -> str:
    steps = f"\n  - {{id: it, call: {other}, wait: {wait}}}\n" if other else " []\n"
    order = f"order_by: {{key: '${{{{ inputs.email }}}}', group: {group}{more}}}\n" if group else ""
    return f"\nscenario: {name}\ninputs: {{email: {{type: string}}}}\n{order}steps:{steps}"


def test_a_deadlock_is_found_however_far_it_goes_round() -> None:
    assert together(ordered("a", "g", "b"), ordered("b", "g")) == ["a.yaml:6:5 call-deadlock"]
    assert together(ordered("a", "g", "b"), ordered("b", "", "c"), ordered("c", "g")) == ["a.yaml:6:5 call-deadlock"]
    # one holds g and needs h, another holds h and needs g
    crossed = together(ordered("a", "g", "b"), ordered("b", "h"), ordered("c", "h", "d"), ordered("d", "g"))
    assert crossed == ["a.yaml:6:5 call-deadlock", "c.yaml:6:5 call-deadlock"]


@pytest.mark.parametrize(
    "texts",
    [
        (ordered("a", "g", "b"), ordered("b", "h")),
        (ordered("a", "g", "b", wait="false"), ordered("b", "g")),
        (ordered("a", "g", "b", more=", waiting: release"), ordered("b", "g")),
        (ordered("a", "", "b"), ordered("b", "g")),
    ],
)
def test_what_cannot_wait_for_itself_is_no_deadlock(texts: tuple[str, ...]) -> None:
    assert together(*texts) == []


def test_a_call_that_may_become_right_by_itself_is_a_warning() -> None:
    errors = ("call-unknown", "call-not-startable", "call-cycle", "call-deadlock")
    assert {CODES[code].severity for code in errors} == {Severity.ERROR}
    assert CODES["call-inactive"].severity is Severity.WARNING
