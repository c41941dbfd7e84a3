"""Customers: found by number, made, changed, merged. Cleans nothing: `core.customer` has. Notes and tags: `notes`.

Every function works within a transaction of `Database.read` or `Database.write`. Times are epoch seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, Row, func, or_, select
from sqlalchemy.exc import IntegrityError

from fsapp.core.customer import Draft, GivenNumber
from fsapp.errors import CustomersError, NumberTaken
from fsapp.records import schema
from fsapp.records.notes import add_note, add_tags
from fsapp.records.numbers_held import numbers_of, taken_off
from fsapp.records.schema import customer_numbers, customers, tags
from fsapp.records.whose import claim_notes

__all__ = [
    "CUSTOMER", "Customer", "add_number", "change", "create", "find", "find_many", "get", "merge", "remove_number",
    "search",
]

CUSTOMER = "customer"  # the kind of what is tagged
_FOLLOW = ("interactions", "notes", "tickets", "tasks", "attempts", "voicemails", "customer_events", "contacts",
           "access_log", "customer_numbers")
_ONE = ("name", "language", "timezone", "email", "company")


class Customer(NamedTuple):
    """One customer as it is kept. `numbers` in their order, `tags` by the alphabet."""

    id: str
    name: str | None
    vip: int
    language: str | None
    timezone: str | None
    email: str | None
    company: str | None
    fields: Mapping[str, Any]
    made_at: float
    made_by: str | None
    changed_at: float | None
    numbers: tuple[GivenNumber, ...] = ()
    tags: tuple[str, ...] = ()


def find(connection: Connection, number: str) -> Customer | None:
    """The customer with this number (E.164)."""
    return find_many(connection, [number]).get(number)


def find_many(connection: Connection, numbers: Sequence[str]) -> dict[str, Customer]:
    """The customers with these numbers, by number; those that are nobody's are left out."""
    rows = connection.execute(select(customer_numbers.c.number, customers).join_from(customer_numbers, customers)
                              .where(customer_numbers.c.number.in_(numbers))).all()
    whole = {customer.id: customer for customer in _whole(connection, {row.id: row for row in rows}.values())}
    return {row.number: whole[row.id] for row in rows}


def get(connection: Connection, id_: str) -> Customer | None:
    rows = connection.execute(select(customers).where(customers.c.id == id_)).all()
    return next(iter(_whole(connection, rows)), None)


def search(connection: Connection, text: str, limit: int = 20) -> list[Customer]:
    """Customers whose name or company has `text` in it, or whose e-mail address begins with it; by name."""
    escaped = text.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    part, start = f"%{escaped}%", f"{escaped}%"
    rows = connection.execute(
        select(customers).where(or_(
            func.lower(customers.c.name).like(part, escape="\\"),
            func.lower(customers.c.company).like(part, escape="\\"),
            func.lower(customers.c.email).like(start, escape="\\"),
        )).order_by(customers.c.name, customers.c.id).limit(limit)).all()
    return _whole(connection, rows)


def create(connection: Connection, draft: Draft, *, by: str | None, at: float) -> Customer:
    """A new customer. NumberTaken where one of the numbers is somebody's."""
    id_ = str(uuid4())
    values = {"vip": 0, **draft.values}
    connection.execute(customers.insert().values(id=id_, made_at=at, made_by=by, **values))
    for number in draft.numbers or ():
        add_number(connection, id_, number, at=at)
    return _known(connection, id_)


def change(connection: Connection, id_: str, draft: Draft, *, at: float) -> Customer | None:
    """Set what is given; numbers, where given, replace those there were. None: there is no such customer."""
    found = connection.execute(
        customers.update().where(customers.c.id == id_).values(**draft.values, changed_at=at))
    if not found.rowcount:
        return None
    if draft.numbers is not None:
        kept = [number.number for number in draft.numbers]
        for number in set(numbers_of(connection, id_)) - set(kept):
            taken_off(connection, id_, number, at)
        connection.execute(customer_numbers.delete().where(
            customer_numbers.c.customer_id == id_, customer_numbers.c.number.not_in(kept)))
        for place, number in enumerate(draft.numbers):
            add_number(connection, id_, number, at=at, place=place)
    return _known(connection, id_)


def add_number(
    connection: Connection, id_: str, number: GivenNumber, *, at: float, place: int | None = None,
) -> None:
    """Give a customer one more number, or change its kind. NumberTaken where it is another's."""
    table = customer_numbers
    whose = connection.execute(select(table.c.customer_id).where(table.c.number == number.number)).scalar()
    if whose == id_:
        changes = {"kind": number.kind} if number.kind else {}
        changes |= {"place": place} if place is not None else {}
        if changes:
            connection.execute(table.update().where(table.c.number == number.number).values(**changes))
        return
    if whose is not None:
        raise _taken(connection, number.number, whose)
    if place is None:
        last = connection.execute(select(func.max(table.c.place)).where(table.c.customer_id == id_)).scalar()
        place = 0 if last is None else last + 1
    try:
        with connection.begin_nested():
            connection.execute(table.insert().values(
                number=number.number, customer_id=id_, kind=number.kind, place=place, added_at=at))
        claim_notes(connection, number.number)
    except IntegrityError:
        # Somebody else gave it away since we looked, or the customer is gone.
        whose = connection.execute(select(table.c.customer_id).where(table.c.number == number.number)).scalar()
        if whose is None:
            raise CustomersError(f"there is no customer {id_}") from None
        raise _taken(connection, number.number, whose) from None


def remove_number(connection: Connection, id_: str, number: str, *, at: float) -> bool:
    """Take a number from a customer; False where it is not theirs. That it was is kept (`numbers_held`)."""
    done = connection.execute(customer_numbers.delete().where(
        customer_numbers.c.customer_id == id_, customer_numbers.c.number == number))
    if done.rowcount:
        taken_off(connection, id_, number, at)
    return bool(done.rowcount)


def merge(connection: Connection, into: str, other: str, *, by: str, at: float) -> Customer:
    """Make one customer of two: all that is of `other` becomes `into`'s, and `other` is no more. CustomersError.

    What `into` has stays; gaps are filled, the higher VIP wins, and a name, address or company that gives way is kept
    in a note.
    """
    if into == other:
        raise CustomersError("a customer cannot be merged with itself")
    # In the order of their ids: two merges at a time wait for each other instead of standing in each other's way.
    connection.execute(select(customers.c.id).where(customers.c.id.in_((into, other)))
                       .order_by(customers.c.id).with_for_update()).all()
    kept, gone = get(connection, into), get(connection, other)
    if kept is None or gone is None:
        raise CustomersError(f"there is no customer {into if kept is None else other}")
    last = max((row.place for row in connection.execute(
        select(customer_numbers.c.place).where(customer_numbers.c.customer_id == into))), default=-1)
    connection.execute(customer_numbers.update().where(customer_numbers.c.customer_id == other)
                       .values(place=customer_numbers.c.place + last + 1))
    for name in _FOLLOW:
        table = schema.METADATA.tables[name]
        connection.execute(table.update().where(table.c.customer_id == other).values(customer_id=into))
    add_tags(connection, (CUSTOMER, into), gone.tags, by, "hand", at)
    connection.execute(tags.delete().where(tags.c.kind == CUSTOMER, tags.c.subject_id == other))
    values = {name: getattr(gone, name) for name in _ONE if not getattr(kept, name)}
    values["vip"] = max(kept.vip, gone.vip)
    values["fields"] = {**gone.fields, **kept.fields} or None
    connection.execute(customers.update().where(customers.c.id == into).values(**values, changed_at=at))
    connection.execute(customers.delete().where(customers.c.id == other))
    differing = [getattr(gone, name) for name in ("name", "email", "company")
                 if getattr(gone, name) not in (None, getattr(kept, name)) and getattr(kept, name)]
    if differing:
        add_note(connection, f"Merged with: {', '.join(differing)}", by, at, customer=into)
    return _known(connection, into)


def _known(connection: Connection, id_: str) -> Customer:
    found = get(connection, id_)
    assert found is not None
    return found


def _taken(connection: Connection, number: str, whose: str) -> NumberTaken:
    name = connection.execute(select(customers.c.name).where(customers.c.id == whose)).scalar()
    return NumberTaken(f"{number} is {name or 'another customer'}'s already (customer {whose}): take it from there "
                       "first, or merge the two", whose)


def _whole(connection: Connection, rows: Iterable[Row[Any]]) -> list[Customer]:
    """The customers of these rows, with numbers and tags."""
    rows = list(rows)
    ids = [row.id for row in rows]
    if not ids:
        return []
    numbers: dict[str, list[GivenNumber]] = {}
    for row in connection.execute(select(customer_numbers).where(customer_numbers.c.customer_id.in_(ids))
                                  .order_by(customer_numbers.c.place, customer_numbers.c.number)):
        numbers.setdefault(row.customer_id, []).append(GivenNumber(row.number, row.kind))
    tagged: dict[str, list[str]] = {}
    for row in connection.execute(select(tags.c.subject_id, tags.c.tag).where(
            tags.c.kind == CUSTOMER, tags.c.subject_id.in_(ids)).order_by(tags.c.tag)):
        tagged.setdefault(row.subject_id, []).append(row.tag)
    return [
        Customer(row.id, row.name, row.vip, row.language, row.timezone, row.email, row.company, row.fields or {},
                 row.made_at, row.made_by, row.changed_at, tuple(numbers.get(row.id, ())),
                 tuple(tagged.get(row.id, ())))
        for row in rows
    ]
