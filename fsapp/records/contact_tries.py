"""What the memory alone knows of a contact: how often it was tried, and how it ended. Brings no contact in or out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, select

from fsapp.core.contact_rows import Row, contact_id
from fsapp.records import schema

__all__ = ["count_attempts", "with_history"]

_AT_ONCE = 500
_table = schema.contacts


def count_attempts(connection: Connection, rows: Sequence[Row]) -> None:
    """Count attempts that are about to be written with their contacts. Call it under the lock, before that."""
    table = schema.attempts
    there = {id_ for some in _pages(sorted({row["id"] for row in rows}))
             for id_ in connection.execute(select(table.c.id).where(table.c.id.in_(some))).scalars()}
    tried: dict[str, list[float]] = {}
    for id_, row in {row["id"]: row for row in rows}.items():
        contact = _contact_of(row)
        if contact is not None and id_ not in there:
            tried.setdefault(contact, []).append(row["at"])
    if not tried:
        return
    last = _table.c.attempted_at
    later = case((last > bindparam("tried_at"), last), else_=bindparam("tried_at"))
    connection.execute(
        _table.update().where(_table.c.id == bindparam("contact")).values(
            attempts=_table.c.attempts + bindparam("more"), attempted_at=later, changed_at=bindparam("now")),
        [{"contact": contact, "more": len(at), "tried_at": max(at), "now": time.time()}
         for contact, at in sorted(tried.items())])


def _contact_of(attempt: Mapping[str, Any]) -> str | None:
    if attempt["flow"]:
        return None  # a survey call is no attempt at a contact
    if attempt["contact"]:
        return str(attempt["contact"])
    if attempt["campaign"] and attempt["stage"] and attempt["number"]:
        return contact_id(attempt["campaign"], attempt["stage"], attempt["number"])
    return None


def with_history(connection: Connection, rows: Sequence[Row], at: float) -> list[Row]:
    """Rows of contacts that are new here, with what the memory knows of them already."""
    numbers = sorted({row["number"] for row in rows})
    tries, calls = schema.attempts, schema.interactions
    attempts: dict[str, tuple[int, float]] = {}
    ended: dict[str, str] = {}
    for some in _pages(numbers):
        for number, campaign, stage, count, last in connection.execute(
                select(tries.c.number, tries.c.campaign, tries.c.stage, func.count(), func.max(tries.c.at))
                .where(tries.c.number.in_(some), tries.c.campaign.is_not(None), tries.c.stage.is_not(None),
                       tries.c.flow.is_(None))
                .group_by(tries.c.number, tries.c.campaign, tries.c.stage)):
            attempts[contact_id(campaign, stage, number)] = count, last
        for contact, disposition in connection.execute(
                select(calls.c.contact, calls.c.disposition)
                .where(calls.c.number.in_(some), calls.c.contact.is_not(None), calls.c.disposition.is_not(None))
                .order_by(calls.c.started_at)):
            ended[contact] = disposition
    found = []
    for row in rows:
        count, last = attempts.get(row["id"], (0, None))
        tried = [one for one in (row["attempted_at"], last) if one is not None]
        found.append(row | {"attempts": count, "attempted_at": max(tried, default=None), "made_at": at,
                            "disposition": ended.get(row["id"]), "changed_at": at})
    return found


def _pages(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for place in range(0, len(values), _AT_ONCE):
        yield values[place: place + _AT_ONCE]
