"""The minimal configuration: it boots with the queues, agents and tiers of the rules, and lets nobody in by default."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from app import App
from browser import Browser
from desk import Desk
from machine import Switch, binary, wait_until
from phone import Phone

from fsapp.core.rules import Rules
from fsapp.rules import load_folder

ROOT = Path(__file__).resolve().parents[2]


def test_queues_and_tiers_are_those_of_the_rules(switch: Switch) -> None:
    rules = Rules.from_document(load_folder(ROOT / "conf/rules"))
    listed = [line.split("|")[0] for line in switch.cli("callcenter_config queue list").splitlines()[1:] if "|" in line]
    assert sorted(listed) == sorted(rules.queues)
    lines = switch.cli("callcenter_config tier list").splitlines()[1:]
    tiers = {(queue, agent): int(level) for queue, agent, _, level, _ in (x.split("|") for x in lines if "|" in x)}
    assert tiers == {
        (queue.name, agent): 11 - priority
        for queue in rules.queues.values() for agent, priority in queue.staff.items() if priority
    }


def test_loading_a_queue_logs_no_agent_out(switch: Switch) -> None:
    switch.cli("callcenter_config agent set status 1003 Available")
    try:
        for command in ("queue load vip@fsapp", "queue reload vip@fsapp", "agent reload 1003"):
            assert "+OK" in switch.cli(f"callcenter_config {command}")
            assert switch.cli("callcenter_config agent get status 1003").strip() == "Available", command
    finally:
        switch.cli("callcenter_config agent set status 1003 'Logged Out'")
    assert switch.cli("callcenter_config agent get status 1002").strip() == "Logged Out"


def faults(switch: Switch) -> list[str]:
    """What a boot has logged as wrong, calls not counted."""
    text = (switch.folder / "log/freeswitch.log").read_text(errors="replace").split("New Channel")[0]
    return [line for line in text.splitlines() if re.search(r"\[(?:ERR|CRIT|ALERT)\]", line)]


def test_the_log_of_a_boot_has_no_fault(switch: Switch) -> None:
    # There is no Redis, and the script inside the switch says so once.
    found = faults(switch)
    assert [line for line in found if "event='redis_lost'" not in line] == []
    assert len(found) == 1


def test_every_module_is_there(switch: Switch) -> None:
    text = (switch.folder / "conf/freeswitch/autoload_configs/modules.conf.xml").read_text()
    modules = re.findall(r'<load module="([^"]+)"', text)
    assert len(modules) > 10
    assert [name for name in modules if switch.cli(f"module_exists {name}") != "true"] == []


def test_everything_listens_on_loopback(switch: Switch) -> None:
    ports = {int(address.rsplit(":", 1)[1], 16) for address in switch.addresses()}
    assert {switch.trunk_port, switch.phone_port, switch.browser_port, switch.websocket_port, switch.peer_port,
            switch.event_port} <= ports
    assert [address for address in switch.addresses() if not address.startswith("0100007F:")] == []


def test_the_variables_name_the_switch_and_its_folders(switch: Switch) -> None:
    assert switch.cli("global_getvar fsapp_switch") == "main"
    assert switch.cli("switchname") == "main"
    assert switch.cli("global_getvar fsapp_recordings") == str(switch.folder / "recordings")
    assert switch.cli("global_getvar fsapp_cdr") == str(switch.folder / "log/json_cdr")


@pytest.mark.parametrize("password", ["ClueCon", "1234", "", "not\nset"])
def test_the_event_socket_wants_its_own_password(switch: Switch, password: str) -> None:
    assert "UP" not in switch.cli("status", password)


def responds(port: int) -> bool:
    """Whether something is bound to a UDP port: a datagram to a port without one comes back as an error."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip:
        sip.settimeout(1)
        sip.connect(("127.0.0.1", port))
        try:
            sip.send(b"OPTIONS sip:x SIP/2.0\r\n\r\n")
            sip.send(b"\r\n")
        except ConnectionRefusedError:
            return False
    return True


@pytest.mark.parametrize("given", [None, "", "ClueCon", "1234"])
def test_without_a_password_of_its_own_nobody_gets_in(tmp_path: Path, given: str | None) -> None:
    found = binary()
    assert found is not None
    environment = {} if given is None else {"FSAPP_SWITCH_PASSWORD": given, "FSAPP_PHONE_PASSWORD": given}
    switch = Switch(found, tmp_path, environment)
    try:
        switch.start(ready=switch.listens)
        for guess in ("ClueCon", "1234", "", "not", "not\nset", "not&#10;set"):
            assert "UP" not in switch.cli("status", guess)
        wait_until(lambda: responds(switch.phone_port), "the phones' profile answers")
        with Desk(switch.phone_port, "1004") as desk:
            for guess in ("", "1234", "phone", "not\nset"):
                assert desk.register(guess) == 403
        with Browser(switch.websocket_port, "1004") as browser:
            for guess in ("", "1234", "phone"):
                assert browser.register(guess) == 403
        said = "FSAPP_SWITCH_PASSWORD is a password everybody knows" in (tmp_path / "output").read_text()
        assert said == bool(given)
    finally:
        switch.stop()


def test_an_agents_phone_registers_with_the_password_and_is_found(switch: Switch) -> None:
    with Desk(switch.phone_port, "1005") as desk:
        for guess in ("", "wrong"):
            assert desk.register(guess) == 403
        assert "error" in switch.cli("sofia_contact phones/1005@fsapp")
        assert desk.register("phone") == 200
    assert switch.cli("sofia_contact phones/1005@fsapp").startswith("sofia/phones/sip:1005@127.0.0.1:")


def test_a_switch_without_mod_python3_starts_and_says_so_once(switch: Switch, tmp_path: Path) -> None:
    found = binary()
    assert found is not None
    modules = tmp_path / "modules"
    modules.mkdir()
    for path in Path(switch.cli("global_getvar mod_dir")).glob("*.so"):
        if path.name != "mod_python3.so":
            (modules / path.name).symlink_to(path)
    without = Switch(found, tmp_path / "switch", modules=modules)
    without.folder.mkdir()
    try:
        without.start()
        [line] = faults(without)
        assert "[CRIT]" in line
        assert "Error Loading module" in line
        assert "mod_python3.so" in line
        with App(without.app_port) as app, Phone(without.trunk_port) as phone:
            phone.call("0115550300")
            assert app.route("helpdesk@fsapp")["variable_fsapp_called"] == "0115550300"
    finally:
        without.stop()
