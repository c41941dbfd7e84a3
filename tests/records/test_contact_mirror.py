"""The contacts of the memory are those of Redis: one by one, after imports, through kills; what it knows it keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from sqlalchemy import func, insert, select
from structlog.testing import capture_logs

from fsapp.cli.root import main
from fsapp.core.customer import Draft, GivenNumber
from fsapp.recorder.contacts import ContactMirror
from fsapp.recorder.loop import Recorder
from fsapp.records import customers, interactions, schema
from fsapp.records.contacts import load_progress
from fsapp.records.database import Database
from fsapp.records.keeping import Keeper
from fsapp.rules import load_folder
from fsapp.state import keys, stream
from fsapp.state.contact_pages import ContactPages, Page
from fsapp.state.contacts import Contacts, Entry, pack
from fsapp.state.group import GroupReader
from fsapp.state.imports import Import
from fsapp.state.rules import RulesStore

ROOT = Path(__file__).parents[2]
STAGE, OTHER = "renewals/first-call", "renewals/second-call"
N, M = "+381601234567", "+381641112222"
T = 1_700_000_000.0


class Desk:
    """Redis with contacts, the memory, and what brings the ones into the other, stepped by the test."""

    def __init__(self, client: Any, database: Database) -> None:
        self.client, self.database = client, database
        self.contacts = Contacts(client)
        self.pages = ContactPages(client, at_once=50)
        self.again()

    def again(self) -> None:
        """Another recorder, as after the last one was killed."""
        self.mirror = ContactMirror(self.pages, self.database)
        self.recorder = Recorder(GroupReader(self.client), Keeper(self.database, str), contacts=self.mirror.bring,
                                 at_once=7, block_s=0.01)

    def imports(self, stage_id: str, *numbers: str, **values: Any) -> None:
        with Import(self.client, stage_id) as bulk:
            bulk.write([(number, Entry(**values)) for number in numbers])

    def record(self) -> None:
        while self.recorder.step():
            pass

    def tell(self, **event: Any) -> None:
        stream.add(self.client, [stream.encode({"id": f"e{self.client.xlen(keys.EVENTS)}", "at": T} | event)])

    def rows(self) -> dict[str, dict[str, Any]]:
        query = select(schema.contacts)
        rows = self.database.read(lambda connection: connection.execute(query).mappings().all())
        return {row["id"]: dict(row) for row in rows}

    def states(self) -> dict[str, str]:
        return {id_: row["state"] for id_, row in self.rows().items()}


@pytest.fixture
def desk(redis_client: Any, database: Database) -> Desk:
    return Desk(redis_client, database)


@pytest.fixture
def fsapp(
    redis_server: Any, redis_client: Any, database_url: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Any]:
    """Runs a command against this Redis and this database, with the example centre's rules in force."""
    monkeypatch.setenv("FSAPP_REDIS_URL", redis_server.url)
    monkeypatch.setenv("FSAPP_DATABASE_URL", database_url)
    RulesStore(redis_client).load(load_folder(str(ROOT / "conf/rules")), "", "", "conf/rules")

    def run(*words: str) -> Any:
        with pytest.raises(SystemExit) as left:
            main([*words, "--json"])
        out, err = capsys.readouterr()
        assert not left.value.code, err
        return json.loads(out)

    return run


def soon(what: Callable[[], Any]) -> None:
    with gevent.Timeout(20):
        while not what():
            gevent.sleep(0.01)


def numbers(count: int, first: int = 0) -> list[str]:
    return [f"+3816{first + place:08d}" for place in range(count)]


# One at a time


def test_what_is_done_to_one_contact_shows(desk: Desk) -> None:
    desk.imports(STAGE, N, name="Ana \u202egnor", agent="1001", priority=7, due_at=T, list="May",
                 timezone="Europe/Belgrade", fields={"contract": "77"})
    desk.imports(OTHER, N)
    desk.mirror.whole()
    row = desk.rows()[f"{STAGE}/{N}"]
    assert {name: row[name] for name in (
        "campaign", "stage", "number", "customer_id", "state", "agent", "name", "list", "priority", "timezone",
        "due_at", "attempted_at", "attempts", "disposition", "fields")} == {
            "campaign": "renewals", "stage": "first-call", "number": N, "customer_id": None, "state": "open",
            "agent": "1001", "name": "Ana gnor", "list": "May", "priority": 7, "timezone": "Europe/Belgrade",
            "due_at": T, "attempted_at": None, "attempts": 0, "disposition": None, "fields": {"contract": "77"}}
    for change, state, other in (
        (lambda: desk.contacts.set_open(N, STAGE, False), "closed", "open"),
        (lambda: desk.contacts.set_open(N, STAGE, True), "open", "open"),
        (lambda: desk.contacts.remove(N, OTHER), "open", "removed"),
        (lambda: desk.contacts.remove(N), "removed", "removed"),
        (lambda: desk.imports(STAGE, N) or desk.tell(type="contact", number=N), "open", "removed"),
    ):
        change()
        desk.record()
        assert desk.states() == {f"{STAGE}/{N}": state, f"{OTHER}/{N}": other}
    assert desk.contacts.set_attempted(N, STAGE, T + 5)
    desk.record()
    assert desk.rows()[f"{STAGE}/{N}"]["attempted_at"] == T + 5


def test_what_changes_nothing_tells_nothing(desk: Desk) -> None:
    desk.imports(STAGE, N)
    assert desk.contacts.set_open(N, STAGE, True) is False
    assert desk.contacts.remove(M) == []
    assert desk.client.xlen(keys.EVENTS) == 0
    assert desk.contacts.set_open(N, STAGE, False) is True
    [(_place, event)] = stream.read(desk.client, stream.BEGINNING)
    assert (event["type"], event["number"], event["what"]) == ("contact", N, "closed")


def test_order_and_repetition_change_nothing(desk: Desk) -> None:
    desk.imports(STAGE, N, M)
    for open_ in (False, True, False):
        desk.contacts.set_open(N, STAGE, open_)
    desk.contacts.remove(M)
    told = [event for _place, event in stream.read(desk.client, stream.BEGINNING)]
    for event in [*told[::-1], *told]:
        stream.add(desk.client, [stream.encode(event)])
        desk.record()
    # M was gone before anybody looked.
    assert desk.states() == {f"{STAGE}/{N}": "closed"}


def test_killed_between_events_and_contacts_it_brings_them_again(desk: Desk) -> None:
    desk.imports(STAGE, N)
    desk.contacts.set_open(N, STAGE, False)
    desk.recorder = Recorder(GroupReader(desk.client), Keeper(desk.database, str), block_s=0.01,
                             contacts=lambda _numbers: os_kill())
    with pytest.raises(Killed):
        desk.record()
    assert desk.states() == {}
    desk.again()
    desk.record()
    assert desk.states() == {f"{STAGE}/{N}": "closed"}


class Killed(BaseException):
    pass


def os_kill() -> None:
    raise Killed


def test_malformed_events_stop_nothing(desk: Desk) -> None:
    desk.imports(STAGE, N)
    desk.tell(type="contact", number=["x"])
    desk.tell(type="contact")
    desk.tell(type="contact", number="nobody\0")
    desk.tell(type="contact", number=N)
    desk.record()
    assert desk.states() == {f"{STAGE}/{N}": "open"}
    assert Keeper(desk.database, str).quarantined() == 1


# What the memory alone knows


def attempt(desk: Desk, id_: str, number: str = N, **more: Any) -> None:
    desk.tell(**{"type": "attempt", "id": id_, "number": number, "agent": "1001", "outcome": "failed", "at": T,
                 "campaign": "renewals", "stage": "first-call"} | more)


def test_attempts_count_once_before_and_after_the_contact_is_there(desk: Desk) -> None:
    desk.imports(STAGE, N, M)
    attempt(desk, "a1")
    attempt(desk, "a2", at=T + 60)
    desk.record()
    desk.mirror.whole()
    id_ = f"{STAGE}/{N}"
    assert (desk.rows()[id_]["attempts"], desk.rows()[id_]["attempted_at"]) == (2, T + 60)
    attempt(desk, "a2", at=T + 60)
    attempt(desk, "a3", at=T + 30)
    attempt(desk, "a4", M, contact=id_)
    attempt(desk, "a5", campaign="other")
    desk.record()
    assert (desk.rows()[id_]["attempts"], desk.rows()[id_]["attempted_at"]) == (4, T + 60)
    assert desk.rows()[f"{STAGE}/{M}"]["attempts"] == 0
    desk.imports(STAGE, N, name="new")
    desk.mirror.whole()
    row = desk.rows()[id_]
    assert (row["attempts"], row["attempted_at"], row["name"]) == (4, T + 60, "new")


def test_a_disposition_stays_with_the_contact(desk: Desk) -> None:
    desk.imports(STAGE, N, M)
    desk.mirror.whole()

    def said(id_: str, number: str, words: str) -> None:
        def work(connection: Any) -> None:
            connection.execute(insert(schema.interactions).values(
                id=id_, number=number, started_at=T, contact=f"{STAGE}/{number}"))
            interactions.dispose(connection, interactions.get(connection, id_), words, "1001", T)
        desk.database.write(work)

    said("u1", N, "sold")
    assert desk.rows()[f"{STAGE}/{N}"]["disposition"] == "sold"
    said("u2", "+381650000000", "not now")  # no contact yet
    desk.imports(STAGE, N, "+381650000000", name="new")
    desk.mirror.whole()
    assert {row["number"]: (row["disposition"], row["name"]) for row in desk.rows().values()} == {
        N: ("sold", "new"), M: (None, None), "+381650000000": ("not now", "new")}


def test_contacts_are_their_customers(desk: Desk) -> None:
    made = desk.database.write(lambda connection: customers.create(
        connection, Draft({"name": "Ana"}, (GivenNumber(N), )), by="", at=T))
    desk.imports(STAGE, N, M)
    desk.mirror.whole()
    assert {row["number"]: row["customer_id"] for row in desk.rows().values()} == {N: made.id, M: None}
    late = desk.database.write(lambda connection: customers.create(
        connection, Draft({"name": "Eva"}, (GivenNumber(M), )), by="", at=T))
    desk.mirror.whole()
    assert desk.rows()[f"{STAGE}/{M}"]["customer_id"] == late.id


# All of them


def test_imports_show_when_they_are_whole(desk: Desk) -> None:
    desk.imports(STAGE, *numbers(300), name="old")
    assert desk.mirror.due()
    done = desk.mirror.whole()
    assert (done.read, done.counts, done.phase) == (300, {"added": 300}, "done")
    assert not desk.mirror.due()
    with pytest.raises(Killed), Import(desk.client, STAGE) as bulk:
        bulk.write([(number, Entry(name="new")) for number in numbers(400)])
        desk.mirror.whole()
        assert {row["name"] for row in desk.rows().values()} == {"old"} and len(desk.rows()) == 300
        raise Killed
    assert desk.mirror.whole().counts == {}
    assert len(desk.rows()) == 300
    desk.imports(STAGE, *numbers(400), name="new")
    soon(desk.mirror.due)
    assert desk.mirror.whole().counts == {"added": 100, "changed": 300}
    assert desk.mirror.whole().counts == {}
    for key in [keys.contacts(number) for number in numbers(150)]:
        desk.client.delete(key)  # nobody was told
    assert desk.mirror.whole().counts == {"removed": 150}
    assert sorted(desk.states().values()) == ["open"] * 250 + ["removed"] * 150
    assert desk.mirror.whole().counts == {}
    # Of none of them an event was told.
    assert desk.client.xlen(keys.EVENTS) == 0


def test_an_import_that_was_killed_never_shows(desk: Desk, redis_server: Any) -> None:
    desk.imports(STAGE, *numbers(20), name="old")
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests/state/import_slowly.py"), redis_server.url, STAGE, "0"],
        stdout=subprocess.PIPE, cwd=ROOT)
    for _page in range(5):
        process.stdout.readline()
    process.kill()
    process.wait(20)
    process.stdout.close()
    desk.mirror.whole()
    assert {row["name"] for row in desk.rows().values()} == {"old"} and len(desk.rows()) == 20


class DyingPages(ContactPages):
    """Ends after so many pages."""

    left = 3

    def page(self, place: int) -> Page:
        self.left -= 1
        if self.left < 0:
            raise Killed
        return super().page(place)


def test_interrupted_it_goes_on_where_it_was(desk: Desk) -> None:
    desk.imports(STAGE, *numbers(2000))
    clock = iter(range(10**9))  # each look at it is a second later
    first = ContactMirror(DyingPages(desk.client, at_once=100), desk.database, clock=lambda: T + next(clock))
    with pytest.raises(Killed):
        first.whole()
    begun = desk.database.read(load_progress)
    assert begun.phase == "there" and 0 < begun.read < 1000 and len(desk.rows()) >= begun.read
    assert desk.mirror.due()
    looked = 0

    class Counting(ContactPages):
        def page(self, place: int) -> Page:
            nonlocal looked
            found = super().page(place)
            looked += len(found.numbers)
            return found

    done = ContactMirror(Counting(desk.client, at_once=100), desk.database).whole()
    assert done.began_at == begun.began_at
    assert looked <= 2000 - begun.read + 200
    assert len(desk.rows()) == 2000
    # Of another run of Redis the place is worth nothing.
    desk.imports(STAGE, *numbers(2000), name="new")
    with pytest.raises(Killed):
        ContactMirror(DyingPages(desk.client, at_once=100), desk.database, clock=lambda: T + next(clock)).whole()

    class OfAnother(Counting):
        def run(self) -> str:
            return "another"

    looked = 0
    ContactMirror(OfAnother(desk.client, at_once=100), desk.database).whole()
    assert looked >= 2000
    assert {row["name"] for row in desk.rows().values()} == {"new"}


def test_told_to_stop_it_stops_at_a_page(desk: Desk) -> None:
    desk.imports(STAGE, *numbers(100))
    desk.mirror.stop()
    assert desk.mirror.whole() is None
    assert desk.rows() == {}


def test_what_changes_while_it_is_read_is_read_again(desk: Desk) -> None:
    desk.imports(STAGE, *numbers(10))
    first = numbers(10)[0]

    class Late(ContactPages):
        """Hands out what has just changed, and been recorded since."""

        late = True

        def read(self, some: Any) -> Any:
            found = super().read(some)
            if self.late:
                self.late = False
                desk.contacts.set_open(first, STAGE, False)
                desk.record()
                assert desk.states() == {f"{STAGE}/{first}": "closed"}
            return found

    ContactMirror(Late(desk.client), desk.database).whole()
    assert desk.states()[f"{STAGE}/{first}"] == "closed"


def test_what_cannot_be_read_or_kept_stops_nothing_and_is_let_be(desk: Desk) -> None:
    some = numbers(5)
    desk.imports(STAGE, *some)
    desk.mirror.whole()
    desk.client.set(keys.contacts(some[0]), b"\xc1garbage")
    desk.client.set(keys.contacts(some[1]), pack({"no-stage": Entry()}))
    desk.client.set(keys.contacts(some[2]), pack({STAGE: Entry(due_at=float("nan"))}))
    desk.client.set(keys.contacts("\0"), pack({STAGE: Entry(name="nul")}))
    desk.client.set(keys.contacts(some[3]), pack({STAGE: Entry(name="a\0b\n", fields={"x\0": "y\0"}, priority=2**40)}))
    desk.client.delete(keys.contacts(some[4]))
    with capture_logs() as logs:
        desk.mirror.whole()
    assert {"bad_value", "contact_not_mirrored"} <= {log["event"] for log in logs}
    assert not any(number in str(logs) for number in some)
    rows = {row["number"]: row for row in desk.rows().values()}
    assert [rows[number]["state"] for number in some] == ["open"] * 4 + ["removed"]
    assert (rows[some[3]]["name"], rows[some[3]]["fields"], rows[some[3]]["priority"]) == ("ab", {"x": "y"}, 0)
    assert len(rows) == 5


def test_it_reads_all_after_imports_and_now_and_then(desk: Desk) -> None:
    now = [T]
    mirror = ContactMirror(desk.pages, desk.database, every_s=600, clock=lambda: now[0])
    assert mirror.due()
    mirror.whole()
    now[0] += 599
    assert not mirror.due()
    now[0] += 2
    assert mirror.due()
    mirror.whole()
    desk.imports(STAGE, N)
    assert mirror.due()
    mirror.whole()
    with Import(desk.client, STAGE) as bulk:
        bulk.write([(M, Entry())])
        assert not mirror.due()
    assert mirror.due()
    never = ContactMirror(desk.pages, desk.database, every_s=0, clock=lambda: now[0] + 10**7)
    mirror.whole()
    assert not never.due()


# Erasing


def test_the_erased_come_back_only_with_another_import(desk: Desk, fsapp: Any, tmp_path: Any, monkeypatch: Any) -> None:
    for name in ("recordings", "cdr"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"FSAPP_{name.upper()}", str(tmp_path / name))
    desk.imports(STAGE, N, M)
    desk.contacts.set_open(N, STAGE, False)
    desk.record()
    desk.mirror.whole()
    assert len(desk.rows()) == 2

    class BeforeErasing(ContactPages):
        """Hands out what there was just before the person was erased."""

        erased = False

        def read(self, some: Any) -> Any:
            found = super().read(some)
            if N in some and not self.erased:
                self.erased = True
                fsapp("privacy", "erase", N, "--yes")
            return found

    ContactMirror(BeforeErasing(desk.client), desk.database).whole(anew=True)
    assert {row["number"] for row in desk.rows().values()} == {M}
    stream.add(desk.client, [stream.encode({"type": "contact", "id": "late", "at": T, "number": N, "what": "closed"})])
    desk.record()
    desk.mirror.whole()
    assert {row["number"] for row in desk.rows().values()} == {M}
    desk.imports(STAGE, N)
    desk.mirror.whole()
    assert {row["number"] for row in desk.rows().values()} == {M, N}
    desk.contacts.remove(N)
    desk.record()
    assert {row["number"] for row in desk.rows().values()} == {M}  # who was erased once leaves no trace


# By hand, and in reports


def test_the_command_and_the_report_of_campaigns(desk: Desk, fsapp: Any) -> None:
    desk.imports(STAGE, *numbers(30))
    said = fsapp("records", "contacts")
    assert {name: said[name] for name in ("read", "added", "changed", "removed")} == {
        "read": 30, "added": 30, "changed": 0, "removed": 0}
    first, second, third = numbers(3)
    where = ("--campaign", "renewals", "--stage", "first-call")
    fsapp("contacts", "close", first, *where)
    fsapp("contacts", "remove", second, *where)
    fsapp("attempts", "record", third, "--agent", "1001", "--outcome", "talked", "--talked-s", "60", *where)
    fsapp("attempts", "record", third, "--agent", "1001", "--outcome", "failed", *where)
    desk.record()
    report = fsapp("report", "campaigns", "--by", "stage")
    assert [{name: row[name] for name in ("stage", "contacts", "open", "closed", "untried", "attempts", "talked")}
            for row in report["rows"]] == [
                {"stage": STAGE, "contacts": 29, "open": 28, "closed": 1, "untried": 28, "attempts": 2, "talked": 1}]
    assert fsapp("records", "contacts", "--anew")["removed"] == 0


# The process, killed


@pytest.fixture
def recorder(redis_server: Any, database_url: str, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    running = []

    def start() -> Any:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("FSAPP_")} | {
            "FSAPP_REDIS_URL": redis_server.url, "FSAPP_DATABASE_URL": database_url,
            "FSAPP_RECORDER_HTTP": "127.0.0.1:0"}
        with (tmp_path / f"log{len(running)}").open("wb") as log:
            running.append(subprocess.Popen(
                [sys.executable, "-m", "fsapp", "recorder", "--json"], cwd=ROOT, env=environ, stdout=log, stderr=log))
        return SimpleNamespace(process=running[-1], log=tmp_path / f"log{len(running) - 1}")

    yield start
    for process in running:
        process.kill()
        process.wait(20)


def test_a_recorder_killed_in_the_middle_ends_with_what_redis_has(
    desk: Desk, recorder: Callable[[], Any],
) -> None:
    some = numbers(12_000)
    desk.imports(STAGE, *some)

    def count() -> int:
        query = select(func.count()).select_from(schema.contacts)
        return desk.database.read(lambda connection: connection.execute(query).scalar_one())

    def until(what: Callable[[], Any], log: Path) -> None:
        with gevent.Timeout(60, AssertionError(log.read_text())):
            while not what():
                gevent.sleep(0.01)

    first = recorder()
    until(lambda: count() > 500, first.log)
    first.process.kill()
    first.process.wait(20)
    assert count() < len(some)
    desk.imports(STAGE, *some[:50], *numbers(100, 50_000_000), name="new")
    desk.contacts.set_open(some[0], STAGE, False)
    desk.contacts.remove(some[1])
    second = recorder()
    wanted = len(some) + 100 - 1

    def right() -> bool:
        rows = desk.rows()
        return (sum(row["state"] != "removed" for row in rows.values()) == wanted
                and sum(row["name"] == "new" for row in rows.values() if row["state"] != "removed") == 149
                and rows[f"{STAGE}/{some[0]}"]["state"] == "closed")

    until(right, second.log)
    started = time.time()
    desk.contacts.set_open(some[2], STAGE, False)
    until(lambda: desk.rows()[f"{STAGE}/{some[2]}"]["state"] == "closed", second.log)
    assert time.time() >= started
