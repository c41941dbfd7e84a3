"""What an import of contacts (`imports`) would do, counted without writing anything: it has no batch and no lease."""

from __future__ import annotations

from collections.abc import Sequence

import redis

from fsapp.state import keys
from fsapp.state.connection import redis_faults
from fsapp.state.contacts import Entry, Visibility
from fsapp.state.imports import TaskOf, Written, readable
from fsapp.state.task_import import would_make

__all__ = ["ImportTrial"]


class ImportTrial:
    """`write` as of an Import into the stage, with the same `written`. StateUnavailable, StateRefused."""

    def __init__(self, client: redis.Redis, stage_id: str, *, reopen: bool, task_of: TaskOf) -> None:
        self._client = client
        self._stage_id = stage_id
        self._reopen = reopen
        self._task_of = task_of
        self.written = Written()

    def write(self, rows: Sequence[tuple[str, Entry]]) -> None:
        with redis_faults(self._client):
            state, *values = self._client.execute_command(
                "MGET", keys.IMPORTS, *[keys.contacts(number) for number, _entry in rows])
        visibility = Visibility.parse(state)
        due: list[tuple[str, Entry]] = []
        for (number, entry), value in zip(rows, values, strict=True):
            shown = visibility.of(readable(number, value).get(self._stage_id) if value else None)
            is_open = entry.open if shown is None or self._reopen else shown.open
            self.written.count(shown, is_open=is_open)
            if is_open and entry.due_at is not None:
                due.append((number, entry))
        tasks = [task for number, entry in due if (task := self._task_of(number, entry)) is not None]
        if tasks:
            self.written.tasks += would_make(self._client, tasks)
