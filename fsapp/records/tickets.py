"""Tickets of customers: opened, found, given to somebody, closed, linked to interactions. Knows no rules.

All functions work within the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, or_, select, update

from fsapp.records import schema
from fsapp.records.whose import of_customer

__all__ = [
    "CLOSED", "OPEN", "NewTicket", "TicketFilter", "assign", "close", "customer_of", "find", "get", "interactions_of",
    "link", "open_of", "open_ticket", "reopen", "touch",
]

OPEN, CLOSED = "open", "closed"
_ID = 16
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewTicket:
    """What a ticket is opened with. `place`: the id of a stage or line."""

    customer_id: str | None = None
    number: str | None = None
    subject: str = ""
    agent: str | None = None
    group: str | None = None
    priority: int = 0
    place: str | None = None
    made_by: str = ""


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """Which tickets: all that is said must be so. `place` ends with a slash for all stages of a campaign."""

    state: str | None = OPEN
    number: str | None = None
    customer_id: str | None = None
    agent: str | None = None
    group: str | None = None
    place: str | None = None


def open_ticket(connection: Connection, new: NewTicket, at: float, id_: str | None = None) -> str:
    """Open a ticket; its id, which is made up where none is given."""
    id_ = id_ or uuid4().hex[:_ID]
    connection.execute(schema.tickets.insert(), {
        "id": id_, "state": OPEN, "customer_id": new.customer_id, "number": new.number, "subject": new.subject or None,
        "agent": new.agent, "group": new.group, "priority": new.priority, "place": new.place, "opened_at": at,
        "changed_at": at, "made_by": new.made_by})
    return id_


def get(connection: Connection, id_: str) -> Row | None:
    """A ticket; None where there is none of that id."""
    found = connection.execute(select(schema.tickets).where(schema.tickets.c.id == id_)).mappings().first()
    return dict(found) if found else None


def find(connection: Connection, wanted: TicketFilter, limit: int) -> list[Row]:
    """Tickets: the highest priority first, then the one that was opened first; those closed last come after."""
    table = schema.tickets
    query = select(table)
    if wanted.customer_id is not None:
        query = query.where(of_customer(connection, table, wanted.customer_id))
    for column in ("state", "agent", "group"):
        value = getattr(wanted, column)
        if value is not None:
            query = query.where(table.c[column] == value)
    if wanted.number is not None:
        query = query.where(_whose(connection, wanted.number, None))
    if wanted.place is not None:
        some = table.c.place.startswith(wanted.place, autoescape=True)
        query = query.where(some if wanted.place.endswith("/") else table.c.place == wanted.place)
    order = (table.c.state.desc(), table.c.priority.desc(), table.c.opened_at, table.c.id)
    return [dict(row) for row in connection.execute(query.order_by(*order).limit(limit)).mappings()]


def open_of(
    connection: Connection, number: str | None, customer_id: str | None, place: str | None, since: float,
) -> str | None:
    """The customer's open ticket of a place, the one that changed last, if it has since then; None without."""
    if number is None and customer_id is None:
        return None
    table = schema.tickets
    here = table.c.place.is_(None) if place is None else table.c.place == place
    return connection.execute(
        select(table.c.id).where(table.c.state == OPEN, here, table.c.changed_at >= since,
                                 _whose(connection, number, customer_id))
        .order_by(table.c.changed_at.desc(), table.c.id).limit(1)).scalar()


def link(connection: Connection, interaction: str, ticket: str, at: float) -> None:
    """Say which ticket an interaction belongs to; something has happened to that one then."""
    table = schema.interactions
    connection.execute(update(table).where(table.c.id == interaction).values(ticket_id=ticket))
    touch(connection, ticket, at)


def touch(connection: Connection, ticket: str, at: float) -> None:
    """Something has happened to a ticket then; what happened earlier changes nothing."""
    table = schema.tickets
    connection.execute(update(table).where(
        table.c.id == ticket, or_(table.c.changed_at.is_(None), table.c.changed_at < at)).values(changed_at=at))


def close(connection: Connection, ticket: str, at: float) -> bool:
    """Whether it was open."""
    return _change(connection, ticket, OPEN, {"state": CLOSED, "closed_at": at, "changed_at": at})


def reopen(connection: Connection, ticket: str, at: float) -> bool:
    """Whether it was closed."""
    return _change(connection, ticket, CLOSED, {"state": OPEN, "closed_at": None, "changed_at": at})


def assign(connection: Connection, ticket: str, agent: str | None, group: str | None, at: float) -> bool:
    """Give an open ticket to an agent, a group or (both None) nobody; whether it was open."""
    return _change(connection, ticket, OPEN, {"agent": agent, "group": group, "changed_at": at})


def interactions_of(connection: Connection, ticket: str, limit: int) -> list[Row]:
    """The interactions that belong to a ticket, newest first."""
    table = schema.interactions
    wanted = [table.c[name] for name in (
        "id", "channel", "started_at", "number", "call_class", "line", "campaign", "stage", "outcome", "agent",
        "disposition")]
    found = connection.execute(
        select(*wanted).where(table.c.ticket_id == ticket).order_by(table.c.started_at.desc()).limit(limit))
    return [dict(row) for row in found.mappings()]


def customer_of(connection: Connection, number: str) -> str | None:
    """The customer with this number."""
    table = schema.customer_numbers
    return connection.execute(select(table.c.customer_id).where(table.c.number == number)).scalar()


def _change(connection: Connection, ticket: str, state: str, values: Mapping[str, Any]) -> bool:
    table = schema.tickets
    done = connection.execute(update(table).where(table.c.id == ticket, table.c.state == state).values(**values))
    return done.rowcount > 0


def _whose(connection: Connection, number: str | None, customer_id: str | None) -> Any:
    """A customer's tickets: by any of the numbers, opened before the customer was known or after."""
    table = schema.tickets
    customer = customer_id or (customer_of(connection, number) if number else None)
    if customer is None:
        return table.c.number == number
    mine = of_customer(connection, table, customer)
    return mine if number is None else or_(mine, (table.c.number == number) & table.c.customer_id.is_(None))
