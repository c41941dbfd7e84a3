"""Sound for the phones of these tests: a tone sent as PCMA over RTP, and how loud a tone is in a recording. No SIP."""

from __future__ import annotations

import math
import re
import socket
import struct
import threading
import wave
from pathlib import Path

__all__ = ["Speaker", "channels", "loudness", "media_port", "rms"]

RATE = 8000
FRAME = 160  # samples in a packet of 20 ms


def alaw(sample: int) -> int:
    """One 16-bit sample in G.711 A-law."""
    size = sample >> 3
    mask = 0xD5 if size >= 0 else 0x55
    size = min(size if size >= 0 else -size - 1, 0xFFF)
    segment = max(0, size.bit_length() - 5)
    return (segment << 4 | size >> max(1, segment) & 0x0F) ^ mask


def media_port(message: str) -> int:
    """Where the other side of a SIP message with SDP awaits sound."""
    return int(re.search(r"(?m)^m=audio (\d+)", message)[1])


class Speaker:
    """Says one tone from a socket to a port on 127.0.0.1, from now on until `stop`."""

    def __init__(self, rtp: socket.socket, port: int, hz: int) -> None:
        self._rtp = rtp
        self._to = ("127.0.0.1", port)
        self._tone = bytes(
            alaw(int(8000 * math.sin(2 * math.pi * hz * place / RATE))) for place in range(RATE))
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stopped.wait(FRAME / RATE):
            place = number * FRAME % RATE
            header = struct.pack("!BBHII", 0x80, 8, number & 0xFFFF, number * FRAME & 0xFFFFFFFF, id(self) & 0xFFFFFFFF)
            try:
                self._rtp.sendto(header + self._tone[place: place + FRAME], self._to)
            except OSError:
                return
            number += 1


def channels(path: Path) -> list[tuple[int, ...]]:
    """The samples of each channel of a recording."""
    with wave.open(str(path), "rb") as file:
        count, frames = file.getnchannels(), file.readframes(file.getnframes())
    samples = struct.unpack(f"<{len(frames) // 2}h", frames[: len(frames) // 2 * 2])
    return [samples[place::count] for place in range(count)]


def rms(samples: tuple[int, ...]) -> float:
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples)) if samples else 0.0


def loudness(samples: tuple[int, ...], hz: int) -> float:
    """How much of this tone is in the samples: its amplitude as 16-bit samples have it."""
    step = 2 * math.pi * hz / RATE
    real = sum(sample * math.cos(step * place) for place, sample in enumerate(samples))
    imaginary = sum(sample * math.sin(step * place) for place, sample in enumerate(samples))
    return 2 * math.hypot(real, imaginary) / max(1, len(samples))
