"""What a caller is asked who wants to be called back, and the task that comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsapp.core.asking import AFTER_S, most_asked, requested
from fsapp.core.dialling import refusal
from fsapp.core.facts_record import facts_from, facts_record
from fsapp.core.flow.actions import (
    END,
    Action,
    Already,
    Begin,
    Collect,
    Digits,
    Failed,
    Given,
    Hangup,
    Noted,
    Queue,
    Refused,
    Request,
    Said,
    Say,
)
from fsapp.core.flow.blocks import Flow, flow_from
from fsapp.core.flow.situation import Situation
from fsapp.core.flow.state import State
from fsapp.core.flow.steps import begin, step
from fsapp.core.model import NO_FACTS, Call, CallClass, Earlier, Facts
from fsapp.core.numbers import normalise
from fsapp.core.route import decide
from fsapp.core.rules import Rules
from fsapp.core.task import HIDDEN, Task, TaskKind, TaskState
from fsapp.core.task_life import kept_score
from fsapp.rules import load_folder

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DOCUMENT = load_folder(ROOT / "conf/rules")
DOCUMENT["list"] = {"robinson": {"numbers": ["+381641111111"]}}
DOCUMENT["dial"] = {"do_not_call": ["robinson"]}
RULES = Rules.from_document(DOCUMENT)
MINE, OTHER = "+381601112223", "+381641234567"
SPOKEN = tuple(f"number-{digit}" for digit in "0601112223")
# What nobody calls: premium, foreign, ours, a service, too short, too long, nonsense, do-not-call.
REFUSED = ["0900123456", "0038612345678", "0115550300", "112", "06", "0" * 9, "9" * 20, "1" * 21, "6*0", "0641111111"]


def flow(**more: object) -> Flow:
    return flow_from("main", {"line": "helpdesk", "start": "back", "languages": ["en"], "block": {
        "back": {"kind": "callback", "otherwise": "wait", **more}, "wait": {"kind": "queue", "line": "vip"},
        "end": {"kind": "hangup", "say": ["thanks"]}}})


def situation(caller: str = MINE) -> Situation:
    return Situation(normalise(caller, "RS"), normalise("+381115550400", "RS"), NOW, RULES.lists, RULES.schedules,
                     RULES.region, RULES.dialling, RULES.numbers)


def run(found: Flow, *inputs: str | Given, caller: str = MINE) -> tuple[State, tuple[Action, ...]]:
    """Text is typed."""
    state, actions = step(found, begin(found), Begin(), situation(caller))
    for one in inputs:
        state, actions = step(found, state, Digits(one) if isinstance(one, str) else one, situation(caller))
    return state, actions


CONFIRM = Collect(("callback-number", *SPOKEN, "callback-confirm"), "en", 1, 5, fresh=True)
ENTER = Collect(("callback-enter",), "en", 21, 5, ended=True, fresh=True)


def test_the_callers_own_number_is_offered_and_confirmed() -> None:
    assert run(flow())[1] == (CONFIRM,)
    assert run(flow(say=["welcome"]))[1] == (CONFIRM._replace(prompts=("welcome", *CONFIRM.prompts)),)
    assert run(flow(), "1")[1] == (Request(MINE, "helpdesk"),)
    assert run(flow(line="vip"), "1")[1] == (Request(MINE, "vip"),)


@pytest.mark.parametrize("typed", ["0641234567", "0641234567#", "+381641234567"[1:], "00381641234567#"])
def test_another_number_is_typed_in_any_spelling_and_confirmed(typed: str) -> None:
    assert run(flow(), "2")[1] == (ENTER,)
    state, actions = run(flow(), "2", typed)
    assert state.typed == OTHER
    assert actions[0].prompts[1:-1] == tuple(f"number-{digit}" for digit in "0641234567")
    assert run(flow(), "2", typed, "1")[1] == (Request(OTHER, "helpdesk"),)


@pytest.mark.parametrize("caller", [
    "anonymous", "112", "+381900123456", "+38612345678", "+381641111111", "+381115550300",
])
def test_who_has_no_number_that_is_called_types_one_at_once(caller: str) -> None:
    assert run(flow(), caller=caller)[1] == (ENTER,)
    assert run(flow(), "0601112223#", "1", caller=caller)[1] == (Request(MINE, "helpdesk"),)


@pytest.mark.parametrize("typed", REFUSED)
def test_a_number_that_is_not_called_is_said_to_be_so_and_asked_again(typed: str) -> None:
    again = (ENTER._replace(prompts=("callback-refused", "callback-enter")),)
    assert run(flow(), "2", typed)[1] == again
    assert run(flow(), "2", typed, typed)[1] == again
    assert run(flow(), "2", typed, typed, typed)[1] == (Queue("vip"),)
    assert run(flow(tries=1), typed, caller="anonymous")[1] == (Queue("vip"),)


def test_nothing_and_wrong_keys_end_it() -> None:
    assert run(flow(), "")[1][0].prompts[0] == "no-input"
    assert run(flow(), "7")[1][0].prompts[0] == "invalid"
    assert run(flow(), "", "7", "")[1] == (Queue("vip"),)
    assert run(flow(), "2", "#", "", "")[1] == (Queue("vip"),)
    assert run(flow(), *["2", "0601112223#"] * 3)[1][0].prompts[0] == "callback-number"
    assert run(flow(), *["2", "0601112223#"] * 3, "2")[1] == (Queue("vip"),)


@pytest.mark.parametrize(("given", "said"), [(Noted(), "callback-noted"), (Already(), "callback-already")])
def test_noted_or_there_already_the_call_ends_or_goes_on(given: Given, said: str) -> None:
    assert run(flow(), "1", given)[1] == (Say((said,), "en"), Hangup("NORMAL_CLEARING"))
    assert run(flow(next="end"), "1", given)[1] == (
        Say((said,), "en"), Say(("thanks",), "en"), Hangup("NORMAL_CLEARING"))


def test_what_cannot_be_noted_is_said_and_leads_on() -> None:
    assert run(flow(), "1", Failed("no-state"))[1] == (Say(("callback-failed",), "en"), Queue("vip"))
    assert run(flow(), "1", Refused("no-place"))[1] == (
        ENTER._replace(prompts=("callback-refused", "callback-enter")),)
    assert run(flow(tries=1), "1", Refused("too-often"))[1] == (Say(("callback-refused",), "en"), Queue("vip"))
    assert run(flow(tries=2), "2", "0641234567", "1", Refused("too-often"))[1] == (
        Say(("callback-refused",), "en"), Queue("vip"))


NUMBERS = st.sampled_from([*REFUSED, "0641234567", "0601112223#", "00381115550400", "1", "2", "#", "*", ""])
TYPED = st.one_of(NUMBERS, st.text("0123456789*#", max_size=21))


@settings(max_examples=500, deadline=None)
@given(typed=st.lists(TYPED, max_size=30), tries=st.integers(1, 5),
       caller=st.sampled_from([MINE, "anonymous", "112", "+38612345678", "+381641111111"]),
       answer=st.sampled_from([Noted(), Already(), Refused("x"), Failed("x")]))
def test_whatever_is_typed_it_ends_and_no_refused_number_is_asked_for(
    typed: Sequence[str], tries: int, caller: str, answer: Given,
) -> None:
    found, now = flow(tries=tries), situation(caller)
    state, actions = step(found, begin(found), Begin(), now)
    left, asked = iter(typed), 0
    for _ in range(100):
        if isinstance(actions[-1], END):
            break
        if isinstance(actions[-1], Request):
            number = normalise(actions[-1].number, "RS")
            assert number.e164 == actions[-1].number
            assert refusal(number, RULES.dialling, RULES.numbers, RULES.lists) is None
            one: Given = answer
        else:
            asked += 1
            one = Digits(next(left, ""))
        state, actions = step(found, state, one, now)
    assert isinstance(actions[-1], END)
    assert asked <= 2 * (tries + 1)


SINCE = NOW - timedelta(seconds=100)


def test_a_call_from_a_queue_keeps_its_place() -> None:
    earlier = Earlier(CallClass.CALLBACK, 305003580, "open-contact", "renewals", "first-call", None,
                      f"renewals/first-call/{MINE}", "d1", ())
    call = Call(normalise(MINE, "RS"), normalise("+381115550100", "RS"), "Petar", earlier)
    stage = RULES.stages["renewals/first-call"]
    task = requested("t1", OTHER, stage, call, RULES, since=SINCE, now=NOW, queue="agent-1002@fsapp", language="en",
                     about="u1")
    assert (task.kind, task.number, task.place, task.agent, task.group) == (
        TaskKind.REQUESTED, OTHER, "renewals/first-call", "1002", None)
    assert (task.caller_id, task.contact, task.name, task.language) == (
        "+381115550100", f"renewals/first-call/{MINE}", "Petar", "en")
    assert task.about == "u1" and task.made_by == "caller" and task.tries_left == stage.calling_back.tries
    assert task.due_at == NOW + timedelta(seconds=AFTER_S)
    assert task.expires_at == NOW + timedelta(seconds=stage.calling_back.expires_s)
    # The score the caller would have, who came in a hundred seconds ago and waited still.
    assert kept_score(task, NOW + timedelta(seconds=60)) == 305003580 + 160


def test_a_flows_caller_gets_the_score_of_a_service_call() -> None:
    call = Call(normalise(MINE, "RS"), normalise("+381115550300", "RS"))
    line = RULES.lines["helpdesk"]
    task = requested("t1", MINE, line, call, RULES, since=NOW, now=NOW)
    direct = decide(call, NO_FACTS, RULES, NOW)
    assert task.base_score == direct.base_score
    assert (task.agent, task.group, task.contact) == (None, None, None)
    group = requested("t1", MINE, line, call, RULES, since=NOW, now=NOW, queue="group-support@fsapp")
    assert group.group == "support"
    anonymous = replace(call, called=normalise("anonymous", "RS"))
    assert requested("t1", MINE, line, anonymous, RULES, since=NOW, now=NOW).caller_id is None


@pytest.mark.parametrize(("caller", "by", "most"), [
    (MINE, MINE, 5), (OTHER, "", None), ("anonymous", HIDDEN, 50), ("112", HIDDEN, 50), ("junk\n", HIDDEN, 50),
])
def test_who_asks_for_another_number_is_known_and_bounded(caller: str, by: str, most: int | None) -> None:
    call = Call(normalise(caller, "RS"), normalise("+381115550300", "RS"))
    task = requested("t1", OTHER, RULES.lines["helpdesk"], call, RULES, since=NOW, now=NOW)
    assert (task.asked_by, most_asked(task, RULES.dialling)) == (by, most)


def test_an_answer_that_is_none_asks_again() -> None:
    assert run(flow(), Said())[1] == (CONFIRM,)


# -- who calls again before the callback -----------------------------------------------------------------------------

AGAIN = Call(normalise(MINE, "RS"), normalise("+381115550300", "RS"))
KEPT = requested("t1", MINE, RULES.lines["helpdesk"], AGAIN, RULES, since=SINCE, now=NOW)


def test_who_calls_again_has_the_place_that_is_kept() -> None:
    plain = decide(AGAIN, NO_FACTS, RULES, NOW)
    found = decide(AGAIN, Facts(tasks=(KEPT,)), RULES, NOW)
    assert found.base_score == (plain.base_score or 0) + 100
    assert found.trace[-1] == (
        "score", "a requested callback keeps the place since 2026-11-25 11:58:20 UTC", str(found.base_score))
    assert (found.call_class, found.target, found.reason) == (plain.call_class, plain.target, plain.reason)
    lost = replace(KEPT, kind=TaskKind.LOST)
    assert decide(AGAIN, Facts(tasks=(lost,)), RULES, NOW).base_score == found.base_score


@pytest.mark.parametrize("other", [
    replace(KEPT, place="vip"), replace(KEPT, state=TaskState.CANCELLED), replace(KEPT, expires_at=NOW),
    replace(KEPT, base_score=None), replace(KEPT, kind=TaskKind.AGAIN), replace(KEPT, base_score=1),
])
def test_only_a_better_place_of_the_same_line_counts(other: Task) -> None:
    plain = decide(AGAIN, NO_FACTS, RULES, NOW)
    found = decide(AGAIN, Facts(tasks=(other,)), RULES, NOW)
    assert (found.base_score, found.trace) == (plain.base_score, plain.trace)


def test_a_later_visit_keeps_the_score_it_has() -> None:
    first = decide(AGAIN, NO_FACTS, RULES, NOW)
    back = replace(AGAIN, earlier=Earlier(
        CallClass.SERVICE, first.base_score or 0, "service-line", line="helpdesk", decision="d1", tried=first.tried))
    assert decide(back, Facts(tasks=(KEPT,)), RULES, NOW).base_score == first.base_score


def test_a_replay_knows_the_place_that_was_kept() -> None:
    decision = decide(AGAIN, Facts(tasks=(KEPT, replace(KEPT, kind=TaskKind.AGAIN))), RULES, NOW)
    facts = facts_from(facts_record(decision), MINE, NOW)
    again = decide(AGAIN, facts, RULES, NOW)
    assert (again.base_score, again.trace) == (decision.base_score, decision.trace)
    with pytest.raises(ValueError, match="no facts"):
        facts_from({"places": [["helpdesk", "nothing", 1, 1.0, 1.0]]}, MINE, NOW)
