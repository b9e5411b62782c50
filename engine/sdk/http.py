"""What a module sees of HTTP: the engine's client, its answer, and the table that maps a vendor's errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from engine.sdk import errors, jsontext


@dataclass(frozen=True, slots=True)
class Response:
    """A vendor's answer.

    :param status: HTTP status.
    :param headers: names in lower case.
    :param body: the bytes as they came.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, read as UTF-8."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON whatever its Content-Type says; an empty body is None. Raises ``VendorError``."""
        if not self.body.strip():
            return None
        try:
            return jsontext.loads(self.body)
        except ValueError as error:
            raise errors.VendorError(
                f"the answer (status {self.status}) is not JSON: {error}", status=self.status, detail=self.text[:500]
            ) from None

    @property
    def readable(self) -> Any:
        """The body for people: JSON where it is JSON, else text, cut to 2,000 characters."""
        try:
            return jsontext.loads(self.body)
        except ValueError:
            return self.text[:2000]


#: What a status means when a vendor's table says nothing else.
_USUAL: dict[int, type[errors.ModuleError]] = {
    400: errors.DataError,
    401: errors.AuthError,
    403: errors.AuthError,
    404: errors.NotFound,
    408: errors.TimeoutError,
    409: errors.Conflict,
    410: errors.NotFound,
    413: errors.DataError,
    422: errors.DataError,
    423: errors.Conflict,
    429: errors.RateLimitError,
}

#: The statuses by which a REST API, by RFC 9110, says that it did not apply the request.
CLIENT_ERRORS: frozenset[int] = frozenset(
    {400, 401, 403, 404, 405, 406, 410, 411, 413, 414, 415, 417, 421, 422, 423, 428, 429, 431}
)


#: Seconds of the longest wait that a vendor can ask for. Longer ones are cut to this: a vendor that says ten days may
#: be wrong or may have changed its mind, and asking once a day costs nothing.
LONGEST_WAIT = 86_400.0
#: seconds from which on a number stands for a point in time, as some vendors send it, rather than for a wait
UNIX_TIMES = 86_400.0 * 365


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """What an error is that stands in a body.

    :param text: a regular expression, looked for in what the vendor says, whatever the case of letters.
    :param type: the standard type.
    :param refused: it proves that a write was not applied.
    """

    text: str
    type: type[errors.ModuleError]
    refused: bool = False


@dataclass(frozen=True, slots=True)
class BodyErrors:
    """Errors that stand in answers whose status says that all went well.

    :param found: JMESPath over the answer's JSON. Where it gives something (no null, false, nor anything empty), the
        answer is an error, and what it gives is the vendor's word on it. A body that is no JSON is none.
    :param kinds: the first whose ``text`` is found says what the error is.
    :param otherwise: what it is when none does. The default claims nothing: the write may have been applied.
    :param taken: JMESPath over the answer's JSON by which a success is told, for a vendor whose statuses tell nothing.
        Where it gives nothing, and in a body that is no JSON, the answer is an error: ``otherwise``. None: what is no
        error is a success.
    """

    found: str
    kinds: Sequence[ErrorKind] = ()
    otherwise: ErrorKind = ErrorKind("", errors.VendorError)
    taken: str | None = None

    def kind(self, text: str) -> ErrorKind:
        """What an error of this text is."""
        return next((kind for kind in self.kinds if re.search(kind.text, text, re.IGNORECASE)), self.otherwise)


@dataclass(frozen=True)
class ErrorTable:
    """How a vendor's errors map to the standard types.

    :param types: status to standard type, where it differs from the usual reading.
    :param refused: statuses that prove that a write was not applied. 429 always does. ``CLIENT_ERRORS`` is a
        fitting value for an API that is known to check before it writes; the default claims nothing.
    :param said: JMESPath over the JSON of a failed answer that gives the vendor's word on it, for the error's message.
    :param body: how errors are told from answers below 300. None: there they are none.
    """

    types: Mapping[int, type[errors.ModuleError]] = field(default_factory=dict)
    refused: Iterable[int] = frozenset()
    said: str | None = None
    body: BodyErrors | None = None

    def error(self, response: Response, what: str, said: str | None = None) -> errors.ModuleError:
        """The error that an answer stands for: one of status 300 or above, or one whose body says so.

        :param said: the vendor's word on it, as the engine found it by ``said`` or ``body``.
        """
        status = response.status
        if status < 300 and self.body is not None:
            found = self.body.kind(said or "")
            kind, refused = found.type, found.refused
        else:
            kind = self.types.get(status) or _USUAL.get(status) or errors.VendorError
            refused = status in self.refused
        return kind(
            f"{what} answered {status}: {said}" if said else f"{what} answered {status}",
            refused=kind.proves_refused or refused,
            status=status,
            retry_after=retry_after(response.headers),
            detail=response.readable,
        )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks to wait: ``Retry-After``, else ``RateLimit-Reset`` (lower-case names).

    ``Retry-After`` is seconds or an HTTP date (RFC 9110, 10.2.3). A date is compared with the answer's own ``Date``, so
    that a clock that is wrong on either side does no harm.

    :returns: what the vendor said, however long; whoever waits caps it (``LONGEST_WAIT``). None: it said nothing that
        can be understood.
    """
    for name in ("retry-after", "ratelimit-reset"):
        text = headers.get(name, "")
        try:
            seconds = float(text)
        except ValueError:
            later, sent = http_date(text), http_date(headers.get("date", ""))
            if name != "retry-after" or later is None or sent is None:
                continue
            seconds = max(0.0, (later - sent).total_seconds())
        if 0 <= seconds < UNIX_TIMES:
            return seconds
    return None


def http_date(text: str) -> datetime | None:
    """An HTTP date (RFC 9110, 5.6.7); None when it is none."""
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


class Http(Protocol):
    """The engine's HTTP client, bound to a connection: base URL, auth, timeout and error table are in place.

    It never sends a request twice by itself and follows no redirect.
    """

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = ...,
        data: bytes | str | None = None,
        errors: ErrorTable | None = None,
        raise_for_status: bool = True,
    ) -> Response:
        """Send one request.

        :param path: relative to the connection's base URL; a whole URL only where the connection has none.
        :param query: None values are left out, booleans become ``true``/``false``, lists repeat the key.
        :param json: a JSON value to send as the body; left out when not given (None is sent as ``null``).
        :param errors: a table to use in place of the connection's.
        :param raise_for_status: False hands back answers that are errors, by status or by the table's ``body``,
            instead of raising.
        :raises ModuleError: one of the standard types, each saying whether the request was provably not applied.
        """
        ...
