"""Events of the scripts inside the switch to the stream, by a thread of its own: no call waits for that.

The thread ends when there has been nothing to write for a while: the switch is not to find it when it shuts down.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

import redis

from fsapp.errors import StateError
from fsapp.log import get_logger
from fsapp.state import stream

__all__ = ["BACKLOG", "Writer"]

BACKLOG = 10_000
_AT_ONCE = 500
_AGAIN_S = 0.5
_IDLE_S = 2.0
_log = get_logger("inswitch")


class Writer:
    """Keeps the order of `put`; while Redis is away the newest BACKLOG events are kept, and caught up afterwards.

    `client` is this thread's own, with a time limit that need not be short.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._events: deque[bytes] = deque()
        self._dropped = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, event: dict[str, Any]) -> None:
        """Hand over an event; returns at once."""
        payload = stream.encode(event)
        with self._lock:
            self._events.append(payload)
            if len(self._events) > BACKLOG:
                self._events.popleft()
                self._dropped += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="fsapp-events", daemon=True)
                self._thread.start()
        self._wake.set()

    def _run(self) -> None:
        failing = False
        while True:
            with self._lock:
                taken = [self._events.popleft() for _ in range(min(_AT_ONCE, len(self._events)))]
            if not taken:
                if not self._wake.wait(_IDLE_S) and self._ends():
                    return
                self._wake.clear()
                continue
            error = self._add(taken)
            if error and not failing:
                _log.error("events_held", error=error, backlog=BACKLOG)
            elif failing and not error:
                _log.warning("events_caught_up", dropped=self._dropped)
                self._dropped = 0
            failing = bool(error)
            if failing:
                time.sleep(_AGAIN_S)

    def _ends(self) -> bool:
        with self._lock:
            if self._events:
                return False
            self._thread = None
            return True

    def _add(self, taken: list[bytes]) -> str:
        """What went wrong; then all is kept, so an event may come twice into the stream."""
        try:
            stream.add(self._client, taken)
        except StateError as error:
            fault = str(error)
        except Exception as error:  # noqa: BLE001  a thread that dies here would lose every event after it
            fault = repr(error)
        else:
            return ""
        with self._lock:
            self._events.extendleft(reversed(taken))
            while len(self._events) > BACKLOG:
                self._events.popleft()
                self._dropped += 1
        return fault
