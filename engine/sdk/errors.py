"""One exception family.

Every error that a user can meet has a stable ``code``, a sentence that says what is wrong, a place
(``file:line:col``, or run and step path) and a next action. The docstring of a class is what the reference
page says about its code.
"""

from __future__ import annotations

from typing import Any, ClassVar


class EngineError(Exception):
    """Something is wrong that a person can mend.

    :param message: what is wrong, in one sentence.
    :param place: ``file:line:col``, or run and step path.
    :param hint: what to do next.
    """

    code: ClassVar[str] = "engine-error"

    def __init__(self, message: str, *, place: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.hint = hint

    def __str__(self) -> str:
        head = f"{self.place}: " if self.place else ""
        tail = f" ({self.hint})" if self.hint else ""
        return f"{head}error[{self.code}]: {self.message}{tail}"

    def to_json(self) -> dict[str, Any]:
        """The error as shown to expressions (``steps.<id>.error``) and by ``--json``."""
        return {"code": self.code, "message": self.message, "place": self.place, "hint": self.hint}


class ConfigError(EngineError):
    """A settings file (``engine.yaml``, ``connections.yaml``) has a mistake, or a secret that it names is absent."""

    code = "config-error"


class PluginError(EngineError):
    """A plugin could not be loaded, or one of its hooks or functions raised. Names plugin, distribution, file, line."""

    code = "plugin-error"


class StoreError(EngineError):
    """The store cannot be read or written: disk full, file damaged, no permission, or written by a newer version."""

    code = "store-error"


class StoreLocked(StoreError):
    """Another process executes this store. The message says which."""

    code = "store-locked"


class WrongEnvironment(StoreError):
    """The store was made for another environment than the one that this is. Nothing was read or written."""

    code = "wrong-environment"


class LostOwnership(EngineError):
    """The run belongs to another owner now; what this one learned cannot advance it."""

    code = "lost-ownership"


class ModuleError(EngineError):
    """A module's call failed. Base of the standard types.

    :param refused: True when the call was provably not applied by the vendor, so that sending it again is safe.
    :param status: HTTP status of the vendor's answer, where there was one.
    :param retry_after: seconds that the vendor asked to wait, where it did.
    :param detail: the vendor's answer, cut to a readable size.
    """

    code = "module-error"
    #: whether ``retry`` tries again on this type unless its ``on`` says otherwise
    transient: ClassVar[bool] = False
    #: whether the type by itself proves that nothing was applied
    proves_refused: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        refused: bool | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        detail: Any = None,
        place: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, place=place, hint=hint)
        self.refused = self.proves_refused if refused is None else refused
        self.status = status
        self.retry_after = retry_after
        self.detail = detail

    def to_json(self) -> dict[str, Any]:
        return {
            **super().to_json(),
            "type": type(self).__name__,
            "status": self.status,
            "retry_after": self.retry_after,
            "refused": self.refused,
            "detail": self.detail,
        }


class ConnectionError(ModuleError):
    """The vendor could not be reached, or the connection broke before a whole answer came."""

    code = "connection-error"
    transient = True


class TimeoutError(ModuleError):
    """No answer came in time. Whether the vendor applied the call is not known."""

    code = "timeout"
    transient = True


class RateLimitError(ModuleError):
    """The vendor said: too many requests (429), or the rate limit leaves no turn soon. Nothing was applied."""

    code = "rate-limit"
    transient = True
    proves_refused = True


class AuthError(ModuleError):
    """The vendor did not accept the connection's credentials (401 or 403)."""

    code = "auth-error"


class AuthorizationNeeded(AuthError):
    """Nobody has agreed yet that the connection may be used, or the vendor has taken it back. Nothing was sent."""

    code = "authorization-needed"
    proves_refused = True


class NotFound(ModuleError):
    """What the call is about does not exist at the vendor (404)."""

    code = "not-found"


class Conflict(ModuleError):
    """The vendor's state forbids the call (409, 423)."""

    code = "conflict"


class DataError(ModuleError):
    """The vendor, or the module itself, refuses the values that it was given (400, 422)."""

    code = "data-error"


class VendorError(ModuleError):
    """The vendor failed (5xx), or answered in a way that its documentation does not tell."""

    code = "vendor-error"
    transient = True


#: The standard types by name: what ``retry: {on: [...]}`` and error tables may name.
STANDARD_TYPES: dict[str, type[ModuleError]] = {
    t.__name__: t
    for t in (
        ConnectionError,
        TimeoutError,
        RateLimitError,
        AuthError,
        NotFound,
        Conflict,
        DataError,
        VendorError,
    )
}
