"""A scenario as a form: all keys of the language with their words, and the installed modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.editor import policies
from engine.editor.forms import (
    ANY_TEXT,
    BOOLEAN,
    CONDITION,
    DEFINITIONS,
    DURATION,
    EXPRESSION,
    TEXT,
    VALUE,
    Form,
    any_of,
    choose,
    closed,
    listed,
    mapped,
    named,
    ref,
    told,
    whole,
    words,
)
from engine.editor.modules import Modules
from engine.editor.steps import Steps
from engine.plugins import Registry
from engine.scenario.inputs import FORMATS, TYPES
from engine.scenario.inputs_reader import KEYWORDS
from engine.scenario.keep import KEYS as KEEP
from engine.scenario.keys import EXPECT, IDENTIFIER, SCENARIO, SCHEDULE, SCHEDULE_KINDS, TRIGGER, TRIGGER_KINDS
from engine.scenario.ordering import CONCURRENCY, DEBOUNCE, DEDUPE, MODES, ORDER_BY, PRIORITIES
from engine.scenario.plan import Missed
from engine.scenario.schedule_reader import MOST_LIMIT
from engine.sdk.modules import PollingTrigger, WebhookTrigger

DRAFT = "http://json-schema.org/draft-07/schema#"
_STEPS = ref("steps")
_WAITING = words(("hold", "release"), ("it keeps its place", "it lets others pass"))
_ZONE = told(TEXT, "A time zone, such as `Europe/Berlin`.", examples=["Europe/Berlin", "UTC"])
KEEP_FORM = told(
    any_of(
        DURATION,
        closed(
            KEEP,
            {
                "for": told(DURATION, "How long runs stay after their end."),
                "runs": told(whole(1), "At most so many runs stay, the youngest."),
                "failed_for": told(DURATION, "How long runs that failed stay."),
            },
            minProperties=1,
        ),
    ),
    "How long runs stay after their end: a duration, or `{for: 30d, runs: 10000, failed_for: 90d}`.",
)


@dataclass(frozen=True, slots=True)
class Known:
    """What of a project is offered. It may change without the schema being made anew, so nothing is wrong by it.

    :param connections: type by name.
    :param webhooks: names of shared webhooks.
    :param scenarios: names, with the inputs of each as they are written.
    """

    connections: Mapping[str, str] = field(default_factory=dict)
    webhooks: Sequence[str] = ()
    scenarios: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def scenario_schema(registry: Registry, known: Known | None = None) -> Form:
    """The JSON Schema of scenario files, with these modules."""
    known = known or Known()
    modules = Modules(registry, known.connections)
    steps = Steps(modules, known.scenarios, list(known.webhooks))
    return {
        "$schema": DRAFT,
        "description": "What starts it, and the steps that follow.",
        **closed(SCENARIO, _scenario(modules, known), required=["scenario", "steps"]),
        "definitions": {
            **DEFINITIONS,
            **policies.DEFINITIONS,
            **steps.definitions(),
            **dict(sorted(modules.definitions.items())),
        },
    }


def _scenario(modules: Modules, known: Known) -> dict[str, Form]:
    return {
        "scenario": told(
            named("[a-z0-9][a-z0-9-]*", "Small letters, digits and -, such as vip-tier."),
            "Its name, unique in the project: small letters, digits, `-`.",
        ),
        "description": told(TEXT, "What it does, for people."),
        "active": told(BOOLEAN, "`false` switches it off.", default=True),
        "timezone": told(_ZONE, "The time zone of its schedule, such as `Europe/Berlin`.", default="UTC"),
        "inputs": told(
            mapped(_input(), IDENTIFIER.pattern, "Small letters, digits and _."),
            "What it is given when somebody starts it; `inputs.NAME` in expressions.",
            examples=[{"email": {"type": "string", "required": True, "format": "email"}}],
        ),
        "trigger": _trigger(modules, known),
        "vars": told(mapped(VALUE), "Variables with their first values; `vars.NAME` in expressions."),
        "subject": told(EXPRESSION, "Whom an event is about. The app's own answer when left out."),
        "keep": KEEP_FORM,
        "expect": told(_expect(), "How many runs there should be at least; fewer raise an alert."),
        "output": told(VALUE, "What a run gives: a value with expressions over everything that the steps gave."),
        "defaults": told(
            policies.DEFAULTS_FORM, "`retry`, `timeout` and `on_error` of all steps that say nothing themselves."
        ),
        "order_by": told(_order_by(), "Runs with the same key go one after another."),
        "concurrency": told(_concurrency(), "How many runs may be under way at a time, in all or for each key."),
        "mode": told(
            words(MODES, ("it waits for its turn", "it makes no run", "it takes the place of older runs that wait")),
            "What an event does whose key is busy.",
            default="queue",
        ),
        "dedupe": told(
            closed(
                DEDUPE,
                {
                    "key": told(EXPRESSION, "What events have in common; the sender's identity when left out."),
                    "within": told(DURATION, "For how long an event is known again."),
                },
                required=["within"],
            ),
            "Events that are the same: the later ones make no run.",
        ),
        "debounce": told(
            closed(
                DEBOUNCE,
                {
                    "key": told(EXPRESSION, "What events have in common."),
                    "for": told(DURATION, "The run begins when no event came for so long."),
                    "max": told(DURATION, "It begins at the latest so long after the first; ten times `for`."),
                },
                required=["for"],
            ),
            "One run for several events that come soon after one another.",
        ),
        "rate": told(
            named("[0-9]{1,9}/[0-9]*(ms|s|m|h|d)", "How many in which time, such as 100/m or 300/10s."),
            "How many runs may begin in a time, such as `100/m`; the others wait.",
            examples=["100/m"],
        ),
        "priority": told(
            words(PRIORITIES), "Its share of the room while runs of several scenarios wait.", default="normal"
        ),
        "steps": told(_STEPS, "What is done, in order."),
        "on_failure": told(_STEPS, "Steps that run when the run has failed for good; they see `error`."),
    }


def _trigger(modules: Modules, known: Known) -> Form:
    names = modules.names(WebhookTrigger, PollingTrigger)
    condition = told(CONDITION, "A condition over `trigger` and `request`; other events are filtered.")
    forms: dict[str, Form] = {
        "module": modules.name(names),
        "connection": modules.connection(),
        "webhook": told(
            TEXT,
            "The name of a shared webhook of `engine.yaml`; a URL of its own when left out.",
            **({"examples": list(known.webhooks)} if known.webhooks else {}),
        ),
        "respond_within": told(DURATION, "How long the sender is kept waiting where a step answers.", default="10s"),
        "every": told(DURATION, "How often the vendor is asked.", default="5m"),
        "start": told(_start(), "What is new when nothing was seen yet.", default="from_now"),
        "with": told({"type": ["object", "null"]}, "The trigger's settings, without expressions."),
        "schedule": told(_schedule(), "Started by the clock."),
        "if": condition,
    }
    undecided = {
        **forms,
        "module": told(forms["module"], "A trigger: `app.verb_object`. Its settings stand under `with`."),
    }
    every = closed(TRIGGER, undecided, anyOf=[{"required": ["module"]}, {"required": ["schedule"]}])
    by_clock = closed(("schedule", "if"), {key: forms[key] for key in ("schedule", "if")})
    by_module = [key for key in TRIGGER if key != "schedule"]
    kinds = [
        _only(names_, TRIGGER_KINDS[other])
        for names_, other in (
            (modules.names(PollingTrigger), "webhook"),
            (modules.names(WebhookTrigger), "polling"),
        )
        if names_
    ]
    called = {"allOf": [*modules.branches(names), *kinds, closed(by_module, {key: forms[key] for key in by_module})]}
    chosen = choose(("schedule", by_clock), ("module", called), otherwise=every)
    return told(
        {"type": "object", **chosen}, "What starts it: a `module` or a `schedule`. Without one it is started by hand."
    )


def _only(names: Sequence[str], keys: Sequence[str]) -> Form:
    """Keys of the other kind of trigger are wrong here."""
    return {
        "if": {"type": "object", "required": ["module"], "properties": {"module": {"enum": list(names)}}},
        "then": {"properties": dict.fromkeys(keys, False)},
    }


def _start() -> Form:
    since = told(ANY_TEXT, "An ISO time with its zone, or a date.")
    return any_of(
        words(("from_now", "all"), ("what comes after the first look", "all records that are there")),
        closed(("since",), {"since": since}, required=["since"]),
    )


def _schedule() -> Form:
    cron = named(r"\s*(?:@[a-z]+|(?:\S+\s+){4}\S+)\s*", "Five fields: minute, hour, day of the month, month, weekday.")
    return closed(
        SCHEDULE,
        {
            "cron": told(
                any_of(cron, listed(cron, 1)),
                "Minute, hour, day of the month, month, day of the week; or a list of such texts.",
                examples=["0 6 * * 1-5", "@hourly"],
            ),
            "every": told(DURATION, "An interval, counted from 1970-01-01 in UTC.", examples=["15m"]),
            "at": told(ANY_TEXT, "One moment: an ISO time."),
            "offset": told(DURATION, "Shifts `every`, by less than the interval."),
            "timezone": told(_ZONE, "The time zone of `cron` and `at`; that of the scenario when left out."),
            "missed": told(
                words(list(Missed)), "What becomes of moments that passed while nothing ran.", default="once"
            ),
            "limit": told(whole(1, MOST_LIMIT), "Of `missed: all`: how many are run, the newest.", default=100),
        },
        oneOf=[{"required": [kind]} for kind in SCHEDULE_KINDS],
        dependencies={"offset": ["every"]},
    )


def _input() -> Form:
    kinds = words(TYPES)
    keywords: dict[str, Form] = {keyword: {} for keyword in KEYWORDS}
    keywords |= {
        "type": told(kinds, "Of what type it is."),
        "description": told(TEXT, "What it is, for people."),
        "default": told(VALUE, "Its value when it is not given."),
        "format": told(words(FORMATS), "The form of a text; it is checked."),
        "required": told(BOOLEAN, "Whether it must be given.", default=False),
    }
    return any_of(kinds, closed((*KEYWORDS, "required"), keywords))


def _expect() -> Form:
    return closed(
        EXPECT,
        {
            "at_least": told(whole(1), "How many runs it should hold.", default=1),
            "within": told(DURATION, "The window that is looked at, at least `1m`."),
            "of": told(words(("successes", "runs")), "What is counted.", default="successes"),
        },
        required=["within"],
    )


def _order_by() -> Form:
    return any_of(
        EXPRESSION,
        closed(
            ORDER_BY,
            {
                "key": told(EXPRESSION, "Runs with the same key go one after another."),
                "group": told(
                    named("[a-z0-9][a-z0-9-]*", "Small letters, digits and -."),
                    "Scenarios with the same group and key wait for one another.",
                ),
                "waiting": told(_WAITING, "What a run does while it sleeps, waits or is held.", default="hold"),
            },
            required=["key"],
        ),
    )


def _concurrency() -> Form:
    return any_of(
        whole(1),
        closed(
            CONCURRENCY,
            {
                "limit": told(whole(1), "How many at a time for each key.", default=1),
                "key": told(EXPRESSION, "What runs have in common."),
                "waiting": told(_WAITING, "What a run does while it sleeps, waits or is held."),
            },
            required=["key"],
        ),
    )
