"""A centre of the memory's tests, empty, and one where a customer has been in everything."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from privacy_centre import OTHER, SECOND, Centre, N, a_call, put, recording
from sqlalchemy import insert

from fsapp.core.model import Right, Sticky
from fsapp.core.task import Task, TaskKind
from fsapp.core.task_life import Changed
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.state import keys
from fsapp.state.contacts import Entry, pack
from fsapp.state.store import Store
from fsapp.state.tasks import Tasks


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
