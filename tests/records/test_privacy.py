"""One person taken out, or erased, wherever there is something of them; what is too old goes; who looked is known."""

from __future__ import annotations

import json
import re
import time
import zipfile
from datetime import UTC, datetime
from typing import Any

import gevent
import msgpack
import pytest
from gevent.event import Event
from privacy_centre import OTHER, SECOND, TRACES, Centre, N, a_call, put, recording, the_end
from sqlalchemy import JSON, LargeBinary, insert
from structlog.testing import capture_logs

from fsapp.cli.root import main
from fsapp.core.task import Task, TaskKind
from fsapp.recorder.contacts import ContactMirror
from fsapp.records import outbox, schema
from fsapp.records.channels import Told, keep
from fsapp.records.database import Database
from fsapp.records.person import HOW, NOBODY, PACKED
from fsapp.records.retention import CLOSED, KINDS, too_old
from fsapp.rules import load_folder
from fsapp.settings import Settings
from fsapp.state import keys, stream
from fsapp.state.askers import Askers
from fsapp.state.contact_pages import ContactPages
from fsapp.state.contacts import Contacts, Entry, pack
from fsapp.state.person import OWN
from fsapp.state.rules import RulesStore


def test_every_table_is_thought_of() -> None:
    assert sorted((*HOW, *PACKED, *NOBODY)) == sorted(schema.METADATA.tables)
    for name, change in HOW.items():
        table = schema.METADATA.tables[name]
        for column in ("number", "customer_id", "contact", "note"):
            assert not change or column not in table.c or column in change or (name, column) in {
                ("access_log", "customer_id"), ("followups", "note")}, (name, column)
    of_persons = {"number", "caller", "customer_id", "interaction_id", "ticket_id", "contact", "email", "note", "text"}
    known = {"interaction_id", "about_id", "call_id"}  # each of them is looked after in `erased_ids`
    of_interactions = {column.name for table in schema.METADATA.tables.values() for column in table.c
                       if column.name.endswith(("interaction_id", "about_id", "call_id"))}
    assert of_interactions == known
    for name in NOBODY:
        table = schema.METADATA.tables[name]
        assert not of_persons & set(table.c.keys()), name
        assert not [column for column in table.c if isinstance(column.type, (JSON, LargeBinary))], name


def test_every_key_of_a_number_is_thought_of() -> None:
    named = set(re.findall(r"^\| `fsapp:\{NUMBER\}:([a-z-]+)`", keys.__doc__ or "", re.MULTILINE))
    assert set(OWN) == named and named
    assert {name: of(N) for name, of in OWN.items()} == {name: f"fsapp:{{{N}}}:{name}" for name in named}


def test_an_export_has_all_that_an_erasure_takes(full: Centre) -> None:
    """Whatever table, key or file loses something by an erasure is in the file that was written before it."""
    Askers(full.client).take(Task("x", TaskKind.AGAIN, OTHER, "helpdesk", *[datetime.now(UTC)] * 3, asked_by=N), 5)
    full.client.set(keys.heard(N), msgpack.packb(["h1"]))
    rows = {name: {_key(name, row): row for row in full.rows(name)} for name in schema.METADATA.tables}
    path = full.folder / "ana.zip"
    assert full.fsapp("privacy", "export", N, "--to", str(path)).status == 0
    with zipfile.ZipFile(path) as folded:
        tables = {name: {_key(name, row) for row in json.loads(folded.read(f"records/{name}.json"))}
                  for name in schema.METADATA.tables if f"records/{name}.json" in folded.namelist()}
        [mine, _second] = json.loads(folded.read("redis.json"))
        events = {event["place"] for event in json.loads(folded.read("events.json"))}
        files = [name for name in folded.namelist() if name.startswith(("recordings/", "switch/"))]
        said = folded.read("records/call_states.json").decode() + folded.read("records/quarantine.json").decode()
    assert mine["heard"] == ["h1"] and mine["asked"] == [OTHER]
    assert [name for name in OWN if not mine[name]] == ["sticky"], "that is the other number's"
    assert N in said and "never" in said
    before = {place.decode() for place, _fields in full.client.xrange(keys.EVENTS)}
    done = json.loads(full.fsapp("privacy", "erase", N, "--yes", "--json").out)
    for name, known in rows.items():
        left = {_key(name, row): row for row in full.rows(name)}
        lost = {key for key, row in known.items() if left.get(key) != row}
        assert lost <= tables.get(name, set()), name
        assert bool(lost) == (name in done["tables"]), name
    assert before - {place.decode() for place, _fields in full.client.xrange(keys.EVENTS)} == events
    assert done["recordings"] + done["cdr"] == len(files)


def _key(name: str, row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in schema.METADATA.tables[name].primary_key)


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
            "contacts": 1, "dispositions": 1, "followups": 1, "access_log": 1, "call_states": 2, "quarantine": 1}
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
    told = Told("email", "0601234567@x", now - 3600, now - 3600, number=N, email="ana@example.com", name="Ana Petrović",
                subject="Ana Petrović", agent="1005", fields={"text": "Ana Petrović"})

    def tell(**other: Any) -> tuple[dict[str, Any], bool]:
        return full.database.write(lambda connection: keep(connection, told._replace(**other), by="crm", now=now))

    for other in ({}, {"id": "by-address@x", "number": None, "email": "Ana@Example.com"}):
        row, new = tell(**other)
        assert new and row["id"].startswith("email:erased-")
        assert [row[name] for name in ("number", "name", "subject", "fields", "customer_id", "agent")] == [
            None, None, None, None, None, "1005"]
        assert tell(**other) == (row, False)
    left = full.everything()
    assert not [trace for trace in (*TRACES, "ana@example.com") if trace in left.lower()]
    row, new = tell(id="2@x", at=now + 60, ended_at=now + 60)
    assert (new, row["id"], row["number"], row["name"]) == (True, "email:2@x", N, "Ana Petrović"), "somebody new"


def test_an_address_that_somebody_else_has_too_is_not_forgotten(full: Centre) -> None:
    now = time.time()
    shared = schema.customers.update().values(email="home@example.com")
    full.database.write(lambda connection: connection.execute(shared))
    assert full.fsapp("privacy", "erase", N, "--yes").status == 0
    told = Told("email", "1@x", now - 3600, now - 3600, email="home@example.com", subject="Bills")
    row, _new = full.database.write(lambda connection: keep(connection, told, by="crm", now=now))
    assert (row["id"], row["customer_id"], row["subject"]) == ("email:1@x", "eva", "Bills")


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


def test_a_list_of_the_rules_that_names_the_number_is_said(full: Centre) -> None:
    document = load_folder("conf/rules")
    document.setdefault("list", {})["not-again"] = {"numbers": [SECOND, OTHER]}
    RulesStore(full.client).load(document, "", "", "conf/rules")
    said = json.loads(full.fsapp("privacy", "erase", N, "--yes", "--json").out)["unreached"]
    assert [line for line in said if line.startswith(f"list not-again of the rules names {SECOND}: ")]
    said = json.loads(full.fsapp("privacy", "erase", "+381620000001", "--yes", "--json").out)["unreached"]
    assert not [line for line in said if line.startswith("list ")]


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
        "switch_sights": {"id": "old", "switch": "main", "started_at": 1.0, "seen_at": 2.0},
        "access_log": {"id": "old", "at": 1.0, "who": "x", "what": "x"},
        "call_states": {"id": "old", "state": b"", "changed_at": 1.0},
        "quarantine": {"place": "1-0", "event": b"", "error": "x", "at": 1.0},
        "contacts": {"id": f"a/b/{OTHER}", "campaign": "a", "stage": "b", "number": OTHER, "state": "removed",
                     "changed_at": 1.0},
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


def test_contacts_that_are_closed_go_from_redis_as_well(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one that is open again, nor one of which an import has just told."""
    contacts, stage = Contacts(centre.client), "renewals/first-call"
    numbers = [f"+38160000{n:04}" for n in range(5)]
    for number in numbers:
        centre.client.set(keys.contacts(number), pack({stage: Entry(open=number == numbers[1], name="Vera")}))
    centre.client.set(keys.contacts(numbers[2]), pack({stage: Entry(False, 5, previous=Entry(False))}))
    centre.client.set(keys.contacts(numbers[3]), pack({stage: Entry(False), "winback/again": Entry()}))
    centre.client.set(keys.contacts(numbers[4]), b"what is this")
    centre.client.set(keys.IMPORTS, "5:5")
    centre.database.write(lambda connection: connection.execute(insert(schema.contacts), [
        {"id": f"{stage}/{number}", "campaign": "renewals", "stage": "first-call", "number": number, "state": "closed",
         "changed_at": 1.0} for number in numbers]))
    assert json.loads(centre.fsapp("privacy", "purge", "--dry-run", "--json").out)["rows"] == {"contacts": 5}
    left = centre.fsapp("privacy", "purge", "--json")
    assert json.loads(left.out)["rows"] == {"contacts": 2} and left.status == 1
    assert [fault for fault in left.faults if "a closed contact stays" in fault and numbers[4] in fault], left.faults
    assert [list(contacts.get(number)) for number in numbers[:4]] == [[], [stage], [stage], ["winback/again"]]
    assert sorted(row["number"] for row in centre.rows("contacts")) == [numbers[1], numbers[2], numbers[4]]
    mirror = ContactMirror(ContactPages(centre.client), centre.database)
    mirror.bring(numbers[:2])
    assert {row["number"]: row["state"] for row in centre.rows("contacts")} == {
        numbers[1]: "open", numbers[2]: "closed", numbers[4]: "closed"}, "what went does not come back"
    monkeypatch.setenv("FSAPP_REDIS_URL", "unix:///nowhere/redis.sock")
    left = centre.fsapp("privacy", "purge")
    assert left.status == 1 and len(left.faults) == 1 and "closed contacts stay" in left.faults[0]
    assert len(centre.rows("contacts")) == 3


@pytest.mark.parametrize("kind", [*KINDS, CLOSED], ids=lambda kind: f"{kind.table.name}-{kind.name}")
def test_what_is_too_old_is_found_in_an_index(kind: Any, database: Database) -> None:
    query = str(too_old(kind, 1e9).limit(1000).compile(compile_kwargs={"literal_binds": True}))

    def plan(connection: Any) -> str:
        if database.dialect == "postgresql":  # with nothing in it a table is read whatever there is
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        explain = "EXPLAIN" if database.dialect == "postgresql" else "EXPLAIN QUERY PLAN"
        return " ".join(map(str, connection.exec_driver_sql(f"{explain} {query}")))

    told = database.read(plan)
    assert "ix_" in told and kind.at in told, told
    assert "TEMP B-TREE" not in told and "Sort" not in told and "SCAN" not in told.replace("Index Scan", ""), told


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
            running = gevent.spawn(daily, settings, database, centre.client, stopping, first_s=0.001, every_s=0.001)
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
