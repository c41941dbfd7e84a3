"""Contacts in bulk, all or nothing: an import is invisible until its last command, whatever kills it before.

An import takes a batch number and is pending. What it writes carries that number and holds the entry it replaces, which
readers go on seeing. One command ends the pending state, and all of it is visible at once. An import that was cut off
stays pending without a lease: the next one takes it back first. Does not read files.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from types import TracebackType

import redis

from fsapp.core.task import Task
from fsapp.errors import StateError, StateRefused
from fsapp.log import get_logger
from fsapp.state import keys, scripts
from fsapp.state.connection import redis_faults
from fsapp.state.contacts import Entry, Visibility, pack, unpack
from fsapp.state.task_import import TaskImport, remove_batches

__all__ = ["CHUNK", "Import", "TaskOf", "Written", "readable"]

CHUNK = 1000
_ATTEMPTS = 20
_log = get_logger("contacts")
TaskOf = Callable[[str, Entry], Task | None]


@dataclass(slots=True)
class Written:
    """What an import did: contacts that are new, that replaced one, those among them that stay closed; tasks made."""

    added: int = 0
    updated: int = 0
    closed: int = 0
    tasks: int = 0

    def count(self, shown: Entry | None, *, is_open: bool) -> None:
        """One contact; `shown`: the one it replaces, `is_open`: afterwards."""
        if shown is None:
            self.added += 1
        else:
            self.updated += 1
            self.closed += not is_open


class Import:
    """One import into one stage: `with Import(client, "renewals/first-call") as bulk: bulk.write(rows)`.

    Leaving the block makes everything visible at once; leaving it by an exception takes everything back. A contact
    that is there already keeps when it was attempted, and stays closed unless `reopen`. `task_of` makes the task of a
    contact with a time, or None: it is seen and taken back with the contacts. Of two imports of one contact
    the one that wrote it last wins. Raises StateUnavailable or StateRefused when Redis does not do it.
    """

    def __init__(
        self, client: redis.Redis, stage_id: str, *, reopen: bool = False, task_of: TaskOf | None = None,
    ) -> None:
        self._client = client
        self._stage_id = stage_id
        self._reopen = reopen
        self._task_of = task_of
        self._batch = 0
        self._tasks: TaskImport | None = None
        self._touched: list[str] = []
        self._replaced: list[str] = []
        self._begin = client.register_script(scripts.BEGIN_IMPORT)
        self._finish = client.register_script(scripts.FINISH_IMPORT)
        self._write = client.register_script(scripts.WRITE_IMPORT)
        self._swap = client.register_script(scripts.SWAP)
        self.written = Written()

    def __enter__(self) -> Import:
        with redis_faults(self._client):
            self._sweep()
            self._batch = int(self._begin(keys=[keys.IMPORTS, keys.LEASE_PREFIX], args=[keys.LEASE_S]))
        self._tasks = TaskImport(self._client, self._batch) if self._task_of is not None else None
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _where: TracebackType | None,
    ) -> None:
        if error is not None:
            self._take_back()
            return
        with redis_faults(self._client):
            if not self._end(self._batch, whole=True):
                raise _interrupted()
        self._tidy()
        if self._tasks is not None:
            self.written.tasks = self._tasks.made
            self._tell_of(self._tasks)

    def write(self, rows: Sequence[tuple[str, Entry]]) -> None:
        """Write contacts: pairs of number and entry, no number twice, best CHUNK at a time."""
        left = list(rows)
        for _ in range(_ATTEMPTS):
            if not left:
                return
            with redis_faults(self._client):
                left = self._write_once(left)
        if left:
            raise StateRefused(f"{len(left)} contacts are changed by others all the time: try again")

    def _write_once(self, rows: Sequence[tuple[str, Entry]]) -> list[tuple[str, Entry]]:
        """Write what nobody else changes meanwhile; the rest is returned."""
        places = [keys.contacts(number) for number, _entry in rows]
        state, *seen = self._client.execute_command("MGET", keys.IMPORTS, *places)
        visibility = Visibility.parse(state)
        args: list[object] = [keys.LEASE_S]
        earlier: list[Entry | None] = []
        merged: list[tuple[str, Entry]] = []
        for (number, entry), value in zip(rows, seen, strict=True):
            entries = readable(number, value) if value else {}
            old = entries.get(self._stage_id)
            shown = visibility.of(old)
            merged.append((number, self._merged(entry, old, shown, visibility)))
            entries[self._stage_id] = merged[-1][1]
            earlier.append(shown)
            if old is not None:
                self._replaced.append(number)
            args += (value or b"", pack(entries))
        self._touched += [number for number, _entry in rows]
        changed = self._write(keys=[keys.import_lease(self._batch), *places], args=args)
        if changed == -1:
            raise _interrupted()
        missed = set(changed)
        for place, shown in enumerate(earlier):
            if place not in missed:
                self.written.count(shown, is_open=merged[place][1].open)
        self._make_tasks([
            (number, entry) for place, (number, entry) in enumerate(merged) if place not in missed])
        return [rows[place] for place in changed]

    def _make_tasks(self, rows: Sequence[tuple[str, Entry]]) -> None:
        """Of contacts that are open and have a time. Before the import is seen, so that both are seen at once."""
        if self._tasks is None or self._task_of is None:
            return
        due = [(number, entry) for number, entry in rows if entry.open and entry.due_at is not None]
        tasks = [task for number, entry in due if (task := self._task_of(number, entry)) is not None]
        if not self._tasks.write(tasks):
            raise _interrupted()

    def _tell_of(self, tasks: TaskImport) -> None:
        """The events of tasks that are there already: a failure here fails nothing."""
        try:
            tasks.finished()
        except StateError as error:
            _log.warning("tasks_not_told", batch=self._batch, error=str(error))

    def _merged(self, entry: Entry, old: Entry | None, shown: Entry | None, visibility: Visibility) -> Entry:
        if old is None:
            return entry._replace(batch=self._batch)
        return entry._replace(
            batch=self._batch,
            open=entry.open if shown is None or self._reopen else shown.open,
            attempted_at=entry.attempted_at if shown is None else shown.attempted_at,
            previous=_trimmed(old, visibility, ()),
        )

    def _end(self, batch: int, *, whole: bool = False) -> bool:
        """End the pending state of a batch that is `whole`, or of which nothing is left; False if that cannot be."""
        return bool(self._finish(keys=[keys.IMPORTS, keys.import_lease(batch)], args=[batch, int(whole)]))

    def _take_back(self) -> None:
        """Undo this import. If Redis is gone too, the next import does it: nobody sees anything of it till then."""
        try:
            with redis_faults(self._client):
                self._client.delete(keys.import_lease(self._batch))
                self._rewrite(map(keys.contacts, self._touched), {self._batch})
                if self._tasks is not None:
                    self._tasks.take_back()
                self._end(self._batch)
        except StateError as error:
            _log.warning("import_left_for_the_next", batch=self._batch, error=str(error))

    def _tidy(self) -> None:
        """Forget the entries that were replaced; they only cost memory, so a failure here fails nothing."""
        try:
            with redis_faults(self._client):
                self._rewrite(map(keys.contacts, self._replaced), ())
        except StateError as error:
            _log.warning("import_not_tidied", batch=self._batch, error=str(error))

    def _sweep(self) -> None:
        """Take back every import that is pending without a sign of life."""
        pending = sorted(Visibility.parse(self._client.get(keys.IMPORTS)).pending)
        dead = {batch for batch in pending if not self._client.exists(keys.import_lease(batch))}
        if dead:
            _log.info("import_taken_back", batches=sorted(dead))
            self._rewrite(self._client.scan_iter(match=keys.ALL_CONTACTS, count=CHUNK), dead)
            remove_batches(self._client, None, dead)
            for batch in dead:
                self._end(batch)

    def _rewrite(self, places: Iterable[bytes | str], dead: Collection[int]) -> None:
        """Take the dead batches out of the contacts at these keys, and what visible entries replaced."""
        waiting = iter(places)
        while page := list(islice(waiting, CHUNK)):
            self._rewrite_page(page, dead)

    def _rewrite_page(self, page: Sequence[bytes | str], dead: Collection[int]) -> None:
        for _ in range(_ATTEMPTS):
            if not page:
                return
            state, *values = self._client.execute_command("MGET", keys.IMPORTS, *page)
            change = partial(_rewritten, Visibility.parse(state), dead)
            changes = [
                (key, value, after)
                for key, value in zip(page, values, strict=True)
                if value is not None and (after := change(value)) != value
            ]
            if not changes:
                return
            args = [part for _key, value, after in changes for part in (value, after, 0)]
            again = self._swap(keys=[key for key, _value, _after in changes], args=args)
            page = [changes[place][0] for place in again]
        raise StateRefused(f"{len(page)} contacts are changed by others all the time: try again")


def _rewritten(visibility: Visibility, dead: Collection[int], value: bytes) -> bytes:
    try:
        entries = unpack(value)
    except ValueError:
        return value  # readers log it, and it holds nothing of an import
    if all(entry.previous is None and entry.batch not in dead for entry in entries.values()):
        return value
    kept = {stage: _trimmed(entry, visibility, dead) for stage, entry in entries.items()}
    return pack({stage: entry for stage, entry in kept.items() if entry is not None})


def _trimmed(entry: Entry | None, visibility: Visibility, dead: Collection[int]) -> Entry | None:
    """An entry without the links of dead batches and without what its first visible link replaced."""
    if entry is None:
        return None
    if entry.batch in dead:
        return _trimmed(entry.previous, visibility, dead)
    if entry.previous is None:
        return entry
    if not visibility.hides(entry.batch):
        return entry._replace(previous=None)
    return entry._replace(previous=_trimmed(entry.previous, visibility, dead))


def readable(number: str, value: bytes) -> dict[str, Entry]:
    try:
        return unpack(value)
    except ValueError:
        raise StateRefused(
            f"what Redis holds for {number} cannot be read: look at {keys.contacts(number)}, or delete it"
        ) from None


def _interrupted() -> StateRefused:
    return StateRefused(f"the import paused for more than {keys.LEASE_S} s and was given up: run it again")
