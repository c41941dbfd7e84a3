"""Redis for many greenlets: facts read in groups, events written in groups, rules watched. The only gevent in state.

Nothing here makes a call wait longer than the time limit it was given, whatever Redis does.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event
from redis import Redis
from redis.exceptions import RedisError

from fsapp.core.model import DEGRADED, NO_FACTS, Facts
from fsapp.errors import StateError
from fsapp.log import get_logger
from fsapp.metrics import EVENTS_LOST, EVENTS_WAITING, REDIS_UP
from fsapp.spawn import spawn
from fsapp.state import keys, stream
from fsapp.state.connection import address, translate
from fsapp.state.rules import RulesStore, RulesVersion
from fsapp.state.store import Store
from fsapp.state.wire import Wire, packed

__all__ = ["EventWriter", "FactsReader", "RulesWatcher"]

_PROBE_S = 0.5
_IDLE_S = 60.0
_AT_ONCE = 500
_log = get_logger("state")


class _Group:
    """What is asked of Redis together; `done` is set when it has been answered or given up."""

    __slots__ = ("answers", "done", "numbers")

    def __init__(self) -> None:
        self.numbers: list[str] = []
        self.answers: list[Facts] | None = None
        self.done = Event()


class FactsReader:
    """Facts for many greenlets: who asks while Redis is busy with others is asked for together, next.

    `up` is False from the first failure until Redis answers again; meanwhile all facts are DEGRADED at once.
    """

    def __init__(self, store: Store, timeout_s: float = 0.25, probe_s: float = _PROBE_S) -> None:
        self.up = True
        self._store = store
        self._timeout_s = timeout_s
        self._probe_s = probe_s
        self._group = _Group()
        self._wake = Event()
        self._stopping = Event()
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        self._greenlet = spawn(self._run, name="facts-reader")

    def stop(self) -> None:
        """End the reader; who still waits gets DEGRADED facts."""
        self.up = False
        self._stopping.set()
        self._wake.set()
        if self._greenlet is not None:
            self._greenlet.join(self._timeout_s)
            self._greenlet.kill(timeout=1)
        self._group.done.set()

    def facts(self, key: str | None) -> Facts:
        """What is known of a customer; NO_FACTS for an anonymous caller, DEGRADED when Redis does not say in time."""
        if key is None:
            return NO_FACTS
        if not self.up:
            return DEGRADED
        group = self._group
        place = len(group.numbers)
        group.numbers.append(key)
        self._wake.set()
        group.done.wait(self._timeout_s)
        return group.answers[place] if group.answers is not None else DEGRADED

    def _run(self) -> None:
        self._ask(_Group())
        while not self._stopping.is_set():
            if self.up:
                self._wake.wait(_IDLE_S)
            else:
                self._stopping.wait(self._probe_s)
            self._wake.clear()
            group, self._group = self._group, _Group()
            if group.numbers or not self.up:
                self._ask(group)

    def _ask(self, group: _Group) -> None:
        try:
            answers: list[Facts] = []
            for place in range(0, max(len(group.numbers), 1), _AT_ONCE):
                answers += self._store.facts_many(group.numbers[place: place + _AT_ONCE])
            group.answers = answers
        except StateError as error:
            self._now(False, str(error))
        except Exception as error:  # noqa: BLE001  every later call depends on this loop: whatever it is, go on
            self._now(False, repr(error))
        else:
            self._now(True)
        finally:
            group.done.set()

    def _now(self, up: bool, error: str = "") -> None:
        REDIS_UP.set(up)
        if up and not self.up and not self._stopping.is_set():
            self.up = True
            _log.info("redis_back")
        elif not up and self.up:
            self.up = False
            _log.error("redis_lost", error=error, meanwhile="calls are decided without contacts, rights and stickiness")


class EventWriter:
    """Events to the stream, in the order of `write`, many in one go.

    While Redis is away at most `backlog` events are kept, the oldest dropped first and counted; afterwards all are
    caught up. An event may come twice into the stream (an answer that was lost), never out of order.
    """

    def __init__(
        self, client: Redis, length: int, backlog: int, timeout_s: float = 0.25, probe_s: float = _PROBE_S,
    ) -> None:
        self._client = client
        self._wire = Wire(client)
        # All of the command but its last part, the event.
        self._add = packed(
            b"XADD", keys.EVENTS.encode(), b"MAXLEN", b"~", b"%d" % length, b"*", stream.FIELD, b"",
        ).removesuffix(b"$0\r\n\r\n")
        self._backlog = backlog
        self._timeout_s = timeout_s
        self._probe_s = probe_s
        self._queue: deque[bytes] = deque()
        self._up = True
        self._flushing = False
        self._written = Event()
        self._wake = Event()
        self._stopping = Event()
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        self._greenlet = spawn(self._run, name="event-writer")

    def write(self, event: dict[str, Any]) -> None:
        """Hand over an event; returns when Redis has it or the time is over, at once while Redis is away."""
        self._queue.append(stream.encode(event))
        if not self._up:
            self._bound()
            return
        written = self._written
        self._wake.set()
        written.wait(self._timeout_s)

    def hand_over(self, event: dict[str, Any]) -> None:
        """Hand over an event without waiting for Redis to have it."""
        self._queue.append(stream.encode(event))
        if self._up:
            self._wake.set()
        self._bound()

    def settle(self, timeout_s: float) -> bool:
        """Wait until Redis has all that was handed over before; whether it has."""
        if not self._queue and not self._flushing:
            return True
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0 and not self._stopping.is_set():
            written = self._written
            self._wake.set()
            if written.wait(left) and (self._up or not self._queue):
                return True
        return False

    def close(self, timeout: float) -> None:
        """Write what is in hand, for at most `timeout` seconds; what is left then is lost, counted and logged."""
        deadline = time.monotonic() + timeout
        self._stopping.set()
        self._wake.set()
        if self._greenlet is not None:
            self._greenlet.join(timeout)
            self._greenlet.kill(timeout=1)
        while self._queue and time.monotonic() < deadline and self._flush():
            pass
        if self._queue:
            EVENTS_LOST.inc(len(self._queue))
            _log.error("events_lost", count=len(self._queue))
            self._queue.clear()
        EVENTS_WAITING.set(0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._up:
                self._wake.wait(_IDLE_S)
            else:
                self._stopping.wait(self._probe_s)
            self._wake.clear()
            written, self._written = self._written, Event()
            self._flushing = True
            while self._queue and self._flush():
                pass
            self._flushing = False
            written.set()

    def _flush(self) -> bool:
        """Write the oldest events; False if Redis did not take all of them."""
        taken = [self._queue.popleft() for _ in range(min(len(self._queue), _AT_ONCE))]
        commands = b"".join([self._add + b"$%d\r\n%b\r\n" % (len(payload), payload) for payload in taken])
        left: list[bytes] = []
        try:
            answers = self._wire.ask(commands, len(taken))
            errors = [answer for answer in answers if isinstance(answer, RedisError)]
            left = [payload for payload, answer in zip(taken, answers, strict=True) if isinstance(answer, RedisError)]
            error = errors[0] if errors else None
        except Exception as lost:  # noqa: BLE001  without this loop every call waits and every event is kept: go on
            left, error = taken, lost
        except gevent.GreenletExit:
            self._queue.extendleft(reversed(taken))
            raise
        self._queue.extendleft(reversed(left))
        self._now(error)
        return error is None

    def _now(self, error: Exception | None) -> None:
        if error is not None:
            if self._up:
                self._up = False
                text = str(translate(error, address(self._client))) if isinstance(error, RedisError) else repr(error)
                _log.error("events_held", error=text, backlog=self._backlog)
            self._bound()
        elif not self._up:
            self._up = True
            _log.info("events_caught_up", waiting=len(self._queue))
        EVENTS_WAITING.set(len(self._queue))

    def _bound(self) -> None:
        while len(self._queue) > self._backlog:
            self._queue.popleft()
            EVENTS_LOST.inc()
        EVENTS_WAITING.set(len(self._queue))


class RulesWatcher:
    """Hands every new version of the rules to `on_rules`, within `period_s` and a moment; outlasts every outage.

    An `on_rules` that raises keeps what it had: the fault is logged, and the version is not offered again.
    """

    def __init__(
        self, rules: RulesStore, on_rules: Callable[[RulesVersion], None], period_s: float = 0.4,
    ) -> None:
        self._rules = rules
        self._on_rules = on_rules
        self._period_s = period_s
        self._seen = 0
        self._offered: RulesVersion | None = None
        self._fault = ""
        self._stopping = Event()
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Look once, so that what there is is known at once; then go on looking."""
        self._look()
        self._greenlet = spawn(self._run, name="rules-watcher")

    def stop(self) -> None:
        self._stopping.set()
        if self._greenlet is not None:
            self._greenlet.join(1)
            self._greenlet.kill(timeout=1)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._look()
            self._stopping.wait(self._period_s)

    def _look(self) -> None:
        try:
            version = self._rules.current_version()
            loaded = self._rules.get(version) if version and version != self._seen else None
            self._fault = ""
        except Exception as error:  # noqa: BLE001  whatever Redis answers, the watch goes on
            # Whoever answers next may be an empty Redis, whose versions count from 1 again.
            self._seen = -1
            fault = str(error) if isinstance(error, StateError) else repr(error)
            if fault != self._fault:
                self._fault = fault
                _log.warning("rules_unreachable", error=self._fault, meanwhile="the rules stay as they are")
            return
        if loaded is None:
            if not version and self._seen and self._offered:
                _log.error("rules_gone", meanwhile="the rules stay as they are",
                           advice="has Redis lost its data? run `fsapp rules load`, and import the contacts again")
            self._seen = self._seen if version else 0
            return
        self._seen = version
        if loaded == self._offered:
            return
        self._offered = loaded
        try:
            self._on_rules(loaded)
        except StateError as error:
            _log.error("rules_refused", version=version, error=str(error), meanwhile="the rules stay as they are")
        except Exception as error:  # noqa: BLE001  rules that nobody foresaw must not end the watch
            _log.error("rules_refused", version=version, error=repr(error), meanwhile="the rules stay as they are")
