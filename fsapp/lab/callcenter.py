"""mod_callcenter in memory: queues, members, agents, tiers, and the dispatcher. Who answers a phone is elsewhere.

Behaviour as of FreeSWITCH 1.10.12: one dispatcher looks at all waiting members every 100 ms, the highest score first,
where score = whole seconds since joining + base score. As every waiting member gains one a second, their order never
changes while they wait: it is kept sorted instead of being sorted each time.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from fsapp.core.rules import Queue as RulesQueue

if TYPE_CHECKING:
    from fsapp.lab.channel import Channel
    from fsapp.lab.switch import Switch

__all__ = [
    "AGENT_STATES", "AGENT_STATUSES", "STRATEGIES", "Agent", "CallCenter", "Member", "Queue", "Tier", "from_rules",
]

TICK_S = 0.1
DISCARD_ABANDONED_S = 60
AGENT_STATUSES = ("Logged Out", "Available", "Available (On Demand)", "On Break")
AGENT_STATES = ("Waiting", "Receiving", "In a queue call", "Idle", "Reserved")
STRATEGIES: Mapping[str, Callable[[Agent, Tier], tuple[int, ...]]] = {
    "longest-idle-agent": lambda agent, tier: (tier.level, agent.last_bridge_end, tier.position),
    "agent-with-least-talk-time": lambda agent, tier: (tier.level, agent.talk_time, tier.position),
    "agent-with-fewest-calls": lambda agent, tier: (tier.level, agent.calls_answered, tier.position),
    "sequentially-by-agent-order": lambda agent, tier: (tier.level, tier.position, agent.last_offered_call),
}


@dataclass(slots=True)
class Agent:
    """Times in whole epoch seconds. `contact`: `error/CAUSE` fails so, `null/x` answers at once, else a phone."""

    name: str
    contact: str = ""
    status: str = "Available"
    state: str = "Waiting"
    type: str = "callback"
    max_no_answer: int = 0
    wrap_up_time: int = 0
    reject_delay_time: int = 0
    busy_delay_time: int = 0
    no_answer_delay_time: int = 0
    uuid: str = ""
    last_bridge_start: int = 0
    last_bridge_end: int = 0
    last_offered_call: int = 0
    last_status_change: int = 0
    no_answer_count: int = 0
    calls_answered: int = 0
    talk_time: int = 0
    ready_time: int = 0

    def free(self, epoch: int) -> bool:
        """Whether the dispatcher may offer a call to this agent."""
        return (
            self.state == "Waiting" and self.status in ("Available", "Available (On Demand)")
            and self.last_bridge_end < epoch - self.wrap_up_time and self.ready_time <= epoch
        )


@dataclass(slots=True)
class Tier:
    queue: str
    agent: str
    level: int = 1
    position: int = 1
    state: str = "Ready"


@dataclass(slots=True)
class Member:
    """A caller in a queue. `joined_at` in lab seconds, the epochs in whole ones."""

    uuid: str
    queue: str
    channel: Channel
    base_score: int
    joined_at: float
    number: int
    cid_name: str
    cid_number: str
    system_epoch: int = 0
    bridge_epoch: int = 0
    abandoned_epoch: int = 0
    state: str = "Waiting"
    serving_agent: str = ""
    connecting: bool = False
    agent_leg: Channel | None = None

    @property
    def joined_epoch(self) -> int:
        return int(self.joined_at)

    @property
    def rank(self) -> tuple[int, int]:
        """Sorts the waiting: the highest score first, then who joined first."""
        return (self.joined_epoch - self.base_score, self.number)

    def score(self, epoch: int) -> int:
        return epoch - self.joined_epoch + self.base_score


@dataclass(slots=True)
class Queue:
    """`wait_s` None: no limit to the wait. `waiting` is sorted by rank."""

    name: str
    wait_s: int | None = None
    strategy: str = "longest-idle-agent"
    time_base_score: str = "system"
    no_answer_status: str = "On Break"
    calls_answered: int = 0
    calls_abandoned: int = 0
    members: dict[str, Member] = field(default_factory=dict)
    waiting: list[tuple[tuple[int, int], Member]] = field(default_factory=list)
    trying: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise ValueError(f"queue {self.name}: strategy {self.strategy!r} is none of {', '.join(STRATEGIES)}")

    def put(self, member: Member) -> None:
        insort(self.waiting, (member.rank, member))

    def take(self, member: Member) -> None:
        place = bisect_left(self.waiting, (member.rank,))
        if place < len(self.waiting) and self.waiting[place][1] is member:
            del self.waiting[place]

    def count(self) -> int:
        """Members not yet talking and still there."""
        return len(self.waiting) + len(self.trying)


def from_rules(queues: Iterable[RulesQueue]) -> tuple[list[Queue], list[Tier]]:
    """The switch's queues and tiers for the rules' queues: priority 10-1 is level 1-10, priority 0 is no tier."""
    made = list(queues)
    tiers = [
        Tier(queue.name, agent, 11 - priority) for queue in made for agent, priority in queue.staff.items() if priority
    ]
    return [Queue(queue.name, queue.wait_s) for queue in made], tiers


class CallCenter:
    """All queues of one switch. Ask only from greenlets of one thread."""

    def __init__(self, switch: Switch, queues: Iterable[Queue], agents: Iterable[Agent], tiers: Iterable[Tier]) -> None:
        self._switch = switch
        self.queues = {queue.name: queue for queue in queues}
        self.agents = {agent.name: agent for agent in agents}
        self.tiers: dict[tuple[str, str], Tier] = {}
        self._by_queue: dict[str, dict[str, Tier]] = {}
        self._by_agent: dict[str, dict[str, Tier]] = {}
        self._joined = 0
        for tier in tiers:
            self.add_tier(tier)

    # -- tiers and agents ----------------------------------------------------------------------------------------

    def add_tier(self, tier: Tier) -> None:
        self.tiers[tier.queue, tier.agent] = tier
        self._by_queue.setdefault(tier.queue, {})[tier.agent] = tier
        self._by_agent.setdefault(tier.agent, {})[tier.queue] = tier

    def remove_tier(self, queue: str, agent: str) -> None:
        if self.tiers.pop((queue, agent), None):
            del self._by_queue[queue][agent]
            del self._by_agent[agent][queue]

    def remove_agent(self, name: str) -> None:
        for queue in list(self._by_agent.get(name, ())):
            self.remove_tier(queue, name)
        self.agents.pop(name, None)

    def served_by(self, agent: str) -> Iterator[str]:
        """The queues this agent serves."""
        return iter(tuple(self._by_agent.get(agent, ())))

    def epoch(self) -> int:
        return self._switch.clock.epoch()

    def staff(self, queue: str) -> list[str]:
        return list(self._by_queue.get(queue, ()))

    def set_status(self, agent: Agent, status: str) -> None:
        """Change an agent's status, with the counters and the event that go with it."""
        if status == "Available":
            if agent.status != status:
                agent.talk_time = agent.calls_answered = agent.no_answer_count = 0
                agent.last_status_change = self._switch.clock.epoch()
        else:
            agent.last_status_change = self._switch.clock.epoch()
            for queue in self.queues.values():
                for member in list(queue.members.values()):
                    if member.serving_agent == agent.name and member.state == "Trying" and member.agent_leg:
                        member.agent_leg.hangup("ORIGINATOR_CANCEL", "caller")
        agent.status = status
        self.report([("CC-Agent", agent.name), ("CC-Action", "agent-status-change"), ("CC-Agent-Status", status)])

    def set_state(self, agent: Agent, state: str) -> None:
        if state == "Receiving":
            agent.last_offered_call = self._switch.clock.epoch()
        agent.state = state
        self.report([("CC-Agent", agent.name), ("CC-Action", "agent-state-change"), ("CC-Agent-State", state)])

    def report(self, extra: list[tuple[str, str]], channel: Channel | None = None) -> None:
        """Fire a callcenter::info event, about a channel or about none."""
        self._switch.fire("CUSTOM", channel, extra=extra, subclass="callcenter::info")

    # -- members -------------------------------------------------------------------------------------------------

    def join(self, queue: Queue, channel: Channel, base_score: int) -> Member:
        """A caller as a member of a queue, whom the dispatcher does not see before `enter`."""
        self._joined += 1
        return Member(
            str(uuid4()), queue.name, channel, base_score, self._switch.clock.now(), self._joined,
            channel.profile.caller_id_name, channel.profile.caller_id_number, channel.answered_us // 1_000_000,
        )

    def enter(self, queue: Queue, member: Member) -> None:
        queue.members[member.uuid] = member
        queue.put(member)

    def report_count(self, queue: Queue) -> None:
        if self._switch.heard("CUSTOM", "callcenter::info"):
            self.report([
                ("CC-Queue", queue.name), ("CC-Action", "members-count"), ("CC-Count", str(queue.count())),
                ("CC-Selection", "Single-Queue"),
            ])

    def abandon(self, queue: Queue, member: Member) -> None:
        """The member leaves unanswered; it stays in lists for a while, as Abandoned."""
        queue.take(member)
        queue.trying.discard(member.uuid)
        member.state = "Abandoned"
        member.abandoned_epoch = self._switch.clock.epoch()
        queue.calls_abandoned += 1
        self._switch.clock.later(DISCARD_ABANDONED_S, self.forget, queue, member)
        if member.agent_leg is not None:
            member.agent_leg.hangup("ORIGINATOR_CANCEL", "caller")

    def forget(self, queue: Queue, member: Member) -> None:
        queue.members.pop(member.uuid, None)

    # -- the dispatcher ------------------------------------------------------------------------------------------

    def dispatch(self) -> None:
        """One look at everybody who waits: offer the highest score first, as long as there is somebody to offer to."""
        epoch = self._switch.clock.epoch()
        free = {agent.name for agent in self.agents.values() if agent.free(epoch)}
        heads: list[tuple[tuple[int, int], str]] = []
        for queue in self._queues_of(free):
            heads.append((queue.waiting[0][0], queue.name))
        heapq.heapify(heads)
        while heads and free:
            _, name = heapq.heappop(heads)
            queue = self.queues[name]
            found = self._best(queue, free)
            if found is None:
                continue
            free.discard(found[0].name)
            self._offer(queue, queue.waiting[0][1], *found)
            if queue.waiting:
                heapq.heappush(heads, (queue.waiting[0][0], name))

    def _queues_of(self, agents: Iterable[str]) -> list[Queue]:
        names = {name for agent in agents for name in self._by_agent.get(agent, ())}
        return [queue for queue in map(self.queues.get, names) if queue is not None and queue.waiting]

    def _best(self, queue: Queue, free: set[str]) -> tuple[Agent, Tier] | None:
        order = STRATEGIES[queue.strategy]
        candidates = [
            (self.agents[tier.agent], tier) for tier in self._by_queue[queue.name].values()
            if tier.agent in free and _offerable(tier)
        ]
        return min(candidates, key=lambda pair: order(*pair), default=None)

    def _offer(self, queue: Queue, member: Member, agent: Agent, tier: Tier) -> None:
        queue.take(member)
        queue.trying.add(member.uuid)
        member.state = "Trying"
        member.serving_agent = agent.name
        member.connecting = True
        self.set_state(agent, "Receiving")
        tier.state = "Offering"
        for other in self._by_agent[agent.name].values():
            if other is not tier and other.state == "Ready":
                other.state = "Standby"
        self._switch.offer(queue, member, agent, tier)

    def release(self, agent: Agent, tier: Tier, tier_state: str) -> None:
        """The agent is done with a member, however it went."""
        if tier.state in ("Active Inbound", "Standby", "Offering"):
            tier.state = tier_state
        for other in self._by_agent.get(agent.name, {}).values():
            if other is not tier and other.state == "Standby":
                other.state = "Ready"

    def put_back(self, queue: Queue, member: Member) -> None:
        """An offer failed: the member waits on, with the score it had."""
        member.serving_agent = ""
        queue.trying.discard(member.uuid)
        if member.state == "Trying":
            member.state = "Waiting"
            queue.put(member)


def _offerable(tier: Tier) -> bool:
    return tier.state in ("Ready", "No Answer")
