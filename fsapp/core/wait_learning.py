"""What estimating waits learns from calls: times held, giving up, arrivals, and how wrong estimates were. Asks no
clock.

Everything fades: the last some hundred talks and the last quarter of an hour of arrivals count. The whole state is a
few numbers a queue, as a plain dict that msgpack takes. A caller who gives up leaves his place behind as a shadow: when
somebody behind it is answered, or an agent has nothing to do, it is known how long he would have waited. Without that
only those would be learned from who had little to wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp
from typing import Any

from fsapp.core.wait import (
    HIGH,
    LEVEL,
    LOW,
    MIDDLE,
    NORMAL,
    Estimate,
    Learned,
    Scene,
    Spread,
    Waiting,
    estimate,
    own_bucket,
    rank,
    shares,
)

__all__ = ["WaitLearner"]

VERSION = 1
ARRIVALS_S = 900.0    # how far back arrivals count
TALKS = 200.0         # how many talks of a queue count
SHRINK = 10.0         # this many talks like all others' are put to a queue's own
FIRST_HOLD = Spread(180.0, 180.0**2, 0.0)
FIRST_RING = Spread(6.0, 25.0, 0.0)
GIVE_UP_PRIOR_S = 600.0
FADE = 0.995          # of giving up, for each caller who leaves the queue
GAIN, LEAST_GAIN = 3.0, 0.03
KEPT = 2000           # estimates whose outcome is not known yet
LEVELS = 64
_WANTED = (LOW, MIDDLE, HIGH)


@dataclass(slots=True)
class _Faded:
    """Mean and variance of what came, the later the heavier."""

    mean: float = 0.0
    variance: float = 0.0
    count: float = 0.0

    def add(self, value: float, limit: float) -> None:
        self.count = min(self.count + 1.0, limit)
        off = value - self.mean
        self.mean += off / self.count
        self.variance += (off * (value - self.mean) - self.variance) / self.count


@dataclass(slots=True)
class _Promise:
    """An estimate that was made, until it is known what became of it."""

    queue: str
    rank: float
    joined_at: float
    bucket: str
    bounds: tuple[float, float, float]
    overtaking: float = 0.0
    overtaken: int = 0
    gone: bool = False


class WaitLearner:
    """Told what happens to callers and agents, gives estimates. Times are epoch seconds; not for several threads.

    For each caller: `joined`, then `answered` or `gone`; for each talk: `held`. `look` with every new scene.
    """

    def __init__(self) -> None:
        self._held: dict[str, _Faded] = {}
        self._all_held = _Faded()
        self._ring = _Faded()
        self._left: dict[str, list[float]] = {}      # queue -> [gave up, seconds waited], fading
        self._arrivals: dict[str, dict[int, list[float]]] = {}  # queue -> level -> [count, when last], fading
        self._since: float | None = None
        self._z: dict[str, list[float]] = {}
        self._outcomes: dict[str, float] = {}
        self._overtaken: dict[str, list[float]] = {}  # queue -> [times overtaken, times expected], fading
        self._promises: dict[str, _Promise] = {}

    # -- what happens --------------------------------------------------------------------------------------------------

    def joined(self, member: str, queue: str, base_score: float, now: float, scene: Scene) -> Estimate:
        """A caller joins; `scene` as it is without him. What to expect of his wait."""
        place = rank(base_score, now)
        learned = self.learned(scene, queue, base_score, now)
        found = estimate(scene, queue, place, learned)
        self._arrived(queue, base_score, now)
        if found.agents and member not in self._promises:
            bounds = (found.low_s, found.estimate_s, found.high_s)
            foreseen = learned.overtaking / self._factor(queue)
            self._promises[member] = _Promise(queue, place, now, found.bucket, bounds, foreseen)
            while len(self._promises) > KEPT:
                del self._promises[next(iter(self._promises))]
        return found

    def answered(self, member: str, queue: str, serves: Iterable[str], waited_s: float, ring_s: float | None,
                 now: float) -> None:
        """An agent who serves these queues has answered a caller."""
        self._leaves(queue, waited_s, gave_up=False)
        if ring_s is not None:
            self._ring.add(ring_s, TALKS)
        promise = self._promises.pop(member, None)
        if promise is None:
            return
        self._outcome(promise, waited_s)
        self._served(set(serves), promise, now)

    def gone(self, member: str, queue: str, waited_s: float) -> None:
        """A caller has left without an answer."""
        self._leaves(queue, waited_s, gave_up=True)
        promise = self._promises.get(member)
        if promise is not None:
            promise.gone = True

    def forget(self, member: str) -> None:
        """Nobody knows how long this caller waited."""
        self._promises.pop(member, None)

    def held(self, queue: str, seconds: float) -> None:
        """An agent was held by one call for so long, from its ring to the end of the rest after it."""
        self._held.setdefault(queue, _Faded()).add(seconds, TALKS)
        self._all_held.add(seconds, TALKS * 5)

    def look(self, scene: Scene, now: float) -> None:
        """Shadows whose turn it would have been, as an agent has nothing to do, are known by now."""
        if not any(promise.gone for promise in self._promises.values()):
            return
        waiting = {one.queue for one in scene.line}
        for desk in scene.desks:
            if desk.ready_in_s == 0.0 and not desk.queues & waiting:
                self._resolve(desk.queues, float("-inf"), now + (self._ring.mean if self._ring.count else 0.0))

    # -- what is expected ----------------------------------------------------------------------------------------------

    def estimate(self, scene: Scene, queue: str, base_score: float, joined_at: float) -> Estimate:
        """The wait from now on of whoever joined `queue` then with this base score, and is not in the line."""
        return estimate(
            scene, queue, rank(base_score, joined_at), self.learned(scene, queue, base_score, joined_at))

    def estimate_of(self, scene: Scene, one: Waiting, base_score: float, now: float) -> Estimate:
        """The wait from now on of somebody in the line."""
        return estimate(scene, one.queue, one.rank, self.learned(scene, one.queue, base_score, now))

    def learned(self, scene: Scene, queue: str, base_score: float, now: float) -> Learned:
        """What counts for a caller of this queue and base score."""
        share = shares(scene, queue)
        weights = {name: part * (self._rate(name, now) + 1e-6) for name, part in share.items()} or {queue: 1.0}
        total = sum(weights.values())
        spreads = {name: self._spread(name) for name in weights}
        mean = sum(spreads[name].mean * weight for name, weight in weights.items()) / total
        square = sum((spreads[name].variance + spreads[name].mean**2) * weight for name, weight in weights.items())
        left = [self._left[name] for name in weights if name in self._left]
        gave_up, waited_s = sum(one[0] for one in left), sum(one[1] for one in left)
        level = int(base_score // LEVEL)
        factor = self._factor(queue)
        return Learned(
            held=Spread(mean, max(square / total - mean**2, 0.0), self._all_held.count),
            ring=Spread(self._ring.mean, self._ring.variance, self._ring.count) if self._ring.count else FIRST_RING,
            gives_up=gave_up / (waited_s + GIVE_UP_PRIOR_S),
            overtaking=factor * sum(part * self._rate(name, now, above=level) for name, part in share.items()),
            z={name: (z[0], z[1], z[2]) for name, z in self._z.items()}, outcomes=self._outcomes,
        )

    def _factor(self, queue: str) -> float:
        """How often callers of a queue are overtaken, for each time that those arriving would have made likely."""
        overtaken, foreseen = self._overtaken.get(queue, (0.0, 0.0))
        return (overtaken + SHRINK) / (foreseen + SHRINK)

    def _spread(self, queue: str) -> Spread:
        """A queue's times held, the nearer to all queues' the fewer there are."""
        every = self._all_held
        own = self._held.get(queue, _Faded())
        if not every.count:
            return FIRST_HOLD
        weight = own.count / (own.count + SHRINK)
        return Spread(
            weight * own.mean + (1 - weight) * every.mean, weight * own.variance + (1 - weight) * every.variance,
            own.count)

    # -- learning ------------------------------------------------------------------------------------------------------

    def _arrived(self, queue: str, base_score: float, now: float) -> None:
        self._since = now if self._since is None else self._since
        levels = self._arrivals.setdefault(queue, {})
        count, last = levels.get(level := int(base_score // LEVEL), (0.0, now))
        levels[level] = [count * exp(min(last - now, 0.0) / ARRIVALS_S) + 1.0, now]
        while len(levels) > LEVELS:
            del levels[min(levels, key=lambda one: levels[one][1])]

    def _rate(self, queue: str, now: float, above: int | None = None) -> float:
        """Arrivals a second, of a higher level than `above` if that is given."""
        if self._since is None:
            return 0.0
        span_s = ARRIVALS_S * (1.0 - exp(min(self._since - now, -60.0) / ARRIVALS_S))
        return sum(
            count * exp(min(last - now, 0.0) / ARRIVALS_S) for level, (count, last) in
            self._arrivals.get(queue, {}).items() if above is None or level > above
        ) / span_s

    def _leaves(self, queue: str, waited_s: float, *, gave_up: bool) -> None:
        sums = self._left.setdefault(queue, [0.0, 0.0])
        sums[0] = sums[0] * FADE + gave_up
        sums[1] = sums[1] * FADE + waited_s

    def _served(self, serves: set[str], served: _Promise, now: float) -> None:
        """Whoever these queues' agent could have taken instead: overtaken, or a shadow whose turn it would have been.
        """
        for promise in self._promises.values():
            if promise.queue in serves and promise.rank < served.rank and promise.joined_at < served.joined_at:
                promise.overtaken += 1
        self._resolve(serves, served.rank, now)

    def _resolve(self, serves: Iterable[str], behind: float, now: float) -> None:
        for member, promise in list(self._promises.items()):
            if promise.gone and promise.queue in serves and promise.rank > behind:
                del self._promises[member]
                self._outcome(promise, max(now - promise.joined_at, 0.0))

    def _outcome(self, promise: _Promise, waited_s: float) -> None:
        """Shift each quantile of the bucket to where as many waits are below as it says (Robbins and Monro)."""
        sums = self._overtaken.setdefault(promise.queue, [0.0, 0.0])
        sums[0] = sums[0] * FADE + promise.overtaken
        sums[1] = sums[1] * FADE + promise.overtaking * waited_s
        general = self._z.get(promise.bucket, NORMAL)
        for key in (promise.bucket, own_bucket(promise.queue, promise.bucket)):
            count = self._outcomes.get(key, 0.0)
            gain = GAIN * max(1.0 / (count + 10.0), LEAST_GAIN)
            z = self._z.setdefault(key, list(general))
            for place, (bound, wanted) in enumerate(zip(promise.bounds, _WANTED, strict=True)):
                z[place] += gain * (wanted - (waited_s <= bound))
            z.sort()
            self._outcomes[key] = min(count + 1.0, 1e6)

    # -- keeping -------------------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """Everything learned, as plain values. Not the callers who wait: their outcome is only known to who is there.
        """
        return {
            "version": VERSION, "since": self._since, "all": _plain(self._all_held), "ring": _plain(self._ring),
            "held": {name: _plain(one) for name, one in self._held.items()}, "left": self._left,
            "arrivals": self._arrivals, "z": self._z, "outcomes": self._outcomes,
        }

    @classmethod
    def load(cls, found: Mapping[str, Any]) -> WaitLearner:
        """What `dump` gave; a new one for anything else. ValueError, TypeError, KeyError or AttributeError on rubbish.
        """
        learner = cls()
        if found.get("version") != VERSION:
            return learner
        learner._since = found["since"] if found["since"] is None else float(found["since"])
        learner._all_held, learner._ring = _Faded(*map(float, found["all"])), _Faded(*map(float, found["ring"]))
        learner._held = {str(name): _Faded(*map(float, one)) for name, one in found["held"].items()}
        learner._left = {str(name): [float(one[0]), float(one[1])] for name, one in found["left"].items()}
        learner._arrivals = {
            str(name): {int(level): [float(one[0]), float(one[1])] for level, one in levels.items()}
            for name, levels in found["arrivals"].items()
        }
        learner._z = {str(name): [float(z[0]), float(z[1]), float(z[2])] for name, z in found["z"].items()}
        learner._outcomes = {str(name): float(count) for name, count in found["outcomes"].items()}
        return learner


def _plain(one: _Faded) -> list[float]:
    return [one.mean, one.variance, one.count]
