"""Which tasks get a call that stands in line, which calls are taken away, and what a call's legs make of a try."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fsapp.core.callbacks import PER_AGENT, Plan, caller_id_of, planned, variables_of
from fsapp.core.dialling import Refusal
from fsapp.core.floor import AgentStatus, MemberState, Seen, SeenAgent, SeenCall, SeenMember
from fsapp.core.floor_change import FloorEvent
from fsapp.core.placeholder import Side, Standing, heard, side_of, try_of
from fsapp.core.rules import Rules
from fsapp.core.task import Task, TaskKind, TaskState, TryOutcome

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
HELPDESK = "helpdesk@fsapp"


def rules(**dial: Any) -> Rules:
    document = {
        "centre": {"region": "RS"},
        "agent": {id_: {"name": id_, "email": f"{id_}@example.com"} for id_ in ("1001", "1002")},
        "line": {"helpdesk": {"agents": ["1001", "1002"]}},
        "number": [{"number": "+381115550300", "line": "helpdesk"}],
        "list": {"never": {"numbers": ["+381641110009"]}},
        "schedule": {"night": {"timezone": "Europe/Belgrade", "hours": ["mon-sun 20:00-22:00"]}},
        "dial": dial,
    }
    return Rules.from_document(document)


def floor(*there: str, calls: tuple[SeenCall, ...] = (), members: tuple[SeenMember, ...] = ()) -> Seen:
    return Seen(
        agents={id_: SeenAgent(id_, status=AgentStatus.AVAILABLE if id_ in there else AgentStatus.LOGGED_OUT)
                for id_ in ("1001", "1002")},
        calls={call.uuid: call for call in calls}, members={member.uuid: member for member in members})


def task(which: int = 1, **more: Any) -> Task:
    given = {
        "id": f"t{which}", "kind": TaskKind.REQUESTED, "number": f"+38164111000{which}", "place": "helpdesk",
        "due_at": NOW, "expires_at": NOW + timedelta(hours=1), "made_at": NOW, "caller_id": "+381115550300",
    }
    return Task(**{**given, **more})


def standing(one: Task, **more: Any) -> dict[str, Standing]:
    return {f"p-{one.id}": Standing(f"p-{one.id}", one.id, one.number, frozenset({f"p-{one.id}"}), **more)}


def started(plan: Plan) -> list[str]:
    return [start.task.id for start in plan.start]


def test_a_task_that_is_due_gets_a_call_where_somebody_is_there() -> None:
    assert started(planned([task()], {}, floor("1001"), rules(), "main", NOW)) == ["t1"]
    assert planned([task()], {}, floor(), rules(), "main", NOW) == Plan()
    assert planned([task()], {}, floor("1001"), rules(), "other", NOW) == Plan()
    assert planned([task()], standing(task()), floor("1001"), rules(), "main", NOW) == Plan()
    assert planned([task()], {}, floor("1001"), rules(), "main", NOW, frozenset({"t1"})) == Plan()


def test_there_are_no_more_calls_than_twice_the_agents_and_the_best_place_is_first() -> None:
    ten = [task(number, base_score=100_000_000 + number, since=NOW) for number in range(1, 8)]
    assert started(planned(ten, {}, floor("1001"), rules(), "main", NOW)) == ["t7", "t6"]
    assert len(planned(ten, {}, floor("1001", "1002"), rules(), "main", NOW).start) == 2 * PER_AGENT
    there = standing(ten[0])
    member = SeenMember("m", HELPDESK, "p-t1")
    assert started(planned(ten, there, floor("1001", members=(member,)), rules(), "main", NOW)) == ["t7"]
    # One that an agent has answered waits no more.
    talking = standing(ten[0], connected=True)
    answered = replace(member, state=MemberState.ANSWERED)
    assert started(planned(ten, talking, floor("1001", members=(answered,)), rules(), "main", NOW)) == ["t7", "t6"]


def test_a_customer_has_one_call_at_a_time() -> None:
    two = [task(), task(2, number="+381641110001")]
    assert len(planned(two, {}, floor("1001", "1002"), rules(), "main", NOW).start) == 1
    assert not planned(two[1:], standing(two[0]), floor("1001", "1002"), rules(), "main", NOW).start


def test_of_two_calls_that_stand_for_a_customer_one_goes() -> None:
    """A switch that was held up makes one that nobody counts upon any more."""
    one, two = (Standing(place, "t1", "+381641110001", frozenset({place})) for place in ("p-late", "p-1"))
    for late, mine, gone in ((one, two, "p-late"), (replace(one, connected=True), two, "p-1")):
        there = {late.place: late, mine.place: mine}
        plan = planned([task(call="p-1")], there, floor("1001"), rules(), "main", NOW)
        assert [(end.place, end.why) for end in plan.end] == [(gone, "twice")]
    both = {one.place: replace(one, connected=True), two.place: replace(two, connected=True)}
    assert not planned([task(call="p-1")], both, floor("1001"), rules(), "main", NOW).end


def test_whoever_is_on_the_line_is_not_called() -> None:
    call = SeenCall("c", "inbound", "0641110001")
    assert planned([task()], {}, floor("1001", calls=(call,)), rules(), "main", NOW) == Plan()
    [end] = planned([task()], standing(task()), floor("1001", calls=(call,)), rules(), "main", NOW).end
    assert (end.place, end.why) == ("p-t1", "calls-himself")
    asked = task(2, asked_by="+381641110001")
    assert planned([asked], {}, floor("1001", calls=(call,)), rules(), "main", NOW) == Plan()
    assert started(planned([asked, task(3)], {}, floor("1001"), rules(), "main", NOW)) == ["t2", "t3"]
    # Nobody is taken away who has an agent already.
    with_agent = standing(task(), connected=True)
    assert planned([task()], with_agent, floor("1001", calls=(call,)), rules(), "main", NOW) == Plan()


def test_the_far_leg_of_the_call_is_no_customer_on_the_line() -> None:
    far = SeenCall("b", "inbound", "+381641110001", variables={"fsapp_task": "t1", "fsapp_place": "p-t1"})
    assert planned([task()], standing(task()), floor("1001", calls=(far,)), rules(), "main", NOW) == Plan()


@pytest.mark.parametrize(("changes", "why"), [
    ({"state": TaskState.CANCELLED}, "over"),
    ({"expires_at": NOW}, "expired"),
    ({"due_at": NOW + timedelta(minutes=1)}, "not-now"),
    ({"place": "nowhere"}, "elsewhere"),
])
def test_a_call_is_taken_away_when_its_task_does_not_need_it(changes: dict[str, Any], why: str) -> None:
    one = task(**changes)
    plan = planned([one], standing(one), floor("1001"), rules(), "main", NOW)
    assert [end.why for end in plan.end] == [why]
    assert not planned([one], {}, floor("1001"), rules(), "main", NOW).start
    assert [end.why for end in planned([], standing(one), floor("1001"), rules(), "main", NOW).end] == ["over"]


def test_nobody_is_called_outside_the_hours() -> None:
    plan = planned([task()], standing(task()), floor("1001"), rules(schedule="night"), "main", NOW)
    assert [end.why for end in plan.end] == ["not-now"]


def test_who_may_not_be_called_is_refused() -> None:
    plan = planned([task(9)], {}, floor("1001"), rules(do_not_call=["never"]), "main", NOW)
    assert [(one.id, why) for one, why in plan.refused] == [("t9", Refusal.DO_NOT_CALL)]
    assert not plan.start
    plan = planned([task(9)], standing(task(9)), floor("1001"), rules(do_not_call=["never"]), "main", NOW)
    assert [(one.id, why) for one, why in plan.refused] == [("t9", Refusal.DO_NOT_CALL)]


def test_a_responsible_agent_who_is_away_is_not_waited_for_in_line() -> None:
    one = task(agent="1002")
    assert planned([one], {}, floor("1001"), rules(), "main", NOW) == Plan()
    [start] = planned([one], {}, floor("1001", "1002"), rules(), "main", NOW).start
    assert start.queue == "agent-1002@fsapp"
    [start] = planned([one], {}, floor("1001"), rules(), "main", NOW + timedelta(seconds=300)).start
    assert start.queue == HELPDESK


def test_the_customer_sees_a_number_that_leads_back() -> None:
    assert caller_id_of(task(caller_id=None), rules()) == "+381115550300"
    [start] = planned([task(caller_id="+381640000000")], {}, floor("1001"), rules(), "main", NOW).start
    variables = variables_of(start, "p", rules(), "main")
    assert variables["fsapp_called"] == "+381115550300"
    assert variables["fsapp_dial"] == "sofia/gateway/trunk/381641110001"


@pytest.mark.parametrize(("more", "dial", "until"), [
    ({}, {}, NOW + timedelta(hours=1)),
    ({"due_at": NOW + timedelta(hours=11)}, {"schedule": "night"}, NOW + timedelta(hours=12)),
    ({"due_at": NOW + timedelta(hours=11), "expires_at": NOW + timedelta(hours=11, minutes=5)}, {"schedule": "night"},
     NOW + timedelta(hours=11, minutes=5)),
])
def test_the_switch_knows_until_when_customers_are_called(
    more: dict[str, Any], dial: dict[str, Any], until: datetime,
) -> None:
    one = task(**{"expires_at": NOW + timedelta(hours=30 if dial else 1), **more})
    [start] = planned([one], {}, floor("1001"), rules(**dial), "main", one.due_at).start
    assert start.until == until
    assert variables_of(start, "p", rules(), "main")["fsapp_until"] == str(int(until.timestamp()))


LINE = {"fsapp_task": "t1", "fsapp_place": "a", "fsapp_customer": "+381641110001"}


def event(kind: str, call: str, after_s: float = 0, direction: str = "outbound", **more: Any) -> FloorEvent:
    variables = LINE | more.pop("variables", {})
    return FloorEvent(kind, "", NOW + timedelta(seconds=after_s), call=call, direction=direction, variables=variables,
                      **more)


def run(*events: FloorEvent) -> Standing | None:
    known = None
    for one in events:
        known = heard(known, one)
    return known


CREATED = (event("call-created", "a"), event("call-created", "b", direction="inbound"))
ANSWERED = (event("call-bridged", "a", 10, other="agent"), event("call-created", "c", 11))
ENDS = (
    event("call-hung-up", "b", 61, "inbound", variables={"fsapp_dialled": "true"}),
    event("call-hung-up", "a", 61, cause="NORMAL_CLEARING", variables={"cc_agent": "1001", "fsapp_dialled": "true"}),
)


def test_the_legs_are_told_apart() -> None:
    assert [side_of(uuid, event("call-created", uuid, direction=direction)) for uuid, direction in (
        ("a", "outbound"), ("b", "inbound"), ("c", "outbound"))] == [Side.LINE, Side.FAR, Side.CUSTOMER]
    assert side_of("x", SeenCall("x", "inbound", called="fsapp-place")) is Side.FAR
    assert side_of("x", SeenCall("x", "inbound", called="+381115550300")) is None


def test_a_talk_is_counted_from_when_they_hear_each_other() -> None:
    known = run(
        *CREATED, *ANSWERED, event("call-bridged", "b", 21, "inbound", other="c"),
        event("call-hung-up", "c", 60, cause="NORMAL_CLEARING"), *ENDS)
    assert known is not None and known.over
    one = try_of(known, "1002", NOW + timedelta(seconds=70))
    assert one == ("a", NOW + timedelta(seconds=60), TryOutcome.TALKED, "1002", "1001", "NORMAL_CLEARING", 39.0)


@pytest.mark.parametrize(("cause", "outcome"), [
    ("USER_BUSY", TryOutcome.BUSY), ("NO_ANSWER", TryOutcome.NO_ANSWER), ("CALL_REJECTED", TryOutcome.REJECTED),
    ("NORMAL_CLEARING", TryOutcome.REJECTED), ("UNALLOCATED_NUMBER", TryOutcome.UNREACHABLE),
    ("ORIGINATOR_CANCEL", TryOutcome.GIVEN_UP), ("GATEWAY_DOWN", TryOutcome.FAILED),
])
def test_a_try_ends_as_the_customers_leg_did(cause: str, outcome: TryOutcome) -> None:
    known = run(*CREATED, *ANSWERED, event("call-hung-up", "c", 30, cause=cause), *ENDS)
    assert try_of(known, None, NOW).outcome is outcome


def test_without_a_leg_for_the_customer_the_far_one_says_why() -> None:
    far = event("call-hung-up", "b", 14, "inbound", variables={
        "fsapp_dialled": "true", "fsapp_outcome": "INVALID_GATEWAY"})
    known = run(*CREATED, ANSWERED[0], far, ENDS[1])
    assert try_of(known, None, NOW)[2:6] == (TryOutcome.FAILED, None, "1001", "INVALID_GATEWAY")


def test_an_agent_who_hangs_up_at_once_has_given_up() -> None:
    known = run(*CREATED, ANSWERED[0], event("call-hung-up", "a", 11, variables={"cc_agent": "1001"}),
                event("call-hung-up", "b", 11, "inbound"))
    assert try_of(known, None, NOW).outcome is TryOutcome.GIVEN_UP


def test_a_call_that_no_agent_has_answered_is_no_try() -> None:
    known = run(*CREATED, event("call-hung-up", "a", 11, cause="MANAGER_REQUEST"),
                event("call-hung-up", "b", 11, "inbound"))
    assert known.over
    assert try_of(known, None, NOW) is None


def test_what_a_queue_says_afterwards_raises_nobody_from_the_dead() -> None:
    assert run(*CREATED, *ENDS, event("member-queue-end", "a", 62)).over
    assert heard(None, event("call-hung-up", "a")) is None


def test_a_leg_that_is_gone_without_a_word_is_our_failure() -> None:
    known = replace(run(*CREATED, *ANSWERED), legs=frozenset(), lost=True)
    assert try_of(known, None, NOW).outcome is TryOutcome.FAILED
