"""Recordings of one leg: files that really appear (a little silence), and the events and variables that go with them.

Behaviour as of FreeSWITCH 1.10.12, but for the sound: however long a recording is, its file holds at most a quarter of
a second for each voice in it.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fsapp.log import get_logger

if TYPE_CHECKING:
    from fsapp.lab.channel import Channel

__all__ = ["Recording", "Recordings"]

_log = get_logger("lab")
_RATE = 8000
_LONGEST_S = 0.25


@dataclass(slots=True)
class Recording:
    """One file being written. `masked`: silence is written instead of what is said."""

    path: str
    started_at: float
    stereo: bool
    masked: bool = False


class Recordings:
    """All files one leg is recorded into at the moment, by path."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.running: dict[str, Recording] = {}

    def start(self, path: str) -> bool:
        """Record into this file, making its folder; whether it can be. A file being written already goes on."""
        channel = self._channel
        if not channel.up or not (channel.answered or channel.progress_us):
            _log.error("recording_without_media", uuid=channel.uuid, path=path)
            return False
        if path in self.running:
            return True
        where = self._where(path)
        stereo = _true(channel.get("RECORD_STEREO"))
        if not self._write(where, 0.0, stereo=stereo):
            return False
        self.running[path] = Recording(str(where), channel.switch.clock.now(), stereo)
        channel.switch.fire("RECORD_START", channel, extra=[("Record-File-Path", path)])
        return True

    def stop(self, path: str) -> bool:
        """Finish this file, or `all`; whether there was one."""
        paths = list(self.running) if path == "all" else [path] if path in self.running else []
        for one in paths:
            self._finish(one)
        return bool(paths)

    def mask(self, path: str, *, masked: bool) -> bool:
        """Keep what is said out of this file, or no longer; whether it is being written."""
        recording = self.running.get(path)
        if recording is not None:
            recording.masked = masked
        return recording is not None

    def _where(self, path: str) -> Path:
        return Path(self._channel.switch.variables.get("recordings_dir", "")) / path

    def _finish(self, path: str) -> None:
        channel, recording = self._channel, self.running.pop(path)
        lasted_s = channel.switch.clock.now() - recording.started_at
        where = Path(recording.path)
        self._write(where, lasted_s, stereo=recording.stereo)
        for name, value in (
            ("record_file_size", where.stat().st_size if where.exists() else 0),
            ("record_samples", int(lasted_s * _RATE)), ("record_seconds", int(lasted_s)),
            ("record_ms", int(lasted_s * 1000)), ("record_completion_cause", "success-silence"),
        ):
            channel.set(name, str(value))
        channel.switch.fire("RECORD_STOP", channel, extra=[
            ("Record-File-Path", path), ("Record-Completion-Cause", "success-silence")])

    def _write(self, where: Path, lasted_s: float, *, stereo: bool) -> bool:
        try:
            where.parent.mkdir(parents=True, exist_ok=True)
            with wave.open(str(where), "wb") as file:
                file.setparams((2 if stereo else 1, 2, _RATE, 0, "NONE", ""))
                file.writeframes(bytes(int(min(lasted_s, _LONGEST_S) * _RATE) * (4 if stereo else 2)))
        except OSError as error:
            _log.error("recording_failed", path=str(where), error=str(error))
            return False
        return True


def _true(value: str) -> bool:
    return value.lower() in ("true", "yes", "on", "1", "t")
