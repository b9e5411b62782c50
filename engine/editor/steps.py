"""Steps as forms: each kind with its keys, and those that any step has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.editor.forms import (
    ANY_TEXT,
    BOOLEAN,
    CONDITION,
    DURATION,
    EXPRESSION,
    ONLY_EXPRESSION,
    TEXT,
    VALUE,
    Form,
    choose,
    closed,
    listed,
    mapped,
    named,
    or_expression,
    ref,
    told,
    whole,
    words,
)
from engine.editor.modules import Modules
from engine.editor.snippets import snippets
from engine.scenario.durations import PATTERN
from engine.scenario.keys import (
    ANY_STEP,
    ELSE_IF,
    IDENTIFIER,
    KINDS,
    REPEAT,
    REPEAT_KINDS,
    RESERVED,
    RESPOND,
    ROUTE,
    STREAM,
    WAITS,
)
from engine.scenario.responding import LEAST_STATUS, MOST_STATUS
from engine.sdk.modules import PollingTrigger, Search, WebhookTrigger

_STEPS = ref("steps")
_TAKEN = "|".join(sorted(RESERVED))
_ID = named(
    f"(?!(?:{_TAKEN})$){IDENTIFIER.pattern}",
    "Small letters, digits and _, a letter first; none of the names that expressions have for data of their own.",
)
_NAME_OF_DATA = named(f"(?!(?:{_TAKEN.replace('item|', '')})$){IDENTIFIER.pattern}", "Small letters, digits and _.")
_SIGNAL = named(r"[A-Za-z0-9._\-]+", "Letters, digits, `.`, `_` and `-`.")

#: what any step may have
ANY: Mapping[str, Form] = {
    "id": told(_ID, "Its name: under it other steps find its output. Unique in the scenario."),
    "name": told(TEXT, "A text for people."),
    "if": told(CONDITION, "A condition: the step is skipped when it is false or null."),
    "retry": ref("retry"),
    "timeout": ref("timeout"),
    "on_error": ref("on_error"),
    "finally": told(_STEPS, "Steps that run when the step has ended, however it did."),
    "undo": told(_STEPS, "Steps that take back what the step did, when the run is rolled back."),
}
_SLEEP: Form = {
    "type": ["string", "number"],
    "pattern": rf"{ONLY_EXPRESSION}|^(?:{PATTERN})$",
    "patternErrorMessage": "A duration such as 60s, or an expression that gives one or a number of seconds.",
}


class Steps:
    """Makes the forms of all kinds of steps.

    :param scenarios: names of the project's scenarios, which are offered to ``call``, with the inputs of each.
    :param webhooks: names of its shared webhooks.
    """

    def __init__(self, modules: Modules, scenarios: Mapping[str, Mapping[str, Any]], webhooks: list[str]) -> None:
        self._modules = modules
        self._scenarios = scenarios
        self._webhooks = webhooks

    def definitions(self) -> dict[str, Form]:
        """Each kind, a step of any kind, and a list of them."""
        kinds = self._kinds()
        every: dict[str, Form] = dict(ANY)
        for kind in (*KINDS, "steps", "module"):
            every |= kinds[kind]
        every["module"] = told(every["module"], "Calls a module: `app.verb_object`. Its options stand under `with`.")
        # nothing says yet what kind it is: that is what is wrong, and all kinds are offered
        none = {"type": "string", "errorMessage": f"A step has one of {', '.join(KINDS)}."}
        unknown = {**closed(every, every), "allOf": [none], "defaultSnippets": snippets()}
        found = {f"step.{kind}": self._step(kind, forms) for kind, forms in kinds.items()}
        step = choose(*((kind, ref(f"step.{kind}")) for kind in KINDS), otherwise=unknown)
        found["step"] = {"type": "object", **step}
        found["steps"] = {"type": "array", "items": ref("step")}
        return found

    def _step(self, kind: str, forms: Mapping[str, Form]) -> Form:
        form = closed((*ANY_STEP, *KINDS[kind]), {**ANY, **forms})
        match kind:
            case "module":
                names = self._actions()
                # first what is known of the module, so that it is what is shown
                return {"allOf": [*self._modules.branches(names), form]}
            case "foreach" | "repeat":
                form["required"] = ["steps"]
            case "steps":
                condition = told(CONDITION, "A condition: whether `steps` are run, or one of the other lists.")
                form["properties"]["if"] = condition
                form["dependencies"] = {"else": ["if"], "else_if": ["if"]}
            case "route":
                # with `match: all` a route without a condition is always taken
                every_one = {"type": "object", "required": ["match"], "properties": {"match": {"const": "all"}}}
                form |= {"if": every_one, "else": {"properties": {"route": {"items": {"required": ["if"]}}}}}
            case "wait_for" | "call":
                form["required"] = ["id"]
                if kind == "call":
                    return {"allOf": [*map(_inputs, self._scenarios, self._scenarios.values()), form]}
        return form

    def _actions(self) -> list[str]:
        return self._modules.names(WebhookTrigger, PollingTrigger, but=True)

    def _kinds(self) -> dict[str, dict[str, Form]]:
        with_ = told({"type": ["object", "null"]}, "What the module is given; its options.")
        on_timeout = told(_STEPS, "Steps that run when the time is over; without them the step fails.")
        return {
            "module": {
                "module": self._modules.name(self._actions()),
                "connection": self._modules.connection(),
                "with": with_,
            },
            "foreach": self._foreach(),
            "set": {"set": told(mapped(VALUE), "Variables by name: `vars.NAME` in expressions.")},
            "sleep": {"sleep": told(_SLEEP, "How long it waits.", examples=["60s"])},
            "sleep_until": {
                "sleep_until": told(ANY_TEXT, "Until when it waits: an ISO time with its zone, or a date.")
            },
            "wait_for": {"wait_for": self._wait_for(), "on_timeout": on_timeout},
            "call": {
                "call": told(
                    TEXT,
                    "The name of the scenario of which a run is started.",
                    **({"examples": list(self._scenarios)} if self._scenarios else {}),
                ),
                "with": told({"type": ["object", "null"]}, "Its `inputs`; what is left out has its default."),
                "wait": told(
                    BOOLEAN, "`false`: go on at once. Else the step ends when that run has ended.", default=True
                ),
                "on_timeout": on_timeout,
            },
            "respond": {"respond": _respond()},
            "stop": {
                "stop": told(words(("success", "failure")), "Ends the run."),
                "message": told(ANY_TEXT, "A text that is kept with the run."),
                "output": told(VALUE, "What the run gives."),
            },
            "route": {
                "route": told(
                    listed(_route(), 1), "Several ways with their conditions; after it they come together again."
                ),
                "match": told(
                    words(
                        ("first", "all"), ("the first route whose condition is true", "all of them, one after another")
                    ),
                    "Which routes are taken.",
                    default="first",
                ),
                "otherwise": told(_STEPS, "Steps that run when no route is taken."),
            },
            "parallel": {
                "parallel": told(
                    mapped(_STEPS, IDENTIFIER.pattern, "Small letters, digits and _."),
                    "Several lists of steps, by name, side by side.",
                )
            },
            "repeat": {"repeat": _repeat(), "steps": told(_STEPS, "What is done in each round.")},
            "steps": {
                "steps": told(_STEPS, "The steps of the group."),
                "else_if": told(
                    listed(
                        closed(
                            ELSE_IF,
                            {
                                "if": told(CONDITION, "A condition; it is asked when none before it was true."),
                                "steps": told(_STEPS, "What is done when it is true."),
                            },
                            required=["if"],
                        ),
                        1,
                    ),
                    "More conditions, asked in order, each with its steps.",
                ),
                "else": told(_STEPS, "Steps that run when no condition is true."),
            },
        }

    def _foreach(self) -> dict[str, Form]:
        names = self._modules.names(Search)
        stream = closed(
            STREAM,
            {
                "module": self._modules.name(names),
                "connection": self._modules.connection(),
                "with": told({"type": ["object", "null"]}, "What the search is given."),
            },
            required=["module"],
        )
        over: Form = {
            "type": ["string", "object"],
            "pattern": ONLY_EXPRESSION,
            "patternErrorMessage": "An expression that gives a list: ${{ … }}, or module and with of a search.",
            "if": {"type": "object"},
            "then": {"allOf": [*self._modules.branches(names), stream]},
        }
        return {
            "foreach": told(
                over, "What it goes over: an expression that gives a list, or `module` and `with` of a search."
            ),
            "as": told(_NAME_OF_DATA, "The name of the item in expressions.", default="item"),
            "key": told(EXPRESSION, "What names an item in the journal, in place of its number."),
            "batch": told(whole(1), "Items come as lists of so many."),
            "group_by": told(EXPRESSION, "Items come as `{key, items}`, one for each value of this."),
            "concurrency": told(whole(1), "How many items are under way at a time.", default=1),
            "collect": told(VALUE, "What each item leaves behind; the list of these is the output."),
            "on_item_error": told(
                words(
                    ("fail", "continue", "hold"),
                    ("the loop fails", "it is noted, and the others go on", "it is held, and the others go on"),
                ),
                "What becomes of an item that fails.",
                default="fail",
            ),
            "steps": told(_STEPS, "What is done with each item."),
        }

    def _wait_for(self) -> Form:
        names = self._modules.names(WebhookTrigger)
        timeout = told(DURATION, "How long it waits; for ever when left out.")
        webhook = told(
            TEXT,
            "The name of a shared webhook of `engine.yaml`; the scenario's own when left out.",
            **({"examples": self._webhooks} if self._webhooks else {}),
        )
        forms: dict[str, dict[str, Form]] = {
            "signal": {
                "signal": told(_SIGNAL, "The name of a signal; the output is its data."),
                "key": told(VALUE, "A text or number that must be equal to the signal's key."),
                "timeout": timeout,
            },
            "approval": {
                "approval": told(ANY_TEXT, "What a person is asked. The output is `{approved, by, comment, at}`."),
                "timeout": timeout,
            },
            "webhook": {
                "webhook": webhook,
                "module": self._modules.name(names),
                "connection": self._modules.connection(),
                "with": told({"type": ["object", "null"]}, "What the trigger is given."),
                "match": told(CONDITION, "A condition that sees the event as `event`: true for the one that is meant."),
                "timeout": timeout,
            },
        }
        forms["module"] = forms["webhook"]
        made = {kind: closed(WAITS[kind], forms[kind]) for kind in WAITS}
        event = {"allOf": [*self._modules.branches(names), made["webhook"]]}
        every = {key: form for kind in forms.values() for key, form in kind.items()}
        unknown = {**closed(every, every), "anyOf": [{"required": [kind]} for kind in WAITS]}
        chosen = choose(
            ("signal", made["signal"]),
            ("approval", made["approval"]),
            ("webhook", event),
            ("module", event),
            otherwise=unknown,
        )
        return told({"type": "object", **chosen}, "What it waits for: a signal, a person's answer, or an event.")


def _inputs(scenario: str, inputs: Mapping[str, Any]) -> Form:
    """What stands beside the name of a scenario that is called: its inputs are offered; nothing is wrong by them."""
    properties = {name: _input(given) for name, given in inputs.items()}
    here = {"type": "object", "required": ["call"], "properties": {"call": {"const": scenario}}}
    return {"if": here, "then": {"properties": {"with": {"properties": properties}}}}


def _input(given: Any) -> Form:
    if not isinstance(given, Mapping):
        return {"description": f"Of the type {given}."}
    kind = f" Of the type {given['type']}." if "type" in given else ""
    required = " Required." if given.get("required") is True else ""
    values = given.get("enum") or ([given["default"]] if "default" in given else [])
    about = f"{given.get('description', '')}{kind}{required}".strip()
    return {**({"description": about} if about else {}), **({"examples": values} if values else {})}


def _route() -> Form:
    return closed(
        ROUTE,
        {
            "if": told(CONDITION, "The condition of this way."),
            "name": told(TEXT, "A text for people, unique in its router."),
            "steps": told(_STEPS, "What is done on this way."),
        },
    )


def _repeat() -> Form:
    form = closed(
        REPEAT,
        {
            "times": told(or_expression(whole(0)), "How many rounds."),
            "while": told(CONDITION, "A condition that is asked before each round."),
            "until": told(CONDITION, "A condition that is asked after each round."),
            "max": told(whole(1), "How many rounds at most."),
        },
        oneOf=[{"required": [kind]} for kind in REPEAT_KINDS],
        dependencies={"while": ["max"], "until": ["max"]},
    )
    return told(form, "Its steps are run again and again: it has one of `times`, `while` and `until`.")


def _respond() -> Form:
    form = closed(
        RESPOND,
        {
            "status": told(or_expression(whole(LEAST_STATUS, MOST_STATUS)), "A number from 200 to 599.", default=200),
            "headers": told(
                mapped({"type": ["string", "number", "boolean", "null"]}),
                "Names with their texts, such as `X-Request-Id`.",
            ),
            "body": told(VALUE, "A text as it stands, anything else as JSON."),
        },
    )
    return told(form, "What the sender of the webhook's event gets.", examples=[{"status": 200, "body": {"ok": True}}])
