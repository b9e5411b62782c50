"""The files that ``engine init`` and ``engine new`` make, from the templates that are shipped beside this module.

A template is a file as it will be, with ``@name@`` and the like for what is known only then. Endings that would make
other tools take a template for what it is not are left off: ``dot-gitignore`` becomes ``.gitignore``, ``x.py.txt``
becomes ``x.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.cli.workspace import shorten
from engine.sdk.errors import ConfigError, EngineError

TEMPLATES = Path(__file__).parent / "templates"
_DOT, _PYTHON = "dot-", ".py.txt"


class AlreadyThere(EngineError):
    """A file that a command is to make is there already. Nothing was made."""

    code = "already-there"


def files_of(template: str) -> dict[Path, Path]:
    """The files of a template folder: where each goes, and where it comes from."""
    top = TEMPLATES / template
    found = {}
    for path in sorted(top.rglob("*")):
        if path.is_file():
            name = path.name.removesuffix(".txt") if path.name.endswith(_PYTHON) else path.name
            name = f".{name.removeprefix(_DOT)}" if name.startswith(_DOT) else name
            found[path.relative_to(top).with_name(name)] = path
    return found


def text_of(template: Path, values: Mapping[str, str]) -> str:
    """The text of a template file, filled in."""
    text = template.read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def make(files: Mapping[Path, str]) -> list[Path]:
    """Make files that are not there, with the folders above them.

    :param files: texts by path.
    :raises AlreadyThere: one of them is there; nothing was made.
    :raises ConfigError: one cannot be written.
    """
    there = [path for path in files if path.exists()]
    if there:
        more = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise AlreadyThere(
            f"{shorten(there[0])} is there already{more}; nothing was made",
            place=str(shorten(there[0])),
            hint="choose another name, or remove it first",
        )
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # whoever made it meanwhile keeps it
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise ConfigError(f"the file cannot be written: {error.strerror}", place=str(path)) from None
    return list(files)
