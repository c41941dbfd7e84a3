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

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from fsapp.core.evidence import BUSY, Evidence
from fsapp.core.floor import AgentState, AgentStatus, MemberState, RememberedStatus, SeenAgent, SeenMember
from fsapp.core.mending import Difference, Kind, ReturnCall, SetState, SetStatus, SetTier, Step, Suspicion

__all__ = ["DOUBT_S", "NO_PHONE", "NO_PHONE_ON_DEMAND", "Doubts", "heal"]

DOUBT_S = 4  # seen again after so many seconds it is no passing state
NO_PHONE = "no phone"
NO_PHONE_ON_DEMAND = "no phone, on demand"
_PASSING_TIERS = frozenset({"Offering", "Standby", "Active Inbound"})
_BACK = {NO_PHONE: AgentStatus.AVAILABLE, NO_PHONE_ON_DEMAND: AgentStatus.ON_DEMAND}
# What a contact user/ID@DOMAIN asks the directory for.
_PHONE = re.compile(r"\buser/([^@,|\s\]}]+@[^,|:\s\]}]+)")

Name = Callable[[str], str]


class Doubts:
    """Turns what may be passing into a difference: certain when an earlier look found the same long enough ago."""

    def __init__(self, now: datetime, core_uuid: str, earlier: Suspicion | None) -> None:
        self.now = now
        self._first = earlier.first if earlier is not None and earlier.core_uuid == core_uuid else {}

    def difference(
        self, kind: Kind, subject: str, text: str, steps: tuple[Step, ...] = (), sign: str = "", todo: str = "",
        legs: Iterable[str] = (), phones: Iterable[str] = (),
    ) -> Difference:
        since = self._first.get((kind, subject, sign), self.now)
        certain = self.now - since >= timedelta(seconds=DOUBT_S)
        legs = tuple(leg for leg in legs if leg)
        return Difference(kind, subject, text, steps, sign, since, certain, todo, legs, tuple(phones))


def heal(
    mine: Mapping[str, SeenAgent], queues: frozenset[str], evidence: Evidence,
    remembered: Mapping[str, RememberedStatus], doubts: Doubts, name: Name,
) -> Iterator[Difference]:
    """What is to be healed in `mine` (agents) and `queues`; `name` is how people call an agent."""
    for agent in mine.values():
        yield from _agent(agent, queues, evidence, remembered.get(agent.id), doubts, name(agent.id))
    for member in evidence.seen.members.values():
        if member.queue in queues:
            yield from _member(member, evidence, doubts)


def _agent(
    agent: SeenAgent, queues: frozenset[str], evidence: Evidence, remembered: RememberedStatus | None,
    doubts: Doubts, name: str,
) -> Iterator[Difference]:
    if evidence.in_call(agent):
        return
    passing = [
        tier for tier in evidence.tiers.get(agent.id, ()) if tier.queue in queues and tier.state in _PASSING_TIERS
    ]
    free = tuple(SetTier(tier.queue, tier.agent, "state", "Ready") for tier in passing)
    sign = f"{agent.state} {agent.offered_at} {agent.call}"
    legs = [agent.call]
    if not evidence.overdue(agent):
        legs += [member.call for member in evidence.served.get(agent.id, ())]
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
            (SetStatus(agent.id, AgentStatus.ON_BREAK, reason),), phones=_PHONE.findall(agent.contact),
        )
    elif agent.registered is not False and agent.status == AgentStatus.ON_BREAK and remembered is not None:
        back = _BACK.get(remembered.reason) if remembered.status == AgentStatus.ON_BREAK else None
        if back is not None:
            yield Difference(
                Kind.PHONE_BACK, agent.id, f"{name} is on a break for want of a phone, which is there again",
                (SetStatus(agent.id, back),),
            )


def _member(member: SeenMember, evidence: Evidence, doubts: Doubts) -> Iterator[Difference]:
    if member.state == MemberState.ABANDONED:
        return
    sign = f"{member.state} {member.agent}"
    if member.call not in evidence.seen.calls:
        # Nothing that mod_callcenter offers removes a row of its table.
        todo = "the switch drops it when it is next offered to an agent"
        if member.state != MemberState.WAITING:
            todo = "it takes nobody's place; the switch drops it when it is next restarted"
        yield doubts.difference(
            Kind.MEMBER_GHOST, member.uuid,
            f"queue {member.queue} counts a caller as {member.state!r} who is no longer there", (), sign, todo,
        )
    elif member.state == MemberState.TRYING and not evidence.rings(member):
        yield doubts.difference(
            Kind.MEMBER_STUCK, member.uuid,
            f"a caller in queue {member.queue} is 'Trying' and no agent's phone rings", (ReturnCall(member.call),),
            sign,
        )
