"""How a decided call is treated: recorded once, announced where the rules say so, and ringing as its class does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fsapp.core.carry import course, hold
from fsapp.core.model import CallClass, Decision, Target
from fsapp.core.recording import read_name
from fsapp.core.rules import Rules
from fsapp.core.visit import Arrival, from_variables, read_arrival

AT = 1_774_744_530.5  # 2026-03-29 00:35:30 UTC
CALLER = {"uuid": "7f-1", "caller_id_number": "0601234567", "destination_number": "fsapp-visit", "fsapp_switch": "one"}
QUEUE = Target("renewals.first-call@fsapp", None, None)
CALLBACK = Decision(
    CallClass.CALLBACK, "open-contact", 305003580, "renewals", "first-call", None, "renewals/first-call/+381601234567",
    (QUEUE,), QUEUE, (QUEUE.queue,),
)
SERVICE = replace(CALLBACK, call_class=CallClass.SERVICE, campaign=None, stage=None, line="helpdesk", contact=None)
NAME = "2026-03-29/003530Z_callback_renewals.first-call_+381601234567_7f-1.wav"


def rules(record: str = "stereo", home: str = "one", **ring: str) -> Rules:
    """A centre whose campaign is recorded and announced, and whose line is not."""
    campaign = {"record": record, "announce": True, "home": home, "stage": {"first-call": {"kind": "outbound"}}}
    return Rules.from_document({
        "centre": {"region": "RS"}, "campaign": {"renewals": campaign}, "line": {"helpdesk": {}}, "ring": ring,
        "switch": {"one": {"sip": "10.0.0.1:5070"}, "two": {"sip": "10.0.0.2:5070"}},
    })


def call(**variables: str) -> Arrival:
    return read_arrival(from_variables((CALLER | variables).get, AT), "RS")


def told(decision: Decision, centre: Rules, at: float = AT, **variables: str) -> dict[str, str]:
    return course(call(**variables), decision, "1", at, centre).variables


def test_a_recorded_call_is_told_its_file_once() -> None:
    first = told(CALLBACK, rules())
    assert first["fsapp_record"] == "stereo"
    assert first["fsapp_announce"] == "true"
    assert first["fsapp_recording"] == NAME
    again = told(CALLBACK, rules(), AT + 60, **first)
    assert not {"fsapp_record", "fsapp_announce", "fsapp_recording"} & set(again)


@pytest.mark.parametrize(("decision", "record"), [(CALLBACK, "none"), (SERVICE, "both")])
def test_what_is_not_recorded_is_told_nothing(decision: Decision, record: str) -> None:
    assert not any("record" in name or "announce" in name for name in told(decision, rules(record)))


@pytest.mark.parametrize("number", ["", "anonymous", "+3816'; rm -r /", "../../etc/passwd", "a_b", "9" * 99, "\u202e"])
def test_a_hostile_number_names_no_other_file(number: str) -> None:
    name = told(CALLBACK, rules(), caller_id_number=number)["fsapp_recording"]
    assert name.count("/") == 1
    read = read_name(name)
    assert read is not None
    assert read.call == "7f-1"


def test_only_a_class_with_a_ring_rings_differently() -> None:
    callback = told(CALLBACK, rules())
    assert callback["alert_info"] == "<http://127.0.0.1>;info=callback"
    assert callback["cc_export_vars"].split(",") == ["alert_info", "fsapp_class", "fsapp_decision", "fsapp_contact"]
    # What the caller's own phone asks for stays with the caller.
    assert "alert_info" not in told(SERVICE, rules())["cc_export_vars"]
    later = told(SERVICE, rules(), **callback)
    assert later["alert_info"] == ""
    assert "alert_info" not in later["cc_export_vars"]
    assert told(SERVICE, rules(service="<x>"))["alert_info"] == "<x>"
    assert "alert_info" not in told(CALLBACK, rules(callback=""))


def test_a_number_that_is_not_ours_rings_nobody_and_is_not_recorded() -> None:
    assert told(Decision(None, "unknown-number"), rules()) == {
        "fsapp_decision": "1", "fsapp_reason": "unknown-number"}


@pytest.mark.parametrize(("announced", "expected"), [("FILE PLAYED",) * 2, ("FILE NOT FOUND", None), ("", None)])
def test_the_home_records_a_carried_call_under_the_same_name(announced: str, expected: str | None) -> None:
    """And announces it, unless the switch where it landed has done so."""
    sent = told(CALLBACK, rules(home="two"))
    assert sent["fsapp_recording"] == NAME
    assert sent["sip_h_X-fsapp-announced"] == "", "what a caller sent under this name does not go along"
    came = {name: text for name, text in sent.items() if name.startswith("sip_h_") and text} | {
        "uuid": "there", "fsapp_switch": "two", "fsapp_carried": "true", "sip_h_X-fsapp-announced": announced}
    there = hold(call(**came), "2", AT + 30, rules(home="two")).variables
    assert (there["fsapp_recording"], there["fsapp_record"], there["fsapp_announce"]) == (NAME, "stereo", "true")
    assert there.get("fsapp_announced") == expected
    assert there["alert_info"] == "<http://127.0.0.1>;info=callback"
    assert there["cc_export_vars"].startswith("bridge_generate_comfort_noise,alert_info,")
    forged = hold(call(**came | {"sip_h_X-fsapp-recording": "../x"}), "2", AT, rules(home="two")).variables
    assert forged["fsapp_recording"] == NAME
