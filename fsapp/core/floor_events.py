"""What an event of the switch does to the floor, and what is worth telling of it. Pure: reads no header and no clock.

`apply` never trusts that an event came: of an agent, queue or call that is not known it makes nothing up, and the same
one twice changes nothing more. What was lost in a gap is found by comparing two floors (`floor_facts.recovered`).

The order of an answered call's events is: member-queue-start, agent-state-change Receiving, agent-offering,
bridge-agent-start, CHANNEL_BRIDGE, agent-state-change "In a queue call", bridge-agent-end, member-queue-end Terminated,
agent-state-change Waiting. mod_callcenter tells of a member before its table has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from fsapp.core import floor_facts as facts
from fsapp.core.floor import AgentState, AgentStatus, MemberState, Seen, SeenAgent, SeenCall, SeenMember, users_of
from fsapp.core.floor_facts import Fact
from fsapp.core.placeholder import TASK
from fsapp.core.recording import read_name

__all__ = ["NOTHING", "Changes", "FloorEvent", "apply", "carried", "changed"]



@dataclass(frozen=True, slots=True)
class FloorEvent:
    """One event. `kind`: the CC-Action of callcenter::info, else call-created, call-answered, call-bridged,
    call-unbridged, call-hung-up, call-described, recording-started, recording-stopped, phone-registered.

    `id`: unique for ever, the same whenever the same event is read. `call`: the uuid of the leg it is about (for
    callcenter events the caller's), `other` that of the leg it talks to, `agent_call` the agent's own. `value`: the new
    status, state or contact. `hung_up`: the leg has hung up already. `talk_at`: when the agent picked up.
    """

    kind: str
    id: str
    at: datetime
    agent: str = ""
    queue: str = ""
    member: str = ""
    call: str = ""
    other: str = ""
    agent_call: str = ""
    value: str = ""
    cause: str = ""
    reason: str = ""
    bridged: bool = True
    hung_up: bool = False
    number: str = ""
    name: str = ""
    called: str = ""
    direction: str = ""
    joined_at: datetime | None = None
    created_at: datetime | None = None
    answered_at: datetime | None = None
    talk_at: datetime | None = None
    base_score: int = 0
    file: str = ""
    seconds: int = 0
    users: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed: new values by key, None for what is gone. `facts`: for the event stream."""

    agents: Mapping[str, SeenAgent | None] = field(default_factory=dict)
    members: Mapping[str, SeenMember | None] = field(default_factory=dict)
    calls: Mapping[str, SeenCall | None] = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()

    def __or__(self, later: Changes) -> Changes:
        return Changes(
            {**self.agents, **later.agents}, {**self.members, **later.members}, {**self.calls, **later.calls},
            self.facts + later.facts,
        )


NOTHING = Changes()


def apply(seen: Seen, event: FloorEvent) -> Changes:
    """What `event` changes of the floor as it was seen."""
    rule = _RULES.get(event.kind)
    changes = _described(seen, event)
    return changes if rule is None else changes | rule(changed(seen, changes), event)


def changed(seen: Seen, changes: Changes) -> Seen:
    """The floor with the changes made."""
    return replace(
        seen, agents=_with(seen.agents, changes.agents), members=_with(seen.members, changes.members),
        calls=_with(seen.calls, changes.calls),
    )


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


def _with(old: Mapping[str, Any], new: Mapping[str, Any]) -> Mapping[str, Any]:
    if not new:
        return old
    merged = dict(old)
    for key, value in new.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


# -- agents ------------------------------------------------------------------------------------------------------


def _agent_added(seen: Seen, event: FloorEvent) -> Changes:
    return NOTHING if event.agent in seen.agents else Changes(agents={event.agent: SeenAgent(event.agent)})


def _status_changed(seen: Seen, event: FloorEvent) -> Changes:
    """As the switch does it: becoming Available starts the counters again, being so already changes no time."""
    agent = seen.agents.get(event.agent)
    if agent is None or agent.status == event.value == AgentStatus.AVAILABLE:
        return NOTHING
    if event.value == AgentStatus.AVAILABLE:
        agent = replace(agent, answered=0, talk_s=0)
    return Changes(agents={agent.id: replace(agent, status=event.value, status_at=_whole(event.at))})


def _state_changed(seen: Seen, event: FloorEvent) -> Changes:
    agent = seen.agents.get(event.agent)
    if agent is None:
        return NOTHING
    agent = replace(agent, state=event.value)
    if event.value == AgentState.RECEIVING:
        agent = replace(agent, offered_at=_whole(event.at))
    changes = Changes(agents={agent.id: agent})
    if event.value != AgentState.TALKING:
        return changes
    served = (member for member in seen.members.values() if member.agent == agent.id)
    member = next((member for member in served if member.state == MemberState.TRYING), None)
    if member is None:
        return changes
    member = replace(member, state=MemberState.ANSWERED, answered_at=_whole(event.at))
    agent = replace(agent, talked_at=_whole(event.at), answered=agent.answered + 1)
    return Changes(
        agents={agent.id: agent}, members={member.uuid: member}, facts=(facts.answered(seen, member, event.at),))


def _contact_changed(seen: Seen, event: FloorEvent) -> Changes:
    agent = seen.agents.get(event.agent)
    return NOTHING if agent is None else Changes(agents={agent.id: replace(agent, contact=event.value)})


def _phone_registered(seen: Seen, event: FloorEvent) -> Changes:
    """A phone came; one that went is left to the next look, since it may not have been the only one."""
    return Changes(agents={
        id_: replace(agent, registered=True) for id_, agent in seen.agents.items()
        if agent.registered is False and any(user in event.users for user, _ in users_of(agent.contact))
    })


# -- members -----------------------------------------------------------------------------------------------------


def _member_started(seen: Seen, event: FloorEvent) -> Changes:
    known = seen.members.get(event.member)
    if known is not None and known.state != MemberState.ABANDONED:
        return NOTHING
    joined_at = event.joined_at or _whole(event.at)
    member = SeenMember(
        event.member, event.queue, event.call, event.number, event.name, joined_at,
        base_score=event.base_score + _waited_before(seen, event, joined_at), score=event.base_score,
        task=event.variables.get(TASK, ""),
    )
    return Changes(members={member.uuid: member}, facts=(facts.joined(seen, member, event.at),))


def _waited_before(seen: Seen, event: FloorEvent, joined_at: datetime) -> int:
    """The seconds since the call was answered, which queues of time-base-score `system` add."""
    queue = seen.queues.get(event.queue)
    if queue is None or queue.settings.get("time_base_score") != "system" or event.answered_at is None:
        return 0
    return max(0, int((joined_at - _whole(event.answered_at)).total_seconds()))


def _offered(seen: Seen, event: FloorEvent) -> Changes:
    member = seen.members.get(event.member)
    fact = _fact(event, "agent_offered", call=event.call, member=event.member, queue=event.queue, agent=event.agent,
                 **facts.caller_of(seen, member) | facts.task_of(member))
    if member is None or member.state not in (MemberState.WAITING, MemberState.TRYING):
        return Changes(facts=(fact,))
    member = replace(member, state=MemberState.TRYING, agent=event.agent)
    return Changes(members={member.uuid: member}, facts=(fact,))


def _not_answered(seen: Seen, event: FloorEvent) -> Changes:
    member = seen.members.get(event.member)
    fact = _fact(event, "agent_missed", call=event.call, member=event.member, queue=event.queue, agent=event.agent,
                 cause=event.cause, **facts.task_of(member))
    # Told again after all was read: the same agent may have answered a later offer meanwhile.
    if member is None or member.agent != event.agent or member.state not in (MemberState.WAITING, MemberState.TRYING):
        return Changes(facts=(fact,))
    return Changes(members={member.uuid: replace(member, state=MemberState.WAITING, agent="")}, facts=(fact,))


def _agent_answered(seen: Seen, event: FloorEvent) -> Changes:
    """The agent has picked up; that the two talk is told by the agent's state."""
    agent = seen.agents.get(event.agent)
    changes = NOTHING if agent is None else Changes(agents={agent.id: replace(agent, call=event.agent_call)})
    member = seen.members.get(event.member)
    if member is not None and member.state in (MemberState.WAITING, MemberState.TRYING):
        member = replace(member, state=MemberState.TRYING, agent=event.agent)
        changes |= Changes(members={member.uuid: member})
    return changes


def _talk_ended(seen: Seen, event: FloorEvent) -> Changes:
    agent = seen.agents.get(event.agent)
    member = seen.members.get(event.member)
    if event.bridged:
        # Where it began in a gap, the event says when.
        member = member or SeenMember(event.member, event.queue, event.call, event.number, event.name, event.joined_at)
        member = replace(member, answered_at=member.answered_at or event.talk_at)
        fact = facts.talked(seen, member, event.agent, event.at, event.agent_call)
        return Changes(agents={} if agent is None else {agent.id: _rested(agent, event.at)}, facts=(fact,))
    agents = {} if agent is None else {agent.id: replace(agent, call="")}
    if member is None or member.state != MemberState.TRYING:
        return Changes(agents=agents)
    if member.call in seen.calls:
        return Changes(agents=agents, members={member.uuid: replace(member, state=MemberState.WAITING)})
    return Changes(agents=agents) | _given_up(seen, member, event.at)


def _given_up(seen: Seen, member: SeenMember, at: datetime) -> Changes:
    """Whoever hung up as an agent answered: mod_callcenter took the stay for answered, and tells no end of it."""
    gone = replace(member, state=MemberState.ABANDONED, call="", hung_up={})
    return Changes(members={gone.uuid: gone}, facts=(facts.left(seen, member, at, "NONE", abandoned=True),))


def _rested(agent: SeenAgent, at: datetime) -> SeenAgent:
    """The agent after a talk; a second time changes nothing."""
    if not agent.call:
        return agent
    talked = int((_whole(at) - agent.talked_at).total_seconds()) if agent.talked_at else 0
    return replace(agent, call="", ended_at=_whole(at), talk_s=agent.talk_s + max(0, talked))


def _member_ended(seen: Seen, event: FloorEvent) -> Changes:
    member = seen.members.get(event.member)
    if event.value != "Cancel":
        return Changes(members={event.member: None}) if member is not None else NOTHING
    if member is None:
        # It joined in a gap.
        member = SeenMember(event.member, event.queue, event.call, event.number, event.name, event.joined_at)
    elif member.state == MemberState.ABANDONED:
        return NOTHING
    abandoned = event.hung_up and event.reason in ("", "NONE", "BREAK_OUT")
    fact = facts.left(seen, member, event.at, event.reason, abandoned=abandoned)
    gone = replace(member, state=MemberState.ABANDONED, call="")
    return Changes(members={gone.uuid: gone}, facts=(fact,))


# -- calls -------------------------------------------------------------------------------------------------------


def _described(seen: Seen, event: FloorEvent) -> Changes:
    """What an event says of the leg it is about, whatever else it tells."""
    call = seen.calls.get(event.call)
    if call is None or event.kind == "call-hung-up":
        return NOTHING
    new = replace(
        call, variables={**call.variables, **event.variables}, answered_at=call.answered_at or event.answered_at,
        number=call.number or event.number,
    )
    return NOTHING if new == call else Changes(calls={call.uuid: new})


def _call_created(seen: Seen, event: FloorEvent) -> Changes:
    if event.call in seen.calls:
        return NOTHING
    return Changes(calls={event.call: SeenCall(
        event.call, event.direction, event.number, event.called, event.value, _whole(event.created_at or event.at),
        event.answered_at, variables=event.variables,
    )})


def _call_answered(seen: Seen, event: FloorEvent) -> Changes:
    created = _call_created(seen, event)
    call = changed(seen, created).calls[event.call]
    call = replace(call, state="ACTIVE", answered_at=call.answered_at or event.answered_at or event.at)
    return Changes(calls={call.uuid: call})


def _bridged(seen: Seen, event: FloorEvent) -> Changes:
    pair = ((event.call, event.other), (event.other, event.call))
    return Changes(calls={
        one: replace(seen.calls[one], bridged_to=other, state="ACTIVE") for one, other in pair if one in seen.calls
    })


def _unbridged(seen: Seen, event: FloorEvent) -> Changes:
    return Changes(calls={
        uuid: replace(seen.calls[uuid], bridged_to="") for uuid in (event.call, event.other)
        if uuid in seen.calls and seen.calls[uuid].bridged_to in (event.call, event.other)
    })


def _hung_up(seen: Seen, event: FloorEvent) -> Changes:
    """The leg is gone. The agent it belonged to is told of by events of their own, and so is most often the member."""
    known = seen.calls.get(event.call)
    call = known or SeenCall(
        event.call, event.direction, event.number, event.called, "", event.created_at and _whole(event.created_at),
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
    return _given_up(seen, member, at) if member.state == MemberState.WAITING else NOTHING


def _recording(seen: Seen, event: FloorEvent) -> Changes:
    started = event.kind == "recording-started"
    call = seen.calls.get(event.call)
    known = dict(call.variables) if call is not None else dict(event.variables)
    fact = _fact(
        event, "recording_started" if started else "recording_stopped", call=event.call, file=_named(event.file),
        **({} if started else {"seconds": event.seconds}), **facts.routed(known),
    )
    return Changes(facts=(fact,))


def _named(path: str) -> str:
    """A recording's name below the folder of recordings; a file that is none of ours keeps its whole path."""
    name = "/".join(path.rsplit("/", 2)[-2:])
    return name if read_name(name) else path


# -- all ---------------------------------------------------------------------------------------------------------


def _fact(event: FloorEvent, type_: str, **fields: Any) -> Fact:
    """A fact of which there may be many about one call: its id is the event's."""
    return {"type": type_, "id": event.id, "at": event.at.timestamp(), **fields}


def _whole(at: datetime) -> datetime:
    """The switch's tables count in whole seconds."""
    return at.replace(microsecond=0)


_RULES: Mapping[str, Callable[[Seen, FloorEvent], Changes]] = {
    "agent-add": _agent_added,
    "agent-status-change": _status_changed,
    "agent-state-change": _state_changed,
    "agent-contact-change": _contact_changed,
    "phone-registered": _phone_registered,
    "member-queue-start": _member_started,
    "member-queue-resume": _member_started,
    "agent-offering": _offered,
    "bridge-agent-fail": _not_answered,
    "bridge-agent-start": _agent_answered,
    "bridge-agent-end": _talk_ended,
    "member-queue-end": _member_ended,
    "call-created": _call_created,
    "call-answered": _call_answered,
    "call-bridged": _bridged,
    "call-unbridged": _unbridged,
    "call-hung-up": _hung_up,
    "recording-started": _recording,
    "recording-stopped": _recording,
}
