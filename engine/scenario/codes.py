"""Every check there is: what it says, why, a wrong example and the right one.

Those of values are in ``codes_values``. Examples use a made-up app ``crm``. Those that do not begin with ``scenario:``
are steps. ``docs/reference/checks.md`` is made from this list.
"""

from __future__ import annotations

from engine.scenario.codes_base import CUSTOMER, POLLING, STREAM, TRIGGER, Code
from engine.scenario.codes_values import VALUE_CODES
from engine.scenario.diagnostics import Severity

_WARNING = Severity.WARNING
_HINT = Severity.HINT


def example(text: str) -> str:
    """An example of the list as a whole scenario."""
    return text if text.startswith(("scenario:", "%", "#")) else f"scenario: example\nsteps:\n{text}"


def checks_page() -> str:
    """The reference page of all checks, as Markdown."""
    parts = [_HEAD]
    for name, code in CODES.items():
        level = f"{code.severity}, can be silenced" if code.doubt else str(code.severity)
        parts.append(f"## {name}\n\n*{level}* · {code.meaning}\n\n{code.reason}\n")
        if code.wrong:
            parts.append(f"Wrong:\n\n```yaml\n{code.wrong}```\n\nRight:\n\n```yaml\n{code.right}```\n")
    return "\n".join(parts)


_HEAD = """# Checks

What `engine check` looks for before a scenario runs. All mistakes are shown at once, each as
`file:line:col: severity[code]: message (what to do)` with the line and a caret.

- An *error* keeps the scenario from being loaded, and `engine check` ends with exit code 1.
- A *warning* is shown; `engine check --strict` ends with exit code 1 because of it.
- A *hint* is shown by `engine check --level hint`, and by editors.

A comment that names a check keeps it quiet, at the end of the line or alone in a line above it, with a reason if you
like:

```yaml
scenario: example
trigger:
  module: http.watch_webhook
steps:
  # engine: ignore[unused-variable] the reports read it from the history
  - set: {seen: true}
```

All warnings and hints can be silenced, and those errors of which this page says so: they doubt the types of values, and
a run could go well in spite of them. A comment that silences nothing is a hint itself, `unused-ignore`.

This page is made from the list of checks in `engine/scenario/`.
"""

CODES: dict[str, Code] = {
    # YAML
    "yaml-syntax": Code(
        "The file is not YAML.",
        "Nothing after the place can be understood, so it is the last mistake shown for this file.",
        "  - set: {a: 1\n",
        "  - set: {a: 1}\n",
    ),
    "yaml-tab": Code(
        "A tab indents a line.",
        "YAML allows only spaces there.",
        "  - set:\n\t    a: 1\n",
        "  - set:\n      a: 1\n",
    ),
    "yaml-encoding": Code("The file is not UTF-8.", "Letters would come out as others."),
    "yaml-character": Code(
        "A control character, or a line end that only some programs know, stands in the file.",
        "Programs would disagree on what the file says. In double quotes such a character can be written as `\\u0007`.",
    ),
    "yaml-size": Code("The file has more than 1,000,000 bytes.", "What is read must stay bounded."),
    "yaml-nodes": Code(
        "The file has more than 20,000 values, each alias counted as what it stands for.",
        "A few lines of aliases could otherwise fill the memory.",
    ),
    "yaml-depth": Code(
        "Lists and mappings are nested more than 64 levels deep.", "What is read must stay bounded; nobody reads that."
    ),
    "yaml-duplicate-key": Code(
        "A mapping has the same key twice.",
        "One of the two values would silently be lost.",
        "  - set: {a: 1, a: 2}\n",
        "  - set: {a: 1, b: 2}\n",
    ),
    "yaml-key": Code(
        "A key is no text.",
        "JSON knows only texts as keys. Numbers and words are taken as the text that they are.",
        "  - set:\n      ? [a, b]\n      : 1\n",
        "  - set:\n      ab: 1\n",
    ),
    "yaml-merge": Code(
        "The merge key `<<` is used.",
        "YAML 1.2 has none; other programs would take it for an ordinary key.",
        "  - set:\n      a: &a {x: 1}\n      b: {<<: *a, y: 2}\n",
        "  - set:\n      a: {x: 1}\n      b: {x: 1, y: 2}\n",
    ),
    "yaml-alias": Code(
        "An alias refers to nothing before it, or to what it stands in.",
        "A text that begins with `*` must be quoted.",
        "  - set: {a: *b}\n",
        "  - set: {a: '*b'}\n",
    ),
    "yaml-tag": Code(
        "A tag (`!…`) is used.",
        "Values are JSON. A text that begins with `!` must be quoted.",
        "  - set: {a: !important x}\n",
        "  - set: {a: '!important x'}\n",
    ),
    "yaml-number": Code(
        "A number is infinite, not a number, or too large.",
        "JSON cannot say it.",
        "  - set: {a: .inf}\n",
        "  - set: {a: '.inf'}\n",
    ),
    "yaml-documents": Code(
        "The file has a second document.",
        "One file holds one scenario.",
        "scenario: one\nsteps: []\n---\nscenario: two\nsteps: []\n",
        "scenario: one\nsteps: []\n",
    ),
    "yaml-directive": Code(
        "A line begins with `%`.",
        "Directives of YAML are not needed, and could change what the rest means.",
        "%YAML 1.1\n---\nscenario: one\nsteps: []\n",
        "scenario: one\nsteps: []\n",
    ),
    "yaml-expression-flow": Code(
        "An expression inside `{…}` or `[…]` is not quoted.",
        "YAML takes its braces for its own.",
        "  - set: {a: ${{ run.id }}}\n",
        '  - set: {a: "${{ run.id }}"}\n',
    ),
    "yaml-expression-dollar": Code(
        "An expression without its dollar is not quoted.",
        "`{{ x }}`, as expressions are written in other tools, is a mapping in a mapping to YAML.",
        "  - set:\n      a: {{ run.id }}\n",
        "  - set:\n      a: ${{ run.id }}\n",
    ),
    "yaml-expression-colon": Code(
        "An expression that is not quoted has `: ` in it or behind it.",
        "YAML makes a key of what stands before the colon.",
        "  - set:\n      a: ${{ {id: run.id} }}\n",
        '  - set:\n      a: "${{ {id: run.id} }}"\n',
    ),
    "yaml-expression-comment": Code(
        "An expression that is not quoted has ` #` in it.",
        "The rest would be a comment, and the expression cut short.",
        "  - set:\n      a: ${{ join(' #', ['a', run.id]) }}\n",
        "  - set:\n      a: \"${{ join(' #', ['a', run.id]) }}\"\n",
    ),
    "yaml-expression-quotes": Code(
        "The quotes around an expression end inside it.",
        "Inside an expression, texts stand in single quotes; around it, double ones.",
        '  - set:\n      a: "${{ run.id == "a" }}"\n',
        "  - set:\n      a: \"${{ run.id == 'a' }}\"\n",
    ),
    # the scenario as a whole
    "no-scenario": Code(
        "The file holds no scenario: it is empty, a list, or a single value.",
        "A scenario is a mapping of keys, and begins with its name.",
        "# nothing yet\n",
        "scenario: example\nsteps: []\n",
    ),
    "scenario-name": Code(
        "The name has letters that a name cannot have.",
        "Names stand in file names, URLs and commands: small letters, digits and `-`.",
        "scenario: VIP tier\nsteps: []\n",
        "scenario: vip-tier\nsteps: []\n",
    ),
    "duplicate-scenario": Code("Two files have scenarios of one name.", "Runs are found by the scenario's name."),
    "missing-key": Code(
        "A key is left out that must be there.",
        "There is nothing that could be meant instead.",
        "scenario: example\n",
        "scenario: example\nsteps: []\n",
    ),
    "unknown-key": Code(
        "The language has no such key here.",
        "A misspelt key would silently do nothing.",
        f"{CUSTOMER}    tiemout: 5s\n",
        f"{CUSTOMER}    timeout: 5s\n",
    ),
    "wrong-value": Code(
        "A value is not of the kind that its key wants.",
        "Quotes make a text of a number; `true` and `false` are the only booleans.",
        "scenario: example\nactive: yes\nsteps: []\n",
        "scenario: example\nactive: true\nsteps: []\n",
    ),
    "duration": Code(
        "A duration is none, has no unit, or is nothing.",
        "Durations are `500ms`, `60s`, `5m`, `2h`, `30d`.",
        f"{CUSTOMER}    timeout: 30\n",
        f"{CUSTOMER}    timeout: 30s\n",
    ),
    "timeout": Code(
        "One try may take longer than the whole step.",
        "The step's time ends the try, so that the try's own time would never be met.",
        "  - set: {a: 1}\n    timeout: {try: 5m, step: 1m}\n",
        "  - set: {a: 1}\n    timeout: {try: 1m, step: 5m}\n",
    ),
    "nothing-to-undo": Code(
        "A `rollback` can undo nothing.",
        "No step that ends before it has an `undo`: the run would just fail. A step that fails is not undone itself.",
        "  - set: {a: 1}\n    on_error: rollback\n",
        "  - set: {a: 1}\n    undo:\n      - set: {a: 0}\n  - set: {b: 1}\n    on_error: rollback\n",
        _WARNING,
    ),
    "not-here": Code(
        "A step stands where it cannot do what it is for.",
        "In `undo` and `on_failure` the run has its outcome already, and `finally` runs whatever the outcome is: none "
        "of them can end the run or roll it back, and what they do is not undone.",
        "  - set: {a: 1}\n    finally:\n      - stop: success\n",
        "  - set: {a: 1}\n  - stop: success\n",
    ),
    "retry": Code(
        "A `retry` makes no sense.",
        "It would not do what its writer thought.",
        f"{CUSTOMER}    retry: {{from: 5m, to: 2s}}\n",
        f"{CUSTOMER}    retry: {{from: 2s, to: 5m}}\n",
    ),
    # steps
    "moment": Code(
        "A moment is not written as one.",
        "An hour without a zone would mean another moment on each machine. A date is the beginning of that day in UTC.",
        '  - sleep_until: "2026-03-05T09:00:00"\n',
        '  - sleep_until: "2026-03-05T09:00:00+01:00"\n',
    ),
    "wait-kind": Code(
        "A `wait_for` waits for nothing, or for several things.",
        "It waits for a signal, an approval, or an event of a webhook or module.",
        "  - id: paid\n    wait_for: {signal: paid, approval: Is it paid?}\n",
        "  - id: paid\n    wait_for: {signal: paid}\n",
    ),
    "signal-name": Code(
        "A signal has a name that it cannot have.",
        "Signals are named on the command line and in addresses: letters, digits, `.`, `_` and `-`.",
        "  - id: paid\n    wait_for: {signal: is it paid}\n",
        "  - id: paid\n    wait_for: {signal: paid}\n",
    ),
    "match-key": Code(
        "A `match` has no equality between a field of the event and a value of the run.",
        "By `event.FIELD == VALUE` the run that wants an event is found among all that wait. Without it each event is"
        " tested against every waiting run, up to a thousand of them.",
        "  - id: paid\n    wait_for: {webhook: orders, match: '${{ event.total > 10 }}'}\n",
        "  - id: paid\n    wait_for: {webhook: orders, match: '${{ event.run == run.id and event.total > 10 }}'}\n",
        _WARNING,
    ),
    "approval-unknown": Code(
        "`approval_link()` names a step that asks for no approval.",
        "There would be no link.",
        "  - set: {link: \"${{ approval_link('okay') }}\"}\n  - id: ok\n    wait_for: {approval: Is it right?}\n",
        "  - set: {link: \"${{ approval_link('ok') }}\"}\n  - id: ok\n    wait_for: {approval: Is it right?}\n",
    ),
    "parallel-variable": Code(
        "Two branches of a `parallel` set one variable.",
        "Neither is before the other, so that nothing would say which value is left.",
        "  - parallel:\n      a:\n        - set: {x: 1}\n      b:\n        - set: {x: 2}\n",
        "  - parallel:\n      a:\n        - set: {x: 1}\n      b:\n        - set: {y: 2}\n",
    ),
    "repeat-kind": Code(
        "A `repeat` does not say how often, or says it twice.",
        "It goes by `times`, by `while` or by `until`.",
        "  - repeat: {max: 3}\n    steps:\n      - set: {a: 1}\n",
        "  - repeat: {times: 3}\n    steps:\n      - set: {a: 1}\n",
    ),
    "step-kind": Code(
        "A step does nothing, or is of two kinds.",
        "Each step does one thing: call a module, choose, loop, set or stop.",
        "  - if: ${{ run.attempt > 1 }}\n    set: {again: true}\n    stop: success\n",
        "  - if: ${{ run.attempt > 1 }}\n    steps:\n      - set: {again: true}\n      - stop: success\n",
    ),
    "id-missing": Code(
        "A step that calls a module has no `id`.",
        "The id names the call in the journal and the ledger, whatever is moved around it.",
        "  - module: crm.get_customer\n    connection: crm\n    with: {id: 7}\n",
        CUSTOMER,
    ),
    "bad-id": Code(
        "An id has letters that an id cannot have.",
        "Ids are names in expressions: small letters, digits and `_`, a letter first.",
        "  - id: the-customer\n    set: {a: 1}\n",
        "  - id: the_customer\n    set: {a: 1}\n",
    ),
    "reserved-id": Code(
        "An id is a name that the language uses itself.",
        "The step's output would hide it.",
        "  - id: run\n    set: {a: 1}\n",
        "  - id: first_run\n    set: {a: 1}\n",
    ),
    "duplicate-id": Code(
        "Two steps have one id.",
        "Ids name outputs and journal entries of the whole scenario.",
        "  - id: one\n    set: {a: 1}\n  - id: one\n    set: {b: 1}\n",
        "  - id: one\n    set: {a: 1}\n  - id: two\n    set: {b: 1}\n",
    ),
    "collect-unused": Code(
        "A `foreach` collects values and has no `id`.",
        "Without one, nothing can use the list.",
        "  - foreach: ${{ ['a', 'b'] }}\n    collect: ${{ item }}\n    steps: []\n",
        "  - id: letters\n    foreach: ${{ ['a', 'b'] }}\n    collect: ${{ item }}\n    steps: []\n",
        _WARNING,
    ),
    "batch-and-group": Code(
        "A loop has `batch` and `group_by`.",
        "Its items come in batches or in groups; a group can be cut into batches by a loop inside.",
        "  - foreach: ${{ [1, 2, 3] }}\n    batch: 2\n    group_by: ${{ item }}\n    steps: []\n",
        "  - foreach: ${{ [1, 2, 3] }}\n    group_by: ${{ item }}\n    steps: []\n",
    ),
    "stream-with-undo": Code(
        "A loop goes over a search's stream, and a step in it has an `undo`.",
        "What a rollback needs of each item stays with the run, so that a long stream fills `limits.run`.",
        STREAM.format("        undo:\n          - set: {undone: true}\n"),
        STREAM.format(""),
        _WARNING,
    ),
    # calls of other scenarios
    "call-unknown": Code(
        "No scenario of the project has the name that is called.",
        "The call would fail. Of a project, all files count, not only those that are checked.",
    ),
    "call-not-startable": Code(
        "The scenario that is called is started by its trigger alone.",
        "A scenario with a trigger can be called when it declares `inputs`, so that it can tell what it is given.",
    ),
    "call-inactive": Code(
        "The scenario that is called is not active.",
        "The call would fail until it is.",
        severity=_WARNING,
    ),
    "call-retry": Code(
        "A `call` has a `retry`.",
        "The steps of the scenario that is called are tried again as they say themselves. Trying it as a whole would "
        "do again what was done.",
        "  - id: tier\n    call: vip-tier\n    retry: {attempts: 5}\n",
        "  - id: tier\n    call: vip-tier\n",
    ),
    "call-wait": Code(
        "A call that is not waited for says how long it is, or one without a time says what happens when that is over.",
        "It would never be come to.",
        "  - id: tier\n    call: vip-tier\n    wait: false\n    timeout: 5m\n",
        "  - id: tier\n    call: vip-tier\n    timeout: 5m\n",
    ),
    "call-cycle": Code(
        "A scenario calls itself, directly or through others.",
        "Runs would start runs for ever.",
    ),
    "call-deadlock": Code(
        "A run keeps its place under a key while it waits for a run that may have to wait for that place.",
        "Neither would ever go on. The order is the caller's to keep; what it calls needs none.",
    ),
    # answers to webhooks
    "respond-status": Code(
        "The `status` of an answer is none.",
        "An HTTP answer has a number from 200 to 599.",
        f"{TRIGGER}steps:\n  - respond: {{status: ok}}\n",
        f"{TRIGGER}steps:\n  - respond: {{status: 200}}\n",
    ),
    "respond-header": Code(
        "A header of an answer is none, or is not the scenario's to set.",
        "How many bytes there are, and how they are sent, the engine says itself.",
        f"{TRIGGER}steps:\n  - respond: {{headers: {{Content-Length: 7}}}}\n",
        f"{TRIGGER}steps:\n  - respond: {{headers: {{X-Answer: 7}}}}\n",
    ),
    "respond-nobody": Code(
        "A scenario answers, and no webhook starts it.",
        "Nobody would get the answer. What a called scenario gives is its `output`.",
        "  - respond: {status: 200}\n",
        f"{TRIGGER}steps:\n  - respond: {{status: 200}}\n",
    ),
    "respond-twice": Code(
        "A way through the scenario comes by two answers.",
        "The first one counts; the second would do nothing.",
        f"{TRIGGER}steps:\n  - if: ${{{{ trigger.total > 9 }}}}\n    steps:\n      - respond: {{status: 400}}\n"
        "  - respond: {status: 200}\n",
        f"{TRIGGER}steps:\n  - if: ${{{{ trigger.total > 9 }}}}\n    steps:\n      - respond: {{status: 400}}\n"
        "      - stop: success\n  - respond: {status: 200}\n",
        _WARNING,
    ),
    "respond-shared": Code(
        "Two scenarios listen at one webhook, and both answer its sender.",
        "A sender gets one answer; which one would be chance.",
    ),
    # modules, connections, webhooks
    "unknown-module": Code(
        "No installed app has this module.",
        "When its app could not be loaded, the message says why.",
        "  - id: customer\n    module: crm.fetch_customer\n    connection: crm\n    with: {id: 7}\n",
        CUSTOMER,
    ),
    "data-unknown": Code(
        "`engine.yaml` declares no data store of this name.",
        "The step would fail in each run. What `engine.yaml` says of the records' schema is known in expressions too.",
    ),
    "module-kind": Code(
        "A step calls a trigger.",
        "Triggers start scenarios.",
        "  - id: orders\n    module: crm.watch_orders\n",
        "  - id: orders\n    module: crm.list_orders\n",
    ),
    "trigger-kind": Code(
        "The trigger's module does not start scenarios.",
        "Only a trigger does.",
        "scenario: example\ntrigger:\n  module: crm.list_orders\nsteps: []\n",
        f"{TRIGGER}steps: []\n",
    ),
    "trigger-expression": Code(
        "The trigger's `with` holds an expression.",
        "It is read before there is an event.",
        f'{TRIGGER}  with:\n    events: ["${{{{ trigger.kind }}}}"]\nsteps: []\n',
        f"{TRIGGER}  with:\n    events: [order]\nsteps: []\n",
    ),
    "trigger-key": Code(
        "The trigger has a key of another kind of trigger.",
        "`webhook` belongs to triggers whose vendor calls a URL, `every` and `start` to those that ask the vendor.",
        f"{TRIGGER}  every: 5m\nsteps: []\n",
        f"{POLLING}  every: 5m\nsteps: []\n",
    ),
    "poll-start": Code(
        "The `start` of a polling trigger is none, or its trigger cannot begin there.",
        "`since` needs a moment, and a trigger that knows when its records changed.",
        f"{POLLING}  start: {{since: yesterday}}\nsteps: []\n",
        f"{POLLING}  start: {{since: 2024-03-05T09:00:00Z}}\nsteps: []\n",
    ),
    "ordering": Code(
        "Keys that say when runs begin do not go together, or one is none.",
        "Runs would be skipped, put off or let through otherwise than meant.",
        "scenario: example\nmode: skip\nsteps: []\n",
        "scenario: example\nconcurrency: 1\nmode: skip\nsteps: []\n",
    ),
    "key-waits": Code(
        "A run waits for long while it holds the key that other runs wait for.",
        "Each later event of the key waits as long; that may be what is meant.",
        "scenario: example\norder_by: ${{ trigger.email }}\nsteps:\n- sleep: 2d\n",
        'scenario: example\norder_by: {key: "${{ trigger.email }}", waiting: release}\nsteps:\n- sleep: 2d\n',
        _WARNING,
    ),
    "schedule": Code(
        "A schedule is none, or has keys that do not go together.",
        "It would fire at another time than meant, or never.",
        'scenario: example\ntrigger:\n  schedule: {cron: "0 25 * * *"}\nsteps: []\n',
        'scenario: example\ntrigger:\n  schedule: {cron: "0 5 * * *"}\nsteps: []\n',
    ),
    "clock-change": Code(
        "A schedule names a time of day at which clocks are changed.",
        "On one day of the year there is no such time, on another there are two. It fires once on both, but perhaps not"
        " when it was meant.",
        'scenario: example\ntimezone: Europe/Berlin\ntrigger:\n  schedule: {cron: "30 2 * * *"}\nsteps: []\n',
        'scenario: example\ntimezone: Europe/Berlin\ntrigger:\n  schedule: {cron: "30 4 * * *"}\nsteps: []\n',
        _HINT,
    ),
    "timezone": Code(
        "There is no such time zone.",
        "Names are those of the IANA database. Short ones such as `CEST` stand for an offset, not for a place that sets"
        " its clocks, and many are not in it.",
        "scenario: example\ntimezone: Europe/Berln\nsteps: []\n",
        "scenario: example\ntimezone: Europe/Berlin\nsteps: []\n",
    ),
    "input": Code(
        "An input of the scenario is not right: its name, its type, its schema, or its default.",
        "Whoever starts the scenario would be refused what was meant, or a run would begin with what no step expects.",
        "scenario: example\ninputs:\n  points: {type: integer, default: ten}\nsteps: []\n",
        "scenario: example\ninputs:\n  points: {type: integer, default: 10}\nsteps: []\n",
    ),
    "webhook-unknown": Code(
        "`engine.yaml` declares no webhook of this name.",
        "The scenario would never receive anything.",
        f"{TRIGGER}  webhook: order\nsteps: []\n",
        f"{TRIGGER}  webhook: orders\nsteps: []\n",
    ),
    "connection-missing": Code(
        "The module needs a connection and the step names none.",
        "Even a single connection is named, so that a second one changes nothing.",
        "  - id: customer\n    module: crm.get_customer\n    with: {id: 7}\n",
        CUSTOMER,
    ),
    "connection-unknown": Code(
        "`connections.yaml` has no connection of this name.",
        "The call could not be made.",
        CUSTOMER.replace("connection: crm", "connection: cmr"),
        CUSTOMER,
    ),
    "connection-type": Code(
        "The connection is of another type than the module needs.",
        "It leads to another vendor.",
        CUSTOMER.replace("connection: crm", "connection: letters"),
        CUSTOMER,
    ),
    "connection-not-needed": Code(
        "The module uses no connection and the step names one.",
        "It looks as if a secret went there.",
        "  - id: note\n    module: crm.note\n    connection: crm\n",
        "  - id: note\n    module: crm.note\n",
    ),
    "config-key": Code(
        "The module has no such key.",
        "The vendor would never see the value.",
        CUSTOMER.replace("{id: 7}", "{id: 7, with_histroy: true}"),
        CUSTOMER.replace("{id: 7}", "{id: 7, with_history: true}"),
    ),
    "config-missing": Code(
        "A key is left out that the module needs.",
        "The call would be refused.",
        CUSTOMER.replace("{id: 7}", "{with_history: true}"),
        CUSTOMER.replace("{id: 7}", "{with_history: true, id: 7}"),
    ),
    "config-type": Code(
        "A value is of another type than the module wants.",
        "Values are not converted, so that what is sent is what is written. An expression may give any type.",
        CUSTOMER.replace("{id: 7}", '{id: "7"}'),
        CUSTOMER,
    ),
    "config-value": Code(
        "A value has the right type and is not allowed.",
        "The module's schema says which are.",
        CUSTOMER.replace("{id: 7}", "{id: -7}"),
        CUSTOMER,
    ),
    "output-unknown": Code(
        "The app cannot tell what the module gives under this config.",
        "The fields of its output are not checked. This is a mistake of the app.",
        severity=_WARNING,
    ),
    # expressions
    "expression-syntax": Code(
        "An expression cannot be read.",
        "The caret stands at the character that cannot be there.",
        "  - set:\n      a: ${{ run.attempt >> 1 }}\n",
        "  - set:\n      a: ${{ run.attempt > 1 }}\n",
    ),
    "unknown-function": Code(
        "There is no function of this name.",
        "The reference lists all functions.",
        "  - set:\n      a: ${{ len(run.id) }}\n",
        "  - set:\n      a: ${{ length(run.id) }}\n",
    ),
    "expression-wanted": Code(
        "Something else than one expression stands where one is wanted.",
        "A text is always the same; a condition written so would never change.",
        "  - if: run.attempt > 1\n    steps: []\n",
        "  - if: ${{ run.attempt > 1 }}\n    steps: []\n",
    ),
    "expression-here": Code(
        "An expression stands where none is evaluated.",
        "Names, connections and the like are known before there is data.",
        f"{CUSTOMER}    name: ${{{{ run.id }}}}\n",
        f"{CUSTOMER}    name: the customer\n",
    ),
    "expression-key": Code(
        "A key is an expression.",
        "Keys are written out, so that it is known what is sent.",
        '  - set:\n      "${{ run.id }}": 1\n',
        '  - set:\n      run_id: "${{ run.id }}"\n',
    ),
    "unknown-name": Code(
        "Nothing is named so where the expression stands.",
        "It would always be null.",
        f"{CUSTOMER}  - set:\n      a: ${{{{ custmer.email }}}}\n",
        f"{CUSTOMER}  - set:\n      a: ${{{{ customer.email }}}}\n",
    ),
    "step-not-run": Code(
        "A step is named that cannot have run here: it runs later, in the other branch, or inside a loop.",
        "It would always be null.",
        f"  - set:\n      a: ${{{{ customer.email }}}}\n{CUSTOMER}",
        f"{CUSTOMER}  - set:\n      a: ${{{{ customer.email }}}}\n",
    ),
    # what is known of values
    **VALUE_CODES,
}
