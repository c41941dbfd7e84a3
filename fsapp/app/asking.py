"""Keeps what callers ask for in flows: a callback becomes a task in Redis, once, and an event. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fsapp.core.flow.actions import Already, Failed, Noted, Refused
from fsapp.core.task import Task
from fsapp.core.task_life import made
from fsapp.errors import StateError
from fsapp.log import get_logger, mask
from fsapp.state.tasks import Tasks

__all__ = ["Requests"]

_log = get_logger("flow")


class Requests:
    """`write` takes an event."""

    def __init__(self, tasks: Tasks, write: Callable[[dict[str, Any]], None]) -> None:
        self._tasks = tasks
        self._write = write

    def __call__(self, task: Task, a_day: int) -> Noted | Already | Refused | Failed:
        """Makes the task, unless the customer has asked for one at this place already. Never raises for Redis.

        `a_day`: how many callbacks a number gets within 24 hours.
        """
        try:
            changed = self._tasks.change(task.number, lambda tasks: made(tasks, task, a_day))
        except StateError as error:
            _log.error("callback_not_noted", place=task.place, error=str(error), meanwhile="the caller is told so")
            return Failed("no-state")
        for event in changed.events:
            self._write(event)
        if changed.task is None:
            _log.warning("callback_too_often", place=task.place, number=mask(task.number), a_day=a_day)
            return Refused("too-often")
        return Noted() if changed.task.id == task.id else Already()
