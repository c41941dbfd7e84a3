"""Lets a Reconciler look at the switch each time all of it has been read, beside the link. Judges nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from gevent.event import Event

from fsapp.core.floor import Seen
from fsapp.core.floor_change import FloorEvent
from fsapp.errors import StateError, SwitchError
from fsapp.link.watch import Watch
from fsapp.log import get_logger
from fsapp.spawn import spawn
from fsapp.telephony.reconcile import Reconciler

__all__ = ["Looks"]

_IDLE_S = 60.0
_STOP_S = 2.0
_SOON_S = 0.3
_log = get_logger("link")


class Looks:
    """Hears `watch`, and has it read everything again after something was mended."""

    def __init__(self, watch: Watch, reconciler: Reconciler) -> None:
        self._watch = watch
        self._reconciler = reconciler
        self._seen: Seen | None = None
        self._fault = ""
        self._looked_at: datetime | None = None
        self._wake = Event()
        self._stopping = Event()
        watch.on_synced = self._synced
        watch.hearers.append(self._heard)
        self._greenlet = spawn(self._run, name="looks")

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        self._greenlet.join(_STOP_S)
        self._greenlet.kill(timeout=1)

    def _synced(self, seen: Seen) -> None:
        self._seen = seen
        self._wake.set()

    def _heard(self, event: FloorEvent) -> None:
        """A new status is remembered soon: it outlives the switch."""
        if event.kind == "agent-max-no-answer":
            self._reconciler.agent_tired(event.agent)
        elif event.kind in ("agent-status-change", "agent-add"):
            self._watch.ask_for_sync("status", _SOON_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(_IDLE_S)
            self._wake.clear()
            seen, self._seen = self._seen, None
            if seen is not None and not self._stopping.is_set():
                self._look(seen)

    def _look(self, seen: Seen) -> None:
        gap_from, began = self._watch.gap_from, datetime.now(UTC)
        try:
            look = self._reconciler.look(self._watch, seen, gap_from)
        except (SwitchError, StateError) as error:
            # The next time all is read is not far; the fault itself is said by those whose it is.
            if str(error) != self._fault:
                _log.warning("not_looked", error=str(error))
            self._fault = str(error)
            # What has changed since the last look is found late then: it is for the switch to say when that was.
            self._watch.gap_from = self._watch.gap_from or self._looked_at
            return
        except Exception:  # noqa: BLE001  whatever was found, the next look is a new one
            _log.exception("look_failed")
            return
        self._fault, self._looked_at = "", began
        if look.settled and self._watch.gap_from == gap_from:
            self._watch.gap_from = None
        if look.changed:
            self._watch.ask_for_sync("mended", _SOON_S)
        elif look.again_s is not None:
            self._watch.ask_for_sync("doubt", look.again_s)
