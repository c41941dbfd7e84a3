"""Customers are imported while calls are recorded: neither loses anything, whoever is killed."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event
from sqlalchemy import func, select
from structlog.testing import capture_logs
from test_recorder import N, call

from fsapp.cli import customer_import
from fsapp.cli.root import main
from fsapp.core.customer import Draft, GivenNumber
from fsapp.errors import RecordsBusy
from fsapp.recorder.loop import Recorder
from fsapp.records import schema
from fsapp.records.customers import create
from fsapp.records.database import Database
from fsapp.records.keeping import Keeper
from fsapp.state import stream
from fsapp.state.group import GroupReader

ROWS = 20_000


@pytest.fixture
def file(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FSAPP_DATABASE_URL", database_url)
    monkeypatch.setenv("FSAPP_REDIS_URL", "redis://127.0.0.1:1")
    path = tmp_path / "customers.csv"
    path.write_text("number,name,note\n" + "".join(f"06{20_000_000 + n},Ana {n},\n" for n in range(ROWS)))
    return str(path)


def imported(file: str, *options: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["customers", "import", file, "--region", "RS", "--json", *options])
    return int(left.value.code or 0)


def count(database: Database, table: Any) -> int:
    return database.read(lambda connection: connection.execute(select(func.count()).select_from(table)).scalar_one())


@pytest.fixture
def recording(redis_client: Any, database: Database) -> Iterator[Any]:
    """A recorder beside the test, and calls that come in all the time; `told` are those."""
    told: list[str] = []
    recorder = Recorder(GroupReader(redis_client), Keeper(database, str), block_s=0.05)
    last = Event()

    def calls() -> None:
        while not last.is_set():
            uuid = f"u{len(told)}"
            stream.add(redis_client, [stream.encode(event) for event in call(uuid, time.time())])
            told.append(uuid)
            gevent.sleep(0.02)

    coming, running = gevent.spawn(calls), gevent.spawn(recorder.run)

    def no_more() -> None:
        """Every call that has begun to be told is told whole."""
        last.set()
        coming.join(20)
        assert coming.ready()

    recorder.told, recorder.no_more = told, no_more
    yield recorder
    no_more()
    recorder.stop()
    running.join(20)


def caught_up(recorder: Any, database: Database) -> None:
    recorder.no_more()
    wanted, found = dict.fromkeys(recorder.told, "answered"), {}
    with gevent.Timeout(60, False):
        while found != wanted:  # a call whose events came in two batches is there before its outcome is
            gevent.sleep(0.05)
            found = dict(map(tuple, database.read(lambda connection: connection.execute(
                select(schema.interactions.c.id, schema.interactions.c.outcome)).all())))
    assert found == wanted
    assert count(database, schema.quarantine) == 0


def test_both_go_on(recording: Any, file: str, database: Database) -> None:
    with capture_logs() as logs:
        assert imported(file) == 0
        assert imported(file) == 0
        caught_up(recording, database)
    assert not [log for log in logs if log["event"] in ("database_lost", "event_quarantined")]
    assert recording.faults == [] and len(recording.told) > 1
    assert count(database, schema.customers) == count(database, schema.customer_numbers) == ROWS


def test_nobody_waits_while_it_only_looks(
    file: str, database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: Any,
) -> None:
    """Nor for a dry run; and who gives a number away meanwhile has it, and the import nothing."""
    planned, other = customer_import.planned, Database(database_url, patience_s=1)

    def meanwhile(connection: Any) -> Any:
        draft = Draft({"name": "Vera"}, (GivenNumber(f"+3816{20_000_000 + ROWS - 1}"),))
        other.write(lambda mine: create(mine, draft, by="ana", at=1.0))
        return planned(connection)

    monkeypatch.setattr(customer_import, "planned", meanwhile)
    assert imported(file) == 1
    assert "somebody else gave one of the numbers to a customer meanwhile" in capsys.readouterr().err
    assert count(database, schema.customers) == count(database, schema.customer_numbers) == 1
    monkeypatch.setattr(customer_import, "planned", planned)
    assert imported(file, "--dry-run") == 0
    would_be = json.loads(capsys.readouterr().out)
    assert (would_be["added"], would_be["updated"], would_be["numbers"]) == (ROWS - 1, 1, ROWS - 1)
    assert count(database, schema.customers) == 1
    other.close()


def test_an_import_killed_as_it_writes_has_written_nothing(
    recording: Any, file: str, database: Database, database_url: str,
) -> None:
    if database.file is None:
        pytest.skip("of PostgreSQL nobody can see when it writes")
    import_ = subprocess.Popen(
        [sys.executable, "-m", "fsapp", "customers", "import", file, "--region", "RS", "--json"],
        cwd=Path(__file__).parents[2], env=os.environ | {"FSAPP_DATABASE_URL": database_url},
        stdout=subprocess.DEVNULL)
    looking = sqlite3.connect(database.file, isolation_level=None, timeout=0)
    busy = 0
    with gevent.Timeout(60, AssertionError("it does not write")):
        while busy < 3 and import_.poll() is None:  # longer than a batch of the recorder's
            try:
                looking.execute("BEGIN IMMEDIATE")
                looking.execute("ROLLBACK")
                busy = 0
            except sqlite3.OperationalError:
                busy += 1
            gevent.sleep(0.02)
    import_.kill()
    import_.wait(20)
    looking.close()
    assert count(database, schema.customers) in (0, ROWS)
    caught_up(recording, database)
    assert imported(file) == 0
    assert count(database, schema.customers) == count(database, schema.customer_numbers) == ROWS


def test_who_waits_for_long_is_told_what_is_so(database: Database, database_url: str) -> None:
    if database.file is None:
        pytest.skip("PostgreSQL has writers wait for rows only")
    other = sqlite3.connect(database.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    impatient = Database(database_url, patience_s=1)
    with pytest.raises(RecordsBusy, match="held by somebody else .*: wait until that has ended"):
        impatient.write(lambda connection: create(connection, Draft({"name": N}), by="x", at=1.0))
    other.close()
    impatient.close()
