"""The memory's rows that are too old, and the files of the voicemails among them, removed once. Asks nobody."""

from __future__ import annotations

import time
from typing import NamedTuple

import gevent
from gevent.event import Event

from fsapp import recordings
from fsapp.errors import FsappError, RecordingError
from fsapp.log import get_logger
from fsapp.metrics import ROWS_PURGED
from fsapp.records.database import Database
from fsapp.records.retention import KINDS, purge
from fsapp.settings import Settings

__all__ = ["Kept", "daily", "run"]

_PAUSE_S = 0.05  # for whoever waits to write
_FIRST_S, _EVERY_S, _AGAIN_S = 600.0, 24 * 3600.0, 600.0
_log = get_logger("retention")


class Kept(NamedTuple):
    """`rows` that went (or would), by table; `files` of voicemails; what could not be removed."""

    rows: dict[str, int]
    files: int
    faults: list[str]


def run(settings: Settings, database: Database, *, dry_run: bool = False) -> Kept:
    """RecordsUnavailable; what is done by then is done."""
    days = {kind.name: getattr(settings, f"keep_{kind.name}_days") for kind in KINDS}
    found = purge(database, days, time.time(), dry_run=dry_run, pause=lambda: gevent.sleep(_PAUSE_S))
    if found.rows and not dry_run:
        database.settle()
    if not found.files:
        return Kept(found.rows, 0, [])
    gone = set(found.files)
    try:
        removed = recordings.remove(settings.recordings, lambda name, _recorded: name in gone)
    except RecordingError as error:
        return Kept(found.rows, 0, [str(error)])
    return Kept(found.rows, len(removed.removed), list(removed.faults))


def daily(
    settings: Settings, database: Database, stopping: Event, *, first_s: float = _FIRST_S, every_s: float = _EVERY_S,
) -> None:
    """Remove what is too old once a day, until `stopping`; the first time a while after the start."""
    wait_s = first_s
    while not stopping.wait(wait_s):
        try:
            found = run(settings, database)
        except FsappError as error:
            _log.error("purge_failed", error=str(error), meanwhile="it is tried again")
            wait_s = min(_AGAIN_S, every_s)
            continue
        wait_s = every_s
        for fault in found.faults:
            _log.error("voicemail_not_removed", error=fault)
        for table, count in found.rows.items():
            ROWS_PURGED.labels(table).inc(count)
        if found.rows:
            _log.info("records_purged", files=found.files, **found.rows)
