"""Who gets a delivery: shared webhooks, one URL per connection, parked deliveries, and deliveries by command."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from engine.runtime.intake import Accepted
from engine.server.redeliver import NotDeliverable, redeliver
from engine.store.ids import read
from engine.store.records import Delivery
from tests.server.desk import listening
from tests.server.site import Reply, Site

NewSite = Callable[..., Site]
NAMED = "  webhook: shared\n"
SETTINGS = "webhooks: {shared: {}, unused: {}}\n"


def fates(deliveries: Sequence[Delivery]) -> dict[str, str]:
    return {d.scenario: str(d.state) for d in deliveries}


async def test_scenarios_on_one_name_each_get_a_delivery(new_site: NewSite) -> None:
    gold = listening("gold", head=NAMED + "  with: {type: gold}\n")
    scenarios = {"first": listening("first", head=NAMED), "second": listening("second", head=NAMED), "gold": gold}
    async with new_site(scenarios=scenarios, settings=SETTINGS) as site:
        reply = await site.post({"n": 1}, to="shared")
        assert fates(await site.deliveries(reply)) == {"first": "run", "gold": "filtered", "second": "run"}
        assert sorted(run.scenario for run in await site.rest()) == ["first", "second"]
        assert len(site.desk.notes) == 2


async def test_a_named_webhook_has_a_url_before_anybody_listens(new_site: NewSite) -> None:
    async with new_site(settings=SETTINGS) as site:
        reply = await site.post({"n": 1}, to="unused")
        assert reply.status == 202
        [parked] = await site.deliveries(reply)
        assert (parked.state, parked.reason) == ("parked", "no scenario listens to this webhook")
        with pytest.raises(NotDeliverable, match="nobody listened"):
            await deliver(site, reply)
        await deliver(site, reply, "first")
        assert len(await site.rest()) == 1


async def test_scenarios_over_one_connection_share_the_url_of_a_vendor_that_takes_one(new_site: NewSite) -> None:
    head = "  connection: desk\n"
    scenarios = {name: listening(name, "desk.one", head) for name in ("first", "second")}
    scenarios["third"] = listening("third", "desk.one", "  connection: other\n")
    connections = "desk: {type: desk, secret: {env: DESK_SECRET}}\nother: {type: desk}\n"
    async with new_site(scenarios=scenarios, connections=connections) as site:
        assert sorted(site.host.webhooks.hooks) == ["connection:desk", "connection:other"]
        reply = await site.post({"n": 1}, to="connection:desk")
        assert fates(await site.deliveries(reply)) == {"first": "run", "second": "run"}
        await site.rest()


async def test_an_inactive_scenario_s_deliveries_are_parked_and_run_by_command(new_site: NewSite) -> None:
    text = listening("first").replace("trigger:", "active: false\ntrigger:")
    async with new_site(scenarios={"first": text}) as site:
        reply = await site.post({"email": "ana@example.com"})
        [parked] = await site.deliveries(reply)
        assert (parked.state, parked.reason) == ("parked", "scenario 'first' is inactive")
        assert await site.runs() == []
        await deliver(site, reply)
        [run] = await site.rest()
        assert (run.state, run.subject) == ("succeeded", "ana@example.com")
        assert fates(await site.deliveries(reply)) == {"first": "run"}
        with pytest.raises(NotDeliverable):
            await deliver(site, reply)
        with pytest.raises(NotDeliverable, match=r"has run receipt .* already"):
            await deliver(site, reply, "first")
        assert len(site.desk.notes) == 1


async def test_a_scenario_that_is_not_loaded_has_its_deliveries_parked(new_site: NewSite) -> None:
    async with new_site(scenarios={"first": listening("first"), "second": listening("second")}) as site:
        path = "/hooks/" + site.url("scenario:second").rpartition("/")[2]
    async with new_site() as site:
        reply = await site.post({"n": 1}, url=site.url().rpartition("/hooks/")[0] + path)
        assert reply.status == 202
        [parked] = await site.deliveries(reply)
        assert (parked.scenario, parked.state) == ("second", "parked")
        assert parked.reason == "scenario 'second' is not loaded"
        with pytest.raises(NotDeliverable, match="'second' is not loaded"):
            await deliver(site, reply)
    async with new_site(scenarios={"first": listening("first"), "second": listening("second")}) as site:
        await deliver(site, reply)
        [run] = await site.rest()
        assert (run.scenario, run.state) == ("second", "succeeded")


async def test_a_rejected_delivery_runs_by_command_once_the_app_takes_it(new_site: NewSite) -> None:
    async with new_site(scenarios={"first": listening("first", "desk.broken_parse")}) as site:
        reply = await site.post({"n": 1})
        assert reply.status == 202
        [rejected] = await site.deliveries(reply)
        assert rejected.state == "rejected"
        assert rejected.reason == "the parser of desk.broken_parse raised KeyError: 'a mistake of the app'"
        await deliver(site, reply)
        assert fates(await site.deliveries(reply)) == {"first": "rejected"}
    async with new_site() as site:
        await deliver(site, reply)
        assert [run.state for run in await site.rest()] == ["succeeded"]


async def test_several_events_of_a_rejected_delivery_run_by_command(new_site: NewSite) -> None:
    async with new_site(scenarios={"first": listening("first", "desk.broken_parse")}) as site:
        reply = await site.post({"several": [{"email": "a@example.com"}, {"email": "b@example.com"}]})
    async with new_site() as site:
        accepted = await deliver(site, reply)
        assert [d.number for d in accepted.deliveries] == [0, 1]
        assert {run.subject for run in await site.rest()} == {"a@example.com", "b@example.com"}


async def test_an_event_that_ran_in_the_meantime_is_not_run_again_by_command(new_site: NewSite) -> None:
    idle = listening("first").replace("trigger:", "active: false\ntrigger:")
    async with new_site(scenarios={"first": idle}) as site:
        parked = await site.post({"event_id": "e1"})
    async with new_site() as site:
        await site.post({"event_id": "e1"})
        with pytest.raises(NotDeliverable, match="the same event has come with receipt"):
            await deliver(site, parked)
        assert len(await site.rest()) == 1
        assert len(site.desk.notes) == 1


async def test_what_cannot_be_delivered_is_said(site: Site) -> None:
    reply = await site.post({"n": 1})
    await site.rest()
    with pytest.raises(NotDeliverable, match="there is no receipt"):
        await redeliver(site.host, 12345, None)
    with pytest.raises(NotDeliverable, match="0 scenarios"):
        await deliver(site, reply)
    with pytest.raises(NotDeliverable, match="'nobody' is not loaded"):
        await deliver(site, reply, "nobody")


async def deliver(site: Site, reply: Reply, scenario: str | None = None) -> Accepted:
    return await redeliver(site.host, read(reply.body["receipt"]), scenario)


# ---------------------------------------------------------------- mistakes of an app, after the receipt is stored


@pytest.mark.parametrize("module", ["broken_parse", "no_list", "no_json"])
async def test_a_parser_s_mistake_rejects_and_keeps_the_receipt(new_site: NewSite, module: str) -> None:
    async with new_site(scenarios={"first": listening("first", f"desk.{module}")}) as site:
        reply = await site.post({"n": 1})
        assert reply.status == 202
        [rejected] = await site.deliveries(reply)
        assert rejected.state == "rejected"
        assert f"the parser of desk.{module} raised" in str(rejected.reason)
        assert (await site.receipt(reply)).body == b'{"n":1}'


async def test_a_filter_s_mistake_holds_the_run(new_site: NewSite) -> None:
    async with new_site(scenarios={"first": listening("first", "desk.broken_accepts")}) as site:
        assert (await site.post({"n": 1})).status == 202
        [run] = await site.rest()
        assert run.state == "held"
        assert b"the trigger's filter raised KeyError" in (run.hold or b"")


async def test_a_refused_event_is_rejected_with_the_app_s_reason(site: Site) -> None:
    reply = await site.post("refuse")
    [rejected] = await site.deliveries(reply)
    assert (rejected.state, rejected.reason) == ("rejected", "the desk knows no such event")


async def test_ids_and_subjects_that_the_configuration_names(new_site: NewSite) -> None:
    text = listening("first", "desk.identified", "  with: {header: x-event}\n")
    async with new_site(scenarios={"first": text}) as site:
        replies = [await site.post({"who": 7, "n": n}, headers={"X-Event": "e1"}) for n in (1, 2)]
        first, second = [(await site.deliveries(reply))[0] for reply in replies]
        assert (first.state, second.state) == ("run", "duplicate")
        assert second.reason == replies[0].body["receipt"]
        [run] = await site.rest()
        assert run.subject == "7"
        assert len(site.desk.notes) == 1
