"""The switch's events about the floor as values of the core. Decides nothing, and asks nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fsapp.core.clean import clean_name, clean_number, clean_text
from fsapp.core.floor_change import FloorEvent
from fsapp.telephony.esl import Message

__all__ = ["KINDS", "PHONES_GONE", "PHONE_CAME", "WANTED", "described", "event_from"]

PHONE_CAME = "sofia::register"
PHONES_GONE = frozenset({"sofia::unregister", "sofia::expire"})
_CHANNELS: Mapping[str, str] = {
    "CHANNEL_CREATE": "call-created",
    "CHANNEL_ANSWER": "call-answered",
    "CHANNEL_BRIDGE": "call-bridged",
    "CHANNEL_UNBRIDGE": "call-unbridged",
    "CHANNEL_HANGUP_COMPLETE": "call-hung-up",
    "RECORD_START": "recording-started",
    "RECORD_STOP": "recording-stopped",
}
WANTED = ("HEARTBEAT", *_CHANNELS, "callcenter::info", PHONE_CAME, *sorted(PHONES_GONE))
KINDS = frozenset({
    *_CHANNELS.values(), "phone-registered", "agent-add", "agent-status-change", "agent-state-change",
    "agent-contact-change", "agent-offering", "agent-max-no-answer", "bridge-agent-start", "bridge-agent-fail",
    "bridge-agent-end", "member-queue-start", "member-queue-resume", "member-queue-end", "members-count",
})
_MAX_VALUE = 256
_MAX_PATH = 1024
# The longest epoch that a datetime holds.
_LAST_S = 253_402_300_799


def event_from(message: Message) -> FloorEvent | None:
    """The event as the core knows it; None for one that says nothing of the floor."""
    name = message.get("Event-Name", "")
    if name in _CHANNELS:
        return _channel_event(_CHANNELS[name], message)
    subclass = message.get("Event-Subclass", "")
    if subclass == "callcenter::info":
        return _callcenter_event(message)
    if subclass == PHONE_CAME:
        user = clean_text(message.get("from-user") or message.get("username") or "", _MAX_VALUE)
        return FloorEvent("phone-registered", _id(message), _at(message), users=(user,)) if user else None
    return None


def described(dump: str, uuid: str) -> FloorEvent | None:
    """What `uuid_dump` says of a leg; None when there is no such leg any more."""
    message = Message(dump.strip("\n").encode())
    if message.get("Unique-ID") != uuid:
        return None
    return _channel_event("call-described", message)


def _channel_event(kind: str, message: Message) -> FloorEvent:
    a, b = message.get("Bridge-A-Unique-ID", ""), message.get("Bridge-B-Unique-ID", "")
    uuid = message.get("Unique-ID", "")
    return FloorEvent(
        kind, _id(message), _at(message), call=a or uuid, other=b, value=message.get("Channel-Call-State", ""),
        cause=message.get("Hangup-Cause", ""), direction=message.get("Call-Direction", ""),
        number=clean_number(message.get("Caller-Caller-ID-Number", "")),
        called=clean_number(message.get("variable_fsapp_called") or message.get("Caller-Destination-Number") or ""),
        created_at=_from_us(message.get("Caller-Channel-Created-Time")),
        answered_at=_from_us(message.get("Caller-Channel-Answered-Time")),
        file=clean_text(message.get("Record-File-Path", ""), _MAX_PATH) if kind.startswith("recording") else "",
        seconds=_number(message.get("variable_record_seconds")),
        variables=_variables(message) if not a or a == uuid else {},
    )


def _callcenter_event(message: Message) -> FloorEvent:
    said = message.starting("CC-")
    call = said.get("Member-Session-UUID", "")
    about_caller = bool(call) and message.get("Unique-ID") == call
    own: dict[str, Any] = {}
    if about_caller:
        own = {
            "variables": _variables(message), "base_score": _number(message.get("variable_cc_base_score")),
            "answered_at": _from_us(message.get("Caller-Channel-Answered-Time")),
            "hung_up": bool(message.get("Hangup-Cause")),
        }
    joined = said.get("Member-Joined-Time") or (message.get("variable_cc_queue_joined_epoch") if about_caller else None)
    return FloorEvent(
        said.get("Action", ""), _id(message), _at(message), agent=said.get("Agent", ""), queue=said.get("Queue", ""),
        member=said.get("Member-UUID", ""), call=call, agent_call=said.get("Agent-UUID", ""),
        value=said.get("Agent-Status") or said.get("Agent-State") or said.get("Agent-Contact") or said.get("Cause", ""),
        cause=said.get("Hangup-Cause", ""), reason=said.get("Cancel-Reason", ""),
        bridged=said.get("Agent-Bridged", "true") == "true", number=clean_number(said.get("Member-CID-Number", "")),
        name=clean_name(said.get("Member-CID-Name", "")), joined_at=_from_s(joined),
        talk_at=_from_s(said.get("Agent-Answered-Time")), **own,
    )


def _variables(message: Message) -> dict[str, str]:
    """The variables of ours and of the queue, each on one line."""
    found = {}
    for prefix in ("fsapp_", "cc_"):
        for name, text in message.starting(f"variable_{prefix}").items():
            found[clean_text(prefix + name, _MAX_VALUE)] = clean_text(text, _MAX_VALUE)
    return found


def _id(message: Message) -> str:
    return f"{message.get('Core-UUID', '')}:{message.get('Event-Sequence', '')}"


def _at(message: Message) -> datetime:
    return _from_us(message.get("Event-Date-Timestamp")) or datetime.now(UTC)


def _from_us(text: str | None) -> datetime | None:
    """Microseconds since 1970; None for 0, which stands for not yet."""
    value = _number(text)
    return datetime.fromtimestamp(value / 1_000_000, UTC) if 0 < value <= _LAST_S * 1_000_000 else None


def _from_s(text: str | None) -> datetime | None:
    value = _number(text)
    return datetime.fromtimestamp(value, UTC) if 0 < value <= _LAST_S else None


def _number(text: str | None) -> int:
    """A whole number as atoi reads it, but for what follows the digits."""
    text = (text or "").strip()
    return int(text) if len(text) <= 20 and text.lstrip("+-").isascii() and text.lstrip("+-").isdecimal() else 0
