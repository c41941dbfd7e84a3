"""What an event of the switch does to the floor, and what is worth telling of it. Pure: reads no header and no clock.

`apply` never trusts that an event came: of an agent, queue or call that is not known it makes nothing up, and the same
one twice changes nothing more. What was lost in a gap is found by comparing two floors (`floor_facts.recovered`).

The order of an answered call's events is: member-queue-start, agent-state-change Receiving, agent-offering,
bridge-agent-start, CHANNEL_BRIDGE, agent-state-change "In a queue call", bridge-agent-end, member-queue-end Terminated,
agent-state-change Waiting. mod_callcenter tells of a member before its table has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from fsapp.core import floor_agents, floor_calls, floor_members
from fsapp.core.floor import Seen
from fsapp.core.floor_change import Changes, FloorEvent, changed
from fsapp.core.placeholder import TASK

__all__ = ["apply", "carried"]


def apply(seen: Seen, event: FloorEvent) -> Changes:
    """What `event` changes of the floor as it was seen."""
    rule = _RULES.get(event.kind)
    changes = floor_calls.described(seen, event)
    return changes if rule is None else changes | rule(changed(seen, changes), event)


def carried(before: Seen, after: Seen) -> Seen:
    """`after`, read whole, with what its tables do not hold of the calls that were known before."""
    calls = dict(after.calls)
    for uuid, call in after.calls.items():
        known = before.calls.get(uuid)
        if known is not None:
            calls[uuid] = replace(
                call, answered_at=call.answered_at or known.answered_at,
                variables={**known.variables, **call.variables},
            )
    members = dict(after.members)
    for uuid, member in after.members.items():
        known_member, call = before.members.get(uuid), calls.get(member.call)
        task = (known_member.task if known_member else "") or (call.variables.get(TASK, "") if call else "")
        if task:
            members[uuid] = replace(member, task=task)
    return replace(after, calls=calls, members=members)


_RULES: Mapping[str, Callable[[Seen, FloorEvent], Changes]] = {
    "agent-add": floor_agents.agent_added,
    "agent-status-change": floor_agents.status_changed,
    "agent-state-change": floor_agents.state_changed,
    "agent-contact-change": floor_agents.contact_changed,
    "phone-registered": floor_agents.phone_registered,
    "member-queue-start": floor_members.member_started,
    "member-queue-resume": floor_members.member_started,
    "agent-offering": floor_members.offered,
    "bridge-agent-fail": floor_members.not_answered,
    "bridge-agent-start": floor_members.agent_answered,
    "bridge-agent-end": floor_members.talk_ended,
    "member-queue-end": floor_members.member_ended,
    "call-created": floor_calls.call_created,
    "call-answered": floor_calls.call_answered,
    "call-bridged": floor_calls.bridged,
    "call-unbridged": floor_calls.unbridged,
    "call-hung-up": floor_calls.hung_up,
    "recording-started": floor_calls.recording,
    "recording-stopped": floor_calls.recording,
}
