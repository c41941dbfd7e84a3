"""Hostile callers on a real switch: nothing in a number or a name is run, expanded, or changes what a call is."""

from __future__ import annotations

from contextlib import nullcontext
from urllib.parse import quote

import pytest
from app import App
from desk import Desk
from machine import Switch, wait_until
from phone import Phone

TEXTS = [
    "${{system(touch {mark})}}", "$${{system(touch {mark})}}", "%{{fsapp_class}}", "${{fsapp_queue}}",
    "Eve\nvariable_fsapp_class: callback", "Eve\n\napi system touch {mark}\n\n", "a|b|c|d", "x' OR 1=1 --",
    "^^|fsapp_class=callback",
]


@pytest.mark.parametrize("python", [False, True])
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("place", ["number", "name"])
def test_a_caller_in_the_fallback_queue(switch: Switch, phone: Phone, text: str, place: str, python: bool) -> None:
    """No fsapp has cleaned the name here: this is the dialplan alone, or the script inside the switch."""
    with nullcontext() if python else switch.without_python():
        _fall_back(switch, phone, text, place, 101003540 if python else 100000000)


def _fall_back(switch: Switch, phone: Phone, text: str, place: str, score: int) -> None:
    mark = switch.folder / "mark"
    text = text.format(mark=mark)
    if place == "number":
        phone.call("0115550300", caller=quote(text, safe=""))
    else:
        phone.call("0115550300", name=text.replace("\n", "%0A"))
    phone.wait_for(200)
    member = switch.wait_waiting("helpdesk@fsapp")
    # A slow machine may have taken a second to get there.
    assert 0 <= int(member["base_score"]) - score < 10, "the table of members is whole"
    assert switch.variable(member["session_uuid"], "fsapp_class") == "service"
    assert switch.variable(member["session_uuid"], "fsapp_queue") == "helpdesk@fsapp"
    assert not mark.exists()


@pytest.mark.parametrize("text", TEXTS)
def test_a_caller_at_a_visit(switch: Switch, app: App, phone: Phone, text: str) -> None:
    mark = switch.folder / "mark"
    text = text.format(mark=mark)
    phone.call("0115550300", caller=quote(text, safe=""), name=text.replace("\n", "%0A"))
    headers = app.route("vip@fsapp", caller_id_name="clean", caller_id_number="anonymous")
    assert "variable_fsapp_class" not in headers
    assert headers["variable_fsapp_called"] == "0115550300"
    phone.wait_for(200)
    member = switch.wait_waiting("vip@fsapp")
    assert (member["cid_name"], member["cid_number"]) == ("clean", "anonymous")
    assert not mark.exists()


@pytest.mark.parametrize("extra", ["%24%7Bsystem(touch%20{mark})%7D", "%0Afsapp_class=callback", "%7C", "%25"])
def test_more_than_digits_in_the_number_called_is_not_our_number(switch: Switch, phone: Phone, extra: str) -> None:
    mark = switch.folder / "mark"
    phone.call("0115550300" + extra.format(mark=mark))
    assert phone.wait_for(400, 404, 416, 484, 503) != 200
    assert not mark.exists()


@pytest.mark.parametrize("extra", ["%0A", "%00", "%00${system(date)}"])
def test_what_the_switch_drops_after_the_number_is_not_copied(app: App, phone: Phone, extra: str) -> None:
    phone.call("0115550300" + quote(extra, safe="%"))
    assert app.route("helpdesk@fsapp")["variable_fsapp_called"] == "0115550300"
    phone.wait_for(200)


def test_a_caller_stays_who_he_was_when_he_came(switch: Switch, app: App, phone: Phone) -> None:
    """Though his phone says otherwise later on: the next decision would be made about somebody else."""
    phone.call("0115550300", caller="+381641111111", name="Eve")
    call = app.route("helpdesk@fsapp")["Unique-ID"]
    phone.wait_for(200)
    phone.rename("+381601234567", "a|b%0Avariable_fsapp_class: callback")
    switch.cli(f"uuid_transfer {call} fsapp-visit XML fsapp")
    headers = app.route("vip@fsapp")
    assert (headers["Caller-Caller-ID-Number"], headers["Caller-Caller-ID-Name"]) == ("+381641111111", "Eve")
    member = switch.wait_waiting("vip@fsapp")
    assert (member["cid_number"], member["cid_name"]) == ("+381641111111", "Eve")


def test_a_caller_is_not_told_which_agent_answers(switch: Switch, phone: Phone, agent: Desk) -> None:
    phone.call("0115550300", more="X-FS-Support: update_display,send_info\r\nAllow: INVITE, ACK, BYE, INFO, UPDATE\r\n")
    phone.wait_for(200)
    agent.answer()
    switch.wait_talking()
    agent.speak(440)
    heard = [phone.heard()]
    wait_until(lambda: heard.append(phone.heard()) or sum(heard) > 50, "they talk for a second")
    agent.hang_up()
    phone.wait_end()
    assert phone.asked == ["BYE"]
