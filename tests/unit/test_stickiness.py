"""Whom a customer sticks to, for how long, in which places; and whom a caller waits for when somebody is not free."""

from __future__ import annotations

import copy
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp.core.availability import Availability, Presence, availability, together
from fsapp.core.floor import Seen, SeenAgent
from fsapp.core.model import Call, Contact, Earlier, Facts, Right, Sticky, Talk
from fsapp.core.numbers import normalise
from fsapp.core.route import decide
from fsapp.core.rules import Rules
from fsapp.core.stickiness import MAX_PLACES, Scope, StickyRule, after_talk, talk_for
from fsapp.rules import check_document, load_folder

DOCUMENT = load_folder(Path(__file__).parents[2] / "conf" / "rules")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CALLER = "+381601234567"
HELPDESK = "+381115550300"
FIRST_CALL = "+381115550100"
FLOW = "+381115550400"


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


def rules_with(centre: dict[str, Any] | None = None, **line: Any) -> Rules:
    """The example centre with more said of line helpdesk."""
    document = copy.deepcopy(DOCUMENT)
    document["centre"] |= centre or {}
    document["line"]["helpdesk"] |= {"stickiness": "agent-then-group"} | line
    assert check_document(document, "test").faults == ()
    return Rules.from_document(document)


def waits(rules: Rules, facts: Facts, called: str = HELPDESK) -> list[tuple[str, int | None]]:
    call = Call(normalise(CALLER, "RS"), normalise(called, "RS"))
    return [(target.queue.removesuffix("@fsapp"), target.wait_s) for target in decide(call, facts, rules, NOW).targets]


def known(free: str = "", busy: str = "", away: str = "") -> Availability:
    free_at = dict.fromkeys(free.split(), 0.0) | dict.fromkeys(busy.split(), math.inf)
    return Availability(free_at, frozenset(away.split()))


AGENT, GROUP, QUEUE = ("agent-1004", 20), ("group-support", 20), ("helpdesk", None)


@pytest.mark.parametrize(("there", "busy", "expected"), [
    (known(), "wait", [AGENT, GROUP, QUEUE]),
    (known(), "any", [AGENT, GROUP, QUEUE]),  # nobody knows who is there: as if they all were
    (known(free="1004"), "any", [AGENT, GROUP, QUEUE]),
    (known(busy="1004", free="1005"), "wait", [AGENT, GROUP, QUEUE]),
    (known(busy="1004", free="1005"), "any", [GROUP, QUEUE]),
    (known(busy="1004 1005 1006"), "any", [QUEUE]),
    (known(busy="1004 1005 1006"), "wait", [AGENT, GROUP, QUEUE]),
    (known(away="1004"), "wait", [GROUP, QUEUE]),
    (known(away="1004", busy="1005"), "any", [GROUP, QUEUE]),  # of 1006 nobody knows
    (known(away="1004", busy="1005 1006"), "any", [QUEUE]),
    (known(away="1004 1005 1006"), "wait", [QUEUE]),
    (known(away="1004 1005", free="1006"), "any", [GROUP, QUEUE]),
])
def test_busy_and_not_there(there: Availability, busy: str, expected: list[tuple[str, int | None]]) -> None:
    facts = Facts(sticky=Sticky("1004", ago(days=1)), availability=there)
    assert waits(rules_with(sticky_busy=busy), facts) == expected


@pytest.mark.parametrize(("line", "centre", "expected"), [
    ({}, {}, [QUEUE]), ({"sticky_busy": "wait"}, {}, [AGENT, GROUP, QUEUE]),
    ({}, {"sticky_busy": "wait"}, [AGENT, GROUP, QUEUE]), ({"sticky_busy": "any"}, {"sticky_busy": "wait"}, [QUEUE]),
])
def test_who_comes_out_of_a_flow_waits_for_nobody_busy_unless_told_to(
    line: dict[str, Any], centre: dict[str, Any], expected: list[tuple[str, int | None]],
) -> None:
    facts = Facts(sticky=Sticky("1004", ago(days=1)), availability=known(busy="1004 1005 1006"))
    assert waits(rules_with(centre, **line), facts, FLOW) == expected
    if not line and not centre:
        assert waits(rules_with(), facts, HELPDESK) == [AGENT, GROUP, QUEUE]


def test_busy_is_for_the_sticky_agent_alone_but_nobody_waits_for_who_is_not_there() -> None:
    """A right and a responsibility are promises: a busy agent is waited for."""
    facts = Facts((Contact("renewals", "first-call", CALLER, agent="1002"),),
                  (Right("1001", NOW + timedelta(hours=1), "renewals", "first-call"),))
    rules = rules_with({"sticky_busy": "any"})
    expected = [("agent-1001", 20), ("agent-1002", 20), ("renewals.first-call", None)]
    assert waits(rules, facts, FIRST_CALL) == expected
    for there, left in ((known(busy="1001 1002"), expected), (known(away="1001", free="1002"), expected[1:]),
                        (known(away="1001 1002"), expected[2:])):
        found = Facts(facts.contacts, facts.rights, availability=there)
        assert waits(rules, found, FIRST_CALL) == left


def test_one_who_comes_back_while_the_caller_waits_is_waited_for_then() -> None:
    rules, sticky = rules_with(), Sticky("1004", ago(days=1))
    call = Call(normalise(CALLER, "RS"), normalise(HELPDESK, "RS"))
    first = decide(call, Facts(sticky=sticky, availability=known(away="1004")), rules, NOW)
    assert first.target.queue == "group-support@fsapp"
    earlier = Earlier(
        first.call_class, first.base_score, first.reason, line="helpdesk", decision="id", tried=first.tried)
    later = decide(Call(call.caller, call.called, earlier=earlier), Facts(sticky=sticky), rules, NOW)
    assert later.target.queue == "agent-1004@fsapp"


@pytest.mark.parametrize(("days", "age", "sticky"), [(90, 89, True), (90, 90, False), (1, 0.9, True), (1, 1.1, False)])
def test_stickiness_expires(days: int, age: float, sticky: bool) -> None:
    found = waits(rules_with(sticky_days=days), Facts(sticky=Sticky("1004", ago(days=age))))
    assert (found[0] == AGENT) == sticky


def test_each_wait_is_its_own_and_so_the_total_doubles() -> None:
    rules = rules_with({"agent_wait_s": 17, "group_wait_s": 23})
    found = waits(rules, Facts(sticky=Sticky("1004", ago(days=1))))
    assert found == [("agent-1004", 17), ("group-support", 23), QUEUE]
    assert sum(wait_s or 0 for _, wait_s in found) == 40


PLACES = Sticky("1003", ago(hours=1), (
    Talk("renewals/second", "1001", ago(hours=3)), Talk("renewals/first-call", "1002", ago(hours=2)),
    Talk("vip", "1003", ago(hours=1)),
))


@pytest.mark.parametrize(("place", "scope", "agent"), [
    ("renewals/second", "centre", "1003"), ("renewals/second", "campaign", "1002"),
    ("renewals/second", "place", "1001"), ("vip", "place", "1003"), ("vip", "campaign", "1003"),
    ("helpdesk", "centre", "1003"), ("helpdesk", "place", None), ("helpdesk", "campaign", None),
])
def test_whose_last_talk_counts(place: str, scope: str, agent: str | None) -> None:
    talk, why_not = talk_for(PLACES, place, StickyRule(scope=Scope(scope)), NOW)
    assert (talk.agent if talk else None) == agent
    assert bool(why_not) == (agent is None)


def test_what_is_said_of_no_place_holds_everywhere_until_a_place_says_more() -> None:
    said = after_talk(PLACES, "1005", NOW)
    assert said == Sticky("1005", NOW)
    for scope in Scope:
        assert talk_for(said, "helpdesk", StickyRule(scope=scope), NOW)[0].agent == "1005"
    talked = after_talk(said, "1006", NOW + timedelta(hours=1), "vip")
    place = StickyRule(scope=Scope.PLACE)
    assert talk_for(talked, "vip", place, NOW)[0].agent == "1006"
    assert talk_for(talked, "helpdesk", place, NOW)[0].agent == "1005"


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1001, 1004), st.integers(0, 1000)), max_size=60))
def test_the_last_talk_of_each_place_whatever_the_order_it_is_told_in(talks: list[tuple[int, int, int]]) -> None:
    sticky = None
    for place, agent, at in talks:
        sticky = after_talk(sticky, str(agent), NOW + timedelta(seconds=at), f"line-{place}")
    if sticky is None:
        return
    assert sticky.talked_at == NOW + timedelta(seconds=max(at for _, _, at in talks))
    assert len(sticky.places) <= MAX_PLACES
    assert [talk.talked_at for talk in sticky.places] == sorted(talk.talked_at for talk in sticky.places)
    newest = max(at for _, _, at in talks)
    assert any(talk.talked_at == NOW + timedelta(seconds=newest) for talk in sticky.places)


def test_who_is_free_as_the_floor_has_it() -> None:
    ended = datetime.fromtimestamp(NOW.timestamp(), UTC)
    seen = Seen(agents={agent.id: agent for agent in (
        SeenAgent("1001", status="Available"), SeenAgent("1002", status="Available", state="In a queue call"),
        SeenAgent("1003", status="Logged Out"), SeenAgent("1004", status="On Break", state="In a queue call"),
        SeenAgent("1005", status="Available", ended_at=ended, wrap_up_s=10),
        SeenAgent("1006", status="Available (On Demand)"), SeenAgent("1007", status="Available", state="Receiving"),
    )})
    found = availability(seen)
    assert [found.of(str(id_), NOW).value for id_ in range(1001, 1009)] == [
        "free", "busy", "not there", "not there", "busy", "free", "busy", "unknown"]
    assert found.of("1005", NOW + timedelta(seconds=10)) is Presence.FREE
    both = together([found, known(free="1003", away="1001 1010")])
    assert [both.of(id_, NOW).value for id_ in ("1001", "1003", "1010")] == ["free", "free", "not there"]


def test_the_trace_says_who_was_skipped_and_why() -> None:
    facts = Facts(sticky=Sticky("1004", ago(days=1)), availability=known(away="1004", busy="1005 1006"))
    call = Call(normalise(CALLER, "RS"), normalise(HELPDESK, "RS"))
    said = {step.rule: step.outcome for step in decide(call, facts, rules_with(sticky_busy="any"), NOW).trace}
    assert said["sticky agent"] == "is logged out or on a break: skipped"
    assert said["sticky group"] == "nobody of them is free: anybody free at once"
