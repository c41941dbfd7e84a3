"""The contacts of the memory: brought up to what Redis has, as it is given here. Asks Redis nothing.

Redis says which contacts there are and what they are like; the memory alone knows how often they were tried and how
they ended. Whoever writes them holds the lock of who writes calls, so that no attempt is counted twice or not at all.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, select

from fsapp.core.contact_rows import GONE, MIRRORED, Row, differs, merged
from fsapp.records import schema
from fsapp.records.contact_tries import with_history
from fsapp.records.erasures import Tombstones
from fsapp.records.upsert import upsert
from fsapp.records.writer import lock

__all__ = ["Brought", "Progress", "bring", "kept_after", "load_progress", "save_progress"]

PROGRESS = "contacts"  # its name among the places that readers have come to
_AT_ONCE = 500
_table = schema.contacts
_columns = ("id", "number", *MIRRORED)


class Brought(NamedTuple):
    """How many contacts were added, changed, removed; the numbers of those."""

    counts: Counter[str]
    numbers: list[str]


@dataclass(slots=True)
class Progress:
    """How far all contacts of Redis have been read.

    `phase`: `there` (those of Redis, by `place` of its `run`), then `gone` (those of the memory, after the id `place`),
    then `done`. `imports`: as counted when it began. Times are epoch seconds.
    """

    run: str = ""
    imports: int = 0
    phase: str = "there"
    place: str = "0"
    began_at: float = 0.0
    ended_at: float = 0.0
    read: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def bring(connection: Connection, found: Mapping[str, Sequence[Row]], read_at: float) -> Brought:
    """Make the contacts of each number what `found` says (`core.contact_rows`), all of them and no others.

    `read_at`: when Redis was asked. What was erased since is not written; of who was erased at any time nothing is
    kept that Redis has no more. ValueError and sqlalchemy.exc for what cannot be written.
    """
    lock(connection)
    erased = Tombstones(connection)
    known = _load(connection, sorted(found))
    customers = _customers(connection, sorted(found))
    new, changed, gone, forgotten = [], [], [], []
    for number, rows in found.items():
        erased_at = erased.erased_at(number)
        there = {row["id"]: row for row in rows} if erased_at is None or erased_at < read_at else {}
        old = known.get(number, {})
        for id_, row in there.items():
            before = old.get(id_)
            now = merged(row, before, customers.get(number))
            if before is None:
                new.append(now)
            elif differs(now, before):
                changed.append(now)
        for id_, before in old.items():
            if id_ not in there and erased_at is not None:
                forgotten.append(before)
            elif id_ not in there and before["state"] != GONE:
                gone.append(before)
    at = time.time()
    upsert(connection, _table, with_history(connection, new, at))
    upsert(connection, _table, [row | {"changed_at": at} for row in changed])
    for some in _pages([row["id"] for row in gone]):
        connection.execute(_table.update().where(_table.c.id.in_(some)).values(state=GONE, changed_at=at))
    for some in _pages([row["id"] for row in forgotten]):
        connection.execute(delete(_table).where(_table.c.id.in_(some)))
    counts = Counter(added=len(new), changed=len(changed), removed=len(gone) + len(forgotten))
    return Brought(+counts, list(dict.fromkeys(row["number"] for row in (*new, *changed, *gone, *forgotten))))


def kept_after(connection: Connection, id_: str, limit: int) -> list[tuple[str, str, str]]:
    """Contacts that Redis should have, by id, those after `id_`: id, CAMPAIGN/STAGE, number."""
    rows = connection.execute(
        select(_table.c.id, _table.c.campaign, _table.c.stage, _table.c.number)
        .where(_table.c.id > id_, _table.c.state != GONE).order_by(_table.c.id).limit(limit))
    return [(found, f"{campaign}/{stage}", number) for found, campaign, stage, number in rows]


def load_progress(connection: Connection) -> Progress | None:
    """How far it has come, whether it was done or not; None: it has never begun."""
    table = schema.recorder_positions
    said = connection.execute(select(table.c.place).where(table.c.stream == PROGRESS)).scalar()
    try:
        return Progress(**json.loads(said)) if said else None
    except (ValueError, TypeError):
        return None  # of another version: it begins anew


def save_progress(connection: Connection, progress: Progress) -> None:
    upsert(connection, schema.recorder_positions, [{
        "stream": PROGRESS, "place": json.dumps(asdict(progress)), "events": progress.read, "gaps": 0,
        "at": time.time()}])


# What there is already


def _load(connection: Connection, numbers: Sequence[str]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """What is kept of each number, by id."""
    known: dict[str, dict[str, Mapping[str, Any]]] = {}
    query = select(*(_table.c[name] for name in _columns))
    for some in _pages(numbers):
        for values in connection.execute(query.where(_table.c.number.in_(some))):
            row = dict(zip(_columns, values, strict=True))
            known.setdefault(row["number"], {})[row["id"]] = row
    return known


def _customers(connection: Connection, numbers: Sequence[str]) -> dict[str, str]:
    table = schema.customer_numbers
    return {number: customer for some in _pages(numbers) for number, customer in connection.execute(
        select(table.c.number, table.c.customer_id).where(table.c.number.in_(some)))}


def _pages(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for place in range(0, len(values), _AT_ONCE):
        yield values[place: place + _AT_ONCE]
