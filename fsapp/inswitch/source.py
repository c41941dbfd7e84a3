"""Rules, facts and the event stream for the scripts inside the switch, from Redis or without it. Decides nothing.

The switch calls from many threads, and reloads its scripts at every call: what is kept between two calls is kept here.
Nothing waits for Redis beyond the deadline that is given, and after a failure nobody asks for a while.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from fsapp.core.model import DEGRADED, NO_FACTS, Facts
from fsapp.core.rules import Rules
from fsapp.errors import StateError, StateRefused, StateUnavailable
from fsapp.inswitch.config import Config
from fsapp.log import get_logger
from fsapp.state import snapshot, stream
from fsapp.state.connection import connect
from fsapp.state.rules import RulesStore
from fsapp.state.store import Store

__all__ = ["Source", "source_of"]

BACKLOG = 1000
_REST_S = 1.0           # how long nobody asks after a failure; ten times what the failure took, if that is more
_LONGEST_REST_S = 30.0
_AGAIN_S = 60.0         # how long a version is taken to be what it was: Redis may have lost its data and count anew
_log = get_logger("inswitch")


@dataclass(frozen=True, slots=True)
class _Rules:
    """Rules from Redis. `asked`: when they were read (monotonic); `seen_at`: when Redis last said they are in force."""

    rules: Rules
    asked: float
    seen_at: float


class Source:
    """One Redis and one snapshot. Every `deadline` is a time of time.monotonic(); no method raises."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._client: Any = None
        self._kept: _Rules | None = None
        self._bad: tuple[int, float] = (0, 0.0)      # a version that cannot be read, and until when it is not tried
        self._snapshot: tuple[tuple[int, int, int], Rules | None] | None = None
        self._away_until = 0.0
        self._lost = ""
        self._events: deque[bytes] = deque(maxlen=BACKLOG)

    def rules(self, deadline: float) -> Rules | None:
        """The rules in force; where Redis does not say, the last good ones known here; None if there are none."""
        started = time.monotonic()
        if self._may_ask(deadline):
            try:
                found = self._from_redis(started, deadline)
            except StateError as error:
                self._failed(error, started)
            else:
                if found is not None:
                    return found
        return self._last_good()

    def facts(self, key: str | None, deadline: float) -> Facts:
        """What is known of a caller; NO_FACTS without a key, DEGRADED when Redis does not say in time."""
        if key is None:
            return NO_FACTS
        started = time.monotonic()
        if not self._may_ask(deadline):
            return DEGRADED
        try:
            found = Store(self._redis()).facts(key)
        except StateError as error:
            self._failed(error, started)
            return DEGRADED
        self._answered()
        return found

    def write(self, event: dict[str, Any], deadline: float) -> None:
        """Add an event to the stream; what Redis does not take is kept (the newest BACKLOG) and added with the next."""
        started = time.monotonic()
        asks = self._may_ask(deadline)
        with self._lock:
            self._events.append(stream.encode(event))
            taken = list(self._events) if asks else []
            if asks:
                self._events.clear()
        if not asks:
            return
        try:
            stream.add(self._redis(), taken)
        except StateError as error:
            with self._lock:
                self._events = deque([*taken, *self._events], BACKLOG)
            self._failed(error, started)
        else:
            self._answered()

    def _redis(self) -> Any:
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._client = connect(self._config)
        return self._client

    def _may_ask(self, deadline: float) -> bool:
        """Whether Redis is worth asking and there is time for it; after a rest only one thread is let through."""
        now = time.monotonic()
        if deadline - now < self._config.redis_timeout_s:
            return False
        with self._lock:
            if now < self._away_until:
                return False
            if self._lost:
                self._away_until = now + _REST_S
        return True

    def _failed(self, error: StateError, started: float) -> None:
        now = time.monotonic()
        rest_s = min(max(_REST_S, 10 * (now - started)), _LONGEST_REST_S)
        with self._lock:
            first, self._lost = not self._lost, str(error)
            self._away_until = now + rest_s
            if self._kept is not None:
                self._kept = replace(self._kept, asked=0.0)
        if first:
            _log.error("redis_lost", error=str(error), meanwhile="calls are decided by the last good rules")

    def _answered(self) -> None:
        if self._lost:
            with self._lock:
                self._lost, self._away_until = "", 0.0
            _log.warning("redis_back")

    def _from_redis(self, started: float, deadline: float) -> Rules | None:
        """The rules in force by Redis; None where it has none, or none that can be read."""
        store = RulesStore(self._redis())
        version = store.current_version()
        self._answered()
        kept = self._kept
        fresh = kept is not None and kept.rules.version == version and started - kept.asked < _AGAIN_S
        if not version or self._bad[0] == version and started < self._bad[1]:
            return None
        if not fresh:
            if deadline - time.monotonic() < self._config.redis_timeout_s:
                return None
            try:
                loaded = store.get(version)
                kept = _Rules(loaded.rules(), started, 0.0) if loaded else None
            except StateUnavailable:
                raise
            except StateRefused as error:
                self._bad = (version, started + _AGAIN_S)
                _log.error("rules_refused", version=version, error=str(error), meanwhile="the last good rules stay")
                return None
        if kept is None:
            return None
        self._kept = replace(kept, seen_at=time.time())
        return kept.rules

    def _last_good(self) -> Rules | None:
        """What was known last: the snapshot, or what Redis said here, if that was later."""
        try:
            found = os.stat(self._config.snapshot)
        except OSError:
            return self._kept.rules if self._kept else None
        if self._kept is not None and self._kept.seen_at > found.st_mtime:
            return self._kept.rules
        state = (found.st_ino, found.st_mtime_ns, found.st_size)
        if self._snapshot is None or self._snapshot[0] != state:
            self._snapshot = (state, self._read_snapshot())
        return self._snapshot[1] or (self._kept.rules if self._kept else None)

    def _read_snapshot(self) -> Rules | None:
        kept = snapshot.load(self._config.snapshot)
        if kept is None:
            return None
        version, document = kept
        try:
            return Rules.from_document(document, version)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            _log.warning("snapshot_unreadable", path=self._config.snapshot, error=repr(error))
            return None


_sources: dict[Config, Source] = {}
_making = threading.Lock()


def source_of(config: Config) -> Source:
    """The one Source of a configuration in this process."""
    with _making:
        return _sources.setdefault(config, Source(config)) if config not in _sources else _sources[config]
