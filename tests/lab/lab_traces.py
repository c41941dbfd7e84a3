"""Recorded traces as scripts to replay and as messages to compare with; starts no switch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

FOLDER = Path(__file__).parents[1] / "data" / "traces"

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"(?<!\d)\d{10}(\d{6})?(?!\d)")
_PORT = re.compile(r"127\.0\.0\.1(%3A|:)\d+")

# Where and when a switch runs is its own affair, and what it makes of sound is not simulated.
_OF_THE_MACHINE = re.compile(
    r"(Core-UUID|FreeSWITCH-|Event-Date-|Event-Sequence|Event-Calling-|Content-Length|variable_session_id"
    r"|variable_playback_|variable_current_loop|variable_total_loops)")
# Variables of a bridge and of the loopback endpoint that nobody routes by.
_NOT_SIMULATED = frozenset(f"variable_{name}" for name in (
    "original_destination_number", "original_caller_id_name", "original_caller_id_number", "last_sent_callee_id_name",
    "last_sent_callee_id_number", "last_bridge_role", "signal_bond", "pre_transfer_caller_id_number",
    "channel_cid_flipped", "originate_early_media", "originate_endpoint", "effective_caller_id_number",
    "cc_queue_terminated_epoch",
))


@dataclass(frozen=True)
class Line:
    connection: str
    sender: str
    data: str


def lines(name: str) -> list[Line]:
    """One trace, message by message."""
    found = [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    return [Line(line["conn"], line["from"], line["data"]) for line in found]


def headers(message: str) -> list[tuple[str, str]]:
    """All header lines of a message, those of an event inside it as well, in order."""
    head, _, body = message.partition("\n\n")
    if "text/event-plain" in head:
        head += "\n" + body.partition("\n\n")[0]
    return [(name, value) for name, _, value in (line.partition(": ") for line in head.split("\n") if line)]


def masked(value: str) -> str:
    """A value without what differs from run to run: uuids, times, ports."""
    return _PORT.sub("127.0.0.1:PORT", _TIME.sub("TIME", _UUID.sub("UUID", value)))


def whole(message: str) -> dict[str, Any]:
    """Everything a message says that another run on another machine would say as well.

    The order of the headers counts, that of the channel's variables does not.
    """
    if not message:
        return {"closed": True}
    kept = [(name, masked(value)) for name, value in headers(message)
            if not _OF_THE_MACHINE.match(name) and name not in _NOT_SIMULATED]
    return {
        "headers": [pair for pair in kept if not pair[0].startswith("variable_")],
        "variables": sorted(pair for pair in kept if pair[0].startswith("variable_")),
        "body": "" if "text/event-plain" in message else masked(message.partition("\n\n")[2].rstrip("\n")),
    }


_MATTERS = re.compile(
    r"(Content-Type|Reply-Text|Event-Name|Event-Subclass|CC-|Answer-State|Hangup-Cause|Application|DTMF-|Job-|Bridge-"
    r"|Unique-ID|Other-Type|Other-Leg-Unique-ID|Caller-Caller-ID-|Caller-Destination-Number|Content-Disposition"
    r"|Linger-Time|Channel-HIT-Dialplan)")


def brief(message: str) -> list[tuple[str, str]]:
    """The headers of a message that somebody acts on, in order, decoded and masked."""
    return [(name, masked(unquote(value))) for name, value in headers(message) if _MATTERS.match(name)]


def kinds(messages: Iterable[str]) -> list[str]:
    """What each message is, in a word or two: for reading a difference."""
    found = []
    for message in messages:
        values = dict(headers(message))
        found.append(values.get("CC-Action") or values.get("Event-Name") or values.get("Content-Type") or "closed")
    return found
