"""Recorded calls through `fsapp serve` on the lab switch: one file a talk, told once, and nothing of who gave up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lab_centre import DOCUMENT, ROOT, Centre
from lab_ends import until

from fsapp.app.link import LinkProcess
from fsapp.core.recording import file_name, read_name
from fsapp.errors import RequestRefused
from fsapp.lab.callcenter import Agent, from_rules
from fsapp.lab.cc_load import FILE, written
from fsapp.lab.channel import Channel
from fsapp.lab.clock import Clock
from fsapp.lab.dialplan import load_folder as load_dialplan
from fsapp.lab.esl_in import EventSocket
from fsapp.lab.offering import Reaction
from fsapp.lab.switch import Switch
from fsapp.state.requests import ask

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
        self.centre = centre
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


@pytest.fixture
def start_link(make_socket: Callable[[Switch], EventSocket]) -> Iterator[Callable[[Floor], LinkProcess]]:
    made: list[LinkProcess] = []

    def start(floor: Floor) -> LinkProcess:
        host, port = make_socket(floor.switch).address
        made.append(LinkProcess(floor.centre.redis.settings.model_copy(update={
            "switch": f"{host}:{port}", "switch_password": "ClueCon", "link_http": "127.0.0.1:0",
            "recordings": str(floor.recordings),
        })))
        made[-1].start()
        until(lambda: made[-1].watch.up, "the link is up")
        return made[-1]

    yield start
    for process in made:
        process.stop()


def told(floor: Floor, *types: str) -> list[dict[str, Any]]:
    return [event for event in floor.centre.events() if event["type"] in types]


def test_paused_and_resumed_through_the_link(
    make_floor: Callable[..., Floor], start_link: Callable[[Floor], LinkProcess],
) -> None:
    floor = make_floor(recorded(), {CUSTOMER: None})
    link = start_link(floor)
    floor.available("1001")
    call = floor.call()
    until(lambda: call.bridged, "they talk")
    [running] = call.recordings.running.values()
    [name] = floor.files()

    def request(mask: bool, **what: str) -> dict[str, Any]:
        return ask(floor.centre.client, "main", {"do": "recording", "mask": mask, **what})

    assert request(True, call=call.uuid) == {"call": call.uuid, "file": name, "paused": True}
    assert running.masked
    assert request(False, call=call.uuid)["paused"] is False
    assert not running.masked
    # The agent's own leg will do, and so will the agent.
    assert call.other_leg is not None
    assert request(True, call=call.other_leg.uuid)["call"] == call.uuid
    until(lambda: link.watch.seen.members, "the link knows who talks")
    until(lambda: any(m.state == "Answered" for m in link.watch.seen.members.values()), "and that they talk")
    assert request(False, agent="1001")["call"] == call.uuid
    assert not running.masked
    until(lambda: len(told(floor, "recording_paused", "recording_resumed")) == 4, "all is told")
    paused, resumed = told(floor, "recording_paused"), told(floor, "recording_resumed")
    assert {(one["call"], one["file"], one["class"], one["agent"]) for one in paused + resumed} <= {
        (call.uuid, name, "callback", "1001"), (call.uuid, name, "callback", None)}
    assert len({one["id"] for one in paused + resumed}) == 4
    call.hangup("NORMAL_CLEARING", "caller")
    call.finished.wait(20)
    for what, fault in (
        ({"call": call.uuid}, "no call"), ({"call": "x y"}, "is no uuid"), ({"agent": "1001"}, "is not talking"),
        ({"agent": "4711"}, "no agent"), ({}, "a call or an"), ({"call": "a", "agent": "b"}, "a call or an agent"),
    ):
        until(lambda: not link.watch.seen.calls and not link.watch.seen.members, "the link knows that it is over")
        with pytest.raises(RequestRefused, match=fault):
            request(True, **what)


def test_who_only_waits_or_is_not_recorded_cannot_be_paused(
    make_floor: Callable[..., Floor], start_link: Callable[[Floor], LinkProcess],
) -> None:
    floor = make_floor(recorded(), {CUSTOMER: None})
    start_link(floor)
    waiting, other = floor.call(), floor.call(caller="+38163555555")
    until(lambda: waiting.joined_at is not None and other.joined_at is not None, "both wait")
    for call, fault in ((waiting, "nothing is recorded of call"), (other, "is not recorded")):
        with pytest.raises(RequestRefused, match=fault):
            ask(floor.centre.client, "main", {"do": "recording", "mask": True, "call": call.uuid})


def test_the_link_removes_what_is_too_old(
    make_floor: Callable[..., Floor], start_link: Callable[[Floor], LinkProcess], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fsapp.link.recordings.FIRST_S", 0.1)
    document = recorded()
    document["campaign"]["renewals"]["record_days"] = 10
    floor = make_floor(document, {})
    now = datetime.now(UTC)
    old, young = (
        floor.recordings / file_name(now - timedelta(days=days), "callback", "renewals/first-call", CUSTOMER, "u")
        for days in (11, 9)
    )
    for path in (old, young):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * 100)
    start_link(floor)
    until(lambda: not old.parent.exists(), "the old one and its folder are gone")
    assert young.exists()
    until(lambda: told(floor, "recordings_removed"), "it is told")
    [event] = told(floor, "recordings_removed")
    assert (event["files"], event["bytes"], event["kept"]) == (1, 100, 1)
