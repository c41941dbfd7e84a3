"""Keeps the tasks of a switch's places true: lost calls make some, talks end some, time ends others. Dials nobody.

What a fact means says `core.task_facts`, what becomes of a task `core.task_life`.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from gevent.event import Event

from fsapp.core import task_life
from fsapp.core.rules import Rules
from fsapp.core.task import Task, TaskKind
from fsapp.core.task_facts import LOST, TALKED, meant_by
from fsapp.core.task_life import Changed
from fsapp.errors import StateError
from fsapp.link.backlog import Backlog, Stays
from fsapp.log import get_logger, mask
from fsapp.metrics import TASKS_CHANGED, TASKS_DUE
from fsapp.spawn import spawn
from fsapp.state.askers import Askers
from fsapp.state.erased import Erased
from fsapp.state.tasks import Tasks

__all__ = ["TaskKeeping"]

EVERY_S = 60.0
_STOP_S = 1.0
_TAKEN = TALKED | {LOST}
_HEARD = _TAKEN | {"queue_joined", "call_left_queue"}
_log = get_logger("tasks")


class TaskKeeping:
    """`rules` gives the rules in force, or None; `heard` those that tell of changes, which `tasks` has told."""

    def __init__(
        self, switch: str, tasks: Tasks, askers: Askers, erased: Erased, rules: Callable[[], Rules | None],
        heard: Callable[[dict[str, Any]], None], every_s: float = EVERY_S,
    ) -> None:
        self._switch = switch
        self._tasks = tasks
        self._askers = askers
        self._erased = erased
        self._rules = rules
        self._heard = heard
        self._every_s = every_s
        self._stays = Stays()
        self._backlog = Backlog("task-facts", self._take, rules)
        self._stopping = Event()
        self._looks = spawn(self._look_again, name="tasks-over")

    @property
    def fault(self) -> str:
        return self._backlog.fault

    def hear(self, fact: Mapping[str, Any]) -> None:
        """Take a fact; returns at once."""
        if fact.get("type") not in _HEARD:
            return
        found = self._stays.completed(fact)
        if found["type"] in _TAKEN:
            self._backlog.put(found)

    def settle(self, timeout_s: float) -> bool:
        """Wait until all that was heard is written; whether it is."""
        return self._backlog.settle(timeout_s)

    def stop(self, timeout_s: float = _STOP_S) -> None:
        """Take what is in hand, for so long at most."""
        self._stopping.set()
        self._looks.join(timeout_s)
        self._looks.kill(timeout=1)
        self._backlog.stop(timeout_s)

    def look(self, now: datetime) -> None:
        """End tasks whose time is over, of places at home on this switch, and count those that are due. StateError."""
        rules = self._rules()
        if rules is None:
            return
        due = [task for task in self._tasks.due(now) if self._ours(task, rules)]
        over = {task.number for task in due if task.expires_at <= now and task.call is None}
        for number in over:
            self._change(number, lambda known: task_life.expired(known, now))
        counts = Counter(task.kind for task in due if task.expires_at > now)
        for kind in TaskKind:
            TASKS_DUE.labels(kind.value).set(counts[kind])

    def _ours(self, task: Task, rules: Rules) -> bool:
        """Whose place is gone is seen to by every link."""
        place = rules.place(task.place)
        return place is None or place.home == self._switch

    def _look_again(self) -> None:
        fault = ""
        # Not all links at the same moment, nor at the moment in which everything starts.
        wait_s = self._every_s * random.uniform(0.1, 0.5)
        while not self._stopping.wait(wait_s):
            wait_s, began = self._every_s, time.thread_time()
            try:
                self.look(datetime.now(UTC))
                fault = ""
            except StateError as error:
                if str(error) != fault:
                    _log.warning("tasks_not_looked_at", error=str(error))
                fault = str(error)
            except Exception:  # noqa: BLE001  the next look is a new one
                _log.exception("tasks_not_looked_at")
            wait_s = max(wait_s, 20 * (time.thread_time() - began))

    def _take(self, fact: dict[str, Any], rules: Rules) -> None:
        came_at = datetime.fromtimestamp(fact["came_at"], UTC) if "came_at" in fact else None
        meant = meant_by(fact, rules, datetime.now(UTC), came_at)
        if meant is None or (meant.new is not None and self._erased.was_before(fact, meant.number)):
            return
        self._change(meant.number, meant.change)
        if meant.new is None:
            for number in self._askers.numbers(meant.number):
                self._change(number, meant.change_asked)

    def _change(self, number: str, how: Callable[[Any], Changed]) -> Changed:
        changed = self._tasks.change(number, how)
        for event in changed.events:
            self._heard(event)
            TASKS_CHANGED.labels(event["kind"], event["state"]).inc()
            _log.info("task_changed", task=event["task"], what=event["what"], kind=event["kind"],
                      state=event["state"], place=event["place"], number=mask(number), why=event["why"])
        return changed
