"""The lab's time: epoch seconds that may run faster than life. Knows nothing of calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event

__all__ = ["Clock", "Timer"]


class Timer:
    """One function that runs later in the event loop; it must not block."""

    __slots__ = ("_watcher",)

    def __init__(self, real_s: float, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._watcher = gevent.get_hub().loop.timer(max(0.0, real_s))
        self._watcher.start(self._fire, function, args)

    def _fire(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.cancel()
        function(*args)

    def cancel(self) -> None:
        """Forget the function if it has not run yet; harmless otherwise."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()
            watcher.close()


class Clock:
    """Lab seconds are real seconds times `speed`; lab time starts at the real time."""

    def __init__(self, speed: float = 1.0) -> None:
        if not speed > 0:
            raise ValueError(f"speed {speed} is not above 0")
        self.speed = speed
        self._zero = time.monotonic()
        self._start = time.time()

    def now(self) -> float:
        """Seconds since 1970 in lab time."""
        return self._start + (time.monotonic() - self._zero) * self.speed

    def epoch(self) -> int:
        """Lab time in whole seconds: mod_callcenter counts in nothing finer."""
        return int(self.now())

    def real(self, lab_s: float) -> float:
        """How many real seconds so many lab seconds take."""
        return lab_s / self.speed

    def sleep(self, lab_s: float) -> None:
        gevent.sleep(max(0.0, self.real(lab_s)))

    def wait(self, event: Event, lab_s: float) -> bool:
        """Wait for the event at most so many lab seconds; whether it came."""
        return event.wait(max(0.0, self.real(lab_s)))

    def later(self, lab_s: float, function: Callable[..., Any], *args: Any) -> Timer:
        """Run a function that does not block in so many lab seconds."""
        return Timer(self.real(lab_s), function, args)
