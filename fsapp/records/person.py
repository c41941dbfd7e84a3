"""What the memory holds of one person: which rows of which tables, and what becomes of each when the person is erased.

Rows that figures are made of stay, without who it was; the others go. `HOW` names every table that holds a number or a
customer, and those whose rows belong to calls or tickets; a test finds one that is forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgpack
from sqlalchemy import ColumnElement, Connection, Table, delete, false, func, or_, select, update

from fsapp.core.erased import figures_of, identities, looks_like, maybe_in, names, scrub_state
from fsapp.records import schema
from fsapp.records.follow_ups import DROPPED, FAILED, WAITING
from fsapp.records.numbers_held import earlier_numbers, numbers_of, owners_of

__all__ = [
    "HOW", "NOBODY", "PACKED", "Person", "addresses", "attempts_of", "erase_rows", "passing", "person", "rows_of",
]

_AT_ONCE = 500
DELETE = None
Change = Mapping[str, Any] | None  # what the columns become; None: the row goes

# In this order: what belongs to something goes before it.
HOW: dict[str, Change] = {
    "decisions": {"trace": None},  # and of the facts what is of this person only
    "queue_stays": {}, "offers": {}, "flow_ends": {},
    "surveys": {"number": None},
    "notes": DELETE,
    "followups": {"payload": None, "error": None},
    "dispositions": {"contact": None, "note": None},
    "attempts": {"number": None, "customer_id": None, "contact": None},
    "customer_events": {"number": None, "customer_id": None},
    "voicemails": DELETE,
    "contacts": DELETE,
    "tasks": {"number": None, "customer_id": None, "contact": None, "note": None},
    "tickets": {"number": None, "customer_id": None, "subject": None, "fields": None},
    "interactions": {"number": None, "customer_id": None, "name": None, "contact": None, "recording": None,
                     "subject": None, "fields": None},
    "access_log": {"number": None},
    "tags": DELETE,
    "customer_numbers": DELETE,
    "customers": DELETE,
}
# Whose rows hold persons packed into a value: `erase_rows` and `rows_of` look into them.
PACKED = ("call_states", "quarantine")
# About nobody.
NOBODY = ("erasures", "secrets", "recorder_positions", "agent_statuses", "agent_sessions", "agent_breaks",
          "switch_sights", "web_tokens")


class Person(NamedTuple):
    """One person: the numbers, the customer's id if it is one, the ids of calls and tickets.

    `earlier`: those of the numbers that are not the customer's any more. Others whose number one of them is or was are
    not meant, but may have to be: `doubtful`, numbers that were the customer's and that somebody else has used since;
    `owners`, customers whose number the one asked for was.
    """

    numbers: tuple[str, ...]
    customer: str | None
    calls: tuple[str, ...]
    tickets: tuple[str, ...]
    earlier: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


def person(connection: Connection, number: str, without: Collection[str] = ()) -> Person:
    """Whose `number` (E.164) it is: all of the customer's numbers, or this one.

    Numbers that were the customer's earlier are theirs too, unless somebody else has used them since, or they are in
    `without`.
    """
    owned = schema.customer_numbers
    customer = connection.execute(select(owned.c.customer_id).where(owned.c.number == number)).scalar()
    owners = [one for one in owners_of(connection, number) if one != customer]
    if customer is None:
        # A customer who has no number at all any more is found by the ones there were.
        bare = [one for one in owners if not numbers_of(connection, one)]
        customer = bare[0] if len(bare) == len(owners) == 1 else None
    numbers, earlier, doubtful = [number], [], []
    if customer is not None:
        numbers += [one for one in numbers_of(connection, customer) if one != number]
        earlier, doubtful = earlier_numbers(connection, customer, numbers)
        earlier = [one for one in earlier if one not in without]
    found = Person((*numbers, *earlier), customer, (), (), tuple(earlier), tuple(doubtful),
                   tuple(one for one in owners if one != customer))
    calls = connection.execute(select(schema.interactions.c.id).where(_own(schema.interactions, found))).scalars().all()
    tickets = connection.execute(select(schema.tickets.c.id).where(_own(schema.tickets, found))).scalars().all()
    return found._replace(calls=tuple(calls), tickets=tuple(tickets))


def rows_of(connection: Connection, who: Person) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Every table of HOW and PACKED with the person's rows in it; those without any are left out."""
    for name in HOW:
        table = schema.METADATA.tables[name]
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for condition in _conditions(table, who):
            for row in connection.execute(select(table).where(condition)).mappings():
                rows.setdefault(tuple(row[column.name] for column in table.primary_key), dict(row))
        if rows:
            yield name, list(rows.values())
    states = [{"id": call, "state": _keyed(_unpacked(packed))} for some in _pages(who.calls) for call, packed in
              connection.execute(select(schema.call_states.c.id, schema.call_states.c.state).where(
                  schema.call_states.c.id.in_(some))).all()]
    if states:
        yield "call_states", states
    table = schema.quarantine
    events = [{"place": row.place, "type": row.type, "error": row.error, "event": _keyed(_unpacked(row.event))}
              for row in connection.execute(select(table)) if _named_in(row.event, who)]
    if events:
        yield "quarantine", events


def passing(connection: Connection, who: Person, since: float) -> list[str]:
    """Ids of calls and tasks of the person of which something may still be told: not ended by `since`, or open."""
    calls, tasks = schema.interactions, schema.tasks
    found = list(connection.execute(select(calls.c.id).where(
        _own(calls, who), or_(calls.c.ended_at.is_(None), calls.c.ended_at >= since))).scalars())
    found += connection.execute(select(tasks.c.id).where(
        _own(tasks, who), or_(tasks.c.closed_at.is_(None), tasks.c.closed_at >= since))).scalars()
    return found


def addresses(connection: Connection, who: Person) -> set[str]:
    """Addresses of e-mail of the person alone: the customer's, and those that they wrote from. In small letters."""
    customers, calls = schema.customers, schema.interactions
    said = list(connection.execute(select(customers.c.email).where(customers.c.id == who.customer)).scalars())
    said += [fields.get("email") for fields in connection.execute(select(calls.c.fields).where(
        _own(calls, who), calls.c.channel == "email")).scalars() if isinstance(fields, Mapping)]
    found = {one.strip().lower() for one in said if isinstance(one, str)} - {""}
    for some in _pages(found):
        found -= {one.lower() for one in connection.execute(select(customers.c.email).where(
            func.lower(customers.c.email).in_(some), customers.c.id != (who.customer or ""))).scalars()}
    return found


def attempts_of(connection: Connection, who: Person) -> list[str]:
    """The ids of attempts to reach the person: some were chosen by whoever wrote them down."""
    return list(connection.execute(select(schema.attempts.c.id).where(_own(schema.attempts, who))).scalars())


def erase_rows(connection: Connection, who: Person, at: float) -> dict[str, dict[str, int]]:
    """Take the person out of the memory, within the transaction: by table how many rows went, or lost who it was."""
    done: dict[str, dict[str, int]] = {}
    states = _erase_states(connection, who)
    quarantined = _erase_quarantined(connection, who)
    called = update(schema.interactions).where(schema.interactions.c.called.in_(who.numbers)).values(called=None)
    for some in _pages(who.calls):
        connection.execute(called.where(schema.interactions.c.id.in_(some)))
    log = schema.access_log
    connection.execute(update(log).where(log.c.subject.in_(who.numbers)).values(subject=None))
    _close_tasks(connection, who, at)
    _close_followups(connection, who, at)
    _erase_facts(connection, who)
    for name, change in HOW.items():
        table = schema.METADATA.tables[name]
        if change == {}:
            continue
        count = 0
        for condition in _conditions(table, who):
            statement = delete(table) if change is None else update(table).values(**change)
            count += max(0, connection.execute(statement.where(condition)).rowcount)
        if count:
            done[name] = {"deleted" if change is None else "anonymous": count}
    if states:
        done["call_states"] = {"anonymous": states}
    if quarantined:
        done["quarantine"] = {"deleted": quarantined}
    return done


def _conditions(table: Table, who: Person) -> Iterator[ColumnElement[bool]]:
    """Which rows are the person's, as conditions that indexes answer, none with too many values."""
    if table.name == "customers":
        yield table.c.id == who.customer if who.customer else false()
        return
    if table.name == "tags":
        for kind, ids in (("customer", [who.customer] if who.customer else []), ("interaction", who.calls),
                          ("ticket", who.tickets)):
            for some in _pages(ids):
                yield (table.c.kind == kind) & table.c.subject_id.in_(some)
        return
    if "number" in table.c or "customer_id" in table.c:
        yield _own(table, who)
    if table.name == "access_log":
        yield table.c.subject.in_(who.numbers)
    if "contact" in table.c and table.name == "dispositions":
        for number in who.numbers:
            yield table.c.contact.like(f"%/{number}")
    for column, ids in (("interaction_id", who.calls), ("ticket_id", who.tickets)):
        if column in table.c and table.name not in ("interactions", "attempts", "voicemails", "customer_events"):
            for some in _pages(ids):
                yield table.c[column].in_(some)


def _own(table: Table, who: Person) -> ColumnElement[bool]:
    found = []
    if "number" in table.c:
        found.append(table.c.number.in_(who.numbers))
    if "customer_id" in table.c and who.customer:
        found.append(table.c.customer_id == who.customer)
    return or_(*found) if found else false()


def _close_tasks(connection: Connection, who: Person, at: float) -> None:
    """Open ones end; and no later word on one counts any more."""
    table = schema.tasks
    connection.execute(update(table).where(_own(table, who), table.c.closed_at.is_(None)).values(
        state="cancelled", why="erased", closed_at=at, changed_at=at))
    connection.execute(update(table).where(_own(table, who)).values(told="9"))


def _close_followups(connection: Connection, who: Person, at: float) -> None:
    """What waits to be told to others, or may be told again, is told to nobody."""
    table = schema.followups
    for some in _pages(who.calls):
        connection.execute(update(table).where(
            table.c.interaction_id.in_(some), table.c.state.in_((WAITING, FAILED))).values(
            state=DROPPED, ended_at=at, next_at=None))


def _erase_facts(connection: Connection, who: Person) -> None:
    """Of why a call was decided so there stays which agents it was for: reports are made of that."""
    table = schema.decisions
    for some in _pages(who.calls):
        found = connection.execute(select(table.c.id, table.c.facts).where(table.c.interaction_id.in_(some))).all()
        for id_, facts in found:
            connection.execute(update(table).where(table.c.id == id_).values(facts=figures_of(facts)))


def _erase_states(connection: Connection, who: Person) -> int:
    """States of the person's calls, and of their legs on other switches."""
    table = schema.call_states
    count, legs = 0, list(who.calls)
    numbers = set(who.numbers)
    while legs:
        some, legs = legs[:_AT_ONCE], legs[_AT_ONCE:]
        for call, packed in connection.execute(select(table.c.id, table.c.state).where(table.c.id.in_(some))).all():
            state = msgpack.unpackb(packed, strict_map_key=False)
            if call in who.calls:
                legs += [leg for leg in state.get("homes", ()) if leg not in who.calls]
            # Whatever number there is in the state of a call of the person's is written in some way of theirs.
            clean = scrub_state(state, lambda number: looks_like(number, numbers))
            connection.execute(update(table).where(table.c.id == call).values(state=msgpack.packb(clean)))
            count += 1
    return count


def _erase_quarantined(connection: Connection, who: Person) -> int:
    table = schema.quarantine
    gone = [place for place, payload in connection.execute(select(table.c.place, table.c.event))
            if _named_in(payload, who)]
    for some in _pages(gone):
        connection.execute(delete(table).where(table.c.place.in_(some)))
    return len(gone)


def _named_in(payload: bytes, who: Person) -> bool:
    event = _unpacked(payload)
    if not isinstance(event, dict):
        return maybe_in(payload, who.numbers)
    return names(event, who.numbers) or not set(who.calls).isdisjoint(identities(event))


def _unpacked(payload: bytes) -> Any:
    """What bytes of ours hold; themselves, as text, where that cannot be read."""
    try:
        return msgpack.unpackb(payload, strict_map_key=False)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException):
        return repr(payload)


def _keyed(value: Any) -> Any:
    """The same with texts as keys, as JSON has them."""
    if isinstance(value, dict):
        return {str(key): _keyed(one) for key, one in value.items()}
    return [_keyed(one) for one in value] if isinstance(value, list) else value


def _pages(values: Sequence[str] | Iterable[str]) -> Iterator[Sequence[str]]:
    some = list(values)
    for place in range(0, len(some), _AT_ONCE):
        yield some[place: place + _AT_ONCE]
