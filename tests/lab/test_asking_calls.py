"""Callers who want to be called back, in whole calls: lab switch, the project's dialplan, `fsapp serve`, Redis."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import gevent
import pytest
from flow_centre import FLOW_NUMBER, at, press
from lab_centre import DOCUMENT, Centre, Joined, scenario
from lab_ends import until

from fsapp.core.task import Task, TaskKind, TaskState, Try, TryOutcome
from fsapp.core.task_life import made
from fsapp.lab.channel import Channel
from fsapp.lab.clock import Clock
from fsapp.lab.offering import Reaction
from fsapp.lab.run import run_scenario
from fsapp.lab.scenario import parse
from fsapp.lab.switch import Switch
from fsapp.rules import check_document
from fsapp.state.askers import Askers
from fsapp.state.tasks import Tasks

CALLER, OTHER, LINE = "+381601112223", "+381641234567", "+381115550300"


def document() -> dict[str, Any]:
    found = copy.deepcopy(DOCUMENT)
    found["list"] = {"robinson": {"numbers": ["+381641111111"]}}
    found["dial"] = {"do_not_call": ["robinson"]}
    found["flow"]["main"] = {"line": "helpdesk", "start": "callback", "languages": ["sr", "en"], "block": {
        "callback": {"kind": "callback", "otherwise": "helpdesk"}, "helpdesk": {"kind": "queue"}}}
    checked = check_document(found, "test")
    assert checked.faults == ()
    return checked.document


@pytest.fixture
def centre(own_redis: Any, tmp_path: Path) -> Iterator[Centre]:
    centre = Centre(own_redis(), tmp_path, document())
    centre.start_serve()
    yield centre
    centre.close()


@pytest.fixture
def switch(centre: Centre) -> Switch:
    """Five times as fast as life; nobody answers, so that callers stay where they are led."""
    switch = centre.switch(scenario(speed=5))
    for agent in list(switch.callcenter.agents.values()):
        switch.callcenter.set_status(agent, "Logged Out")
    return switch


@pytest.fixture
def joined(switch: Switch) -> Joined:
    joined = Joined(switch)
    switch.subscribe(joined)
    return joined


def stays(joined: Joined, call: Channel) -> list[dict[str, str]]:
    """What the call carried into each of its queues."""
    return [one for one in joined.calls if one["uuid"] == call.uuid]


def tasks(centre: Centre, number: str = CALLER) -> tuple[Task, ...]:
    return Tasks(centre.client).of(number)


def all_tasks(centre: Centre) -> list[Task]:
    return list(Tasks(centre.client).every(over=True))


def told(call: Channel, prompt: str) -> None:
    until(lambda: f"/{prompt}.wav" in call.get("current_application_data"), f"the caller hears {prompt}")


def type_(call: Channel, prompt: str, keys: str) -> None:
    """Waits until the caller is asked this, then types."""
    told(call, prompt)
    until(lambda: call.get("current_application") == "play_and_get_digits", "keys are taken")
    call.press(keys)


def over(call: Channel) -> None:
    until(lambda: not call.up, "the call ends")


def test_a_flow_notes_a_callback_once(centre: Centre, switch: Switch) -> None:
    call = switch.call(CALLER, FLOW_NUMBER)
    type_(call, "callback-confirm", "1")
    told(call, "callback-noted")
    over(call)
    assert call.hangup_cause == "NORMAL_CLEARING"
    [task] = tasks(centre)
    assert (task.kind, task.place, task.caller_id, task.made_by, task.language) == (
        TaskKind.REQUESTED, "helpdesk", FLOW_NUMBER, "caller", "sr")
    again = switch.call(CALLER, FLOW_NUMBER)
    type_(again, "callback-confirm", "1")
    told(again, "callback-already")
    over(again)
    assert tasks(centre) == (task,)
    made = [one for one in centre.events() if one["type"] == "task"]
    assert [(one["what"], one["task"], one["number"]) for one in made] == [("made", task.id, CALLER)]
    asked = [(one["number"], one["outcome"]) for one in centre.events() if one["type"] == "callback_asked"]
    assert asked == [(CALLER, "noted"), (CALLER, "already")]


def test_another_number_may_be_typed(centre: Centre, switch: Switch) -> None:
    call = switch.call("anonymous", FLOW_NUMBER)
    type_(call, "callback-enter", "0641234567#")
    type_(call, "callback-confirm", "1")
    over(call)
    assert [task.number for task in tasks(centre, OTHER)] == [OTHER]


@pytest.mark.parametrize("typed", ["0900123456", "0038612345678", "0115550300", "112", "0641111111", "9" * 21, "*#"])
def test_a_number_that_is_not_called_becomes_no_task(
    centre: Centre, switch: Switch, joined: Joined, typed: str,
) -> None:
    """Premium, foreign, ours, a service, do-not-call, nonsense."""
    call = switch.call("anonymous", FLOW_NUMBER)
    keys = typed if "#" in typed or len(typed) > 20 else f"{typed}#"
    type_(call, "callback-enter", keys)
    for _ in range(2):
        told(call, "callback-refused")
        until(lambda: call.get("current_application") == "play_and_get_digits" and not call.digits, "keys are taken")
        call.press(keys)
    until(lambda: stays(joined, call), "the caller waits for somebody")
    assert all_tasks(centre) == []


def test_nobody_has_a_number_called_again_and_again(centre: Centre, switch: Switch, joined: Joined) -> None:
    now, kept = datetime.now(UTC), Tasks(centre.client)
    for id_ in "12345":
        talked = Task(id_, TaskKind.REQUESTED, OTHER, "helpdesk", now, now + timedelta(hours=1), now, tries=(
            Try(f"c{id_}", now, TryOutcome.TALKED),), state=TaskState.DONE, closed_at=now)
        kept.change(OTHER, lambda known, talked=talked: made(known, talked))
    call = switch.call("anonymous", FLOW_NUMBER)
    type_(call, "callback-enter", "0641234567#")
    type_(call, "callback-confirm", "1")
    told(call, "callback-refused")
    assert [task.id for task in tasks(centre, OTHER)] == list("12345")
    [asked] = [one for one in centre.events() if one["type"] == "callback_asked"]
    assert asked["outcome"] == "refused"


def asked_for_five(centre: Centre) -> None:
    """The caller has had five numbers called already today."""
    kept, now = Askers(centre.client), datetime.now(UTC)
    for place in range(5):
        kept.take(Task(f"t{place}", TaskKind.REQUESTED, f"+38164123000{place}", "helpdesk", now,
                       now + timedelta(hours=1), now, asked_by=CALLER), 5)


def test_nobody_has_one_number_after_the_other_called(centre: Centre, switch: Switch) -> None:
    asked_for_five(centre)
    call = switch.call(CALLER, FLOW_NUMBER)
    type_(call, "callback-confirm", "2")
    type_(call, "callback-enter", "0641234567#")
    type_(call, "callback-confirm", "1")
    told(call, "callback-refused")
    assert all_tasks(centre) == []
    type_(call, "callback-enter", "0601112223#")
    type_(call, "callback-confirm", "1")
    told(call, "callback-noted")
    assert [(task.number, task.asked_by) for task in tasks(centre)] == [(CALLER, "")]


@pytest.mark.parametrize("step", ["before", "confirm", "enter", "noted"])
def test_a_hangup_at_every_step(centre: Centre, switch: Switch, step: str) -> None:
    """What was confirmed counts, everything before does not."""
    call = switch.call(CALLER, FLOW_NUMBER)
    at(call, "callback")
    if step == "enter":
        press(call, "callback", "2")
        told(call, "callback-enter")
    elif step == "noted":
        type_(call, "callback-confirm", "1")
        told(call, "callback-noted")
    elif step == "confirm":
        told(call, "callback-confirm")
    call.hangup("NORMAL_CLEARING", "caller")
    until(lambda: 'fsapp_visits_total{outcome="hung_up"} 1.0' in centre.get("/metrics"), "the visit is over")
    assert len(all_tasks(centre)) == (step == "noted")
    [left] = [one for one in centre.events() if one["type"] == "flow_left"]
    assert left["end"] == "hung-up"


def test_redis_away_is_said_and_somebody_helps(centre: Centre, switch: Switch, joined: Joined) -> None:
    call = switch.call(CALLER, FLOW_NUMBER)
    told(call, "callback-confirm")
    centre.redis.stop()
    call.press("1")
    told(call, "callback-failed")
    until(lambda: stays(joined, call), "the caller waits for somebody")


# -- the key in a queue ---------------------------------------------------------------------------------------------

def waiting(joined: Joined, call: Channel, times: int = 1) -> dict[str, str]:
    """What the call carried when it joined a queue for the nth time."""
    until(lambda: len(stays(joined, call)) >= times, f"the caller waits, for the {times}. time")
    until(lambda: call.get("current_application") == "callcenter", "the caller is in the queue")
    return stays(joined, call)[times - 1]


def test_the_key_brings_a_callback_that_keeps_the_place(centre: Centre, switch: Switch, joined: Joined) -> None:
    call = switch.call(CALLER, LINE)
    found = waiting(joined, call)
    assert (found["cc_exit_keys"], found["fsapp_queue"]) == ("5", "helpdesk@fsapp")
    [member] = switch.callcenter.queues["helpdesk@fsapp"].members.values()
    call.press("1")  # none of the queue's keys
    call.press("5")
    type_(call, "callback-confirm", "1")
    told(call, "callback-noted")
    over(call)
    [task] = tasks(centre)
    assert (task.kind, task.place, task.caller_id) == (TaskKind.REQUESTED, "helpdesk", LINE)
    assert task.base_score == int(found["cc_base_score"]) and task.since is not None
    # It stands where the call stood: the score of the member is that of somebody who has waited since then.
    answered_s = call.answered_us / 1_000_000
    assert abs(member.base_score - (task.base_score + member.joined_epoch - answered_s)) <= 1
    assert [one["end"] for one in centre.events() if one["type"] == "key_left"] == ["hangup"]


def test_who_asks_twice_has_asked_once(centre: Centre, switch: Switch, joined: Joined) -> None:
    for number in (CALLER, "anonymous"):
        call = switch.call(number, LINE)
        waiting(joined, call)
        call.press("5")
        if number == "anonymous":
            type_(call, "callback-enter", "0601112223#")
        type_(call, "callback-confirm", "1")
        told(call, "callback-already" if number == "anonymous" else "callback-noted")
        over(call)
    assert len(all_tasks(centre)) == 1


def test_who_may_ask_for_no_more_hears_so_and_waits_on(centre: Centre, switch: Switch, joined: Joined) -> None:
    asked_for_five(centre)
    call = switch.call(CALLER, LINE)
    waiting(joined, call)
    call.press("5")
    type_(call, "callback-confirm", "2")
    type_(call, "callback-enter", "0641234567#")
    type_(call, "callback-confirm", "1")
    told(call, "callback-refused")
    waiting(joined, call, 2)
    assert all_tasks(centre) == []


def test_who_confirms_nothing_waits_on_as_before(centre: Centre, switch: Switch, joined: Joined) -> None:
    call = switch.call(CALLER, LINE)
    first = waiting(joined, call)
    call.press("5")
    second = waiting(joined, call, 2)
    for name in (
        "fsapp_queue", "cc_base_score", "fsapp_class", "fsapp_reason", "fsapp_line", "fsapp_tried", "cc_exit_keys",
    ):
        assert second[name] == first[name], name
    assert not second.get("fsapp_block")
    assert all_tasks(centre) == []
    trace = [one["trace"] for one in centre.events() if one["type"] == "call_routed"][-1]
    assert ["key", "has left the queue by its key", "goes on in helpdesk@fsapp"] in trace
    call.press("5")  # and may change their mind
    type_(call, "callback-confirm", "1")
    over(call)
    assert len(all_tasks(centre)) == 1


@pytest.mark.parametrize("typed", ["0900123456", "0038612345678", "0115550300", "112", "0641111111"])
def test_a_number_that_is_not_called_leads_back_into_the_queue(
    centre: Centre, switch: Switch, joined: Joined, typed: str,
) -> None:
    call = switch.call("anonymous", LINE)
    waiting(joined, call)
    call.press("5")
    type_(call, "callback-enter", f"{typed}#")
    type_(call, "callback-refused", f"{typed}#")
    assert waiting(joined, call, 2)["fsapp_queue"] == "helpdesk@fsapp"
    assert all_tasks(centre) == []


@pytest.mark.parametrize("step", ["confirm", "enter", "noted"])
def test_a_hangup_after_the_key(centre: Centre, switch: Switch, joined: Joined, step: str) -> None:
    call = switch.call(CALLER, LINE)
    waiting(joined, call)
    call.press("5")
    if step == "enter":
        type_(call, "callback-confirm", "2")
        told(call, "callback-enter")
    elif step == "noted":
        type_(call, "callback-confirm", "1")
        told(call, "callback-noted")
    else:
        told(call, "callback-confirm")
    call.hangup("NORMAL_CLEARING", "caller")
    left = until(lambda: [one for one in centre.events() if one["type"] == "key_left"], "it is written down")
    assert [one["end"] for one in left] == ["hung-up"]
    assert len(all_tasks(centre)) == (step == "noted")


@pytest.mark.parametrize("again", [True, False])
def test_serve_killed_while_it_asks(centre: Centre, switch: Switch, joined: Joined, again: bool) -> None:
    """Started again, it asks anew; otherwise the caller waits on in the same queue."""
    switch.clock = Clock(1 if again else 5)
    call = switch.call(CALLER, LINE)
    waiting(joined, call)
    call.press("5")
    told(call, "callback-confirm")
    centre.serve.kill()
    centre.serve.wait(20)
    call.press("7")  # which ends the question; nobody hears of it
    if again:
        until(lambda: call.get("fsapp_flow_misses"), "the dialplan has taken the call back")
        centre.start_serve(centre.listen)
        type_(call, "callback-confirm", "1")
        over(call)
        assert len(all_tasks(centre)) == 1
        return
    found = waiting(joined, call, 2)
    assert (found["fsapp_queue"], found["fsapp_reason"]) == ("helpdesk@fsapp", "fallback-service-line")
    assert found.get("fsapp_block", "") == ""
    call.press("5")  # nobody is there to ask
    assert waiting(joined, call, 3)["fsapp_queue"] == "helpdesk@fsapp"


def test_the_key_in_the_queue_of_an_agent(centre: Centre, switch: Switch, joined: Joined) -> None:
    """A callback caller of a stage that offers it, on the way to the agent responsible."""
    other = copy.deepcopy(centre.document)
    other["campaign"]["renewals"]["stage"]["first-call"]["callback_key"] = "*"
    version = centre.rules.load(other, note="", author="test", source="test").version
    until(lambda: f"fsapp_rules_version {version:.1f}" in centre.get("/metrics"), "they are in force")
    centre.import_contacts({CALLER: "1002"})
    call = switch.call(CALLER, "+381115550100")
    first = waiting(joined, call)
    assert (first["fsapp_queue"], first["cc_exit_keys"]) == ("agent-1002@fsapp", "*")
    call.press("*")
    assert waiting(joined, call, 2)["fsapp_queue"] == "agent-1002@fsapp"
    call.press("*")
    type_(call, "callback-confirm", "1")
    over(call)
    [task] = tasks(centre)
    assert (task.place, task.agent, task.contact) == ("renewals/first-call", "1002", first["fsapp_contact"])
    assert task.base_score == int(first["cc_base_score"])


def test_who_calls_again_stands_where_he_stood(centre: Centre, switch: Switch, joined: Joined) -> None:
    now = datetime.now(UTC)
    task = Task("t1", TaskKind.REQUESTED, CALLER, "helpdesk", now, now + timedelta(hours=1), now,
                base_score=100_000_000, since=now - timedelta(hours=2000))
    Tasks(centre.client).change(CALLER, lambda known: made(known, task))
    call = switch.call(CALLER, LINE)
    kept = int(waiting(joined, call)["cc_base_score"]) - 100_000_000
    assert 0 <= kept - 2000 * 3600 < 60
    call.press("5")
    type_(call, "callback-confirm", "1")
    told(call, "callback-already")
    over(call)


def test_where_no_callback_is_offered_no_key_leads_out(switch: Switch, joined: Joined) -> None:
    call = switch.call(CALLER, "+381115550200")
    assert not waiting(joined, call).get("cc_exit_keys")


def test_a_call_made_for_a_task_has_no_key(centre: Centre, switch: Switch, joined: Joined) -> None:
    now = datetime.now(UTC)
    task = Task("t1", TaskKind.REQUESTED, CALLER, "helpdesk", now, now + timedelta(hours=1), now)
    Tasks(centre.client).change(CALLER, lambda known: made(known, task))
    call = switch.call(CALLER, LINE, variables=[("fsapp_task", "t1")])
    found = waiting(joined, call)
    assert (found["fsapp_reason"], found.get("cc_exit_keys")) == ("task", None)


def test_a_scenarios_callers_ask_instead_of_giving_up(centre: Centre) -> None:
    """All of them but those without a number, whom nobody could call."""
    played = parse("""
        speed = 5
        calls = 4
        callback_share = 1
        patience = { kind = "constant", seconds = 5 }
        [[arrival]]
        called = "+381115550300"
        times = [0, 1, 2]
        callers = ["+38160111222*"]
        [[arrival]]
        called = "+381115550300"
        times = [0]
        anonymous_share = 1
        """)
    switch = centre.switch(played)
    for agent in list(switch.callcenter.agents.values()):
        switch.callcenter.set_status(agent, "Logged Out")
    callers: set[str] = set()
    switch.subscribe(lambda told: callers.add(switch.channels[told["uuid"]].profile.caller_id_number)
                     if told["event"] == "queue_joined" else None)
    running = gevent.spawn(run_scenario, switch, played)
    running.get(timeout=100)
    assert {task.number for task in all_tasks(centre)} == callers - {"anonymous"}


# -- the survey after a talk ----------------------------------------------------------------------------------------

@pytest.fixture
def surveyed(own_redis: Any, tmp_path: Path) -> Iterator[Centre]:
    found = document()
    found["line"]["helpdesk"] |= {"survey": "after", "record": "stereo"}
    found["flow"]["after"] = {"line": "helpdesk", "start": "rate", "languages": ["sr", "en"], "block": {
        "rate": {"kind": "survey", "say": ["survey"], "min": 1, "max": 5, "next": "mail"},
        "mail": {"kind": "voicemail", "max_s": 20, "next": "end"},
        "end": {"kind": "hangup", "say": ["thanks"]}}}
    checked = check_document(found, "test")
    assert checked.faults == ()
    centre = Centre(own_redis(), tmp_path, checked.document)
    centre.start_serve()
    yield centre
    centre.close()


def answering(centre: Centre, agent_ends: bool) -> Switch:
    """One agent, who talks for two seconds."""
    switch = centre.switch(scenario(speed=5))
    for agent in list(switch.callcenter.agents.values()):
        switch.callcenter.set_status(agent, "Available" if agent.name == "1004" else "Logged Out")
    switch._phone = lambda _agent, _channel: Reaction(after_s=1, talk_s=2, caller_ends=not agent_ends)
    return switch


def kept_of(centre: Centre, kind: str) -> list[dict[str, Any]]:
    return [one for one in centre.events() if one["type"] == kind]


def test_who_has_talked_is_asked_how_it_was(surveyed: Centre) -> None:
    call = answering(surveyed, True).call(CALLER, LINE)
    type_(call, "survey", "4")
    until(lambda: call.recordings.running, "a message is recorded, which is no part of the talk")
    assert not call.get("RECORD_BRIDGE_REQ")
    until(lambda: call.get("current_application") == "play_and_get_digits", "a key may end it")
    call.press("#")
    told(call, "thanks")
    over(call)
    [answer] = kept_of(surveyed, "survey_answered")
    assert (answer["value"], answer["agent"], answer["queue"]) == ("4", "1004", "helpdesk@fsapp")
    assert [one["agent"] for one in kept_of(surveyed, "call_ended")] == ["1004"]
    assert [one["line"] for one in kept_of(surveyed, "voicemail_left")] == ["helpdesk"]
    assert [(one["flow"], one["end"]) for one in kept_of(surveyed, "flow_left")] == [("after", "hangup")]


def test_who_hangs_up_first_is_not_asked(surveyed: Centre) -> None:
    switch = answering(surveyed, False)
    call = switch.call(CALLER, LINE)
    over(call)
    assert call.bridged_us and not kept_of(surveyed, "flow_left")


def test_a_survey_goes_on_with_another_serve(surveyed: Centre) -> None:
    call = answering(surveyed, True).call(CALLER, LINE)
    told(call, "survey")
    surveyed.serve.kill()
    surveyed.serve.wait(20)
    call.switch.clock = Clock(1)
    call.press("9")  # ends the question; nobody hears of it
    until(lambda: call.get("fsapp_flow_misses"), "the dialplan has taken the call back")
    surveyed.start_serve(surveyed.listen)
    type_(call, "survey", "5")
    call.switch.clock = Clock(5)
    until(lambda: kept_of(surveyed, "survey_answered"), "the answer is written down")
    assert len(kept_of(surveyed, "call_ended")) == 1
    call.hangup("NORMAL_CLEARING", "caller")
    over(call)


def test_without_serve_the_talk_is_the_end(surveyed: Centre) -> None:
    switch = answering(surveyed, True)
    switch._phone = lambda _agent, _channel: Reaction(after_s=1, talk_s=60)
    call = switch.call(CALLER, LINE)
    until(lambda: call.bridged, "they talk")
    surveyed.serve.kill()
    surveyed.serve.wait(20)
    over(call)
    assert call.hangup_cause == "NORMAL_CLEARING"
