"""Brings the event stream into the memory, for as long as it runs, whatever else does not. Knows no SQL and no key.

A batch is read, written in one transaction, then said to be finished: killed in between, it is read and written again,
which changes nothing. Contacts that it tells of are brought in before it is finished. While the database or Redis is
away, or somebody else writes to the database for long, it waits, says so once, and goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from gevent.event import Event

from fsapp.errors import RecordsBusy, RecordsError, StateError
from fsapp.log import get_logger
from fsapp.metrics import (
    DATABASE_UP,
    EVENTS_CUT_OFF,
    EVENTS_RECORDED,
    QUARANTINE,
    RECORDER_LAG_SECONDS,
    REDIS_UP,
    ROWS_RECORDED,
)
from fsapp.records.keeping import Keeper
from fsapp.state.group import Entry, GroupReader

__all__ = ["LATE_S", "Recorder"]

LATE_S = 60.0  # so far behind is a fault

_AT_ONCE = 1000
_BLOCK_S = 1.0
_LOOK_S = 1.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 10.0
_log = get_logger("recorder")


class Recorder:
    """Reads with `reader`, writes with `keeper`, until `stop`. `watch` keeps the figures, in a greenlet of its own.

    `contacts`: brings the contacts of some numbers into the memory.
    """

    def __init__(
        self, reader: GroupReader, keeper: Keeper, *, contacts: Callable[[Sequence[str]], None] | None = None,
        at_once: int = _AT_ONCE, block_s: float = _BLOCK_S, clock: Callable[[], float] = time.time,
    ) -> None:
        self._reader = reader
        self._keeper = keeper
        self._contacts = contacts
        self._at_once = at_once
        self._block_s = block_s
        self._clock = clock
        self._place: str | None = None
        self._ready = False
        self._unfinished = self._behind = True
        self._held: Sequence[Entry] = ()
        self._kept: Sequence[str] = ()
        self._changed: frozenset[str] = frozenset()
        self._gaps = 0
        self._lag_s = 0.0
        self._pause_s = _FIRST_PAUSE_S
        self._lost: dict[str, str] = {}
        self._waits = False
        self._stopping = Event()

    @property
    def faults(self) -> list[str]:
        """What is wrong right now, a line each."""
        found = list(self._lost.values())
        if self._lag_s > LATE_S:
            found.append(f"the memory is {self._lag_s:.0f} s behind the event stream: see how busy its database is")
        return found

    def run(self) -> None:
        """Until `stop`."""
        while not self._stopping.is_set():
            self.step()

    def stop(self) -> None:
        """End after the batch that is being written."""
        self._stopping.set()

    def step(self) -> bool:
        """Read and write a batch, or wait a while where something is away; whether there was one to write."""
        try:
            if not self._ready:
                self._begin()
            if self._kept:
                self._finish()
            if not self._held:
                self._held = self._next()
            done = bool(self._held)
            if done:
                self._keep()
        except RecordsBusy as error:
            self._wait_for_turn(str(error))
            return False
        except RecordsError as error:
            self._away("database", str(error))
            return False
        except StateError as error:
            # It may come back without what it had.
            self._ready = False
            self._away("redis", str(error))
            return False
        return done

    def watch(self) -> None:
        """Keep the figures that nobody else would while nothing comes, until `stop`."""
        while not self._stopping.wait(_LOOK_S):
            self.look()

    def look(self) -> None:
        try:
            self._lag_s = self._reader.lag_s(self._place, self._clock())
            RECORDER_LAG_SECONDS.set(self._lag_s)
            QUARANTINE.set(self._keeper.quarantined(_LOOK_S))
        except (RecordsError, StateError):
            return  # who reads and writes says so

    def _begin(self) -> None:
        position = self._keeper.position()
        self._back("database")
        self._place = position.place if position else None
        self._reader.start(self._place)
        self._back("redis")
        self._ready = self._unfinished = self._behind = True

    def _next(self) -> list[Entry]:
        if self._unfinished:
            found = self._reader.unfinished(self._at_once)
            if found:
                return found
            self._unfinished = False
        if self._behind and self._place is not None:
            self._look_for_gap(self._place)
        found = self._reader.new(self._at_once, self._block_s)
        # Who waits for what comes cannot miss it; only who has much to read can be overtaken by the cutting.
        self._behind = len(found) == self._at_once
        self._back("redis")
        return found

    def _look_for_gap(self, place: str) -> None:
        gap = self._reader.cut_off_after(place)
        if gap is not None:
            self._cut_off(gap[0], gap[1])

    def _cut_off(self, first: str, last: str, events: int | None = None) -> None:
        self._gaps += 1
        EVENTS_CUT_OFF.inc()
        _log.error("events_cut_off", after=_time(first), before=_time(last), events=events,
                   why="they left the stream before they were read",
                   advice="run `fsapp records reconcile`, and raise stream_length")

    def _keep(self) -> None:
        entries = self._held
        gone = [place for place, payload in entries if payload is None]
        if gone:
            self._cut_off(gone[0], gone[-1], len(gone))
        kept = self._keeper.keep(entries, gaps=self._gaps)
        self._back("database")
        self._held, self._gaps = (), 0
        self._place = max(self._place or "0-0", entries[-1][0], key=_order)
        EVENTS_RECORDED.inc(len(entries))
        for table, rows in kept.rows.items():
            ROWS_RECORDED.labels(table).inc(rows)
        for place, error in kept.quarantined.items():
            # What stands behind the colon quotes the event: a name perhaps.
            _log.error("event_quarantined", place=place, error=error.partition(": ")[0],
                       advice="see `fsapp records quarantine list`")
        self._kept, self._changed = [place for place, _payload in entries], self._changed | kept.contacts
        self._finish()

    def _finish(self) -> None:
        """Killed before it is done, the events come again, and with them whose contacts have changed."""
        if self._contacts is not None and self._changed:
            self._contacts(sorted(self._changed))
            self._back("database")
        self._changed = frozenset()
        self._reader.finished(self._kept)
        self._kept = ()

    def _wait_for_turn(self, why: str) -> None:
        """Nothing is wrong with the database: it is asked again at once, as whoever writes may let go at any time."""
        if not self._waits:
            _log.warning("database_busy", why=why, meanwhile="nothing is lost: events wait in the stream")
        self._waits = True
        self._stopping.wait(_FIRST_PAUSE_S)

    def _away(self, who: str, fault: str) -> None:
        (DATABASE_UP if who == "database" else REDIS_UP).set(0)
        if self._lost.get(who) is None:
            _log.error(f"{who}_lost", error=fault, meanwhile="nothing is lost: events wait in the stream")
        self._lost[who] = fault
        self._stopping.wait(self._pause_s)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _back(self, who: str) -> None:
        (DATABASE_UP if who == "database" else REDIS_UP).set(1)
        self._pause_s = _FIRST_PAUSE_S
        waited, self._waits = self._waits and who == "database", self._waits and who != "database"
        if self._lost.pop(who, None) is not None or waited:
            _log.info(f"{who}_back")


def _order(place: str) -> tuple[int, int]:
    major, _, minor = place.partition("-")
    return int(major), int(minor or 0)


def _time(place: str) -> str:
    return datetime.fromtimestamp(_order(place)[0] / 1000, UTC).isoformat(timespec="milliseconds")
