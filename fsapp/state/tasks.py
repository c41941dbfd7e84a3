"""Tasks in Redis: those of one customer changed together, all of them found by when they are due. Decides nothing.

A customer's tasks are one value, so that a change of them is atomic; the two lists of all tasks are only a way to find
customers. A list is written first and cleaned by whoever finds in it what is not so: nothing is open and not found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import redis

from fsapp.core.task import Task
from fsapp.core.task_life import Changed
from fsapp.errors import StateRefused
from fsapp.log import get_logger, mask
from fsapp.state import keys
from fsapp.state.connection import redis_faults
from fsapp.state.contacts import Visibility
from fsapp.state.known import UNREADABLE
from fsapp.state.scripts import SWAP, SWAP_TELLING
from fsapp.state.stream import FIELD, encode
from fsapp.state.task_record import pack_tasks, shown, unpack_tasks

__all__ = ["Tasks", "member_of"]

MOST = 100_000
_ATTEMPTS = 20
_PAGE = 500
_log = get_logger("state")


class Tasks:
    """Every method raises StateUnavailable or StateRefused when Redis does not do it.

    `told_with`: a change puts the events that tell of it into the stream, each with these values besides; all of that
    or nothing: what has changed and was not told would never be told any more. None: the caller tells of it.
    """

    def __init__(self, client: redis.Redis, told_with: Mapping[str, Any] | None = None) -> None:
        self._client = client
        self._told_with = told_with
        self._swap = client.register_script(SWAP)
        self._swap_telling = client.register_script(SWAP_TELLING)

    def of(self, number: str) -> tuple[Task, ...]:
        """A customer's tasks, oldest first; what cannot be read is logged and counts as none."""
        with redis_faults(self._client):
            state, value = self._client.execute_command("MGET", keys.IMPORTS, keys.tasks(number))
        return shown(self.read(number, value), Visibility.parse(state))

    def change(self, number: str, change: Callable[[Sequence[Task]], Changed]) -> Changed:
        """Make of a customer's tasks what `change` makes of them (once more if somebody was faster); what it made."""
        key = keys.tasks(number)
        for _ in range(_ATTEMPTS):
            with redis_faults(self._client):
                seen = self._client.get(key) or b""
            before = self.read(number, seen)
            changed = change(before)
            if changed.tasks == before:
                return changed
            self._list(number, before, changed.tasks)
            life_ms = 0 if any(task.open for task in changed.tasks) else keys.TASKS_S * 1000
            if self._swapped(key, [seen, pack_tasks(changed.tasks), life_ms], changed):
                # Once more: somebody may have cleaned it out of the list before it was so.
                self._list(number, before, changed.tasks)
                self._unlist(number, changed.tasks)
                return changed
        raise StateRefused(f"the tasks of {number} are changed by others all the time: try again")

    def _swapped(self, key: str, values: list[Any], changed: Changed) -> bool:
        """Whether the customer's tasks were as they had been seen, and are as they should be."""
        with redis_faults(self._client):
            if self._told_with is None:
                return not self._swap(keys=[key], args=values)
            told = [encode({**self._told_with, **event}) for event in changed.events]
            return bool(self._swap_telling(keys=[key, keys.EVENTS], args=[*values, FIELD, *told]))

    def due(self, now: datetime, limit: int = MOST) -> list[Task]:
        """Open tasks that are due, the one that has been so for longest first.

        A few thousand of a place where nobody works must not hide those of another: so many are read in two seconds.
        """
        found = self._found(keys.TASKS_OPEN, now.timestamp(), limit)
        return [task for task in found if task.open and task.due_at <= now]

    def every(self, *, over: bool = False, limit: int = MOST) -> Iterator[Task]:
        """All open tasks by when they are due; with `over` those that have ended as well, the last ones first."""
        for task in self._found(keys.TASKS_OPEN, float("inf"), limit):
            if task.open:
                yield task
        if over:
            for task in self._found(keys.TASKS_OVER, float("inf"), limit, newest=True):
                if not task.open:
                    yield task

    def get(self, id_: str) -> Task | None:
        """The task with this id, by a look through the lists."""
        return next((task for task in self.every(over=True) if task.id == id_), None)

    def _found(self, list_: str, until: float, limit: int, *, newest: bool = False) -> Iterator[Task]:
        with redis_faults(self._client):
            if newest:
                members = self._client.zrevrangebyscore(list_, until, "-inf", start=0, num=limit)
            else:
                members = self._client.zrangebyscore(list_, "-inf", until, start=0, num=limit)
        wanted = [(member, *_split(member)) for member in members]
        for place in range(0, len(wanted), _PAGE):
            page = wanted[place: place + _PAGE]
            numbers = list(dict.fromkeys(number for _member, number, _id in page))
            with redis_faults(self._client):
                state, *values = self._client.execute_command(
                    "MGET", keys.IMPORTS, *[keys.tasks(number) for number in numbers])
            visibility = Visibility.parse(state)
            found = {
                number: self.read(number, value) for number, value in zip(numbers, values, strict=True)}
            known = {(number, task.id): task for number, tasks in found.items() for task in tasks}
            seen = {(number, task.id) for number, tasks in found.items() for task in shown(tasks, visibility)}
            for member, number, id_ in page:
                task = known.get((number, id_))
                if task is None or task.open is newest:
                    self._forget(list_, member, number, id_)
                elif (number, id_) in seen:
                    yield task

    def _list(self, number: str, before: Iterable[Task], after: Iterable[Task]) -> None:
        """Into the lists what is to be found there, before it is so."""
        known = {task.id: task for task in before}
        changed = [task for task in after if known.get(task.id) != task]
        with redis_faults(self._client):
            pipeline = self._client.pipeline(transaction=False)
            for task in changed:
                if task.open:
                    pipeline.zadd(keys.TASKS_OPEN, {member_of(number, task.id): task.due_at.timestamp()})
                else:
                    at = (task.closed_at or datetime.now(UTC)).timestamp()
                    pipeline.zadd(keys.TASKS_OVER, {member_of(number, task.id): at})
            pipeline.zremrangebyrank(keys.TASKS_OVER, 0, -keys.KEPT_TASKS - 1)
            pipeline.zremrangebyscore(keys.TASKS_OVER, "-inf", datetime.now(UTC).timestamp() - keys.TASKS_S)
            pipeline.execute()

    def _unlist(self, number: str, tasks: Iterable[Task]) -> None:
        over = [member_of(number, task.id) for task in tasks if not task.open]
        if over:
            with redis_faults(self._client):
                self._client.zrem(keys.TASKS_OPEN, *over)

    def _forget(self, list_: str, member: bytes, number: str, id_: str) -> None:
        """Out of a list what is not so; unless it has become so meanwhile."""
        with redis_faults(self._client):
            self._client.zrem(list_, member)
            tasks = self.read(number, self._client.get(keys.tasks(number)))
            again = next((task for task in tasks if task.id == id_), None)
            if again is not None and again.open is (list_ == keys.TASKS_OPEN):
                at = again.due_at if again.open else again.closed_at or datetime.now(UTC)
                self._client.zadd(list_, {member_of(number, id_): at.timestamp()})

    def read(self, number: str, value: bytes | None) -> tuple[Task, ...]:
        """What a customer's key holds, unseen tasks included; nothing where it cannot be read, which is logged."""
        try:
            return unpack_tasks(number, value) if value else ()
        except UNREADABLE as error:
            _log.warning("bad_value", key=mask(keys.tasks(number)), error=repr(error))
            return ()


def member_of(number: str, id_: str) -> str:
    """How a task stands in the lists."""
    return f"{number} {id_}"


def _split(member: bytes) -> tuple[str, str]:
    number, _, id_ = member.decode(errors="replace").partition(" ")
    return number, id_


