"""The SQL is in its files, named and described, and all of it is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import engine.store
from engine.store.sql import migrations, queries, statements

FOLDER = Path(engine.store.__file__).parent


def test_each_query_has_a_name_and_one_line_of_description() -> None:
    text = "\n".join(path.read_text("utf-8") for path in sorted((FOLDER / "queries").glob("*.sql")))
    heads = re.findall(r"^-- name: (\w+)\n-- ([A-Z].*\.)\n(?!--)", text, re.MULTILINE)
    assert [name for name, _ in heads] == list(queries())


def test_each_query_is_used() -> None:
    code = "".join(path.read_text("utf-8") for path in FOLDER.glob("*.py"))
    assert [name for name in queries() if f'"{name}"' not in code] == []


def test_no_statement_hides_in_the_code() -> None:
    hidden = re.compile(r"\"(select|insert|update|delete) ", re.IGNORECASE)
    found = [path.name for path in FOLDER.glob("*.py") if hidden.search(path.read_text("utf-8"))]
    # file.py asks sqlite_master whether the file is ours
    assert found == ["file.py"]


def test_migrations_are_numbered_from_one() -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_script_is_cut_at_its_statements() -> None:
    script = "-- about\ncreate table a(b);\n-- more\ninsert into a\nvalues('x;y');\n"
    assert list(statements(script)) == ["create table a(b);", "insert into a\nvalues('x;y');"]
    with pytest.raises(ValueError, match="no end"):
        list(statements("create table a(b)"))
