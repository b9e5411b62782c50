"""What the vendor's answer to a request about many users says of each of them.

It answers 200 also when it took none of them. Which it did not take stands in ``data.fail.errors``, under keys such as
``users.3.identifiers.*.type(string)``, by their place in the request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from engine import DataError, Done, Json, Refused, Response, Unknown, VendorError

_KEY = re.compile(r"users\.(\d+)\.(.+)")


def outcomes(response: Response, number: int) -> Sequence[Done | Refused | Unknown]:
    """One outcome for each user of a request.

    :param number: how many users the request had.
    :raises VendorError: the answer is of no form that is known; nothing is known of any of them.
    """
    body = response.json()
    if body in (None, {}):
        # the deletion of attributes may answer nothing at all
        return [Done()] * number
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict):
        raise VendorError("the answer does not say what became of the users", detail=response.readable)
    fail = data.get("fail") or {}
    errors = fail.get("errors") or {}
    wrong: dict[int, dict[str, Json]] = {}
    unclear: dict[str, Json] = {}
    for key, messages in errors.items():
        found = _KEY.fullmatch(key)
        if found and int(found[1]) < number:
            wrong.setdefault(int(found[1]), {})[found[2]] = messages
        else:
            unclear[key] = messages
    done = number - len(wrong)
    counts = ((data.get("successful") or {}).get("count", 0), fail.get("count", 0))
    rest: Done | Refused | Unknown
    if counts == (0, number) and not wrong:
        # it took none of them, and names nobody
        rest = Refused(refusal(unclear or {"refused": "the answer does not say why"}))
    elif unclear or counts != (done, len(wrong)):
        # whom it took is not said: only what is named is known
        rest = Unknown(VendorError(f"the answer counts {counts[0]} taken and {counts[1]} refused users", detail=data))
    else:
        rest = Done()
    return [Refused(refusal(wrong[place])) if place in wrong else rest for place in range(number)]


def refusal(errors: Mapping[str, Json]) -> DataError:
    """The error of one user.

    :param errors: messages by what they are about.
    """
    first, messages = next(iter(errors.items()))
    said = ", ".join(map(str, messages)) if isinstance(messages, list) else str(messages)
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    return DataError(f"{first}: {said}{more}", refused=True, status=200, detail=dict(errors))
