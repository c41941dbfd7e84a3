"""A database or a Redis that hangs, with its connections open, is as one that is away: nobody waits for ever."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from memory_rows import interaction, rules_with
from postgresql_server import PostgresServer, missing
from small_servers import HttpServer
from sqlalchemy import func, select, text
from test_recorder import call, number_of
from web_ends import Asker, Page, make_token, start_web

from fsapp.app.followups import FollowupsProcess
from fsapp.app.recorder import RecorderProcess
from fsapp.errors import RecordsUnavailable
from fsapp.records import database as module
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.keeping import Keeper
from fsapp.records.versions import migrate
from fsapp.state import keys, stream
from fsapp.state.contacts import Entry, pack
from fsapp.state.rules import RulesStore

NUMBER = "+381601234567"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresServer]:
    """A PostgreSQL that may be stopped; whoever waits for it does so for two seconds instead of a minute."""
    if why := missing():
        pytest.skip(why)
    monkeypatch.setattr(module, "_GRACE_S", 1)
    made = PostgresServer()
    yield made
    made.go_on()
    made.remove()


@pytest.fixture
def url(server: PostgresServer) -> str:
    made = server.create()
    migrate(made)
    return made


def until(true: Callable[[], Any], what: str) -> Any:
    with gevent.Timeout(40, AssertionError(what)):
        while not (found := true()):
            gevent.sleep(0.01)
        return found


def newest(client: Any) -> str:
    """The place of what the stream has last."""
    return str(client.xrevrange(keys.EVENTS, count=1)[0][0].decode())


def count(database: Database, table: Any = schema.interactions) -> int:
    return database.read(lambda connection: connection.execute(select(func.count()).select_from(table)).scalar_one())


def asked(process: Any) -> list[str]:
    """The faults that /healthz tells of."""
    try:
        where = "{}:{}".format(*process.health.address)
        with urllib.request.urlopen(f"http://{where}/healthz", timeout=10) as answer:
            return json.load(answer)["faults"]
    except urllib.error.HTTPError as error:
        return json.load(error)["faults"]


def test_a_transaction_ends_and_the_next_one_finds_the_server_again(server: PostgresServer, url: str) -> None:
    database = Database(url, threads=2, statement_s=1)
    assert count(database) == 0
    held: list[Any] = []

    def work(connection: Any) -> None:
        interaction_row = {"id": f"u{len(held)}", "number": NUMBER, "started_at": 1.0}
        connection.execute(schema.interactions.insert(), interaction_row)
        if not held:
            server.stand_still()
        held.append(True)
        connection.execute(text("SELECT 1"))

    with gevent.Timeout(40, AssertionError("it waits for ever")):
        with pytest.raises(RecordsUnavailable, match=r"does not answer \(no answer in 2 s\)"):
            database.write(work)
        with pytest.raises(RecordsUnavailable, match="does not answer"):
            database.read(work)  # nor is a new connection waited for
        with pytest.raises(RecordsUnavailable, match=r"does not answer within 0.1 s"):
            database.read(work, limit_s=0.1)
    server.go_on()
    assert count(database) == 0, "what was not committed is not there"
    database.write(work)
    assert count(database) == 1
    database.close()


def test_who_waits_for_a_connection_is_told_so(server: PostgresServer, url: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "_BUSY_S", 0.1)
    database = Database(url, threads=1, statement_s=1)
    assert count(database) == 0
    server.stand_still()
    first = gevent.spawn(lambda: pytest.raises(RecordsUnavailable, count, database))
    gevent.sleep(0)
    with gevent.Timeout(40, AssertionError("it waits for ever")):
        with pytest.raises(RecordsUnavailable, match="all 1 connections to it wait for answers"):
            count(database)
        first.get()
    server.go_on()
    assert count(database) == 0
    database.close()


def test_the_recorder_loses_and_doubles_nothing(
    server: PostgresServer, url: str, redis_server: Any, redis_client: Any, monkeypatch: Any,
) -> None:
    defaults = module.Database.__init__.__kwdefaults__
    monkeypatch.setattr(module.Database.__init__, "__kwdefaults__", {**defaults, "statement_s": 1})
    process = RecorderProcess(redis_server.settings.model_copy(update={
        "database_url": url, "recorder_http": "127.0.0.1:0"}))
    process.start()
    database = Database(url)
    told = 0

    def tell() -> None:
        nonlocal told
        stream.add(redis_client, [stream.encode(event) for event in call(f"u{told}", 1_700_000_000.0 + told)])
        told += 1

    tell()
    until(lambda: count(database) == 1, "the first call is recorded")
    for _ in range(3):
        server.stand_still()
        tell()
        until(lambda: any("does not answer" in fault for fault in asked(process)), "it says that it waits")
        tell()
        server.go_on()
        until(lambda: count(database) == told, "it goes on by itself")
    until(lambda: asked(process) == [], "all is well")
    keeper = Keeper(database, number_of)
    until(lambda: keeper.position().place == newest(redis_client), "every event of each call is there")
    assert keeper.quarantined() == 0 and keeper.position().gaps == 0
    assert count(database, schema.queue_stays) == told and count(database, schema.offers) == told
    process.stop()
    database.close()


def test_a_pop_shows_what_redis_has(
    server: PostgresServer, url: str, redis_server: Any, redis_client: Any, tmp_path: Path, monkeypatch: Any,
) -> None:
    from fsapp.web import pop_reading

    monkeypatch.setattr(pop_reading, "_LIMIT_S", 0.2)
    contact = f"renewals/first-call/{NUMBER}"
    process = start_web(url, redis_server, tmp_path)
    asker = Asker(process, make_token(process, "admin"))
    asker.ask("POST", "/customers", {"name": "Vera", "numbers": [NUMBER]})
    redis_client.set(keys.contacts(NUMBER), pack({"renewals/first-call": Entry(name="Vera P.")}))
    page = Page(asker, "1004")

    def offered(member: str) -> Any:
        stream.add(redis_client, [stream.encode({
            "type": "agent_offered", "id": f"o-{member}", "at": time.time(), "member": member, "agent": "1004",
            "number": NUMBER, "queue": "helpdesk@fsapp", "call": f"c-{member}", "contact": contact})])
        return page.next()[2]["pop"]

    assert offered("m1")["name"] == "Vera"
    server.stand_still()
    shown = offered("m2")
    assert (shown["name"], shown["customer"], shown["contact"]["id"]) == ("Vera P.", None, contact)
    assert ["does not answer within" in fault for fault in shown["faults"]] == [True]
    until(lambda: any("does not answer" in fault for fault in asked(process)), "its health says so")
    server.go_on()
    until(lambda: asked(process) == [], "it is back")
    shown = offered("m3")
    assert (shown["name"], shown["faults"]) == ("Vera", [])
    page.close()
    asker.close()
    process.stop()


def test_what_is_to_follow_follows_once(
    server: PostgresServer, url: str, redis_server: Any, redis_client: Any, monkeypatch: Any,
) -> None:
    from fsapp.app import followups

    monkeypatch.setattr(followups, "_STATEMENT_S", 1)
    monkeypatch.setenv("FSAPP_TEST_SECRET", "secret")
    http = HttpServer()
    RulesStore(redis_client).load(rules_with(
        after=[{"name": "all", "ticket": "open-or-new", "webhook": "crm"}],
        webhook={"crm": {"url": f"{http.url}/crm", "secret_env": "FSAPP_TEST_SECRET", "timeout_s": 5}},
    ), note="", author="test", source="test")
    process = FollowupsProcess(redis_server.settings.model_copy(update={
        "database_url": url, "followups_http": "127.0.0.1:0"}))
    process.start()
    database = Database(url)
    for place in range(2):
        server.stand_still()
        until(lambda: any("does not answer" in fault for fault in asked(process)), "it says that it waits")
        server.go_on()
        interaction(database, f"u{place}", started_at=time.time() - 60, ended_at=time.time() - 10)
        until(lambda place=place: len(http.taken) > place, "it goes on by itself")
    until(lambda: asked(process) == [], "all is well")
    assert len({headers["HTTP_FSAPP_DELIVERY"] for _path, headers, _body in http.taken}) == len(http.taken) == 2
    process.stop()
    database.close()
    http.stop()


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
def test_a_pop_without_a_redis_that_hangs(own_redis: Any, database_url: str, tmp_path: Path) -> None:
    """What the memory has is shown when asked for; the pops of calls come when Redis is back, and none is lost."""
    redis = own_redis()
    client = redis.connect()
    process = start_web(database_url, redis, tmp_path)
    asker = Asker(process, make_token(process, "admin"))
    asker.ask("POST", "/customers", {"name": "Vera", "numbers": [NUMBER]})
    page = Page(asker, "1004")

    def offer(member: str) -> None:
        stream.add(client, [stream.encode({
            "type": "agent_offered", "id": f"o-{member}", "at": time.time(), "member": member, "agent": "1004",
            "number": NUMBER, "queue": "helpdesk@fsapp", "call": f"c-{member}"})])

    offer("m1")
    assert page.next()[2]["pop"]["name"] == "Vera"
    redis.stand_still()
    found = asker.ask("GET", "/pop?number=0601234567")
    assert (found.status, found.json["name"]) == (200, "Vera")
    assert ["does not answer" in fault for fault in found.json["faults"]] == [True]
    until(lambda: any("no pops" in fault for fault in asked(process)), "its health says so")
    redis.go_on()
    offer("m2")
    shown = page.next()[2]
    assert (shown["offer"]["member"], shown["pop"]["name"], shown["pop"]["faults"]) == ("m2", "Vera", [])
    until(lambda: asked(process) == [], "all is well")
    page.close()
    asker.close()
    process.stop()
    client.close()


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
def test_a_redis_that_hangs(own_redis: Any, database_url: str) -> None:
    """The recorder says so, and goes on where it was."""
    redis = own_redis()
    client = redis.connect()
    process = RecorderProcess(redis.settings.model_copy(update={
        "database_url": database_url, "recorder_http": "127.0.0.1:0"}))
    process.start()
    database = Database(database_url)
    for place in range(2):
        stream.add(client, [stream.encode(event) for event in call(f"u{place}")])
        until(lambda place=place: count(database) == place + 1, "the call is recorded")
        redis.stand_still()
        until(lambda: any("Redis at" in fault and "does not answer" in fault for fault in asked(process)),
              "it says that it waits")
        redis.go_on()
    until(lambda: asked(process) == [], "all is well")
    # What it had read and not yet said so it reads again: that counts as read twice, and is written once.
    until(lambda: Keeper(database, number_of).position().place == newest(client), "all that was told is there")
    assert Keeper(database, number_of).position().events >= 12
    assert count(database) == count(database, schema.queue_stays) == count(database, schema.offers) == 2
    process.stop()
    database.close()
    client.close()
