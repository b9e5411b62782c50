"""Statements: their parameters, and the names in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from engine import DataError, Json

#: what is passed over whole, so that a colon in it is no parameter; a cast (``::text``) too
_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \$(\w*)\$.*?\$\1\$ | ::"""
    r"""| (?<![\w:]):(?P<name>[A-Za-z_]\w*)""",
    re.VERBOSE | re.DOTALL,
)


def bind(sql: str, params: Mapping[str, Json], mark: Callable[[int], str]) -> tuple[str, list[Json]]:
    """The statement with numbered marks in place of ``:name``, and the values in their order.

    Values are bound, never written into the statement.

    :param mark: how the database writes the mark of a number, from 1 on.
    :raises DataError: a parameter has no value, or a value no parameter.
    """
    numbers: dict[str, int] = {}

    def replace(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            return found[0]
        if name not in params:
            raise DataError(f"the statement has :{name}, and params has no '{name}'; nothing was sent", refused=True)
        return mark(numbers.setdefault(name, len(numbers) + 1))

    text = _TOKEN.sub(replace, sql)
    if left := sorted(set(params) - set(numbers)):
        raise DataError(f"params has '{left[0]}', and the statement no :{left[0]}; nothing was sent", refused=True)
    return text, [params[name] for name in numbers]


def quoted(name: str) -> str:
    """A table's or column's name as SQL; a dot stands between schema and table."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def column(name: str) -> str:
    """A column's name as SQL; a dot belongs to it."""
    return '"' + name.replace('"', '""') + '"'


def upsert(table: str, columns: Sequence[str], keys: Sequence[str], mark: Callable[[int], str]) -> str:
    """The statement that adds a row, or changes the one of the same keys."""
    marks = ", ".join(mark(number + 1) for number in range(len(columns)))
    names, conflict = ", ".join(map(column, columns)), ", ".join(map(column, keys))
    changed = ", ".join(f"{column(one)} = excluded.{column(one)}" for one in columns if one not in keys)
    then = f"DO UPDATE SET {changed}" if changed else "DO NOTHING"
    # the names are quoted, the values are bound
    return f"INSERT INTO {quoted(table)} ({names}) VALUES ({marks}) ON CONFLICT ({conflict}) {then}"  # noqa: S608 - see above


def page(sql: str, key: str, mark: str | None, size: int) -> str:
    """A query's page by key: the rows behind the one that ``mark`` stands for."""
    where = f" WHERE {column(key)} > {mark}" if mark is not None else ""
    inner = sql.strip().rstrip(";")
    # the author's own query inside; the key is quoted, the value bound
    return f"SELECT * FROM (\n{inner}\n) AS rows_of_query{where} ORDER BY {column(key)} LIMIT {size}"  # noqa: S608 - see above
