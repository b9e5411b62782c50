"""Every hook, flat, a docstring each. Hooks register and observe; the engine does the rest."""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from engine.sdk.apps import App
from engine.sdk.functions import Function

hookspec = pluggy.HookspecMarker("engine")


@hookspec
def engine_apps() -> App | Sequence[App]:  # type: ignore[empty-body]
    """Give the apps that this plugin brings: one, or several in a list. Called once, at load."""


@hookspec
def engine_functions() -> Function | Sequence[Function]:  # type: ignore[empty-body]
    """Give the functions for expressions that this plugin brings: one, or several in a list. Called once, at load."""
