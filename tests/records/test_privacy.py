"""One person taken out, or erased, wherever there is something of them; what is too old goes; who looked is known."""

from __future__ import annotations

import json
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import msgpack
import pytest
from gevent.event import Event
from sqlalchemy import insert, select
from structlog.testing import capture_logs

from fsapp.cli.root import main
from fsapp.core.model import Right, Sticky
from fsapp.core.recording import file_name
from fsapp.core.task import Task, TaskKind
from fsapp.core.task_life import Changed
from fsapp.records import outbox, schema
from fsapp.records.channels import Told, keep
from fsapp.records.database import Database
from fsapp.records.keeping import Keeper
from fsapp.records.person import HOW, KEPT
from fsapp.records.retention import KINDS
from fsapp.rules import load_folder
from fsapp.settings import Settings
from fsapp.state import keys, stream
from fsapp.state.contacts import Entry, pack
from fsapp.state.rules import RulesStore
from fsapp.state.store import Store
from fsapp.state.tasks import Tasks

N, SECOND, OTHER = "+381601234567", "+381641112222", "+381699998888"
TRACES = ("601234567", "641112222", "0641112222", "Ana Petr")


def put(connection: Any, name: str, *rows: dict[str, Any]) -> None:
    for row in rows:
        connection.execute(insert(schema.METADATA.tables[name]), row)


def number_of(raw: str) -> str:
    return "+381" + raw[1:] if raw.startswith("0") else raw


def a_call(uuid: str, at: float, number: str = N, *, over: bool = True) -> list[dict[str, Any]]:
    about = {"call": uuid, "switch": "main", "queue": "helpdesk@fsapp", "member": f"m-{uuid}"}
    events: list[dict[str, Any]] = [
        {"type": "call_routed", "id": f"d-{uuid}", "at": at, "call": uuid, "caller": number, "called": "+381115550300",
         "name": "Eva" if number == OTHER else "Ana Petrović", "class": "service", "reason": "service-line",
         "line": "helpdesk", "queue": "helpdesk@fsapp", "trace": [["number", f"{number} calls", "so"]],
         "facts": {"contacts": [number]}},
        {"type": "queue_joined", "id": f"m-{uuid}:joined", "at": at + 0.1, "number": "0" + number[4:], **about},
        {"type": "call_answered", "id": f"m-{uuid}:answered", "at": at + 1, "agent": "1005", "waited_s": 0.9, **about,
         "contact": f"renewals/first-call/{number}"},
    ]
    return [*events, *the_end(uuid, at, number)] if over else events


def the_end(uuid: str, at: float, number: str = N) -> list[dict[str, Any]]:
    about = {"call": uuid, "switch": "main", "queue": "helpdesk@fsapp", "member": f"m-{uuid}"}
    return [
        {"type": "talk_ended", "id": f"m-{uuid}:talked", "at": at + 60, "agent": "1005", "talked_s": 59.0,
         "number": number, **about},
        {"type": "call_hung_up", "id": f"{uuid}:hung-up", "at": at + 61, "call": uuid, "switch": "main",
         "direction": "inbound", "number": "0" + number[4:], "called": "0115550300", "lasted_s": 61.0,
         "answered_s": 60.0, "cause": "NORMAL_CLEARING",
         "variables": {"fsapp_contact": f"renewals/first-call/{number}"}},
    ]


def recording(uuid: str, number: str, kind: str = "service") -> str:
    return file_name(datetime(2026, 11, 1, 9, tzinfo=UTC), kind, "helpdesk", number, uuid)


class Centre:
    """All the places in which a person can be, and the command line."""

    def __init__(self, client: Any, database: Database, folder: Path, monkeypatch: Any, capsys: Any) -> None:
        self.client, self.database, self.folder, self._capsys = client, database, folder, capsys
        self.recordings, self.cdr = folder / "recordings", folder / "cdr"
        for path in (self.recordings, self.cdr):
            path.mkdir()
            monkeypatch.setenv(f"FSAPP_{path.name.upper()}", str(path))
        self.keeper = Keeper(database, number_of)
        RulesStore(client).load(load_folder("conf/rules"), "", "", "conf/rules")

    def fsapp(self, *words: str) -> Any:
        with pytest.raises(SystemExit) as left:
            main(list(words))
        out, err = self._capsys.readouterr()
        return SimpleNamespace(status=left.value.code or 0, out=out, faults=err.splitlines())

    def tell(self, *events: dict[str, Any], record: bool = True) -> None:
        """Put events into the stream; the recorder has read all of it, or nothing more."""
        before = self.client.xlen(keys.EVENTS)
        stream.add(self.client, [stream.encode(event) for event in events])
        if record:
            entries = self.client.xrange(keys.EVENTS)[before:]
            self.keeper.keep([(place.decode(), fields[stream.FIELD]) for place, fields in entries])

    def file(self, name: str) -> Path:
        path = self.recordings / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"RIFF")
        return path

    def everything(self) -> str:
        """All that is anywhere, as one text."""
        said = []
        for name, table in schema.METADATA.tables.items():
            for row in self.database.read(lambda connection, table=table: connection.execute(select(table)).all()):
                said.append(f"{name} {[_readable(value) for value in row]}")
        for key in self.client.scan_iter():
            kind = self.client.type(key).decode()
            if b"{rules}" in key:
                continue
            value = {"string": self.client.get, "hash": self.client.hgetall, "stream": self.client.xrange,
                     "zset": lambda key: self.client.zrange(key, 0, -1),
                     "list": lambda key: self.client.lrange(key, 0, -1)}[kind](key)
            said.append(f"{key.decode()} {_readable(value)}")
        said += [f"{path} {path.read_bytes()!r}" for path in sorted(self.folder.rglob("*"))
                 if path.is_file() and path.suffix != ".zip" and "fsapp.db" not in path.name]
        return "\n".join(said)

    def rows(self, name: str) -> list[dict[str, Any]]:
        table = schema.METADATA.tables[name]
        return [dict(row) for row in self.database.read(
            lambda connection: connection.execute(select(table)).mappings().all())]


def _readable(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return repr(msgpack.unpackb(value, strict_map_key=False))
        except Exception:  # noqa: BLE001  it is something else
            return repr(value)
    if isinstance(value, dict):
        return {_readable(key): _readable(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_readable(one) for one in value]
    return value


@pytest.fixture
def centre(redis_server: Any, redis_client: Any, database: Database, database_url: str, tmp_path: Path,
           monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Centre:
    monkeypatch.setenv("FSAPP_REDIS_URL", redis_server.url)
    monkeypatch.setenv("FSAPP_DATABASE_URL", database_url)
    return Centre(redis_client, database, tmp_path, monkeypatch, capsys)


@pytest.fixture
def full(centre: Centre) -> Centre:
    """A centre where Ana has been in everything, and Eva in some of it."""
    now = time.time()

    def work(connection: Any) -> None:
        put(connection, "customers",
            {"id": "ana", "name": "Ana Petrović", "email": "ana@example.com", "made_at": 1.0, "fields": {"street": 1}},
            {"id": "eva", "name": "Eva", "made_at": 1.0})
        connection.execute(insert(schema.customer_numbers), [
            {"number": N, "customer_id": "ana", "place": 0}, {"number": SECOND, "customer_id": "ana", "place": 1},
            {"number": OTHER, "customer_id": "eva", "place": 0}])

    centre.database.write(work)
    centre.tell(
        *a_call("u1", now - 5000), *a_call("u2", now - 4000, SECOND), *a_call("eva", now - 3000, OTHER),
        {"type": "attempt", "id": "a1", "at": now - 900, "task": "t1", "number": N, "agent": "1001",
         "outcome": "talked", "result": "talked", "contact": f"renewals/first-call/{N}"},
        {"type": "task", "id": "t1:made", "at": now - 950, "task": "t1", "what": "made", "kind": "lost",
         "state": "open", "number": N, "place": "helpdesk", "due_at": now, "made_at": now, "note": "Ana Petrović asks"},
        {"type": "direct_callback", "id": "r1", "at": now - 900, "number": N, "agent": "1001", "effect": "arises"},
        {"type": "stickiness", "id": "s1", "at": now - 900, "number": N, "agent": "1005", "place": "helpdesk"},
        {"type": "survey_answered", "id": "q1", "at": now - 900, "call": "u1", "caller": N, "flow": "main",
         "block": "ask", "value": 4},
        {"type": "voicemail_left", "id": "v1", "at": now - 900, "call": "u1", "caller": N, "flow": "main",
         "block": "say", "line": "helpdesk", "file": recording("u1", N, "voicemail")},
        {"type": "call_hung_up", "id": "bad", "at": "never", "call": "u1", "number": N})

    def more(connection: Any) -> None:
        put(connection, "contacts", {"id": f"renewals/first-call/{N}", "campaign": "renewals", "stage": "first-call",
                                     "number": N, "state": "open"})
        put(connection, "tickets", {"id": "k1", "customer_id": "ana", "number": SECOND, "state": "open",
                                    "subject": "Ana Petrović", "opened_at": 1.0})
        put(connection, "notes",
            {"id": "n1", "customer_id": "ana", "at": 1.0, "text": "Ana Petrović"},
            {"id": "n2", "interaction_id": "u2", "at": 1.0, "text": "Ana Petrović"},
            {"id": "n3", "ticket_id": "k1", "at": 1.0, "text": "Ana Petrović"},
            {"id": "n4", "interaction_id": "eva", "at": 1.0, "text": "kept"})
        put(connection, "tags", {"kind": "customer", "subject_id": "ana", "tag": "vip"},
            {"kind": "interaction", "subject_id": "eva", "tag": "x"})
        put(connection, "dispositions", {
            "id": "p1", "interaction_id": "u1", "disposition": "sold", "at": 1.0, "note": "Ana Petrović",
            "contact": f"renewals/first-call/{N}"})
        put(connection, "followups", {"id": "f1", "interaction_id": "u1", "kind": "webhook", "state": "done",
                                      "made_at": 1.0, "payload": {"number": N}})
        put(connection, "access_log", {
            "id": "l1", "at": 1.0, "who": "cli:dejan", "what": "customer", "number": N, "customer_id": "ana"})

    centre.database.write(more)
    client, at = centre.client, datetime.now(UTC)
    client.set(keys.contacts(N), pack({"renewals/first-call": Entry(name="Ana Petrović", agent="1001")}))
    Store(client).put_right(N, Right("1002", at + timedelta(hours=1), "renewals", "first-call"))
    Store(client).put_sticky(SECOND, Sticky("1005", at))
    Tasks(client).change(N, lambda _tasks: Changed((Task(
        "t1", TaskKind.LOST, N, "helpdesk", at, at + timedelta(hours=1), at, name="Ana Petrović"),), ()))
    for name in (recording("u1", N), recording("u2", SECOND), recording("u1", N, "voicemail"), recording("eva", OTHER)):
        centre.file(name)
    for name, number in (("a", "0601234567"), ("b", "%2B381641112222"), ("c", OTHER)):
        (centre.cdr / f"{name}.cdr.json").write_text(json.dumps({"variables": {"caller_id_number": number}}))
    return centre


def test_every_table_is_thought_of() -> None:
    assert set(HOW) | set(KEPT) >= set(schema.METADATA.tables)
    for name, change in HOW.items():
        table = schema.METADATA.tables[name]
        for column in ("number", "customer_id", "contact", "note"):
            assert not change or column not in table.c or column in change or (name, column) in {
                ("access_log", "customer_id"), ("followups", "note")}, (name, column)


def test_what_is_kept_of_a_person_in_one_file(full: Centre) -> None:
    path = full.folder / "ana.zip"
    done = full.fsapp("privacy", "export", "064 111 2222", "--to", str(path))
    assert (done.status, done.faults) == (0, [])
    assert path.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(path) as folded:
        index = json.loads(folded.read("index.json"))
        assert set(index["files"]) | {"index.json"} == set(folded.namelist())
        assert index["numbers"] == [SECOND, N]
        tables = {name.split("/")[1].removesuffix(".json"): json.loads(folded.read(name))
                  for name in folded.namelist() if name.startswith("records/")}
        assert {name: len(rows) for name, rows in tables.items()} == {
            "customers": 1, "customer_numbers": 2, "interactions": 2, "decisions": 2, "queue_stays": 2, "notes": 3,
            "tags": 1, "tickets": 1, "tasks": 1, "attempts": 1, "customer_events": 2, "surveys": 1, "voicemails": 1,
            "contacts": 1, "dispositions": 1, "followups": 1, "access_log": 1}
        hot = {one["number"]: one for one in json.loads(folded.read("redis.json"))}
        assert hot[N]["contacts"]["renewals/first-call"]["name"] == "Ana Petrović"
        assert hot[N]["tasks"][0]["id"] == "t1" and hot[N]["rights"] and hot[SECOND]["sticky"]["agent"] == "1005"
        assert len(json.loads(folded.read("events.json"))) >= 10
        names = folded.namelist()
        assert sum(name.startswith("recordings/") for name in names) == 3
        assert {name for name in names if name.startswith("switch/")} == {"switch/a.cdr.json", "switch/b.cdr.json"}
        said = "".join(folded.read(name).decode() for name in names)
    assert OTHER not in said and "kept" not in said
    log = full.rows("access_log")[-1]
    assert (log["what"], log["number"], log["customer_id"]) == ("export", SECOND, "ana")


def test_a_person_is_erased_everywhere(full: Centre) -> None:
    before = {name: full.rows(name) for name in HOW}
    done = full.fsapp("privacy", "erase", "060/123-45-67", "--yes", "--json")
    assert (done.status, done.faults) == (0, [])
    told = json.loads(done.out)
    assert told["numbers"] == [N, SECOND] and told["recordings"] == 3 and told["cdr"] == 2 and told["redis_keys"] >= 4
    left = full.everything()
    for trace in TRACES:
        assert trace not in left, [line for line in left.splitlines() if trace in line]
    # Figures stay what they were.
    calls = {row["id"]: row for row in full.rows("interactions")}
    for row in before["interactions"]:
        same = {"agent", "outcome", "waited_s", "talked_s", "started_at", "queue", "called", "call_class"}
        assert {name: calls[row["id"]][name] for name in same} == {name: row[name] for name in same}
    assert calls["eva"] == next(row for row in before["interactions"] if row["id"] == "eva")
    for name in ("queue_stays", "surveys", "attempts", "dispositions", "decisions"):
        assert len(full.rows(name)) == len(before[name]), name
    assert [row["name"] for row in full.rows("customers")] == ["Eva"]
    assert [row["id"] for row in full.rows("notes")] == ["n4"]
    assert full.rows("quarantine") == []
    assert full.rows("tasks")[0]["state"] == "cancelled"
    assert [path.name for path in full.cdr.iterdir()] == ["c.cdr.json"]
    entry = next(row for row in full.rows("access_log") if row["what"] == "erasure")
    assert entry["who"].startswith("cli:") and entry["number"] is None and len(entry["subject"]) == 40
    again = full.fsapp("privacy", "erase", N, "--yes", "--json")
    assert again.status == 0 and json.loads(again.out)["redis_keys"] == 0


def test_reports_say_the_same_of_who_was_erased(centre: Centre) -> None:
    """Whom a caller was to reach is known to the first decision alone."""
    now = time.time()
    first, *others = a_call("u1", now - 3000)
    right = {"rights": [["1005", now + 3600, None, None]], "contacts": [["renewals", "first-call", True, "1005", None]]}
    centre.tell({**first, "class": "callback", "facts": right}, *others)
    report = ("report", "direct-callbacks", "--from", "3h", "--json")
    before = centre.fsapp(*report).out
    assert json.loads(before)["total"]["own_agent"] == 1
    assert centre.fsapp("privacy", "erase", N, "--yes").status == 0
    assert json.loads(centre.fsapp(*report).out)["total"] == json.loads(before)["total"]
    assert centre.rows("decisions")[0]["facts"] == {"rights": right["rights"]}
    centre.keeper.add([[{**first, "class": "callback", "facts": right}, *others]])
    assert json.loads(centre.fsapp(*report).out)["total"] == json.loads(before)["total"], "told again"


def test_nobody_is_told_of_who_was_erased(full: Centre) -> None:
    """What waits in the outbox, or failed, is about somebody who is no more."""
    def work(connection: Any) -> None:
        for id_, state in (("w1", "waiting"), ("w2", "failed")):
            put(connection, "followups", {
                "id": id_, "interaction_id": "u1", "rule": "sold", "kind": "webhook", "target": "crm", "state": state,
                "made_at": 1.0, "next_at": 1.0, "payload": {"number": N}})

    full.database.write(work)
    assert full.fsapp("privacy", "erase", N, "--yes").status == 0
    assert full.database.read(lambda connection: outbox.due(connection, time.time())) == []
    assert full.database.write(lambda connection: outbox.retry(connection, ["w1", "w2"], time.time())) == []
    rows = {row["id"]: row for row in full.rows("followups")}
    assert (rows["w1"]["state"], rows["w2"]["state"], rows["f1"]["state"]) == ("dropped", "dropped", "done")


def test_what_another_channel_tells_late_brings_nobody_back(full: Centre) -> None:
    now = time.time()
    assert full.fsapp("privacy", "erase", N, "--yes").status == 0
    told = Told("email", "1@x", now - 3600, now - 3600, number=N, email="ana@example.com", name="Ana Petrović",
                subject="Ana Petrović", agent="1005", fields={"text": "Ana Petrović"})
    full.database.write(lambda connection: keep(connection, told, by="crm", now=now))
    full.database.write(lambda connection: keep(
        connection, told._replace(id="2@x", at=now + 60, ended_at=now + 60), by="crm", now=now + 60))
    rows = {row["id"]: row for row in full.rows("interactions")}
    assert [rows["email:1@x"][name] for name in ("number", "name", "subject", "fields", "agent")] == [
        None, None, None, None, "1005"]
    assert (rows["email:2@x"]["number"], rows["email:2@x"]["name"]) == (N, "Ana Petrović"), "somebody new"


@pytest.mark.parametrize("killed_at", ["recordings.remove", "cdr_files.naming", "erase_rows"])
def test_an_erasure_that_was_killed_is_finished_by_the_next(
    full: Centre, monkeypatch: pytest.MonkeyPatch, killed_at: str,
) -> None:
    """By one of the numbers: what is the other's is found as well."""
    class Killed(Exception):
        pass

    def kill(*_: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(f"fsapp.app.privacy.{killed_at}", kill)
        with pytest.raises(Killed):
            main(["privacy", "erase", N, "--yes"])
    assert full.fsapp("privacy", "erase", N, "--yes").status == 0
    left = full.everything()
    assert not [trace for trace in TRACES if trace in left]


def test_a_number_is_read_by_the_folder_where_redis_is_away(full: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSAPP_REDIS_URL", "redis://127.0.0.1:1")
    done = full.fsapp("privacy", "erase", "060/123-45-67", "--yes")
    assert done.status == 1 and "Redis at redis://127.0.0.1:1/0 does not answer" in done.faults[0]
    assert full.fsapp("privacy", "access", "--number", "0601234567").status == 0


def test_an_id_with_the_number_in_it_is_said(full: Centre) -> None:
    for id_ in ("0601234567-1", "2"):
        told = Told("sms", id_, time.time() - 9, time.time() - 9, number=N)
        full.database.write(lambda connection, told=told: keep(connection, told, by="crm", now=time.time()))
    said = json.loads(full.fsapp("privacy", "erase", N, "--yes", "--json").out)["unreached"]
    assert [line for line in said if line.startswith("1 interactions whose id has the number in it")]


def test_erasing_asks_first(full: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert full.fsapp("privacy", "erase", N).status == 130
    assert full.fsapp("privacy", "erase", N, "--json").status == 2
    assert len(full.rows("customers")) == 2


def test_what_is_told_late_brings_nobody_back(full: Centre) -> None:
    """The same events again, from the switch's records say, and events that the recorder had not read."""
    now = time.time()
    unread = a_call("u3", now - 100)
    full.tell(*unread, record=False)
    told = json.loads(full.fsapp("privacy", "erase", N, "--yes", "--json").out)
    assert any("3 events" in line or "5 events" in line for line in told["unreached"]), told["unreached"]
    entries = full.client.xrange(keys.EVENTS)
    full.keeper.keep([(place.decode(), fields[stream.FIELD]) for place, fields in entries])
    full.keeper.add([[{**event, "cdr": True} for event in a_call("u1", now - 5000)], a_call("u4", now - 50, SECOND)])
    rows = {row["id"]: row for row in full.rows("interactions")}
    for call in ("u1", "u3", "u4"):
        assert rows[call]["number"] is None and rows[call]["name"] is None and rows[call]["talked_s"] == 59.0, call
    assert full.fsapp("privacy", "erase", N, "--yes").status == 0
    left = full.everything()
    assert not [trace for trace in TRACES if trace in left]


def test_who_is_calling_right_now(full: Centre) -> None:
    """The end of the call is told after the person was erased: it is recorded, without who it was."""
    now = time.time()
    full.tell(*a_call("now", now, over=False))
    full.client.hset(keys.floor("main", "calls"), "now", msgpack.packb({"uuid": "now", "number": "0601234567"}))
    full.client.hset(keys.floor("main", "calls"), "early", msgpack.packb({"uuid": "early", "number": "0601234567"}))
    told = json.loads(full.fsapp("privacy", "erase", N, "--yes", "--json").out)
    assert any(line.startswith("2 calls that go on") for line in told["unreached"])
    full.client.delete(keys.floor("main", "calls"))
    full.tell(*the_end("now", now + 5), *a_call("early", now + 5))
    rows = {row["id"]: row for row in full.rows("interactions")}
    assert (rows["now"]["number"], rows["now"]["talked_s"], rows["now"]["agent"]) == (None, 59.0, "1005")
    assert (rows["early"]["number"], rows["early"]["contact"], rows["early"]["talked_s"]) == (None, None, 59.0)
    assert full.rows("decisions")[-1]["facts"] is None
    json.loads(full.fsapp("privacy", "erase", N, "--yes", "--json").out)
    left = full.everything()
    assert not [trace for trace in TRACES if trace in left]


def test_who_calls_again_is_somebody_new(full: Centre) -> None:
    full.fsapp("privacy", "erase", N, "--yes")
    full.tell(*a_call("new", time.time() + 10))
    row = next(row for row in full.rows("interactions") if row["id"] == "new")
    assert (row["number"], row["name"], row["customer_id"]) == (N, "Ana Petrović", None)


def test_somebody_nobody_knows(centre: Centre) -> None:
    done = centre.fsapp("privacy", "erase", OTHER, "--yes")
    assert done.status == 0 and "0 keys and 0 events removed" in done.out
    assert "is no number" in centre.fsapp("privacy", "erase", "hello", "--yes").faults[0]
    (centre.recordings).rmdir()
    assert "not reached: recordings: " in centre.fsapp("privacy", "erase", OTHER, "--yes").out


def test_what_is_too_old_goes(full: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    old = {
        "interactions": {"id": "old", "started_at": 1.0}, "notes": {"id": "old", "at": 1.0, "text": "x"},
        "decisions": {"id": "old", "at": 1.0, "interaction_id": "eva"},
        "tickets": {"id": "old", "state": "closed", "opened_at": 1.0, "closed_at": 2.0},
        "voicemails": {"id": "old", "at": 1.0, "file": recording("old", OTHER, "voicemail")},
        "surveys": {"id": "old", "at": 1.0}, "attempts": {"id": "old", "at": 1.0},
        "dispositions": {"id": "old", "at": 1.0, "disposition": "x"},
        "tasks": {"id": "old", "changed_at": 1.0, "closed_at": 1.0, "told": "x"},
        "customer_events": {"id": "old", "at": 1.0, "type": "stickiness"},
        "followups": {"id": "old", "interaction_id": "eva", "kind": "x", "state": "done", "made_at": 1.0},
        "agent_statuses": {"id": "old", "agent": "1", "switch": "main", "status": "x", "at": 1.0},
        "agent_sessions": {"id": "old", "agent": "1", "switch": "main", "started_at": 1.0, "ended_at": 2.0},
        "agent_breaks": {"id": "old", "agent": "1", "switch": "main", "started_at": 1.0, "ended_at": 2.0},
        "access_log": {"id": "old", "at": 1.0, "who": "x", "what": "x"},
        "call_states": {"id": "old", "state": b"", "changed_at": 1.0},
        "quarantine": {"place": "1-0", "event": b"", "error": "x", "at": 1.0},
    }
    def clean(connection: Any) -> None:
        for name in ("notes", "dispositions", "followups", "access_log"):
            connection.execute(schema.METADATA.tables[name].update().values(
                **{"made_at" if name == "followups" else "at": time.time()}))
        for name, row in old.items():
            connection.execute(insert(schema.METADATA.tables[name]), row)
        connection.execute(insert(schema.tags), {"kind": "interaction", "subject_id": "old", "tag": "x"})

    full.database.write(clean)
    path = full.file(recording("old", OTHER, "voicemail"))
    before = {name: len(full.rows(name)) for name in old}
    planned = json.loads(full.fsapp("privacy", "purge", "--dry-run", "--json").out)
    assert planned["rows"] == dict.fromkeys(old, 1) and path.exists()
    assert {name: len(full.rows(name)) for name in old} == before
    monkeypatch.setenv("FSAPP_KEEP_NOTES_DAYS", "0")
    done = json.loads(full.fsapp("privacy", "purge", "--json").out)
    assert done["rows"] == {name: 1 for name in old if name != "notes"} and done["files"] == 1
    assert not path.exists()
    assert {name: len(full.rows(name)) for name in old} == {
        name: count - (name != "notes") for name, count in before.items()}
    assert not [row for row in full.rows("tags") if row["subject_id"] == "old"]
    assert {kind.table.name for kind in KINDS} == set(old)


def test_a_purge_goes_on_where_the_last_one_ended(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    centre.database.write(lambda connection: connection.execute(insert(schema.interactions), [
        {"id": f"c{n}", "started_at": 1.0} for n in range(2500)]))
    centre.database.write(lambda connection: connection.execute(insert(schema.queue_stays), [
        {"id": f"s{n}", "interaction_id": f"c{n}"} for n in range(2500)]))
    assert centre.fsapp("privacy", "purge").out.endswith("2500 rows removed\n")
    assert centre.rows("interactions") == [] and centre.rows("queue_stays") == [], "what is theirs goes with them"
    assert centre.fsapp("privacy", "purge").out == "0 rows removed\n"


def test_who_looked_at_what(full: Centre) -> None:
    full.fsapp("privacy", "export", N, "--to", str(full.folder / "x.zip"))
    found = json.loads(full.fsapp("privacy", "access", "--number", "064/1112222", "--json").out)["access"]
    assert [row["what"] for row in found] == ["export", "customer"]
    assert [row["who"] for row in json.loads(
        full.fsapp("privacy", "access", "--who", "cli:dejan", "--json").out)["access"]] == ["cli:dejan"]
    assert len(json.loads(full.fsapp("privacy", "access", "--since", "1h", "--json").out)["access"]) == 1
    full.fsapp("privacy", "erase", N, "--yes")
    found = json.loads(full.fsapp("privacy", "access", "--number", N, "--json").out)["access"]
    assert [row["what"] for row in found] == ["erasure"]
    assert "erasure" in full.fsapp("privacy", "access").out
    assert "time,who,what" in full.fsapp("privacy", "access", "--csv").out


def test_it_is_done_every_day(centre: Centre) -> None:
    """Also after a day on which the database was away."""
    from fsapp.app.retention import daily

    centre.database.write(lambda connection: connection.execute(insert(schema.interactions), [
        {"id": "old", "started_at": 1.0}]))
    stopping = Event()
    settings = Settings(recordings=str(centre.recordings))
    away = Database("sqlite:////nowhere/fsapp.db")
    with capture_logs() as logs:
        for database in (away, centre.database):
            running = gevent.spawn(daily, settings, database, stopping, first_s=0.001, every_s=0.001)
            with gevent.Timeout(20):
                awaited = "purge_failed" if database is away else "records_purged"
                while not any(log["event"] == awaited for log in logs):
                    gevent.sleep(0.01)
            stopping.set()
            running.join(20)
            stopping.clear()
    away.close()
    assert [log["interactions"] for log in logs if log["event"] == "records_purged"] == [1]
    assert centre.rows("interactions") == []
