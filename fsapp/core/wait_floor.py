"""The floor of a switch as estimating waits needs it: agents in play, callers in line; and what facts teach. Pure: asks
no clock.

A caller for whom somebody rings is not in line any more. An agent who is on a break, logged out or without a phone is
not in play.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fsapp.core.activity import activity
from fsapp.core.evidence import is_ghost
from fsapp.core.floor import AgentStatus, MemberState, Seen, SeenMember
from fsapp.core.wait import Desk, Estimate, Scene, Waiting, rank
from fsapp.core.wait_learning import WaitLearner

__all__ = ["Outcome", "WaitBook", "scene_of"]

_READY = (AgentStatus.AVAILABLE, AgentStatus.ON_DEMAND)
_KEPT = 5000
_TIE = 1e-5


def scene_of(seen: Seen, now: datetime, without: str = "") -> Scene:
    """Agents in play and callers in line; `without`: a member who is left out."""
    queues: dict[str, set[str]] = {}
    for tier in seen.tiers:
        queues.setdefault(tier.agent, set()).add(tier.queue)
    desks = []
    for agent in seen.agents.values():
        if agent.status not in _READY or agent.registered is False or agent.id not in queues:
            continue
        doing = activity(agent, now)
        if doing.word != "idle":
            ready = {"waiting": 0.0, "wrap-up": float(doing.left_s or 0)}.get(doing.word)
            desks.append(Desk(frozenset(queues[agent.id]), ready))

    def place_of(member: SeenMember) -> float:
        return rank(member.base_score, (member.joined_at or now).timestamp())

    # Of two who joined in the same second with the same score the switch takes the first.
    line = [
        Waiting(member.uuid, member.queue, place_of(member) - place * _TIE)
        for place, member in enumerate(seen.members.values())
        if member.state == MemberState.WAITING and member.uuid != without and not is_ghost(member, seen, now)
    ]
    return Scene(desks, line)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a caller was foretold when he joined, and how long it was."""

    said: Estimate
    waited_s: float

    @property
    def error_s(self) -> float:
        return abs(self.said.estimate_s - self.waited_s)

    @property
    def within(self) -> bool:
        return self.said.low_s <= self.waited_s <= self.said.high_s


@dataclass(slots=True)
class WaitBook:
    """Takes the facts of the event stream to a learner. `bases`: the base score of a queue's last caller."""

    learner: WaitLearner = field(default_factory=WaitLearner)
    bases: dict[str, int] = field(default_factory=dict)
    _offered: dict[str, float] = field(default_factory=dict)
    _said: dict[str, Estimate] = field(default_factory=dict)

    def heard(self, fact: Mapping[str, Any], seen: Seen) -> Outcome | None:
        """Learn from one fact; `seen` as it is after it. How good an estimate was, once that is known.

        A fact that was only found later says nothing of times, and is not learned from. Nor is one about a callback's
        place in the queue: nobody waits there.
        """
        kind, member, at = fact.get("type"), str(fact.get("member", "")), float(fact.get("at", 0.0))
        queue = str(fact.get("queue", ""))
        if not member or fact.get("task"):
            return None
        if fact.get("recovered"):
            self._forget(member)
            self.learner.forget(member)
        elif kind == "queue_joined":
            scene = scene_of(seen, datetime.fromtimestamp(at, UTC), without=member)
            self.bases[queue] = int(fact.get("base_score") or 0)
            self._keep(self._said, member, self.learner.joined(member, queue, self.bases[queue], at, scene))
        elif kind == "agent_offered":
            self._keep(self._offered, member, at)
        elif kind == "call_answered":
            return self._answered(fact, member, queue, at, seen)
        elif kind == "talk_ended":
            offered_at = self._offered.pop(member, None)
            agent = seen.agents.get(str(fact.get("agent", "")))
            if offered_at is not None and agent is not None:
                self.learner.held(queue, max(0.0, at - offered_at) + agent.wrap_up_s)
        elif kind in ("call_abandoned", "call_left_queue"):
            self._forget(member)
            self.learner.gone(member, queue, float(fact.get("waited_s", 0.0)))
        return None

    def _answered(self, fact: Mapping[str, Any], member: str, queue: str, at: float, seen: Seen) -> Outcome | None:
        serves = {tier.queue for tier in seen.tiers if tier.agent == fact.get("agent")} | {queue}
        waited_s = float(fact.get("waited_s", 0.0))
        offered_at = self._offered.get(member)
        self.learner.answered(member, queue, serves, waited_s, None if offered_at is None else at - offered_at, at)
        said = self._said.pop(member, None)
        return None if said is None or not said.agents else Outcome(said, waited_s)

    def estimates(self, seen: Seen, now: datetime) -> dict[str, Estimate]:
        """For each queue that had callers: what one of the last one's base score would wait who joined it now."""
        scene = scene_of(seen, now)
        self.learner.look(scene, now.timestamp())
        return {
            queue: self.learner.estimate(scene, queue, base, now.timestamp())
            for queue, base in self.bases.items() if queue in seen.queues
        }

    def estimate_of(self, seen: Seen, member: SeenMember, now: datetime) -> Estimate | None:
        """What somebody who waits has to expect from now on; None for who does not wait any more."""
        scene = scene_of(seen, now)
        mine = next((one for one in scene.line if one.member == member.uuid), None)
        return None if mine is None else self.learner.estimate_of(scene, mine, member.base_score, now.timestamp())

    def dump(self) -> dict[str, Any]:
        """Everything that outlives a process, as plain values."""
        return {"bases": self.bases, "learner": self.learner.dump()}

    @classmethod
    def load(cls, found: Mapping[str, Any]) -> WaitBook:
        """What `dump` gave. ValueError, TypeError, KeyError, AttributeError or IndexError on rubbish."""
        return cls(
            WaitLearner.load(found["learner"]), {str(queue): int(base) for queue, base in found["bases"].items()})

    def _forget(self, member: str) -> None:
        self._said.pop(member, None)
        self._offered.pop(member, None)

    def _keep(self, where: dict[str, Any], member: str, value: Any) -> None:
        where[member] = value
        while len(where) > _KEPT:
            del where[next(iter(where))]
