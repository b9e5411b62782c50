"""How large what a run produces may be: one output, and its journal as a whole.

An output is measured where it is made. One that is too large fails its step, or, where a vendor has accepted the call,
is left out with a warning. A journal that is full holds its run before the next thing is begun, so that nothing is lost
and nothing half done; with more room the run goes on. How an output was found is recorded like everything that steers
a run, so that another limit changes nothing of what was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.runtime.journal import Journal
from engine.runtime.outcomes import Hold, MustHold
from engine.runtime.settings import LEAST_OUTPUT, Limits
from engine.scenario.expressions import ExpressionError
from engine.sdk import jsontext
from engine.sdk.errors import DataError, EngineError

if TYPE_CHECKING:
    from engine.runtime.callers import Attempt

DEFAULT_LIMITS = Limits()
#: bytes up to which what a loop collects is never too large, so that nothing need be remembered of it
SMALL = LEAST_OUTPUT
#: bytes of an attempt's error above which what the vendor answered is left out of it
LARGEST_ERROR = 1_000_000
#: what an author can do about an output
LESS = "ask for less (a filter, a limit, fewer fields), or raise `limits.output` in engine.yaml"


class About(NamedTuple):
    """Whose value is measured, for messages.

    :param what: what it is; a function of the value where that says more.
    :param step: the step's path.
    """

    what: str | Callable[[Any], str]
    step: str
    place: str


class ValueTooLarge(ExpressionError):
    """A value that a scenario computes, or the list that a loop collects, is larger than ``limits.output``."""

    code = "value-too-large"

    def __init__(self, what: str, size: int, limit: int) -> None:
        # without an excerpt of the value, which helps nobody here
        EngineError.__init__(self, too_large(what, size, limit), hint=LESS)


def too_large(what: str, size: int, limit: int) -> str:
    """The sentence that says so. Sizes alone: what the value holds may be secret."""
    return f"{what} would be {shown(size)} as JSON, more than `limits.output` ({shown(limit)})"


def shown(size: int) -> str:
    """A size as people read it, exact enough to tell it from the limit that it is above."""
    if size < 1_000_000:
        return f"{size:,} bytes"
    return f"{size / 1_000_000:,.3f}".rstrip("0").rstrip(".") + " MB"


def largest(values: Mapping[str, Any]) -> str:
    """What a ``set`` that is too large consists of."""
    name = max(values, key=lambda name: jsontext.size(values[name]))
    return f"what `set` computes (`{name}` most of all)" if len(values) > 1 else f"the value of `{name}`"


class Sizes:
    """The sizes of one run.

    :ivar unwritten: bytes of values that no row has yet.
    """

    __slots__ = ("_journal", "_limits", "unwritten")

    def __init__(self, limits: Limits, journal: Journal) -> None:
        self._limits = limits
        self._journal = journal
        self.unwritten = 0

    def wrote(self, one: bytes | None, two: bytes | None = None, three: bytes | None = None) -> None:
        """Count what a row holds."""
        self._journal.size += (len(one) if one else 0) + (len(two) if two else 0) + (len(three) if three else 0)

    def room(self, step: str, place: object, more: int = 0) -> None:
        """Raise ``MustHold`` where the journal has no room for so many bytes more."""
        size = self._journal.size + self.unwritten + more
        if size > self._limits.run:
            message = (
                f"the journal of this run would be {shown(size)}, more than `limits.run` ({shown(self._limits.run)}); "
                "nothing more was begun: raise the limit in engine.yaml, restart the engine, and let the run go on"
            )
            raise MustHold(Hold("too-large", message, step, place=None if place is None else str(place)))

    def output(self, what: str, text: bytes, place: object) -> bytes:
        """An output that may still be refused. Raises ``DataError``."""
        if len(text) > self._limits.output:
            message = too_large(f"the output of {what}", len(text), self._limits.output)
            raise DataError(message, place=str(place), hint=LESS)
        return text

    def accepted(self, output: Any, attempt: Attempt) -> bytes:
        """The output of a write that was applied, whatever it is."""
        try:
            text = jsontext.dumps(output)
        except TypeError as error:
            attempt.warn(f"the vendor said yes, but the module's output is not JSON ({error}); it is null here")
            return b"null"
        if len(text) > self._limits.output:
            more = too_large("the output", len(text), self._limits.output)
            attempt.warn(f"the vendor said yes, but {more}; it is null here")
            return b"null"
        return text

    def value(self, value: Any, about: About) -> Any:
        """A value that is about to be kept. Raises ``ValueTooLarge``, ``MustHold``."""
        size = jsontext.size(value)
        if size > self._limits.output:
            what = about.what if isinstance(about.what, str) else about.what(value)
            raise ValueTooLarge(what, size, self._limits.output)
        self.room(about.step, about.place, size)
        self.unwritten += size
        return value

    def asked(self, what: str, text: bytes | None) -> bytes | None:
        """What is kept of a run's data for whoever answers it. Raises ``ValueTooLarge``."""
        if text is not None and len(text) > self._limits.output:
            raise ValueTooLarge(what, len(text), self._limits.output)
        return text
