"""Keeps in Redis what flows bring about: callbacks asked for, customers who are being asked. Decides nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from fsapp.core.asking import most_asked
from fsapp.core.dialling import Dialling
from fsapp.core.flow.actions import Already, Failed, Noted, Refused
from fsapp.core.flow_leg import Asks
from fsapp.core.rules import Rules
from fsapp.core.task import Task, TaskKind, Try, TryOutcome
from fsapp.core.task_life import ASKED, made, tried
from fsapp.errors import StateError
from fsapp.log import get_logger, mask
from fsapp.state.askers import Askers
from fsapp.state.erased import Erased
from fsapp.state.tasks import Tasks

__all__ = ["Begun", "Requests"]

_log = get_logger("flow")


class Requests:
    """`tasks` tells of the tasks that it changes."""

    def __init__(self, tasks: Tasks, askers: Askers, erased: Erased) -> None:
        self._tasks = tasks
        self._askers = askers
        self._erased = erased

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
        if task.about and self._erased.was_before({"at": task.made_at.timestamp(), "call": task.about}, task.number):
            task = replace(task, about="")  # the new wish does not say again whose call that was
        most = most_asked(task, dialling)
        if most is not None and not self._askers.take(task, most):
            if any(one.open and one.kind in ASKED and one.place == task.place for one in self._tasks.of(task.number)):
                return Already()
            _log.warning("callback_asked_too_often", place=task.place, by=mask(task.asked_by), a_day=most)
            return Refused("too-often")
        a_day = dialling.callbacks_a_day
        changed = self._tasks.change(task.number, lambda tasks: made(tasks, task, a_day))
        if changed.task is not None and changed.task.id == task.id:
            return Noted()
        if most is not None:
            self._askers.give_back(task)
        if changed.task is not None:
            return Already()
        _log.warning("callback_too_often", place=task.place, number=mask(task.number), a_day=a_day)
        return Refused("too-often")


class Begun:
    """`tasks` tells of the tasks that it changes."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    def __call__(self, asks: Asks, call: str, rules: Rules) -> None:
        """The task is done, as its customer is being asked by this call: whatever is killed, nobody is called again.

        Once, whoever goes on with the flow later. Never raises: without Redis the link says it when the call is over.
        """
        one = Try(call, datetime.now(UTC), TryOutcome.ASKED)
        try:
            self._tasks.change(asks.number, lambda tasks: tried(tasks, asks.task, one, rules))
        except StateError as error:
            _log.warning("asked_not_noted", call=call, task=asks.task, error=str(error))
