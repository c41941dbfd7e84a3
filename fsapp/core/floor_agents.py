"""What events about agents and their phones change of the floor. Pure."""

from __future__ import annotations

from dataclasses import replace

from fsapp.core import floor_facts as facts
from fsapp.core.floor import AgentState, AgentStatus, MemberState, Seen, SeenAgent, users_of
from fsapp.core.floor_change import NOTHING, Changes, FloorEvent, whole

__all__ = ["agent_added", "contact_changed", "phone_registered", "state_changed", "status_changed"]


def agent_added(seen: Seen, event: FloorEvent) -> Changes:
    return NOTHING if event.agent in seen.agents else Changes(agents={event.agent: SeenAgent(event.agent)})


def status_changed(seen: Seen, event: FloorEvent) -> Changes:
    """As the switch does it: becoming Available starts the counters again, being so already changes no time."""
    agent = seen.agents.get(event.agent)
    if agent is None or agent.status == event.value == AgentStatus.AVAILABLE:
        return NOTHING
    if event.value == AgentStatus.AVAILABLE:
        agent = replace(agent, answered=0, talk_s=0)
    return Changes(agents={agent.id: replace(agent, status=event.value, status_at=whole(event.at))})


def state_changed(seen: Seen, event: FloorEvent) -> Changes:
    agent = seen.agents.get(event.agent)
    if agent is None:
        return NOTHING
    agent = replace(agent, state=event.value)
    if event.value == AgentState.RECEIVING:
        agent = replace(agent, offered_at=whole(event.at))
    changes = Changes(agents={agent.id: agent})
    if event.value != AgentState.TALKING:
        return changes
    served = (member for member in seen.members.values() if member.agent == agent.id)
    member = next((member for member in served if member.state == MemberState.TRYING), None)
    if member is None:
        return changes
    member = replace(member, state=MemberState.ANSWERED, answered_at=whole(event.at))
    agent = replace(agent, talked_at=whole(event.at), answered=agent.answered + 1)
    return Changes(
        agents={agent.id: agent}, members={member.uuid: member}, facts=(facts.answered(seen, member, event.at),))


def contact_changed(seen: Seen, event: FloorEvent) -> Changes:
    agent = seen.agents.get(event.agent)
    return NOTHING if agent is None else Changes(agents={agent.id: replace(agent, contact=event.value)})


def phone_registered(seen: Seen, event: FloorEvent) -> Changes:
    """A phone came; one that went is left to the next look, since it may not have been the only one."""
    return Changes(agents={
        id_: replace(agent, registered=True) for id_, agent in seen.agents.items()
        if agent.registered is False and any(user in event.users for user, _ in users_of(agent.contact))
    })
