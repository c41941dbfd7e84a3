"""Estimates of the wait on recorded calls: the facts of an event stream, one after the other. Simulates nothing.

The stream does not say who serves which queue nor who is in play: an agent serves the queues of the calls he was ever
offered, and is in play for a quarter of an hour after he was last seen at work, unless his status says otherwise. Of a
caller who gave up nobody knows how long he would have waited: only those answered count.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from waits_score import Score, Usual

from fsapp.core.floor import AgentState, AgentStatus, MemberState, Seen, SeenAgent, SeenMember, SeenTier
from fsapp.core.wait_floor import WaitBook, scene_of
from fsapp.settings import load
from fsapp.state.connection import connect
from fsapp.state.stream import tail

__all__ = ["recorded", "replayed"]

IN_PLAY_S = 900.0
WARM = 50  # callers from whom to learn first
_READY = (AgentStatus.AVAILABLE, AgentStatus.ON_DEMAND)


def recorded(source: str) -> Iterator[dict[str, Any]]:
    """The facts of a file with one JSON object a line, or of the stream of the Redis that the settings name (`redis`).
    """
    if source == "redis":
        client = connect(load(), 5.0)
        yield from (fact for _place, fact in tail(client, 0.0, follow=False))
        return
    with Path(source).open(encoding="utf-8") as file:
        for place, line in enumerate(file, 1):
            try:
                fact = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{source}:{place}: is no JSON: {error}") from None
            if isinstance(fact, dict):
                yield fact


@dataclass(slots=True)
class _Floor:
    """What the facts so far say of the floor."""

    rest_s: int
    seen: Seen
    last: dict[str, float]

    def take(self, fact: Mapping[str, Any], at: float) -> None:
        kind, agent, member = fact.get("type"), str(fact.get("agent") or ""), str(fact.get("member") or "")
        when = datetime.fromtimestamp(at, UTC)
        if kind == "agent_status" and agent:
            self._agent(agent, status=str(fact.get("status")))
        elif kind == "queue_joined":
            self._member(member, SeenMember(member, str(fact.get("queue")), "", joined_at=when,
                                            base_score=int(fact.get("base_score") or 0)))
        elif kind == "agent_offered":
            self._serves(str(fact.get("queue")), agent)
            self._agent(agent, state=AgentState.RECEIVING)
            self._moved(member, MemberState.TRYING, agent)
        elif kind == "agent_missed":
            self._agent(agent, state=AgentState.WAITING)
            self._moved(member, MemberState.WAITING, "")
        elif kind == "call_answered":
            self._serves(str(fact.get("queue")), agent)
            self._agent(agent, state=AgentState.TALKING)
            self._moved(member, MemberState.ANSWERED, agent)
        elif kind == "talk_ended":
            self._agent(agent, state=AgentState.WAITING, ended_at=when)
            self._member(member, None)
        elif kind in ("call_abandoned", "call_left_queue"):
            self._member(member, None)
        if agent:
            self.last[agent] = at

    def at(self, at: float) -> Seen:
        """Those who were not seen at work for long are taken to be away."""
        agents = {
            id_: agent if agent.state != AgentState.WAITING or at - self.last.get(id_, 0.0) < IN_PLAY_S
            else replace(agent, status=AgentStatus.LOGGED_OUT) for id_, agent in self.seen.agents.items()
        }
        return replace(self.seen, agents=agents)

    def _agent(self, id_: str, **changes: Any) -> None:
        known = self.seen.agents.get(id_) or SeenAgent(id_, status=AgentStatus.AVAILABLE, wrap_up_s=self.rest_s)
        if "state" in changes and known.status not in _READY:
            changes["status"] = AgentStatus.AVAILABLE
        self.seen = replace(self.seen, agents={**self.seen.agents, id_: replace(known, **changes)})

    def _member(self, uuid: str, member: SeenMember | None) -> None:
        members = {key: value for key, value in self.seen.members.items() if key != uuid}
        self.seen = replace(self.seen, members=members if member is None else {**members, uuid: member})

    def _moved(self, uuid: str, state: MemberState, agent: str) -> None:
        member = self.seen.members.get(uuid)
        if member is not None:
            self._member(uuid, replace(member, state=state, agent=agent))

    def _serves(self, queue: str, agent: str) -> None:
        tier = SeenTier(queue, agent)
        if agent and tier not in self.seen.tiers:
            self.seen = replace(self.seen, tiers=(*self.seen.tiers, tier))


def replayed(facts: Iterable[Mapping[str, Any]], rest_s: int) -> Score:
    """Estimates at each joining, held against the wait of those who were answered; the first ones are for learning."""
    floor, book, usual, score = _Floor(rest_s, Seen(), {}), WaitBook(), Usual(), Score()
    said: dict[str, dict[str, float]] = {}
    offered: dict[str, float] = {}
    answered = 0
    for fact in facts:
        at, member = float(fact.get("at") or 0.0), str(fact.get("member") or "")
        kind, queue = fact.get("type"), str(fact.get("queue"))
        if not fact.get("recovered"):
            if kind == "queue_joined":
                scene = scene_of(floor.at(at), datetime.fromtimestamp(at, UTC))
                ring_s = book.learner.learned(scene, queue, float(fact.get("base_score") or 0), at).ring.mean
                said[member] = usual.of(queue, scene, ring_s)
            elif kind == "agent_offered":
                offered[member] = at
            elif kind == "talk_ended" and member in offered:
                usual.held(queue, at - offered.pop(member) + rest_s)
        floor.take(fact, at)
        outcome = book.heard(fact, floor.at(at))
        if kind == "call_answered" and not fact.get("recovered"):
            usual.answered(queue, float(fact.get("waited_s") or 0.0))
            answered += 1
        if outcome is not None and answered > WARM and member in said:
            score.add(outcome.waited_s, outcome.said, said[member])
    return score
