"""The JSON files of ended legs: all that reconciling needs, and nobody's password."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from app import App
from desk import Desk
from machine import PASSWORD, Switch, wait_until
from phone import Phone

from fsapp.core.call_rows import rows_of
from fsapp.core.call_state import learn
from fsapp.core.cdr import events_of


def records(switch: Switch) -> list[Path]:
    return sorted((switch.folder / "log/json_cdr").glob("*.cdr.json"))


def test_both_legs_of_a_call_leave_a_record(switch: Switch, app: App, phone: Phone, agent: Desk) -> None:
    before = set(records(switch))
    phone.call("0115550300", caller="+381641111111", name="Eve,{}%0A\xe9")
    headers = app.route("helpdesk@fsapp", fsapp_decision="d1", fsapp_reason="two words", caller_id_name="Eve")
    call = headers["Unique-ID"]
    agent.answer()
    phone.wait_for(200)
    switch.wait_talking()
    phone.hang_up()
    wait_until(lambda: len(set(records(switch)) - before) == 2, "both legs have a record")
    new = set(records(switch)) - before
    written = {path.name.removesuffix(".cdr.json"): json.loads(path.read_text()) for path in new}
    variables = written[call]["variables"]
    assert {name: unquote(variables[name]) for name in (
        "fsapp_class", "fsapp_queue", "fsapp_decision", "fsapp_reason", "fsapp_called", "cc_base_score", "cc_cause",
        "cc_agent",
    )} == {
        "fsapp_class": "service", "fsapp_queue": "helpdesk@fsapp", "fsapp_decision": "d1", "fsapp_reason": "two words",
        "fsapp_called": "0115550300", "cc_base_score": "101003540", "cc_cause": "answered", "cc_agent": "1004",
    }
    assert written[call]["callflow"][0]["caller_profile"]["caller_id_number"] in ("+381641111111", "%2B381641111111")
    [other] = set(written) - {call}
    assert written[other]["variables"]["cc_side"] == "agent"
    for name in ("start_uepoch", "answer_uepoch", "end_uepoch", "hangup_cause", "direction"):
        assert all(record["variables"][name] for record in written.values()), name
    assert events_of(written[other], "x") == [], "an agent's leg is no call"
    says_what_the_stream_would_have(call, written[call])


def says_what_the_stream_would_have(call: str, record: dict[str, Any]) -> None:
    events = events_of(record, "x")
    assert [event["type"] for event in events] == ["queue_joined", "call_answered", "talk_ended", "call_hung_up"]
    joined, answered, talked, hung_up = events
    assert {event["call"] for event in events} == {call}
    assert (joined["queue"], joined["class"], answered["agent"]) == ("helpdesk@fsapp", "service", "1004")
    assert (hung_up["number"], hung_up["called"], hung_up["direction"], hung_up["cause"]) == (
        "+381641111111", "0115550300", "inbound", "NORMAL_CLEARING")
    assert joined["at"] <= answered["at"] <= talked["at"] and 0 < hung_up["answered_s"] <= hung_up["lasted_s"] < 60
    state: dict[str, Any] = {}
    for event in events:
        learn(state, call, event)
    rows = rows_of(call, state, {}, str)
    assert (rows.interaction["outcome"], rows.interaction["source"]) == ("answered", "cdr")


def test_no_record_holds_a_password(switch: Switch, app: App, phone: Phone, agent: Desk) -> None:
    before = len(records(switch))
    phone.call("0115550900")
    app.route("vip@fsapp")
    agent.answer()
    phone.wait_for(200)
    switch.wait_talking()
    phone.hang_up()
    wait_until(lambda: len(records(switch)) >= before + 2, "the records are there")
    for path in records(switch):
        text = path.read_text()
        assert PASSWORD not in text
        assert '"phone"' not in text, "FSAPP_PHONE_PASSWORD of these tests"
        assert "password" not in text.lower()
        assert not path.stat().st_mode & stat.S_IWOTH
