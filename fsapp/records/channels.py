"""Interactions of other channels than calls: e-mails, texts, chats, visits, as others tell of them. Cleans nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from fsapp.errors import CustomersError
from fsapp.records import interactions
from fsapp.records.erasures import Tombstones
from fsapp.records.schema import customer_numbers, customers, tickets
from fsapp.records.schema import interactions as table

__all__ = ["CHANNELS", "Told", "keep"]

CHANNELS = ("email", "sms", "chat", "visit")
_FOLLOWED_S = 24 * 3600.0  # what is older when it is told is history: nothing follows from it any more


class Told(NamedTuple):
    """An interaction as it was told. `id` is the sender's, one of the channel's. Times are epoch seconds."""

    channel: str
    id: str
    at: float
    ended_at: float
    number: str | None = None
    email: str | None = None
    customer_id: str | None = None
    name: str | None = None
    direction: str | None = None
    subject: str | None = None
    agent: str | None = None
    outcome: str | None = None
    ticket_id: str | None = None
    fields: dict[str, Any] | None = None


def keep(connection: Connection, told: Told, *, by: str, now: float) -> tuple[dict[str, Any], bool]:
    """Keep what was told; the row, and whether it is new: told a second time it changes nothing.

    Of somebody who was erased since it happened, it is kept without who that was, under an id that does not say what
    the sender's is; what they have told already of such a person is found by that. CustomersError where it names a
    customer or a ticket that is not there.
    """
    id_ = f"{told.channel}:{told.id}"
    interactions.lock(connection)  # nobody else keeps the same between our look and our writing
    tombstones = Tombstones(connection)
    hidden = tombstones.renamed(id_)
    found = interactions.get(connection, id_) or (interactions.get(connection, hidden) if hidden else None)
    if found is not None:
        return found, False
    if told.ticket_id and not connection.execute(select(tickets.c.id).where(tickets.c.id == told.ticket_id)).scalar():
        raise CustomersError(f"there is no ticket {told.ticket_id}")
    if hidden and (told.number and tombstones.erased(told.number, told.at)
                   or told.email and tombstones.erased_address(told.email, told.at)):
        id_ = hidden
        told = told._replace(number=None, email=None, customer_id=None, name=None, subject=None, fields=None)
    fields = {**(told.fields or {}), **({"email": told.email} if told.email else {})}
    connection.execute(table.insert().values(
        id=id_, channel=told.channel, direction=told.direction, number=told.number, name=told.name,
        customer_id=_customer(connection, told), started_at=told.at, ended_at=told.ended_at, agent=told.agent,
        subject=told.subject, outcome=told.outcome, ticket_id=told.ticket_id, source=f"api:{by}", fields=fields or None,
        lasted_s=told.ended_at - told.at,
        followed_at=told.ended_at if told.ended_at < now - _FOLLOWED_S else None))
    row = interactions.get(connection, id_)
    assert row is not None
    return row, True


def _customer(connection: Connection, told: Told) -> str | None:
    """Whose it is: as it was told, else by the number, else by the address where only one customer has it."""
    if told.customer_id:
        if not connection.execute(select(customers.c.id).where(customers.c.id == told.customer_id)).scalar():
            raise CustomersError(f"there is no customer {told.customer_id}")
        return told.customer_id
    if told.number:
        whose = connection.execute(select(customer_numbers.c.customer_id).where(
            customer_numbers.c.number == told.number)).scalar()
        if whose:
            return whose
    if told.email:
        found = connection.execute(select(customers.c.id).where(
            func.lower(customers.c.email) == told.email.lower()).limit(2)).scalars().all()
        if len(found) == 1:
            return found[0]
    return None
