"""What events about legs and their recordings change of the floor. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from fsapp.core import floor_facts as facts
from fsapp.core.floor import MemberState, Seen, SeenCall
from fsapp.core.floor_change import NOTHING, Changes, FloorEvent, changed, fact_of, whole
from fsapp.core.floor_members import given_up
from fsapp.core.recording import read_name

__all__ = ["bridged", "call_answered", "call_created", "described", "hung_up", "recording", "unbridged"]


def described(seen: Seen, event: FloorEvent) -> Changes:
    """What an event says of the leg it is about, whatever else it tells."""
    call = seen.calls.get(event.call)
    if call is None or event.kind == "call-hung-up":
        return NOTHING
    new = replace(
        call, variables={**call.variables, **event.variables}, answered_at=call.answered_at or event.answered_at,
        number=call.number or event.number,
    )
    return NOTHING if new == call else Changes(calls={call.uuid: new})


def call_created(seen: Seen, event: FloorEvent) -> Changes:
    if event.call in seen.calls:
        return NOTHING
    return Changes(calls={event.call: SeenCall(
        event.call, event.direction, event.number, event.called, event.value, whole(event.created_at or event.at),
        event.answered_at, variables=event.variables,
    )})


def call_answered(seen: Seen, event: FloorEvent) -> Changes:
    created = call_created(seen, event)
    call = changed(seen, created).calls[event.call]
    call = replace(call, state="ACTIVE", answered_at=call.answered_at or event.answered_at or event.at)
    return Changes(calls={call.uuid: call})


def bridged(seen: Seen, event: FloorEvent) -> Changes:
    pair = ((event.call, event.other), (event.other, event.call))
    return Changes(calls={
        one: replace(seen.calls[one], bridged_to=other, state="ACTIVE") for one, other in pair if one in seen.calls
    })


def unbridged(seen: Seen, event: FloorEvent) -> Changes:
    return Changes(calls={
        uuid: replace(seen.calls[uuid], bridged_to="") for uuid in (event.call, event.other)
        if uuid in seen.calls and seen.calls[uuid].bridged_to in (event.call, event.other)
    })


def hung_up(seen: Seen, event: FloorEvent) -> Changes:
    """The leg is gone. The agent it belonged to is told of by events of their own, and so is most often the member."""
    known = seen.calls.get(event.call)
    call = known or SeenCall(
        event.call, event.direction, event.number, event.called, "", event.created_at and whole(event.created_at),
        event.answered_at)
    call = replace(
        call, variables={**call.variables, **event.variables}, answered_at=call.answered_at or event.answered_at)
    other = seen.calls.get(call.bridged_to)
    calls: dict[str, SeenCall | None] = {event.call: None} if known else {}
    if other is not None and other.bridged_to == call.uuid:
        calls[other.uuid] = replace(other, bridged_to="")
    changes = _stay_of(seen, call, event.at)
    told = (facts.hung_up(call, event.at, event.cause),) if facts.is_callers(call) else ()
    return changes | Changes(calls=calls, facts=told)


def _stay_of(seen: Seen, call: SeenCall, at: datetime) -> Changes:
    """A stay whose end was not told before that of the caller's leg: an agent has answered in that moment."""
    member = seen.members.get(call.variables.get("cc_member_uuid", ""))
    if member is None or member.call != call.uuid:
        return NOTHING
    if member.state == MemberState.TRYING:  # whether they have talked is told when the agent's leg has ended
        return Changes(members={member.uuid: replace(member, hung_up=facts.of_call(call))})
    return given_up(seen, member, at) if member.state == MemberState.WAITING else NOTHING


def recording(seen: Seen, event: FloorEvent) -> Changes:
    started = event.kind == "recording-started"
    call = seen.calls.get(event.call)
    known = dict(call.variables) if call is not None else dict(event.variables)
    fact = fact_of(
        event, "recording_started" if started else "recording_stopped", call=event.call, file=_named(event.file),
        **({} if started else {"seconds": event.seconds}), **facts.routed(known),
    )
    return Changes(facts=(fact,))


def _named(path: str) -> str:
    """A recording's name below the folder of recordings; a file that is none of ours keeps its whole path."""
    name = "/".join(path.rsplit("/", 2)[-2:])
    return name if read_name(name) else path
