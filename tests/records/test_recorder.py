"""The recorder: every event once, in whatever order, whoever is away; what cannot be written is put aside."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from typing import Any

import gevent
import msgpack
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from fsapp.cli.root import main
from fsapp.errors import RecordsUnavailable
from fsapp.metrics import REGISTRY
from fsapp.recorder.loop import Recorder
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.database_faults import said
from fsapp.records.keeping import Keeper
from fsapp.records.versions import migrate
from fsapp.state import keys, stream
from fsapp.state.group import GroupReader

T = 1_700_000_000.0
N = "+381601234567"


def number_of(raw: str) -> str:
    return "+381" + raw[1:] if raw.startswith("0") else raw


def call(uuid: str, at: float = T, *, agent: str = "1005", answered: bool = True) -> list[dict[str, Any]]:
    """The events of one call, in the order in which they happen."""
    about = {"call": uuid, "switch": "main", "queue": "helpdesk@fsapp", "member": f"m-{uuid}"}
    events: list[dict[str, Any]] = [
        {"type": "call_routed", "id": f"d-{uuid}", "at": at + 0.1, "call": uuid, "caller": N, "called": "+381115550300",
         "name": "Ana \U0001f600", "class": "service", "reason": "service-line", "line": "helpdesk", "visit": 0,
         "queue": "helpdesk@fsapp", "base_score": 101003540, "rules": 1, "degraded": False, "targets": [],
         "trace": [["number", "it is ours", "so"]], "facts": {}},
        {"type": "queue_joined", "id": f"m-{uuid}:joined", "at": at + 0.2, "number": "0601234567", **about},
        {"type": "agent_offered", "id": f"o-{uuid}", "at": at + 1, "agent": agent, **about},
    ]
    if answered:
        events += [
            {"type": "call_answered", "id": f"m-{uuid}:answered", "at": at + 3, "agent": agent, "waited_s": 2.8,
             **about},
            {"type": "talk_ended", "id": f"m-{uuid}:talked", "at": at + 63, "agent": agent, "talked_s": 60.0, **about},
        ]
    else:
        events.append({"type": "call_abandoned", "id": f"m-{uuid}:left", "at": at + 9, "reason": "BREAK_OUT",
                       "waited_s": 8.8, **about})
    return [*events, {"type": "call_hung_up", "id": f"{uuid}:hung-up", "at": at + 70, "call": uuid, "switch": "main",
                      "direction": "inbound", "number": "0601234567", "called": "0115550300", "lasted_s": 70.0,
                      "answered_s": 69.9, "cause": "NORMAL_CLEARING", "variables": {}}]


OTHERS: list[dict[str, Any]] = [
    {"type": "attempt", "id": "a1", "at": T, "task": "t1", "number": N, "agent": "1001", "responsible": "1002",
     "outcome": "talked", "result": "talked", "cause": "", "talked_s": 10.0, "campaign": "renewals", "stage": "x"},
    {"type": "task", "id": "t1:made", "at": T, "task": "t1", "what": "made", "kind": "lost", "state": "open",
     "number": N, "place": "helpdesk", "line": "helpdesk", "due_at": T, "expires_at": T + 9, "made_at": T, "tries": 0},
    {"type": "task", "id": "t1:tried", "at": T + 5, "task": "t1", "what": "tried", "kind": "lost", "state": "open",
     "number": N, "place": "helpdesk", "line": "helpdesk", "due_at": T + 60, "made_at": T, "tries": 1},
    {"type": "task", "id": "t1:closed", "at": T + 4, "task": "t1", "what": "closed", "kind": "lost", "state": "done",
     "number": N, "place": "helpdesk", "line": "helpdesk", "due_at": T + 60, "made_at": T, "tries": 1},
    {"type": "direct_callback", "id": "r1", "at": T, "number": N, "agent": "1001", "effect": "arises",
     "expires_at": T + 100, "campaign": "renewals", "stage": "first-call"},
    {"type": "stickiness", "id": "s1", "at": T, "number": N, "agent": "1005", "place": "helpdesk", "by": "talk"},
    {"type": "survey_answered", "id": "q1", "at": T, "call": "u1", "caller": N, "flow": "main", "block": "ask",
     "value": 4, "agent": "1005"},
    {"type": "voicemail_left", "id": "v1", "at": T, "call": "u9", "caller": "0601234567", "flow": "main",
     "block": "say", "line": "helpdesk", "file": "v.wav"},
    *({"type": "agent_status", "id": f"st{place}", "at": T + at, "agent": "1005", "switch": "main", "status": status,
       "reason": reason} for place, (at, status, reason) in enumerate([
           (0, "Available", ""), (10, "On Break", "lunch"), (20, "Available", ""), (30, "Logged Out", ""),
           (40, "Available", "")])),
    {"type": "wait_told", "id": "w", "at": T, "call": "u1"}, {"type": "of_another_day", "id": "x", "at": T},
]
EVENTS = [*call("u1"), *call("u2", T + 5, answered=False), *OTHERS]


class Desk:
    """A recorder with its stream and database, stepped by the test."""

    def __init__(self, client: Any, database: Database) -> None:
        self.client = client
        self.database = database
        self.keeper = Keeper(database, number_of)
        self.recorder = self.again()

    def again(self, at_once: int = 7) -> Recorder:
        """Another recorder, as after the last one was killed."""
        self.recorder = Recorder(GroupReader(self.client), self.keeper, at_once=at_once, block_s=0.01)
        return self.recorder

    def tell(self, events: list[Any]) -> None:
        stream.add(self.client, [one if isinstance(one, bytes) else stream.encode(one) for one in events])

    def record(self) -> None:
        """Until there is nothing more to read."""
        while self.recorder.step():
            pass

    def rows(self, table: Any) -> list[dict[str, Any]]:
        query = select(table).order_by(*table.primary_key)
        return [dict(row) for row in self.database.read(lambda connection: connection.execute(query).mappings().all())]

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """All that events say: without when it was written and how far the stream was read."""
        skipped = {"recorder_positions", "quarantine"}
        return {
            table.name: [
                {name: msgpack.unpackb(value) if name == "state" and isinstance(value, bytes) else value
                 for name, value in row.items() if name != "changed_at" or table.name == "tasks"}
                for row in self.rows(table)]
            for table in schema.METADATA.sorted_tables if table.name not in skipped}


@pytest.fixture
def desk(redis_client: Any, database: Database) -> Desk:
    return Desk(redis_client, database)


def test_what_happened_is_in_the_memory(desk: Desk) -> None:
    desk.tell(EVENTS)
    desk.record()
    first, second, third = desk.rows(schema.interactions)
    assert (first["id"], first["number"], first["outcome"], first["agent"], first["waited_s"], first["talked_s"]) == (
        "u1", N, "answered", "1005", 2.8, 60.0)
    assert (first["started_at"], first["ended_at"], first["decision_id"]) == (T, T + 70, "d-u1")
    assert (second["outcome"], third["id"], third["outcome"]) == ("abandoned", "u9", "voicemail")
    assert [row["outcome"] for row in desk.rows(schema.queue_stays)] == ["answered", "abandoned"]
    assert [row["outcome"] for row in desk.rows(schema.offers)] == ["answered", None]
    assert desk.rows(schema.decisions)[0]["trace"] == [["number", "it is ours", "so"]]
    [task] = desk.rows(schema.tasks)
    assert (task["state"], task["tries"], task["closed_at"]) == ("done", 1, T + 4), "what is over stays over"
    [attempt] = desk.rows(schema.attempts)
    assert (attempt["responsible"], attempt["agent"], attempt["talked_s"]) == ("1002", "1001", 10.0)
    assert [row["effect"] for row in desk.rows(schema.customer_events)] == ["arises", "talk"]
    assert [(row["value"], row["number"], row["agent"]) for row in desk.rows(schema.surveys)] == [("4", N, "1005")]
    assert [row["number"] for row in desk.rows(schema.voicemails)] == [N]
    assert [(row["started_at"] - T, row["ended_at"] and row["ended_at"] - T)
            for row in sorted(desk.rows(schema.agent_sessions), key=lambda row: row["started_at"])] == [
        (0, 30), (40, None)]
    assert [(row["reason"], row["started_at"] - T, row["ended_at"] - T) for row in desk.rows(schema.agent_breaks)] == [
        ("lunch", 10, 20)]
    [position] = desk.rows(schema.recorder_positions)
    assert position["events"] == len(EVENTS) and position["gaps"] == 0
    assert desk.client.xpending(keys.EVENTS, "recorder")["pending"] == 0


def test_order_repetition_and_batches_change_nothing(desk: Desk) -> None:
    desk.tell(EVENTS)
    desk.record()
    expected = desk.everything()
    for seed in range(4):
        chance = random.Random(seed)
        for table in reversed(schema.METADATA.sorted_tables):
            desk.database.write(lambda connection, table=table: connection.execute(table.delete()))
        desk.client.delete(keys.EVENTS)
        told = [*EVENTS, *chance.choices(EVENTS, k=20)]
        chance.shuffle(told)
        desk.tell(told)
        desk.again(at_once=chance.choice([1, 3, 1000]))
        desk.record()
        assert desk.everything() == expected


def test_a_callback_is_about_the_call_and_not_its_leg_on_another_switch(desk: Desk) -> None:
    """The home of the queue has lost a call that was carried there, and knows it by its own leg."""
    carried, *_rest, hung = call("u1", answered=False)
    leg = [one | {"switch": "west"} for one in call("home-leg", answered=False)[1:]]
    leg[-1]["variables"] = {"fsapp_carried_call": "u1"}
    task = {"type": "task", "id": "t1:made", "at": T + 9, "task": "t1", "what": "made", "kind": "lost", "state": "open",
            "number": N, "place": "helpdesk", "due_at": T + 60, "made_at": T + 9, "tries": 0, "about": "home-leg"}
    arrived = {"type": "call_arrived", "id": "c1", "at": T + 0.1, "call": "home-leg", "switch": "west",
               "carried_call": "u1", "queue": "helpdesk@fsapp"}
    later = task | {"id": "t1:tried", "at": T + 80, "what": "tried", "tries": 1}
    *waits, ends = leg
    for told in ([carried, arrived, *leg, task, hung, later], [carried, task, *waits, later, arrived, ends, hung]):
        for table in reversed(schema.METADATA.sorted_tables):
            desk.database.write(lambda connection, table=table: connection.execute(table.delete()))
        desk.client.delete(keys.EVENTS)
        for event in told:
            desk.tell([event])
            desk.record()
        [only] = desk.rows(schema.interactions)
        assert (only["id"], only["queue"]) == ("u1", "helpdesk@fsapp")
        assert [(row["about_id"], row["tries"]) for row in desk.rows(schema.tasks)] == [("u1", 1)]


def test_a_survey_call_that_was_given_up_and_answered_after_all(desk: Desk) -> None:
    lost = {"type": "attempt", "id": "s1", "at": T, "task": "t1", "number": N, "outcome": "failed", "result": "failed",
            "cause": "", "flow": "how", "line": "helpdesk"}
    asked = lost | {"at": T + 9, "outcome": "talked", "result": "asked"}
    hung = {"type": "call_hung_up", "id": "s1:hung-up", "at": T + 30, "call": "s1", "switch": "main",
            "direction": "outbound", "number": "+381115550300", "called": N, "lasted_s": 28.0, "answered_s": 20.0,
            "cause": "NORMAL_CLEARING", "variables": {"fsapp_customer": N, "fsapp_asks": "how", "fsapp_task": "t1"}}
    for at_once, told in ((1, (lost, asked, hung)), (9, (lost, asked, hung)), (9, (hung, asked, lost, asked)),
                          (1, (asked, hung, lost))):
        for table in reversed(schema.METADATA.sorted_tables):
            desk.database.write(lambda connection, table=table: connection.execute(table.delete()))
        desk.client.delete(keys.EVENTS)
        desk.tell(list(told))
        desk.again(at_once)
        desk.record()
        assert [(row["outcome"], row["result"], row["at"]) for row in desk.rows(schema.attempts)] == [
            ("talked", "asked", T + 9)]
        assert [(row["id"], row["outcome"]) for row in desk.rows(schema.interactions)] == [("s1", "hung-up")]


def test_killed_anywhere_it_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def dies(method: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            if not before:
                method(*args, **options)
            raise Killed
        return wrapped

    for place, (owner, name, before) in enumerate([
        (GroupReader, "new", False), (Keeper, "keep", True), (Keeper, "keep", False), (GroupReader, "finished", True),
        (GroupReader, "finished", False),
    ]):
        desk.tell(call(f"k{place}", T + place))
        with monkeypatch.context() as changed:
            changed.setattr(owner, name, dies(getattr(owner, name), before=before))
            with pytest.raises(Killed):
                desk.record()
        desk.again()
        desk.record()
        assert len(desk.rows(schema.interactions)) == place + 1
        assert desk.rows(schema.interactions)[place]["outcome"] == "answered"
    assert desk.client.xpending(keys.EVENTS, "recorder")["pending"] == 0


def test_a_poison_event_stops_nothing(desk: Desk, database_url: str, monkeypatch: Any, capsys: Any) -> None:
    poison = [b"\xc1 no msgpack", {"type": "call_routed", "id": "p1", "at": "never", "call": "u1"},
              {"type": "queue_joined", "id": "p2", "at": T, "call": "u1", "queue": "q"}, [1, 2],
              {"type": "task", "id": "p3", "at": T, "task": "t9", "tries": 2**40 * 3}]
    events = list(EVENTS)
    for place, one in enumerate(poison):
        events.insert(place * 5, one)
    desk.tell(events)
    desk.again(at_once=1000)
    desk.record()
    assert len(desk.rows(schema.interactions)) == 3
    aside = desk.rows(schema.quarantine)
    assert len(aside) in (4, 5), "SQLite's whole numbers are larger"
    assert desk.keeper.quarantined() == len(aside) and all(row["error"] and "\n" not in row["error"] for row in aside)
    assert desk.client.xpending(keys.EVENTS, "recorder")["pending"] == 0
    desk.again()
    desk.record()
    assert desk.rows(schema.quarantine) == aside, "it is looked at once"

    monkeypatch.setenv("FSAPP_DATABASE_URL", database_url)
    monkeypatch.setenv("FSAPP_REDIS_URL", "unix:///nowhere")

    def fsapp(*words: str) -> tuple[Any, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["records", "quarantine", *words])
        told = capsys.readouterr()
        return ended.value.code, told.out, told.err

    status, out, _err = fsapp("list", "--json")
    assert status == 0 and [one["place"] for one in json.loads(out)] == [row["place"] for row in aside]
    assert fsapp("list")[1].count("\n") == len(aside) + 1
    bad = next(row for row in aside if row["type"] == "call_routed")
    status, out, _err = fsapp("show", bad["place"])
    assert status == 0 and '"never"' in out and bad["error"] in out
    assert fsapp("show", "1-1")[0] == 1
    status, out, err = fsapp("retry")
    assert status == 1 and err.count("\n") == len(aside)
    assert {row["tries"] for row in desk.rows(schema.quarantine)} == {1}
    # What was wrong with this one has been mended meanwhile.
    mended = stream.encode({"type": "stickiness", "id": "late", "at": T, "number": N, "agent": "1001", "by": "hand"})
    desk.database.write(lambda connection: connection.execute(
        schema.quarantine.update().where(schema.quarantine.c.place == bad["place"]).values(event=mended)))
    status, out, _err = fsapp("retry", bad["place"], "--json")
    assert (status, json.loads(out)) == (0, {"written": [bad["place"]], "refused": []})
    assert "late" in {row["id"] for row in desk.rows(schema.customer_events)}
    assert fsapp("drop")[0] == 2
    status, out, err = fsapp("drop", "1-1")
    assert (status, out, err) == (1, "0 dropped\n", "fsapp: 1-1: is not in quarantine\n")
    assert fsapp("drop", next(row["place"] for row in aside if row != bad))[0] == 0
    assert json.loads(fsapp("drop", "--all", "--json")[1]) == {"dropped": len(aside) - 2}
    assert desk.rows(schema.quarantine) == []


def test_any_number_of_events_leave_the_quarantine(desk: Desk) -> None:
    """More than a statement takes values."""
    rows = [{"place": f"{place}-0", "event": b"x", "error": "bad", "at": T} for place in range(70_000)]
    desk.database.write(lambda connection: connection.execute(schema.quarantine.insert(), rows))
    assert desk.keeper.drop() == len(rows)
    assert desk.keeper.quarantined() == 0


def test_what_was_cut_off_unread_is_said_and_counted(desk: Desk) -> None:
    desk.tell(call("u1"))
    desk.record()
    desk.tell([*call("u2"), *call("u3")])
    desk.client.xtrim(keys.EVENTS, maxlen=4, approximate=False)
    desk.again()
    with capture_logs() as logs:
        desk.record()
    [said] = [one for one in logs if one["event"] == "events_cut_off"]
    assert "fsapp records reconcile" in said["advice"] and said["after"] < said["before"]
    assert desk.keeper.position().gaps == 1
    assert [row["id"] for row in desk.rows(schema.interactions)] == ["u1", "u3"]
    # Read, then cut off: nothing is lost.
    desk.client.xtrim(keys.EVENTS, maxlen=0)
    desk.again()
    desk.record()
    desk.tell(call("u4"))
    desk.record()
    assert desk.keeper.position().gaps == 1


def test_handed_out_and_cut_off_before_it_was_written(desk: Desk) -> None:
    desk.tell(call("u1"))
    desk.recorder.step()
    reader = GroupReader(desk.client)
    desk.tell(call("u2"))
    assert len(reader.new(100)) == 6, "handed out to one who is then killed"
    desk.client.xtrim(keys.EVENTS, maxlen=2, approximate=False)
    desk.again(at_once=100)
    with capture_logs() as logs:
        desk.record()
    assert [one["events"] for one in logs if one["event"] == "events_cut_off"] == [4]
    assert desk.client.xpending(keys.EVENTS, "recorder")["pending"] == 0
    assert desk.rows(schema.interactions)[-1]["id"] == "u2"


def test_a_database_that_was_put_back_gets_what_it_lacks(desk: Desk) -> None:
    desk.tell(EVENTS)
    desk.record()
    expected = desk.everything()
    for table in reversed(schema.METADATA.sorted_tables):
        desk.database.write(lambda connection, table=table: connection.execute(table.delete()))
    desk.again()
    desk.record()
    assert desk.everything() == expected


def test_a_redis_that_lost_everything_is_read_from_its_beginning(desk: Desk) -> None:
    desk.tell(call("u1"))
    desk.record()
    desk.client.flushall()
    desk.tell(call("u2"))
    while len(desk.rows(schema.interactions)) < 2:
        desk.recorder.step()
    assert [row["id"] for row in desk.rows(schema.interactions)] == ["u1", "u2"]


def test_a_clock_that_steps_back_in_the_middle_of_a_call(desk: Desk) -> None:
    """The switch's clock, an hour, at each event of the call in turn: lengths are none, or those that were told."""
    for place in range(len(call("u0"))):
        events = [{**event, "at": event["at"] - (3600 if after >= place else 0)}
                  for after, event in enumerate(call(f"u{place}"))]
        desk.tell(events)
    desk.record()
    assert desk.keeper.quarantined() == 0
    for row in desk.rows(schema.interactions):
        assert (row["outcome"], row["agent"], row["waited_s"], row["talked_s"]) == ("answered", "1005", 2.8, 60.0)
        assert row["ended_at"] >= row["started_at"] and row["lasted_s"] >= 0
    for row in desk.rows(schema.queue_stays):
        assert (row["outcome"], row["waited_s"], row["talked_s"]) == ("answered", 2.8, 60.0)
    assert len(desk.rows(schema.offers)) == len(desk.rows(schema.interactions)) == len(call("u0"))


@pytest.mark.parametrize("killed", [True, False])
def test_the_clock_of_redis_steps_back(desk: Desk, killed: bool) -> None:
    """Its places are times: what comes after it has lost its data as well stands before what was read last."""
    desk.tell(call("u1"))
    desk.record()
    desk.client.flushall()
    for place, event in enumerate([*call("u2"), *call("u3")]):
        desk.client.xadd(keys.EVENTS, {stream.FIELD: stream.encode(event)}, id=f"1000-{place + 1}")
        if killed:
            desk.again(at_once=2)
        desk.recorder.step()
    while len(desk.rows(schema.interactions)) < 3:
        desk.recorder.step()
    desk.record()
    assert [(row["id"], row["outcome"]) for row in desk.rows(schema.interactions)] == [
        ("u1", "answered"), ("u2", "answered"), ("u3", "answered")]
    assert desk.keeper.quarantined() == 0 and desk.keeper.position().gaps == 0
    assert desk.client.xpending(keys.EVENTS, "recorder")["pending"] == 0


def test_it_waits_for_a_database_that_is_away(redis_client: Any, postgresql: Any) -> None:
    url = postgresql.create()
    migrate(url)
    database = Database(url)
    desk = Desk(redis_client, database)
    desk.tell(call("u1"))
    desk.record()
    name = url.partition("/t")[2].partition("?")[0]
    postgresql._ask(f"ALTER DATABASE t{name} ALLOW_CONNECTIONS false")
    postgresql._ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 't{name}'")
    desk.tell(call("u2"))
    with capture_logs() as logs:
        for _ in range(3):
            assert not desk.recorder.step()
    assert [one["event"] for one in logs] == ["database_lost"], "it says so once"
    assert "FSAPP_DATABASE_URL" in desk.recorder.faults[0]
    postgresql._ask(f"ALTER DATABASE t{name} ALLOW_CONNECTIONS true")
    with capture_logs() as logs:
        while len(desk.rows(schema.interactions)) < 2:
            desk.recorder.step()
    assert [one["event"] for one in logs] == ["database_back"]
    assert desk.recorder.faults == [] and desk.keeper.position().events == 12
    database.close()
    postgresql.drop(url)


@pytest.mark.parametrize("written", [b"no database at all", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database_is_said(tmp_path: Any, written: bytes) -> None:
    (tmp_path / "broken.db").write_bytes(written)
    url = f"sqlite:///{tmp_path}/broken.db"
    database = Database(url)
    for work in (lambda: Keeper(database, number_of).position(), lambda: migrate(url)):
        with pytest.raises(RecordsUnavailable, match="is no database, or a broken one"):
            work()
    database.close()


def test_a_full_disk_and_a_folder_are_said(tmp_path: Any) -> None:
    full = OperationalError("", {}, sqlite3.OperationalError("disk I/O error"))
    assert "make room on its disk" in said(full, "sqlite:///var/fsapp.db")
    database = Database(f"sqlite:///{tmp_path}")
    with pytest.raises(RecordsUnavailable, match="cannot be opened"):
        Keeper(database, number_of).position()
    database.close()


def test_no_password_is_shown() -> None:
    database = Database("postgresql://fsapp:se:cret@127.0.0.1:1/x?password=secret2&sslpassword=secret3&sslmode=prefer")
    with pytest.raises(RecordsUnavailable) as said:
        database.read(lambda connection: connection.execute(text("SELECT 1")))
    for shown in (database.where, str(said.value)):
        assert "cret" not in shown and "127.0.0.1:1/x" in shown and "sslmode" in shown
    database.close()


@pytest.mark.parametrize("trouble", ["full", "read-only", "locked"])
def test_a_file_that_takes_no_more_loses_nothing(
    trouble: str, redis_client: Any, tmp_path: Any, monkeypatch: Any,
) -> None:
    from fsapp.records import database as module

    monkeypatch.setattr(module, "_BUSY_S", 0.05)
    url = f"sqlite:///{tmp_path}/fsapp.db"
    migrate(url)
    database = Database(url, threads=1)
    desk = Desk(redis_client, database)
    pages = database.read(lambda connection: connection.execute(text("PRAGMA page_count")).scalar())
    other = sqlite3.connect(f"{tmp_path}/fsapp.db", isolation_level=None)

    def pragma(what: str) -> None:
        database.read(lambda connection: connection.execute(text(f"PRAGMA {what}")))

    begin = {"full": lambda: pragma(f"max_page_count = {pages}"), "read-only": lambda: pragma("query_only = ON"),
             "locked": lambda: other.execute("BEGIN IMMEDIATE")}
    end = {"full": lambda: pragma("max_page_count = 1000000"), "read-only": lambda: pragma("query_only = OFF"),
           "locked": lambda: other.execute("ROLLBACK")}
    begin[trouble]()
    for place in range(200):
        desk.tell(call(f"u{place}", T + place))
    desk.again(at_once=2000)
    with capture_logs() as logs:
        assert not desk.recorder.step() and not desk.recorder.step()
    assert [one["event"] for one in logs] == ["database_busy" if trouble == "locked" else "database_lost"]
    assert {"full": "is full", "read-only": "cannot be written", "locked": "held by"}[trouble] in (
        logs[0].get("error") or logs[0]["why"])
    # Who has to wait has nothing wrong with it, as long as it does not fall behind.
    assert bool(desk.recorder.faults) is (trouble != "locked")
    assert desk.keeper.position() is None and desk.keeper.quarantined() == 0
    end[trouble]()
    desk.record()
    assert len(desk.rows(schema.interactions)) == 200
    other.close()
    database.close()


def test_how_far_behind_it_is(desk: Desk) -> None:
    desk.recorder.look()
    assert desk.recorder.faults == []
    desk.tell(call("u1"))
    stood = int(desk.client.xrange(keys.EVENTS, count=1)[0][0].partition(b"-")[0]) / 1000
    late = Recorder(GroupReader(desk.client), desk.keeper, block_s=0.01, clock=lambda: stood + 90)
    late.look()
    assert late.faults == ["the memory is 90 s behind the event stream: see how busy its database is"]
    assert REGISTRY.get_sample_value("fsapp_recorder_lag_seconds") == pytest.approx(90, abs=0.01)
    while late.step():
        pass
    late.look()
    assert late.faults == [] and REGISTRY.get_sample_value("fsapp_recorder_lag_seconds") == 0


def test_calls_are_known_to_be_a_customers(desk: Desk) -> None:
    def customer(connection: Any) -> None:
        connection.execute(schema.customers.insert(), {"id": "c1", "made_at": 1.0})
        connection.execute(schema.customer_numbers.insert(), {"number": N, "customer_id": "c1"})

    desk.database.write(customer)
    desk.tell(EVENTS)
    desk.record()
    for table in (schema.interactions, schema.tasks, schema.attempts, schema.voicemails, schema.customer_events):
        assert {row["customer_id"] for row in desk.rows(table)} == {"c1"}, table.name


def test_two_at_once_are_as_good_as_one(desk: Desk, database_url: str) -> None:
    desk.tell(EVENTS)
    desk.record()
    expected = desk.everything()
    for table in reversed(schema.METADATA.sorted_tables):
        desk.database.write(lambda connection, table=table: connection.execute(table.delete()))
    databases = [Database(database_url) for _ in range(3)]
    payloads = [(f"{place + 1}-0", stream.encode(event)) for place, event in enumerate(EVENTS)]

    def write(place: int) -> None:
        keeper, chance = Keeper(databases[place], number_of), random.Random(place)
        for one in chance.sample(payloads, len(payloads)):
            keeper.keep([one])

    with gevent.Timeout(60):
        for greenlet in gevent.joinall([gevent.spawn(write, place) for place in range(3)]):
            greenlet.get()
    assert desk.everything() == expected
    for one in databases:
        one.close()
