"""Whose rows are that have a number: the customer's whom they name, else of whoever has the number. Changes notes only.

Rows from before a customer was known name nobody. They are found by number instead of being written anew: a customer
may have any number of them, and an import a million customers. Notes have no number, and are told whose they are.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, func, or_, select, update

from fsapp.records.schema import customer_numbers, interactions, notes, tickets

__all__ = ["claim_notes", "note_of", "numbers_of", "of_customer"]

_ABOUT = ((notes.c.interaction_id, interactions), (notes.c.ticket_id, tickets))


def numbers_of(connection: Connection, customer: str) -> list[str]:
    """A customer's numbers."""
    return list(connection.execute(
        select(customer_numbers.c.number).where(customer_numbers.c.customer_id == customer)).scalars())


def of_customer(connection: Connection, table: Table, customer: str) -> ColumnElement[bool]:
    """What names the customer, and what has one of the customer's numbers and names nobody."""
    return or_(table.c.customer_id == customer, and_(
        table.c.customer_id.is_(None), table.c.number.in_(numbers_of(connection, customer))))


def note_of(connection: Connection, interaction: str | None, ticket: str | None) -> str | None:
    """The customer whom an interaction or a ticket is of, by name or number."""
    for id_, table in ((interaction, interactions), (ticket, tickets)):
        if id_ is not None:
            found = connection.execute(_whose(table).where(table.c.id == id_)).scalar()
            if found is not None:
                return str(found)
    return None


def claim_notes(connection: Connection, number: str | None = None) -> None:
    """Notes on what has this number, or any, and is a customer's by now, are the customer's too."""
    for about, table in _ABOUT:
        mine = notes.alias()
        named = select(mine.c.id).join_from(mine, table, table.c.id == mine.c[about.name]).outerjoin(
            customer_numbers, customer_numbers.c.number == table.c.number).where(
            mine.c.customer_id.is_(None), or_(table.c.customer_id.is_not(None),
                                              customer_numbers.c.customer_id.is_not(None)))
        if number is not None:
            named = named.where(table.c.number == number)
        connection.execute(update(notes).where(notes.c.id.in_(named)).values(
            customer_id=_whose(table).where(table.c.id == about).scalar_subquery()))


def _whose(table: Table) -> Select[tuple[str | None]]:
    return select(func.coalesce(table.c.customer_id, customer_numbers.c.customer_id)).join_from(
        table, customer_numbers, customer_numbers.c.number == table.c.number, isouter=True)
