"""What an agent is doing, in one word for people, and how much longer where that is known. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from fsapp.core.floor import AgentState, AgentStatus, SeenAgent

__all__ = ["Activity", "activity"]

_BUSY = {AgentState.RECEIVING: "ringing", AgentState.RESERVED: "ringing", AgentState.TALKING: "talking"}
_AWAY = {AgentStatus.LOGGED_OUT: "logged out", AgentStatus.ON_BREAK: "on a break"}


@dataclass(frozen=True, slots=True)
class Activity:
    """`word`: ringing, talking, logged out, on a break, wrap-up, idle, waiting. `left_s`: seconds of a wrap-up."""

    word: str
    left_s: int | None = None


def activity(agent: SeenAgent, now: datetime) -> Activity:
    """What the switch has the agent do at `now`.

    A call comes before all else: who is logged out while talking is talking. The wrap-up ends as mod_callcenter has it,
    in the first whole second after `wrap_up_s` are over. Idle: "Available (On Demand)", and not yet asked for a call.
    """
    busy = _BUSY.get(agent.state)
    if busy is not None:
        return Activity(busy)
    away = _AWAY.get(agent.status)
    if away is not None:
        return Activity(away)
    if agent.ended_at is not None and agent.wrap_up_s > 0:
        left = agent.ended_at + timedelta(seconds=agent.wrap_up_s + 1) - now
        if left > timedelta():
            return Activity("wrap-up", min(math.ceil(left.total_seconds()), agent.wrap_up_s))
    return Activity("idle" if agent.state == AgentState.IDLE else "waiting")
