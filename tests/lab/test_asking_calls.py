"""Callers who want to be called back, in whole calls: lab switch, the project's dialplan, `fsapp serve`, Redis."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flow_centre import FLOW_NUMBER, at, press
from lab_centre import DOCUMENT, Centre, Joined, scenario
from lab_ends import until

from fsapp.core.task import Task, TaskKind
from fsapp.lab.channel import Channel
from fsapp.lab.switch import Switch
from fsapp.rules import check_document
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
