"""A centre in which waits are known: callers, agents and queues by chance, event by event. Estimates nothing itself.

A caller who gives up leaves a shadow behind, so that it is known how long he would have waited: at his turn it is taken
out without taking an agent. So each caller has a true wait, whoever gave up.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from fsapp.core.wait import Desk, Scene, Waiting, rank

__all__ = ["LOADS", "Centre", "Kind", "Listener", "centre_of"]

LOADS = ("light", "heavy", "changing")
HOURS = 8


@dataclass(frozen=True, slots=True)
class Kind:
    """Callers of one kind: which queue, with what base score, how many an hour, how long they talk and bear to wait."""

    queue: str
    base_score: int
    per_hour: float
    talk_s: float
    patience_s: float


@dataclass(slots=True)
class Agent:
    queues: frozenset[str]
    ready_at: float | None = 0.0  # None: rings or talks
    idle_since: float = 0.0
    away: bool = False
    leaving: bool = False


@dataclass(slots=True)
class Caller:
    member: str
    kind: Kind
    joined_at: float
    rank: float
    shadow: bool = False
    taken: bool = False


class Listener:
    """Hears what happens in a centre; does nothing."""

    def joined(self, caller: Caller, scene: Callable[[], Scene], now: float) -> None: ...

    def answered(self, caller: Caller, agent: Agent, ring_s: float, now: float) -> None: ...

    def gone(self, caller: Caller, now: float) -> None: ...

    def truth(self, caller: Caller, wait_s: float, now: float) -> None: ...

    def held(self, caller: Caller, held_s: float, now: float) -> None: ...

    def changed(self, scene: Callable[[], Scene], now: float) -> None: ...


@dataclass(slots=True)
class Centre:
    """One day of a centre; `load` says how many callers come at a time of the day, as a part of the usual."""

    kinds: list[Kind]
    agents: list[Agent]
    load: Callable[[float], float]
    rest_s: float
    breaks: bool
    dice: random.Random
    _events: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)
    _line: list[Caller] = field(default_factory=list)
    _count: int = 0

    def run(self, listener: Listener, hours: float = HOURS) -> None:
        for kind in self.kinds:
            self._next(kind, 0.0, listener)
        if self.breaks:
            for agent in self.agents:
                self._at(self.dice.uniform(0, 4 * 3600), lambda now, agent=agent: self._break(agent, listener, now))
        while self._events and self._events[0][0] < hours * 3600:
            now, _, happens = heapq.heappop(self._events)
            happens(now)

    def scene(self, now: float) -> Scene:
        return Scene(
            [Desk(agent.queues, None if agent.ready_at is None else max(agent.ready_at - now, 0.0))
             for agent in self.agents if not agent.away],
            [Waiting(one.member, one.kind.queue, one.rank) for one in self._line if not one.shadow],
        )

    def _at(self, when: float, happens: Callable[[float], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, happens))

    def _next(self, kind: Kind, now: float, listener: Listener) -> None:
        """Arrivals by chance at a rate that changes: some of the most there could be are left out."""
        most = kind.per_hour / 3600 * 2.0
        while True:
            now += self.dice.expovariate(most)
            if self.dice.random() < self.load(now) / 2.0:
                break
        self._at(now, lambda when: self._arrives(kind, listener, when))

    def _arrives(self, kind: Kind, listener: Listener, now: float) -> None:
        self._next(kind, now, listener)
        self._count += 1
        caller = Caller(f"m{self._count}", kind, now, rank(kind.base_score, now))
        listener.joined(caller, lambda: self.scene(now), now)
        self._line.append(caller)
        self._line.sort(key=lambda one: -one.rank)
        # Few give up at once, most after some time: Weibull with shape 1.5.
        patience_s = self.dice.weibullvariate(kind.patience_s, 1.5)
        self._at(now + patience_s, lambda when: self._gives_up(caller, listener, when))
        self._dispatch(listener, now)

    def _gives_up(self, caller: Caller, listener: Listener, now: float) -> None:
        if not caller.taken and not caller.shadow:
            caller.shadow = True
            listener.gone(caller, now)

    def _dispatch(self, listener: Listener, now: float) -> None:
        here = (agent for agent in self.agents if not agent.away and agent.ready_at is not None)
        free = [agent for agent in here if agent.ready_at <= now]
        for caller in list(self._line):
            if not free:
                break
            mine = [agent for agent in free if caller.kind.queue in agent.queues]
            if not mine:
                continue
            self._line.remove(caller)
            ring_s = self.dice.uniform(2, 8)
            caller.taken = True
            if caller.shadow:
                listener.truth(caller, now + ring_s - caller.joined_at, now)
                continue
            agent = min(mine, key=lambda one: one.idle_since)
            free.remove(agent)
            agent.ready_at = None
            self._at(now + ring_s, lambda when, c=caller, a=agent, r=ring_s: self._talk(c, a, r, listener, when))
        listener.changed(lambda: self.scene(now), now)

    def _talk(self, caller: Caller, agent: Agent, ring_s: float, listener: Listener, now: float) -> None:
        listener.answered(caller, agent, ring_s, now)
        listener.truth(caller, now - caller.joined_at, now)
        sigma = 0.8  # of the logarithm: the standard deviation of a talk is 0.95 of its mean
        talk_s = self.dice.lognormvariate(math.log(caller.kind.talk_s) - sigma**2 / 2, sigma)
        self._at(now + talk_s, lambda when: self._ends(caller, agent, ring_s + talk_s, listener, when))

    def _ends(self, caller: Caller, agent: Agent, busy_s: float, listener: Listener, now: float) -> None:
        listener.held(caller, busy_s + self.rest_s, now)
        agent.ready_at = agent.idle_since = now + self.rest_s
        if agent.leaving:
            agent.away, agent.leaving = True, False
        self._at(agent.ready_at, lambda when: self._dispatch(listener, when))

    def _break(self, agent: Agent, listener: Listener, now: float) -> None:
        """A quarter of an hour, begun after the talk in hand."""
        if agent.ready_at is None:
            agent.leaving = True
        else:
            agent.away = True
        self._at(now + 900, lambda when: self._back(agent, listener, when))

    def _back(self, agent: Agent, listener: Listener, now: float) -> None:
        agent.away = agent.leaving = False
        self._at(now + self.dice.uniform(1.5, 3) * 3600, lambda when: self._break(agent, listener, when))
        self._dispatch(listener, now)


def _even(_now: float) -> float:
    return 1.0


def _hilly(now: float) -> float:
    """Two peaks a day, and between two moments a rush."""
    wave = 0.8 + 0.55 * math.sin(2 * math.pi * now / (4 * 3600))
    return min(2.0, wave + (0.5 if 5.0 < now / 3600 < 5.5 else 0.0))


def centre_of(load: str, seed: int) -> Centre:
    """A centre by chance: two groups of agents, some of whom are in both; a queue of each, one of both; two classes."""
    dice = random.Random(f"centre-{load}-{seed}")
    count = dice.randint(4, 16)
    both = max(1, count // 3)
    sales, support = frozenset({"sales", "leads"}), frozenset({"help", "vip"})
    rest = (count - both + 1) // 2
    agents = [Agent(sales | support) for _ in range(both)]
    agents += [Agent(sales) for _ in range(rest)]
    agents += [Agent(support) for _ in range(count - both - rest)]
    talk_s = {name: dice.uniform(90, 300) for name in ("sales", "leads", "help", "vip")}
    part = {"sales": 0.25, "leads": 0.2, "help": 0.45, "vip": 0.1}
    score = {"sales": 300_000_000, "leads": 200_000_000, "help": 101_000_000, "vip": 109_000_000}
    least, most = {"light": (0.45, 0.7), "heavy": (0.9, 1.05), "changing": (0.8, 0.95)}[load]
    used = dice.uniform(least, most)
    rest_s = dice.choice((5.0, 10.0, 20.0))
    patience_s = dice.uniform(240, 900)
    work = sum(part[name] * (talk_s[name] + 5 + rest_s) for name in part)
    per_hour = used * count * 3600 / work
    kinds = [Kind(name, score[name], per_hour * part[name], talk_s[name], patience_s) for name in part]
    return Centre(kinds, agents, _hilly if load == "changing" else _even, rest_s, load == "changing", dice)
