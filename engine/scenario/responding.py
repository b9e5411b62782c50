"""The webhook's answer from within the scenario: ``respond``, read, checked, and made part of the plan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from engine.scenario import types
from engine.scenario.expressions import Template
from engine.scenario.inside import every, parts
from engine.scenario.keys import RESPOND, Reader, check_keys
from engine.scenario.nodes import Mapping, Node, Scalar
from engine.scenario.plan import ForeachStep, Listening, RepeatStep, RespondStep, Step, StopStep, Trigger
from engine.scenario.references import Names
from engine.scenario.report import Report
from engine.scenario.types import BOOLEAN, NULL
from engine.scenario.values import Values, has_expression
from engine.sdk.modules import Schema

#: what the step gives: whether somebody was there to be answered; null where a crash lets nobody know
ANSWERED = types.closed({"status": {"type": "integer"}, "sent": types.union([BOOLEAN, NULL])})
#: seconds for which a webhook's sender is kept waiting, where the trigger does not say, and at most
WITHIN, LONGEST_WITHIN = 10.0, 300.0
#: statuses that an answer can have
LEAST_STATUS, MOST_STATUS = 200, 599
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: headers that say how the bytes are sent, which is not the scenario's to say
OWN_HEADERS = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "trailer"})


class RespondReader:
    """Reads them and notes what is wrong with them."""

    def __init__(self, report: Report, values: Values) -> None:
        self._report = report
        self._values = values
        self._reader = Reader(report)

    def read(self, node: Mapping, common: dict[str, Any], names: Names) -> tuple[RespondStep | None, Schema]:
        """The step, or None where it is too broken, and what is known of its output."""
        given = self._reader.mapping(node.get("respond"), "`respond`")
        if given is None:
            return None, ANSWERED
        check_keys(given, RESPOND, "`respond`", self._report)
        status, headers, body = given.get("status"), given.get("headers"), given.get("body")
        step = RespondStep(
            **common,
            status=self._status(status, names),
            headers=self._headers(headers, names),
            body=self._values.template(body, names)[0] if body is not None else None,
        )
        return step, ANSWERED

    def _status(self, node: Node | None, names: Names) -> Template:
        if node is None:
            return Template.constant(LEAST_STATUS)
        if isinstance(node, Scalar) and has_expression(node):
            template, schema = self._values.template(node, names)
            kinds = types.types_of(schema)
            if kinds and not kinds & {"integer", "number"}:
                message = f"a status is a number, this is {types.words(sorted(kinds))}"
                self._report.add("respond-status", message, node.place, "such as 200")
            return template
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int) or not LEAST_STATUS <= value <= MOST_STATUS:
            shown = f"'{node.text}'" if isinstance(node, Scalar) else "this"
            message = f"{shown} is no status of an answer"
            self._report.add("respond-status", message, node.place, f"a number from {LEAST_STATUS} to {MOST_STATUS}")
            return Template.constant(LEAST_STATUS)
        return Template.constant(value)

    def _headers(self, node: Node | None, names: Names) -> Template | None:
        found = self._reader.mapping(node, "`headers`")
        if found is None:
            return None
        for key, value in found.entries:
            if not _HEADER.fullmatch(key.text):
                self._report.add(
                    "respond-header", f"'{key.text}' cannot be a header", key.place, "such as X-Request-Id"
                )
            elif key.text.lower() in OWN_HEADERS:
                message = f"'{key.text}' says how the answer is sent, which the engine says itself"
                self._report.add("respond-header", message, key.place, "leave it out")
            elif not isinstance(value, Scalar):
                self._report.add("respond-header", f"the header '{key.text}' must be a text", value.place)
        return self._values.template(found, names)[0]


def check_responses(steps: Sequence[Step], on_failure: Sequence[Step], trigger: Trigger | None, report: Report) -> bool:
    """Whether a scenario answers, once what cannot be meant is noted."""
    answers = [step for step in every(steps, on_failure) if isinstance(step, RespondStep)]
    if not answers:
        return False
    if not isinstance(trigger, Listening):
        for step in answers:
            message = "nobody waits for an answer: no webhook starts this scenario"
            report.add("respond-nobody", message, step.place, "a called scenario gives `output`; its caller answers")
        return False
    _again(steps, False, report)
    _again(on_failure, False, report)
    return True


def _again(steps: Iterable[Step], answered: bool, report: Report) -> bool | None:
    """Whether the way may have answered when it leaves the list; None: it does not leave it."""
    for step in steps:
        if isinstance(step, RespondStep):
            if answered:
                message = "the sender may be answered before this, and the first answer is the one that counts"
                report.add(
                    "respond-twice", message, step.place, "end the other way with `stop`, or put them in branches"
                )
            answered = True
        elif isinstance(step, StopStep) and step.condition is None:
            return None
        own = [part for part in parts(step) if not part.aside]
        if not own:
            continue
        if isinstance(step, ForeachStep | RepeatStep):
            # from the second round on
            inside = any(isinstance(inner, RespondStep) for part in own for inner in every(part.steps))
            answered = bool(_again(own[0].steps, answered or inside, report)) or answered
            continue
        alternative = step.kind in ("steps", "route", "wait_for", "call")
        ways = [answered]
        for part in own:
            way = _again(part.steps, answered if alternative else ways[-1], report)
            ways += [] if way is None else [way]
        answered = any(ways)
    return answered
