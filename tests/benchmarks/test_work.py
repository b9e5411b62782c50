"""The work: what is sent is what is checked, and nothing wrong counts as through."""

from __future__ import annotations

import asyncio
from itertools import islice

import orjson
import pytest

from benchmarks.ledger import Ledger
from benchmarks.loads import closed, paced, settle
from benchmarks.session import fates
from benchmarks.wire import HOST, Api, Sender, answer, message
from benchmarks.work import body, customer, event, names, update


@pytest.mark.parametrize("number", [0, 7, 999])
def test_the_template_makes_the_same_body_as_encoding_does(number: int) -> None:
    [(event_id, _)] = islice(names("e001"), 1)
    assert orjson.loads(body(event_id, number)) == event(event_id, number)


def test_event_and_customer_have_the_size_that_they_should() -> None:
    assert 1400 < len(body("e001-00000001", 7)) < 1600
    assert 380 < len(orjson.dumps(customer(7))) < 430


def test_a_message_is_taken_when_all_of_it_is_there() -> None:
    whole = answer(b"200 OK", b'{"ok":true}')
    assert all(message(whole[:size]) is None for size in range(len(whole)))
    found = message(whole + b"HTTP/1.1 404")
    assert found is not None
    assert (found[0][9:12], found[1], found[2]) == (b"200", b'{"ok":true}', len(whole))


def test_an_update_counts_once_and_only_with_all_values_right() -> None:
    api = Api(Ledger())
    head = b"POST /updates HTTP/1.1"
    right = update("e1", 7)
    for field, value in right.items():
        wrong = 0 if isinstance(value, str) else "x"
        api.reply(head, orjson.dumps({**right, field: wrong}))
        api.reply(head, orjson.dumps({key: kept for key, kept in right.items() if key != field}))
    api.reply(head, b"no JSON")
    api.reply(b"GET /customers/nobody HTTP/1.1", b"")
    assert not api.ledger.completed
    assert len(api.ledger.wrong) == 2 * len(right) + 2
    api.reply(head, orjson.dumps(right))
    api.reply(head, orjson.dumps(right))
    assert list(api.ledger.completed) == ["e1"]
    assert api.ledger.repeated == {"e1": 1}


def test_reads_are_counted() -> None:
    api = Api(Ledger())
    found = message(api.reply(b"GET /customers/c-000007 HTTP/1.1", b""))
    assert found is not None
    assert orjson.loads(found[1]) == customer(7)
    assert api.ledger.reads == 1


def test_lost_is_what_was_accepted_and_is_neither_through_nor_held() -> None:
    ledger = Ledger(
        due=dict.fromkeys("abcde", 0.0),
        accepted=dict.fromkeys("abcd", 1.0),
        completed=dict.fromkeys("ab", 2.0),
        repeated={"a": 1},
    )
    found = fates(ledger, held={"b", "c"})
    expected = {"sent": 5, "accepted": 4, "not_accepted": 1, "through": 2, "lost": 1, "doubled": 1, "held": 2}
    assert {key: found[key] for key in expected} == expected
    assert found["held_and_posted"] == 1


def test_latency_counts_from_when_an_event_was_due_and_leaves_out_the_warm_up() -> None:
    ledger = Ledger(due={"early": 1.0, "late": 5.0}, completed={"early": 1.5, "late": 5.25, "unknown": 6.0})
    assert ledger.latencies(ledger.completed) == [0.5, 0.25]
    assert ledger.latencies(ledger.completed, since=4.0) == [0.25]


class Hook(asyncio.Protocol):
    """A system that takes every event and does its work at once; every ``refuses``-th it refuses."""

    def __init__(self, ledger: Ledger, refuses: int = 0) -> None:
        self.ledger, self.refuses, self.seen, self.buffer = ledger, refuses, 0, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (found := message(self.buffer)) is not None:
            self.buffer = self.buffer[found[2] :]
            self.seen += 1
            if self.refuses and self.seen % self.refuses == 0:
                self.transport.write(answer(b"503 Service Unavailable", b"{}"))
            else:
                self.transport.write(answer(b"202 Accepted", b"{}"))
                self.ledger.complete(orjson.loads(found[1])["event_id"])


async def serve(ledger: Ledger, refuses: int = 0) -> tuple[asyncio.Server, int]:
    server = await asyncio.get_running_loop().create_server(lambda: Hook(ledger, refuses), HOST, 0)
    return server, server.sockets[0].getsockname()[1]


async def test_a_closed_load_never_has_more_outstanding_than_it_may() -> None:
    ledger = Ledger()
    server, port = await serve(ledger)
    sender = Sender(ledger, port, "/hook", 4)
    most = 0

    def look() -> int:
        nonlocal most
        most = max(most, len(ledger.due) - len(ledger.completed))
        return most

    span = await closed(ledger, sender, names("c"), outstanding=4, warm=0.05, seconds=0.1, read=look)
    await settle(ledger, stall=1.0)
    sender.close()
    server.close()
    assert span.completed > 4
    assert most <= 4
    assert not ledger.open()
    assert len(ledger.due) == len(ledger.completed)


async def test_a_closed_load_goes_on_after_refusals() -> None:
    ledger = Ledger()
    server, port = await serve(ledger, refuses=3)
    sender = Sender(ledger, port, "/hook", 2)
    await closed(ledger, sender, names("r"), outstanding=2, warm=0.0, seconds=0.3, read=lambda: None)
    await settle(ledger, stall=1.0)
    sender.close()
    server.close()
    assert len(ledger.refused) > 2
    assert set(ledger.refused.values()) == {503}


async def test_a_paced_load_sends_all_that_was_due_though_nobody_answers_at_first() -> None:
    ledger = Ledger()
    server, port = await serve(ledger)
    sender = Sender(ledger, port, "/hook", 1)
    happened: list[int] = []

    async def halfway() -> None:
        happened.append(len(ledger.due))

    await paced(ledger, sender, names("p"), rate=1000, seconds=0.1, read=lambda: None, halfway=halfway)
    await settle(ledger, stall=1.0)
    sender.close()
    server.close()
    assert len(ledger.completed) == 100
    assert happened
    assert 50 <= happened[0] <= 100
    dues = list(ledger.due.values())
    assert [round(later - dues[0], 6) for later in dues] == [round(n / 1000, 6) for n in range(100)]


async def test_an_event_that_nobody_takes_is_broken_and_not_waited_for() -> None:
    ledger = Ledger()
    server, port = await serve(ledger)
    server.close()
    await server.wait_closed()
    sender = Sender(ledger, port, "/hook", 1)
    for event_id, number in islice(names("n"), 3):
        sender.send(event_id, number)
    await settle(ledger, stall=5.0)
    assert ledger.broken == dict.fromkeys(ledger.due, "ConnectionRefusedError")
