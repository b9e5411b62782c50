"""A connection's rate limit: turns in order, never too many, none while the vendor wants a pause."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import ConnectionType, RateLimit, TokenAuth
from engine.plugins import Registry
from engine.runtime.connection_file import read_connections
from engine.runtime.connections import Connections
from engine.runtime.pacing import PATIENCE, Pace
from engine.runtime.secrets import Secrets
from engine.scenario.plan import Retry
from engine.sdk import errors
from engine.sdk.apps import App
from engine.sdk.http import LONGEST_WAIT, retry_after
from engine.testing import VirtualClock
from tests.runtime.doubles import HandClock
from tests.runtime.wire import HANG, answer, wire

TEN = RateLimit(per_second=10)


class Queue:
    """Those who want a turn, and when each got it."""

    def __init__(self, pace: Pace, clock: VirtualClock) -> None:
        self.pace = pace
        self.clock = clock
        self.start = clock.time()
        self.served: list[tuple[str, float]] = []
        self.sent_away: list[tuple[str, float]] = []

    def join(self, name: str) -> asyncio.Task[None]:
        return asyncio.ensure_future(self._join(name))

    async def _join(self, name: str) -> None:
        if wait := await self.pace.turn():
            self.sent_away.append((name, round(wait, 3)))
        else:
            self.served.append((name, round(self.clock.time() - self.start, 3)))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def queue(clock: VirtualClock, limit: RateLimit = TEN, per_second: float | None = None) -> Queue:
    return Queue(Pace(limit, clock, per_second), clock)


# ---------------------------------------------------------------------- turns


async def test_turns_come_in_order_and_no_more_in_a_second_than_the_limit(clock: VirtualClock) -> None:
    line = queue(clock)
    for number in range(25):
        line.join(str(number))
    await clock.advance(5)
    assert [name for name, _ in line.served] == [str(number) for number in range(25)]
    assert [at for _, at in line.served] == [0.0] * 10 + [1.0] * 10 + [2.0] * 5


class Hasty(VirtualClock):
    """Wakes those who fell asleep last a little earlier than the others."""

    def __init__(self) -> None:
        super().__init__()
        self.sleepers = 0

    async def sleep(self, seconds: float) -> None:
        self.sleepers += 1
        await super().sleep(seconds + 0.1 / self.sleepers)


async def test_the_order_does_not_rest_on_the_order_in_which_timers_fire() -> None:
    clock = Hasty()
    line = queue(clock, RateLimit(1))
    for name in "abcdef":
        line.join(name)
    await clock.advance(10)
    assert [name for name, _ in line.served] == list("abcdef")


@pytest.mark.parametrize(
    ("per_second", "burst", "at"),
    [
        (5, None, [0, 0, 0, 0, 0, 1, 1]),
        (0.5, None, [0, 2, 4]),
        (2.5, None, [0, 0, 0.8, 0.8, 1.6]),
        (4, 1, [0, 0.25, 0.5]),
    ],
)
async def test_rates_and_bursts(clock: VirtualClock, per_second: float, burst: int | None, at: list[float]) -> None:
    line = queue(clock, RateLimit(per_second, burst))
    for number in range(len(at)):
        line.join(str(number))
    await clock.advance(10)
    assert [when for _, when in line.served] == at


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.floats(0, 0.7), min_size=1, max_size=40),
    per_second=st.sampled_from([0.8, 2.0, 3.7, 10.0]),
    gone=st.sets(st.integers(0, 39), max_size=10),
)
def test_whoever_comes_and_goes_no_window_has_too_many(gaps: list[float], per_second: float, gone: set[int]) -> None:
    async def arrive() -> Queue:
        clock = VirtualClock()
        line = queue(clock, RateLimit(per_second))
        for number, gap in enumerate(gaps):
            task = line.join(str(number))
            await clock.advance(gap)
            if number in gone:
                task.cancel()
        await clock.advance(PATIENCE * 2)
        return line

    line = asyncio.run(arrive())
    burst = max(1, int(per_second))
    times = [at for _, at in line.served]
    assert all(b - a >= burst / per_second - 0.002 for a, b in zip(times, times[burst:], strict=False))
    names = [int(name) for name, _ in line.served]
    assert names == sorted(names)
    served = {*names, *(int(name) for name, _ in line.sent_away)}
    assert set(range(len(gaps))) - served <= gone


async def test_who_gives_up_waiting_leaves_the_turn_to_the_next(clock: VirtualClock) -> None:
    line = queue(clock, RateLimit(1))
    line.join("a")
    waiting = [line.join(name) for name in "bcd"]
    await clock.advance(0.5)
    # one at the head of the line, and one behind it
    waiting[0].cancel()
    waiting[1].cancel()
    await clock.advance(5)
    assert line.served == [("a", 0.0), ("d", 1.0)]


async def test_a_turn_that_is_far_off_is_not_waited_for_in_memory(clock: VirtualClock) -> None:
    line = queue(clock)
    for number in range(400):
        line.join(str(number))
    await clock.settle()
    # ten at once, ten more after each of 30 seconds; who comes then is told to come back, one after another
    assert line.sent_away == [(str(number), round(31 + (number - 310) / 10, 3)) for number in range(310, 400)]
    await clock.advance(60)
    assert len(line.served) == 310
    for number in range(20):
        line.join(f"later {number}")
    await clock.advance(5)
    assert [at for _, at in line.served[310:]] == [60.0] * 10 + [61.0] * 10


async def test_a_clock_that_is_set_back_keeps_nobody_waiting(clock: VirtualClock) -> None:
    line = queue(clock, RateLimit(1))
    line.join("a")
    await clock.settle()
    clock.jump(-3600)
    line.start = clock.time()
    line.join("b")
    await clock.advance(2)
    assert line.served == [("a", 0.0), ("b", 1.0)]


async def test_another_rate_counts_what_was_sent_before(clock: VirtualClock) -> None:
    line = queue(clock, TEN, per_second=2)
    line.join("a")
    line.join("b")
    await clock.settle()
    line.pace.set(1)
    line.join("c")
    await clock.advance(3)
    assert line.served == [("a", 0.0), ("b", 0.0), ("c", 1.0)]


# ---------------------------------------------------------------------- what the vendor says


@pytest.mark.parametrize(
    ("status", "headers", "opens"),
    [
        (429, {"retry-after": "7"}, 7.0),
        (429, {"ratelimit-reset": "3"}, 3.0),
        (429, {}, 1.0),
        (200, {"ratelimit-remaining": "0", "ratelimit-reset": "4"}, 4.0),
        (200, {"ratelimit-remaining": "0"}, 0.0),
        (200, {"ratelimit-remaining": "0", "ratelimit-reset": "1709629300"}, 0.0),
        (200, {"ratelimit-remaining": "1", "ratelimit-reset": "4"}, 0.0),
        (200, {"ratelimit-remaining": "none", "ratelimit-reset": "4"}, 0.0),
        (503, {"retry-after": "7"}, 0.0),
    ],
)
async def test_an_answer_closes_the_connection_to_everybody(
    clock: VirtualClock, status: int, headers: Mapping[str, str], opens: float
) -> None:
    line = queue(clock)
    line.pace.heard(status, headers)
    line.join("a")
    line.join("b")
    await clock.advance(20)
    assert line.served == [("a", opens), ("b", opens)]


async def test_who_waits_already_waits_on_when_the_vendor_closes(clock: VirtualClock) -> None:
    line = queue(clock, RateLimit(1))
    for name in "abc":
        line.join(name)
    await clock.advance(0.5)
    line.pace.heard(429, {"retry-after": "10"})
    await clock.advance(20)
    assert line.served == [("a", 0.0), ("b", 10.5), ("c", 11.5)]


async def test_who_waits_already_is_told_when_the_pause_is_long(clock: VirtualClock) -> None:
    line = queue(clock, RateLimit(1))
    for name in "abc":
        line.join(name)
    await clock.advance(0.5)
    line.pace.heard(429, {"retry-after": "600"})
    await clock.advance(1)
    assert (line.served, line.sent_away) == ([("a", 0.0)], [("b", 599.5), ("c", 600.5)])


async def test_no_pause_is_longer_than_a_day(clock: VirtualClock) -> None:
    line = queue(clock)
    line.pace.heard(429, {"retry-after": "864000"})
    assert await line.pace.turn() == LONGEST_WAIT


async def test_headers_of_another_name(clock: VirtualClock) -> None:
    line = queue(clock, RateLimit(10, headers=("x-left", "x-anew")))
    line.pace.heard(200, {"x-left": "0", "x-anew": "2", "ratelimit-remaining": "0", "ratelimit-reset": "9"})
    line.join("a")
    await clock.advance(20)
    assert line.served == [("a", 2.0)]


SENT = "Tue, 05 Mar 2024 09:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "Tue, 05 Mar 2024 09:02:00 GMT", "date": SENT}, 120.0),
        ({"retry-after": "Tuesday, 05-Mar-24 09:02:00 GMT", "date": SENT}, 120.0),
        ({"retry-after": "Tue, 05 Mar 2024 08:00:00 GMT", "date": SENT}, 0.0),
        ({"retry-after": "soon", "date": SENT, "ratelimit-reset": "3"}, 3.0),
        ({"retry-after": "-1", "ratelimit-reset": "nan"}, None),
        ({"ratelimit-reset": "1709629300"}, None),
        ({"retry-after": "864000"}, 864_000.0),
        ({}, None),
    ],
)
def test_what_an_answer_asks_to_wait(headers: Mapping[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_retry_waits_as_long_as_the_vendor_asks_up_to_a_day() -> None:
    assert Retry().wait(1, 0.0, 600.0) == 600.0
    assert Retry().wait(1, 0.0, 864_000.0) == LONGEST_WAIT


# ---------------------------------------------------------------------- connections

FIELDS = {
    "type": "object",
    "properties": {"key": {"type": "string", "writeOnly": True}},
    "additionalProperties": False,
}
TOKEN = TokenAuth("/token", {"key": "key"}, "token", "X-Token")
PACED = ConnectionType("paced", "Paced", FIELDS, rate=RateLimit(2))
TOKENS = ConnectionType("tokens", "Tokens", FIELDS, auth=(TOKEN,), rate=RateLimit(2))
PLAIN = ConnectionType("plain", "Plain", FIELDS)


def registry() -> Registry:
    made = Registry()
    made.add(App(name="shop", title="", connections=(PACED, TOKENS, PLAIN)), "test")
    return made


class World:
    """Connections to one server, on a clock that moves by itself whenever somebody sleeps."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.clock = HandClock()
        self.start = self.clock.time()
        self.environment = {"KEY": "k"}
        self.opened: list[Connections] = []

    @property
    def passed(self) -> float:
        return round(self.clock.time() - self.start, 3)

    def connections(self, text: str) -> Connections:
        self.file.write_text(text)
        entries = read_connections(self.file, registry())
        self.opened.append(Connections(entries, registry(), Secrets(self.environment), self.clock))
        return self.opened[-1]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "connections.yaml")
    yield made
    for connections in made.opened:
        await connections.close()


async def test_the_limit_belongs_to_the_connection_not_to_the_call(world: World) -> None:
    async with wire(answer()) as server:
        connections = world.connections(
            f"a: {{type: paced, base_url: '{server.url}'}}\nb: {{type: paced, base_url: '{server.url}'}}\n"
        )
        for _ in range(5):
            await connections.open("a", "paced").http.request("GET", "/x")
        assert world.passed == 2.0
        await connections.open("b", "paced").http.request("GET", "/x")
        assert world.passed == 2.0
        assert connections.pace("a", "paced") is not connections.pace("b", "paced")


@pytest.mark.parametrize(("given_rate", "passed"), [("4", 1.0), ("{env: RATE}", 4.0)])
async def test_a_connection_sets_its_own_rate(world: World, given_rate: str, passed: float) -> None:
    world.environment["RATE"] = "1"
    async with wire(answer()) as server:
        connections = world.connections(
            f"a: {{type: paced, base_url: '{server.url}', requests_per_second: {given_rate}}}"
        )
        for _ in range(5):
            await connections.open("a", "paced").http.request("GET", "/x")
    assert world.passed == passed


async def test_a_rate_that_is_none_is_refused_before_anything_is_sent(world: World) -> None:
    world.environment["RATE"] = "0"
    connections = world.connections(
        "a: {type: paced, base_url: 'https://a.example.com', requests_per_second: {env: RATE}}"
    )
    with pytest.raises(
        errors.AuthError, match="'requests_per_second': 0 is less than or equal to the minimum"
    ) as caught:
        await connections.open("a", "paced").http.request("POST", "/x")
    assert caught.value.refused


async def test_a_type_without_a_limit_has_no_pace(world: World) -> None:
    connections = world.connections("a: {type: plain}")
    assert connections.pace("a", "plain") is None
    assert connections.pace("nobody", "paced") is None


async def test_a_429_holds_back_other_calls(world: World) -> None:
    async with wire(answer(b"", "429 Too Many Requests", "Retry-After: 20"), answer()) as server:
        connections = world.connections(f"a: {{type: paced, base_url: '{server.url}'}}")
        with pytest.raises(errors.RateLimitError) as caught:
            await connections.open("a", "paced").http.request("POST", "/x")
        assert (caught.value.refused, caught.value.retry_after) == (True, 20.0)
        await connections.open("a", "paced").http.request("POST", "/y")
    assert world.passed == 20.0


async def test_a_retry_after_as_a_date_rests_on_our_clock_when_the_answer_has_no_date(world: World) -> None:
    late = "Tue, 14 Nov 2023 22:13:35 GMT"
    async with wire(answer(b"", "429 Too Many Requests", f"Retry-After: {late}")) as server:
        connections = world.connections(f"a: {{type: plain, base_url: '{server.url}'}}")
        with pytest.raises(errors.RateLimitError) as caught:
            await connections.open("a", "plain").http.request("POST", "/x")
    assert caught.value.retry_after == 15.0


async def test_a_pause_that_is_long_is_an_error_that_proves_that_nothing_was_sent(world: World) -> None:
    async with wire(answer(b"{}", "200 OK", "RateLimit-Remaining: 0", "RateLimit-Reset: 90")) as server:
        connections = world.connections(f"a: {{type: paced, base_url: '{server.url}'}}")
        http = connections.open("a", "paced").http
        await http.request("GET", "/x")
        with pytest.raises(errors.RateLimitError, match="no turn for 90 s; nothing was sent") as caught:
            await http.request("POST", "/y")
    assert (caught.value.refused, caught.value.retry_after) == (True, 90.0)
    assert len(server.requests) == 1


async def test_waiting_for_a_turn_does_not_count_as_waiting_for_an_answer(world: World) -> None:
    async with wire(answer(b"{}", "200 OK", "RateLimit-Remaining: 0", "RateLimit-Reset: 25"), HANG) as server:
        connections = world.connections(f"a: {{type: paced, base_url: '{server.url}'}}")
        http = connections.open("a", "paced").http
        await http.request("GET", "/x")
        world.clock.waiting.clear()
        late = asyncio.ensure_future(http.request("GET", "/y"))
        await world.clock.waiting.wait()
        assert world.passed == 25.0
        world.clock.advance(29)
        server.arrived.clear()
        await asyncio.sleep(0)
        assert not late.done()
        world.clock.advance(1)
        with pytest.raises(errors.TimeoutError, match="within 30 s"):
            await late


async def test_an_admitted_call_has_its_first_turn_and_no_other(world: World) -> None:
    async with wire(answer()) as server:
        connections = world.connections(f"a: {{type: paced, base_url: '{server.url}', requests_per_second: 1}}")
        pace = connections.pace("a", "paced")
        assert pace is not None
        assert await pace.turn() == 0.0
        http = connections.open("a", "paced", admitted=True).http
        await http.request("GET", "/x")
        assert world.passed == 0.0
        await http.request("GET", "/x")
        assert world.passed == 1.0


async def test_a_request_for_a_token_counts_and_does_not_wait(world: World) -> None:
    async with wire(answer(b'{"token": "t"}'), answer()) as server:
        connections = world.connections(f"a: {{type: tokens, key: {{env: KEY}}, base_url: '{server.url}'}}")
        http = connections.open("a", "tokens").http
        await http.request("GET", "/x")
        assert world.passed == 0.0
        await http.request("GET", "/x")
        assert world.passed == 1.0
    assert len(server.requests) == 3


@pytest.mark.parametrize("limit", [{"per_second": 0}, {"per_second": -1}, {"per_second": 1, "burst": 0}])
def test_a_limit_that_lets_nothing_through_is_no_limit(limit: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="lets something through"):
        RateLimit(**limit)
