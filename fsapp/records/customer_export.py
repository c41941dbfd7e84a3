"""All customers, or those with a tag, as rows for a file: page by page, so that they take little memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select, text

from fsapp.records.schema import customer_numbers, customers, tags

__all__ = ["COLUMNS", "count_customers", "customer_rows", "own_fields"]

_PAGE = 1000
COLUMNS = ("number", "numbers", "name", "vip", "language", "timezone", "email", "company", "tags")


def count_customers(connection: Connection, tag: str | None) -> int:
    return connection.execute(_wanted(select(func.count()).select_from(customers), tag)).scalar_one()


def own_fields(connection: Connection, tag: str | None) -> list[str]:
    """The names of all the fields that any of the customers has of its own."""
    keys = "jsonb_object_keys(fields)" if connection.dialect.name == "postgresql" else "key"
    source = "customers" if connection.dialect.name == "postgresql" else "customers, json_each(customers.fields)"
    only = " AND EXISTS (SELECT 1 FROM tags WHERE kind = 'customer' AND subject_id = customers.id AND tag = :tag)"
    of_objects = "jsonb_typeof(fields)" if connection.dialect.name == "postgresql" else "json_type(fields)"
    found = connection.execute(
        text(f"SELECT DISTINCT {keys} FROM {source} WHERE fields IS NOT NULL AND {of_objects} = 'object'"  # noqa: S608
             f"{only if tag else ''}"), {"tag": tag} if tag else {})
    return sorted(str(row[0]) for row in found)


def customer_rows(connection: Connection, tag: str | None, own: list[str]) -> Iterator[list[Any]]:
    """The customers: a value for each of COLUMNS, then for each of `own`."""
    after = ""
    while True:
        page = connection.execute(_wanted(select(customers), tag).where(customers.c.id > after)
                                  .order_by(customers.c.id).limit(_PAGE)).all()
        if not page:
            return
        after = page[-1].id
        yield from _whole(connection, page, own)


def _wanted(query: Select[Any], tag: str | None) -> Select[Any]:
    if tag is None:
        return query
    return query.join(tags, and_(tags.c.kind == "customer", tags.c.subject_id == customers.c.id, tags.c.tag == tag))


def _whole(connection: Connection, page: Any, own: list[str]) -> Iterator[list[Any]]:
    ids = [row.id for row in page]
    numbers: dict[str, list[str]] = {}
    for number, whose in connection.execute(
        select(customer_numbers.c.number, customer_numbers.c.customer_id)
        .where(customer_numbers.c.customer_id.in_(ids)).order_by(customer_numbers.c.place, customer_numbers.c.number)):
        numbers.setdefault(whose, []).append(number)
    tagged: dict[str, list[str]] = {}
    for whose, tag in connection.execute(
        select(tags.c.subject_id, tags.c.tag).where(tags.c.kind == "customer", tags.c.subject_id.in_(ids))
        .order_by(tags.c.tag)):
        tagged.setdefault(whose, []).append(tag)
    for row in page:
        first, *others = numbers.get(row.id, [""])
        fields = row.fields if isinstance(row.fields, dict) else {}
        yield [
            first, "; ".join(others), row.name, row.vip or None, row.language, row.timezone, row.email, row.company,
            "; ".join(tagged.get(row.id, ())), *(fields.get(name) for name in own),
        ]
