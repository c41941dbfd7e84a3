"""A caller who waits on a real switch is told the place, and hears no more of it once an agent answers."""

from __future__ import annotations

import math
import struct
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from app import App, connect
from desk import Desk
from machine import PASSWORD, Switch, rules_document, wait_until
from phone import Phone
from sound import RATE, channels, loudness

from fsapp.app.link import LinkProcess
from fsapp.state.rules import RulesStore
from fsapp.state.stream import tail

QUEUE = "helpdesk@fsapp"
TOLD_HZ, AGENT_HZ = 700, 1300
LOUD, SILENT = 500, 60
TOLD_S = 40


@pytest.fixture
def prompt(switch: Switch) -> Iterator[Path]:
    """`position-next` is a long tone."""
    path = Path(switch.cli("global_getvar fsapp_sounds").strip()) / "position-next.wav"
    before = path.read_bytes() if path.exists() else None
    samples = [int(8000 * math.sin(2 * math.pi * TOLD_HZ * place / RATE)) for place in range(RATE)]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(struct.pack(f"<{RATE}h", *samples) * TOLD_S)
    yield path
    if before is None:
        path.unlink()
    else:
        path.write_bytes(before)


@pytest.fixture
def link(switch: Switch, redis_server: Any, redis_client: Any) -> Iterator[LinkProcess]:
    document = rules_document()
    document["centre"]["wrap_up_s"] = 0
    document["line"]["helpdesk"]["tell_position"] = True
    RulesStore(redis_client).load(document, "", "", "")
    process = LinkProcess(redis_server.settings.model_copy(update={
        "switch": f"127.0.0.1:{switch.event_port}", "switch_password": PASSWORD, "link_http": "127.0.0.1:0"}))
    process.start()
    yield process
    process.stop()


def test_the_place_is_told_until_an_agent_answers(
    switch: Switch, app: App, agent: Desk, phone: Phone, prompt: Path, link: LinkProcess, redis_client: Any,
) -> None:
    phone.call("0115550300")
    app.route(QUEUE)
    phone.wait_for(200)
    agent.answer()
    switch.wait_talking()
    heard = switch.folder / "recordings" / "told.wav"
    with Phone(switch.trunk_port) as waits:
        waits.call("0115550300", "+381601234599")
        call = app.route(QUEUE)["Unique-ID"]
        waits.wait_for(200)

        def told() -> list[dict[str, Any]]:
            return [fact for _, fact in tail(redis_client, 0.0, follow=False) if fact["type"] == "wait_told"]

        wait_until(told, "the caller is told")
        assert [(fact["call"], fact["prompts"]) for fact in told()] == [(call, ["position-next"])]
        assert "position-next.wav" in switch.cli(f"uuid_buglist {call}")
        # What was put there later hears what is played over the rest.
        assert switch.cli(f"uuid_record {call} start {heard}").startswith("+OK")
        assert [member["state"] for member in switch.waiting(QUEUE) if member["session_uuid"] == call] == ["Waiting"]
        played_at = int(switch.cli("strepoch"))
        wait_until(lambda: int(switch.cli("strepoch")) >= played_at + 2, "some of it is heard")
        phone.hang_up()
        agent.invite = ""
        agent.answer()
        agent.speak(AGENT_HZ)
        wait_until(lambda: switch.variable(call, "cc_agent_bridged") == "true", "they talk")
        assert "position-next.wav" not in switch.cli(f"uuid_buglist {call}")
        talk_at = int(switch.cli("strepoch"))
        wait_until(lambda: int(switch.cli("strepoch")) >= talk_at + 3, "they talk for a while")
    switch.settle()
    samples = [sum(pair) for pair in zip(*channels(heard), strict=True)]
    parts = [tuple(samples[start: start + RATE // 4]) for start in range(0, len(samples) - RATE // 4, RATE // 4)]
    told_in = [place for place, part in enumerate(parts) if loudness(part, TOLD_HZ) > LOUD]
    talk_in = [place for place, part in enumerate(parts) if loudness(part, AGENT_HZ) > LOUD]
    assert len(told_in) >= 4
    assert len(talk_in) >= 4
    # This phone answers as soon as it rings: in the quarter of a second in which they begin both may be.
    assert max(told_in) <= min(talk_in), "cut off before anybody talks"
    assert all(loudness(parts[place], TOLD_HZ) < SILENT for place in talk_in[1:-1])


def test_a_key_is_heard_meanwhile_and_cuts_it_off(
    switch: Switch, app: App, agent: Desk, phone: Phone, prompt: Path, link: LinkProcess, redis_client: Any,
) -> None:
    phone.call("0115550300")
    app.route(QUEUE)
    phone.wait_for(200)
    agent.answer()
    switch.wait_talking()
    with Phone(switch.trunk_port) as waits:
        waits.call("0115550300", "+381601234599")
        call = app.route(QUEUE, cc_exit_keys="5")["Unique-ID"]
        waits.wait_for(200)
        wait_until(lambda: "position-next.wav" in switch.cli(f"uuid_buglist {call}"), "the caller is told")
        switch.cli(f"uuid_recv_dtmf {call} 5")
        with app.accept() as visit:
            headers, _ = connect(visit)
            assert (headers["Unique-ID"], headers["variable_cc_exit_key"]) == (call, "5")
            wait_until(lambda: "position-next.wav" not in switch.cli(f"uuid_buglist {call}"), "it is cut off")
