"""Agents who come, go and have breaks while everything is killed around them; what the memory has otherwise. No tests.

The truth is the switch's word on each agent, as it was set. A status that began and ended while no link was there is
known to nobody; of one that lasts, the switch says since when it is so.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gevent
from kill_truth import Blind, Row

from fsapp.errors import FsappError
from fsapp.lab.callcenter import Agent
from fsapp.lab.switch import Switch
from fsapp.state.requests import ask

__all__ = ["Workers", "differences_of_work"]

AVAILABLE, ON_BREAK, LOGGED_OUT = "Available", "On Break", "Logged Out"
_BY_HAND = 0.25        # of all changes: on the switch itself, as with fs_cli
_LASTS_S = (7, 14)     # longer than the link waits until a change on the switch counts
_REASONS = ("lunch", "training", "paperwork")
_SLACK_S = 2.5         # the switch says whole seconds, the link looks a moment later
_SETTLED_S = 6.0       # after a gap: until the link has looked, and waited for what may be newer
_STEP_S = 0.25


@dataclass
class Word:
    """A status as the switch was told it. `reason` of a break; None where nobody was told whether it was taken."""

    at: float
    status: str
    reason: str | None = ""


class Workers:
    """These agents change their status until `stop`; all others stay. `known`: what each was told to be, in order."""

    def __init__(self, switch: Switch, client: Any, agents: Sequence[str], chance: random.Random) -> None:
        self.known = {id_: [Word(switch.clock.now(), one.status)] for id_, one in switch.callcenter.agents.items()}
        self.asked = self.refused = 0
        self.stopped_at = 0.0
        self._switch = switch
        self._client = client
        self._chance = chance
        self._reasons: dict[str, str] = {}
        self._set = switch.callcenter.set_status
        switch.callcenter.set_status = self._told  # type: ignore[method-assign]
        self._running = [gevent.spawn(self._work, id_) for id_ in agents]

    def stop(self) -> None:
        """Everybody stays as they are."""
        self.stopped_at = self.stopped_at or self._switch.clock.now()
        gevent.killall(self._running, timeout=5)

    def _told(self, agent: Agent, status: str) -> None:
        reason = self._reasons.get(agent.name, "") if status == ON_BREAK else ""
        self.known[agent.name].append(Word(self._switch.clock.now(), status, reason))
        self._set(agent, status)

    def _work(self, id_: str) -> None:
        agent = self._switch.callcenter.agents[id_]
        while True:
            gevent.sleep(self._chance.uniform(*_LASTS_S))
            status = self._chance.choice([one for one in (AVAILABLE, ON_BREAK, LOGGED_OUT) if one != agent.status])
            if self._chance.random() < _BY_HAND:
                self._switch.callcenter.set_status(agent, status)
                continue
            self._reasons[id_] = self._chance.choice(_REASONS) if status == ON_BREAK else ""
            before = len(self.known[id_])
            self.asked += 1
            try:
                ask(self._client, "main", {"do": "agent_status", "agent": id_, "status": status,
                                           "reason": self._reasons[id_]})
            except FsappError:
                self.refused += 1
                for word in self.known[id_][before:]:
                    word.reason = None
            finally:
                self._reasons.pop(id_)


def differences_of_work(
    workers: Workers, sessions: Sequence[Row], breaks: Sequence[Row], blind: Sequence[Blind],
) -> Iterator[str]:
    """Where sessions and breaks are not what the switch was told; a line for each status that is not there."""
    for agent, words in workers.known.items():
        mine = [row for row in sessions if row["agent"] == agent]
        rests = [row for row in breaks if row["agent"] == agent]
        for place, word in enumerate(words):
            start, end = word.at, words[place + 1].at if place + 1 < len(words) else workers.stopped_at
            start = max(start, blind[0].end + _SETTLED_S - _SLACK_S)
            if any(gap.start - 1 <= word.at and end <= gap.end + _SETTLED_S for gap in blind):
                continue
            if found := _otherwise(word, start + _SLACK_S, end - _SLACK_S, mine, rests):
                later = words[place + 1: place + 2]
                yield f"{agent}: {found} instead of {word}, before {later}"


def _otherwise(word: Word, start: float, end: float, sessions: Sequence[Row], breaks: Sequence[Row]) -> str:
    at = start
    while at < end:
        there, resting = _at(sessions, at), _at(breaks, at)
        wanted = {AVAILABLE: (1, 0), ON_BREAK: (1, 1), LOGGED_OUT: (0, 0)}[word.status]
        if (len(there), len(resting)) != wanted:
            return f"at {at}: {there}, {resting}"
        if resting and word.reason is not None and (resting[0]["reason"] or "") != word.reason:
            return f"at {at}: reason {resting[0]['reason']}"
        at += _STEP_S
    return ""


def _at(rows: Sequence[Row], at: float) -> list[Row]:
    return [row for row in rows if row["started_at"] <= at and (row["ended_at"] is None or at < row["ended_at"])]
