"""The pop: all that an agent needs of who calls, by one read of the memory. Asks Redis nothing, renders nothing.

One statement on either database: what is wanted of each table is a subquery that an index answers, however many rows
there are. A customer's interactions are those of the customer and those of each number that nobody else's customer has:
the last few of each, of which the last few of all are taken.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, TextClause, text

__all__ = ["LAST", "PopRecord", "read_pop"]

LAST = 5       # interactions and notes
_TICKETS = 20

_CUSTOMER = ("id", "name", "vip", "language", "timezone", "email", "company", "fields")
_INTERACTION = ("id", "channel", "direction", "started_at", "number", "called", "call_class", "campaign", "stage",
                "line", "queue", "outcome", "waited_s", "talked_s", "agent", "disposition", "subject", "ticket_id")
_TICKET = ("id", "subject", "agent", "group", "priority", "place", "opened_at", "changed_at")
_NOTE = ("id", "at", "by", "text", "interaction_id", "ticket_id")
_CONTACT = ("id", "campaign", "stage", "number", "state", "agent", "name", "list", "priority", "due_at", "attempted_at",
            "attempts", "disposition", "fields")
_JSON = "fields"
Row = dict[str, Any]


class PopRecord(NamedTuple):
    """What the memory has of a number. `customer` None: nobody we know. Times are epoch seconds, newest first."""

    customer: Row | None
    numbers: tuple[Row, ...]
    tags: tuple[str, ...]
    tickets: tuple[Row, ...]
    interactions: tuple[Row, ...]
    notes: tuple[Row, ...]
    contact: Row | None


def read_pop(
    connection: Connection, number: str, contact: str | None = None, call: str | None = None,
) -> PopRecord:
    """What is known of `number` (E.164), and of the contact whose id (CAMPAIGN/STAGE/NUMBER) the call carries.

    `call`: the interaction that the pop opens for, which is none of the last ones.
    """
    given = {"number": number, "contact": contact or "", "call": call or "", "last": LAST, "tickets": _TICKETS}
    row = connection.execute(_statement(connection.dialect.name), given).mappings().one()
    found = {name: json.loads(value) if isinstance(value, str) else value for name, value in row.items()}
    each, tickets = (
        [*(found[f"{what}by_customer"] or ()), *(one for some in found[f"{what}by_number"] or () for one in some or ())]
        for what in ("", "tickets_"))
    return PopRecord(
        found["customer"], tuple(sorted(found["numbers"] or (), key=lambda one: (one["place"], one["number"]))),
        tuple(sorted(found["tags"] or ())),
        _newest(tickets, "changed_at", _TICKETS), _newest(each, "started_at", LAST),
        _newest(found["notes"] or (), "at", LAST), found["contact"])


def _newest(rows: Sequence[Row], by: str, limit: int) -> tuple[Row, ...]:
    once = {row["id"]: row for row in rows}
    return tuple(sorted(once.values(), key=lambda row: (row[by] or 0.0, row["id"]), reverse=True)[:limit])


@lru_cache(maxsize=2)
def _statement(dialect: str) -> TextClause:
    object_, list_, document = (
        ("json_build_object", "json_agg", "to_json") if dialect == "postgresql" else
        ("json_object", "json_group_array", "json"))

    def rendered(names: Sequence[str]) -> str:
        parts = [f"'{name}', " + (f'{document}("{name}")' if name == _JSON else f'"{name}"') for name in names]
        return f"{object_}({', '.join(parts)})"

    def newest(names: Sequence[str], table: str, where: str, by: str, limit: str) -> str:
        columns = ", ".join(f'"{name}"' for name in names)
        return (f"(SELECT {list_}({rendered(names)}) FROM (SELECT {columns} FROM {table} WHERE {where} "
                f"ORDER BY {by} DESC LIMIT :{limit}) AS newest)")

    mine = "customer_id = (SELECT id FROM who)"
    unclaimed = f"(customer_id IS NULL OR {mine})"
    other = "id <> :call"
    of_number = newest(
        _INTERACTION, "interactions", f"number = known.number AND {unclaimed} AND {other}", "started_at", "last")
    tickets_of_number = newest(
        _TICKET, "tickets", "number = known.number AND state = 'open' AND customer_id IS NULL", "changed_at", "tickets")
    return text(f"""
        WITH who AS (
            SELECT customers.* FROM customer_numbers JOIN customers ON customers.id = customer_numbers.customer_id
            WHERE customer_numbers.number = :number
        ), known AS (
            SELECT number FROM customer_numbers WHERE {mine} UNION SELECT CAST(:number AS VARCHAR)
        )
        SELECT
            (SELECT {rendered(_CUSTOMER)} FROM who) AS customer,
            (SELECT {list_}({rendered(("number", "kind", "place"))}) FROM customer_numbers WHERE {mine}) AS numbers,
            (SELECT {list_}(tag) FROM tags WHERE kind = 'customer' AND subject_id = (SELECT id FROM who)) AS tags,
            {newest(_TICKET, "tickets", f"{mine} AND state = 'open'", "changed_at", "tickets")} AS tickets_by_customer,
            (SELECT {list_}({document}({tickets_of_number})) FROM known) AS tickets_by_number,
            {newest(_NOTE, "notes", mine, "at", "last")} AS notes,
            (SELECT {list_}({document}({of_number})) FROM known) AS by_number,
            {newest(_INTERACTION, "interactions", f"{mine} AND {other}", "started_at", "last")} AS by_customer,
            (SELECT {rendered(_CONTACT)} FROM contacts WHERE id = :contact) AS contact
        """)
