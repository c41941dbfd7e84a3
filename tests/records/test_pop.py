"""One read of the memory has all of who calls, on either database: by any number, with what is nobody else's."""

from __future__ import annotations

import re
from typing import Any

from memory_rows import HOSTILE, NUMBER, OTHER, customer, interaction
from sqlalchemy import event, text

from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.pop import LAST, PopRecord, read_pop

STRANGER = "+381601234999"


def read(database: Database, number: str = NUMBER, contact: str | None = None) -> PopRecord:
    return database.read(lambda connection: read_pop(connection, number, contact))


def insert(database: Database, table: str, *rows: dict[str, Any]) -> None:
    database.write(lambda connection: [
        connection.execute(schema.METADATA.tables[table].insert(), row) for row in rows])


def test_nobody_we_know_is_an_empty_record(database: Database) -> None:
    assert read(database) == PopRecord(None, (), (), (), (), (), None)


def test_all_that_is_known_of_a_customer(database: Database) -> None:
    id_ = customer(database, name=HOSTILE, vip=7, language="sr", fields={"contract": "A", HOSTILE: None})
    insert(database, "customer_numbers", {"number": OTHER, "customer_id": id_, "kind": "office", "place": 1})
    insert(database, "tags", *({"kind": kind, "subject_id": subject, "tag": tag} for kind, subject, tag in (
        ("customer", id_, "late"), ("customer", id_, "gold"), ("customer", "c9", "no"), ("ticket", id_, "no"))))
    insert(database, "notes", *({"id": f"n{n}", "customer_id": id_, "at": float(n), "text": HOSTILE} for n in range(8)))
    insert(database, "tickets",
           {"id": "t1", "customer_id": id_, "state": "open", "opened_at": 1.0, "changed_at": 5.0, "subject": HOSTILE},
           {"id": "t2", "customer_id": id_, "state": "closed", "opened_at": 2.0},
           {"id": "t3", "number": NUMBER, "state": "open", "opened_at": 3.0, "changed_at": 9.25},
           {"id": "t4", "number": STRANGER, "state": "open", "opened_at": 3.0})
    insert(database, "contacts", {"id": f"renewals/first-call/{NUMBER}", "campaign": "renewals", "stage": "first-call",
                                  "number": NUMBER, "state": "open", "fields": {"policy": HOSTILE}})
    found = read(database, NUMBER, f"renewals/first-call/{NUMBER}")
    assert found.customer == {
        "id": id_, "name": HOSTILE, "vip": 7, "language": "sr", "timezone": None, "email": None, "company": None,
        "fields": {"contract": "A", HOSTILE: None}}
    assert [(one["number"], one["kind"]) for one in found.numbers] == [(NUMBER, None), (OTHER, "office")]
    assert found.tags == ("gold", "late")
    assert [one["id"] for one in found.tickets] == ["t3", "t1"]
    assert [one["id"] for one in found.notes] == [f"n{n}" for n in (7, 6, 5, 4, 3)]
    assert found.notes[0]["text"] == HOSTILE and found.tickets[0]["changed_at"] == 9.25
    assert found.contact is not None and found.contact["fields"] == {"policy": HOSTILE}
    assert read(database, OTHER)._replace(contact=found.contact) == found


def test_the_last_interactions_are_those_of_the_customer_and_of_each_number(database: Database) -> None:
    mine, theirs = customer(database), customer(database, "c2", STRANGER)
    insert(database, "customer_numbers", {"number": OTHER, "customer_id": mine})
    for n in range(12):
        interaction(database, f"u{n:02}", number=(NUMBER, OTHER)[n % 2], started_at=100.0 + n,
                    customer_id=mine if n % 3 == 0 else None)
    interaction(database, "mail", number=None, customer_id=mine, started_at=109.5, channel="email", subject="Invoice")
    interaction(database, "hers", number=NUMBER, customer_id=theirs, started_at=200.0)
    interaction(database, "strangers", number=STRANGER, started_at=201.0)
    found = read(database)
    assert [one["id"] for one in found.interactions] == ["u11", "u10", "mail", "u09", "u08"]
    assert len(found.interactions) == LAST and found.interactions[2]["subject"] == "Invoice"
    assert [one["id"] for one in read(database, STRANGER).interactions] == ["strangers", "hers"]
    assert read(database, "+381601230000").interactions == ()
    others = database.read(lambda connection: [read_pop(connection, NUMBER, None, call) for call in ("u10", "mail")])
    assert [[one["id"] for one in each.interactions] for each in others] == [
        ["u11", "mail", "u09", "u08", "u07"], ["u11", "u10", "u09", "u08", "u07"]], "without the call itself"
    database.write(lambda connection: connection.execute(text("DELETE FROM customer_numbers")))
    assert [one["id"] for one in read(database).interactions] == ["u10", "u08", "u04", "u02"], "unknown: by number"


def test_it_is_one_statement(database: Database) -> None:
    customer(database)
    seen: list[str] = []

    def work(connection: Any) -> PopRecord:
        event.listen(connection, "before_cursor_execute", lambda *args: seen.append(args[2]))
        return read_pop(connection, NUMBER, None)

    assert database.read(work).customer is not None
    assert len(seen) == 1


def test_an_index_answers_each_part(database: Database) -> None:
    """No part reads a whole table, whatever the planner knows of it."""
    from fsapp.records.pop import _statement

    def plan(connection: Any) -> str:
        sql = str(_statement(connection.dialect.name))
        given = {"number": NUMBER, "contact": "", "call": "", "last": 5, "tickets": 5}
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            return "\n".join(row[0] for row in connection.execute(text(f"EXPLAIN {sql}"), given))
        return "\n".join(row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {sql}"), given))

    said = database.read(plan)
    tables = "customers|customer_numbers|interactions|notes|tags|tickets|contacts"
    whole = re.findall(rf"(?:Seq Scan on|SCAN) (?:{tables})\b(?! USING)", said)
    assert whole == [], said
    assert "ix_interactions_number_started_at" in said and "ix_interactions_customer_id_started_at" in said, said
