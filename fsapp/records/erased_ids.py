"""Ids of interactions that others chose, of who was erased: made anew, so that only who knows the old one finds it.

The sender of an e-mail, a text or a chat says what its id is, and may have put a number or an address into it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Table, Update, case, delete, select, update

from fsapp.records import schema
from fsapp.records.erasures import Tombstones

__all__ = ["rename"]

_AT_ONCE = 500
_NAMING = ("interaction_id", "about_id")  # columns that hold the id of an interaction; `call_id` is the switch's alone


def rename(connection: Connection, tombstones: Tombstones, calls: Sequence[str]) -> int:
    """Rename those of `calls` that are of other channels, everywhere within the transaction; how many.

    `tombstones` has somebody in it. Whoever writes calls is shut out (`writer.lock`).
    """
    table, count = schema.interactions, 0
    for place in range(0, len(calls), _AT_ONCE):
        rows = [dict(row) for row in connection.execute(select(table).where(
            table.c.id.in_(calls[place: place + _AT_ONCE]), table.c.channel != "call")).mappings()]
        new = {row["id"]: name for row in rows if (name := tombstones.renamed(row["id"])) is not None}
        if not new:
            continue
        # What points to them has to have something to point to all the time.
        connection.execute(table.insert(), [row | {"id": new[row["id"]]} for row in rows])
        for other in schema.METADATA.sorted_tables:
            for column in _NAMING:
                if column in other.c:
                    connection.execute(_renamed(other, column, new))
        connection.execute(_renamed(schema.tags, "subject_id", new).where(schema.tags.c.kind == "interaction"))
        connection.execute(_renamed(schema.access_log, "subject", new))
        connection.execute(delete(table).where(table.c.id.in_(list(new))))
        count += len(new)
    return count


def _renamed(table: Table, column: str, new: dict[str, str]) -> Update:
    there = table.c[column]
    return update(table).where(there.in_(list(new))).values({column: case(new, value=there)})
