"""The timeline over HTTP: of a customer and of a number, page by page; who looked is written down."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from sqlalchemy import select
from web_ends import Asker

from fsapp.app.web import WebProcess
from fsapp.records.schema import access_log

NUMBER = "%2B381601234567"


@pytest.fixture
def vera(admin: Asker) -> str:
    id_ = admin.ask("POST", "/customers", {"name": "Vera", "numbers": ["0601234567"]}).json["id"]
    for n in range(5):
        admin.ask("POST", "/interactions", {"channel": ("sms", "email")[n % 2], "id": f"m{n}", "customer": id_,
                                            "at": f"2026-05-01T10:00:0{n}+02:00", "subject": f"S{n}"})
    admin.ask("POST", f"/customers/{id_}/notes", {"text": "one\ntwo"})
    return id_


def test_a_timeline_page_by_page(admin: Asker, vera: str, web: WebProcess) -> None:
    seen: list[Any] = []
    path = f"/timeline?number={NUMBER}&limit=2"
    while True:
        page = admin.ask("GET", path).json
        assert (page["customer"], page["numbers"]) == (vera, ["+381601234567"])
        seen += page["entries"]
        if page["next"] is None:
            break
        path = f"/timeline?number={NUMBER}&limit=2&before={page['next']}"
    assert [one.get("subject") or one["text"] for one in seen] == ["one\ntwo", "S4", "S3", "S2", "S1", "S0"]
    assert seen == admin.ask("GET", f"/customers/{vera}/timeline").json["entries"]
    only = admin.ask("GET", f"/customers/{vera}/timeline?kind=email,note&since=2026-05-01T10:00:02%2B02:00").json
    assert [one["kind"] for one in only["entries"]] == ["note", "email"]
    assert seen[1]["started_at"] == "2026-05-01T08:00:04+00:00" and seen[1]["stays"] == []
    looks = web.parts.database.read(lambda connection: connection.execute(
        select(access_log.c.customer_id).where(access_log.c.what == "timeline")).scalars().all())
    assert looks == [vera] * 5


def test_of_a_number_that_is_nobodys(admin: Asker) -> None:
    said = admin.ask("GET", f"/timeline?number={NUMBER}")
    assert said.json == {"customer": None, "numbers": ["+381601234567"], "entries": [], "next": None}


@pytest.mark.parametrize("query", ["kind=none", "before=x", "before=W10", "since=yesterday", "limit=0", "limit=201"])
def test_what_cannot_be_asked_for_is_refused(admin: Asker, vera: str, query: str) -> None:
    said = admin.ask("GET", f"/customers/{vera}/timeline?{query}")
    assert (said.status, said.error) == (422, "refused")
    assert admin.ask("GET", f"/customers/nobody/timeline?{query.replace(query, '')}").error == "no-customer"


@pytest.mark.parametrize("cursor", [
    "[1" + "0" * 400 + ', "call", "u"]', '[NaN, "call", "u"]', '[1e999, "call", "u"]', '[1, "call", "\\ud800"]',
    '[1, "call", "\\u0000"]', '[1, 2, "u"]', '["1", "call", "u"]', "[" * 300,
])
def test_a_cursor_of_somebodys_own_is_refused(admin: Asker, cursor: str) -> None:
    before = base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")
    said = admin.ask("GET", f"/timeline?number={NUMBER}&before={before}")
    assert (said.status, said.error) == (422, "refused")
