"""Changing ``connections.yaml`` without touching a byte that is not concerned."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from engine.runtime.reader import SecretRef
from engine.scenario.diagnostics import ScenarioError
from engine.scenario.nodes import Mapping as MappingNode
from engine.scenario.nodes import Scalar, plain
from engine.scenario.yaml import parse
from engine.sdk.errors import ConfigError
from engine.sdk.modules import Json


def entry_text(name: str, kind: str, fields: Mapping[str, Json | SecretRef]) -> str:
    """A connection as it stands in the file."""
    lines = [f"{name}:", f"  type: {kind}"]
    for field, value in fields.items():
        shown = f"{{{value.kind}: {value.name}}}" if isinstance(value, SecretRef) else _scalar(value)
        lines.append(f"  {field}: {shown}")
    return "\n".join(lines) + "\n"


def _scalar(value: Json) -> str:
    # JSON is YAML 1.2 too
    return json.dumps(value, ensure_ascii=False)


def with_entry(text: str, entry: str, file: str) -> str:
    """The file's text with an entry at its end. Raises ``ConfigError`` where nothing can be appended."""
    before = _top(text, file)
    gap = "" if not text else ("\n" if text.endswith("\n") else "\n\n")
    changed = f"{text}{gap}{entry}"
    _require(changed, {**before, **_top(entry, file)}, file, f"add it by hand:\n\n{entry}")
    return changed


def without_entry(text: str, name: str, file: str) -> str:
    """The file's text without an entry: its own lines go, comments between entries stay.

    :raises ConfigError: the file is written so that no lines are the entry's alone.
    """
    before = _top(text, file)
    root = parse(text, file)
    assert isinstance(root, MappingNode)
    starts = [key.place.line for key, _ in root.entries]
    index = [key.text for key, _ in root.entries].index(name)
    lines = text.splitlines(keepends=True)
    first = starts[index] - 1
    last = starts[index + 1] - 1 if index + 1 < len(starts) else len(lines)
    while last > first + 1 and (not lines[last - 1].strip() or lines[last - 1].startswith("#")):
        last -= 1
    changed = "".join(lines[:first] + lines[last:])
    rest = {key: value for key, value in before.items() if key != name}
    _require(changed, rest, file, "remove it by hand")
    return changed


def write(path: Path, text: str) -> None:
    """Put the text in the place of the file's, in one step. Raises ``ConfigError``."""
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.write_bytes(text.encode())
        with contextlib.suppress(FileNotFoundError):
            draft.chmod(path.stat().st_mode & 0o777)
        draft.replace(path)
    except OSError as error:
        raise ConfigError(f"the file cannot be written: {error.strerror}", place=str(path)) from None


def _top(text: str, file: str) -> dict[str, Json]:
    root = parse(text, file)
    if isinstance(root, Scalar) and root.value is None:
        return {}
    if not isinstance(root, MappingNode):
        raise ConfigError("connections.yaml must be a mapping of names to connections", place=file)
    return {key.text: plain(value) for key, value in root.entries}


def _require(changed: str, wanted: Mapping[str, Json], file: str, hint: str) -> None:
    try:
        fits = _top(changed, file) == wanted
    except ScenarioError:
        fits = False
    if not fits:
        raise ConfigError("connections.yaml is written in a way that cannot be changed here", place=file, hint=hint)
