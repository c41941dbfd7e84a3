"""mod_callcenter in memory: queues with their members, agents, tiers, and the dispatcher. Who answers is elsewhere.

Behaviour as of FreeSWITCH 1.10.12: one dispatcher looks at all waiting members every 100 ms, the highest score first,
where score = whole seconds since joining + base score. As every waiting member gains one a second, their order never
changes while they wait: it is kept sorted instead of being sorted each time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

from fsapp.lab.cc_model import (
    AGENT_STATES,
    AGENT_STATUSES,
    STRATEGIES,
    TIER_STATES,
    Agent,
    Member,
    Queue,
    Tier,
    from_rules,
)
from fsapp.log import get_logger
from fsapp.spawn import spawn

if TYPE_CHECKING:
    from fsapp.lab.channel import Channel
    from fsapp.lab.switch import Switch

__all__ = [
    "AGENT_STATES", "AGENT_STATUSES", "STRATEGIES", "TIER_STATES", "Agent", "CallCenter", "Member", "Queue", "Tier",
    "from_rules",
]

_log = get_logger("lab")
TICK_S = 0.1


class CallCenter:
    """All queues of one switch. Ask only from greenlets of one thread.

    `load` gets the name of a queue that is not here and makes it known if it can; it may wait.
    """

    def __init__(self, switch: Switch, queues: Iterable[Queue], agents: Iterable[Agent], tiers: Iterable[Tier]) -> None:
        self._switch = switch
        self.queues = {queue.name: queue for queue in queues}
        self.agents = {agent.name: agent for agent in agents}
        self.tiers: dict[tuple[str, str], Tier] = {}
        self._by_queue: dict[str, dict[str, Tier]] = {}
        self._by_agent: dict[str, dict[str, Tier]] = {}
        self._orphans: dict[str, Queue] = {}  # unloaded with callers in them
        self._adopting: set[str] = set()
        self._joined = 0
        self.load: Callable[[str], Queue | None] = lambda _name: None
        for tier in tiers:
            self.add_tier(tier)

    # -- queues --------------------------------------------------------------------------------------------------

    def find(self, name: str) -> Queue | None:
        """A queue that is loaded, or can be; may wait for whoever says what is in it."""
        return self.queues.get(name) or self.load(name)

    def put_queue(self, queue: Queue) -> None:
        """A queue with new settings; whoever waits in one of this name goes on waiting in it."""
        old = self.queues.get(queue.name) or self._orphans.pop(queue.name, None)
        if old is not None:
            queue.succeed(old)
        self.queues[queue.name] = queue
        for _, member in queue.waiting:
            member.channel.wake()  # the wait may be another one now

    def remove_queue(self, name: str) -> None:
        """Unload a queue. Its members stay until the dispatcher finds that nobody can load it again."""
        queue = self.queues.pop(name, None)
        if queue is None:
            _log.error("queue_unknown", queue=name)
        elif queue.members:
            self._orphans[name] = queue

    def reset(self, *, keep: bool) -> None:
        """What becomes of everything when the module is loaded anew; not kept: what is in its database as well."""
        members = [(queue, member) for queue in self.queues.values() for member in queue.members.values()]
        self._orphans.update((queue.name, queue) for queue in self.queues.values() if queue.members)
        self.queues.clear()
        if not keep:
            self._orphans.clear()
            self.agents.clear()
            self.forget_tiers()
            return
        for agent in self.agents.values():
            agent.state, agent.uuid = "Waiting", ""
        for tier in self.tiers.values():
            tier.state = "Ready"
        for queue, member in members:
            if member.state != "Abandoned":
                queue.take(member)
                queue.trying.discard(member.uuid)
                member.state = "Abandoned"
                left_s = member.joined_epoch + queue.discard_abandoned_s - self.epoch()
                self._switch.clock.later(max(0, left_s), self.forget, queue, member)

    def _adopt(self, queue: Queue) -> None:
        """What the dispatcher does with members of a queue that is not loaded: load it, or forget them."""
        try:
            if self.find(queue.name) is not None:
                return
        finally:
            self._orphans.pop(queue.name, None)
            self._adopting.discard(queue.name)
        _log.warning("members_forgotten", queue=queue.name, members=len(queue.members))
        for member in list(queue.members.values()):
            if member.state in ("Waiting", "Abandoned"):
                queue.take(member)
                member.forgotten = True
                self.forget(queue, member)
                member.channel.wake()

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

    def forget_tiers(self) -> None:
        self.tiers.clear()
        self._by_queue.clear()
        self._by_agent.clear()

    def served_by(self, agent: str) -> Iterator[str]:
        """The queues this agent serves."""
        return iter(tuple(self._by_agent.get(agent, ())))

    def epoch(self) -> int:
        return self._switch.clock.epoch()

    def staff(self, queue: str) -> list[str]:
        return list(self._by_queue.get(queue, ()))

    def set_status(self, agent: Agent, status: str) -> None:
        """Change an agent's status, with the counters and the event that go with it."""
        if status.lower() == "available":
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
        if state.lower() == "receiving":
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
        self._switch.clock.later(queue.discard_abandoned_s, self.forget, queue, member)
        if member.agent_leg is not None:
            member.agent_leg.hangup("ORIGINATOR_CANCEL", "caller")

    def forget(self, queue: Queue, member: Member) -> None:
        queue.members.pop(member.uuid, None)

    # -- the dispatcher ------------------------------------------------------------------------------------------

    def dispatch(self) -> None:
        """One look at everybody who waits: offer the highest score first, as long as there is somebody to offer to."""
        for name in self._orphans.keys() - self._adopting:
            self._adopting.add(name)
            spawn(self._adopt, self._orphans[name], name="lab-orphans")
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
        candidates = [
            (self.agents[tier.agent], tier) for tier in self._by_queue[queue.name].values()
            if tier.agent in free and _offerable(tier)
        ]
        return min(candidates, key=lambda pair: queue.order(*pair), default=None)

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
