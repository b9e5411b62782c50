"""The table of Yotpo's data at Insider, held row by row against the document, and what is made of it."""

from __future__ import annotations

import copy
import json
from collections import Counter
from typing import Any

import pytest

from engine import DataError
from modules.yotpo_developer.simulator import customers
from modules.yotpo_loyalty import samples
from modules.yotpo_to_insider.modules import MAP_CUSTOMER, MAP_EVENT
from modules.yotpo_to_insider.table import TABLE, Row
from tests.modules.bench import FIXTURES, fixture, problems

#: the document's tables, row by row, as they stand there: empty cells and repeated rows included
DOCUMENT = fixture("insider_tables.json")
ATTRIBUTES, PARAMETERS, EVENTS = DOCUMENT["user attributes"], DOCUMENT["event parameters"], DOCUMENT["events"]

BODIES = {path.stem: json.loads(path.read_text()) for path in sorted((FIXTURES / "loyalty-webhooks").iterdir())}
RECEIVED = "2024-03-05T09:15:00.000Z"
DETAILS = customers()["ana@example.com"]
RECORD = samples.customers()["ana@example.com"]
CUSTOM = "attributes.custom."


def mapped(body: dict[str, Any], **options: Any) -> dict[str, Any]:
    config = {"event": body, "received_at": RECEIVED, **options}
    assert problems(config, MAP_EVENT.config) == []
    output = MAP_EVENT.apply(config)
    assert problems(output, MAP_EVENT.output_schema(config)) == []
    return output


def customer(**options: Any) -> dict[str, Any]:
    assert problems(options, MAP_CUSTOMER.config) == []
    output = MAP_CUSTOMER.apply(options)
    assert problems(output, MAP_CUSTOMER.output_schema(options)) == []
    return output


def custom(output: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = output["user"]["attributes"]["custom"]
    return found


def parameters(output: dict[str, Any]) -> dict[str, Any]:
    [event] = output["user"]["events"]
    found: dict[str, Any] = event["event_params"]["custom"]
    return found


# ---------------------------------------------------------------------- row by row


def cells(row: Row) -> dict[str, str]:
    return {"insider": row.insider, "yotpo": row.yotpo, "updated": row.updated}


@pytest.mark.parametrize(
    ("row", "said"),
    [*zip(TABLE.attributes, ATTRIBUTES, strict=True), *zip(TABLE.parameters, PARAMETERS, strict=True)],
    ids=lambda value: value.name if isinstance(value, Row) else "",
)
def test_a_row_is_the_documents(row: Row, said: dict[str, str]) -> None:
    assert cells(row) == said
    assert row.repeats or row.paths or row.parts or row.to in ("identifiers.email", "event_name")


def test_no_row_of_the_document_is_missing() -> None:
    assert (len(ATTRIBUTES), len(PARAMETERS), len(EVENTS)) == (45, 35, 17)
    listed = [{"yotpo": row.yotpo, "insider": row.insider} for row in TABLE.events if row.listed]
    assert listed == EVENTS


@pytest.mark.parametrize("rows", [TABLE.attributes, TABLE.parameters], ids=["attributes", "parameters"])
def test_a_name_that_the_document_has_twice_is_sent_once(rows: list[Row]) -> None:
    sent = Counter(row.to for row in rows if not row.repeats)
    assert set(sent.values()) == {1}
    assert {row.to for row in rows if row.repeats} <= set(sent)


def test_the_repeated_rows_are_those_of_the_document() -> None:
    twice = [row.insider for row in (*TABLE.attributes, *TABLE.parameters) if row.repeats]
    assert twice == [
        "yotpo_point_balance",
        "yotpo_vip_tier_name",
        "yotpo_referral_discount_code",
        "yotpo_event_reward_point",
    ]


def test_rows_with_an_empty_cell_are_the_customers_and_the_friends_e_mail() -> None:
    assert [row.yotpo for row in TABLE.attributes if not row.insider] == ["customer_email"]
    assert [row.insider for row in TABLE.parameters if not row.yotpo] == ["yotpo_email_referred"]
    output = mapped(BODIES["referral_share"])
    assert output["user"]["identifiers"] == {"email": "ana@example.com"}
    assert parameters(output)["yotpo_email_referred"] == "ben@example.com"
    # of any other event the e-mail is the customer's own
    assert "yotpo_email_referred" not in parameters(mapped(BODIES["points_earned"]))


#: a value for each row of attributes, told by every source that the row names
FULL_EVENT = {
    **BODIES["points_earned"],
    "perk": {**BODIES["points_earned"]["perk"], "expires_at": "2024-06-01T00:00:00.000Z"},
    "days_to_point_expiration": 30,
    "vip_tier_maintenance_requirements": {"amount_cents_in_customer_currency": 0},
}
FULL_EVENT["customer"] = {
    **FULL_EVENT["customer"],
    "is_opt_in": True,
    "loyalty_opt_in_date": "2023-10-15",
    "points_expire_at": "2024-04-04T07:33:17.000Z",
    "anniversary_year": 2023,
    "anniversary_month": 10,
    "anniversary_day": 15,
}
FULL_RECORD = {**RECORD, "birthday_year": 1990, "points_expire_at": "2024-04-04T07:33:17.000Z"}


def test_every_attribute_of_the_document_arrives_where_all_is_known() -> None:
    output = mapped(FULL_EVENT, details=DETAILS, record=FULL_RECORD)
    user = output["user"]
    arrived = {f"attributes.{name}" for name in user["attributes"] if name != "custom"}
    arrived |= {CUSTOM + name for name in user["attributes"]["custom"]}
    assert {row.to for row in TABLE.attributes} == arrived | {"identifiers.email"}


def test_historically_exactly_the_rows_that_the_document_says_so_of() -> None:
    said = {f"{CUSTOM}{row['insider']}" for row in ATTRIBUTES if row["updated"].startswith("historically")}
    output = customer(details=DETAILS, record=FULL_RECORD)
    arrived = {CUSTOM + name for name in custom(output)}
    assert arrived == said - {CUSTOM}
    assert list(output["user"]["attributes"]) == ["custom"]
    assert len(custom(customer(details=DETAILS, record=FULL_RECORD, rows="all"))) > len(arrived)


@pytest.mark.parametrize(
    "row", [row for row in TABLE.attributes if row.historical and row.insider], ids=lambda r: r.name
)
def test_what_is_sent_historically_is_sent_with_events_too(row: Row) -> None:
    assert row.name in custom(mapped(BODIES["points_earned"], details=DETAILS))


#: what each parameter of an event is, by the bodies that have one
PARAMETER_VALUES: dict[str, dict[str, Any]] = {
    "points_earned": {
        "yotpo_event_reward_point": 200,
        "yotpo_earned_coupon_expired": False,
        "yotpo_event_created_at": "2024-03-05T09:00:00.828Z",
        "yotpo_referral_code_amount_cents": 0,
        "yotpo_campaign_id": 12,
        "yotpo_is_completed": True,
        "yotpo_completed_at": "2024-03-05T09:00:00.911Z",
        "yotpo_history_title": "Create an account",
    },
    "redemption_created_redeemed": {
        "yotpo_redemption_option_name": "$5.00 Off",
        "yotpo_redemption_option_amount": 500,
        "yotpo_redemption_reward_text": "SAVE5-9XK2",
        "yotpo_referral_code_amount_cents": 0,
    },
    # the document's rule: of the new tier, else of vip_stats
    "tier_earned": {
        "yotpo_new_tier_name": "GOLD",
        "yotpo_points_earned": 0,
        "yotpo_amount_spent_cents": 10000,
        "yotpo_purchases_made": 0,
        "yotpo_referral_code_amount_cents": 0,
    },
    "tier_status_changed": {
        "yotpo_amount_spent_cents": 500,
        "yotpo_purchases_made": 0,
        "yotpo_vip_stats_points_earned": 0,
        "yotpo_referrals_completed": 0,
        "yotpo_points_to_maintain_vip": 0,
        "yotpo_amount_cents_to_maintain_vip": 0,
        "yotpo_purchases_to_maintain_vip": 0,
        "yotpo_referrals_to_maintain_vip": 0,
        "yotpo_points_to_next_vip": 0,
        "yotpo_amount_cents_to_next_vip": 9500,
        "yotpo_purchases_to_next_vip": 0,
        "yotpo_referrals_to_next_vip": 0,
        "yotpo_referral_code_amount_cents": 0,
    },
    "points_reminder": {
        "yotpo_points_needed": 125,
        "yotpo_redemption_option_name": "$5.00 Off",
        "yotpo_redemption_option_amount": 500,
        "yotpo_referral_code_amount_cents": 0,
    },
    "referral_share": {"yotpo_email_referred": "ben@example.com", "yotpo_referral_code_amount_cents": 0},
}


@pytest.mark.parametrize("body", PARAMETER_VALUES)
def test_the_parameters_of_an_event(body: str) -> None:
    assert parameters(mapped(BODIES[body])) == PARAMETER_VALUES[body]


def test_parameters_that_only_newer_accounts_send() -> None:
    body = {
        **BODIES["referral_share"],
        "product_referral_link": "http://rwrd.io/p/k7qp2m",
        "product": {"id": 7, "name": "Green tea"},
        "referral_discount_code": "FRIEND10",
    }
    body["customer"] = {**body["customer"], "referral_discount_code": "ANA10"}
    found = parameters(mapped(body))
    assert found["yotpo_product_referral_link"] == "http://rwrd.io/p/k7qp2m"
    assert (found["yotpo_product_id"], found["yotpo_product_name"]) == (7, "Green tea")
    # the document has this name twice: the event's own goes before the customer's
    assert found["yotpo_referral_discount_code"] == "FRIEND10"
    del body["referral_discount_code"]
    assert parameters(mapped(body))["yotpo_referral_discount_code"] == "ANA10"


def test_every_parameter_of_the_document_is_shown_above() -> None:
    shown = {name for values in PARAMETER_VALUES.values() for name in values}
    newer = {"yotpo_product_referral_link", "yotpo_product_id", "yotpo_product_name", "yotpo_referral_discount_code"}
    coupon = {"yotpo_coupon_expires_at"}
    assert parameters(mapped(FULL_EVENT)).keys() >= coupon
    assert {row.name for row in TABLE.parameters} == shown | newer | coupon | {"event_name"}


# ---------------------------------------------------------------------- events

#: by body: its event at Insider and when it happened
HAPPENED = {
    "customer_anniversary": ("customer_anniversary", "2024-03-05T09:10:00Z"),
    "customer_birthday": ("customer_birthday", "2024-03-05T09:10:00Z"),
    "loyalty_expiration_reminder": ("loyalty_expiration_reminder", "2024-03-05T09:15:00Z"),
    "loyalty_opt_in": ("loyalty_opt_in", "2024-03-05T09:15:00Z"),
    "loyalty_opt_out": ("loyalty_opt_out", "2024-03-05T09:15:00Z"),
    "points_changed": ("points_changed", "2024-03-05T09:15:00Z"),
    "points_earned": ("points_earned", "2024-03-05T09:00:00Z"),
    "points_reminder": ("points_reminder", "2024-03-05T09:15:00Z"),
    "redemption_cancellation_request": ("point_redemption_cancellation_request", "2024-03-05T09:15:00Z"),
    "redemption_created_awarded": ("redemption_created", "2024-03-05T09:10:00Z"),
    "redemption_created_redeemed": ("redemption_created", "2024-03-05T09:10:00Z"),
    "redemption_reminder": ("redemption_reminder", "2024-03-05T09:15:00Z"),
    "referral_completed": ("referral_completed", "2024-03-05T09:00:00Z"),
    "referral_share": ("referral_share", "2024-03-05T09:15:00Z"),
    "tier_earned": ("tier_earned", "2024-03-05T09:15:00Z"),
    "tier_earned_first": ("tier_earned", "2024-03-05T09:15:00Z"),
    "tier_lost": ("tier_lost", "2024-03-05T09:15:00Z"),
    "tier_lost_none": ("tier_lost", "2024-03-05T09:15:00Z"),
    "tier_status_changed": ("tier_status_changed", "2024-03-05T09:15:00Z"),
}


@pytest.mark.parametrize("body", BODIES)
def test_every_body_becomes_an_event_of_its_customer_or_says_why_not(body: str) -> None:
    output = mapped(BODIES[body])
    if body == "redemption_code_below_threshold":
        assert (output["user"], output["reason"]) == (None, "the event is about the shop, and has no customer")
        return
    [event] = output["user"]["events"]
    assert (event["event_name"], event["timestamp"]) == HAPPENED[body]
    assert (output["email"], output["event_name"]) == ("ana@example.com", event["event_name"])


def test_every_event_of_the_document_with_a_known_body_is_above() -> None:
    topics = {body["topic"] for body in BODIES.values()}
    assert {row.topic for row in TABLE.events if row.topic} == topics
    assert [row.insider for row in TABLE.events if row.topic is None] == [
        "Loyalty Custom Reward Created",
        "Birthday Captured",
        "Anniversary Captured",
        "Referral Share Reminder",
    ]


@pytest.mark.parametrize(
    ("name", "more", "event", "shows"),
    [
        (
            "Swell Birthday Captured",
            {"birthday": (1990, 5, 8)},
            "birthday_captured",
            ("birthday", "1990-05-08T00:00:00Z"),
        ),
        (
            "Swell Anniversary Captured",
            {"anniversary": (2015, 2, 28)},
            "anniversary_captured",
            ("anniversary_date", "2015-02-28T00:00:00Z"),
        ),
        (
            "Loyalty Custom Reward Created",
            {"redemption": {"reward_text": "A visit"}},
            "loyalty_custom_reward_created",
            ("yotpo_redemption_reward_text", "A visit"),
        ),
        (
            "Referral Share Reminder",
            {"email": "ben@example.com", "from": "ana@example.com"},
            "referral_share_reminder",
            ("yotpo_email_referred", "ben@example.com"),
        ),
    ],
)
@pytest.mark.parametrize("topic", ["swell/something/unseen", "loyalty/something"])
def test_events_whose_topics_and_bodies_are_unseen_are_recognised_by_name(
    name: str, more: dict[str, Any], event: str, shows: tuple[str, Any], topic: str
) -> None:
    person = copy.deepcopy(BODIES["points_changed"]["customer"])
    for day in ("birthday", "anniversary"):
        if day in more:
            year, month, number = more[day]
            person |= {f"{day}_year": year, f"{day}_month": month, f"{day}_day": number}
    output = mapped({"topic": topic, "name": name, "email": "ana@example.com", "customer": person, **more})
    assert (output["email"], output["event_name"]) == ("ana@example.com", event)
    attributes = output["user"]["attributes"]
    assert shows in [*attributes.items(), *attributes["custom"].items(), *parameters(output).items()]


def test_an_event_without_a_name_is_recognised_by_its_topic() -> None:
    body = {key: value for key, value in BODIES["tier_lost"].items() if key != "name"}
    assert mapped(body)["event_name"] == "tier_lost"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"topic": "swell/stamp/collected", "name": "Swell Stamp Collected"}, "no event 'Swell Stamp Collected'"),
        ({"topic": "swell/stamp/collected"}, "no event 'swell/stamp/collected'"),
        ({}, "no event None"),
        ({"name": "Loyalty Opt In"}, "names no customer"),
        ({"name": "Loyalty Opt In", "customer": {"email": ""}, "email": None}, "names no customer"),
        ({"name": "Swell Referral Share", "email": "ben@example.com"}, "names no customer"),
    ],
    ids=str,
)
def test_what_cannot_be_sent_says_why(body: dict[str, Any], reason: str) -> None:
    output = mapped(body)
    assert output["user"] is None
    assert reason in output["reason"]


def test_an_event_name_is_the_authors_where_one_is_given() -> None:
    output = mapped(BODIES["points_earned"], event_names={"Points Earned": "yotpo_points"})
    assert output["user"]["events"][0]["event_name"] == "yotpo_points"
    # camel case is refused by the vendor, an unknown name is a slip
    for wrong in ({"Points Earned": "pointsEarned"}, {"Points Urned": "points"}):
        assert problems({**MAP_EVENT.example, "event_names": wrong}, MAP_EVENT.config)


# ---------------------------------------------------------------------- values


def test_what_was_read_goes_before_what_an_event_says_or_after_it() -> None:
    body = BODIES["points_changed"]
    details, record = {**DETAILS, "point_balance": 700}, {**RECORD, "points_balance": 690}
    assert custom(mapped(body))["yotpo_point_balance"] == 640
    assert custom(mapped(body, record=record))["yotpo_point_balance"] == 690
    assert custom(mapped(body, record=record, details=details))["yotpo_point_balance"] == 700
    late = {**body, "current_balance": 710}
    assert custom(mapped(late, record=record, details=details, prefer="event"))["yotpo_point_balance"] == 710


def test_a_tier_that_is_lost_is_gone_whatever_an_older_event_says() -> None:
    record = {**RECORD, "vip_tier_name": None}
    body = {**BODIES["tier_lost_none"], "customer": BODIES["points_earned"]["customer"]}
    assert body["customer"]["vip_tier_name"] == "SILVER"
    assert "yotpo_vip_tier_name" not in custom(mapped(body, record=record))
    told = mapped(body, record=record, when_null={"yotpo_vip_tier_name": "none"})
    assert custom(told)["yotpo_vip_tier_name"] == "none"
    # what is not known at all is not null
    assert "yotpo_total_reviews" not in custom(mapped(body, when_null={"yotpo_total_reviews": 0}))


@pytest.mark.parametrize(
    ("parts", "year", "birthday"),
    [
        ((1990, 5, 8), None, "1990-05-08T00:00:00Z"),
        ((None, 5, 8), None, None),
        ((None, 5, 8), 1904, "1904-05-08T00:00:00Z"),
        ((None, 2, 29), 1904, "1904-02-29T00:00:00Z"),
        ((None, 2, 29), 1901, None),
        ((1990, 13, 8), None, None),
        ((1990, None, 8), 1904, None),
        ((1990, True, 8), None, None),
    ],
)
def test_a_birthday_is_one_time_or_is_left_out(parts: tuple[Any, ...], year: int | None, birthday: str | None) -> None:
    record = {**RECORD, **dict(zip(("birthday_year", "birthday_month", "birth_day"), parts, strict=True))}
    options = {} if year is None else {"year_when_unknown": year}
    output = customer(record=record, rows="all", **options)
    assert output["user"]["attributes"].get("birthday") == birthday


def test_total_redemptions_and_total_points_redeemed_keep_their_names_though_the_document_swaps_their_sentences() -> (
    None
):
    found = custom(customer(details={**DETAILS, "total_redemptions": 2, "total_points_redeemed": 260}, email="a@b.c"))
    assert (found["yotpo_total_redemptions"], found["yotpo_total_points_redeemed"]) == (2, 260)


def test_a_row_is_changed_or_left_out_by_the_scenario() -> None:
    changes = {"yotpo_point_balance": "record.points_balance", "yotpo_top_topics": None, "surname": "event.email"}
    output = mapped(
        BODIES["points_earned"], details=DETAILS, record={**RECORD, "points_balance": 1}, attributes=changes
    )
    assert custom(output)["yotpo_point_balance"] == 1
    assert "yotpo_top_topics" not in custom(output)
    assert output["user"]["attributes"]["surname"] == "ana@example.com"
    less = mapped(BODIES["points_earned"], event_parameters={"yotpo_campaign_id": None})
    assert "yotpo_campaign_id" not in parameters(less)


@pytest.mark.parametrize("option", ["attributes", "event_parameters", "when_null"])
def test_a_name_that_no_row_has_is_refused(option: str) -> None:
    value = "none" if option == "when_null" else "record.x"
    with pytest.raises(DataError, match="the table has no yotpo_tier"):
        mapped(BODIES["points_earned"], **{option: {"yotpo_tier": value}})


def test_lists_replace_what_insider_has_and_nulls_are_left_out() -> None:
    output = mapped(BODIES["points_earned"], details=DETAILS)
    assert output["user"]["not_append"] is True
    assert custom(output)["yotpo_top_topics"] == ["tea", "delivery"]
    assert "yotpo_points_expire_at" not in custom(output)
    assert "null" not in json.dumps(output["user"])


def test_times_are_utc_to_the_second() -> None:
    body = copy.deepcopy(BODIES["points_earned"])
    body["perk"]["created_at"] = "2024-03-05T11:00:00.828+02:00"
    assert mapped(body)["user"]["events"][0]["timestamp"] == "2024-03-05T09:00:00Z"
    body["perk"]["created_at"] = "some day"
    assert mapped(body)["user"]["events"][0]["timestamp"] == "2024-03-05T09:15:00Z"


def test_a_customer_of_whom_nothing_is_told_is_not_sent() -> None:
    assert customer(record={"email": "ana@example.com"})["reason"].startswith("Yotpo tells nothing")
    assert customer(details=DETAILS)["reason"] == "the record has no email"
    assert customer(details=None, record={"email": "ana@example.com", "points_earned": 3})["user"] == {
        "identifiers": {"email": "ana@example.com"},
        "attributes": {"custom": {"yotpo_points_earned": 3}},
        "not_append": True,
    }
