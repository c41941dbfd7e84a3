"""`fsapp recorder` as a process: makes its tables, is killed, stands by, ends when asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from sqlalchemy import func, select, text

from fsapp.errors import FsappError
from fsapp.records import schema
from fsapp.records.database import Database, engine_of
from fsapp.records.versions import migrate
from fsapp.rules import load_folder
from fsapp.state import stream
from fsapp.state.rules import RulesStore

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(redis_server: Any, empty_database: str, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Starts recorders: the process, and what it has logged by event."""
    running = []

    def make() -> Any:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")} | {
            "FSAPP_REDIS_URL": redis_server.url, "FSAPP_DATABASE_URL": empty_database,
            "FSAPP_RECORDER_HTTP": "127.0.0.1:0"}
        log = tmp_path / f"log{len(running)}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "fsapp", "recorder", "--json"], cwd=ROOT, env=environ, stdout=output,
                stderr=output)
        process.said = lambda: {fact["event"]: fact for line in log.read_text().splitlines()
                                if line.startswith("{") and line.endswith("}") and (fact := json.loads(line))}
        process.log = log
        running.append(process)
        return process

    yield make
    for process in running:
        process.kill()
        process.wait(20)


def until(what: Callable[[], Any]) -> Any:
    with gevent.Timeout(60):
        while not (found := what()):
            gevent.sleep(0.05)
        return found


def count(url: str) -> int:
    database = Database(url)
    try:
        return database.read(lambda connection: connection.execute(
            select(func.count()).select_from(schema.interactions)).scalar_one())
    except FsappError:
        return 0
    finally:
        database.close()


def hung_up(uuid: str, number: str = "+381601234567") -> bytes:
    return stream.encode({
        "type": "call_hung_up", "id": f"{uuid}:hung-up", "at": time.time(), "call": uuid, "direction": "inbound",
        "number": number, "called": "+381115550300", "cause": "NORMAL_CLEARING", "lasted_s": 3.0})


def test_it_records_is_killed_and_goes_on(
    start: Callable[[], Any], redis_client: Any, empty_database: str,
) -> None:
    stream.add(redis_client, [hung_up("u1")])
    first = start()
    until(lambda: count(empty_database) == 1)
    assert first.said()["database_made"]
    where = first.said()["starting"]["http"]
    with urllib.request.urlopen(f"http://{where}/healthz", timeout=10) as answer:
        assert json.load(answer) == {"healthy": True, "faults": []}
    with urllib.request.urlopen(f"http://{where}/metrics", timeout=10) as answer:
        told = answer.read().decode()
    assert 'fsapp_rows_recorded_total{table="interactions"} 1.0' in told
    assert "fsapp_recorder_lag_seconds" in told and "fsapp_database_up 1.0" in told
    second = start()
    until(lambda: "standing_by" in second.said())
    first.kill()
    stream.add(redis_client, [hung_up("u2")])
    until(lambda: count(empty_database) == 2)
    assert "recording" in second.said()
    second.send_signal(signal.SIGTERM)
    assert second.wait(20) == 0, second.log.read_text()


def test_numbers_are_written_down_in_e164(start: Callable[[], Any], redis_client: Any, empty_database: str) -> None:
    RulesStore(redis_client).load(load_folder(ROOT / "conf" / "rules"), note="", author="test", source="test")
    spellings = ("+381601234567", "060/123-4567", "0601234567", "00381601234567", "٠٦٠١٢٣٤٥٦٧")
    stream.add(redis_client, [hung_up(f"u{place}", number) for place, number in enumerate(spellings)])
    start()
    until(lambda: count(empty_database) == len(spellings))
    database = Database(empty_database)
    found = database.read(lambda connection: connection.execute(select(schema.interactions.c.number)).scalars().all())
    database.close()
    assert set(found) == {"+381601234567"}


def test_a_database_of_another_version_is_refused_in_one_line(start: Callable[[], Any], empty_database: str) -> None:
    migrate(empty_database)
    engine = engine_of(empty_database)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    engine.dispose()
    process = start()
    assert process.wait(60) == 1
    assert "run `fsapp records migrate`" in process.log.read_text().splitlines()[-1]


@pytest.mark.parametrize("empty_database", ["postgresql"], indirect=True)
def test_a_database_that_is_away_is_waited_for(
    start: Callable[[], Any], redis_client: Any, empty_database: str,
) -> None:
    name = empty_database.partition("/t")[2].partition("?")[0]
    engine = engine_of(empty_database.replace(f"/t{name}?", "/postgres?"))

    def allow(word: str) -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"ALTER DATABASE t{name} ALLOW_CONNECTIONS {word}"))

    allow("false")
    stream.add(redis_client, [hung_up("u1")])
    process = start()
    until(lambda: "database_lost" in process.said())
    assert process.log.read_text().count("database_lost") == 1
    allow("true")
    until(lambda: count(empty_database) == 1)
    engine.dispose()
