"""Packages to install, written as wheels: what a build would give, without the time of one."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path


def wheel(folder: Path, name: str, files: Mapping[str, str], entries: Mapping[str, str], version: str = "1.0") -> Path:
    """Write a wheel.

    :param files: texts by path in ``site-packages``.
    :param entries: entry points of the group ``engine``: what is loaded, by name.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    points = "".join(f"{key} = {value}\n" for key, value in entries.items())
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[engine]\n{points}",
    }
    record = "".join(f"{path},,\n" for path in (*content, f"{info}/RECORD"))
    path = folder / f"{stem}-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**content, f"{info}/RECORD": record}.items():
            archive.writestr(file, text)
    return path


def app(name: str, *, options: str = "", modules: str = "", head: str = "") -> str:
    """The source of a plugin with one app, which has one module ``act``."""
    return f"""\
{head}
from engine import Action, App, Effect, hookimpl


async def run(call):
    return {{"by": __name__}}


def act(name="act", **more):
    options = {{"config": {{"type": "object"}}, "effect": Effect.READ, "run": run, **more}}
    return Action(name=name, title="Act", description="Acts.", **options)


@hookimpl
def engine_apps():
    return App(name="{name}", title="{name}", modules=[{modules or f"act({options})"}])
"""
