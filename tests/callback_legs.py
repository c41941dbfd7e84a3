"""What the legs of callbacks said on a real switch, by how the callback went; and what is compared of it. No tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from fsapp.core.floor_change import FloorEvent
from fsapp.core.placeholder import side_of
from fsapp.telephony.esl import Message
from fsapp.telephony.floor_events import event_from

__all__ = ["CASES", "recorded", "said"]

_FILE = Path(__file__).parent / "data/callback-legs.jsonl"  # the headers that matter, of FreeSWITCH 1.10.12
_WORDS = ("fsapp_dialled", "fsapp_outcome", "cc_agent", "cc_cause", "cc_side")
CASES = (
    "customer hangs up", "agent hangs up", "customer is busy", "customer says no", "customer does not answer",
    "agent hangs up while it rings", "agent hangs up while it is said who calls",
    "customer hangs up while it is said who calls", "no such gateway",
)


@cache
def recorded(case: str) -> tuple[FloorEvent, ...]:
    """The events of one case, in their order."""
    lines = map(json.loads, _FILE.read_text(encoding="utf-8").splitlines())
    found = (event_from(Message(f"{line['event']}\n".encode())) for line in lines if line["case"] == case)
    return tuple(event for event in found if event is not None)


def said(events: Iterable[FloorEvent]) -> list[tuple[str, ...]]:
    """What happened to which leg, and how it ended; the order is left out where several end at once."""
    found = set()
    for event in events:
        side = side_of(event.call, event)
        if side is None or event.kind not in ("call-created", "call-bridged", "call-hung-up"):
            continue
        words = ()
        if event.kind == "call-hung-up":
            reached = "reached" if event.variables.get("fsapp_reached") else ""
            answered = "answered" if event.answered_at else ""
            words = (event.cause, answered, reached, *(event.variables.get(name, "") for name in _WORDS))
        found.add((event.kind, side.value, *words))
    return sorted(found)
