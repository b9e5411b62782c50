"""What a module is given by expressions is compared with what it takes; and what is doubtful in any config is told."""

from __future__ import annotations

import pytest

from engine.scenario.load import load_scenario
from tests.language.crm import CONNECTIONS, WEBHOOKS, registry

REGISTRY = registry()
HEAD = """\
scenario: s
trigger:
  module: crm.watch_orders
  with: {events: [order]}
steps:
  - {id: customer, module: crm.get_customer, connection: crm, with: {id: 7}}
"""


def told(step: str) -> list[str]:
    found = load_scenario(f"{HEAD}  - {step}\n", "f.yaml", REGISTRY, CONNECTIONS, WEBHOOKS)[1]
    return [f"{d.place.column} {d.code}: {d.message} ({d.hint})" for d in found if not d.code.startswith("unused-")]


def update(config: str) -> list[str]:
    return told(f"{{id: u, module: crm.update_customer, connection: crm, with: {{id: 1, {config}}}}}")


def page(config: str) -> list[str]:
    return told(f"{{id: p, module: crm.fetch_page, with: {{{config}}}}}")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("points: '${{ customer.points || 0 }}'", None),
        (
            "points: '${{ customer.email }}'",
            "config-type: points: wants a number, this expression gives a text (make a number of it: to_number(…))",
        ),
        (
            "points: '${{ customer.points }}'",
            (
                "null-in-config: points: this can be null ('points' may be left out), and the module wants a number "
                "(leave the key out then: … || omit())"
            ),
        ),
        ("points: '${{ customer.points || omit() }}'", None),
        ("points: '${{ trigger.total }}'", None),
        ("tier: '${{ trigger.channel }}'", "config-value: tier: 'web' or 'shop' or 'phone' is not one of GOLD, SILVER"),
        ("tier: '${{ trigger.id > 3 && ''GOLD'' || ''SILVER'' }}'", None),
        ("tags: '${{ trigger.lines[*].sku }}'", None),
        ("tags: '${{ trigger.lines }}'", None),
        ("tags: ['${{ trigger.id }}']", "config-type: tags: wants a text, this expression gives a number"),
        ("custom: {total: '${{ trigger.total }}'}", None),
        ("custom: {lines: '${{ trigger.lines }}'}", "config-type: custom.lines: wants a number or a text, this expr"),
        ("whom: '${{ trigger.id }}'", "config-type: whom: wants an object or a text, this expression gives a number"),
        ("whom: {email: '${{ trigger.id }}'}", "config-type: whom.email: wants a text, this expression gives"),
    ],
)
def test_what_is_known_of_an_expression_is_compared_with_the_schema(config: str, expected: str | None) -> None:
    found = update(config)
    assert len(found) == (expected is not None)
    assert expected is None or expected in found[0]


@pytest.mark.parametrize(
    ("config", "untrusted"),
    [
        ("url: '/orders/${{ trigger.email }}'", True),
        ("url: '${{ trigger.email }}'", True),
        ("url: '/orders/${{ request.query.page }}'", True),
        ("url: '/orders/${{ trigger.id }}'", False),
        ("url: '/orders/${{ trigger.channel }}'", False),
        ("url: '/orders/${{ length(trigger.email) }}'", False),
        ("url: '/orders/${{ customer.email }}'", False),
        ("url: /orders, headers: {x-customer: '${{ trigger.email }}'}", True),
        ("url: /orders, headers: {x-order: '${{ customer.email }}'}", False),
    ],
)
def test_text_from_outside_in_a_url_or_header_is_told(config: str, untrusted: bool) -> None:
    found = page(config)
    assert ["untrusted-text" in one for one in found] == [True] * untrusted


def test_what_is_deprecated_is_told_with_what_to_use() -> None:
    assert page("url: /orders, follow: true") == [
        "58 deprecated: 'follow' is deprecated (redirects are followed always)"
    ]
    found = told("{id: f, module: crm.find_customer, connection: crm, with: {id: 1}}")
    assert found == ["21 deprecated: 'crm.find_customer' is deprecated (use crm.get_customer)"]
