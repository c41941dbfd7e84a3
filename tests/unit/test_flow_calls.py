"""Which customers are called so that a flow asks them, what their legs make of a try, what a visit reads of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp.core.after_rules import after_rules_from
from fsapp.core.cdr import events_of
from fsapp.core.erased import scrub
from fsapp.core.floor import Seen, SeenCall
from fsapp.core.floor_change import FloorEvent
from fsapp.core.floor_facts import is_callers
from fsapp.core.flow_dialling import FlowPlan, planned, variables_of
from fsapp.core.flow_leg import FlowLeg, asks_of, counts, heard, left_unasked, read_id, try_of, written_id
from fsapp.core.follow_up import Finished
from fsapp.core.following import Unfit, survey_wanted
from fsapp.core.placeholder import Side, is_placeholders, side_of
from fsapp.core.rules import Rules
from fsapp.core.task import Task, TaskKind, TaskState, Try, TryOutcome
from fsapp.core.task_life import made, tried
from fsapp.core.visit import from_variables, read_arrival
from fsapp.telephony.command import flow_call

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
HELPDESK = "+381115550300"


def rules(**dial: Any) -> Rules:
    return Rules.from_document({
        "centre": {"region": "RS"},
        "agent": {"1001": {"name": "ana", "email": "ana@example.com"}},
        "line": {"helpdesk": {"agents": ["1001"]}, "late": {"agents": ["1001"], "schedule": "night"}},
        "campaign": {"web": {"stage": {"new": {"kind": "outbound", "numbers": [HELPDESK], "agents": ["1001"]}}}},
        "number": [{"number": HELPDESK, "line": "helpdesk"}],
        "flow": {"how": {"line": "helpdesk", "start": "end", "block": {"end": {"kind": "hangup"}}}},
        "list": {"never": {"numbers": ["+381641110009"]}},
        "schedule": {"night": {"timezone": "Europe/Belgrade", "hours": ["mon-sun 20:00-22:00"]}},
        "dial": dial,
    })


def task(which: int = 1, **more: Any) -> Task:
    given = {
        "id": f"t{which}", "kind": TaskKind.SURVEY, "number": f"+38164111000{which}", "place": "helpdesk",
        "due_at": NOW, "expires_at": NOW + timedelta(hours=1), "made_at": NOW, "caller_id": HELPDESK, "flow": "how",
        "about": "u1", "about_agent": "1001",
    }
    return Task(**{**given, **more})


def leg(one: Task, **more: Any) -> dict[str, FlowLeg]:
    return {f"c-{one.id}": FlowLeg(f"c-{one.id}", one.id, one.number, **more)}


def called(plan: FlowPlan) -> list[str]:
    return [start.task.id for start in plan.start]


def seen(*calls: SeenCall) -> Seen:
    return Seen(calls={call.uuid: call for call in calls})


# -- who is called -------------------------------------------------------------------------------------------------


def test_who_has_been_due_for_longest_is_called_first_and_so_many_at_once() -> None:
    due = [task(which, due_at=NOW - timedelta(seconds=which)) for which in range(1, 6)]
    assert called(planned(due, {}, Seen(), rules(), "main", NOW)) == ["t5", "t4"]
    assert called(planned(due, {}, Seen(), rules(surveys_at_once=4), "main", NOW)) == ["t5", "t4", "t3", "t2"]
    there = leg(replace(due[0], call="c-t1"), answered=True)
    assert called(planned(due, there, Seen(), rules(), "main", NOW)) == ["t5"]
    assert planned(due, {}, Seen(), rules(surveys_at_once=0), "main", NOW) == FlowPlan()
    assert planned(due, {}, Seen(), rules(), "other", NOW) == FlowPlan()
    assert called(planned(due, {}, Seen(), rules(), "main", NOW, frozenset({"t5"}))) == ["t4", "t3"]


@pytest.mark.parametrize("more", [
    {"due_at": NOW + timedelta(seconds=1)}, {"expires_at": NOW}, {"state": TaskState.DONE}, {"call": "c"},
    {"place": "late"}, {"place": "gone"},
])
def test_who_is_not_called_now(more: dict[str, Any]) -> None:
    assert planned([task(**more)], {}, Seen(), rules(), "main", NOW) == FlowPlan()


def test_nobody_is_called_outside_the_hours() -> None:
    assert planned([task()], {}, Seen(), rules(schedule="night"), "main", NOW) == FlowPlan()
    assert called(planned([task()], {}, Seen(), rules(), "main", NOW)) == ["t1"]


@pytest.mark.parametrize("call", [
    SeenCall("u", number="0641110001"),
    SeenCall("u", direction="outbound", called="fsapp-place", variables={
        "fsapp_task": "x", "fsapp_place": "u", "fsapp_customer": "+381641110001"}),
    SeenCall("u", direction="outbound", variables={
        "fsapp_task": "x", "fsapp_asks": "how", "fsapp_customer": "+381641110001"}),
])
def test_who_is_on_the_line_or_waits_to_be_called_back_is_not_called(call: SeenCall) -> None:
    assert called(planned([task(1), task(2)], {}, seen(call), rules(), "main", NOW)) == ["t2"]


def test_a_customer_is_called_once_at_a_time() -> None:
    both = [task(1), task(1, id="t9", flow="other")]
    assert called(planned([task(1), task(1, id="t9")], {}, Seen(), rules(), "main", NOW)) == ["t1"]
    assert called(planned(both, leg(task(1)), Seen(), rules(), "main", NOW)) == []


def test_whom_the_rules_refuse_or_no_flow_asks_is_not_called_ever() -> None:
    due = [task(9), task(2, number="+436641234567"), task(3, flow="gone")]
    plan = planned(due, {}, Seen(), rules(do_not_call=["never"]), "main", NOW)
    assert [(one.id, why) for one, why in plan.refused] == [
        ("t2", "foreign"), ("t3", "no-such-flow"), ("t9", "do-not-call")]
    assert plan.start == ()


def test_a_phone_rings_no_longer_than_it_should() -> None:
    one = task(call="c-t1")
    ends = [(known, planned([known] if known else [], leg(one), Seen(), rules(), "main", NOW).end) for known in (
        one, replace(one, state=TaskState.CANCELLED), None, replace(one, call="another"))]
    assert [[end.why for end in found] for _, found in ends] == [[], ["over"], ["over"], ["twice"]]
    # Who has answered is let finish, also where the visit has said so before the switch did.
    over = replace(one, state=TaskState.CANCELLED)
    assert planned([over], leg(one, answered=True), Seen(), rules(), "main", NOW).end == ()
    asked = replace(one, state=TaskState.DONE, call=None, tries=(Try("c-t1", NOW, TryOutcome.ASKED),))
    assert planned([asked], leg(one), Seen(), rules(), "main", NOW).end == ()
    # One that was given up for lost and rings after all has not answered; nor is anybody asked by a flow that is gone.
    lost = replace(one, call=None, tries=(Try("c-t1", NOW, TryOutcome.FAILED),))
    [end] = planned([lost], leg(one), Seen(), rules(), "main", NOW).end
    assert end.why == "twice"
    gone = replace(one, flow="gone")
    assert [end.why for end in planned([gone], leg(one), Seen(), rules(), "main", NOW).end] == ["no-such-flow"]
    assert planned([gone], leg(one, answered=True), Seen(), rules(), "main", NOW).end == ()


def test_what_a_call_is_made_with() -> None:
    [start] = planned([task(language="sr")], {}, Seen(), rules(ring_s=20), "main", NOW).start
    command = flow_call(
        "c1", start.route, start.task.number, start.caller_id, start.ring_s, variables_of(start, rules(), "main"))
    assert command == (
        "originate {origination_uuid=c1,origination_caller_id_number=+381115550300,"
        "origination_caller_id_name=+381115550300,origination_callee_id_number=+381641110001,"
        "origination_callee_id_name=+381641110001,originate_timeout=20,max_session_transfers=1000,"
        "ignore_early_media=true,outbound_redirect_fatal=true,fsapp_task=t1,fsapp_asks=how,"
        "fsapp_customer=+381641110001,fsapp_called=+381115550300,fsapp_switch=main,fsapp_reason=survey,"
        "fsapp_line=helpdesk,fsapp_about=u1,fsapp_about_agent=1001,fsapp_flow_language=sr,"
        "absolute_codec_string=^^:PCMA:PCMU}sofia/gateway/trunk/381641110001 fsapp-ask XML fsapp")


@given(st.text(max_size=100), st.text(max_size=30), st.text(max_size=10))
def test_whatever_it_is_about_nothing_gets_out_of_its_variable(about: str, agent: str, language: str) -> None:
    about = about.encode("utf-8", "ignore").decode()
    [start] = planned(
        [task(about=about, about_agent=agent, language=language)], {}, Seen(), rules(), "main", NOW).start
    found = variables_of(start, rules(), "main")
    assert flow_call("c1", start.route, start.task.number, start.caller_id, 30, found).count("=") == len(found) + 10
    asks = asks_of(found)
    assert asks is not None
    assert asks.about in (about, "")
    assert asks.about == about or len(about) > 40


@pytest.mark.parametrize("text", ["", "hex-", "hex-zz", "hex-ff", "email:<a,b@c>"])
def test_ids_come_back_as_they_were(text: str) -> None:
    assert read_id(written_id(text)) == text


# -- what becomes of it --------------------------------------------------------------------------------------------


def event(kind: str, **more: Any) -> FloorEvent:
    variables = {"fsapp_task": "t1", "fsapp_asks": "how", "fsapp_customer": "+381641110001",
                 **more.pop("variables", {})}
    return FloorEvent(kind, "e", NOW, call="c1", direction="outbound", variables=variables, **more)


BEGUN = {"fsapp_flow": "how"}


@pytest.mark.parametrize(("events", "killed", "outcome", "uses"), [
    ([event("call-created"), event("call-hung-up", cause="USER_BUSY")], False, TryOutcome.BUSY, None),
    ([event("call-created"), event("call-hung-up", cause="NO_ANSWER")], False, TryOutcome.NO_ANSWER, None),
    ([event("call-created"), event("call-hung-up", cause="SUBSCRIBER_ABSENT")], False, TryOutcome.UNREACHABLE, None),
    ([event("call-hung-up", cause="NORMAL_TEMPORARY_FAILURE")], False, TryOutcome.FAILED, None),
    ([event("call-hung-up", cause="NORMAL_CLEARING")], True, TryOutcome.GIVEN_UP, None),
    ([event("call-created"), event("call-answered"), event("call-hung-up", cause="NORMAL_CLEARING", variables=BEGUN)],
     False, TryOutcome.ASKED, True),
    ([event("call-created"), event("call-answered"), event("call-hung-up", cause="NORMAL_TEMPORARY_FAILURE")],
     False, TryOutcome.FAILED, True),
    ([event("call-hung-up", cause="NORMAL_CLEARING", answered_at=NOW, variables=BEGUN)], False, TryOutcome.ASKED, True),
])
def test_what_a_leg_makes_of_a_try(
    events: list[FloorEvent], killed: bool, outcome: TryOutcome, uses: bool | None,
) -> None:
    known = None
    for one in events:
        known = heard(known, one)
    assert known is not None and known.over
    assert (try_of(known, NOW, killed=killed).outcome, counts(known)) == (outcome, uses)
    assert heard(known, event("recording-started")) is known


def test_one_that_is_lost_may_have_rung() -> None:
    known = FlowLeg("c1", "t1", "+381641110001", over=True, lost=True)
    assert (try_of(known, NOW).outcome, counts(known)) == (TryOutcome.FAILED, True)
    changed = tried([task(call="c1", tries_left=1)], "t1", try_of(known, NOW), rules(), counts(known))
    assert (changed.task.state, changed.task.why) == (TaskState.FAILED, "failed")
    # Known to have been asked, it is not counted again.
    asked = tried([task(call="c1")], "t1", Try("c1", NOW, TryOutcome.ASKED), rules())
    assert (asked.task.state, asked.task.why) == (TaskState.DONE, "asked")
    assert tried(asked.tasks, "t1", try_of(known, NOW), rules(), True).events == ()


@pytest.mark.parametrize("counted", [True, None])
def test_who_answers_a_call_that_was_given_up_for_lost_is_not_called_again(counted: bool | None) -> None:
    known = FlowLeg("c1", "t1", "+381641110001", over=True, lost=bool(counted))
    lost = tried([task(call="c1", tries_left=2)], "t1", try_of(known, NOW), rules(), counted)
    assert (lost.task.state, lost.task.call) == (TaskState.OPEN, None)
    asked = tried(lost.tasks, "t1", Try("c1", NOW, TryOutcome.ASKED), rules())
    assert (asked.task.state, asked.task.why) == (TaskState.DONE, "asked")
    assert [(one.id, one.outcome) for one in asked.task.tries] == [("c1", TryOutcome.ASKED)]
    assert [one["type"] for one in asked.events] == ["attempt", "task"]
    assert tried(asked.tasks, "t1", try_of(known, NOW), rules(), counted).events == ()


@pytest.mark.parametrize(("more", "unasked"), [
    ({"answered": True, "cause": "NORMAL_TEMPORARY_FAILURE"}, True),   # of the dialplan: `fsapp serve` is away
    ({"answered": True, "cause": "NO_ROUTE_DESTINATION"}, True),       # of the switch: there is no fsapp-ask
    ({"answered": True, "cause": "NORMAL_CLEARING"}, True),            # of the customer, who has heard so
    ({"answered": True, "begun": True, "cause": "NORMAL_TEMPORARY_FAILURE"}, False),
    ({"cause": "NORMAL_TEMPORARY_FAILURE"}, False),
    ({"answered": True, "lost": True}, False),
])
def test_who_has_answered_for_nothing(more: dict[str, Any], unasked: bool) -> None:
    assert left_unasked(FlowLeg("c1", "t1", "+381641110001", over=True, **more)) is unasked


def test_it_is_a_customers_leg_and_stands_in_no_line() -> None:
    variables = {"fsapp_task": "t1", "fsapp_asks": "how", "fsapp_customer": "+381641110001"}
    call = SeenCall("c1", direction="outbound", variables=variables)
    assert (side_of("c1", call), is_placeholders("c1", call), is_callers(call)) == (Side.ASKED, False, True)


def test_the_switch_s_own_record_is_of_the_same_call() -> None:
    record = {"variables": {
        "uuid": "c1", "direction": "outbound", "start_uepoch": "1700000000000000", "answer_uepoch": "1700000005000000",
        "end_uepoch": "1700000020000000", "hangup_cause": "NORMAL_CLEARING", "fsapp_task": "t1", "fsapp_asks": "how",
        "fsapp_customer": "%2B381641110001"}}
    [found] = events_of(record, "main")
    assert (found["type"], found["id"], found["direction"]) == ("call_hung_up", "c1:hung-up", "outbound")
    assert found["variables"]["fsapp_customer"] == "+381641110001"


# -- how it comes about --------------------------------------------------------------------------------------------


def test_whom_a_survey_asks() -> None:
    one = Finished("u1", number="+381641110001", called=HELPDESK, line="helpdesk", agent="1001", ended_at=1000.0,
                   name="Ana", language="sr")
    assert survey_wanted(one, "how", 60, rules()) == {
        "number": "+381641110001", "place": "helpdesk", "due_at": 1060.0, "called": HELPDESK, "name": "Ana",
        "language": "sr", "flow": "how", "about": "u1", "about_agent": "1001"}
    assert isinstance(survey_wanted(replace(one, number=None), "how", 60, rules()), Unfit)
    assert isinstance(survey_wanted(replace(one, line=None), "how", 60, rules()), Unfit)
    [rule] = after_rules_from({"after": [{"name": "x", "survey": "how"}]}).after
    assert (rule.survey_due_s, rule.survey_rest_days) == (600, 7)


def test_a_customer_is_asked_the_same_once() -> None:
    first, again = task(1, made_by="rule how"), task(1, id="t2", made_by="rule how")
    known = made((), first, 5).tasks
    assert made(known, again, 5).task == first
    assert made(known, again, 5).events == ()
    assert made(known, replace(again, flow="other"), 5).task.id == "t2"
    over = tried(known, "t1", Try("c", NOW, TryOutcome.ASKED), rules()).tasks
    assert made(over, again, 5).task == again
    # Each of them is one of the callbacks of a day.
    assert made(over, again, 1).task is None


def test_what_is_told_late_of_who_was_erased_has_no_word_of_a_sender() -> None:
    """An id of another channel is the sender's, and may have the number in it."""
    event = {"type": "call_hung_up", "variables": {"fsapp_about": "hex-30363431", "fsapp_asks": "how"}}
    assert scrub(event, lambda number: True)["variables"] == {"fsapp_asks": "how"}


def test_a_visit_takes_it_for_the_customers_call() -> None:
    variables = {
        "uuid": "c1", "caller_id_number": HELPDESK, "caller_id_name": "Outbound Call", "fsapp_called": HELPDESK,
        "destination_number": "fsapp-visit", "fsapp_task": "t1", "fsapp_asks": "how", "fsapp_about": "u1",
        "fsapp_customer": "+381641110001", "fsapp_about_agent": "1001", "fsapp_flow_language": "sr"}
    arrival = read_arrival(from_variables(variables.get), "RS")
    assert arrival.asks == ("how", "t1", "+381641110001", "u1", "1001")
    assert (arrival.call.caller.key, arrival.call.called.key) == ("+381641110001", HELPDESK)
    assert (arrival.language, arrival.flow, arrival.call.earlier) == ("sr", None, None)
    without = read_arrival(from_variables({**variables, "fsapp_asks": ""}.get), "RS")
    assert without.asks is None
