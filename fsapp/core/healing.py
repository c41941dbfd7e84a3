"""What agents, tiers and callers have got into and do not leave by themselves. Judges what was seen; mends nothing.

What the states of mod_callcenter 1.10.12 mean here:

- An agent is Receiving (or Reserved) from the offer until the phone's leg has ended, "In a queue call" as long as the
  leg lives. While it rings the member is Trying and names the agent; in a call the agent names its own leg. An agent
  with neither was forgotten by the thread that led the call, and gets none any more until somebody says Waiting.
- While an agent is offered a call, its tier is Offering, later Active Inbound, and those of other queues are Standby;
  only Ready and No Answer get offers. Left so without a call, the agent gets no calls of that queue.
- Idle is where an agent "Available (On Demand)" lands after a talk, to say Waiting. One that has become Available
  during the talk lands there too, and gets no call ever.
- A member is Trying while an agent rings, Answered while they talk. Only Waiting ones are offered.

Each of these is also passed through for a moment in the best of worlds: it counts only when it is seen twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from fsapp.core.floor import AgentState, AgentStatus, MemberState, RememberedStatus, Seen, SeenAgent, SeenMember
from fsapp.core.mending import Difference, Kind, ReturnCall, SetState, SetStatus, SetTier, Step, Suspicion

__all__ = [
    "BUSY", "DOUBT_S", "NO_PHONE", "NO_PHONE_ON_DEMAND", "RINGING_S", "Doubts", "heal", "in_call",
    "waits",
]

DOUBT_S = 4  # seen again after so many seconds it is no passing state
# No phone rings longer: agent-originate-timeout is 60 s, and an announcement to the agent counts as ringing.
RINGING_S = 120
NO_PHONE = "no phone"
NO_PHONE_ON_DEMAND = "no phone, on demand"
BUSY = frozenset({AgentState.RECEIVING, AgentState.RESERVED, AgentState.TALKING})
_PASSING_TIERS = frozenset({"Offering", "Standby", "Active Inbound"})
_ALL_RING = frozenset({"ring-all", "ring-progressively"})
_BACK = {NO_PHONE: AgentStatus.AVAILABLE, NO_PHONE_ON_DEMAND: AgentStatus.ON_DEMAND}

Name = Callable[[str], str]


class Doubts:
    """Turns what may be passing into a difference: certain when an earlier look found the same long enough ago."""

    def __init__(self, now: datetime, core_uuid: str, earlier: Suspicion | None) -> None:
        self.now = now
        self._first = earlier.first if earlier is not None and earlier.core_uuid == core_uuid else {}

    def difference(
        self, kind: Kind, subject: str, text: str, steps: tuple[Step, ...] = (), sign: str = "", todo: str = "",
        legs: Iterable[str] = (),
    ) -> Difference:
        since = self._first.get((kind, subject, sign), self.now)
        certain = self.now - since >= timedelta(seconds=DOUBT_S)
        return Difference(kind, subject, text, steps, sign, since, certain, todo, tuple(leg for leg in legs if leg))


def heal(
    mine: Mapping[str, SeenAgent], queues: frozenset[str], seen: Seen, remembered: Mapping[str, RememberedStatus],
    doubts: Doubts, name: Name,
) -> Iterator[Difference]:
    """What is to be healed in `mine` (agents) and `queues`; `name` is how people call an agent."""
    for agent in mine.values():
        yield from _agent(agent, queues, seen, remembered.get(agent.id), doubts, name(agent.id))
    for member in seen.members.values():
        if member.queue in queues:
            yield from _member(member, seen, doubts)


def in_call(agent: SeenAgent, seen: Seen, now: datetime) -> bool:
    """Whether the switch has any leg of a call for this agent."""
    if agent.call and agent.call in seen.calls:
        return True
    if not _overdue(agent, now) and (agent.state != AgentState.TALKING or not agent.call):
        for member in seen.members.values():
            if waits(member, seen) and (member.agent == agent.id or _all_ring(member, agent, seen)):
                return True
    return any(
        call.variables.get("cc_agent") == agent.id and call.variables.get("cc_side") == "agent"
        for call in seen.calls.values()
    )


def _overdue(agent: SeenAgent, now: datetime) -> bool:
    """Whether an agent has been Receiving for longer than any phone rings."""
    return (
        agent.state in (AgentState.RECEIVING, AgentState.RESERVED) and agent.offered_at is not None
        and now - agent.offered_at > timedelta(seconds=RINGING_S)
    )


def waits(member: SeenMember, seen: Seen) -> bool:
    """Whether a member is a caller who is still there."""
    return member.state != MemberState.ABANDONED and member.call in seen.calls


def _all_ring(member: SeenMember, agent: SeenAgent, seen: Seen) -> bool:
    """Somebody's queue that rings all its agents at once names none of them."""
    return member.agent in _ALL_RING and any(
        tier.queue == member.queue and tier.agent == agent.id for tier in seen.tiers
    )


def _agent(
    agent: SeenAgent, queues: frozenset[str], seen: Seen, remembered: RememberedStatus | None, doubts: Doubts,
    name: str,
) -> Iterator[Difference]:
    if in_call(agent, seen, doubts.now):
        return
    passing = [
        tier for tier in seen.tiers
        if tier.agent == agent.id and tier.queue in queues and tier.state in _PASSING_TIERS
    ]
    free = tuple(SetTier(tier.queue, tier.agent, "state", "Ready") for tier in passing)
    sign = f"{agent.state} {agent.offered_at} {agent.call}"
    legs = [agent.call]
    if not _overdue(agent, doubts.now):
        legs += [member.call for member in seen.members.values() if member.agent == agent.id]
    if agent.state in BUSY:
        yield doubts.difference(
            Kind.AGENT_STUCK, agent.id, f"{name} is {agent.state!r} without a call",
            (*free, SetState(agent.id, AgentState.WAITING)), sign, legs=legs,
        )
        return
    if agent.state == AgentState.IDLE and agent.status == AgentStatus.AVAILABLE:
        yield doubts.difference(
            Kind.AGENT_IDLE, agent.id, f"{name} is Available and Idle, so that no call comes",
            (SetState(agent.id, AgentState.WAITING),), sign,
        )
    for tier, step in zip(passing, free, strict=True):
        yield doubts.difference(
            Kind.TIER_STUCK, f"{tier.queue} {agent.id}",
            f"{name} gets no calls of queue {tier.queue}: the tier is {tier.state!r} without a call", (step,), sign,
            legs=legs,
        )
    yield from _phone(agent, remembered, doubts, name)


def _phone(
    agent: SeenAgent, remembered: RememberedStatus | None, doubts: Doubts, name: str,
) -> Iterator[Difference]:
    if agent.registered is False and agent.status in (AgentStatus.AVAILABLE, AgentStatus.ON_DEMAND):
        reason = NO_PHONE if agent.status == AgentStatus.AVAILABLE else NO_PHONE_ON_DEMAND
        yield doubts.difference(
            Kind.NO_PHONE, agent.id, f"{name} is {agent.status} and the phone is not registered",
            (SetStatus(agent.id, AgentStatus.ON_BREAK, reason),),
        )
    elif agent.registered and agent.status == AgentStatus.ON_BREAK and remembered is not None:
        back = _BACK.get(remembered.reason) if remembered.status == AgentStatus.ON_BREAK else None
        if back is not None:
            yield Difference(
                Kind.PHONE_BACK, agent.id, f"{name} is on a break for want of a phone, which is registered again",
                (SetStatus(agent.id, back),),
            )


def _member(member: SeenMember, seen: Seen, doubts: Doubts) -> Iterator[Difference]:
    if member.state == MemberState.ABANDONED:
        return
    sign = f"{member.state} {member.agent}"
    if member.call not in seen.calls:
        # Nothing that mod_callcenter offers removes a row of its table.
        todo = "the switch drops it when it is next offered to an agent"
        if member.state != MemberState.WAITING:
            todo = "it takes nobody's place; the switch drops it when it is next restarted"
        yield doubts.difference(
            Kind.MEMBER_GHOST, member.uuid,
            f"queue {member.queue} counts a caller as {member.state!r} who is no longer there", (), sign, todo,
        )
    elif member.state == MemberState.TRYING and not _offered(member, seen, doubts.now):
        yield doubts.difference(
            Kind.MEMBER_STUCK, member.uuid,
            f"a caller in queue {member.queue} is 'Trying' and no agent's phone rings", (ReturnCall(member.call),),
            sign,
        )


def _offered(member: SeenMember, seen: Seen, now: datetime) -> bool:
    """Whether the agent a member is offered to knows of it; where all phones ring at once nobody can tell."""
    if member.agent in _ALL_RING:
        return True
    agent = seen.agents.get(member.agent)
    return agent is not None and agent.state in BUSY and not _overdue(agent, now)
