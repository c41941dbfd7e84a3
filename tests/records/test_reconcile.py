"""What the stream has missed comes from the switch's own records of calls, once, and never covers what was told."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from fsapp.cli.root import main
from fsapp.core.cdr import events_of
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.keeping import Keeper
from fsapp.state import stream

T = 1_700_000_000
N = "%2B381601234567"


def record(uuid: str, **variables: str) -> dict[str, Any]:
    said = {
        "uuid": uuid, "direction": "inbound", "start_uepoch": f"{T}250000", "answer_uepoch": f"{T}300000",
        "end_uepoch": f"{T + 70}250000", "hangup_cause": "NORMAL_CLEARING", "fsapp_class": "service",
        "fsapp_line": "helpdesk", "fsapp_called": "0115550300", "fsapp_decision": f"d-{uuid}", "cc_side": "member",
        "cc_queue": "helpdesk%40fsapp", "cc_member_uuid": f"m-{uuid}", "cc_queue_joined_epoch": str(T + 1),
        "cc_agent": "1005", "cc_agent_bridged": "true", "cc_queue_answered_epoch": str(T + 4),
        "cc_queue_terminated_epoch": str(T + 64), "cc_cause": "answered",
    } | variables
    return {"variables": {name: value for name, value in said.items() if value}, "callflow": [
        {"caller_profile": {"caller_id_number": "elsewhere", "destination_number": "moved"}},
        {"caller_profile": {"caller_id_number": N, "destination_number": "0115550300"}}]}


LEFT = {"cc_agent": "", "cc_agent_bridged": "", "cc_queue_answered_epoch": "", "cc_queue_terminated_epoch": "",
        "cc_queue_canceled_epoch": str(T + 70), "cc_cause": "cancel", "cc_cancel_reason": "BREAK_OUT"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "json_cdr"
    path.mkdir()
    return path


def write(folder: Path, name: str, content: Any, age_s: float = 3600) -> None:
    path = folder / f"{name}.cdr.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    os.utime(path, (time.time() - age_s,) * 2)


@pytest.fixture
def fsapp(database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    monkeypatch.setenv("FSAPP_DATABASE_URL", database_url)
    monkeypatch.setenv("FSAPP_CDR", str(folder))
    monkeypatch.setenv("FSAPP_REDIS_URL", "unix:///nowhere")  # the region is that of the rules' folder then

    def run(*words: str) -> tuple[Any, Any, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["records", "reconcile", "--json", *words])
        told = capsys.readouterr()
        return ended.value.code, json.loads(told.out) if told.out else None, told.err

    return run


def rows(database: Database, table: Any) -> list[dict[str, Any]]:
    query = select(table).order_by(*table.primary_key)
    return [dict(row) for row in database.read(lambda connection: connection.execute(query).mappings().all())]


def test_calls_that_nobody_told_of_are_added_once(fsapp: Any, folder: Path, database: Database) -> None:
    write(folder, "u1", record("u1"))
    write(folder, "u2", record("u2", **LEFT))
    write(folder, "agents", record("agents", cc_side="agent", direction="outbound"))
    write(folder, "u3", record("u3", cc_side="", cc_queue="", **{**LEFT, "cc_cause": ""}))
    write(folder, "young", record("young"), age_s=1)
    write(folder, "old", record("old"), age_s=3 * 24 * 3600)
    (folder / "notes.txt").write_text("not ours")
    status, would, _err = fsapp("--dry-run")
    assert (status, would["added"], rows(database, schema.interactions)) == (0, ["u1", "u2", "u3"], [])
    status, done, _err = fsapp()
    assert (status, done["files"], done["calls"], done["added"], done["completed"], done["bad"]) == (
        0, 4, 3, ["u1", "u2", "u3"], [], {})
    first, second, third = rows(database, schema.interactions)
    assert (first["number"], first["called"], first["outcome"], first["agent"]) == (
        "+381601234567", "+381115550300", "answered", "1005")
    assert (first["source"], first["recovered"]) == ("cdr", True)
    assert (first["started_at"], first["ended_at"], first["waited_s"], first["talked_s"], first["line"]) == (
        T + 0.25, T + 70.25, 3.0, 60.0, "helpdesk")
    assert (second["outcome"], second["waited_s"], third["outcome"]) == ("abandoned", 69.0, "hung-up")
    before = [rows(database, table) for table in (schema.interactions, schema.queue_stays, schema.offers)]
    status, again, _err = fsapp()
    assert (status, again["added"], again["completed"]) == (0, [], [])
    assert [rows(database, table) for table in (schema.interactions, schema.queue_stays, schema.offers)] == before
    assert fsapp("--since", "0")[1]["added"] == ["old"]


def test_what_was_told_stays_and_what_was_missed_is_filled_in(fsapp: Any, folder: Path, database: Database) -> None:
    keeper = Keeper(database, str)
    about = {"call": "u1", "switch": "main", "member": "m-u1", "queue": "helpdesk@fsapp"}
    told = [
        {"type": "queue_joined", "id": "m-u1:joined", "at": T + 0.9, **about},
        # The link was away while the call was answered, and could only guess.
        {"type": "call_abandoned", "id": "m-u1:left", "at": T + 90.0, "waited_s": 89.0, "recovered": True, **about},
        {"type": "call_hung_up", "id": "u1:hung-up", "at": T + 90.0, "call": "u1", "lasted_s": 89.75, "cause": "",
         "number": "+381601234567", "direction": "inbound", "recovered": True},
        {"type": "call_hung_up", "id": "u2:hung-up", "at": T + 71.0, "call": "u2", "lasted_s": 71.0, "switch": "main",
         "cause": "NORMAL_CLEARING", "number": "+381601234567", "direction": "inbound"},
    ]
    keeper.keep([(f"{place + 1}-0", stream.encode(event)) for place, event in enumerate(told)])
    assert rows(database, schema.interactions)[0]["outcome"] == "abandoned"
    write(folder, "u1", record("u1"))
    write(folder, "u2", record("u2", cc_side="", cc_queue="", **{**LEFT, "cc_cause": ""}))
    status, done, _err = fsapp()
    assert (status, done["added"], done["completed"]) == (0, [], ["u1"])
    first, second = rows(database, schema.interactions)
    assert (first["outcome"], first["agent"], first["ended_at"], first["cause"]) == (
        "answered", "1005", T + 70.25, "NORMAL_CLEARING")
    assert (second["ended_at"], second["recovered"], second["source"]) == (T + 71.0, False, "stream")
    [stay] = rows(database, schema.queue_stays)
    assert (stay["joined_at"], stay["answered_at"]) == (T + 0.9, T + 4)


def test_files_that_are_no_records_are_named_and_skipped(fsapp: Any, folder: Path, database: Database) -> None:
    write(folder, "a-cut", json.dumps(record("cut")).encode()[:200])
    write(folder, "b-binary", b"\xff\xfe\x00")
    write(folder, "c-list", [1, 2])
    write(folder, "d-empty", b"")
    write(folder, "e-timeless", {"variables": {"uuid": "x", "direction": "inbound"}})
    write(folder, "f-deep", b"[" * 100_000)
    write(folder, "g-huge", b" " * (5 * 1024 * 1024))
    write(folder, "h-good", record("good", **{"fsapp_class": "ser%00vice%0A", "cc_agent": "10%F0%9F%98%80"}))
    status, done, err = fsapp()
    assert status == 1 and done["added"] == ["good"]
    assert sorted(done["bad"]) == [f"{name}.cdr.json" for name in (
        "a-cut", "b-binary", "c-list", "d-empty", "e-timeless", "f-deep", "g-huge")]
    assert err.count("\n") == 7 and "a-cut.cdr.json: " in err and "skipped" in err
    [good] = rows(database, schema.interactions)
    assert (good["call_class"], good["agent"]) == ("service", "10\U0001f600")


def test_a_folder_that_is_not_there(fsapp: Any, tmp_path: Path) -> None:
    status, out, err = fsapp(str(tmp_path / "nowhere"))
    assert (status, out) == (1, None) and "FSAPP_CDR" in err and err.count("\n") == 1


def test_a_call_of_ours_in_line_for_a_customer_is_one_call() -> None:
    task = {"fsapp_task": "t1", "fsapp_place": "line", "fsapp_customer": "%2B381601234567"}
    assert events_of(record("far", cc_side="", **task), "x") == []
    assert events_of(record("theirs", direction="outbound", cc_side="", **task), "x") == []
    [*_stay, hung_up] = events_of(record("line", direction="outbound", **task), "x")
    assert (hung_up["call"], hung_up["variables"]["fsapp_customer"]) == ("line", "+381601234567")


def test_one_who_left_the_queue_and_went_on_has_not_abandoned() -> None:
    left = {**LEFT, "cc_queue_canceled_epoch": str(T + 20), "cc_cancel_reason": "TIMEOUT"}
    events = events_of(record("u", **left), "x")
    assert [event["type"] for event in events] == ["queue_joined", "call_left_queue", "call_hung_up"]
    assert events[1]["waited_s"] == 19.0
