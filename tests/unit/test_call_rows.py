"""A call's rows hang on which events there were, never on their order or how often each came; by hand and by chance."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp.core.call_rows import CallRows, rows_of
from fsapp.core.call_state import ABOUT_CALLS, calls_of, learn
from fsapp.core.event_rows import NOTHING, put

T = 1_700_000_000.0
N = "+381601234567"
ROUTED = {"class": "service", "decision": "d1", "line": "helpdesk"}


def about(type_: str, id_: str, after: float, call: str = "u1", **more: Any) -> dict[str, Any]:
    return {"type": type_, "id": id_, "at": T + after, "call": call, **more}


def decided(id_: str = "d1", after: float = 0.1, **more: Any) -> dict[str, Any]:
    return about("call_routed", id_, after, **({
        "caller": N, "called": "+381115550300", "name": "Ana", "reason": "service-line", "queue": "helpdesk@fsapp",
        "campaign": None, "stage": None, "contact": None, "agent": None, "visit": 0, "rules": 3, "degraded": False,
        "base_score": 101003540, "targets": [], "trace": [{"rule": "number"}],
        "facts": {"sticky": ["1005", 1.0, []]}, "line": "helpdesk", "class": "service"} | more))


def stay(type_: str, id_: str, after: float, member: str = "m1", **more: Any) -> dict[str, Any]:
    said = {"queue": "helpdesk@fsapp", "switch": "main", **ROUTED, **more}
    return about(type_, f"{member}:{id_}", after, member=member, **said)


def hung_up(after: float, cause: str = "NORMAL_CLEARING", call: str = "u1", **more: Any) -> dict[str, Any]:
    return about("call_hung_up", f"{call}:hung-up", after, call, **({
        "switch": "main", "direction": "inbound", "number": "0601234567", "called": "0115550300", "cause": cause,
        "lasted_s": after, "answered_s": after - 0.2, "variables": {"fsapp_class": "service"}} | more))


ANSWERED = [
    decided(), stay("queue_joined", "joined", 0.2, number="0601234567", base_score=101003540),
    stay("agent_offered", "o1", 0.3, agent="1004"), stay("agent_missed", "x1", 20.3, agent="1004", cause="NO_ANSWER"),
    stay("agent_offered", "o2", 20.5, agent="1005"),
    stay("call_answered", "answered", 23.5, number="0601234567", agent="1005", waited_s=23.3),
    about("recording_started", "r1", 23.6, file="2026-11-25/a.wav", switch="main"),
    stay("talk_ended", "talked", 83.5, number="0601234567", agent="1005", talked_s=60.0),
    hung_up(84.0), about("call_ended", "e1", 83.9, queue="helpdesk@fsapp", agent="1005", decision="d1"),
]


def told(events: list[dict[str, Any]], call: str = "u1") -> CallRows:
    """The rows of a call after these events, in this order."""
    states: dict[str, dict[str, Any]] = {}
    for event in events:
        for one in calls_of(event):
            learn(states.setdefault(one, {}), one, event)
    state = states[call]
    homes = {leg: states[leg] for leg in state.get("homes", ()) if states[leg].get("from") == call}
    return rows_of(call, state, homes, lambda number: "+381" + number[1:] if number.startswith("0") else number)


def test_an_answered_call() -> None:
    rows = told(ANSWERED)
    assert rows.interaction == {
        "id": "u1", "switch": "main", "direction": "inbound", "number": N, "name": "Ana", "called": "+381115550300",
        "call_class": "service", "reason": "service-line", "campaign": None, "stage": None, "line": "helpdesk",
        "contact": None, "queue": "helpdesk@fsapp", "flow": None, "decision_id": "d1", "rules": 3, "degraded": False,
        "started_at": T, "answered_at": T + 23.5, "ended_at": T + 84, "waited_s": 23.3, "talked_s": 60.0,
        "lasted_s": 84.0, "outcome": "answered", "cause": "NORMAL_CLEARING", "agent": "1005", "sticky_agent": "1005",
        "recording": "2026-11-25/a.wav", "task_id": None, "carried_from": None, "source": "stream", "recovered": False,
    }
    [one] = rows.stays
    assert (one["joined_at"], one["left_at"], one["outcome"], one["agent"], one["talked_s"], one["waited_s"]) == (
        T + 0.2, T + 23.5, "answered", "1005", 60.0, 23.3)
    assert [(row["id"], row["agent"], row["outcome"], row["cause"]) for row in rows.offers] == [
        ("m1:1", "1004", "missed", "NO_ANSWER"), ("m1:2", "1005", "answered", None)]


@pytest.mark.parametrize(("events", "outcome"), [
    ([decided()], None),
    ([decided(), hung_up(1.0)], "hung-up"),
    ([decided(), hung_up(1.0, "DESTINATION_OUT_OF_ORDER")], "failed"),
    ([decided(type="call_refused", reason="unknown-number", queue=None)], "refused"),
    ([decided(type="call_refused", reason="degraded-closed", queue=None), hung_up(2.0)], "closed"),
    ([decided(), stay("queue_joined", "joined", 0.2)], None),
    ([decided(), stay("queue_joined", "joined", 0.2), hung_up(9.0)], "abandoned"),
    ([stay("call_abandoned", "left", 9.0, reason="BREAK_OUT", waited_s=8.8)], "abandoned"),
    ([decided(), stay("call_left_queue", "left", 9.0, reason="TIMEOUT", waited_s=8.8),
      stay("queue_joined", "joined", 9.1, "m2"), stay("call_abandoned", "left", 12.0, "m2")], "abandoned"),
    ([decided(), stay("call_left_queue", "left", 9.0, reason="TIMEOUT", waited_s=8.8), hung_up(9.1)], "abandoned"),
    ([decided(), stay("call_left_queue", "left", 9.0, reason="TIMEOUT", waited_s=8.8),
      hung_up(9.1, "NORMAL_TEMPORARY_FAILURE")], "failed"),
    ([decided(), stay("call_left_queue", "left", 9.0, reason="EXIT_WITH_KEY", waited_s=8.8), hung_up(9.1)], "hung-up"),
    ([about("flow_left", "f", 5.0, flow="main", end="transfer"), hung_up(6.0)], "transferred"),
    ([about("flow_left", "f", 5.0, flow="main", end="hangup"), hung_up(6.0)], "flow"),
    ([about("flow_left", "f", 5.0, flow="main", end="hung-up"), hung_up(6.0)], "hung-up"),
    ([about("key_left", "f", 5.0, end="hangup"), hung_up(6.0)], "flow"),
    ([about("key_left", "f", 5.0, end="hung-up"), hung_up(6.0)], "hung-up"),
    ([about("key_left", "f", 5.0, end="hangup"), about("key_left", "g", 5.5, end="queue"), hung_up(6.0)], "hung-up"),
    ([about("voicemail_left", "v", 5.0, flow="main", file="x.wav"), hung_up(6.0)], "voicemail"),
    ([hung_up(60.0), about("call_ended", "e", 59.0, agent="1004", queue="q")], "answered"),
    ([stay("talk_ended", "talked", 59.0, agent="1004", talked_s=30.0)], "answered"),
])
def test_how_a_call_ended(events: list[dict[str, Any]], outcome: str | None) -> None:
    assert told(events).interaction["outcome"] == outcome
    assert told(events[::-1]).interaction["outcome"] == outcome


def test_what_is_found_after_a_gap_never_covers_what_was_told() -> None:
    guess = {**stay("call_abandoned", "left", 90.0, reason="unknown", waited_s=89.8), "recovered": True}
    late = {**hung_up(120.0, cause=""), "recovered": True, "lasted_s": 120.0}
    assert told([*ANSWERED, guess, late]) == told(ANSWERED)
    alone = told([decided(), guess, late]).interaction
    assert (alone["outcome"], alone["recovered"], alone["ended_at"]) == ("abandoned", True, T + 120)


def test_a_try_is_told_of_the_call_that_stood_in_line() -> None:
    tried = {"type": "attempt", "id": "u1", "at": T + 84, "task": "t1", "outcome": "failed", "talked_s": 0.0}
    for events in ([*ANSWERED, tried], [tried, *ANSWERED]):
        rows = told(events)
        assert (rows.interaction["outcome"], rows.interaction["talked_s"]) == ("unreached", 0.0)
    talked = told([*ANSWERED, {**tried, "outcome": "talked", "talked_s": 41.0}]).interaction
    assert (talked["outcome"], talked["talked_s"]) == ("answered", 41.0)
    assert put({**tried, "id": "by-hand", "task": None}).calls == ()


def test_a_survey_call_is_the_customers_and_no_call_that_came_in() -> None:
    variables = {"fsapp_task": "t1", "fsapp_asks": "how", "fsapp_customer": N, "fsapp_reason": "survey",
                 "fsapp_line": "helpdesk", "fsapp_called": "+381115550300", "fsapp_flow": "how"}
    over = hung_up(30.0, call="s1", direction="outbound", number="+381115550300", called="+381115550300",
                   variables=variables)
    answered = about("survey_answered", "a1", 20.0, "s1", caller=N, called="+381115550300", flow="how", block="rate",
                     value="4", about="u1", agent="1005")
    left = about("flow_left", "f1", 29.0, "s1", caller=N, called="+381115550300", flow="how", block="end", end="hangup")
    tried = {"type": "attempt", "id": "s1", "at": T + 10, "task": "t1", "outcome": "talked", "result": "asked",
             "talked_s": None, "flow": "how", "number": N, "line": "helpdesk"}
    for events in ([answered, tried, left, over], [over, left, tried, answered]):
        row = told(events, "s1").interaction
        assert {name: row[name] for name in (
            "direction", "number", "called", "call_class", "reason", "line", "queue", "flow", "outcome", "agent",
            "talked_s", "waited_s", "task_id")} == {
            "direction": "outbound", "number": N, "called": "+381115550300", "call_class": None, "reason": "survey",
            "line": "helpdesk", "queue": None, "flow": "how", "outcome": "flow", "agent": None, "talked_s": None,
            "waited_s": None, "task_id": "t1"}
        assert told(events, "s1").stays == ()
    # Its answer is about the call that it follows from, and was given in this one.
    [(table, row)] = put(answered).rows
    assert (table, row["interaction_id"], row["call_id"], row["agent"]) == ("surveys", "u1", "s1", "1005")
    [(_, row)] = put({name: value for name, value in answered.items() if name != "about"}).rows
    assert (row["interaction_id"], row["call_id"]) == ("s1", "s1")
    [(_, row)] = put(tried).rows
    assert (row["flow"], row["interaction_id"], row["talked_s"]) == ("how", "s1", None)
    unreached = told([over, {**tried, "outcome": "failed", "result": "busy"}], "s1").interaction
    assert (unreached["outcome"], unreached["reason"], unreached["direction"]) == ("unreached", "survey", "outbound")


def test_a_call_carried_to_another_switch_is_one_call() -> None:
    leg = "home-leg"
    events = [
        decided(), about("call_carried", "c", 0.15, **{"from": "main", "to": "west"}),
        about("call_arrived", "a", 0.2, leg, carried_call="u1", decision="d1", queue="helpdesk@fsapp"),
        {**stay("queue_joined", "joined", 0.3), "call": leg, "switch": "west"},
        {**stay("call_answered", "answered", 5.3, agent="1005", waited_s=5.0), "call": leg, "switch": "west"},
        {**stay("talk_ended", "talked", 15.3, agent="1005", talked_s=10.0), "call": leg, "switch": "west"},
        {**hung_up(15.5, call=leg), "switch": "west"}, hung_up(15.6),
    ]
    rows = told(events)
    assert (rows.interaction["outcome"], rows.interaction["agent"], rows.interaction["switch"]) == (
        "answered", "1005", "main")
    assert rows.interaction["ended_at"] == T + 15.6 and rows.stays[0]["interaction_id"] == "u1"
    for seed in range(50):
        shuffled = random.Random(seed).sample(events, len(events))
        assert told(shuffled) == rows


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Facts of one call as a lossy, gappy world tells them: each there or not, found again, told twice."""
    pool = copy.deepcopy([
        *ANSWERED, decided("d2", 30.0, later=True, queue="agent-1005@fsapp", reason="sticky"),
        decided("d0", 40.0, type="call_refused", reason="closed"),
        {**ANSWERED[5], "at": T + 30, "recovered": True, "agent": "1005", "waited_s": 29.0},
        {**stay("call_left_queue", "left", 31.0, reason="unknown", waited_s=30.8), "recovered": True},
        stay("call_abandoned", "left", 31.0, reason="BREAK_OUT", waited_s=30.0),
        {**hung_up(90.0, cause=""), "recovered": True}, {**hung_up(84.0, cause="CDR"), "cdr": True},
        stay("queue_joined", "joined", 40.0, "m2", queue="vip@fsapp"),
        stay("agent_missed", "x9", 41.0, "m2", agent="1006", cause="USER_BUSY"),
        stay("agent_missed", "x2", 21.0, agent="1005", cause="USER_BUSY"),
        stay("agent_offered", "o3", 21.5, agent="1005"),
        about("flow_left", "f1", 3.0, flow="main", end="queue"), about("flow_left", "f2", 50.0, flow="x", end="hangup"),
        about("voicemail_left", "v1", 50.0, flow="main"), about("recording_started", "r0", 23.6, file="b.wav"),
    ])
    return draw(st.lists(st.sampled_from(pool), min_size=1, max_size=20))


@given(histories(), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(events: list[dict[str, Any]], chance: random.Random) -> None:
    rows = told(events)
    again = [*events, *chance.choices(events, k=len(events))]
    chance.shuffle(again)
    assert told(again) == rows


@given(histories())
def test_rows_make_sense_whatever_was_lost(events: list[dict[str, Any]]) -> None:
    rows = told(events)
    call = rows.interaction
    assert call["ended_at"] is None or call["ended_at"] >= call["started_at"]
    assert call["waited_s"] is None or call["waited_s"] >= 0
    assert len({row["id"] for row in rows.offers}) == len(rows.offers)
    assert [row["outcome"] for row in rows.offers].count("answered") <= len(rows.stays)
    if any(event["type"] == "call_answered" for event in events):
        assert call["outcome"] == "answered" and call["answered_at"]


@pytest.mark.parametrize("broken", [
    {}, {"type": 7}, {"type": "call_routed"}, {"type": "call_routed", "id": "x", "at": "soon", "call": "u"},
    {"type": "call_routed", "id": "x", "at": float("nan"), "call": "u"},
    {"type": "call_routed", "id": "x", "at": 1e300, "call": "u"},
    {"type": "call_routed", "id": "x", "at": 1.0, "call": ""},
    {"type": "call_routed", "id": "x", "at": 1.0, "call": ["u"]}, {"type": "task", "id": "x", "at": 1.0},
    {"type": "queue_joined", "id": None, "at": 1.0, "call": "u", "member": "m"},
    {"type": "agent_status", "id": "x", "at": 1.0},
    {"type": "attempt", "id": "x", "at": 1.0, "talked_s": 10**400},
])
def test_a_malformed_event_is_said_to_be_one(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        put(broken)


@given(st.sampled_from(sorted(ABOUT_CALLS)), st.dictionaries(
    st.sampled_from(["member", "agent", "queue", "number", "waited_s", "variables", "facts", "file", "rules", "visit",
                     "trace", "lasted_s", "carried_call", "class", "reason"]),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()) | st.binary()))
def test_no_event_does_worse_than_being_refused(type_: str, fields: dict[str, Any]) -> None:
    event = {"type": type_, "id": "i", "at": 5.0, "call": "u", **fields}
    state: dict[str, Any] = {}
    try:
        for call in put(event).calls:
            learn(state, call, event)
    except ValueError:
        assert state == {}
        return
    rows = rows_of("u", state, {}, str)
    for row in (rows.interaction, *rows.stays, *rows.offers):
        for value in row.values():
            assert value is None or isinstance(value, (bool, int, float)) or "\x00" not in value


def test_what_the_memory_does_not_keep_is_nothing() -> None:
    assert put({"type": "switch_healed", "id": "x"}) == NOTHING
    assert put({"type": "wait_told", "id": "x", "call": "u"}) == NOTHING
