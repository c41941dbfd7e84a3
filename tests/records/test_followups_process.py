"""`fsapp followups run`: killed at any point and started again it neither forgets nor doubles; and its commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from memory_rows import HOSTILE, CommandLine, customer, interaction, rules_with
from small_servers import HttpServer, MailServer
from sqlalchemy import func, select, update

from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.state.rules import RulesStore
from fsapp.state.tasks import Tasks

RULE = {"name": "all", "ticket": "open-or-new", "tags": ["answered"], "task": {"due_s": 600}, "webhook": "crm"}


@pytest.fixture
def http() -> Iterator[HttpServer]:
    server = HttpServer()
    yield server
    server.stop()


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.stop()


def _load(redis_server: Any, http: HttpServer, *after: dict[str, Any], **more: Any) -> dict[str, Any]:
    document = rules_with(after=list(after), webhook={
        "crm": {"url": f"{http.url}/crm", "secret_env": "FSAPP_TEST_SECRET", "timeout_s": 5}}, **more)
    client = redis_server.connect()
    RulesStore(client).load(document, note="", author="test", source="test")
    client.close()
    return document


@pytest.fixture
def run(empty_database: str, redis_server: Any) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")} | {
        "FSAPP_REDIS_URL": redis_server.url, "FSAPP_DATABASE_URL": empty_database, "FSAPP_LOG_JSON": "true",
        "FSAPP_FOLLOWUPS_HTTP": "127.0.0.1:0", "FSAPP_TEST_SECRET": "secret"}
    running = []

    def start() -> subprocess.Popen[str]:
        running.append(subprocess.Popen([sys.executable, "-m", "fsapp", "followups", "run"], env=environ,
                                        stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def _until(true: Callable[[], Any], what: str) -> Any:
    with gevent.Timeout(60, AssertionError(what)):
        while not (found := true()):
            gevent.sleep(0.01)
    return found


def _count(database: Database, table: Any, *where: Any) -> int:
    return database.read(lambda connection: connection.execute(
        select(func.count()).select_from(table).where(*where)).scalar_one())


def test_killed_at_any_point_it_neither_forgets_nor_doubles(
    database: Database, redis_server: Any, redis_client: Any, http: HttpServer, run: Any,
) -> None:
    customers, calls = 32, 160
    _load(redis_server, http, RULE)  # five tasks a customer: more in a day would be refused
    for place in range(customers):
        customer(database, f"c{place}", f"+3816012345{place:02d}")

    def ring(place: int) -> None:
        whose = place % customers
        interaction(database, f"u{place}", number=f"+3816012345{whose:02d}", customer_id=f"c{whose}",
                    started_at=time.time() - 60, ended_at=time.time() - 10)

    process = run()
    for place in range(calls):
        ring(place)
        if place % 20 == 19:
            # In the middle of whatever it does then: what it has told is known here.
            seen = len(http.taken)
            _until(lambda seen=seen: len(http.taken) > seen, "it goes on")
            process.send_signal(signal.SIGKILL)
            process.wait()
            database.write(lambda connection: connection.execute(update(schema.followups).where(
                schema.followups.c.state == "waiting").values(next_at=0)))
            process = run()
    states = schema.followups.c.state
    _until(lambda: _count(database, schema.followups, states == "done") == 4 * calls, "all of it is done")
    assert _count(database, schema.followups) == 4 * calls
    assert _count(database, schema.tickets) == customers
    assert _count(database, schema.interactions, schema.interactions.c.ticket_id.is_(None)) == 0
    assert _count(database, schema.tags) == calls
    told = Counter(headers["HTTP_FSAPP_DELIVERY"] for _path, headers, _body in http.taken)
    assert len(told) == calls and len({body for _path, _headers, body in http.taken}) == calls
    made = [task.id for place in range(customers) for task in Tasks(redis_client).of(f"+3816012345{place:02d}")]
    assert len(made) == len(set(made)) == calls
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_it_waits_for_what_is_away(
    empty_database: str, redis_server: Any, http: HttpServer, run: Any,
) -> None:
    """No rules, and a database without tables: it says so, and goes on once they are there."""
    from fsapp.records.versions import migrate

    process = run()
    told = ""
    with gevent.Timeout(30, AssertionError("it says what is missing")):
        while "records_lost" not in (line := process.stderr.readline()):
            told += line
            assert line, told
    assert "fsapp records migrate" in line
    _load(redis_server, http, RULE)
    migrate(empty_database)
    database = Database(empty_database)
    interaction(database, started_at=time.time() - 60, ended_at=time.time() - 10)
    _until(lambda: len(http.taken) == 1, "it goes on by itself")
    database.close()


def test_the_commands(
    database: Database, database_url: str, redis_server: Any, redis_client: Any, http: HttpServer, mail: MailServer,
    monkeypatch: pytest.MonkeyPatch, capsys: Any, run: Any,
) -> None:
    fsapp = CommandLine(monkeypatch, capsys, database_url, redis_server)
    _load(redis_server, http, {"name": "all", "webhook": "crm"}, email={
        "boss": {"to": ["{agent_email}"], "subject": "{name}", "text": "x"}})
    http.answers["/crm"] = [("404 Not Found", []), ("404 Not Found", [])]
    interaction(database, name=HOSTILE, started_at=time.time() - 60, ended_at=time.time() - 10)
    run()
    [row] = _until(lambda: fsapp.json("followups", "list", "--state", "failed")["followups"], "it was refused")
    assert (row["error"], row["target"], row["tries"], row["interaction"]) == ("answered 404", "crm", 1, "u1")
    status, out, _err = fsapp("followups", "show", row["id"])
    assert status == 0 and "answered 404" in out and "\x1b" not in out and "\u202e" not in out
    assert fsapp.json("followups", "show", row["id"])["payload"]["interaction"]["id"] == "u1"
    assert fsapp.json("followups", "retry", row["id"])["ids"] == [row["id"]]
    _until(lambda: len(http.taken) == 2, "it is tried again")
    _until(lambda: fsapp.json("followups", "list", "--state", "failed")["followups"], "and refused again")
    assert fsapp.json("followups", "retry", "--target", "nobody")["ids"] == []
    assert fsapp("followups", "drop", "--failed")[:2] == (0, "1 dropped\n")
    assert "neither waits nor has failed" in fsapp.refused("followups", "retry", row["id"])
    assert "there is no follow-up 'x" in fsapp.refused("followups", "show", "x\x1b[2J")
    assert fsapp("followups", "retry")[0] == 2 and fsapp("followups", "drop", "x", "--failed")[0] == 2
    assert fsapp("followups", "list", "--csv")[1].startswith("id,made_at,")
    assert fsapp.json("interactions", "show", "u1")["followups"][0]["state"] == "dropped"

    assert "FSAPP_TEST_SECRET is not set" in fsapp.refused("followups", "test", "crm")
    monkeypatch.setenv("FSAPP_TEST_SECRET", "secret")
    assert fsapp.json("followups", "test", "crm") == {"kind": "webhook", "name": "crm", "taken": True, "said": "200"}
    assert b'"event": "test"' in http.of("/crm")[-1]
    assert "no webhook or email 'nobody': there are boss, crm" in fsapp.refused("followups", "test", "nobody")
    assert "FSAPP_SMTP_URL" in fsapp.refused("followups", "test", "boss")
    monkeypatch.setenv("FSAPP_SMTP_URL", f"smtp://127.0.0.1:{mail.port}")
    monkeypatch.setenv("FSAPP_MAIL_FROM", "fsapp@example.com")
    assert fsapp("followups", "test", "boss", "--to", "ops@example.com")[:2] == (0, "email boss: taken (sent)\n")
    assert mail.letters[0][1] == ["rcpt TO:<ops@example.com>"]
    assert "is no address" in fsapp.refused("followups", "test", "boss", "--to", "x\r\nRCPT TO:<all@example.com>")
