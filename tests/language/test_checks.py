"""Mistakes are found where they are, all at once; and nothing else is called a mistake."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.scenario.codes import CODES, example
from engine.scenario.diagnostics import Diagnostic, did_you_mean, render
from engine.scenario.load import check_unique, load_file, load_scenario
from tests.language.crm import CONNECTIONS, WEBHOOKS, registry

REGISTRY = registry()
TRIGGER = "scenario: s\ntrigger:\n  module: crm.watch_orders\n"
CUSTOMER = "  - {id: customer, module: crm.get_customer, connection: crm, with: {id: 7}}\n"
LOOP_OVER_ORDERS = """\
  - {id: o, module: crm.list_orders}
  - foreach: ${{ o }}
    key: ${{ item.no }}
    steps:
      - set: {y: '${{ item.lines[0].skuu }}', z: '${{ index.x }}'}
"""
COLLECTING_LOOP = """\
  - id: o
    foreach: ${{ [run] }}
    collect: {a: '${{ item.id }}'}
    steps: []
  - set: {y: '${{ o[0].b }}'}
"""


def found(source: str) -> list[Diagnostic]:
    return load_scenario(source, "f.yaml", REGISTRY, CONNECTIONS, WEBHOOKS)[1]


def mistakes(source: str) -> list[tuple[str, str]]:
    return [(f"{d.place.line}:{d.place.column}", d.code) for d in found(source)]


def told(source: str) -> str:
    """The only mistake, as it is shown."""
    (diagnostic,) = found(source)
    return str(diagnostic).partition(": ")[2]


def with_config(config: str) -> str:
    return f"scenario: s\nsteps:\n  - id: u\n    module: crm.update_customer\n    with: {{id: 1, {config}}}\n"


def with_value(expression: str, before: str = CUSTOMER) -> str:
    return f'{TRIGGER}steps:\n{before}  - set:\n      a: "${{{{ {expression} }}}}"\n'


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    source = """\
scenario: VIP
descripton: a
trigger:
  module: crm.watch_order
steps:
  - id: a
    module: crm.get_customer
    with: {emial: x}
  - id: a
    stop: maybe
"""
    assert mistakes(source) == [
        ("1:11", "scenario-name"),
        ("2:1", "unknown-key"),
        ("4:11", "unknown-module"),
        ("7:13", "config-missing"),
        ("7:13", "connection-missing"),
        ("8:12", "config-key"),
        ("9:9", "duplicate-id"),
        ("10:11", "wrong-value"),
    ]


def test_a_mistake_is_shown_with_its_line_and_a_caret() -> None:
    source = with_value("customer.emial")
    assert render(found(source), {"f.yaml": source}) == (
        "f.yaml:7:24: error[unknown-field]: there is no field 'emial' here (did you mean 'email'?)\n"
        '          a: "${{ customer.emial }}"\n'
        "                           ^^^^^"
    )


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        # kinds and keys
        ("  - {}\n", [("3:5", "step-kind")]),
        ("  - text\n", [("3:5", "step-kind")]),
        ("  - if: true\n", [("3:5", "step-kind")]),
        ("  - steps: []\n    else: []\n", [("4:5", "step-kind")]),
        ("  - foreach: ${{ [1] }}\n", [("3:14", "missing-key")]),
        ("  - set: 1\n", [("3:10", "wrong-value")]),
        ("  - steps: {}\n", [("3:12", "wrong-value")]),
        ("  - steps:\n", [("3:11", "wrong-value")]),
        ("  - module:\n    id: x\n", [("3:12", "wrong-value")]),
        ("  - set: {a: 1}\n    with: {}\n", [("4:5", "unknown-key")]),
        ("  - {set: {a: 1}, colour: red}\n", [("3:19", "unknown-key")]),
        ("  - {stop: success, message: bye}\n", []),
        ("  - {stop: failure, output: 1}\n", []),
        ("  - {id: 7, set: {a: 1}}\n", [("3:10", "wrong-value")]),
        ("  - {id: '7x', set: {a: 1}}\n", [("3:10", "bad-id")]),
        # what comes later
        # what follows a failure
        *[
            (f"  - set: {{a: 1}}\n    on_error: {how}\n", [])
            for how in [
                *("commit", "hold", "{hold: {}}", "{resume: 1}", "{resume: '${{ error.code }}'}"),
                *("{hold: {retry: integrator}}", "{hold: {retry: [1m, 2h]}}", "[{set: {a: '${{ error.type }}'}}]"),
            ]
        ],
        ("  - set: {a: 1}\n    on_error: resume\n", [("4:15", "missing-key")]),
        ("  - set: {a: 1}\n    on_error: []\n", [("4:15", "wrong-value")]),
        ("  - set: {a: 1}\n    on_error: {}\n", [("4:15", "wrong-value")]),
        ("  - set: {a: 1}\n    on_error: {resume: 1, hold: {}}\n", [("4:15", "wrong-value")]),
        ("  - set: {a: 1}\n    on_error: {skip: 1}\n", [("4:16", "unknown-key")]),
        ("  - set: {a: 1}\n    on_error: {hold: {retry: fusio}}\n", [("4:30", "wrong-value")]),
        ("  - set: {a: 1}\n    on_error: {hold: {retry: [1]}}\n", [("4:31", "duration")]),
        ("  - set: {a: 1}\n    on_error: {hold: {tries: 1}}\n", [("4:23", "unknown-key")]),
        ("  - set: {a: 1}\n    on_error: {hold: 3}\n", [("4:22", "wrong-value")]),
        ("  - set: {a: 1}\n    on_error: {resume: '${{ error.typ }}'}\n", [("4:35", "unknown-field")]),
        ("  - set: {a: 1}\n    on_error: [{set: {a: '${{ error.typ }}'}}]\n", [("4:37", "unknown-field")]),
        ("  - set: {a: '${{ error.type }}'}\n", [("3:19", "unknown-name")]),
        ("  - set: {a: 1}\n    on_error: [{id: x}]\n", [("4:16", "step-kind")]),
        ("  - set: {a: 1}\n    on_error: rollback\n", [("4:15", "nothing-to-undo")]),
        # the step that fails is not undone itself
        ("  - set: {a: 1}\n    on_error: rollback\n    undo: [{set: {a: 0}}]\n", [("4:15", "nothing-to-undo")]),
        ("  - set: {a: 1}\n    undo: [{set: {a: 0}}]\n  - set: {b: 1}\n    on_error: rollback\n", []),
        (
            "  - foreach: ${{ [run] }}\n    steps:\n      - {set: {a: 1}, on_error: rollback, undo: [{set: {a: 0}}]}\n",
            [],
        ),
        ("  - set: {a: 1}\n    finally: {}\n", [("4:14", "wrong-value")]),
        ("  - set: {a: 1}\n    finally: [{stop: success}]\n", [("4:22", "not-here")]),
        ("  - set: {a: 1}\n    finally: [{set: {b: 1}, on_error: commit}]\n", [("4:39", "not-here")]),
        ("  - set: {a: 1}\n    undo: [{set: {b: 1}, undo: [{set: {c: 1}}]}]\n", [("4:32", "not-here")]),
        ("  - set: {a: 1}\n    undo: [{id: u, set: {b: 1}}]\n  - set: {c: '${{ u.b }}'}\n", [("5:19", "step-not-run")]),
        ("  - id: s\n    set: {a: 1}\n    undo: [{set: {b: '${{ s.a }}'}}]\n", []),
        ("  - id: s\n    set: {a: 1}\n    finally: [{set: {b: '${{ steps.s.status }}'}}]\n", []),
        ("  - id: s\n    set: {a: 1}\n    on_error: [{set: {b: '${{ steps.s.status }}'}}]\n", []),
        ("  - set: {a: 1}\n    timeout: {try: 5s, step: 1m}\n", []),
        ("  - set: {a: 1}\n    timeout: {tri: 5s}\n", [("4:15", "unknown-key")]),
        ("  - set: {a: 1}\n    timeout: {try: 0s}\n", [("4:20", "duration")]),
        ("  - set: {a: 1}\n    timeout: {try: 5m, step: 1m}\n", [("4:20", "timeout")]),
        ("  - set: {a: 1}\n    on_error: ignored\n", [("4:15", "wrong-value")]),
        # retry, timeout, concurrency
        ("  - {set: {a: 1}, timeout: 0s}\n", [("3:28", "duration")]),
        ("  - {set: {a: 1}, timeout: -1s}\n", [("3:28", "duration")]),
        ("  - {set: {a: 1}, timeout: 1w}\n", [("3:28", "duration")]),
        ("  - {set: {a: 1}, timeout: [1s]}\n", [("3:28", "duration")]),
        ("  - {set: {a: 1}, retry: 3}\n", [("3:26", "wrong-value")]),
        ("  - {set: {a: 1}, retry: {attempts: 0}}\n", [("3:37", "wrong-value")]),
        ("  - {set: {a: 1}, retry: {attempts: 1.5}}\n", [("3:37", "wrong-value")]),
        ("  - {set: {a: 1}, retry: {backoff: linear}}\n", [("3:36", "wrong-value")]),
        ("  - {set: {a: 1}, retry: {from: 2m, to: 60s}}\n", [("3:41", "retry")]),
        ("  - {set: {a: 1}, retry: {from: 2}}\n", [("3:33", "duration")]),
        ("  - {set: {a: 1}, retry: {jitter: 2}}\n", [("3:35", "retry")]),
        ("  - {set: {a: 1}, retry: {on: [Timeout]}}\n", [("3:32", "retry")]),
        ("  - {set: {a: 1}, retry: {on: TimeoutError}}\n", [("3:31", "retry")]),
        ("  - {set: {a: 1}, retry: {attempt: 2}}\n", [("3:27", "unknown-key")]),
        *[
            (f"  - {{foreach: '${{{{ [1] }}}}', concurrency: {n}, steps: []}}\n", [("3:42", "wrong-value")])
            for n in ["0", "-1", "true", "many"]
        ],
        # foreach
        ("  - {foreach: [1], steps: []}\n", [("3:15", "expression-wanted")]),
        ("  - {foreach: '${{ `1` }}', steps: []}\n", [("3:15", "not-a-list")]),
        ("  - {foreach: '${{ [1] }}', as: run, steps: []}\n", [("3:33", "reserved-id")]),
        ("  - {foreach: '${{ [1] }}', as: Order, steps: []}\n", [("3:33", "bad-id")]),
        ("  - {id: a, set: {b: 1}}\n  - {foreach: '${{ [1] }}', as: a, steps: []}\n", [("4:33", "duplicate-id")]),
        ("  - {foreach: '${{ [1] }}', as: one, steps: [{set: {a: '${{ item }}'}}]}\n", [("3:61", "unknown-name")]),
        # conditions
        ("  - {if: 'yes', steps: []}\n", [("3:10", "expression-wanted")]),
        ("  - {if: 1, steps: []}\n", [("3:10", "expression-wanted")]),
        ("  - {if: '${{ run.id }} == 1', steps: []}\n", [("3:10", "expression-wanted")]),
        ("  - {if: '${{ run.attempt + 1 }}', steps: []}\n", [("3:10", "condition-type")]),
        # names
        ("  - {id: a, set: {b: '${{ a.b }}'}}\n", [("3:27", "step-not-run")]),
        ("  - {if: '${{ b }}', steps: [{id: b, set: {c: 1}}]}\n", [("3:15", "step-not-run")]),
        (
            "  - if: true\n    steps:\n      - {id: a, set: {x: 1}}\n    else:\n      - set: {y: '${{ a.x }}'}\n",
            [("7:23", "step-not-run")],
        ),
        (
            "  - foreach: ${{ [1] }}\n    steps:\n      - {id: a, set: {x: 1}}\n  - set: {y: '${{ a.x }}'}\n",
            [("6:19", "step-not-run")],
        ),
        (LOOP_OVER_ORDERS, [("5:19", "unknown-field"), ("7:37", "unknown-field"), ("7:61", "unknown-field")]),
        (COLLECTING_LOOP, [("7:24", "unknown-field")]),
        ("  - set: {y: '${{ steps.b.status }}'}\n  - {id: b, set: {x: 1}}\n", [("3:25", "step-not-run")]),
        ("  - {id: b, set: {x: 1}}\n  - set: {y: '${{ steps.b.state }}'}\n", [("4:27", "unknown-field")]),
        ("  - {id: b, set: {x: 1}}\n  - set: {y: '${{ steps.c.status }}'}\n", [("4:25", "unknown-field")]),
        ("  - {id: b, set: {x: 1}}\n  - set: {y: '${{ b.z }}'}\n", [("4:21", "unknown-field")]),
        ("  - set: {y: '${{ index }}'}\n", [("3:19", "unknown-name")]),
        ("  - set: {y: '${{ vars.z }}'}\n", [("3:24", "unknown-field")]),
        ("  - set: {y: '${{ $.vars.z }}'}\n", [("3:26", "unknown-field")]),
        ("  - set: {y: '${{ run.nam }}'}\n", [("3:23", "unknown-field")]),
        ('  - set: {y: \'${{ "run".id == "GOLD" }}\'}\n', [("3:31", "quoted-text")]),
        # sleeping
        ("  - sleep: 60\n", [("3:12", "duration")]),
        ("  - sleep: {for: 60s}\n", [("3:12", "duration")]),
        ("  - sleep: ${{ run }}\n", [("3:12", "duration")]),
        ("  - sleep_until: 12:30\n", [("3:18", "moment")]),
        ("  - sleep_until: ${{ `5` }}\n", [("3:18", "moment")]),
        ("  - {sleep: 1s, sleep_until: 2024-03-05}\n", [("3:17", "step-kind")]),
        # waiting
        ("  - {id: w, wait_for: {}}\n", [("3:23", "wait-kind")]),
        ("  - {id: w, wait_for: {signl: a}}\n", [("3:23", "wait-kind")]),
        ("  - {id: w, wait_for: paid}\n", [("3:23", "wrong-value")]),
        ("  - {id: w, wait_for: {signal: a, approval: b}}\n", [("3:23", "wait-kind")]),
        ("  - {id: w, wait_for: {signal: '${{ run.id }}'}}\n", [("3:32", "expression-here")]),
        ("  - {id: w, wait_for: {signal: a b}}\n", [("3:32", "signal-name")]),
        ("  - {id: w, wait_for: {signal: a, timeout: 3}}\n", [("3:44", "duration")]),
        ("  - {id: w, wait_for: {signal: a, until: 3d}}\n", [("3:35", "unknown-key")]),
        ("  - {id: w, wait_for: {approval: 7}}\n", [("3:34", "wrong-value")]),
        ("  - wait_for: {approval: Right?}\n", [("3:5", "id-missing")]),
        ("  - {id: w, wait_for: {signal: a}}\n  - set: {x: '${{ w.any.thing }}'}\n", []),
        ("  - {id: w, wait_for: {approval: a}}\n  - set: {x: '${{ w.aproved }}'}\n", [("4:21", "unknown-field")]),
        ("  - {id: w, wait_for: {approval: a}}\n  - if: ${{ w.approved }}\n    steps: []\n", []),
        ("  - {set: {a: 1}, on_timeout: []}\n", [("3:19", "unknown-key")]),
        ("  - {id: w, wait_for: {signal: a}, on_timeout: 3}\n", [("3:48", "wrong-value")]),
        ("  - {id: w, wait_for: {webhook: ordrs, match: '${{ event.x == run.id }}'}}\n", [("3:33", "webhook-unknown")]),
        ("  - {id: w, wait_for: {webhook: orders, match: '${{ event.x == event.y }}'}}\n", [("3:48", "match-key")]),
        ("  - {id: w, wait_for: {webhook: orders}}\n", [("3:23", "match-key")]),
        ("  - {id: w, wait_for: {webhook: orders, match: '${{ run.id == event.x.y }}'}}\n", []),
        (
            "  - {id: w, wait_for: {webhook: orders, with: {}, match: '${{ run.id == event.x }}'}}\n",
            [("3:47", "missing-key")],
        ),
        (
            "  - {id: w, wait_for: {module: crm.get_customer, match: '${{ run.id == event.x }}'}}\n",
            [("3:32", "trigger-kind")],
        ),
        (
            (
                "  - id: w\n    wait_for:\n      module: crm.watch_orders\n"
                "      with: {events: ['${{ run.id }}']}\n      match: ${{ event.email == run.id }}\n"
            ),
            [("6:23", "trigger-expression")],
        ),
        (
            "  - id: w\n    wait_for:\n      module: crm.watch_orders\n      match: ${{ event.emial == run.id }}\n",
            [("6:24", "unknown-field")],
        ),
        (
            (
                "  - id: w\n    wait_for: {module: crm.watch_orders, match: '${{ event.email == run.id }}'}\n"
                "  - set: {x: '${{ w.emial }}'}\n"
            ),
            [("5:21", "unknown-field")],
        ),
        ("  - set: {x: \"${{ approval_link('w') }}\"}\n", [("3:33", "approval-unknown")]),
        # where an expression is broken
        ("  - set:\n      y: a ${{ run.id }} ${{ run. }}\n", [("4:34", "expression-syntax")]),
        ("  - set:\n      y: ${{ run.id\n", [("4:10", "expression-syntax")]),
        ("  - set:\n      y: a ${{ omit() }}\n", [("4:16", "expression-syntax")]),
        ("  - set:\n      y: |\n        one ${{ run.id }}\n        two ${{ run.idd }}\n", [("6:21", "unknown-field")]),
        # connections
        ("  - {id: n, module: crm.note, connection: '${{ run.id }}'}\n", [("3:43", "expression-here")]),
        ("  - {id: m, module: crm.mystery}\n", [("3:21", "output-unknown")]),
    ],
)
def test_a_mistake_is_found_in_its_place(steps: str, expected: list[tuple[str, str]]) -> None:
    assert mistakes(example(steps)) == expected


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ("trigger:\n", [("2:9", "wrong-value")]),
        ("trigger: {}\n", [("2:10", "missing-key")]),
        ("trigger: {module: crm.note}\n", [("2:19", "trigger-kind")]),
        ("trigger: {module: crm.watch_orders, steps: []}\n", [("2:37", "unknown-key")]),
        ("trigger: {module: crm.watch_orders, webhook: nowhere}\n", [("2:46", "webhook-unknown")]),
        ("trigger: {module: crm.watch_orders, with: {events: [ordr]}}\n", [("2:53", "config-value")]),
        ("trigger: {module: crm.watch_orders, with: {events: ['${{ a }}']}}\n", [("2:53", "trigger-expression")]),
        ("trigger: {module: crm.watch_orders, if: '${{ vars.x }}'}\nvars: {x: true}\n", [("2:46", "unknown-name")]),
        ("trigger: {module: crm.watch_orders, if: '${{ a.x }}'}\n", [("2:46", "unknown-name")]),
        ("trigger: {module: crm.watch_orders, connection: crm}\n", [("2:49", "connection-not-needed")]),
        ("subject: '${{ vars.x }}'\nvars: {x: 1}\n", [("2:15", "unknown-name")]),
        ("subject: x\n", [("2:10", "expression-wanted")]),
        ("vars: {x: '${{ a.b }}'}\n", [("2:16", "unknown-name")]),
        ("vars: [x]\n", [("2:7", "wrong-value")]),
        ("description: 1\n", [("2:14", "wrong-value")]),
    ],
)
def test_a_mistake_at_the_head_of_the_scenario(trigger: str, expected: list[tuple[str, str]]) -> None:
    assert mistakes(f"scenario: s\n{trigger}steps: []\n") == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("points: many", "error[config-type]: points: wants a number, not the text 'many'"),
        ("points: '12'", "error[config-type]: points: wants a number, not the text '12' (write 12 without quotes)"),
        ("points: 0012", "error[config-type]: points: wants a number, not the text '0012' (write 12 without quotes)"),
        ("points: '${{ run.attempt }} points'", "error[config-type]: points: wants a number, an expression inside a"),
        ("points: 1001", "error[config-value]: points: the number 1001 is too large, it must be at most 1000"),
        (
            "phone: 15550100",
            'error[config-type]: phone: wants a text, not the number 15550100 (write it in quotes: "155',
        ),
        ("phone: '15550100'", r"error[config-value]: phone: the text '15550100' does not match ^\+[0-9]+$"),
        ("phone: null", "error[config-type]: phone: wants a text, not null"),
        (
            "country: USA",
            "error[config-value]: country: the text 'USA' is not of the form that is wanted (two letters, such as US)",
        ),
        ("cents: 12.5", "error[config-type]: cents: wants a whole number, not the number 12.5 (in cents)"),
        ("tier: gold", "error[config-value]: tier: the text 'gold' is not one of GOLD, SILVER (did you mean 'GOLD'?)"),
        ("lines: [{count: 1}]", "error[config-key]: 'lines[0]' has no key 'count' (known keys: sku)"),
        (
            "tier: GOLDEN",
            "error[config-value]: tier: the text 'GOLDEN' is not one of GOLD, SILVER (did you mean 'GOLD'?)",
        ),
        ("tags: vip", "error[config-type]: tags: wants a list, not the text 'vip' (write a list: [vip])"),
        ("tags: [1]", 'error[config-type]: tags[0]: wants a text, not the number 1 (write it in quotes: "1")'),
        ("tags: []", "error[config-value]: tags: [] should be non-empty"),
        ("tags: [a, a]", "error[config-value]: tags: ['a', 'a'] has non-unique elements"),
        ("contact: {}", "error[config-missing]: contact: one of 'email', 'id' is needed"),
        ("contact: {email: a, id: 1}", "error[config-value]: contact: only one of 'email', 'id' may be given here"),
        ("email: a@example.com", "error[config-key]: crm.update_customer has no key 'email' (it stands below `con"),
        ("favour: tea", "error[config-key]: crm.update_customer has no key 'favour' (what has a name of your own"),
        ("contact: {email: a, no: 1}", "error[config-key]: 'contact' has no key 'no' (known keys: email, id)"),
        ("contact: {no: '${{ run.id }}', email: a}", "error[config-key]: 'contact' has no key 'no'"),
        ("how: 4", "error[config-value]: how: fits none of the forms allowed here: must be the text 'now', not the n"),
        ("how: 15", "error[config-value]: how: fits several forms of which only one may be meant"),
        (
            "whom: {email: 5}",
            'error[config-type]: whom.email: wants a text, not the number 5 (write it in quotes: "5")',
        ),
        ("whom: 5", "error[config-type]: whom: wants a text or an object, not the number 5"),
        ("when: {at: x}", "error[config-missing]: when: 'zone' is a dependency of 'at'"),
        ("custom: {a: [1]}", "error[config-type]: custom.a: wants a text or a number, not a list"),
        ("custom: {a: {}}", "error[config-type]: custom.a: wants a text or a number, not an object"),
    ],
)
def test_a_config_is_checked_against_the_modules_schema(config: str, expected: str) -> None:
    assert told(with_config(config)).startswith(expected)


@pytest.mark.parametrize(
    "config",
    [
        "points: '${{ run.attempt }}'",
        "phone: '+${{ run.attempt }}'",
        "phone: '${{ run.id }}'",
        "tier: '${{ run.id }}'",
        "tags: '${{ not_null(run.id) }}'",
        "tags: ['${{ omit() }}']",
        "tags: ['${{ run.id }}', '${{ run.id }}']",
        "contact: '${{ not_null(run.id) }}'",
        "contact: {email: '${{ run.id }}', id: '${{ omit() }}'}",
        "how: '${{ run.attempt }}'",
        "target: {ref: '${{ run.id }}'}",
        "when: {at: '${{ run.id || omit() }}'}",
        "when: '${{ run }}'",
        "custom: {a: '${{ run.id }}', b: 1.5}",
    ],
)
def test_an_expression_stands_for_any_value_that_it_can_have(config: str) -> None:
    assert mistakes(with_config(config)) == []


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        ("crm.get_custmer", "did you mean 'get_customer'?"),
        ("crm.x", "it has watch_orders, get_customer"),
        ("crn.note", "did you mean 'crm.note'?"),
        ("talkable.update_person", "no app 'talkable' is installed"),
        ("get_customer", "did you mean 'crm.get_customer'?"),
        ("shop.watch_orders", "app 'shop' is not loaded: module 'watch_orders' is there twice"),
    ],
)
def test_an_unknown_module_is_told_with_the_nearest_or_the_reason(module: str, hint: str) -> None:
    (mistake,) = found(f"scenario: s\nsteps:\n  - {{id: a, module: {module}}}\n")
    assert mistake.code == "unknown-module"
    assert hint in f"{mistake.message} {mistake.hint}"


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("tier", "did you mean one of vip_tier_name, vip_tier_entry?"),
        ("balance", "did you mean 'points_balance'?"),
        ("Points_Balance", "did you mean 'points_balance'?"),
        ("point_balance", "did you mean 'points_balance'?"),
        ("email", None),
        ("", None),
    ],
)
def test_a_hint_names_what_a_slip_or_a_part_calls_to_mind(word: str, hint: str | None) -> None:
    known = ["points_balance", "vip_tier_name", "vip_tier_entry", "tier_far_too_long_to_be_meant", "opt_in"]
    assert did_you_mean(word, known) == hint


@pytest.mark.parametrize(
    "expression",
    [
        "customer.emial",
        "$.customer.emial",
        "steps.customer.output.emial",
        "customer.address.cty",
        "customer.tags[0].x",
        "customer.tags[*].x",
        "customer.email.x",
        "trigger.lines[?pric > 1].sku",
        "trigger.lines[?price > 1].sk",
        "trigger.lines[0].sk",
        "trigger.lines[-1].sk",
        "trigger.lines[:2].sk",
        "trigger.lines[].sk",
        "trigger.lines[*].[sku, sk]",
        "trigger.lines[*].{a: sk}",
        "trigger.lines[*] | [0].sk",
        "sort_by(trigger.lines, &sk)",
        "max_by(trigger.lines, &price).sk",
        "length(trigger.lines[?sk == 'a'])",
        "let $c = customer in $c.emial",
        "{a: customer}.b",
        "{a: customer}.a.emial",
        "(customer || trigger).nothing",
        "not customer.emial",
        "1 + customer.emial",
        "-customer.emial",
        "request.headrs",
    ],
)
def test_a_field_that_is_not_there_is_found_however_it_is_reached(expression: str) -> None:
    assert [code for _, code in mistakes(with_value(expression))] == ["unknown-field"]


@pytest.mark.parametrize(
    "expression",
    [
        "customer",
        "customer.address.city",
        "customer.custom.whatever",
        "customer.anything.at.all[3]",
        "customer.tags[0]",
        "customer.\"tier\" == 'GOLD'",
        "customer.custom.\"first-name\" == 'Ann'",
        "customer.custom.* | [0].x",
        "trigger.reason",
        "trigger.total",
        "trigger.customer.email",
        "trigger.lines[*].sku | [0]",
        "trigger.lines[?sku == $.customer.email].price | [0]",
        'trigger.lines[?"price" > 1]',
        "trigger.lines[].note",
        "sort_by(trigger.lines, &price)[0].sku",
        "map(&sku, trigger.lines)",
        "not_null(customer).new_field",
        "(customer || trigger).lines",
        "merge(customer, {x: 1}).x",
        "values(customer)[0].x",
        "@.customer.email",
        "[customer, trigger][0].email",
        "[customer, trigger][1].total",
        "{a: customer}.a.email",
        "request.headers.host",
        "request.query.page",
        "run.started_at",
        "steps.customer.status",
        "steps.customer.output.email",
        "keys(customer)[0]",
        "let $x = 5 in trigger.lines[?price > $x]",
        "to_array(trigger.lines)[0].whatever",
    ],
)
def test_what_can_be_there_is_no_mistake(expression: str) -> None:
    assert mistakes(with_value(expression.replace('"', '\\"'))) == []


RIGHT = {
    "nothing to do": "steps: []\n",
    "switched off": "active: false\nsteps:\n  - stop: success\n",
    "an empty with": """\
trigger: {module: crm.watch_orders, with: }
steps:
  - {id: n, module: crm.note, with: }
""",
    "all keys of the head": """\
description: Says what it does.
trigger:
  module: crm.watch_orders
  webhook: orders
  with: {events: [order]}
  if: ${{ trigger.total > 5 and request.method == 'POST' }}
subject: ${{ trigger.email }}
vars: {a: 1, b: "${{ vars.a }}"}
steps: []
""",
    "either branch may have run before what follows": """\
trigger: {module: crm.watch_orders}
steps:
  - if: ${{ trigger.total > 5 }}
    steps:
      - {id: a, set: {x: 1}}
    else:
      - {id: b, set: {x: 2}}
  - set: {y: "${{ a.x || b.x }}"}
""",
    "loops inside loops, each with its own item; what is collected goes on": """\
steps:
  - id: orders
    module: crm.list_orders
  - id: all
    foreach: ${{ orders }}
    as: order
    key: ${{ order.id }}
    concurrency: 4
    collect: {sku: "${{ skus[0].one }}", n: "${{ index }}"}
    steps:
      - id: skus
        foreach: ${{ order.lines }}
        collect: {one: "${{ item.sku }}"}
        steps:
          - set: {last: "${{ item.price + order.total }}"}
  - set: {x: "${{ all[0].sku }}"}
""",
    "null in a text behind a condition that names it": """\
steps:
  - {id: customer, module: crm.get_customer, connection: crm, with: {id: 7}}
  - if: ${{ customer.phone != null }}
    steps:
      - set: {x: "call ${{ customer.phone }}"}
  - if: ${{ customer.phone != null }}
    set: {x: "call ${{ customer.phone }}"}
""",
    "everything that a step may say": """\
steps:
  - if: true
    id: everything
    name: always
    timeout: 1.5h
    on_error: hold
    retry: {attempts: 1, backoff: fixed, from: 0s, to: 10s, jitter: 0, on: [TimeoutError, RateLimitError]}
    steps: []
    else: []
""",
    "a condition in a block of its own": """\
steps:
  - if: |
      ${{ run.attempt > 1 }}
    stop: failure
    message: tried ${{ run.attempt }} times
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_scenario_has_no_mistake(name: str) -> None:
    assert [str(mistake) for mistake in found(f"scenario: s\n{RIGHT[name]}")] == []


@pytest.mark.parametrize("steps", ["if: true\n    steps:", "foreach: ${{ [1] }}\n    steps:"])
def test_a_broken_step_does_not_make_others_look_broken(steps: str) -> None:
    inside = "      - {id: a, module: crm.nothing}\n      - set: {x: '${{ a.b }}'}\n"
    source = f"scenario: s\nsteps:\n  - {steps}\n{inside}"
    assert [code for _, code in mistakes(source)] == ["unknown-module"]


def test_what_is_known_of_a_value_stays_small_however_it_is_built() -> None:
    doubling = "let $a = [run.id], $b = [run.id] in "
    doubling += "".join("let $a = [$a, $a], $b = [$b, $b] in " for _ in range(55))
    assert mistakes(with_value(f"{doubling}($a || $b)[0] || [$a, $b][]")) == []


def test_null_in_a_text_is_a_warning_and_keeps_nothing_from_running() -> None:
    source = f"scenario: s\nsteps:\n{CUSTOMER}  - set: {{x: 'call ${{{{ customer.phone }}}}'}}\n"
    scenario, diagnostics = load_scenario(source, "f.yaml", REGISTRY)
    assert scenario is not None
    assert [(d.code, str(d.severity)) for d in diagnostics] == [("null-in-text", "warning")]


def test_what_is_not_known_of_connections_and_webhooks_is_not_checked() -> None:
    source = f"{TRIGGER}  webhook: any\nsteps:\n{CUSTOMER.replace('connection: crm', 'connection: any')}"
    assert load_scenario(source, "f.yaml", REGISTRY)[1] == []


def test_two_scenarios_of_one_name_are_told() -> None:
    files = [load_scenario("scenario: s\nsteps: []\n", name, REGISTRY)[0] for name in ("a.yaml", "b.yaml")]
    (mistake,) = check_unique([scenario for scenario in files if scenario is not None])
    assert mistake.code == "duplicate-scenario"
    assert str(mistake).startswith("b.yaml:1:11: error[duplicate-scenario]: the scenario 's' is in a.yaml:1:11 too")


def test_a_file_that_is_not_utf_8_is_a_mistake_like_others(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"scenario: \xff")
    scenario, diagnostics = load_file(path, REGISTRY)
    assert scenario is None
    assert [d.code for d in diagnostics] == ["yaml-encoding"]
    path.write_text("scenario: s\nsteps: []\n")
    scenario, diagnostics = load_file(path, REGISTRY)
    assert scenario is not None
    assert diagnostics == []


SOURCES = [example(code.right) for code in CODES.values() if code.right]


@given(st.sampled_from(SOURCES), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=400)
def test_no_file_makes_the_checks_fail(source: str, chance: random.Random) -> None:
    lines = source.splitlines(keepends=True)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(lines))
        match chance.randrange(4):
            case 0:
                del lines[at : at + 1]
            case 1:
                lines[at] = "  " + lines[at]
            case 2:
                lines.insert(at, chance.choice(lines) if lines else "")
            case _:
                lines[at] = (
                    lines[at].replace(": ", ": [", 1) if chance.random() < 0.3 else lines[at].replace("'", "", 1)
                )
        lines = lines or [""]
    text = "".join(lines)
    scenario, diagnostics = load_scenario(text, "f.yaml", REGISTRY, CONNECTIONS, WEBHOOKS)
    assert (scenario is None) == any(d.severity == "error" for d in diagnostics)
    assert all(d.code in CODES for d in diagnostics)
    render(diagnostics, {"f.yaml": text})


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("defaults: {retry: {attempts: 5}, timeout: {try: 5s}, on_error: hold}\n", []),
        ("defaults: {on_error: {hold: {retry: integrator}}}\n", []),
        ("defaults: 5\n", [("3:11", "wrong-value")]),
        ("defaults: {retries: 5}\n", [("3:12", "unknown-key")]),
        ("defaults: {retry: {attempts: x}}\n", [("3:30", "wrong-value")]),
        ("defaults: {timeout: 5}\n", [("3:21", "duration")]),
        ("defaults: {on_error: [{set: {a: 1}}]}\n", [("3:22", "wrong-value")]),
        ("defaults: {on_error: {resume: 1}}\n", [("3:31", "wrong-value")]),
        ("on_failure: [{set: {a: '${{ error.message }}'}}]\n", []),
        ("on_failure: [{set: {a: '${{ error.mesage }}'}}]\n", [("3:35", "unknown-field")]),
        ("on_failure: {}\n", [("3:13", "wrong-value")]),
        ("on_failure: [{stop: success}]\n", [("3:21", "not-here")]),
        ("on_failure: [{set: {a: 1}, on_error: commit}]\n", [("3:38", "not-here")]),
        ("on_failure: [{id: x, set: {a: 1}}, {id: x, set: {a: 1}}]\n", [("3:41", "duplicate-id")]),
    ],
)
def test_defaults_and_on_failure_are_checked(head: str, expected: list[tuple[str, str]]) -> None:
    assert mistakes(f"scenario: s\nsteps: []\n{head}") == expected


def test_a_word_that_on_error_does_not_know_is_told_what_may_stand_there() -> None:
    [diagnostic] = found(example("  - set: {a: 1}\n    on_error: 7\n"))
    assert diagnostic.hint == "one of fail, ignore, hold, commit, rollback, resume, or a list of steps"
