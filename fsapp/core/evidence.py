"""Which calls, callers and tiers each agent of a switch has, and which members are nobody. Judges nothing. Pure."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from fsapp.core.floor import AgentState, MemberState, Seen, SeenAgent, SeenMember, SeenTier

__all__ = ["BUSY", "FRESH_S", "RINGING_S", "Evidence", "is_ghost"]

BUSY = frozenset({AgentState.RECEIVING, AgentState.RESERVED, AgentState.TALKING})
# No phone rings longer: agent-originate-timeout is 60 s, and an announcement to the agent counts as ringing.
RINGING_S = 120
FRESH_S = 5  # the switch's table of calls is behind that of the queues' members by less
_ALL_RING = frozenset({"ring-all", "ring-progressively"})


def is_ghost(member: SeenMember, seen: Seen, now: datetime) -> bool:
    """Whether a member is a row of a caller who is no longer there: no call of the switch's is his."""
    return (
        member.state != MemberState.ABANDONED and member.call != "" and member.call not in seen.calls
        and (member.joined_at is None or now - member.joined_at > timedelta(seconds=FRESH_S))
    )


class Evidence:
    """What `seen` says of each agent. `tiers`: by agent; `served`: the members who name the agent, gone or not."""

    def __init__(self, seen: Seen, now: datetime) -> None:
        self.seen = seen
        self.now = now
        self.tiers: dict[str, list[SeenTier]] = defaultdict(list)
        self.served: dict[str, list[SeenMember]] = defaultdict(list)
        # Somebody's queues that ring all their agents at once: their members name none of them.
        all_ring: set[str] = set()
        for tier in seen.tiers:
            self.tiers[tier.agent].append(tier)
        for member in seen.members.values():
            self.served[member.agent].append(member)
            if member.agent in _ALL_RING and self.waits(member):
                all_ring.add(member.queue)
        self._all_ring = frozenset(all_ring)
        self._legs = frozenset(
            call.variables.get("cc_agent") for call in seen.calls.values() if call.variables.get("cc_side") == "agent"
        )

    def waits(self, member: SeenMember) -> bool:
        """Whether a member is a caller who is still there."""
        return member.state != MemberState.ABANDONED and member.call in self.seen.calls

    def overdue(self, agent: SeenAgent) -> bool:
        """Whether an agent has been Receiving for longer than any phone rings."""
        return (
            agent.state in (AgentState.RECEIVING, AgentState.RESERVED) and agent.offered_at is not None
            and self.now - agent.offered_at > timedelta(seconds=RINGING_S)
        )

    def in_call(self, agent: SeenAgent) -> bool:
        """Whether there is any leg of a call for this agent."""
        if (agent.call and agent.call in self.seen.calls) or agent.id in self._legs:
            return True
        if self.overdue(agent) or (agent.state == AgentState.TALKING and agent.call):
            return False
        return any(self.waits(member) for member in self.served.get(agent.id, ())) or (
            bool(self._all_ring) and any(tier.queue in self._all_ring for tier in self.tiers.get(agent.id, ()))
        )

    def rings(self, member: SeenMember) -> bool:
        """Whether the agent a member is offered to knows of it. Where all ring at once nobody can tell: yes."""
        if member.agent in _ALL_RING:
            return True
        agent = self.seen.agents.get(member.agent)
        return agent is not None and agent.state in BUSY and not self.overdue(agent)
