"""Other channels tell of what came by them: once, however often they say it; whose it is; what is wrong with it."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import gevent
import pytest
from sqlalchemy import func, select
from web_ends import Asker

from fsapp.app.web import WebProcess
from fsapp.records.schema import interactions

MAIL = {"channel": "email", "id": "<17@mail.example.com>", "email": "VERA@example.com", "direction": "inbound",
        "at": "2026-05-01T09:58:00+02:00", "subject": "Invoice \u202e", "text": "Where\r\nis it?", "agent": "1004"}


@pytest.fixture
def vera(admin: Asker) -> str:
    return admin.ask("POST", "/customers", {
        "name": "Vera", "email": "vera@example.com", "numbers": ["0601234567"]}).json["id"]


def test_an_email_is_kept_once(admin: Asker, vera: str) -> None:
    first, second = (admin.ask("POST", "/interactions", {**MAIL, "subject": subject}) for subject in ("Invoice", "no"))
    assert (first.status, second.status) == (201, 200)
    assert first.json == second.json
    assert {key: first.json[key] for key in ("id", "channel", "customer_id", "subject", "agent", "started_at")} == {
        "id": "email:<17@mail.example.com>", "channel": "email", "customer_id": vera, "subject": "Invoice",
        "agent": "1004", "started_at": "2026-05-01T07:58:00+00:00"}
    assert first.json["fields"] == {"text": "Where\nis it?", "email": "VERA@example.com"}


@pytest.mark.parametrize("id_", ["https://chat.example.com/a//b/?x=1#y", "../../etc/passwd", "/", "%2F", "a/tags/b"])
def test_any_id_of_a_sender_is_found_again(admin: Asker, vera: str, id_: str) -> None:
    made = admin.ask("POST", "/interactions", {"channel": "chat", "id": id_, "customer": vera})
    whole = quote(f"chat:{id_}", safe="")
    found = admin.ask("GET", f"/interactions/{whole}")
    assert (made.status, found.status, found.json["id"]) == (201, 200, f"chat:{id_}")
    assert admin.ask("POST", f"/interactions/{whole}/tags", {"tag": "renewal"}).json == {"tags": ["renewal"]}


def test_told_many_times_at_once_it_is_kept_once(admin: Asker, web: WebProcess) -> None:
    told = {"channel": "sms", "id": "s1", "number": "0601234567"}
    waiting = [gevent.spawn(admin.ask, "POST", "/interactions", told) for _ in range(12)]
    gevent.joinall(waiting, timeout=30, raise_error=True)
    assert sorted(one.value.status for one in waiting) == [200] * 11 + [201]
    assert web.parts.database.read(lambda connection: connection.execute(
        select(func.count()).select_from(interactions)).scalar()) == 1


def test_whose_it_is(admin: Asker, vera: str) -> None:
    def customer(**told: str) -> Any:
        id_ = "-".join(told.values()).replace(" ", "")
        said = admin.ask("POST", "/interactions", {"channel": "chat", "id": id_, **told})
        return said.json.get("customer_id", said.json)

    assert customer(number="060 1234567") == vera
    assert customer(customer=vera) == vera
    assert customer(email="vera@Example.com") == vera
    assert customer(email="somebody@example.com") is None
    admin.ask("POST", "/customers", {"name": "Namesake", "email": "Vera@example.com"})
    assert customer(email="vera@example.com") is None, "an address of two is nobody's"
    assert customer(customer="nobody")["error"]["code"] == "refused"


def test_rules_look_at_what_is_new_and_not_at_history(admin: Asker, web: WebProcess) -> None:
    for id_, at in (("new", time.time()), ("old", time.time() - 3 * 86400)):
        told = {"channel": "visit", "id": id_, "number": "0601234567", "at": at}
        assert admin.ask("POST", "/interactions", told).status == 201
    rows = web.parts.database.read(lambda connection: connection.execute(
        select(interactions.c.id, interactions.c.followed_at)).all())
    assert {row.id: row.followed_at is None for row in rows} == {"visit:new": True, "visit:old": False}


@pytest.mark.parametrize("change", [
    {"channel": "call"}, {"channel": None}, {"id": ""}, {"id": "a b"}, {"id": "a\n"}, {"id": 7}, {"id": "a" * 201},
    {"email": ""}, {"at": "yesterday"}, {"at": -1}, {"at": 1e300}, {"at": True}, {"agent": "9999"}, {"agent": []},
    {"email": "no"}, {"direction": "up"}, {"fields": [1]}, {"colour": "red"}, {"number": "12"},
    {"ticket": "none"}, {"subject": {}},
])
def test_what_is_wrong_is_refused_and_nothing_kept(admin: Asker, change: dict[str, Any], web: WebProcess) -> None:
    said = admin.ask("POST", "/interactions", {**MAIL, **change})
    assert (said.status, said.error) == (422, "refused")
    assert web.parts.database.read(lambda connection: connection.execute(select(interactions.c.id)).all()) == []


def test_an_interaction_is_shown_tagged_and_noted_on(admin: Asker, vera: str) -> None:
    id_ = admin.ask("POST", "/interactions", MAIL).json["id"]
    path = f"/interactions/{id_}"
    assert admin.ask("POST", f"{path}/tags", {"tag": "Invoice"}).json == {"tags": ["invoice"]}
    assert admin.ask("POST", f"{path}/notes", {"text": "found it", "by": "1005"}).status == 201
    shown = admin.ask("GET", path).json
    assert (shown["tags"], shown["stays"], shown["decisions"]) == (["invoice"], [], [])
    assert [(note["text"], note["by"]) for note in shown["notes"]] == [("found it", "1005")]
    assert admin.ask("DELETE", f"{path}/tags/invoice").status == 204
    assert admin.ask("DELETE", f"{path}/tags/invoice").status == 404
    assert admin.ask("GET", "/interactions/none").error == "no-interaction"
    assert admin.ask("POST", "/interactions/none/notes", {"text": "a"}).error == "no-interaction"
    assert admin.ask("POST", "/interactions/none/tags", {"tag": "a"}).error == "no-interaction"
