"""Which file of a prompt a real switch plays: the one of 16 kHz where there is one, for calls of 8 kHz too."""

from __future__ import annotations

import re
import wave
from pathlib import Path

import pytest
from app import App, connect, execute
from machine import Switch
from phone import Phone

PLAIN_MS, WIDE_MS = 100, 400


def silence(path: Path, rate: int, length_ms: int) -> None:
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(bytes(2 * rate * length_ms // 1000))


@pytest.mark.parametrize(("wide", "length_ms"), [(False, PLAIN_MS), (True, WIDE_MS)])
def test_the_switch_takes_the_file_of_16_khz_by_itself(
    switch: Switch, app: App, phone: Phone, wide: bool, length_ms: int,
) -> None:
    folder = switch.folder / f"sounds/{'wide' if wide else 'plain'}"
    silence(folder / "of-two-rates.wav", 8000, PLAIN_MS)
    if wide:
        silence(folder / "16000/of-two-rates.wav", 16000, WIDE_MS)
    phone.call("0115550300")
    with app.accept() as connection:
        connect(connection)
        connection.sendall(
            b"myevents plain\n\n" + execute("answer", "") + execute("playback", f"{folder}/of-two-rates.wav"))
        received = b""
        while not (played := re.search(rb"variable_playback_ms: (\d+)", received)):
            more = connection.recv(65536)
            assert more, "the switch closed before it had played"
            received += more
        connection.sendall(execute("hangup", "NORMAL_CLEARING"))
    assert abs(int(played[1]) - length_ms) <= 40
