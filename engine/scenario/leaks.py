"""Secrets that are written in a scenario's file: such as are known by their form, and such as their key gives away.

A file is in git, in the history of runs and on the screens of those who look at it. Secrets belong into a connection,
whose file names where each comes from.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from engine.scenario.diagnostics import Place
from engine.scenario.nodes import Mapping, Node, Scalar, Sequence
from engine.scenario.report import Report

#: forms by which secrets are known, as their vendors publish them so that they are found: what is in each of them, so
#: that most files are looked at quickly, and the whole
_FORMS: tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...] = tuple(
    (what, marks, re.compile(form))
    for what, marks, form in (
        ("a private key", ("PRIVATE KEY",), r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
        ("an access key of AWS", ("AKIA", "ASIA"), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
        ("a token of GitHub", ("gh", "github_pat_"), r"\bgh[opusr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{22,}"),
        ("a token of GitLab", ("glpat-",), r"\bglpat-[A-Za-z0-9_-]{20,}"),
        ("a token of Slack", ("xox",), r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
        (
            "a webhook of Slack",
            ("hooks.slack.com",),
            r"hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}",
        ),
        (
            "a key of Stripe",
            ("k_live_", "k_test_", "whsec_"),
            r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{16,}|\bwhsec_[0-9A-Za-z]{24,}",
        ),
        ("a token of Shopify", ("shp",), r"\bshp(?:at|ss|ca|pa)_[0-9a-fA-F]{32}\b"),
        ("a key of Google", ("AIza",), r"\bAIza[0-9A-Za-z_-]{35}\b"),
        ("a key of SendGrid", ("SG.",), r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
        ("a key of Mailgun", ("key-",), r"\bkey-[0-9a-f]{32}\b"),
        ("a key of Twilio", ("SK",), r"\bSK[0-9a-f]{32}\b"),
        ("an API key", ("sk-",), r"\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{24,}"),
        ("a signed token (JWT)", ("eyJ",), r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
        ("a password in a URL", ("://",), r"://[^\s:/@\"'{}]+:(?!\$)[^\s:/@\"'{}]{3,}@"),
        (
            "an Authorization header",
            ("Bearer ", "Basic "),
            r"\b(?:Bearer|Basic) (?=[A-Za-z0-9._~+/=-]*[0-9])[A-Za-z0-9._~+/-]{16,}=*",
        ),
    )
)
#: keys whose values are secrets
_NAMED = re.compile(
    r"(?:^|[_-])(?:password|passwd|passphrase|secret|api[_-]?key|apikey|access[_-]?key|private[_-]?key|access[_-]?token"
    r"|auth[_-]?token|bearer[_-]?token|token|authorization)$",
    re.IGNORECASE,
)
_ANY_NAMED = re.compile(r"passw|passphrase|secret|key|token|authorization", re.IGNORECASE)
#: what stands for a secret and is none
_STAND_IN = re.compile(
    r"example|changeme|change_me|your|dummy|placeholder|redacted|xxx|\*\*\*|\.\.\.|…|<|\$\{", re.IGNORECASE
)
#: bits per character, and characters, of what nobody thinks up
_ENTROPY = 3.0
_SHORTEST = 12
_MOVE = "put it into a connection, whose file names where it comes from; and replace it, it may be known by now"


def check_leaks(root: Node, source: str, file: str, report: Report) -> None:
    """Note the secrets of a file."""
    lines: set[int] = set()
    for what, marks, form in _FORMS:
        if not any(mark in source for mark in marks):
            continue
        for match in form.finditer(source):
            if _STAND_IN.search(match[0]):
                continue
            place = _place(source, match.start(), len(match[0].partition("\n")[0]), file)
            lines.add(place.line)
            report.add("secret", f"this looks like {what}", place, _MOVE)
    if not _ANY_NAMED.search(source):
        return
    for key, value in _named(root):
        if value.place.line not in lines and _looks_made(value.text):
            message = f"the value of `{key.text}` looks like a secret"
            report.add("secret-like", message, value.place, _MOVE)


def _place(source: str, position: int, length: int, file: str) -> Place:
    before = source[:position]
    return Place(file, before.count("\n") + 1, position - before.rfind("\n"), length)


def _named(node: Node) -> Iterator[tuple[Scalar, Scalar]]:
    """The texts under keys that call them secrets."""
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _named(item)
    elif isinstance(node, Mapping):
        for key, value in node.entries:
            if isinstance(value, Scalar):
                if isinstance(value.value, str) and _NAMED.search(key.text):
                    yield key, value
            else:
                yield from _named(value)


def _looks_made(text: str) -> bool:
    """Whether a machine made a text: long, of many different characters, digits among them, no words."""
    if len(text) < _SHORTEST or _STAND_IN.search(text) or re.search(r"\s", text):
        return False
    if not re.search("[0-9]", text) or not re.search("[A-Za-z]", text):
        return False
    counted = Counter(text)
    entropy = -sum(n / len(text) * math.log2(n / len(text)) for n in counted.values())
    return entropy >= _ENTROPY
