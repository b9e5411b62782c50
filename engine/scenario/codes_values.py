"""The checks of values: what is known of them, and what is doubtful about it."""

from __future__ import annotations

from engine.scenario.codes_base import CUSTOMER, ORDERS, Code
from engine.scenario.diagnostics import Severity

_WARNING = Severity.WARNING
_HINT = Severity.HINT

VALUE_CODES: dict[str, Code] = {
    "unknown-field": Code(
        "The value has no such field.",
        "An event or output whose schema names its fields has no others, unless the schema says so with"
        " `additionalProperties`. A field that the vendor sends and the app does not know yet can be reached through"
        " `not_null(customer).new_field`, which is not checked.",
        f"{CUSTOMER}  - set:\n      a: ${{{{ customer.emial }}}}\n",
        f"{CUSTOMER}  - set:\n      a: ${{{{ customer.email }}}}\n",
        doubt=True,
    ),
    "unlike-types": Code(
        "A comparison of values of unlike types.",
        "A number and a text are never equal, and there is no order between them: the run would fail there.",
        f"{ORDERS}  - if: ${{{{ trigger.total > '500' }}}}\n    steps: []\n",
        f"{ORDERS}  - if: ${{{{ trigger.total > 500 }}}}\n    steps: []\n",
        doubt=True,
    ),
    "impossible-value": Code(
        "A comparison with a value that the other side cannot have.",
        "It is always false, or always true; mostly a slip in writing. A value that the vendor has added since can be"
        " silenced.",
        f"{ORDERS}  - if: ${{{{ trigger.channel == 'webb' }}}}\n    steps: []\n",
        f"{ORDERS}  - if: ${{{{ trigger.channel == 'web' }}}}\n    steps: []\n",
        _WARNING,
    ),
    "condition-type": Code(
        "A condition can never be true or false.",
        "A condition must be a boolean, null counts as false; anything else stops the run.",
        f"{CUSTOMER}  - if: ${{{{ customer.email }}}}\n    steps: []\n",
        f"{CUSTOMER}  - if: ${{{{ customer.email != null }}}}\n    steps: []\n",
        doubt=True,
    ),
    "constant-condition": Code(
        "A condition that is always true, or always false.",
        "What it decides is decided already; something else was meant, or it is left over from trying.",
        f"{ORDERS}  - if: ${{{{ trigger.channel == 'web' and 'web' == 'shop' }}}}\n    steps: []\n",
        f"{ORDERS}  - if: ${{{{ trigger.channel == 'web' }}}}\n    steps: []\n",
        _WARNING,
    ),
    "fixed-condition": Code(
        "A condition is written out as true or false.",
        "A step that was switched off for a while is easily forgotten.",
        "  - if: false\n    steps: []\n",
        "  - if: ${{ run.attempt > 1 }}\n    steps: []\n",
        _HINT,
    ),
    "not-a-list": Code(
        "A `foreach`, an index or a projection wants a list, and this is none.",
        "A `foreach` would fail there; what is picked from it by `[0]` or `[*]` is always null.",
        f"{CUSTOMER}  - foreach: ${{{{ customer.email }}}}\n    steps: []\n",
        f"{CUSTOMER}  - foreach: ${{{{ customer.tags }}}}\n    steps: []\n",
        doubt=True,
    ),
    "wrong-operand": Code(
        "Arithmetic with something that is no number.",
        "The run would fail there.",
        f"{CUSTOMER}  - set:\n      a: ${{{{ customer.email * 2 }}}}\n",
        f"{CUSTOMER}  - set:\n      a: ${{{{ customer.id * 2 }}}}\n",
        doubt=True,
    ),
    "null-operand": Code(
        "Arithmetic with something that can be null.",
        "The run would fail where it is.",
        f"{CUSTOMER}  - set:\n      a: ${{{{ customer.points + 1 }}}}\n",
        f"{CUSTOMER}  - set:\n      a: ${{{{ (customer.points || 0) + 1 }}}}\n",
        _WARNING,
    ),
    "wrong-argument": Code(
        "A function is given what it does not take.",
        "The run would fail there.",
        f"{CUSTOMER}  - set:\n      a: ${{{{ abs(customer.email) }}}}\n",
        f"{CUSTOMER}  - set:\n      a: ${{{{ length(customer.email) }}}}\n",
        doubt=True,
    ),
    "quoted-text": Code(
        "A comparison has a name in double quotes that is hardly meant as one.",
        "In expressions, double quotes stand around unusual field names, single quotes around texts.",
        f'{CUSTOMER}  - if: ${{{{ customer.tier == "GOLD" }}}}\n    steps: []\n',
        f"{CUSTOMER}  - if: ${{{{ customer.tier == 'GOLD' }}}}\n    steps: []\n",
        _WARNING,
    ),
    "null-in-text": Code(
        "A value that can be null stands inside a text.",
        "Null becomes an empty text: `Hello !`. A condition around it that names the value keeps the check quiet.",
        f"{CUSTOMER}  - set:\n      a: call ${{{{ customer.phone }}}}\n",
        f"{CUSTOMER}  - set:\n      a: call ${{{{ customer.phone || 'nobody' }}}}\n",
        _WARNING,
    ),
    "braces-without-dollar": Code(
        "A text has `{{ … }}` in it, without a dollar before it.",
        "So expressions are written in other tools; here it is text, which goes to the vendor as it stands. Where the"
        " braces are meant, for a template of the vendor's, silence it, or write them inside an expression:"
        " `${{ '{{ name }}' }}`.",
        "  - id: note\n    module: crm.note\n    with: {text: 'run {{ run.id }}'}\n",
        "  - id: note\n    module: crm.note\n    with: {text: 'run ${{ run.id }}'}\n",
        _WARNING,
    ),
    "expression-as-text": Code(
        "A text is the name of a value, or has one in a single pair of braces.",
        "Only what stands in `${{ … }}` is an expression; this is text, which goes to the vendor as it stands.",
        "  - id: note\n    module: crm.note\n    with: {text: run.id}\n",
        "  - id: note\n    module: crm.note\n    with: {text: '${{ run.id }}'}\n",
        _WARNING,
    ),
    "object-in-text": Code(
        "An object or a list stands inside a text.",
        "It becomes JSON there, which is seldom what a person wants to read.",
        f"{CUSTOMER}  - set:\n      a: tags ${{{{ customer.tags }}}}\n",
        f"{CUSTOMER}  - set:\n      a: ${{{{ length(customer.tags) }}}} tags\n",
        _WARNING,
    ),
    "null-in-config": Code(
        "A module is given an expression that can be null, and does not take null.",
        "The run would fail where it is.",
        f"{CUSTOMER}  - id: orders\n    module: crm.list_orders\n    with: {{email: '${{{{ customer.email_2 }}}}'}}\n",
        f"{CUSTOMER}  - id: orders\n    module: crm.list_orders\n"
        "    with: {email: '${{ customer.email_2 || omit() }}'}\n",
        _WARNING,
    ),
    "always-null": Code(
        "What is looked up is always null there.",
        "A variable that is set only later, or on another way; or the error of a step after whose failure the run"
        " ends.",
        "  - if: ${{ vars.done == null }}\n    steps: []\n  - set: {done: true}\n",
        "  - set: {done: true}\n  - if: ${{ vars.done == null }}\n    steps: []\n",
        _WARNING,
    ),
    "unreachable-step": Code(
        "No run comes to a step.",
        "What stands before it ends the run in each case; a condition is missing there, or the step is left over.",
        "  - stop: success\n  - set: {a: 1}\n",
        "  - if: ${{ run.attempt > 1 }}\n    stop: success\n  - set: {a: 1}\n",
        _WARNING,
    ),
    "unused-output": Code(
        "Nothing uses what a step looks up or computes.",
        "The step costs time and calls for nothing; or a name was left out where it was meant.",
        CUSTOMER,
        f"{CUSTOMER}  - stop: success\n    output: ${{{{ customer.email }}}}\n",
        _HINT,
    ),
    "unused-variable": Code(
        "Nothing uses a variable.",
        "It is left over, or its name is written otherwise where it was meant.",
        "  - set: {a: 1}\n",
        "  - set: {a: 1}\n  - stop: success\n    output: ${{ vars.a }}\n",
        _HINT,
    ),
    "untrusted-text": Code(
        "Text from outside stands in a URL, a header or an SQL statement as it is.",
        "Whoever sends the event could lead the request elsewhere: `1/../admin`, `1?all=true`. Numbers are safe, and so"
        " is what is encoded, or passed in a `query`. A statement takes values as `:name`, from `params`.",
        f"{ORDERS}  - id: page\n    module: crm.fetch_page\n    with: {{url: '/orders/${{{{ trigger.email }}}}'}}\n",
        f"{ORDERS}  - id: page\n    module: crm.fetch_page\n    with: {{url: '/orders/${{{{ trigger.id }}}}'}}\n",
        _WARNING,
    ),
    "secret": Code(
        "A secret is written in the file.",
        "The file is in git and in the history of runs: whoever has it has the secret. Forms of secrets are known from"
        " their vendors.",
        "  - id: note\n    module: crm.note\n    with: {text: ghp_0123456789abcdefghijklmnopqrstuvwxyz}\n",
        "  - id: note\n    module: crm.note\n    with: {text: a new customer}\n",
        doubt=True,
    ),
    "secret-like": Code(
        "The value of a key such as `token` or `password` looks like a secret.",
        "A secret belongs into a connection, which names where it comes from.",
        "  - id: note\n    module: crm.note\n    with: {token: 8f3kQz71LmPx0aT5}\n",
        "  - id: note\n    module: crm.note\n",
        _WARNING,
    ),
    "deprecated": Code(
        "A module, or a key of its `with`, is deprecated.",
        "It works today, and its app says that it will not for ever.",
        "  - id: page\n    module: crm.fetch_page\n    with: {url: /orders, follow: true}\n",
        "  - id: page\n    module: crm.fetch_page\n    with: {url: /orders}\n",
        _WARNING,
    ),
    "unused-ignore": Code(
        "A comment silences nothing, or what it names cannot be silenced.",
        "It would hide the next mistake in its line.",
        "  # engine: ignore[null-in-text] the phone is always there\n  - stop: success\n",
        "  - stop: success\n",
        _HINT,
    ),
}
