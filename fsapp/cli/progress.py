"""A progress bar on the terminal, if there is one: never in a pipe, a file or beside JSON. Counts what it is told."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, Task

__all__ = ["Shown", "progress"]

T = TypeVar("T")


class Shown:
    """What the bar shows. A thread of another kind may count: nothing here takes a lock."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: Task | None = None

    def start(self, what: str, total: int) -> None:
        """Begin a new bar of `total` steps."""
        task = self._bar.add_task(what, total=total)
        self._task = next(one for one in self._bar.tasks if one.id == task)

    def reached(self, steps: int) -> None:
        if self._task is not None:
            self._task.completed = steps

    def counted(self, rows: Iterable[T]) -> Iterator[T]:
        """The same rows; each is a step."""
        for count, row in enumerate(rows, 1):
            if count % 1000 == 0:
                self.reached(count)
            yield row


@contextmanager
def progress(*, quiet: bool) -> Iterator[Shown]:
    with Progress(console=Console(stderr=True), disable=quiet or not sys.stderr.isatty()) as bar:
        yield Shown(bar)
