"""Offers of calls to agents, as the event stream tells them, handed to whoever follows an agent. Reads no record.

What was offered lately is kept, so that a page that comes back (or comes late) gets what it has missed. An offer's id
is its place in the stream: the same in every process.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gevent
import redis
from gevent.lock import Semaphore
from gevent.queue import Empty, Queue

from fsapp.errors import StateError
from fsapp.log import get_logger
from fsapp.metrics import POP_STREAMS
from fsapp.spawn import spawn
from fsapp.state.connection import redis_faults
from fsapp.state.stream import tail

__all__ = ["Became", "Follower", "Offer", "Pops", "Stopped"]

KEPT_S = 3600.0       # how long an offer can be caught up with
FRESH_S = 600.0       # what is older when it is heard, after an outage of Redis, opens no pop any more
_EACH = 50            # of one agent
_WAITING = 200        # what a follower who does not read may have waiting
_AGAIN_S = 0.5
_AGENTS_AT_MOST = 10_000
_ENDS = {"agent_missed": "missed", "talk_ended": "ended", "call_abandoned": "abandoned", "call_left_queue": "left"}
_log = get_logger("pops")


@dataclass(eq=False)
class Offer:
    """A call offered to an agent. `became`: "" while it rings, then answered, missed, ended, abandoned or left."""

    id: str
    event: Mapping[str, Any]
    became: str = ""
    # The pop, read once for all who follow the agent.
    pop: dict[str, Any] | None = None
    reading: Semaphore = field(default_factory=Semaphore)

    @property
    def at(self) -> float:
        return float(self.event.get("at") or 0.0)

    @property
    def is_over(self) -> bool:
        return self.became not in ("", "answered")


@dataclass(frozen=True)
class Became:
    offer: Offer
    became: str


class Stopped:
    """The process ends: nothing more comes."""


class Follower:
    """Somebody who follows an agent: what comes for them, in order."""

    def __init__(self, agent: str) -> None:
        self.agent = agent
        self._queue: Queue = Queue(_WAITING)

    def put(self, what: Any) -> None:
        if self._queue.full():
            self._queue.get_nowait()  # the oldest: it will be asked for by its id, if at all
        self._queue.put_nowait(what)

    def next(self, timeout_s: float) -> Any:
        """An Offer, a Became, a Stopped, what else was put; None when nothing came in time."""
        try:
            return self._queue.get(timeout=timeout_s)
        except Empty:
            return None


class Pops:
    """Follows the stream from `start` on; outlasts every outage of Redis."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._offers: dict[str, deque[Offer]] = {}
        self._by_member: dict[str, Offer] = {}
        self._followers: dict[str, set[Follower]] = {}
        self._place: float | str = 0.0
        self._fault = ""
        self._greenlet: gevent.Greenlet | None = None
        self._stopping = False

    def start(self) -> None:
        """Catch up with what was offered lately, then follow."""
        self._place = time.time() - KEPT_S
        try:
            for place, event in tail(self._client, self._place, follow=False):
                self._place = place
                self._take(place, event)
        except StateError as error:
            self._failed(error)
        self._greenlet = spawn(self._run, name="pops")

    def stop(self) -> None:
        """Tell all who follow that nothing more comes."""
        self._stopping = True
        if self._greenlet is not None:
            self._greenlet.kill(timeout=1)
        for followers in self._followers.values():
            for follower in followers:
                follower.put(Stopped())

    def follow(self, agent: str, last: str | None) -> tuple[Follower, list[Offer]]:
        """A follower, and what it has missed: all since the id `last`, or what is going on where there is none."""
        follower = Follower(agent)
        self._followers.setdefault(agent, set()).add(follower)
        POP_STREAMS.inc()
        now = time.time()
        kept = [offer for offer in self._offers.get(agent, ()) if offer.at >= now - KEPT_S]
        if last is None:
            missed = [offer for offer in kept if not offer.is_over]
        else:
            missed = [offer for offer in kept if _order(offer.id) > _order(last)]
        if self._stopping:
            follower.put(Stopped())
        return follower, missed

    def leave(self, follower: Follower) -> None:
        followers = self._followers.get(follower.agent, set())
        if follower in followers:
            POP_STREAMS.dec()
            followers.discard(follower)
        if not followers:
            self._followers.pop(follower.agent, None)

    @property
    def following(self) -> int:
        return sum(len(followers) for followers in self._followers.values())

    @property
    def fault(self) -> str:
        """Why the stream cannot be read, empty while it can."""
        return self._fault

    def _run(self) -> None:
        while True:
            try:
                with redis_faults(self._client):
                    self._client.ping()
                self._fault = ""  # it answers again, though nothing may happen for hours
                for place, event in tail(self._client, self._place):
                    self._place = place
                    self._take(place, event)
            except StateError as error:
                self._failed(error)
                gevent.sleep(_AGAIN_S)

    def _failed(self, error: StateError) -> None:
        if str(error) != self._fault:
            self._fault = str(error)
            _log.error("pops_stopped", error=self._fault, meanwhile="no pop opens; trying again")

    def _take(self, place: str, event: Mapping[str, Any]) -> None:
        """Whatever is in an event, those that follow it are heard."""
        try:
            self._hear(place, event)
        except (TypeError, ValueError, OverflowError) as error:
            _log.warning("bad_event", place=place, error=type(error).__name__)

    def _hear(self, place: str, event: Mapping[str, Any]) -> None:
        kind, member = str(event.get("type") or ""), str(event.get("member") or "")
        if kind == "agent_offered":
            self._offered(place, event, member)
        elif kind in _ENDS or kind == "call_answered":
            offer = self._by_member.get(member)
            if offer is None or offer.is_over:
                return
            if kind == "agent_missed" and event.get("agent") != offer.event.get("agent"):
                return
            offer.became = _ENDS.get(kind, "answered")
            if offer.is_over:
                self._by_member.pop(member, None)
            self._tell(str(offer.event.get("agent")), Became(offer, offer.became))

    def _offered(self, place: str, event: Mapping[str, Any], member: str) -> None:
        agent = event.get("agent")
        if not isinstance(agent, str) or not agent:
            return
        if agent not in self._offers and len(self._offers) >= _AGENTS_AT_MOST:
            return
        offers = self._offers.setdefault(agent, deque())
        if any(offer.event.get("id") == event.get("id") for offer in offers):
            return  # told twice, after an outage
        offer = Offer(place, event)
        if not math.isfinite(offer.at):
            raise ValueError("it was at no time")
        offers.append(offer)
        while len(offers) > _EACH or offers[0].at < time.time() - KEPT_S:
            gone = offers.popleft()
            if self._by_member.get(str(gone.event.get("member"))) is gone:
                del self._by_member[str(gone.event.get("member"))]
            if not offers:
                break
        if member:
            self._by_member[member] = offer
        if offer.at >= time.time() - FRESH_S:
            self._tell(agent, offer)

    def _tell(self, agent: str, what: Any) -> None:
        for follower in self._followers.get(agent, ()):
            follower.put(what)


def _order(place: str) -> tuple[int, int]:
    first, _, second = place.partition("-")
    return int(first), int(second or 0)
