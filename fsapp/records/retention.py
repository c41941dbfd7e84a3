"""What is kept for how long, and removing what is older: in batches, so that nobody waits for long. Knows no files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, delete, func, select

from fsapp.records import schema
from fsapp.records.database import Database

__all__ = ["KINDS", "Kind", "Purged", "purge"]

_DAY_S = 86_400
_BATCH = 1000
_PAGE = 50_000


class Kind(NamedTuple):
    """A table of what the setting `keep_NAME_days` is about. `at`: when it was; `only`: those that may go."""

    name: str
    table: Table
    at: str
    only: ColumnElement[bool] | None = None


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
    Kind("access_log", _s.access_log, "at"),
    Kind("call_states", _s.call_states, "changed_at"),
    Kind("quarantine", _s.quarantine, "at"),
)


def purge(
    database: Database, days: Mapping[str, int], now: float, *, dry_run: bool = False,
    pause: Callable[[], Any] = lambda: None,
) -> Purged:
    """Remove what is older than `days` of its kind (0: kept for ever), `_BATCH` rows in a transaction.

    `pause` is called between two of them, for others to have their turn. RecordsUnavailable; what is done by then is
    done.
    """
    done = Purged({}, [])
    for kind in KINDS:
        if not days.get(kind.name):
            continue
        condition = kind.table.c[kind.at] < now - days[kind.name] * _DAY_S
        if kind.only is not None:
            condition &= kind.only
        if dry_run:
            count = database.read(lambda connection, kind=kind, condition=condition: connection.execute(
                select(func.count()).select_from(kind.table).where(condition)).scalar_one())
        else:
            count = _remove(database, kind, condition, done.files, pause)
        if count:
            done.rows[kind.table.name] = done.rows.get(kind.table.name, 0) + count
    return done


def _remove(
    database: Database, kind: Kind, condition: ColumnElement[bool], files: list[str], pause: Callable[[], Any],
) -> int:
    table = kind.table
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
            lambda connection: connection.execute(select(key).where(condition).limit(_PAGE)).scalars().all()))
        for place in range(0, len(found), _BATCH):
            files += database.write(batch(found[place: place + _BATCH]))
            pause()
        count += len(found)
        if len(found) < _PAGE:
            return count
