"""Whom a caller waits for before the queue of a stage or line: one agent after the other, or a group. Pure.

Nobody is waited for twice or in vain: not an agent who is gone, takes no inbound calls here, is logged out or on a
break. Where nobody knows who is there, all are waited for.
"""

from __future__ import annotations

from datetime import datetime

from fsapp.core.availability import Availability, Presence
from fsapp.core.choose import LedBy
from fsapp.core.model import Step, Sticky, Target
from fsapp.core.rules import Line, Rules, Stage, Stickiness, agent_queue, group_queue, list_queue
from fsapp.core.stickiness import Busy, talk_for

__all__ = ["Offers"]


class Offers:
    """The targets of one call in order, in `targets`; each step leaves a line in the trace.

    `seen`: whose presence mattered, so that the decision can be made again.
    """

    def __init__(
        self, place: Stage | Line, availability: Availability, rules: Rules, now: datetime, trace: list[Step],
    ) -> None:
        self.targets: list[Target] = []
        self.seen: dict[str, Presence] = {}
        self._place = place
        self._availability = availability
        self._rules = rules
        self._now = now
        self._trace = trace

    def agent(
        self, agent_id: str, rule: str, relation: str, *, only_free: bool = False, for_task: bool = False,
    ) -> None:
        """Add an agent's personal queue, once; with `only_free` not that of an agent who is busy.

        `for_task`: one who is away is waited for as well, and so is one who takes no inbound calls: it is none.
        """
        fact = f"the caller {relation} agent {agent_id}"
        agent = self._rules.agents.get(agent_id)
        presence = self._presence(agent_id)
        if agent is None:
            outcome = "no such agent: skipped"
        elif self._place.staff.get(agent_id) == 0 and not for_task:
            outcome = "takes no inbound calls here: skipped"
        elif any(target.agent == agent_id for target in self.targets):
            outcome = "already first in line"
        elif presence is Presence.AWAY and not for_task:
            outcome = "is logged out or on a break: skipped"
        elif presence is Presence.BUSY and only_free:
            outcome = "is busy: anybody free at once"
        else:
            self.targets.append(Target(agent_queue(self._rules.domain, agent_id), agent_id, agent.wait_s))
            outcome = f"waits {agent.wait_s} s for {agent.name}"
        self._trace.append(Step(rule, fact, outcome))

    def sticky(self, sticky: Sticky, *, at_once: bool = False) -> None:
        """Add the sticky agent, that agent's group, or one after the other, each with a wait of its own.

        `at_once`: the caller comes out of a flow, or is called back; where nobody says otherwise a busy agent then is
        not waited for.
        """
        place = self._place
        talk, why_not = talk_for(sticky, place.id, place.sticky, self._now)
        if talk is None:
            self._trace.append(Step("sticky agent", f"the caller last talked to agent {sticky.agent}", why_not))
            return
        only_free = (place.sticky.busy or (Busy.ANY if at_once else Busy.WAIT)) is Busy.ANY
        if place.stickiness is not Stickiness.GROUP:
            self.agent(talk.agent, "sticky agent", "last talked to", only_free=only_free)
        group = self._rules.group_of(talk.agent, place.staff) if place.stickiness is not Stickiness.AGENT else None
        if group is not None:
            name = group_queue(self._rules.domain, group.name)
            self._several(name, "sticky group", f"agent {talk.agent} is of {group.name}", only_free=only_free)

    def lead(self, led: LedBy) -> None:
        """Add the agent, a list's own agents and the group that a list or a check leads to."""
        lead, rules = led.lead, self._rules
        if lead.agent is not None:
            self.agent(lead.agent, led.rule, f"is led by {led.by} to")
        if lead.list_queue:
            self._several(list_queue(rules.domain, led.name), led.rule, f"{led.by} leads to its own agents")
        if lead.group in rules.groups:
            self._several(group_queue(rules.domain, lead.group), led.rule, f"{led.by} leads to group {lead.group}")

    def group(self, name: str, rule: str, fact: str) -> None:
        """Add the queue of a group."""
        self._several(group_queue(self._rules.domain, name), rule, fact)

    def _several(self, name: str, rule: str, fact: str, *, only_free: bool = False) -> None:
        """Add the queue of a group or list, once, if somebody of it may answer."""
        queue = self._rules.queues[name]
        there = {self._presence(id_) for id_, priority in queue.staff.items() if priority}
        if any(target.queue == name for target in self.targets):
            outcome = "already in line"
        elif there <= {Presence.AWAY} and there:
            outcome = "nobody of them is there: skipped"
        elif only_free and not there & {Presence.FREE, Presence.UNKNOWN}:
            outcome = "nobody of them is free: anybody free at once"
        else:
            self.targets.append(Target(name, None, queue.wait_s))
            outcome = f"waits {queue.wait_s} s for them"
        self._trace.append(Step(rule, fact, outcome))

    def _presence(self, agent: str) -> Presence:
        found = self.seen[agent] = self._availability.of(agent, self._now)
        return found
