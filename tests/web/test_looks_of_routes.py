"""Every route that answers with what is known of somebody writes it down, also those that change something first."""

from __future__ import annotations

from typing import Any

import gevent
from sqlalchemy import select
from web_ends import Asker

from fsapp.app.web import WebProcess
from fsapp.records import schema
from fsapp.web.application import make

NUMBER = "+381601234567"
# Method and rule, in the order in which they are asked: the body, and what is written down (and how often).
LOOKS: tuple[tuple[str, str, Any, str], ...] = (
    ("GET", "/customers", None, "customer"),
    ("GET", "/customers/<id_>", None, "customer"),
    ("PATCH", "/customers/<id_>", {}, "customer"),
    ("POST", "/customers/<id_>/numbers", {"number": "+381641112222"}, "customer"),
    ("POST", "/customers/<id_>/tags", {"tag": "x"}, "customer"),
    ("POST", "/customers/<id_>/merge", {"other": "boris"}, "customer"),
    ("GET", "/customers/<id_>/timeline", None, "timeline"),
    ("GET", "/timeline", None, "timeline"),
    ("POST", "/interactions", {"channel": "sms", "id": "1", "number": NUMBER}, "interaction"),
    ("GET", "/interactions/<path:id_>", None, "interaction"),
    ("GET", "/interactions/<path:id_>/suggestions", None, "interaction"),
    ("GET", "/pop", None, "pop"),
    ("GET", "/pop/outside", None, "pop"),
    ("POST", "/tickets", {"interaction": "sms:1", "subject": "x"}, "ticket"),
    ("GET", "/tickets", None, "ticket"),
    ("GET", "/tickets/<id_>", None, "ticket"),
    ("POST", "/tickets/<id_>/assign", {"agent": None}, "ticket"),
    ("POST", "/tickets/<id_>/close", {}, "ticket"),
    ("POST", "/tickets/<id_>/reopen", {}, "ticket"),
)
# They answer with what they were given; `pops` is held by test_pops.
OTHERS = {
    ("POST", "/customers"), ("DELETE", "/customers/<id_>/numbers/<number>"), ("POST", "/customers/<id_>/notes"),
    ("DELETE", "/customers/<id_>/tags/<tag>"), ("POST", "/interactions/<path:id_>/notes"),
    ("POST", "/interactions/<path:id_>/tags"), ("DELETE", "/interactions/<path:id_>/tags/<tag>"),
    ("POST", "/interactions/<path:id_>/disposition"), ("POST", "/interactions/<path:id_>/suggestions"),
    ("POST", "/tickets/<id_>/notes"), ("GET", "/agents/<agent>/pops"),
}


def test_every_route_is_thought_of(web: WebProcess) -> None:
    there = {(method, rule.rule.removeprefix("/api")) for rule in make(web.parts).url_map.iter_rules()
             for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    assert there == {(method, rule) for method, rule, _body, _what in LOOKS} | OTHERS


def test_each_look_is_written_down_once(web: WebProcess, admin: Asker, monkeypatch: Any) -> None:
    def rows() -> list[tuple[str, str]]:
        log = schema.access_log
        return list(web.parts.database.read(
            lambda connection: connection.execute(select(log.c.what, log.c.who)).all()))

    def work(connection: Any) -> None:
        connection.execute(schema.customers.insert(), [{"id": "ana", "made_at": 1.0}, {"id": "boris", "made_at": 1.0}])
        connection.execute(schema.customer_numbers.insert(), {"number": NUMBER, "customer_id": "ana"})

    web.parts.database.write(work)
    assert admin.ask("POST", "/interactions", LOOKS[8][2]).status == 201
    assert rows() == [], "who tells of something new is shown that alone"
    monkeypatch.setattr(type(web.parts.pop_reader), "asks_outside", True)
    monkeypatch.setattr(type(web.parts.pop_reader), "outside", lambda *_of: {"state": "answered", "answer": {}})
    ticket = ""
    for count, (method, rule, body, _what) in enumerate(LOOKS, 1):
        id_ = "sms:1" if "/interactions" in rule else ticket if "/tickets" in rule else "ana"
        asked = rule.replace("<path:id_>", id_).replace("<id_>", id_)
        number = "?number=0601234567" if method == "GET" and "<" not in rule else ""
        answer = admin.ask(method, asked + number, body)
        assert answer.status < 300, (rule, answer)
        ticket = answer.json["id"] if (method, rule) == ("POST", "/tickets") else ticket
        with gevent.Timeout(20, AssertionError(f"{method} {rule} is not written down")):
            while len(rows()) < count:  # of pops, soon after
                gevent.sleep(0.02)
        assert len(rows()) == count, rule
    assert sorted(rows()) == sorted((what, "the-test") for _method, _rule, _body, what in LOOKS)
