"""The database comes to the version that fsapp wants, whichever it had, on both kinds, with what is in it."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from fsapp.cli.root import main
from fsapp.errors import RecordsError, RecordsOutdated, RecordsUnavailable, SettingsError
from fsapp.records import schema
from fsapp.records.database import Database, engine_of
from fsapp.records.database_faults import said
from fsapp.records.versions import current, latest, migrate, refuse_outdated, versions

# Rows as each version's first users may have them, by table: every later version must keep them.
ROWS: dict[str, dict[str, list[dict[str, Any]]]] = {
    "0001": {
        "customers": [{"id": "c1", "name": "Ana \u202e 'quoted' \U0001f600", "made_at": 1.5, "fields": {"a": [1]}}],
        "customer_numbers": [{"number": "+381601234567", "customer_id": "c1"}],
        "interactions": [{"id": "u1", "number": "+381601234567", "customer_id": "c1", "started_at": 1.7e9 + 0.123456}],
        "queue_stays": [{"id": "m1", "interaction_id": "u1", "queue": "helpdesk@fsapp"}],
        "offers": [{"id": "m1:1", "interaction_id": "u1", "stay_id": "m1", "agent": "1004"}],
        "decisions": [{"id": "d1", "interaction_id": "u1", "at": 1.0, "trace": [{"rule": "number"}]}],
        "tasks": [{"id": "t1", "changed_at": 1.0, "told": "t1:made"}],
        "quarantine": [{"place": "1-0", "event": b"\x00\xff", "error": "bad", "at": 1.0}],
        "surveys": [{"id": "s1", "interaction_id": "u1", "flow": "after", "value": "4", "at": 1.0}],
        "attempts": [{"id": "a1", "task_id": "t1", "outcome": "talked", "at": 1.0}],
    },
    "0002": {
        "followups": [{"id": "f1", "interaction_id": "u1", "kind": "webhook", "state": "waiting", "made_at": 1.0,
                       "payload": {"name": "\u202e"}}],
    },
    "0003": {"web_tokens": [{"name": "crm", "hash": "ab12", "may": "write", "made_at": 1.0}]},
    "0004": {"flow_ends": [{"id": "f1", "interaction_id": "u1", "flow": "main", "end": "hung-up", "at": 1.0}]},
    "0005": {"erasures": [{"id": "ab12", "kind": "number", "at": 1.0}],
             "secrets": [{"name": "erasures", "value": "x"}]},
    "0006": {"agent_sessions": [{"id": "s1", "agent": "1001", "switch": "main", "started_at": 1.0, "ended_at": 2.0},
                                {"id": "s2", "agent": "1001", "switch": "main", "started_at": 3.0, "ended_at": None}]},
    "0007": {"switch_sights": [{"id": "main:1", "switch": "main", "run": "x", "started_at": 1.0, "seen_at": 2.0}]},
    "0008": {"surveys": [{"id": "s2", "interaction_id": "u1", "call_id": "u2", "flow": "how", "value": "5", "at": 2.0}],
             "tasks": [{"id": "t2", "flow": "how", "about_id": "u1", "changed_at": 2.0, "told": "t2:made"}],
             "attempts": [{"id": "u2", "task_id": "t2", "flow": "how", "outcome": "talked", "at": 2.0}]},
}


def _tables(url: str) -> Any:
    """The tables as they are in the database, whatever this fsapp thinks of them."""
    from sqlalchemy import MetaData

    engine = engine_of(url)
    found = MetaData()
    found.reflect(engine)
    engine.dispose()
    return found.tables


def _insert(url: str, rows: dict[str, list[dict[str, Any]]]) -> None:
    tables = _tables(url)
    engine = engine_of(url)
    with engine.connect() as connection, connection.begin():
        for name, some in rows.items():
            connection.execute(tables[name].insert(), some)
    engine.dispose()


def test_an_empty_database_comes_to_the_latest_version(empty_database: str) -> None:
    assert migrate(empty_database) == (None, latest())
    assert migrate(empty_database) == (latest(), latest()), "a second time changes nothing"
    database = Database(empty_database)
    assert database.read(current) == latest()
    refuse_outdated(database)
    database.close()


def test_the_versions_lead_to_the_schema(database: Database) -> None:
    def differences(connection: Any) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, schema.METADATA)

    assert database.read(differences) == []


def test_versions_follow_each_other_one_by_one() -> None:
    assert versions() == [f"{number:04}" for number in range(1, len(versions()) + 1)]


@pytest.mark.parametrize("version", versions())
def test_rows_of_every_earlier_version_are_kept(version: str, empty_database: str) -> None:
    given: dict[str, list[dict[str, Any]]] = {}
    for step in versions():
        migrate(empty_database, step)
        if step <= version and step in ROWS:
            _insert(empty_database, ROWS[step])
            given |= {name: [*given.get(name, []), *rows] for name, rows in ROWS[step].items()}
    migrate(empty_database)
    database = Database(empty_database)
    for name, rows in given.items():
        table = schema.METADATA.tables[name]
        found = database.read(lambda connection, table=table: connection.execute(select(table)).mappings().all())
        for row in rows:
            assert any(row.items() <= dict(kept).items() for kept in found), (name, row, found)
    database.close()


@pytest.mark.parametrize("version", versions())
def test_each_column_of_every_earlier_version_is_kept(version: str, empty_database: str) -> None:
    """A row of every table that there was then, with something in all of its columns."""
    migrate(empty_database, version)
    given: dict[str, dict[str, Any]] = {}
    for table in next(iter(_tables(empty_database).values())).metadata.sorted_tables:
        if table.name != "alembic_version":
            given[table.name] = {column.name: _something(column) for column in table.columns}
            _insert(empty_database, {table.name: [given[table.name]]})
    assert {"customers", "interactions", "tickets", "agent_breaks"} <= set(given)
    assert {name for step in ROWS if step <= version for name in ROWS[step]} <= set(given)
    migrate(empty_database)
    database = Database(empty_database)
    for name, row in given.items():
        table = schema.METADATA.tables[name]
        found = database.read(lambda connection, table=table: connection.execute(select(table)).mappings().one())
        assert row.items() <= dict(found).items(), name
    database.close()


def _something(column: Any) -> Any:
    """A value of the column's type; all ids are the same, so that rows belong together."""
    kind = type(column.type).__name__.lower()
    if kind in ("double", "double_precision", "float", "real"):
        return 1_764_087_913.123457
    if "int" in kind:
        return 7
    if kind == "boolean":
        return True
    if "json" in kind:
        return {"a": [1, None, "\u202e"]}
    if kind in ("blob", "bytea", "largebinary"):
        return b"\x00\xff"
    return "one"


@pytest.mark.parametrize("url", ["nope", "nobody"])
def test_who_is_not_let_in_is_not_told_to_start_it(postgresql: Any, url: str) -> None:
    url = postgresql.url("nope") if url == "nope" else postgresql.url("postgres").replace("fsapp@", "nobody@")
    database = Database(url)
    with pytest.raises(RecordsUnavailable, match="createdb|does not let fsapp in") as caught:
        refuse_outdated(database)
    assert "\n" not in str(caught.value) and "start it" not in str(caught.value)
    database.close()


@pytest.mark.parametrize(("words", "advice"), [
    ('connection failed: FATAL: password authentication failed for user "fsapp"', "put user and password right"),
    ("connection failed: fe_sendauth: no password supplied", "put user and password right"),
    ("FATAL: no pg_hba.conf entry for host", "see FSAPP_DATABASE_URL and the settings of the database"),
    ("FATAL: the database system is starting up", "wait, or see its log"),
    ("FATAL: sorry, too many clients already", "max_connections"),
    ("permission denied for table customers", "own it and its tables"), ("disk I/O error", "make room"),
    ('relation "customers" does not exist', "fsapp records migrate"), ("Connection refused", "start it"),
])
def test_what_is_to_be_done_about_it(words: str, advice: str) -> None:
    line = said(OperationalError("", {}, Exception(f"{words}\nDETAIL: more")), "postgresql://x")
    assert advice in line and words in line and "\n" not in line


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN2"])
def test_a_database_that_takes_no_names_is_refused(postgresql: Any, encoding: str) -> None:
    name = f"in_{encoding.lower()}"
    with psycopg.connect(postgresql.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0")
    database = Database(postgresql.url(name))
    for work in (lambda: migrate(postgresql.url(name)), lambda: refuse_outdated(database)):
        with pytest.raises(RecordsError, match=f"{encoding}.*createdb --encoding=UTF8"):
            work()
    database.close()


def test_answers_of_earlier_versions_were_given_in_the_call_they_are_about(empty_database: str) -> None:
    migrate(empty_database, "0001")
    _insert(empty_database, ROWS["0001"])
    migrate(empty_database)
    database = Database(empty_database)
    table = schema.surveys
    assert database.read(lambda connection: connection.execute(
        select(table.c.interaction_id, table.c.call_id)).all()) == [("u1", "u1")]
    database.close()


def test_a_newer_database_is_left_alone(database_url: str) -> None:
    engine = engine_of(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(RecordsOutdated, match="9999.*newer"):
        migrate(database_url)
    database = Database(database_url)
    with pytest.raises(RecordsOutdated, match="newer"):
        refuse_outdated(database)
    database.close()


def test_tables_of_somebody_else_are_left_alone(empty_database: str) -> None:
    engine = engine_of(empty_database)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (id INTEGER)"))
    with pytest.raises(RecordsError, match="theirs.*FSAPP_DATABASE_URL"):
        migrate(empty_database)
    assert inspect(engine).get_table_names() == ["theirs"]
    engine.dispose()


def test_a_version_is_reached_wholly_or_not_at_all(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic import op

    def fails(*_arguments: Any, **_options: Any) -> None:
        raise RecordsError("the power went off")

    with monkeypatch.context() as changed:
        changed.setattr(op, "create_index", fails)
        with pytest.raises(RecordsError, match="power"):
            migrate(empty_database)
    engine = engine_of(empty_database)
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    assert migrate(empty_database).after == latest()


def test_foreign_keys_are_held_and_times_are_exact(database: Database) -> None:
    def no_such_call(connection: Any) -> None:
        connection.execute(schema.queue_stays.insert(), {"id": "m", "interaction_id": "nobody"})

    with pytest.raises(IntegrityError):
        database.write(no_such_call)
    at = 1_764_087_913.123457
    database.write(lambda connection: connection.execute(
        schema.interactions.insert(), {"id": "u", "started_at": at, "fields": None}))
    row = database.read(lambda connection: connection.execute(select(schema.interactions)).mappings().one())
    assert (row["started_at"], row["recovered"], row["channel"], row["fields"]) == (at, False, "call", None)


def test_what_fails_is_not_kept_and_said_once(database: Database, capfd: Any) -> None:
    def half(connection: Any) -> None:
        connection.execute(schema.interactions.insert(), {"id": "u", "started_at": 1.0})
        raise RecordsError("half way")

    with pytest.raises(RecordsError, match="half way"):
        database.write(half)
    assert capfd.readouterr().err == "", "whoever asked is told, and nobody else"
    assert database.read(lambda connection: connection.execute(select(schema.interactions)).all()) == []


def test_the_last_calls_of_a_customer_come_from_an_index(database: Database) -> None:
    table = schema.interactions
    for column in (table.c.number, table.c.customer_id):
        query = select(table.c.id).where(column == "x").order_by(table.c.started_at.desc()).limit(5)
        text_of = str(query.compile(compile_kwargs={"literal_binds": True}))
        # With nothing in it a table is scanned whatever there is.
        plan = database.read(lambda connection, text_of=text_of: (
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off") if database.dialect == "postgresql" else None,
            connection.exec_driver_sql(
                f"{'EXPLAIN' if database.dialect == 'postgresql' else 'EXPLAIN QUERY PLAN'} {text_of}").all(),
        )[1])
        told = " ".join(map(str, plan))
        assert f"ix_interactions_{column.name}_started_at" in told
        assert "TEMP B-TREE" not in told and "Sort" not in told, told


@pytest.mark.parametrize("url", ["sqlite://", "mysql://x/y", "nonsense", "postgresql://"])
def test_an_address_that_is_none(url: str) -> None:
    from fsapp.settings import load

    with pytest.raises(SettingsError) as caught:
        load(environ={"FSAPP_DATABASE_URL": url})
    assert "database_url: not an address of a database" in caught.value.faults[0]


def test_who_is_not_there_is_said_in_one_line(tmp_path: Any) -> None:
    for url, todo in ((f"sqlite:///{tmp_path}/none.db", "fsapp records migrate"),
                      ("postgresql://fsapp:secret@127.0.0.1:1/fsapp", "FSAPP_DATABASE_URL")):
        database = Database(url)
        with pytest.raises(RecordsUnavailable, match=todo) as caught:
            refuse_outdated(database)
        assert "\n" not in str(caught.value) and "secret" not in str(caught.value)
        database.close()


def test_the_commands(empty_database: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("FSAPP_DATABASE_URL", empty_database)

    def fsapp(*words: str) -> tuple[int | str | None, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["records", *words])
        told = capsys.readouterr()
        return ended.value.code, told.out, told.err

    status, out, err = fsapp("status")
    assert (status, out) == (1, "") and "run `fsapp records migrate`" in err and err.count("\n") == 1
    assert json.loads(fsapp("migrate", "--json")[1]) == {"before": None, "after": latest()}
    status, out, err = fsapp("status", "--json")
    assert status == 0 and json.loads(out)["version"] == latest() and not err
    assert "already" in fsapp("migrate")[1]


def test_sqlite_does_not_stop_the_others(tmp_path: Any) -> None:
    import threading
    import time

    import gevent

    url = f"sqlite:///{tmp_path}/fsapp.db"
    migrate(url)
    database = Database(url)
    here = []

    def slow(connection: Any) -> int:
        connection.connection.create_function("wait", 1, time.sleep)
        here.append(threading.get_ident())
        gate.wait(20)
        return connection.execute(text("SELECT 1")).scalar_one()

    gate = gevent.get_hub().threadpool.apply(threading.Event)
    waiting = gevent.spawn(database.read, slow)
    gevent.sleep(0)
    turned = 0
    while not here and turned < 10_000:
        gevent.sleep(0.001)
        turned += 1
    assert here, "the work has begun, in a thread, while this greenlet went on"
    gate.set()
    assert waiting.get(timeout=20) == 1
    database.close()


def test_wal_and_one_writer(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/fsapp.db"
    migrate(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    engine.dispose()
