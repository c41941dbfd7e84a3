"""`fsapp customers` and `fsapp web token`: what they say, and what they refuse in one clear line."""

from __future__ import annotations

from typing import Any

import pytest
from memory_rows import HOSTILE, NUMBER, CommandLine, rules_with
from sqlalchemy import select

from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.tokens import hashed


@pytest.fixture
def fsapp(monkeypatch: pytest.MonkeyPatch, capsys: Any, database_url: str, redis_server: Any) -> CommandLine:
    line = CommandLine(monkeypatch, capsys, database_url, redis_server)
    line.load(rules_with())
    return line


def test_a_customer_is_made_found_and_changed(fsapp: CommandLine) -> None:
    made = fsapp.json("customers", "add", "060 123-45-67", "--name", HOSTILE, "--vip", "3", "--field", "contract=A=1")
    assert made["numbers"] == [{"number": NUMBER, "kind": None}]
    assert (made["fields"], made["vip"]) == ({"contract": "A=1"}, 3)
    for spelling in ("00381601234567", "٠٦٠١٢٣٤٥٦٧", "０６０ 123–45–67", "sip:+381601234567@example.com",
                     "0601234567 x12"):
        assert fsapp.json("customers", "show", spelling) == made
    assert fsapp.json("customers", "show", made["id"]) == made
    assert fsapp.json("customers", "find", "brien")["customers"] == [made]
    assert fsapp.json("customers", "find", "(060) 1234567")["customers"] == [made]
    changed = fsapp.json(
        "customers", "set", NUMBER, "--clear", "name", "--field", "more=2", "--add-number", "0112345678")
    assert (changed["name"], changed["fields"]) == (None, {"contract": "A=1", "more": "2"})
    assert [number["number"] for number in changed["numbers"]] == [NUMBER, "+381112345678"]
    fsapp.json("customers", "set", NUMBER, "--remove-number", "0112345678")
    assert "+381112345678" in fsapp.refused("customers", "show", "011/2345-678")
    status, out, _err = fsapp("customers", "show", NUMBER)
    assert status == 0 and "\u202e" not in out and "\x1b" not in out


def test_letters_are_found_in_either_case(fsapp: CommandLine, database: Database) -> None:
    id_ = fsapp.json("customers", "add", NUMBER, "--name", "Željko Đurić")["id"]
    if database.dialect == "postgresql":
        pytest.skip("the database of the tests has the language C, which knows the letters of ASCII only")
    for text in ("željko", "ŽELJKO", "đurić", "ko đ"):
        assert [one["id"] for one in fsapp.json("customers", "find", text)["customers"]] == [id_]


def test_notes_and_tags(fsapp: CommandLine, database: Database) -> None:
    id_ = fsapp.json("customers", "add", NUMBER)["id"]
    assert fsapp.json("customers", "note", NUMBER, f"one\n{HOSTILE}")["text"].startswith("one\n")
    assert fsapp.json("customers", "tag", NUMBER, "Late Payer")["tags"] == ["late-payer"]
    assert "late-payer" in fsapp.refused("customers", "tag", NUMBER, "x", "--remove")
    assert fsapp.json("customers", "tag", NUMBER, "late payer", "--remove")["tags"] == []
    notes = database.read(lambda connection: connection.execute(select(schema.notes)).all())
    assert [note.customer_id for note in notes] == [id_]


def test_everything_of_the_other_follows_when_two_become_one(fsapp: CommandLine, database: Database) -> None:
    one = fsapp.json("customers", "add", NUMBER, "--name", "Vera")["id"]
    other = fsapp.json("customers", "add", "0601234568", "--name", "V. P.", "--email", "v@example.com")["id"]
    fsapp.json("customers", "note", other, "prefers mornings")
    fsapp.json("customers", "tag", other, "gold")
    rows: dict[str, dict[str, Any]] = {
        "interactions": {"id": "u1", "customer_id": other, "started_at": 1.0},
        "tickets": {"id": "t1", "customer_id": other, "state": "open", "opened_at": 1.0},
        "tasks": {"id": "k1", "customer_id": other, "changed_at": 1.0, "told": "x"},
        "attempts": {"id": "a1", "customer_id": other, "at": 1.0},
        "voicemails": {"id": "v1", "customer_id": other, "at": 1.0},
        "customer_events": {"id": "e1", "customer_id": other, "type": "stickiness", "at": 1.0},
        "contacts": {"id": "c1", "customer_id": other, "campaign": "c", "stage": "s", "number": "+1", "state": "open"},
        "access_log": {"id": "l1", "customer_id": other, "at": 1.0, "who": "x", "what": "customer"},
    }
    database.write(lambda connection: [
        connection.execute(schema.METADATA.tables[name].insert(), row) for name, row in rows.items()])
    merged = fsapp.json("customers", "merge", NUMBER, "060 1234568")
    assert (merged["id"], merged["name"], merged["email"], merged["tags"]) == (one, "Vera", "v@example.com", ["gold"])

    def whose(connection: Any) -> dict[str, set[str]]:
        return {table.name: set(connection.execute(select(table.c.customer_id)).scalars())
                for table in schema.METADATA.tables.values() if "customer_id" in table.c}

    assert {name: ids for name, ids in database.read(whose).items() if ids} == {
        name: {one} for name in (*rows, "notes", "customer_numbers")}
    notes = database.read(lambda connection: connection.execute(select(schema.notes.c.text)).scalars().all())
    assert sorted(notes) == ["Merged with: V. P.", "prefers mornings"]


def test_every_table_of_customers_is_known_to_merging() -> None:
    from fsapp.records.customers import _FOLLOW

    assert set(_FOLLOW) == {table.name for table in schema.METADATA.tables.values() if "customer_id" in table.c}


def test_what_is_refused(fsapp: CommandLine) -> None:
    fsapp.json("customers", "add", NUMBER, "--name", "Vera")
    assert "Vera's already" in fsapp.refused("customers", "add", "0601234567")
    assert "is no telephone number" in fsapp.refused("customers", "show", "nonsense")
    assert "fsapp customers add" in fsapp.refused("customers", "show", "0601234599")
    assert "Europe/Belgrade" in fsapp.refused("customers", "set", NUMBER, "--timezone", "Mars")
    assert "with itself" in fsapp.refused("customers", "merge", NUMBER, NUMBER)
    assert "NAME=VALUE" in fsapp.refused("customers", "set", NUMBER, "--field", "x")
    assert fsapp("customers", "set", NUMBER)[0] == 2


def test_looking_is_written_down(fsapp: CommandLine, database: Database) -> None:
    id_ = fsapp.json("customers", "add", NUMBER)["id"]
    fsapp.json("customers", "show", NUMBER)
    [row] = database.read(lambda connection: connection.execute(select(schema.access_log)).all())
    assert (row.what, row.customer_id, row.how) == ("customer", id_, "cli") and row.who.startswith("cli:")


def test_the_pop_asked_for_by_hand(fsapp: CommandLine) -> None:
    fsapp.json("customers", "add", NUMBER, "--name", HOSTILE, "--vip", "2")
    fsapp.json("customers", "note", NUMBER, "prefers\nmornings")
    found = fsapp.json("customers", "pop", "060 1234567")
    assert (found["known"], found["vip"], found["notes"][0]["text"]) == (True, 2, "prefers\nmornings")
    status, out, _err = fsapp("customers", "pop", NUMBER)
    assert status == 0 and "VIP 2" in out and "prefers / mornings" in out and "\x1b" not in out
    assert fsapp.json("customers", "pop", "0601230000")["known"] is False
    assert "pop_lookup" in fsapp.refused("customers", "pop", NUMBER, "--outside")


def test_a_token_is_made_listed_and_removed(fsapp: CommandLine, database: Database) -> None:
    made = fsapp.json("web", "token", "add", "crm", "--may", "write")
    [row] = database.read(lambda connection: connection.execute(select(schema.web_tokens)).all())
    assert (row.name, row.may, row.hash) == ("crm", "write", hashed(made["token"]))
    [listed] = fsapp.json("web", "token", "list")["tokens"]
    assert (listed["name"], listed["may"]) == ("crm", "write") and made["token"] not in str(listed)
    assert "already" in fsapp.refused("web", "token", "add", "crm")
    assert "one line" in fsapp.refused("web", "token", "add", "a\nb")
    fsapp.json("web", "token", "remove", "crm")
    assert "token list" in fsapp.refused("web", "token", "remove", "crm")
