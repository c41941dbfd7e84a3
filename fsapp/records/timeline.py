"""All that was with one customer, whichever way it came, newest first, page by page. Cleans and renders nothing.

A page begins where the one before ended (by time, kind and id), so that it costs the same however far back it is, and
nothing is lost or doubled while new things come in. What belongs to a customer is what names the customer, and what has
one of the customer's numbers and names nobody.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, and_, false, or_, select, true

from fsapp.records import schema
from fsapp.records.channels import CHANNELS

__all__ = ["KINDS", "Cursor", "Page", "Whose", "timeline", "whose_customer", "whose_number"]

_INNER = frozenset({"followed_at"})
Row = dict[str, Any]

_FAR = 1e12  # seconds; nothing is so long ago, or so far away


class Whose(NamedTuple):
    """A customer's numbers (E.164) and id; a number that is nobody's has no id."""

    numbers: tuple[str, ...]
    customer_id: str | None


class Cursor(NamedTuple):
    """The last entry of a page: the next one begins after it."""

    at: float
    kind: str
    id: str

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(self).encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """ValueError for what is none."""
        try:
            at, kind, id_ = json.loads(base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)))
        except (ValueError, TypeError, binascii.Error, RecursionError):
            raise ValueError("is what the page before said as `next`") from None
        if not (isinstance(at, (int, float)) and abs(at) < _FAR and isinstance(kind, str) and isinstance(id_, str)
                and (kind + id_).isprintable()):
            raise ValueError("is what the page before said as `next`")
        return cls(float(at), kind, id_)


class Page(NamedTuple):
    """Entries, each with `kind`, `id`, `at` and what its table has; `next` None: there is no more."""

    entries: list[Row]
    next: Cursor | None


class _Source(NamedTuple):
    """A table with entries of one kind, or (kind "") of the kind that its column `channel` says."""

    kind: str
    table: Table
    at: str


_SOURCES = (
    _Source("", schema.interactions, "started_at"), _Source("attempt", schema.attempts, "at"),
    _Source("task", schema.tasks, "made_at"), _Source("note", schema.notes, "at"),
    _Source("ticket", schema.tickets, "opened_at"), _Source("survey", schema.surveys, "at"),
    _Source("voicemail", schema.voicemails, "at"),
)
KINDS = ("call", *CHANNELS, *(source.kind for source in _SOURCES if source.kind))


def whose_number(connection: Connection, number: str) -> Whose:
    """Of the customer with this number (E.164); of the number alone where it is nobody's."""
    table = schema.customer_numbers
    id_ = connection.execute(select(table.c.customer_id).where(table.c.number == number)).scalar()
    return Whose((number,), None) if id_ is None else whose_customer(connection, id_)


def whose_customer(connection: Connection, id_: str) -> Whose:
    """Of a customer, who must be there."""
    table = schema.customer_numbers
    numbers = connection.execute(
        select(table.c.number).where(table.c.customer_id == id_).order_by(table.c.place, table.c.number)).scalars()
    return Whose(tuple(numbers), id_)


def timeline(
    connection: Connection, whose: Whose, *, limit: int, before: Cursor | None = None, since: float | None = None,
    kinds: Iterable[str] = (),
) -> Page:
    """The newest `limit` entries before a cursor, none before `since` (epoch seconds); of `kinds`, empty: of all."""
    wanted = frozenset(kinds) or frozenset(KINDS)
    found: dict[tuple[float, str, str], Row] = {}
    for source in _SOURCES:
        if not source.kind or source.kind in wanted:
            for row in _newest(connection, source, whose, limit + 1, before, since, wanted):
                found[row["at"], row["kind"], row["id"]] = row
    order = sorted(found, reverse=True)
    entries = [found[key] for key in order[:limit]]
    _detail(connection, entries)
    return Page(entries, Cursor(*order[limit - 1]) if len(order) > limit else None)


def _newest(
    connection: Connection, source: _Source, whose: Whose, limit: int, before: Cursor | None, since: float | None,
    wanted: frozenset[str],
) -> Iterator[Row]:
    """The newest of one table: of the customer and of each number apart, as an index has each of them in order."""
    table, at = source.table, source.table.c[source.at]
    conditions: list[ColumnElement[bool]] = [at.is_not(None)]
    if not source.kind and wanted != frozenset(KINDS):
        conditions.append(table.c.channel.in_(wanted))
    if since is not None:
        conditions.append(at >= since)
    if before is not None:
        conditions.append(_after(connection, source, before))
    ties = [_plain(connection, table.c[name]) for name in (("channel", "id") if not source.kind else ("id",))]
    query = select(table).where(*conditions).order_by(at.desc(), *(one.desc() for one in ties)).limit(limit)
    for owner in _owners(table, whose):
        for row in connection.execute(query.where(owner)).mappings():
            kept = {name: value for name, value in row.items() if name not in _INNER}
            yield {"kind": source.kind or row["channel"], "at": row[source.at], **{
                name: value for name, value in kept.items() if name not in ("kind", "at")},
                **({"task_kind": row["kind"]} if "kind" in row else {})}


def _owners(table: Table, whose: Whose) -> Iterator[ColumnElement[bool]]:
    has_customer = "customer_id" in table.c
    if has_customer and whose.customer_id is not None:
        yield table.c.customer_id == whose.customer_id
    if "number" not in table.c:
        return
    for number in whose.numbers:
        of_number = table.c.number == number
        nobodys = table.c.customer_id.is_(None) if has_customer else true()
        yield and_(of_number, nobodys)


def _after(connection: Connection, source: _Source, before: Cursor) -> ColumnElement[bool]:
    """What comes after the cursor: earlier, or at the same time a kind and id that sort behind it."""
    at, id_ = source.table.c[source.at], _plain(connection, source.table.c.id)
    if source.kind:
        tie = (true() if source.kind < before.kind else false() if source.kind > before.kind else id_ < before.id)
    else:
        channel = _plain(connection, source.table.c.channel)
        tie = or_(channel < before.kind, and_(channel == before.kind, id_ < before.id))
    return and_(at <= before.at, or_(at < before.at, tie))


def _plain(connection: Connection, column: Any) -> Any:
    """Ordered by its bytes, as Python does and whatever the language of the database."""
    return column.collate("C") if connection.dialect.name == "postgresql" else column


# What belongs to an entry

_STAY = ("id", "queue", "joined_at", "left_at", "waited_s", "outcome", "reason", "agent", "answered_at", "talked_s")
_OFFER = ("stay_id", "queue", "agent", "offered_at", "ended_at", "outcome", "cause")
_DECISION = ("id", "at", "visit", "call_class", "reason", "campaign", "stage", "line", "queue", "agent", "base_score",
             "degraded", "targets", "trace")
_DISPOSITION = ("at", "agent", "disposition", "note")
_NOTE = ("id", "at", "by", "text")
_OF_INTERACTION = (
    ("stays", schema.queue_stays, _STAY, "joined_at"), ("offers", schema.offers, _OFFER, "offered_at"),
    ("decisions", schema.decisions, _DECISION, "at"), ("dispositions", schema.dispositions, _DISPOSITION, "at"),
    ("notes", schema.notes, _NOTE, "at"),
)


def _detail(connection: Connection, entries: Sequence[Row]) -> None:
    """Put to each interaction its queues, offers, decisions, dispositions, notes and tags; to each ticket its tags."""
    interactions = {row["id"]: row for row in entries if row["kind"] == "call" or row["kind"] in CHANNELS}
    tickets = {row["id"]: row for row in entries if row["kind"] == "ticket"}
    for name, table, columns, at in _OF_INTERACTION:
        for row in interactions.values():
            row[name] = []
        if interactions:
            wanted = [table.c[column] for column in columns]
            for found in connection.execute(
                    select(table.c.interaction_id, *wanted).where(table.c.interaction_id.in_(interactions))
                    .order_by(table.c[at], table.c.id)).mappings():
                interactions[found["interaction_id"]][name].append({column: found[column] for column in columns})
    for row in interactions.values():
        talked = [stay["agent"] for stay in row["stays"] if stay["outcome"] == "answered" and stay["agent"]]
        row["agents"] = list(dict.fromkeys([*talked, *([row["agent"]] if row["agent"] else [])]))
    for kind, rows in (("interaction", interactions), ("ticket", tickets)):
        for row in rows.values():
            row["tags"] = []
        if rows:
            for found in connection.execute(
                    select(schema.tags.c.subject_id, schema.tags.c.tag)
                    .where(schema.tags.c.kind == kind, schema.tags.c.subject_id.in_(rows)).order_by(schema.tags.c.tag)):
                rows[found.subject_id]["tags"].append(found.tag)
