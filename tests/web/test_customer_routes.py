"""Customers over HTTP: found by any spelling, made, changed, merged; what is wrong has one shape."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select
from web_ends import Asker

from fsapp.app.web import WebProcess
from fsapp.records.schema import access_log

NUMBER = "+381601234567"
SPELLINGS = [
    "+381601234567", "00381601234567", "0601234567", "060 123 4567", "060/123-4567", "(060) 123-45-67", "060.123.45.67",
    "+381 60 123 45 67", "+381 (60) 123-4567", "381601234567", "tel:+381-60-123-4567", "sip:+381601234567@example.com",
    "sip:0601234567@10.0.0.1:5060;user=phone", " 0601234567 ", "+381 (0) 60 1234567", "00 381 60 1234567",
    "\u202a+381601234567\u202c", "+381601234567;ext=12", "060-1234-567", "+381-60/1234567", "٠٦٠١٢٣٤٥٦٧",
    "＋３８１（６０）１２３４５６７", "060–123‑45−67", '"Vera" <sip:%2B381601234567@10.0.0.1>',
]
HOSTILE = "\u202eVera \"x\" O'Neil\r\nBcc: all@example.com \x1b[2J\x00 =HYPERLINK() \U0001f600"
CLEAN = "Vera \"x\" O'Neil Bcc: all@example.com [2J =HYPERLINK() \U0001f600"


def quoted(text: str) -> str:
    return quote(text, safe="")


@pytest.fixture
def vera(admin: Asker) -> dict[str, Any]:
    made = admin.ask("POST", "/customers", {"name": "Vera", "vip": 3, "numbers": [NUMBER], "fields": {"contract": "A"}})
    assert made.status == 201
    return made.json


def test_a_customer_is_found_by_any_spelling(admin: Asker, vera: dict[str, Any]) -> None:
    assert len(set(SPELLINGS)) >= 20
    for spelling in SPELLINGS:
        found = admin.ask("GET", f"/customers?number={quoted(spelling)}")
        assert (found.status, [one["id"] for one in found.json["customers"]]) == (200, [vera["id"]]), spelling
    assert admin.ask("GET", f"/customers?number={NUMBER}").json["customers"], "a plus that was not escaped"
    assert admin.ask("GET", "/customers?number=0601234568").json == {"customers": []}


@pytest.mark.parametrize("query", ["", "number=&text=", "number=x", "number=anonymous", "number=112&limit=1",
                                   "text=a&limit=0", "text=a&limit=-1", "text=a&limit=9999999999",
                                   "text=a&number=0601234567"])
def test_what_cannot_be_looked_for_is_refused(admin: Asker, query: str) -> None:
    found = admin.ask("GET", f"/customers?{query}")
    assert (found.status, found.error) == (422, "refused")


def test_hostile_text_is_cleaned_at_the_door(admin: Asker) -> None:
    made = admin.ask("POST", "/customers", {"name": HOSTILE, "company": HOSTILE, "fields": {HOSTILE: HOSTILE}})
    assert (made.status, made.json["name"], made.json["company"]) == (201, CLEAN, CLEAN)
    [(key, value)] = made.json["fields"].items()
    assert key == CLEAN and "\u202e" not in value and "\x1b" not in value and "\x00" not in value
    note = admin.ask("POST", f"/customers/{made.json['id']}/notes", {"text": f"one\r\n{HOSTILE}\n\n\n\n\nlast\x00"})
    assert note.json["text"].splitlines()[0] == "one" and note.json["text"].endswith("\n\nlast")
    found = admin.ask("GET", f"/customers?text={quoted('O' + chr(39) + 'neil')}")
    assert [one["id"] for one in found.json["customers"]] == [made.json["id"]]
    assert admin.ask("GET", "/customers?text=%25").json["customers"] == [], "a sign of SQL's is a letter as others"


def test_what_is_given_is_changed_and_nothing_else(admin: Asker, vera: dict[str, Any]) -> None:
    changed = admin.ask("PATCH", f"/customers/{vera['id']}", {"vip": 5, "language": "SR", "fields": None})
    assert changed.status == 200
    assert changed.json == {**vera, "vip": 5, "language": "sr", "fields": {}, "changed_at": changed.json["changed_at"]}
    more = admin.ask("POST", f"/customers/{vera['id']}/numbers", {"number": "011 555-0199", "kind": "office"})
    assert more.json["numbers"] == [{"number": NUMBER, "kind": None}, {"number": "+381115550199", "kind": "office"}]
    assert admin.ask("DELETE", f"/customers/{vera['id']}/numbers/060%201234567").status == 204
    assert admin.ask("DELETE", f"/customers/{vera['id']}/numbers/{NUMBER}").status == 404
    numbers = admin.ask("PATCH", f"/customers/{vera['id']}", {"numbers": [NUMBER, "0601234567"]}).json["numbers"]
    assert numbers == [{"number": NUMBER, "kind": None}]


def test_every_fault_is_said_at_once(admin: Asker) -> None:
    said = admin.ask("POST", "/customers", {
        "vip": 10, "language": "Serbian!", "timezone": "Mars/Base", "email": "nobody", "colour": "red", "name": 7,
        "fields": {"a": []}, "numbers": ["12", {"number": NUMBER, "kind": "A B"}]})
    assert (said.status, said.error) == (422, "refused")
    begins = sorted({fault.partition(":")[0] for fault in said.json["error"]["faults"]})
    assert begins == ["colour", "email", "fields", "language", "name", "numbers", "timezone", "vip"]


def test_a_number_is_one_customers(admin: Asker, vera: dict[str, Any]) -> None:
    said = admin.ask("POST", "/customers", {"name": "Other", "numbers": ["060 1234567"]})
    assert (said.status, said.error, said.json["error"]["customer_id"]) == (409, "number-taken", vera["id"])
    assert admin.ask("GET", "/customers?text=other").json["customers"] == [], "nothing of it was kept"


def test_two_customers_become_one(admin: Asker, vera: dict[str, Any]) -> None:
    other = admin.ask("POST", "/customers", {"name": "V. Petrov", "vip": 7, "email": "v@example.com",
                                             "numbers": ["0601234568"], "fields": {"contract": "B", "more": 1}}).json
    admin.ask("POST", f"/customers/{other['id']}/tags", {"tag": "Late payer"})
    merged = admin.ask("POST", f"/customers/{vera['id']}/merge", {"other": other["id"]})
    assert merged.status == 200
    assert merged.json == {
        **vera, "vip": 7, "email": "v@example.com", "fields": {"contract": "A", "more": 1}, "tags": ["late-payer"],
        "numbers": [{"number": NUMBER, "kind": None}, {"number": "+381601234568", "kind": None}],
        "changed_at": merged.json["changed_at"]}
    assert admin.ask("GET", f"/customers/{other['id']}").error == "no-customer"
    assert admin.ask("POST", f"/customers/{vera['id']}/merge", {"other": vera["id"]}).error == "refused"
    assert admin.ask("POST", f"/customers/{vera['id']}/merge", {"other": "x"}).error == "no-customer"


def test_tags(admin: Asker, vera: dict[str, Any]) -> None:
    for _ in range(2):
        assert admin.ask("POST", f"/customers/{vera['id']}/tags", {"tag": "Late Payer"}).json["tags"] == ["late-payer"]
    assert admin.ask("DELETE", f"/customers/{vera['id']}/tags/late-payer").status == 204
    assert admin.ask("DELETE", f"/customers/{vera['id']}/tags/late-payer").status == 404
    assert admin.ask("POST", f"/customers/{vera['id']}/tags", {"tag": "<>"}).error == "refused"
    assert admin.ask("POST", f"/customers/{vera['id']}/notes", {"text": " \u200b "}).error == "refused"
    assert admin.ask("POST", f"/customers/{vera['id']}/notes", {"text": "a", "by": "nobody"}).error == "refused"


@pytest.mark.parametrize(("path", "sent"), [
    ("", {"name": "a"}), ("/notes", {"text": "a"}), ("/tags", {"tag": "a"}), ("/numbers", {"number": NUMBER})])
def test_of_a_customer_who_is_not_there(admin: Asker, path: str, sent: dict[str, str]) -> None:
    said = admin.ask("POST" if path else "PATCH", f"/customers/nobody{path}", sent)
    assert (said.status, said.error) == (404, "no-customer")


def test_looking_is_written_down(admin: Asker, vera: dict[str, Any], web: WebProcess) -> None:
    admin.ask("GET", f"/customers/{vera['id']}")
    admin.ask("GET", "/customers?number=0601234567")
    rows = web.parts.database.read(lambda connection: connection.execute(select(access_log)).all())
    assert sorted((row.who, row.what, row.customer_id, row.number, row.how) for row in rows if row.number is None) == [
        ("the-test", "customer", vera["id"], None, "web")]
    assert [row.number for row in rows if row.number] == [NUMBER]
