"""Recording on a real switch: what is in the files, and when there is none. The call is told what fsapp tells it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from app import EXIT, App, execute
from desk import Desk
from machine import PASSWORD, Switch, wait_until
from phone import Phone
from sound import RATE, channels, loudness, rms

from fsapp.app.link import LinkProcess
from fsapp.errors import RecordingError
from fsapp.state.requests import ask
from fsapp.state.stream import tail
from fsapp.telephony.link import Link
from fsapp.telephony.recording import pause

CALLER_HZ, AGENT_HZ = 440, 1000
QUEUE = "helpdesk@fsapp"
NAME = "2026-03-29/003530Z_callback_renewals.first-call_+381601234567_{}.wav"
LOUD, SILENT = 500, 60  # of tones that are said with 8000
HEARD_S = 1.0


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A file of this test's own."""
    return NAME.format(re.sub("[^a-z0-9]+", "-", request.node.name.lower())[:40])


@pytest.fixture
def path(switch: Switch, name: str) -> Path:
    return switch.folder / "recordings" / name


@pytest.fixture
def talk(switch: Switch, app: App, phone: Phone, agent: Desk, name: str, path: Path) -> Callable[..., str]:
    """A recorded call in which both talk, and go on talking; its uuid."""
    def talk(sides: str, **more: str) -> str:
        phone.call("0115550300")
        call = app.route(QUEUE, fsapp_record=sides, fsapp_recording=name, **more)["Unique-ID"]
        phone.wait_for(200)
        agent.answer()
        phone.speak(CALLER_HZ)
        agent.speak(AGENT_HZ)
        switch.wait_talking()
        wait_until(path.exists, "the recording begins")
        return call

    return talk


def end(switch: Switch, phone: Phone, path: Path) -> list[tuple[int, ...]]:
    """The sound of each channel, when the caller has hung up."""
    phone.hang_up()
    switch.settle()
    return channels(path)


def middle(samples: tuple[int, ...]) -> tuple[int, ...]:
    return samples[len(samples) // 4: -len(samples) // 4]


def after(switch: Switch, call: str, seconds: float) -> None:
    """Until a recording has become longer by this."""
    start = int(switch.cli(f"eval uuid:{call} ${{strepoch()}}"))
    wait_until(lambda: int(switch.cli(f"eval uuid:{call} ${{strepoch()}}")) >= start + 1 + seconds, "time passes")


@pytest.mark.parametrize(("sides", "heard"), [
    ("stereo", [{CALLER_HZ}, {AGENT_HZ}]),
    ("both", [{CALLER_HZ, AGENT_HZ}]),
    ("caller", [{CALLER_HZ}]),
    ("agent", [{AGENT_HZ}]),
])
def test_the_voices_are_in_their_channels(
    switch: Switch, phone: Phone, talk: Callable[..., str], path: Path, sides: str, heard: list[set[int]],
) -> None:
    call = talk(sides)
    after(switch, call, HEARD_S)
    found = end(switch, phone, path)
    assert [{hz for hz in (CALLER_HZ, AGENT_HZ) if loudness(middle(one), hz) > LOUD} for one in found] == heard
    assert [{hz for hz in (CALLER_HZ, AGENT_HZ) if loudness(middle(one), hz) > SILENT} for one in found] == heard
    assert len(found[0]) >= HEARD_S * RATE


def test_nothing_is_written_of_a_caller_who_waits_and_gives_up(
    switch: Switch, app: App, phone: Phone, name: str, path: Path,
) -> None:
    phone.call("0115550300")
    app.route(QUEUE, fsapp_record="both", fsapp_recording=name)
    phone.wait_for(200)
    phone.speak(CALLER_HZ)
    call = switch.wait_waiting(QUEUE)["session_uuid"]
    after(switch, call, HEARD_S)
    assert not path.parent.exists() or not path.exists()
    phone.hang_up()
    switch.settle()
    assert not path.exists()


def test_a_paused_part_is_silence_of_its_length(
    switch: Switch, phone: Phone, talk: Callable[..., str], name: str, path: Path,
) -> None:
    call = talk("stereo")
    agents = switch.variable(call, "cc_agent_uuid")
    assert agents is not None
    with Link("127.0.0.1", switch.event_port, PASSWORD) as link:
        after(switch, call, HEARD_S)
        assert pause(link, call, paused=True) == (call, name)
        assert pause(link, call, paused=True) == (call, name), "twice is as once"
        after(switch, call, HEARD_S)
        assert pause(link, agents, paused=False) == (call, name), "by the agent's own leg too"
        after(switch, call, HEARD_S)
        switch.cli(f"uuid_setvar {call} fsapp_recording {name}x")
        with pytest.raises(RecordingError, match="nothing is recorded"):
            pause(link, call, paused=True)
        with pytest.raises(RecordingError, match="no call"):
            pause(link, "no-such-call", paused=True)
    for samples in end(switch, phone, path):
        parts = [rms(samples[start: start + RATE // 10]) for start in range(0, len(samples), RATE // 10)]
        silent = [place for place, loud in enumerate(parts) if loud == 0]
        assert len(silent) >= HEARD_S * 10 - 1
        assert silent == list(range(silent[0], silent[-1] + 1)), "one part, and nothing comes through in it"
        assert min(parts[1:silent[0] - 1]) > LOUD
        assert min(parts[silent[-1] + 2: -1]) > LOUD


def test_one_file_goes_on_when_the_call_waits_again_and_is_answered_again(
    switch: Switch, app: App, phone: Phone, agent: Desk, talk: Callable[..., str], path: Path,
) -> None:
    call = talk("stereo")
    after(switch, call, HEARD_S)
    switch.cli("callcenter_config agent set status 1004 'Logged Out'")
    agent.hang_up()
    app.route(QUEUE)
    switch.wait_waiting(QUEUE)
    size = path.stat().st_size
    after(switch, call, HEARD_S)
    assert path.stat().st_size - size < RATE, "the wait is not in it"
    with Desk(switch.phone_port, "1005") as other:
        assert other.register("phone") == 200
        switch.cli("callcenter_config agent set status 1005 Available")
        other.answer()
        other.speak(2 * AGENT_HZ)
        # Only then: logging out takes back an offer that is not a talk yet.
        switch.wait_talking()
        switch.cli("callcenter_config agent set status 1005 'Logged Out'")
        after(switch, call, HEARD_S)
        _, agents = end(switch, phone, path)
    assert [one.name for one in path.parent.iterdir() if one.stem.startswith(path.stem[:-4])] == [path.name]
    half = len(agents) // 2
    assert loudness(agents[: half // 2], AGENT_HZ) > LOUD
    assert loudness(agents[half + half // 2:], 2 * AGENT_HZ) > LOUD


def test_an_agent_pauses_through_the_link(
    switch: Switch, phone: Phone, talk: Callable[..., str], name: str, path: Path, redis_server: Any, redis_client: Any,
) -> None:
    link = LinkProcess(redis_server.settings.model_copy(update={
        "switch": f"127.0.0.1:{switch.event_port}", "switch_password": PASSWORD, "link_http": "127.0.0.1:0"}))
    link.start()
    try:
        call = talk("both", fsapp_class="callback", fsapp_decision="7")
        wait_until(lambda: any(one.state == "Answered" for one in link.watch.seen.members.values()), "the link knows")
        after(switch, call, HEARD_S)
        paused = ask(redis_client, "main", {"do": "recording", "agent": "1004", "mask": True})
        assert paused == {"call": call, "file": name, "paused": True}
        after(switch, call, HEARD_S)
        [samples] = end(switch, phone, path)
    finally:
        link.stop()
    assert rms(samples[: RATE // 2]) > LOUD
    assert rms(samples[-RATE // 2:]) == 0, "until the end, as nobody resumed"
    events = [event for _, event in tail(redis_client, 0.0, follow=False) if event["type"].startswith("recording_")]
    assert [(event["type"], event["call"], event["file"], event["class"]) for event in events] == [
        (f"recording_{what}", call, name, "callback") for what in ("started", "paused", "stopped")]


@pytest.mark.parametrize("attended", [False, True])
def test_one_file_goes_on_when_the_call_is_handed_over(
    switch: Switch, agent: Desk, phone: Phone, talk: Callable[..., str], path: Path, attended: bool,
) -> None:
    """To a queue, or to a colleague whom the agent has talked to before."""
    call = talk("stereo")
    after(switch, call, HEARD_S)
    with Desk(switch.phone_port, "1005") as other:
        assert other.register("phone") == 200
        if attended:
            asked = gevent.spawn(switch.cli, "originate user/1005@fsapp &park()")
            other.answer()
            leg = asked.get(timeout=20).removeprefix("+OK ")
            assert switch.cli(f"uuid_bridge {call} {leg}").startswith("+OK")
        else:
            switch.cli("callcenter_config agent set status 1004 'Logged Out'")
            switch.cli("callcenter_config agent set status 1005 Available")
            switch.cli(f"uuid_transfer {call} fsapp-queue XML fsapp")
            other.answer()
        other.speak(2 * AGENT_HZ)
        switch.wait_talking()
        switch.cli("callcenter_config agent set status 1005 'Logged Out'")
        after(switch, call, HEARD_S)
        caller, agents = end(switch, phone, path)
    part = len(agents) // 4
    assert loudness(agents[:part], AGENT_HZ) > LOUD
    assert loudness(agents[-part:], 2 * AGENT_HZ) > LOUD
    assert min(loudness(caller[:part], CALLER_HZ), loudness(caller[-part:], CALLER_HZ)) > LOUD
    assert [one.name for one in path.parent.iterdir() if one.stem.startswith(path.stem)] == [path.name]


def test_a_caller_who_sends_no_sound_is_recorded_too(
    switch: Switch, app: App, phone: Phone, agent: Desk, name: str, path: Path,
) -> None:
    phone.call("0115550300")
    call = app.route(QUEUE, fsapp_record="stereo", fsapp_recording=name)["Unique-ID"]
    phone.wait_for(200)
    agent.answer()
    agent.speak(AGENT_HZ)
    wait_until(path.exists, "the recording begins")
    after(switch, call, HEARD_S)
    silent, heard = end(switch, phone, path)
    assert loudness(middle(heard), AGENT_HZ) > LOUD
    assert rms(middle(silent)) < SILENT


def test_the_announcement_is_heard_once_before_the_wait(
    switch: Switch, app: App, phone: Phone, name: str, path: Path, agent: Desk,
) -> None:
    phone.call("0115550300")
    call = app.route("agent-1005@fsapp", fsapp_record="both", fsapp_recording=name, fsapp_announce="true")["Unique-ID"]
    phone.wait_for(200)
    headers = app.route(QUEUE)
    assert headers["variable_fsapp_announced"] == "FILE PLAYED"
    agent.answer()
    switch.wait_talking()
    wait_until(path.exists, "the recording begins")
    phone.hang_up()
    log = (switch.folder / "log/freeswitch.log").read_text(errors="replace")
    played = [line for line in log.splitlines() if call in line and re.search(r"playback\(.*/recording\.wav\)", line)]
    assert len(played) == 1


def test_without_its_announcement_nothing_is_recorded(
    switch: Switch, app: App, phone: Phone, name: str, path: Path, agent: Desk,
) -> None:
    sound = switch.folder / "sounds/sr/recording.wav"
    kept = sound.rename(sound.with_suffix(".away"))
    try:
        phone.call("0115550300")
        call = app.route(QUEUE, fsapp_record="both", fsapp_recording=name, fsapp_announce="true")["Unique-ID"]
        phone.wait_for(200)
        agent.answer()
        switch.wait_talking()
        assert switch.variable(call, "fsapp_announce") == "failed"
        assert switch.variable(call, "execute_on_pre_bridge") is None
        agent.hang_up()
        headers = app.visit(execute("hangup", "NORMAL_CLEARING"), EXIT)
        assert headers["variable_cc_cause"] == "answered"
    finally:
        kept.rename(sound)
    assert not path.exists()
    log = (switch.folder / "log/freeswitch.log").read_text(errors="replace")
    assert any("[ERR]" in line and "recording.wav cannot be played" in line for line in log.splitlines())
