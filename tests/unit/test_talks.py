"""What facts and attempts change of what is known of a customer."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp.core.callback_rights import CallbackEvent
from fsapp.core.model import Right, Sticky, Talk
from fsapp.core.rules import Rules
from fsapp.core.talks import Known, Outcome, after, attempt, from_fact, matters
from fsapp.rules import load_folder

DOCUMENT = load_folder(Path(__file__).parents[2] / "conf" / "rules")
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
N = "+381601234567"
HOUR = timedelta(hours=1)


def rules_of(type_: int, **more: Any) -> Rules:
    document = copy.deepcopy(DOCUMENT)
    document["centre"] |= {"direct_callback": type_, "direct_callback_s": 3600} | more
    return Rules.from_document(document)


RULES = rules_of(1)


def fact(type_: str = "talk_ended", **more: Any) -> dict[str, Any]:
    return {"type": type_, "id": "m1:talked", "at": AT.timestamp(), "call": "c1", "member": "m1", "agent": "1004",
            "number": "0601234567", "queue": "agent-1004@fsapp", "line": "helpdesk", "talked_s": 30.0} | more


def test_a_talk_ends_the_right_to_this_agent_and_makes_the_customer_stick() -> None:
    rights = (Right("1003", AT + HOUR, "renewals", "first-call"), Right("1004", AT + HOUR, "renewals", "first-call"))
    happened = from_fact(fact(), RULES)
    assert (happened.event, happened.number, happened.place) == (CallbackEvent.CUSTOMER_TALKED, N, "helpdesk")
    known, events = after(Known(rights), happened, RULES)
    assert known.rights == rights[:1]
    assert known.sticky == Sticky("1004", AT, (Talk("helpdesk", "1004", AT),))
    assert known.sticky_s == 90 * 24 * 3600
    assert [(event["type"], event["number"], event["call"]) for event in events] == [
        ("direct_callback", N, "c1"), ("stickiness", N, "c1")]
    assert events[0]["effect"] == "deleted"


def test_a_talk_with_another_agent_leaves_a_right() -> None:
    rights = (Right("1001", AT + HOUR, "renewals", "first-call"),)
    assert after(Known(rights), from_fact(fact(), RULES), RULES)[0].rights == rights


@pytest.mark.parametrize(("talked_s", "sticks"), [(4.9, False), (5, True)])
def test_what_counts_as_a_successful_talk(talked_s: float, sticks: bool) -> None:
    known, _ = after(Known(), from_fact(fact(talked_s=talked_s), RULES), RULES)
    assert (known.sticky is not None) == sticks


def test_a_call_that_comes_in_restarts_all_rights_of_type_4_alone() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["centre"] |= {"direct_callback": 4, "direct_callback_s": 7200}
    document["agent"]["1002"]["direct_callback"] = 3
    rules = Rules.from_document(document)
    rights = tuple(Right(agent, AT + HOUR, "renewals", "first-call") for agent in ("1001", "1002"))
    came = from_fact(fact("queue_joined", agent=""), rules)
    assert (came.event, came.agent) == (CallbackEvent.CUSTOMER_CAME, None)
    assert came.id == from_fact(fact("call_hung_up", lasted_s=3.0), rules).id
    assert matters(came, rules)
    known, events = after(Known(rights), came, rules)
    assert [right.expires_at for right in known.rights] == [AT + 2 * HOUR, AT + HOUR]
    assert [(event["agent"], event["effect"]) for event in events] == [("1001", "restarted")]
    assert not matters(came, RULES)


def test_a_call_that_never_joined_a_queue_came_in_when_it_began() -> None:
    came = from_fact(fact("call_hung_up", lasted_s=60.0, direction="inbound"), RULES)
    assert came.at == AT - timedelta(seconds=60)


def test_a_talk_in_a_call_that_we_made_is_an_attempt() -> None:
    rules = rules_of(3)
    contact = f"renewals/first-call/{N}"
    happened = from_fact(fact(direction="outbound", contact=contact, number="+381115550100", line=None), rules)
    assert (happened.event, happened.number, happened.place) == (
        CallbackEvent.AGENT_TALKED, N, "renewals/first-call")
    known, _ = after(Known(), happened, rules)
    assert known.rights == (Right("1004", AT + HOUR, "renewals", "first-call"),)
    assert from_fact(fact("queue_joined", direction="outbound"), rules) is None


@pytest.mark.parametrize("more", [
    {"number": ""}, {"number": "anonymous"}, {"number": "112"}, {"number": "+381115550100"}, {"number": "junk\r\n"},
])
def test_who_cannot_be_known_is_passed_over(more: dict[str, Any]) -> None:
    assert from_fact(fact(**more), RULES) is None


@pytest.mark.parametrize(("more", "place"), [
    ({"line": None, "campaign": "renewals", "stage": "first-call"}, "renewals/first-call"),
    ({"line": None, "queue": "web-leads.new@fsapp"}, "web-leads/new"),
    ({"line": None, "contact": f"renewals/first-call/{N}"}, "renewals/first-call"),
    ({"line": None}, None), ({"line": "gone"}, None),
])
def test_where_a_talk_belonged(more: dict[str, Any], place: str | None) -> None:
    assert from_fact(fact(**more), RULES).place == place


def test_an_agent_who_has_left_gets_nothing() -> None:
    assert not matters(from_fact(fact(agent="9999"), RULES), RULES)


def test_attempts() -> None:
    failed = attempt(N, "1001", Outcome.FAILED, AT, "a1", "renewals", "first-call")
    known, events = after(Known(), failed, RULES)
    assert known == Known((Right("1001", AT + HOUR, "renewals", "first-call"),))
    assert [event["effect"] for event in events] == ["arises"]
    same, events = after(known, failed, RULES)
    assert (same, events) == (known, [])
    talked = attempt(N, "1001", Outcome.TALKED, AT + HOUR / 2, "a2", "renewals", "first-call")
    known, events = after(known, talked, RULES)
    assert (known.rights, known.sticky.agent) == ((), "1001")
    assert [event["type"] for event in events] == ["direct_callback", "stickiness"]
    assert events[1]["by"] == "attempt"
    short = attempt(N, "1002", Outcome.TALKED, AT, "a3", talked_s=1)
    assert after(Known(), short, RULES)[0].sticky is None


TYPES = {"1001": 1, "1002": 2, "1003": 3, "1004": 4, "1005": 0}


def rules_of_all_types() -> Rules:
    document = copy.deepcopy(DOCUMENT)
    document["centre"]["direct_callback_s"] = 3600
    for agent, type_ in TYPES.items():
        document["agent"][agent]["direct_callback"] = type_
    return Rules.from_document(document)


ALL_TYPES = rules_of_all_types()


@given(st.lists(st.tuples(
    st.integers(0, 5000), st.sampled_from(["failed", "talked", "calls", "calls and talks"]),
    st.sampled_from(sorted(TYPES))), max_size=40))
def test_random_histories_of_a_customer_with_agents_of_all_types(history: list[tuple[int, str, str]]) -> None:
    """Each agent's right goes its own way; `ends` is a plain model of all of them, in seconds."""
    known, ends, now = Known(), dict.fromkeys(TYPES, 0), 0
    for place, (passed, what, agent) in enumerate(history):
        now += passed
        at, type_ = AT + timedelta(seconds=now), TYPES[agent]
        if what in ("failed", "talked"):
            told = [attempt(N, agent, Outcome(what), at, str(place), "renewals", "first-call")]
            if type_ in (1, 2) and what == "talked":
                ends[agent] = 0
            elif type_ in (2, 3, 4) or (type_ == 1 and ends[agent] <= now):
                ends[agent] = now + 3600
        else:
            about = {"call": str(place), "id": str(place), "at": at.timestamp(), "agent": agent}
            told = [from_fact(fact("queue_joined", **about), ALL_TYPES)]
            ends["1004"] = now + 3600 if ends["1004"] > now else 0
            if what == "calls and talks":
                told.append(from_fact(fact(**about), ALL_TYPES))
                ends[agent] = 0 if type_ in (1, 2) else ends[agent]
        for happened in told:
            assert matters(happened, ALL_TYPES)
            known, events = after(known, happened, ALL_TYPES)
            assert len({event["id"] for event in events}) == len(events)
        live = [right for right in known.rights if right.expires_at > at]
        alive = {right.agent: (right.expires_at - AT).total_seconds() for right in live}
        assert alive == {id_: end for id_, end in ends.items() if end > now}
