"""A lab clock that stands still until it is moved by hand, so that lab times are exact. No tests."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

import gevent
from gevent.event import Event

from fsapp.lab.clock import Clock

__all__ = ["HandClock"]

_TURNS = 20  # of the event loop, until everything that one moment has woken has run


class _Due:
    """One function that runs when the clock comes to its moment; cancelled as a Timer is."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._function, self._args = function, args
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def fire(self) -> None:
        if not self.cancelled:
            self.cancelled = True
            self._function(*self._args)


class HandClock(Clock):
    """Moves from one thing that is due to the next, and only when `step` says so."""

    def __init__(self, start: float) -> None:
        super().__init__(1.0)
        self._now = start
        self._due: list[tuple[float, int, _Due]] = []
        self._numbers = count()

    def now(self) -> float:
        return self._now

    def sleep(self, lab_s: float) -> None:
        self.wait(Event(), lab_s)

    def wait(self, event: Event, lab_s: float) -> bool:
        if lab_s <= 0:
            gevent.sleep(0)
            return event.is_set()
        over = Event()
        due = self.later(lab_s, over.set)
        try:
            gevent.wait([event, over], count=1)
        finally:
            due.cancel()
        return event.is_set()

    def later(self, lab_s: float, function: Callable[..., Any], *args: Any) -> Any:
        due = _Due(function, args)
        heapq.heappush(self._due, (self._now + max(0.0, lab_s), next(self._numbers), due))
        return due

    def next_s(self) -> float:
        """In how many lab seconds something is due."""
        while self._due[0][2].cancelled:
            heapq.heappop(self._due)
        return self._due[0][0] - self._now

    def step(self) -> None:
        """Move to what is due next, and let it and all that it wakes happen."""
        self.next_s()
        self._now = self._due[0][0]
        while self._due and self._due[0][0] <= self._now:
            heapq.heappop(self._due)[2].fire()
        self.turn()

    @staticmethod
    def turn() -> None:
        """Let happen what can without lab time."""
        for _ in range(_TURNS):
            gevent.sleep(0)
