"""The keys of the language: which stand where, and which this version does not carry out yet."""

from __future__ import annotations

import re

from engine.scenario.diagnostics import did_you_mean
from engine.scenario.elsewhere import below, called_here, shape_of
from engine.scenario.nodes import Mapping, Node, Scalar
from engine.scenario.report import Report

#: names that expressions have for data of their own; no step, and no loop's item but ``item``, may take them
RESERVED = frozenset("trigger request steps vars inputs item index run error env".split())  # noqa: SIM905 - as the language lists them
IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]*")

SCENARIO = (
    *("scenario", "description", "active", "timezone", "inputs", "trigger", "vars", "subject", "keep", "expect"),
    "output",
    *("defaults", "order_by", "concurrency", "mode", "dedupe", "debounce", "rate", "priority", "steps", "on_failure"),
)
TRIGGER = ("module", "connection", "webhook", "respond_within", "every", "start", "with", "schedule", "if")
#: keys that only one kind of trigger has
TRIGGER_KINDS = {"webhook": ("webhook", "respond_within"), "polling": ("every", "start")}
#: what a schedule goes by, of which it has one
SCHEDULE_KINDS = ("cron", "every", "at")
SCHEDULE = (*SCHEDULE_KINDS, "offset", "timezone", "missed", "limit")
EXPECT = ("at_least", "within", "of")
RETRY = ("attempts", "backoff", "from", "to", "jitter", "on")
ANY_STEP = ("id", "name", "if", "retry", "timeout", "on_error", "finally", "undo")
#: keys of a `foreach` that goes over a search
STREAM = ("module", "connection", "with")
TIMEOUT = ("try", "step")
DEFAULTS = ("retry", "timeout", "on_error")
#: keys by the kind of step they belong to; the first names the kind in the file
KINDS: dict[str, tuple[str, ...]] = {
    "module": ("module", "connection", "with"),
    "foreach": (*("foreach", "as", "key", "batch", "group_by", "concurrency", "collect", "on_item_error", "steps"),),
    "set": ("set",),
    "sleep": ("sleep",),
    "sleep_until": ("sleep_until",),
    "wait_for": ("wait_for", "on_timeout"),
    "call": ("call", "with", "wait", "on_timeout"),
    "respond": ("respond",),
    "stop": ("stop", "message", "output"),
    "route": ("route", "match", "otherwise"),
    "parallel": ("parallel",),
    "repeat": ("repeat", "steps"),
    "steps": ("steps", "else_if", "else"),
}
#: what an answer to a webhook has
RESPOND = ("status", "headers", "body")
#: keys of one of the routes, and of one of the ``else_if``
ROUTE = ("if", "name", "steps")
ELSE_IF = ("if", "steps")
#: what a ``repeat`` goes by, of which it has one
REPEAT_KINDS = ("times", "while", "until")
REPEAT = (*REPEAT_KINDS, "max")
#: what a step can wait for; the first key names it
WAITS: dict[str, tuple[str, ...]] = {
    "signal": ("signal", "key", "timeout"),
    "approval": ("approval", "timeout"),
    "webhook": ("webhook", "module", "connection", "with", "match", "timeout"),
    "module": ("webhook", "module", "connection", "with", "match", "timeout"),
}
#: what ``on_error`` may be as a word, and as a mapping of one key
ON_ERROR = ("fail", "ignore", "hold", "commit", "rollback")
ON_ERROR_KEYS = ("resume", "hold")


#: how other languages, and older YAML, write booleans
_BOOLEANS = {"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false"}


def check_keys(node: Mapping, known: tuple[str, ...], what: str, report: Report) -> bool:
    """Note keys that do not belong here. True when it is known what kind of step one of them was to be."""
    found_kind = False
    for key, _ in node.entries:
        if key.text in known:
            continue
        belongs = next((kind for kind, keys in KINDS.items() if key.text in keys and "steps" in known), None)
        # what kind of step it is, may not be known for that very word
        here = called_here(key.text, (*known, *KINDS) if "on_error" in known else known)
        found_kind = found_kind or here in KINDS or did_you_mean(key.text, KINDS) is not None
        hint = f"here it is called `{here}`" if here is not None else did_you_mean(key.text, known)
        if (outer := below(key.text, known)) is not None:
            hint = f"it stands below `{outer}`"
        hint = hint or f"known keys: {', '.join(known)}"
        options = node.get("with") if "with" in known else None
        if isinstance(options, Scalar) and options.value is None:
            hint = "options of the module are indented below `with`"
        if belongs and belongs != key.text:
            hint = f"`{key.text}` belongs to a step with `{belongs}`"
        report.add("unknown-key", f"{what} has no key '{key.text}'", key.place, hint)
    return found_kind


class Reader:
    """Reads the plain values of a mapping's keys and notes what is no such value."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def text(self, node: Node | None, what: str) -> str | None:
        if node is None:
            return None
        if isinstance(node, Scalar) and isinstance(node.value, str) and node.value.strip() and "${{" not in node.value:
            return node.value
        if isinstance(node, Scalar) and isinstance(node.value, str) and "${{" in node.value:
            message = f"{what} is read before there is data; no expression can stand here"
            self._report.add("expression-here", message, node.place, "write the value out")
            return None
        hint = f'write it in quotes: "{node.text}"' if isinstance(node, Scalar) and node.text.strip() else None
        self._report.add("wrong-value", f"{what} must be a text", node.place, hint)
        return None

    def boolean(self, node: Node | None, what: str, *, default: bool) -> bool:
        if node is None:
            return default
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        word = node.text.lower() if isinstance(node, Scalar) else ""
        hint = f"write {_BOOLEANS[word]}" if word in _BOOLEANS else None
        self._report.add("wrong-value", f"{what} must be true or false", node.place, hint)
        return default

    def mapping(self, node: Node | None, what: str) -> Mapping | None:
        if node is None or isinstance(node, Mapping):
            return node
        self._report.add("wrong-value", f"{what} must be a mapping of keys to values", node.place, shape_of(what))
        return None

    def integer(self, node: Node | None, what: str, *, least: int, default: int) -> int:
        if node is None:
            return default
        if isinstance(node, Scalar) and isinstance(node.value, int) and not isinstance(node.value, bool):
            if node.value >= least:
                return node.value
            self._report.add("wrong-value", f"{what} must be at least {least}", node.place)
            return default
        self._report.add("wrong-value", f"{what} must be a whole number", node.place)
        return default

    def choice(
        self, node: Node | None, what: str, options: tuple[str, ...], default: str, besides: str | None = None
    ) -> str:
        """One of some words.

        :param besides: what may stand there too, for the hint.
        """
        if node is None:
            return default
        if isinstance(node, Scalar) and node.value in options:
            return str(node.value)
        shown = f"'{node.text}'" if isinstance(node, Scalar) else "this"
        hint = (
            did_you_mean(node.text, options) if isinstance(node, Scalar) else None
        ) or f"one of {', '.join(options)}{f', or {besides}' if besides else ''}"
        self._report.add("wrong-value", f"{what} cannot be {shown}", node.place, hint)
        return default
