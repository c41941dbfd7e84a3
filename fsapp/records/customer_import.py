"""Customers in bulk: staged in tables of the connection's own, held against each other and against whom we know, then
written in one transaction, which is short. Does not read files; what cannot be written is handed back row by row.

A row is the customer that one of its numbers belongs to: what it says replaces what was there, the rest stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from fsapp.core.clean import clean_text
from fsapp.errors import CustomersError
from fsapp.records.customer_file import CustomerRow
from fsapp.records.schema import JsonValue, customer_numbers, customers, notes, tags
from fsapp.records.whose import claim_notes
from fsapp.sheets.rows import BadRow

__all__ = ["Written", "planned", "stage", "write"]

_CHUNK = 1000
_MEANWHILE = ("somebody else gave one of the numbers to a customer meanwhile: nothing was imported, run it again")
_ONE = ("name", "vip", "language", "timezone", "email", "company")
_STAGE = MetaData()
_rows = Table(
    "import_rows", _STAGE, Column("line", Integer, primary_key=True), Column("id", String), Column("note_id", String),
    *(Column(name, Integer if name == "vip" else String) for name in _ONE), Column("fields", JsonValue),
    Column("note", String), Column("known", String), prefixes=["TEMPORARY"])
_numbers = Table(
    "import_numbers", _STAGE, Column("line", Integer), Column("number", String), Column("place", Integer),
    Index("import_numbers_number", "number"), Index("import_numbers_line", "line"), prefixes=["TEMPORARY"])
_tags = Table("import_tags", _STAGE, Column("line", Integer), Column("tag", String), prefixes=["TEMPORARY"])
_known = Index("import_rows_known", _rows.c.known)


@dataclass(slots=True)
class Written:
    """What an import did, or would do: customers that are new and that were known, numbers that are new."""

    added: int = 0
    updated: int = 0
    numbers: int = 0


def stage(
    connection: Connection, rows: Iterable[CustomerRow], *, bad: Callable[[BadRow], None],
    staged: Callable[[int], None] = lambda _count: None,
) -> None:
    """Put `rows` (no line twice) into tables that go with the connection, and leave out those that are no good.

    `bad` gets every row whose numbers stand in an earlier row or belong to two customers. `staged` hears how many rows
    are in. Nothing that others see is written.
    """
    _patient(connection)
    _STAGE.drop_all(connection)
    _STAGE.create_all(connection)
    _fill(connection, rows, staged)
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE import_rows"))
        connection.execute(text("ANALYZE import_numbers"))
    for fault in _twice(connection):
        bad(fault)
    _leave_out(connection, _earlier())
    for fault in _of_two(connection):
        bad(fault)
    _leave_out(connection, _owners().group_by(_numbers.c.line).having(
        func.count(customer_numbers.c.customer_id.distinct()) > 1).with_only_columns(_numbers.c.line))
    _recognise(connection)
    for fault in _same(connection):
        bad(fault)
    _leave_out(connection, select(_same_customer().c.line))


def planned(connection: Connection) -> Written:
    """What `write` would do with what was staged."""
    return Written(
        *(connection.execute(select(func.count()).select_from(_rows).where(condition)).scalar_one()
          for condition in (_rows.c.known.is_(None), _rows.c.known.is_not(None))),
        connection.execute(select(func.count()).select_from(_numbers).where(_unknown())).scalar_one())


def write(connection: Connection, *, by: str, at: float) -> Written:
    """Write what was staged on this connection, in its transaction.

    CustomersError when whose the numbers are has changed meanwhile; the transaction is then to be taken back.
    """
    _patient(connection)
    try:
        if connection.execute(_changed_since().limit(1)).first() is not None:
            raise CustomersError(_MEANWHILE)
        done = planned(connection)
        _write(connection, by, at)
        claim_notes(connection)
    except IntegrityError:
        raise CustomersError(_MEANWHILE) from None
    return done


def _patient(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = '30min'"))


def _changed_since() -> Any:
    """Numbers that are somebody else's than they were."""
    return select(_numbers.c.number).join_from(_numbers, _rows, _rows.c.line == _numbers.c.line).join(
        customer_numbers, customer_numbers.c.number == _numbers.c.number).where(
        func.coalesce(_rows.c.known, "") != customer_numbers.c.customer_id)


def _fill(connection: Connection, rows: Iterable[CustomerRow], staged: Callable[[int], None]) -> None:
    waiting: Iterator[CustomerRow] = iter(rows)
    # In order: a row is put where the last one was, instead of anywhere in an index of a million.
    ids = str(uuid4())[:24]
    count = 0
    while page := list(islice(waiting, _CHUNK)):
        connection.execute(insert(_rows), [
            {"line": row.line, "id": f"{ids}{row.line:012x}", "note_id": f"{ids}{row.line:012x}" if row.note else None,
             **{name: getattr(row, name) for name in _ONE}, "fields": row.fields or None, "note": row.note,
             "known": None} for row in page])
        connection.execute(insert(_numbers), [
            {"line": row.line, "number": number, "place": place}
            for row in page for place, number in enumerate(row.numbers)])
        if tagged := [{"line": row.line, "tag": tag} for row in page for tag in row.tags]:
            connection.execute(insert(_tags), tagged)
        count += len(page)
        staged(count)


def _first() -> Any:
    return select(_numbers.c.number, func.min(_numbers.c.line).label("line")).group_by(
        _numbers.c.number).having(func.count() > 1).subquery()


def _earlier() -> Any:
    first = _first()
    return select(_numbers.c.line).join(first, and_(
        first.c.number == _numbers.c.number, _numbers.c.line > first.c.line))


def _twice(connection: Connection) -> Iterator[BadRow]:
    """Rows one of whose numbers is in an earlier row."""
    first = _first()
    for row in connection.execute(
        select(_numbers.c.line, func.min(_numbers.c.number).label("number"), func.min(first.c.line).label("first"))
        .join(first, and_(first.c.number == _numbers.c.number, _numbers.c.line > first.c.line))
        .group_by(_numbers.c.line).order_by(_numbers.c.line)):
        yield BadRow(row.line, f"{row.number} is already in line {row.first}")


def _owners() -> Any:
    return select(_numbers.c.line, customer_numbers.c.customer_id).join_from(
        _numbers, customer_numbers, customer_numbers.c.number == _numbers.c.number)


def _of_two(connection: Connection) -> Iterator[BadRow]:
    """Rows whose numbers belong to different customers."""
    several = _owners().with_only_columns(_numbers.c.line).group_by(_numbers.c.line).having(
        func.count(customer_numbers.c.customer_id.distinct()) > 1)
    found: dict[int, list[str]] = {}
    for row in connection.execute(
        select(_numbers.c.line, _numbers.c.number, customers.c.name, customers.c.id)
        .join_from(_numbers, customer_numbers, customer_numbers.c.number == _numbers.c.number)
        .join(customers, customers.c.id == customer_numbers.c.customer_id)
        .where(_numbers.c.line.in_(several)).order_by(_numbers.c.line, _numbers.c.place)):
        whose = f"{clean_text(row.name, 40)} ({row.id})" if row.name else row.id
        found.setdefault(row.line, []).append(f"{row.number} to {whose}")
        if len(found) > 1:
            line = next(iter(found))
            yield _of_several(line, found.pop(line))
    for line, owners in found.items():
        yield _of_several(line, owners)


def _of_several(line: int, owners: list[str]) -> BadRow:
    return BadRow(line, f"its numbers belong to different customers: {', '.join(owners[:4])}: merge these first")


def _recognise(connection: Connection) -> None:
    connection.execute(update(_rows).values(known=select(func.min(customer_numbers.c.customer_id)).join_from(
        _numbers, customer_numbers, customer_numbers.c.number == _numbers.c.number)
        .where(_numbers.c.line == _rows.c.line).scalar_subquery()))


def _same_customer() -> Any:
    first = select(_rows.c.known, func.min(_rows.c.line).label("line")).where(_rows.c.known.is_not(None)).group_by(
        _rows.c.known).having(func.count() > 1).subquery()
    return select(_rows.c.line, first.c.line.label("first")).join(
        first, and_(first.c.known == _rows.c.known, _rows.c.line > first.c.line)).subquery()


def _same(connection: Connection) -> Iterator[BadRow]:
    """Rows that are the customer of an earlier row, by another number."""
    same = _same_customer()
    for row in connection.execute(select(same).order_by(same.c.line)):
        yield BadRow(row.line, f"is the same customer as line {row.first}: write all the numbers in one row")


def _leave_out(connection: Connection, lines: Any) -> None:
    connection.execute(delete(_rows).where(_rows.c.line.in_(lines)))
    there = select(_rows.c.line)
    for table in (_numbers, _tags):
        connection.execute(delete(table).where(table.c.line.not_in(there)))


def _unknown() -> Any:
    there = customer_numbers.alias()
    return ~exists().where(there.c.number == _numbers.c.number)


def _write(connection: Connection, by: str, at: float) -> None:
    new = _rows.c.known.is_(None)
    whose = func.coalesce(_rows.c.known, _rows.c.id)
    connection.execute(insert(customers).from_select(
        ["id", *_ONE, "fields", "made_at", "made_by"],
        select(_rows.c.id, *(func.coalesce(_rows.c.vip, 0) if name == "vip" else _rows.c[name] for name in _ONE),
               _rows.c.fields, literal(at), literal(by)).where(new).order_by(_rows.c.line)))
    connection.execute(update(customers).where(customers.c.id == _rows.c.known).values(
        changed_at=at, fields=_merged(connection.dialect.name),
        **{name: func.coalesce(_rows.c[name], customers.c[name]) for name in _ONE}))
    last = select(func.coalesce(func.max(customer_numbers.c.place) + 1, 0)).where(
        customer_numbers.c.customer_id == _rows.c.known).correlate(_rows).scalar_subquery()
    connection.execute(insert(customer_numbers).from_select(
        ["number", "customer_id", "place", "added_at"],
        select(_numbers.c.number, whose, case((new, _numbers.c.place), else_=last + _numbers.c.place), literal(at))
        .join_from(_numbers, _rows, _rows.c.line == _numbers.c.line).where(_unknown()).order_by(_numbers.c.line)))
    tagged = tags.alias()
    connection.execute(insert(tags).from_select(
        ["kind", "subject_id", "tag", "at", "by", "how"],
        select(literal("customer"), whose, _tags.c.tag, literal(at), literal(by), literal("hand"))
        .join_from(_tags, _rows, _rows.c.line == _tags.c.line).where(~exists().where(
            tagged.c.kind == "customer", tagged.c.subject_id == whose, tagged.c.tag == _tags.c.tag))))
    noted = notes.alias()
    connection.execute(insert(notes).from_select(
        ["id", "customer_id", "at", "by", "text"],
        select(_rows.c.note_id, whose, literal(at), literal(by), _rows.c.note).where(
            _rows.c.note.is_not(None),
            ~exists().where(noted.c.customer_id == whose, noted.c.text == _rows.c.note))))


def _merged(dialect: str) -> Any:
    """The customer's own fields with those of the row put over them."""
    if dialect == "postgresql":
        empty = cast(literal({}, JSON), JsonValue)
        both = func.coalesce(customers.c.fields, empty).op("||")(_rows.c.fields)
    else:
        both = func.json_patch(func.coalesce(customers.c.fields, text("'{}'")), _rows.c.fields)
    return case((_rows.c.fields.is_(None), customers.c.fields), else_=both)
