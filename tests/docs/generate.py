"""Pages that are made from the code: ``python -m tests.docs.generate PAGE``, with a page of ``PAGES``."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import engine
import engine.testing
from engine import App, WebhookSender, hookspecs, plugins
from engine.runtime.outcomes import HOLD_CODES
from engine.scenario.expressions import GROUPS, OMIT
from engine.scenario.expressions.library.tokens import TOKENS
from engine.scenario.expressions.names import ELSEWHERE
from engine.sdk import jsontext
from engine.sdk.errors import STANDARD_TYPES, EngineError, ModuleError
from engine.sdk.faults import POINTS
from engine.sdk.functions import Example
from engine.testing import VirtualClock
from tests.docs.optimove_events import optimove_events_page

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def all_errors() -> list[type[EngineError]]:
    """Every error class of the engine, after all its modules are imported; the base is left out."""
    for module in pkgutil.walk_packages(engine.__path__, "engine."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = dict.fromkeys(_below(EngineError))
    # a class that is made on the fly is not in its module
    named = (kind for kind in found if getattr(sys.modules[kind.__module__], kind.__name__, None) is kind)
    return sorted((kind for kind in named if kind.__module__.startswith("engine.")), key=lambda kind: kind.code)


def owners() -> dict[str, list[type[EngineError]]]:
    """By code, the classes that have it and did not get it from a class above them."""
    found: dict[str, list[type[EngineError]]] = {}
    for kind in all_errors():
        if not any(getattr(above, "code", None) == kind.code for above in kind.__mro__[1:]):
            found.setdefault(kind.code, []).append(kind)
    return found


def _below(kind: type[EngineError]) -> Iterator[type[EngineError]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _below(inner)


# ---------------------------------------------------------------------- errors

#: codes that have no class: a command's own, and the ends that a run came to by somebody's will
WORDS = {
    "cancelled": "A run was ended by a person before it was through.",
    "given-up": "A held run was ended by a person as failed.",
    "internal": "A mistake of the engine itself. Please report it; `engine --debug` shows more.",
    "no-channel": "A command names a channel of alerts that is not in `engine.yaml`.",
    "no-consent": "A connection is to be authorized that needs nobody's consent.",
    "no-scenario": "There is no scenario to serve.",
    "no-token": "A request to the API does not have its token.",
    "not-here": "A connection is to be authorized or a webhook attached, while what serves answers from simulators.",
    "nothing-serves": "`engine reload` was given, and no process serves the project.",
    "nothing-stored": "A connection is to be renewed, and none of its secrets is in the store.",
    "nothing-to-test": "`engine test` found no scenario with an event beside it, and no tests.",
    "replaced": "A run was cancelled because a newer one with the same key took its place (`mode: replace`).",
    "replayed": "A held run was ended because a person replayed it; its error says as which run.",
    "stopped": "A run came to its own `stop: failure`.",
    "unknown-connection": "A command names a connection that is not in `connections.yaml`.",
    "unknown-function": "A command names a function that no expression can call.",
    "unknown-module": "A command names an app or module that is not installed.",
    "unknown-receipt": "A command names a receipt that is not in the store.",
}

_ERRORS = """\
# Errors

Made from the code; `python -m tests.docs.generate errors` prints it anew.

An error has a code, says what is wrong and where (`file:line:col`, or run and step), and what to do next:
`place: error[code]: message (what to do)`. With `--json`, and as `steps.<id>.error` in a scenario, it is an object with
`code`, `message`, `place`, `hint`. Mistakes in a scenario have codes of their own: [checks.md](checks.md); those of
settings and connections are in [settings.md](settings.md#mistakes).

## A step failed

A module's call fails with one of the standard types. `retry: {on: [...]}` names the type. *Tried again* says whether
`retry` does so without `on`; *applied* is what the type by itself says of a write. An app's error table can say more
exactly which answers prove that nothing was applied, and the error says it as `refused`.

| type | code | meaning | tried again | applied |
| --- | --- | --- | --- | --- |
"""

_OTHERS = """
## Everything else

| code | meaning |
| --- | --- |
"""

_HOLDS = """
## Why a run is held

`engine runs show ID` tells it, with the commands that let the run go on; [held-runs.md](../how-to/held-runs.md) says
what to do.

| code | meaning |
| --- | --- |
"""

_POINTS = """
## Fault points

Where a test can make the engine fail, with `CrashAt` of [`engine.testing`](testing.md).

| point | what has happened when it is reached |
| --- | --- |
"""


def errors_page() -> str:
    """``docs/reference/errors.md``."""
    parts = [_ERRORS]
    for name, kind in STANDARD_TYPES.items():
        again, applied = ("yes" if kind.transient else "no"), ("no" if kind.proves_refused else "not known")
        parts.append(f"| `{name}` | `{kind.code}` | {sentence(kind)} | {again} | {applied} |\n")
    parts.append(_OTHERS)
    standard = {*STANDARD_TYPES.values(), ModuleError}
    others = {code: sentence(kind) for code, [kind, *_] in owners().items() if kind not in standard}
    parts += [f"| `{code}` | {meaning} |\n" for code, meaning in sorted({**others, **WORDS}.items())]
    parts.append(_HOLDS)
    parts += [f"| `{code}` | {meaning} |\n" for code, meaning in HOLD_CODES.items()]
    parts.append(_POINTS)
    parts += [f"| `{point}` | {meaning} |\n" for point, meaning in POINTS.items()]
    return "".join(parts)


def sentence(thing: object) -> str:
    """The first paragraph of a docstring, on one line."""
    text = inspect.cleandoc(getattr(thing, "__doc__", None) or "").partition("\n\n")[0]
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


# ---------------------------------------------------------------------- the public API

_API = """\
# What a module author imports

Made from the code; `python -m tests.docs.generate api` prints it anew. All of it comes from `engine`
(`from engine import App, Action`); everything below that package is the engine's own business and may change.
[Your first module](../how-to/your-first-module.md) shows the names at work, and [modules.md](modules.md) tells how
they fit together.

## Hooks

A plugin is a Python file or package with functions of these names, each marked with `@hookimpl`.
"""

_TESTING = """\
# What tests import

Made from the code; `python -m tests.docs.generate testing` prints it anew. All of it comes from `engine.testing`.
[How to test a scenario](../how-to/test-a-scenario.md) shows the names at work.
"""


#: what the files of ``engine/sdk`` are for
_ROOMS = {
    "apps": "an app",
    "functions": "functions for expressions",
    "modules": "modules, and what they are given and give",
    "schemas": "schemas",
    "batches": "writes of many items",
    "data": "data stores",
    "connections": "connections",
    "oauth": "signing in with OAuth 2",
    "http": "calls over HTTP",
    "paging": "pages of a declared search",
    "errors": "errors that a module raises",
    "clock": "time",
}


def api_page() -> str:
    """``docs/reference/api.md``."""
    hooks = "".join(
        f"\n### `{name}{_arguments(hook)}`\n\n{sentence(hook)}\n"
        for name, hook in vars(hookspecs).items()
        if hasattr(hook, "engine_spec")
    )
    return f"{_API}{hooks}\n{_index(engine)}\n" + "\n".join(_entries(engine))


def _index(module: ModuleType) -> str:
    """All names at a glance, by what they are for."""
    rooms: dict[str, list[str]] = {}
    for name in sorted(module.__all__, key=str.lower):
        rooms.setdefault(_room(name), []).append(f"[`{name}`](#{name.lower()})")
    assert rooms.keys() <= _ROOMS.keys(), "each file of engine/sdk is for something"
    rows = "".join(f"| {_ROOMS[room]} | {', '.join(rooms[room])} |\n" for room in _ROOMS if room in rooms)
    return f"## Names\n\n| for | names |\n| --- | --- |\n{rows}"


def _room(name: str) -> str:
    """The file of ``engine/sdk`` in which a public name is defined."""
    pattern = re.compile(rf"^(?:class {name}\b|def {name}\b|{name}\b[^\n]*=)", re.MULTILINE)
    return next(path.stem for path in _sdk() if pattern.search(path.read_text("utf-8")))


def _sdk() -> list[Path]:
    return sorted(Path(engine.__path__[0]).joinpath("sdk").glob("*.py"))


def testing_page() -> str:
    """``docs/reference/testing.md``."""
    return _TESTING + "".join(f"\n{part}" for part in _entries(engine.testing))


def _entries(module: ModuleType) -> Iterator[str]:
    for name in sorted(module.__all__, key=str.lower):
        yield _entry(name, getattr(module, name))


def _entry(name: str, thing: Any) -> str:
    lines = [f"## `{name}`\n"]
    if inspect.isfunction(thing):
        text, arguments = _docstring(thing)
        lines += [f"{text}\n", f"```text\n{name}{_arguments(thing)}\n```\n"]
        return "\n".join([*lines, *(f"- `{argument}`: {meaning}" for argument, meaning in arguments), ""])
    if not inspect.isclass(thing) or thing is Any:
        lines.append(f"{_constant(name)}\n")
        return "\n".join(lines)
    text, arguments = _docstring(thing)
    if is_dataclass(thing):
        above = [pair for kind in reversed(thing.__mro__[1:]) if is_dataclass(kind) for pair in _docstring(kind)[1]]
        arguments = list({**dict(above), **dict(arguments)}.items())
    lines.append(f"{text}\n")
    if is_dataclass(thing):
        lines.append(f"```text\n{_signature(name, thing)}\n```\n")
    elif "__init__" in vars(thing) and not getattr(thing, "_is_protocol", False):
        lines.append(f"```text\n{name}{_arguments(thing.__init__)}\n```\n")
    if arguments:
        lines.append("\n".join(f"- `{argument}`: {meaning}" for argument, meaning in arguments))
        lines.append("")
    members = list(_members(thing))
    if members:
        lines.append("\n".join(members) + "\n")
    return "\n".join(lines)


def _constant(name: str) -> str:
    """What the comment above a constant says."""
    for path in _sdk():
        found = re.search(rf"((?:^#:? .*\n)+)^({name}\b[^\n]*=[^\n]*)", path.read_text("utf-8"), re.MULTILINE)
        if found:
            text = " ".join(line.lstrip("#: ").rstrip() for line in found[1].splitlines()).replace("``", "`")
            definition = "" if found[2].endswith(("(", "{", "[")) else f"\n\n```text\n{found[2]}\n```"
            return f"{text[0].upper()}{text[1:].rstrip('.')}.{definition}"
    raise LookupError(f"{name} has no comment above it")


def _docstring(thing: Any) -> tuple[str, list[tuple[str, str]]]:
    """The prose of a docstring as Markdown, and its arguments."""
    text = inspect.cleandoc(thing.__doc__ or "").replace("``", "`")
    head, *parts = re.split(r"^:param (\w+): ", text, flags=re.MULTILINE)
    arguments = [
        (parts[number], " ".join(parts[number + 1].partition("\n:")[0].split())) for number in range(0, len(parts), 2)
    ]
    raises = re.findall(r"^:raises (\w+): (.*)", text, re.MULTILINE)
    head = head.partition("\n:raises")[0].strip()
    return "\n\n".join([head, *(f"Raises `{kind}`: {why}" for kind, why in raises)]), arguments


def _signature(name: str, thing: Any) -> str:
    rows = []
    for field in fields(thing):
        if field.name.startswith("_") or not field.init:
            continue
        default = "" if field.default is MISSING and field.default_factory is MISSING else " = …"
        if field.default is not MISSING and isinstance(field.default, str | int | float | bool | type(None)):
            default = f" = {field.default!r}"
        rows.append(f"    {field.name}: {field.type}{default},")
    return f"{name}(\n" + "\n".join(rows) + "\n)"


def _arguments(function: Any) -> str:
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.name != "self"]
    text = re.sub(r"<[\w.]+ object at 0x[0-9a-f]+>", "…", str(signature.replace(parameters=own)))
    return text.replace("'", "").removesuffix(" -> None")


def _members(thing: Any) -> Iterator[str]:
    if issubclass(thing, Exception):
        yield f"- code `{thing.code}`"
        return
    own = {field.name for field in fields(thing)} if is_dataclass(thing) else set()
    for name, member in vars(thing).items():
        if name.startswith("_") or name in own:
            continue
        if isinstance(member, property):
            given = inspect.signature(member.fget).return_annotation if member.fget else inspect.Signature.empty
            kind = "" if given is inspect.Signature.empty else f": {given}"
            yield f"- `.{name}{kind}`{_said(member)}"
        elif inspect.isfunction(member):
            waited = "await " if inspect.iscoroutinefunction(member) else ""
            yield f"- `{waited}.{name}{_arguments(member)}`{_said(member)}"
            yield from (f"  - `{argument}`: {meaning}" for argument, meaning in _docstring(member)[1])
        elif isinstance(member, thing):
            yield f"- `{thing.__name__}.{name}`{_noted(thing, name)}"


def _noted(kind: type, name: str) -> str:
    """What the comment above a member of an enumeration says."""
    found = re.search(rf"^ *#: (.*)\n *{name} =", inspect.getsource(kind), re.MULTILINE)
    return f": {found[1]}" if found else ""


def _said(member: Any) -> str:
    said = sentence(member)
    return f": {said}" if said else ""


# ------------------------------------------------------------------ simulators

_SIMULATORS = """\
# Simulators

Made from the code; `python -m tests.docs.generate simulators` prints it anew.

What the simulator of each app does. *verified*: the vendor's own documentation, code or answers say so. *assumed*: it
was found nowhere, or only in programs of other people who use the vendor, which may be wrong or out of date; a scenario
that rests on it deserves a try against the real vendor. `engine simulate APP --list` shows the same, and
[the guide](../how-to/simulators.md) how to use one.
"""


def simulators_page() -> str:
    """``docs/reference/simulators.md``."""
    parts = [_SIMULATORS]
    for name, app in sorted(plugins.load().apps.items()):
        # what else is installed on this machine is not of this project
        if app.simulator is None or not app.simulator.__module__.startswith("modules."):
            continue
        simulator = app.simulator(VirtualClock())
        rows = [(behaviour.text, behaviour.mark) for behaviour in simulator.behaviours]
        parts.append(f"\n## {name}\n\n{app.title}. [What the app offers](apps/{name}.md).\n\n")
        parts.append(_table(("behaviour", "known how"), rows))
        if isinstance(simulator, WebhookSender):
            sent = [(f"`{one}`", *sample.description.split(": ", 1)) for one, sample in simulator.webhooks.items()]
            parts.append(f"\n### Webhooks of {name}\n\n")
            parts.append(_table(("name", "topic", "what it tells"), sent))
    return "".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


# ----------------------------------------------------------------- assumptions

_ASSUMPTIONS = """\
# Assumptions

Made from the code; `python -m tests.docs.generate assumptions` prints it anew.

One list of what the built-in apps and their simulators take for true of a vendor and the vendor was not seen to say.
*inferred*: from something that was seen, which the row names. *unknown*: searched for there, and not found. Nothing of
it is presented as a fact elsewhere; a scenario that rests on a row deserves a try against the real vendor.
`engine modules APP` shows an app's list.

What is *changed by* a field stands in the connection (`engine connections add … --set FIELD=VALUE`); what is changed by
a constant, in one place of the app.
"""


def built_in() -> dict[str, App]:
    """The apps of this project; what else is installed on this machine is not."""
    registry = plugins.load()
    return {name: app for name, app in sorted(registry.apps.items()) if " of scenario-engine " in registry.origin(name)}


def unsettled(app: App) -> list[str]:
    """What the simulator shows and is assumed, beyond what the app's own assumptions name."""
    if app.simulator is None:
        return []
    named = {text for one in app.assumptions for text in one.shown_by}
    shown = app.simulator(VirtualClock()).behaviours
    return [one.text for one in shown if one.mark == "assumed" and one.text not in named]


def assumptions_page() -> str:
    """``docs/reference/assumptions.md``."""
    parts = [_ASSUMPTIONS]
    for name, app in built_in().items():
        rows = [
            (
                one.about,
                one.assumed,
                one.mark + (f": {one.source}" if one.source else ""),
                f"`{one.changed_by}`" if one.changed_by else "",
                one.settled_by,
                "<br>".join(one.shown_by),
            )
            for one in app.assumptions
        ]
        rest = unsettled(app)
        if not rows and not rest:
            continue
        parts.append(f"\n## {name}\n\n{app.title}. [What the app offers](apps/{name}.md).\n")
        if rows:
            head = (
                "about",
                "what is assumed",
                "mark",
                "changed by",
                "what would settle it",
                "how the simulator shows it",
            )
            parts.append("\n" + _table(head, rows))
        if rest:
            parts.append(
                "\nBesides, its simulator behaves so by its own choice, or as other people's programs tell. No module "
                "rests on it; a scenario may:\n\n" + "".join(f"- {text}\n" for text in rest)
            )
    return "".join(parts)


# ------------------------------------------------------------------- functions

_FUNCTIONS = """\
# Functions

Made from the code; `python -m tests.docs.generate functions` prints it anew, and the tests run each example.

What expressions can call, by group; `engine functions NAME` shows one, with those that a project's plugins add.
[Expressions](expressions.md) are the language around them, [dates and texts](../how-to/dates-and-texts.md) shows them
at work, and [a function of your own](../how-to/add-a-function.md) is a few lines of Python.

## Rules for all of them

- **Places count from 0**, in texts and lists alike; an end is not included; negative places count from the end.
- **Null** where an argument is needed gives null, unless the function says what else; a null in the place of an
  argument that can be left out (`?`) counts as left out. Null in a list is a wrong item.
- **Any other wrong type is an error** that names the place and the fix. Nothing is taken for something else in silence.
- **Dates** are texts of ISO 8601. What functions give is always in UTC, to the millisecond, so that results compare
  right as texts; a date from elsewhere is made so by `to_date`. A date without an offset is meant in the `zone` of the
  call, which is UTC when left out. Days, weeks, months and years go by the clocks of the zone; hours, minutes and
  seconds are elapsed time.
- **`&key`** is an expression for each item: `sort_by(orders, &total)`.
- **Time and size are bounded**, see [bounds](expressions.md#bounds). Patterns are those of RE2, whose time grows with
  the text alone: no look-around, no references back.
- `now`, `uuid`, `random`, `random_integer` and `shuffle` are answered by the run: when it goes on after an
  interruption, they give the same again.
"""

_FORMATS = """
## Formats of dates

`format_date` writes, and `parse_date` reads, by these tokens. Names are English. Text stands in brackets (`[at]`); the
`T` between day and time needs none, and signs and spaces are as they are. Any other letter is an error.

"""


# ---------------------------------------------------------- Yotpo's data at Insider

_INSIDER_MAPPING = """\
# Yotpo's data at Insider

Made from the code; `python -m tests.docs.generate insider_mapping` prints it anew.

Every row of the document on Yotpo's data in Insider, in its order, and where [Yotpo to Insider][app] takes its value
from: *details* are those of `yotpo_developer.retrieve_customer`, *record* is that of `yotpo_loyalty.retrieve_customer`,
*event* is the event's body. The first that is there counts. Where a row names no source, the note says why.

[app]: apps/yotpo_to_insider.md
"""


def insider_mapping_page() -> str:
    """``docs/reference/insider_mapping.md``."""
    table = importlib.import_module("modules.yotpo_to_insider.table").TABLE
    names = importlib.import_module("modules.yotpo_to_insider.names")
    parts = [_INSIDER_MAPPING]
    for title, rows in (("User attributes", table.attributes), ("Event parameters", table.parameters)):
        head = ("document: Insider", "document: Yotpo", "updated", "at Insider", "read from", "note")
        cells = [
            (_code(one.insider), _code(one.yotpo), one.updated, _code(one.to), _places(one), one.note) for one in rows
        ]
        parts.append(f"\n## {title}\n\n{_table(head, cells)}")
    for title, listed in (("Events", True), ("Events that the document's table lacks", False)):
        events = [
            (
                one.yotpo,
                one.insider,
                _code(names.event_name(one.insider, {}))
                if one.about == "customer"
                else "goes nowhere: it has no customer",
                _code(one.topic or "") or "not known: recognised by its name",
            )
            for one in table.events
            if one.listed is listed
        ]
        parts.append(f"\n## {title}\n\n{_table(('Yotpo', 'Insider', 'event_name', 'topic'), events)}")
    return "".join(parts)


def _places(row: Any) -> str:
    places = [f"{source}: `{path}`" for source, paths in row.paths.items() for path in paths]
    parts = [f"{source}: `{'`, `'.join(part)}`" for source, ways in row.parts.items() for part in ways]
    only = [f"only of {', '.join(row.only)}"] if row.only else []
    return "<br>".join([*places, *parts, *only])


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def functions_page() -> str:
    """``docs/reference/functions.md``."""
    parts = [_FUNCTIONS]
    for group, functions in GROUPS.items():
        parts.append(f"\n## {group}\n\n")
        rows = [
            (f"`{f.signature}`", f.doc, "<br>".join(map(_shown, f.examples)))
            for f in sorted(functions, key=lambda function: function.name)
        ]
        parts.append(_table(("function", "what it gives", "example"), rows))
    rows = [(f"`{name}`", token.doc, "yes" if token.pattern else "") for name, token in TOKENS.items()]
    parts.append(_FORMATS + _table(("token", "stands for", "can be read"), rows))
    rows = [(f"`{name}`", _meant(meant)) for name, meant in sorted(ELSEWHERE.items())]
    parts.append(_NAMES + _table(("there", "here"), rows))
    return "".join(parts)


_NAMES = """
## Names elsewhere

What the visual integrators call otherwise, in small letters; a name that differs by capitals and `_` alone
(`formatDate`, `addDays`) is not listed. The checker says the same where it meets one.

"""


def _meant(meant: str) -> str:
    return meant if meant.startswith("`") else f"`{meant}`"


def _shown(example: Example) -> str:
    if example.result is OMIT:
        return f"`{example.expression}`"
    data = f" of `{jsontext.dumps(example.data).decode()}`" if example.data else ""
    return f"`{example.expression}`{data} → `{jsontext.dumps(example.result).decode()}`"


PAGES = {
    "errors": errors_page,
    "api": api_page,
    "testing": testing_page,
    "simulators": simulators_page,
    "assumptions": assumptions_page,
    "functions": functions_page,
    "apps/optimove_events": optimove_events_page,
    "insider_mapping": insider_mapping_page,
}

if __name__ == "__main__":
    sys.stdout.write(PAGES[sys.argv[1]]())
