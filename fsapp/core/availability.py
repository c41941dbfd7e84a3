"""Who of the agents can take a call now, is busy, or is not there, as the floor has it. Pure: decides nothing.

What a decision needs of the floor, and small: it is read along with the facts of each caller. An agent of whom nothing
is said may be there or not; then the caller waits as if nobody knew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from fsapp.core.floor import AgentState, AgentStatus, Seen

__all__ = ["NOBODY_KNOWS", "Availability", "Presence", "availability", "together"]

_THERE = frozenset({AgentStatus.AVAILABLE, AgentStatus.ON_DEMAND})


class Presence(StrEnum):
    FREE = "free"
    BUSY = "busy"        # talks, rings, or rests after a talk
    AWAY = "not there"   # logged out, or on a break
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Availability:
    """`free_at`: by agent, from when on (epoch seconds) calls can be taken; infinity while that cannot be said.

    `away`: the agents who are not there at all.
    """

    free_at: Mapping[str, float] = field(default_factory=dict)
    away: frozenset[str] = frozenset()

    def of(self, agent: str, now: datetime) -> Presence:
        if agent in self.away:
            return Presence.AWAY
        free_at = self.free_at.get(agent)
        if free_at is None:
            return Presence.UNKNOWN
        return Presence.FREE if free_at <= now.timestamp() else Presence.BUSY


NOBODY_KNOWS = Availability()


def availability(seen: Seen) -> Availability:
    """What a floor says of its agents. A rest after a talk ends by itself: nobody has to tell."""
    free_at, away = {}, set()
    for agent in seen.agents.values():
        if agent.status not in _THERE:
            away.add(agent.id)
        elif agent.state == AgentState.WAITING:
            free_at[agent.id] = agent.ended_at.timestamp() + agent.wrap_up_s if agent.ended_at else 0.0
        else:
            free_at[agent.id] = math.inf
    return Availability(free_at, frozenset(away))


def together(parts: Iterable[Availability]) -> Availability:
    """Several switches as one. Who is there on one of them is there."""
    free_at: dict[str, float] = {}
    away: set[str] = set()
    for part in parts:
        away |= part.away
        free_at.update(part.free_at)
    return Availability(free_at, frozenset(away - free_at.keys()))
