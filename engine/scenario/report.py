"""Where the checks write down what they find."""

from __future__ import annotations

from engine.scenario.codes import CODES
from engine.scenario.diagnostics import Diagnostic, Place


class Report:
    """The mistakes found in one file so far."""

    def __init__(self) -> None:
        self._found: dict[Diagnostic, None] = {}

    def add(self, code: str, message: str, place: Place, hint: str | None = None) -> None:
        """Note a mistake; the same one in the same place is noted once.

        :param code: a key of ``CODES``, which says how severe it is.
        """
        self._found[Diagnostic(code, message, place, hint, CODES[code].severity)] = None

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """In the order of the file."""
        return sorted(self._found, key=lambda d: (d.place.line, d.place.column))
