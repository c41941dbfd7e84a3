"""How long a caller will wait: an estimate, an interval, and whether to believe them. Pure: learns nothing itself.

The model is a queue without a simulation. A caller is served once all ahead of him are gone and one more agent is
ready:

- ahead are those whom any of his agents would take first, by score across all queues. Of somebody whom other agents
  serve as well only the share counts that falls to his own;
- agents who rest are ready when their rest is over; one who rings or talks is ready after a mean time from ring to
  rest;
- those ahead give up at the rate at which callers do, and later ones of a higher class still come before him.

So with j ahead the next step takes 1 / (agents / time held - overtaking + j * giving up) seconds, and the sum of the
steps is the mean wait; the sum of their squares its variance. A gamma distribution of these two has the quantiles, and
what recent estimates were wrong by shifts those (`wait_learning`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt

__all__ = [
    "HIGH", "LOW", "MIDDLE", "NORMAL", "Desk", "Estimate", "Learned", "Scene", "Spread", "Waiting", "ahead_of",
    "estimate", "expected", "rank",
]

LOW, MIDDLE, HIGH = 0.1, 0.5, 0.9
NORMAL = (-1.2816, 0.0, 1.2816)  # of these quantiles, before anything was learned
LEVEL = 100_000      # base scores that differ by less are served in the order of joining
SLOWEST = 0.6        # of the agents' work is left for a caller however many overtake him: a rush passes
FEW_TALKS = 20
FEW_OUTCOMES = 10
NARROW_S = 120.0     # an interval that is no wider may always be said
WIDE = 2.0           # nor one that is no wider than this many estimates
_STEPS = 400


@dataclass(frozen=True, slots=True)
class Desk:
    """An agent in play. `ready_in_s`: 0 when free, what is left of a rest, None while ringing or talking."""

    queues: frozenset[str]
    ready_in_s: float | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A caller for whom nobody rings yet. `rank`: the higher, the earlier (`rank`)."""

    member: str
    queue: str
    rank: float


@dataclass(frozen=True, slots=True)
class Scene:
    """Who is there at one moment: agents who take calls, callers who wait."""

    desks: Sequence[Desk]
    line: Sequence[Waiting]


@dataclass(frozen=True, slots=True)
class Spread:
    """What was learned of a duration: mean and variance in seconds, and of how many."""

    mean: float
    variance: float
    count: float


@dataclass(frozen=True, slots=True)
class Learned:
    """What the recent past says of the callers of one pool.

    `held`: from ring to end of rest. `ring`: from the ring to the answer. `gives_up`: a second and waiting caller.
    `overtaking`: callers a second who will come first, though later. `z`, `outcomes`: how to shift the quantiles in
    a bucket, as standard normal deviates, and from how many outcomes that is known.
    """

    held: Spread
    ring: Spread
    gives_up: float = 0.0
    overtaking: float = 0.0
    z: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    outcomes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The wait of somebody who joins now, from joining to the answer.

    Of ten callers one waits less than `low_s` and one more than `high_s`, `estimate_s` is in the middle. `position`: 1
    for who is next. `agents`: how many take such calls. `doubt`: why it must not be told to anybody; empty: it may.
    """

    estimate_s: float
    low_s: float
    high_s: float
    position: int
    agents: int
    doubt: str = ""
    bucket: str = ""


def rank(base_score: float, joined_at: float) -> float:
    """The order of being served, which time does not change: a score grows by one a second for everybody."""
    return base_score - joined_at


def shares(scene: Scene, queue: str) -> dict[str, float]:
    """For each queue, the share of its agents who serve `queue` too."""
    all_: dict[str, int] = {}
    common: dict[str, int] = {}
    for desk in scene.desks:
        ours = queue in desk.queues
        for name in desk.queues:
            all_[name] = all_.get(name, 0) + 1
            if ours:
                common[name] = common.get(name, 0) + 1
    return {name: common[name] / all_[name] for name in common}


def ahead_of(scene: Scene, queue: str, rank_: float, share: Mapping[str, float]) -> tuple[int, float]:
    """How many come first at all, and how many of them his own agents will have to take."""
    count, load = 0, 0.0
    for one in scene.line:
        if one.rank > rank_:
            part = share.get(one.queue, 1.0 if one.queue == queue else 0.0)
            count += part > 0
            load += part
    return count, load


def expected(ahead: float, desks: Sequence[float | None], learned: Learned) -> tuple[float, float]:
    """Mean and variance, in seconds, of the time until an agent is free for whoever has `ahead` before him.

    `desks`: when each agent is ready, as in Desk; one at least.
    """
    hold_s = max(learned.held.mean, 1.0)
    talking = sum(1 for ready in desks if ready is None)
    rests = sorted(ready for ready in desks if ready is not None)
    need, now, variance = ahead + 1.0, 0.0, 0.0
    for ready in [*rests, float("inf")]:
        for _ in range(_STEPS):
            work = talking / hold_s
            speed = max(work - learned.overtaking, SLOWEST * work) + learned.gives_up * max(need - 1.0, 0.0)
            if speed <= 0.0:
                break
            part = min(need, 1.0)
            step = part / speed
            if now + step >= ready:
                need -= (ready - now) * speed
                variance += (ready - now) / speed
                break
            now += step
            variance += step / speed
            need -= part
            if need <= 1e-9:
                return now, variance
        else:
            # So long a line is served evenly.
            return now + need / speed, variance + need / speed**2
        now = ready
        need -= 1.0
        talking += 1
        if need <= 1e-9:
            return now, variance
    return now, variance


def quantile(mean: float, variance: float, z: float) -> float:
    """Of a gamma distribution, by Wilson and Hilferty: `z` is the normal deviate of the quantile. Never negative."""
    if mean <= 0.0:
        return 0.0
    shape = min(max(mean * mean / max(variance, 1e-6), 0.3), 1e6)
    root = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * sqrt(shape))
    return mean * max(root, 0.0) ** 3


def bucket_of(ahead: float, free: bool, overtaken: bool) -> str:
    """What estimates are alike in how far they go wrong."""
    if free:
        return "free"
    return f"{min(int(ahead + 0.5).bit_length(), 6)}{'+' if overtaken else ''}"


def own_bucket(queue: str, bucket: str) -> str:
    """The bucket of one queue, where enough is known of it."""
    return f"{queue}|{bucket}"


def estimate(scene: Scene, queue: str, rank_: float, learned: Learned) -> Estimate:
    """The wait in `queue` of somebody of this rank who is not in the line."""
    share = shares(scene, queue)
    desks = [desk.ready_in_s for desk in scene.desks if queue in desk.queues]
    count, load = ahead_of(scene, queue, rank_, share)
    if not desks:
        return Estimate(0.0, 0.0, 0.0, count + 1, 0, "no agent takes these calls")
    free = load < sum(1 for ready in desks if ready == 0.0)
    mean, variance = expected(load, desks, learned)
    bucket = bucket_of(load, free, learned.overtaking * learned.held.mean > 0.1 * len(desks))
    known = 1.0 / max(learned.held.count, 1.0)
    variance += learned.ring.variance + known * mean * mean
    mean += learned.ring.mean
    shifts = learned.z.get(own_bucket(queue, bucket)) or learned.z.get(bucket, NORMAL)
    low, middle, high = (quantile(mean, variance, z) for z in shifts)
    middle, high = max(low, middle), max(low, middle, high)
    doubt = ""
    if learned.held.count < FEW_TALKS:
        doubt = "too few talks so far"
    elif learned.outcomes.get(bucket, 0) < FEW_OUTCOMES:
        doubt = "too few such waits so far"
    elif high - low > max(NARROW_S, WIDE * middle):
        doubt = "it may be anything"
    return Estimate(middle, low, high, count + 1, len(desks), doubt, bucket)
