"""Reads a call out of a channel's data and cleans what the caller controls. Sends nothing, decides nothing."""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from fsapp.core.clean import clean_name, clean_number, clean_text
from fsapp.core.model import DEGRADED_REASON, REASONS, Call, CallClass, Earlier
from fsapp.core.numbers import normalise
from fsapp.core.score import MAX_SCORE

__all__ = ["Arrival", "Headers", "read_arrival"]


class Headers(Protocol):
    """A message of the event socket: headers decoded once, and only those that are wanted."""

    def pick(self, wanted: re.Pattern[bytes]) -> dict[str, str]: ...


_WANTED = re.compile(
    rb"\n(Unique-ID|Caller-Caller-ID-Number|Caller-Caller-ID-Name|Caller-Destination-Number"
    rb"|variable_(?:fsapp_[a-z]+|cc_base_score|cc_cause|cc_agent)):([^\n]*)"
)
_MAX_WORD = 256  # the longest of ours is a contact's id: two names and a number
_MAX_TRIED = 2000
_WORD = re.compile(r"[A-Za-z0-9@+./:_-]{1,256}\Z")


class Arrival(NamedTuple):
    """A call at the door. `cause` is how its last stay in a queue ended, `queue` where that was; None on a first visit.

    `renamed` holds the caller's number and name where cleaning changed them, for the switch to show instead.
    `moved_on`: the dialplan has taken the call elsewhere meanwhile, and it must be left alone.
    """

    uuid: str
    call: Call
    cause: str | None
    queue: str | None
    call_class: CallClass | None
    agent: str | None
    renamed: dict[str, str]
    moved_on: bool


_SCORE = re.compile(r"[0-9]{1,10}\Z", re.ASCII)
# Extensions where a call is that no longer waits for a decision (dialplan/fsapp.xml).
_ELSEWHERE = frozenset({"fsapp-queue", "fsapp-return", "fsapp-fallback", "fsapp-unknown", "fsapp-goodbye"})


def read_arrival(data: Headers, region: str) -> Arrival:
    """The call behind one CHANNEL_DATA block; `region` is the centre's default region for numbers.

    What only the switch and fsapp write is bounded and on one line too: it is logged and kept, whoever it came from.
    """
    found = data.pick(_WANTED)
    get = found.get
    raw_number = get("Caller-Caller-ID-Number") or ""
    raw_name = get("Caller-Caller-ID-Name") or ""
    raw_called = get("variable_fsapp_called") or get("Caller-Destination-Number") or ""
    number, name = clean_number(raw_number), clean_name(raw_name)
    renamed = {}
    if number != raw_number:
        renamed["caller_id_number"] = number
    if name != raw_name:
        renamed["caller_id_name"] = name
    earlier = _read_earlier(found)
    call = Call(normalise(number, region), normalise(clean_number(raw_called), region), name, earlier)
    return Arrival(
        _word(get("Unique-ID")) or "", call, get("variable_cc_cause"),
        _word(get("variable_fsapp_queue")), _class(get("variable_fsapp_class")), _word(get("variable_cc_agent")),
        renamed, get("Caller-Destination-Number") in _ELSEWHERE,
    )


def _read_earlier(found: dict[str, str]) -> Earlier | None:
    """What an earlier visit left in the call's variables; None where they are absent or not ours."""
    get = found.get
    decision = _word(get("variable_fsapp_decision"))
    if not decision:
        return None
    call_class = _class(get("variable_fsapp_class"))
    score = get("variable_cc_base_score") or ""
    if call_class is None or not _SCORE.match(score) or int(score) > MAX_SCORE:
        return None
    reason = get("variable_fsapp_reason") or ""
    if reason.removeprefix(DEGRADED_REASON) not in REASONS:
        reason = ""  # a call keeps its place; reasons are counted one by one and must stay few
    tried = clean_text(get("variable_fsapp_tried") or "", _MAX_TRIED)
    return Earlier(
        call_class, int(score), reason, _word(get("variable_fsapp_campaign")), _word(get("variable_fsapp_stage")),
        _word(get("variable_fsapp_line")), _word(get("variable_fsapp_contact")), decision,
        tuple(queue for queue in tried.split(",") if queue),
    )


def _class(text: str | None) -> CallClass | None:
    try:
        return CallClass(text or "")
    except ValueError:
        return None


def _word(text: str | None) -> str | None:
    """A name or an id of ours as it stands; anything else cleaned and cut. None for none and for an empty one."""
    if not text or _WORD.match(text):
        return text or None
    return clean_text(text, _MAX_WORD) or None
