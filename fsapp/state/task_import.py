"""The tasks of one import of contacts: unseen until the import is finished, gone when it is taken back. Reads no files.

A task carries the number of the import's batch, as contacts do (`imports`). One contact has one such task: that of the
last import that is finished (`task_record.shown`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

import redis

from fsapp.core import task_life
from fsapp.core.task import Task, TaskState
from fsapp.core.task_life import Changed, bounded, made_event
from fsapp.errors import StateRefused
from fsapp.state import keys, scripts, stream
from fsapp.state.connection import redis_faults
from fsapp.state.contacts import Visibility
from fsapp.state.task_record import pack_tasks, shown
from fsapp.state.tasks import Tasks, member_of

__all__ = ["REPLACED", "TaskImport", "remove_batches", "would_make"]

REPLACED = "imported-anew"
_ATTEMPTS = 20
_CHUNK = 1000


class TaskImport:
    """Tasks written under `batch`, as long as its lease lives. StateUnavailable, StateRefused."""

    def __init__(self, client: redis.Redis, batch: int) -> None:
        self.made = 0
        self._client = client
        self._batch = batch
        self._tasks = Tasks(client)
        self._write = client.register_script(scripts.WRITE_IMPORT)
        self._written: list[tuple[str, str]] = []

    def write(self, tasks: Sequence[Task]) -> bool:
        """Make these, of different customers; one that is there already stays as it is. False without a lease."""
        left = [replace(task, batch=self._batch) for task in tasks]
        for _ in range(_ATTEMPTS):
            if not left:
                return True
            with redis_faults(self._client):
                again = self._write_once(left)
            if again is None:
                return False
            left = again
        raise StateRefused(f"{len(left)} tasks are changed by others all the time: try again")

    def _write_once(self, tasks: Sequence[Task]) -> list[Task] | None:
        """What somebody else changed meanwhile; None when the lease has run out."""
        state, *values = self._client.execute_command(
            "MGET", keys.IMPORTS, *[keys.tasks(task.number) for task in tasks])
        visibility = Visibility.parse(state)
        new, args = [], []
        for task, value in zip(tasks, values, strict=True):
            before = self._tasks.read(task.number, value)
            after = _with(before, task, visibility)
            if after != before:
                new.append(task)
                args += (value or b"", pack_tasks(after))
        if not new:
            return []
        self._client.zadd(keys.TASKS_OPEN, {
            member_of(task.number, task.id): task.due_at.timestamp() for task in new})
        changed = self._write(
            keys=[keys.import_lease(self._batch), *[keys.tasks(task.number) for task in new]],
            args=[keys.LEASE_S, *args])
        if changed == -1:
            return None
        missed = set(changed)
        self._written += [(task.number, task.id) for place, task in enumerate(new) if place not in missed]
        self.made = len(self._written)
        return [new[place] for place in changed]

    def take_back(self) -> None:
        remove_batches(self._client, (number for number, _id in self._written), {self._batch})

    def finished(self) -> None:
        """The import is seen by all: tell of its tasks, and end those that they replace."""
        waiting = iter(self._written)
        while page := list(islice(waiting, _CHUNK)):
            told: list[bytes] = []
            with redis_faults(self._client):
                values = self._client.mget([keys.tasks(number) for number, _id in page])
            for (number, id_), value in zip(page, values, strict=True):
                known = self._tasks.read(number, value)
                told += [stream.encode(made_event(task)) for task in known if task.id == id_]
                if sum(task.open and task.batch > 0 for task in known) > 1:
                    told += [stream.encode(event) for event in self._tasks.change(number, _replaced).events]
            stream.add(self._client, told)


def would_make(client: redis.Redis, tasks: Sequence[Task]) -> int:
    """How many of these, of different customers, `TaskImport.write` would make. StateUnavailable, StateRefused."""
    known = Tasks(client)
    with redis_faults(client):
        state, *values = client.execute_command("MGET", keys.IMPORTS, *[keys.tasks(task.number) for task in tasks])
    visibility = Visibility.parse(state)
    befores = [known.read(task.number, value) for task, value in zip(tasks, values, strict=True)]
    return sum(_with(before, task, visibility) != before for before, task in zip(befores, tasks, strict=True))


def _with(before: tuple[Task, ...], new: Task, visibility: Visibility) -> tuple[Task, ...]:
    same = next((task for task in before if task.id == new.id), None)
    if same is None:
        return bounded((*before, new))
    stays = same in shown(before, visibility) if same.open else same.why != REPLACED
    return before if stays else tuple(new if task is same else task for task in before)


def _replaced(tasks: Sequence[Task]) -> Changed:
    """Ends what another import's task of the same contact has taken the place of."""
    now, last = datetime.now(UTC), {task.contact: task for task in sorted(tasks, key=lambda task: task.batch)}
    changed = Changed(tuple(tasks), None)
    for task in tasks:
        if task.batch and task.open and last[task.contact].batch > task.batch:
            one = task_life.cancelled(changed.tasks, task.id, REPLACED, now)
            changed = Changed(one.tasks, one.task, (*changed.events, *one.events))
    return changed


def remove_batches(client: redis.Redis, numbers: Iterable[str] | None, dead: Collection[int]) -> None:
    """Take the tasks of dead batches out again: those of these customers, or (None) of all who have any."""
    with redis_faults(client):
        known, swap = Tasks(client), client.register_script(scripts.SWAP)
        waiting = iter(dict.fromkeys(numbers) if numbers is not None else _everybody(client))
        while page := list(islice(waiting, _CHUNK)):
            for _ in range(_ATTEMPTS):
                if not page:
                    break
                changes = []
                values = client.mget([keys.tasks(number) for number in page])
                for number, value in zip(page, values, strict=True):
                    tasks = known.read(number, value)
                    kept = tuple(task for task in tasks if task.batch not in dead)
                    if kept != tasks:
                        life_ms = 0 if any(task.state is TaskState.OPEN for task in kept) else keys.TASKS_S * 1000
                        changes.append((number, (value or b"", pack_tasks(kept), life_ms)))
                again = swap(
                    keys=[keys.tasks(number) for number, _args in changes],
                    args=[part for _number, args in changes for part in args]) if changes else []
                page = [changes[place][0] for place in again]
            if page:
                raise StateRefused(f"tasks of {len(page)} customers are changed by others all the time: try again")


def _everybody(client: redis.Redis) -> Iterator[str]:
    """The numbers in the list of open tasks; some more than once."""
    for member, _due in client.zscan_iter(keys.TASKS_OPEN, count=_CHUNK):
        yield member.decode(errors="replace").partition(" ")[0]
