"""Facts about the floor for the event stream: what each holds, and which of them a gap has swallowed. Pure.

A fact that happens once to a caller's stay in a queue, or to a call, has an id made of that uuid: found by an event and
found again by comparing floors, it is the same fact twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from fsapp.core.evidence import is_ghost
from fsapp.core.floor import MemberState, Seen, SeenCall, SeenMember
from fsapp.core.placeholder import Side, side_of

__all__ = [
    "Fact", "answered", "caller_of", "hung_up", "is_callers", "joined", "left", "of_call", "recovered", "routed",
    "talked", "task_of",
]

Fact = dict[str, Any]


def recovered(before: Seen, after: Seen, at: datetime) -> tuple[Fact, ...]:
    """The facts whose events were lost between two floors; ids are those the events would have given them.

    Each has `recovered` True: its time is that of the comparison, and causes are not known.
    """
    return tuple({**fact, "recovered": True} for fact in _recovered(before, after, at))


def _recovered(before: Seen, after: Seen, at: datetime) -> Iterator[Fact]:
    for uuid, member in after.members.items():
        known = before.members.get(uuid)
        if is_ghost(member, after, at):
            continue  # a row that the switch has not removed: nobody has joined, nobody talks
        if known is None and member.state != MemberState.ABANDONED:
            yield joined(after, member, member.joined_at or at)
        if member.state == MemberState.ANSWERED and (known is None or known.state != MemberState.ANSWERED):
            yield answered(after, member, member.answered_at or at)
    for uuid, member in before.members.items():
        known = after.members.get(uuid)
        gone = known is not None and member.call in before.calls and is_ghost(known, after, at)
        if known is not None and known.state != MemberState.ABANDONED and not gone:
            continue
        if member.state in (MemberState.WAITING, MemberState.TRYING):
            yield left(before, member, at, "unknown", abandoned=member.call not in after.calls)
        elif member.state == MemberState.ANSWERED:
            yield talked(before, member, member.agent, at)
    for uuid, call in before.calls.items():
        if uuid not in after.calls and is_callers(call):
            yield hung_up(call, at, "")


def _about(seen: Seen, member: SeenMember, type_: str, id_: str, at: datetime, **fields: Any) -> Fact:
    """A fact about a member, of whom there is one such fact."""
    call = seen.calls.get(member.call)
    fact = {
        "type": type_, "id": f"{member.uuid}:{id_}", "at": at.timestamp(), "call": member.call, "member": member.uuid,
        "queue": member.queue, **fields, **routed(call.variables if call is not None else {}), **task_of(member),
    }
    return fact | ({"direction": call.direction} if call is not None and call.direction else {})


def routed(variables: Mapping[str, str]) -> dict[str, str]:
    """How the call was decided; `task`: the one it stands in line for, and then nobody is on the line."""
    names = ("class", "decision", "campaign", "stage", "line", "contact", "task")
    return {name: variables[f"fsapp_{name}"] for name in names if variables.get(f"fsapp_{name}")}


def task_of(member: SeenMember | None) -> dict[str, str]:
    """The task whose customer the place is kept for, if any."""
    return {"task": member.task} if member is not None and member.task else {}


def caller_of(seen: Seen, member: SeenMember | None) -> dict[str, str]:
    """Who is on the line and how the call was decided: what an agent's screen needs before anybody has answered.

    `customer`: the number that a call of our own is for.
    """
    if member is None:
        return {}
    call = seen.calls.get(member.call)
    variables = call.variables if call is not None else {}
    customer = variables.get("fsapp_customer")
    return {"number": member.number, **routed(variables), **({"customer": customer} if customer else {})}


def joined(seen: Seen, member: SeenMember, at: datetime) -> Fact:
    return _about(seen, member, "queue_joined", "joined", at, number=member.number, base_score=member.base_score)


def answered(seen: Seen, member: SeenMember, at: datetime) -> Fact:
    return _about(
        seen, member, "call_answered", "answered", at, number=member.number, agent=member.agent,
        waited_s=_between(member.joined_at, at))


def talked(seen: Seen, member: SeenMember, agent: str, at: datetime, agent_call: str = "") -> Fact:
    return _about(
        seen, member, "talk_ended", "talked", at, number=member.number, agent=agent, agent_call=agent_call,
        talked_s=_between(member.answered_at, at))


def left(seen: Seen, member: SeenMember, at: datetime, reason: str, *, abandoned: bool) -> Fact:
    return _about(
        seen, member, "call_abandoned" if abandoned else "call_left_queue", "left", at, reason=reason,
        waited_s=_between(member.joined_at, at), number=member.number, base_score=member.base_score,
        **_asked(seen.calls.get(member.call))) | member.hung_up


def of_call(call: SeenCall) -> dict[str, str]:
    """What the fact of a caller who leaves says of the call."""
    direction = {"direction": call.direction} if call.direction else {}
    return routed(call.variables) | direction | _asked(call)


def _asked(call: SeenCall | None) -> dict[str, str]:
    """What the caller has called, and in which language a flow has spoken."""
    if call is None:
        return {}
    variables = call.variables
    said = {"called": variables.get("fsapp_called") or call.called, "language": variables.get("fsapp_flow_language")}
    return {name: text for name, text in said.items() if text}


def hung_up(call: SeenCall, at: datetime, cause: str) -> Fact:
    return {
        "type": "call_hung_up", "id": f"{call.uuid}:hung-up", "at": at.timestamp(), "call": call.uuid,
        "direction": call.direction, "number": call.number, "called": call.called, "cause": cause,
        "lasted_s": _between(call.created_at, at), "answered_s": _between(call.answered_at, at),
        "variables": dict(call.variables),
    }


def is_callers(call: SeenCall) -> bool:
    """Whether this is a caller's leg, or that of a customer whom a flow asks; not one to an agent's phone."""
    found = side_of(call.uuid, call)
    if found in (Side.FAR, Side.CUSTOMER, Side.ASKED):
        return found is Side.ASKED
    side = call.variables.get("cc_side")
    return side == "member" or (side != "agent" and call.direction == "inbound")


def _between(start: datetime | None, end: datetime) -> float:
    """Seconds with three digits; 0 where it never began."""
    return 0.0 if start is None else round(max(0.0, (end - start).total_seconds()), 3)
