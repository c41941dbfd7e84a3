"""How an agent's phone rings on a real switch: what the INVITE that reaches it holds."""

from __future__ import annotations

import re

from app import App
from desk import Desk
from machine import Switch
from phone import Phone

RING = "<http://127.0.0.1>;info=callback"
EXPORTED = "fsapp_class,fsapp_decision,fsapp_contact"
QUEUE = "helpdesk@fsapp"


def ring(invite: str) -> str | None:
    found = re.search(r"(?mi)^Alert-Info: ([^\r]*)", invite)
    return found and found[1]


def test_a_callback_rings_with_its_own_tone(switch: Switch, app: App, phone: Phone, agent: Desk) -> None:
    phone.call("0115550300")
    call = app.route(
        QUEUE, fsapp_class="callback", alert_info=RING, cc_export_vars=f"alert_info,{EXPORTED}", fsapp_decision="7",
        fsapp_contact="renewals/first-call/+381601234567")["Unique-ID"]
    assert ring(agent.answer()) == RING
    switch.wait_talking()
    leg = switch.variable(call, "cc_agent_uuid")
    assert switch.variable(leg, "fsapp_class") == "callback"
    assert switch.variable(leg, "fsapp_decision") == "7"
    assert switch.variable(leg, "fsapp_contact") == "renewals/first-call/+381601234567"


def test_a_service_call_rings_as_always(switch: Switch, app: App, phone: Phone, agent: Desk) -> None:
    """Whatever the caller's own phone asks for."""
    phone.call("0115550300", more=f"Alert-Info: {RING}\r\n")
    headers = app.route(QUEUE, cc_export_vars=EXPORTED)
    assert headers["variable_alert_info"] == RING
    assert ring(agent.answer()) is None


def test_what_rang_once_rings_no_more_when_it_no_longer_applies(
    switch: Switch, app: App, phone: Phone, agent: Desk,
) -> None:
    phone.call("0115550300")
    app.route("agent-1005@fsapp", alert_info=RING, cc_export_vars=f"alert_info,{EXPORTED}")
    call = app.route(QUEUE, alert_info="", cc_export_vars=EXPORTED)["Unique-ID"]
    assert ring(agent.answer()) is None
    assert switch.variable(call, "alert_info") is None
