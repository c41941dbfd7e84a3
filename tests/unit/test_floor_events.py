"""What events do to the floor: each alone, twice, in any order, and about nobody in particular."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fsapp.core.floor import Seen, SeenAgent, SeenCall, SeenMember, SeenQueue
from fsapp.core.floor_change import Changes, FloorEvent, changed
from fsapp.core.floor_events import apply, carried
from fsapp.core.floor_facts import recovered

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
QUEUE = "helpdesk@fsapp"
EMPTY = Seen(
    "core", {"1004": SeenAgent("1004", "user/1004@fsapp", "Available", registered=False)}, (),
    {QUEUE: SeenQueue(QUEUE, settings={"time_base_score": "system"})},
)
MEMBER = {"queue": QUEUE, "member": "m1", "call": "c1"}
AGENT = {"agent": "1004", "agent_call": "leg"}


def event(kind: str, after_s: float = 0, **fields: object) -> FloorEvent:
    return FloorEvent(kind, f"core:{kind}:{after_s}", AT + timedelta(seconds=after_s), **fields)


STORY = (
    event("call-created", 0, call="c1", direction="inbound", number="+381601234567", called="0115550300"),
    event("call-answered", 1, call="c1", answered_at=AT + timedelta(seconds=1)),
    event("member-queue-start", 3, **MEMBER, number="+381601234567", name="Mira", base_score=100,
          answered_at=AT + timedelta(seconds=1), variables={"fsapp_class": "service", "cc_side": "member"}),
    event("agent-state-change", 10, agent="1004", value="Receiving"),
    event("agent-offering", 10, **MEMBER, agent="1004"),
    event("call-created", 10, call="leg", direction="outbound", variables={"cc_side": "agent"}),
    event("call-answered", 12, call="leg"),
    event("bridge-agent-start", 12, **MEMBER, **AGENT),
    event("call-bridged", 12.1, call="c1", other="leg"),
    event("agent-state-change", 12.2, agent="1004", value="In a queue call"),
    event("call-unbridged", 30, call="c1", other="leg"),
    event("call-hung-up", 30, call="leg", cause="NORMAL_CLEARING"),
    event("bridge-agent-end", 30.1, **MEMBER, **AGENT),
    event("member-queue-end", 30.1, **MEMBER, agent="1004", value="Terminated"),
    event("agent-state-change", 30.1, agent="1004", value="Waiting"),
    event("call-hung-up", 31, call="c1", cause="NORMAL_CLEARING"),
)


def play(seen: Seen, events: tuple[FloorEvent, ...]) -> tuple[Seen, list[dict]]:
    facts: list[dict] = []
    for one in events:
        changes = apply(seen, one)
        seen = changed(seen, changes)
        facts += changes.facts
    return seen, facts


def test_every_fact_of_a_call_for_a_task_says_so() -> None:
    """From the first offer to the talk: the leg's variables and the member both know of it."""
    variables = {"fsapp_class": "callback", "fsapp_task": "t1", "fsapp_customer": "+381601234567"}
    story = [replace(one, variables=variables) if one.call == "c1" else one for one in STORY]
    _, facts = play(EMPTY, tuple(story))
    assert [(fact["type"], fact["task"]) for fact in facts] == [
        (kind, "t1") for kind in ("queue_joined", "agent_offered", "call_answered", "talk_ended")]
    assert facts[1]["customer"] == "+381601234567"


def test_an_answered_call() -> None:
    waiting, _ = play(EMPTY, STORY[:3])
    member = waiting.members["m1"]
    assert (member.state, member.base_score, member.joined_at) == ("Waiting", 102, AT + timedelta(seconds=3))
    talking, _ = play(EMPTY, STORY[:10])
    assert talking.members["m1"].state == "Answered"
    agent = talking.agents["1004"]
    assert (agent.state, agent.call, agent.answered) == ("In a queue call", "leg", 1)
    assert (talking.calls["c1"].bridged_to, talking.calls["leg"].bridged_to) == ("leg", "c1")
    assert talking.calls["c1"].variables["fsapp_class"] == "service"
    over, facts = play(EMPTY, STORY)
    assert (over.members, over.calls) == ({}, {})
    agent = over.agents["1004"]
    assert (agent.state, agent.call, agent.talk_s, agent.ended_at) == ("Waiting", "", 18, AT + timedelta(seconds=30))
    assert [fact["type"] for fact in facts] == [
        "queue_joined", "agent_offered", "call_answered", "talk_ended", "call_hung_up"]
    answered = facts[2]
    assert (answered["agent"], answered["waited_s"], answered["class"]) == ("1004", 9.2, "service")
    assert (facts[-1]["lasted_s"], facts[-1]["answered_s"], facts[-1]["cause"]) == (31.0, 30.0, "NORMAL_CLEARING")
    assert len({fact["id"] for fact in facts}) == 5


def test_an_offer_tells_who_is_on_the_line_and_how_the_call_was_decided() -> None:
    variables = {"fsapp_class": "callback", "fsapp_contact": "renewals/first-call/+381601234567", "cc_side": "member",
                 "fsapp_customer": "+381601234567", "fsapp_secret": "no"}
    start = replace(STORY[2], variables=variables)
    _, facts = play(EMPTY, (*STORY[:2], start, *STORY[3:5]))
    assert facts[-1] == {
        "type": "agent_offered", "id": STORY[4].id, "at": STORY[4].at.timestamp(), "call": "c1", "member": "m1",
        "queue": QUEUE, "agent": "1004", "number": "+381601234567", "customer": "+381601234567", "class": "callback",
        "contact": "renewals/first-call/+381601234567"}
    _, facts = play(EMPTY, (STORY[4],))
    assert "number" not in facts[-1], "nobody knows who it is: a place that is not known here"


def test_each_event_twice_is_each_event_once() -> None:
    once, facts = play(EMPTY, STORY)
    twice, more = play(EMPTY, tuple(one for pair in zip(STORY, STORY, strict=True) for one in pair))
    assert twice == once
    assert {fact["id"] for fact in more} == {fact["id"] for fact in facts}


def test_an_agent_who_does_not_answer() -> None:
    seen, facts = play(EMPTY, (*STORY[:5], event("bridge-agent-fail", 25, **MEMBER, agent="1004", cause="NO_ANSWER")))
    assert (seen.members["m1"].state, seen.members["m1"].agent) == ("Waiting", "")
    assert (facts[-1]["type"], facts[-1]["cause"]) == ("agent_missed", "NO_ANSWER")


def test_an_old_refusal_told_again_leaves_the_talk_alone() -> None:
    """After all was read, the last seconds' events are told again: the agent has refused, and answered since."""
    talking, _ = play(EMPTY, STORY[:10])
    seen, _ = play(talking, (event("bridge-agent-fail", 9, **MEMBER, agent="1004", cause="CALL_REJECTED"),))
    assert seen.members["m1"] == talking.members["m1"]


def test_who_gives_up_and_who_is_moved_on() -> None:
    end = {**MEMBER, "value": "Cancel"}
    for reason, hung_up, type_ in [
        ("BREAK_OUT", True, "call_abandoned"), ("BREAK_OUT", False, "call_left_queue"),
        ("TIMEOUT", False, "call_left_queue"), ("EXIT_WITH_KEY", False, "call_left_queue"),
    ]:
        seen, facts = play(EMPTY, (*STORY[:3], event("member-queue-end", 23, **end, reason=reason, hung_up=hung_up)))
        assert (seen.members["m1"].state, seen.members["m1"].call) == ("Abandoned", "")
        assert (facts[-1]["type"], facts[-1]["reason"], facts[-1]["waited_s"]) == (type_, reason, 20.0)


def test_a_talk_whose_beginning_nobody_heard_has_its_length() -> None:
    """mod_callcenter says at its end when it began."""
    _, [fact] = play(EMPTY, (event("bridge-agent-end", 30, **MEMBER, **AGENT, talk_at=AT + timedelta(seconds=12)),))
    assert (fact["type"], fact["agent"], fact["talked_s"]) == ("talk_ended", "1004", 18.0)


def test_a_bridge_that_failed() -> None:
    failed = event("bridge-agent-end", 13, **MEMBER, **AGENT, bridged=False)
    there, _ = play(EMPTY, (*STORY[:8], failed))
    assert (there.members["m1"].state, there.agents["1004"].call) == ("Waiting", "")


def test_who_hangs_up_as_an_agent_answers_has_left() -> None:
    """mod_callcenter takes the stay for answered then, and tells no end of it, in whichever order it tells the rest."""
    failed = event("bridge-agent-end", 13, **MEMBER, **AGENT, bridged=False)
    hung_up = event("call-hung-up", 13, call="c1", variables={"cc_member_uuid": "m1", "cc_cause": "answered"})
    for events in ((hung_up, failed), (failed, hung_up)):
        gone, facts = play(EMPTY, (*STORY[:8], *events, hung_up, failed))
        assert (gone.members["m1"].state, gone.members["m1"].call, gone.agents["1004"].call) == ("Abandoned", "", "")
        [left] = [fact for fact in facts if fact["id"] == "m1:left"]
        assert (left["type"], left["waited_s"], left["number"]) == ("call_abandoned", 10.0, "+381601234567")
        assert (left["class"], left["direction"], left["called"]) == ("service", "inbound", "0115550300")
        assert not [fact for fact in facts if fact["type"] in ("call_answered", "talk_ended")]


def test_a_short_talk_of_which_the_callers_end_is_told_first_is_a_talk() -> None:
    hung_up = event("call-hung-up", 12.2, call="c1", variables={"cc_member_uuid": "m1", "cc_cause": "answered"})
    _, facts = play(EMPTY, (*STORY[:9], hung_up, *STORY[9:15]))
    assert [fact["type"] for fact in facts if fact["type"].startswith(("call_", "talk_"))] == [
        "call_hung_up", "call_answered", "talk_ended"]


def test_status_as_the_switch_keeps_it() -> None:
    busy = replace(EMPTY, agents={"1004": replace(EMPTY.agents["1004"], answered=3, talk_s=90, status_at=AT)})
    same, _ = play(busy, (event("agent-status-change", 60, agent="1004", value="Available"),))
    assert same == busy
    off, _ = play(busy, (event("agent-status-change", 60, agent="1004", value="On Break"),))
    assert (off.agents["1004"].answered, off.agents["1004"].status_at) == (3, AT + timedelta(seconds=60))
    back, _ = play(off, (event("agent-status-change", 90, agent="1004", value="Available"),))
    assert (back.agents["1004"].answered, back.agents["1004"].talk_s) == (0, 0)


def test_a_phone_that_registers() -> None:
    there, _ = play(EMPTY, (event("phone-registered", users=("1004",)),))
    assert there.agents["1004"].registered is True
    other, _ = play(EMPTY, (event("phone-registered", users=("100",)),))
    assert other.agents["1004"].registered is False


def test_no_agent_is_made_up() -> None:
    for one in STORY:
        seen = changed(Seen(), apply(Seen(), replace(one, agent=one.agent and "9999")))
        assert not seen.agents
    new, _ = play(EMPTY, (event("agent-add", agent="1009"),))
    assert new.agents["1009"].status == "Logged Out"


def test_what_a_gap_swallowed_is_told_with_the_ids_the_events_would_have_given() -> None:
    _, told = play(EMPTY, STORY)
    known = {fact["id"]: fact["type"] for fact in told}
    for first in range(len(STORY)):
        for last in range(first, len(STORY) + 1):
            before, one = play(EMPTY, STORY[:first])
            after, _ = play(EMPTY, STORY[:last])
            gap = recovered(before, after, AT + timedelta(seconds=40))
            assert all(fact["recovered"] for fact in gap)
            _, rest = play(after, STORY[last:])
            found = [fact["id"] for fact in (*one, *gap, *rest)]
            again = [id_ for id_ in found if found.count(id_) > 1]
            assert set(again) <= {"m1:talked"}, "told twice only where the end of a talk has two events"
            types = {fact["id"]: fact["type"] for fact in (*one, *gap, *rest)}
            # Who waited before and is gone afterwards has left, for all that can be seen.
            assert types.pop("m1:left", "call_left_queue") in ("call_left_queue", "call_abandoned")
            assert types.items() <= known.items()
            if first and last < len(STORY):
                assert "c1:hung-up" in found


def test_a_row_of_nobody_tells_nothing_and_who_became_one_has_left() -> None:
    """mod_callcenter may keep the row of a member whose call is gone."""
    waits, _ = play(EMPTY, STORY[:3])
    late = AT + timedelta(seconds=40)
    ghost = replace(waits, calls={})
    assert recovered(EMPTY, ghost, late) == ()
    assert [(fact["id"], fact["type"]) for fact in recovered(waits, ghost, late)] == [
        ("m1:left", "call_abandoned"), ("c1:hung-up", "call_hung_up")]
    assert recovered(ghost, ghost, late) == ()
    # The switch's table of calls may be behind for a moment.
    fresh = AT + timedelta(seconds=5)
    assert [fact["type"] for fact in recovered(EMPTY, ghost, fresh)] == ["queue_joined"]
    talks, _ = play(EMPTY, STORY[:10])
    assert [fact["type"] for fact in recovered(talks, replace(talks, calls={}), late)] == ["talk_ended", "call_hung_up"]
    assert recovered(EMPTY, replace(talks, calls={}), late) == ()


def test_a_fresh_look_keeps_what_tables_do_not_hold() -> None:
    known, _ = play(EMPTY, STORY[:3])
    fresh = replace(known, calls={"c1": SeenCall("c1", state="ACTIVE"), "c2": SeenCall("c2")})
    kept = carried(known, fresh).calls
    assert (kept["c1"].variables, kept["c1"].answered_at) == (
        {"fsapp_class": "service", "cc_side": "member"}, AT + timedelta(seconds=1))
    assert kept["c2"] == SeenCall("c2")


KINDS = sorted({one.kind for one in STORY} | {
    "agent-add", "agent-status-change", "agent-contact-change", "member-queue-resume", "bridge-agent-fail",
    "recording-started", "recording-stopped", "phone-registered", "members-count", "call-described", "nonsense",
})
EVENTS = st.builds(
    FloorEvent, st.sampled_from(KINDS), st.integers(0, 50).map(str),
    st.integers(0, 100).map(lambda s: AT + timedelta(seconds=s)), agent=st.sampled_from(["", "1004", "1005"]),
    queue=st.sampled_from(["", QUEUE]), member=st.sampled_from(["m1", "m2"]), call=st.sampled_from(["", "c1", "c2"]),
    other=st.sampled_from(["", "c1", "leg"]), agent_call=st.sampled_from(["", "leg"]),
    value=st.sampled_from(["", "Available", "On Break", "Waiting", "In a queue call", "Cancel", "Terminated"]),
    bridged=st.booleans(), hung_up=st.booleans(), direction=st.sampled_from(["", "inbound", "outbound"]),
)


@given(st.lists(EVENTS, max_size=30))
def test_any_events_in_any_order(events: list[FloorEvent]) -> None:
    seen = EMPTY
    for one in events:
        changes = apply(seen, one)
        after = changed(seen, changes)
        assert changed(after, replace(apply(after, one), facts=())) == after or one.kind in (
            "call-bridged", "call-unbridged", "member-queue-end", "bridge-agent-end", "agent-state-change",
            "member-queue-start", "member-queue-resume"), "the same event twice changes nothing more"
        assert all(isinstance(fact["id"], str) and fact["type"] for fact in changes.facts)
        assert set(after.agents) <= {"1004", "1005", ""}
        seen = after
    assert all(isinstance(member, SeenMember) for member in seen.members.values())
    list(recovered(EMPTY, seen, AT))
    list(recovered(seen, EMPTY, AT))


def test_changes_come_together_the_later_one_counts() -> None:
    one = Changes(calls={"a": SeenCall("a"), "b": SeenCall("b")}, facts=({"id": "1"},))
    both = one | Changes(calls={"a": None}, facts=({"id": "2"},))
    assert both.calls == {"a": None, "b": SeenCall("b")}
    assert [fact["id"] for fact in both.facts] == ["1", "2"]


def test_a_recording_is_named_as_everywhere_else() -> None:
    name = "2026-03-29/003530Z_callback_renewals.first-call_+381601234567_c1.wav"
    call = event("call-created", 0, call="c1", variables={"fsapp_class": "callback"})
    for path, said in ((f"/var/lib/{name}", name), ("/tmp/other.wav", "/tmp/other.wav"), (name, name)):
        _, facts = play(EMPTY, (call, event("recording-started", 1, call="c1", file=path)))
        assert [(one["type"], one["file"], one["class"]) for one in facts] == [("recording_started", said, "callback")]
