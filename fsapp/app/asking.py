"""Keeps what callers ask for in flows: a callback becomes a task in Redis, once, and an event. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fsapp.core.asking import most_asked
from fsapp.core.dialling import Dialling
from fsapp.core.flow.actions import Already, Failed, Noted, Refused
from fsapp.core.task import Task, TaskKind
from fsapp.core.task_life import ASKED, made
from fsapp.errors import StateError
from fsapp.log import get_logger, mask
from fsapp.state.askers import Askers
from fsapp.state.erased import Erased
from fsapp.state.tasks import Tasks

__all__ = ["Requests"]

_log = get_logger("flow")


class Requests:
    """`write` takes an event."""

    def __init__(
        self, tasks: Tasks, askers: Askers, erased: Erased, write: Callable[[dict[str, Any]], None],
    ) -> None:
        self._tasks = tasks
        self._askers = askers
        self._erased = erased
        self._write = write

    def __call__(self, task: Task, dialling: Dialling) -> Noted | Already | Refused | Failed:
        """Makes the task, unless the customer has asked for one at this place already. Never raises for Redis.

        Refused where the number, or who asks, gets no more of them within 24 hours.
        """
        try:
            return self._made(task, dialling)
        except StateError as error:
            _log.error("callback_not_noted", place=task.place, error=str(error), meanwhile="the caller is told so")
            return Failed("no-state")

    def _made(self, task: Task, dialling: Dialling) -> Noted | Already | Refused:
        since = (task.since or task.made_at).timestamp()
        if task.kind is TaskKind.LOST and self._erased.was_before({"at": since}, task.number):
            return Refused("erased")  # what they confirm themselves is another matter
        most = most_asked(task, dialling)
        if most is not None and not self._askers.take(task, most):
            if any(one.open and one.kind in ASKED and one.place == task.place for one in self._tasks.of(task.number)):
                return Already()
            _log.warning("callback_asked_too_often", place=task.place, by=mask(task.asked_by), a_day=most)
            return Refused("too-often")
        a_day = dialling.callbacks_a_day
        changed = self._tasks.change(task.number, lambda tasks: made(tasks, task, a_day))
        for event in changed.events:
            self._write(event)
        if changed.task is not None and changed.task.id == task.id:
            return Noted()
        if most is not None:
            self._askers.give_back(task)
        if changed.task is not None:
            return Already()
        _log.warning("callback_too_often", place=task.place, number=mask(task.number), a_day=a_day)
        return Refused("too-often")
