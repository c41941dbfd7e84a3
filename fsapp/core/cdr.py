"""What the switch's own record of an ended leg (mod_json_cdr) says, as events of the stream would have said it. Pure.

The events have the ids that the link's have, and `cdr` True: what an event told counts more, what was only found after
a gap counts less. A record has the variables as they last were: of several stays in queues only the last one is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from fsapp.core.clean import clean_number, clean_text
from fsapp.core.placeholder import Side, side_of

__all__ = ["events_of"]

_MICRO = re.compile(r"[0-9]{1,17}\Z", re.ASCII)
_MAX = 256
_ROUTED = ("class", "decision", "campaign", "stage", "line", "contact")
_HUNG_UP = frozenset({"", "NONE", "BREAK_OUT"})
Event = dict[str, Any]


class _Leg(NamedTuple):
    direction: str
    variables: Mapping[str, str]
    called: str = ""


def events_of(record: Any, switch: str) -> list[Event]:
    """The events of a record, empty for an agent's leg. `switch`: whose record it is, if it does not say.

    ValueError for what is no record.
    """
    variables = record.get("variables") if isinstance(record, Mapping) else None
    if not isinstance(variables, Mapping):
        raise ValueError("it has no variables")
    said = {str(name): clean_text(unquote(value), _MAX) for name, value in variables.items() if isinstance(value, str)}
    uuid, direction = said.get("uuid", ""), said.get("direction", "")
    if not uuid:
        raise ValueError("it has no uuid")
    started, ended = _time(said, "start_uepoch", 1e6), _time(said, "end_uepoch", 1e6)
    if started is None or ended is None:
        raise ValueError("it does not say when the leg began and ended")
    side = said.get("cc_side", "")
    of_task = side_of(uuid, _Leg(direction, said))
    if of_task in (Side.FAR, Side.CUSTOMER):
        return []
    if of_task is not Side.ASKED and (side == "agent" or (side != "member" and direction != "inbound")):
        return []
    about: Event = {"call": uuid, "switch": said.get("fsapp_switch") or switch, "cdr": True}
    number, called = _numbers(record, said)
    routed = {name: said[f"fsapp_{name}"] for name in _ROUTED if said.get(f"fsapp_{name}")}
    answered = _time(said, "answer_uepoch", 1e6)
    found = _stay(said, about | routed | {"direction": direction, "number": number}, ended)
    found.append({
        "type": "call_hung_up", "id": f"{uuid}:hung-up", "at": ended, "direction": direction, "number": number,
        "called": called, "cause": said.get("hangup_cause", ""), "lasted_s": _between(started, ended),
        "answered_s": _between(answered, ended) if answered else 0.0,
        "variables": {name: value for name, value in said.items() if name.startswith("fsapp_")}, **about,
    })
    return found


def _stay(said: Mapping[str, str], about: Event, ended: float) -> list[Event]:
    """What became of the last stay in a queue. The queue counts in whole seconds."""
    member, queue = said.get("cc_member_uuid", ""), said.get("cc_queue", "")
    joined = _time(said, "cc_queue_joined_epoch")
    if not member or not queue or joined is None:
        return []
    about = about | {"member": member, "queue": queue}
    found = [{"type": "queue_joined", "id": f"{member}:joined", "at": joined, **about}]
    answered = _time(said, "cc_queue_answered_epoch")
    if answered is not None and answered >= joined and said.get("cc_agent_bridged") == "true":
        terminated = _time(said, "cc_queue_terminated_epoch")
        over = terminated if terminated is not None and terminated >= answered else ended
        agent = said.get("cc_agent", "")
        found += [
            {"type": "call_answered", "id": f"{member}:answered", "at": answered, "agent": agent,
             "waited_s": _between(joined, answered), **about},
            {"type": "talk_ended", "id": f"{member}:talked", "at": over, "agent": agent,
             "talked_s": _between(answered, over), **about},
        ]
        return found
    canceled = _time(said, "cc_queue_canceled_epoch")
    left = canceled if canceled is not None and canceled >= joined else ended
    reason = said.get("cc_cancel_reason", "") if left == canceled else ""
    # One who left as the leg ended has hung up; one who left earlier went on.
    gone = reason in _HUNG_UP and ended - left < 2
    found.append({"type": "call_abandoned" if gone else "call_left_queue", "id": f"{member}:left", "at": left,
                  "reason": reason, "waited_s": _between(joined, left), **about})
    return found


def _numbers(record: Mapping[str, Any], said: Mapping[str, str]) -> tuple[str, str]:
    """Who called whom: of the first profile, before the dialplan moved the call about."""
    flow = record.get("callflow")
    profiles = [one.get("caller_profile") for one in flow if isinstance(one, Mapping)] if isinstance(flow, list) else []
    profile = next((one for one in reversed(profiles) if isinstance(one, Mapping)), {})

    def of(name: str) -> str:
        value = profile.get(name)
        return unquote(value) if isinstance(value, str) else ""

    number = of("caller_id_number") or said.get("caller_id_number", "")
    return clean_number(number), clean_number(said.get("fsapp_called") or of("destination_number"))


def _time(said: Mapping[str, str], name: str, unit: float = 1.0) -> float | None:
    """A time of the switch; None for 0, which stands for never."""
    text = said.get(name, "")
    return int(text) / unit if _MICRO.match(text) and int(text) else None


def _between(start: float, end: float) -> float:
    return round(max(0.0, end - start), 3)
