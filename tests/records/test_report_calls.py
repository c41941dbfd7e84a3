"""Reports on calls that came in: every figure beside the answer reckoned by hand, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fsapp.core.reports.period import Period
from fsapp.core.reports.query import Abandoned, Query
from fsapp.core.rules import Rules
from fsapp.records import reports, schema
from fsapp.records.database import Database
from fsapp.rules import load_folder

RULES = Rules.from_document(load_folder("conf/rules"))
ZONE = ZoneInfo("Europe/Belgrade")
DAY = datetime(2026, 11, 25, tzinfo=ZONE).timestamp()
HOUR = 3600.0
NOON = DAY + 12 * HOUR
PERIOD = Period(DAY, DAY + 24 * HOUR, ZONE)

# The calls of the 25th of November. helpdesk's target is 60 s, that of vip 10 s and that of renewals/first-call 20 s.
#          call    at              outcome      waited talked  place                             queue       agent
CALLS = [("c1", DAY + 9 * HOUR, "answered", 12.0, 100.0, {"line": "helpdesk"}, "helpdesk@fsapp", "1004"),
         ("c2", DAY + 9.5 * HOUR, "answered", 61.0, 200.0, {"line": "helpdesk"}, "helpdesk@fsapp", "1005"),
         ("c3", DAY + 10 * HOUR, "answered", 11.0, 60.0, {"line": "vip"}, "vip@fsapp", "1004"),
         ("c4", DAY + 10 * HOUR, "answered", 20.0, 30.0, {"campaign": "renewals", "stage": "first-call"},
          "renewals.first-call@fsapp", "1001"),
         ("c5", DAY + 10 * HOUR, "abandoned", 3.0, None, {"line": "helpdesk"}, "helpdesk@fsapp", None),
         ("c6", DAY + 11 * HOUR, "abandoned", 40.0, None, {"line": "helpdesk"}, "helpdesk@fsapp", None),
         ("c7", DAY + 11 * HOUR, "abandoned", 90.0, None, {"line": "helpdesk"}, "helpdesk@fsapp", None),
         ("c8", DAY + 11 * HOUR, "voicemail", 30.0, None, {"line": "helpdesk"}, "helpdesk@fsapp", None),
         ("c9", DAY + 11 * HOUR, "hung-up", None, None, {}, None, None),        # in a flow
         ("c10", DAY + 11 * HOUR, "refused", None, None, {}, None, None)]
# c11 waits, c12 talks. c13 came the day before, c14 the day after, c15 is ours, c16 keeps a place, c17 is a mail.


def _call(id_: str, at: float, outcome: str | None, waited: float | None, talked: float | None, place: dict[str, str],
          queue: str | None, agent: str | None, **more: Any) -> dict[str, Any]:
    row = {"id": id_, "started_at": at, "outcome": outcome, "waited_s": waited, "talked_s": talked, "queue": queue,
           "agent": agent, "direction": "inbound", "ended_at": at + (waited or 0) + (talked or 0) + 5,
           "called": "+381115550300", "call_class": "service", "reason": "line", "campaign": None, "stage": None,
           "line": None, "flow": None, "sticky_agent": None, "task_id": None, "channel": "call", "decision_id": None}
    return row | place | more


def _stay(id_: str, call: str, at: float, queue: str, outcome: str | None, waited: float | None, **more: Any) -> Any:
    return {"id": id_, "interaction_id": call, "joined_at": at, "queue": queue, "outcome": outcome, "waited_s": waited,
            "agent": None, "answered_at": None, "talk_ended_at": None, "talked_s": None} | more


ROWS = [_call(*one) for one in CALLS] + [
    _call("c11", NOON - 30, None, None, None, {"line": "helpdesk"}, "helpdesk@fsapp", None, ended_at=None),
    _call("c12", NOON - 90, "answered", 8.0, None, {"line": "vip"}, "vip@fsapp", "1005", ended_at=None),
    _call("c13", DAY - 1, "answered", 1.0, 1.0, {"line": "vip"}, "vip@fsapp", "1005"),
    _call("c14", DAY + 24 * HOUR, "answered", 1.0, 1.0, {"line": "vip"}, "vip@fsapp", "1005"),
    _call("c15", NOON - 90, "answered", 1.0, 1.0, {}, None, "1005", direction="outbound"),
    _call("c16", NOON - 90, "answered", 1.0, 1.0, {}, None, "1005", task_id="t1"),
    _call("c17", NOON - 90, None, None, None, {}, None, None, channel="e-mail"),
]
# c1 waited 5 s for its agent, then 7 s in the queue of the line, where it was answered; c11's stay goes on.
STAYS = [_stay("m1", "c1", DAY + 9 * HOUR, "agent-1005@fsapp", "left", 5.0),
         _stay("m2", "c1", DAY + 9 * HOUR + 6, "helpdesk@fsapp", "answered", 7.0, agent="1004", talked_s=100.0,
               answered_at=DAY + 9 * HOUR + 13, talk_ended_at=DAY + 9 * HOUR + 113),
         _stay("m3", "c5", DAY + 10 * HOUR, "helpdesk@fsapp", "abandoned", 3.0),
         _stay("m4", "c7", DAY + 11 * HOUR, "helpdesk@fsapp", None, None),  # its end was lost; the call was abandoned
         _stay("m5", "c11", NOON - 30, "helpdesk@fsapp", None, None)]


@pytest.fixture
def centre(database: Database) -> Database:
    def write(connection: Any) -> None:
        connection.execute(schema.interactions.insert(), ROWS)
        connection.execute(schema.queue_stays.insert(), STAYS)

    database.write(write)
    return database


def _query(**more: Any) -> Query:
    return Query(**{"period": PERIOD, "now": NOON, "rules": RULES} | more)


def test_calls(centre: Database) -> None:
    # c1 to c12 came in. Offered are all but c9 and c10, answered c1 to c4 and c12, abandoned c5 to c7, of whom c5
    # within 5 s; c8 went elsewhere. 5 of 8 were answered; 100 + 200 + 60 + 30 s were talked in the four that are over.
    assert reports.report(centre, "calls", _query()).total == {
        "calls": 12, "offered": 10, "answered": 5, "abandoned": 3, "short_abandoned": 1, "elsewhere": 1, "waiting": 1,
        "talking": 1, "answer_rate": 0.625, "talk_s": 390.0, "average_talk_s": 97.5}


def test_who_abandons_at_once_is_a_setting(centre: Database) -> None:
    assert reports.report(centre, "calls", _query(short_s=40.5)).total["short_abandoned"] == 2
    assert reports.report(centre, "calls", _query(short_s=0)).total["short_abandoned"] == 0


@pytest.mark.parametrize(("abandoned", "counted", "met"), [
    # Met: c1 (12 of 60), c4 (20 of 20, just), c12 (8 of 10); c2 and c3 waited a second too long.
    (Abandoned.NONE, 5, 3),
    (Abandoned.ALL, 8, 3),
    (Abandoned.NOT_SHORT, 7, 3),  # c5 hung up after 3 s
    (Abandoned.LATE, 6, 3),       # c5 and c6 hung up within 60 s
    (Abandoned.EARLY_MET, 8, 5),
])
def test_the_service_level_by_each_definition(
    centre: Database, abandoned: Abandoned, counted: int, met: int,
) -> None:
    found = reports.report(centre, "service-level", _query(abandoned=abandoned)).total
    assert found == {"offered": 10, "answered": 5, "abandoned": 3, "short_abandoned": 1, "counted": counted, "met": met,
                     "service_level": round(met / counted, 4)}


def test_the_target_can_be_named(centre: Database) -> None:
    # Within 11 s: c3 and c12.
    found = reports.report(centre, "service-level", _query(within_s=11.0, abandoned=Abandoned.NONE)).total
    assert (found["met"], found["service_level"]) == (2, 0.4)


def test_without_rules_every_target_is_the_usual_one(centre: Database) -> None:
    # Within 60 s: all but c2, which waited 61 s.
    assert reports.report(centre, "service-level", _query(rules=None)).total["met"] == 4


def test_answer_speed(centre: Database) -> None:
    # Waits 8, 11, 12, 20, 61: sum 112; the middle one is 12; 90 % is at place 3.6: 20 + 0.6 * 41.
    assert reports.report(centre, "answer-speed", _query()).total == {
        "answered": 5, "average_answer_s": 22.4, "median_answer_s": 12.0, "p90_answer_s": 44.6,
        "longest_answer_s": 61.0}


def test_abandonment(centre: Database) -> None:
    # Waits 3, 40, 90: sum 133. Two gave up in earnest, of 5 + 2; three in all, of 5 + 3.
    assert reports.report(centre, "abandonment", _query()).total == {
        "offered": 10, "answered": 5, "abandoned": 3, "short_abandoned": 1, "abandonment_rate": 0.2857,
        "abandonment_rate_all": 0.375, "average_patience_s": 44.333, "median_patience_s": 40.0,
        "longest_patience_s": 90.0}


def test_where_queues_are_told_apart_stays_are_counted(centre: Database) -> None:
    found = reports.report(centre, "calls", _query(by=("queue",)))
    keys = ("queue", "calls", "answered", "abandoned", "elsewhere", "waiting", "talk_s")
    assert [tuple(row[key] for key in keys) for row in found.rows] == [
        ("agent-1005@fsapp", 1, 0, 0, 1, 0, 0.0),
        ("helpdesk@fsapp", 4, 1, 2, 0, 1, 100.0),  # m2; m3 and m4; m5
    ]
    assert found.total["calls"] == 5
    narrow = reports.report(centre, "answer-speed", _query(only={"queue": ("helpdesk@fsapp",)})).total
    assert narrow["longest_answer_s"] == 7.0, "the wait of the stay, not of the call"


def test_rows_by_line_and_hour(centre: Database) -> None:
    found = reports.report(centre, "calls", _query(by=("line", "hour")))
    assert [(row["line"], row["hour"][11:16], row["calls"], row["answered"]) for row in found.rows] == [
        ("helpdesk", "09:00", 2, 2), ("helpdesk", "10:00", 1, 0), ("helpdesk", "11:00", 4, 0), ("vip", "10:00", 1, 1),
        ("vip", "11:00", 1, 1), (None, "10:00", 1, 1), (None, "11:00", 2, 0)]


@pytest.mark.parametrize(("only", "calls"), [
    ({"line": ("vip",)}, {"c3", "c12"}), ({"line": ("vip", "helpdesk")}, {"c1", "c2", "c3", "c5", "c6", "c7", "c8",
                                                                          "c11", "c12"}),
    ({"agent": ("1004",)}, {"c1", "c3"}), ({"campaign": ("renewals",)}, {"c4"}),
    ({"stage": ("renewals/first-call",)}, {"c4"}), ({"class": ("callback",)}, set()),
    ({"agent": ("1004",), "line": ("vip",)}, {"c3"}),
])
def test_narrowed_reports(centre: Database, only: dict[str, tuple[str, ...]], calls: set[str]) -> None:
    assert reports.report(centre, "calls", _query(only=only)).total["calls"] == len(calls)


@pytest.mark.parametrize(("zone", "day", "at", "hours", "label"), [
    # 00:30 UTC is the first 02:30 in Belgrade, 01:30 UTC the second.
    ("Europe/Belgrade", "2026-10-25", "2026-10-25T00:30", 25, "2026-10-25 02:00+02:00"),
    ("Europe/Belgrade", "2026-10-25", "2026-10-25T01:30", 25, "2026-10-25 02:00+01:00"),
    ("Europe/Belgrade", "2026-10-25", "2026-10-24T22:00", 25, "2026-10-25 00:00+02:00"),
    ("Europe/Belgrade", "2026-10-25", "2026-10-25T22:59:59", 25, "2026-10-25 23:00+01:00"),
    ("Europe/Belgrade", "2026-03-29", "2026-03-29T01:10", 23, "2026-03-29 03:00+02:00"),
    # 14:45 UTC is the first 01:45 on Lord Howe (+11:00), 15:10 UTC the second 01:40 (+10:30).
    ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T14:45", 25, "2026-04-05 01:00+11:00"),
    ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T15:10", 25, "2026-04-05 01:30+10:30"),
    ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T15:29", 24, "2026-10-04 01:00+10:30"),
    ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T15:30", 24, "2026-10-04 02:30+11:00"),
])
def test_hours_of_the_days_on_which_the_clocks_change(
    database: Database, zone: str, day: str, at: str, hours: int, label: str,
) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()
    known = ZoneInfo(zone)
    start = datetime.fromisoformat(day).replace(tzinfo=known)
    end = start.replace(day=start.day + 1)
    period = Period(start.timestamp(), end.timestamp(), known)
    call = _call("c1", moment, "answered", 1.0, 1.0, {}, None, "1004")
    database.write(lambda connection: connection.execute(schema.interactions.insert(), [call]))
    found = reports.report(database, "calls", _query(period=period, now=period.end + 1, by=("hour",))).rows
    assert len(found) == hours
    assert [row["hour"] for row in found if row["calls"]] == [label]
    by_day = reports.report(database, "calls", _query(period=period, now=period.end + 1, by=("day",))).rows
    assert [(row["day"], row["calls"]) for row in by_day] == [(day, 1)]


def test_classes(database: Database) -> None:
    rows = [
        _call("f1", DAY, "answered", 5.0, 9.0, {}, "helpdesk@fsapp", "1004", call_class="callback"),
        _call("f2", DAY, "hung-up", None, None, {}, None, None),
        _call("f3", DAY, "abandoned", 9.0, None, {}, None, None, reason="open-contact"),
        _call("f4", DAY, "answered", 9.0, 1.0, {}, None, "1004")]
    database.write(lambda connection: connection.execute(schema.interactions.insert(), rows))
    found = reports.report(database, "classes", _query(by=("class", "reason"))).rows
    assert [(row["class"], row["reason"], row["calls"], row["answered"]) for row in found] == [
        ("callback", "line", 1, 1), ("service", "line", 2, 1), ("service", "open-contact", 1, 0)]


def test_flows(database: Database) -> None:
    ends = [("f1", "main", "hold", "queue", 0), ("f2", "main", "hold", "agent", 1),
            ("f2", "main", "menu", "hung-up", 9), ("f3", "main", "menu", "hung-up", 2),
            ("f4", "main", "out", "transfer", 3), ("f5", "main", "bye", "hangup", 4),
            ("f6", "main", "menu", "limit", 5), ("f6", "main", "menu", "late", 6), ("f7", "main", "ask", "failed", 7),
            ("f7", "main", "ask", "cut", 8), ("f8", "night", None, None, 8), ("f8", "night", "menu", "hung-up", -1)]
    calls = [_call(f"f{place}", DAY - 60, "answered", 1.0, 1.0, {}, None, "1004") for place in range(1, 9)]

    def write(connection: Any) -> None:
        connection.execute(schema.interactions.insert(), calls)
        connection.execute(schema.flow_ends.insert(), [
            {"id": f"e{place}", "interaction_id": call, "flow": flow, "block": block, "end": end, "at": DAY + after}
            for place, (call, flow, block, end, after) in enumerate(ends)])

    database.write(write)
    # main was left ten times, twice by callers who hung up; night once, as the last one was the day before.
    assert reports.report(database, "flows", _query(by=("flow",))).rows == (
        {"flow": "main", "runs": 10, "queued": 2, "transferred": 1, "ended": 1, "hung_up": 2, "gone_wrong": 4,
         "other": 0, "hung_up_rate": 0.2},
        {"flow": "night", "runs": 1, "queued": 0, "transferred": 0, "ended": 0, "hung_up": 0, "gone_wrong": 0,
         "other": 1, "hung_up_rate": 0.0})
    found = reports.report(database, "flows", _query(by=("block",), only={"class": ("service",)})).rows
    assert {row["block"]: row["runs"] for row in found} == {"hold": 2, "menu": 4, "out": 1, "bye": 1, "ask": 2, None: 1}


def test_stickiness_and_direct_callbacks(database: Database) -> None:
    # 1001, 1002 and 1003 are of the group sales, 1004 is not. renewals/first-call has stickiness, helpdesk none.
    first_call = {"campaign": "renewals", "stage": "first-call"}
    rules = _with_stickiness("agent-then-group")
    days = 86_400.0
    rows = [
        _call("s1", DAY, "answered", 1.0, 9.0, first_call, None, "1001", sticky_agent="1001", decision_id="d1"),
        _call("s2", DAY, "answered", 1.0, 9.0, first_call, None, "1002", sticky_agent="1001", decision_id="d2"),
        _call("s3", DAY, "answered", 1.0, 9.0, first_call, None, "1004", sticky_agent="1001", decision_id="d3"),
        _call("s4", DAY, "abandoned", 1.0, None, first_call, None, None, sticky_agent="1001", decision_id="d4"),
        _call("s5", DAY, None, None, None, first_call, None, None, sticky_agent="1001", ended_at=None),  # not offered
        _call("s6", DAY, "voicemail", 1.0, None, first_call, None, None, sticky_agent="1001"),
        _call("s7", DAY, "answered", 1.0, 9.0, first_call, None, "1001"),
        _call("s8", DAY, "answered", 1.0, 9.0, {"line": "helpdesk"}, None, "1001", sticky_agent="1001"),
        _call("s9", DAY, "answered", 1.0, 9.0, first_call, None, "1001", sticky_agent="1001", decision_id="d9"),
    ]
    talked = [DAY - 5 * days, []]
    right = [DAY + 60, "renewals", "first-call"]
    decisions = [
        {"id": "d1", "interaction_id": "s1", "call_class": "callback",
         "facts": {"sticky": ["1001", *talked], "rights": [["1001", *right]]}},
        {"id": "d2", "interaction_id": "s2", "call_class": "callback",
         "facts": {"sticky": ["1001", *talked], "rights": [["1004", *right], ["1003", *right]]}},
        {"id": "d3", "interaction_id": "s3", "call_class": "service", "facts": {"rights": [["1003", *right]]}},
        {"id": "d4", "interaction_id": "s4", "call_class": "callback", "facts": {"rights": [["1001", *right]]}},
        {"id": "d9", "interaction_id": "s9", "call_class": "callback",
         # They talked too long ago, and the right is over.
         "facts": {"sticky": ["1001", DAY - 91 * days, []], "rights": [["1001", DAY - 1, None, None]]}},
    ]

    def write(connection: Any) -> None:
        connection.execute(schema.interactions.insert(), rows)
        connection.execute(schema.decisions.insert(), [{"at": DAY} | one for one in decisions])

    database.write(write)
    # s1 to s4 and s6 stuck; s8's line promises nothing, s9's talk was too long ago.
    assert reports.report(database, "stickiness", _query(rules=rules)).total == {
        "calls": 5, "answered": 3, "own_agent": 1, "own_group": 1, "somebody_else": 1, "abandoned": 1, "unanswered": 1,
        "kept_rate": 0.3333, "kept_group_rate": 0.6667}
    assert reports.report(database, "stickiness", _query(rules=_with_stickiness("none"))).total["calls"] == 0
    # Without rules s8 and s9 count as well, and nobody knows who is in a group.
    found = reports.report(database, "stickiness", _query(rules=None)).total
    assert (found["calls"], found["own_agent"], found["own_group"], found["somebody_else"]) == (7, 3, 0, 2)
    # s1 reached the agent, s2 one of the group of 1003, s4 gave up; s3 was no callback, s9's right is over.
    assert reports.report(database, "direct-callbacks", _query(rules=rules)).total == {
        "calls": 3, "answered": 2, "own_agent": 1, "own_group": 1, "somebody_else": 0, "abandoned": 1, "unanswered": 0,
        "kept_rate": 0.5}


def _with_stickiness(word: str) -> Rules:
    document = load_folder("conf/rules")
    document["campaign"]["renewals"]["stage"]["first-call"]["stickiness"] = word
    document["line"]["helpdesk"]["stickiness"] = "none"
    return Rules.from_document(document)
