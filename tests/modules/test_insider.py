"""Insider's modules against its simulator: each rule of the vendor, in the vendor's own words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import jsonschema
import pytest

from engine import AuthError, DataError, Done, Effect, NotFound, RateLimitError, Refused, Response, Unknown, VendorError
from engine.sdk import jsontext
from modules.insider.answers import outcomes
from modules.insider.connection import CONNECTION, LARGEST_REQUEST, UPSERT_PATH
from modules.insider.profile import RETRIEVE_PROFILE
from modules.insider.removal import ANONYMIZE_USER, DELETE_ATTRIBUTES, DELETE_USER
from modules.insider.schemas import USER, known_by, without_nulls
from modules.insider.simulator import InsiderSimulator
from modules.insider.upsert import UPSERT_USER, UPSERT_USERS, run_one
from tests.modules.bench import Bench, bench, fixture, problems
from tests.runtime.doubles import HandClock

ANA: dict[str, Any] = {"identifiers": {"email": "ana@example.com"}, "attributes": {"name": "Ana"}}
BEN: dict[str, Any] = {"identifiers": {"email": "ben@example.com"}, "attributes": {"name": "Ben"}}
EVENT: dict[str, Any] = {"event_name": "points_earned", "timestamp": "2024-03-05T09:00:00Z"}


@pytest.fixture
def clock() -> HandClock:
    return HandClock(1_709_629_200.0)


@pytest.fixture
def simulator(clock: HandClock) -> InsiderSimulator:
    return InsiderSimulator(clock)


@pytest.fixture
async def insider(simulator: InsiderSimulator, clock: HandClock) -> AsyncIterator[Bench]:
    async with bench(simulator, CONNECTION, clock) as connected:
        yield connected


async def send(insider: Bench, *users: dict[str, Any], **more: Any) -> Any:
    """What a batch's ``run`` says of each user."""
    config = {"users": list(users), **more}
    assert problems(config, UPSERT_USERS.config) == []
    assert UPSERT_USERS.run
    return await UPSERT_USERS.run(insider.call(config))


async def raw(insider: Bench, body: Any, path: str = UPSERT_PATH) -> Response:
    """The vendor's answer to whatever body."""
    return await insider.http.request("POST", path, json=body, raise_for_status=False)


# ---------------------------------------------------------------------- the vendor's own examples


async def test_the_vendors_request_is_taken_and_answered_as_published(
    insider: Bench, simulator: InsiderSimulator
) -> None:
    body = fixture("rest/insider_upsert_request.json")
    assert problems(body, UPSERT_USERS.config) == []
    assert (await raw(insider, body)).json() == fixture("rest/insider_upsert_success.json")
    [person] = simulator.people.all
    assert person.attributes["c_yotpo_point_balance"] == 640
    assert person.events == body["users"][0]["events"]


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"attributes": {"name": "Ana"}}, "insider_upsert_fail_no_identifier"),
        ({**ANA, "events": [{**EVENT, "event_name": "homepageView"}]}, "insider_upsert_fail_event_name"),
    ],
)
async def test_users_that_are_wrong_are_answered_200_as_published(
    insider: Bench, user: dict[str, Any], name: str
) -> None:
    answer = await raw(insider, {"users": [user]})
    assert (answer.status, answer.json()) == (200, fixture(f"rest/{name}.json"))
    [outcome] = outcomes(answer, 1)
    assert isinstance(outcome, Refused)
    assert outcome.error.refused
    # what the vendor refuses, the schema refuses before
    assert problems(user, USER)


@pytest.mark.parametrize("body", [{}, {"users": []}, {"users": "ana"}, []])
async def test_a_request_without_users_is_refused_as_a_whole(insider: Bench, body: Any) -> None:
    answer = await raw(insider, body)
    assert (answer.status, answer.json()) == (400, fixture("rest/insider_error_400_no_users.json"))


async def test_too_many_requests_in_a_minute_are_answered_429(
    insider: Bench, simulator: InsiderSimulator, clock: HandClock
) -> None:
    simulator._limits = {UPSERT_PATH: ("upserts", 2)}
    await send(insider, ANA)
    await send(insider, ANA)
    with pytest.raises(RateLimitError) as caught:
        await send(insider, ANA)
    assert caught.value.detail == fixture("rest/insider_error_429.json")
    assert caught.value.refused
    assert caught.value.retry_after
    clock.advance(caught.value.retry_after)
    assert await send(insider, ANA) == [Done()]


async def test_more_than_five_million_bytes_are_refused(insider: Bench, simulator: InsiderSimulator) -> None:
    large = {**ANA, "attributes": {"name": "x" * LARGEST_REQUEST}}
    with pytest.raises(DataError) as caught:
        await send(insider, large)
    assert "5,000,000 bytes" in caught.value.detail["error"]
    assert caught.value.refused
    assert simulator.people.all == []


async def test_more_than_a_thousand_users_are_refused(insider: Bench) -> None:
    users = [ANA] * 1001
    assert problems({"users": users}, UPSERT_USERS.config)
    assert (await raw(insider, {"users": users})).status == 400


# ---------------------------------------------------------------------- who may come in


@pytest.mark.parametrize("field", [{"partner_name": "other"}, {"request_token": "other"}])
@pytest.mark.parametrize(
    ("status", "detail"),
    [(403, "Invalid api key"), (401, {"success": False, "message": "Partner token authentication failed."})],
)
async def test_wrong_headers_are_refused(
    simulator: InsiderSimulator, clock: HandClock, field: dict[str, str], status: int, detail: Any
) -> None:
    simulator.bad_key_status = status
    async with bench(simulator, CONNECTION, clock, field) as insider:
        with pytest.raises(AuthError) as caught:
            await send(insider, ANA)
        assert (caught.value.status, caught.value.detail, caught.value.refused) == (status, detail, True)
        with pytest.raises(AuthError):
            await insider.test()
    assert simulator.people.all == []


def test_a_partner_name_with_capitals_is_no_partner_name() -> None:
    assert problems({"partner_name": "MyBrand", "request_token": "t"}, CONNECTION.fields)
    assert CONNECTION.secrets == {"request_token"}


async def test_the_test_call_asks_for_nobody_and_changes_nothing(insider: Bench, simulator: InsiderSimulator) -> None:
    await insider.test()
    assert simulator.people.all == []
    assert list(simulator.calls) == ["POST /api/user/v1/profile"]


# ---------------------------------------------------------------------- users


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"identifiers": {"email": "ana"}}, "identifiers.*.regexp(^.+@.+\\..+$)"),
    ({"identifiers": {"phone_number": "5550100"}}, "identifiers.*.regexp(^\\+[1-9]\\d{6,14}$)"),
    ({"identifiers": {"uuid": 7}}, "identifiers.*.type(string)"),
    ({"identifiers": {"custom": {"card": 7}}}, "identifiers.*.type(string)"),
    ({"identifiers": {"name": "Ana"}}, "identifiers.*.in(defaults_column)"),
    ({"identifiers": {}}, "identifiers.required"),
    ({"attributes": {}}, "attributes.required"),
    ({"attributes": {"birthday": "1980-01-01T00:00:00+01:00"}}, "attributes.birthday.regexp"),
    ({"attributes": {"country": "USA"}}, "attributes.country.regexp"),
    ({"attributes": {"email_optin": "yes"}}, "attributes.email_optin.type(boolean)"),
    ({"attributes": {"age": "30"}}, "attributes.age.type(number)"),
    ({"attributes": {"points": 3}}, "attributes.*.in(defaults_column)"),
    ({"attributes": {"static_segment_id": ["1"]}}, "attributes.static_segment_id.type(array)"),
    ({"attributes": {"custom": {"tier": {"name": "GOLD"}}}}, "attributes.custom.*.type"),
    ({"events": [{**EVENT, "event_name": "Points Earned"}]}, "events.0.event_name.*.regexp"),
    ({"events": [{"event_name": "points_earned"}]}, "events.0.timestamp.required"),
    ({"events": [{**EVENT, "timestamp": "yesterday"}]}, "events.0.timestamp.required"),
    ({"events": [{**EVENT, "event_name": "purchase"}]}, "events.0.event_params.*.required"),
    (
        {"events": [{**EVENT, "event_name": "cart_page_view", "event_params": {"currency": "USD"}}]},
        "events.0.event_params.*.required",
    ),
]


@pytest.mark.parametrize(("change", "key"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
async def test_what_breaks_a_rule_is_refused_by_the_schema_and_by_the_simulator_alike(
    insider: Bench, simulator: InsiderSimulator, change: dict[str, Any], key: str
) -> None:
    user = {**BEN, **change}
    assert problems(user, USER)
    data = (await raw(insider, {"users": [ANA, user]})).json()["data"]
    assert data["successful"] == {"count": 1}
    assert data["fail"]["count"] == 1
    assert any(one.startswith(f"users.1.{key}") for one in data["fail"]["errors"]), data
    assert [known_by({"identifiers": p.identifiers}) for p in simulator.people.all] == ["ana@example.com"]


TAKEN: list[dict[str, Any]] = [
    {"insider_id": "111ab184", "attributes": {"name": "Ana"}},
    {"identifiers": {"phone_number": "+15550100"}, "events": [EVENT]},
    {"identifiers": {"uuid": "700100", "custom": {"card": "c7"}}, "attributes": {"birthday": "1980-01-01T00:00:00Z"}},
    {**ANA, "events": [{**EVENT, "timestamp": "2021-01-17T14:41:21+03:00"}]},
    {
        **ANA,
        "events": [
            {
                **EVENT,
                "event_name": "purchase",
                "event_params": {
                    "event_group_id": "ORDER123",
                    "unit_sale_price": 890.9,
                    "currency": "USD",
                    "quantity": 1,
                    "taxonomy": ["Electronic", "Phone"],
                    "custom": {"gift": True},
                },
            }
        ],
    },
]


@pytest.mark.parametrize("user", TAKEN, ids=str)
async def test_users_that_the_vendor_takes(insider: Bench, simulator: InsiderSimulator, user: dict[str, Any]) -> None:
    assert await send(insider, user) == [Done()]
    assert len(simulator.people.all) == 1


async def test_lists_grow_unless_they_are_to_be_replaced(insider: Bench, simulator: InsiderSimulator) -> None:
    def topics(*values: str, **more: Any) -> dict[str, Any]:
        return {"identifiers": ANA["identifiers"], "attributes": {"custom": {"topics": list(values)}}, **more}

    for user, expected in (
        (topics("a"), ["a"]),
        (topics("b"), ["a", "b"]),
        (topics("c", not_append=True), ["c"]),
        (topics("d", not_append=True, append=True), ["c", "d"]),
        (topics("e", append=False), ["e"]),
    ):
        await send(insider, user)
        assert simulator.people.all[0].attributes["c_topics"] == expected


async def test_the_same_event_is_kept_once_and_a_journey_may_start_twice(
    insider: Bench, simulator: InsiderSimulator
) -> None:
    user = {**ANA, "events": [EVENT]}
    await send(insider, user)
    await send(insider, user)
    assert simulator.people.all[0].events == [EVENT]
    assert len(simulator.people.hooks) == 2
    await send(insider, {**BEN, "events": [EVENT]}, skip_hook=True)
    assert len(simulator.people.hooks) == 2


async def test_a_null_leaves_an_attribute_as_it_is(insider: Bench, simulator: InsiderSimulator) -> None:
    await send(insider, {**ANA, "attributes": {"name": "Ana", "custom": {"tier": "GOLD"}}})
    await send(insider, {**ANA, "attributes": {"name": None, "city": "Boston", "custom": {"tier": None}}})
    assert simulator.people.all[0].attributes == {"name": "Ana", "c_tier": "GOLD", "city": "Boston"}
    assert without_nulls({"a": None, "b": {"c": None}, "d": [None]}) == {"d": [None]}


async def test_a_user_of_whom_nothing_is_left_is_refused_and_the_others_keep_their_place(
    insider: Bench, simulator: InsiderSimulator
) -> None:
    simulator.fail_user("ben@example.com")
    empty = {"identifiers": {"email": "cleo@example.com"}, "attributes": {"name": None}}
    first, second, third = await send(insider, empty, BEN, ANA)
    assert isinstance(first, Refused)
    assert isinstance(second, Refused)
    assert third == Done()
    assert simulator.batches[UPSERT_PATH] == [["ben@example.com", "ana@example.com"]]
    assert second.error.detail == {"attributes.*.type": ["simulated"]}


# ---------------------------------------------------------------------- answers


def answer(body: Any) -> Response:
    return Response(200, {}, jsontext.dumps(body))


def fail(count: int, done: int, **errors: Any) -> Response:
    return answer({"data": {"successful": {"count": done}, "fail": {"count": count, "errors": errors}}})


def test_one_user_may_have_several_faults() -> None:
    errors = {"users.1.identifiers.required": ["one"], "users.1.insider_id.required": ["two"]}
    first, second = outcomes(fail(1, 1, **errors), 2)
    assert first == Done()
    assert isinstance(second, Refused)
    assert second.error.message == "identifiers.required: one, and 1 more"


@pytest.mark.parametrize(
    "response",
    [
        fail(2, 0, **{"users.1.identifiers.required": ["one"]}),
        fail(1, 2, **{"users.1.identifiers.required": ["one"]}),
        fail(1, 1, **{"users.1.identifiers.required": ["one"], "skip_hook.type": ["what"]}),
        fail(1, 1, **{"users.1.identifiers.required": ["one"], "users.9.identifiers.required": ["one"]}),
    ],
)
def test_where_the_counts_do_not_agree_only_what_is_named_is_known(response: Response) -> None:
    first, second = outcomes(response, 2)
    assert isinstance(first, Unknown)
    assert isinstance(second, Refused)


@pytest.mark.parametrize("errors", [{"skip_hook.type": ["what"]}, {}])
def test_where_it_took_none_and_names_nobody_all_are_refused(errors: Any) -> None:
    for outcome in outcomes(fail(2, 0, **errors), 2):
        assert isinstance(outcome, Refused)
        assert ("what" in outcome.error.message) is bool(errors)


async def test_a_user_whom_it_did_not_take_is_refused_although_the_answer_is_200() -> None:
    class Asked:
        config = ANA

        class http:  # noqa: N801 - stands for the client of a call
            @staticmethod
            async def request(*_: Any, **__: Any) -> Response:
                return answer({"data": {"successful": {}, "fail": {"count": 1, "errors": {"skip_hook.type": ["no"]}}}})

    with pytest.raises(DataError, match=r"skip_hook\.type: no") as caught:
        await run_one(Asked())  # type: ignore[arg-type]
    assert caught.value.refused


@pytest.mark.parametrize("body", [[], "ok", {"status": "ok"}])
def test_an_answer_of_no_known_form_leaves_all_unknown(body: Any) -> None:
    with pytest.raises(VendorError) as caught:
        outcomes(answer(body), 2)
    assert not caught.value.refused


# ---------------------------------------------------------------------- effects


@pytest.mark.parametrize(
    ("user", "more", "effect"),
    [
        (ANA, {}, Effect.IDEMPOTENT),
        ({**ANA, "events": [EVENT]}, {}, Effect.WRITE),
        ({**ANA, "events": [EVENT]}, {"may_repeat": True}, Effect.IDEMPOTENT),
        ({**ANA, "attributes": {"list_id": [1]}}, {}, Effect.WRITE),
        ({**ANA, "attributes": {"custom": {"topics": ["a"]}}}, {}, Effect.WRITE),
        ({**ANA, "attributes": {"list_id": [1]}, "not_append": True}, {}, Effect.IDEMPOTENT),
        ({**ANA, "attributes": {"list_id": [1]}, "not_append": True, "append": True}, {}, Effect.WRITE),
    ],
)
def test_attributes_twice_are_attributes_once_and_events_may_not_be(
    user: dict[str, Any], more: dict[str, Any], effect: Effect
) -> None:
    assert UPSERT_USERS.effect_of({"users": [BEN, user], **more}) is effect
    assert UPSERT_USER.effect_of({**user, **more}) is effect


# ---------------------------------------------------------------------- the other modules


async def test_one_user_is_refused_with_what_the_vendor_has_against_them(
    insider: Bench, simulator: InsiderSimulator
) -> None:
    assert await insider.run(UPSERT_USER, ANA) == {"key": "ana@example.com"}
    simulator.fail_user("ana@example.com", "attributes.name.max(50)", "too long")
    with pytest.raises(DataError) as caught:
        await insider.run(UPSERT_USER, ANA)
    assert caught.value.detail == {"attributes.name.max(50)": ["too long"]}
    assert caught.value.refused


async def test_a_profile_is_read_with_the_prefix(insider: Bench) -> None:
    event = {**EVENT, "event_params": {"custom": {"points": 200}}}
    await send(insider, {**ANA, "attributes": {"name": "Ana", "custom": {"tier": "GOLD"}}, "events": [event]})
    wanted = [{"event_name": "points_earned", "params": ["timestamp", "c_points"]}]
    profile = await insider.run(
        RETRIEVE_PROFILE,
        {
            "identifiers": ANA["identifiers"],
            "attributes": ["name", "c_tier", "c_none"],
            "events": {"start_date": 1_709_600_000, "end_date": 1_709_700_000, "wanted": wanted},
        },
    )
    assert profile == {
        "attributes": {"name": "Ana", "c_tier": "GOLD"},
        "events": {"points_earned": [{"timestamp": "2024-03-05T09:00:00Z", "c_points": 200}]},
    }


@pytest.mark.parametrize("module", [RETRIEVE_PROFILE, ANONYMIZE_USER])
async def test_nobody_is_not_found(insider: Bench, module: Any) -> None:
    config = {"identifiers": {"email": "nobody@example.com"}}
    with pytest.raises(NotFound) as caught:
        await insider.run(module, {**config, "attributes": ["name"]} if module is RETRIEVE_PROFILE else config)
    assert caught.value.detail == {"error": "no such user for these identifiers: no data"}


async def test_attributes_are_deleted_whole_and_in_part(insider: Bench, simulator: InsiderSimulator) -> None:
    await send(
        insider, {**ANA, "attributes": {"name": "Ana", "age": 30, "custom": {"tier": "GOLD", "topics": ["a", "b"]}}}
    )
    custom = {"whole": ["tier"], "partial": {"topics": ["a"]}}
    config = {"users": [{"identifiers": ANA["identifiers"], "whole": ["age"], "custom": custom}]}
    assert problems(config, DELETE_ATTRIBUTES.config) == []
    assert DELETE_ATTRIBUTES.run
    assert await DELETE_ATTRIBUTES.run(insider.call(config)) == [Done()]
    assert simulator.people.all[0].attributes == {"name": "Ana", "c_topics": ["b"]}


async def test_a_user_is_anonymized_and_deleted(insider: Bench, simulator: InsiderSimulator) -> None:
    ana = {"identifiers": {"email": "ana@example.com", "custom": {"card": "c7"}}}
    await send(insider, {**ana, "attributes": {"name": "Ana", "custom": {"tier": "GOLD"}}})
    await insider.run(ANONYMIZE_USER, ana)
    assert simulator.people.all[0].attributes == {"c_tier": "GOLD"}
    assert simulator.people.all[0].identifiers == {"c_card": "c7"}
    await insider.run(DELETE_USER, {"identifiers": {"custom": {"card": "c7"}}})
    await insider.run(DELETE_USER, {"identifiers": {"custom": {"card": "c7"}}})
    assert simulator.people.all == []


@pytest.mark.parametrize("answer", [b"", b"OK", b"{}"], ids=repr)
async def test_what_a_deletion_is_answered_does_not_matter(
    insider: Bench, simulator: InsiderSimulator, answer: bytes
) -> None:
    simulator.fail_next(200, raw=answer, times=2)
    for module in (DELETE_USER, ANONYMIZE_USER):
        call = insider.call({"identifiers": ANA["identifiers"]})
        assert (await insider.carry_out(module, call), call.warnings) == (None, [])


def test_what_a_batch_gives_has_a_schema() -> None:
    schema = dict(UPSERT_USERS.output_schema({}))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert {"items", "done", "refused", "unknown"} == set(schema["required"])
