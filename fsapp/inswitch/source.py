"""Rules, facts and the event stream for the scripts inside the switch, from Redis or without it. Decides nothing.

The switch calls from many threads, and reloads its scripts at every call: what is kept between two calls is kept here.
Nothing waits for Redis beyond the deadline that is given, and one that let several wait is not asked for a while.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, replace
from typing import Any

import redis

from fsapp.core.model import DEGRADED, NO_FACTS, Facts
from fsapp.core.rules import Rules
from fsapp.errors import StateError, StateRefused, StateUnavailable
from fsapp.inswitch.config import Config
from fsapp.inswitch.writer import Writer
from fsapp.log import get_logger
from fsapp.state import snapshot
from fsapp.state.connection import connect
from fsapp.state.rules import RulesStore
from fsapp.state.store import Store

__all__ = ["Source", "source_of"]

# How long one question may wait, in seconds: the longest that the deadline still allows. Each has connections of its
# own, since their time limit is fixed.
_WAITS_S = (0.18, 0.12, 0.06, 0.03)
_WRITE_S = 5.0
_SLOW_S = 0.02          # a failure that took less has cost nobody anything
_SLOW_FAILURES = 2      # after so many in a row nobody asks for a while: a busy machine may be late once
_REST_S = 1.0           # that while; ten times what the failure took, if that is more
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
        self._clients: dict[float, redis.Redis] = {}
        self._writer: Writer | None = None
        self._kept: _Rules | None = None
        self._bad: tuple[int, float] = (0, 0.0)      # a version that cannot be read, and until when it is not tried
        self._snapshot: tuple[tuple[int, int, int], Rules | None] | None = None
        self._lost = ""
        self._slow = 0
        self._away_until = 0.0

    def rules(self, deadline: float) -> Rules | None:
        """The rules in force; where Redis does not say, the last good ones known here; None if there are none."""
        started = time.monotonic()
        if self._resting(started):
            return self._last_good()
        try:
            found = self._from_redis(started, deadline)
        except StateError as error:
            self._failed(error, started)
            found = None
        return self._last_good() if found is None else found

    def facts(self, key: str | None, deadline: float) -> Facts:
        """What is known of a caller; NO_FACTS without a key, DEGRADED when Redis does not say in time."""
        if key is None:
            return NO_FACTS
        started = time.monotonic()
        if self._resting(started):
            return DEGRADED
        try:
            client = self._client(deadline)
            if client is None:
                return DEGRADED
            store = Store(client)
            if self._kept is not None:
                store.switches = self._kept.rules.switch_names
            found = store.facts(key)
        except StateError as error:
            self._failed(error, started)
            return DEGRADED
        self._answered()
        return found

    def write(self, event: dict[str, Any]) -> None:
        """Have an event added to the stream, soon; while Redis is away it is kept."""
        try:
            with self._lock:
                if self._writer is None:
                    self._writer = Writer(connect(self._config, _WRITE_S))
        except StateError as error:  # the address is none: `rules` has said so, and there is no stream
            _log.error("event_lost", error=str(error))
        else:
            self._writer.put(event)

    def _client(self, deadline: float) -> redis.Redis | None:
        """A client that waits as long as there is time; None if there is none."""
        left_s = deadline - time.monotonic()
        wait_s = next((wait_s for wait_s in _WAITS_S if wait_s <= left_s), None)
        if wait_s is None:
            return None
        with self._lock:
            if wait_s not in self._clients:
                self._clients[wait_s] = connect(self._config, wait_s)
            return self._clients[wait_s]

    def _resting(self, now: float) -> bool:
        """Whether nobody should ask now; at the end of a rest one thread is let through."""
        with self._lock:
            if now < self._away_until:
                return True
            if self._slow >= _SLOW_FAILURES:
                self._away_until = now + _REST_S
            return False

    def _failed(self, error: StateError, started: float) -> None:
        now = time.monotonic()
        took_s = now - started
        with self._lock:
            first, self._lost = not self._lost, str(error)
            if took_s > _SLOW_S:
                self._slow += 1
            if self._slow >= _SLOW_FAILURES:
                self._away_until = now + min(max(_REST_S, 10 * took_s), _LONGEST_REST_S)
            if self._kept is not None:
                self._kept = replace(self._kept, asked=-_AGAIN_S)
        if first:
            _log.error("redis_lost", error=str(error), meanwhile="calls are decided by the last good rules")

    def _answered(self) -> None:
        if self._lost or self._slow:
            with self._lock:
                lost, self._lost, self._slow, self._away_until = self._lost, "", 0, 0.0
            if lost:
                _log.warning("redis_back")

    def _from_redis(self, started: float, deadline: float) -> Rules | None:
        """The rules in force by Redis; None where it has none, or none that can be read."""
        client = self._client(deadline)
        if client is None:
            return None
        version = RulesStore(client).current_version()
        self._answered()
        kept = self._kept
        fresh = kept is not None and kept.rules.version == version and started - kept.asked < _AGAIN_S
        if not version or self._bad[0] == version and started < self._bad[1]:
            return None
        if not fresh:
            client = self._client(deadline)
            if client is None:
                return None
            try:
                loaded = RulesStore(client).get(version)
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
