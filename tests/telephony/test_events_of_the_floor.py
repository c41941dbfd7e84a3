"""The switch's events as the floor's, from recorded bytes: what each says, and what they come to together."""

from __future__ import annotations

from dataclasses import replace

import pytest
from switch_side import from_switch

from fsapp.core.floor import Seen, SeenAgent, SeenQueue
from fsapp.core.floor_change import FloorEvent, changed
from fsapp.core.floor_events import apply
from fsapp.telephony.esl import Message, Parser
from fsapp.telephony.floor_events import KINDS, described, event_from

KNOWN = Seen("core", {name: SeenAgent(name) for name in ("1001", "1002")}, (), {
    name: SeenQueue(name, settings={"time_base_score": "system"}) for name in ("sales@fsapp", "agent-1001@fsapp")})
TRACES = [
    "agent-does-not-answer", "caller-hangs-up-at-once", "dialer-answered-call", "hostile-caller-name", "ivr-digits",
    "member-leaves", "originate-outcomes", "queue-answered", "queue-priority", "route-and-leave",
    "sip-header-injection", "staged-visits",
]


def told(trace: str) -> list[FloorEvent]:
    """All events of a trace that the link's own connection heard."""
    events = []
    for connection, messages in from_switch(trace).items():
        if connection.startswith("inbound"):
            parser = Parser()
            events += [
                message.event for data in messages for message in parser.feed(data)
                if message.content_type == "text/event-plain"
            ]
    return [event for event in map(event_from, events) if event is not None]


def play(events: list[FloorEvent]) -> tuple[Seen, list[dict]]:
    seen, facts = KNOWN, []
    for event in events:
        changes = apply(seen, event)
        seen = changed(seen, changes)
        facts += changes.facts
    return seen, facts


@pytest.mark.parametrize("trace", TRACES)
def test_every_event_is_known_and_told_apart(trace: str) -> None:
    events = told(trace)
    assert {event.kind for event in events} <= KINDS
    assert len({event.id for event in events}) == len(events)
    play(events)


def test_an_answered_call() -> None:
    events = told("queue-answered")
    assert events
    seen, facts = play(events)
    assert not [member for member in seen.members.values() if member.state != "Abandoned"]
    assert {agent.call for agent in seen.agents.values()} == {""}
    kinds = [fact["type"] for fact in facts if fact["type"] not in ("agent_missed", "call_hung_up")]
    assert kinds[:4] == ["queue_joined", "agent_offered", "call_answered", "talk_ended"]
    answered = next(fact for fact in facts if fact["type"] == "call_answered")
    assert answered["agent"] in KNOWN.agents
    assert answered["waited_s"] >= 0


def test_the_end_of_a_talk_says_when_it_began() -> None:
    """So a link that came later tells of it with its length: as whole seconds, as mod_callcenter counts."""
    events = told("queue-answered")
    lengths = [fact["talked_s"] for fact in play(events)[1] if fact["type"] == "talk_ended"]
    late = [fact["talked_s"] for fact in play([event for event in events if event.kind == "bridge-agent-end"])[1]]
    assert lengths and len(late) == len(lengths)
    assert all(abs(one - other) <= 1 for one, other in zip(lengths, late, strict=True))


def test_a_dialled_call_that_is_queued_and_talks() -> None:
    _, facts = play(told("dialer-answered-call"))
    assert [fact["type"] for fact in facts if fact["type"].startswith("call_")][:1] == ["call_answered"]
    ended = [fact for fact in facts if fact["type"] == "call_hung_up"]
    assert [(fact["call"], fact["cause"]) for fact in ended] == [
        ("33333333-aaaa-bbbb-cccc-000000000001", "NORMAL_CLEARING")], "the caller's leg alone"


def test_the_order_of_being_served() -> None:
    seen, facts = play(told("queue-priority"))
    joined = [fact["base_score"] for fact in facts if fact["type"] == "queue_joined"]
    offered = [fact["member"] for fact in facts if fact["type"] == "agent_offered"]
    scores = {fact["member"]: fact["base_score"] for fact in facts if fact["type"] == "queue_joined"}
    waited = [scores[member] for member in offered if member in scores][1:]
    assert len(joined) >= 3
    assert waited == sorted(waited, reverse=True)


def test_members_who_leave() -> None:
    _, facts = play(told("member-leaves"))
    left = [(fact["type"], fact["reason"]) for fact in facts if fact["type"] in ("call_abandoned", "call_left_queue")]
    assert set(left) == {
        ("call_abandoned", "BREAK_OUT"), ("call_left_queue", "EXIT_WITH_KEY"), ("call_left_queue", "TIMEOUT")}


def test_agents_who_do_not_answer() -> None:
    seen, facts = play(told("agent-does-not-answer"))
    causes = {fact["cause"] for fact in facts if fact["type"] == "agent_missed"}
    assert {"USER_BUSY", "NO_ANSWER"} <= causes
    assert seen.agents["1001"].status == "On Break"


@pytest.mark.parametrize("trace", ["hostile-caller-name", "sip-header-injection"])
def test_hostile_callers_change_nothing_but_their_own_name(trace: str) -> None:
    for event in told(trace):
        texts = [event.number, event.name, event.called, *event.variables, *event.variables.values()]
        assert not [text for text in texts if any(ord(char) < 32 for char in text)]
        assert "fsapp_class" not in event.variables or event.variables["fsapp_class"] != "callback"


def test_what_a_dump_says() -> None:
    dump = (
        "Event-Name: CHANNEL_DATA\nCore-UUID: core\nUnique-ID: c1\nCall-Direction: inbound\n"
        "Caller-Caller-ID-Number: %2B381601234567\nCaller-Channel-Answered-Time: 1795613496960712\n"
        "variable_fsapp_class: service\nvariable_cc_side: member\nvariable_sip_from: x\n\n")
    event = described(dump, "c1")
    assert event is not None
    assert (event.number, event.variables) == ("+381601234567", {"fsapp_class": "service", "cc_side": "member"})
    assert event.answered_at is not None
    assert described("-ERR No such channel!\n", "c1") is None
    assert described(dump, "c2") is None


@pytest.mark.parametrize("value", ["", "0", "-5", "x", "99999999999999999999", "1" * 500, "\u0663", "1e9", "+ 1"])
def test_times_that_are_none(value: str) -> None:
    event = event_from(Message(
        f"Event-Name: CHANNEL_ANSWER\nUnique-ID: c1\nEvent-Date-Timestamp: {value}\n"
        f"Caller-Channel-Answered-Time: {value}\nCaller-Channel-Created-Time: {value}".encode()))
    assert event is not None
    assert (event.created_at, event.answered_at) == (None, None)
    assert replace(event, at=event.at).at.tzinfo is not None


@pytest.mark.parametrize("name", ["HEARTBEAT", "CUSTOM", "", "BACKGROUND_JOB"])
def test_other_events_say_nothing(name: str) -> None:
    assert event_from(Message(f"Event-Name: {name}\nEvent-Subclass: sofia::expire".encode())) is None
