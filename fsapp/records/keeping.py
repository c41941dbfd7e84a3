"""Keeps events: a batch of the stream written whole, what cannot be written put into quarantine, the place remembered.

Reads no stream. One transaction a batch, so that rows, quarantine and place are always of one moment.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgpack
from sqlalchemy import Connection, delete, func, select
from sqlalchemy.exc import DBAPIError

from fsapp.core.event_rows import contact_of
from fsapp.records import schema
from fsapp.records.database import Database, unavailable
from fsapp.records.database_faults import words_of
from fsapp.records.upsert import upsert
from fsapp.records.writer import Given, lock, write_events

__all__ = ["STREAM", "Kept", "Keeper", "Position", "Quarantined"]

STREAM = "events"
_LONGEST_ERROR = 400
_table = schema.quarantine


class Position(NamedTuple):
    """How far the stream has been read: the last place, how many events in all, how often some were gone unread."""

    place: str
    events: int
    gaps: int
    at: float


class Kept(NamedTuple):
    """What became of a batch: rows written by table, and events put into quarantine with their error by place.

    `contacts`: numbers whose contacts have changed in Redis, of which nothing is written.
    """

    rows: Counter[str]
    quarantined: dict[str, str]
    contacts: frozenset[str] = frozenset()


class Quarantined(NamedTuple):
    place: str
    type: str | None
    error: str
    at: float
    tries: int
    tried_at: float | None
    event: bytes


class _OnlyAsIf(Exception):
    """Takes a transaction back."""


class Keeper:
    """Writes events into `database`. `number_of`: a number in E.164, or as it is.

    Everything raises RecordsUnavailable while the database is away, full or read-only; then nothing was written.
    """

    def __init__(self, database: Database, number_of: Callable[[str], str]) -> None:
        self._database = database
        self._number_of = number_of

    def position(self) -> Position | None:
        """How far the stream has been read; None: never."""
        table = schema.recorder_positions
        row = self._database.read(lambda connection: connection.execute(
            select(table.c.place, table.c.events, table.c.gaps, table.c.at).where(table.c.stream == STREAM)).first())
        return None if row is None else Position(*row)

    def keep(self, batch: Sequence[tuple[str, bytes | None]], *, gaps: int = 0) -> Kept:
        """Write a batch of the stream: (place, event as it stands there), None where it has been cut off.

        `gaps`: how often, just before it, events were gone unread.
        """
        def work(connection: Connection) -> Kept:
            lock(connection)
            kept = Kept(Counter(), {})
            events = []
            for place, payload in batch:
                try:
                    events += [Given(place, _decoded(payload))] if payload is not None else []
                except ValueError as error:
                    kept.quarantined[place] = str(error)
            self._write(connection, events, kept)
            raw = dict(batch)
            now = time.time()
            upsert(connection, _table, [
                {"place": place, "type": _type(raw[place]), "event": raw[place], "error": error, "at": now}
                for place, error in kept.quarantined.items()])
            _remember(connection, [place for place, _payload in batch], gaps, now)
            changed = {contact_of(given.event) for given in events if given.place not in kept.quarantined}
            return kept._replace(contacts=frozenset(number for number in changed if number is not None))

        return self._database.write(work)

    def add(self, groups: Sequence[Sequence[Mapping[str, Any]]], *, dry_run: bool = False) -> list[Kept]:
        """Write events that are not of the stream, each group wholly or not at all; what became of each group.

        What cannot be written is in `quarantined` by the event's id, and nowhere else. `dry_run`: as if, only.
        """
        found: list[Kept] = []

        def work(connection: Connection) -> None:
            lock(connection)
            found.clear()
            for events in groups:
                kept = Kept(Counter(), {})
                self._write(connection, [Given(str(event.get("id")), event) for event in events], kept)
                found.append(kept)
            if dry_run:
                raise _OnlyAsIf

        with contextlib.suppress(_OnlyAsIf):
            self._database.write(work)
        return found

    # Quarantine

    def quarantined(self, limit_s: float | None = None) -> int:
        """How many events are in quarantine; RecordsUnavailable where that takes longer than `limit_s`."""
        return self._database.read(lambda connection: connection.execute(
            select(func.count()).select_from(_table)).scalar_one(), limit_s=limit_s)

    def quarantine(self, places: Sequence[str] = (), limit: int | None = None) -> list[Quarantined]:
        """Events in quarantine, oldest first: those at `places`, else all."""
        query = select(_table.c.place, _table.c.type, _table.c.error, _table.c.at, _table.c.tries, _table.c.tried_at,
                       _table.c.event).order_by(_table.c.at, _table.c.place).limit(limit)
        if places:
            query = query.where(_table.c.place.in_(places))
        return self._database.read(lambda connection: [Quarantined(*row) for row in connection.execute(query)])

    def retry(self, one: Quarantined) -> str:
        """Write an event of the quarantine after all; why it cannot be, or nothing. It leaves the quarantine then."""
        def work(connection: Connection) -> str:
            lock(connection)
            kept = Kept(Counter(), {})
            try:
                self._write(connection, [Given(one.place, _decoded(one.event))], kept)
            except ValueError as error:
                kept.quarantined[one.place] = str(error)
            fault = kept.quarantined.get(one.place, "")
            here = _table.c.place == one.place
            if fault:
                connection.execute(_table.update().where(here).values(
                    error=fault, tries=_table.c.tries + 1, tried_at=time.time()))
            else:
                connection.execute(delete(_table).where(here))
            return fault

        return self._database.write(work)

    def drop(self, places: Sequence[str] | None = None) -> int:
        """Take events out of the quarantine for good, all where no places are named; how many there were."""
        gone = delete(_table) if places is None else delete(_table).where(_table.c.place.in_(places))
        return self._database.write(lambda connection: connection.execute(gone).rowcount)

    def _write(self, connection: Connection, events: Sequence[Given], kept: Kept) -> None:
        """Write the events; where some cannot be, all the others: halves are tried until it is known which."""
        if not events:
            return
        try:
            with connection.begin_nested():
                kept.rows.update(write_events(connection, events, self._number_of))
        except Exception as error:  # noqa: BLE001  whatever is wrong with one event must not stop the others
            if isinstance(error, MemoryError) or (isinstance(error, DBAPIError) and unavailable(error)):
                raise
            if len(events) == 1:
                kept.quarantined[events[0].place] = _said(error)
                return
            half = len(events) // 2
            self._write(connection, events[:half], kept)
            self._write(connection, events[half:], kept)


def _decoded(payload: bytes) -> dict[str, Any]:
    """The event of a stream's entry. ValueError if it is none."""
    try:
        event = msgpack.unpackb(payload)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise ValueError(f"not an event: {_said(error)}") from None
    if not isinstance(event, dict):
        raise ValueError("not an event: not a map")
    return event


def _type(payload: bytes) -> str | None:
    try:
        found = _decoded(payload).get("type")
    except ValueError:
        return None
    return "".join(char for char in found if char.isprintable())[:80] if isinstance(found, str) else None


def _said(error: BaseException) -> str:
    """One line without what no database takes."""
    said = words_of(error) if isinstance(error, DBAPIError) else str(error)
    named = f"{type(error).__name__}: {said}" if not isinstance(error, ValueError) or not said else said
    return "".join(char if char.isprintable() else " " for char in named)[:_LONGEST_ERROR]


def _remember(connection: Connection, places: Sequence[str], gaps: int, now: float) -> None:
    """The place only goes on: what is told again does not put it back."""
    table = schema.recorder_positions
    row = connection.execute(select(table.c.place, table.c.events, table.c.gaps).where(
        table.c.stream == STREAM)).first()
    before, events, known_gaps = row if row is not None else ("0-0", 0, 0)
    newest = max([before, *places], key=_order)
    upsert(connection, table, [{
        "stream": STREAM, "place": newest, "events": events + len(places), "gaps": known_gaps + gaps, "at": now}])


def _order(place: str) -> tuple[int, int]:
    major, _, minor = place.partition("-")
    return int(major), int(minor or 0)
