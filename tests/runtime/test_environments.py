"""Environments overlay settings and connections, never scenarios; each has a store of its own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine import plugins
from engine.runtime.clock import SystemClock
from engine.runtime.environments import UnknownEnvironment
from engine.runtime.host import Host, Options
from engine.runtime.project import Project
from engine.runtime.reader import SecretRef, SettingsError
from engine.sdk.errors import WrongEnvironment
from engine.store.sql import migrations, statements
from engine.store.sqlite import SqliteStore

SETTINGS = """\
server: {port: 9000, public_url: https://hooks.example.com}
limits: {concurrency: 50}
history:
  keep: 90d
alerts:
  - {name: ops, webhook: {env: OPS_URL}}
environments:
  staging:
    server: {port: 9100, admin_port: 9101}
    history: {keep: 3d}
    alerts: []
    connections:
      shop:
        base_url: https://staging.example.com
        token: {env: STAGING_TOKEN}
  test:
"""
CONNECTIONS = """\
shop:
  type: http
  base_url: https://api.example.com
  token: {env: SHOP_TOKEN}
other:
  type: http
  base_url: https://other.example.com
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "engine.yaml").write_text(SETTINGS)
    (tmp_path / "connections.yaml").write_text(CONNECTIONS)
    return tmp_path


def test_a_key_takes_the_place_of_that_key_and_the_others_stay(root: Path) -> None:
    plain, staging = Project.find(root).settings, Project.find(root, "staging").settings
    assert (plain.server.port, plain.server.admin_port, plain.history.keep.seconds) == (9000, 8081, 90 * 86400)
    assert (staging.server.port, staging.server.admin_port) == (9100, 9101)
    assert staging.server.public_url == plain.server.public_url == "https://hooks.example.com"
    assert (staging.limits, staging.history.keep.seconds, staging.alerts) == (plain.limits, 3 * 86400, ())
    assert Project.find(root, "test").settings.server == plain.server
    assert plain.environments == ("staging", "test")


def test_connections_have_other_fields_and_keep_their_type(root: Path) -> None:
    registry = plugins.load()
    plain = Project.find(root).connections(registry)
    staging = Project.find(root, "staging").connections(registry)
    assert plain["shop"].fields["token"] == SecretRef("env", "SHOP_TOKEN")
    assert staging["shop"].type == "http"
    assert staging["shop"].fields == {
        "base_url": "https://staging.example.com",
        "token": SecretRef("env", "STAGING_TOKEN"),
    }
    assert staging["other"] == plain["other"]


def test_each_has_a_data_folder_and_a_name_for_operators(root: Path) -> None:
    plain, staging = Project.find(root), Project.find(root, "staging")
    assert (plain.data_dir(), staging.data_dir()) == (root / ".engine", root / ".engine-staging")
    assert staging.data_dir(root / "x") == root / "x"
    assert (plain.name, staging.name) == (root.name, f"{root.name} (staging)")


@pytest.mark.parametrize(("name", "hint"), [("stagin", "did you mean 'staging'?"), ("live", "has staging, test")])
def test_one_that_is_not_there_is_refused_with_those_that_are(root: Path, name: str, hint: str) -> None:
    with pytest.raises(UnknownEnvironment) as raised:
        Project.find(root, name)
    assert f"there is no environment '{name}'" in raised.value.message
    assert hint in (raised.value.hint or "")


def test_without_a_file_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UnknownEnvironment) as raised:
        Project.find(tmp_path, "staging")
    assert "environments: {staging: {…}}" in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("text", "line", "code", "message"),
    [
        ("environments:\n  staging: {servr: {}}", "2:13", "unknown-key", "environment 'staging' has no key 'servr'"),
        ("environments:\n  staging: {scenarios: {}}", "2:13", "unknown-key", "has no key 'scenarios'"),
        ("environments:\n  staging: {server: {prt: 1}}", "2:22", "unknown-key", "server has no key 'prt'"),
        ("environments:\n  staging: {server: {port: x}}", "2:28", "bad-value", "server.port must be a whole number"),
        ("environments:\n  Staging: {}", "2:12", "bad-value", "environment name 'Staging' must match"),
        ("environments: [staging]", "1:15", "bad-value", "environments must be keys with values"),
        ("environments:\n  a: {environments: {}}", "2:7", "unknown-key", "has no key 'environments'"),
        (
            "server: {port: 8081, admin_port: 9}\nenvironments:\n  a: {server: {port: 9}}",
            "1:34",
            "bad-value",
            "server.port and server.admin_port are the same",
        ),
    ],
)
def test_mistakes_in_any_environment_are_told_with_their_place(
    tmp_path: Path, text: str, line: str, code: str, message: str
) -> None:
    (tmp_path / "engine.yaml").write_text(text)
    with pytest.raises(SettingsError) as raised:
        Project.find(tmp_path)
    [mistake] = raised.value.diagnostics
    assert (str(mistake.place).partition("engine.yaml:")[2], mistake.code) == (line, code)
    assert message in mistake.message


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ("shp: {token: {env: X}}", "unknown-connection", "changes connection 'shp', which is not in connections.yaml"),
        ("shop: {type: log}", "bad-value", "cannot change the type of connection 'shop'"),
        ("shop: {tokn: {env: X}}", "unknown-key", "connection 'shop' has no field 'tokn'"),
        ("shop: {token: abc}", "secret-in-file", "'token' of connection 'shop' is a secret"),
    ],
)
def test_mistakes_about_connections_are_told_where_they_are_made(
    root: Path, fields: str, code: str, message: str
) -> None:
    (root / "engine.yaml").write_text(f"environments:\n  staging:\n    connections:\n      {fields}\n")
    with pytest.raises(SettingsError) as raised:
        Project.find(root, "staging").connections(plugins.load())
    [mistake] = raised.value.diagnostics
    assert (mistake.code, mistake.place.line) == (code, 4)
    assert message in mistake.message
    # the line is shown from the file that it stands in
    assert fields in raised.value.render()


async def test_a_store_made_for_one_environment_is_refused_by_another(root: Path) -> None:
    registry, data = plugins.load(), root / "data"
    async with Host(Project.find(root, "staging"), registry, [], Options(data=data)):
        pass
    for other in (None, "test"):
        with pytest.raises(WrongEnvironment) as raised:
            async with Host(Project.find(root, other), registry, [], Options(data=data)):
                raise AssertionError("it was opened")
        assert "the store is that of environment 'staging'" in raised.value.message
    async with Host(Project.find(root, "staging"), registry, [], Options(data=data)):
        pass


async def test_a_store_from_before_there_were_environments_belongs_to_none(root: Path) -> None:
    path = root / ".engine" / "store.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        for number, script in migrations():
            if "create table about" in script:
                break
            for statement in statements(script):
                db.execute(statement)
            db.execute(f"pragma user_version = {number}")
        db.execute("insert into epochs(started_at) values (1)")
        db.commit()
    staging = SqliteStore(path, clock=SystemClock(), environment="staging")
    with pytest.raises(WrongEnvironment):
        await staging.open()
    plain = SqliteStore(path, clock=SystemClock(), environment="")
    await plain.open()
    await plain.close()
