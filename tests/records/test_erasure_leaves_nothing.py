"""What could stay of somebody who was erased though no column has it: in ids that others chose, in bytes of files."""

from __future__ import annotations

import json
import sqlite3
import time
from typing import Any

import pytest
from privacy_centre import OTHER, TRACES, Centre, N, a_call, put

from fsapp.records.channels import Told, keep
from fsapp.records.database import Database
from fsapp.state import keys, stream


def tell(centre: Centre, id_: str, number: str = N, channel: str = "sms") -> tuple[dict[str, Any], bool]:
    at = time.time() - 9
    told = Told(channel, id_, at, at, number=number, subject="Ana Petrović" if number == N else "Eva")
    return centre.database.write(lambda connection: keep(connection, told, by="crm", now=time.time()))


def test_an_id_of_a_sender_is_made_anew_with_all_that_points_to_it(full: Centre) -> None:
    for id_, number in (("0601234567-1", N), ("060 123 4567", N), ("eva-1", OTHER)):
        tell(full, id_, number)
    old = "sms:0601234567-1"

    def about(connection: Any) -> None:
        put(connection, "notes", {"id": "n9", "customer_id": "eva", "interaction_id": "sms:eva-1", "at": 1.0,
                                  "text": "x"})
        put(connection, "tags", {"kind": "interaction", "subject_id": old, "tag": "vip"},
            {"kind": "ticket", "subject_id": old, "tag": "not-this-kind"})
        put(connection, "dispositions", {"id": "p9", "interaction_id": old, "disposition": "sold", "at": 1.0})
        put(connection, "tasks", {"id": "t9", "about_id": old, "changed_at": 1.0, "told": "x"})
        put(connection, "surveys", {"id": "s9", "interaction_id": old, "value": "4", "at": 1.0})
        put(connection, "followups",
            {"id": "f9", "interaction_id": old, "kind": "webhook", "state": "waiting", "made_at": 1.0, "payload": {}})
        put(connection, "access_log", {"id": "l9", "at": 1.0, "who": "web", "what": "interaction", "subject": old})

    full.database.write(about)
    count = len(full.rows("interactions"))
    done = json.loads(full.fsapp("privacy", "erase", N, "--yes", "--json").out)
    assert done["tables"]["interactions"] == {"anonymous": 4, "renamed": 2}
    rows = {row["id"]: row for row in full.rows("interactions")}
    assert len(rows) == count and {"u1", "u2", "eva", "sms:eva-1"} < set(rows), "calls keep theirs, others theirs"
    [new] = {row["interaction_id"] for row in full.rows("dispositions") if row["id"] == "p9"}
    assert rows[new]["channel"] == "sms" and new.startswith("sms:erased-")
    for table in ("surveys", "followups"):
        assert [row["interaction_id"] for row in full.rows(table) if row["id"] in ("s9", "f9")] == [new], table
    assert [row["subject"] for row in full.rows("access_log") if row["id"] == "l9"] == [new]
    assert [row["about_id"] for row in full.rows("tasks") if row["id"] == "t9"] == [new]
    # What is answered in a survey call that was going on is about the same.
    full.tell({"type": "survey_answered", "id": "s8", "at": time.time() - 1, "call": "u1", "caller": N, "flow": "main",
               "block": "ask", "value": 4, "about": old})
    [answer] = [row for row in full.rows("surveys") if row["id"] == "s8"]
    assert (answer["interaction_id"], answer["number"]) == (new, None)
    assert {row["subject_id"]: row["tag"] for row in full.rows("tags")} == {old: "not-this-kind", "eva": "x"}
    full.client.delete(keys.EVENTS)
    left = full.everything().replace(f"'{old}', 'not-this-kind'", "")
    assert not [trace for trace in TRACES if trace in left]


def test_an_attempt_with_the_number_in_its_id_is_said(full: Centre) -> None:
    record = ("attempts", "record", N, "--agent", "1005", "--outcome", "failed")
    assert full.fsapp(*record, "--id", "060-1234567-3").status == 0
    full.tell()
    entries = full.client.xrange(keys.EVENTS)[-1:]
    full.keeper.keep([(place.decode(), fields[stream.FIELD]) for place, fields in entries])
    said = json.loads(full.fsapp("privacy", "erase", N, "--yes", "--json").out)["unreached"]
    assert "1 attempts whose id has the number in it, as it was given with --id" in said


def test_a_sender_who_tells_again_is_told_that_it_is_known(full: Centre) -> None:
    tell(full, "0601234567-1")
    assert full.fsapp("privacy", "erase", N, "--yes").status == 0
    before = full.rows("interactions")
    for number in (N, OTHER):  # whatever else is said of it now: the id says which it is
        row, new = tell(full, "0601234567-1", number)
        assert (new, row["number"], row["subject"]) == (False, None, None)
    assert full.rows("interactions") == before
    # Somebody else's of that id on another channel is another one.
    assert tell(full, "0601234567-1", OTHER, "chat")[1]
    assert full.fsapp("privacy", "erase", N, "--yes").status == 0, "twice"
    assert {row["id"] for row in before} < {row["id"] for row in full.rows("interactions")}


def bytes_of(database: Database) -> bytes:
    assert database.file is not None
    return b"".join(path.read_bytes() for path in sorted(database.file.parent.glob(f"{database.file.name}*"))
                    if not path.name.endswith("-shm"))


def test_the_file_of_sqlite_does_not_have_them_either(full: Centre) -> None:
    """Neither the pages that are free now nor what is written ahead, with many more rows around theirs."""
    if full.database.file is None:
        pytest.skip("PostgreSQL has files of its own: docs/privacy.md says what to do")
    now = time.time()
    for n in range(40):
        calls = [event for m in range(10) for event in a_call(
            f"c{n}-{m}", now - 90_000 + n, N if m == 3 else f"+3816{n:02}55{m:04}")]
        full.tell(*(event | {"name": "Eva"} if event.get("name") and event["caller"] != N else event
                    for event in calls))
    long = "Ana Petrović " * 2000
    full.database.write(lambda connection: put(connection, "notes", *(
        {"id": f"long{n}", "customer_id": "ana", "at": 1.0, "text": long} for n in range(5))))
    traces = [trace.encode() for trace in TRACES]
    before = bytes_of(full.database)
    assert all(trace in before for trace in traces)
    assert full.fsapp("privacy", "erase", N, "--yes").status == 0
    assert full.database.file.with_name("fsapp.db-wal").stat().st_size == 0
    after = bytes_of(full.database)
    assert [trace for trace in traces if trace in after] == []
    assert len(full.rows("interactions")) > 400


def test_who_reads_all_the_time_is_said(full: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written ahead cannot be emptied while somebody reads what was before."""
    if full.database.file is None:
        pytest.skip("of SQLite")
    monkeypatch.setattr("fsapp.records.database._SETTLE_S", 0)
    reader = sqlite3.connect(full.database.file, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM customers").fetchall()
    try:
        told = json.loads(full.fsapp("privacy", "erase", N, "--yes", "--json").out)
        [line] = [line for line in told["unreached"] if "fsapp.db-wal: " in line]
        assert "(others read it all the time)" in line
    finally:
        reader.close()
    told = json.loads(full.fsapp("privacy", "erase", N, "--yes", "--json").out)
    assert not [line for line in told["unreached"] if "-wal" in line]
    assert not [trace for trace in TRACES if trace.encode() in bytes_of(full.database)]


def test_a_large_file_is_left_to_the_operator(full: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    if full.database.file is None:
        pytest.skip("of SQLite")
    monkeypatch.setattr("fsapp.records.database.REWRITTEN_BYTES", 1)
    told = json.loads(full.fsapp("privacy", "erase", N, "--yes", "--json").out)
    assert [line for line in told["unreached"] if line.endswith(f"run: sqlite3 {full.database.file} VACUUM")]


def test_what_is_purged_is_not_in_what_is_written_ahead(full: Centre) -> None:
    if full.database.file is None:
        pytest.skip("of SQLite")
    assert full.fsapp("privacy", "purge", "--json").status == 0
    assert full.database.file.with_name("fsapp.db-wal").stat().st_size == 0
