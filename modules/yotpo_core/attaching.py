"""Telling the Core API the URL of a trigger: a target, a filter of topics, and a subscription that joins them.

Three calls, and anything may end between two of them. So each time the lists are read first, and only what lacks is
made: a target of the URL, a filter of just these topics, what joins the two. Nothing that is there is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from engine import Attachment, Call, Config, Json, NotFound, VendorError
from modules.yotpo_core.names import CORE, PAGES

#: pages of a list; one that has more leads in a circle
MOST_PAGES = 100


@dataclass(frozen=True)
class Known:
    """What the store has.

    :param targets: of the URL.
    :param filters: topics by identifier; None: they cannot be told.
    :param joins: of the URL's targets, what each subscription leads from.
    :param others: filters from which somebody else's subscriptions lead.
    """

    targets: list[Json]
    filters: Mapping[str, tuple[Json, frozenset[str] | None]]
    joins: list[tuple[Json, str]]
    others: frozenset[str]

    def reached(self) -> frozenset[str]:
        """The topics that are sent to the URL.

        :raises VendorError: of a subscription nobody can tell: with another beside it, events could come twice.
        """
        found: frozenset[str] = frozenset()
        for number, passing in self.joins:
            _, topics = self.filters.get(passing, (None, None))
            if topics is None:
                raise VendorError(
                    f"subscription {number} leads to this URL, and the topics of its filter {passing} cannot be told",
                    hint="delete the subscription (yotpo_messaging.delete_webhook_subscription), and attach again",
                )
            found |= topics
        return found


def calls_for(topics: Callable[[Config], Iterable[str]]) -> Attachment:
    """How the vendor is told a trigger's URL over this channel.

    :param topics: what the trigger's config asks for.
    """

    async def attach(call: Call, url: str) -> bool:
        wanted = list(topics(call.config))
        known = await _known(call, url)
        missing = sorted(set(wanted) - known.reached())
        if not missing:
            return False
        same = (number for number, passing in known.filters.values() if passing == frozenset(missing))
        target = known.targets[0] if known.targets else await _create(call, "target", {"url": url})
        passing = next(same, None)
        if passing is None:
            passing = await _create(call, "filter", {"event_types": [{"event_type": one} for one in missing]})
        await _create(call, "subscription", {"target_id": target, "filter_id": passing})
        return True

    async def detach(call: Call, url: str) -> bool:
        known = await _known(call, url)
        # What joins goes first: the vendor deletes no target or filter that a subscription has. The target goes last,
        # because by it the rest is found when this is begun again. What can be left is a filter that sends nothing.
        gone = [await _delete(call, "subscription", number) for number, _ in known.joins]
        for passing in sorted({passing for _, passing in known.joins} & known.filters.keys() - known.others):
            await _delete(call, "filter", passing)
        gone += [await _delete(call, "target", number) for number in known.targets]
        return any(gone)

    # the same events may be sent to the URL because it was entered by hand elsewhere, and this API does not show that
    return Attachment(connection="yotpo_messaging", attach=attach, detach=detach, by_name=True)


async def _known(call: Call, url: str) -> Known:
    told = [(_shown(one, "target", "url"), one) for one in await _every(call, "targets")]
    targets = [_shown(one, "target", "id") for whose, one in told if whose == url]
    filters = {str(one["id"]): (one["id"], _topics(one)) for one in await _every(call, "filters") if _named(one)}
    mine = {str(number) for number in targets}
    joins: list[tuple[Json, str]] = []
    others: set[str] = set()
    for one in await _every(call, "subscriptions"):
        # where there is no target of the URL, no subscription leads to it
        if mine and str(_shown(one, "subscription", "target_id")) in mine:
            joins.append((_shown(one, "subscription", "id"), str(one.get("filter_id"))))
        else:
            others.add(str(one.get("filter_id")))
    return Known(targets, filters, joins, frozenset(others))


def _shown(one: Mapping[str, Any], what: str, name: str) -> Json:
    """What one of a list has under a name, by which is told what leads where.

    :raises VendorError: it has nothing there. Passed over, it would be made a second time, or not be taken away.
    """
    if (found := one.get(name)) is None:
        raise VendorError(
            f"a {what} in the list shows no {name}, so that nobody can tell what leads to which URL",
            hint=f"that it is called {name} there is inferred: make and delete these by hand, with the modules "
            "about webhooks of yotpo_messaging",
        )
    return found


def _named(one: Mapping[str, Any]) -> bool:
    return one.get("id") is not None


def _topics(passing: Mapping[str, Any]) -> frozenset[str] | None:
    types = passing.get("event_types")
    if not isinstance(types, list):
        return None
    names = [one.get("event_type") if isinstance(one, Mapping) else one for one in types]
    told = [name for name in names if isinstance(name, str)]
    return frozenset(told) if len(told) == len(names) else None


def _path(call: Call, what: str, number: Json = "") -> str:
    path = str(call.connection["webhook_paths"][what]).replace("{id}", quote(str(number), safe=""))
    return f"{CORE}/{call.connection['store_id']}{path}"


async def _every(call: Call, what: str) -> list[Mapping[str, Any]]:
    name, size = str(call.connection["webhook_keys"][what]), PAGES.size
    found: list[Mapping[str, Any]] = []
    query: dict[str, Json] = {} if size is None else {size.parameter: size.most}
    for _ in range(MOST_PAGES):
        answer = await call.http.request("GET", _path(call, what), query=query)
        body = answer.json()
        items = body.get(name) if isinstance(body, Mapping) else None
        if not isinstance(items, list):
            raise VendorError(
                f"the answer has no list under '{name}'",
                status=answer.status,
                detail=answer.readable,
                hint=f"if it has another name there, set {what} in webhook_keys of the connection",
            )
        found += [one for one in items if isinstance(one, Mapping)]
        pagination = body.get("pagination")
        following = pagination.get("next_page_info") if isinstance(pagination, Mapping) else None
        if not following:
            return found
        query[PAGES.parameter] = following
    raise VendorError(f"the list of {what} has more than {MOST_PAGES} pages, or leads in a circle")


async def _create(call: Call, what: str, body: Mapping[str, Json]) -> Json:
    name = str(call.connection["webhook_keys"][what])
    answer = await call.http.request("POST", _path(call, f"{what}s"), json={name: body})
    made = answer.json()
    shown = made.get(name, made) if isinstance(made, Mapping) else None
    if not isinstance(shown, Mapping) or not _named(shown):
        raise VendorError(
            f"the {what} is made, and the answer has no id under '{name}'",
            status=answer.status,
            detail=answer.readable,
            hint=f"attach again, which finds it in the list; or set {what} in webhook_keys of the connection",
        )
    return shown["id"]


async def _delete(call: Call, what: str, number: Json) -> bool:
    try:
        await call.http.request("DELETE", _path(call, what, number))
    except NotFound:
        return False
    return True
