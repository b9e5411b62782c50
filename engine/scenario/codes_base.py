"""What a check is, and the beginnings that examples share."""

from __future__ import annotations

from dataclasses import dataclass

from engine.scenario.diagnostics import Severity


@dataclass(frozen=True, slots=True)
class Code:
    """One check.

    :param meaning: what is wrong, in one sentence.
    :param reason: why it is checked, or what would happen.
    :param wrong: a text in which it finds something; empty where no text can show it.
    :param right: the same, mended.
    :param doubt: an error that a plan can be made in spite of, so that a comment may silence it.
    """

    meaning: str
    reason: str
    wrong: str = ""
    right: str = ""
    severity: Severity = Severity.ERROR
    doubt: bool = False

    @property
    def silenceable(self) -> bool:
        """Whether a comment that names it keeps it quiet."""
        return self.doubt or self.severity is not Severity.ERROR


TRIGGER = "scenario: example\ntrigger:\n  module: crm.watch_orders\n"
ORDERS = f"{TRIGGER}  with: {{events: [order]}}\nsteps:\n"
POLLING = "scenario: example\ntrigger:\n  module: crm.watch_customers\n  connection: crm\n"
CUSTOMER = "  - id: customer\n    module: crm.get_customer\n    connection: crm\n    with: {id: 7}\n"

STREAM = "  - id: each\n    foreach: {{module: crm.list_orders}}\n    steps:\n      - set: {{seen: true}}\n{}"
