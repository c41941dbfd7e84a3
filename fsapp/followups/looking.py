"""Looks at interactions that are over, one batch after the other, for as long as it runs. Decides nothing itself."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
from gevent.event import Event
from sqlalchemy.exc import SQLAlchemyError

from fsapp.core.rules import Rules
from fsapp.errors import RecordsError
from fsapp.log import get_logger
from fsapp.metrics import FOLLOWED
from fsapp.records.database import Database
from fsapp.records.follow_ups import Looked, look
from fsapp.records.versions import refuse_outdated
from fsapp.spawn import spawn

__all__ = ["Looking"]

_AT_ONCE = 100
_PAUSE_S = 1.0
_AGAIN_S = 2.0
_log = get_logger("followups")


class Looking:
    """`rules`: those in force, None while there are none. `woken` is called when something has followed.

    `fault`: why it cannot work, empty while it can.
    """

    def __init__(self, database: Database, rules: Callable[[], Rules | None], woken: Callable[[], None]) -> None:
        self.fault = "starting"
        self._database = database
        self._rules = rules
        self._woken = woken
        self._stopping = Event()
        self._greenlet: gevent.Greenlet | None = None
        self._known_version = False

    def start(self, failed: Callable[[gevent.Greenlet], None]) -> None:
        """`failed` is called should it end by an error that nobody foresaw."""
        self._greenlet = spawn(self._run, name="looking")
        self._greenlet.link_exception(failed)

    def stop(self, timeout_s: float) -> None:
        """Finish the batch in hand; it is whole or not at all in any case."""
        self._stopping.set()
        if self._greenlet is not None:
            self._greenlet.join(timeout_s)
            self._greenlet.kill(timeout=1)

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause_s = _PAUSE_S
            try:
                looked = self.once()
                self._say("")
                pause_s = 0.0 if looked.interactions >= _AT_ONCE else _PAUSE_S
            except (RecordsError, SQLAlchemyError) as error:
                self._known_version = False
                self._say(str(error).partition("\n")[0])
                pause_s = _AGAIN_S
            self._stopping.wait(pause_s)

    def once(self) -> Looked:
        """One batch. RecordsError where the database is away or of another version."""
        if not self._known_version:
            refuse_outdated(self._database)
            self._known_version = True
        rules = self._rules()
        if rules is None:
            return Looked()
        looked = self._database.write(lambda connection: look(connection, rules, time.time(), _AT_ONCE))
        for id_, why in looked.broken:
            _log.error("interaction_not_followed", call=id_, error=why)
        FOLLOWED.labels("broken").inc(len(looked.broken))
        FOLLOWED.labels("looked-at").inc(looked.interactions - len(looked.broken))
        if looked.followed:
            self._woken()
        return looked

    def _say(self, fault: str) -> None:
        if fault and fault != self.fault:
            _log.error("records_lost", error=fault, meanwhile="nothing is lost: what follows comes later")
        elif self.fault and not fault:
            _log.info("looking")
        self.fault = fault
