"""Which numbers were a customer's, as far as rows tell: those that name both. Changes nothing.

That a number was taken off a customer is written down as such a row, too.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import uuid4

from sqlalchemy import Connection, func, or_, select

from fsapp.records import schema

__all__ = ["TAKEN_OFF", "earlier_numbers", "numbers_of", "owners_of", "taken_off"]

TAKEN_OFF = "number"  # the type of the row that says so
# Tables whose rows name a number and a customer, and when that was so.
_NAMING = {
    "interactions": "started_at", "attempts": "at", "customer_events": "at", "tasks": "made_at", "voicemails": "at",
    "tickets": "opened_at", "contacts": "made_at",
}


def taken_off(connection: Connection, customer_id: str, number: str, at: float) -> None:
    """Write down that a number is not the customer's any more."""
    connection.execute(schema.customer_events.insert().values(
        id=uuid4().hex, type=TAKEN_OFF, effect="taken-off", number=number, customer_id=customer_id, at=at))


def numbers_of(connection: Connection, customer_id: str) -> list[str]:
    """The customer's numbers as they are now."""
    owned = schema.customer_numbers
    return list(connection.execute(
        select(owned.c.number).where(owned.c.customer_id == customer_id).order_by(owned.c.place)).scalars())


def owners_of(connection: Connection, number: str) -> list[str]:
    """Customers whose number this is or was, and who are there."""
    found: set[str] = set()
    for name in _NAMING:
        table = schema.METADATA.tables[name]
        found.update(connection.execute(select(table.c.customer_id).where(
            table.c.number == number, table.c.customer_id.is_not(None)).distinct()).scalars())
    there = schema.customers.c.id
    return sorted(connection.execute(select(there).where(there.in_(found))).scalars()) if found else []


def earlier_numbers(
    connection: Connection, customer_id: str, now: Collection[str],
) -> tuple[list[str], list[str]]:
    """Numbers (E.164) that were the customer's and are not in `now`; then those of them that another has used since.

    Another: a customer whose number it is now, or who called or was called under it later without being this customer.
    """
    last: dict[str, float] = {}
    for name, when in _NAMING.items():
        table = schema.METADATA.tables[name]
        for number, at in connection.execute(select(table.c.number, func.max(table.c[when])).where(
                table.c.customer_id == customer_id, table.c.number.startswith("+")).group_by(table.c.number)):
            last[number] = max(last.get(number, 0.0), at or 0.0)
    for number in now:
        last.pop(number, None)
    doubtful = {number for number, at in last.items() if _used_since(connection, customer_id, number, at)}
    return sorted(set(last) - doubtful), sorted(doubtful)


def _used_since(connection: Connection, customer_id: str, number: str, since: float) -> bool:
    owned = schema.customer_numbers
    if connection.execute(select(owned.c.number).where(owned.c.number == number)).first():
        return True
    for name, when in _NAMING.items():
        table = schema.METADATA.tables[name]
        another = or_(table.c.customer_id.is_(None), table.c.customer_id != customer_id)
        if connection.execute(select(table.c.id).where(
                table.c.number == number, another, table.c[when] > since).limit(1)).first():
            return True
    return False
