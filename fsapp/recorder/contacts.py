"""Keeps the memory's contacts as Redis has them: those that changed at once, all of them now and then. Knows no SQL.

What is read of Redis may be old by the time it is written. So what was written is read again, until it is the same:
whoever else writes contacts meanwhile, the last one to look has seen what is there.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from gevent.event import Event
from sqlalchemy.exc import DBAPIError

from fsapp.core.contact_rows import Row, contact_row
from fsapp.errors import RecordsError, StateError
from fsapp.log import get_logger, mask
from fsapp.metrics import CONTACTS_MIRRORED, CONTACTS_READ_AT
from fsapp.records.contacts import Brought, Progress, bring, kept_after, load_progress, save_progress
from fsapp.records.database import Database
from fsapp.records.database_faults import words_of
from fsapp.state.contact_pages import ContactPages
from fsapp.state.contacts import Entry

__all__ = ["ContactMirror"]

_AT_ONCE = 500
_AGAIN = 5         # times that a number is read and written while others change it
_SAVE_S = 1.0
_LOOK_S = 1.0
_REST = 3.0        # times as long as reading all of them took, nobody does it again
_AWAY_S = 5.0
_PAUSE_S = 0.005   # after each page, for whoever records events
_log = get_logger("contacts")


class ContactMirror:
    """Reads with `pages`, writes to `database`. Everything raises RecordsUnavailable and StateError."""

    def __init__(
        self, pages: ContactPages, database: Database, *, every_s: float = 3600.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._pages = pages
        self._database = database
        self._every_s = every_s
        self._clock = clock
        self._stopping = Event()

    def bring(self, numbers: Iterable[str]) -> Counter[str]:
        """Make the memory's contacts of these numbers what Redis has; how many were added, changed, removed."""
        counts: Counter[str] = Counter()
        left = list(dict.fromkeys(numbers))
        for start in range(0, len(left), _AT_ONCE):
            counts += self._bring(left[start: start + _AT_ONCE])
        for what, many in counts.items():
            CONTACTS_MIRRORED.labels(what).inc(many)
        return counts

    def whole(self, *, anew: bool = False, pause_s: float = 0.0) -> Progress | None:
        """Read all contacts of Redis, and then whether those of the memory are still there; None if told to stop.

        Goes on where the last one was interrupted, unless it is to begin `anew`.
        """
        progress = None if anew else self._database.read(load_progress)
        run = self._pages.run()
        if progress is None or progress.phase == "done" or (progress.phase == "there" and progress.run != run):
            progress = Progress(run, self._pages.finished(), began_at=self._clock())
        saved_at = self._clock()
        while progress.phase != "done":
            if self._stopping.is_set():
                self._save(progress)
                return None
            (self._there if progress.phase == "there" else self._gone)(progress)
            now = self._clock()
            if not 0 <= now - saved_at < _SAVE_S:
                self._save(progress)
                saved_at = now
            if pause_s:
                self._stopping.wait(pause_s)
        progress.ended_at = self._clock()
        self._save(progress)
        CONTACTS_READ_AT.set(progress.ended_at)
        return progress

    def run(self) -> None:
        """Read all of them after each import and every so often, until `stop`."""
        wait_s = _LOOK_S
        while not self._stopping.wait(wait_s):
            wait_s = _LOOK_S
            try:
                if self.due() and (done := self.whole(pause_s=_PAUSE_S)) is not None:
                    _log.info("contacts_mirrored", read=done.read, took_s=round(done.ended_at - done.began_at, 1),
                              **done.counts)
            except (RecordsError, StateError) as error:
                _log.warning("contacts_not_mirrored", error=str(error), meanwhile="it goes on where it was")
                wait_s = _AWAY_S

    def stop(self) -> None:
        """End after the page in hand."""
        self._stopping.set()

    def due(self) -> bool:
        """Whether all of them are to be read: an import has ended, the last time was interrupted or is too long ago."""
        last = self._database.read(load_progress)
        if last is None or last.phase != "done":
            return True
        ago, took = self._clock() - last.ended_at, last.ended_at - last.began_at
        if ago < 0 or (self._every_s and ago >= self._every_s):  # a clock that stepped back says nothing
            return True
        return ago >= _REST * took and self._pages.finished() != last.imports

    # A page

    def _there(self, progress: Progress) -> None:
        page = self._pages.page(int(progress.place))
        self._count(progress, self.bring(page.numbers))
        progress.read += len(page.numbers)
        progress.phase, progress.place = ("there", str(page.after)) if page.after else ("gone", "")

    def _gone(self, progress: Progress) -> None:
        after = progress.place
        kept = self._database.read(lambda connection: kept_after(connection, after, _AT_ONCE))
        found = self._pages.read(list({number for _id, _stage, number in kept}))
        self._count(progress, self.bring(
            number for _id, stage, number in kept if number in found and stage not in found[number]))
        progress.phase, progress.place = ("gone", kept[-1][0]) if kept else ("done", "")

    def _bring(self, numbers: Sequence[str]) -> Counter[str]:
        counts: Counter[str] = Counter()
        left = list(numbers)
        for _ in range(_AGAIN):
            read_at = self._clock()
            found = self._pages.read(left)
            rows = {number: _rows(number, entries) for number, entries in found.items()}
            done = self._write([(number, some) for number, some in rows.items() if some is not None], read_at)
            counts += done.counts
            seen = self._pages.read(done.numbers)
            left = [number for number in done.numbers if number in seen and seen[number] != found[number]]
            if not left:
                break
        return counts

    def _write(self, rows: Sequence[tuple[str, list[Row]]], read_at: float) -> Brought:
        """Write them; where some cannot be, all the others: halves are tried until it is known which."""
        if not rows:
            return Brought(Counter(), [])
        try:
            return self._database.write(lambda connection: bring(connection, dict(rows), read_at))
        except DBAPIError as error:
            if len(rows) == 1:
                _log.error("contact_not_mirrored", number=mask(rows[0][0]), error=words_of(error)[:200])
                return Brought(Counter(), [])
        half = len(rows) // 2
        first, second = self._write(rows[:half], read_at), self._write(rows[half:], read_at)
        return Brought(first.counts + second.counts, first.numbers + second.numbers)

    def _save(self, progress: Progress) -> None:
        self._database.write(lambda connection: save_progress(connection, progress))

    @staticmethod
    def _count(progress: Progress, counts: Counter[str]) -> None:
        progress.counts = dict(Counter(progress.counts) + counts)


def _rows(number: str, entries: Mapping[str, Entry]) -> list[Row] | None:
    """None where one of them is nothing that could be kept: all of that number is left as it was."""
    try:
        return [contact_row(number, stage_id, entry._asdict()) for stage_id, entry in entries.items()]
    except ValueError as error:
        _log.warning("contact_not_mirrored", number=mask(number), error=str(error))
        return None
