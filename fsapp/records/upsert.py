"""Many rows into a table at once: inserted, or changed where they are there. Knows no table, decides no value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Executable,
    Integer,
    LargeBinary,
    Table,
    func,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["upsert"]

Row = dict[str, Any]


def upsert(
    connection: Connection, table: Table, rows: Sequence[Row], *, keep: Iterable[str] = (), first: Iterable[str] = (),
    once: bool = False,
) -> None:
    """Insert rows, all with the same columns, or change those that are there by their primary key.

    No two of `rows` have the same key, unless `once`. `keep`: columns that keep the value they have, if they have one.
    `first`: columns that are written with a new row only, so that no index of theirs has work again. `once`: leave what
    is there as it is.
    """
    if not rows:
        return
    columns, kept, new = tuple(rows[0]), frozenset(keep), frozenset(first)
    if connection.dialect.name != "postgresql":
        connection.execute(_of_sqlite(table, columns, kept, new, once), rows)
        return
    binary = [name for name in columns if isinstance(table.c[name].type, LargeBinary)]
    if binary:
        rows = [row | {name: row[name].hex() for name in binary} for row in rows]
    # One value for all: row by row, or with a value each, psycopg takes twice to four times as long.
    connection.execute(_of_postgresql(table, columns, kept, new, once), {"rows": json.dumps(rows)})


@lru_cache(maxsize=128)
def _of_sqlite(
    table: Table, columns: tuple[str, ...], keep: frozenset[str], first: frozenset[str], once: bool,
) -> Executable:
    return _or_change(sqlite.insert(table), table, columns, keep, first, once)


@lru_cache(maxsize=128)
def _of_postgresql(
    table: Table, columns: tuple[str, ...], keep: frozenset[str], first: frozenset[str], once: bool,
) -> Executable:
    found = [table.c[name] for name in columns]
    names = ", ".join(_value(column) for column in found)
    types = ", ".join(f'"{column.name}" {_type(column)}' for column in found)
    rows = text(f"SELECT {names} FROM json_to_recordset(CAST(:rows AS json)) AS given({types})").columns(*found)
    return _or_change(postgresql.insert(table).from_select(list(columns), rows), table, columns, keep, first, once)


def _or_change(
    insert: Any, table: Table, columns: tuple[str, ...], keep: frozenset[str], first: frozenset[str], once: bool,
) -> Executable:
    key = [column.name for column in table.primary_key]
    if once:
        return insert.on_conflict_do_nothing(index_elements=key)
    new = insert.excluded
    return insert.on_conflict_do_update(index_elements=key, set_={
        name: func.coalesce(table.c[name], new[name]) if name in keep else new[name]
        for name in columns if name not in key and name not in first})


def _value(column: Column[Any]) -> str:
    return f"decode(\"{column.name}\", 'hex')" if isinstance(column.type, LargeBinary) else f'"{column.name}"'


def _type(column: Column[Any]) -> str:
    """What stands in the JSON of a value of this column."""
    for kind, name in ((BigInteger, "bigint"), (Integer, "integer"), (Double, "double precision"),
                       (Boolean, "boolean"), (JSON, "jsonb")):
        if isinstance(column.type, kind):
            return name
    return "text"
