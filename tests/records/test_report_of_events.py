"""Reports on what the recorder writes of events: both mean the same by each column. Answers reckoned by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fsapp.core.reports.period import Period
from fsapp.core.reports.query import Query
from fsapp.core.rules import Rules
from fsapp.records import reports
from fsapp.records.database import Database
from fsapp.records.writer import Given, write_events
from fsapp.rules import load_folder

RULES = Rules.from_document(load_folder("conf/rules"))
ZONE = ZoneInfo("Europe/Belgrade")
NINE = datetime(2026, 11, 25, 9, tzinfo=ZONE).timestamp()
QUERY = Query(Period(NINE, NINE + 3600, ZONE), NINE + 1800, rules=RULES)
N = "+381601234567"


def _routed(call: str, at: float, **more: Any) -> dict[str, Any]:
    return {"type": "call_routed", "id": f"d-{call}", "at": NINE + at, "call": call, "caller": N, "visit": 0,
            "called": "+381115550300", "class": "service", "reason": "service-line", "line": "helpdesk",
            "queue": "helpdesk@fsapp", "targets": [], "trace": [], "facts": {}} | more


def _stay(type_: str, call: str, member: str, at: float, queue: str = "helpdesk@fsapp", **more: Any) -> dict[str, Any]:
    return {"type": type_, "id": f"{member}:{type_}", "at": NINE + at, "call": call, "member": member, "queue": queue,
            "switch": "main", "direction": "inbound", "number": N} | more


def _hung_up(call: str, at: float, **more: Any) -> dict[str, Any]:
    return {"type": "call_hung_up", "id": f"{call}:hung-up", "at": NINE + at, "call": call, "switch": "main",
            "direction": "inbound", "number": N, "called": "0115550300", "cause": "NORMAL_CLEARING", "lasted_s": at,
            "answered_s": at, "variables": {}} | more


def _status(at: float, status: str, reason: str = "") -> dict[str, Any]:
    return {"type": "agent_status", "id": f"st{at}", "at": NINE + at, "switch": "main", "agent": "1005",
            "status": status, "reason": reason}


EVENTS = [
    # u1 waits 10 s for agent 1004, who does not answer, then 20 s in the line, and talks to 1005 for 100 s.
    _routed("u1", 0, queue="agent-1004@fsapp"), _stay("queue_joined", "u1", "m1", 1, "agent-1004@fsapp"),
    _stay("agent_offered", "u1", "m1", 2, "agent-1004@fsapp", agent="1004"),
    _stay("agent_missed", "u1", "m1", 9, "agent-1004@fsapp", agent="1004", cause="NO_ANSWER"),
    _stay("call_left_queue", "u1", "m1", 11, "agent-1004@fsapp", reason="TIMEOUT", waited_s=10.0),
    _stay("queue_joined", "u1", "m2", 12), _stay("agent_offered", "u1", "m2", 27, agent="1005"),
    _stay("call_answered", "u1", "m2", 32, agent="1005", waited_s=20.0),
    _stay("talk_ended", "u1", "m2", 132, agent="1005", talked_s=100.0), _hung_up("u1", 133),
    # u2 gives up after 50 s; u3 hangs up in a flow; u4 waits still; u5 talks to 1005 still, since 09:25.
    _routed("u2", 200), _stay("queue_joined", "u2", "m3", 201),
    _stay("call_abandoned", "u2", "m3", 251, reason="BREAK_OUT", waited_s=50.0), _hung_up("u2", 251),
    {"type": "flow_left", "id": "f1", "at": NINE + 310, "call": "u3", "flow": "main", "block": "menu", "end": "hung-up",
     "path": ["menu"]}, _hung_up("u3", 310),
    _routed("u4", 1700), _stay("queue_joined", "u4", "m4", 1701),
    _routed("u5", 1480), _stay("queue_joined", "u5", "m5", 1490),
    _stay("call_answered", "u5", "m5", 1500, agent="1005", waited_s=10.0),
    # p1 stands in line for a customer who is to be called back: no call that came in. It stands since 09:20.
    _stay("queue_joined", "p1", "m6", 1200, direction=None, task="t1"),
    # p2 was one; 1005 answered it, and the customer talked for 60 s.
    _stay("queue_joined", "p2", "m7", 300, direction="outbound", task="t2"),
    _stay("call_answered", "p2", "m7", 400, direction="outbound", task="t2", agent="1005", waited_s=100.0),
    _stay("talk_ended", "p2", "m7", 500, direction="outbound", task="t2", agent="1005", talked_s=100.0),
    _hung_up("p2", 500, direction="outbound", variables={"fsapp_task": "t2"}),
    {"type": "attempt", "id": "a2", "at": NINE + 500, "task": "t2", "number": N, "agent": "1005", "outcome": "talked",
     "result": "talked", "talked_s": 60.0, "line": "helpdesk"},
    {"type": "task", "id": "t2:closed", "at": NINE + 500, "task": "t2", "kind": "lost", "state": "done", "number": N,
     "place": "helpdesk", "line": "helpdesk", "due_at": NINE + 300, "expires_at": NINE + 9000, "made_at": NINE + 260,
     "tries": 1, "about": "u2"},
    _status(-600, "Available"), _status(600, "On Break", "lunch"), _status(900, "Available"),
]


@pytest.fixture
def centre(database: Database) -> Database:
    given = [Given(f"{place}-0", event) for place, event in enumerate(EVENTS)]
    database.write(lambda connection: write_events(connection, given, lambda raw: N if raw == "0601234567" else raw))
    return database


def test_calls_that_came_in(centre: Database) -> None:
    found = reports.report(centre, "calls", QUERY).total
    assert found == {
        "calls": 5, "offered": 4, "answered": 2, "abandoned": 1, "short_abandoned": 0, "elsewhere": 0, "waiting": 1,
        "talking": 1, "answer_rate": 0.6667, "talk_s": 100.0, "average_talk_s": 100.0}
    # Waits until the answer: 10 + 20 s and 10 s, within 60 s; 50 s until u2 gave up.
    speed = reports.report(centre, "answer-speed", QUERY).total
    assert (speed["average_answer_s"], speed["longest_answer_s"]) == (20.0, 30.0)
    assert reports.report(centre, "service-level", QUERY).total["service_level"] == 0.6667
    assert reports.report(centre, "abandonment", QUERY).total["median_patience_s"] == 50.0


def test_a_switch_that_vanished(centre: Database) -> None:
    """1005 was there until 09:27, when the switch was seen last: the talk since 09:25 was 120 s long by then."""
    def seen(since: float, at: float) -> dict[str, Any]:
        return {"type": "switch_seen", "id": f"x:{at}", "at": NINE + at, "since": NINE + since, "run": "x",
                "switch": "main"}

    told = [seen(-900, -600), seen(-900, 1620), seen(-900, 300), seen(-1000, -950)]
    for events in ([*told, *told], told[:1]):  # in any order, and twice
        centre.write(lambda connection, events=events: write_events(
            connection, [Given(f"{place}-1", event) for place, event in enumerate(events)], str))
    query = _by("agent")
    for now, logged_in_s, talk_s in ((1800, 1800.0, 500.0), (1801, 1620.0, 320.0), (90_000, 1620.0, 320.0)):
        found = {row["agent"]: row for row in reports.report(
            centre, "agents", replace(query, now=NINE + now - 0.5)).rows}
        assert (found["1005"]["logged_in_s"], found["1005"]["talk_s"]) == pytest.approx((logged_in_s, talk_s), abs=0.6)


def test_stays_in_queues(centre: Database) -> None:
    found = reports.report(centre, "calls", _by("queue")).rows
    assert [(row["queue"], row["offered"], row["answered"], row["abandoned"], row["elsewhere"], row["waiting"])
            for row in found] == [("agent-1004@fsapp", 1, 0, 0, 1, 0), ("helpdesk@fsapp", 4, 2, 1, 0, 1)]


def test_the_agent(centre: Database) -> None:
    found = {row["agent"]: row for row in reports.report(centre, "agents", _by("agent")).rows}
    # 1005 is logged in for the whole half hour: talks of 100, 100 and 300 s; rests of 10 s after two of them; the phone
    # rang for 5 s; a break of 300 s.
    assert found["1005"] == {
        "agent": "1005", "logged_in_s": 1800.0, "talk_s": 500.0, "wrap_up_s": 20.0, "ringing_s": 5.0, "break_s": 300.0,
        "idle_s": 975.0, "occupancy": 0.3467, "answered": 3, "missed": 0, "average_talk_s": 100.0,
        "average_handling_s": 110.0}
    assert (found["1004"]["missed"], found["1004"]["logged_in_s"]) == (1, 0.0)
    assert reports.report(centre, "breaks", _by("reason")).rows[0] == {
        "reason": "lunch", "breaks": 1, "break_s": 300.0, "average_break_s": 300.0}


def test_callbacks_and_flows(centre: Database) -> None:
    found = reports.report(centre, "callbacks", QUERY).total
    assert (found["callbacks"], found["lost"], found["done"], found["average_first_try_s"]) == (1, 1, 1, 240.0)
    assert reports.report(centre, "attempts", QUERY).total["talk_s"] == 60.0
    for report, figure in (("callbacks", "callbacks"), ("attempts", "attempts")):
        [row] = reports.report(centre, report, _by("queue", "number")).rows  # of u2, which gave up
        assert (row["queue"], row["number"], row[figure]) == ("helpdesk@fsapp", "+381115550300", 1)
    [row] = reports.report(centre, "flows", _by("flow", "block")).rows
    assert (row["flow"], row["block"], row["runs"], row["hung_up"]) == ("main", "menu", 1, 1)


def _by(*words: str) -> Query:
    return Query(QUERY.period, QUERY.now, words, rules=RULES)
