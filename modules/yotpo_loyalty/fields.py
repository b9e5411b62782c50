"""Options that several modules share, and the vendor's rules for what stands in them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from engine import (
    Call,
    Config,
    DataError,
    Happened,
    Json,
    NotFound,
    ProbeResult,
    Request,
    Response,
    Schema,
    VendorError,
    field,
)
from modules.yotpo_loyalty import schemas as s

#: of these the vendor wants one to know of whom a look-up is
IDENTIFICATION = ("customer_email", "customer_id", "pos_account_id", "phone_number")
#: top-level key of an answer that reports a failure, by what a shop's program looks for
ERRORS_KEY = "errors"

#: E.164: plus, country code, at most 15 digits in all
E164 = "^\\+[1-9]\\d{1,14}$"
_DATE = "\\d{4}-\\d{2}-\\d{2}"
_CLOCK = "[T ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?(Z|[+-]\\d{2}:?\\d{2})?"

#: ISO 8601 with a time of day. The zone may be missing, as in some of the vendor's own times.
MOMENT: Schema = {"type": "string", "pattern": f"^{_DATE}{_CLOCK}$"}
#: ISO 8601, a date or a date with a time of day
DATE_OR_MOMENT: Schema = {"type": "string", "pattern": f"^{_DATE}({_CLOCK})?$"}
EMAIL: Schema = {"type": "string", "pattern": "^[^@\\s]+@[^@\\s]+$"}
#: text at the vendor; a whole number is sent as text
ID: Schema = {"type": ["string", "integer"], "minLength": 1}

CUSTOMER_EMAIL = field(
    "Customer Email", "E-mail address, such as ana@example.com; may be left out when there is a customer_id.", EMAIL
)
CUSTOMER_ID = field("Customer ID", "The customer's identifier in your system.", ID)
POS_ACCOUNT_ID = field("Pos Account ID", "The customer's account identifier at the point of sale.", ID)
HISTORY_TITLE = field("History Title", "What the customer's history says.", type="string", minLength=1)
UNIQUE_TITLE = field(
    "Unique History Title",
    "Not sent. Says that history_title is written for this one event, such as by naming an order. Then the customer's "
    "history can prove that a call of unknown outcome happened.",
    type="boolean",
    default=False,
)
#: what has no title of its own cannot be found by one
TITLE_FOR_UNIQUE: Schema = {
    "if": {"required": ["unique_history_title"], "properties": {"unique_history_title": {"const": True}}},
    "then": {"required": ["history_title"]},
}
#: seconds until a change of points is looked for in the history; inferred, the vendor does not tell
SHOWN_AFTER = 10.0


def shown_after(config: Config) -> float | None:
    """When a change can be found in the customer's history; None: it cannot be told from others there."""
    seen = config.get("unique_history_title") is True and config.get("visible_to_customer") is not False
    return SHOWN_AFTER if seen else None


#: the engine's own options, which the vendor does not get
OWN = ("unique_history_title",)
#: the config without them, as a declared call sends it
WITHOUT_OWN = f"omit_keys(@, {', '.join(map(repr, OWN))})"

_BODY: Schema = {"description": "The vendor's answer as it came, null when it was empty"}
#: of calls whose answer the vendor does not describe, so that nothing is promised of it
ACCEPTED: Schema = s.record({"status": {"type": "integer", "description": "HTTP status"}, "body": _BODY})
#: the same of a call that a probe may settle
ACCEPTED_OR_FOUND: Schema = s.record(
    {
        "status": {
            "type": ["integer", "null"],
            "description": "HTTP status; null when the customer's history told that it happened",
        },
        "body": _BODY,
    }
)


def body_of(response: Response) -> Json:
    """The body, by what it is: the vendor was seen to send JSON as text/plain. None when it is empty."""
    try:
        return response.json()
    except Exception:  # noqa: BLE001 - the request was answered: what cannot be read is shown, never repeated
        return response.text


async def read(call: Call, path: str, query: Mapping[str, Any] | None = None) -> tuple[Response, Json]:
    """What a read answers. Older accounts answer 200 where a look-up fails, with ``errors`` in the body.

    :raises NotFound: the look-up of a customer has failed.
    :raises VendorError: another one has, or the answer is not JSON.
    """
    response = await call.http.request("GET", path, query=query)
    answer = response.json()
    if not isinstance(answer, Mapping) or ERRORS_KEY not in answer:
        return response, answer
    named = [name for name in IDENTIFICATION if name in (query or {})]
    if named:
        raise NotFound(
            "the vendor knows no such customer",
            status=response.status,
            detail=answer[ERRORS_KEY],
            hint="looked for by " + ", ".join(named),
        )
    raise VendorError("the answer is an error", status=response.status, detail=answer[ERRORS_KEY])


def read_list(path: str) -> Callable[[Call], Awaitable[Json]]:
    """A read of a list; the config is its query."""

    async def run(call: Call) -> Json:
        response, answer = await read(call, path, call.config)
        if not isinstance(answer, list):
            raise VendorError("the answer is not a list", status=response.status, detail=response.readable)
        return answer

    return run


def warn_of_errors(call: Call, answer: Json) -> None:
    """Say that an accepted write has ``errors`` in its answer.

    What that means is known of reads only, so that it proves neither that the write happened nor that it did not.
    """
    if isinstance(answer, Mapping) and ERRORS_KEY in answer:
        call.warn(f"the vendor accepted the call, but its answer has errors: {answer[ERRORS_KEY]!r}"[:500])


def sent(path: str, body: str = "@") -> Request:
    """A write whose answer the vendor does not describe: it is handed on as it is, JSON or text."""
    return Request("POST", path, body=body, gives="{status: status, body: body}", warns=ERRORS_KEY)


def with_texts(config: Config, names: Iterable[str]) -> dict[str, Any]:
    """The config with these identifiers as text, which is what the vendor's documentation has."""
    return {**config, **{name: str(config[name]) for name in names if name in config}}


def require_times(config: Config, names: Iterable[str]) -> None:
    """Refuse a time that the calendar does not have, which a pattern cannot tell."""
    for name in names:
        value = config.get(name)
        if value is None:
            continue
        try:
            datetime.fromisoformat(value)
        except ValueError:
            raise DataError(f"{name}: there is no time '{value}'; nothing was sent", refused=True) from None


async def find_in_history(call: Call, output: Json) -> Happened | ProbeResult:
    """Whether the customer's history has an item of the call's title, when the author says that it is unique.

    Presence proves that it happened. Absence proves nothing: the vendor does not tell how soon an item is shown, nor
    that each action makes one. That an item's ``action`` is the title that was sent is inferred; where it is not so,
    nothing is found, and the outcome stays unknown.
    """
    if shown_after(call.config) is None:
        return ProbeResult.UNKNOWN
    whose = {name: call.config[name] for name in ("customer_email", "customer_id") if name in call.config}
    query = {**whose, "with_referral_code": False, "with_history": True}
    _, customer = await read(call, "/customers", query)
    items = customer.get("history_items") if isinstance(customer, Mapping) else None
    if not isinstance(items, list):
        return ProbeResult.UNKNOWN
    title = call.config["history_title"]
    if any(isinstance(item, Mapping) and item.get("action") == title for item in items):
        return Happened(output)
    return ProbeResult.UNKNOWN
