"""Which version the database has and which this fsapp wants; brings it from one to the other. Knows no tables.

The versions are the files of `migrations/versions`, in alembic's form; docs/records.md says how one is added.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from fsapp.errors import RecordsError, RecordsOutdated, RecordsUnavailable
from fsapp.records.database import WRITE_LOCK, Database, engine_of, shown, unavailable
from fsapp.records.database_faults import said

__all__ = ["Migrated", "current", "latest", "migrate", "refuse_outdated", "versions"]

_FOLDER = Path(__file__).parent / "migrations"


class Migrated(NamedTuple):
    """From which version to which; `before` None: the database was empty."""

    before: str | None
    after: str


def latest() -> str:
    """The version that this fsapp writes and reads."""
    head = _scripts().get_current_head()
    assert head is not None
    return head


def versions() -> list[str]:
    """All versions, oldest first."""
    return [script.revision for script in reversed(list(_scripts().walk_revisions()))]


def current(connection: Connection) -> str | None:
    """The database's version; None of an empty one. RecordsError where it is none for fsapp's tables."""
    if connection.dialect.name == "postgresql":
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
        if encoding != "UTF8":
            raise RecordsError(f"the database has the encoding {encoding}, which takes no names of all languages: make "
                               "fsapp one with createdb --encoding=UTF8 --template=template0")
    found = MigrationContext.configure(connection).get_current_revision()
    if found is None and (tables := inspect(connection).get_table_names()):
        raise RecordsError(f"the database holds tables that are not fsapp's ({', '.join(sorted(tables)[:3])}): "
                           "give fsapp a database of its own with FSAPP_DATABASE_URL")
    return found


def refuse_outdated(database: Database, limit_s: float | None = None) -> None:
    """RecordsOutdated unless the database has the version that this fsapp wants. RecordsUnavailable."""
    found, wanted = database.read(current, limit_s=limit_s), latest()
    if found == wanted:
        return
    if found is None:
        raise RecordsOutdated(f"the database {database.where} is empty: run `fsapp records migrate`")
    if found not in versions():
        raise RecordsOutdated(f"the database {database.where} has version {found}, which this fsapp does not know, "
                              f"only {wanted}: it is newer: install the fsapp that made it")
    raise RecordsOutdated(f"the database {database.where} has version {found}, this fsapp wants {wanted}: "
                          "run `fsapp records migrate`")


def migrate(url: str, to: str = "head") -> Migrated:
    """Bring the database up to a version, all the way or not at all; makes the file of SQLite. RecordsError."""
    # Rebuilding a table of SQLite drops it: with foreign keys on, the rows that point to it would go along.
    engine = engine_of(url, threads=1, foreign_keys=False)
    where = shown(engine.url)
    try:
        if engine.dialect.name == "sqlite":
            Path(engine.url.database or "").parent.mkdir(parents=True, exist_ok=True)
        with engine.connect() as connection, connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})"))
            before = current(connection)
            if before is not None and before not in versions():
                raise RecordsOutdated(f"the database {where} has version {before}, which this fsapp does not know: it "
                                      "is newer: install the fsapp that made it")
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
            command.upgrade(config, to)
            if engine.dialect.name == "sqlite" and connection.execute(text("PRAGMA foreign_key_check")).first():
                raise RecordsError(f"the database {where} has rows that point to nothing: nothing was changed")
            after = current(connection)
    except CommandError as error:
        raise RecordsError(f"there is no such version: {error}") from None
    except OSError as error:
        raise RecordsUnavailable(f"the database {where} cannot be made: {error.strerror}") from None
    except DBAPIError as error:
        if unavailable(error):
            raise RecordsUnavailable(said(error, where)) from error
        raise
    finally:
        engine.dispose()
    assert after is not None
    return Migrated(before, after)


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_FOLDER))
