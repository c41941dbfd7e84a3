"""The key in a queue on a real switch: asked back on which number, the place kept, nobody lost without fsapp."""

from __future__ import annotations

from collections.abc import Callable
from subprocess import Popen

import pytest
from app import App
from desk import Desk
from machine import PASSWORD, Switch, rules_document, wait_until
from phone import Phone

from fsapp.app.link import LinkProcess
from fsapp.core.task import Task
from fsapp.settings import Settings
from fsapp.state.connection import connect
from fsapp.state.rules import RulesStore
from fsapp.state.stream import tail
from fsapp.state.tasks import Tasks

LINE, QUEUE, CALLER = "0115550300", "helpdesk@fsapp", "+381641111111"
DEADLINE_S = 30
Fsapp = Callable[..., Popen[bytes]]


def tasks(redis_server) -> list[Task]:
    return list(Tasks(connect(Settings(redis_url=redis_server.url))).every(over=True))


def press(switch: Switch, call: str, keys: str) -> None:
    assert switch.cli(f"uuid_recv_dtmf {call} {keys}").startswith("+OK")


def asked(switch: Switch, call: str, prompt: str) -> None:
    """Until the caller is asked this."""
    wait_until(lambda: switch.variable(call, "current_application") == "play_and_get_digits"
               and f"/{prompt}.wav" in (switch.variable(call, "current_application_data") or ""), f"asked {prompt}")


def test_the_place_is_kept_for_who_is_called_back(
    switch: Switch, fsapp: Fsapp, redis_server, phone: Phone,
) -> None:
    fsapp()
    phone.call(LINE, caller=CALLER)
    phone.wait_for(200)
    member = switch.wait_waiting(QUEUE)
    call = member["session_uuid"]
    assert switch.variable(call, "cc_exit_keys") == "5"
    press(switch, call, "1")  # not a key of the queue's
    press(switch, call, "55")  # impatient: what was pressed before the question is no answer
    asked(switch, call, "callback-confirm")
    assert switch.variable(call, "cc_exit_key") == "5"
    assert switch.waiting(QUEUE) == []
    press(switch, call, "2")
    asked(switch, call, "callback-enter")
    press(switch, call, "0641234567#")
    asked(switch, call, "callback-confirm")
    press(switch, call, "1")
    phone.wait_end()
    [task] = tasks(redis_server)
    assert (task.number, task.place, task.caller_id) == ("+381641234567", "helpdesk", "+381115550300")
    assert task.since is not None
    # As the switch has it: the score of the call, and a second more for each one since it was answered.
    assert abs(task.since.timestamp() - int(member["system_epoch"])) <= 1
    waited_s = int(member["joined_epoch"]) - int(member["system_epoch"])
    assert int(member["base_score"]) == (task.base_score or 0) + waited_s


def test_who_confirms_nothing_goes_on_in_the_same_place(
    switch: Switch, fsapp: Fsapp, redis_server, phone: Phone,
) -> None:
    fsapp()
    phone.call(LINE, caller=CALLER)
    phone.wait_for(200)
    first = switch.wait_waiting(QUEUE)
    call = first["session_uuid"]
    press(switch, call, "5")
    asked(switch, call, "callback-confirm")
    press(switch, call, "7")
    asked(switch, call, "invalid")
    press(switch, call, "7")
    again = switch.wait_waiting(QUEUE)
    assert again["session_uuid"] == call
    assert switch.variable(call, "cc_base_score") == "101003540"
    waited_s = int(again["joined_epoch"]) - int(first["joined_epoch"])
    assert int(again["base_score"]) == int(first["base_score"]) + waited_s
    assert switch.variable(call, "fsapp_block") is None
    assert switch.variable(call, "fsapp_tried") == QUEUE
    assert tasks(redis_server) == []


def test_the_key_while_a_phone_rings_for_the_caller(
    switch: Switch, fsapp: Fsapp, redis_server, phone: Phone, agent: Desk,
) -> None:
    """The key wins: the phone stops ringing, and the agent is free for others."""
    fsapp()

    phone.call(LINE, caller=CALLER)
    phone.wait_for(200)
    wait_until(lambda: switch.agent("1004")["state"] == "Receiving", "the agent's phone rings")
    names, *rows = switch.cli(f"callcenter_config queue list members {QUEUE}").splitlines()
    members = [dict(zip(names.split("|"), one.split("|"), strict=False)) for one in rows if "|" in one]
    [call] = [member["session_uuid"] for member in members if member["state"] == "Trying"]
    press(switch, call, "5")
    asked(switch, call, "callback-confirm")
    wait_until(lambda: switch.agent("1004")["state"] == "Waiting", "the agent is free again")
    assert switch.agent("1004")["no_answer_count"] == "0"
    press(switch, call, "1")
    phone.wait_end()
    assert [task.number for task in tasks(redis_server)] == [CALLER]


def presses(switch: Switch, call: str, queue: str) -> None:
    """The key, and where that leads: as another member of the same queue."""
    before = switch.wait_waiting(queue)["uuid"]
    press(switch, call, "5")
    wait_until(lambda: any(one["uuid"] != before for one in switch.waiting(queue)), f"again in {queue}")
    assert switch.wait_waiting(queue)["session_uuid"] == call


def test_the_key_loses_nobody_while_fsapp_is_away(
    switch: Switch, fsapp: Fsapp, redis_server, phone: Phone,
) -> None:
    """The caller stays in the queue; with fsapp back the key is one again."""
    process = fsapp()
    phone.call(LINE, caller=CALLER)
    phone.wait_for(200)
    call = switch.wait_waiting(QUEUE)["session_uuid"]
    process.kill()
    process.wait(DEADLINE_S)
    presses(switch, call, QUEUE)
    assert switch.variable(call, "cc_base_score") == "101003540"
    fsapp()
    press(switch, call, "5")
    asked(switch, call, "callback-confirm")
    press(switch, call, "1")
    phone.wait_end()
    assert [task.number for task in tasks(redis_server)] == [CALLER]


@pytest.mark.parametrize("queue", ["agent-1004@fsapp", QUEUE])
def test_the_key_loses_nobody_where_the_dialplan_is_alone(switch: Switch, phone: Phone, queue: str) -> None:
    """An agent's queue is not left for it either: the wait there is not over."""
    with switch.without_python():
        phone.call(LINE, caller=CALLER)
        with App(switch.app_port) as app:
            call = app.route(queue, cc_exit_keys="5")["Unique-ID"]
        phone.wait_for(200)
        presses(switch, call, queue)
        presses(switch, call, queue)


def test_the_key_is_told_and_works_while_it_is(
    switch: Switch, fsapp: Fsapp, redis_server, phone: Phone,
) -> None:
    fsapp()
    process = LinkProcess(redis_server.settings.model_copy(update={
        "switch": f"127.0.0.1:{switch.event_port}", "switch_password": PASSWORD, "link_http": "127.0.0.1:0"}))
    process.start()
    try:
        phone.call(LINE, caller=CALLER)
        phone.wait_for(200)
        call = switch.wait_waiting(QUEUE)["session_uuid"]
        client = connect(Settings(redis_url=redis_server.url))

        def told() -> list[list[str]]:
            return [fact["prompts"] for _, fact in tail(client, 0.0, follow=False) if fact["type"] == "wait_told"]

        wait_until(told, "the caller is told")
        assert told() == [["callback-offer", "press-5"]]
        press(switch, call, "5")
        asked(switch, call, "callback-confirm")
        assert "callback-offer.wav" not in switch.cli(f"uuid_buglist {call}")
        press(switch, call, "1")
        phone.wait_end()
        assert len(tasks(redis_server)) == 1
    finally:
        process.stop()


def test_a_survey_after_the_talk(switch: Switch, fsapp: Fsapp, redis_server, phone: Phone, agent: Desk) -> None:
    document = rules_document()
    document["line"]["helpdesk"]["survey"] = "after"
    document["flow"]["after"] = {"line": "helpdesk", "start": "rate", "languages": ["sr", "en"], "block": {
        "rate": {"kind": "survey", "say": ["survey"], "min": 1, "max": 5, "next": "end"},
        "end": {"kind": "hangup", "say": ["thanks"]}}}
    client = connect(Settings(redis_url=redis_server.url))
    RulesStore(client).load(document, "", "test", "test")
    fsapp()
    phone.call(LINE, caller=CALLER)
    phone.wait_for(200)
    agent.answer()
    switch.wait_talking()
    [call] = [line.split(",")[0] for line in switch.cli("show channels").splitlines() if "sofia/trunks/" in line]
    agent.hang_up()
    asked(switch, call, "survey")
    press(switch, call, "4")
    phone.wait_end()
    events = [event for _, event in tail(client, 0.0, follow=False)]
    answers = [(one["value"], one["agent"], one["queue"]) for one in events if one["type"] == "survey_answered"]
    assert answers == [("4", "1004", QUEUE)]
