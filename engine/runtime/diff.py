"""Two runs side by side: what each step was asked and gave, which way each went, and where they part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.runtime.redact import Redactor
from engine.sdk import jsontext
from engine.store.interface import Store
from engine.store.records import EffectRecord, Past, Record, Run

#: endings of keys that tell nothing of what a run did: moments, races, and who took what over
_QUIET = ("@woke", "@sought", "@from", "@now", "@link", ".start", ".race", ".begun", ".done", "!warnings")


@dataclass(frozen=True, slots=True)
class Side:
    """What one run has of a step; everything is None where it did not come by it.

    :param state: of its last attempt, or ``decided``.
    """

    state: str | None = None
    module: str | None = None
    request: Any = None
    output: Any = None
    error: Any = None


@dataclass(frozen=True, slots=True)
class Difference:
    """A step, or a decision, in both runs.

    :param same: whether they have the same of it.
    """

    path: str
    first: Side
    second: Side
    same: bool


@dataclass(frozen=True, slots=True)
class Diff:
    """Two runs side by side.

    :param parted: path of the first step at which they are not alike; None: they are alike all the way.
    """

    steps: Sequence[Difference] = field(default_factory=tuple)
    parted: str | None = None


async def diff(store: Store, first: Run, second: Run, redactor: Redactor) -> Diff:
    """Compare two runs. What is shown is redacted; what is compared is not."""
    pasts = await store.pasts([first, second])
    sides = [_sides(run, past) for run, past in zip((first, second), pasts, strict=True)]
    paths = dict.fromkeys([*sides[0], *sides[1]])
    steps = []
    for path in paths:
        a, b = sides[0].get(path, Side()), sides[1].get(path, Side())
        same = (a.output, a.error, a.module) == (b.output, b.error, b.module) and (
            a.request == b.request or None in (a.request, b.request)
        )
        same = same and (a.state is None) == (b.state is None)
        steps.append(Difference(path, _shown(a, redactor), _shown(b, redactor), same))
    return Diff(steps, next((step.path for step in steps if not step.same), None))


def _sides(run: Run, past: Past) -> dict[str, Side]:
    rows: list[Record | EffectRecord] = sorted([*past.records, *past.effects], key=lambda row: row.position)
    found: dict[str, Side] = {}
    for row in rows:
        _decided(row.notes, found)
        path = row.key.rpartition("#")[0]
        if path.startswith("@") or not path or "!" in row.key.rpartition("#")[2]:
            continue
        found.pop(path, None)
        write = isinstance(row, EffectRecord)
        state = str(row.state) if isinstance(row, EffectRecord) else row.kind
        request = _value(row.request) if isinstance(row, EffectRecord) else None
        error = _value(row.error) if not write or row.output is None else None
        found[path] = Side(state, row.module, request, _value(row.output), error)
    _decided(run.notes, found)
    return found


def _decided(notes: bytes | None, found: dict[str, Side]) -> None:
    for key, value in (jsontext.loads(notes) if notes else {}).items():
        if not key.endswith(_QUIET):
            found[key] = Side("decided", output=value)


def _value(text: bytes | None) -> Any:
    return None if text is None else jsontext.loads(text)


def _shown(side: Side, redactor: Redactor) -> Side:
    request, output, error = (redactor.json(value) for value in (side.request, side.output, side.error))
    return Side(side.state, side.module, request, output, error)


def side_json(side: Side) -> Mapping[str, Any] | None:
    """A side as ``--json`` shows it; None: the run did not come by the step."""
    if side.state is None:
        return None
    about = {"state": side.state, "module": side.module, "request": side.request}
    return {**about, "output": side.output, "error": side.error}
