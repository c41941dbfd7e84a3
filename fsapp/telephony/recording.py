"""Pausing a recording on the switch: what is said meanwhile is silence in the file. Knows no agents and keeps nothing.

In FreeSWITCH 1.10.12 `uuid_record ... mask` writes exact zeros, in all channels, for as long as it is on: the file
stays as long as the talk. It goes with the file, so a call that is handed over stays paused.
"""

from __future__ import annotations

from typing import Protocol

from fsapp.errors import RecordingError
from fsapp.telephony.command import uuid_getvar, uuid_record

__all__ = ["Api", "pause"]

_NO_VALUE = ("_undef_", "")


class Api(Protocol):
    """What is needed of a link to the switch."""

    def api(self, cmd: str, timeout_s: float | None = None) -> str: ...


def pause(link: Api, call: str, *, paused: bool) -> tuple[str, str]:
    """Pause the recording of a call, or go on; the caller's leg, and the file below the folder of recordings.

    `call` is the uuid of the caller's leg or of the agent's. RecordingError where there is no such call or nothing is
    recorded of it now, UnsafeArgument for what is no uuid, SwitchError when the switch does not answer. Done twice, it
    is as done once.
    """
    leg, name = call, _variable(link, call, "fsapp_recording")
    if not name:
        leg = _variable(link, call, "cc_member_session_uuid") or call
        name = _variable(link, leg, "fsapp_recording") if leg != call else ""
    if not name:
        raise RecordingError(f"call {call} is not recorded: its stage or line says nothing of `record`")
    folder = link.api("global_getvar fsapp_recordings").strip()
    said = link.api(uuid_record(leg, f"{folder}/{name}", mask=paused)).strip()
    if not said.startswith("+OK"):
        raise RecordingError(f"nothing is recorded of call {call} now: only a talk is, and only if it was announced")
    return leg, name


def _variable(link: Api, call: str, name: str) -> str:
    """A variable of a call, empty where it has none. RecordingError without such a call."""
    said = link.api(uuid_getvar(call, name)).strip()
    if said.startswith("-ERR"):
        raise RecordingError(f"there is no call {call} on the switch: `fsapp calls` shows them")
    return "" if said in _NO_VALUE else said
