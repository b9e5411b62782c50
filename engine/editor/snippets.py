"""A beginning for each kind of step, which editors offer where a step can stand."""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.editor.forms import Form


class Snippet(NamedTuple):
    """A step with places to fill in, as editors know them: ``${1:text}``; a ``$`` of the text is ``\\$``."""

    description: str
    body: dict[str, Any]


#: by the kind of step that it begins
SNIPPETS: dict[str, Snippet] = {
    "module": Snippet(
        "Call a module.", {"id": "${1:step}", "module": "${2:log.write_entry}", "with": {"${3:message}": "${4:text}"}}
    ),
    "foreach": Snippet(
        "Go over a list.",
        {
            "foreach": "\\${{ ${1:trigger.items} }}",
            "as": "${2:one}",
            "steps": [{"set": {"${3:name}": "\\${{ ${2:one} }}"}}],
        },
    ),
    "set": Snippet("Set variables.", {"set": {"${1:name}": "${2:value}"}}),
    "sleep": Snippet("Wait for a time.", {"sleep": "${1:60s}"}),
    "sleep_until": Snippet("Wait until a moment.", {"sleep_until": "\\${{ ${1:trigger.at} }}"}),
    "wait_for": Snippet(
        "Wait for a signal, a person or an event.",
        {"id": "${1:answer}", "wait_for": {"${2|signal,approval|}": "${3:name}", "timeout": "${4:24h}"}},
    ),
    "call": Snippet(
        "Start a run of another scenario.",
        {"id": "${1:called}", "call": "${2:scenario}", "with": {"${3:input}": "${4:value}"}},
    ),
    "respond": Snippet(
        "Answer the sender of the webhook.", {"respond": {"status": 200, "body": {"${1:ok}": "${2:true}"}}}
    ),
    "stop": Snippet("End the run.", {"stop": "${1|success,failure|}", "message": "${2:why}"}),
    "route": Snippet(
        "Take one of several ways.",
        {
            "route": [
                {"name": "${1:name}", "if": "\\${{ ${2:condition} }}", "steps": [{"set": {"${3:name}": "${4:value}"}}]}
            ],
            "otherwise": [{"set": {"${5:name}": "${6:value}"}}],
        },
    ),
    "parallel": Snippet(
        "Do several things side by side.",
        {
            "parallel": {
                "${1:one}": [{"set": {"${2:name}": "${3:value}"}}],
                "${4:other}": [{"set": {"${5:other_name}": "${6:value}"}}],
            }
        },
    ),
    "repeat": Snippet(
        "Do it again until a condition is true.",
        {"repeat": {"until": "\\${{ ${1:condition} }}", "max": 10}, "steps": [{"sleep": "${2:30s}"}]},
    ),
    "steps": Snippet(
        "Do it under a condition.",
        {
            "if": "\\${{ ${1:condition} }}",
            "steps": [{"set": {"${2:name}": "${3:value}"}}],
            "else": [{"set": {"${2:name}": "${4:value}"}}],
        },
    ),
}


def snippets() -> list[Form]:
    """As the YAML language server reads them."""
    return [
        {"label": f"step: {'if' if kind == 'steps' else kind}", "description": one.description, "body": one.body}
        for kind, one in SNIPPETS.items()
    ]
