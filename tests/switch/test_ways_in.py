"""Who gets in by which profile, and how calls go out: trunks, phones, browsers, other switches. No fsapp here."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser
from customer import Customer
from desk import Desk
from machine import PASSWORD, Switch, binary, wait_until
from phone import DEADLINE_S, Phone, knock

SECRET = "of-the-trunk"
DIFFICULT = """a&b<c>"d" 'e' $f %{g} \\h;i"""


def test_a_browser_registers_with_the_password_and_is_found(switch: Switch) -> None:
    with Browser(switch.websocket_port, "1006") as browser:
        assert b"101 Switching Protocols" in browser.greeting
        for guess in ("", "1234", "wrong"):
            assert browser.register(guess) == 403
        assert "error" in switch.cli("sofia_contact browsers/1006@fsapp")
        assert browser.register("phone") == 200
        assert switch.cli("sofia_contact */1006@fsapp").startswith("sofia/browsers/sip:1006@")
        wait_until(lambda: "1006,fsapp" in switch.cli("show registrations"), "the registration is listed")
        assert "sofia/browsers/sip:1006@" in switch.cli("show registrations")


def test_the_browser_rings_when_it_is_all_an_agent_has(switch: Switch) -> None:
    with Browser(switch.websocket_port, "1002") as browser:
        assert browser.register("phone") == 200
        switch.cli("bgapi originate user/1002@fsapp &park")
        invite = browser.decline()
    assert "RTP/SAVPF" in invite, "sound as browsers speak it"
    assert re.search(r"(?m)^a=candidate:.* 127\.0\.0\.1 ", invite)


def test_desk_and_browser_both_ring_and_the_desk_answers(switch: Switch) -> None:
    with Browser(switch.websocket_port, "1003") as browser, Desk(switch.phone_port, "1003") as desk:
        assert browser.register("phone") == desk.register("phone") == 200
        contacts = switch.cli("sofia_contact */1003@fsapp")
        assert sorted(re.findall(r"sofia/([a-z]+)/", contacts)) == ["browsers", "phones"]
        switch.cli("bgapi originate user/1003@fsapp &park")
        browser.decline()
        desk.answer()
        wait_until(lambda: ",ACTIVE," in switch.cli("show channels"), "the desk is connected")
        desk.hang_up()


def test_of_two_pages_the_second_counts_and_a_closed_page_is_gone(switch: Switch) -> None:
    with Browser(switch.websocket_port, "1002") as first, Browser(switch.websocket_port, "1002") as second:
        assert first.register("phone") == second.register("phone") == 200
        wait_until(lambda: switch.cli("show registrations").count("1002,fsapp") == 1, "one of them is listed")
        assert switch.cli("sofia_contact */1002@fsapp").count("sofia/browsers/") == 1
    wait_until(lambda: "error" in switch.cli("sofia_contact */1002@fsapp"), "nobody is there any more")
    wait_until(lambda: "1002,fsapp" not in switch.cli("show registrations"), "nobody is listed any more")


def test_who_is_not_registered_does_not_ring(switch: Switch) -> None:
    assert "-ERR" in switch.cli("originate user/1001@fsapp &park")
    assert "-ERR" in switch.cli("originate user/9999@fsapp &park")


def test_one_line_adds_an_agents_phone_or_gives_it_a_password_of_its_own(switch: Switch) -> None:
    users = switch.folder / "conf/freeswitch/own/users.xml"
    param = '<params><param name="password" value="for-1005"/></params>'
    users.write_text(f'<include>\n<user id="1007"/>\n<user id="1005">{param}</user>\n</include>\n')
    switch.cli("reloadxml")
    try:
        with Desk(switch.phone_port, "1007") as desk:
            assert desk.register("for-1005") == 403
            assert desk.register("phone") == 200
        with Desk(switch.phone_port, "1005") as desk, Browser(switch.websocket_port, "1005") as browser:
            assert desk.register("phone") == browser.register("phone") == 403
            assert desk.register("for-1005") == browser.register("for-1005") == 200
    finally:
        users.unlink()
        switch.cli("reloadxml")
    with Desk(switch.phone_port, "1007") as desk:
        assert desk.register("phone") == 403


def test_nobody_registers_where_only_calls_come_in(switch: Switch) -> None:
    with Desk(switch.trunk_port, "1001") as desk:
        assert desk.register("phone") == 405
    assert "error" in switch.cli("sofia_contact */1001@fsapp")


def test_a_phone_makes_no_calls(switch: Switch) -> None:
    with Phone(switch.phone_port) as phone:
        phone.call("1001")
        assert phone.wait_for(401, 403, 407) in (401, 403, 407)


def test_nor_does_it_have_us_make_one(switch: Switch, agent: Desk) -> None:
    """A phone that redirects its calls, to a premium number say, would call at our cost."""
    with Customer() as dear:
        switch.cli("bgapi originate user/1004@fsapp &park")
        agent.redirect(f"sip:0900123456@127.0.0.1:{dear.port}")
        wait_until(lambda: dear.rings() or switch.cli("show channels count").startswith("0 total"), "it ends")
        assert not dear.rings()


def test_the_switchs_own_endpoints_make_calls(switch: Switch) -> None:
    assert switch.cli("originate null/caller &park").startswith("+OK")
    assert switch.cli("originate loopback/answer/demo &park").startswith("-ERR"), "there is no context demo"
    assert switch.cli("originate error/user_busy &park") == "-ERR USER_BUSY"


class Provider:
    """Listens like a provider's switch: what it is sent, word for word. It answers nothing."""

    def __init__(self) -> None:
        self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sip.bind(("127.0.0.1", 0))
        self._sip.settimeout(DEADLINE_S)
        self.address = f"127.0.0.1:{self._sip.getsockname()[1]}"

    def wait_for(self, method: str) -> str:
        while True:
            message = self._sip.recv(65536).decode(errors="replace")
            if message.startswith(f"{method} "):
                return message

    def close(self) -> None:
        self._sip.close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.close()


@pytest.fixture
def another_switch(tmp_path: Path) -> Iterator:
    """Starts a switch of its own with these variables: `another_switch(fsapp_trunk="plain")`."""
    found = binary()
    assert found is not None
    switches = []

    def start(**variables: str) -> Switch:
        environment = {"FSAPP_SWITCH_PASSWORD": PASSWORD, "FSAPP_TRUNK_PASSWORD": SECRET,
                       "FSAPP_PHONE_PASSWORD": DIFFICULT}
        switches.append(Switch(found, tmp_path, environment, variables))
        switches[-1].start()
        return switches[-1]

    yield start
    for switch in switches:
        switch.stop()


def test_strangers_reach_neither_our_numbers_nor_the_other_switches_door(another_switch, provider: Provider) -> None:
    switch = another_switch(
        fsapp_trunk_from="192.0.2.0/24,198.51.100.7/32", fsapp_peer_from="192.0.2.0/24",
        fsapp_trunk="plain", fsapp_trunk_host=provider.address)
    with Phone(switch.trunk_port) as phone:
        phone.call("0115550300")
        assert phone.wait_for(403) == 403
        assert phone.heard() == 0
    assert knock(switch.peer_port, "fsapp-carried") == 403
    switch.cli("bgapi originate {origination_caller_id_number=+381115550100}sofia/gateway/trunk/+381601234567 &park")
    invite = provider.wait_for("INVITE")
    assert invite.startswith("INVITE sip:+381601234567@")
    assert re.search(r'(?m)^From: .*<sip:\+381115550100@', invite), "the caller ID is shown"
    assert re.search(r'(?m)^P-Asserted-Identity: .*<sip:\+381115550100@', invite)
    assert not re.search(r"(?mi)^Privacy: .*id", invite)


def test_a_trunk_registers_where_it_is_told_to(another_switch, provider: Provider) -> None:
    switch = another_switch(fsapp_trunk="registered", fsapp_trunk_host=provider.address, fsapp_trunk_user="centre")
    register = provider.wait_for("REGISTER")
    assert re.search(r"(?m)^From: <sip:centre@", register)
    assert SECRET not in register
    assert "trunk" in switch.cli("sofia status")
    assert knock(switch.peer_port, "fsapp-carried") == 403, "nobody is another switch until it is said who"
    with Desk(switch.phone_port, "1001") as desk:
        assert desk.register(DIFFICULT) == 200, "any character may be in a password"


def test_without_a_trunk_no_call_goes_out(switch: Switch) -> None:
    assert "gateway" not in switch.cli("sofia status")
    assert switch.cli("originate sofia/gateway/trunk/+381601234567 &park").startswith("-ERR")


def test_another_switch_may_carry_calls_here_and_nothing_else(switch: Switch) -> None:
    for called in ("fsapp-queue", "0115550300", "fsapp-visit", "fsapp-carry", "x"):
        assert knock(switch.peer_port, called) == 403, called
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip:
        sip.connect(("127.0.0.1", switch.peer_port))
        with pytest.raises(ConnectionRefusedError):
            for _ in range(2):
                sip.send(b"OPTIONS sip:x SIP/2.0\r\n\r\n")

