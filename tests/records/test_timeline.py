"""The timeline: every channel in one list, newest first, page by page, with what belongs to each entry."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from memory_rows import HOSTILE, NUMBER, OTHER, CommandLine, customer, interaction, rules_with
from sqlalchemy import event, text

from fsapp.records import schema
from fsapp.records.customers import merge
from fsapp.records.database import Database
from fsapp.records.timeline import KINDS, Cursor, Page, timeline, whose_number

STRANGER = "+381601234999"


def insert(database: Database, table: str, *rows: dict[str, Any]) -> None:
    database.write(lambda connection: [
        connection.execute(schema.METADATA.tables[table].insert(), row) for row in rows])


def read(database: Database, number: str = NUMBER, limit: int = 100, **more: Any) -> Page:
    return database.read(lambda connection: timeline(connection, whose_number(connection, number), limit=limit, **more))


def ids(page: Page) -> list[str]:
    return [f"{entry['kind']} {entry['id']}" for entry in page.entries]


def fill(database: Database) -> list[str]:
    """One of each kind, of a customer with two numbers; what the timeline is then."""
    mine = customer(database)
    insert(database, "customer_numbers", {"number": OTHER, "customer_id": mine})
    interaction(database, "u1", started_at=1.0)
    interaction(database, "u2", started_at=9.0, number=OTHER, customer_id=mine)
    interaction(database, "email:m", channel="email", number=None, customer_id=mine, started_at=5.0)
    insert(database, "attempts", {"id": "a1", "number": NUMBER, "at": 2.0, "outcome": "failed"})
    insert(database, "tasks", {"id": "k1", "kind": "callback", "number": OTHER, "made_at": 3.0, "changed_at": 3.0,
                               "told": "x"})
    insert(database, "notes", {"id": "n1", "customer_id": mine, "at": 4.0, "text": HOSTILE})
    insert(database, "tickets", {"id": "t1", "customer_id": mine, "state": "open", "opened_at": 6.0},
           {"id": "t2", "number": NUMBER, "state": "closed", "opened_at": 6.5})
    insert(database, "surveys", {"id": "s1", "number": NUMBER, "at": 7.0, "value": "5"})
    insert(database, "voicemails", {"id": "v1", "number": OTHER, "at": 8.0, "file": "a.wav"})
    return ["call u2", "voicemail v1", "survey s1", "ticket t2", "ticket t1", "email email:m", "note n1", "task k1",
            "attempt a1", "call u1"]


def fill_others(database: Database) -> None:
    """As much that is somebody else's, some of it by one of our numbers."""
    theirs = customer(database, "c2", STRANGER)
    interaction(database, "x1", number=STRANGER, started_at=9.5)
    interaction(database, "x2", number=NUMBER, customer_id=theirs, started_at=9.6)
    insert(database, "tickets",
           {"id": "x3", "number": NUMBER, "customer_id": theirs, "state": "open", "opened_at": 9.7})
    insert(database, "notes", {"id": "x4", "customer_id": theirs, "at": 9.8, "text": "no"})
    insert(database, "attempts", {"id": "x5", "number": STRANGER, "at": 9.9})


def test_every_channel_is_in_one_list_by_whichever_number(database: Database) -> None:
    wanted = fill(database)
    fill_others(database)
    assert ids(read(database)) == ids(read(database, OTHER)) == wanted
    assert {one.split()[0] for one in wanted} | {"sms", "chat", "visit"} == set(KINDS)
    assert ids(read(database, STRANGER)) == ["attempt x5", "note x4", "ticket x3", "call x2", "call x1"]


def test_a_number_that_is_nobodys_has_a_timeline(database: Database) -> None:
    interaction(database, "u1", number=STRANGER, started_at=1.0)
    insert(database, "tickets", {"id": "t1", "number": STRANGER, "state": "open", "opened_at": 6.0})
    assert ids(read(database, STRANGER)) == ["ticket t1", "call u1"]
    assert read(database) == Page([], None)


def test_only_some_kinds_and_only_since(database: Database) -> None:
    wanted = fill(database)
    assert ids(read(database, kinds=["call", "note"])) == ["call u2", "note n1", "call u1"]
    assert ids(read(database, kinds=["email"])) == ["email email:m"]
    assert ids(read(database, since=6.0)) == wanted[:5]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
def test_page_by_page_is_the_whole_though_times_are_the_same(database: Database, limit: int) -> None:
    dice = random.Random(limit)
    mine = customer(database)
    insert(database, "customer_numbers", {"number": OTHER, "customer_id": mine})
    names = [f"{dice.choice('aBzÜ0-')}{n}" for n in range(40)]
    for name in names:
        interaction(database, name, channel=dice.choice(("call", "chat", "sms")), customer_id=mine,
                    number=dice.choice((NUMBER, OTHER, None)), started_at=float(dice.randint(1, 4)))
        insert(database, "notes", {"id": name, "customer_id": mine, "at": float(dice.randint(1, 4)), "text": "x"})
        insert(database, "attempts", {"id": name, "number": NUMBER, "at": float(dice.randint(1, 4))})
    whole, pages, before = ids(read(database, limit=1000)), [], None
    assert len(whole) == 120
    while True:
        page = read(database, limit=limit, before=before)
        pages += ids(page)
        if page.next is None:
            break
        before = Cursor.parse(str(page.next))
        interaction(database, f"new{len(pages)}", customer_id=mine, started_at=5.0)  # this moves nothing
    assert pages == whole


def test_what_belongs_to_an_entry_is_there(database: Database) -> None:
    interaction(database, "u1", started_at=1.0, agent="1005", recording="a.wav", disposition="sold")
    insert(database, "queue_stays",
           {"id": "m1", "interaction_id": "u1", "queue": "agent-1004@fsapp", "joined_at": 1.0, "outcome": "left"},
           {"id": "m2", "interaction_id": "u1", "queue": "helpdesk@fsapp", "joined_at": 2.0, "outcome": "answered",
            "agent": "1005", "waited_s": 7.5})
    insert(database, "offers", {"id": "m1:1", "interaction_id": "u1", "stay_id": "m1", "agent": "1004",
                                "offered_at": 1.5, "outcome": "missed", "cause": "NO_ANSWER"})
    insert(database, "decisions", {"id": "d1", "interaction_id": "u1", "at": 1.0, "reason": "line",
                                   "trace": [{"rule": "number", "fact": HOSTILE, "outcome": "service"}]})
    insert(database, "dispositions", {"id": "x1", "interaction_id": "u1", "disposition": "sold", "at": 3.0})
    insert(database, "tags", {"kind": "interaction", "subject_id": "u1", "tag": "invoice"},
           {"kind": "ticket", "subject_id": "u1", "tag": "no"})
    insert(database, "notes", {"id": "n1", "interaction_id": "u1", "at": 3.0, "text": "well"})
    [entry] = read(database).entries
    assert (entry["recording"], entry["disposition"], entry["agents"], entry["tags"]) == (
        "a.wav", "sold", ["1005"], ["invoice"])
    assert [(stay["queue"], stay["waited_s"]) for stay in entry["stays"]] == [
        ("agent-1004@fsapp", None), ("helpdesk@fsapp", 7.5)]
    assert [(offer["agent"], offer["cause"]) for offer in entry["offers"]] == [("1004", "NO_ANSWER")]
    assert entry["decisions"][0]["trace"] == [{"rule": "number", "fact": HOSTILE, "outcome": "service"}]
    assert [one["disposition"] for one in entry["dispositions"]] == ["sold"]
    assert [note["text"] for note in entry["notes"]] == ["well"]


def test_two_timelines_become_one_when_their_customers_do(database: Database) -> None:
    wanted = fill(database)
    fill_others(database)
    database.write(lambda connection: merge(connection, "c1", "c2", by="test", at=20.0))
    merged = ids(read(database, STRANGER))
    assert sorted(merged) == sorted([*wanted, "call x1", "call x2", "ticket x3", "note x4", "attempt x5"])


def test_the_far_end_is_read_from_an_index(database: Database) -> None:
    """Neither a whole table nor all of a customer's rows: what is asked for is bounded by the limit."""
    customer(database)
    asked: list[Any] = []

    def work(connection: Any) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        event.listen(connection, "before_cursor_execute", lambda *args: asked.append(args[2:4]))
        timeline(connection, whose_number(connection, NUMBER), limit=10, before=Cursor(5.0, "call", "u5"))
        prefix = "EXPLAIN " if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
        pages = [sql for sql, _given in asked if "LIMIT" in sql]
        assert len(pages) == 12
        for sql, given in list(asked):
            if sql.startswith("SELECT"):
                plan = " ".join(str(row) for row in connection.exec_driver_sql(prefix + sql, given))
                assert not re.search(r"Seq Scan|SCAN (?!\w+ USING)", plan), plan
                if " interactions" in sql and "ORDER BY" in sql:
                    assert "started_at" in plan, plan

    database.read(work)


@pytest.mark.parametrize("given", ["", "x", "bm9uZQ", "W10", "WzEsMiwzXQ", "WyJhIiwgImIiLCAiYyJd", "W05hTiwiYSIsImIiXQ",
                                   "\u202e", "WzEuMCwgImNhbGwiLCAiYVx1MDAwMGIiXQ"])
def test_a_cursor_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="next"):
        Cursor.parse(given)


def test_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, database_url: str, redis_server: Any, database: Database,
) -> None:
    fsapp = CommandLine(monkeypatch, capsys, database_url, redis_server)
    fsapp.load(rules_with())
    wanted = fill(database)
    found = fsapp.json("customers", "timeline", "060 1234567", "--limit", "4")
    rest = fsapp.json("customers", "timeline", NUMBER, "--before", found["next"])
    assert [f"{one['kind']} {one['id']}" for one in [*found["entries"], *rest["entries"]]] == wanted
    assert (found["customer"], sorted(found["numbers"]), rest["next"]) == ("c1", [NUMBER, OTHER], None)
    assert found["entries"][0]["started_at"] == "1970-01-01T00:00:09+00:00"
    status, out, _err = fsapp("customers", "timeline", NUMBER, "--kind", "note", "--kind", "call")
    assert status == 0 and out.count("\n") == 3 and "\x1b" not in out and "\u202e" not in out
    assert fsapp("customers", "timeline", NUMBER, "--before", "x")[0] == 2
    assert fsapp.json("customers", "timeline", "0601239999")["entries"] == []
