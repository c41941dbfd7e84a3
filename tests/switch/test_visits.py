"""Visits on a real switch: what the dialplan and the switch do with what fsapp says."""

from __future__ import annotations

from socket import SHUT_WR

import pytest
from app import EXIT, App, connect, execute
from desk import Desk
from machine import Switch
from phone import Phone

SPELLINGS = ["0115550300", "381115550300", "+381115550300", "00381115550300"]


@pytest.mark.parametrize("called", SPELLINGS)
def test_every_spelling_of_a_number_of_ours_makes_a_visit(app: App, phone: Phone, called: str) -> None:
    phone.call(called)
    headers = app.route("helpdesk@fsapp")
    assert headers["variable_fsapp_called"] == called
    assert headers["Caller-Destination-Number"] == "fsapp-visit"
    assert "variable_cc_cause" not in headers
    phone.wait_for(200)


def test_commands_in_one_write_set_everything_and_move_the_call(switch: Switch, app: App, phone: Phone) -> None:
    phone.call("0115550300")
    headers = app.route("vip@fsapp", fsapp_reason="two words", fsapp_tried="a@fsapp,vip@fsapp", fsapp_agent="1004")
    phone.wait_for(200)
    member = switch.wait_waiting("vip@fsapp")
    call = headers["Unique-ID"]
    assert member["session_uuid"] == call
    assert member["base_score"] == "101003540"
    assert switch.variable(call, "fsapp_reason") == "two words"
    assert switch.variable(call, "fsapp_tried") == "a@fsapp,vip@fsapp"
    assert switch.variable(call, "fsapp_agent") == "1004"


def test_commands_in_one_write_hold_for_forty_calls_at_once(switch: Switch, app: App) -> None:
    phones = [Phone(switch.trunk_port) for _ in range(40)]
    try:
        for place, phone in enumerate(phones):
            phone.call("0115550900", caller=f"381600000{place:03d}")
        for place in range(len(phones)):
            app.route("vip@fsapp", cc_base_score=str(place))
        for phone in phones:
            phone.wait_for(200)
        scores = {int(member["base_score"]) for member in switch.waiting("vip@fsapp")}
        assert scores == set(range(len(phones)))
    finally:
        for phone in phones:
            phone.close()


@pytest.mark.parametrize("word", [EXIT, b""])
def test_a_socket_that_ends_late_leaves_the_call_in_its_queue(
    switch: Switch, app: App, phone: Phone, word: bytes,
) -> None:
    phone.call("0115550900")
    with app.accept() as connection:
        connect(connection)
        connection.sendall(execute("multiset", "^^|fsapp_queue=vip@fsapp"))
        connection.sendall(execute("transfer", "fsapp-queue XML fsapp"))
        call = switch.wait_waiting("vip@fsapp")["session_uuid"]
        connection.sendall(word)
        connection.shutdown(SHUT_WR)
        while connection.recv(65536):
            pass
    assert "Channel-State: CS_EXECUTE" in switch.cli(f"uuid_dump {call}")
    assert switch.wait_waiting("vip@fsapp")["session_uuid"] == call


def test_a_personal_queue_times_out_and_the_next_visit_moves_on(switch: Switch, app: App, phone: Phone) -> None:
    phone.call("0115550300")
    app.route("agent-1004@fsapp", fsapp_agent="1004")
    phone.wait_for(200)
    headers = app.route("helpdesk@fsapp", fsapp_agent="")
    assert headers["variable_cc_cause"] == "cancel"
    assert headers["variable_cc_cancel_reason"] == "TIMEOUT"
    assert headers["variable_fsapp_queue"] == "agent-1004@fsapp"
    assert headers["variable_fsapp_agent"] == "1004"
    member = switch.wait_waiting("helpdesk@fsapp")
    assert int(member["base_score"]) > 101003540, "the time already waited counts"
    assert switch.variable(headers["Unique-ID"], "fsapp_agent") is None, "an empty value takes a variable away"
    assert switch.variable(headers["Unique-ID"], "cc_cause") is None


def test_an_answered_call_comes_back_when_its_agent_hangs_up(
    switch: Switch, app: App, phone: Phone, agent: Desk,
) -> None:
    phone.call("0115550300")
    app.route("helpdesk@fsapp")
    agent.answer()
    switch.wait_talking()
    agent.hang_up()
    headers = app.visit(execute("hangup", "NORMAL_CLEARING"), EXIT)
    assert headers["variable_cc_cause"] == "answered"
    phone.wait_end()


def test_a_cleaned_name_is_what_the_switch_shows(switch: Switch, app: App, phone: Phone) -> None:
    phone.call("0115550300", name="Eve|1|2|3")
    app.route("helpdesk@fsapp", caller_id_name="Eve 1 2 3")
    phone.wait_for(200)
    assert switch.wait_waiting("helpdesk@fsapp")["cid_name"] == "Eve 1 2 3"


def test_a_caller_who_has_passed_many_switches_is_still_transferred(switch: Switch, app: App, phone: Phone) -> None:
    phone.call("0115550300", max_forwards=1)
    app.route("helpdesk@fsapp")
    phone.wait_for(200)
    switch.wait_waiting("helpdesk@fsapp")


@pytest.mark.parametrize("called", ["0115559999", "01155503000", "1001", "anonymous"])
def test_an_unknown_number_is_told_so_before_the_call_is_answered(phone: Phone, called: str) -> None:
    phone.call(called)
    phone.wait_for(183)
    assert phone.wait_for(404) == 404
    assert 200 not in phone.statuses
    assert phone.heard() > 0


def test_a_number_that_fsapp_does_not_know_is_told_so_too(app: App, phone: Phone) -> None:
    phone.call("0115550300")
    reason = execute("multiset", "^^|fsapp_reason=unknown-number")
    app.visit(reason, execute("transfer", "fsapp-unknown XML fsapp"), EXIT)
    phone.wait_for(183)
    assert phone.wait_for(404) == 404
    assert phone.heard() > 0


def test_when_all_is_closed_the_caller_is_told_so_and_no_trunk_tries_elsewhere(app: App, phone: Phone) -> None:
    phone.call("0115550300")
    reason = execute("multiset", "^^|fsapp_reason=closed")
    app.visit(reason, execute("transfer", "fsapp-closed XML fsapp"), EXIT)
    phone.wait_for(183)
    assert phone.wait_for(480) == 480
    assert 200 not in phone.statuses
    assert phone.heard() > 0


def test_a_queue_that_does_not_exist_ends_in_the_fallback_queue(switch: Switch, app: App, phone: Phone) -> None:
    phone.call("0115550300")
    for _ in range(3):
        headers = app.route("no-such@fsapp")
        assert "variable_cc_cause" not in headers
    phone.wait_for(200)
    assert switch.wait_waiting("helpdesk@fsapp")["base_score"] == "101003540"


def test_without_any_queue_the_caller_hears_goodbye(switch: Switch, phone: Phone) -> None:
    switch.set_variable("fsapp_fallback_queue", "no-such@fsapp")
    try:
        with switch.without_python():
            phone.call("0115550300")
            phone.wait_for(183)
            assert phone.wait_for(503) == 503
        assert phone.heard() > 0
    finally:
        switch.set_variable("fsapp_fallback_queue", "helpdesk@fsapp")


def test_a_late_word_finds_the_call_elsewhere(switch: Switch, app: App, phone: Phone) -> None:
    """What fsapp must look at before it moves a call: a frozen fsapp wakes up when the fallback has long taken over."""
    switch.set_variable("fsapp_patience", "1")
    try:
        phone.call("0115550300")
        with app.accept() as connection:
            phone.wait_for(200)
            headers, _ = connect(connection)
        assert headers["Caller-Destination-Number"] == "fsapp-queue"
        assert headers["variable_fsapp_reason"] == "fallback-degraded-service-line"
    finally:
        switch.set_variable("fsapp_patience", "15")


def test_a_caller_who_is_moved_by_the_own_phone_is_decided_on(switch: Switch, app: App, phone: Phone) -> None:
    phone.call("0115550300")
    call = app.route("helpdesk@fsapp", fsapp_decision="1")["Unique-ID"]
    phone.wait_for(200)
    switch.wait_waiting("helpdesk@fsapp")
    phone.notify("talk")
    headers = app.route("helpdesk@fsapp", fsapp_decision="2")
    assert (headers["Unique-ID"], headers["variable_fsapp_decision"]) == (call, "1")
    assert headers.get("variable_cc_cause") != "answered"
    assert switch.wait_waiting("helpdesk@fsapp")["session_uuid"] == call


def test_a_caller_who_vanishes_without_a_word_leaves_the_queue(switch: Switch, app: App, phone: Phone) -> None:
    """The phone of the test sends no sound at all."""
    switch.set_variable("fsapp_caller_silence", "1500")
    try:
        phone.call("0115550300")
        app.route("helpdesk@fsapp")
        phone.wait_for(200)
        switch.wait_waiting("helpdesk@fsapp")
        phone.wait_end()
        assert switch.waiting("helpdesk@fsapp") == []
    finally:
        switch.set_variable("fsapp_caller_silence", "300000")
