"""Two real switches, one `fsapp serve`, one Redis: a call that lands on the one is answered on the other, its home."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from desk import Desk
from machine import PERSONAL_WAIT_S, Switch, binary, rules_document, wait_until
from phone import Phone, knock
from test_hostile import TEXTS

from fsapp.rules import to_toml
from fsapp.state import keys, stream

CALLER = "+381601234567"      # an open contact of nobody's in particular
DEJANS = "+381601234568"      # one of agent 1004's
DEADLINE_S = 30
SILENCE_MS = 1500
# What a caller may send to be taken for a carried call, or to have it expanded.
FORGED = "".join(f"X-fsapp-{name}: {text}\r\n" for name, text in {
    "class": "callback", "queue": "vip@fsapp", "score": "2000000000", "agent": "1005", "line": "${{system(touch {0})}}",
    "decision": "${{system(touch {0})}}", "evil": "${{system(touch {0})}}",
}.items())


class Pair:
    """Two switches: all queues are at home on `home`; callers land on `far`."""

    def __init__(self, folder: Path) -> None:
        found = binary()
        assert found is not None
        names = ("far", "home")
        self.far, self.home = switches = [
            Switch(found, folder / name, variables={
                "fsapp_switch": name, "fsapp_carry_silence": str(SILENCE_MS), "fsapp_peer_from": "127.0.0.1/32"})
            for name in names
        ]
        self.rules = rules_document()
        self.rules["centre"]["home"] = "home"
        self.rules["line"]["vip"] |= {"record": "stereo", "announce": True}
        self.rules["switch"] = {
            name: {"sip": f"127.0.0.1:{one.peer_port}"} for name, one in zip(names, switches, strict=True)}
        for one in switches:
            one.folder.mkdir()
            one.document = self.rules
        # One fsapp serves both: the call says which switch it is on.
        self.far.app_port = self.home.app_port

    def start(self) -> None:
        self.far.start()
        self.home.start()

    def settle(self) -> None:
        for one in (self.far, self.home):
            one.settle()
            wait_until(lambda one=one: "|Waiting|" not in one.cli("callcenter_config queue list members"), "all left")

    def stop(self) -> None:
        self.far.stop()
        self.home.stop()


@pytest.fixture(scope="module")
def running_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    pair = Pair(tmp_path_factory.mktemp("pair"))
    try:
        pair.start()
        yield pair
    finally:
        pair.stop()


@pytest.fixture
def pair(running_pair: Pair, redis_server: Any, redis_client: Any, tmp_path: Path) -> Iterator[Pair]:
    """The two switches with their `fsapp serve`, no calls, and two open contacts."""
    running_pair.settle()
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "rules.toml").write_text(to_toml(running_pair.rules), encoding="utf-8")
    environment = os.environ | {
        "FSAPP_REDIS_URL": redis_server.url, "FSAPP_RULES": str(rules), "FSAPP_HTTP": "127.0.0.1:0",
        "FSAPP_LISTEN": f"127.0.0.1:{running_pair.far.app_port}", "FSAPP_SNAPSHOT": str(tmp_path / "snapshot"),
    }
    environment.pop("FSAPP_CONFIG", None)
    (tmp_path / "contacts.csv").write_text(f"number,agent\n{CALLER},\n{DEJANS},dejan@example.com\n")
    for command in ("rules load", f"contacts import {tmp_path}/contacts.csv --campaign renewals --stage first-call"):
        subprocess.run([sys.executable, "-m", "fsapp", *command.split()], env=environment, check=True,
                       timeout=DEADLINE_S, capture_output=True)
    log = tmp_path / "serve"
    with open(log, "wb") as output:
        serve = subprocess.Popen(
            [sys.executable, "-m", "fsapp", "serve"], env=environment, stdout=output, stderr=output)
    try:
        wait_until(lambda: b"serving" in log.read_bytes() and b"rules_in_force" in log.read_bytes(), "fsapp serves")
        yield running_pair
    finally:
        running_pair.settle()
        serve.kill()
        serve.wait(DEADLINE_S)


@pytest.fixture
def phone(pair: Pair) -> Iterator[Phone]:
    with Phone(pair.far.trunk_port) as phone:
        yield phone


def landed(pair: Pair) -> str:
    """The uuid of the caller's leg, on the switch where the call landed."""
    def legs() -> list[str]:
        rows = json.loads(pair.far.cli("show channels as json")).get("rows", [])
        return [row["uuid"] for row in rows if row["name"].startswith("sofia/trunks/")]

    wait_until(legs, "the switch lists the call")
    [leg] = legs()
    return leg


def happened(redis_client: Any, *types: str) -> list[dict[str, Any]]:
    """The events of these types, in order."""
    found = [stream.decode(fields[stream.FIELD]) for _, fields in redis_client.xrange(keys.EVENTS)]
    return [event for event in found if event["type"] in types]


def test_a_call_is_answered_at_home_with_its_class_score_and_decision(
    pair: Pair, phone: Phone, redis_client: Any, tmp_path: Path,
) -> None:
    mark = tmp_path / "mark"
    phone.call("0115550100", name="Eve|${system(date)}", more=FORGED.format(mark))
    phone.wait_for(200)
    member = pair.home.wait_waiting("renewals.first-call@fsapp")
    call, first = member["session_uuid"], landed(pair)
    for name in ("class", "queue", "decision", "reason", "contact", "campaign", "stage"):
        assert pair.home.variable(call, f"fsapp_{name}") == pair.far.variable(first, f"fsapp_{name}"), name
    assert pair.home.variable(call, "fsapp_class") == "callback"
    assert pair.home.variable(call, "cc_base_score") == "305003580"
    for name in ("line", "agent"):
        assert pair.home.variable(call, f"fsapp_{name}") is None, "the caller's own header does not go along"
    assert (member["cid_number"], member["cid_name"]) == (CALLER, pair.far.variable(first, "caller_id_name"))
    with Desk(pair.home.phone_port, "1001") as desk:
        assert desk.register("phone") == 200
        pair.home.cli("callcenter_config agent set status 1001 Available")
        try:
            desk.answer()
            pair.home.wait_talking()
            # Neither the agent's phone nor the caller's sends any sound: that is no dead switch.
            packets = [phone.heard()]
            wait_until(lambda: packets.append(phone.heard()) or sum(packets) * 20 > 2 * SILENCE_MS, "the caller hears")
            pair.home.wait_talking()
            desk.hang_up()
            phone.wait_end()
        finally:
            pair.home.cli("callcenter_config agent set status 1001 'Logged Out'")
    assert not mark.exists()
    carried, arrived, ended = happened(redis_client, "call_carried", "call_arrived", "call_ended")
    assert [event["type"] for event in (carried, arrived, ended)] == ["call_carried", "call_arrived", "call_ended"]
    assert (carried["call"], carried["from"], carried["to"]) == (first, "far", "home")
    assert (arrived["call"], arrived["carried_call"]) == (call, first)
    assert carried["decision"] == arrived["decision"] == ended["decision"]
    assert ended["agent"] == "1001"


def test_after_the_agents_queue_the_next_one_with_the_time_waited(pair: Pair, phone: Phone) -> None:
    phone.call("0115550100", caller=DEJANS)
    pair.home.wait_waiting("agent-1004@fsapp")
    member = pair.home.wait_waiting("renewals.first-call@fsapp")
    assert int(member["base_score"]) >= 305003580 + PERSONAL_WAIT_S
    assert pair.home.variable(member["session_uuid"], "fsapp_tried") == "agent-1004@fsapp,renewals.first-call@fsapp"
    for one, legs in ((pair.far, 2), (pair.home, 1)):
        total = f"{legs} total"
        wait_until(lambda one=one, total=total: total in one.cli("show channels count"), "one leg goes to the home")


def test_a_home_that_dies_loses_no_caller_and_gets_him_back(pair: Pair, phone: Phone) -> None:
    phone.call("0115550300", caller="+381641111111")
    pair.home.wait_waiting("helpdesk@fsapp")
    first = landed(pair)
    pair.home.kill()
    try:
        member = pair.far.wait_waiting("helpdesk@fsapp")
        assert member["session_uuid"] == first
        assert not phone.ended
    finally:
        pair.home.restart(new_database=False)
    member = pair.home.wait_waiting("helpdesk@fsapp")
    assert int(member["base_score"]) > 101003540, "the time waited counts"
    assert landed(pair) == first


def test_a_home_that_is_shut_down_loses_no_caller(pair: Pair, phone: Phone) -> None:
    phone.call("0115550300", caller="+381641111111")
    pair.home.wait_waiting("helpdesk@fsapp")
    pair.home.stop()
    try:
        pair.far.wait_waiting("helpdesk@fsapp")
        assert not phone.ended
    finally:
        pair.home.restart(new_database=False)


def test_forged_headers_gain_nothing_at_home(pair: Pair, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    assert knock(pair.home.peer_port, "fsapp-carried", source="127.0.0.2", more=FORGED.format(mark)) == 403
    with Phone(pair.home.trunk_port) as phone:
        phone.call("0115550300", caller="+381641111111", more=FORGED.format(mark))
        phone.wait_for(200)
        member = pair.home.wait_waiting("helpdesk@fsapp")
        assert member["base_score"] == "101003540"
        assert pair.home.variable(member["session_uuid"], "fsapp_class") == "service"
    assert not mark.exists()


def test_the_home_records_what_was_announced_where_the_call_landed(pair: Pair, phone: Phone) -> None:
    phone.call("0115550900", caller="+381641111111")
    phone.wait_for(200)
    member = pair.home.wait_waiting("vip@fsapp")
    first = landed(pair)
    name = pair.far.variable(first, "fsapp_recording")
    assert name is not None
    assert name.endswith(f"Z_service_vip_+381641111111_{first}.wav")
    assert pair.home.variable(member["session_uuid"], "fsapp_recording") == name
    with Desk(pair.home.phone_port, "1004") as desk:
        assert desk.register("phone") == 200
        pair.home.cli("callcenter_config agent set status 1004 Available")
        try:
            desk.answer()
            pair.home.wait_talking()
            wait_until((pair.home.folder / "recordings" / name).exists, "the home records")
        finally:
            pair.home.cli("callcenter_config agent set status 1004 'Logged Out'")
    assert not list((pair.far.folder / "recordings").rglob("*.wav")), "one recording is enough"
    logs = [(one.folder / "log/freeswitch.log").read_text(errors="replace") for one in (pair.far, pair.home)]
    assert [re.search(r"playback\(.*/recording\.wav\)", log) is not None for log in logs] == [True, False]


@pytest.mark.parametrize("text", TEXTS)
def test_a_hostile_caller_is_carried_as_any_other(pair: Pair, phone: Phone, tmp_path: Path, text: str) -> None:
    mark = tmp_path / "mark"
    text = text.format(mark=mark)
    phone.call("0115550300", caller=quote(text, safe=""), name=text.replace("\n", "%0A"))
    member = pair.home.wait_waiting("helpdesk@fsapp")
    assert member["base_score"] == "101003540", "the table of members is whole"
    assert pair.home.variable(member["session_uuid"], "fsapp_class") == "service"
    assert not mark.exists()
