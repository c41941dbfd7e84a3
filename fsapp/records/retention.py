"""What is kept for how long, and removing what is older: in batches, so that nobody waits for long.

Knows no files, and asks Redis nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Table, delete, func, select

from fsapp.core.contact_rows import GONE
from fsapp.records import schema
from fsapp.records.database import Database

__all__ = ["CLOSED", "KINDS", "Closed", "Kind", "Purged", "purge", "too_old"]

_DAY_S = 86_400
_BATCH = 1000
_PAGE = 50_000


class Kind(NamedTuple):
    """A table of what the setting `keep_NAME_days` is about. `at`: when it was; `only`: those that may go."""

    name: str
    table: Table
    at: str
    only: ColumnElement[bool] | None = None


class Closed(NamedTuple):
    """A contact that is closed, which Redis has too. `stage`: CAMPAIGN/STAGE."""

    id: str
    stage: str
    number: str


class Purged(NamedTuple):
    """How many rows went, or would, by table; the files of voicemails that went."""

    rows: dict[str, int]
    files: list[str]


_s = schema
# What belongs to an interaction goes with it, by foreign key: decisions, stays, offers, what followed.
KINDS = (
    Kind("decisions", _s.decisions, "at"),
    Kind("followups", _s.followups, "made_at", _s.followups.c.state != "waiting"),
    Kind("interactions", _s.interactions, "started_at"),
    Kind("notes", _s.notes, "at"),
    Kind("tickets", _s.tickets, "closed_at", _s.tickets.c.closed_at.is_not(None)),
    Kind("voicemails", _s.voicemails, "at"),
    Kind("surveys", _s.surveys, "at"),
    Kind("attempts", _s.attempts, "at"),
    Kind("attempts", _s.dispositions, "at"),
    Kind("tasks", _s.tasks, "closed_at", _s.tasks.c.closed_at.is_not(None)),
    Kind("customer_events", _s.customer_events, "at"),
    Kind("agents", _s.agent_statuses, "at"),
    Kind("agents", _s.agent_sessions, "ended_at", _s.agent_sessions.c.ended_at.is_not(None)),
    Kind("agents", _s.agent_breaks, "ended_at", _s.agent_breaks.c.ended_at.is_not(None)),
    Kind("agents", _s.switch_sights, "seen_at"),
    Kind("access_log", _s.access_log, "at"),
    Kind("call_states", _s.call_states, "changed_at"),
    Kind("quarantine", _s.quarantine, "at"),
    Kind("contacts", _s.contacts, "changed_at", _s.contacts.c.state == GONE),
)
# Redis has these: it must let them go first, or they would be back within the hour.
CLOSED = Kind("contacts", _s.contacts, "changed_at", _s.contacts.c.state == "closed")
LetGo = Callable[[Sequence[Closed]], Collection[str]]


def purge(
    database: Database, days: Mapping[str, int], now: float, *, dry_run: bool = False,
    pause: Callable[[], Any] = lambda: None, let_go: LetGo = lambda _contacts: (),
) -> Purged:
    """Remove what is older than `days` of its kind (0: kept for ever), `_BATCH` rows in a transaction.

    `pause` is called between two of them, for others to have their turn. `let_go` has Redis forget contacts that are
    closed, and says by id of which it has nothing any more: only those go. RecordsUnavailable; what is done by then is
    done.
    """
    done = Purged({}, [])
    for kind in (*KINDS, CLOSED):
        if not days.get(kind.name):
            continue
        before = now - days[kind.name] * _DAY_S
        if dry_run:
            count = database.read(lambda connection, kind=kind, before=before: connection.execute(
                select(func.count()).select_from(kind.table).where(_too_old(kind, before))).scalar_one())
        elif kind is CLOSED:
            count = _remove_closed(database, before, let_go, pause)
        else:
            count = _remove(database, kind, before, done.files, pause)
        if count:
            done.rows[kind.table.name] = done.rows.get(kind.table.name, 0) + count
    return done


def too_old(kind: Kind, before: float, *columns: ColumnElement[Any]) -> Select[Any]:
    """The rows of `kind` from before then (epoch seconds), oldest first: an index of its table has them so."""
    key = next(iter(kind.table.primary_key))
    return select(*(columns or (key,))).where(_too_old(kind, before)).order_by(kind.table.c[kind.at])


def _too_old(kind: Kind, before: float) -> ColumnElement[bool]:
    condition = kind.table.c[kind.at] < before
    return condition if kind.only is None else condition & kind.only


def _remove_closed(database: Database, before: float, let_go: LetGo, pause: Callable[[], Any]) -> int:
    table = schema.contacts
    columns = (table.c.id, table.c.campaign, table.c.stage, table.c.number)
    count = kept = 0
    while True:
        query = too_old(CLOSED, before, *columns).limit(_BATCH).offset(kept)
        found = [Closed(id_, f"{campaign}/{stage}", number) for id_, campaign, stage, number in database.read(
            lambda connection, query=query: connection.execute(query).all())]
        if not found:
            return count
        # Whatever has been told of it since: it is not there any more. But it may be there anew, and open.
        gone = list(let_go(found))
        count += database.write(lambda connection, gone=gone: connection.execute(
            delete(table).where(table.c.id.in_(gone), table.c.state != "open")).rowcount) if gone else 0
        kept += len(found) - len(gone)
        pause()


def _remove(
    database: Database, kind: Kind, before: float, files: list[str], pause: Callable[[], Any],
) -> int:
    table, condition = kind.table, _too_old(kind, before)
    key = next(iter(table.primary_key))
    count = 0

    def batch(ids: list[str]) -> Callable[[Connection], list[str]]:
        def work(connection: Connection) -> list[str]:
            gone = []
            if table is schema.voicemails:
                gone = list(connection.execute(select(table.c.file).where(
                    key.in_(ids), table.c.file.is_not(None))).scalars())
            if table.name in ("interactions", "tickets"):
                connection.execute(delete(schema.tags).where(
                    schema.tags.c.kind == table.name.removesuffix("s"), schema.tags.c.subject_id.in_(ids)))
            connection.execute(delete(table).where(key.in_(ids), condition))
            return gone

        return work

    while True:
        # Found in a transaction that holds nobody up, however long it looks.
        found = list(database.read(
            lambda connection: connection.execute(too_old(kind, before).limit(_PAGE)).scalars().all()))
        for place in range(0, len(found), _BATCH):
            files += database.write(batch(found[place: place + _BATCH]))
            pause()
        count += len(found)
        if len(found) < _PAGE:
            return count
