"""The connection to the memory, SQLite or PostgreSQL: transactions, in a thread where they would stop others. No SQL.

SQLite's calls stop the thread they are in, and with gevent all greenlets with it: they run in gevent's threadpool.
psycopg waits as gevent does, and never for ever: a server that hangs (its disk, a machine that stands still) keeps its
connections open and says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from sqlite3 import Error as DriverError
from typing import Any, TypeVar, cast

import gevent
import psycopg
from gevent.threadpool import ThreadPool
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    TimeoutError,
)

from fsapp.errors import RecordsBusy, RecordsUnavailable, SettingsError
from fsapp.records.database_faults import busy, said

__all__ = ["REWRITTEN_BYTES", "WRITE_LOCK", "Database", "engine_of", "shown", "unavailable"]

WRITE_LOCK = 0x66736170  # the advisory lock of whoever writes calls to PostgreSQL, as SQLite has one writer anyway

_BUSY_S = 10.0       # how long SQLite waits for another writer
_CONNECT_S = 5
_STATEMENT_S = 60    # no statement of ours takes so long
_GRACE_S = 5         # by so much the server is to be faster in ending one than we in giving it up
_THREADS = 4
REWRITTEN_BYTES = 256 * 1024 * 1024  # a few seconds' work
_SETTLE_S, _SETTLE_TIMES = 2, 4      # others have their turn in between
_CACHE_KIB = 64 * 1024  # of a connection to SQLite: its own 2 MiB are soon too small for rows that come in no order
_WAL_PAGES = 8000       # written ahead before they are put into the file: the same page changes often
T = TypeVar("T")


class Database:
    """The memory at `url`. Nothing is opened before the first transaction.

    `threads`: how many transactions may run at a time on SQLite, and how many connections there are at most.
    `statement_s`: how long a statement may take on PostgreSQL. `patience_s`: how long all of it is waited for at most,
    whole seconds, by who can do without.
    """

    def __init__(
        self, url: str, *, threads: int = _THREADS, statement_s: int = _STATEMENT_S, patience_s: int | None = None,
    ) -> None:
        self._engine = engine_of(url, threads=threads, statement_s=statement_s, patience_s=patience_s)
        self.where = shown(self._engine.url)
        self.dialect = self._engine.dialect.name
        self._threads = ThreadPool(threads) if self.dialect == "sqlite" else None

    @property
    def file(self) -> Path | None:
        """Where the database is a file: that file."""
        return Path(self._engine.url.database or "") if self.dialect == "sqlite" else None

    def read(self, work: Callable[[Connection], T], *, limit_s: float | None = None) -> T:
        """What `work` returns, in one transaction that is for reading. RecordsUnavailable.

        `limit_s`: for who cannot wait longer than that for all of it.
        """
        return self._run(work, write=False, limit_s=limit_s)

    def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, in one transaction: all of it is kept when this returns, nothing of it when it raises.

        On SQLite one writer at a time. RecordsUnavailable where the database is away, full or read-only. What the
        database says of bad values is raised as it is (sqlalchemy.exc).
        """
        return self._run(work, write=True)

    def write_after(self, prepare: Callable[[Connection], bool], work: Callable[[Connection], T]) -> T | None:
        """As `write`, after `prepare` on the same connection, in a transaction for reading; None where that says no.

        For what takes long to look at and little to write: `prepare` puts it into temporary tables, and holds up
        nobody. What it has seen may have changed by the time of `work`.
        """
        return self._run(work, write=True, prepare=prepare)

    def settle(self, *, rewrite: bool = False) -> list[str]:
        """Have SQLite's files hold nothing any more of what was removed; what could not be done, a line each.

        What is written ahead is put into the file and emptied. `rewrite`: the file is written anew as well, up to
        REWRITTEN_BYTES of it, as pages that were divided may keep a word of what they held. Both wait for others, and
        others for both, some seconds at most. PostgreSQL does such things by itself, in its own time.
        """
        if self.file is None or not self.file.exists():
            return []
        left, large = [], self.file.stat().st_size > REWRITTEN_BYTES
        if rewrite and large:
            left.append(f"{self.file} is large: a word of what was removed may stand in an unused part of it until it "
                        f"is written anew; while little happens, run: sqlite3 {self.file} VACUUM")
        steps = [*(["VACUUM"] if rewrite and not large else []), "PRAGMA wal_checkpoint(TRUNCATE)"]
        for step in steps:
            why = self._settled(step)
            if why:
                left.append(f"{self.file}{'' if step == 'VACUUM' else '-wal'}: a word of what was removed may stand in "
                            f"it still ({why}): erase again later")
        return left

    def _settled(self, step: str) -> str:
        """Why a step could not be done, or nothing."""
        def once() -> str:
            try:
                raw = self._engine.raw_connection()  # outside of any transaction
                try:
                    cursor = raw.cursor()
                    cursor.execute(f"PRAGMA busy_timeout = {_SETTLE_S * 1000}")
                    row = cursor.execute(step).fetchone()
                    cursor.execute(f"PRAGMA busy_timeout = {int(_BUSY_S * 1000)}")
                finally:
                    raw.close()
                return "others read it all the time" if row and row[0] else ""
            except (DBAPIError, DriverError) as error:
                return " ".join(str(error).split())[:200]

        assert self._threads is not None
        why = ""
        for _ in range(_SETTLE_TIMES):
            why = self._threads.apply(once)
            if not why:
                break
        return why

    def close(self) -> None:
        self._engine.dispose()
        if self._threads is not None:
            self._threads.kill()

    def _run(
        self, work: Callable[[Connection], T], *, write: bool, limit_s: float | None = None,
        prepare: Callable[[Connection], bool] | None = None,
    ) -> T:
        def once() -> tuple[T | None, BaseException | None]:
            # Given back, not raised: a thread of the pool would print it.
            try:
                with self._engine.connect() as connection:
                    if prepare is not None:
                        connection.execution_options(fsapp_write=False)
                        with connection.begin():
                            if not prepare(connection):
                                return None, None
                    connection.execution_options(fsapp_write=write)
                    with connection.begin():
                        return work(connection), None
            except Exception as error:  # noqa: BLE001
                return None, error

        if self.file is not None and not self.file.exists():
            raise RecordsUnavailable(f"there is no database {self.file}: run `fsapp records migrate`")
        limit = gevent.Timeout(limit_s)
        try:
            with limit:
                result, error = once() if self._threads is None else self._threads.apply(once)
        except gevent.Timeout as late:
            if late is not limit:
                raise
            raise RecordsUnavailable(f"the database {self.where} does not answer within {limit_s:g} s: see what it is "
                                     "busy with, or waits for") from None
        if isinstance(error, TimeoutError):
            raise RecordsUnavailable(f"the database {self.where} is too slow: all {self._engine.pool.size()} "
                                     "connections to it wait for answers") from error
        if isinstance(error, DBAPIError) and unavailable(error):
            first = _first(error)
            raise (RecordsBusy if busy(first) else RecordsUnavailable)(said(first, self.where)) from error
        if error is not None:
            raise error
        return cast(T, result)


def unavailable(error: DBAPIError) -> bool:
    """Whether it is the database that cannot do it now, rather than what it was asked to do that is wrong."""
    if error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError, InternalError)):
        return True
    # SQLite's word for a file that is no database, or a broken one: all that is of one value has a class of its own.
    if type(error) is DatabaseError:
        return True
    # Syntax, and tables that are not there: no value can be to blame.
    return isinstance(error, ProgrammingError) and str(getattr(error.orig, "sqlstate", None) or "").startswith("42")


def shown(url: URL) -> str:
    """The address as it may be printed: no password, neither the user's nor one among the options."""
    secret = [name for name in url.query if "password" in name]
    return url.difference_update_query(secret).render_as_string(hide_password=True)


def engine_of(
    url: str, *, threads: int = _THREADS, foreign_keys: bool = True, statement_s: int = _STATEMENT_S,
    patience_s: int | None = None,
) -> Engine:
    """An engine for `postgresql://` (with psycopg 3) or `sqlite:///FILE`. SettingsError for any other address."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsError("database_url is no address of a database: write sqlite:///FILE or "
                            "postgresql://USER:PASSWORD@HOST/NAME") from None
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return _postgresql(parsed.set(drivername="postgresql+psycopg"), threads, statement_s, patience_s)
    if backend == "sqlite" and parsed.database:
        return _sqlite(parsed.set(drivername="sqlite"), threads, foreign_keys, patience_s or _BUSY_S)
    raise SettingsError("database_url is for no database that fsapp knows: write sqlite:///FILE or "
                        "postgresql://USER:PASSWORD@HOST/NAME")


def _postgresql(url: URL, threads: int, statement_s: int, patience_s: int | None) -> Engine:
    # Whoever connects through its own options is let be.
    statement_s, grace_s = (patience_s, 0.5) if patience_s else (statement_s, _GRACE_S)
    settings = {"connect_timeout": patience_s or _CONNECT_S, "application_name": "fsapp", "keepalives_idle": 30,
                "client_encoding": "utf8",
                "options": f"-c timezone=UTC -c statement_timeout={statement_s}s"}
    given = {name: value for name, value in settings.items() if name not in url.query}
    engine = create_engine(
        url, pool_size=threads, max_overflow=0, pool_timeout=_BUSY_S, connect_args=given, hide_parameters=True)

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, named: Any) -> _Patient:
        made = _Patient.connect(*arguments, **named)
        made.answer_s = statement_s + grace_s
        return made

    return engine


class _Patient(psycopg.Connection[Any]):
    """Waits `answer_s` for an answer, then gives the connection up: no word of the server's own limit came either."""

    answer_s: float = _STATEMENT_S + _GRACE_S

    def wait(self, *arguments: Any, **named: Any) -> Any:
        limit = gevent.Timeout(self.answer_s)
        try:
            with limit:
                return super().wait(*arguments, **named)
        except gevent.Timeout as late:
            if late is not limit:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer in {self.answer_s:g} s") from None


def _sqlite(url: URL, threads: int, foreign_keys: bool, busy_s: float) -> Engine:
    # A fault's text goes to the log: the values of a statement, names among them, are not to be in it.
    engine = create_engine(
        url, pool_size=threads, max_overflow=0, pool_timeout=busy_s, hide_parameters=True,
        connect_args={"timeout": busy_s, "check_same_thread": False, "isolation_level": None})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # What is deleted is written over, whatever SQLite was built to do.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON",
                       f"cache_size = -{_CACHE_KIB}", f"wal_autocheckpoint = {_WAL_PAGES}",
                       f"foreign_keys = {'ON' if foreign_keys else 'OFF'}"):
            connection.execute(f"PRAGMA {pragma}").close()
        # SQLite's own knows the letters of ASCII only: Željko would not be found as željko.
        connection.create_function("lower", 1, _lower, deterministic=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # The driver itself would begin late and not at all before DDL. A reader that turned writer could fail at once.
        write = connection.get_execution_options().get("fsapp_write", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _first(error: DBAPIError) -> DBAPIError:
    """What went wrong first, where undoing it went wrong as well."""
    found, one = error, error.__cause__ or error.__context__
    while one is not None:
        found = one if isinstance(one, DBAPIError) else found
        one = one.__cause__ or one.__context__
    return found


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value
