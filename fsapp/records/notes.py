"""Notes and tags on customers, interactions and tickets: written and read. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from fsapp.records import schema
from fsapp.records.whose import note_of

__all__ = ["Subject", "add_note", "add_tags", "notes_of", "remove_tag", "tags_of"]

Subject = tuple[str, str]  # what is tagged (customer, interaction, ticket), and its id
Row = dict[str, object]


def add_note(
    connection: Connection, text: str, by: str, at: float, *, customer: str | None = None,
    interaction: str | None = None, ticket: str | None = None,
) -> str:
    """Write a note down; its id. One on an interaction or a ticket is one on its customer as well."""
    id_ = uuid4().hex
    customer = customer or note_of(connection, interaction, ticket)
    connection.execute(schema.notes.insert(), {
        "id": id_, "customer_id": customer, "interaction_id": interaction, "ticket_id": ticket, "at": at, "by": by,
        "text": text})
    return id_


def notes_of(connection: Connection, *, interaction: str | None = None, ticket: str | None = None) -> list[Row]:
    """The notes on an interaction or a ticket, oldest first."""
    table = schema.notes
    which = table.c.ticket_id == ticket if ticket is not None else table.c.interaction_id == interaction
    found = connection.execute(
        select(table.c.id, table.c.at, table.c.by, table.c.text).where(which).order_by(table.c.at, table.c.id))
    return [dict(row) for row in found.mappings()]


def add_tags(connection: Connection, subject: Subject, tags: Sequence[str], by: str, how: str, at: float) -> list[str]:
    """Tag something; which of the tags it did not have. `how`: hand, rule or suggestion."""
    table = schema.tags
    had = set(tags_of(connection, subject))
    new = [tag for tag in dict.fromkeys(tags) if tag not in had]
    if new:
        insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
        connection.execute(insert.on_conflict_do_nothing(), [
            {"kind": subject[0], "subject_id": subject[1], "tag": tag, "at": at, "by": by, "how": how} for tag in new])
    return new


def remove_tag(connection: Connection, subject: Subject, tag: str) -> bool:
    """Whether it had the tag."""
    table = schema.tags
    return connection.execute(delete(table).where(
        table.c.kind == subject[0], table.c.subject_id == subject[1], table.c.tag == tag)).rowcount > 0


def tags_of(connection: Connection, subject: Subject) -> list[str]:
    """The tags something has, in their alphabet."""
    table = schema.tags
    return list(connection.execute(select(table.c.tag).where(
        table.c.kind == subject[0], table.c.subject_id == subject[1]).order_by(table.c.tag)).scalars())
