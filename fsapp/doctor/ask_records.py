"""Asks the SQL database, and the event stream how far it is recorded. Judges nothing, writes nothing."""

from __future__ import annotations

import time

from fsapp.doctor.facts import Memory, NotAsked
from fsapp.errors import FsappError, StateError
from fsapp.records import outbox, versions
from fsapp.records.database import Database
from fsapp.records.keeping import Keeper, Position
from fsapp.settings import Settings
from fsapp.state.connection import connect
from fsapp.state.group import GroupReader

__all__ = ["ask_records"]

_PATIENCE_S = 2.0


def ask_records(settings: Settings) -> Memory:
    """What can be known of the memory."""
    database = Database(settings.database_url)
    try:
        if database.file is not None and not database.file.exists():
            return Memory(database.where, None, lag_s=_lag_s(settings, None))
        version = database.read(versions.current)
        if version is None:
            return Memory(database.where, None, lag_s=_lag_s(settings, None))
        versions.refuse_outdated(database)
        keeper = Keeper(database, str)
        now = time.time()
        late_s, failed = database.read(lambda connection: outbox.behind(connection, now))
        return Memory(
            database.where, version, "", _lag_s(settings, keeper.position()), keeper.quarantined(), late_s, failed)
    except FsappError as error:
        return Memory(database.where, fault=str(error))
    finally:
        database.close()


def _lag_s(settings: Settings, position: Position | None) -> float | NotAsked:
    try:
        client = connect(settings, _PATIENCE_S)
        try:
            return GroupReader(client).lag_s(position.place if position else None)
        finally:
            client.close()
    except StateError:
        return NotAsked("Redis was not reached")
