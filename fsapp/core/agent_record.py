"""An agent's times at work, made of the statuses that were told: sessions, and the breaks in them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

__all__ = ["Break", "LOGGED_OUT", "ON_BREAK", "Session", "Status", "times"]

LOGGED_OUT, ON_BREAK = "Logged Out", "On Break"


@dataclass(frozen=True, slots=True, order=True)
class Status:
    """A status of one agent on one switch, as it was told; `at` in epoch seconds."""

    at: float
    id: str
    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """From logging in to logging out; `ended_at` None: still there. The id is that of the status it began with."""

    id: str
    started_at: float
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Break:
    id: str
    session_id: str
    reason: str | None
    started_at: float
    ended_at: float | None = None


def times(statuses: Iterable[Status]) -> tuple[list[Session], list[Break]]:
    """Sessions and breaks of somebody who was logged out before the first of `statuses`, which come in any order.

    The same status told twice changes nothing; a break for another reason is another break.
    """
    sessions: list[Session] = []
    breaks: list[Break] = []
    there = resting = False
    for one in sorted(statuses):
        if resting and (one.status != ON_BREAK or one.reason != breaks[-1].reason):
            breaks[-1], resting = replace(breaks[-1], ended_at=one.at), False
        if one.status == LOGGED_OUT:
            if there:
                sessions[-1], there = replace(sessions[-1], ended_at=one.at), False
            continue
        if not there:
            sessions.append(Session(one.id, one.at))
            there = True
        if one.status == ON_BREAK and not resting:
            breaks.append(Break(one.id, sessions[-1].id, one.reason, one.at))
            resting = True
    return sessions, breaks
