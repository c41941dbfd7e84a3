"""The headers of a channel's events: names and order of the real switch. Builds text, decides nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fsapp.lab.wire import encode

if TYPE_CHECKING:
    from fsapp.lab.channel import Channel

__all__ = ["VERSION", "Stamp", "channel_block", "channel_data", "heartbeat", "serialize", "up_time"]

VERSION = "1.10.12-release"

# Where the real switch says that an event comes from.
_SOURCES = {
    "BACKGROUND_JOB": ("mod_event_socket.c", "api_exec", 1570),
    "CHANNEL_ANSWER": ("switch_channel.c", "switch_channel_perform_mark_answered", 3846),
    "CHANNEL_BRIDGE": ("switch_ivr_bridge.c", "switch_ivr_multi_threaded_bridge", 1689),
    "CHANNEL_CREATE": ("switch_core_state_machine.c", "switch_core_session_run", 626),
    "CHANNEL_DATA": ("mod_event_socket.c", "parse_command", 2021),
    "CHANNEL_EXECUTE": ("switch_core_session.c", "switch_core_session_exec", 2944),
    "CHANNEL_EXECUTE_COMPLETE": ("switch_core_session.c", "switch_core_session_exec", 2967),
    "CHANNEL_HANGUP": ("switch_channel.c", "switch_channel_perform_hangup", 3443),
    "CHANNEL_HANGUP_COMPLETE": ("switch_core_state_machine.c", "switch_core_session_reporting_state", 943),
    "CHANNEL_UNBRIDGE": ("switch_ivr_bridge.c", "switch_ivr_multi_threaded_bridge", 1879),
    "CUSTOM": ("mod_callcenter.c", "callcenter_function", 3113),
    "HEARTBEAT": ("switch_core.c", "send_heartbeat", 95),
    "RECORD_START": ("switch_ivr_async.c", "record_callback", 1481),
    "RECORD_STOP": ("switch_ivr_async.c", "send_record_stop_event", 1240),
    "DTMF": ("switch_channel.c", "switch_channel_dequeue_dtmf", 677),
}
_ELSEWHERE = ("switch_core.c", "switch_core", 1)
_STATE_NUMBERS = {
    "CS_NEW": 0, "CS_INIT": 2, "CS_ROUTING": 3, "CS_SOFT_EXECUTE": 3, "CS_EXECUTE": 4, "CS_EXCHANGE_MEDIA": 5,
    "CS_CONSUME_MEDIA": 7, "CS_HANGUP": 10, "CS_REPORTING": 11,
}
_HANGUP_NUMBER = _STATE_NUMBERS["CS_HANGUP"]
_CODEC = (
    "Channel-Read-Codec-Name: L16\nChannel-Read-Codec-Rate: 8000\nChannel-Read-Codec-Bit-Rate: 128000\n"
    "Channel-Write-Codec-Name: L16\nChannel-Write-Codec-Rate: 8000\nChannel-Write-Codec-Bit-Rate: 128000\n"
)


class Stamp:
    """The lines every event starts with; what changes once a second is built once a second."""

    def __init__(self, core_uuid: str) -> None:
        self._core = (
            f"Core-UUID: {core_uuid}\nFreeSWITCH-Hostname: lab\nFreeSWITCH-Switchname: lab\n"
            "FreeSWITCH-IPv4: 127.0.0.1\nFreeSWITCH-IPv6: %3A%3A1\n"
        )
        self._second = 0
        self._dates = ""
        self._sequence = 0

    def lines(self, name: str, subclass: str | None, now: float) -> str:
        """The lines from Event-Name to Event-Sequence; `now` in epoch seconds of lab time."""
        if int(now) != self._second:
            self._second = int(now)
            then = time.gmtime(now)
            local = encode(time.strftime("%Y-%m-%d %H:%M:%S", then))
            gmt = encode(time.strftime("%a, %d %b %Y %H:%M:%S GMT", then))
            self._dates = f"Event-Date-Local: {local}\nEvent-Date-GMT: {gmt}\n"
        self._sequence += 1
        file, function, line = _SOURCES.get(name, _ELSEWHERE)
        head = f"Event-Subclass: {encode(subclass)}\n" if subclass else ""
        return (
            f"{head}Event-Name: {name}\n{self._core}{self._dates}Event-Date-Timestamp: {int(now * 1_000_000)}\n"
            f"Event-Calling-File: {file}\nEvent-Calling-Function: {function}\nEvent-Calling-Line-Number: {line}\n"
            f"Event-Sequence: {self._sequence}\n"
        )


def _optional(prefix: str, pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{prefix}-{name}: {encode(value)}\n" for name, value in pairs if value)


def _profile(prefix: str, channel: Channel) -> str:
    profile = channel.profile
    head = _optional(prefix, (
        ("Direction", channel.direction), ("Logical-Direction", "inbound"), ("Dialplan", profile.dialplan),
        ("Caller-ID-Name", profile.caller_id_name), ("Caller-ID-Number", profile.caller_id_number),
        ("Orig-Caller-ID-Name", profile.orig_name), ("Orig-Caller-ID-Number", profile.orig_number),
        ("Callee-ID-Name", profile.callee_name), ("Callee-ID-Number", profile.callee_number), ("ANI", profile.ani),
        ("Destination-Number", profile.destination_number), ("Unique-ID", channel.uuid), ("Source", "mod_loopback"),
        ("Transfer-Source", profile.transfer_source), ("Context", profile.context), ("RDNIS", profile.rdnis),
        ("Channel-Name", channel.name),
        ("Profile-Index", "" if prefix == "Other-Leg" else str(profile.index)),
    ))
    return (
        f"{head}{prefix}-Profile-Created-Time: {profile.created_us}\n"
        f"{prefix}-Channel-Created-Time: {channel.created_us}\n"
        f"{prefix}-Channel-Answered-Time: {channel.answered_us}\n{prefix}-Channel-Progress-Time: 0\n"
        f"{prefix}-Channel-Progress-Media-Time: {channel.progress_us}\n"
        f"{prefix}-Channel-Hangup-Time: {channel.hangup_us}\n{prefix}-Channel-Transfer-Time: 0\n"
        f"{prefix}-Channel-Resurrect-Time: 0\n{prefix}-Channel-Bridged-Time: 0\n{prefix}-Channel-Last-Hold: 0\n"
        f"{prefix}-Channel-Hold-Accum: 0\n{prefix}-Screen-Bit: true\n{prefix}-Privacy-Hide-Name: false\n"
        f"{prefix}-Privacy-Hide-Number: false\n"
    )


def channel_block(channel: Channel, *, variables: bool = True) -> str:
    """What an event says of a channel: its state, its caller profile, the other leg and its variables."""
    uuid = channel.uuid
    number = _STATE_NUMBERS.get(channel.state, 0)
    if channel.hangup_cause and number < _HANGUP_NUMBER:  # it is named by what runs, and numbered by what is next
        number = _HANGUP_NUMBER
    hangup = f"Hangup-Cause: {channel.hangup_cause}\n" if channel.hangup_cause else ""
    text = (
        f"Channel-State: {channel.state}\nChannel-Call-State: {channel.call_state}\n"
        f"Channel-State-Number: {number}\nChannel-Name: {encode(channel.name)}\n"
        f"Unique-ID: {uuid}\nCall-Direction: {channel.direction}\nPresence-Call-Direction: {channel.direction}\n"
        f"Channel-HIT-Dialplan: {'true' if channel.hit_dialplan else 'false'}\n"
        f"Channel-Call-UUID: {channel.variables.get('call_uuid', uuid)}\n"
        f"Answer-State: {channel.answer_state}\n{hangup}{_CODEC}{_profile('Caller', channel)}"
    )
    if channel.other_leg is not None:
        text += f"Other-Type: {channel.other_type}\n" + _profile("Other-Leg", channel.other_leg)
    if not variables:
        return text
    return text + "".join(f"variable_{name}: {encode(value)}\n" for name, value in channel.variables.items())


def channel_data(channel: Channel, stamp: str, *, is_async: bool, full: bool) -> str:
    """The answer to `connect`: one block, with even its Reply-Text encoded."""
    return (
        f"{stamp}{_profile('Channel', channel)}{channel_block(channel)}Content-Type: command/reply\n"
        f"Reply-Text: %2BOK%0A\nSocket-Mode: {'async' if is_async else 'static'}\n"
        f"Control: {'full' if full else 'single-channel'}\n\n"
    )


def up_time(lasted_s: float) -> str:
    """How long something has lasted in the switch's words."""
    days, rest = divmod(int(lasted_s), 86400)
    parts = (
        (days // 365, "year"), (days % 365, "day"), (rest // 3600, "hour"), (rest // 60 % 60, "minute"),
        (rest % 60, "second"), (int(lasted_s * 1000) % 1000, "millisecond"),
        (int(lasted_s * 1_000_000) % 1000, "microsecond"),
    )
    return ", ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts)


def heartbeat(lasted_s: float, sessions: int, since_start: int) -> list[tuple[str, str]]:
    """What a HEARTBEAT says; the switch's limits are the lab's own."""
    return [
        ("Event-Info", "System Ready"), ("Up-Time", up_time(lasted_s)), ("FreeSWITCH-Version", f"{VERSION}~64bit"),
        ("Uptime-msec", str(int(lasted_s * 1000))), ("Session-Count", str(sessions)), ("Max-Sessions", "100000"),
        ("Session-Per-Sec", "500"), ("Session-Per-Sec-Last", "0"), ("Session-Per-Sec-Max", "0"),
        ("Session-Per-Sec-FiveMin", "0"), ("Session-Since-Startup", str(since_start)),
        ("Session-Peak-Max", str(sessions)), ("Session-Peak-FiveMin", str(sessions)), ("Idle-CPU", "97.000000"),
    ]


def serialize(
    stamp: str, front: Iterable[tuple[str, str]], block: str, extra: Iterable[tuple[str, str]], body: str = "",
) -> str:
    """One event as text: the stamp, headers before the channel's block, the block, headers after it, a body."""
    text = stamp + "".join(f"{name}: {encode(value)}\n" for name, value in front) + block
    text += "".join(f"{name}: {encode(value)}\n" for name, value in extra)
    return f"{text}Content-Length: {len(body.encode('utf-8', 'surrogateescape'))}\n\n{body}" if body else text + "\n"
