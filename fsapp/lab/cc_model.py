"""What mod_callcenter keeps: agents, tiers, members, queues, and the orders agents are taken in. Does nothing alone."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fsapp.core.queue_xml import queue_parameters
from fsapp.core.rules import Queue as RulesQueue

if TYPE_CHECKING:
    from fsapp.lab.channel import Channel

__all__ = [
    "AGENT_STATES", "AGENT_STATUSES", "STRATEGIES", "TIER_STATES", "Agent", "Member", "Queue", "Tier", "from_rules",
]

AGENT_STATUSES = ("Logged Out", "Available", "Available (On Demand)", "On Break")
AGENT_STATES = ("Waiting", "Receiving", "In a queue call", "Idle", "Reserved")
TIER_STATES = ("No Answer", "Ready", "Offering", "Active Inbound", "Standby")
STRATEGIES: Mapping[str, Callable[[Agent, Tier], tuple[int, ...]]] = {
    "longest-idle-agent": lambda agent, tier: (tier.level, agent.last_bridge_end, tier.position),
    "agent-with-least-talk-time": lambda agent, tier: (tier.level, agent.talk_time, tier.position),
    "agent-with-fewest-calls": lambda agent, tier: (tier.level, agent.calls_answered, tier.position),
    "sequentially-by-agent-order": lambda agent, tier: (tier.level, tier.position, agent.last_offered_call),
}

_BY_ORDER = STRATEGIES["sequentially-by-agent-order"]


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
    forgotten: bool = False    # its row is gone: nobody will ever be offered this caller
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
    """A queue's settings and who is in it. `wait_s` None: no limit to the wait. `waiting` is sorted by rank.

    Settings from `moh_sound` on are kept and printed, not played. A strategy that is not in STRATEGIES is played as
    mod_callcenter does with one it does not know: by level, position, and who was offered a call longest ago.
    """

    name: str
    wait_s: int | None = None
    strategy: str = "longest-idle-agent"
    time_base_score: str = "system"
    no_answer_status: str = "On Break"
    record_template: str = ""
    discard_abandoned_s: int = 60
    moh_sound: str = ""
    no_agent_wait_s: int = 0
    no_agent_grace_s: int = 5
    resume_allowed: bool = False
    tier_rules_apply: bool = False
    tier_rule_wait_s: int = 0
    tier_rule_multiply: bool = False
    tier_rule_no_wait: bool = True
    ring_delay_s: int = 0
    skip_external: bool = True
    calls_answered: int = 0
    calls_abandoned: int = 0
    members: dict[str, Member] = field(default_factory=dict)
    waiting: list[tuple[tuple[int, int], Member]] = field(default_factory=list)
    trying: set[str] = field(default_factory=set)

    def order(self, agent: Agent, tier: Tier) -> tuple[int, ...]:
        """Sorts those who may be offered a call: the first one is."""
        return STRATEGIES.get(self.strategy.lower(), _BY_ORDER)(agent, tier)

    def succeed(self, old: Queue) -> None:
        """Take the place of a queue of this name, and over whoever is in it."""
        self.members, self.waiting, self.trying = old.members, old.waiting, old.trying

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
    return [Queue(queue.name, queue.wait_s, strategy=queue_parameters(queue)["strategy"]) for queue in made], tiers
