"""Calls between switches: what is sent along, what the home makes of it, and that nothing else is believed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp.core.carry import CARRY_CONTEXT, CARRY_EXTENSION, Course, course, hold
from fsapp.core.model import REASONS, CallClass, Decision, Target
from fsapp.core.rules import Rules
from fsapp.core.visit import CARRIED, CONTEXT, QUEUE_EXTENSION, Arrival, from_variables, read_arrival

AT = 1_800_000_000.25
ID, HOME_ID = "0665" + "0" * 22, "0665" + "0" * 21 + "9"
DESK = Target("desk@fsapp", None, None)
DECIDED = Decision(
    CallClass.CALLBACK, "open-contact", 305003580, "renewals", "first-call", None, "renewals/first-call/+381601234567",
    (Target("agent-1001@fsapp", "1001", 20), DESK), DESK, ("agent-1001@fsapp", "desk@fsapp"),
)


def centre(**switches: str) -> Rules:
    """A desk at home on switch one, agent 1003 on switch two."""
    return Rules.from_document({
        "centre": {"region": "RS", "home": "one"}, "number": [{"number": "+381115550100", "line": "desk"}],
        "line": {"desk": {"agents": ["1001"]}},
        "agent": {"1001": {"name": "Ana", "email": "ana@example.com"},
                  "1003": {"name": "Ceca", "email": "ceca@example.com", "home": "two"}},
        "switch": {name: {"sip": address} for name, address in switches.items()},
    }, 3)


RULES = centre(one="10.0.0.1:5070", two="10.0.0.2:5070")


def call(**variables: str) -> Arrival:
    """A call at a visit on switch two."""
    found = {
        "uuid": "there", "caller_id_number": "060 123-4567", "caller_id_name": "Petar|Petrovi\u0107",
        "fsapp_called": "0115550100", "fsapp_switch": "two", "destination_number": "fsapp-visit",
    } | variables
    return read_arrival(from_variables(found.get, AT), "RS")


def arrive(sent: dict[str, str], **variables: str) -> Arrival:
    """The same call where switch one sees it: with the headers that were not empty."""
    found = {name: text for name, text in sent.items() if name.startswith("sip_h_") and text} | {
        "uuid": "here", "fsapp_switch": "one", "fsapp_carried": "true", "destination_number": "fsapp-visit",
    } | variables
    return read_arrival(from_variables(found.get, AT), "RS")


def sent(**variables: str) -> Course:
    return course(call(**variables), DECIDED, ID, AT, RULES)


def test_a_queue_at_home_elsewhere_is_a_carry() -> None:
    made = sent()
    assert (made.extension, made.context) == (CARRY_EXTENSION, CARRY_CONTEXT)
    assert made.variables["fsapp_carry"] == "10.0.0.1:5070"
    assert made.variables["cc_base_score"] == "305003580", "here the call keeps its own score"
    routed, carried = made.events
    assert (routed["type"], routed["id"]) == ("call_routed", ID)
    assert carried["id"] > ID
    assert carried | {"id": "", "at": 0} == {
        "type": "call_carried", "id": "", "at": 0, "call": "there", "decision": ID, "queue": "desk@fsapp",
        "from": "two", "to": "one", "waited_s": 0, "base_score": 305003580,
    }


@pytest.mark.parametrize(("number", "shown"), [
    ("+381601234567", "+381601234567"), ("0601234567", "0601234567"), ("060 123", "anonymous"), ("", "anonymous"),
    ("${system(date)}", "anonymous"), ("+3816\nVia: x", "anonymous"), ("+", "anonymous"), ("1;ext=2", "anonymous"),
])
def test_sip_is_told_of_plain_numbers_only(number: str, shown: str) -> None:
    assert sent(caller_id_number=number).variables["fsapp_carry_from"] == shown


@pytest.mark.parametrize(("switch", "rules"), [
    ("one", RULES), ("two", centre()), ("two", centre(two="10.0.0.2:5070")),
])
def test_a_queue_at_home_here_or_nowhere_known_is_waited_in_here(switch: str, rules: Rules) -> None:
    made = course(call(fsapp_switch=switch), DECIDED, ID, AT, rules)
    assert (made.extension, made.context, len(made.events)) == (QUEUE_EXTENSION, CONTEXT, 1)
    assert not any(name.startswith("sip_h_") or name == "fsapp_carry" for name in made.variables)


def test_what_is_sent_is_what_arrives() -> None:
    made = hold(arrive(sent().variables), HOME_ID, AT, RULES)
    assert (made.extension, made.context, made.fault) == (QUEUE_EXTENSION, CONTEXT, "")
    told = {name: text for name, text in made.variables.items() if text}
    assert told == {
        "fsapp_class": "callback", "fsapp_queue": "desk@fsapp", "cc_base_score": "305003580", "fsapp_decision": ID,
        "fsapp_reason": "open-contact", "fsapp_campaign": "renewals", "fsapp_stage": "first-call",
        "fsapp_contact": "renewals/first-call/+381601234567", "fsapp_tried": "agent-1001@fsapp,desk@fsapp",
        "fsapp_called": "0115550100", "fsapp_waited": "0", "fsapp_carried_call": "there",
        "caller_id_number": "060 123-4567", "caller_id_name": "Petar Petrovi\u0107",
        "alert_info": "<http://127.0.0.1>;info=callback",
        "cc_export_vars": "bridge_generate_comfort_noise,alert_info,fsapp_class,fsapp_decision,fsapp_contact",
    }
    [event] = made.events
    assert event | {"at": 0} == {
        "type": "call_arrived", "id": HOME_ID, "at": 0, "call": "here", "decision": ID, "carried_call": "there",
        "queue": "desk@fsapp", "from": "two", "to": "one", "waited_s": 0, "base_score": 305003580,
    }


def test_the_time_waited_goes_along_in_the_score() -> None:
    made = sent(answered_time="1799999917900000")
    assert made.variables["cc_base_score"] == "305003580"
    assert made.events[1]["waited_s"] == 83
    at_home = hold(arrive(made.variables), HOME_ID, AT, RULES)
    assert at_home.variables["cc_base_score"] == "305003663"
    assert at_home.variables["fsapp_waited"] == "83"


@pytest.mark.parametrize("answered", ["0", "", "x", "1" * 30, "1900000000000000", "-5"])
def test_a_time_that_cannot_be_is_no_wait(answered: str) -> None:
    assert call(answered_time=answered).waited_s == 0


def test_every_header_is_set_so_that_none_of_the_callers_goes_along() -> None:
    assert set(CARRIED.values()) <= sent().variables.keys()
    assert sent().variables["sip_h_X-fsapp-line"] == ""


def test_headers_of_a_call_that_nobody_carried_are_not_looked_at() -> None:
    forged = {name: text for name, text in sent().variables.items() if name.startswith("sip_h_")}
    assert call(**forged).carried is None
    assert call(**forged, fsapp_carried="yes") == call(fsapp_carried="yes")


HOSTILE = ["${system(date)}", "x y", "a\nb", "\u202e", "'", "|", "x" * 3000, "callback,callback", "-1", "1e9"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", CARRIED)
def test_a_header_of_another_form_is_refused_or_dropped(name: str, text: str) -> None:
    made = hold(arrive(sent().variables | {CARRIED[name]: text}), HOME_ID, AT, RULES)
    if name in ("class", "queue", "score"):
        assert (made.extension, made.cause, made.events) == (None, "EXCHANGE_ROUTING_ERROR", ())
        return
    assert made.variables["fsapp_class"] == "callback"
    for variable, value in made.variables.items():
        assert not set(value) & set("${}|\n\u202e"), variable


@given(st.fixed_dictionaries({}, optional={name: st.text(max_size=60) for name in CARRIED}))
def test_whatever_comes_a_call_gets_a_queue_of_ours_or_none(came: dict[str, str]) -> None:
    made = hold(arrive({CARRIED[name]: text for name, text in came.items()}), HOME_ID, AT, RULES)
    assert made.extension is None or made.variables["fsapp_queue"] in RULES.queues


@pytest.mark.parametrize("queue", ["agent-1003@fsapp", "no-such@fsapp"])
def test_a_queue_that_is_not_at_home_here_is_not_taken(queue: str) -> None:
    made = hold(arrive(sent().variables | {CARRIED["queue"]: queue}), HOME_ID, AT, RULES)
    assert (made.extension, made.cause, made.fault) == (None, "EXCHANGE_ROUTING_ERROR", "not_at_home")


def test_the_home_carries_nothing_on_but_hands_it_back() -> None:
    waited = {"fsapp_queue": "desk@fsapp", "fsapp_decision": ID, "fsapp_class": "callback", "cc_base_score": "1"}
    made = hold(arrive({}, **waited, cc_cause="cancel"), HOME_ID, AT, RULES)
    assert (made.extension, made.cause, made.events) == (None, "NO_ANSWER", ())
    made = hold(arrive({}, **waited), HOME_ID, AT, RULES)
    assert (made.extension, made.cause) == (None, "EXCHANGE_ROUTING_ERROR"), "its queue took nobody"


def test_an_answered_call_ends_at_home_with_its_decision() -> None:
    talked = {"fsapp_queue": "desk@fsapp", "fsapp_decision": ID, "fsapp_class": "callback", "cc_base_score": "1",
              "cc_cause": "answered", "cc_agent": "1001"}
    made = hold(arrive({}, **talked), HOME_ID, AT, RULES)
    assert (made.extension, made.cause) == (None, "NORMAL_CLEARING")
    [event] = made.events
    assert {name: event[name] for name in ("type", "id", "agent", "decision", "class")} == {
        "type": "call_ended", "id": HOME_ID, "agent": "1001", "decision": ID, "class": "callback"}


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_reasons_and_degraded_go_along(reason: str) -> None:
    decision: Any = replace(DECIDED, reason=f"fallback-degraded-{reason}", degraded=True)
    made = hold(arrive(course(call(), decision, ID, AT, RULES).variables), HOME_ID, AT, RULES)
    assert made.variables["fsapp_reason"] == decision.reason
    assert made.variables["fsapp_degraded"] == "true"
