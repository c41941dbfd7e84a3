"""Reports on agents, attempts, callbacks and campaigns: every figure beside the answer reckoned by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fsapp.core.reports.catalogue import CATALOGUE
from fsapp.core.reports.period import Period
from fsapp.core.reports.query import Query
from fsapp.core.rules import Rules
from fsapp.records import reports, schema
from fsapp.records.database import Database
from fsapp.records.reports.report import READERS
from fsapp.rules import load_folder

RULES = Rules.from_document(load_folder("conf/rules"))
ZONE = ZoneInfo("Europe/Belgrade")
NINE = datetime(2026, 11, 25, 9, tzinfo=ZONE).timestamp()
TEN = NINE + 3600
PERIOD = Period(NINE, NINE + 2 * 3600, ZONE)  # 09:00 to 11:00
WRAP_UP_S = RULES.agents["1004"].wrap_up_s


def _query(**more: Any) -> Query:
    return Query(**{"period": PERIOD, "now": PERIOD.end + 3600, "rules": RULES} | more)


def _write(database: Database, **rows: list[dict[str, Any]]) -> None:
    def write(connection: Any) -> None:
        for name, some in rows.items():
            columns = {key: None for row in some for key in row}
            connection.execute(schema.METADATA.tables[name].insert(), [columns | row for row in some])

    database.write(write)


def _talk(id_: str, agent: str, start: float, seconds: float | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """A call and its stay; `seconds` None: they still talk."""
    end = None if seconds is None else start + seconds
    call = {"id": id_, "started_at": start - 20, "ended_at": end, "outcome": "answered", "agent": agent}
    stay = {"id": f"{id_}m", "interaction_id": id_, "queue": "helpdesk@fsapp", "agent": agent, "joined_at": start - 10,
            "answered_at": start, "talk_ended_at": end, "talked_s": seconds, "left_at": start, "outcome": "answered"}
    return call, stay


def test_an_agents_time_is_one_thing_at_a_time(database: Database) -> None:
    assert WRAP_UP_S == 10
    talks = [
        _talk("a1", "1004", NINE - 100, 160),   # begun before: 60 s in the period, then 10 s wrap-up
        _talk("a2", "1004", NINE + 600, 300),   # then 10 s wrap-up, of which a break takes 4 s
        _talk("a3", "1004", NINE + 3500, 200),  # 100 s before ten, 100 s after, then wrap-up
        _talk("a4", "1004", NINE + 3600, 50),   # at the same time as the one before: counts once
        _talk("a5", "1004", NINE + 5000, -30),  # the clock was put back: no time, and a wrap-up of 10 s
    ]
    _write(
        database, interactions=[call for call, _stay in talks], queue_stays=[stay for _call, stay in talks],
        # Logged in from 08:00 to 10:50 = 10200 s after nine - 3600; on another switch as well for some of it.
        agent_sessions=[
            {"id": "s1", "agent": "1004", "switch": "main", "started_at": NINE - 3600, "ended_at": NINE + 6600},
            {"id": "s2", "agent": "1004", "switch": "two", "started_at": NINE + 10, "ended_at": NINE + 100},
            {"id": "s3", "agent": "1004", "switch": "two", "started_at": NINE + 50, "ended_at": NINE + 40}],
        agent_breaks=[
            # Begins 6 s after a2's end; and one that begins in the talk a3, which goes on for 50 s.
            {"id": "b1", "session_id": "s1", "agent": "1004", "switch": "main", "reason": "lunch",
             "started_at": NINE + 906, "ended_at": NINE + 1206},
            {"id": "b2", "session_id": "s1", "agent": "1004", "switch": "main", "reason": "training",
             "started_at": NINE + 3650, "ended_at": NINE + 3800}],
        offers=[
            {"id": "o1", "interaction_id": "a2", "stay_id": "a2m", "agent": "1004", "offered_at": NINE + 590,
             "ended_at": NINE + 600, "outcome": "answered"},
            {"id": "o2", "interaction_id": "a2", "stay_id": "a2m", "agent": "1004", "offered_at": NINE + 2000,
             "ended_at": NINE + 2015, "outcome": "missed"},
            {"id": "o3", "interaction_id": "a2", "stay_id": "a2m", "agent": "1004", "offered_at": NINE - 5,
             "ended_at": NINE + 1, "outcome": "missed"}])  # before: not counted, and the agent was talking
    found = reports.report(database, "agents", _query(by=("agent", "hour"), only={"agent": ("1004",)})).rows
    # Before ten: talk 60 + 300 + 100; wrap-up 10 + 6; ringing 10 + 15; break 300; the rest of 3600 idle.
    # 476 of 3300 s were talk and wrap-up. a2 and a3 were answered then, 300 and 200 s long.
    # After ten: talk 100 (a4 is within a3), break b2 from 3700 to 3800, so a3's wrap-up has no time; a5's 10 s;
    # logged in 3000 s: 110 of 2900 s. a4 of 50 s and a5 of none were answered then.
    assert found == (
        {"agent": "1004", "hour": "2026-11-25 09:00+01:00", "logged_in_s": 3600.0, "talk_s": 460.0, "wrap_up_s": 16.0,
         "ringing_s": 25.0, "break_s": 300.0, "idle_s": 2799.0, "occupancy": 0.1442, "answered": 2, "missed": 1,
         "average_talk_s": 250.0, "average_handling_s": 258.0},
        {"agent": "1004", "hour": "2026-11-25 10:00+01:00", "logged_in_s": 3000.0, "talk_s": 100.0, "wrap_up_s": 10.0,
         "ringing_s": 0, "break_s": 100.0, "idle_s": 2790.0, "occupancy": 0.0379, "answered": 2, "missed": 0,
         "average_talk_s": 25.0, "average_handling_s": 30.0})
    # Breaks: lunch 300 s; training began at 3650 in the second hour, in a talk until 3700.
    found = reports.report(database, "breaks", _query(by=("reason",))).rows
    assert found == (
        {"reason": "lunch", "breaks": 1, "break_s": 300.0, "average_break_s": 300.0},
        {"reason": "training", "breaks": 1, "break_s": 100.0, "average_break_s": 100.0})


def test_who_is_still_there_and_still_talks_has_done_so_until_now(database: Database) -> None:
    talk = _talk("a1", "1005", NINE + 100, None)
    _write(
        database, interactions=[talk[0]], queue_stays=[talk[1]],
        agent_sessions=[{"id": "s1", "agent": "1005", "switch": "main", "started_at": NINE - 7200, "ended_at": None}])
    # Now it is 09:10: logged in for 600 s, talking for 500 s of them.
    found = reports.report(database, "agents", _query(by=("agent",), now=NINE + 600)).rows
    assert found == ({
        "agent": "1005", "logged_in_s": 600.0, "talk_s": 500.0, "wrap_up_s": 0, "ringing_s": 0, "break_s": 0,
        "idle_s": 100.0, "occupancy": 0.8333, "answered": 1, "missed": 0, "average_talk_s": None,
        "average_handling_s": None},)


def test_who_can_no_longer_be_seen_was_there_until_the_last_moment_that_is_known(database: Database) -> None:
    """Now it is 13:00. Switch `main` was seen until 09:50, `two` is seen still, `gone` never was."""
    talk, there = _talk("a1", "1004", NINE + 2700, None), _talk("a2", "1005", NINE + 3600, None)
    _write(
        database, interactions=[talk[0], there[0]],
        queue_stays=[talk[1] | {"switch": "main"}, there[1] | {"switch": "two"}],
        switch_sights=[
            {"id": "main:1", "switch": "main", "started_at": NINE - 7200, "seen_at": NINE + 600},
            {"id": "main:2", "switch": "main", "started_at": NINE + 900, "seen_at": NINE + 3000},
            {"id": "two:1", "switch": "two", "started_at": NINE - 7200, "seen_at": NINE + 4 * 3600 - 70}],
        agent_statuses=[
            {"id": "g1", "agent": "1001", "switch": "gone", "status": "Available", "at": NINE + 60},
            {"id": "g2", "agent": "1001", "switch": "gone", "status": "On Break", "at": NINE + 360}],
        agent_sessions=[
            {"id": "s1", "agent": "1004", "switch": "main", "started_at": NINE, "ended_at": None},
            {"id": "s2", "agent": "1005", "switch": "two", "started_at": NINE + 1800, "ended_at": None},
            {"id": "g1", "agent": "1001", "switch": "gone", "started_at": NINE + 60, "ended_at": None}],
        agent_breaks=[
            {"id": "b1", "session_id": "s1", "agent": "1004", "switch": "main", "reason": "lunch",
             "started_at": NINE + 1200, "ended_at": NINE + 1800},
            {"id": "b2", "session_id": "s2", "agent": "1005", "switch": "two", "reason": "lunch",
             "started_at": NINE + 5400, "ended_at": None}])
    found = {row["agent"]: row for row in reports.report(
        database, "agents", _query(by=("agent",), now=NINE + 4 * 3600)).rows}
    # 1004: from 09:00 to 09:50, though the link was away from 09:10 to 09:15; talks from 09:45 to 09:50; break 600 s.
    # 1005: from 09:30 to 11:00, when the period ends; talks from 10:00 on, in the break too. 1001: 09:01 to 09:06.
    assert {agent: (row["logged_in_s"], row["talk_s"], row["break_s"]) for agent, row in found.items()
            if row["logged_in_s"]} == {
        "1004": (3000.0, 300.0, 600.0), "1005": (5400.0, 3600.0, 0), "1001": (300.0, 0, 0)}
    breaks = reports.report(database, "breaks", _query(by=("agent",), now=NINE + 4 * 3600)).rows
    assert [(row["agent"], row["break_s"]) for row in breaks] == [("1004", 600.0), ("1005", 0)]


def test_attempts_of_agents_are_talks_once(database: Database) -> None:
    # An attempt that a queue brought (its talk is the end of the stay's), and one that somebody wrote down.
    talk = _talk("a1", "1001", NINE + 100, 300)
    _write(
        database, interactions=[talk[0]], queue_stays=[talk[1]],
        attempts=[
            {"id": "t1", "agent": "1001", "outcome": "talked", "at": NINE + 400, "talked_s": 250.0},
            {"id": "t2", "agent": "1001", "outcome": "talked", "at": NINE + 1000, "talked_s": 60.0}])
    found = reports.report(database, "agents", _query(by=("agent",), only={"agent": ("1001",)})).rows[0]
    assert (found["talk_s"], found["logged_in_s"], found["occupancy"]) == (360.0, 0, None)


def test_attempts(database: Database) -> None:
    def tried(id_: str, at: float, result: str | None, talked_s: float | None = None, **more: Any) -> dict[str, Any]:
        outcome = "talked" if talked_s is not None else "failed"
        return {"id": id_, "at": at, "result": result, "outcome": outcome, "talked_s": talked_s, "agent": "1001",
                "campaign": "renewals", "stage": "first-call", "line": None} | more

    _write(database, attempts=[
        tried("t1", NINE, "talked", 100.0), tried("t2", NINE + 5, "busy"), tried("t3", NINE + 5, "no-answer"),
        tried("t4", NINE + 5, "no-answer", agent="1002"), tried("t5", TEN, "rejected"), tried("t6", TEN, "unreachable"),
        tried("t7", TEN, "given-up"), tried("t8", TEN, "failed"), tried("t9", TEN, None),
        tried("t10", TEN, None, 50.0, campaign=None, stage=None, line="helpdesk"),
        tried("t11", NINE - 1, "talked", 1.0), tried("t12", PERIOD.end, "talked", 1.0)])  # before and after
    assert reports.report(database, "attempts", _query()).total == {
        "attempts": 10, "talked": 2, "not_reached": 8, "busy": 1, "no_answer": 2, "rejected": 1, "unreachable": 1,
        "given_up": 1, "failed": 1, "unknown": 1, "reach_rate": 0.2, "talk_s": 150.0, "average_talk_s": 75.0}
    found = reports.report(database, "attempts", _query(by=("hour-of-day", "result"))).rows
    assert [(row["hour-of-day"], row["result"], row["attempts"]) for row in found] == [
        ("09", "busy", 1), ("09", "no-answer", 2), ("09", "talked", 1), ("10", "failed", 2), ("10", "given-up", 1),
        ("10", "rejected", 1), ("10", "talked", 1), ("10", "unreachable", 1)]
    assert reports.report(database, "attempts", _query(only={"line": ("helpdesk",)})).total["attempts"] == 1
    # Contacts as they are now; eight attempts of the campaign failed, one led to a talk.
    _write(database, contacts=[
        {"id": f"c{place}", "campaign": "renewals", "stage": "first-call", "number": f"+38160{place}", "state": state,
         "attempts": attempts, "priority": 0} for place, (state, attempts) in enumerate([
             ("open", 0), ("open", 2), ("closed", 1)])])
    assert reports.report(database, "campaigns", _query(by=("stage",))).rows == ({
        "stage": "renewals/first-call", "contacts": 3, "open": 2, "closed": 1, "untried": 1, "attempts": 9, "talked": 1,
        "not_reached": 8, "reach_rate": 0.1111, "talk_s": 100.0, "average_talk_s": 100.0},)


def test_callbacks(database: Database) -> None:
    def task(id_: str, kind: str, state: str, made: float, closed: float | None, tries: int) -> dict[str, Any]:
        return {"id": id_, "kind": kind, "state": state, "made_at": NINE + made, "tries": tries, "line": "helpdesk",
                "closed_at": None if closed is None else NINE + closed, "changed_at": NINE, "told": "x"}

    _write(
        database,
        tasks=[
            task("k1", "requested", "done", 0, 400, 2),      # first tried after 100 s, done after 400 s
            task("k2", "requested", "done", 10, 60, 1),      # 40 s, 50 s
            task("k3", "lost", "failed", 100, 900, 3),       # 200 s
            task("k4", "lost", "expired", 100, 5000, 0),
            task("k5", "lost", "cancelled", 200, 250, 0),
            task("k6", "lost", "open", 300, None, 1),        # tried before it was made: the clock was put back
            task("k7", "imported", "done", 300, 301, 1),     # no callback
            task("k8", "requested", "done", -1, 301, 1)],    # made before nine
        attempts=[
            {"id": f"t{place}", "task_id": task_id, "at": NINE + at} for place, (task_id, at) in enumerate([
                ("k1", 350), ("k1", 100), ("k2", 50), ("k3", 300), ("k3", 500), ("k3", 800), ("k6", 290)])])
    # First tries after 0, 40, 100, 200 s; done after 50 and 400 s; two of four that were needed are done.
    assert reports.report(database, "callbacks", _query()).total == {
        "callbacks": 6, "requested": 2, "lost": 4, "open": 1, "done": 2, "failed": 1, "expired": 1, "cancelled": 1,
        "tries": 7, "done_rate": 0.5, "average_first_try_s": 85.0, "median_first_try_s": 70.0,
        "longest_first_try_s": 200.0, "average_done_s": 225.0, "median_done_s": 225.0, "longest_done_s": 400.0}
    found = reports.report(database, "callbacks", _query(by=("kind",))).rows
    assert [(row["kind"], row["callbacks"], row["done"]) for row in found] == [("lost", 4, 0), ("requested", 2, 2)]


def test_callbacks_are_of_the_queue_and_number_of_their_call(database: Database) -> None:
    """And tries of them: two of k1, one of k3, one of nothing."""
    def call(id_: str, queue: str | None, called: str) -> dict[str, Any]:
        return {"id": id_, "started_at": NINE - 60, "queue": queue, "called": called}

    helpdesk, sales = "+381115550300", "+381115550100"
    _write(
        database, interactions=[call("u1", "helpdesk@fsapp", helpdesk), call("u2", "vip@fsapp", helpdesk),
                                call("u3", None, sales)],
        tasks=[{"id": f"k{place}", "kind": "lost", "state": "open", "made_at": NINE, "tries": 0, "changed_at": NINE,
                "told": "x", "about_id": about}
               for place, about in enumerate(("u1", "u1", "u2", "u3", "purged", None))],
        attempts=[{"id": f"t{place}", "task_id": task, "at": NINE + 60, "outcome": "failed"}
                  for place, task in enumerate(("k1", "k1", "k3", None))])
    found = reports.report(database, "callbacks", _query(by=("queue",))).rows
    assert [(row["queue"], row["callbacks"]) for row in found] == [
        ("helpdesk@fsapp", 2), ("vip@fsapp", 1), (None, 3)]
    found = reports.report(database, "callbacks", _query(by=("number",))).rows
    assert [(row["number"], row["callbacks"]) for row in found] == [(sales, 1), (helpdesk, 3), (None, 2)]
    assert reports.report(database, "callbacks", _query(only={"queue": ("vip@fsapp",)})).total["callbacks"] == 1
    found = reports.report(database, "attempts", _query(by=("queue", "number"))).rows
    assert [(row["queue"], row["number"], row["attempts"]) for row in found] == [
        ("helpdesk@fsapp", helpdesk, 2), (None, sales, 1), (None, None, 1)]
    assert reports.report(database, "attempts", _query(only={"number": (sales,)})).total["attempts"] == 1


def test_survey_calls(database: Database) -> None:
    """Three were asked, of whom two answered, one of them two questions; two were not reached; one is of yesterday."""
    def call(id_: str, result: str | None, task: str | None = "k1", **more: Any) -> dict[str, Any]:
        return {"id": id_, "interaction_id": id_, "task_id": task, "at": NINE, "flow": "how", "result": result,
                "outcome": "talked" if result == "asked" else "failed"} | more

    _write(
        database, interactions=[{"id": "u1", "started_at": NINE - 60, "queue": "helpdesk@fsapp", "agent": "1004",
                                 "called": "+381115550300"}],
        tasks=[{"id": "k1", "kind": "survey", "state": "open", "made_at": NINE, "tries": 0, "changed_at": NINE,
                "told": "x", "about_id": "u1"}],
        attempts=[call("s1", "asked"), call("s2", "asked"), call("s3", "asked", None), call("s4", "busy"),
                  call("s5", None, flow="why"), call("s6", "asked", at=PERIOD.start - 1),
                  call("t1", "talked", flow=None)],  # an agent's
        surveys=[{"id": f"a{place}", "interaction_id": "u1", "call_id": call_id, "flow": "how", "block": "rate",
                  "value": "5", "at": NINE} for place, call_id in enumerate(("s1", "s1", "s2", "s6", None))])
    assert reports.report(database, "survey-calls", _query()).total == {
        "calls": 5, "asked": 3, "responded": 2, "not_reached": 2, "busy": 1, "no_answer": 0, "rejected": 0,
        "unreachable": 0, "given_up": 0, "failed": 0, "unknown": 1, "reach_rate": 0.6, "response_rate": 0.6667}
    found = reports.report(database, "survey-calls", _query(by=("flow", "queue", "agent", "number"))).rows
    assert [(row["flow"], row["queue"], row["agent"], row["number"], row["calls"]) for row in found] == [
        ("how", "helpdesk@fsapp", "1004", "+381115550300", 3), ("how", None, None, None, 1),
        ("why", "helpdesk@fsapp", "1004", "+381115550300", 1)]
    assert reports.report(database, "attempts", _query()).total["attempts"] == 1


def test_what_was_said_afterwards(database: Database) -> None:
    talk = _talk("a1", "1001", NINE + 100, 300)
    said = [("sold", "1001", "a1", 0), ("sold", "1002", None, 5), ("no interest", "1001", None, 3600),
            ("sold", "1001", None, -1)]
    answers = [("5", "a1", 0), ("2", None, 1), ("4", None, 2), ("\u0664", None, 2), ("later", None, 3), ("1", None, -9)]
    _write(
        database, interactions=[talk[0] | {"line": "helpdesk", "queue": "vip@fsapp", "called": "+381115550300"}],
        queue_stays=[talk[1]],
        dispositions=[{"id": f"d{place}", "disposition": word, "agent": agent, "interaction_id": call, "at": NINE + at}
                      for place, (word, agent, call, at) in enumerate(said)],
        surveys=[{"id": f"s{place}", "flow": "main", "block": "how-was-it", "value": value, "interaction_id": call,
                  "at": NINE + at} for place, (value, call, at) in enumerate(answers)],
        voicemails=[{"id": f"v{place}", "line": "helpdesk", "at": NINE, "heard_at": heard,
                     "interaction_id": "a1" if place else None}
                    for place, heard in enumerate([NINE + 100, NINE + 400, NINE - 5, None])])
    found = reports.report(database, "dispositions", _query(by=("disposition", "hour-of-day"))).rows
    assert [tuple(row.values()) for row in found] == [("no interest", "10", 1), ("sold", "09", 2)]
    assert reports.report(database, "dispositions", _query(only={"line": ("helpdesk",)})).total == {"dispositions": 1}
    # Five answers; 5, 2 and 4 are marks: 11 / 3. The Arabic digit is none.
    assert reports.report(database, "surveys", _query()).total == {
        "answers": 5, "marks": 3, "average_mark": 3.667, "median_mark": 4.0}
    assert reports.report(database, "surveys", _query(only={"agent": ("1001",)})).total["average_mark"] == 5.0
    # Three of four were heard after 100, 400 and, as the clock was put back, 0 s.
    assert reports.report(database, "voicemails", _query()).total == {
        "messages": 4, "heard": 3, "heard_rate": 0.75, "average_unheard_s": 166.667, "median_unheard_s": 100.0,
        "longest_unheard_s": 400.0}
    for report, figure, of_the_call in (
            ("dispositions", "dispositions", 1), ("surveys", "answers", 1), ("voicemails", "messages", 3)):
        for only in ({"queue": ("vip@fsapp",)}, {"number": ("+381115550300",)}):
            assert reports.report(database, report, _query(only=only)).total[figure] == of_the_call
        rows = reports.report(database, report, _query(by=("queue", "number"))).rows
        assert (rows[0]["queue"], rows[0]["number"]) == ("vip@fsapp", "+381115550300")


def test_every_report_can_be_read_by_everything_it_offers(database: Database) -> None:
    talk = _talk("a1", "1001", NINE + 100, 300)
    _write(
        database, interactions=[talk[0] | {"sticky_agent": "1001", "flow": "main"}], queue_stays=[talk[1]],
        agent_sessions=[{"id": "s1", "agent": "1001", "switch": "main", "started_at": NINE, "ended_at": None}])
    assert set(READERS) == set(CATALOGUE)
    for kind in CATALOGUE.values():
        for by in [(), *((word,) for word in kind.by_words), kind.by_words]:
            found = reports.report(database, kind.name, _query(by=by))
            assert all(list(row) == [*by, *kind.units] for row in found.rows), (kind.name, by)
            assert list(found.total) == list(kind.units)
        for name in kind.only:
            assert reports.report(database, kind.name, _query(only={name: ("nobody",)})).total is not None


@pytest.mark.parametrize("by", ["day", "hour", "quarter-hour", "weekday", "hour-of-day"])
def test_an_agents_night_without_end_is_spread_over_days_as_the_clock_shows_them(database: Database, by: str) -> None:
    """Logged in over the night on which the clocks are put back: the hours add up to what a watch would say."""
    start = datetime(2026, 10, 24, 20, tzinfo=ZONE).timestamp()
    end = datetime(2026, 10, 25, 6, tzinfo=ZONE).timestamp()
    assert end - start == 11 * 3600
    _write(database, agent_sessions=[
        {"id": "s1", "agent": "1001", "switch": "main", "started_at": start, "ended_at": end}])
    first, last = (datetime(2026, 10, day, tzinfo=ZONE).timestamp() for day in (24, 26))
    days = Period(first, last, ZONE)
    found = reports.report(database, "agents", _query(period=days, now=days.end, by=(by,)))
    assert found.total["logged_in_s"] == found.total["idle_s"] == 11 * 3600
    there = {row[by]: row["logged_in_s"] / 3600 for row in found.rows if row["logged_in_s"]}
    if by == "day":
        assert there == {"2026-10-24": 4.0, "2026-10-25": 7.0}
    elif by == "hour":
        assert len(there) == 11 and set(there.values()) == {1.0}
    elif by == "quarter-hour":
        assert len(there) == 44 and set(there.values()) == {0.25}
    elif by == "hour-of-day":
        assert there["02"] == 2.0 and there["20"] == 1.0
    else:
        assert there == {"sat": 4.0, "sun": 7.0}
