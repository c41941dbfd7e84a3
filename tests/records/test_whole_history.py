"""What was before a customer was known is the customer's, however the customer came to be known; on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from memory_rows import NUMBER, OTHER, CommandLine, customer, interaction, rules_with
from sqlalchemy import select

from fsapp.records import interactions, schema, tickets
from fsapp.records.database import Database
from fsapp.records.notes import add_note
from fsapp.records.person import person, rows_of
from fsapp.records.pop import read_pop
from fsapp.records.timeline import timeline, whose_number

STRANGER = "+381601234999"
WAYS = ("add", "set", "import")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: Any, database_url: str, redis_server: Any) -> CommandLine:
    line = CommandLine(monkeypatch, capsys, database_url, redis_server)
    line.load(rules_with())
    return line


def done(command: CommandLine, *words: str) -> None:
    status, _out, err = command(*words)
    assert status == 0, err


def before(database: Database) -> None:
    """Calls of two numbers that are nobody's, with notes, a ticket and an attempt; and a call of somebody else's."""
    interaction(database, "u1", started_at=1.0)
    interaction(database, "u2", number=OTHER, started_at=2.0)
    interaction(database, "x1", number=STRANGER, started_at=3.0)

    def work(connection: Any) -> None:
        connection.execute(schema.tickets.insert(), {
            "id": "t1", "number": OTHER, "state": "open", "opened_at": 4.0, "changed_at": 4.0})
        connection.execute(schema.attempts.insert(), {"id": "a1", "number": NUMBER, "at": 5.0, "outcome": "failed"})
        add_note(connection, "on a call", "ana", 6.0, interaction="u1")
        add_note(connection, "on a ticket", "ana", 7.0, ticket="t1")
        add_note(connection, "of somebody else", "ana", 8.0, interaction="x1")

    database.write(work)


@pytest.mark.parametrize("way", WAYS)
def test_a_customers_history_is_whole(way: str, command: CommandLine, database: Database, tmp_path: Path) -> None:
    before(database)
    if way == "add":
        done(command, "customers", "add", NUMBER, "--name", "Vera")
        done(command, "customers", "set", NUMBER, "--add-number", OTHER)
    elif way == "set":
        done(command, "customers", "add", "+381601230000", "--name", "Vera")
        for number in (NUMBER, OTHER):
            done(command, "customers", "set", "+381601230000", "--add-number", number)
    else:
        path = tmp_path / "in.csv"
        path.write_text(f"number,numbers,name\n{NUMBER},{OTHER},Vera\n+381601230000,,Ana\n")
        done(command, "customers", "import", str(path))
    note = database.write(lambda connection: add_note(connection, "written now", "ana", 9.0, interaction="u2"))

    def look(connection: Any) -> None:
        pop = read_pop(connection, NUMBER)
        assert pop.customer is not None and pop.customer["name"] == "Vera"
        assert [row["id"] for row in pop.interactions] == ["u2", "u1"]
        assert [row["id"] for row in pop.tickets] == ["t1"]
        assert [row["text"] for row in pop.notes] == ["written now", "on a ticket", "on a call"]
        page = timeline(connection, whose_number(connection, NUMBER), limit=50)
        told = [entry.get("text") or entry["id"] for entry in page.entries]
        assert told == ["written now", "on a ticket", "on a call", "a1", "t1", "u2", "u1"]
        kept = {name: {row["id"] for row in rows} for name, rows in rows_of(connection, person(connection, OTHER))
                if name in ("interactions", "tickets", "attempts", "notes")}
        assert kept["interactions"] == {"u1", "u2"} and kept["tickets"] == {"t1"} and kept["attempts"] == {"a1"}
        assert note in kept["notes"] and len(kept["notes"]) == 3
        mine = pop.customer["id"]
        listed = interactions.find(connection, interactions.InteractionFilter(customer_id=mine), 10)
        assert [row["id"] for row in listed] == ["u2", "u1"]
        assert [row["id"] for row in tickets.find(connection, tickets.TicketFilter(customer_id=mine), 10)] == ["t1"]
        assert tickets.open_of(connection, NUMBER, None, None, 0.0) == "t1"
        [theirs] = connection.execute(select(schema.notes.c.customer_id).where(
            schema.notes.c.text == "of somebody else")).scalars()
        assert theirs is None

    database.read(look)


def test_calls_that_name_somebody_stay_theirs(command: CommandLine, database: Database) -> None:
    """A number that was another's before."""
    theirs = customer(database, "c1", OTHER)
    interaction(database, "u1", number=OTHER, customer_id=theirs, started_at=1.0)
    done(command, "customers", "set", OTHER, "--add-number", STRANGER, "--remove-number", OTHER)
    done(command, "customers", "add", OTHER, "--name", "Ana")
    for number, wanted in ((OTHER, []), (STRANGER, ["u1"])):
        page = database.read(lambda connection, number=number: timeline(
            connection, whose_number(connection, number), limit=9))
        assert [entry["id"] for entry in page.entries] == wanted


def test_an_import_costs_the_same_however_many_calls_there_are(
    command: CommandLine, database: Database, tmp_path: Path,
) -> None:
    """No call is written anew, and none but those with notes of nobody are read."""
    database.write(lambda connection: connection.execute(schema.interactions.insert(), [
        {"id": f"u{n}", "number": f"+3816012{n % 100:05}", "started_at": float(n)} for n in range(3000)]))
    path = tmp_path / "in.csv"
    path.write_text("number,name\n" + "".join(f"+3816012{n:05},Ana\n" for n in range(100)))
    done(command, "customers", "import", str(path))
    rows = database.read(lambda connection: connection.execute(
        select(schema.interactions.c.customer_id).distinct()).scalars().all())
    assert rows == [None]
    page = database.read(lambda connection: timeline(connection, whose_number(connection, "+381601200007"), limit=50))
    assert len(page.entries) == 30
    found = command.json("customers", "timeline", "+381601200007", "--limit", "5")
    assert len(found["entries"]) == 5
