"""Errors of attempts as rows hold them, and as they come back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.runtime.elsewhere import Differs
from engine.runtime.outcomes import Interrupted, PluginFault
from engine.runtime.payload import LARGEST_ERROR
from engine.sdk import jsontext
from engine.sdk.errors import STANDARD_TYPES, ModuleError

#: an attempt's errors by the name of the type under which a row keeps them
_ERRORS: Mapping[str, type[ModuleError]] = {
    **STANDARD_TYPES,
    "Interrupted": Interrupted,
    "PluginFault": PluginFault,
    "ModuleError": ModuleError,
}


def error_text(error: ModuleError) -> bytes:
    """An error as a row holds it, under the nearest type that can be restored."""
    data = error.to_json()
    data["type"] = next(t.__name__ for t in type(error).__mro__ if _ERRORS.get(t.__name__) is t)
    try:
        text = jsontext.dumps(data)
    except TypeError:
        # the detail is the plugin's, and may be anything
        text = jsontext.dumps({**data, "detail": repr(data["detail"])})
    return text if len(text) <= LARGEST_ERROR else jsontext.dumps({**data, "detail": None})


def differed(text: bytes | None) -> Differs:
    data = jsontext.loads(text or b"{}") or {}
    message = data.get("message", "another run of the same event made this write with another request")
    return Differs(message, place=data.get("place"), hint=data.get("hint"))


def restored(text: bytes | None) -> ModuleError:
    """The error that a row holds. What a step sees is always this, so that it sees the same when it is walked again."""
    return restored_from(jsontext.loads(text or b"{}") or {})


def restored_from(data: Mapping[str, Any]) -> ModuleError:
    """The error that its JSON stands for."""
    kind = _ERRORS.get(data.get("type", ""), ModuleError)
    error = kind(
        data.get("message", "failed"),
        refused=data.get("refused", False),
        status=data.get("status"),
        retry_after=data.get("retry_after"),
        detail=data.get("detail"),
        place=data.get("place"),
        hint=data.get("hint"),
    )
    error.code = data.get("code", kind.code)  # type: ignore[misc]  # a plugin's own type has a code of its own
    return error
