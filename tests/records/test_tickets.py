"""Tickets and interactions by hand: opened, found, given away, closed; disposed and tagged as the rules let them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from memory_rows import HOSTILE, NUMBER, OTHER, CommandLine, customer, interaction, rules_with
from sqlalchemy import select

from fsapp.records import notes, schema, tickets
from fsapp.records.database import Database
from fsapp.records.tickets import NewTicket, TicketFilter


@pytest.fixture
def fsapp(monkeypatch: pytest.MonkeyPatch, capsys: Any, database_url: str, redis_server: Any) -> CommandLine:
    line = CommandLine(monkeypatch, capsys, database_url, redis_server)
    document = rules_with()
    document["line"]["helpdesk"]["dispositions"] = ["solved", "call again"]
    line.load(document)
    return line


@pytest.fixture
def opened(database: Database) -> Callable[..., str]:
    def open_(at: float = 100.0, **more: Any) -> str:
        return database.write(lambda connection: tickets.open_ticket(connection, NewTicket(**more), at))

    return open_


def _open_of(database: Database, *what: Any) -> str | None:
    return database.read(lambda connection: tickets.open_of(connection, *what))


def test_the_open_ticket_of_a_customer_and_place(database: Database, opened: Any) -> None:
    customer(database)
    elsewhere = opened(number=NUMBER, customer_id="c1", place="vip")
    here = opened(number=NUMBER, customer_id="c1", place="helpdesk")
    assert _open_of(database, NUMBER, "c1", "helpdesk", 0.0) == here
    assert _open_of(database, NUMBER, "c1", "vip", 0.0) == elsewhere
    assert _open_of(database, NUMBER, "c1", "renewals/first-call", 0.0) is None
    assert _open_of(database, NUMBER, "c1", "helpdesk", 100.5) is None, "nothing has happened to it since then"
    database.write(lambda connection: tickets.touch(connection, here, 200.0))
    assert _open_of(database, NUMBER, "c1", "helpdesk", 100.5) == here
    database.write(lambda connection: tickets.touch(connection, here, 50.0))
    assert _open_of(database, NUMBER, "c1", "helpdesk", 100.5) == here, "the clock went back, the ticket does not"
    assert database.write(lambda connection: tickets.close(connection, here, 300.0))
    assert _open_of(database, NUMBER, "c1", "helpdesk", 0.0) is None
    assert not database.write(lambda connection: tickets.close(connection, here, 400.0))


def test_a_ticket_from_before_the_customer_had_a_name(database: Database, opened: Any) -> None:
    before = opened(number=OTHER, place=None)
    assert _open_of(database, OTHER, None, None, 0.0) == before
    customer(database, number=OTHER)
    assert _open_of(database, OTHER, "c1", None, 0.0) == before
    other = opened(number=OTHER, customer_id=customer(database, "c2", "+381601234500"), place=None)
    assert _open_of(database, OTHER, "c1", None, 0.0) == before != other, "a number that somebody else had once"


def test_nobody_shares_the_ticket_of_an_anonymous_caller(database: Database, opened: Any) -> None:
    opened(number=None, place="helpdesk")
    assert _open_of(database, None, None, "helpdesk", 0.0) is None


def test_tickets_are_found_by_what_is_said_of_them(database: Database, opened: Any) -> None:
    customer(database)
    first = opened(1.0, number=NUMBER, customer_id="c1", place="renewals/first-call", agent="1001")
    urgent = opened(2.0, number=OTHER, place="helpdesk", group="support", priority=9)
    closed = opened(3.0, number=OTHER, place="renew%")
    database.write(lambda connection: tickets.close(connection, closed, 4.0))

    def found(**wanted: Any) -> list[str]:
        return [row["id"] for row in database.read(
            lambda connection: tickets.find(connection, TicketFilter(**wanted), 10))]

    assert found() == [urgent, first]
    assert found(state=None) == [urgent, first, closed]
    assert found(number=NUMBER) == found(customer_id="c1") == found(agent="1001") == [first]
    assert found(place="renewals/") == found(place="renewals/first-call") == [first]
    assert found(place="renew%/", state=None) == []
    assert found(group="support") == [urgent]


def test_a_ticket_from_opening_to_closing(fsapp: CommandLine, database: Database) -> None:
    customer(database)
    made = fsapp.json("tickets", "open", "--number", "060 123-4567", "--subject", HOSTILE, "--line", "helpdesk",
                      "--group", "support", "--priority", "3")
    id_ = made["id"]
    assert (made["state"], made["number"], made["customer"], made["place"]) == ("open", NUMBER, "c1", "helpdesk")
    assert made["subject"].isprintable()
    assert fsapp.json("tickets", "assign", id_, "--agent", "dejan@example.com")["agent"] == "1004"
    assert fsapp.json("tickets", "note", id_, "first line\nsecond \x1b[31mline")["state"] == "open"
    [listed] = fsapp.json("tickets", "list", "--number", NUMBER)["tickets"]
    assert listed["id"] == id_ and listed["agent"] == "1004" and listed["group"] is None
    assert fsapp.json("tickets", "list", "--campaign", "renewals")["tickets"] == []
    closed = fsapp.json("tickets", "close", id_, "--note", "done")
    assert closed["state"] == "closed" and closed["closed_at"]
    assert "is closed already" in fsapp.refused("tickets", "close", id_)
    assert "open it again first" in fsapp.refused("tickets", "assign", id_, "--nobody")
    assert fsapp.json("tickets", "reopen", id_)["closed_at"] is None
    shown = fsapp.json("tickets", "show", id_)
    assert [note["text"] for note in shown["notes"]] == ["first line\nsecond [31mline", "done"]
    status, out, _err = fsapp("tickets", "show", id_)
    assert status == 0 and "\x1b" not in out and "\u202e" not in out
    assert id_ in fsapp("tickets", "list")[1] and fsapp("tickets", "list", "--csv")[1].startswith("id,state,")


@pytest.mark.parametrize(("words", "said"), [
    (("show", "nonesuch"), "there is no ticket 'nonesuch': see `fsapp tickets list"),
    (("close", "x\x1b[2J"), "there is no ticket"),
    (("open", "--number", "junk", "--subject", "x"), "is no telephone number"),
    (("open", "--number", NUMBER, "--subject", " \u202e"), "the subject is empty"),
    (("open", "--interaction", "nobody", "--subject", "x"), "there is no interaction 'nobody'"),
    (("open", "--number", NUMBER, "--subject", "x", "--line", "nope"), "there is no line nope"),
    (("note", "t", " \n"), "the note is empty"),
    (("assign", "t", "--agent", "1099"), "there is no agent 1099"),
])
def test_what_is_refused_about_tickets(fsapp: CommandLine, words: tuple[str, ...], said: str) -> None:
    assert said in fsapp.refused("tickets", *words)


def test_a_ticket_about_an_interaction(fsapp: CommandLine, database: Database) -> None:
    customer(database)
    interaction(database, customer_id="c1")
    made = fsapp.json("tickets", "open", "--interaction", "u1", "--subject", "router is dead")
    assert (made["customer"], made["place"], made["number"]) == ("c1", "helpdesk", NUMBER)
    assert [one["id"] for one in fsapp.json("tickets", "show", made["id"])["interactions"]] == ["u1"]
    assert fsapp.json("interactions", "list", "--ticket", made["id"])["interactions"][0]["id"] == "u1"
    fsapp("interactions", "note", "u1", "has tried another cable")
    fsapp("interactions", "show", "u1")
    [note] = fsapp.json("tickets", "show", made["id"])["notes"]
    looks = database.read(lambda connection: connection.execute(
        select(schema.access_log.c.what, schema.access_log.c.subject, schema.access_log.c.number)).all())
    assert set(looks) == {("interactions", None, None), ("interaction", "u1", NUMBER),
                          ("ticket", made["id"], NUMBER)}, "who looked is written down"
    assert note["text"] == "has tried another cable"


def test_a_disposition_is_one_of_the_places(fsapp: CommandLine, database: Database) -> None:
    customer(database)
    interaction(database, customer_id="c1", followed_at=5.0)
    interaction(database, "u2", line="vip", outcome="abandoned", agent=None)
    said = fsapp.refused("interactions", "dispose", "u1", "maybe\x1b[2J")
    assert "helpdesk has no disposition" in said and "there are solved, call again" in said
    assert fsapp.json("interactions", "dispose", "u1", "Solved", "--note", "a\nb")["disposition"] == "solved"
    fsapp("interactions", "dispose", "u1", "call again", "--agent", "1005")
    shown = fsapp.json("interactions", "show", "u1")
    assert [(one["disposition"], one["agent"]) for one in shown["dispositions"]] == [
        ("solved", "1004"), ("call again", "1005")]
    assert shown["disposition"] == "call again" and shown["notes"][0]["text"] == "a\nb"
    assert shown["followed_at"] is None, "what follows is decided once more"
    assert fsapp.json("interactions", "dispose", "u2", "no list here")["disposition"] == "no list here"
    assert "is empty" in fsapp.refused("interactions", "dispose", "u2", " ")
    assert "there is no interaction" in fsapp.refused("interactions", "dispose", "u9", "solved")
    found = fsapp.json("interactions", "list", "--disposition", "call again")
    assert [one["id"] for one in found["interactions"]] == ["u1"]


def test_why_a_call_went_where_it_went_is_shown(fsapp: CommandLine, database: Database) -> None:
    interaction(database)
    trace = [["number", f"+381115550300 {HOSTILE}", "service line helpdesk"]]
    database.write(lambda connection: connection.execute(schema.decisions.insert(), [
        {"id": f"d{visit}", "interaction_id": "u1", "at": 100.0 + visit, "visit": visit, "call_class": "service",
         "reason": "service-line", "trace": steps} for visit, steps in ((0, trace), (1, None))]))
    shown = fsapp.json("interactions", "show", "u1")
    assert [(one["visit"], one["at"], one["trace"]) for one in shown["decisions"]] == [
        (0, "1970-01-01T00:01:40+00:00", trace), (1, "1970-01-01T00:01:41+00:00", None)]
    status, out, _err = fsapp("interactions", "show", "u1")
    assert status == 0 and "decided at 1970-01-01T00:01:40+00:00: service (service-line), because\n  number: " in out
    assert ": service line helpdesk\n" in out and "\u202e" not in out and "\x1b" not in out


def test_tags_by_hand(fsapp: CommandLine, database: Database) -> None:
    interaction(database, followed_at=5.0)
    assert fsapp.json("interactions", "tag", "u1", "Billing", "wants refund")["tags"] == ["billing", "wants-refund"]
    assert fsapp.json("interactions", "tag", "u1", "billing")["tags"] == ["billing", "wants-refund"]
    row = database.read(lambda connection: connection.execute(select(schema.tags)).mappings().first())
    assert row["how"] == "hand" and row["by"] and row["kind"] == "interaction"
    assert fsapp.json("interactions", "show", "u1")["followed_at"] is None
    assert "is no tag" in fsapp.refused("interactions", "tag", "u1", "a/b")
    assert "there is no interaction" in fsapp.refused("interactions", "tag", "u9", "x")
    said = fsapp.refused("interactions", "tag", "u1", "x", "--remove")
    assert "it has no tag x: it has billing, wants-refund" in said
    assert fsapp.json("interactions", "tag", "u1", "billing", "--remove")["tags"] == ["wants-refund"]
    found = fsapp.json("interactions", "list", "--tag", "wants-refund", "--number", "0601234567")["interactions"]
    assert [one["id"] for one in found] == ["u1"]


def test_hostile_text_in_the_memory_moves_no_cursor(fsapp: CommandLine, database: Database) -> None:
    interaction(database, "u\x1b[2J1", name=HOSTILE, subject=HOSTILE, number=None)
    database.write(lambda connection: notes.add_note(
        connection, HOSTILE, HOSTILE, 1.0, interaction="u\x1b[2J1"))
    for words in (("list",), ("list", "--csv"), ("show", "u\x1b[2J1")):
        status, out, _err = fsapp("interactions", *words)
        assert status == 0 and "\x1b" not in out and "\u202e" not in out and "\r" not in out.replace("\r\n", "\n")


def test_without_a_database_one_line_says_what_to_do(
    fsapp: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Any,
) -> None:
    monkeypatch.setenv("FSAPP_DATABASE_URL", f"sqlite:///{tmp_path}/none.db")
    for words in (("tickets", "list"), ("interactions", "list")):
        assert "fsapp records migrate" in fsapp.refused(*words)
