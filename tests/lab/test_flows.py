"""Whole calls through a flow: lab switch, the project's dialplan, a real `fsapp serve`, a real Redis."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from flow_centre import FLOW_NUMBER, Shop, at, document, press
from lab_centre import Centre, Joined, scenario
from lab_ends import until

from fsapp.core.recording import read_name
from fsapp.lab.channel import Channel
from fsapp.lab.clock import Clock
from fsapp.lab.switch import Switch

CALLER = "+381601112223"


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()


@pytest.fixture
def centre(own_redis: Any, tmp_path: Path, shop: Shop) -> Iterator[Centre]:
    centre = Centre(own_redis(), tmp_path, document(shop.url))
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


def queued(joined: Joined, call: Channel) -> dict[str, str]:
    """What the call carried into its queue."""
    return until(lambda: next((one for one in joined.calls if one["uuid"] == call.uuid), None), "the caller waits")


def left(centre: Centre, call: Channel) -> dict[str, Any]:
    """How the call's flow ended."""
    def event() -> dict[str, Any] | None:
        found = [one for one in centre.events() if one["type"] == "flow_left" and one["call"] == call.uuid]
        return found[-1] if found else None

    return until(event, "the flow's end is written down")


def ordered(call: Channel, order: str = "0018#") -> None:
    """Goes to where the order number is confirmed."""
    press(call, "speak", "2")
    press(call, "department", "1")
    press(call, "order", order)


def test_through_language_menu_and_order_number_to_an_agent(
    centre: Centre, switch: Switch, joined: Joined, shop: Shop,
) -> None:
    shop.says({"customer": {"agent": "1005"}})
    call = switch.call(CALLER, FLOW_NUMBER)
    ordered(call)
    until(lambda: "number-8" in call.get("current_application_data"), "the order number is said again")
    assert "/en/number-0.wav" in call.get("current_application_data")
    call.press("1")
    found = queued(joined, call)
    assert (found["fsapp_queue"], found["fsapp_agent"], found["fsapp_line"]) == ("agent-1005@fsapp", "1005", "helpdesk")
    assert (found["fsapp_class"], found["fsapp_reason"]) == ("service", "flow")
    assert "order=0018" in found["fsapp_flow_values"] and "fsapp_block" not in found
    assert shop.asked == ["/order?number=%2B381601112223&order=0018"]
    event = left(centre, call)
    path = ["speak", "hello", "known", "mobile", "department", "order", "whose", "personal"]
    assert (event["path"], event["end"], event["agent"], event["language"]) == (path, "agent", "1005", "en")
    decided = next(one for one in centre.events() if one["type"] == "call_routed")
    assert decided["trace"][1] == ["flow", f"main went {' > '.join(path)}", "service, line helpdesk, agent 1005"]
    until(lambda: "fsapp_connections 0.0" in centre.get("/metrics"), "the wait holds no connection")


def test_who_does_nothing_reaches_the_line(centre: Centre, switch: Switch, joined: Joined) -> None:
    call = switch.call(CALLER, FLOW_NUMBER)
    assert queued(joined, call)["fsapp_queue"] == "helpdesk@fsapp"
    assert left(centre, call)["path"] == ["speak", "hello", "known", "mobile", "department", "helpdesk"]


def test_keys_that_are_none_and_keys_too_early(centre: Centre, switch: Switch, joined: Joined) -> None:
    call = switch.call(CALLER, FLOW_NUMBER)
    press(call, "speak", "#")      # no language: asked again, and what was pressed with it is forgotten
    until(lambda: "invalid.wav" in call.get("current_application_data"), "it is said so")
    press(call, "speak", "1")
    press(call, "department", "9")
    until(lambda: "invalid.wav" in call.get("current_application_data"), "it is said so")
    call.press("2")
    assert queued(joined, call)["fsapp_queue"] == "vip@fsapp"


@pytest.mark.parametrize("keys", ["#", "12#", "1234567", "*#", "0019#"])
def test_an_order_number_that_is_none(switch: Switch, joined: Joined, keys: str) -> None:
    """Nothing, too short, too long, a star, a wrong check digit: once more, then somebody helps."""
    call = switch.call(CALLER, FLOW_NUMBER)
    ordered(call, keys)
    until(lambda: call.get("current_application") == "play_and_get_digits" and not call.digits
          and call.get("fsapp_block") == "order", "it is asked again")
    assert queued(joined, call)["fsapp_queue"] == "helpdesk@fsapp"


def test_numbers_and_lists_decide_without_the_caller(centre: Centre, switch: Switch, joined: Joined) -> None:
    mobile = switch.call("+381661234567", FLOW_NUMBER)
    press(mobile, "speak", "1")
    assert queued(joined, mobile)["fsapp_queue"] == "vip@fsapp"
    difficult = switch.call("+381641111111", FLOW_NUMBER)
    press(difficult, "speak", "1")
    until(lambda: not difficult.up, "the flow ends the call")
    assert difficult.hangup_cause == "NORMAL_CLEARING" and difficult.end == "hangup"
    assert left(centre, difficult)["end"] == "hangup"


def test_a_survey_is_written_down_and_a_transfer_leaves(centre: Centre, switch: Switch) -> None:
    call = switch.call(CALLER, FLOW_NUMBER)
    press(call, "speak", "1")
    press(call, "department", "3")
    press(call, "rate", "9")  # not between 1 and 5
    until(lambda: "invalid.wav" in call.get("current_application_data"), "it is said so")
    press(call, "rate", "4")
    until(lambda: not call.up, "the call ends")
    answers = [(one["block"], one["value"]) for one in centre.events() if one["type"] == "survey_answered"]
    assert answers == [("rate", "4")]
    away = switch.call(CALLER, FLOW_NUMBER)
    press(away, "speak", "1")
    press(away, "department", "4")
    until(lambda: not away.up, "it is the dialplan's, which knows no such context here")
    assert (away.hangup_cause, left(centre, away)["end"]) == ("NO_ROUTE_DESTINATION", "transfer")


@pytest.mark.parametrize("end", ["#", "", "hangup"])
def test_a_message_is_kept_however_it_ends(centre: Centre, switch: Switch, end: str) -> None:
    call = switch.call(CALLER, FLOW_NUMBER)
    press(call, "speak", "1")
    press(call, "department", "5")
    until(lambda: call.recordings.running, "it is recorded")
    if end == "hangup":
        call.hangup("NORMAL_CLEARING", "caller")
    elif end:
        until(lambda: call.get("current_application") == "play_and_get_digits", "a key may end it")
        call.press(end)
    until(lambda: not call.up, "the call ends")
    event = until(
        lambda: next((one for one in centre.events() if one["type"] == "voicemail_left"), None), "it is noted")
    assert (event["line"], event["block"], event["call"]) == ("helpdesk", "mail", call.uuid)
    said = read_name(event["file"])
    assert said is not None and (said.call_class, said.place, said.number) == ("voicemail", "helpdesk", CALLER)
    assert left(centre, call)["end"] == ("hung-up" if end == "hangup" else "hangup")


def test_a_message_is_kept_if_serve_is_killed_meanwhile(centre: Centre, switch: Switch) -> None:
    """The switch goes on recording, and somebody has to hear what it has recorded."""
    call = switch.call(CALLER, FLOW_NUMBER)
    press(call, "speak", "1")
    press(call, "department", "5")
    until(lambda: call.recordings.running, "it is recorded")
    until(lambda: call.get("current_application") == "play_and_get_digits", "a key may end it")
    [path] = call.recordings.running
    centre.serve.kill()
    centre.serve.wait(20)
    call.hangup("NORMAL_CLEARING", "caller")
    [event] = [one for one in centre.events() if one["type"] == "voicemail_left"]
    assert path.endswith(event["file"]) and event["call"] == call.uuid


@pytest.mark.parametrize("block", ["speak", "hello", "department", "order", "whose", "rate"])
def test_a_hangup_at_every_block_ends_quietly(centre: Centre, switch: Switch, shop: Shop, block: str) -> None:
    asked = gevent.event.Event()
    if block == "whose":
        shop.answer = lambda: (asked.set(), gevent.sleep(0.5), ("200 OK", [b"{}"]))[-1]
    call = switch.call(CALLER, FLOW_NUMBER)
    way = {"speak": [], "hello": [("speak", "1")], "department": [("speak", "1")],
           "order": [("speak", "1"), ("department", "1")], "rate": [("speak", "1"), ("department", "3")],
           "whose": [("speak", "1"), ("department", "1"), ("order", "0018#")]}[block]
    for place, keys in way:
        press(call, place, keys)
    if block == "whose":
        until(lambda: "confirm.wav" in call.get("current_application_data"), "it is to be confirmed")
        call.press("1")
        assert asked.wait(20)
    else:
        at(call, block)
    call.hangup("NORMAL_CLEARING", "caller")
    event = left(centre, call)
    assert (event["end"], event["block"], event["path"][-1]) == ("hung-up", block, block)
    until(lambda: 'fsapp_visits_total{outcome="hung_up"} 1.0' in centre.get("/metrics"), "the visit is over")
    assert 'fsapp_visits_total{outcome="failed"} 0.0' in centre.get("/metrics")


def slow() -> tuple[str, list[bytes]]:
    gevent.sleep(5)
    return "200 OK", [b"{}"]


@pytest.mark.parametrize("answer", [
    pytest.param(slow, id="slow"),
    pytest.param(lambda: ("500 Internal Server Error", [b"{}"]), id="broken"),
    pytest.param(lambda: ("302 Found", [b"{}"]), id="elsewhere"),
    pytest.param(lambda: ("200 OK", [b'{"customer": "' + b"x" * 100_000 + b'"}']), id="huge"),
    pytest.param(lambda: ("200 OK", [b"<html>"]), id="not-json"),
    pytest.param(lambda: ("200 OK", [b"[" * 50_000]), id="deep"),
    pytest.param(lambda: ("200 OK", [b"\xff\xfe{}"]), id="bytes"),
])
def test_a_lookup_that_fails_has_its_own_way(
    centre: Centre, switch: Switch, joined: Joined, shop: Shop, answer: Any,
) -> None:
    shop.answer = answer
    call = switch.call(CALLER, FLOW_NUMBER)
    ordered(call)
    until(lambda: "confirm.wav" in call.get("current_application_data"), "it is to be confirmed")
    call.press("1")
    found = queued(joined, call)
    assert found["fsapp_queue"] == "helpdesk@fsapp"
    assert "note=order 0018" in found["fsapp_flow_values"]


def test_a_lookup_with_nobody_there(centre: Centre, switch: Switch, joined: Joined, shop: Shop) -> None:
    shop.close()
    call = switch.call(CALLER, FLOW_NUMBER)
    ordered(call)
    until(lambda: "confirm.wav" in call.get("current_application_data"), "it is to be confirmed")
    call.press("1")
    assert "note=order 0018" in queued(joined, call)["fsapp_flow_values"]


def test_what_a_lookup_says_is_cleaned_and_an_agent_who_is_none_is_passed_over(
    centre: Centre, switch: Switch, joined: Joined, shop: Shop,
) -> None:
    shop.says({"customer": {"agent": "1005\n${hangup}'|;note=x\u202e" + "9" * 500}})
    call = switch.call(CALLER, FLOW_NUMBER)
    ordered(call)
    until(lambda: "confirm.wav" in call.get("current_application_data"), "it is to be confirmed")
    call.press("1")
    found = queued(joined, call)
    assert (found["fsapp_queue"], found.get("fsapp_agent")) == ("helpdesk@fsapp", None)
    kept = dict(item.split("=") for item in found["fsapp_flow_values"].split(";"))
    assert kept.keys() == {"order", "agent"} and len(kept["agent"]) <= 64
    assert not set(kept["agent"]) & set("\n${}'|\u202e")


@pytest.mark.parametrize("again", [True, False])
def test_serve_killed_in_the_middle(centre: Centre, switch: Switch, joined: Joined, again: bool) -> None:
    """Started again, it goes on where the caller is; otherwise the switch leads to the flow's line."""
    switch.clock = Clock(1 if again else 5)
    call = switch.call(CALLER, FLOW_NUMBER)
    press(call, "speak", "2")
    at(call, "department")
    centre.serve.kill()
    centre.serve.wait(20)
    if not again:
        found = queued(joined, call)
        assert (found["fsapp_queue"], found["fsapp_reason"]) == ("helpdesk@fsapp", "fallback-flow")
        return
    until(lambda: call.get("fsapp_flow_misses"), "the dialplan has taken the call back")
    centre.start_serve(centre.listen)
    until(lambda: call.get("current_application") == "play_and_get_digits", "it is asked again")
    press(call, "department", "2")
    found = queued(joined, call)
    assert (found["fsapp_queue"], found["fsapp_flow_language"]) == ("vip@fsapp", "en")
    assert left(centre, call)["path"] == ["speak", "hello", "known", "mobile", "department", "vip"]


def test_a_flow_may_begin_with_something_said(centre: Centre, switch: Switch, joined: Joined) -> None:
    other = copy.deepcopy(centre.document)
    other["flow"]["main"]["start"] = "hello"
    other["flow"]["main"]["block"].pop("speak")
    version = centre.rules.load(other, note="", author="test", source="test").version
    until(lambda: f"fsapp_rules_version {version:.1f}" in centre.get("/metrics"), "they are in force")
    call = switch.call("+381661234567", FLOW_NUMBER)
    assert queued(joined, call)["fsapp_queue"] == "vip@fsapp"
    assert left(centre, call)["path"] == ["hello", "known", "mobile", "vip"]


def test_rules_that_change_meanwhile(centre: Centre, switch: Switch, joined: Joined) -> None:
    """The caller goes on by the rules he came in with; a line that is gone by then is the number's."""
    call = switch.call(CALLER, FLOW_NUMBER)
    press(call, "speak", "1")
    at(call, "department")
    other = copy.deepcopy(centre.document)
    other["flow"]["main"] = {"line": "helpdesk"}
    other["number"] = [one for one in other["number"] if one.get("line") != "vip"]
    del other["line"]["vip"]
    version = centre.rules.load(other, note="", author="test", source="test").version
    until(lambda: f"fsapp_rules_version {version:.1f}" in centre.get("/metrics"), "they are in force")
    call.press("2")
    assert queued(joined, call)["fsapp_queue"] == "helpdesk@fsapp"
    assert left(centre, call)["line"] == "vip"
