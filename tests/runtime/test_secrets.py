"""The encrypted store of secrets, and its key."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.fernet import Fernet

from engine.runtime.reader import SecretRef
from engine.runtime.secrets import KEY_VARIABLE, KeyRing, SecretBox, Secrets
from engine.sdk.errors import ConfigError
from engine.store.changes import PutSecret
from engine.store.interface import Store
from tests.runtime.doubles import HandClock


class SecretTable:
    """The part of a store that secrets use."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}

    def put(self, *changes: PutSecret, owner: Any = None) -> asyncio.Future[None]:
        for change in changes:
            if change.value is None:
                self.rows.pop(change.name, None)
            else:
                self.rows[change.name] = change.value
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def secrets(self) -> Mapping[str, bytes]:
        return dict(self.rows)


def box(table: SecretTable, data: Path, **environment: str) -> SecretBox:
    return SecretBox(cast("Store", table), KeyRing(data, environment), HandClock())


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def new_key() -> str:
    return Fernet.generate_key().decode()


async def test_values_come_back_and_are_not_in_the_store(tmp_path: Path) -> None:
    table = SecretTable()
    await box(table, tmp_path).put("shop.key", "s3cret-ü")
    assert b"s3cret" not in table.rows["shop.key"]
    again = box(table, tmp_path)
    assert await again.get("shop.key") == "s3cret-ü"
    await again.put("shop.key", "renewed")
    assert await again.get("shop.key") == "renewed"
    assert await again.names() == ["shop.key"]
    assert await again.values() == ["renewed"]
    assert await again.remove("shop.key")
    assert not await again.remove("shop.key")
    with pytest.raises(ConfigError, match="no secret 'shop\\.key'"):
        await again.get("shop.key")


async def test_the_key_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    data = tmp_path / "data"
    before = os.umask(0)
    try:
        await box(SecretTable(), data).put("a", "b")
    finally:
        os.umask(before)
    assert files(data) == ["secret.key"]
    assert (data / "secret.key").stat().st_mode & 0o777 == 0o600


async def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    table = SecretTable()
    await box(table, tmp_path).put("a", "b")
    (tmp_path / "secret.key").chmod(0o640)
    with pytest.raises(ConfigError, match="others on this machine") as caught:
        await box(table, tmp_path).get("a")
    assert "chmod 600" in str(caught.value)


async def test_reading_makes_no_key(tmp_path: Path) -> None:
    assert await box(SecretTable(), tmp_path).names() == []
    assert not files(tmp_path)


async def test_of_two_that_make_the_key_one_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = KeyRing(tmp_path, {})
    sync = os.fsync
    written: list[bytes] = []

    def race(handle: int) -> None:
        monkeypatch.setattr(os, "fsync", sync)
        written.append(other.make().encrypt(b"x"))
        sync(handle)

    monkeypatch.setattr(os, "fsync", race)
    mine = KeyRing(tmp_path, {}).make()
    assert mine.decrypt(written[0]) == b"x"
    assert files(tmp_path) == ["secret.key"]


async def test_a_key_from_the_environment(tmp_path: Path) -> None:
    table, old, new = SecretTable(), new_key(), new_key()
    await box(table, tmp_path, ENGINE_SECRET_KEY=old).put("a", "b")
    assert not files(tmp_path)
    both = box(table, tmp_path, ENGINE_SECRET_KEY=f"{new}, {old}")
    assert await both.get("a") == "b"
    await both.put("a", "c")
    assert await box(table, tmp_path, ENGINE_SECRET_KEY=new).get("a") == "c"


async def test_the_wrong_key(tmp_path: Path) -> None:
    table = SecretTable()
    await box(table, tmp_path, ENGINE_SECRET_KEY=new_key()).put("a", "b")
    wrong = box(table, tmp_path, ENGINE_SECRET_KEY=new_key())
    for attempt in (wrong.get("a"), wrong.put("c", "d")):
        with pytest.raises(ConfigError, match="encrypted with another key") as caught:
            await attempt
        assert KEY_VARIABLE in str(caught.value)
    assert await wrong.values() == []
    missing = box(table, tmp_path)
    for attempt in (missing.get("a"), missing.put("c", "d")):
        with pytest.raises(ConfigError, match="their key is missing"):
            await attempt
    assert not files(tmp_path)


@pytest.mark.parametrize("text", ["hunter2", "é", "A" * 43, ","])
async def test_what_is_no_key(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="this is no key") as caught:
        await box(SecretTable(), tmp_path, ENGINE_SECRET_KEY=text).put("a", "b")
    assert text not in str(caught.value) or text == ","
    assert "openssl rand" in str(caught.value)


async def test_a_value_under_another_name_is_noticed(tmp_path: Path) -> None:
    table = SecretTable()
    await box(table, tmp_path).put("live", "a")
    await box(table, tmp_path).put("staging", "b")
    table.rows["live"] = table.rows["staging"]
    with pytest.raises(ConfigError, match="belongs to the secret 'staging'"):
        await box(table, tmp_path).get("live")


async def test_references_are_looked_up_at_use(tmp_path: Path) -> None:
    environment = {"HOOK": "one", "EMPTY": ""}
    secrets = Secrets(environment, box(SecretTable(), tmp_path))
    assert await secrets.resolve(SecretRef("env", "HOOK")) == "one"
    environment["HOOK"] = "two"
    assert await secrets.resolve(SecretRef("env", "HOOK")) == "two"
    for name in ("EMPTY", "ABSENT"):
        with pytest.raises(ConfigError, match=f"environment variable {name} is not set"):
            await secrets.resolve(SecretRef("env", name))
    with pytest.raises(ConfigError, match="no secret 'x'"):
        await secrets.resolve(SecretRef("secret", "x"))
    with pytest.raises(ConfigError, match="there is no store"):
        await Secrets({}).resolve(SecretRef("secret", "x"))
