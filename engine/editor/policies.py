"""What any step may say about failing, and what scenario and project say for all of them."""

from __future__ import annotations

from engine.editor.forms import (
    DURATION,
    VALUE,
    Form,
    any_of,
    closed,
    listed,
    ref,
    told,
    whole,
    words,
)
from engine.scenario.keys import DEFAULTS, ON_ERROR, ON_ERROR_KEYS, RETRY, TIMEOUT
from engine.scenario.schedules import SCHEDULES
from engine.sdk.errors import STANDARD_TYPES

_ON_ERROR_WORDS = {
    "fail": "the run fails",
    "ignore": "it goes on; the output is null",
    "hold": "it waits for a person",
    "commit": "the run ends here, as succeeded",
    "rollback": "what was done is undone in reverse, and the run fails",
}
_SCHEDULE = any_of(words(SCHEDULES), listed(DURATION, 1))
_HOLD = closed(
    ("retry",),
    {"retry": told(_SCHEDULE, "When it is tried again by itself: a list of waits, or one of the named schedules.")},
    description="It waits for a person, and is tried again by itself.",
)
_WORDS = words(ON_ERROR, [_ON_ERROR_WORDS[word] for word in ON_ERROR])

RETRY_FORM = told(
    closed(
        RETRY,
        {
            "attempts": told(whole(1), "Tries in all, the first included.", default=3),
            "backoff": told(
                words(("exponential", "fixed"), ("each wait doubles", "all waits are the same")),
                "How the waits grow.",
                default="exponential",
            ),
            "from": told(DURATION, "The first wait.", default="1s"),
            "to": told(DURATION, "The longest wait; one that the vendor asks for may be longer.", default="60s"),
            "jitter": told(
                {"type": "number", "minimum": 0, "maximum": 1},
                "The share of each wait that is left to chance, 0 to 1.",
                default=0.1,
            ),
            "on": told(
                listed(words(STANDARD_TYPES), 1),
                "The error types that are tried again; those that can pass by themselves when left out.",
            ),
        },
    ),
    "How often a failed call is tried again, and when. Of a group or a loop it is the default of the steps in it.",
    examples=[{"attempts": 5, "backoff": "exponential", "from": "2s", "to": "5m"}],
)
TIMEOUT_FORM = told(
    any_of(
        DURATION,
        closed(
            TIMEOUT,
            {
                "try": told(DURATION, "How long one try may take."),
                "step": told(DURATION, "How long the whole step may take, tries and waits included."),
            },
        ),
    ),
    "How long the whole step may take, tries and waits included; or `{try: 20s, step: 5m}`.",
    examples=["30s"],
)


def _on_error(*more: Form) -> Form:
    keys = closed(ON_ERROR_KEYS, {"resume": told(VALUE, "The output to go on with."), "hold": _HOLD}, maxProperties=1)
    return told(any_of(_WORDS, *more, keys), "What happens when the step has failed for good.", default="fail")


ON_ERROR_FORM = _on_error(listed(ref("step"), 1))
#: one that is for all steps, and has none of its own
_DEFAULT_ON_ERROR = told(
    any_of(_WORDS, {"type": "object", "additionalProperties": False, "properties": {"hold": _HOLD}}),
    "What happens when a step has failed for good that says nothing itself.",
    default="fail",
)


DEFAULTS_FORM = closed(
    DEFAULTS,
    {
        "retry": RETRY_FORM,
        "timeout": told(TIMEOUT_FORM, "How long steps that call a module may take, where they say nothing."),
        "on_error": _DEFAULT_ON_ERROR,
    },
)
DEFINITIONS = {"retry": RETRY_FORM, "timeout": TIMEOUT_FORM, "on_error": ON_ERROR_FORM}
