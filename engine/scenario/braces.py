"""``{{ x }}``, ``${ x }`` and ``trigger.x`` where ``${{ x }}`` is meant: expressions that are plain text here."""

from __future__ import annotations

import re
from collections.abc import Iterable

from engine.scenario import types
from engine.scenario.expressions import Hole
from engine.scenario.nodes import Node, Scalar, place_in, quoted
from engine.scenario.references import Names
from engine.scenario.report import Report

#: braces in pairs; three of them are another template language's
_BRACES = re.compile(r"(?<![$\{])\{\{(?!\{)(?P<inside>.*?)\}\}(?!\})", re.DOTALL)
#: what only another template language has, in whose texts braces are meant: ``{{#each}}``, ``{{/if}}``, ``{% for %}``
_TEMPLATES = re.compile(r"\{\{[-~]?\s*[#/>!^&]|\{%")
#: a value of the module of that number
_NUMBERED = re.compile(r"[0-9]+\.(?P<field>[^0-9].*)", re.DOTALL)
_NAMES = r"(?P<name>trigger|vars|inputs|request|run)\.(?P<first>[A-Za-z_][A-Za-z0-9_]*)"
#: the path of a value, and nothing else
_PATH = re.compile(_NAMES + r"(?:\.[A-Za-z_][A-Za-z0-9_]*|\[-?[0-9]+\])*")
#: one pair of braces
_ONE_PAIR = re.compile(r"\$\{\s*(?P<inside>" + _NAMES + r"[^{}]*?)\s*\}(?!\})")


def meant(text: str) -> str | None:
    """The expression that is meant where a text is nothing but such braces; None where it is not so."""
    found = _BRACES.fullmatch(text.strip())
    return _named(_in_one_line(found["inside"]))[0] if found is not None and "}}" not in found["inside"] else None


def in_place(node: Node) -> str | None:
    """What to write in place of a value that is nothing but such braces; None where it is something else."""
    expression = meant(node.text) if isinstance(node, Scalar) else None
    return f"write ${{{{ {expression} }}}}" if expression is not None else None


def spelled(expression: str, *, quote: bool = False) -> str:
    """What to write in place of such braces.

    :param expression: what stands in them.
    :param quote: whether YAML would take the braces for its own.
    """
    expression, numbered = _named(expression)
    right = f"${{{{ {expression} }}}}"
    if quote or ": " in right or " #" in right:
        right = quoted(right)
    return f"write {right}{', or the id of the step that gives it in place of `trigger`' if numbered else ''}"


def _named(expression: str) -> tuple[str, bool]:
    """The expression without a module's number, which means nothing here, and whether it had one."""
    numbered = _NUMBERED.fullmatch(expression)
    if numbered is None:
        return expression, False
    field = numbered["field"].replace("`", '"')
    return f"trigger.{field}", True


def check_braces(node: Scalar, holes: Iterable[Hole], report: Report) -> None:
    """Note braces in a text that are taken for what they are: text.

    :param holes: its expressions; what is in those is none of this.
    """
    if "{{" not in node.text:
        return
    text = node.text
    for hole in holes:
        text = text[: hole.start] + " " * (hole.end - hole.start) + text[hole.end :]
    if _TEMPLATES.search(text):
        return
    for found in _BRACES.finditer(text):
        if expression := _in_one_line(found["inside"]):
            place = place_in(node, found.start(), len(found[0].partition("\n")[0]))
            message = f"`{_in_one_line(found[0])}` is passed on as text: an expression begins with `${{{{`"
            report.add("braces-without-dollar", message, place, spelled(expression))


def check_names(node: Scalar, names: Names, report: Report) -> None:
    """Note a text that is the name of a value, or has one in a single pair of braces; it has no expression."""
    text = node.text.strip()
    if (path := _PATH.fullmatch(text)) is not None and _there(path, names):
        message = f"`{text}` is passed on as text: an expression stands in `${{{{ … }}}}`"
        report.add("expression-as-text", message, node.place, spelled(text))
    for found in _ONE_PAIR.finditer(node.text):
        if _there(found, names):
            message = f"`{_in_one_line(found[0])}` is passed on as text: an expression has two pairs of braces"
            place = place_in(node, found.start(), len(found[0].partition("\n")[0]))
            report.add("expression-as-text", message, place, spelled(_in_one_line(found["inside"])))


def _there(path: re.Match[str], names: Names) -> bool:
    schema = names.lookup(path["name"])
    return schema is not None and not isinstance(types.field(schema, path["first"]), types.Missing)


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
