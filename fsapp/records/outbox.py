"""The outbox: what waits to be told to others, taken in hand, done, tried again, given up, dropped. Sends nothing.

A row that is taken in hand is held until `next_at`: whoever took it and was killed leaves it to be taken once more
then. All functions work within the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from fsapp.core.follow_up import Kind
from fsapp.core.retrying import FURTHEST_S
from fsapp.records import schema
from fsapp.records.follow_ups import DONE, DROPPED, FAILED, LOOK, WAITING
from fsapp.records.writer import lock

__all__ = ["SENT", "Entry", "OutboxFilter", "Target", "behind", "claim", "depth", "drop", "due", "ended", "find", "get",
           "later", "retry"]

SENT = (Kind.TASK.value, Kind.WEBHOOK.value, Kind.EMAIL.value, Kind.SURVEY.value)
MAX_ERROR = 300
_AT_ONCE = 500
Row = dict[str, Any]


class Target(NamedTuple):
    """Where something goes: a kind, and the name of the webhook, e-mail or flow."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in hand. `tries`: this one included."""

    id: str
    target: Target
    payload: Mapping[str, Any]
    tries: int
    interaction_id: str
    rule: str
    made_at: float


@dataclass(frozen=True, slots=True)
class OutboxFilter:
    """Which rows: all that is said must be so."""

    state: str | None = None
    kind: str | None = None
    target: str | None = None
    rule: str | None = None
    interaction_id: str | None = None


def due(connection: Connection, now: float) -> list[Target]:
    """Where anything is to be told now."""
    table = schema.followups
    found = connection.execute(
        select(table.c.kind, table.c.target).where(table.c.state == WAITING, _reached(now)).distinct())
    return sorted(Target(kind, name or "") for kind, name in found)


def claim(connection: Connection, target: Target, now: float, hold_s: float, limit: int) -> list[Entry]:
    """Take at most `limit` things for one target in hand, for so long; those that have been due for longest."""
    table = schema.followups
    wanted = select(
        table.c.id, table.c.payload, table.c.tries, table.c.interaction_id, table.c.rule, table.c.made_at,
    ).where(
        table.c.state == WAITING, table.c.kind == target.kind, func.coalesce(table.c.target, "") == target.name,
        _reached(now)).order_by(table.c.next_at, table.c.id).limit(limit)
    if connection.dialect.name == "postgresql":
        wanted = wanted.with_for_update(skip_locked=True)
    found = [Entry(row["id"], target, row["payload"] or {}, row["tries"] + 1, row["interaction_id"], row["rule"] or "",
                   row["made_at"])
             for row in connection.execute(wanted).mappings()]
    if found:
        connection.execute(update(table).where(table.c.id.in_([one.id for one in found])).values(
            tries=table.c.tries + 1, next_at=now + hold_s))
    return found


def _reached(now: float) -> ColumnElement[bool]:
    """Whether its time has come; what is further away than any pause is of a clock that was put back since."""
    next_at = schema.followups.c.next_at
    return or_(next_at <= now, next_at > now + FURTHEST_S)


def ended(connection: Connection, id_: str, now: float, error: str = "", *, dropped: bool = False) -> None:
    """It is done, or with an error given up (`dropped`: as it need not be done); unless it was dropped meanwhile."""
    _waiting(connection, id_, state=DROPPED if dropped else FAILED if error else DONE, ended_at=now,
             error=error[:MAX_ERROR] or None, next_at=None)


def later(connection: Connection, id_: str, at: float, error: str) -> None:
    """It is to be tried again at `at`."""
    _waiting(connection, id_, next_at=at, error=error[:MAX_ERROR])


def depth(connection: Connection) -> dict[tuple[str, str], int]:
    """How many rows there are which wait or have failed, by kind and state."""
    table = schema.followups
    found = connection.execute(
        select(table.c.kind, table.c.state, func.count()).where(table.c.state.in_((WAITING, FAILED)))
        .group_by(table.c.kind, table.c.state))
    return {(kind, state): count for kind, state, count in found}


def behind(connection: Connection, now: float) -> tuple[float, int]:
    """For how many seconds the oldest thing to do has been due, looking at an interaction included; how many failed."""
    rows, calls = schema.followups, schema.interactions
    due_at = connection.execute(select(func.min(rows.c.next_at)).where(rows.c.state == WAITING)).scalar()
    ended_at = connection.execute(select(func.min(calls.c.ended_at)).where(
        calls.c.followed_at.is_(None), calls.c.ended_at.is_not(None))).scalar()
    failed = connection.execute(select(func.count()).select_from(rows).where(rows.c.state == FAILED)).scalar_one()
    return max([0.0, *(now - at for at in (due_at, ended_at) if at is not None)]), failed


def find(connection: Connection, wanted: OutboxFilter, limit: int) -> list[Row]:
    """Rows without what they hold, newest first."""
    table = schema.followups
    query = select(*(column for column in table.c if column.name != "payload"))
    for name in ("state", "kind", "target", "rule", "interaction_id"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(table.c[name] == value)
    found = connection.execute(query.order_by(table.c.made_at.desc(), table.c.id).limit(limit))
    return [dict(row) for row in found.mappings()]


def get(connection: Connection, id_: str) -> Row | None:
    """One row, with what it holds; None where there is none of that id."""
    found = connection.execute(select(schema.followups).where(schema.followups.c.id == id_)).mappings().first()
    return dict(found) if found else None


def retry(connection: Connection, ids: Sequence[str], now: float) -> list[str]:
    """Try these again now, as for the first time: those that wait or failed. Which ones that were.

    What could not be looked at is looked at again.
    """
    lock(connection)
    table, calls = schema.followups, schema.interactions
    done = []
    for some in _pages(ids):
        found = connection.execute(
            select(table.c.id, table.c.interaction_id, table.c.payload.is_not(None)).where(
                table.c.id.in_(some), table.c.kind.in_((*SENT, LOOK)), table.c.state.in_((WAITING, FAILED)))).all()
        made = [id_ for id_, _interaction, whole in found if whole]
        connection.execute(update(table).where(table.c.id.in_(made)).values(
            state=WAITING, tries=0, next_at=now, ended_at=None))
        # Nothing was made of the others: with the row gone it is decided once more.
        broken = {id_: interaction for id_, interaction, whole in found if not whole}
        connection.execute(table.delete().where(table.c.id.in_(list(broken))))
        connection.execute(update(calls).where(calls.c.id.in_(set(broken.values()))).values(followed_at=None))
        done += [id_ for id_, _interaction, _whole in found]
    return done


def drop(connection: Connection, ids: Sequence[str], now: float) -> list[str]:
    """Never do these: those that wait or failed. Which ones that were."""
    table = schema.followups
    done = []
    for some in _pages(ids):
        found = list(connection.execute(select(table.c.id).where(
            table.c.id.in_(some), table.c.state.in_((WAITING, FAILED)))).scalars())
        connection.execute(update(table).where(table.c.id.in_(found)).values(
            state=DROPPED, ended_at=now, next_at=None))
        done += found
    return done


def _pages(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """So many ids at a time as a database takes."""
    for place in range(0, len(ids), _AT_ONCE):
        yield ids[place: place + _AT_ONCE]


def _waiting(connection: Connection, id_: str, **values: Any) -> None:
    table = schema.followups
    connection.execute(update(table).where(table.c.id == id_, table.c.state == WAITING).values(**values))
