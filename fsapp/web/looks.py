"""Looks at pops, written down many at a time: who waits for a pop does not wait for a disk. Reads nothing."""

from __future__ import annotations

from collections import deque
from typing import Any

import gevent
from gevent.event import Event
from sqlalchemy import Connection

from fsapp.errors import RecordsError
from fsapp.log import get_logger
from fsapp.records.access import looked
from fsapp.records.database import Database
from fsapp.spawn import spawn

__all__ = ["Looks"]

_EVERY_S = 0.2
_AGAIN_S = 1.0
_AT_ONCE = 500
_KEPT = 50_000  # while the memory is away
_log = get_logger("web")


class Looks:
    """What `put` was given is in the memory within a second, or as soon as that is back."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._some = Event()
        self._stopping = False
        self._fault = ""
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        self._greenlet = spawn(self._run, name="looks")

    def put(self, **look: Any) -> None:
        """A look, as `records.access.looked` takes it."""
        if len(self._waiting) == _KEPT:
            _log.error("look_lost", who=look.get("who"))
        self._waiting.append(look)
        self._some.set()

    def stop(self) -> None:
        """Write what is left, if the memory takes it."""
        self._stopping = True
        self._some.set()
        if self._greenlet is not None:
            self._greenlet.join(2)
            self._greenlet.kill(timeout=1)
        if self._waiting:
            _log.error("looks_lost", count=len(self._waiting))

    def _run(self) -> None:
        while True:
            self._some.wait()
            if not self._stopping:
                gevent.sleep(_EVERY_S)
            self._some.clear()
            while self._waiting:
                if not self._write([self._waiting[place] for place in range(min(_AT_ONCE, len(self._waiting)))]):
                    break
            if self._stopping:
                return
            if self._waiting:
                gevent.sleep(_AGAIN_S)
                self._some.set()

    def _write(self, some: list[dict[str, Any]]) -> bool:
        def work(connection: Connection) -> None:
            for look in some:
                looked(connection, **look)

        try:
            self._database.write(work)
        except RecordsError as error:
            if str(error) != self._fault:
                self._fault = str(error)
                _log.error("looks_unwritten", error=self._fault, meanwhile="they are kept, and written later")
            return False
        self._fault = ""
        for _ in some:
            self._waiting.popleft()
        return True
