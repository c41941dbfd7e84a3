"""How a decided call is treated beyond its queue: recorded, announced, its key, how the agent's phone rings. Pure.

The words of dialplan/fsapp.xml: `fsapp_record` whose voice, `fsapp_recording` the file, `fsapp_announce` whether the
caller is to be told before, `fsapp_announced` what became of that. `cc_export_vars` names what the agent's leg gets.
"""

from __future__ import annotations

from datetime import UTC, datetime

from fsapp.core.model import Decision, PhoneNumber
from fsapp.core.recording import file_name, number_part, read_name
from fsapp.core.rules import Rules

__all__ = ["ANNOUNCED", "NOT_THE_TALK", "key", "recording", "ring"]

ANNOUNCED = "FILE PLAYED"  # what the switch says of a file it has played to its end
# The dialplan's own for recording a talk: unset, so that a message left afterwards is recorded as any other.
NOT_THE_TALK = dict.fromkeys(
    ("RECORD_BRIDGE_REQ", "RECORD_STEREO", "RECORD_READ_ONLY", "RECORD_WRITE_ONLY", "execute_on_pre_bridge"), "")
_RING = "alert_info"
_EXPORTED = ("fsapp_class", "fsapp_decision", "fsapp_contact")
_FOR_CARRIED = "bridge_generate_comfort_noise"  # dialplan/switches.xml says why


def ring(decision: Decision, rules: Rules, *, again: bool, carried: bool = False) -> dict[str, str]:
    """What the agent's leg is told; an alert_info that the caller sent is not among it. `again`: on a later visit."""
    if decision.call_class is None:
        return {}
    text = rules.rings.get(decision.call_class, "")
    names = (*((_FOR_CARRIED,) if carried else ()), *((_RING,) if text else ()), *_EXPORTED)
    return {"cc_export_vars": ",".join(names)} | ({_RING: text} if text or again else {})


def key(decision: Decision, rules: Rules, *, again: bool) -> dict[str, str]:
    """The key with which the caller leaves the queue to be called back; none where the place offers no callback."""
    place = rules.place(f"{decision.campaign}/{decision.stage}" if decision.stage else decision.line or "")
    pressed = place.calling_back.key if place is not None else ""
    return {"cc_exit_keys": pressed} if pressed or again else {}


def recording(
    decision: Decision, rules: Rules, at: float, caller: PhoneNumber, call: str, named: str | None = None,
) -> dict[str, str]:
    """The recording of a call that has none yet; nothing where its stage or line is not recorded. `at`: epoch seconds.

    Named once for the whole call: whatever queues it moves through and whoever talks to it, there is one file, and the
    announcement is made once. `call` is the uuid that the caller's leg has where it landed; `named` what another switch
    has named the file, if it has.
    """
    place = rules.stages.get(f"{decision.campaign}/{decision.stage}") or rules.lines.get(decision.line or "")
    if decision.call_class is None or place is None or not place.recording:
        return {}
    name = named if named and read_name(named) else file_name(
        datetime.fromtimestamp(at, UTC), decision.call_class, place.id, number_part(caller), call)
    found = {"fsapp_record": place.recording.sides.value, "fsapp_recording": name}
    return found | ({"fsapp_announce": "true"} if place.recording.announce else {})
