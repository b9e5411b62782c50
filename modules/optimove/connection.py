"""How an Optimove tenant is reached, what its answers mean, and what of the vendor's API is inferred."""

from __future__ import annotations

from contextlib import suppress

from engine import (
    AuthError,
    BodyErrors,
    Call,
    ConnectionType,
    DataError,
    ErrorKind,
    ErrorTable,
    HeaderAuth,
    RateLimit,
    Response,
    Schema,
    field,
    options,
)

#: Names of events and parameters. The vendor says: snake case, and that case counts; its mobile guides say lower case.
SNAKE_CASE = "^[a-z0-9]+(_[a-z0-9]+)*$"
#: characters of a text among the parameters of an event, by the vendor's page on server-side events
LONGEST_TEXT = 255
#: parameters of one event, by the vendor's guides to its mobile SDKs; that it holds for server-side events is inferred
MOST_PARAMETERS = 50

#: How a message begins by which the vendor says that it did not take an event; seen in its documentation.
NOT_VALID = "Failed to validate the event"

#: Inferred: the page has a section on the rate limit that could not be read. A connection may set another.
REQUESTS_PER_SECOND = 10

#: Statuses after which nothing was recorded; inferred from their meaning. The statuses of the vendor's errors are not
#: known: the documented one names none, and is taken to come with 200.
REFUSED = frozenset({400, 401, 403, 404, 413, 415, 422})


#: A message of any other kind proves nothing of what became of the event.
ERRORS = ErrorTable(
    refused=REFUSED,
    said="message",
    body=BodyErrors(
        found="status == 'error' && (message || 'an error without a message')",
        kinds=(
            ErrorKind(f"^{NOT_VALID}.* - (tenant|token)", AuthError, refused=True),
            ErrorKind(f"^{NOT_VALID}", DataError, refused=True),
        ),
        taken="status == 'success'",
    ),
)


def event_id(response: Response) -> str:
    """The vendor's id of an event that it took."""
    return str(response.json().get("message", ""))


async def check(call: Call) -> None:
    """Send a request that names the tenant and no event.

    The vendor has nothing that can be read. A request without an event's name cannot be recorded; that the tenant is
    looked at before the event is inferred.
    """
    with suppress(DataError):  # it knows the tenant, and misses the event
        await call.http.request("POST", "", json={"tenant": call.connection["tenant"]})


_TEXT: Schema = {"type": "string", "minLength": 1}

CONNECTION = ConnectionType(
    name="optimove",
    title="Optimove Track & Trigger",
    description=(
        "Endpoint, tenant and real-time token come from Optimove's Product Integration Team. In Optimove, the "
        "customer ID must be the e-mail address for the loyalty events to find their customers."
    ),
    fields={
        **options(
            "tenant",
            "base_url",
            tenant=field(
                "Tenant ID", "The number of your Optimove site; stands in every event.", type="integer", minimum=1
            ),
            base_url=field(
                "Endpoint",
                "The whole URL that server-side events are sent to; each tenant has its own.",
                type="string",
                pattern="^https?://[^\\s?#]+$",
            ),
            token=field("Real-time token", "Newer sites have one.", _TEXT, writeOnly=True),
            token_header=field(
                "Header of the token",
                "The header's name as Optimove told it to you; it is not publicly documented.",
                type="string",
                pattern="^[A-Za-z0-9-]+$",
            ),
            event_names=field(
                "Event names",
                "What an event is called in Optimove, where that is not the name that scenarios use.",
                type="object",
                propertyNames={"pattern": SNAKE_CASE},
                additionalProperties=_TEXT,
            ),
        ),
        "dependentRequired": {"token": ["token_header"], "token_header": ["token"]},
    },
    auth=(HeaderAuth("{token_header}", "token"),),
    errors=ERRORS,
    test=check,
    rate=RateLimit(REQUESTS_PER_SECOND),
)
