"""Interactions as people look at them and say how they ended: shown, disposed, tagged. Knows no rules.

All functions work within the caller's transaction. What is said by hand has what follows from it decided once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, or_, select, update

from fsapp.records import schema
from fsapp.records.notes import add_note, add_tags, notes_of, remove_tag, tags_of
from fsapp.records.whose import of_customer
from fsapp.records.writer import lock

__all__ = [
    "InteractionFilter", "decisions_of", "dispose", "find", "get", "lock", "note", "place_of", "set_tags", "show",
    "tags_of", "untag",
]

_LISTED = ("id", "channel", "direction", "started_at", "number", "name", "called", "call_class", "campaign", "stage",
           "line", "queue", "outcome", "waited_s", "talked_s", "agent", "disposition", "ticket_id")

Row = dict[str, Any]


def place_of(one: Row) -> str | None:
    """The id of the stage or line an interaction belongs to."""
    return f"{one['campaign']}/{one['stage']}" if one["campaign"] and one["stage"] else one["line"]


def get(connection: Connection, id_: str) -> Row | None:
    """An interaction; None where there is none of that id."""
    table = schema.interactions
    found = connection.execute(select(table).where(table.c.id == id_)).mappings().first()
    return dict(found) if found else None


@dataclass(frozen=True, slots=True)
class InteractionFilter:
    """Which interactions: all that is said must be so. Times are epoch seconds."""

    number: str | None = None
    customer_id: str | None = None
    agent: str | None = None
    ticket_id: str | None = None
    disposition: str | None = None
    tag: str | None = None
    since: float | None = None
    until: float | None = None


def find(connection: Connection, wanted: InteractionFilter, limit: int) -> list[Row]:
    """Interactions, newest first."""
    table = schema.interactions
    query = select(*(table.c[name] for name in _LISTED))
    if wanted.customer_id is not None:
        query = query.where(of_customer(connection, table, wanted.customer_id))
    for column in ("number", "agent", "ticket_id", "disposition"):
        value = getattr(wanted, column)
        if value is not None:
            query = query.where(table.c[column] == value)
    if wanted.tag is not None:
        tagged = select(schema.tags.c.subject_id).where(
            schema.tags.c.kind == "interaction", schema.tags.c.tag == wanted.tag)
        query = query.where(table.c.id.in_(tagged))
    if wanted.since is not None:
        query = query.where(table.c.started_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(table.c.started_at < wanted.until)
    found = connection.execute(query.order_by(table.c.started_at.desc(), table.c.id).limit(limit))
    return [dict(row) for row in found.mappings()]


def show(connection: Connection, id_: str) -> Row | None:
    """An interaction with its stays in queues, dispositions, notes, tags, what followed from it and `surveys`.

    Answers to surveys: those about it, whenever they were given, and those given in it.
    """
    found = get(connection, id_)
    if found is None:
        return None

    def rows(table: Any, names: Sequence[str], order: str) -> list[Row]:
        wanted = select(*(table.c[name] for name in names)).where(table.c.interaction_id == id_)
        return [dict(row) for row in connection.execute(wanted.order_by(table.c[order], table.c.id)).mappings()]

    found["stays"] = rows(
        schema.queue_stays, ("queue", "joined_at", "left_at", "waited_s", "outcome", "reason", "agent", "talked_s"),
        "joined_at")
    found["dispositions"] = rows(schema.dispositions, ("at", "agent", "disposition", "note"), "at")
    found["followups"] = rows(
        schema.followups, ("id", "kind", "rule", "target", "state", "tries", "error", "made_at", "next_at"), "made_at")
    found["surveys"] = _answers(connection, id_)
    found["notes"] = notes_of(connection, interaction=id_)
    found["tags"] = tags_of(connection, ("interaction", id_))
    return found


def _answers(connection: Connection, id_: str) -> list[Row]:
    table = schema.surveys
    wanted = select(*(table.c[name] for name in (
        "at", "flow", "block", "value", "agent", "call_id", "interaction_id"))).where(
        or_(table.c.interaction_id == id_, table.c.call_id == id_))
    return [dict(row) for row in connection.execute(wanted.order_by(table.c.at, table.c.id)).mappings()]


def decisions_of(connection: Connection, id_: str) -> list[Row]:
    """What was decided about a call, visit by visit, each with its trace."""
    table = schema.decisions
    wanted = select(*(table.c[name] for name in (
        "id", "at", "visit", "call_class", "reason", "campaign", "stage", "line", "queue", "agent", "base_score",
        "degraded", "targets", "trace"))).where(table.c.interaction_id == id_)
    return [dict(row) for row in connection.execute(wanted.order_by(table.c.visit, table.c.at)).mappings()]


def dispose(
    connection: Connection, one: Row, disposition: str, agent: str | None, at: float, words: str = "", by: str = "",
) -> None:
    """Say how an interaction (`get`) ended. The last word counts; all of them are kept. `words`: a note on it."""
    lock(connection)
    connection.execute(schema.dispositions.insert(), {
        "id": uuid4().hex, "interaction_id": one["id"], "task_id": one["task_id"], "contact": one["contact"],
        "campaign": one["campaign"], "stage": one["stage"], "agent": agent, "disposition": disposition,
        "note": words or None, "at": at})
    if words:
        add_note(connection, words, by, at, customer=one["customer_id"], interaction=one["id"])
    _changed(connection, one["id"], disposition=disposition)
    if one["contact"]:
        contacts = schema.contacts
        connection.execute(update(contacts).where(contacts.c.id == one["contact"]).values(
            disposition=disposition, changed_at=at))


def set_tags(connection: Connection, id_: str, tags: Sequence[str], by: str, how: str, at: float) -> list[str]:
    """Tag an interaction; which of the tags it did not have."""
    lock(connection)
    new = add_tags(connection, ("interaction", id_), tags, by, how, at)
    if new:
        _changed(connection, id_)
    return new


def untag(connection: Connection, id_: str, tag: str) -> bool:
    """Whether it had the tag. What has followed from it stays."""
    return remove_tag(connection, ("interaction", id_), tag)


def note(connection: Connection, one: Row, words: str, by: str, at: float) -> str:
    """Write a note on an interaction, which is one on its customer too; its id."""
    return add_note(connection, words, by, at, customer=one["customer_id"], interaction=one["id"],
                    ticket=one["ticket_id"])


def _changed(connection: Connection, id_: str, **values: Any) -> None:
    table = schema.interactions
    connection.execute(update(table).where(table.c.id == id_).values(followed_at=None, **values))
