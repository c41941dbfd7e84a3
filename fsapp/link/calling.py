"""What all have in common that call customers for tasks: rounds, and how a task gets a call. Knows no legs of calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from gevent.event import Event

from fsapp.core import task_life
from fsapp.core.floor import Seen
from fsapp.core.task import Task
from fsapp.core.task_life import Changed
from fsapp.errors import StateError, SwitchError
from fsapp.spawn import spawn

__all__ = ["Rounds", "Watched", "taken"]

_EVERY_S = 1.0
_STOP_S = 1.0


class Watched(Protocol):
    """What is needed of the link's Watch."""

    seen: Seen
    up: bool

    def api(self, cmd: str, timeout_s: float | None = None) -> str: ...

    def bgapi(self, cmd: str) -> None: ...


class Rounds:
    """Calls `once` with the time, each second until `stop`. `fault`: why the last round came to nothing, or empty.

    `name`: of what is done, in the events of `log`. `meanwhile`: what a fault means for customers.
    """

    def __init__(self, once: Callable[[datetime], None], log: Any, name: str, meanwhile: str) -> None:
        self.fault = ""
        self._once = once
        self._log = log
        self._name = name
        self._meanwhile = meanwhile
        self._stopping = Event()
        self._greenlet = spawn(self._run, name=name)

    def stop(self) -> None:
        """Let the round in hand end, in time."""
        self._stopping.set()
        self._greenlet.join(_STOP_S)
        self._greenlet.kill(timeout=1)

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY_S):
            try:
                self._once(datetime.now(UTC))
            except (StateError, SwitchError) as error:
                if str(error) != self.fault:
                    self._log.error(f"{self._name}_held", error=str(error), meanwhile=self._meanwhile)
                self.fault = str(error)
            except Exception:  # noqa: BLE001  the next round is a new one
                self._log.exception(f"{self._name}_failed")
            else:
                self.fault = ""


def taken(tasks: Sequence[Task], id_: str, call: str, now: datetime) -> Changed:
    """The task with its call, unless it has one, or has become due later meanwhile."""
    task = next((task for task in tasks if task.id == id_), None)
    if task is None or task.call or task.due_at > now:
        return Changed(tuple(tasks), None)
    return task_life.placed(tasks, id_, call)
