"""Estimates of the wait held against the truth: fsapp's, and the two usual ones, which are made here."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from fsapp.core.wait import Estimate, Scene

__all__ = ["METHODS", "Score", "Usual"]

METHODS = ("fsapp", "last", "length")


@dataclass(slots=True)
class Score:
    """Errors of each method, in seconds, and how often the interval held: for all, for those who may be told, and for
    those who found no agent free.
    """

    errors: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in METHODS})
    waits: list[float] = field(default_factory=list)
    covered: list[bool] = field(default_factory=list)
    told: list[bool] = field(default_factory=list)
    told_covered: list[bool] = field(default_factory=list)
    waiting_covered: list[bool] = field(default_factory=list)

    def add(self, wait_s: float, found: Estimate, others: dict[str, float]) -> None:
        self.waits.append(wait_s)
        for name, value in {"fsapp": found.estimate_s, **others}.items():
            self.errors[name].append(abs(value - wait_s))
        held = found.low_s <= wait_s <= found.high_s
        self.covered.append(held)
        if found.bucket != "free":
            self.waiting_covered.append(held)
        self.told.append(not found.doubt)
        if not found.doubt:
            self.told_covered.append(held)

    def as_json(self) -> dict[str, Any]:
        return {
            "callers": len(self.waits), "wait_s": fmean(self.waits),
            **{f"{name}_s": fmean(errors) for name, errors in self.errors.items()},
            "covered": fmean(self.covered), "told": fmean(self.told),
            "told_covered": fmean(self.told_covered) if self.told_covered else None,
            "waiting_covered": fmean(self.waiting_covered) if self.waiting_covered else None,
        }


class Usual:
    """The two usual estimates, each as good as it can be made."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._held: dict[str, tuple[float, int]] = {}

    def of(self, queue: str, scene: Scene, ring_s: float) -> dict[str, float]:
        """`length`: none of it while an agent is free, else those who wait and one more."""
        desks = [desk for desk in scene.desks if queue in desk.queues]
        length = sum(one.queue == queue for one in scene.line)
        total, count = self._held.get(queue, (180.0, 1))
        free = length < sum(desk.ready_in_s == 0.0 for desk in desks)
        by_length = 0.0 if free else (length + 1) * total / count / max(len(desks), 1)
        return {"last": self._last.get(queue, 0.0), "length": by_length + ring_s}

    def answered(self, queue: str, wait_s: float) -> None:
        self._last[queue] = wait_s

    def held(self, queue: str, held_s: float) -> None:
        total, count = self._held.get(queue, (0.0, 0))
        self._held[queue] = (total + held_s, count + 1)
