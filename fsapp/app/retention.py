"""What is too old, removed: the memory's rows, the files of the voicemails among them, closed contacts in Redis."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import gevent
import redis
from gevent.event import Event

from fsapp import recordings
from fsapp.errors import FsappError, RecordingError, StateError, StateRefused
from fsapp.log import get_logger
from fsapp.metrics import ROWS_PURGED
from fsapp.records.database import Database
from fsapp.records.retention import KINDS, Closed, purge
from fsapp.settings import Settings
from fsapp.state.contacts import Contacts

__all__ = ["Kept", "daily", "run"]

_PAUSE_S = 0.05  # for whoever waits to write
_FAULTS = 20     # of contacts, after which the others are left for the next time
_FIRST_S, _EVERY_S, _AGAIN_S = 600.0, 24 * 3600.0, 600.0
_log = get_logger("retention")


class Kept(NamedTuple):
    """`rows` that went (or would), by table; `files` of voicemails; what could not be removed."""

    rows: dict[str, int]
    files: int
    faults: list[str]


def run(settings: Settings, database: Database, client: redis.Redis, *, dry_run: bool = False) -> Kept:
    """RecordsUnavailable; what is done by then is done. Without Redis contacts that are closed stay."""
    days = {kind.name: getattr(settings, f"keep_{kind.name}_days") for kind in KINDS}
    contacts = _ContactsOfRedis(client)
    found = purge(database, days, time.time(), dry_run=dry_run, pause=lambda: gevent.sleep(_PAUSE_S),
                  let_go=contacts.let_go)
    if found.rows and not dry_run:
        database.settle()
    if not found.files:
        return Kept(found.rows, 0, contacts.faults)
    gone = set(found.files)
    try:
        removed = recordings.remove(settings.recordings, lambda name, _recorded: name in gone)
    except RecordingError as error:
        return Kept(found.rows, 0, [*contacts.faults, str(error)])
    return Kept(found.rows, len(removed.removed), [*contacts.faults, *removed.faults])


class _ContactsOfRedis:
    """Has Redis forget contacts that are closed. `faults`: why some are there still, a line each."""

    def __init__(self, client: redis.Redis) -> None:
        self._contacts = Contacts(client)
        self._away = False
        self.faults: list[str] = []

    def let_go(self, some: Sequence[Closed]) -> list[str]:
        gone = []
        for one in some:
            if self._away or len(self.faults) >= _FAULTS:
                break
            try:
                if self._contacts.forget_closed(one.number, one.stage):
                    gone.append(one.id)
            except StateRefused as error:
                self.faults.append(f"a closed contact stays: {error}")
            except StateError as error:
                self.faults.append(f"closed contacts stay: {error}")
                self._away = True
        return gone


def daily(
    settings: Settings, database: Database, client: redis.Redis, stopping: Event, *, first_s: float = _FIRST_S,
    every_s: float = _EVERY_S,
) -> None:
    """Remove what is too old once a day, until `stopping`; the first time a while after the start."""
    wait_s = first_s
    while not stopping.wait(wait_s):
        try:
            found = run(settings, database, client)
        except FsappError as error:
            _log.error("purge_failed", error=str(error), meanwhile="it is tried again")
            wait_s = min(_AGAIN_S, every_s)
            continue
        wait_s = every_s
        for fault in found.faults:
            _log.error("not_removed", error=fault)
        for table, count in found.rows.items():
            ROWS_PURGED.labels(table).inc(count)
        if found.rows:
            _log.info("records_purged", files=found.files, **found.rows)
