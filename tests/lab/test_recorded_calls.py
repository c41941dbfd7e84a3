"""Recorded calls through `fsapp serve` on the lab switch: one file a talk, told once, and nothing of who gave up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from lab_centre import DOCUMENT, ROOT, Centre
from lab_ends import until

from fsapp.core.recording import read_name
from fsapp.lab.callcenter import Agent, from_rules
from fsapp.lab.cc_load import FILE, written
from fsapp.lab.channel import Channel
from fsapp.lab.clock import Clock
from fsapp.lab.dialplan import load_folder as load_dialplan
from fsapp.lab.offering import Reaction
from fsapp.lab.switch import Switch

CUSTOMER = "+381601234567"


def recorded(record: str = "both", announce: bool = True) -> dict[str, Any]:
    """The example's rules, with its campaign recorded."""
    document = deepcopy(DOCUMENT)
    document["campaign"]["renewals"] |= {"record": record, "announce": announce}
    document["centre"]["agent_wait_s"] = 4
    return document


class Floor:
    """A lab switch whose agents are logged out and answer at once, and what it played to callers."""

    def __init__(self, centre: Centre, folder: Path) -> None:
        self.recordings = folder / "recordings"
        self.sounds = folder / "sounds"
        self.sounds.mkdir()
        (self.sounds / "recording.wav").write_bytes(b"")
        plan = load_dialplan(ROOT / "dialplan", {
            "fsapp_socket": centre.listen, "recordings_dir": str(self.recordings), "fsapp_sounds": str(self.sounds)})
        rules = centre.rules.current().rules()
        _, tiers = from_rules(rules.queues.values())
        self.switch = Switch(
            plan, (), [Agent(name, status="Logged Out") for name in rules.agents], tiers, clock=Clock(10),
            phone=lambda _agent, _channel: Reaction("", 1, None), xml_handler="fsapp_queues",
            files={FILE: written((), (), ())},
            variables={"fsapp_redis_url": centre.redis.url, "fsapp_snapshot": centre.snapshot},
        )
        self.played: list[str] = []
        self.switch.start()

    def call(self, caller: str = CUSTOMER, called: str = "+381115550100") -> Channel:
        channel = self.switch.call(caller, called)
        channel.execute = self._heard(channel.execute)
        return channel

    def _heard(self, execute: Callable[..., None]) -> Callable[..., None]:
        def run(application: str, data: str, *more: Any) -> None:
            if application == "playback":
                self.played.append(data.rpartition("/")[2])
            execute(application, data, *more)

        return run

    def available(self, *agents: str) -> None:
        for agent in agents:
            self.switch.api(f"callcenter_config agent set status {agent} Available")

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.recordings)) for path in self.recordings.rglob("*.wav"))


@pytest.fixture
def make_floor(redis_server: Any, tmp_path: Path) -> Iterator[Callable[..., Floor]]:
    made: list[tuple[Centre, Floor]] = []

    def make(document: dict[str, Any], contacts: dict[str, str | None]) -> Floor:
        centre = Centre(redis_server, tmp_path, document)
        centre.import_contacts(contacts)
        centre.start_serve()
        floor = Floor(centre, tmp_path)
        made.append((centre, floor))
        return floor

    yield make
    for centre, floor in made:
        floor.switch.stop()
        centre.close()


def test_one_file_of_a_talk_whatever_queues_came_before(make_floor: Callable[..., Floor]) -> None:
    floor = make_floor(recorded(), {CUSTOMER: "1001"})
    call = floor.call()
    until(lambda: call.get("fsapp_queue") == "renewals.first-call@fsapp", "the wait for ana is over")
    assert floor.files() == []
    floor.available("1002")
    until(lambda: call.bridged, "they talk")
    [name] = floor.files()
    read = read_name(name)
    assert read is not None
    assert (read.call_class, read.place, read.number, read.call) == (
        "callback", "renewals/first-call", CUSTOMER, call.uuid)
    assert read.contact == call.get("fsapp_contact")
    assert floor.played.count("recording.wav") == 1
    leg = call.other_leg
    assert leg is not None
    assert leg.get("alert_info") == "<http://127.0.0.1>;info=callback"
    assert (leg.get("fsapp_class"), leg.get("fsapp_decision")) == ("callback", call.get("fsapp_decision"))
    call.hangup("NORMAL_CLEARING", "caller")
    call.finished.wait(20)
    assert floor.files() == [name]


def test_nothing_is_left_of_a_caller_who_gives_up(make_floor: Callable[..., Floor]) -> None:
    floor = make_floor(recorded(), {CUSTOMER: None})
    call = floor.call()
    until(lambda: call.joined_at is not None, "the caller waits")
    assert call.get("fsapp_recording")
    call.hangup("ORIGINATOR_CANCEL", "caller")
    call.finished.wait(20)
    assert not floor.recordings.exists()


def test_a_call_that_is_not_to_be_recorded_is_not(make_floor: Callable[..., Floor]) -> None:
    """It waits for the same agent, whose queue serves recorded calls as well."""
    floor = make_floor(recorded(), {})
    floor.available("1004")
    call = floor.call(caller="+38163555555")
    until(lambda: call.bridged, "they talk")
    assert call.get("fsapp_class") == "service"
    assert (floor.files(), floor.played.count("recording.wav")) == ([], 0)
    assert call.other_leg is not None
    assert not call.other_leg.get("alert_info")


def test_what_cannot_be_announced_is_not_recorded(make_floor: Callable[..., Floor]) -> None:
    floor = make_floor(recorded(), {CUSTOMER: None})
    (floor.sounds / "recording.wav").unlink()
    floor.available("1001")
    call = floor.call()
    until(lambda: call.bridged, "they talk")
    assert call.get("fsapp_announce") == "failed"
    assert floor.files() == []
    assert [name for name in floor.played if name.startswith("tone_stream") or "%(" in name], "a tone instead"


def test_who_is_not_to_be_told_is_not(make_floor: Callable[..., Floor]) -> None:
    floor = make_floor(recorded(announce=False), {CUSTOMER: None})
    floor.available("1001")
    call = floor.call()
    until(lambda: call.bridged, "they talk")
    assert len(floor.files()) == 1
    assert floor.played.count("recording.wav") == 0
