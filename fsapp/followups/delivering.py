"""Tells others what waits in the outbox: each target on its own, so that one which hangs delays nobody else.

What became of a delivery is written down at once; a kill in between means that it is made once more.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

import gevent
from gevent.event import Event
from sqlalchemy.exc import SQLAlchemyError

from fsapp.core.retrying import Delivered, Later, Needless, Outcome, pause_s
from fsapp.errors import RecordsError
from fsapp.log import get_logger
from fsapp.metrics import FOLLOWUP_SECONDS, FOLLOWUPS, FOLLOWUPS_OPEN
from fsapp.records import outbox
from fsapp.records.database import Database
from fsapp.records.outbox import Entry, Target
from fsapp.spawn import spawn

__all__ = ["AT_ONCE", "HOLD_S", "Delivering"]

AT_ONCE = 4       # deliveries to one target at a time
HOLD_S = 120.0    # longer than any delivery takes; what was in hand when we were killed is made again after it
_PAUSE_S = 1.0
_COUNT_S = 5.0
_AGAIN_S = 2.0
_KEEP_S = 60.0
_log = get_logger("followups")


class Delivering:
    """`send` makes one delivery: it takes as long as it may, and returns what became of it."""

    def __init__(self, database: Database, send: Callable[[Entry], Outcome]) -> None:
        self.fault = ""
        self._database = database
        self._send = send
        self._busy: Counter[Target] = Counter()
        self._greenlets: set[gevent.Greenlet] = set()
        self._wake = Event()
        self._stopping = Event()
        self._greenlet: gevent.Greenlet | None = None
        self._counted_at = 0.0

    def start(self, failed: Callable[[gevent.Greenlet], None]) -> None:
        """`failed` is called should it end by an error that nobody foresaw."""
        self._greenlet = spawn(self._run, name="delivering")
        self._greenlet.link_exception(failed)

    def wake(self) -> None:
        """There is something new."""
        self._wake.set()

    def stop(self, timeout_s: float) -> None:
        """Begin nothing more, and let what is in hand finish; what does not in time is made again later."""
        self._stopping.set()
        self._wake.set()
        with gevent.Timeout(timeout_s, False):
            if self._greenlet is not None:
                self._greenlet.join()
            gevent.joinall(list(self._greenlets))
        gevent.killall([*self._greenlets, *([self._greenlet] if self._greenlet else [])], timeout=1)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            pause = _PAUSE_S
            try:
                self.once()
                self.fault = ""
            except (RecordsError, SQLAlchemyError) as error:
                self.fault = str(error).partition("\n")[0]
                pause = _AGAIN_S
            self._wake.wait(pause)

    def once(self) -> int:
        """Begin what is due and has room; how many deliveries that were. RecordsError."""
        now = time.time()
        if abs(time.monotonic() - self._counted_at) >= _COUNT_S:
            self._count()
        begun = 0
        for target in self._database.read(lambda connection: outbox.due(connection, now)):
            room = AT_ONCE - self._busy[target]
            if room <= 0 or self._stopping.is_set():
                continue
            for entry in self._database.write(
                    lambda connection, target=target, room=room: outbox.claim(connection, target, now, HOLD_S, room)):
                self._busy[target] += 1
                greenlet = spawn(self._deliver, entry, name="delivery")
                self._greenlets.add(greenlet)
                greenlet.link(self._greenlets.discard)
                begun += 1
        return begun

    def _deliver(self, entry: Entry) -> None:
        started = time.monotonic()
        try:
            outcome = self._send(entry)
            FOLLOWUP_SECONDS.labels(entry.target.kind).observe(time.monotonic() - started)
            self._write_down(entry, outcome)
        finally:
            self._busy[entry.target] -= 1
            self._wake.set()

    def _write_down(self, entry: Entry, outcome: Outcome) -> None:
        """What became of it, as soon as the database takes it: else it would be told once more."""
        now = time.time()
        pause = pause_s(entry.tries, random.random(), outcome.after_s) if isinstance(outcome, Later) else None
        error = "" if isinstance(outcome, Delivered) else outcome.why
        if isinstance(outcome, Later) and pause is None:
            error = f"given up after {entry.tries} tries: {error}"
        until = time.monotonic() + min(_KEEP_S, HOLD_S)
        while True:
            try:
                if pause is not None:
                    self._database.write(
                        lambda connection: outbox.later(connection, entry.id, now + pause, error))
                else:
                    self._database.write(lambda connection: outbox.ended(
                        connection, entry.id, now, error, dropped=isinstance(outcome, Needless)))
                break
            except (RecordsError, SQLAlchemyError) as fault:
                self.fault = str(fault).partition("\n")[0]
                if time.monotonic() > until:
                    _log.error("outcome_not_written", id=entry.id, error=self.fault)
                    return
                self._stopping.wait(_AGAIN_S)
        self._tell(entry, outcome, pause, error)

    def _tell(self, entry: Entry, outcome: Outcome, pause: float | None, error: str) -> None:
        became = "done" if isinstance(outcome, Delivered) else "later" if pause is not None else (
            "dropped" if isinstance(outcome, Needless) else "failed")
        FOLLOWUPS.labels(entry.target.kind, became).inc()
        about = {"kind": entry.target.kind, "target": entry.target.name, "id": entry.id, "tries": entry.tries}
        if became == "done":
            _log.info("followup_done", **about)
        elif became == "dropped":
            _log.info("followup_dropped", why=error, **about)
        else:
            _log.warning(f"followup_{became}", error=error, **about)

    def _count(self) -> None:
        self._counted_at = time.monotonic()
        found = self._database.read(outbox.depth)
        for kind in (*outbox.SENT, "look"):
            for state in ("waiting", "failed"):
                FOLLOWUPS_OPEN.labels(kind, state).set(found.get((kind, state), 0))
