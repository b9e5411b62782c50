"""What the integrators call their functions, and what says the same here: for the hint at an unknown name.

Names that differ from ours by capital letters and underscores alone need no entry: ``formatDate`` is ``format_date``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from engine.scenario.diagnostics import did_you_mean

#: by the integrators' name in lower case, without underscores: our function, or in backticks what is written instead
ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "add": "append",
        "arraydifference": "difference",
        "arrayelement": "at",
        "average": "avg",
        "base64": "base64_encode",
        "carriagereturn": "`char(13)`",
        "case": "`at([a, b], index)`, the first being 0",
        "count": "length",
        "createjson": "to_json",
        "datediff": "date_difference",
        "dayofmonth": "day_of_month",
        "decodeurl": "url_decode",
        "deduplicate": "unique",
        "distinct": "unique_by",
        "div": "`floor(a / b)`",
        "divide": "`a / b`",
        "emptyarray": "`[]` in backticks",
        "emptystring": "`''`",
        "encodeurl": "url_encode",
        "endofmonth": "`end_of(date, 'month')`",
        "equal": "`a == b`",
        "erase": "`null`",
        "escapejson": "to_json",
        "executionid": "`run.id`",
        "exists": "`x != null`",
        "filter": "`list[?price > 5]`",
        "formatjson": "to_json",
        "ifin": "`if(contains([a, b], x), then, else)`",
        "ifempty": "if_empty",
        "ignore": "omit",
        "in": "`contains([a, b], x)`",
        "indexof": "find_first",
        "isblank": "is_empty",
        "json": "to_json",
        "lastindexof": "find_last",
        "mergecollections": "merge",
        "mime": "mime_type",
        "mod": "`a % b`",
        "multiply": "`a * b`",
        "nbsp": "`char(160)`",
        "number": "to_number",
        "parsejson": "parse_json",
        "pick": "pick_keys",
        "prod": "product",
        "regex": "match",
        "removeaccents": "remove_accents",
        "replaceall": "replace",
        "replaceemojicharacters": "replace_emoji",
        "setdate": "set_day_of_month",
        "setday": "set_day_of_week",
        "size": "length",
        "sortascnum": "sort",
        "sortascstring": "sort",
        "sortdescnum": "`sort(list, 'desc')`",
        "sortdescstring": "`sort(list, 'desc')`",
        "space": "`' '`",
        "startcase": "start_case",
        "startofmonth": "`start_of(date, 'month')`",
        "stdevp": "stdev_population",
        "stdevs": "stdev_sample",
        "string": "to_string",
        "stringify": "to_json",
        "strlen": "length",
        "sub": "`a - b`",
        "subtract": "`a - b`",
        "timestamp": "`to_timestamp(now())`",
        "toarray": "entries",
        "tobinary": "recode",
        "tocollection": "to_object",
        "tojson": "to_json",
        "tolower": "lower",
        "tolowercase": "lower",
        "toupper": "upper",
        "touppercase": "upper",
        "urldecode": "url_decode",
        "urlencode": "url_encode",
        "weekdaydiff": "weekday_difference",
        "workminutesdiff": "work_minutes",
    }
)


def elsewhere(name: str) -> str | None:
    """What is written here for a name of the integrators."""
    found = ELSEWHERE.get(name.lower().replace("_", ""))
    if found is None:
        return None
    return f"write {found}" if found.startswith("`") else f"here it is called {found}()"


def hint_for(name: str, known: Iterable[str]) -> str | None:
    """What to write in place of a function that is not there."""
    known = list(known)
    plain = name.lower().replace("_", "")
    same = next((one for one in known if one.replace("_", "") == plain), None)
    if same is not None:
        return f"did you mean '{same}'?"
    if (found := elsewhere(name)) is not None:
        return found
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return did_you_mean(snake, known)
