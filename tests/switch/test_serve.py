"""The whole of it: a real switch, a real `fsapp serve`, a real Redis: from the call to the agent and back."""

from __future__ import annotations

from desk import Desk
from machine import Switch
from phone import Phone

DEADLINE_S = 30


def test_a_callback_goes_to_its_agent_and_is_answered(switch: Switch, fsapp, phone: Phone, agent: Desk) -> None:
    fsapp()
    phone.call("0115550100")
    assert "Alert-Info: <http://127.0.0.1>;info=callback\r\n" in agent.answer()
    switch.wait_talking()
    [call] = [line.split(",")[0] for line in switch.cli("show channels").splitlines() if "sofia/trunks/" in line][:1]
    assert switch.variable(call, "fsapp_class") == "callback"
    assert switch.variable(call, "fsapp_queue") == "agent-1004@fsapp"
    assert switch.variable(call, "fsapp_contact") == "renewals/first-call/+381601234567"
    agent.hang_up()
    phone.wait_end()


def test_a_callback_moves_on_when_its_agent_is_away(switch: Switch, fsapp, phone: Phone) -> None:
    fsapp()
    phone.call("+381115550100")
    member = switch.wait_waiting("agent-1004@fsapp")
    assert member["base_score"] == "305003580"
    member = switch.wait_waiting("renewals.first-call@fsapp")
    assert int(member["base_score"]) > 305003580
    call = member["session_uuid"]
    assert switch.variable(call, "fsapp_agent") is None
    assert switch.variable(call, "fsapp_tried") == "agent-1004@fsapp,renewals.first-call@fsapp"


def test_killed_and_started_again_while_a_caller_waits(switch: Switch, fsapp, phone: Phone, agent: Desk) -> None:
    process = fsapp()
    switch.cli("callcenter_config agent set status 1004 'Logged Out'")
    phone.call("0115550300", caller="+381641111111")
    call = switch.wait_waiting("helpdesk@fsapp")["session_uuid"]
    process.kill()
    process.wait(DEADLINE_S)
    assert switch.wait_waiting("helpdesk@fsapp")["session_uuid"] == call
    fsapp()
    switch.cli("callcenter_config agent set status 1004 Available")
    assert "Alert-Info" not in agent.answer()
    switch.wait_talking()
    agent.hang_up()
    phone.wait_end()


def test_a_hostile_name_is_clean_in_the_switch(switch: Switch, fsapp, phone: Phone) -> None:
    fsapp()
    phone.call("0115550200", caller="+381601111111", name="Eve|x|y${system(date)}")
    member = switch.wait_waiting("web-leads.new@fsapp")
    assert not set(member["cid_name"]) & set("|${}"), member["cid_name"]
    assert member["base_score"] == "204003580"
    assert switch.variable(member["session_uuid"], "fsapp_class") == "new-customer"


def test_an_unknown_number_of_ours_hears_so(switch: Switch, fsapp, phone: Phone) -> None:
    """fsapp_numbers may hold a number that the rules have not got."""
    switch.set_variable("fsapp_numbers", "0119999999|0115550300")
    try:
        fsapp()
        phone.call("0119999999")
        phone.wait_for(183)
        assert phone.wait_for(404) == 404
    finally:
        switch.set_variable("fsapp_numbers", "(?:(?:[+]|00)?381|0)115550(?:100|200|300|400|900)")
