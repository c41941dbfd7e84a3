"""What events about stays in queues, and the offers and talks that they come to, change of the floor. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from fsapp.core import floor_facts as facts
from fsapp.core.floor import MemberState, Seen, SeenAgent, SeenMember
from fsapp.core.floor_change import NOTHING, Changes, FloorEvent, fact_of, whole
from fsapp.core.placeholder import TASK

__all__ = ["agent_answered", "given_up", "member_ended", "member_started", "not_answered", "offered", "talk_ended"]


def member_started(seen: Seen, event: FloorEvent) -> Changes:
    known = seen.members.get(event.member)
    if known is not None and known.state != MemberState.ABANDONED:
        return NOTHING
    joined_at = event.joined_at or whole(event.at)
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
    return max(0, int((joined_at - whole(event.answered_at)).total_seconds()))


def offered(seen: Seen, event: FloorEvent) -> Changes:
    member = seen.members.get(event.member)
    fact = fact_of(event, "agent_offered", call=event.call, member=event.member, queue=event.queue, agent=event.agent,
                 **facts.caller_of(seen, member) | facts.task_of(member))
    if member is None or member.state not in (MemberState.WAITING, MemberState.TRYING):
        return Changes(facts=(fact,))
    member = replace(member, state=MemberState.TRYING, agent=event.agent)
    return Changes(members={member.uuid: member}, facts=(fact,))


def not_answered(seen: Seen, event: FloorEvent) -> Changes:
    member = seen.members.get(event.member)
    fact = fact_of(event, "agent_missed", call=event.call, member=event.member, queue=event.queue, agent=event.agent,
                 cause=event.cause, **facts.task_of(member))
    # Told again after all was read: the same agent may have answered a later offer meanwhile.
    if member is None or member.agent != event.agent or member.state not in (MemberState.WAITING, MemberState.TRYING):
        return Changes(facts=(fact,))
    return Changes(members={member.uuid: replace(member, state=MemberState.WAITING, agent="")}, facts=(fact,))


def agent_answered(seen: Seen, event: FloorEvent) -> Changes:
    """The agent has picked up; that the two talk is told by the agent's state."""
    agent = seen.agents.get(event.agent)
    changes = NOTHING if agent is None else Changes(agents={agent.id: replace(agent, call=event.agent_call)})
    member = seen.members.get(event.member)
    if member is not None and member.state in (MemberState.WAITING, MemberState.TRYING):
        member = replace(member, state=MemberState.TRYING, agent=event.agent)
        changes |= Changes(members={member.uuid: member})
    return changes


def talk_ended(seen: Seen, event: FloorEvent) -> Changes:
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
    return Changes(agents=agents) | given_up(seen, member, event.at)


def given_up(seen: Seen, member: SeenMember, at: datetime) -> Changes:
    """Whoever hung up as an agent answered: mod_callcenter took the stay for answered, and tells no end of it."""
    gone = replace(member, state=MemberState.ABANDONED, call="", hung_up={})
    return Changes(members={gone.uuid: gone}, facts=(facts.left(seen, member, at, "NONE", abandoned=True),))


def _rested(agent: SeenAgent, at: datetime) -> SeenAgent:
    """The agent after a talk; a second time changes nothing."""
    if not agent.call:
        return agent
    talked = int((whole(at) - agent.talked_at).total_seconds()) if agent.talked_at else 0
    return replace(agent, call="", ended_at=whole(at), talk_s=agent.talk_s + max(0, talked))


def member_ended(seen: Seen, event: FloorEvent) -> Changes:
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
