"""Tickets, dispositions and suggested tags over HTTP: as the rules have them; what is wrong has one shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from web_ends import EXAMPLE, Asker

from fsapp.app.web import WebProcess
from fsapp.records import schema
from fsapp.rules import load_folder
from fsapp.state.rules import RulesStore

NUMBER = "+381601234567"
HOSTILE = "\u202eRouter \x1b[2J\r\nis dead \U0001f600"


@pytest.fixture
def call(web: WebProcess) -> str:
    web.parts.database.write(lambda connection: connection.execute(schema.interactions.insert(), {
        "id": "u1", "number": NUMBER, "call_class": "service", "line": "helpdesk", "started_at": 1.0, "ended_at": 2.0,
        "outcome": "answered", "agent": "1004", "followed_at": 2.0}))
    return "u1"


def test_a_ticket_from_opening_to_closing(admin: Asker, call: str) -> None:
    vera = admin.ask("POST", "/customers", {"name": "Vera", "numbers": [NUMBER]}).json["id"]
    made = admin.ask("POST", "/tickets", {
        "interaction": call, "subject": HOSTILE, "agent": "1004", "priority": 3})
    assert (made.status, made.json["subject"]) == (201, "Router [2J is dead \U0001f600")
    assert (made.json["customer_id"], made.json["place"], made.json["made_by"]) == (vera, "helpdesk", "the-test")
    ticket = made.json["id"]
    assert admin.ask("GET", f"/interactions/{call}").json["ticket_id"] == ticket
    note = admin.ask("POST", f"/tickets/{ticket}/notes", {"text": "a\nb", "by": "1005"})
    assert (note.status, note.json["by"]) == (201, "1005")
    shown = admin.ask("GET", f"/tickets/{ticket}").json
    assert [one["text"] for one in shown["notes"]] == ["a\nb"]
    assert [one["id"] for one in shown["interactions"]] == [call]
    assert admin.ask("POST", f"/tickets/{ticket}/assign", {"group": "support"}).json["group"] == "support"
    assert admin.ask("POST", f"/tickets/{ticket}/close", {}).json["state"] == "closed"
    assert admin.ask("POST", f"/tickets/{ticket}/close", {}).status == 409
    assert admin.ask("POST", f"/tickets/{ticket}/assign", {"agent": "1004"}).error == "wrong-state"
    assert admin.ask("GET", f"/tickets?customer={vera}").json == {"tickets": []}
    assert [one["id"] for one in admin.ask("GET", "/tickets?number=0601234567&state=all").json["tickets"]] == [ticket]
    assert admin.ask("POST", f"/tickets/{ticket}/reopen", {}).json["closed_at"] is None
    assert [one["id"] for one in admin.ask("GET", "/tickets?place=helpdesk&group=support").json["tickets"]] == [ticket]


@pytest.mark.parametrize(("body", "said"), [
    ({}, "subject"), ({"subject": "x"}, "say whose it is"), ({"subject": "x", "number": "y"}, "is no telephone number"),
    ({"subject": "x", "number": NUMBER, "customer": "c"}, "one of them"),
    ({"subject": "x", "number": NUMBER, "colour": "red"}, "colour: is not known"),
    ({"subject": "x", "number": NUMBER, "priority": 10}, "from 0 to 9"),
    ({"subject": "x", "number": NUMBER, "priority": True}, "from 0 to 9"),
    ({"subject": "x", "number": NUMBER, "priority": [1]}, "from 0 to 9"),
    ({"subject": "x", "number": NUMBER, "place": "nowhere"}, "place:"),
    ({"subject": "x", "number": NUMBER, "agent": "1099"}, "agent: is no agent"),
    ({"subject": "x", "number": NUMBER, "group": ["sales"]}, "there are sales, support"),
    ({"subject": "x", "customer": "nobody"}, "customer: there is none"), ({"subject": 7, "customer": ["x"]}, "subject"),
])
def test_what_is_wrong_about_a_ticket(admin: Asker, body: dict[str, Any], said: str) -> None:
    answer = admin.ask("POST", "/tickets", body)
    assert (answer.status, answer.error) == (422, "refused")
    assert said in " ".join(answer.json["error"]["faults"])


def test_what_is_not_there(admin: Asker) -> None:
    for method, path in (("GET", "/tickets/x"), ("POST", "/tickets/x/close"), ("POST", "/tickets/x/reopen")):
        assert admin.ask(method, path, {} if method == "POST" else None).error == "no-ticket"
    assert admin.ask("POST", "/tickets/x/notes", {"text": "x"}).error == "no-ticket"
    assert admin.ask("POST", "/tickets", {"subject": "x", "interaction": "u9"}).error == "no-interaction"
    for path in ("disposition", "suggestions"):
        body = {"disposition": "x"} if path == "disposition" else {"tag": "x"}
        assert admin.ask("POST", f"/interactions/u9/{path}", body).error == "no-interaction"
    assert admin.ask("GET", "/interactions/u9/suggestions").error == "no-interaction"
    assert admin.ask("GET", "/tickets?state=lost").status == 422


def test_who_may(asker: Any, call: str) -> None:
    reader = asker("read")
    assert reader.ask("GET", "/tickets").status == 200
    assert reader.ask("POST", "/tickets", {"subject": "x", "number": NUMBER}).status == 403
    assert reader.ask("POST", f"/interactions/{call}/disposition", {"disposition": "x"}).status == 403
    assert reader.ask("POST", f"/interactions/{call}/suggestions", {"tag": "x"}).status == 403
    assert asker(None).ask("GET", "/tickets").status == 401


def _load(web: WebProcess, redis_client: Any, **changes: Any) -> None:
    from gevent import Timeout, sleep

    document = load_folder(EXAMPLE)
    document["line"]["helpdesk"]["dispositions"] = ["solved", "call again"]
    version = RulesStore(redis_client).load(document | changes, note="", author="test", source="test").version
    with Timeout(20, AssertionError("the rules are not taken up")):
        while web.rules is None or web.rules.version != version:
            sleep(0.01)


def test_a_disposition_is_one_of_the_places(admin: Asker, web: WebProcess, redis_client: Any, call: str) -> None:
    path = f"/interactions/{call}/disposition"
    assert admin.ask("POST", path, {"disposition": "whatever"}).json == {"disposition": "whatever"}
    _load(web, redis_client)
    refused = admin.ask("POST", path, {"disposition": "whatever"})
    assert refused.status == 422 and "there are solved, call again" in refused.json["error"]["message"]
    made = admin.ask("POST", path, {"disposition": "SOLVED", "note": "a\nb", "agent": "1005", "by": "1005"})
    assert (made.status, made.json) == (201, {"disposition": "solved"})
    shown = admin.ask("GET", f"/interactions/{call}").json
    assert shown["disposition"] == "solved" and shown["notes"][0]["text"] == "a\nb"
    assert [one["agent"] for one in shown["dispositions"]] == ["1004", "1005"]
    rows = web.parts.database.read(lambda connection: connection.execute(
        select(schema.interactions.c.followed_at)).scalars().all())
    assert rows == [None], "what follows from it is decided once more"
    for body in ({}, {"disposition": 7}, {"disposition": "solved", "x": 1}, {"disposition": "solved", "agent": "1099"},
                 {"disposition": "\u202e"}):
        assert admin.ask("POST", path, body).status == 422


def test_suggested_tags_are_confirmed(
    admin: Asker, web: WebProcess, redis_client: Any, call: str, tmp_path: Path,
) -> None:
    _load(web, redis_client, tags={"billing": ["invoice*"]})
    admin.ask("POST", f"/interactions/{call}/notes", {"text": f"two INVOICES {HOSTILE}"})
    path = f"/interactions/{call}/suggestions"
    assert admin.ask("GET", path).json == {"suggestions": [
        {"tag": "billing", "by": "words", "word": "invoices", "probability": None}]}
    assert admin.ask("POST", path, {"tag": "technical"}).status == 422
    assert admin.ask("POST", path, {"tag": "Billing"}).json == {"tags": ["billing"]}
    assert admin.ask("GET", path).json == {"suggestions": []}
    how = web.parts.database.read(lambda connection: connection.execute(select(schema.tags.c.how)).scalars().all())
    assert how == ["suggestion"]
