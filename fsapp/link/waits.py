"""Estimates of the wait as the link keeps them: learned from its facts, in Redis for anybody. Tells no caller anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from gevent.event import Event

from fsapp.core.floor import Seen
from fsapp.core.wait import Estimate
from fsapp.core.wait_floor import WaitBook
from fsapp.errors import StateError
from fsapp.log import get_logger
from fsapp.metrics import WAIT_ERROR_SECONDS, WAITS_FORETOLD
from fsapp.spawn import spawn

__all__ = ["Waits"]

EVERY_S = 2.0      # how old an estimate in Redis may be
KEEP_EVERY_S = 30.0
_STOP_S = 1.0
_log = get_logger("waits")


class Writer(Protocol):
    """Where estimates go, see FloorWriter."""

    def waits(self, estimates: Mapping[str, Estimate], learned: Mapping[str, Any] | None = None) -> bool: ...


class Waits:
    """Hears facts (`heard`, which never waits), writes estimates by queue. `found`: what an earlier link had learned.
    """

    def __init__(self, writer: Writer, seen: Callable[[], Seen], found: Mapping[str, Any]) -> None:
        self.book = _book(found)
        self._writer = writer
        self._seen = seen
        self._fault = ""
        self._kept = time.monotonic()
        self._stopping = Event()
        self._greenlet = spawn(self._run, name="waits")

    def heard(self, fact: Mapping[str, Any]) -> None:
        """One fact of the event stream; a bad one teaches nothing and harms nothing."""
        try:
            outcome = self.book.heard(fact, self._seen())
        except (ValueError, TypeError, ArithmeticError) as error:
            _log.warning("wait_not_learned", fact=fact.get("type"), error=repr(error))
            return
        if outcome is not None:
            WAITS_FORETOLD.labels("yes" if outcome.within else "no").inc()
            WAIT_ERROR_SECONDS.observe(outcome.error_s)

    def stop(self) -> None:
        """Keep what was learned."""
        self._stopping.set()
        self._greenlet.join(_STOP_S)
        self._greenlet.kill(timeout=1)
        self._write(keep=True)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            self._write(keep=time.monotonic() - self._kept > KEEP_EVERY_S)

    def _write(self, *, keep: bool) -> None:
        try:
            estimates = self.book.estimates(self._seen(), datetime.now(UTC))
            self._writer.waits(estimates, self.book.dump() if keep else None)
        except StateError as error:
            # Said by those who write the floor; here once is enough.
            if str(error) != self._fault:
                _log.warning("waits_held", error=str(error))
            self._fault = str(error)
            return
        except Exception:  # noqa: BLE001  whatever it was, the next estimates are new ones
            _log.exception("waits_failed")
            return
        self._fault = ""
        if keep:
            self._kept = time.monotonic()


def _book(found: Mapping[str, Any]) -> WaitBook:
    if not found:
        return WaitBook()
    try:
        return WaitBook.load(found)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        _log.warning("learned_waits_unreadable", error=repr(error), meanwhile="learning anew")
        return WaitBook()
