"""The SQL app on a real SQLite and a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from engine import AuthError, Conflict, DataError, Effect, ModuleError, Opening, plugins
from engine import ConnectionError as Unreached
from engine import TimeoutError as TookTooLong
from engine.scenario.load import load_scenario
from engine.testing import CrashAt, SimulatedHarness, VirtualClock
from modules.sql import text
from modules.sql.connection import check, dial
from modules.sql.database import LEDGER, Database
from modules.sql.statements import EXECUTE, execute, page, upsert
from tests.modules.postgres import postgres

TABLE = "create table customers (id integer primary key, email varchar(99) unique, points numeric(10,2), more {json})"


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, Any]]:
    with postgres() as fields:
        yield fields


@pytest.fixture(params=["sqlite", "postgresql"])
def fields(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    if request.param == "sqlite":
        return {"database": "sqlite", "path": str(tmp_path / "shop.db")}
    found: dict[str, Any] = request.getfixturevalue("server")
    with psycopg.connect(**_plain(found), autocommit=True) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
    return found


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {"host": fields["host"], "port": fields["port"], "user": fields["user"], "dbname": fields["name"]}


@dataclass
class Asked:
    """A call of a module, over a client that is there."""

    database: Database
    config: dict[str, Any]
    key: str = "key-1"
    now: datetime = datetime(2024, 3, 5, tzinfo=UTC)
    connection: dict[str, Any] = field(default_factory=dict)

    def client(self) -> AbstractAsyncContextManager[Database]:
        @asynccontextmanager
        async def lend() -> AsyncIterator[Database]:
            yield self.database

        return lend()


def opened(fields: dict[str, Any], **more: Any) -> AbstractAsyncContextManager[Database]:
    return dial(Opening({**fields, **more}, VirtualClock(), Path(), 10.0))


async def filled(database: Database, fields: dict[str, Any]) -> None:
    """A table with five customers."""
    json = "jsonb" if fields["database"] == "postgresql" else "text"
    await database.write([(TABLE.format(json=json), [[]])], None)
    rows = [{"id": n, "email": f"c{n}@example.com", "points": n * 10} for n in range(1, 6)]
    await upsert(Asked(database, {"table": "customers", "keys": ["id"], "rows": rows}))  # type: ignore[arg-type]


async def ask(database: Database, sql: str, **params: Any) -> list[dict[str, Any]]:
    found = await page(Asked(database, {"sql": sql, "params": params}), None)  # type: ignore[arg-type]
    return list(found.items)


async def test_values_are_bound_and_come_back_exact(fields: dict[str, Any]) -> None:
    async with opened(fields) as database:
        await filled(database, fields)
        evil = "x'; drop table customers; --"
        row = {"id": 9, "email": evil, "points": "1234567.89", "more": {"a": [1, None]}}
        await upsert(Asked(database, {"table": "customers", "keys": ["id"], "rows": [row]}))  # type: ignore[arg-type]
        [found] = await ask(database, "select * from customers where email = :email -- and :no\n", email=evil)
        assert found["email"] == evil
        assert float(found["points"]) == 1234567.89
        if fields["database"] == "postgresql":
            assert (found["points"], found["more"]) == ("1234567.89", {"a": [1, None]})
            [typed] = await ask(
                database,
                "select :at::timestamptz at time zone 'UTC' as at, '\\x00ff'::bytea as raw, "
                "9007199254740993::bigint as n",
                at="2024-03-05T10:00:00+01:00",
            )
            assert typed == {"at": "2024-03-05T09:00:00", "raw": "AP8=", "n": 9007199254740993}


async def test_a_key_reads_page_by_page_and_goes_on_where_it_stood(
    fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modules.sql.statements.PAGE", 2)
    async with opened(fields) as database:
        await filled(database, fields)
        config = {"sql": "select id, email from customers where points > :p;", "params": {"p": 5}, "key": "id"}
        cursor, pages = None, []
        while True:
            found = await page(Asked(database, config), cursor)  # type: ignore[arg-type]
            pages.append([row["id"] for row in found.items])
            if (cursor := found.cursor) is None:
                break
        assert pages == [[1, 2], [3, 4], [5]]


async def test_a_query_changes_nothing(fields: dict[str, Any]) -> None:
    async with opened(fields) as database:
        await filled(database, fields)
        for sql in ("delete from customers", "delete from customers returning id"):
            with pytest.raises(DataError):
                await ask(database, sql)
        assert len(await ask(database, "select id from customers")) == 5


async def test_a_statement_is_carried_out_once_however_often_it_is_sent(fields: dict[str, Any]) -> None:
    config = {"sql": "update customers set points = points + :n where id = 1", "params": {"n": 5}}
    async with opened(fields) as database:
        await filled(database, fields)
        results = [await execute(Asked(database, config)) for _ in range(3)]  # type: ignore[arg-type]
        assert [one["done_before"] for one in results] == [False, True, True]
        assert {one["row_count"] for one in results} == {1}
        # at once too
        await asyncio.gather(*(execute(Asked(database, config, key="key-2")) for _ in range(4)))  # type: ignore[arg-type]
        [row] = await ask(database, "select points from customers where id = 1")
        assert float(row["points"]) == 20
        with pytest.raises(Conflict, match="another statement"):
            await execute(Asked(database, {**config, "params": {"n": 6}}))  # type: ignore[arg-type]
    assert EXECUTE.effect_of(config) is Effect.KEYED
    assert EXECUTE.effect_of({**config, "once": False}) is Effect.WRITE


async def test_what_fails_leaves_neither_rows_nor_a_ledger_row(fields: dict[str, Any]) -> None:
    config = {"sql": "insert into customers (id, email) values (:id, :email)", "params": {"id": 7, "email": None}}
    async with opened(fields) as database:
        await filled(database, fields)
        taken = {**config, "params": {"id": 7, "email": "c1@example.com"}}
        with pytest.raises(Conflict) as refused:
            await execute(Asked(database, taken))  # type: ignore[arg-type]
        assert refused.value.refused
        rows = [{"id": 8, "email": "new@example.com"}, {"id": 9, "email": "c1@example.com"}]
        with pytest.raises(Conflict):
            await upsert(Asked(database, {"table": "customers", "keys": ["id"], "rows": rows}))  # type: ignore[arg-type]
        assert await ask(database, "select id from customers where id > 5") == []
        # the key is free still
        assert not (await execute(Asked(database, config)))["done_before"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sql", "params", "kind"),
    [
        ("selct 1", {}, DataError),
        ("select * from nowhere", {}, DataError),
        ("select :a", {}, DataError),
        ("select 1", {"a": 1}, DataError),
        ("select 1 as a, 2 as a", {}, DataError),
    ],
)
async def test_mistakes_are_data_errors(
    fields: dict[str, Any], sql: str, params: dict[str, Any], kind: type[ModuleError]
) -> None:
    async with opened(fields) as database:
        with pytest.raises(kind):
            await ask(database, sql, **params)


async def test_read_only_refuses_every_write(fields: dict[str, Any]) -> None:
    async with opened(fields) as database:
        await filled(database, fields)
    async with opened(fields, read_only=True) as database:
        await check(Asked(database, {}))  # type: ignore[arg-type]
        with pytest.raises(DataError, match="read-only"):
            await execute(Asked(database, {"sql": "delete from customers"}))  # type: ignore[arg-type]


async def test_what_takes_too_long_is_stopped(fields: dict[str, Any]) -> None:
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) as c from n"
    async with opened(fields, statement_timeout=0.2) as database:
        with pytest.raises(TookTooLong) as stopped:
            await ask(database, endless)
        assert stopped.value.refused


async def test_a_server_that_is_not_there_and_a_user_that_is_not(server: dict[str, Any], unused_tcp_port: int) -> None:
    async with opened({**server, "port": unused_tcp_port}) as database:
        with pytest.raises(Unreached) as unreached:
            await check(Asked(database, {}))  # type: ignore[arg-type]
        assert unreached.value.refused
    async with opened({**server, "user": "nobody"}) as database:
        with pytest.raises(AuthError):
            await check(Asked(database, {}))  # type: ignore[arg-type]


async def test_a_session_that_is_killed_in_the_middle_leaves_nothing_and_is_sent_again(server: dict[str, Any]) -> None:
    """The server ends the session while the statement runs: nothing is kept, and the next try does it once."""
    config = {"sql": "insert into killed select 1 from pg_sleep(:s)", "params": {"s": 20}}
    with psycopg.connect(**_plain(server), autocommit=True) as other:
        other.execute("drop table if exists killed")
        other.execute("create table killed (n int)")
        async with opened(server) as database:
            await execute(Asked(database, {"sql": "delete from killed"}, key="key-0"))  # type: ignore[arg-type]
            trying = asyncio.ensure_future(execute(Asked(database, config, key="key-k")))  # type: ignore[arg-type]
            kill = (
                "select count(pg_terminate_backend(pid)) from pg_stat_activity where state = 'active' and query like %s"
            )
            while other.execute(kill, ["insert into killed%"]).fetchone() in (None, (0,)):  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.02)
            with pytest.raises(ModuleError) as lost:
                await trying
            assert lost.value.refused
            assert other.execute("select count(*) from killed").fetchone() == (0,)
            assert other.execute(f"select count(*) from {LEDGER} where effect_key = 'key-k'").fetchone() == (0,)
            again = {**config, "params": {"s": 0}}
            assert not (await execute(Asked(database, again, key="key-k")))["done_before"]  # type: ignore[arg-type]
            assert (await execute(Asked(database, again, key="key-k")))["done_before"]  # type: ignore[arg-type]
            assert other.execute("select count(*) from killed").fetchone() == (1,)
            # an idle session that the server has ended is no error of the next call
            other.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
            await check(Asked(database, {}))  # type: ignore[arg-type]


def test_only_what_is_a_parameter_is_taken_for_one() -> None:
    sql = "select ':a', \":b\", x::text, $q$ :c $q$ /* :d */ -- :e\n where t > :at and u < :at and v = :x"
    bound, values = text.bind(sql, {"at": 1, "x": 2}, lambda number: f"${number}")
    assert bound == sql.replace(":at", "$1").replace(":x", "$2")
    assert values == [1, 2]
    assert text.quoted('shop.od"d') == '"shop"."od""d"'


SCENARIO = """
scenario: count
trigger: {module: http.watch_webhook}
steps:
  - id: table
    module: sql.execute_statement
    connection: db
    with: {sql: "create table if not exists hits (n integer)", once: false}
  - id: hit
    module: sql.execute_statement
    connection: db
    with: {sql: "insert into hits values (1)"}
  - id: hits
    module: sql.query_rows
    connection: db
    with: {sql: "select count(*) as n from hits"}
output: ${{ hits[0].n }}
"""


@pytest.mark.parametrize(
    ("statement", "doubted"),
    [
        ("select * from hits where n = ${{ trigger.n }}", True),
        ("select * from hits where n = ${{ hits[0].n }}", True),
        ("select * from hits where n = ${{ url_encode(trigger.n) }}", True),
        ("select * from hits where n = ${{ to_number(trigger.n) }}", False),
        ("select * from ${{ vars.table }}", False),
        ("select * from hits", False),
    ],
)
def test_a_value_that_is_written_into_a_statement_is_doubted(statement: str, doubted: bool) -> None:
    step = f'  - id: more\n    module: sql.query_rows\n    connection: db\n    with: {{sql: "{statement}"}}\n'
    source = SCENARIO.replace("output:", f"{step}output:").replace("steps:", "vars: {table: hits}\nsteps:")
    _, found = load_scenario(source, "scenario.yaml", plugins.load())
    assert [one.code for one in found if one.code == "untrusted-text"] == ["untrusted-text"] * doubted


SAMPLE = """
-- two orders; the text has a semicolon
create table orders (id integer primary key, note text);
insert into orders values (1, 'tea; green'), (2, null);
"""


async def test_the_simulator_begins_with_the_sample_of_the_connection(tmp_path: Path) -> None:
    (tmp_path / "sample.sql").write_text(SAMPLE)
    file = tmp_path / "simulated.db"
    opening = Opening({"database": "sqlite", "path": str(file), "sample": "sample.sql"}, VirtualClock(), tmp_path, 10.0)
    for rows in ([{"id": 1, "note": "tea; green"}, {"id": 2, "note": None}], [{"id": 2, "note": None}]):
        async with dial(replace(opening, simulated=True)) as database:
            assert await ask(database, "select id, note from orders order by id") == rows
            await execute(Asked(database, {"sql": "delete from orders where id = 1", "once": False}))  # type: ignore[arg-type]


async def test_a_real_database_never_gets_the_sample(tmp_path: Path) -> None:
    (tmp_path / "sample.sql").write_text(SAMPLE)
    fields = {"database": "sqlite", "path": str(tmp_path / "real.db"), "sample": "sample.sql"}
    async with dial(Opening(fields, VirtualClock(), tmp_path, 10.0)) as database:
        with pytest.raises(DataError, match="no such table"):
            await ask(database, "select * from orders")


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "cannot be read"), ("create tabel x;", "syntax"), ("insert into x values ('", "incomplete")],
)
async def test_a_sample_that_is_wrong_is_told(tmp_path: Path, content: str | None, told: str) -> None:
    if content is not None:
        (tmp_path / "sample.sql").write_text(content)
    fields = {"database": "sqlite", "path": str(tmp_path / "simulated.db"), "sample": "sample.sql"}
    with pytest.raises(DataError, match=told):
        async with dial(Opening(fields, VirtualClock(), tmp_path, 10.0, simulated=True)):
            pass


async def test_the_simulator_is_a_database_that_is_empty_at_first() -> None:
    async with SimulatedHarness([SCENARIO]) as harness:
        assert [(await harness.run({})).output for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("point", ["effect.intended", "effect.sent", "effect.settled"])
async def test_a_crash_around_a_statement_carries_it_out_once(point: str) -> None:
    """The second write, which is no set but an addition: after the commit the ledger alone tells that it was made."""
    harness = SimulatedHarness([SCENARIO.replace(", once: false", "")])
    [result] = await harness.crash(CrashAt(point, 2), {})
    assert (result.state, result.output) == ("succeeded", 1)
    await harness.stop()


async def test_the_simulator_refuses_what_a_database_refuses() -> None:
    wrong = SCENARIO.replace("insert into hits", "insert into nowhere")
    async with SimulatedHarness([wrong]) as harness:
        result = await harness.run({})
        assert (result.state, result.error["type"], result.error["refused"]) == ("failed", "DataError", True)


async def test_the_last_row_of_a_key_wins_whichever_columns_it_has(fields: dict[str, Any]) -> None:
    async with opened(fields) as database:
        await filled(database, fields)
        rows = [
            {"id": 1, "email": "first@example.com", "points": 1},
            {"id": 1, "points": 2},
            {"id": 1, "email": "last@example.com", "points": 3},
        ]
        await upsert(Asked(database, {"table": "customers", "keys": ["id"], "rows": rows}))  # type: ignore[arg-type]
        [row] = await ask(database, "select email, points from customers where id = 1")
        assert (row["email"], float(row["points"])) == ("last@example.com", 3)
