"""Paths that authors give, held below one folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from engine import DataError


def below(root: Path, path: str) -> Path:
    """Where a path leads below a folder, whether something is there or not.

    :param root: exists, and is resolved.
    :param path: with slashes, relative to ``root``.
    :raises DataError: it leads out of the folder: by ``..``, as a whole path, or by a symbolic link.
    """
    given = PurePosixPath(path)
    parts = given.parts
    if not parts or given.is_absolute() or ".." in parts or "\\" in path or "\x00" in path or ":" in parts[0]:
        raise DataError(
            f"'{path}' is no path below the connection's folder",
            refused=True,
            hint="give it relative to that folder, with slashes and without '..'",
        )
    found = root.joinpath(*parts)
    # what is not there yet is resolved as far as it is there
    if not found.resolve().is_relative_to(root):
        raise DataError(f"'{path}' leads out of the connection's folder by a symbolic link", refused=True)
    return found
