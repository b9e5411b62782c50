"""``engine connections``: secrets are kept encrypted, renewed without a change to any file, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli import connection_text
from engine.sdk.errors import ConfigError
from tests.cli.conftest import Shop

SECRET = "s3cret-value-1"


def kept(root: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (root / ".engine").iterdir() if path.is_file())


def test_add_asks_for_what_is_missing_and_keeps_secrets_out_of_the_file(shop: Shop) -> None:
    shop.write("connections.yaml", "# ours\nother: {type: shop, shop_name: a, token: {env: TOKEN}}  # mine\n")
    result = shop.engine("connections", "add", "shop", stdin=f"My Shop\n{SECRET}\n")
    assert result.exit_code == 0, result.output
    assert (shop.root / "connections.yaml").read_text() == (
        "# ours\nother: {type: shop, shop_name: a, token: {env: TOKEN}}  # mine\n"
        '\nshop:\n  type: shop\n  shop_name: "My Shop"\n  token: {secret: shop.token}\n'
    )
    assert SECRET.encode() not in kept(shop.root)
    listed = shop.engine("connections")
    assert "secret 'shop.token' of the store" in listed.stdout
    assert "stored" in listed.stdout
    assert SECRET not in listed.output


def test_what_comes_from_elsewhere_is_not_renewed_and_the_place_is_said(shop: Shop) -> None:
    shop.write("connections.yaml", "shop: {type: shop, shop_name: a, token: {env: SHOP_TOKEN}}\n")
    refused = shop.engine("connections", "add", "shop").stderr
    assert "error[nothing-stored]" in refused
    assert "next: set SHOP_TOKEN, which connections.yaml names" in refused


def test_a_field_from_the_environment_is_shown_as_set_or_not(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.engine("connections", "add", "shop", "--set", "shop_name=x", "--env", "token=SHOP_TOKEN", "--set", "size=3")
    assert "size: 3" in (shop.root / "connections.yaml").read_text()
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    fields = shop.json("connections")["connections"][0]["fields"]
    assert fields["token"] == {"from": "environment variable SHOP_TOKEN", "state": "not set"}
    monkeypatch.setenv("SHOP_TOKEN", "abcdef")
    assert shop.json("connections")["connections"][0]["fields"]["token"]["state"] == "set"


def test_a_name_that_exists_has_its_secrets_renewed_and_nothing_else(shop: Shop) -> None:
    shop.engine("connections", "add", "shop", "--set", "shop_name=x", "--set", "token=first-value")
    file, before = (shop.root / "connections.yaml").read_text(), kept(shop.root)
    result = shop.engine("connections", "add", "shop", stdin="second-value\n")
    assert result.exit_code == 0, result.output
    assert (shop.root / "connections.yaml").read_text() == file
    assert kept(shop.root) != before
    assert shop.engine("connections", "add", "shop", "--set", "shop_name=y").exit_code == 2


def test_of_several_secrets_those_that_are_named_are_renewed(shop: Shop) -> None:
    shop.engine("connections", "add", "yotpo", "--type", "yotpo_loyalty", stdin="guid-1\nkey-1\n")
    one = shop.engine("connections", "add", "yotpo", "--set", "api_key", stdin="key-2\n")
    assert one.stdout == "renewed: api_key of connection 'yotpo'\n"
    other = shop.engine("connections", "add", "yotpo", "--set", "guid=guid-2")
    assert other.stdout == "renewed: guid of connection 'yotpo'\n"
    both = shop.engine("connections", "add", "yotpo", stdin="guid-3\nkey-3\n")
    assert both.stdout == "renewed: guid, api_key of connection 'yotpo'\n"


def test_what_is_wrong_with_a_field_is_said_without_its_value(shop: Shop) -> None:
    for args in (["--set", "tokn=abcdef"], ["--set", "token=abc", "--set", "shop_name=x"], ["--set", "size=big"]):
        result = shop.engine("connections", "add", "shop", *args, stdin="x\nabcdef\n")
        assert result.exit_code == 2, args
        assert "abc" not in result.stderr
    assert "is missing" in shop.engine("connections", "add", "shop", stdin="x\n").stderr
    assert not (shop.root / "connections.yaml").exists()


def test_a_field_that_another_one_needs_is_asked_for_in_words(shop: Shop) -> None:
    before = (shop.root / "connections.yaml").read_text() if (shop.root / "connections.yaml").exists() else None
    added = shop.engine("connections", "add", "orders", "--type", "sql", "--set", "database=sqlite")
    assert added.exit_code == 2
    assert "type 'sql': 'path' is missing" in added.stderr
    assert before is None or (shop.root / "connections.yaml").read_text() == before
    shop.write("connections.yaml", "orders: {type: sql, database: postgresql, host: db.example.com}\n")
    checked = shop.engine("check")
    assert checked.exit_code == 1
    assert "connection 'orders': one of 'url', 'host' with 'name' with 'user' is needed" in checked.output
    shop.write("connections.yaml", "orders: {type: sql, database: postgresql, url: {env: WAREHOUSE_URL}}\n")
    assert "connection 'orders'" not in shop.engine("check").output


def test_test_says_whether_the_credentials_work(shop: Shop) -> None:
    shop.engine("connections", "add", "shop", "--set", "shop_name=x", "--set", f"token={SECRET}")
    refused = shop.engine("connections", "test", "shop")
    assert refused.exit_code == 1
    assert "error[auth-error]: the shop does not know you" in refused.stderr
    (shop.root / "reachable").touch()
    assert shop.engine("connections", "test", "shop").exit_code == 0
    assert "did you mean 'shop'?" in shop.engine("connections", "test", "shp").stderr


def test_remove_takes_the_entry_and_its_secrets(shop: Shop) -> None:
    text = b"# ours\r\na: {type: shop, shop_name: a, token: {env: T}}\r\n"
    (shop.root / "connections.yaml").write_bytes(text)
    shop.engine("connections", "add", "shop", "--set", "shop_name=x", "--set", f"token={SECRET}")
    result = shop.engine("connections", "remove", "shop")
    assert result.exit_code == 0, result.output
    assert (shop.root / "connections.yaml").read_bytes().rstrip(b"\r\n") == text.rstrip(b"\r\n")
    shop.write("connections.yaml", "shop: {type: shop, shop_name: a, token: {secret: shop.token}}\n")
    assert "missing" in shop.engine("connections").stdout


FILE = """\
# head
a:
  type: shop   # one

# about b
b: {type: shop,
    x: 1}
c:
  type: shop
# tail
"""


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("a", "a:\n  type: shop   # one\n"),
        ("b", "b: {type: shop,\n    x: 1}\n"),
        ("c", "c:\n  type: shop\n"),
    ],
)
def test_removing_keeps_the_rest_byte_for_byte(name: str, gone: str) -> None:
    assert connection_text.without_entry(FILE, name, "f") == FILE.replace(gone, "")


def test_a_file_in_one_line_is_left_for_its_author() -> None:
    with pytest.raises(ConfigError, match="cannot be changed here"):
        connection_text.without_entry("{a: {type: x}, b: {type: y}}\n", "a", "f")
    with pytest.raises(ConfigError, match="cannot be changed here"):
        connection_text.with_entry("{a: {type: x}}\n", "b:\n  type: y\n", "f")
